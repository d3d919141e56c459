"""`Standing`: a figure that stands still long enough to be read. No Qt."""

from __future__ import annotations

STANDING_NS = 1_000_000_000
"""How long a figure of the whole field stands still [ns of the recording]: it wavers with noise."""


class Standing:
    """Remembers what was said of one thing, and since when."""

    def __init__(self) -> None:
        self._said: tuple[object, float, int] | None = None

    def figure(self, of: object, value: float, now_ns: int) -> float:
        """Return the figure to say: that of less than a second ago, while it is ``of`` the same.

        ``now_ns``: mid-exposure of the NIR frame that ``value`` was found in.
        """
        if self._said is not None:
            same, said, since_ns = self._said
            if same == of and 0 <= now_ns - since_ns < STANDING_NS:
                return said
        self._said = of, value, now_ns
        return value
