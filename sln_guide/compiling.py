"""A second process that compiles its half of the core where nothing was compiled before.

numba compiles for a minute and a half, one kernel after the other and one thread at a time. What
this process compiles goes to the cache, from which `warm_up` then loads it; what it has not come
to, `warm_up` compiles itself. So nothing depends on it, and it ends when its parent closes the
pipe, or is gone.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from hardware.rig import Rig


@contextmanager
def helped(rig: Rig, module: str) -> Iterator[None]:
    """Have ``module``, which must call `help_parent`, do its half while what follows runs."""
    try:
        process = subprocess.Popen([sys.executable, "-m", module], stdin=subprocess.PIPE)
    except OSError:  # no room for another process, say: it only takes longer
        yield
        return
    assert process.stdin is not None
    try:
        with suppress(BrokenPipeError):  # it has ended: its own words tell why
            process.stdin.write(pickle.dumps(rig))
            process.stdin.flush()
        yield
    finally:
        with suppress(BrokenPipeError):
            process.stdin.close()
        process.wait()


def help_parent(half: Callable[[Rig], None]) -> None:
    """Do this process's ``half`` for the rig that the parent names."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # meant for the parent
    rig = pickle.load(sys.stdin.buffer)
    threading.Thread(target=_end_with_parent, name="watch-parent", daemon=True).start()
    os.nice(5)  # white light goes on meanwhile
    half(rig)


def _end_with_parent() -> None:
    while os.read(0, 1):  # not through sys.stdin: its lock must be free when Python ends
        pass
    os._exit(0)
