"""Qt's bindings must not give away references to None.

PySide6 6.12.0 on Python 3.11 releases None once for every call that returns nothing; a window
painting at video rate then ends the process ("deallocating None") within minutes. See
docs/decisions/0003-pyside6-before-6.12.md.
"""

from __future__ import annotations

import sys

from PySide6.QtCore import QPointF
from PySide6.QtGui import QColor, QGuiApplication, QImage, QPainter

CALLS = 1000


def test_painting_leaves_none_alone() -> None:
    application = QGuiApplication.instance() or QGuiApplication([])
    image = QImage(16, 16, QImage.Format.Format_RGB32)
    painter = QPainter(image)
    colour, point = QColor(1, 2, 3), QPointF(3.0, 4.0)
    before = sys.getrefcount(None)
    for _ in range(CALLS):
        painter.setPen(colour)
        painter.drawEllipse(point, 2.0, 2.0)
    after = sys.getrefcount(None)
    painter.end()
    assert application is not None
    # other objects come and go by the dozen; the fault would take one reference a call
    assert before - after < CALLS // 2
