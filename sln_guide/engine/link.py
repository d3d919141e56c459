"""`Link`: one engine's process and the connection to it, from start to end."""

from __future__ import annotations

import multiprocessing
import queue
import threading
from typing import Any

from hardware.realtime import Rank, go_first
from sln_guide.engine.entry import Make, serve
from sln_guide.engine.wire import Call, Load, Reply, Status, Unloaded, Unloader

CLOSE_S = 90.0
"""The recorder may have much to write; a disk that has stopped answering ends the wait."""
KILL_S = 2.0


class Link:
    """Starts an engine at once. `say` never waits; one thread calls `hear`."""

    def __init__(self, make: Make) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._connection, theirs = spawn.Pipe()
        self._process = spawn.Process(target=serve, args=(make, theirs), name="sln-guide engine")
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

    def end(self, *, patience_s: float = CLOSE_S) -> None:
        """Have the engine close its case and end; kill it if it does not in time."""
        self._to_say.put(Call("close"))
        self._process.join(patience_s)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._to_say.put(None)
        self._saying.join(KILL_S)

    def release(self) -> None:
        """Let go of everything; after `end`, and when nobody `hear`s any more."""
        self._connection.close()
        self._process.close()

    def _say_all(self) -> None:
        go_first(Rank.PICTURE)
        while (message := self._to_say.get()) is not None:
            try:
                self._connection.send(message)
            except OSError:
                return  # the engine is gone: whoever hears it is told
