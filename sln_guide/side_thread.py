"""`SideThread`: work beside the way to the screen. An error in it is told, and it begins again."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable

from hardware.realtime import Rank, go_first
from sln_guide.one_line import unexpected

AGAIN_AFTER_S = 1.0
TOLD_FOR_S = 10.0
"""So long an error is told after it happened: one that goes on is told all the time."""


class SideThread:
    """Does ``work`` on a thread of its own until it returns; after an error it begins again.

    Parameters
    ----------
    name
        Of the thread.
    work
        Returns when ``ending`` is set. Must be able to begin anew after any error.
    ending
        Ends the thread.
    without
        What is missing while it does not work, in plain words: for the operator.
    """

    def __init__(
        self, name: str, work: Callable[[], None], ending: threading.Event, *, without: str
    ) -> None:
        self._work = work
        self._ending = ending
        self._without = without
        self._failed: tuple[float, str] | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        """Wait for its end, where it was begun."""
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    @property
    def trouble(self) -> str | None:
        """What is missing because of an error a moment ago, None while all is well. Any thread."""
        failed = self._failed
        if failed is None or time.monotonic() - failed[0] > TOLD_FOR_S:
            return None
        return f"{self._without} ({failed[1]})"

    def _run(self) -> None:
        go_first(Rank.BESIDE)
        while not self._ending.is_set():
            try:
                self._work()
            except BaseException as error:  # noqa: BLE001 - told, whatever it is
                said = unexpected(error)
                if self._failed is None or self._failed[1] != said:  # printed once, not for ever
                    traceback.print_exc()
                self._failed = time.monotonic(), said
                self._ending.wait(AGAIN_AFTER_S)
            else:
                return
