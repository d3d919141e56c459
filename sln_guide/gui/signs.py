"""What is painted over the video whatever it shows: pill, banners, borders, heartbeat, message."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFontMetricsF, QPainter, QPen, QPolygonF

from sln_guide.gui import theme
from sln_guide.gui.readings import Tone
from sln_guide.gui.screen_state import Banner, Border, ScreenState
from sln_guide.render import tokens

HATCH_PX = 14
HEARTBEAT_STEPS = 24


def paint_pill(
    painter: QPainter, left: float, middle: float, height: float, text: str, tone: Tone, px: int
) -> float:
    """Paint a pill with a dot and its words about the line ``middle``; return its right edge.

    Alarms are filled, so that they differ in more than hue; simulated is hatched.
    """
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    words = theme.font(px, bold=True)
    width = pill_width(text, px, height)
    frame = QRectF(left, middle - height / 2, width, height)
    radius = height / 2
    ink = theme.colour(tone)
    filled = tone is Tone.ALARM
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(ink if filled else QColor(tokens.PANEL))
    painter.drawRoundedRect(frame, radius, radius)
    if not filled:
        painter.setBrush(theme.colour(tone, 0.22))
        painter.drawRoundedRect(frame, radius, radius)
    if tone is Tone.SIMULATED:
        hatch = QBrush(theme.colour(tone, 0.30), Qt.BrushStyle.BDiagPattern)
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
    words = QFontMetricsF(theme.font(px, bold=True))
    return height * 0.45 + px * 0.75 + words.horizontalAdvance(text) + height * 0.45


def paint_border(painter: QPainter, area: QRectF, border: Border) -> None:
    """Paint the frame round a replay (violet) or a simulation (hatched cyan)."""
    if border is Border.NONE:
        return
    tone = Tone.REPLAY if border is Border.REPLAY else Tone.SIMULATED
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    painter.setPen(Qt.PenStyle.NoPen)
    sides = (
        QRectF(area.left(), area.top(), area.width(), tokens.BORDER_PX),
        QRectF(area.left(), area.bottom() - tokens.BORDER_PX, area.width(), tokens.BORDER_PX),
        QRectF(area.left(), area.top(), tokens.BORDER_PX, area.height()),
        QRectF(area.right() - tokens.BORDER_PX, area.top(), tokens.BORDER_PX, area.height()),
    )
    ink = theme.colour(tone)
    for side in sides:
        painter.fillRect(side, ink if border is Border.REPLAY else QColor(tokens.GROUND))
    if border is Border.SIMULATED:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(ink)
        for side in sides:
            painter.setClipRect(side)
            _paint_hatch(painter, side)
    painter.restore()


def _paint_hatch(painter: QPainter, side: QRectF) -> None:
    """Paint slanted bars, half ink and half ground, along a border's side."""
    tall = side.height()
    start = side.left() - tall - (side.left() - tall) % HATCH_PX
    if side.height() > side.width():  # an upright side: bars follow one another downwards
        y = side.top() - side.width()
        while y < side.bottom():
            painter.drawPolygon(
                QPolygonF(
                    [
                        QPointF(side.left(), y + side.width()),
                        QPointF(side.right(), y),
                        QPointF(side.right(), y + HATCH_PX / 2),
                        QPointF(side.left(), y + side.width() + HATCH_PX / 2),
                    ]
                )
            )
            y += HATCH_PX
        return
    x = start
    while x < side.right():
        painter.drawPolygon(
            QPolygonF(
                [
                    QPointF(x, side.bottom()),
                    QPointF(x + tall, side.top()),
                    QPointF(x + tall + HATCH_PX / 2, side.top()),
                    QPointF(x + HATCH_PX / 2, side.bottom()),
                ]
            )
        )
        x += HATCH_PX


def paint_banners(painter: QPainter, area: QRectF, state: ScreenState) -> float:
    """Paint the bands over the top of ``area``; return the height they take.

    The most urgent has headline and details; those behind it one line each.
    """
    top = area.top()
    for place, banner in enumerate(state.banners):
        top += _paint_banner(painter, area, top, banner, first=place == 0)
    return top - area.top()


def _paint_banner(
    painter: QPainter, area: QRectF, top: float, banner: Banner, *, first: bool
) -> float:
    painter.save()
    calm = banner.tone is Tone.NEUTRAL
    ground = theme.shade(tokens.PANEL, 0.92) if calm else theme.colour(banner.tone)
    ink = QColor(tokens.TEXT if calm else tokens.GROUND)
    head_px = 24 if first else 18
    head, body = theme.font(head_px, bold=True), theme.font(18 if first else 15)
    room = area.width() - 40
    headline = QFontMetricsF(head)
    details = QFontMetricsF(body)
    text = Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft
    head_box = headline.boundingRect(QRectF(0, 0, room, 1000), text, banner.headline)
    body_box = details.boundingRect(QRectF(0, 0, room, 1000), text, banner.detail)
    height = 12 + head_box.height() + 4 + body_box.height() + 12
    band = QRectF(area.left(), top, area.width(), height)
    painter.fillRect(band, ground)
    if not first:
        painter.fillRect(QRectF(area.left(), top, area.width(), 1), theme.shade(tokens.GROUND))
    painter.setPen(ink)
    painter.setFont(head)
    painter.drawText(
        QRectF(area.left() + 20, top + 12, room, head_box.height()), text, banner.headline
    )
    painter.setFont(body)
    painter.drawText(
        QRectF(area.left() + 20, top + 16 + head_box.height(), room, body_box.height() + 1),
        text,
        banner.detail,
    )
    painter.restore()
    return height


def paint_heartbeat(painter: QPainter, corner: QPointF, beat: int) -> None:
    """Paint a dot running round a small ring, one step a new picture, right-bottom at ``corner``.

    It stands still when nothing new is painted: that is what it is for.
    """
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    radius = 11.0
    middle = QPointF(corner.x() - radius, corner.y() - radius)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(theme.shade(tokens.GROUND, 0.6))
    painter.drawEllipse(middle, radius + 4, radius + 4)
    ring = QRectF(middle.x() - radius, middle.y() - radius, 2 * radius, 2 * radius)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(theme.shade(tokens.TEXT, 0.35), 2))
    painter.drawEllipse(ring)
    painter.setPen(QPen(theme.shade(tokens.TEXT), 4, c=Qt.PenCapStyle.RoundCap))
    step = beat % HEARTBEAT_STEPS
    painter.drawArc(ring, 90 * 16 - round(step * 360 * 16 / HEARTBEAT_STEPS), -60 * 16)
    painter.restore()


def paint_message(painter: QPainter, area: QRectF, text: str, tone: Tone) -> None:
    """Paint a short confirmation low in the middle of ``area``."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    words = theme.font(18, bold=True)
    metrics = QFontMetricsF(words)
    room = area.width() - 120
    shown = metrics.elidedText(text, Qt.TextElideMode.ElideMiddle, room)
    width = metrics.horizontalAdvance(shown) + 40
    frame = QRectF(area.center().x() - width / 2, area.bottom() - 76, width, 44)
    painter.setPen(
        QPen(theme.colour(tone) if tone is not Tone.PLAIN else theme.shade(tokens.LINE), 1.5)
    )
    painter.setBrush(theme.shade(tokens.PANEL, 0.94))
    painter.drawRoundedRect(frame, tokens.RADIUS_PX, tokens.RADIUS_PX)
    painter.setPen(QColor(tokens.TEXT))
    painter.setFont(words)
    painter.drawText(frame, Qt.AlignmentFlag.AlignCenter, shown)
    painter.restore()
