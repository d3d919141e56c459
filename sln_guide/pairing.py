"""Which white frame belongs to which NIR frame: the one exposed nearest to it."""

from __future__ import annotations

from collections import deque

from hardware.frame import Frame
from sln_guide.guidance import Pair

REMEMBERED_WHITE_FRAMES = 8
MAX_PATIENCE_NS = 6_000_000
"""Longest wait for a partner. Waiting is latency, so it is also bound to a period."""


class Pairing:
    """Remembers the last white frames; used by one thread."""

    def __init__(self) -> None:
        self._white: deque[Frame] = deque(maxlen=REMEMBERED_WHITE_FRAMES)

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
        return Pair(nir, best, skew_ns)


def awaits_partner(frame: Frame, other: Frame | None, other_period_ns: int) -> bool:
    """Whether the other camera's frame of the same moment is still to come.

    True when the other camera's newest exposure lies more than half of its period before
    ``frame``'s: then its next one is nearer.
    """
    if other is None or other_period_ns <= 0:
        return False
    return frame.mid_exposure_ns - other.mid_exposure_ns > other_period_ns // 2
