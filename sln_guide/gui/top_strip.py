"""`TopStrip`: what is honest at every moment, in one line (or two where the window is narrow)."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from sln_guide.gui import signs, theme
from sln_guide.gui.readings import NOTHING, Reading, Tone
from sln_guide.gui.screen_state import ScreenState
from sln_guide.render import tokens

RESEARCH = Reading("RESEARCH USE ONLY", Tone.STALE)
GAP = 20.0
EDGE = 16.0
HEIGHT_PX = 60


@dataclass(frozen=True, slots=True)
class _Cell:
    """One to two readings above each other."""

    slot: str
    lines: tuple[Reading, ...]
    px: int
    bold: bool = False


class TopStrip(QWidget):
    """State, age, latency, rates, losses; case and timer; recording, disk, registration."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedHeight(HEIGHT_PX)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("State")
        self._state: ScreenState | None = None
        self._title = ""
        self._timer = ""
        self._saving = False
        self._widest: dict[str, float] = {}

    def sizeHint(self) -> QSize:
        """Return its height and any width."""
        return QSize(1366, HEIGHT_PX)

    def show_state(
        self, state: ScreenState, title: str, timer: str, *, saving: bool = False
    ) -> None:
        """Show these; repaints only on a difference."""
        new = (state.pill, state.tone, state.readings, title, timer, saving)
        old = self._state
        if old is not None and new == (
            old.pill,
            old.tone,
            old.readings,
            self._title,
            self._timer,
            self._saving,
        ):
            return
        self._state, self._title, self._timer, self._saving = state, title, timer, saving
        self.update()

    @property
    def pill(self) -> str:
        """What the state pill says."""
        return "" if self._state is None else self._state.pill

    def texts(self) -> tuple[str, ...]:
        """Return everything it says, left to right."""
        if self._state is None:
            return ()
        lines = [r.text for cell in self._left(two=False) for r in cell.lines]
        lines += [self._title, self._timer, self._recording().text]
        lines += [r.text for cell in self._right(two=False) for r in cell.lines]
        return (self._state.pill, *(text for text in lines if text))

    def resizeEvent(self, event: object) -> None:
        """Forget remembered widths."""
        self._widest.clear()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint in one line if all fits, else the smaller readings in two."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(tokens.PANEL))
        painter.fillRect(0, self.height() - 1, self.width(), 1, QColor(tokens.LINE))
        if self._state is not None:
            two = self._needed(two=False) > self.width()
            self._paint_cells(painter, two=two)
        painter.end()

    # -- what it says ----------------------------------------------------------------------------

    def _left(self, *, two: bool) -> list[_Cell]:
        assert self._state is not None
        r = self._state.readings
        age = _Cell("age", (r.age,), 18, bold=True)
        if two:
            return [
                age,
                _Cell("latency", (r.latency, r.losses), 13),
                _Cell("rates", (r.rates, r.status), 13),
            ]
        small = (("latency", r.latency), ("rates", r.rates), ("losses", r.losses))
        return [age, *(_Cell(n, (v,), 15) for n, v in small), _Cell("status", (r.status,), 15)]

    def _right(self, *, two: bool) -> list[_Cell]:
        assert self._state is not None
        r = self._state.readings
        if two:
            return [
                _Cell("disk", (r.disk, r.backlog), 13),
                _Cell("research", (RESEARCH, r.registration), 13),
            ]
        return [
            _Cell("backlog", (r.backlog,), 15),
            _Cell("disk", (r.disk,), 15),
            _Cell("registration", (r.registration,), 15),
            _Cell("research", (RESEARCH,), 15, bold=True),
        ]

    def _recording(self) -> Reading:
        assert self._state is not None
        if self._saving:
            return Reading("SAVING", Tone.STALE)
        return self._state.readings.recording

    # -- where it says it ------------------------------------------------------------------------

    def _needed(self, *, two: bool) -> float:
        total = EDGE + self._pill_width() + GAP + EDGE + self._recording_width() + GAP
        total += sum(self._width(c) + GAP for c in (*self._left(two=two), *self._right(two=two)))
        head = QFontMetricsF(theme.font(18, bold=True)).horizontalAdvance(self._heading())
        return total + head + GAP

    def _heading(self) -> str:
        return f"{self._title}   ·   {self._timer}" if self._timer else self._title

    def _pill_width(self) -> float:
        assert self._state is not None
        return signs.pill_width(self._state.pill, 18, 40)

    def _recording_width(self) -> float:
        said = self._recording()
        if said is NOTHING or not said.text:
            return 0.0
        if said.tone is Tone.NEUTRAL:
            return QFontMetricsF(theme.font(15)).horizontalAdvance(said.text)
        return signs.pill_width(said.text, 18, 40)

    def _width(self, cell: _Cell) -> float:
        """Width of a cell; never shrinks while digits change, so that nothing dances."""
        metrics = QFontMetricsF(theme.font(cell.px, bold=cell.bold))
        now = max((metrics.horizontalAdvance(r.text) for r in cell.lines), default=0.0)
        if now == 0.0:
            return -GAP
        key = f"{cell.slot}{cell.px}"
        self._widest[key] = max(self._widest.get(key, 0.0), now)
        return self._widest[key]

    def _paint_cells(self, painter: QPainter, *, two: bool) -> None:
        assert self._state is not None
        middle = self.height() / 2
        x = signs.paint_pill(painter, EDGE, middle, 40, self._state.pill, self._state.tone, 18)
        for cell in self._left(two=two):
            width = self._width(cell)
            if width > 0:
                self._paint_cell(painter, x + GAP, width, cell)
                x += GAP + width
        right = self.width() - EDGE
        for cell in reversed(self._right(two=two)):
            width = self._width(cell)
            if width > 0:
                self._paint_cell(painter, right - width, width, cell)
                right -= width + GAP
        right = self._paint_recording(painter, right)
        self._paint_heading(painter, x + GAP, right - GAP, two=two)

    def _paint_cell(self, painter: QPainter, left: float, width: float, cell: _Cell) -> None:
        painter.setFont(theme.font(cell.px, bold=cell.bold))
        lines = [r for r in cell.lines if r.text]
        tall = (cell.px + 8) if len(lines) > 1 else self.height()
        top = (self.height() - tall * len(lines)) / 2
        for reading in lines:
            painter.setPen(theme.colour(reading.tone))
            painter.drawText(
                QRectF(left, top, width + 2, tall), Qt.AlignmentFlag.AlignVCenter, reading.text
            )
            top += tall

    def _paint_recording(self, painter: QPainter, right: float) -> float:
        said, width = self._recording(), self._recording_width()
        if width == 0.0:
            return right
        left = right - width
        if said.tone is Tone.NEUTRAL:
            self._paint_cell(painter, left, width, _Cell("recording", (said,), 15))
        else:
            signs.paint_pill(painter, left, self.height() / 2, 40, said.text, said.tone, 18)
        return left - GAP

    def _paint_heading(self, painter: QPainter, left: float, right: float, *, two: bool) -> None:
        room = right - left
        if room < 40:
            return
        if two and self._timer:
            lines: tuple[tuple[str, int, str, bool], ...] = (
                (self._timer, 15, tokens.TEXT, True),
                (self._title, 13, tokens.SECONDARY, False),
            )
        else:
            lines = ((self._heading(), 18, tokens.TEXT, True),)
        top = (self.height() - sum(px + 8 for _, px, _, _ in lines)) / 2
        for text, px, ink, bold in lines:
            words = theme.font(px, bold=bold)
            painter.setFont(words)
            painter.setPen(QColor(ink))
            metrics = QFontMetricsF(words)
            shown = metrics.elidedText(text, Qt.TextElideMode.ElideMiddle, room)
            wide = metrics.horizontalAdvance(shown)
            # In the window's middle where there is room for it, else in the gap's.
            centred = min(max(self.width() / 2 - wide / 2, left), right - wide)
            painter.drawText(
                QRectF(centred, top, wide + 2, px + 8), Qt.AlignmentFlag.AlignVCenter, shown
            )
            top += px + 8
