"""`InTurn`: renews what stands beside the pictures, a part after each of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from PySide6.QtCore import QObject, QTimer

CALM_MS = 200
"""Numbers change five times a second at most, so that they can be read."""
FLOWING_S = 0.06
"""Pictures flow where the last was painted no longer ago."""


class InTurn(QObject):
    """Has each of ``parts`` renewed five times a second, between two pictures where those flow.

    One part a picture: all of them with their paints would hold up the one that comes next.
    GUI thread only.
    """

    def __init__(self, parts: Sequence[Callable[[], None]], parent: QObject) -> None:
        super().__init__(parent)
        self._parts = tuple(parts)
        self._due: list[Callable[[], None]] = []
        self._painted_s = float("-inf")
        self._calm = QTimer(self, interval=CALM_MS)
        self._calm.timeout.connect(self.tick)
        self._between = QTimer(self, singleShot=True, interval=0)
        self._between.timeout.connect(self._next)

    def begin(self) -> None:
        """Renew from now on."""
        self._calm.start()

    def end(self) -> None:
        """Renew nothing more."""
        self._calm.stop()
        self._between.stop()

    def all_now(self) -> None:
        """Renew every part at once."""
        self._due = []
        for part in self._parts:
            part()

    def tick(self) -> None:
        """Have all parts renewed: soon, or at once where no pictures come."""
        if time.monotonic() - self._painted_s >= FLOWING_S:
            self.all_now()
        elif not self._due:
            self._due = list(self._parts)

    def painted(self) -> None:
        """Take in that a picture was painted: it is the next part's turn."""
        self._painted_s = time.monotonic()
        if self._due:
            self._between.start()

    def _next(self) -> None:
        if self._due:
            self._due.pop(0)()
