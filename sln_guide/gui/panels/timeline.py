"""The replay's timeline: where it stands, what happened when, and the ways to move."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFontMetricsF,
    QImage,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import (
    QBoxLayout,
    QButtonGroup,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QWidget,
)

from sln_guide.gui import theme
from sln_guide.gui.claims.readings import Tone, clock_text
from sln_guide.gui.panels.buttons import FlatButton
from sln_guide.gui.panels.filmstrip import COUNT, Filmstrip
from sln_guide.gui.panels.panel import Panel
from sln_guide.gui.panels.phases import EVENT
from sln_guide.gui.picture.mounting import UPRIGHT, turned_image
from sln_guide.gui.preferences import Mounting
from sln_guide.gui.wake import Wake
from sln_guide.render import tokens
from sln_guide.render.pixels import as_image
from sln_guide.render.text import font
from sln_guide.source import EventMark, Replayable

STRIP_PX = 40
NAME_PX = 17
"""Height for small pictures along the bar."""
SPEEDS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, math.inf)


def speed_text(speed: float) -> str:
    """Return a speed as its button says it."""
    return "max" if math.isinf(speed) else f"{speed:g}×"


def precise_clock(seconds: float, *, hours: bool) -> str:
    """Return hh:mm:ss.t, or mm:ss.t."""
    tenths = int(max(seconds, 0.0) * 10 + 1e-6)
    text = f"{clock_text(tenths / 10)}.{tenths % 10}"
    return text if hours else text.removeprefix("00:")


class TimelineBar(QWidget):
    """The bar itself: press or drag to seek; a mark's name goes to the mark."""

    sought = Signal(float)

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(tokens.CONTROL_PX + 8 + STRIP_PX)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Timeline")
        self._position_s = 0.0
        self._duration_s = 0.0
        self._events: tuple[EventMark, ...] = ()
        self._held_s: float | None = None
        self._names: list[tuple[QRectF, float]] = []
        """Where the names of marks were painted, and their times."""
        self._strip: dict[int, tuple[NDArray[np.uint32], QImage]] = {}
        self._mounting = UPRIGHT

    def show_strip(self, pictures: dict[int, NDArray[np.uint32]]) -> None:
        """Show small pictures of the recording (see `Filmstrip.pictures`)."""
        for place, pixels in pictures.items():
            if place not in self._strip or self._strip[place][0] is not pixels:
                self._strip[place] = (pixels, turned_image(as_image(pixels), self._mounting))
        self.update()

    def mount(self, mounting: Mounting) -> None:
        """Turn and mirror the small pictures so from now on."""
        self._mounting = mounting
        pictures = {place: pixels for place, (pixels, _) in self._strip.items()}
        self._strip = {}
        self.show_strip(pictures)

    def show_position(
        self, position_s: float, duration_s: float, events: tuple[EventMark, ...]
    ) -> None:
        """Follow the replay."""
        if (position_s, duration_s, events) != (self._position_s, self._duration_s, self._events):
            self._position_s, self._duration_s, self._events = position_s, duration_s, events
            self.update()

    def x_of(self, time_s: float) -> float:
        """Return the x of a time in widget px."""
        fraction = 0.0 if self._duration_s <= 0 else time_s / self._duration_s
        return 14 + min(max(fraction, 0.0), 1.0) * (self.width() - 28)

    def sizeHint(self) -> QSize:
        """Return a comfortable size."""
        return QSize(600, tokens.CONTROL_PX + 8 + STRIP_PX)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint bar, marks and handle."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        middle = self.height() - 18.0
        shown_s = self._position_s if self._held_s is None else self._held_s
        x = self.x_of(shown_s)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(tokens.LINE))
        painter.drawRoundedRect(QRectF(14, middle - 4, self.width() - 28, 8), 4, 4)
        painter.setBrush(theme.colour(Tone.REPLAY))
        painter.drawRoundedRect(QRectF(14, middle - 4, x - 14, 8), 4, 4)
        self._paint_strip(painter, middle - 18.0 - STRIP_PX)
        self._paint_marks(painter, middle)
        painter.setBrush(QColor(tokens.TEXT))
        painter.setPen(QPen(theme.colour(Tone.REPLAY), 3))
        painter.drawEllipse(QRectF(x - 12, middle - 12, 24, 24))
        painter.end()

    def _paint_strip(self, painter: QPainter, top: float) -> None:
        """Paint as many small pictures as stand beside each other."""
        if not self._strip:
            return
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        high = STRIP_PX - 4.0
        wide = max(high * i.width() / i.height() for _, i in self._strip.values())
        slot = (self.width() - 28) / COUNT
        every = max(math.ceil((wide + 2) / slot), 1)
        for place, (_, image) in self._strip.items():
            if place % every == every // 2:
                x = 14 + (place + 0.5) * slot
                own = high * image.width() / image.height()
                box = QRectF(x - own / 2, top, own, high)
                painter.drawImage(box, image, QRectF(0, 0, image.width(), image.height()))

    def _paint_marks(self, painter: QPainter, middle: float) -> None:
        """Paint a tick for each mark, and the names that do not touch one another."""
        small = font(13)
        metrics = QFontMetricsF(small)
        painter.setFont(small)
        free_from = 0.0
        self._names = []
        for mark in self._events:
            if not 0 <= mark.time_s <= self._duration_s:
                continue
            x = self.x_of(mark.time_s)
            painter.setPen(QPen(QColor(tokens.SECONDARY), 2))
            painter.drawLine(round(x), round(middle - 16), round(x), round(middle + 8))
            name = mark.detail if mark.name == EVENT else mark.name
            wide = metrics.horizontalAdvance(name)
            left = min(x, self.width() - wide - 4)
            if left >= free_from:
                box = QRectF(left, 0, wide + 2, NAME_PX)
                painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, name)
                self._names.append((box, mark.time_s))
                free_from = left + wide + 10

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Seek: to a mark by its name, else to where it was pressed."""
        if event.button() is Qt.MouseButton.LeftButton:
            at = event.position()
            named = next((time_s for box, time_s in self._names if box.contains(at)), None)
            if named is None:
                self._seek_to(at.x())
            else:
                self.sought.emit(named)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Seek on."""
        if self._held_s is not None:
            self._seek_to(event.position().x())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Stay."""
        self._held_s = None
        self.update()

    def _seek_to(self, x: float) -> None:
        fraction = min(max((x - 14) / max(self.width() - 28, 1), 0.0), 1.0)
        self._held_s = fraction * self._duration_s
        self.sought.emit(self._held_s)
        self.update()


def _takes_hours(replay: Replayable) -> bool:
    return replay.duration_s >= 3600


def _position_px(hours: bool) -> int:
    return tokens.BODY_PX if hours else tokens.LARGE_PX


def _position_width(hours: bool) -> int:
    """Return the width of a position, so that rows do not break anew while it runs."""
    text = precise_clock(0.0, hours=hours)
    metrics = QFontMetricsF(font(_position_px(hours), bold=True))
    return math.ceil(metrics.horizontalAdvance(f"{text} / {text}"))


class TimelinePanel(Panel):
    """Bar, steps, play, speeds; position, length, and the recording's own clock."""

    def __init__(self, replay: Replayable, toggle: Callable[[], None]) -> None:
        super().__init__("Replay")
        self._replay = replay
        self._events: tuple[EventMark, ...] = ()
        self.bar = TimelineBar()
        self.bar.sought.connect(replay.seek)
        self._wake = Wake(lambda: self.bar.show_strip(self.strip.pictures()), self)
        self.strip = Filmstrip(replay.thumbnail, self._wake)
        self.body.setContentsMargins(14, 30, 14, 8)
        self.body.addWidget(self.bar)
        steps = QHBoxLayout()
        steps.setSpacing(tokens.GAP_PX)
        self.back = FlatButton("Back", "←")
        self.play = FlatButton("Play")
        self.on = FlatButton("On", "→")
        self.back.clicked.connect(lambda: replay.step(-1))
        self.on.clicked.connect(lambda: replay.step(1))
        self.play.clicked.connect(toggle)
        self.position = QLabel()
        self.position.setMinimumWidth(_position_width(_takes_hours(replay)))
        steps.addWidget(self.back)
        steps.addWidget(self.play)
        steps.addWidget(self.on)
        steps.addWidget(self.position)
        steps.addStretch(1)
        self.speeds: dict[float, FlatButton] = {}
        group = QButtonGroup(self)
        speeds = QHBoxLayout()
        speeds.setSpacing(tokens.GAP_PX // 2)
        for speed in SPEEDS:
            button = FlatButton(speed_text(speed))
            button.setCheckable(True)
            button.setFixedWidth(tokens.CONTROL_PX)
            button.setAccessibleName(f"Speed {speed_text(speed)}")
            button.clicked.connect(lambda _=False, s=speed: replay.set_speed(s))
            group.addButton(button)
            speeds.addWidget(button)
            self.speeds[speed] = button
        speeds.insertStretch(0, 1)
        self._rows = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._rows.setSpacing(tokens.GAP_PX)
        self._steps, self._speeds = steps, speeds
        self._rows.addLayout(steps)
        self._rows.addLayout(speeds)
        for button in (self.back, self.play, self.on):
            button.setFixedWidth(72)
        self.body.addLayout(self._rows)

    def minimumSizeHint(self) -> QSize:
        """Return the least size: as narrow as with the speeds in a row of their own."""
        rows = (self._steps.minimumSize().width(), self._speeds.minimumSize().width())
        return QSize(max(rows) + self._margins_px, super().minimumSizeHint().height())

    def break_at(self, width_px: int) -> int:
        """Give the speeds a row of their own where one does not hold all; return its height."""
        least = self._steps.minimumSize().width() + self._speeds.minimumSize().width()
        broken = width_px < least + tokens.GAP_PX + self._margins_px
        ways = QBoxLayout.Direction
        self._rows.setDirection(ways.TopToBottom if broken else ways.LeftToRight)
        return tokens.CONTROL_PX + tokens.GAP_PX if broken else 0

    @property
    def _margins_px(self) -> int:
        margins = self.body.contentsMargins()
        return margins.left() + margins.right()

    def end(self) -> None:
        """Read no more small pictures."""
        self.strip.end()
        self._wake.end()

    def recorded_clock(self) -> str:
        """Return when the shown picture was recorded; imported ones, how old their files are."""
        seconds = self._replay.recorded_at_ns / 1e9
        if any(event.name == "imported" for event in self._events):
            return datetime.fromtimestamp(seconds).strftime("files of %Y-%m-%d %H:%M")
        at = datetime.fromtimestamp(seconds + self._replay.position_s)
        return at.strftime("recorded %Y-%m-%d %H:%M:%S")

    def refresh(self, events: tuple[EventMark, ...] | None = None) -> None:
        """Follow the replay; ``events`` where they may have changed."""
        replay = self._replay
        if events is not None:
            self._events = events
        self.bar.show_position(replay.position_s, replay.duration_s, self._events)
        self.play.setText("Pause" if replay.playing else "Play")
        hours = _takes_hours(replay)
        px = _position_px(hours)
        if self.position.font().pixelSize() != px:
            self.position.setFont(font(px, bold=True))
        text = " / ".join(
            precise_clock(s, hours=hours) for s in (replay.position_s, replay.duration_s)
        )
        if self.position.text() != text:
            self.position.setText(text)
        self.say(" · ".join(filter(None, (replay.caveat, self.recorded_clock()))))
        button = self.speeds.get(replay.speed)
        if button is not None:
            button.setChecked(True)
