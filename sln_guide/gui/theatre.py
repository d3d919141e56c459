"""`TheatreWindow`: the clean display for everybody else: video, state, age, legend."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QKeyEvent, QScreen
from PySide6.QtWidgets import QVBoxLayout, QWidget

from sln_guide.gui.video import VideoView
from sln_guide.render.look import Look


class TheatreWindow(QWidget):
    """Full screen on another screen where there is one, else a window beside the operator's.

    Keys pressed here do what they do in the operator's window.
    """

    def __init__(self, operator: QWidget, look: Look) -> None:
        super().__init__(None, Qt.WindowType.Window)
        self._operator = operator
        self.setWindowTitle("sln-guide · theatre")
        self.video = VideoView(look=look, clean=True)
        inside = QVBoxLayout(self)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.addWidget(self.video)
        self.resize(960, 720)

    def toggle(self) -> None:
        """Open it, or put it away."""
        if self.isVisible():
            self.hide()
            return
        other = self._other_screen()
        if other is None:
            self.showNormal()
        else:
            self.setScreen(other)
            self.setGeometry(other.geometry())
            self.showFullScreen()

    def _other_screen(self) -> QScreen | None:
        own = self._operator.screen()
        return next((s for s in QGuiApplication.screens() if s is not own), None)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Hand the key on."""
        self._operator.keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """Hand the key on."""
        self._operator.keyReleaseEvent(event)
