"""The real-time class of the system's scheduler, for the few threads between camera and eye.

Any other program that is busy makes a thread that wakes wait for its turn, tens of milliseconds
where several are. A thread of this class waits for none of them. Each of ours works for a few
milliseconds and then sleeps, so that others still get by; the kernel itself leaves them a twentieth
of the time should one of ours never sleep.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from enum import IntEnum

REMEDY = (
    "echo '@video - rtprio 10' | sudo tee /etc/security/limits.d/60-sln-guide.conf, "
    "be a member of the group video, log in again"
)


class Rank(IntEnum):
    """Who goes before whom. Equals take turns: what is recorded waits for no picture."""

    BESIDE = 1
    """Shares the interpreter's lock with those below: held up while it has it, it holds them up."""
    PICTURE = 2
    """Computes, records, hands over and paints."""
    CAMERA = 3
    """Reads a frame, before a buffer is needed again."""
    WATCHDOG = 4
    """Covers a window that stopped: must not wait for what stopped it."""


def go_first(rank: Rank) -> bool:
    """Put the calling thread before all ordinary ones; False where the system does not let us.

    Threads and processes that it starts afterwards are ordinary ones again.
    """
    if sys.platform != "linux":
        return False
    with suppress(OSError):  # not allowed: then everything works as well, but may wait for others
        policy = os.SCHED_RR | os.SCHED_RESET_ON_FORK
        os.sched_setscheduler(0, policy, os.sched_param(int(rank)))
        return True
    return False


def goes_first(thread_id: int) -> bool:
    """Whether a thread (its native id; 0: the calling one) is of the real-time class."""
    if sys.platform != "linux":
        return False
    return os.sched_getscheduler(thread_id) & ~os.SCHED_RESET_ON_FORK == os.SCHED_RR


def may_go_first() -> bool | None:
    """Whether the system lets us, tried on a thread of its own; None: it knows no such class."""
    if sys.platform != "linux":
        return None
    told: list[bool] = []
    trial = threading.Thread(target=lambda: told.append(go_first(Rank.PICTURE)), name="trial")
    trial.start()
    trial.join()
    return told == [True]
