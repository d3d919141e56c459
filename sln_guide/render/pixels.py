"""A picture's pixels as an image of Qt's, and onto a painter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF
from PySide6.QtGui import QImage, QPainter, QTransform

from sln_guide.render.geometry import view_scale

SMOOTH_BELOW = 8.0
"""From this magnification on the picture's px are shown as they are."""


def as_image(rgb32: NDArray[np.uint32]) -> QImage:
    """Return (H, W) uint32 0xffRRGGBB as an image on its own memory: keep it for as long."""
    height, width = rgb32.shape
    return QImage(rgb32.data.cast("B"), width, height, 4 * width, QImage.Format.Format_RGB32)


def is_smooth(screen_px_per_px: float) -> bool:
    """Whether a picture is interpolated: neither where px meet px nor where each is seen."""
    return abs(screen_px_per_px - 1.0) > 1e-6 and screen_px_per_px < SMOOTH_BELOW


def draw_placed(painter: QPainter, image: QImage, placed: QTransform, *, smooth: bool) -> None:
    """Draw ``image`` where ``placed`` puts it; the painter's state is kept."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, smooth)
    painter.setTransform(placed, combine=True)
    painter.drawImage(QPointF(0.0, 0.0), image)
    painter.restore()


def paint_pixels(painter: QPainter, rgb32: NDArray[np.uint32], placed: QTransform) -> None:
    """Paint (H, W) uint32 0xffRRGGBB; smoothly, unless px meet px or are seen one by one."""
    draw_placed(painter, as_image(rgb32), placed, smooth=is_smooth(view_scale(placed)))
