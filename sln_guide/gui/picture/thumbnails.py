"""Colour and NIR beside the large view: always running, and a press swaps one into it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QImage, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QWidget

from hardware.frame import Frame
from sln_guide.gui.claims.showing import age_note
from sln_guide.gui.picture.mounting import UPRIGHT, turned_image
from sln_guide.gui.preferences import Mounting
from sln_guide.guidance import Picture, View
from sln_guide.health import Health, SessionHealth, StreamHealth
from sln_guide.render import tokens
from sln_guide.render.marks import shade
from sln_guide.render.pixels import as_image
from sln_guide.render.text import font

LABEL_PX = 26
LOW_PX = 900
"""Windows lower than this have rows of less height."""
LOW_HEIGHT_PX = 134
"""Where room is scarce, these pictures are no higher."""

CANNOT_BE_READ = "cannot be read here"

Pixels = NDArray[np.uint32] | None


class Thumbnail(QAbstractButton):
    """A small live picture; checked while the large view shows the same."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setText(name)
        self.setAccessibleName(f"{name}, press to enlarge")
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setMinimumSize(tokens.ACTION_PX, tokens.CONTROL_PX)
        self._image: tuple[NDArray[np.uint32], QImage] | None = None
        self._note = ""
        self.mounting = UPRIGHT

    @property
    def note(self) -> str:
        """Why its picture is not the present; empty for one that is."""
        return self._note

    @property
    def aspect(self) -> float:
        """Width by height of its picture."""
        if self._image is None:
            return 1.25
        return self._image[1].width() / self._image[1].height()

    def show_now(self, pixels: NDArray[np.uint32] | None, note: str) -> bool:
        """Show a picture, or ``note`` instead of one; True if its proportions changed."""
        if pixels is None:
            changed = self._image is not None
            self._image = None
        elif self._image is not None and self._image[0] is pixels and note == self._note:
            return False
        else:
            before = self.aspect
            self._image = (pixels, turned_image(as_image(pixels), self.mounting))
            changed = abs(before - self.aspect) > 1e-6
        self._note = note
        self.update()
        return changed

    def mount(self, mounting: Mounting) -> None:
        """Turn and mirror the picture so from now on."""
        self.mounting = mounting
        if self._image is not None:
            pixels = self._image[0]
            self._image = (pixels, turned_image(as_image(pixels), mounting))
            self.update()

    def sizeHint(self) -> QSize:
        """Return a comfortable size."""
        return QSize(190, 152)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint picture, name and frame."""
        painter = QPainter(self)
        area = QRectF(self.rect())
        painter.fillRect(area, QColor(tokens.PANEL))
        if self._image is not None:
            image = self._image[1]
            width, height = image.width(), image.height()
            scale = min(area.width() / width, area.height() / height)
            target = QRectF(0, 0, width * scale, height * scale)
            target.moveCenter(area.center())
            if self._note:  # nor in colour: nobody shall take it for the present
                image = image.convertToFormat(QImage.Format.Format_Grayscale8)
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(target, image, QRectF(0, 0, width, height))
            if self._note:
                painter.fillRect(target, shade(tokens.GROUND, 0.65))
        if self._note:
            painter.setPen(QColor(tokens.TEXT))
            painter.setFont(font(13))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(area.adjusted(8, LABEL_PX, -8, -4), flags, self._note)
        words = font(13, bold=True)
        painter.setFont(words)
        wide = QFontMetricsF(words).horizontalAdvance(self.text()) + 18
        painter.fillRect(QRectF(0, 0, wide, LABEL_PX), shade(tokens.PANEL, 0.85))
        painter.setPen(QColor(tokens.TEXT))
        painter.drawText(QRectF(9, 0, wide, LABEL_PX), Qt.AlignmentFlag.AlignVCenter, self.text())
        checked = self.isChecked()
        painter.setPen(QPen(QColor(tokens.ACTION if checked else tokens.LINE), 3 if checked else 1))
        edge = 1.5 if checked else 0.5
        painter.drawRect(area.adjusted(edge, edge, -edge, -edge))
        painter.end()


class Thumbnails(QWidget):
    """Colour and NIR beside each other."""

    view_wanted = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.white = Thumbnail("Colour", self)
        self.nir = Thumbnail("NIR", self)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Maximum)
        self.setMinimumHeight(88)
        self._view = View.MERGED
        self.white.clicked.connect(lambda: self._pressed(View.WHITE))
        self.nir.clicked.connect(lambda: self._pressed(View.NIR))

    def sizeHint(self) -> QSize:
        """Return the size of two beside each other: no more height than that is of use."""
        width = max(self.width(), 388)
        beside = round((width - tokens.GAP_PX) / 2 / min(self.white.aspect, self.nir.aspect))
        if self.window().height() < LOW_PX:  # the list of nodes needs the room
            beside = min(beside, LOW_HEIGHT_PX)
        return QSize(388, max(beside, self.minimumHeight()))

    def mount(self, mounting: Mounting) -> None:
        """Turn and mirror the pictures so from now on."""
        for each in (self.white, self.nir):
            each.mount(mounting)
        self.updateGeometry()
        self._arrange()

    def show_view(self, view: View) -> None:
        """Mark the one that the large view shows."""
        self._view = view
        self.white.setChecked(view is View.WHITE)
        self.nir.setChecked(view is View.NIR)

    def show_picture(
        self,
        picture: Picture | None,
        health: SessionHealth | None,
        now_ns: int | None,
        white_alone: Pixels = None,
    ) -> None:
        """Show a picture's thumbnails; what is lost or old says so.

        ``now_ns`` is None in a replay, where standing still is no fault. ``white_alone`` is live
        white light that no picture brings: there is nothing to wait for then.
        """
        streams = (None, None) if health is None else (health.white, health.nir)
        lost = CANNOT_BE_READ if now_ns is None else "camera lost"
        notes = [_trouble(stream, lost) for stream in streams]
        if picture is None:
            pixels: tuple[Pixels, Pixels] = (None, None)
            notes = [note or "waiting" for note in notes]
        else:
            pixels = (picture.white_thumbnail, picture.nir_thumbnail)
            frames = (picture.white, picture.nir)
            notes = [n or _doubt(f, now_ns) for n, f in zip(notes, frames, strict=True)]
        if white_alone is not None:
            pixels, notes[0] = (white_alone, pixels[1]), _trouble(streams[0], lost)
        changed = self.white.show_now(pixels[0], notes[0])
        if self.nir.show_now(pixels[1], notes[1]) or changed:
            self.updateGeometry()
            self._arrange()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Arrange anew."""
        if event.oldSize().width() != event.size().width():
            self.updateGeometry()
        self._arrange()

    def _pressed(self, view: View) -> None:
        wanted = View.MERGED if self._view is view else view
        self.show_view(self._view)
        self.view_wanted.emit(wanted)

    def _arrange(self) -> None:
        width, height, gap = self.width(), self.height(), tokens.GAP_PX
        half = (width - gap) // 2
        tall = min(height, round(half / min(self.white.aspect, self.nir.aspect)))
        self.white.setGeometry(0, 0, half, tall)
        self.nir.setGeometry(width - half, 0, half, tall)


def _doubt(frame: Frame | None, now_ns: int | None) -> str:
    """Say why a picture is not the present; empty for one that is."""
    if frame is None:
        return "none"
    return "" if now_ns is None else age_note(frame, now_ns)


def _trouble(stream: StreamHealth | None, lost: str) -> str:
    """Say what is wrong with a camera, or in a replay its recording; empty if nothing is."""
    if stream is None:
        return ""
    if stream.frozen:
        return "repeats one picture"
    return lost if stream.health is Health.LOST else ""
