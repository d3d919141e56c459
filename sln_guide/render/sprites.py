"""Signs painted once and kept: text and curved lines are the dearest things on a video at 60 fps.

A `Sheet` holds where kept signs go; painting it again costs a few copies of small images.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

from PySide6.QtCore import QPointF
from PySide6.QtGui import QImage, QPainter

from sln_guide.render.layout import Box

MOST_KEPT_BYTES = 32 << 20
"""A few screens' worth: a tag takes some 50 KB, a banner across a large screen a megabyte."""

KEPT_UNUSED_S = 30.0
"""A clock's reading is never painted again: kept for longer, one a second fills all that may be."""

PaintSign = Callable[[QPainter, Box], None]


class Sheet:
    """Signs and where they lie, in the order in which they were put. For one thread.

    ``ratio``: device px per logical px of what it will be painted on.
    """

    __slots__ = ("_stamps", "_strokes", "ratio")

    def __init__(self, ratio: float) -> None:
        self.ratio = ratio
        self._strokes: list[Callable[[QPainter], None]] = []
        self._stamps: list[tuple[QPointF, QImage]] = []

    def stamp(self, box: Box, key: Hashable, paint: PaintSign) -> None:
        """Put what ``paint`` paints into a box of this size, from memory if it was painted before.

        ``key`` must tell everything that ``paint`` depends on save the size of ``box``. It lands
        on whole device px, so that text stays sharp.
        """
        left, top = (round(v * self.ratio) / self.ratio for v in (box.left, box.top))
        self._stamps.append((QPointF(left, top), _painted(box, key, paint, self.ratio)))

    def stroke(self, draw: Callable[[QPainter], None]) -> None:
        """Put what is drawn anew each time, beneath all stamps: it must leave the painter as is."""
        self._strokes.append(draw)

    def paint(self, painter: QPainter) -> None:
        """Paint it all."""
        for draw in self._strokes:
            draw(painter)
        for at, image in self._stamps:
            painter.drawImage(at, image)


class _Kept:
    """Images by what they show; out go those long unused, then the least used where too many."""

    def __init__(self) -> None:
        self.images: OrderedDict[Hashable, tuple[QImage, float]] = OrderedDict()
        """With when they were last used [monotonic s], the least recently used first."""
        self.total_bytes = 0

    def find(self, key: Hashable) -> QImage | None:
        kept = self.images.get(key)
        if kept is None:
            return None
        image, _ = kept
        self.images[key] = image, time.monotonic()
        self.images.move_to_end(key)
        return image

    def keep(self, key: Hashable, image: QImage) -> None:
        now_s = time.monotonic()
        self.images[key] = image, now_s
        self.total_bytes += image.sizeInBytes()
        while self._has_too_many(now_s):
            _, (oldest, _) = self.images.popitem(last=False)
            self.total_bytes -= oldest.sizeInBytes()

    def _has_too_many(self, now_s: float) -> bool:
        _, used_s = next(iter(self.images.values()))
        unused = now_s - used_s > KEPT_UNUSED_S
        return len(self.images) > 1 and (self.total_bytes > MOST_KEPT_BYTES or unused)

    def clear(self) -> None:
        self.images.clear()
        self.total_bytes = 0


_kept = _Kept()


def _painted(box: Box, key: Hashable, paint: PaintSign, ratio: float) -> QImage:
    size = (math.ceil(box.width * ratio) + 1, math.ceil(box.height * ratio) + 1)
    whole = (key, size, ratio)
    image = _kept.find(whole)
    if image is None:
        image = QImage(*size, QImage.Format.Format_ARGB32_Premultiplied)
        image.setDevicePixelRatio(ratio)
        image.fill(0)
        onto = QPainter(image)
        try:
            paint(onto, Box(0.0, 0.0, box.width, box.height))
        finally:
            onto.end()
        _kept.keep(whole, image)
    return image
