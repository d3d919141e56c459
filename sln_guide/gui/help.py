"""The list of keys, laid over the dock: the picture stays in sight."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from sln_guide.render import tokens
from sln_guide.render.text import font

LIVE_ONLY = ("M", "R")
KEYS_TOLD: tuple[tuple[str, str], ...] = (
    ("Space", "freeze the picture, or let it move (replay: play)"),
    ("S", "snapshot"),
    ("M", "stamp a mark"),
    ("R", "record; hold to stop"),
    ("1 … 7", "phases of the procedure (replay: go there)"),
    ("F1 F2 F3", "merged, colour, NIR"),
    ("L", "next layout"),
    ("F11", "theatre display; Esc closes it"),
    ("[  ]", "threshold down, up"),
    ("{  }", "opacity down, up"),
    ("C", "next overlay colours"),
    ("O", "next style: signal, σ, contour; NIR: grey, map"),
    ("+  −", "zoom (wheel; drag to move)"),
    ("F", "whole picture"),
    ("Z", "one picture pixel a screen pixel"),
    ("D", "distance: drag from point to point"),
    ("←  →", "step through a replay"),
    ("H", "this list"),
)


class HelpPanel(QWidget):
    """Closed by a press, or by its key."""

    def __init__(self, parent: QWidget, *, replaying: bool) -> None:
        super().__init__(parent)
        self.setAccessibleName("Keys")
        self._told = [(k, t) for k, t in KEYS_TOLD if not (replaying and k in LIVE_ONLY)]
        self.hide()

    def toggle(self) -> None:
        """Show it over its parent, or put it away."""
        parent = self.parentWidget()
        if self.isHidden() and parent is not None:
            self.setGeometry(parent.rect())
            self.show()
            self.raise_()
        else:
            self.hide()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Go away."""
        self.hide()
        event.accept()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the list."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(tokens.GROUND))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(QColor(tokens.PANEL))
        painter.setPen(QPen(QColor(tokens.ACTION), 1.5))
        frame = QRectF(self.rect()).adjusted(1, 1, -1, -1)
        painter.drawRoundedRect(frame, tokens.RADIUS_PX, tokens.RADIUS_PX)
        painter.setPen(QColor(tokens.TEXT))
        painter.setFont(font(tokens.LARGE_PX, bold=True))
        painter.drawText(QRectF(16, 8, 300, 34), Qt.AlignmentFlag.AlignVCenter, "Keys")
        bold, plain = font(tokens.BODY_PX, bold=True), font(tokens.BODY_PX)
        column = max(QFontMetricsF(bold).horizontalAdvance(k) for k, _ in self._told) + 16
        tall = min((self.height() - 56) / len(self._told), 40.0)
        top = 48.0
        for key, text in self._told:
            painter.setFont(bold)
            painter.setPen(QColor(tokens.ACTION))
            painter.drawText(QRectF(16, top, column, tall), Qt.AlignmentFlag.AlignVCenter, key)
            painter.setFont(plain)
            painter.setPen(QColor(tokens.TEXT))
            room = QRectF(16 + column, top, self.width() - column - 28, tall)
            flow = Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(room, flow, text)
            top += tall
        painter.end()
