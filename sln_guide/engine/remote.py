"""`RemoteSession`: a live session that runs in a process of its own, seen from the window."""

from __future__ import annotations

import multiprocessing
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from hardware.frame import Frame
from hardware.rig import Rig
from sln_guide.engine.serving import Make, serve
from sln_guide.engine.wire import Call, Load, Reply, Status, Unloaded, Unloader
from sln_guide.guidance import Mode, Picture, SessionHealth, Settings
from sln_guide.source import EventMark, Paint, SourceError

ANSWER_S = 5.0
SILENT_AFTER_S = 1.0
START_S = 300.0
"""The first start on a machine compiles the core."""
CLOSE_S = 90.0
"""The recorder may have much to write; a disk that has stopped answering ends the wait."""


class RemoteSession:
    """Implements `PictureSource` and `Recordable` by asking the engine.

    The engine's process starts at once, so that it imports and warms up while the caller does the
    same; cameras are opened by `start`.

    Parameters
    ----------
    rig
        What the engine's cameras are opened for.
    make
        Makes the session, there. Picklable.
    settings
        What the operator begins with.
    """

    def __init__(self, rig: Rig, make: Make, settings: Settings | None = None) -> None:
        self._rig = rig
        self._settings = settings or Settings()
        self._wake: Callable[[], None] | None = None
        self._picture: Picture | None = None
        self._white: Frame | None = None
        self._status: Status | None = None
        self._gone: str | None = None
        self._closed = False
        self._answers: dict[int, queue.SimpleQueue[Reply | None]] = {}
        self._number = 0
        self._unloader = Unloader()
        self._to_send: queue.SimpleQueue[Call | Unloaded | None] = queue.SimpleQueue()
        spawn = multiprocessing.get_context("spawn")
        self._connection, theirs = spawn.Pipe()
        self._process = spawn.Process(target=serve, args=(make, theirs), name="sln-guide engine")
        self._process.start()
        theirs.close()
        self._threads = [
            threading.Thread(target=self._receive, name="from-engine", daemon=True),
            threading.Thread(target=self._send, name="to-engine", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int | None:
        """Process number of the engine."""
        return self._process.pid

    # -- PictureSource ---------------------------------------------------------------------------

    @property
    def mode(self) -> Mode:
        """LIVE, or SIMULATED if any picture is not light on a real sensor."""
        status = self._status
        if status is None:
            return Mode.SIMULATED if self._rig.simulated else Mode.LIVE
        return status.mode

    @property
    def rig(self) -> Rig:
        """The rig."""
        return self._rig

    @property
    def title(self) -> str:
        """Name of the case being recorded, else of the rig."""
        return self._rig.name if self._status is None else self._status.title

    @property
    def settings(self) -> Settings:
        """What the operator last chose."""
        return self._settings

    def start(self) -> None:
        """Have the cameras opened; their errors are raised here."""
        self._ask("start", {"settings": self._settings}, START_S)

    def close(self) -> None:
        """Have the case closed and the engine ended, within bounded time. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._wake = None
        self._to_send.put(Call("close"))
        self._process.join(CLOSE_S)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join(1.0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._to_send.put(None)
        for thread in self._threads:
            thread.join(ANSWER_S)
        self._connection.close()
        self._unloader.close()
        self._process.close()

    def on_picture(self, wake: Callable[[], None] | None) -> None:
        """Have ``wake`` called, from another thread, after each new picture."""
        self._wake = wake

    def latest_picture(self) -> Picture | None:
        """Return the newest picture that has arrived."""
        return self._picture

    def latest_white(self) -> Frame | None:
        """Return the newest white frame that has arrived."""
        picture, alone = self._picture, self._white
        frames = [f for f in (None if picture is None else picture.white, alone) if f is not None]
        return max(frames, key=lambda frame: frame.mid_exposure_ns, default=None)

    def health(self) -> SessionHealth:
        """Return the newest summary.

        Raises
        ------
        SourceError
            The engine has ended, or says nothing: what was last said is not to be trusted.
        """
        status = self._status
        if self._gone is not None:
            raise SourceError(self._gone)
        if status is None:
            raise SourceError("the engine is starting")
        silent_s = (time.monotonic_ns() - status.asked_ns) / 1e9
        if silent_s > SILENT_AFTER_S:
            raise SourceError(
                f"cameras, core and recorder have not answered for {silent_s:.0f} s. "
                "If this stays, restart the program: what was recorded is kept"
            )
        return status.health

    def change(self, **changes: Any) -> Settings:
        """Replace fields of `Settings`; the next picture is made with them."""
        self._settings = replace(self._settings, **changes)
        self._tell("change", changes)
        return self._settings

    def painted(self, picture: Picture, painted_ns: int, overlay_visible: bool) -> None:
        """Tell that ``picture`` reached the window."""
        self._tell("note_paint", {"paint": Paint.of(picture, painted_ns, overlay_visible)})

    def events(self) -> tuple[EventMark, ...]:
        """Return the marks so far, oldest first."""
        return () if self._status is None else self._status.events

    def mark(self, name: str, detail: str = "") -> None:
        """Stamp an event."""
        self._tell("mark", {"name": name, "detail": detail, "time_ns": time.monotonic_ns()})

    # -- Recordable ------------------------------------------------------------------------------

    def start_recording(self) -> Path:
        """Begin a case and return its folder."""
        folder = self._ask("start_recording", {}, ANSWER_S)
        assert isinstance(folder, Path)
        return folder

    def stop_recording(self) -> None:
        """End the case: what waits is still written."""
        self._tell("stop_recording", {})

    # -- the wire --------------------------------------------------------------------------------

    def _tell(self, method: str, arguments: dict[str, Any]) -> None:
        self._to_send.put(Call(method, arguments))

    def _ask(self, method: str, arguments: dict[str, Any], timeout_s: float) -> Any:
        self._number += 1
        number = self._number
        box: queue.SimpleQueue[Reply | None] = queue.SimpleQueue()
        self._answers[number] = box
        try:
            if self._gone is not None:
                raise SourceError(self._gone)
            self._to_send.put(Call(method, arguments, number))
            reply = box.get(timeout=timeout_s)
        except queue.Empty:
            raise SourceError(
                f"the engine did not answer within {timeout_s:g} s: try again, "
                "then restart the program"
            ) from None
        finally:
            del self._answers[number]
        if reply is None:
            raise SourceError(self._gone or "the engine ended")
        if reply.error is not None:
            raise reply.error
        return reply.value

    def _send(self) -> None:
        """Thread: so that a pipe nobody empties never holds up the window."""
        while (message := self._to_send.get()) is not None:
            try:
                self._connection.send(message)
            except OSError:
                return  # the engine is gone: `_receive` sees that too, and says so

    def _receive(self) -> None:
        """Thread: takes in what the engine says, until it ends."""
        try:
            while True:
                self._take(self._connection.recv())
        except (EOFError, OSError):
            pass
        finally:
            self._end_of_engine()

    def _take(self, message: Load | Status | Reply) -> None:
        if isinstance(message, Load):
            value = self._unloader.unload(message)
            self._to_send.put(Unloaded(message.block))
            if isinstance(value, Picture):
                self._picture = value
            else:
                self._white = value
            wake = self._wake
            if wake is not None:
                wake()
        elif isinstance(message, Status):
            self._status = message
        else:
            box = self._answers.get(message.number)
            if box is not None:
                box.put(message)

    def _end_of_engine(self) -> None:
        if not self._closed:
            self._process.join(1.0)
            self._gone = (
                f"cameras, core and recorder ended unexpectedly (exit code "
                f"{self._process.exitcode}): restart the program. What was recorded is kept"
            )
        for box in list(self._answers.values()):
            box.put(None)
        wake = self._wake
        if wake is not None:
            wake()
