"""The watchdog: a small process that covers the windows when the application stops answering.

``python -m sln_guide.gui.watchdog`` reads a line of JSON a beat from its standard input:
``{"windows": [[left, top, width, height], ...]}``, in Qt's logical px. Silence for `SILENT_S`
covers those places with NOT LIVE; the next beat uncovers them; end of file ends it. A process of
its own, because a thread of the application would be held up by whatever holds that up.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import datetime

from PySide6.QtCore import QRect, QRectF, QSocketNotifier, Qt, QTimer
from PySide6.QtGui import QColor, QFontMetricsF, QGuiApplication, QPainter, QPaintEvent
from PySide6.QtWidgets import QApplication, QWidget

from hardware.realtime import Rank, go_first
from sln_guide.gui.claims.readings import elapsed_text
from sln_guide.render import tokens
from sln_guide.render.text import font

SILENT_S = 0.6
LOOK_EVERY_MS = 100
BAND = 0.42
"""Share of a cover's height that is red."""


class Cover(QWidget):
    """Lies over one window: opaque, on top, and takes the clicks meant for what is beneath."""

    def __init__(self) -> None:
        super().__init__(
            None,
            Qt.WindowType.FramelessWindowHint
            | Qt.WindowType.WindowStaysOnTopHint
            | Qt.WindowType.Tool
            | Qt.WindowType.BypassWindowManagerHint,
        )
        self.setAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self._words = ""

    def say(self, words: str) -> None:
        """Show what happened, since when, and what to do."""
        if words != self._words:
            self._words = words
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint ground, band and words."""
        painter = QPainter(self)
        area = QRectF(self.rect())
        painter.fillRect(area, QColor(tokens.GROUND))
        tall = area.height() * BAND
        band = QRectF(0, (area.height() - tall) / 2, area.width(), tall)
        painter.fillRect(band, QColor(tokens.ALARM))
        painter.setPen(QColor(tokens.GROUND))
        head_px = min(tall * 0.42, area.width() / 8)
        painter.setFont(font(head_px, bold=True))
        centre = Qt.AlignmentFlag.AlignCenter
        painter.drawText(band.adjusted(0, 0, 0, -tall * 0.35), centre, "NOT LIVE")
        below = band.adjusted(24, tall * 0.60, -24, -8)
        flow = centre | Qt.TextFlag.TextWordWrap
        px = float(tokens.HUGE_PX)
        while px > tokens.SMALL_PX:
            needed = QFontMetricsF(font(px)).boundingRect(below, flow, self._words)
            if needed.height() <= below.height():
                break
            px -= 1.0
        painter.setFont(font(px))
        painter.drawText(below, flow, self._words)
        painter.end()


class Watchdog:
    """Listens to the beats and covers when they stop."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._pending = b""
        self._windows: list[QRect] = []
        self._beat_s = time.monotonic()
        self._covers: list[Cover] = []
        os.set_blocking(descriptor, False)
        self._listening = QSocketNotifier(descriptor, QSocketNotifier.Type.Read)
        self._listening.activated.connect(self._listen)
        self._looking = QTimer(interval=LOOK_EVERY_MS)
        self._looking.timeout.connect(self._look)
        self._looking.start()

    def _listen(self) -> None:
        try:
            data = os.read(self._descriptor, 65536)
        except BlockingIOError:
            return
        if not data:
            self._listening.setEnabled(False)
            QApplication.quit()
            return
        *lines, self._pending = (self._pending + data).split(b"\n")
        if lines:
            self._beat_s = time.monotonic()
            self._windows = [QRect(*place) for place in json.loads(lines[-1])["windows"]]
            self._uncover()

    def _look(self) -> None:
        silent_s = time.monotonic() - self._beat_s
        if silent_s < SILENT_S or not self._windows:
            return
        while len(self._covers) < len(self._windows):
            self._covers.append(Cover())
        since = datetime.fromtimestamp(time.time() - silent_s).strftime("%H:%M:%S")
        words = (
            f"The application has not answered since {since}, "
            f"for {elapsed_text(round(silent_s * 1e9))}. What is behind this is old: "
            "guide by direct view. This goes away by itself when it answers again."
        )
        for cover, place in zip(self._covers, self._windows, strict=False):
            cover.say(words)
            if not cover.isVisible():
                self._lay(cover, place)

    def _lay(self, cover: Cover, place: QRect) -> None:
        if QGuiApplication.platformName().startswith("wayland"):
            cover.showFullScreen()  # there, nobody may choose where a window lies
            return
        cover.setGeometry(place)
        cover.show()
        cover.raise_()

    def _uncover(self) -> None:
        for cover in self._covers:
            cover.hide()


def main() -> int:
    """Run until the application lets go of the pipe."""
    app = QApplication(["sln-guide watchdog"])
    app.setQuitOnLastWindowClosed(False)
    watchdog = Watchdog(sys.stdin.fileno())
    go_first(Rank.WATCHDOG)
    code = app.exec()
    del watchdog
    return code


if __name__ == "__main__":
    sys.exit(main())
