"""`VideoView`: the large picture, painted with zoom and pan, and everything over it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QImage,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QTransform,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from sln_guide.gui import signs, theme
from sln_guide.gui.layout import Content, Layout, Pane, panes
from sln_guide.gui.readings import Tone
from sln_guide.gui.showing import Shown, Side
from sln_guide.gui.zoom import WHEEL_STEP, Placement, Size, Zoom
from sln_guide.guidance import View
from sln_guide.render import marks, tokens
from sln_guide.render.layout import Box
from sln_guide.render.look import Look
from sln_guide.render.marks import shade
from sln_guide.render.renderer import Renderer

MARGIN_PX = 16.0
HEARTBEAT_PX = 48.0
OLD_DIMMED = 0.45
"""Opacity of the ground laid over a picture that is itself old, beside its lost colour."""

NAMES = {View.MERGED: "Merged", View.WHITE: "Colour", View.NIR: "NIR"}
SIDE_NAMES = {Content.WHITE: "Colour", Content.NIR: "NIR"}


def as_image(pixels: NDArray[np.uint32]) -> QImage:
    """Return a QImage on the array's own memory: keep the array for as long as the image."""
    height, width = pixels.shape
    return QImage(pixels.data, width, height, width * 4, QImage.Format.Format_RGB32)


class VideoView(QWidget):
    """Paints what it was last given; asks nobody for anything.

    ``painted`` is called after each paint with what was painted (None before the first).
    In the theatre (``clean``) state and age are painted into the picture, there being no strip.
    """

    laid_out = Signal()

    def __init__(
        self,
        painted: Callable[[Shown], None] | None = None,
        *,
        look: Look | None = None,
        clean: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(320, 240)
        self.setAccessibleName("Video")
        self._painted = painted
        self._clean = clean
        self._look = look
        self._renderer = Renderer()
        self._shown: Shown | None = None
        self._grey: dict[Content, tuple[NDArray[np.uint32], QImage]] = {}
        self._zoom = Zoom()
        self._dragged_from: QPointF | None = None
        self._message: tuple[str, Tone] | None = None

    @property
    def shown(self) -> Shown | None:
        """What it paints."""
        return self._shown

    @property
    def zoom(self) -> Zoom:
        """How it is placed."""
        return self._zoom

    @property
    def message(self) -> str:
        """The confirmation on show, empty without one."""
        return "" if self._message is None else self._message[0]

    def show_now(self, shown: Shown) -> None:
        """Paint ``shown`` soon; returns at once."""
        before, divided = self._picture_size(), self._layout()
        self._shown = shown
        if before != self._picture_size():
            self.fit()
        if divided is not shown.layout:
            self.laid_out.emit()
        self.update()

    def say(self, text: str, tone: Tone = Tone.PLAIN) -> None:
        """Show a confirmation until told otherwise; empty text takes it away."""
        self._message = (text, tone) if text else None
        self.update()

    # -- placing ---------------------------------------------------------------------------------

    def fit(self) -> None:
        """Show the whole picture."""
        self._set_zoom(Zoom())

    def actual_size(self) -> None:
        """Show one picture px a screen px."""
        size, room = self._picture_size(), self._main_size()
        if size is not None:
            self._set_zoom(self._zoom.actual_size(self.devicePixelRatioF(), size, room))

    def zoom_by(self, factor: float, point: QPointF | None = None) -> None:
        """Zoom about a point of a pane (its middle by default)."""
        size, room = self._picture_size(), self._main_size()
        if size is not None:
            about = (room[0] / 2, room[1] / 2) if point is None else (point.x(), point.y())
            self._set_zoom(self._zoom.about(about, factor, size, room))

    def placement(self) -> Placement | None:
        """Return where the picture lies in its pane; None without one."""
        size = self._picture_size()
        return None if size is None else self._zoom.placed(size, self._main_size())

    def pane(self, content: Content) -> Pane | None:
        """Return the pane of a content; None where the layout has none."""
        return next((p for p in self._panes() if p.content is content), None)

    def _set_zoom(self, zoom: Zoom) -> None:
        self._zoom = zoom
        self.update()

    def _layout(self) -> Layout:
        return Layout.SINGLE if self._shown is None else self._shown.layout

    def _panes(self) -> tuple[Pane, ...]:
        return panes(self._layout(), self.width(), self.height())

    def _main_size(self) -> Size:
        main = self._panes()[0]
        return main.width, main.height

    def _picture_size(self) -> Size | None:
        if self._shown is None or self._shown.image is None:
            return None
        height, width = self._shown.image.shape
        return width, height

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Tell who lives in a pane."""
        super().resizeEvent(event)
        self.laid_out.emit()

    # -- painting --------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint picture, guidance, borders, banners; then tell."""
        painter = QPainter(self)
        try:
            self.paint(painter, clean=self._clean)
        finally:
            painter.end()
        if self._painted is not None and self._shown is not None:
            self._painted(self._shown)

    def still(self) -> tuple[Shown, QImage] | None:
        """Return what is painted now as an image with its state, at the picture's resolution."""
        shown, placement = self._shown, self.placement()
        if shown is None or shown.image is None or placement is None:
            return None
        finer = max(1.0, self.devicePixelRatioF(), 1.0 / placement.scale)
        image = QImage(
            round(self.width() * finer), round(self.height() * finer), QImage.Format.Format_RGB32
        )
        image.setDevicePixelRatio(finer)
        painter = QPainter(image)
        try:
            self.paint(painter, clean=True)
        finally:
            painter.end()
        return shown, image

    def paint(self, painter: QPainter, *, clean: bool) -> None:
        """Paint everything; ``painter`` covers this widget's rectangle."""
        area = QRectF(self.rect())
        painter.fillRect(area, QColor(tokens.GROUND))
        shown = self._shown
        if shown is None:
            return
        inner = signs.border_inside(area, shown.state)
        banners_px = signs.banners_height(inner, shown.state)
        for pane in self._panes():
            box = QRectF(pane.left, pane.top, pane.width, pane.height)
            painter.save()
            painter.setClipRect(box)
            free = box.intersected(inner.adjusted(0, banners_px, 0, 0))
            if pane.content is Content.MAIN:
                self._paint_main(painter, box, free, shown, clean=clean)
            else:
                self._paint_side(painter, box, free, shown, pane.content)
            painter.restore()
        signs.paint_borders(painter, area, shown.state)
        signs.paint_banners(painter, inner, shown.state)
        beat = inner.bottomRight() - QPointF(HEARTBEAT_PX, HEARTBEAT_PX) / 2
        marks.paint_heartbeat(painter, beat.x() - 8, beat.y() - 8, shown.beat, 1.0)
        if self._message is not None and not clean:
            signs.paint_message(painter, inner, *self._message)

    def _paint_main(
        self, painter: QPainter, box: QRectF, free: QRectF, shown: Shown, *, clean: bool
    ) -> None:
        placement = self.placement()
        if placement is None or shown.image is None:
            self._paint_chips(painter, free, shown, clean=clean)
            return
        placed = placed_in(box, placement)
        self._paint_pixels(painter, Content.MAIN, shown.image, placed, old=shown.state.video_old)
        chips = self._paint_chips(painter, free, shown, clean=clean)
        if shown.picture is not None and self._look is not None:
            corner = QRectF(0, 0, HEARTBEAT_PX, HEARTBEAT_PX)
            corner.moveBottomRight(free.bottomRight())
            picture = shown.picture
            if not shown.overlay:  # then only the scale bar is painted
                picture = replace(
                    picture, rgb32=shown.image, view=shown.view, guidance=None, overlay_drawn=False
                )
            over = [QRectF(p.left, p.top, p.width, p.height) for p in self._panes()[1:]]
            self._renderer.paint_guidance(
                painter, free, picture, self._look, placed, keep_clear=(chips, corner, *over)
            )

    def _paint_side(
        self, painter: QPainter, box: QRectF, free: QRectF, shown: Shown, content: Content
    ) -> None:
        """Paint a picture beside the chosen one: the same part of it, if they are of one size."""
        side: Side | None = next((s for s in shown.sides if s.content is content), None)
        painter.fillRect(box, QColor(tokens.GROUND))
        text = SIDE_NAMES.get(content, "")
        if side is not None:
            size = side.image.shape[1], side.image.shape[0]
            zoom = self._zoom if size == self._picture_size() else Zoom()
            placed = placed_in(box, zoom.placed(size, (round(box.width()), round(box.height()))))
            self._paint_pixels(painter, content, side.image, placed, old=bool(side.note))
            text = f"{text} · {side.note}" if side.note else text
        elif text:
            text += " · waiting"
        painter.setPen(QPen(QColor(tokens.LINE), 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(box.adjusted(0.5, 0.5, -0.5, -0.5))
        if text:
            _paint_chip(painter, free.left() + 8, free.top() + 8, text, tokens.TEXT, 15, 30)

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
        height, width = pixels.shape
        image = as_image(pixels)
        if old:
            grey = self._grey.get(content)
            if grey is None or grey[0] is not pixels:
                grey = (pixels, image.convertToFormat(QImage.Format.Format_Grayscale8))
                self._grey[content] = grey
            image = grey[1]
        exact = placed.m11() * self.devicePixelRatioF()
        smooth = abs(exact - 1.0) > 1e-6 and exact < 4.0
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, smooth)
        target = placed.mapRect(QRectF(0, 0, width, height))
        painter.drawImage(target, image, QRectF(0, 0, width, height))
        if old:
            painter.fillRect(target, shade(tokens.GROUND, OLD_DIMMED))

    def _paint_chips(self, painter: QPainter, free: QRectF, shown: Shown, *, clean: bool) -> QRectF:
        """Say what the strip says where there is none, and what is shown if not all of it."""
        left, top = free.left() + MARGIN_PX, free.top() + MARGIN_PX
        right = left
        if clean:
            state = shown.state
            right = signs.paint_pill(painter, left, top + 22, 44, state.pill, state.tone, 24)
            age = state.readings.age
            right = _paint_chip(painter, right + 8, top, age.text, theme.TONES[age.tone], 18, 44)
            return QRectF(left, top, right - left, 44)
        single = shown.layout is Layout.SINGLE and shown.view is View.MERGED
        if shown.image is None or single:
            return QRectF(left, top, 0, 0)
        text = "White light by itself" if shown.alone else NAMES[shown.view]
        if shown.layout is Layout.PAIR:
            text = NAMES[View.WHITE]
        right = _paint_chip(painter, left, top, text, tokens.TEXT, 15, 32)
        return QRectF(left, top, right - left, 32)

    # -- hands -----------------------------------------------------------------------------------

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom about the pointer."""
        steps = event.angleDelta().y() / 120.0
        if steps:
            at = event.position()
            pane = next((p for p in reversed(self._panes()) if p.holds(at.x(), at.y())), None)
            corner = QPointF() if pane is None else QPointF(pane.left, pane.top)
            self.zoom_by(WHEEL_STEP**steps, at - corner)
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take hold of the picture."""
        if event.button() is Qt.MouseButton.LeftButton:
            self._dragged_from = event.position()
            event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Drag the picture."""
        size = self._picture_size()
        if self._dragged_from is None or size is None:
            return
        way = event.position() - self._dragged_from
        self._dragged_from = event.position()
        self._set_zoom(self._zoom.dragged(way.x(), way.y(), size, self._main_size()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Let the picture go."""
        self._dragged_from = None

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Switch between the whole picture and one px a px."""
        if self._zoom.fits:
            self.actual_size()
        else:
            self.fit()


def placed_in(box: QRectF, placement: Placement) -> QTransform:
    """Return the way from picture to view for a placement within a pane's box."""
    scale = placement.scale
    return QTransform(
        scale, 0.0, 0.0, scale, box.left() + placement.left, box.top() + placement.top
    )


def _paint_chip(
    painter: QPainter, left: float, top: float, text: str, ink: str, px: int, height: float
) -> float:
    """Paint a few words on a dark ground; return its right edge."""
    width, _ = marks.chip_size(text, px, 1.0)
    marks.paint_chip(painter, Box(left, top, left + width, top + height), text, ink, px, 1.0)
    return left + width
