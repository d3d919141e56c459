"""Where the coordinates of a picture come to lie, and how large things are there."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QTransform

from hardware.rig import Matrix3, Registration
from sln_guide.guidance import Detection, Picture, View
from sln_guide.render.look import Look


def fitted(picture_width: int, picture_height: int, target: QRectF) -> QTransform:
    """Return the placement that shows the whole picture, as large as it can be, in the middle."""
    scale = min(target.width() / picture_width, target.height() / picture_height)
    left = target.center().x() - picture_width * scale / 2
    top = target.center().y() - picture_height * scale / 2
    return placement(scale, left, top)


def placement(scale: float, left: float, top: float) -> QTransform:
    """Return the placement of a picture whose top-left corner lies at view (left, top).

    A placement maps picture coordinates that begin at the picture's corner: the centre of pixel
    (x, y) is (x + 0.5, y + 0.5). It may turn and mirror, too.
    """
    return QTransform(scale, 0.0, 0.0, scale, left, top)


def view_scale(placed: QTransform) -> float:
    """Return view px per picture px."""
    return math.sqrt(abs(placed.determinant()))


def centre_in_picture(detection: Detection, picture: Picture) -> tuple[float, float] | None:
    """Return the detection's centre in px of the picture; None without registration."""
    if picture.view is View.NIR:
        return detection.x_px, detection.y_px
    if detection.x_white_px is None or detection.y_white_px is None:
        return None
    return detection.x_white_px, detection.y_white_px


def nir_to_picture(points: NDArray[np.floating], picture: Picture) -> NDArray[np.float64]:
    """Map (N, 2) NIR px (x, y) to px of the picture; (N, 2) float64."""
    mapped: NDArray[np.float64] = np.asarray(points, dtype=np.float64)
    if picture.view is View.NIR or picture.guidance is None:
        return mapped
    matrix = picture.guidance.registration.matrix()
    homogeneous = mapped @ matrix[:, :2].T + matrix[:, 2]
    return np.asarray(homogeneous[:, :2] / homogeneous[:, 2:], dtype=np.float64)


def local_scale(registration: Registration, x_px: float, y_px: float) -> float:
    """Return white px per NIR px at NIR (x, y): the root of the homography's area factor."""
    m20, m21, m22 = registration.white_from_nir[2]
    depth = m20 * x_px + m21 * y_px + m22
    if depth == 0.0:
        return math.inf
    # for w = H (x, y, 1) the derivative of (w0 / w2, w1 / w2) has the determinant det H / w2^3
    return math.sqrt(abs(_solved(registration.white_from_nir)[0] / depth**3))


@lru_cache(maxsize=8)
def _solved(white_from_nir: Matrix3) -> tuple[float, NDArray[np.float64]]:
    """Return determinant and inverse of a homography; NaN where it has none."""
    matrix = np.array(white_from_nir, dtype=np.float64)
    determinant = float(np.linalg.det(matrix))
    inverse: NDArray[np.float64] = np.full((3, 3), np.nan)
    if determinant != 0.0:
        inverse = np.asarray(np.linalg.inv(matrix), dtype=np.float64)
    inverse.setflags(write=False)
    return determinant, inverse


def nir_from_white(registration: Registration) -> NDArray[np.float64]:
    """Return the inverse homography, (3, 3) float64, read-only; NaN where it has none."""
    return _solved(registration.white_from_nir)[1]


def px_per_nir_px(detection: Detection, picture: Picture) -> float:
    """Return picture px per NIR px where the detection is."""
    if picture.view is View.NIR or picture.guidance is None:
        return 1.0
    return local_scale(picture.guidance.registration, detection.x_px, detection.y_px)


def mm_per_nir_px(picture: Picture, look: Look) -> float | None:
    """Return the scale of the picture's NIR image; None where it is not known."""
    plane = look.plane if picture.guidance is None else picture.guidance.settings.plane
    if look.mm_per_px is None or plane is None:
        return look.mm_per_px
    return plane.mm_per_px


def mm_per_picture_px(picture: Picture, look: Look) -> float | None:
    """Return the picture's scale in its middle; None where it is not known."""
    mm_per_px = mm_per_nir_px(picture, look)
    if mm_per_px is None:
        return None
    if picture.view is View.NIR:
        return mm_per_px
    if picture.guidance is not None:
        registration = picture.guidance.registration
    else:
        registration = look.registration
    if registration.kind == "none":
        return None
    height, width = picture.rgb32.shape
    scale = _scale_in_middle(registration, width, height)
    return mm_per_px / scale if 0.0 < scale < math.inf else None


@lru_cache(maxsize=8)
def _scale_in_middle(registration: Registration, width: int, height: int) -> float:
    """Return white px per NIR px in the middle of a white picture; NaN where it has none."""
    x, y, w = nir_from_white(registration) @ ((width - 1) / 2, (height - 1) / 2, 1.0)
    if w == 0.0 or not math.isfinite(w):
        return math.nan
    return local_scale(registration, x / w, y / w)


def to_view(placed: QTransform, x_px: float, y_px: float) -> QPointF:
    """Return the view point of the centre of picture px (x, y)."""
    return placed.map(QPointF(x_px + 0.5, y_px + 0.5))
