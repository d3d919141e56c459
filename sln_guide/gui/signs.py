"""What is painted over the video whatever it shows: pill, banners, borders, message."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFontMetricsF, QPainter, QPen

from sln_guide.gui import theme
from sln_guide.gui.readings import Tone
from sln_guide.gui.screen_state import Border, ScreenState
from sln_guide.gui.verdict import Banner
from sln_guide.render import marks, tokens
from sln_guide.render.marks import shade
from sln_guide.render.text import font

BANNER_EDGE_PX = 20.0
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


def paint_borders(painter: QPainter, area: QRectF, state: ScreenState) -> QRectF:
    """Paint the frames round a replay (violet) and a simulation (hatched); return what is left."""
    for border in state.borders:
        tone = Tone.REPLAY if border is Border.REPLAY else Tone.SIMULATED
        area = marks.paint_border(
            painter, area, theme.TONES[tone], 1.0, hatched=border is Border.SIMULATED
        )
    return area


def paint_banners(painter: QPainter, area: QRectF, state: ScreenState) -> float:
    """Paint the bands over the top of ``area``; return the height they take.

    The most urgent has a large headline; those behind it, and slim ones, are smaller.
    """
    painter.save()
    top = area.top()
    for place, banner in enumerate(state.banners):
        top += _paint_banner(painter, area, top, banner, large=place == 0 and not banner.slim)
        painter.fillRect(QRectF(area.left(), top, area.width(), 1), QColor(tokens.GROUND))
        top += 1
    painter.restore()
    return top - area.top()


def _paint_banner(
    painter: QPainter, area: QRectF, top: float, banner: Banner, *, large: bool
) -> float:
    calm = banner.tone is Tone.NEUTRAL
    ground = shade(tokens.PANEL, 0.92) if calm else theme.colour(banner.tone)
    room = area.width() - 2 * BANNER_EDGE_PX
    flow = Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft
    parts = [
        (font(tokens.HUGE_PX if large else tokens.LARGE_PX, bold=True), banner.headline),
        (font(tokens.LARGE_PX if large else tokens.BODY_PX), banner.detail),
    ]
    boxes = [
        QFontMetricsF(f).boundingRect(QRectF(0, 0, room, 1000), flow, text) for f, text in parts
    ]
    beside = banner.slim and boxes[0].width() + boxes[1].width() + BANNER_EDGE_PX <= room
    pad = 12 if large else 8
    inside = max(b.height() for b in boxes) if beside else sum(b.height() for b in boxes) + 4
    painter.fillRect(QRectF(area.left(), top, area.width(), inside + 2 * pad), ground)
    painter.setPen(QColor(tokens.TEXT if calm else tokens.GROUND))
    x, y = area.left() + BANNER_EDGE_PX, top + pad
    for (words, text), box in zip(parts, boxes, strict=True):
        painter.setFont(words)
        if beside:
            middle = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
            painter.drawText(QRectF(x, y, box.width() + 2, inside), middle, text)
            x += box.width() + BANNER_EDGE_PX
        else:
            painter.drawText(QRectF(x, y, room, box.height() + 1), flow, text)
            y += box.height() + 4
    return float(inside + 2 * pad)


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
