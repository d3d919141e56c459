"""`Ruler`: a distance between two points of the picture, drawn where they lie."""

from __future__ import annotations

import math

from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QTransform

from sln_guide.render import marks, tokens
from sln_guide.render.layout import Box
from sln_guide.render.marks import shade
from sln_guide.render.sprites import Sheet

Point = tuple[float, float]


class Ruler:
    """Points in picture px. Off until switched on; switching off forgets the points."""

    def __init__(self) -> None:
        self._on = False
        self._ends: tuple[Point, Point] | None = None

    @property
    def on(self) -> bool:
        """Whether a drag measures instead of moving the picture."""
        return self._on

    @property
    def length_px(self) -> float:
        """Distance between the points, picture px; 0 without points."""
        return 0.0 if self._ends is None else math.dist(*self._ends)

    def switch(self, *, on: bool) -> None:
        """Begin to measure, or stop and forget."""
        self._on = on
        self._ends = None

    def begin(self, point: Point) -> None:
        """Put both ends there."""
        self._ends = (point, point)

    def pull(self, point: Point) -> None:
        """Move the second end."""
        if self._ends is not None:
            self._ends = (self._ends[0], point)

    def text(self, mm_per_px: float | None, *, assumed: bool) -> str:
        """Return the distance in words: mm in the registered plane, px where that is unknown."""
        if mm_per_px is None:
            return f"{self.length_px:.0f} px"
        return f"{'≈ ' if assumed else ''}{self.length_px * mm_per_px:.1f} mm"

    def paint(self, painter: QPainter, placed: QTransform, text: str) -> None:
        """Paint the line with its end marks and words; ``placed`` leads from picture to view."""
        if self._ends is None or self.length_px < 1.0:
            return
        start, end = (placed.map(QPointF(x + 0.5, y + 0.5)) for x, y in self._ends)
        line = QLineF(start, end)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for ink, width in ((shade(tokens.GROUND, 0.7), 5.0), (QColor(tokens.TEXT), 2.0)):
            painter.setPen(QPen(ink, width, c=Qt.PenCapStyle.RoundCap))
            painter.drawLine(line)
            across = line.normalVector().unitVector()
            for at in (start, end):
                way = QPointF(across.dx() * 8, across.dy() * 8)
                painter.drawLine(QLineF(at - way, at + way))
        width, height = marks.chip_size(text, tokens.BODY_PX, 1.0)
        middle = line.center() + QPointF(0, 14)
        chip = QRectF(middle.x() - width / 2, middle.y(), width, height)
        box = Box(chip.left(), chip.top(), chip.right(), chip.bottom())
        sheet = Sheet(painter.device().devicePixelRatioF())
        marks.put_chip(sheet, box, text, tokens.TEXT, tokens.BODY_PX, 1.0)
        sheet.paint(painter)
        painter.restore()
