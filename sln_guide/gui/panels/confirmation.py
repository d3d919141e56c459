"""`Confirmation`: a few words that say what was just done, or why not; never over a picture."""

from __future__ import annotations

import math
import time

from PySide6.QtCore import QRect, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from sln_guide.gui import theme
from sln_guide.gui.claims.readings import Tone
from sln_guide.render import tokens
from sln_guide.render.marks import shade
from sln_guide.render.text import font

EDGE_PX, PAD_PX = 20, 11
STANDS_S = 5.0
FLOW = Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignCenter


class Confirmation(QWidget):
    """Lies in the middle of the room it is given, and lets presses through to what is beneath."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._text, self._tone = "", Tone.PLAIN
        self._said_s = 0.0
        self._size_px = tokens.LARGE_PX
        self._room = QRect()
        self.hide()

    @property
    def text(self) -> str:
        """What it says, empty while it says nothing."""
        return self._text

    @property
    def overdue(self) -> bool:
        """Whether it has stood for long enough."""
        return time.monotonic() - self._said_s > STANDS_S

    def say(self, text: str, tone: Tone = Tone.PLAIN) -> None:
        """Say something until told otherwise; empty text takes it away."""
        self._text, self._tone = text, tone
        self._said_s = time.monotonic()
        self.setVisible(bool(text))
        self._lay_out()
        self.update()

    def lie_in(self, room: QRect) -> None:
        """Lie in this part of the parent from now on."""
        if room != self._room:
            self._room = room
            self._lay_out()

    def _lay_out(self) -> None:
        """Take the words' size; where they are too many for the room, smaller letters."""
        if not self._text:
            return
        wide = self._room.width() - 2 * EDGE_PX
        for self._size_px in (tokens.LARGE_PX, tokens.BODY_PX, tokens.SMALL_PX):
            metrics = QFontMetricsF(font(self._size_px, bold=True))
            words = metrics.boundingRect(QRectF(0, 0, wide, 10_000), FLOW, self._text)
            if words.height() + 2 * PAD_PX <= self._room.height():
                break
        width, height = math.ceil(words.width()) + 2, math.ceil(words.height())
        box = QRect(0, 0, width + 2 * EDGE_PX, height + 2 * PAD_PX)
        box.moveCenter(self._room.center())
        self.setGeometry(box & self._room)
        self.raise_()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint ground and words."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        frame = QRectF(self.rect()).adjusted(1, 1, -1, -1)
        plain = self._tone is Tone.PLAIN
        painter.setPen(QPen(QColor(tokens.LINE) if plain else theme.colour(self._tone), 1.5))
        painter.setBrush(shade(tokens.PANEL, 0.96))
        painter.drawRoundedRect(frame, tokens.RADIUS_PX, tokens.RADIUS_PX)
        painter.setPen(QColor(tokens.TEXT))
        painter.setFont(font(self._size_px, bold=True))
        painter.drawText(frame.adjusted(EDGE_PX - 2, 0, 2 - EDGE_PX, 0), FLOW, self._text)
        painter.end()
