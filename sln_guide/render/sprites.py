"""Words and panels painted once and kept: text is the dearest thing on a video at 60 fps."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable

from PySide6.QtCore import QPointF
from PySide6.QtGui import QImage, QPainter

from sln_guide.render.layout import Box

MOST_KEPT = 96
"""A few screens' worth; at some 50 KB each."""

_kept: OrderedDict[Hashable, QImage] = OrderedDict()


def paint_kept(
    painter: QPainter, box: Box, key: Hashable, paint: Callable[[QPainter, Box], None]
) -> None:
    """Paint what ``paint`` paints into a box of this size, from memory where it was painted before.

    ``key`` must tell everything that ``paint`` depends on save the size of ``box``. It lands on
    whole device px, so that text stays sharp. For the thread that paints, and no other.
    """
    ratio = painter.device().devicePixelRatioF()
    size = (math.ceil(box.width * ratio) + 1, math.ceil(box.height * ratio) + 1)
    whole = (key, size, ratio)
    image = _kept.get(whole)
    if image is None:
        image = QImage(*size, QImage.Format.Format_ARGB32_Premultiplied)
        image.setDevicePixelRatio(ratio)
        image.fill(0)
        onto = QPainter(image)
        try:
            paint(onto, Box(0.0, 0.0, box.width, box.height))
        finally:
            onto.end()
        _kept[whole] = image
        if len(_kept) > MOST_KEPT:
            _kept.popitem(last=False)
    else:
        _kept.move_to_end(whole)
    left, top = round(box.left * ratio) / ratio, round(box.top * ratio) / ratio
    painter.drawImage(QPointF(left, top), image)
