"""What is drawn with a painter: rings, outlines, tags, scale bar, legend, frames, heartbeat.

Each ``put_`` function puts one sign on a `Sheet`. Lengths are view px times ``scale`` (the text
scale), so that marks keep their size on the screen however far the picture is zoomed.
"""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFontMetricsF, QImage, QPainter, QPen, QPolygonF

from sln_guide.render import tokens
from sln_guide.render.layout import Box, Ring
from sln_guide.render.sprites import Sheet
from sln_guide.render.text import font

HEARTBEAT_STEPS = 24
HEARTBEAT_RADIUS_PX = 15.0
TAG_OPACITY = 0.85
"""Of the panel behind words: enough for contrast 4.5 over the whitest tissue."""
_HATCH_PX = 14.0
_LARGE_RING_PX = 200.0
"""Larger rings are drawn anew: their squares would be mostly air."""


def shade(value: str, alpha: float) -> QColor:
    """Return a token's colour at an opacity in [0, 1]."""
    chosen = QColor(value)
    chosen.setAlphaF(alpha)
    return chosen


def put_ring(
    sheet: Sheet, ring: Ring, scale: float, *, thin: bool = False, dashed: bool = False
) -> None:
    """Put a thin double ring, white on dark: it shows on any tissue and any overlay.

    Its radius is rounded to a device px: a ring that breathes with the noise would not be calm,
    and so it need not be drawn anew for each picture.
    """
    radius = max(round(ring.radius * sheet.ratio), 1) / sheet.ratio
    reach = radius + 3.0 * scale
    box = Box(ring.x - reach, ring.y - reach, ring.x + reach, ring.y + reach)
    if radius > _LARGE_RING_PX:
        middle = QPointF(ring.x, ring.y)
        sheet.stroke(
            lambda p: _paint_ring(p, middle, radius, scale, thin=thin, dashed=dashed),
        )
        return
    sheet.stamp(
        box,
        ("ring", radius, thin, dashed, scale),
        lambda p, b: _paint_ring(
            p, QPointF(b.width / 2, b.height / 2), radius, scale, thin=thin, dashed=dashed
        ),
    )


def _paint_ring(
    painter: QPainter, middle: QPointF, radius: float, scale: float, *, thin: bool, dashed: bool
) -> None:
    width = (1.2 if thin else 2.0) * scale
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    # opaque, because Qt draws wide translucent lines several times slower
    for colour, pen_width in (
        (QColor(tokens.GROUND), width + 2.0 * scale),
        (QColor(tokens.TEXT), width),
    ):
        pen = QPen(colour, pen_width)
        pen.setCapStyle(Qt.PenCapStyle.FlatCap)
        if dashed:
            # dash lengths count in pen widths: both rings must break at the same places
            pen.setDashPattern([9.0 * scale / pen_width, 7.0 * scale / pen_width])
        painter.setPen(pen)
        painter.drawEllipse(middle, radius, radius)
    painter.restore()


def put_outline(
    sheet: Sheet,
    outline: QPolygonF,
    scale: float,
    *,
    dashed: bool = False,
    ink: str = tokens.TEXT,
    width: float = 1.2,
) -> None:
    """Put a closed thin line, white on dark unless told otherwise."""
    sheet.stroke(lambda p: _paint_outline(p, outline, scale, dashed, ink, width))


def _paint_outline(
    painter: QPainter, outline: QPolygonF, scale: float, dashed: bool, ink: str, line: float
) -> None:
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for colour, width in (
        (QColor(tokens.GROUND), (line + 1.6) * scale),
        (QColor(ink), line * scale),
    ):
        pen = QPen(colour, width)
        pen.setJoinStyle(Qt.PenJoinStyle.BevelJoin)
        if dashed:
            pen.setCapStyle(Qt.PenCapStyle.FlatCap)
            pen.setDashPattern([7.0 * scale / width, 5.0 * scale / width])
        painter.setPen(pen)
        painter.drawPolygon(outline)
    painter.restore()


def put_leader(sheet: Sheet, ring: Ring, box: Box, scale: float) -> None:
    """Put a hairline from a ring to its tag, when that lies some way off."""
    x = min(max(ring.x, box.left), box.right)
    y = min(max(ring.y, box.top), box.bottom)
    line = QLineF(ring.x, ring.y, x, y)
    if line.length() < ring.radius + 16.0 * scale:
        return
    line = QLineF(line.pointAt(ring.radius / line.length()), line.p2())
    sheet.stroke(lambda p: _paint_leader(p, line, scale))


def _paint_leader(painter: QPainter, line: QLineF, scale: float) -> None:
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for colour, width in ((QColor(tokens.GROUND), 3.0), (QColor(tokens.TEXT), 1.0)):
        painter.setPen(QPen(colour, width * scale))
        painter.drawLine(line)
    painter.restore()


@lru_cache(maxsize=256)
def tag_size(lines: tuple[str, str], scale: float) -> tuple[float, float]:
    """Return (width, height) of a tag of a bold line and, where not empty, a smaller one."""
    first = QFontMetricsF(font(tokens.LARGE_PX * scale, bold=True))
    second = QFontMetricsF(font(tokens.BODY_PX * scale))
    width = max(
        first.horizontalAdvance(lines[0]), second.horizontalAdvance(lines[1]) if lines[1] else 0.0
    )
    height = first.height() + (second.height() if lines[1] else 0.0)
    return width + 20.0 * scale, height + 10.0 * scale


def put_tag(sheet: Sheet, box: Box, lines: tuple[str, str], scale: float) -> None:
    """Put a tag of `tag_size` into ``box``."""
    sheet.stamp(box, ("tag", lines, scale), lambda p, b: _paint_tag(p, b, lines, scale))


def _paint_tag(painter: QPainter, box: Box, lines: tuple[str, str], scale: float) -> None:
    painter.save()
    _paint_panel(painter, box, scale)
    inner = QRectF(
        box.left + 10.0 * scale, box.top + 5.0 * scale, box.width, box.height - 10.0 * scale
    )
    bold = font(tokens.LARGE_PX * scale, bold=True)
    painter.setFont(bold)
    painter.setPen(QColor(tokens.TEXT))
    first_height = QFontMetricsF(bold).height()
    _paint_line(painter, inner.left(), inner.top(), first_height, lines[0])
    if lines[1]:
        painter.setFont(font(tokens.BODY_PX * scale))
        painter.setPen(QColor(tokens.SECONDARY))
        top = inner.top() + first_height
        _paint_line(painter, inner.left(), top, inner.bottom() - top, lines[1])
    painter.restore()


@lru_cache(maxsize=64)
def scale_bar_size(text: str, length_px: float, scale: float) -> tuple[float, float]:
    """Return (width, height) of a scale bar with its words."""
    metrics = QFontMetricsF(font(tokens.BODY_PX * scale, bold=True))
    return max(length_px, metrics.horizontalAdvance(text)), metrics.height() + 10.0 * scale


def put_scale_bar(sheet: Sheet, box: Box, text: str, length_px: float, scale: float) -> None:
    """Put a bar of ``length_px`` along the bottom of ``box``, its words above it."""
    reach = 2.0 * scale  # the casing is painted round the box
    sheet.stamp(
        box.grown(reach),
        ("bar", text, length_px, scale),
        lambda p, b: _paint_scale_bar(p, b.grown(-reach), text, length_px, scale),
    )


def _paint_scale_bar(
    painter: QPainter, box: Box, text: str, length_px: float, scale: float
) -> None:
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    bar = QRectF(box.left, box.bottom - 4.0 * scale, length_px, 3.0 * scale)
    painter.fillRect(
        bar.adjusted(-1.5 * scale, -1.5 * scale, 1.5 * scale, 1.5 * scale),
        shade(tokens.GROUND, 0.65),
    )
    painter.fillRect(bar, QColor(tokens.TEXT))
    painter.setFont(font(tokens.BODY_PX * scale, bold=True))
    _paint_cased(painter, box.left, box.top, box.height - 10.0 * scale, text, scale)
    painter.restore()


def _gradient(table: NDArray[np.uint32]) -> QImage:
    """Return a colour table as an upright image, the brightest on top."""
    rows = np.repeat(table[::-1, None], 16, axis=1)
    view = QImage(rows.data.cast("B"), 16, len(table), 16 * 4, QImage.Format.Format_ARGB32)
    return view.copy()


_LEGEND_BAR_PX = (14.0, 150.0)
_SHORT_BAR_PX = 66.0


@lru_cache(maxsize=64)
def legend_size(
    title: str, labels: tuple[str, str, str], scale: float, *, short: bool = False
) -> tuple[float, float]:
    """Return (width, height) of a legend; ``short`` ones are for small pictures."""
    small = QFontMetricsF(font(tokens.SMALL_PX * scale))
    body = QFontMetricsF(font(tokens.BODY_PX * scale, bold=True))
    beside = max(body.horizontalAdvance(label) for label in labels)
    width = max(_LEGEND_BAR_PX[0] * scale + 10.0 * scale + beside, small.horizontalAdvance(title))
    height = body.height() + (_SHORT_BAR_PX if short else _LEGEND_BAR_PX[1]) * scale
    height += small.height()
    return width + 24.0 * scale, height + 18.0 * scale


def put_legend(
    sheet: Sheet,
    box: Box,
    title: str,
    labels: tuple[str, str, str],
    table: NDArray[np.uint32],
    scale: float,
    *,
    short: bool = False,
) -> None:
    """Put the overlay's colours with what they mean: ``labels`` for top, middle, bottom."""
    length = _SHORT_BAR_PX if short else _LEGEND_BAR_PX[1]
    sheet.stamp(
        box,
        ("legend", title, labels, table.tobytes(), scale, length),
        lambda p, b: _paint_legend(p, b, title, labels, table, scale, length),
    )


def _paint_legend(
    painter: QPainter,
    box: Box,
    title: str,
    labels: tuple[str, str, str],
    table: NDArray[np.uint32],
    scale: float,
    length: float,
) -> None:
    painter.save()
    _paint_panel(painter, box, scale)
    bold = font(tokens.BODY_PX * scale, bold=True)
    line = QFontMetricsF(bold).height()
    left, top = box.left + 12.0 * scale, box.top + 6.0 * scale + line / 2
    width, height = _LEGEND_BAR_PX[0] * scale, length * scale
    bar = QRectF(left, top, width, height)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
    painter.drawImage(bar, _gradient(table))
    painter.setPen(QPen(QColor(tokens.LINE), scale))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRect(bar)
    painter.setFont(bold)
    painter.setPen(QColor(tokens.TEXT))
    for label, share in zip(labels, (0.0, 0.5, 1.0), strict=True):
        middle = top + share * height
        _paint_line(painter, bar.right() + 10.0 * scale, middle - line / 2, line, label)
    painter.setFont(font(tokens.SMALL_PX * scale))
    painter.setPen(QColor(tokens.SECONDARY))
    below = bar.bottom() + line / 2 + 2.0 * scale
    _paint_line(painter, left, below, box.bottom - 6.0 * scale - below, title)
    painter.restore()


@lru_cache(maxsize=256)
def chip_size(text: str, px: float, scale: float) -> tuple[float, float]:
    """Return (width, height) of a chip."""
    metrics = QFontMetricsF(font(px * scale, bold=True))
    return metrics.horizontalAdvance(text) + 20.0 * scale, metrics.height() + 8.0 * scale


def put_chip(sheet: Sheet, box: Box, text: str, ink: str, px: float, scale: float) -> None:
    """Put a few words on a dark ground."""
    sheet.stamp(
        box,
        ("chip", text, ink, px, scale),
        lambda p, b: _paint_chip(p, b, text, ink, px, scale),
    )


def _paint_chip(painter: QPainter, box: Box, text: str, ink: str, px: float, scale: float) -> None:
    painter.save()
    _paint_panel(painter, box, scale)
    painter.setFont(font(px * scale, bold=True))
    painter.setPen(QColor(ink))
    _paint_line(painter, box.left + 10.0 * scale, box.top, box.height, text)
    painter.restore()


def put_heartbeat(sheet: Sheet, x: float, y: float, beat: int, scale: float) -> None:
    """Put an arc that runs round a small ring about (x, y), one step each ``beat``.

    It stands still when nothing new is painted: that is what it is for.
    """
    step, reach = beat % HEARTBEAT_STEPS, (HEARTBEAT_RADIUS_PX + 1.0) * scale
    sheet.stamp(
        Box(x - reach, y - reach, x + reach, y + reach),
        ("beat", step, scale),
        lambda p, b: _paint_heartbeat(p, b.width / 2, b.height / 2, step, scale),
    )


def _paint_heartbeat(painter: QPainter, x: float, y: float, step: int, scale: float) -> None:
    radius = (HEARTBEAT_RADIUS_PX - 4.0) * scale
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(shade(tokens.GROUND, 0.6))
    painter.drawEllipse(QPointF(x, y), radius + 4.0 * scale, radius + 4.0 * scale)
    ring = QRectF(x - radius, y - radius, 2.0 * radius, 2.0 * radius)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(shade(tokens.TEXT, 0.35), 2.0 * scale))
    painter.drawEllipse(ring)
    arc = QPen(QColor(tokens.TEXT), 4.0 * scale)
    arc.setCapStyle(Qt.PenCapStyle.RoundCap)
    painter.setPen(arc)
    painter.drawArc(ring, 90 * 16 - round(step * 360 * 16 / HEARTBEAT_STEPS), -60 * 16)
    painter.restore()


def put_border(sheet: Sheet, area: QRectF, ink: str, scale: float, *, hatched: bool) -> QRectF:
    """Put a frame along the inside of ``area``; return what is left inside it."""
    width = tokens.BORDER_PX * scale
    left, top, right, bottom = area.left(), area.top(), area.right(), area.bottom()
    sides = (
        Box(left, top, right, top + width),
        Box(left, bottom - width, right, bottom),
        Box(left, top, left + width, bottom),
        Box(right - width, top, right, bottom),
    )
    for side in sides:
        key = ("side", ink, scale, hatched)
        sheet.stamp(side, key, lambda p, b: _paint_side(p, b, ink, scale, hatched=hatched))
    return area.adjusted(width, width, -width, -width)


def _paint_side(painter: QPainter, box: Box, ink: str, scale: float, *, hatched: bool) -> None:
    brush = QBrush(_stripes(ink, scale)) if hatched else QBrush(QColor(ink))
    painter.fillRect(QRectF(0.0, 0.0, box.width, box.height), brush)


@cache
def _stripes(ink: str, scale: float) -> QImage:
    """Return a tile of 45 degree stripes that fits to itself on every side."""
    edge = max(4, round(_HATCH_PX * scale))
    tile = QImage(edge, edge, QImage.Format.Format_RGB32)
    tile.fill(QColor(tokens.GROUND))
    painter = QPainter(tile)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(QColor(ink), edge / 2.8))
    for x in (-edge, 0, edge):
        painter.drawLine(QLineF(x, edge, x + edge, 0))
    painter.end()
    return tile


def _paint_panel(painter: QPainter, box: Box, scale: float) -> None:
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(shade(tokens.PANEL, TAG_OPACITY))
    radius = 6.0 * scale
    painter.drawRoundedRect(QRectF(box.left, box.top, box.width, box.height), radius, radius)


def _paint_line(painter: QPainter, left: float, top: float, height: float, text: str) -> None:
    room = QRectF(left, top, 1e5, height)
    painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)


def _paint_cased(
    painter: QPainter, left: float, top: float, height: float, text: str, scale: float
) -> None:
    """Paint words with a dark casing, for use without a panel."""
    painter.setPen(shade(tokens.GROUND, 0.55))
    for x, y in ((-1, -1), (1, -1), (-1, 1), (1, 1), (0, 1.6)):
        _paint_line(painter, left + x * scale, top + y * scale, height, text)
    painter.setPen(QColor(tokens.TEXT))
    _paint_line(painter, left, top, height, text)
