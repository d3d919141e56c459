"""How a picture is turned and mirrored for the eye: geometry and pixels alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QImage, QTransform

from sln_guide.core.opencv import cv2
from sln_guide.gui.picture.zoom import Size
from sln_guide.gui.preferences import Mounting

UPRIGHT = Mounting()
_TURNS = {1: cv2.ROTATE_90_CLOCKWISE, 2: cv2.ROTATE_180, 3: cv2.ROTATE_90_COUNTERCLOCKWISE}


def turned_size(size: Size, mounting: Mounting) -> Size:
    """Return (width, height) as the eye sees it."""
    width, height = size
    return (height, width) if mounting.quarter_turns % 2 else (width, height)


def turning(size: Size, mounting: Mounting) -> QTransform:
    """Return the way from picture coordinates (from its corner) to those of the turned picture."""
    width, height = size
    turn = (
        QTransform(),
        QTransform(0, 1, -1, 0, height, 0),
        QTransform(-1, 0, 0, -1, width, height),
        QTransform(0, -1, 1, 0, 0, width),
    )[mounting.quarter_turns]
    if not mounting.mirrored:
        return turn
    return turn * QTransform(-1, 0, 0, 1, turned_size(size, mounting)[0], 0)


def unturned(right: int, down: int, mounting: Mounting) -> tuple[int, int]:
    """Return what a step of the eye is in the camera's own picture, (x, y)."""
    back = turning((1, 1), mounting).inverted()[0]
    return (
        round(back.m11() * right + back.m21() * down),
        round(back.m12() * right + back.m22() * down),
    )


def turned_pixels(rows: NDArray[np.uint8], mounting: Mounting) -> NDArray[np.uint8]:
    """Return (H, W, 4) uint8 pixels turned; the very same where nothing is to be done."""
    if mounting.quarter_turns:
        rows = np.asarray(cv2.rotate(rows, _TURNS[mounting.quarter_turns]), dtype=np.uint8)
    if mounting.mirrored:
        rows = np.asarray(cv2.flip(rows, 1), dtype=np.uint8)
    return rows


def turned_image(image: QImage, mounting: Mounting) -> QImage:
    """Return an image turned; the very same where nothing is to be done."""
    if mounting == UPRIGHT:
        return image
    return image.transformed(turning((image.width(), image.height()), mounting))
