"""`Lasso`: a region drawn with a finger, in picture px: free, a rectangle or an ellipse."""

from __future__ import annotations

import math
from enum import StrEnum

import numpy as np
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF, QTransform

from sln_guide.core.opencv import cv2
from sln_guide.guidance import MOST_POLYGON_POINTS, Picture, View
from sln_guide.render import tokens
from sln_guide.render.geometry import nir_from_white

Points = tuple[tuple[float, float], ...]

LEAST_STEP_PX = 2.0
LEAST_AREA_PX = 64.0
"""A smaller region is taken for a slip of the finger."""


class Shape(StrEnum):
    """What a drag draws: the way of the finger, or what lies between its two ends."""

    FREE = "free"
    RECTANGLE = "rectangle"
    ELLIPSE = "ellipse"


ELLIPSE_POINTS = 48


class Lasso:
    """Off until switched on; a drag draws."""

    def __init__(self) -> None:
        self._on = False
        self._shape = Shape.FREE
        self._began = (0.0, 0.0)
        self._points: list[tuple[float, float]] = []

    @property
    def on(self) -> bool:
        """Whether a drag draws instead of moving the picture."""
        return self._on

    def switch(self, *, on: bool, shape: Shape = Shape.FREE) -> None:
        """Begin to draw, or stop and forget."""
        self._on, self._shape = on, shape
        self._points = []

    def begin(self, point: tuple[float, float]) -> None:
        """Put the finger there."""
        self._points, self._began = [point], point

    def pull(self, point: tuple[float, float]) -> None:
        """Move the finger."""
        if self._shape is not Shape.FREE:
            self._points = list(_between(self._shape, self._began, point))
            return
        x, y = self._points[-1] if self._points else point
        if abs(point[0] - x) + abs(point[1] - y) >= LEAST_STEP_PX or not self._points:
            self._points.append(point)

    def take(self) -> Points:
        """Lift the finger: return the region, few points, and stop; empty after a mere slip."""
        drawn, self._points, self._on = self._points, [], False
        if len(drawn) < 3:
            return ()
        outline = np.array(drawn, dtype=np.float32)
        if cv2.contourArea(cv2.convexHull(outline)) < LEAST_AREA_PX:
            return ()
        coarse, kept = 0.5, outline
        while len(kept) > MOST_POLYGON_POINTS:
            kept = cv2.approxPolyDP(outline, coarse, True).reshape(-1, 2)
            coarse *= 1.5
        return tuple((float(x), float(y)) for x, y in kept) if len(kept) >= 3 else ()

    def paint(self, painter: QPainter, placed: QTransform) -> None:
        """Paint what is drawn so far; ``placed`` leads from picture to view."""
        if len(self._points) < 2:
            return
        closed = [] if self._shape is Shape.FREE else self._points[:1]
        line = QPolygonF([placed.map(QPointF(x + 0.5, y + 0.5)) for x, y in self._points + closed])
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for ink, width in ((QColor(tokens.GROUND), 5.0), (QColor(tokens.STALE), 2.5)):
            painter.setPen(QPen(ink, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
            painter.drawPolyline(line)
        painter.restore()


def _between(shape: Shape, start: tuple[float, float], end: tuple[float, float]) -> Points:
    """Return the outline of what has its opposite corners there."""
    (x0, y0), (x1, y1) = start, end
    if shape is Shape.RECTANGLE:
        return ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
    turn = np.linspace(0.0, 2.0 * math.pi, ELLIPSE_POINTS, endpoint=False)
    xs = (x0 + x1) / 2 + np.cos(turn) * (x1 - x0) / 2
    ys = (y0 + y1) / 2 + np.sin(turn) * (y1 - y0) / 2
    return tuple(zip(xs.tolist(), ys.tolist(), strict=True))


def in_nir(points: Points, picture: Picture) -> Points:
    """Return picture px as NIR px; empty where the registration says nothing of them."""
    if picture.view is View.NIR:
        return points
    if picture.guidance is None or picture.guidance.registration.kind == "none":
        return ()
    placed = (
        np.array([(x, y, 1.0) for x, y in points]) @ nir_from_white(picture.guidance.registration).T
    )
    with np.errstate(all="ignore"):
        found = placed[:, :2] / placed[:, 2:]
    if not np.isfinite(found).all() or np.abs(found).max() >= 1e6:
        return ()
    return tuple((float(x), float(y)) for x, y in found)
