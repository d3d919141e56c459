"""`Link`: one engine's process and the connection to it, from start to end."""

from __future__ import annotations

import multiprocessing
import queue
import threading
from collections.abc import Callable
from multiprocessing.context import SpawnProcess
from typing import Any

from hardware.realtime import Rank, go_first
from sln_guide.engine.entry import Make, serve
from sln_guide.engine.wire import Call, Load, Reply, Status, Unloaded, Unloader
from sln_guide.terminal import signals_wait

CLOSE_S = 150.0
"""A drive that has stopped answering ends the wait; the recorder gives up before that."""
KILL_S = 2.0
LOOK_S = 0.2
_left: list[SpawnProcess] = []


def any_left() -> bool:
    """Whether an engine outlived its end: Python would wait for it without end."""
    return any(process.is_alive() for process in _left)


class Link:
    """Starts an engine at once. `say` never waits; one thread calls `hear`."""

    def __init__(self, make: Make) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._connection, theirs = spawn.Pipe()
        self._process = spawn.Process(target=serve, args=(make, theirs), name="sln-guide engine")
        with signals_wait():
            self._process.start()
        theirs.close()
        self._to_say: queue.SimpleQueue[Call | Unloaded | None] = queue.SimpleQueue()
        to_say = self._to_say
        self._unloader = Unloader(lambda block: to_say.put(Unloaded(block)))
        # a thread of its own, so that a pipe nobody empties never holds up the window
        self._saying = threading.Thread(target=self._say_all, name="to-engine", daemon=True)
        self._saying.start()

    @property
    def pid(self) -> int | None:
        """Process number of the engine."""
        return self._process.pid

    def say(self, call: Call) -> None:
        """Send ``call`` soon; to an engine that is gone it says nothing. Any thread."""
        self._to_say.put(call)

    def hear(self) -> Status | Reply | Any:
        """Wait for what comes next: a status, a reply, or a picture or frame itself.

        Raises
        ------
        EOFError
            The engine has ended.
        OSError, MemoryError
            What came cannot be shown: the engine has just ended, which is heard next, or this
            process lacks a descriptor or memory. The engine is none the worse for that.
        """
        try:
            message = self._connection.recv()
        except (OSError, EOFError):
            raise EOFError from None
        if not isinstance(message, Load):
            return message
        return self._unloader.unload(message)

    def exit_code(self) -> int | None:
        """Return how the engine ended, once `hear` has said that it did."""
        self._process.join(KILL_S)
        return self._process.exitcode

    def end(
        self, *, patience_s: float = CLOSE_S, progress: Callable[[], object] = lambda: None
    ) -> bool:
        """Have the engine close its case and end; kill it, and return False, if it does not.

        For so long it is waited for from when ``progress`` last was another.
        """
        self._to_say.put(Call("close"))
        waited_s, seen = 0.0, progress()
        while self._process.is_alive() and waited_s < patience_s:
            self._process.join(min(LOOK_S, patience_s))
            now = progress()
            waited_s = waited_s + LOOK_S if now == seen else 0.0
            seen = now
        ended = not self._process.is_alive()
        if not ended:
            self._process.kill()
            self._process.join(KILL_S)
            if self._process.is_alive():  # it waits for a drive that is dead, and cannot even die
                _left.append(self._process)
        self._to_say.put(None)
        self._saying.join(KILL_S)
        return ended

    def release(self) -> None:
        """Let go of everything; after `end`, and when nobody `hear`s any more."""
        self._connection.close()
        if not self._process.is_alive():
            if self._process in _left:  # it died late
                _left.remove(self._process)
            self._process.close()

    def _say_all(self) -> None:
        go_first(Rank.PICTURE)
        while (message := self._to_say.get()) is not None:
            try:
                self._connection.send(message)
            except OSError:
                return  # the engine is gone: whoever hears it is told
