"""`VideoView`: the large picture, painted with zoom and pan, and everything over it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFontMetricsF,
    QImage,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from sln_guide.gui import signs, theme
from sln_guide.gui.readings import Tone
from sln_guide.gui.screen_state import Border
from sln_guide.gui.showing import Shown
from sln_guide.gui.zoom import Placement, Size, Zoom
from sln_guide.guidance import View
from sln_guide.render import tokens

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
        banner_px = 0.0
        if shown.overlay and placement is not None:
            self._paint_guidance(painter, shown, placement)
        signs.paint_border(painter, area, shown.state.border)
        inner = area
        if shown.state.border is not Border.NONE:
            edge = tokens.BORDER_PX
            inner = area.adjusted(edge, edge, -edge, -edge)
        banner_px = signs.paint_banners(painter, inner, shown.state)
        if clean:
            self._paint_state(painter, inner, banner_px, shown)
        elif shown.view is not View.MERGED and shown.image is not None:
            self._paint_view_name(painter, inner, banner_px, shown)
        signs.paint_heartbeat(painter, inner.bottomRight() - QPointF(16, 16), shown.beat)
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
            painter.fillRect(target, theme.shade(tokens.GROUND, OLD_DIMMED))

    def _paint_guidance(self, painter: QPainter, shown: Shown, placement: Placement) -> None:
        pass

    def _paint_state(
        self, painter: QPainter, inner: QRectF, banner_px: float, shown: Shown
    ) -> None:
        """Paint the pill and the overlay's age, for the display without a strip."""
        middle = inner.top() + banner_px + 16 + 22
        state = shown.state
        right = signs.paint_pill(painter, inner.left() + 16, middle, 44, state.pill, state.tone, 24)
        age = state.readings.age
        words = theme.font(18, bold=True)
        width = QFontMetricsF(words).horizontalAdvance(age.text) + 28
        box = QRectF(right + 8, middle - 22, width, 44)
        _paint_box(painter, box, age.text, theme.colour(age.tone), 18)

    def _paint_view_name(
        self, painter: QPainter, inner: QRectF, banner_px: float, shown: Shown
    ) -> None:
        """Say what the large picture is when it is not the merged view."""
        if shown.alone:
            text = "White light by itself"
        else:
            text = "NIR" if shown.view is View.NIR else "Colour"
        width = QFontMetricsF(theme.font(15, bold=True)).horizontalAdvance(text) + 24
        box = QRectF(inner.left() + 16, inner.top() + banner_px + 16, width, 32)
        _paint_box(painter, box, text, QColor(tokens.TEXT), 15)

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


def _paint_box(painter: QPainter, box: QRectF, text: str, ink: QColor, px: int) -> None:
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(theme.shade(tokens.PANEL, 0.85))
    painter.drawRoundedRect(box, tokens.RADIUS_PX, tokens.RADIUS_PX)
    painter.setPen(ink)
    painter.setFont(theme.font(px, bold=True))
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
