"""`Panel`: a rounded ground with a heading, and to its right a fact."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QVBoxLayout, QWidget

from sln_guide.render import tokens
from sln_guide.render.layout import Box
from sln_guide.render.sprites import Sheet
from sln_guide.render.text import font

HEAD_PX = 34


def toggle_over_parent(panel: QWidget) -> bool:
    """Show ``panel`` over the whole of its parent, or put it away; return whether it is shown."""
    parent = panel.parentWidget()
    if not panel.isHidden() or parent is None:
        panel.hide()
        return False
    panel.setGeometry(parent.rect())
    panel.show()
    panel.raise_()
    return True


class Panel(QWidget):
    """Holds widgets in ``body`` below its heading."""

    def __init__(self, heading: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.heading = heading
        self._fact = ""
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(14, HEAD_PX, 14, 10)
        self.body.setSpacing(0)

    @property
    def fact(self) -> str:
        """What stands to the right of the heading."""
        return self._fact

    def say(self, fact: str) -> None:
        """Change it."""
        if fact != self._fact:
            self._fact = fact
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint ground, heading and fact."""
        painter = QPainter(self)
        ground = Sheet(self.devicePixelRatioF())
        ground.stamp(Box(0.0, 0.0, self.width(), self.height()), "panel", _paint_ground)
        ground.paint(painter)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        head = QRectF(14, 0, self.width() - 28, HEAD_PX)
        painter.setPen(QColor(tokens.SECONDARY))
        painter.setFont(font(15, bold=True))
        painter.drawText(head, Qt.AlignmentFlag.AlignVCenter, self.heading)
        heading_px = painter.fontMetrics().horizontalAdvance(self.heading)
        painter.setFont(font(13))
        room = head.width() - heading_px - 12
        fact = painter.fontMetrics().elidedText(
            self._fact, Qt.TextElideMode.ElideRight, max(round(room), 0)
        )
        painter.drawText(head, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, fact)
        self.paint_body(painter)
        painter.end()

    def paint_body(self, painter: QPainter) -> None:
        """Paint what a panel without widgets shows."""


def _paint_ground(painter: QPainter, box: Box) -> None:
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(QColor(tokens.LINE), 1))
    painter.setBrush(QColor(tokens.PANEL))
    frame = QRectF(box.left, box.top, box.width, box.height).adjusted(0.5, 0.5, -0.5, -0.5)
    painter.drawRoundedRect(frame, tokens.RADIUS_PX, tokens.RADIUS_PX)
