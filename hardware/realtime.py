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
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import IntEnum

LEAST_IDLE = 0.1
"""Share of its time that a loop must wait, or it is too busy to go before others."""
AGAIN_AFTER_S = 10.0
_NEWEST_COUNTS = 0.05
"""Of one round, in the mean: some forty rounds without waiting are too many."""

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


@contextmanager
def going_first(rank: Rank) -> Iterator[None]:
    """Let the calling thread go first while it does this."""
    went = go_first(rank)
    try:
        yield
    finally:
        if went:
            step_back()


class Turn:
    """Puts the calling thread before ordinary ones for as long as its loop leaves time to others.

    A loop that takes the newest of something never waits on a machine that is too slow for it. Of
    the real-time class it would leave nothing to the X server, and the screen would stand still:
    then it is of the ordinary class, and tries again after `AGAIN_AFTER_S`.

    Call `waits` before the loop waits, `works` after that; all on one thread.
    """

    def __init__(self, rank: Rank) -> None:
        self._rank = rank
        self._first = go_first(rank)
        self._idle = 1.0
        self._busy_ns = 0
        self._mark_ns = self._back_ns = time.monotonic_ns()

    def waits(self) -> None:
        """Note that the work of this round is done."""
        now_ns = time.monotonic_ns()
        self._busy_ns, self._mark_ns = now_ns - self._mark_ns, now_ns

    def works(self) -> None:
        """Note that there is work again."""
        now_ns = time.monotonic_ns()
        idle_ns, self._mark_ns = now_ns - self._mark_ns, now_ns
        share = idle_ns / max(idle_ns + self._busy_ns, 1)
        self._idle += (share - self._idle) * _NEWEST_COUNTS
        if self._first and self._idle < LEAST_IDLE:
            self._first, self._back_ns = False, now_ns
            step_back()
        elif not self._first and now_ns - self._back_ns > AGAIN_AFTER_S * 1e9:
            self._first, self._idle, self._back_ns = go_first(self._rank), 1.0, now_ns


def step_back() -> None:
    """Make the calling thread an ordinary one again."""
    if sys.platform == "linux":
        # without the flag, which only a privileged thread may take off, others would be refused
        os.sched_setscheduler(0, os.SCHED_OTHER | os.SCHED_RESET_ON_FORK, os.sched_param(0))


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
