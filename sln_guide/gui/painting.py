"""`Painting`: puts a `Shown` on a painter: panes, guidance, borders, banners, read-outs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen, QTransform

from sln_guide.gui import signs, theme
from sln_guide.gui.layout import Content, Layout, Pane, panes
from sln_guide.gui.readings import Tone
from sln_guide.gui.readout import readout
from sln_guide.gui.ruler import Ruler
from sln_guide.gui.showing import Shown
from sln_guide.gui.zoom import Placement, Size, Zoom
from sln_guide.guidance import Picture, View
from sln_guide.render import marks, tokens
from sln_guide.render.layout import Box
from sln_guide.render.look import Look, mm_per_picture_px
from sln_guide.render.marks import shade
from sln_guide.render.renderer import Renderer

MARGIN_PX = 16.0
HEARTBEAT_PX = 48.0
OLD_DIMMED = 0.45
"""Opacity of the ground laid over a picture that is itself old, beside its lost colour."""
SMOOTH_BELOW = 8.0
"""From this magnification on the picture's px are shown as they are."""

NAMES = {View.MERGED: "Merged", View.WHITE: "Colour", View.NIR: "NIR"}
SIDE_NAMES = {Content.WHITE: "Colour", Content.NIR: "NIR"}


def as_image(pixels: NDArray[np.uint32]) -> QImage:
    """Return a QImage on the array's own memory: keep the array for as long as the image."""
    height, width = pixels.shape
    return QImage(pixels.data, width, height, width * 4, QImage.Format.Format_RGB32)


@dataclass(frozen=True, slots=True)
class Hands:
    """What the operator does with the picture: zoom, ruler, pointer (view px, None: away)."""

    zoom: Zoom
    ruler: Ruler
    pointer: QPointF | None
    message: tuple[str, Tone] | None


class Painting:
    """Paints. Keeps only what the next paint can use again. One thread."""

    def __init__(self, look: Look | None) -> None:
        self._look = look
        self._renderer = Renderer()
        self._grey: dict[Content, tuple[NDArray[np.uint32], QImage]] = {}

    def paint(
        self, painter: QPainter, area: QRectF, shown: Shown, hands: Hands, *, clean: bool
    ) -> None:
        """Paint everything into ``area``, whose top-left corner is the painter's origin.

        ``clean``: state and age go into the picture, and nothing of the operator's hands.
        """
        divided = panes(shown.layout, round(area.width()), round(area.height()))
        inner = signs.border_inside(area, shown.state)
        below = inner.adjusted(0, signs.banners_height(inner, shown.state), 0, 0)
        for pane in divided:
            box = QRectF(pane.left, pane.top, pane.width, pane.height)
            painter.save()
            painter.setClipRect(box)
            if pane.content is Content.MAIN:
                over = divided[1:]
                self._paint_main(painter, box, box & below, shown, hands, over, clean=clean)
            else:
                self._paint_side(painter, box, box & below, shown, hands, pane.content)
            painter.restore()
        signs.paint_borders(painter, area, shown.state)
        signs.paint_banners(painter, inner, shown.state)
        beat = inner.bottomRight() - QPointF(HEARTBEAT_PX, HEARTBEAT_PX) * (2 / 3)
        marks.paint_heartbeat(painter, beat.x(), beat.y(), shown.beat, 1.0)
        if hands.message is not None and not clean:
            signs.paint_message(painter, inner, *hands.message)

    def _paint_main(
        self,
        painter: QPainter,
        box: QRectF,
        free: QRectF,
        shown: Shown,
        hands: Hands,
        over: tuple[Pane, ...],
        *,
        clean: bool,
    ) -> None:
        if shown.image is None:
            _paint_chips(painter, free, shown, clean=clean)
            return
        placed = placed_in(box, hands.zoom.placed(size_of(shown.image), size_in(box)))
        old = shown.state.video_old
        self._paint_pixels(painter, Content.MAIN, shown.image, placed, old=old)
        chips = _paint_chips(painter, free, shown, clean=clean)
        picture, look = shown.picture, self._look
        if picture is None or look is None:
            return
        if not shown.overlay:  # then only the scale bar is painted
            picture = replace(
                picture, rgb32=shown.image, view=shown.view, guidance=None, overlay_drawn=False
            )
        corner = QRectF(0, 0, HEARTBEAT_PX, HEARTBEAT_PX)
        corner.moveBottomRight(free.bottomRight())
        beside = [QRectF(p.left, p.top, p.width, p.height) for p in over]
        self._renderer.paint_guidance(
            painter, free, picture, look, placed, keep_clear=(chips, corner, *beside)
        )
        _paint_ruler(painter, picture, look, placed, hands.ruler)
        if hands.pointer is not None and not clean:
            _paint_readout(painter, free, picture, look, placed, hands.pointer)

    def _paint_side(
        self,
        painter: QPainter,
        box: QRectF,
        free: QRectF,
        shown: Shown,
        hands: Hands,
        content: Content,
    ) -> None:
        """Paint a picture beside the chosen one: the same part of it, if they are of one size."""
        side = next((s for s in shown.sides if s.content is content), None)
        painter.fillRect(box, QColor(tokens.GROUND))
        text = SIDE_NAMES.get(content, "")
        if side is not None:
            size = size_of(side.image)
            same = shown.image is not None and size == size_of(shown.image)
            zoom = hands.zoom if same else Zoom()
            placed = placed_in(box, zoom.placed(size, size_in(box)))
            self._paint_pixels(painter, content, side.image, placed, old=bool(side.note))
            text = f"{text} · {side.note}" if side.note else text
        elif text:
            text += " · waiting"
        painter.setPen(QPen(QColor(tokens.LINE), 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(box.adjusted(0.5, 0.5, -0.5, -0.5))
        if text:
            paint_chip(painter, free.left() + 8, free.top() + 8, text, tokens.TEXT, 15, 30)

    def _paint_pixels(
        self,
        painter: QPainter,
        content: Content,
        pixels: NDArray[np.uint32],
        placed: QTransform,
        *,
        old: bool,
    ) -> None:
        """Paint a picture; one that is old without colour, and dim."""
        image = as_image(pixels)
        if old:
            grey = self._grey.get(content)
            if grey is None or grey[0] is not pixels:
                grey = (pixels, image.convertToFormat(QImage.Format.Format_Grayscale8))
                self._grey[content] = grey
            image = grey[1]
        exact = placed.m11() * painter.device().devicePixelRatioF()
        smooth = abs(exact - 1.0) > 1e-6 and exact < SMOOTH_BELOW
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, smooth)
        whole = QRectF(0, 0, *size_of(pixels))
        target = placed.mapRect(whole)
        painter.drawImage(target, image, whole)
        if old:
            painter.fillRect(target, shade(tokens.GROUND, OLD_DIMMED))


def size_of(pixels: NDArray[np.uint32]) -> Size:
    """Return (width, height) of a picture."""
    height, width = pixels.shape
    return width, height


def size_in(box: QRectF) -> Size:
    """Return (width, height) of a pane, whole px."""
    return round(box.width()), round(box.height())


def placed_in(box: QRectF, placement: Placement) -> QTransform:
    """Return the way from picture to view for a placement within a pane's box."""
    left, top = box.left() + placement.left, box.top() + placement.top
    return QTransform(placement.scale, 0.0, 0.0, placement.scale, left, top)


def paint_chip(
    painter: QPainter, left: float, top: float, text: str, ink: str, px: int, height: float
) -> float:
    """Paint a few words on a dark ground; return its right edge."""
    width, _ = marks.chip_size(text, px, 1.0)
    marks.paint_chip(painter, Box(left, top, left + width, top + height), text, ink, px, 1.0)
    return left + width


def _paint_chips(painter: QPainter, free: QRectF, shown: Shown, *, clean: bool) -> QRectF:
    """Say what the strip says where there is none, and what is shown if not all of it."""
    left, top = free.left() + MARGIN_PX, free.top() + MARGIN_PX
    if clean:
        state = shown.state
        right = signs.paint_pill(painter, left, top + 22, 44, state.pill, state.tone, 24)
        age = state.readings.age
        right = paint_chip(painter, right + 8, top, age.text, theme.TONES[age.tone], 18, 44)
        return QRectF(left, top, right - left, 44)
    if shown.image is None or (shown.layout is Layout.SINGLE and shown.view is View.MERGED):
        return QRectF(left, top, 0, 0)
    text = "White light by itself" if shown.alone else NAMES[shown.view]
    if shown.layout is Layout.PAIR:
        text = NAMES[View.WHITE]
    right = paint_chip(painter, left, top, text, tokens.TEXT, 15, 32)
    return QRectF(left, top, right - left, 32)


def _paint_ruler(
    painter: QPainter, picture: Picture, look: Look, placed: QTransform, ruler: Ruler
) -> None:
    assumed = look.registration.kind == "assumed"
    ruler.paint(painter, placed, ruler.text(mm_per_picture_px(picture, look), assumed=assumed))


def _paint_readout(
    painter: QPainter,
    free: QRectF,
    picture: Picture,
    look: Look,
    placed: QTransform,
    pointer: QPointF,
) -> None:
    """Say what lies under the pointer, beside it."""
    at = placed.inverted()[0].map(pointer)
    words = readout(picture, at.x() - 0.5, at.y() - 0.5, look.mm_per_px)
    if words:
        width, height = marks.chip_size(words, tokens.SMALL_PX, 1.0)
        left = min(max(pointer.x() + 18, free.left()), free.right() - width)
        top = min(max(pointer.y() + 18, free.top()), free.bottom() - height)
        paint_chip(painter, left, top, words, tokens.TEXT, tokens.SMALL_PX, height)
