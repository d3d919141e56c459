"""What has arrived, and which white frame belongs to which NIR frame."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable

from hardware.frame import Frame
from sln_guide.guidance import Pair, Role
from sln_guide.handoff import Latest

REMEMBERED_WHITE_FRAMES = 8
REMEMBERED_SKEWS = 31
MAX_PATIENCE_NS = 6_000_000
"""Longest wait for a partner. Waiting is latency, so it is also bound to a part of a period."""


class Arrivals:
    """The newest frame of each stream, and the wait for the next moment.

    Camera threads `put`, one thread asks for the `next` frames, any thread may look at the
    `newest`.
    """

    def __init__(self, roles: Iterable[Role]) -> None:
        self._newest: dict[Role, Latest[Frame]] = {role: Latest() for role in roles}
        self._changed = threading.Condition()
        self._periods_ns: dict[Role, int] = dict.fromkeys(self._newest, 0)
        self._closed = False

    def put(self, role: Role, frame: Frame, period_ns: int) -> None:
        """Hand over a frame; ``period_ns`` is its stream's, 0 while unknown."""
        self._newest[role].put(frame)
        with self._changed:
            self._periods_ns[role] = period_ns
            self._changed.notify_all()

    def newest(self, role: Role) -> Frame | None:
        """Return the newest frame of ``role``, taken or not."""
        box = self._newest.get(role)
        return None if box is None else box.peek()

    def overwritten(self, role: Role) -> int:
        """How many frames of ``role`` were never taken because a newer one came."""
        box = self._newest.get(role)
        return 0 if box is None else box.overwritten

    def close(self) -> None:
        """Wake whoever waits, for good."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def next(self, timeout_s: float) -> tuple[Frame | None, Frame | None]:
        """Return new (nir, white) frames; (None, None) when nothing came in time.

        When only one came and the other camera's frame of the same moment is due, waits for it
        a little: drawing NIR of this moment over white of the last one would misplace it.
        """
        taken: dict[Role, Frame] = {}
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._take(taken), timeout_s)
            patience_s = self._patience_s(taken)
            if patience_s > 0.0:
                self._changed.wait_for(
                    lambda: self._closed or (self._take(taken) and len(taken) == 2), patience_s
                )
        return taken.get(Role.NIR), taken.get(Role.WHITE)

    def _take(self, taken: dict[Role, Frame]) -> bool:
        for role, box in self._newest.items():
            frame = box.take_now()
            if frame is not None:
                taken[role] = frame
        return bool(taken)

    def _patience_s(self, taken: dict[Role, Frame]) -> float:
        if len(taken) != 1 or len(self._newest) != 2:
            return 0.0
        ((role, frame),) = taken.items()
        other = Role.WHITE if role is Role.NIR else Role.NIR
        period_ns = self._periods_ns[other]
        if not awaits_partner(frame, self._newest[other].peek(), period_ns):
            return 0.0
        return min(MAX_PATIENCE_NS, period_ns // 4) / 1e9


class Pairing:
    """Remembers the last white frames; used by one thread, save `skew_ms`."""

    def __init__(self) -> None:
        self._white: deque[Frame] = deque(maxlen=REMEMBERED_WHITE_FRAMES)
        self._skews_ns: deque[int] = deque(maxlen=REMEMBERED_SKEWS)

    def add_white(self, frame: Frame) -> None:
        """Remember a white frame. A new epoch forgets the old one's frames."""
        if self._white and self._white[-1].stream_epoch != frame.stream_epoch:
            self._white.clear()
        self._white.append(frame)

    def match(self, nir: Frame, max_skew_ns: int) -> Pair:
        """Pair ``nir`` with the nearest white frame at most ``max_skew_ns`` away, or with none."""
        best = min(
            self._white,
            key=lambda white: abs(white.mid_exposure_ns - nir.mid_exposure_ns),
            default=None,
        )
        if best is None:
            return Pair(nir, None)
        skew_ns = best.mid_exposure_ns - nir.mid_exposure_ns
        if abs(skew_ns) > max_skew_ns:
            return Pair(nir, None)
        self._skews_ns.append(abs(skew_ns))
        return Pair(nir, best, skew_ns)

    def skew_ms(self) -> float | None:
        """Return how far apart the last pairs' frames were exposed; None before any.

        Mean of their middle half: a single lost frame is no matter, and where the rates of the
        cameras are multiples of each other a median would jump from one distance to the next.
        """
        skews_ns = sorted(self._skews_ns.copy())
        if not skews_ns:
            return None
        aside = min((len(skews_ns) + 2) // 4, (len(skews_ns) - 1) // 2)
        middle = skews_ns[aside : len(skews_ns) - aside]
        return sum(middle) / len(middle) / 1e6


def awaits_partner(frame: Frame, other: Frame | None, other_period_ns: int) -> bool:
    """Whether the other camera's frame of the same moment is still to come.

    True when the other camera's newest exposure lies more than half of its period before
    ``frame``'s, so that its next one is nearer; but not when it has been silent for long.
    """
    if other is None or other_period_ns <= 0:
        return False
    behind_ns = frame.mid_exposure_ns - other.mid_exposure_ns
    return other_period_ns // 2 < behind_ns < 3 * other_period_ns
