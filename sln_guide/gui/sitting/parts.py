"""What a sitting's window is made of: buttons, the cameras' pictures, the report's pages."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QByteArray, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

from sln_guide.calibration.flows import Sight
from sln_guide.calibration.sitting import Standing
from sln_guide.calibration.stand import Seen
from sln_guide.gui import theme
from sln_guide.gui.claims.readings import Tone
from sln_guide.gui.panels.buttons import FlatButton
from sln_guide.gui.panels.panel import HEAD_PX, Panel
from sln_guide.render import tokens
from sln_guide.render.pixels import as_image
from sln_guide.render.text import font

ROW_PX = 66
BAR_PX = 64
SIGHT_PX = 52
NAMES = {"nir": "NIR", "white": "White light"}
STANDINGS = {
    True: ("good", Tone.LIVE),
    False: ("not valid", Tone.ALARM),
    None: ("to do", Tone.STALE),
}
SATURATED_SHARE = 0.002


class PrimaryButton(FlatButton):
    """What is to be done next: filled with the action colour while it can be pressed."""

    def _paint_panel(self, painter: QPainter) -> None:
        super()._paint_panel(painter)
        if self.isEnabled():
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(tokens.LINE if self.isDown() else tokens.ACTION))
            frame = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
            painter.drawRoundedRect(frame, tokens.RADIUS_PX, tokens.RADIUS_PX)

    def _ink(self, *, faint: bool = False) -> QColor:
        if self.isEnabled() and not self.isDown():
            return QColor(tokens.GROUND)
        return super()._ink(faint=faint)


class ChoiceButton(FlatButton):
    """A row of the list: its key, what it is, how it stands."""

    def __init__(self, title: str, key: str, what_for: str) -> None:
        super().__init__(title, key)
        self._what_for = what_for
        self._standing: Standing | None = None
        self.comes_next = False
        self.setFixedHeight(ROW_PX)

    @property
    def words(self) -> str:
        """How it stands, in words."""
        return "" if self._standing is None else self._standing.words

    def show_standing(self, standing: Standing | None, *, comes_next: bool) -> None:
        """Change how it stands; ``comes_next`` marks the one to do now."""
        self._standing, self.comes_next = standing, comes_next
        self.setAccessibleDescription(self.words)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint key, title, purpose and standing."""
        painter = QPainter(self)
        self._paint_panel(painter)
        if self.comes_next:
            painter.setPen(QPen(QColor(tokens.ACTION), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            frame = QRectF(self.rect()).adjusted(1, 1, -1, -1)
            painter.drawRoundedRect(frame, tokens.RADIUS_PX, tokens.RADIUS_PX)
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.setPen(QColor(tokens.SECONDARY))
        painter.setFont(font(tokens.LARGE_PX))
        painter.drawText(QRectF(18, 0, 30, self.height()), middle, self.key)
        half = self.width() * 0.46
        painter.setPen(self._ink())
        painter.setFont(font(tokens.LARGE_PX, bold=True))
        painter.drawText(QRectF(54, 7, half, 28), middle, self.text())
        painter.setPen(QColor(tokens.SECONDARY))
        painter.setFont(font(tokens.BODY_PX))
        painter.drawText(QRectF(54, 34, half, 24), middle, self._what_for)
        if self._standing is not None:
            word, tone = STANDINGS[self._standing.good]
            left = 54 + half + 12
            painter.setPen(theme.colour(tone))
            painter.setFont(font(tokens.LARGE_PX, bold=True))
            painter.drawText(QRectF(left, 7, self.width() - left - 16, 28), middle, word)
            painter.setPen(QColor(tokens.SECONDARY))
            painter.setFont(font(tokens.SMALL_PX))
            room = self.width() - left - 16
            told = painter.fontMetrics().elidedText(
                self._standing.words, Qt.TextElideMode.ElideRight, round(room)
            )
            painter.drawText(QRectF(left, 34, room, 24), middle, told)
        painter.end()


class CameraView(Panel):
    """What one camera sees now, with its exposure, and its sharpness while one focuses."""

    def __init__(self, role: str) -> None:
        super().__init__(NAMES.get(role, role))
        self.setAccessibleName(f"What the {NAMES.get(role, role)} camera sees")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._seen: Seen | None = None

    @property
    def seen(self) -> Seen | None:
        """What is shown."""
        return self._seen

    def show_seen(self, seen: Seen | None) -> None:
        """Show another picture, or none."""
        if seen is self._seen:
            return
        self._seen = seen
        if seen is None:
            self.say("")
        else:
            full = f" · {seen.saturated_share:.1%} saturated"
            self.say(
                f"{seen.exposure_us / 1e3:.4g} ms · {seen.gain_db:g} dB"
                f" · level {seen.level_share:.0%}"
                + (full if seen.saturated_share > SATURATED_SHARE else "")
            )
            self.setAccessibleDescription("" if seen.sight is None else seen.sight.text)
        self.update()

    def paint_body(self, painter: QPainter) -> None:
        """Paint the picture and the bar."""
        room = QRectF(self.rect()).adjusted(10, HEAD_PX, -10, -10)
        seen = self._seen
        if seen is None:
            painter.setPen(QColor(tokens.SECONDARY))
            painter.setFont(font(tokens.BODY_PX))
            painter.drawText(room, Qt.AlignmentFlag.AlignCenter, "no picture yet")
            return
        if seen.focus is not None:
            self._paint_focus(painter, room, seen.focus.share)
            room.adjust(0, 0, 0, -BAR_PX)
        else:
            if seen.sight is not None:
                _paint_sight(painter, room, seen.sight)
            room.adjust(0, 0, 0, -SIGHT_PX)  # kept free: the picture does not jump
        image = as_image(seen.rgb32)
        size = QSize(image.width(), image.height()).scaled(
            room.size().toSize(), Qt.AspectRatioMode.KeepAspectRatio
        )
        left = room.left() + (room.width() - size.width()) / 2
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(QRectF(left, room.top(), size.width(), size.height()), image)

    def _paint_focus(self, painter: QPainter, room: QRectF, share: float) -> None:
        bar = QRectF(room.left(), room.bottom() - BAR_PX + 34, room.width(), 22)
        painter.setPen(QColor(tokens.TEXT))
        painter.setFont(font(tokens.LARGE_PX, bold=True))
        painter.drawText(
            QRectF(room.left(), room.bottom() - BAR_PX + 4, room.width(), 28),
            Qt.AlignmentFlag.AlignVCenter,
            f"Sharpness {share:.0%} of the best so far",
        )
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(tokens.LINE))
        painter.drawRoundedRect(bar, 4, 4)
        painter.setBrush(theme.colour(Tone.LIVE if share > 0.97 else Tone.PLAIN))
        bar.setWidth(bar.width() * min(share, 1.0))
        painter.drawRoundedRect(bar, 4, 4)


def _paint_sight(painter: QPainter, room: QRectF, sight: Sight) -> None:
    """Say under a picture what the step would find in it."""
    painter.setPen(theme.colour(Tone.LIVE if sight.good else Tone.STALE))
    painter.setFont(font(tokens.BODY_PX, bold=True))
    line = QRectF(room.left(), room.bottom() - SIGHT_PX, room.width(), SIGHT_PX)
    flow = Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextWordWrap
    painter.drawText(line, flow, sight.text)


class ReportView(QWidget):
    """The report's pages, one at a time; a press turns over."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Report")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._pages: list[QSvgRenderer] = []
        self.page = 0

    def show_pages(self, svgs: Sequence[str]) -> None:
        """Show other pages from the first."""
        for page in self._pages:
            page.deleteLater()
        self._pages = [QSvgRenderer(QByteArray(svg.encode()), self) for svg in svgs]
        for page in self._pages:
            page.setAspectRatioMode(Qt.AspectRatioMode.KeepAspectRatio)
        self.page = 0
        self.update()

    @property
    def pages(self) -> int:
        """How many there are."""
        return len(self._pages)

    def turn(self, by: int) -> None:
        """Turn over."""
        if self._pages:
            self.page = (self.page + by) % len(self._pages)
            self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Turn to the next page."""
        self.turn(1)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the page on white paper, and which it is."""
        if not self._pages:
            return
        painter = QPainter(self)
        renderer = self._pages[self.page]
        room = QRectF(self.rect())
        if len(self._pages) > 1:
            room.adjust(0, 0, 0, -28)
            painter.setPen(QColor(tokens.SECONDARY))
            painter.setFont(font(tokens.BODY_PX))
            painter.drawText(
                QRectF(0, self.height() - 26, self.width(), 26),
                Qt.AlignmentFlag.AlignCenter,
                f"page {self.page + 1} of {len(self._pages)} · PgUp PgDn",
            )
        size = renderer.defaultSize().scaled(
            room.size().toSize(), Qt.AspectRatioMode.KeepAspectRatio
        )
        sheet = QRectF((self.width() - size.width()) / 2, 0, size.width(), size.height())
        painter.fillRect(sheet, QColor("white"))
        renderer.render(painter, sheet)
        painter.end()


class ProgressLine(QWidget):
    """How far a measurement has come."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(14)
        self.share = 0.0

    def show_share(self, share: float) -> None:
        """Fill another share of it, 0 to 1."""
        if share != self.share:
            self.share = share
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint ground and filling."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(tokens.LINE))
        painter.drawRoundedRect(QRectF(self.rect()), 5, 5)
        if self.share > 0:
            painter.setBrush(QColor(tokens.ACTION))
            filled = QRectF(0, 0, max(self.width() * min(self.share, 1.0), 10), self.height())
            painter.drawRoundedRect(filled, 5, 5)
        painter.end()


def label(px: int, tone: Tone = Tone.PLAIN, *, bold: bool = False) -> QLabel:
    """Return words that wrap; plain text, whatever is in them."""
    made = QLabel()
    made.setTextFormat(Qt.TextFormat.PlainText)
    made.setWordWrap(True)
    made.setFont(font(px, bold=bold))
    made.setStyleSheet(f"color: {theme.TONES[tone]}")
    return made


def say(words: QLabel, text: str, tone: Tone | None = None) -> None:
    """Change a label's words (and tone); without words it takes no room."""
    if words.text() != text:
        words.setText(text)
        words.setVisible(bool(text))
    if tone is not None:
        words.setStyleSheet(f"color: {theme.TONES[tone]}")
