"""`prepared`: has something long done before a window can open, and says so meanwhile.

The first start on a machine compiles the core, which takes a minute or two: with nothing to be seen
that would look like a program that does not start.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QCloseEvent, QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QApplication, QWidget

from sln_guide.gui.display import OFFSCREEN
from sln_guide.gui.readings import clock_text
from sln_guide.render import tokens
from sln_guide.render.text import font

QUIET_S = 0.4
"""What takes no longer needs no words."""
LOOK_S = 0.05
FLOW = Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop

Made = TypeVar("Made")


class GivenUp(Exception):
    """The operator closed the window that said what was being done."""


class PreparingWindow(QWidget):
    """Says what is being done, and for how long."""

    def __init__(self) -> None:
        super().__init__()
        self.setWindowTitle("sln-guide · preparing")
        self.setFixedSize(620, 200)
        self.given_up = False
        self._began_s = time.monotonic()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Give up."""
        self.given_up = True
        event.accept()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the words and the time."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(tokens.GROUND))
        painter.setPen(QColor(tokens.TEXT))
        painter.setFont(font(tokens.HUGE_PX, bold=True))
        painter.drawText(QRectF(32, 28, self.width() - 180, 40), FLOW, "Preparing …")
        passed = clock_text(time.monotonic() - self._began_s).removeprefix("00:")
        painter.drawText(QRectF(self.width() - 130, 28, 100, 40), FLOW, passed)
        painter.setPen(QColor(tokens.SECONDARY))
        painter.setFont(font(tokens.LARGE_PX))
        painter.drawText(
            QRectF(32, 80, self.width() - 64, 110),
            FLOW,
            "Cameras are opened and the program is made ready for this machine. The first start "
            "takes a minute or two; later ones take seconds. Closing this window gives up.",
        )
        painter.end()


def prepared(work: Callable[[], Made]) -> Made:
    """Return what ``work`` returns, done on a thread of its own; GUI thread only.

    Raises
    ------
    GivenUp
        The window was closed; ``work`` goes on unheard.
    BaseException
        What ``work`` raised.
    """
    made: list[Made] = []
    raised: list[BaseException] = []
    done = threading.Event()

    def run() -> None:
        try:
            made.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits
            raised.append(error)
        finally:
            done.set()

    threading.Thread(target=run, name="prepare", daemon=True).start()
    if not done.wait(QUIET_S):
        _say_meanwhile(done)
    if raised:
        raise raised[0]
    return made[0]


def _say_meanwhile(done: threading.Event) -> None:
    """Keep the words on the screen until it is done.

    Not an event loop: Ctrl-C is heard between two looks.
    """
    if QApplication.platformName() in OFFSCREEN:
        done.wait()
        return
    window = PreparingWindow()
    window.show()
    try:
        while not done.wait(LOOK_S):
            window.update()
            QApplication.processEvents()
            if window.given_up:
                raise GivenUp
    finally:
        window.hide()
        window.deleteLater()
