"""`Wake`: however often another thread calls, at most one event waits in the window's queue."""

from __future__ import annotations

import threading
from collections.abc import Callable

from PySide6.QtCore import QObject, Qt, Signal


class Wake(QObject):
    """Callable from any thread; runs ``slot`` on the thread that made it. Carries nothing."""

    _woken = Signal()

    def __init__(self, slot: Callable[[], None], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._slot = slot
        self._lock = threading.Lock()
        self._pending = False
        self._ended = False
        self._woken.connect(self._run, Qt.ConnectionType.QueuedConnection)

    def __call__(self) -> None:
        """Post one event unless one waits already."""
        with self._lock:
            if self._pending or self._ended:
                return
            self._pending = True
            # Inside the lock, so that `end` returns only when no emission is under way.
            self._woken.emit()

    def end(self) -> None:
        """Let no further call through; what already waits does nothing."""
        with self._lock:
            self._ended = True

    def _run(self) -> None:
        with self._lock:
            self._pending = False
            if self._ended:
                return
        self._slot()
