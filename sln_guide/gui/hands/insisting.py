"""`Insisting`: what one press would lose for good takes two, and the first says what. No Qt."""

from __future__ import annotations

INSIST_S = 6.0
"""A second press within this is meant."""


class Insisting:
    """Remembers what was warned of last, and when."""

    def __init__(self) -> None:
        self._warned: tuple[str, int] | None = None

    def again(self, what: str, now_ns: int) -> bool:
        """Return whether ``what`` is asked for the second time; if not, remember that it is now."""
        warned, self._warned = self._warned, None
        if warned is not None and warned[0] == what and now_ns - warned[1] <= INSIST_S * 1e9:
            return True
        self._warned = what, now_ns
        return False
