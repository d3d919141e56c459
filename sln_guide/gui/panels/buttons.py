"""Buttons for gloved hands: large and flat. Those with a key of their own take no focus."""

from __future__ import annotations

import time

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QAbstractButton, QSizePolicy

from sln_guide.gui import theme
from sln_guide.gui.claims.readings import Tone
from sln_guide.render import tokens
from sln_guide.render.marks import shade
from sln_guide.render.text import font

HOLD_S = 0.8
NARROW_PX = 84
"""Buttons in a row that are narrower are all written smaller, so that they look alike."""


class FlatButton(QAbstractButton):
    """A panel with a word and, smaller, its key. Checked: filled with the action colour."""

    def __init__(self, text: str, key: str = "") -> None:
        super().__init__()
        self.setText(text)
        self.key = key
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(tokens.CONTROL_PX, tokens.CONTROL_PX)
        self.setAccessibleName(f"{text} ({key})" if key else text)
        self.setToolTip("")

    def reach_by_tab(self) -> None:
        """Let Tab and arrows come to it, and Enter or Space press it: it has no key of its own."""
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Let Enter press it."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.click()
        else:
            super().keyPressEvent(event)

    def sizeHint(self) -> QSize:
        """Return the least comfortable size."""
        return QSize(tokens.ACTION_PX, tokens.CONTROL_PX)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the panel, the word and the key."""
        painter = QPainter(self)
        self._paint_panel(painter)
        words = QRectF(self.rect()).adjusted(3, 4, -3, -4)
        painter.setPen(self._ink())
        if self.key and self.height() >= 52:
            px = tokens.BODY_PX if self.width() >= NARROW_PX else tokens.SMALL_PX
            painter.setFont(font(px, bold=True))
            painter.drawText(
                words.adjusted(0, 0, 0, -words.height() * 0.44),
                Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignBottom,
                self.text(),
            )
            painter.setPen(self._ink(faint=True))
            painter.setFont(font(13))
            painter.drawText(
                words.adjusted(0, words.height() * 0.60, 0, 0),
                Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop,
                self.key,
            )
        else:
            painter.setFont(font(15, bold=self.isChecked()))
            shown = f"{self.text()}  {self.key}" if self.key else self.text()
            if painter.fontMetrics().horizontalAdvance(shown) > words.width():
                shown = self.text()
            if painter.fontMetrics().horizontalAdvance(shown) > words.width():
                painter.setFont(font(tokens.SMALL_PX, bold=self.isChecked()))
            painter.drawText(words, Qt.AlignmentFlag.AlignCenter, shown)
        painter.end()

    def _paint_panel(self, painter: QPainter) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        fill, line = QColor(tokens.PANEL), QColor(tokens.LINE)
        if self.isChecked() and self.isEnabled():
            fill = line = QColor(tokens.ACTION)
        elif self.isDown():
            fill, line = QColor(tokens.LINE), QColor(tokens.ACTION)
        painter.setPen(QPen(line, 1))
        painter.setBrush(fill)
        frame = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        painter.drawRoundedRect(frame, tokens.RADIUS_PX, tokens.RADIUS_PX)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(tokens.TEXT), 2))
            inside = tokens.RADIUS_PX - 2
            painter.drawRoundedRect(frame.adjusted(3, 3, -3, -3), inside, inside)

    def _ink(self, *, faint: bool = False) -> QColor:
        if not self.isEnabled():
            return shade(tokens.SECONDARY, 0.45)
        if self.isChecked():
            return QColor(tokens.GROUND)
        return QColor(tokens.SECONDARY if faint else tokens.TEXT)


class ActionButton(FlatButton):
    """A large button with a sign above its word: pause, play, camera, flag, record, back, on."""

    def __init__(self, sign: str, text: str, key: str) -> None:
        super().__init__(text, key)
        self.sign = sign
        self.setMinimumSize(tokens.ACTION_PX, tokens.ACTION_PX)

    def say(self, sign: str, text: str, key: str) -> None:
        """Change sign, word and key."""
        if (sign, text, key) != (self.sign, self.text(), self.key):
            self.sign, self.key = sign, key
            self.setText(text)
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the panel, the sign, the word and the key."""
        painter = QPainter(self)
        self._paint_panel(painter)
        width, height = self.width(), self.height()
        ink = self._ink()
        middle = QPointF(width / 2, height * 0.30)
        paint_sign(painter, self.sign, middle, min(width, height) * 0.15, self._sign_ink())
        painter.setPen(ink)
        painter.setFont(font(15, bold=True))
        painter.drawText(
            QRectF(2, height * 0.50, width - 4, height * 0.24),
            Qt.AlignmentFlag.AlignCenter,
            self.text(),
        )
        painter.setPen(self._ink(faint=True))
        painter.setFont(font(13))
        painter.drawText(
            QRectF(2, height * 0.73, width - 4, height * 0.20),
            Qt.AlignmentFlag.AlignCenter,
            self.key,
        )
        self._paint_more(painter)
        painter.end()

    def _sign_ink(self) -> QColor:
        return self._ink(faint=True)

    def _paint_more(self, painter: QPainter) -> None:
        """Paint what a kind of button adds."""


class RecordButton(ActionButton):
    """Starts at a tap; stops only when held for `HOLD_S`, showing how far the hold has come."""

    start_wanted = Signal()
    stop_wanted = Signal()
    let_go_early = Signal()

    def __init__(self, key: str = "") -> None:
        super().__init__("record", "Record", key)
        self._tapped = key
        self._recording = False
        self._busy = False
        self._began_s: float | None = None
        self._ticks = QTimer(self)
        self._ticks.setInterval(30)
        self._ticks.timeout.connect(self._tick)
        self.pressed.connect(self.begin)
        self.released.connect(self.let_go)

    @property
    def recording(self) -> bool:
        """Whether a recording runs, as far as the button was told."""
        return self._recording

    @property
    def held_fraction(self) -> float:
        """How far a hold has come, 0 to 1."""
        if self._began_s is None:
            return 0.0
        return min(1.0, (time.monotonic() - self._began_s) / HOLD_S)

    def tell(self, *, recording: bool, saving: bool) -> None:
        """Follow the recorder: recording, or closing the case after a stop."""
        if (recording, saving) == (self._recording, self._busy):
            return
        self._recording, self._busy = recording, saving
        if not recording or saving:
            self._stop_hold()
        if saving:
            self.say("saving", "Saving", "")
        else:
            hold = f"hold {self._tapped}".rstrip()
            self.say(*(("stop", "Stop", hold) if recording else ("record", "Record", self._tapped)))
        self.update()

    def begin(self) -> None:
        """Take a press of the button or of its key."""
        if not self.isEnabled() or self._busy:
            return
        if not self._recording:
            self.start_wanted.emit()
        elif self._began_s is None:
            self._began_s = time.monotonic()
            self._ticks.start()
            self.update()

    def let_go(self) -> None:
        """Take the release."""
        if self._began_s is None:
            return
        self._tick()
        if self._began_s is not None:
            self._stop_hold()
            self.let_go_early.emit()

    def _tick(self) -> None:
        if self._began_s is not None and self.held_fraction >= 1.0:
            self._stop_hold()
            self.stop_wanted.emit()
        self.update()

    def _stop_hold(self) -> None:
        self._began_s = None
        self._ticks.stop()
        self.update()

    def _sign_ink(self) -> QColor:
        if not self.isEnabled() or self._busy:
            return super()._sign_ink()
        return theme.colour(Tone.ALARM)

    def _paint_panel(self, painter: QPainter) -> None:
        super()._paint_panel(painter)
        if not self._recording:
            return
        frame = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        painter.setPen(QPen(theme.colour(Tone.ALARM), 1.5))
        painter.setBrush(theme.colour(Tone.ALARM, 0.18))
        painter.drawRoundedRect(frame, tokens.RADIUS_PX, tokens.RADIUS_PX)

    def _paint_more(self, painter: QPainter) -> None:
        fraction = self.held_fraction
        if fraction > 0.0:
            radius = min(self.width(), self.height()) * 0.24
            middle = QPointF(self.width() / 2, self.height() * 0.30)
            ring = QRectF(middle.x() - radius, middle.y() - radius, 2 * radius, 2 * radius)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(tokens.TEXT), 5))
            painter.drawArc(ring, 90 * 16, -round(360 * 16 * fraction))


def paint_sign(painter: QPainter, sign: str, middle: QPointF, size: float, ink: QColor) -> None:
    """Paint a button's sign about ``middle``, ``size`` being half its height in px.

    Raises ValueError for a sign there is not.
    """
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(ink)
    x, y = middle.x(), middle.y()
    match sign:
        case "pause":
            for left in (x - 0.8 * size, x + 0.2 * size):
                painter.drawRoundedRect(QRectF(left, y - size, 0.6 * size, 2 * size), 2, 2)
        case "play" | "on" | "back":
            way = -1.0 if sign == "back" else 1.0
            tip, tail = x + way * size, x - way * 0.75 * size
            painter.drawPolygon(
                QPolygonF([QPointF(tail, y - size), QPointF(tip, y), QPointF(tail, y + size)])
            )
            if sign != "play":
                painter.drawRect(QRectF(tip - 2, y - size, 4, 2 * size))
        case "camera":
            painter.drawRoundedRect(
                QRectF(x - 1.3 * size, y - 0.7 * size, 2.6 * size, 1.7 * size), 3, 3
            )
            painter.drawRect(QRectF(x - 0.5 * size, y - size, size, 0.5 * size))
            painter.setBrush(QColor(tokens.PANEL))
            painter.drawEllipse(QPointF(x, y + 0.1 * size), 0.5 * size, 0.5 * size)
        case "flag":
            painter.drawRect(QRectF(x - 0.8 * size, y - size, 3, 2 * size))
            painter.drawPolygon(
                QPolygonF(
                    [
                        QPointF(x - 0.8 * size + 3, y - size),
                        QPointF(x + size, y - 0.45 * size),
                        QPointF(x - 0.8 * size + 3, y + 0.1 * size),
                    ]
                )
            )
        case "record":
            painter.drawEllipse(middle, size, size)
        case "stop":
            painter.drawRoundedRect(
                QRectF(x - 0.8 * size, y - 0.8 * size, 1.6 * size, 1.6 * size), 3, 3
            )
        case "saving":
            painter.drawRect(QRectF(x - 2, y - size, 4, 1.1 * size))
            painter.drawPolygon(
                QPolygonF(
                    [
                        QPointF(x - 0.7 * size, y - 0.1 * size),
                        QPointF(x + 0.7 * size, y - 0.1 * size),
                        QPointF(x, y + 0.6 * size),
                    ]
                )
            )
            painter.drawRect(QRectF(x - size, y + 0.75 * size, 2 * size, 4))
        case _:
            raise ValueError(f"no sign is called {sign!r}")
