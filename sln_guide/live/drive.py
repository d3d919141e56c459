"""What the recorder knows of the drive that a case lies on: whether it answers, its free space."""

from __future__ import annotations

import math
import shutil
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

RESERVE_BYTES = 256 << 20
"""Free space at which a recording is closed cleanly instead of running into the wall; on a small
disk a twentieth of it, or what comes in `RESERVE_S` where that is more."""
RESERVE_S = 2.0
LOOK_EVERY_S = 1.0
LEAST_LOOK_S = 0.05
RATE_WINDOW_S = 10.0


class Answers:
    """Notes since when one thread has been waiting for the drive; any other may ask."""

    def __init__(self) -> None:
        self._since_s: float | None = None

    @contextmanager
    def awaited(self) -> Iterator[None]:
        """Mark the body as something that the drive has to answer."""
        self._since_s = time.monotonic()
        try:
            yield
        finally:
            self._since_s = None

    @property
    def awaited_s(self) -> float:
        """For how long an answer has been waited for, 0 where none is."""
        since_s = self._since_s
        return 0.0 if since_s is None else time.monotonic() - since_s


class Space:
    """Free space on the case's disk, and how long it lasts at the present rate."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._look_s = 0.0
        self._seen: deque[tuple[float, int]] = deque()
        self._minutes: float | None = None
        self.nearly_full = False

    def minutes_left(self, bytes_written: int, bytes_waiting: int) -> float | None:
        """Return minutes until full (None while unknown).

        Looks at the disk once a second, oftener when it fills so fast that a second is too long.
        What is kept free takes what still waits and what comes until the next look. Raises OSError.
        """
        now_s = time.monotonic()
        if now_s < self._look_s:
            return self._minutes
        total, _, free = shutil.disk_usage(self._folder)
        self._seen.append((now_s, bytes_written))
        while now_s - self._seen[0][0] > RATE_WINDOW_S:
            self._seen.popleft()
        span_s, written = now_s - self._seen[0][0], bytes_written - self._seen[0][1]
        rate = written / max(span_s, 1.0)  # what a pre-roll brings at once is no rate
        reserve = min(RESERVE_BYTES, max(total // 20, rate * RESERVE_S)) + bytes_waiting
        usable = max(0.0, free - reserve)
        lasts_s = usable / rate if rate > 0 else math.inf if span_s > 0 else 0.0
        if rate > 0:
            self._minutes = lasts_s / 60.0
        self._look_s = now_s + min(max(lasts_s / 4, LEAST_LOOK_S), LOOK_EVERY_S)
        self.nearly_full = free < reserve
        return self._minutes
