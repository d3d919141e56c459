"""`RemoteSession`: a live session that runs in a process of its own, seen from the window."""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from hardware.frame import Frame
from hardware.realtime import Rank, go_first
from hardware.rig import Rig
from sln_guide.engine.entry import Make
from sln_guide.engine.link import CLOSE_S, KILL_S, Link
from sln_guide.engine.wire import Call, Reply, Status
from sln_guide.guidance import Mode, NextNumbers, Picture, Settings
from sln_guide.health import SessionHealth
from sln_guide.one_line import unexpected
from sln_guide.side_thread import TOLD_FOR_S
from sln_guide.source import EventMark, Paint, SourceError

ANSWER_S = 5.0
RECORD_ANSWER_S = 0.4
"""The window waits for it: before the watchdog covers it, it must have gone on."""
SILENT_AFTER_S = 1.0
START_S = 900.0
"""The first start on a machine compiles what simulates cameras."""
RESTART_AFTER_S = 0.5
JOIN_S = 5.0
_RESTART = 0
"""Number of the call that starts another engine; those the window waits for are above it."""
_ENDED = (
    "Their process ended unexpectedly (code {}) · It is being started again; what was recorded is "
    "kept · Guide by direct view"
)
_NOT_BEGUN = (
    "the cameras' process ended unexpectedly (code {}) before the cameras were open: start again; "
    "if it stays, ask `sln-guide doctor`"
)
_UNANSWERED = "no answer within {:g} s: try again, then restart the program"
_NOT_YET = "no answer yet, maybe of the drive; it begins when there is one, and REC says so"
_NOT_AGAIN = "They cannot be started again: {} · It is tried again and again"


class _NoAnswer(SourceError):
    """None came in time; it may still be done."""


class RemoteSession:
    """Implements `PictureSource`, `Recordable` and `Movable` by asking the engine.

    The engine's process starts at once, so that it gets ready while the caller does the same;
    cameras are opened by `start`. An engine that dies is replaced by another, as often as
    it takes: white light comes back by itself, and the recording goes on.

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
        self._make = make
        self._settings = settings or Settings()
        self._wake: Callable[[], None] | None = None
        self._picture: Picture | None = None
        self._white: Frame | None = None
        self._status: Status | None = None
        self._began_ns = 0
        """When the first engine's session began: the clock of events does not begin anew."""
        self._events_before: tuple[EventMark, ...] = ()
        """Stamped while earlier engines ran."""
        self._numbers = NextNumbers()
        """Behind all that pictures told nodes by: another engine gives none of them again."""
        self._gone: str | None = None
        self._unshown = -math.inf, ""
        """When a picture last came that could not be shown, and why."""
        self._started = False
        self._telling = threading.Lock()
        self._early: list[Call] | None = []
        """What was chosen and stamped while the cameras were opened."""
        self._closed = threading.Event()
        self._exchange = threading.Lock()
        """Held while one engine takes another's place: after `close` none is started."""
        self._recording = False
        self._unclosed: str | None = None
        self._refused: str | None = None
        """Why Record, when last pressed, began no case."""
        self._answers: dict[int, queue.SimpleQueue[Reply | None]] = {}
        self._number = _RESTART
        self._link = Link(make)
        self._hearing = threading.Thread(target=self._hear_all, name="from-engine", daemon=True)
        self._hearing.start()

    @property
    def pid(self) -> int | None:
        """Process number of the engine."""
        return self._link.pid

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
        """The rig; it loses its calibrated units when a case begins after its check expired."""
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
        """Have the cameras opened. Raises CameraError, or SourceError without an answer."""
        self._ask("start", {"settings": self._settings}, START_S)
        self._started = True
        with self._telling:
            early, self._early = self._early or [], None
            for call in early:
                self._link.say(call)

    def close(self) -> None:
        """Have the case closed and the engine ended, within bounded time. Idempotent."""
        if self._closed.is_set():
            return
        with self._exchange:
            self._closed.set()
        self._wake = None
        # until the cameras were open there was no case: nothing to wait for
        patience_s = CLOSE_S if self._started else KILL_S
        ended = self._link.end(patience_s=patience_s, progress=self._recorded)
        if not ended and self._status is not None and self._status.health.recorder.recording:
            self._unclosed = (
                f"the cameras' process had to be ended after {patience_s:.0f} s without an answer, "
                "and its case is not closed: look at the drive; what was written is read by "
                "`sln-guide recover`"
            )
        self._hearing.join(JOIN_S)
        self._link.release()

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
        """Return the newest summary; that the engine has ended is one as well.

        Raises
        ------
        SourceError
            The engine says nothing: what it last said is not to be trusted.
        """
        status = self._status
        if status is None:
            raise SourceError(self._gone or "cameras, core and recorder are starting")
        health = replace(status.health, started_ns=self._began_ns)
        if self._gone is not None:
            return _stopped(health, self._gone)
        unshown_s, why = self._unshown
        if time.monotonic() - unshown_s < TOLD_FOR_S:
            trouble = f"pictures do not reach the window ({why}); a recording is not affected"
            health = replace(health, troubles=(*health.troubles, trouble))
        silent_s = (time.monotonic_ns() - status.asked_ns) / 1e9
        if silent_s > SILENT_AFTER_S:
            raise SourceError(
                f"cameras, core and recorder have not answered for {silent_s:.0f} s. "
                "If this stays, restart the program: what was recorded is kept"
            )
        return health

    def _recorded(self) -> tuple[int, int] | None:
        """Return what changes for as long as the drive takes something."""
        if self._status is None:
            return None
        recorder = self._status.health.recorder
        return recorder.bytes_written, recorder.unsaved

    @property
    def recorder_error(self) -> str | None:
        """What the recorder last said went wrong, also after `close`; None for nothing."""
        said = None if self._status is None else self._status.health.recorder.error
        return said or self._unclosed or self._refused

    def change(self, **changes: Any) -> Settings:
        """Replace fields of `Settings`; the next picture is made with them."""
        self._settings = replace(self._settings, **changes)
        self._tell(Call("change", changes))
        return self._settings

    def work_at(self, distance_mm: float) -> Settings:
        """Have another working distance taken. Raises CalibrationError, or SourceError."""
        settings = self._ask("work_at", {"distance_mm": distance_mm}, ANSWER_S)
        self._settings = replace(self._settings, plane=settings.plane)
        return self._settings

    def painted(self, paint: Paint) -> None:
        """Tell that a picture reached the window."""
        self._tell(Call("painted", {"paint": paint}))

    def events(self) -> tuple[EventMark, ...]:
        """Return the marks so far, oldest first."""
        status = self._status
        if status is None:
            return self._events_before
        later_s = (status.health.started_ns - self._began_ns) / 1e9
        now = (replace(event, time_s=event.time_s + later_s) for event in status.events)
        return *self._events_before, *now

    def mark(self, name: str, detail: str = "") -> None:
        """Stamp an event."""
        when = time.monotonic_ns()
        self._tell(Call("mark", {"name": name, "detail": detail, "time_ns": when}))

    # -- Recordable ------------------------------------------------------------------------------

    def start_recording(self) -> Path:
        """Begin a case and return its folder. Raises RecordingError, or SourceError: no answer.

        Without an answer it begins later: when the drive answers.
        """
        try:
            folder = self._ask("start_recording", {}, RECORD_ANSWER_S, _NOT_YET)
        except _NoAnswer:
            self._recording, self._refused = True, None
            raise
        except Exception as error:
            if not self._recording:
                self._refused = f"nothing was recorded: {error}"
            raise
        assert isinstance(folder, Path)
        self._recording, self._refused = True, None
        return folder

    def stop_recording(self) -> None:
        """End the case: what waits is still written."""
        self._recording = False
        self._tell(Call("stop_recording"))

    # -- the engine ------------------------------------------------------------------------------

    def _tell(self, call: Call) -> None:
        """Have the engine do it soon, once it has started."""
        with self._telling:
            if self._early is not None:
                self._early.append(call)
            else:
                self._link.say(call)

    def _ask(
        self,
        method: str,
        arguments: dict[str, Any],
        timeout_s: float,
        unanswered: str = _UNANSWERED,
    ) -> Any:
        if not (self._started or method == "start"):
            raise SourceError("the cameras are still being opened; try again when they show")
        self._number += 1
        number = self._number
        box: queue.SimpleQueue[Reply | None] = queue.SimpleQueue()
        self._answers[number] = box
        try:
            if self._gone is not None:
                raise SourceError(self._gone)
            self._link.say(Call(method, arguments, number))
            reply = box.get(timeout=timeout_s)
        except queue.Empty:
            raise _NoAnswer(unanswered.format(timeout_s)) from None
        finally:
            del self._answers[number]
        if reply is None:
            raise SourceError(self._gone or "the program is closing")
        if reply.error is not None:
            raise reply.error
        return reply.value

    def _hear_all(self) -> None:
        """Thread: takes in what the engine says; starts another when it ends unasked."""
        go_first(Rank.PICTURE)
        while True:
            with suppress(EOFError):
                while True:
                    self._hear_one()
            ended_unasked = not self._closed.is_set()
            if ended_unasked and self._gone is None:
                said = _ENDED if self._started else _NOT_BEGUN
                self._gone = said.format(self._link.exit_code())
            for box in list(self._answers.values()):
                box.put(None)
            self._tell_window()
            if not ended_unasked or not self._started or self._closed.wait(RESTART_AFTER_S):
                return
            with self._exchange:
                if self._closed.is_set():
                    return
                try:
                    self._replace_engine()
                except (
                    OSError
                ) as error:  # no room for a process: the end of the last is heard again
                    self._gone = _NOT_AGAIN.format(unexpected(error))

    def _hear_one(self) -> None:
        try:
            message = self._link.hear()
        except EOFError:
            raise
        except (OSError, MemoryError) as error:
            self._unshown = time.monotonic(), unexpected(error)
        else:
            self._take(message)

    def _replace_engine(self) -> None:
        ended, self._link = self._link, Link(self._make)
        told = {
            "settings": self._settings,
            "unchecked": self._rig.unchecked,
            "numbers": self._numbers,
        }
        self._link.say(Call("start", told, _RESTART))
        ended.end(patience_s=0.0)
        ended.release()

    def _take(self, message: Any) -> None:
        if isinstance(message, Status):
            self._take_status(message)
        elif isinstance(message, Reply):
            if message.number == _RESTART:
                self._restarted(message.error)
            elif (box := self._answers.get(message.number)) is not None:
                box.put(message)
        else:
            if isinstance(message, Picture):
                self._picture = message
                if message.guidance is not None:
                    found = message.guidance.detections
                    self._numbers = self._numbers.behind((d.track_id, d.node_number) for d in found)
            else:
                self._white = message
            self._tell_window()

    def _take_status(self, status: Status) -> None:
        before = self._status
        if before is None:
            self._began_ns = status.health.started_ns
        elif before.health.started_ns != status.health.started_ns:
            self._events_before = self.events()
        self._status = status
        if status.unchecked != self._rig.unchecked:
            self._rig = msgspec.structs.replace(self._rig, unchecked=status.unchecked)

    def _restarted(self, error: Exception | None) -> None:
        if error is not None:
            self._gone = _NOT_AGAIN.format(error)
            self._link.say(Call("close"))  # its end is heard, and another tried
            return
        self._gone = None
        now_ns = time.monotonic_ns()
        detail = "cameras, core and recorder had ended unexpectedly; nodes get new numbers"
        self._link.say(Call("mark", {"name": "restart", "detail": detail, "time_ns": now_ns}))
        if self._recording:
            self._link.say(Call("start_recording"))

    def _tell_window(self) -> None:
        wake = self._wake
        if wake is not None:
            wake()


def _stopped(last: SessionHealth, why: str) -> SessionHealth:
    """Return what is left of ``last`` when the engine is gone: nothing in it moves any more."""
    return replace(
        last,
        ended=why,
        recorder=replace(last.recorder, recording=False, error=None),
        nir=replace(last.nir, rate_hz=0.0),
        white=None if last.white is None else replace(last.white, rate_hz=0.0),
        latency_p50_ms=None,
        latency_p99_ms=None,
    )
