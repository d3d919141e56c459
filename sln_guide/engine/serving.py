"""`Engine`: runs a `LiveSession` for a window in another process."""

from __future__ import annotations

import gc
import pickle
import queue
import sys
import threading
import time
import traceback
from dataclasses import fields, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from hardware.cameras import cameras_for
from hardware.frame import Frame
from hardware.realtime import Rank, go_first
from hardware.rig import Rig
from sln_guide.core import subtract
from sln_guide.engine.entry import Make
from sln_guide.engine.wire import Call, Load, Loader, Reply, Status, Unloaded
from sln_guide.guidance import NextNumbers, Picture, Settings
from sln_guide.live.session import LiveSession
from sln_guide.one_line import unexpected
from sln_guide.side_thread import SideThread
from sln_guide.warm_up import compiled_before, warm_up

STATUS_EVERY_S = 0.05
WHITE_ALONE_AFTER_S = 0.1
"""Without a picture for so long, white light is sent by itself."""
WHITE_EVERY_S = 0.015
JOIN_S = 2.0
WAIT_FOR_THE_DRIVE = ("start_recording", "stop_recording")


def session_on(rig: Rig, cases: Path) -> LiveSession:
    """Return a session on the rig's cameras; nothing is opened, or compiled, yet."""
    if rig.light.gated is not None:
        subtract.warm_up()  # the camera's thread calls it: that must not wait for a compiler
    ahead = _Ahead(rig)
    return LiveSession(rig, cameras_for(rig), cases=cases, prepare=ahead.finish)


class _Ahead:
    """Loads the core while cameras are found, or a phantom is drawn, beside it.

    Only where this machine has compiled it before: else a phantom's own kernels, and with them
    white light, would wait for the compiler.
    """

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._was_there: bool | None = None
        """What `warm_up` returned; None: it was not called."""
        self._thread = threading.Thread(target=self._run, name="core-ahead", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        if compiled_before(self._rig):
            self._was_there = warm_up(self._rig)

    def finish(self) -> None:
        """Wait for that, and do what is left to do."""
        self._thread.join()
        was_there = warm_up(self._rig) if self._was_there is None else self._was_there
        if not was_there:
            _tell("prepared the core for this machine; the next start is quick")
        gc.collect()
        gc.freeze()


class Engine:
    """One session, one connection. `run` uses the caller's thread for the window's calls.

    ``begun`` is set when the session runs, and may record.
    """

    def __init__(self, make: Make, connection: Connection, begun: threading.Event) -> None:
        self._make = make
        self._connection = connection
        self._begun = begun
        self._sending = threading.Lock()
        self._made: LiveSession | Exception = RuntimeError("nothing was made")
        self._session: LiveSession | None = None
        self._loader = Loader()
        self._sent: Picture | None = None
        self._sent_s = 0.0
        self._due = threading.Event()
        self._ending = threading.Event()
        self._closed = threading.Event()
        """Set when the session has ended: how its case fares is told until then."""
        self._for_the_drive: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._asking_drive = threading.Thread(
            target=self._answer_with_drive, name="recording-calls", daemon=True
        )
        self._threads = [
            SideThread(
                "pictures",
                self._send_what_is_left,
                self._ending,
                without="white light may not come where guidance fails",
            ),
            SideThread(
                "status",
                self._send_status,
                self._closed,
                without="what the screen says of cameras and recording came late",
            ),
        ]

    def run(self) -> None:
        """Answer calls until `close` is called or the window is gone; then end the session."""
        try:
            try:
                self._made = self._make()  # while the window's process gets ready itself
            except Exception as error:  # noqa: BLE001 - told when the window asks to start
                self._made = error
            go_first(Rank.PICTURE)  # not before: making it may take a while
            while True:
                try:
                    message = self._connection.recv()
                except (EOFError, OSError):
                    _tell("the window is gone: closing the case")
                    break
                if isinstance(message, Unloaded):
                    self._loader.unloaded(message.block)
                    self._due.set()
                elif message.method == "close":
                    break
                elif message.method in WAIT_FOR_THE_DRIVE:
                    self._for_the_drive.put(message)
                else:
                    self._answer(message)
        finally:
            self._end()

    def _answer(self, call: Call) -> None:
        value, error = None, None
        try:
            value = self._do(call)
        except Exception as raised:  # noqa: BLE001 - whatever it is, the session goes on
            error = _that_travels(raised)
            if call.number is None:
                traceback.print_exc()
        if call.number is not None:
            self._send(Reply(call.number, value, error))

    def _answer_with_drive(self) -> None:
        """Thread: does what may have to wait for a drive. Pictures do not wait for it as well."""
        while (call := self._for_the_drive.get()) is not None and not self._ending.is_set():
            self._answer(call)

    def _do(self, call: Call) -> Any:
        if call.method == "start":
            return self._start(**call.arguments)
        if self._session is None:
            raise RuntimeError("the engine was not started")
        return getattr(self._session, call.method)(**call.arguments)

    def _start(
        self,
        settings: Settings,
        unchecked: str | None = None,
        numbers: NextNumbers | None = None,
    ) -> None:
        session = self._made
        if isinstance(session, Exception):
            raise session
        session.change(**{each.name: getattr(settings, each.name) for each in fields(settings)})
        if unchecked is not None and session.rig.unchecked is None:
            session.lose_units(unchecked)  # as the engine had that this one replaces
        if numbers is not None:
            session.number_from(numbers)
        session.start()
        self._begun.set()
        self._session = session
        self._sent_s = time.monotonic()
        session.on_picture(self._picture_came)
        self._send(self._status(session))
        self._asking_drive.start()
        for thread in self._threads:
            thread.start()

    def _end(self) -> None:
        self._ending.set()
        self._due.set()
        self._for_the_drive.put(None)
        session = self._session
        if session is not None:
            session.close()
            self._asking_drive.join(JOIN_S)
        self._closed.set()
        for thread in self._threads:
            thread.join(JOIN_S)
        self._loader.close()
        self._connection.close()

    # -- towards the window ----------------------------------------------------------------------

    def _send(self, message: Reply | Status) -> None:
        with self._sending:
            self._say(message)

    def _say(self, message: Reply | Status | Load) -> None:
        """Send; ``_sending`` is held."""
        try:
            self._connection.send(message)
        except (BrokenPipeError, ConnectionError, OSError):
            self._ending.set()  # the window is gone: `run` sees that too
            self._closed.set()

    def _picture_came(self) -> None:
        """Send it at once, from the processing thread, unless that would be waiting.

        It cannot wait for a window that takes nothing: that gives no block back either.
        """
        if not self._sending.acquire(blocking=False):
            self._due.set()
            return
        try:
            self._send_newest()
        except (OSError, MemoryError):
            self._due.set()  # the other thread tries again, and says why: guidance goes on
        finally:
            self._sending.release()

    def _send_newest(self) -> bool:
        """Send the newest picture if it is new and there is room; ``_sending`` is held."""
        assert self._session is not None
        picture = self._session.latest_picture()
        if picture is None or picture is self._sent or not self._loader.room:
            return False
        self._say(self._loader.load(picture))
        self._sent, self._sent_s = picture, time.monotonic()
        return True

    def _send_what_is_left(self) -> None:
        """Thread: pictures that could not be sent at once, and white light where none come."""
        go_first(Rank.PICTURE)
        session = self._session
        assert session is not None
        white: Frame | None = None
        alone = False
        while not self._ending.is_set():
            self._due.wait(WHITE_EVERY_S if alone else WHITE_ALONE_AFTER_S)
            self._due.clear()  # set again by a block that comes back
            with self._sending:
                if self._send_newest():
                    alone = False
                    continue
                newest = session.latest_white()
                alone = (
                    newest is not None and time.monotonic() - self._sent_s >= WHITE_ALONE_AFTER_S
                )
                seen = self._sent is not None and newest is self._sent.white
                if alone and newest is not white and not seen and self._loader.room:
                    self._say(self._loader.load(newest))
                    white = newest

    def _send_status(self) -> None:
        session = self._session
        assert session is not None
        while not self._closed.wait(STATUS_EVERY_S):
            self._send(self._status(session))
        self._send(self._status(session))  # how the case ended

    def _status(self, session: LiveSession) -> Status:
        asked_ns = time.monotonic_ns()
        health = session.health()
        ours = tuple(thread.trouble for thread in self._threads if thread.trouble)
        return Status(
            replace(health, troubles=health.troubles + ours) if ours else health,
            session.events(),
            session.title,
            session.mode,
            asked_ns,
            session.rig.unchecked,
        )


def _that_travels(error: Exception) -> Exception:
    """Return ``error``, or its text where it cannot cross to another process."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001 - some constructors want more than their pickle holds
        return RuntimeError(unexpected(error))
    return error


def _tell(text: str) -> None:
    sys.stderr.write(f"sln-guide: {text}\n")
    sys.stderr.flush()
