"""`WatchedSession`: a session that notes when each picture was painted, and how it all ended."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from hardware.rig import Rig
from sln_guide.engine.remote import RemoteSession
from sln_guide.gui.window import OperatorWindow
from sln_guide.health import SessionHealth
from sln_guide.live.session import LiveSession
from sln_guide.source import Paint, SourceError


class WatchedSession(RemoteSession):
    """A session in its own process. Painted on the GUI thread, read on any.

    Parameters
    ----------
    rig, make
        As of `RemoteSession`.
    begun
        Called with the window once it follows this session. GUI thread.

    Attributes
    ----------
    paints
        When each picture was painted for the first time, and its latency then, both in ns.
    ended
        Set before anything is closed.
    last
        Health just before that.
    """

    def __init__(
        self,
        rig: Rig,
        make: Callable[[], LiveSession],
        begun: Callable[[OperatorWindow], None] | None = None,
    ) -> None:
        super().__init__(rig, make)
        self.paints: list[tuple[int, int]] = []
        self.ended = threading.Event()
        self.last: SessionHealth | None = None
        self._begun = begun
        self._newest = -1

    def on_picture(self, wake: Callable[[], None] | None) -> None:
        """Have ``wake`` called after each new picture; a window that asks for it has begun."""
        super().on_picture(wake)
        if wake is None or self._begun is None:
            return
        (window,) = (w for w in QApplication.topLevelWidgets() if isinstance(w, OperatorWindow))
        QTimer.singleShot(0, window, lambda begun=self._begun: begun(window))

    def painted(self, paint: Paint) -> None:
        """Note the first paint of each picture: their numbers only grow."""
        if paint.number > self._newest:
            self._newest = paint.number
            self.paints.append((paint.painted_ns, paint.painted_ns - paint.handed_over_ns))
        super().painted(paint)

    def close(self) -> None:
        """Say that it ends, then end. Idempotent."""
        if not self.ended.is_set():
            with suppress(SourceError):  # ended before the engine had begun
                self.last = self.health()
            self.ended.set()
        super().close()
