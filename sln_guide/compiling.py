"""Processes that compile the core where it was not compiled before.

numba compiles for a minute and a half, one kernel after the other and one thread at a time. It
holds the interpreter's lock meanwhile, for which cameras' threads would wait, and takes 400 MB that
it never gives back. So one process compiles all (`compile_elsewhere`), and another comes to meet
it from the other end (`helped`). What they compile goes to the cache, from which `warm_up` then
loads it. What is not there, `warm_up` compiles itself: nothing depends on them, and they end when
their parent closes the pipe, or is gone.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import StrEnum

from hardware.rig import Rig
from sln_guide.core import IN_THE_SAME_CACHE


class Part(StrEnum):
    """What a process compiles."""

    WHOLE = "whole"
    LAST = "last"
    """What `compile_all` would come to last."""


def compile_elsewhere(rig: Rig, module: str) -> None:
    """Have ``module``, which must call `help_parent`, compile all that the rig needs, and wait."""
    with helped(rig, module, Part.WHOLE) as process:
        if process is not None:
            process.wait()


@contextmanager
def helped(rig: Rig, module: str, part: Part) -> Iterator[subprocess.Popen[bytes] | None]:
    """Have ``module`` do its ``part`` while what follows runs; None: no process could begin."""
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", module, part],
            stdin=subprocess.PIPE,
            env=os.environ | IN_THE_SAME_CACHE,
        )
    except OSError:  # no room for another process, say: it only takes longer
        yield None
        return
    assert process.stdin is not None
    try:
        with suppress(BrokenPipeError):  # it has ended: its own words tell why
            process.stdin.write(pickle.dumps(rig))
            process.stdin.flush()
        yield process
    finally:
        with suppress(BrokenPipeError):
            process.stdin.close()
        process.wait()


def help_parent(parts: Mapping[Part, Callable[[Rig], None]]) -> None:
    """Do this process's part for the rig that the parent names."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # meant for the parent
    rig = pickle.load(sys.stdin.buffer)
    threading.Thread(target=_end_with_parent, name="watch-parent", daemon=True).start()
    os.nice(5)  # white light goes on meanwhile
    with suppress(OSError):  # a full disk: the parent meets it as well, and says so
        parts[Part(sys.argv[1])](rig)


def _end_with_parent() -> None:
    while os.read(0, 1):  # not through sys.stdin: its lock must be free when Python ends
        pass
    os._exit(0)
