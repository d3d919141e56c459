"""`Painting`: puts a `Shown` on a painter: panes, guidance, borders, banners, read-outs."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen, QTransform

from hardware.rig import Registration
from sln_guide.gui.claims.layout import Content, Pane, panes
from sln_guide.gui.claims.readings import Reading
from sln_guide.gui.claims.showing import Shown
from sln_guide.gui.picture import signs
from sln_guide.gui.picture.chips import paint_readout, put_corner, put_name
from sln_guide.gui.picture.lasso import Lasso
from sln_guide.gui.picture.mounting import UPRIGHT, turned_pixels, turned_size, turning
from sln_guide.gui.picture.ruler import Ruler
from sln_guide.gui.picture.zoom import Size, Zoom
from sln_guide.gui.preferences import Mounting
from sln_guide.guidance import Picture
from sln_guide.render import marks, tokens
from sln_guide.render.figures import Figures
from sln_guide.render.geometry import mm_per_picture_px, view_scale
from sln_guide.render.look import Look
from sln_guide.render.marks import shade
from sln_guide.render.pixels import as_image, draw_placed, is_smooth
from sln_guide.render.renderer import Renderer
from sln_guide.render.scaling import Scaled, Turn
from sln_guide.render.sprites import Sheet

HEARTBEAT_PX = 48.0
CLEAN_DESIGNED_PX = (1440.0, 810.0)
"""Signs on a clean display grow with it beyond this: it is looked at from afar."""
OLD_DIMMED = 0.45
"""Opacity of the ground laid over a picture that is itself old, beside its lost colour."""


@dataclass(frozen=True, slots=True)
class Hands:
    """What the operator does with the picture: zoom, ruler, pointer (view px, None: away)."""

    zoom: Zoom
    ruler: Ruler
    lasso: Lasso
    pointer: QPointF | None


@dataclass(frozen=True, slots=True)
class _Frame:
    """What lies round and over the pictures: the same for as long as the state is.

    ``inner`` is what the borders leave, ``free`` what banners leave of that; ``chips`` is where
    the words in the corner lie. ``signs`` are laid out in px that are ``scale`` of the view's.
    """

    key: tuple[object, ...]
    panes: tuple[Pane, ...]
    inner: QRectF
    free: QRectF
    chips: QRectF
    signs: Sheet
    scale: float


class Painting:
    """Paints. Keeps only what the next paint can use again. One thread.

    ``look`` may be replaced between two paints, and so may ``curves``: what stands in the curves'
    pane of a clean display, where no widget lies in it.
    """

    def __init__(self, look: Look | None, figures: Figures | None = None) -> None:
        self.look = look
        self.curves: QImage | None = None
        self._renderer = Renderer(figures)
        self._scaled: dict[Content, Scaled] = {}
        self._grey: dict[Content, tuple[NDArray[np.uint32], QImage]] = {}
        self._frame: _Frame | None = None
        self._mounting, self._turn = UPRIGHT, cast(Turn | None, None)

    def mount(self, mounting: Mounting) -> None:
        """Turn pictures so from now on; marks and words follow, and stay upright."""
        self._mounting = mounting
        self._turn = None if mounting == UPRIGHT else partial(turned_pixels, mounting=mounting)

    @property
    def begins(self) -> int:
        """How far down the view pictures begin, in whole px: below what stands there for long."""
        return 0 if self._frame is None else self._frame.panes[0].top

    @property
    def banners_end(self) -> float:
        """How far down the view banners reach; 0 without any."""
        frame = self._frame
        return 0.0 if frame is None or frame.free == frame.inner else frame.free.top()

    def _placed(self, box: QRectF, size: Size, zoom: Zoom) -> QTransform:
        """Return the way from a picture to the view within a pane's box."""
        lies = zoom.placed(turned_size(size, self._mounting), size_in(box))
        left, top = box.left() + lies.left, box.top() + lies.top
        return turning(size, self._mounting) * QTransform(lies.scale, 0, 0, lies.scale, left, top)

    def paint(
        self,
        painter: QPainter,
        area: QRectF,
        shown: Shown,
        hands: Hands,
        *,
        clean: bool,
        age: Reading | None = None,
    ) -> None:
        """Paint everything into ``area``, whose top-left corner is the painter's origin.

        ``clean``: state and ``age`` go into the picture, and nothing of the operator's hands.
        """
        ratio = painter.device().devicePixelRatioF()
        frame = self._framed(area, shown, clean, age, ratio)
        if len(frame.panes) > 1 or frame.panes[0].top or shown.image is None:
            painter.fillRect(area, QColor(tokens.GROUND))
        for pane in frame.panes:
            box = _box_of(pane)
            painter.save()
            painter.setClipRect(box)
            if pane.content is Content.MAIN:
                self._paint_main(painter, box, frame, shown, hands, clean=clean)
            elif pane.content is Content.CURVES and self.curves is not None:
                painter.drawImage(box.topLeft(), self.curves)
            else:
                self._paint_side(painter, box, shown, hands, pane.content)
            painter.restore()
        painter.save()
        painter.scale(frame.scale, frame.scale)
        frame.signs.paint(painter)
        painter.restore()
        beat = Sheet(ratio)
        # in the chosen picture: beside it curves may lie over everything
        large = _box_of(frame.panes[0]) & frame.inner
        corner = large.bottomRight() - QPointF(HEARTBEAT_PX, HEARTBEAT_PX) * (frame.scale * 2 / 3)
        marks.put_heartbeat(beat, corner.x(), corner.y(), shown.beat, frame.scale)
        beat.paint(painter)

    def _framed(
        self,
        area: QRectF,
        shown: Shown,
        clean: bool,
        age: Reading | None,
        ratio: float,
    ) -> _Frame:
        state = shown.state
        sides = [(side.content, side.note) for side in shown.sides]
        key = (
            (area.width(), area.height(), ratio, clean, age),
            (state.pill, state.tone, state.banners, state.borders),
            (shown.layout, shown.view, shown.alone, shown.image is None, state.video_old, sides),
        )
        if self._frame is None or self._frame.key != key:
            scale = _sign_scale(area) if clean else 1.0
            whole = _scaled(area, 1 / scale)
            inner = signs.border_inside(whole, state)
            standing = signs.standing_height(inner, state)
            below = math.ceil((inner.top() + standing) * scale) if standing else 0
            divided = panes(shown.layout, round(area.width()), round(area.height()), below)
            free = inner.adjusted(0, signs.banners_height(inner, state), 0, 0)
            sheet = Sheet(ratio * scale)
            corner = _scaled(_box_of(divided[0]), 1 / scale) & free
            chips = put_corner(sheet, corner, shown, clean=clean, age=age)
            for pane in divided[1:]:
                put_name(sheet, pane, _scaled(_box_of(pane), 1 / scale) & free, shown)
            signs.put_borders(sheet, whole, state)
            signs.put_banners(sheet, inner, state)
            inside, left, words = (_scaled(box, scale) for box in (inner, free, chips))
            self._frame = _Frame(key, divided, inside, left, words, sheet, scale)
        return self._frame

    def _paint_main(
        self,
        painter: QPainter,
        box: QRectF,
        frame: _Frame,
        shown: Shown,
        hands: Hands,
        *,
        clean: bool,
    ) -> None:
        if shown.image is None:
            return
        free, chips, over = box & frame.free, frame.chips, frame.panes[1:]
        placed = self._placed(box, size_of(shown.image), hands.zoom)
        old = shown.state.video_old
        self._paint_pixels(painter, Content.MAIN, shown.image, box, placed, old=old)
        picture, look = shown.picture, self.look
        if picture is None or look is None:
            return
        if not shown.state.registered:  # withdrawn, say: then colour has no scale either
            look = replace(look, registration=Registration())
        if not shown.overlay:  # then only the scale bar is painted
            picture = replace(
                picture, rgb32=shown.image, view=shown.view, guidance=None, overlay_drawn=False
            )
        corner = _scaled(QRectF(0, 0, HEARTBEAT_PX, HEARTBEAT_PX), frame.scale)
        corner.moveBottomRight(free.bottomRight())
        beside = [_box_of(pane) for pane in over]
        # a pane of several is too small for large letters
        scale = _sign_scale(box) if clean else None
        self._renderer.paint_guidance(
            painter, free, picture, look, placed, keep_clear=(chips, corner, *beside), scale=scale
        )
        if hands.lasso.on:
            hands.lasso.paint(painter, placed)
        if hands.ruler.on:
            _paint_ruler(painter, picture, look, placed, hands.ruler)
        if hands.pointer is not None and not clean:
            paint_readout(painter, free, picture, look, placed, hands.pointer)

    def _paint_side(
        self, painter: QPainter, box: QRectF, shown: Shown, hands: Hands, content: Content
    ) -> None:
        """Paint a picture beside the chosen one: the same part of it, if they are of one size."""
        side = next((s for s in shown.sides if s.content is content), None)
        if side is not None:
            size = size_of(side.image)
            same = shown.image is not None and size == size_of(shown.image)
            zoom = hands.zoom if same else Zoom()
            placed = self._placed(box, size, zoom)
            self._paint_pixels(painter, content, side.image, box, placed, old=bool(side.note))
        painter.setPen(QPen(QColor(tokens.LINE), 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(box.adjusted(0.5, 0.5, -0.5, -0.5))

    def _paint_pixels(
        self,
        painter: QPainter,
        content: Content,
        pixels: NDArray[np.uint32],
        box: QRectF,
        placed: QTransform,
        *,
        old: bool,
    ) -> None:
        """Paint a picture; one that is old without colour, and dim."""
        whole = QRectF(0, 0, *size_of(pixels))
        target = placed.mapRect(whole)
        _fill_round(painter, box, target)
        ratio = painter.device().devicePixelRatioF()
        smooth = is_smooth(view_scale(placed) * ratio)
        if old:
            grey = self._grey.get(content)
            if grey is None or grey[0] is not pixels:
                grey = (pixels, as_image(pixels).convertToFormat(QImage.Format.Format_Grayscale8))
                self._grey[content] = grey
            draw_placed(painter, grey[1], placed, smooth=smooth)
            painter.fillRect(target, shade(tokens.GROUND, OLD_DIMMED))
            return
        if smooth and box.adjusted(-1, -1, 1, 1).contains(target):
            # seen as a whole: scaled while the other threads run, then copied
            seen = (max(round(target.width() * ratio), 1), max(round(target.height() * ratio), 1))
            size = turned_size(seen, self._mounting)
            image = self._scaled.setdefault(content, Scaled()).image(pixels, *size, self._turn)
            image.setDevicePixelRatio(ratio)
            corner = QPointF(
                round(target.left() * ratio) / ratio, round(target.top() * ratio) / ratio
            )
            painter.drawImage(corner, image)
            return
        draw_placed(painter, as_image(pixels), placed, smooth=smooth)


def _box_of(pane: Pane) -> QRectF:
    return QRectF(pane.left, pane.top, pane.width, pane.height)


def _scaled(box: QRectF, scale: float) -> QRectF:
    return QRectF(box.topLeft() * scale, box.bottomRight() * scale)


def _sign_scale(area: QRectF) -> float:
    """Return how large signs are on a clean display; screens plugged in late are not scaled."""
    width_px, height_px = CLEAN_DESIGNED_PX
    return max(min(area.width() / width_px, area.height() / height_px), 1.0)


def _fill_round(painter: QPainter, box: QRectF, target: QRectF) -> None:
    """Fill what a picture leaves free of its box (filling all would cost as much again)."""
    left, right = math.ceil(target.left()), math.floor(target.right())
    top, bottom = math.ceil(target.top()), math.floor(target.bottom())
    ground = QColor(tokens.GROUND)
    for free in (
        QRectF(box.topLeft(), QPointF(box.right(), top)),
        QRectF(QPointF(box.left(), bottom), box.bottomRight()),
        QRectF(QPointF(box.left(), top), QPointF(left, bottom)),
        QRectF(QPointF(right, top), QPointF(box.right(), bottom)),
    ):
        if free.width() > 0 and free.height() > 0:
            painter.fillRect(free & box, ground)


def size_of(pixels: NDArray[np.uint32]) -> Size:
    """Return (width, height) of a picture."""
    height, width = pixels.shape
    return width, height


def size_in(box: QRectF) -> Size:
    """Return (width, height) of a pane, whole px."""
    return round(box.width()), round(box.height())


def _paint_ruler(
    painter: QPainter, picture: Picture, look: Look, placed: QTransform, ruler: Ruler
) -> None:
    assumed = look.registration.kind in ("assumed", "nudged")
    ruler.paint(painter, placed, ruler.text(mm_per_picture_px(picture, look), assumed=assumed))
