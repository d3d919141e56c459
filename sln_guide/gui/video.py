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
    QTransform,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from sln_guide.gui import signs, theme
from sln_guide.gui.readings import Tone
from sln_guide.gui.showing import Shown
from sln_guide.gui.zoom import Placement, Size, Zoom
from sln_guide.guidance import View
from sln_guide.render import marks, tokens
from sln_guide.render.layout import Box
from sln_guide.render.look import Look
from sln_guide.render.marks import shade
from sln_guide.render.renderer import Renderer

HEARTBEAT_PX = 48.0
OLD_DIMMED = 0.45
"""Opacity of the ground laid over a picture that is itself old, beside its lost colour."""


def as_image(pixels: NDArray[np.uint32]) -> QImage:
    """Return a QImage on the array's own memory: keep the array for as long as the image."""
    height, width = pixels.shape
    return QImage(pixels.data, width, height, width * 4, QImage.Format.Format_RGB32)


class VideoView(QWidget):
    """Paints what it was last given; asks nobody for anything.

    ``painted`` is called after each paint with what was painted (None before the first).
    In the theatre (``clean``) state and age are painted into the picture, there being no strip.
    """

    zoomed = Signal()

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
        self._image: tuple[NDArray[np.uint32], QImage] | None = None
        self._grey: tuple[NDArray[np.uint32], QImage] | None = None
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
        before = self._picture_size()
        self._shown = shown
        if shown.image is not None and (self._image is None or self._image[0] is not shown.image):
            self._image = (shown.image, as_image(shown.image))
        if before != self._picture_size():
            self.set_zoom(Zoom())
        self.update()

    def say(self, text: str, tone: Tone = Tone.PLAIN) -> None:
        """Show a confirmation until told otherwise; empty text takes it away."""
        self._message = (text, tone) if text else None
        self.update()

    def set_zoom(self, zoom: Zoom) -> None:
        """Place the picture."""
        if zoom != self._zoom:
            self._zoom = zoom
            self.update()
            self.zoomed.emit()

    def fit(self) -> None:
        """Show the whole picture."""
        self.set_zoom(Zoom())

    def actual_size(self) -> None:
        """Show one picture px a screen px."""
        size = self._picture_size()
        if size is not None:
            self.set_zoom(self._zoom.actual_size(self.devicePixelRatioF(), size, self._view_size()))

    def zoom_by(self, factor: float, point: QPointF | None = None) -> None:
        """Zoom about a point of the view (its middle by default)."""
        size = self._picture_size()
        if size is not None:
            about = point or QPointF(self.width() / 2, self.height() / 2)
            self.set_zoom(self._zoom.about((about.x(), about.y()), factor, size, self._view_size()))

    def placement(self) -> Placement | None:
        """Return where the picture lies; None without one."""
        size = self._picture_size()
        return None if size is None else self._zoom.placed(size, self._view_size())

    def _picture_size(self) -> Size | None:
        if self._shown is None or self._shown.image is None:
            return None
        height, width = self._shown.image.shape
        return width, height

    def _view_size(self) -> Size:
        return self.width(), self.height()

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
        shown = self._shown
        painter.fillRect(area, QColor(tokens.GROUND))
        if shown is None:
            return
        placement = self.placement()
        if placement is not None and self._image is not None and shown.image is not None:
            self._paint_picture(painter, shown, placement)
        inner = signs.paint_borders(painter, area, shown.state)
        banner_px = signs.paint_banners(painter, inner, shown.state)
        inner = inner.adjusted(0, banner_px, 0, 0)
        chips = self._paint_chips(painter, inner, shown, clean=clean)
        beat = inner.bottomRight() - QPointF(HEARTBEAT_PX, HEARTBEAT_PX)
        if placement is not None and shown.picture is not None:
            self._paint_guidance(
                painter, inner, shown, placement, (chips, QRectF(beat, inner.bottomRight()))
            )
        middle = beat + QPointF(HEARTBEAT_PX, HEARTBEAT_PX) / 2
        marks.paint_heartbeat(painter, middle.x(), middle.y(), shown.beat, 1.0)
        if self._message is not None and not clean:
            signs.paint_message(painter, inner, *self._message)

    def _paint_picture(self, painter: QPainter, shown: Shown, placement: Placement) -> None:
        assert self._image is not None
        pixels, image = self._image
        old = shown.state.video_old
        if old:
            if self._grey is None or self._grey[0] is not pixels:
                self._grey = (pixels, image.convertToFormat(QImage.Format.Format_Grayscale8))
            image = self._grey[1]
        height, width = pixels.shape
        exact = placement.scale * self.devicePixelRatioF()
        smooth = abs(exact - 1.0) > 1e-6 and exact < 4.0
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, smooth)
        target = QRectF(
            placement.left, placement.top, width * placement.scale, height * placement.scale
        )
        painter.drawImage(target, image, QRectF(0, 0, width, height))
        if old:
            painter.fillRect(target, shade(tokens.GROUND, OLD_DIMMED))

    def _paint_guidance(
        self,
        painter: QPainter,
        area: QRectF,
        shown: Shown,
        placement: Placement,
        keep_clear: tuple[QRectF, ...],
    ) -> None:
        """Paint rings, tags and legend if they may be; the scale bar in any case."""
        picture = shown.picture
        if picture is None or shown.image is None or self._look is None:
            return
        if not shown.overlay:
            picture = replace(
                picture, rgb32=shown.image, view=shown.view, guidance=None, overlay_drawn=False
            )
        placed = QTransform(placement.scale, 0, 0, placement.scale, placement.left, placement.top)
        self._renderer.paint_guidance(
            painter, area, picture, self._look, placed, keep_clear=keep_clear
        )

    def _paint_chips(
        self, painter: QPainter, inner: QRectF, shown: Shown, *, clean: bool
    ) -> QRectF:
        """Say what the strip says where there is none, and what is shown if not all of it."""
        left, top = inner.left() + 16, inner.top() + 16
        bottom = top
        if clean:
            state = shown.state
            right = signs.paint_pill(painter, left, top + 22, 44, state.pill, state.tone, 24)
            age = state.readings.age
            right = _paint_chip(painter, right + 8, top, age.text, theme.TONES[age.tone], 18, 44)
            bottom = top + 44
        else:
            right = left
            if shown.image is not None and shown.view is not View.MERGED:
                name = "NIR" if shown.view is View.NIR else "Colour"
                text = "White light by itself" if shown.alone else name
                right = _paint_chip(painter, left, top, text, tokens.TEXT, 15, 32)
                bottom = top + 32
        return QRectF(left, top, right - left, bottom - top)

    # -- hands -----------------------------------------------------------------------------------

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom about the pointer."""
        steps = event.angleDelta().y() / 120.0
        if steps:
            self.zoom_by(1.25**steps, event.position())
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
        self.set_zoom(self._zoom.dragged(way.x(), way.y(), size, self._view_size()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Let the picture go."""
        self._dragged_from = None

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Switch between the whole picture and one px a px."""
        if self._zoom.fits:
            self.actual_size()
        else:
            self.fit()


def _paint_chip(
    painter: QPainter, left: float, top: float, text: str, ink: str, px: int, height: float
) -> float:
    """Paint a few words on a dark ground; return its right edge."""
    width, _ = marks.chip_size(text, px, 1.0)
    marks.paint_chip(painter, Box(left, top, left + width, top + height), text, ink, px, 1.0)
    return left + width
