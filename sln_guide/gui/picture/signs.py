"""What lies over the video whatever it shows: pill, banners, borders, message."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QFontMetricsF, QPainter

from sln_guide.gui import theme
from sln_guide.gui.claims.readings import Tone
from sln_guide.gui.claims.screen_state import Border, ScreenState
from sln_guide.gui.claims.verdict import Banner
from sln_guide.render import marks, tokens
from sln_guide.render.layout import Box
from sln_guide.render.marks import shade
from sln_guide.render.sprites import Sheet
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
        hatch = QBrush(theme.colour(tone, 0.2), Qt.BrushStyle.BDiagPattern)
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


def put_pill(
    sheet: Sheet, left: float, middle: float, height: float, text: str, tone: Tone, px: int
) -> float:
    """Put `paint_pill` on a sheet; return its right edge."""
    right = left + pill_width(text, px, height)
    sheet.stamp(
        Box(left, middle - height / 2, right, middle + height / 2),
        ("pill", text, tone, px),
        lambda p, b: _paint_into(p, b, text, tone, px),
    )
    return right


def _paint_into(painter: QPainter, box: Box, text: str, tone: Tone, px: int) -> None:
    paint_pill(painter, 0.0, box.height / 2, box.height, text, tone, px)


@lru_cache(maxsize=256)
def pill_width(text: str, px: int, height: float) -> float:
    """Return how wide `paint_pill` paints."""
    words = QFontMetricsF(font(px, bold=True))
    return height * 0.45 + px * 0.75 + words.horizontalAdvance(text) + height * 0.45


def border_inside(area: QRectF, state: ScreenState) -> QRectF:
    """Return what `put_borders` leaves of ``area``."""
    width = tokens.BORDER_PX * len(state.borders)
    return area.adjusted(width, width, -width, -width)


def put_borders(sheet: Sheet, area: QRectF, state: ScreenState) -> None:
    """Put the frames round a replay (violet) and a simulation (hatched cyan)."""
    for border in state.borders:
        tone = Tone.REPLAY if border is Border.REPLAY else Tone.SIMULATED
        hatched = border is Border.SIMULATED
        area = marks.put_border(sheet, area, theme.TONES[tone], 1.0, hatched=hatched)


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
    """Return what `put_banners` takes of the height of ``area``."""
    return sum(band.height for band in _bands(area.width(), state))


def standing_height(area: QRectF, state: ScreenState) -> float:
    """Return what of `banners_height` pictures leave free.

    Bands that are no alarm stay for a whole procedure; what they would hide, nobody would see.
    """
    bands = _bands(area.width(), state)
    standing = (b for b in bands if b.banner.slim and b.banner.tone is not Tone.ALARM)
    return sum(band.height for band in standing)


def put_banners(sheet: Sheet, area: QRectF, state: ScreenState) -> None:
    """Put the bands over the top of ``area``.

    The most urgent has a large headline; those behind it, and slim ones, are smaller.
    """
    top = area.top()
    for band in _bands(area.width(), state):
        box = Box(area.left(), top, area.right(), top + band.height)
        sheet.stamp(box, ("band", band.banner, band.height), partial(_paint_band, band))
        top += band.height


def _paint_band(band: _Band, painter: QPainter, box: Box) -> None:
    calm = band.banner.tone is Tone.NEUTRAL
    ground = shade(tokens.PANEL, 0.92) if calm else theme.colour(band.banner.tone)
    painter.fillRect(QRectF(0, 0, box.width, band.height - 1), ground)
    painter.fillRect(QRectF(0, band.height - 1, box.width, 1), QColor(tokens.GROUND))
    painter.setPen(QColor(tokens.TEXT if calm else tokens.GROUND))
    for line in band.lines:
        painter.setFont(line.words)
        painter.drawText(line.box, FLOW, line.text)


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
