"""What is painted over the video whatever it shows: pill, banners, borders, message."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QFontMetricsF, QPainter, QPen

from sln_guide.gui import theme
from sln_guide.gui.readings import Tone
from sln_guide.gui.screen_state import Border, ScreenState
from sln_guide.gui.verdict import Banner
from sln_guide.render import marks, tokens
from sln_guide.render.marks import shade
from sln_guide.render.text import font

BANNER_EDGE_PX = 20.0
FLOW = Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft
PILL_TINT = 0.16


def paint_pill(
    painter: QPainter, left: float, middle: float, height: float, text: str, tone: Tone, px: int
) -> float:
    """Paint a pill with a dot and its words about the line ``middle``; return its right edge.

    Alarms are filled, so that they differ in more than hue; simulated is hatched.
    """
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    words = font(px, bold=True)
    width = pill_width(text, px, height)
    frame = QRectF(left, middle - height / 2, width, height)
    radius = height / 2
    ink = theme.colour(tone)
    filled = tone is Tone.ALARM
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(ink if filled else QColor(tokens.PANEL))
    painter.drawRoundedRect(frame, radius, radius)
    if not filled:
        painter.setBrush(theme.colour(tone, PILL_TINT))
        painter.drawRoundedRect(frame, radius, radius)
    if tone is Tone.SIMULATED:
        hatch = QBrush(theme.colour(tone, 0.22), Qt.BrushStyle.BDiagPattern)
        painter.setBrush(hatch)
        painter.drawRoundedRect(frame, radius, radius)
    if filled:
        ink = QColor(tokens.GROUND)
    painter.setBrush(ink)
    painter.drawEllipse(QPointF(left + height * 0.45, middle), px * 0.36, px * 0.36)
    painter.setPen(ink)
    painter.setFont(words)
    painter.drawText(
        frame.adjusted(height * 0.45 + px * 0.75, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, text
    )
    painter.restore()
    return left + width


def pill_width(text: str, px: int, height: float) -> float:
    """Return how wide `paint_pill` paints."""
    words = QFontMetricsF(font(px, bold=True))
    return height * 0.45 + px * 0.75 + words.horizontalAdvance(text) + height * 0.45


def border_inside(area: QRectF, state: ScreenState) -> QRectF:
    """Return what `paint_borders` leaves of ``area``."""
    width = tokens.BORDER_PX * len(state.borders)
    return area.adjusted(width, width, -width, -width)


def paint_borders(painter: QPainter, area: QRectF, state: ScreenState) -> None:
    """Paint the frames round a replay (violet) and a simulation (hatched cyan)."""
    for border in state.borders:
        tone = Tone.REPLAY if border is Border.REPLAY else Tone.SIMULATED
        area = marks.paint_border(
            painter, area, theme.TONES[tone], 1.0, hatched=border is Border.SIMULATED
        )


@dataclass(frozen=True, slots=True)
class _Line:
    """Words of a banner and where they go, from the banner's top-left corner."""

    text: str
    words: QFont
    box: QRectF


@dataclass(frozen=True, slots=True)
class _Band:
    """A banner laid out."""

    banner: Banner
    height: float
    lines: tuple[_Line, ...]


def banners_height(area: QRectF, state: ScreenState) -> float:
    """Return what `paint_banners` takes of the height of ``area``."""
    return sum(band.height for band in _bands(area.width(), state))


def paint_banners(painter: QPainter, area: QRectF, state: ScreenState) -> None:
    """Paint the bands over the top of ``area``.

    The most urgent has a large headline; those behind it, and slim ones, are smaller.
    """
    painter.save()
    top = area.top()
    for band in _bands(area.width(), state):
        calm = band.banner.tone is Tone.NEUTRAL
        ground = shade(tokens.PANEL, 0.92) if calm else theme.colour(band.banner.tone)
        painter.fillRect(QRectF(area.left(), top, area.width(), band.height - 1), ground)
        painter.fillRect(
            QRectF(area.left(), top + band.height - 1, area.width(), 1), QColor(tokens.GROUND)
        )
        painter.setPen(QColor(tokens.TEXT if calm else tokens.GROUND))
        for line in band.lines:
            painter.setFont(line.words)
            painter.drawText(line.box.translated(area.left(), top), FLOW, line.text)
        top += band.height
    painter.restore()


def _bands(width: float, state: ScreenState) -> list[_Band]:
    return [
        _laid_out(banner, width, large=place == 0 and not banner.slim)
        for place, banner in enumerate(state.banners)
    ]


def _laid_out(banner: Banner, width: float, *, large: bool) -> _Band:
    room = width - 2 * BANNER_EDGE_PX
    parts = (
        (banner.headline, font(tokens.HUGE_PX if large else tokens.LARGE_PX, bold=True)),
        (banner.detail, font(tokens.LARGE_PX if large else tokens.BODY_PX)),
    )
    head, detail = (
        QFontMetricsF(words).boundingRect(QRectF(0, 0, room, 1000), FLOW, text)
        for text, words in parts
    )
    pad = 12.0 if large else 8.0
    x = BANNER_EDGE_PX
    if banner.slim and head.width() + detail.width() + BANNER_EDGE_PX <= room:
        inside = max(head.height(), detail.height())
        boxes = (
            QRectF(x, pad, head.width() + 2, inside),
            QRectF(
                x + head.width() + BANNER_EDGE_PX,
                pad + (inside - detail.height()) / 2,
                detail.width() + 2,
                inside,
            ),
        )
    else:
        inside = head.height() + 4 + detail.height()
        boxes = (
            QRectF(x, pad, room, head.height() + 1),
            QRectF(x, pad + head.height() + 4, room, detail.height() + 1),
        )
    lines = tuple(_Line(text, words, box) for (text, words), box in zip(parts, boxes, strict=True))
    return _Band(banner, inside + 2 * pad + 1, lines)


def paint_message(painter: QPainter, area: QRectF, text: str, tone: Tone) -> None:
    """Paint a short confirmation low in the middle of ``area``."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    words = font(18, bold=True)
    metrics = QFontMetricsF(words)
    room = area.width() - 120
    shown = metrics.elidedText(text, Qt.TextElideMode.ElideMiddle, room)
    width = metrics.horizontalAdvance(shown) + 40
    frame = QRectF(area.center().x() - width / 2, area.bottom() - 76, width, 44)
    painter.setPen(QPen(theme.colour(tone) if tone is not Tone.PLAIN else QColor(tokens.LINE), 1.5))
    painter.setBrush(shade(tokens.PANEL, 0.94))
    painter.drawRoundedRect(frame, tokens.RADIUS_PX, tokens.RADIUS_PX)
    painter.setPen(QColor(tokens.TEXT))
    painter.setFont(words)
    painter.drawText(frame, Qt.AlignmentFlag.AlignCenter, shown)
    painter.restore()
