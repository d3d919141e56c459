"""`VideoView`: the large picture as a widget: shows, zooms, pans, measures."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import (
    QColor,
    QImage,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from sln_guide.gui.claims.layout import Content, Layout, Pane, panes
from sln_guide.gui.claims.readings import Reading
from sln_guide.gui.claims.showing import Shown
from sln_guide.gui.picture.lasso import Lasso, Shape
from sln_guide.gui.picture.mounting import UPRIGHT, turned_size, turning
from sln_guide.gui.picture.painting import Hands, Painting, size_of
from sln_guide.gui.picture.ruler import Ruler
from sln_guide.gui.picture.zoom import WHEEL_STEP, Placement, Size, Zoom
from sln_guide.gui.preferences import Mounting
from sln_guide.render import tokens
from sln_guide.render.figures import Figures
from sln_guide.render.look import Look

CLEAN_EVERY_S = 0.024
"""Least time between two pictures in the theatre, where nobody's hand waits for the next one."""
AGE_S = 0.2
"""How long an age in the picture stands still, so that it can be read."""
JUDGED_NS = 15_000_000
"""What was judged longer ago is judged anew before it is painted: a busy machine may come to the
paint late, and to an overlay that is too old by then."""
DIRECT = Qt.FindChildOption.FindDirectChildrenOnly
POINTER_S = 4.0
"""A pointer that rests longer is told nothing more: its read-out would hide tissue."""


class VideoView(QWidget):
    """Paints what it was last given, or what ``judge`` returns where that was long ago.

    ``painted`` is called after each paint with what was painted.
    In the theatre (``clean``) state and age are painted into the picture, there being no strip.
    """

    laid_out = Signal()
    banner_pressed = Signal()
    drawn = Signal(object)

    def __init__(
        self,
        painted: Callable[[Shown], None] | None = None,
        *,
        judge: Callable[[], Shown] | None = None,
        look: Look | None = None,
        figures: Figures | None = None,
        clean: bool = False,
    ) -> None:
        super().__init__()
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(320, 240)
        self.setAccessibleName("Video")
        self.setMouseTracking(not clean)
        self._painted = painted
        self._judge = judge
        self._clean = clean
        self._painting = Painting(look, figures)
        self._mounting = UPRIGHT
        self._shown: Shown | None = None
        self._zoom = Zoom()
        self._ruler = Ruler()
        self._lasso = Lasso()
        self._dragged_from: QPointF | None = None
        self._pointer: tuple[QPointF, float] | None = None
        self._age: tuple[Reading, float] | None = None
        self._asked_s = 0.0

    @property
    def shown(self) -> Shown | None:
        """What it paints."""
        return self._shown

    @property
    def zoom(self) -> Zoom:
        """How it is placed."""
        return self._zoom

    @property
    def ruler(self) -> Ruler:
        """The distance being measured."""
        return self._ruler

    def show_now(self, shown: Shown) -> None:
        """Paint ``shown`` soon; returns at once.

        In the theatre a picture like the last but for its tissue may wait for the next one: what
        is claimed of it (state, overlay, banners, view) never does.
        """
        now_s, last = time.monotonic(), self._shown
        claimed = last is None or _claims(last) != _claims(shown)
        if self._clean:
            if not claimed and now_s - self._asked_s < CLEAN_EVERY_S:
                return
            claimed |= self._follow_age(shown.state.readings.age, now_s, at_once=claimed)
        self._take(shown)
        if last is not None and not claimed and _same_pixels(last, shown):
            return
        self._asked_s = now_s
        self.update()

    def _take(self, shown: Shown) -> None:
        before, divided = self._picture_size(), self._layout()
        self._shown = shown
        if before != self._picture_size():
            self.fit()
            self._ruler.switch(on=False)
        if divided is not shown.layout:
            self.laid_out.emit()

    def _judge_anew(self) -> None:
        """Take what may be claimed now, where it is some time that it was judged."""
        last = self._shown
        if last is None or self._judge is None:
            return
        if time.monotonic_ns() - last.judged_ns > JUDGED_NS:
            shown = self._judge()
            if self._clean:
                claimed = _claims(last) != _claims(shown)
                self._follow_age(shown.state.readings.age, time.monotonic(), at_once=claimed)
            self._take(shown)

    def _follow_age(self, age: Reading, now_s: float, *, at_once: bool) -> bool:
        """Let the age in the picture change, but no more often than it can be read."""
        if self._age is not None:
            said, since_s = self._age
            if age == said or not (at_once or now_s - since_s >= AGE_S):
                return False
        self._age = age, now_s
        return True

    # -- painting --------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint, then tell."""
        self._judge_anew()
        painter, began = QPainter(self), self._painting.begins
        try:
            self._paint(painter, clean=self._clean)
        finally:
            painter.end()
        if began != self._painting.begins:
            QTimer.singleShot(0, self, self.laid_out.emit)
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
            self._paint(painter, clean=True)
            for part in self.findChildren(QWidget, options=DIRECT):  # curves, in their pane
                if part.isVisible():
                    part.render(painter, part.pos())
        finally:
            painter.end()
        return shown, image

    def _paint(self, painter: QPainter, *, clean: bool) -> None:
        area = QRectF(self.rect())
        if self._shown is None:
            painter.fillRect(area, QColor(tokens.GROUND))
            return
        pointer = None
        if self._pointer is not None and self._dragged_from is None:
            if time.monotonic() - self._pointer[1] < POINTER_S:
                pointer = self._pointer[0]
        hands = Hands(self._zoom, self._ruler, self._lasso, pointer)
        age = None if self._age is None else self._age[0]
        self._painting.paint(painter, area, self._shown, hands, clean=clean, age=age)

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

    def show_curves(self, curves: QWidget | None) -> None:
        """Show in the curves' pane what a widget elsewhere shows now; None: nothing."""
        pane = self.pane(Content.CURVES)
        image = None
        if curves is not None and pane is not None:
            image = _image_of(curves, pane, self.devicePixelRatioF())
        self._painting.curves = image
        self.update()

    def look_so(self, look: Look) -> None:
        """Paint with another scale from now on."""
        self._painting.look = look

    def mount(self, mounting: Mounting) -> None:
        """Turn and mirror the picture so from now on."""
        self._mounting = mounting
        self._painting.mount(mounting)
        self.fit()

    def toggle_ruler(self) -> None:
        """Measure distances by dragging, or stop."""
        self._lasso.switch(on=False)
        self._ruler.switch(on=not self._ruler.on)
        self._use_cursor()

    def toggle_lasso(self, shape: Shape = Shape.FREE) -> bool:
        """Draw a region by dragging, or not; return which."""
        self._ruler.switch(on=False)
        self._lasso.switch(on=not self._lasso.on, shape=shape)
        self._use_cursor()
        return self._lasso.on

    def put_tools_away(self) -> bool:
        """End drawing or measuring; False if neither was going on."""
        used = self._ruler.on or self._lasso.on
        self._ruler.switch(on=False)
        self._lasso.switch(on=False)
        self._use_cursor()
        return used

    def _use_cursor(self) -> None:
        crossed = self._ruler.on or self._lasso.on
        self.setCursor(Qt.CursorShape.CrossCursor if crossed else Qt.CursorShape.ArrowCursor)
        self.update()

    def _set_zoom(self, zoom: Zoom) -> None:
        self._zoom = zoom
        self.update()

    def _layout(self) -> Layout:
        return Layout.SINGLE if self._shown is None else self._shown.layout

    def _panes(self) -> tuple[Pane, ...]:
        return panes(self._layout(), self.width(), self.height(), self._painting.begins)

    def _main_size(self) -> Size:
        main = self._panes()[0]
        return main.width, main.height

    def _picture_size(self) -> Size | None:
        """Return (width, height) of the picture as the eye sees it."""
        if self._shown is None or self._shown.image is None:
            return None
        return turned_size(size_of(self._shown.image), self._mounting)

    def _picture_point(self, at: QPointF) -> tuple[float, float] | None:
        placement = self.placement()
        if placement is None or self._shown is None or self._shown.image is None:
            return None
        main = self._panes()[0]
        x, y = placement.to_picture(at.x() - main.left, at.y() - main.top)
        back = turning(size_of(self._shown.image), self._mounting).inverted()[0]
        point = back.map(QPointF(x + 0.5, y + 0.5))
        return point.x() - 0.5, point.y() - 0.5

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Tell who lives in a pane."""
        super().resizeEvent(event)
        self.laid_out.emit()

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
        """Take hold of the picture, or begin to measure."""
        if event.position().y() < self._painting.banners_end:
            self.banner_pressed.emit()
        elif event.button() is Qt.MouseButton.LeftButton:
            self._dragged_from = event.position()
            point = self._picture_point(event.position())
            if self._ruler.on and point is not None:
                self._ruler.begin(point)
            if self._lasso.on and point is not None:
                self._lasso.begin(point)
            event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Drag the picture, or the ruler's end; tell what is under the pointer."""
        size, point = self._picture_size(), self._picture_point(event.position())
        self._pointer = (event.position(), time.monotonic())
        self.update()
        if self._dragged_from is None or size is None or point is None:
            return
        if self._lasso.on:
            self._lasso.pull(point)
            return
        if self._ruler.on:
            self._ruler.pull(point)
            return
        way = event.position() - self._dragged_from
        self._dragged_from = event.position()
        self._set_zoom(self._zoom.dragged(way.x(), way.y(), size, self._main_size()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Let the picture go, or close the region."""
        self._dragged_from = None
        if self._lasso.on:
            self.drawn.emit(self._lasso.take())
            self._use_cursor()

    def leaveEvent(self, event: QEvent) -> None:
        """Tell nothing more."""
        self._pointer = None
        self.update()
        super().leaveEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Switch between the whole picture and one px a px."""
        if self._zoom.fits:
            self.actual_size()
        else:
            self.fit()


def _image_of(widget: QWidget, pane: Pane, ratio: float) -> QImage:
    """Return what a widget looks like, as large as the pane has room for it, in its middle."""
    scale = min(pane.width / max(widget.width(), 1), pane.height / max(widget.height(), 1))
    image = QImage(
        round(pane.width * ratio), round(pane.height * ratio), QImage.Format.Format_RGB32
    )
    image.setDevicePixelRatio(ratio)
    image.fill(QColor(tokens.GROUND))
    painter = QPainter(image)
    try:
        left = (pane.width - scale * widget.width()) / 2
        top = (pane.height - scale * widget.height()) / 2
        painter.translate(left, top)
        painter.scale(scale, scale)
        widget.render(painter, QPoint())
    finally:
        painter.end()
    return image


def _claims(shown: Shown) -> tuple[object, ...]:
    """Return what the picture claims of itself: a change of it is painted at once."""
    state = shown.state
    return (
        (shown.image is None, shown.view, shown.alone, shown.overlay, shown.layout),
        (state.pill, state.tone, state.banners, state.video_old, state.borders, state.judged),
        state.readings.age.tone,
        tuple((side.content, side.note) for side in shown.sides),
    )


def _same_pixels(last: Shown, shown: Shown) -> bool:
    """Whether the pictures are the very same: clock ticks come between them."""
    return (
        last.image is shown.image
        and last.picture is shown.picture
        and last.beat == shown.beat
        and [id(side.image) for side in last.sides] == [id(side.image) for side in shown.sides]
    )
