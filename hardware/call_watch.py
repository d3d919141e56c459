"""`CallWatch`: notices a call into a driver that does not come back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

CALL_GRACE_S = 2.0
"""How much longer than its own timeout a call into a driver may take before it counts as stuck."""


class CallWatch:
    """Notes which calls into a driver are under way and when each should be back.

    `calling` is for the thread that calls; `stuck` and `last_progress_ns` are for any other and
    touch nothing but this object.
    """

    def __init__(self) -> None:
        self._under_way: dict[int, tuple[str, int]] = {}
        self._last_progress_ns = time.monotonic_ns()

    @contextmanager
    def calling(self, what: str, allowed_s: float) -> Iterator[None]:
        """Mark the body as a call named ``what`` that takes ``allowed_s`` at the very most."""
        thread = threading.get_ident()
        before = self._under_way.get(thread)
        self._under_way[thread] = (what, time.monotonic_ns() + round(allowed_s * 1e9))
        try:
            yield
        finally:
            if before is None:
                self._under_way.pop(thread, None)
            else:
                self._under_way[thread] = before
            self._last_progress_ns = time.monotonic_ns()

    @property
    def last_progress_ns(self) -> int:
        """`time.monotonic_ns` when a call last came back."""
        return self._last_progress_ns

    def stuck(self, now_ns: int) -> str | None:
        """Return the name of a call that is overdue at ``now_ns``, or None."""
        for what, deadline_ns in list(self._under_way.values()):
            if now_ns > deadline_ns:
                return what
        return None
