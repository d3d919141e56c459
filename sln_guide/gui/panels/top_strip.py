"""`TopStrip`: what is honest at every moment, in one line (or two where the window is narrow)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from sln_guide.gui import theme
from sln_guide.gui.claims.readings import CONFIRMED, Reading, Tone
from sln_guide.gui.claims.screen_state import ScreenState
from sln_guide.gui.picture import signs
from sln_guide.render import tokens
from sln_guide.render.sprites import Sheet
from sln_guide.render.text import font
from sln_guide.render.wording import RESEARCH_USE

RESEARCH = Reading(RESEARCH_USE, Tone.STALE)
GAP = 20.0
EDGE = 16.0
HEIGHT_PX = 60
PILL_PX = 44.0
WIDE_PX = 1700
"""From this width on the state pill is written as large as can be."""


@dataclass(frozen=True, slots=True)
class _Cell:
    """One or two readings, above each other."""

    slot: str
    lines: tuple[Reading, ...]
    px: int
    bold: bool = False


def _unconfirmed(cell: _Cell) -> _Cell:
    """Leave out of the last line that edges have confirmed it."""
    *lines, last = cell.lines
    short = replace(last, text=CONFIRMED.sub("", last.text))
    return replace(cell, slot=f"{cell.slot}, short", lines=(*lines, short))


class TopStrip(QWidget):
    """State, age, latency, rates, losses; case and timer; recording, disk, registration."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(HEIGHT_PX)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("State")
        self._state: ScreenState | None = None
        self._title = ""
        self._timer = ""
        self._saving = False
        self._note = Reading("")
        self._widest: dict[str, float] = {}

    def sizeHint(self) -> QSize:
        """Return its height and any width."""
        return QSize(1366, HEIGHT_PX)

    def show_state(
        self,
        state: ScreenState,
        title: str,
        timer: str,
        *,
        saving: bool = False,
        note: str = "",
    ) -> None:
        """Show these; ``note`` is a warning of the window's own."""
        if state.pill != self.pill:
            self._widest.clear()
        self._state, self._title, self._timer, self._saving = state, title, timer, saving
        self._note = Reading(note, Tone.STALE)
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

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Forget remembered widths."""
        self._widest.clear()
        super().resizeEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint in one line if all fits, else the smaller readings in two."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(tokens.PANEL))
        painter.fillRect(0, self.height() - 1, self.width(), 1, QColor(tokens.LINE))
        if self._state is not None:
            self._paint_all(painter)
        painter.end()

    # -- what it says ----------------------------------------------------------------------------

    def _left(self, *, two: bool) -> list[_Cell]:
        assert self._state is not None
        r = self._state.readings
        age = _Cell("age", (r.age,), tokens.LARGE_PX, bold=True)
        if two:
            return [
                age,
                _Cell("rates", (r.rates, r.losses), tokens.SMALL_PX),
                _Cell("latency", (r.latency, self._warning()), tokens.SMALL_PX),
            ]
        rest = (
            ("latency", r.latency),
            ("rates", r.rates),
            ("losses", r.losses),
            ("light", r.light if r.light.tone is Tone.NEUTRAL else Reading("")),
            ("status", self._warning()),
        )
        return [age, *(_Cell(slot, (reading,), tokens.BODY_PX) for slot, reading in rest)]

    def _right(self, *, two: bool) -> list[_Cell]:
        assert self._state is not None
        r = self._state.readings
        if two:
            return [
                _Cell("disk", (r.disk, r.backlog), tokens.SMALL_PX),
                _Cell("research", (RESEARCH, r.registration), tokens.SMALL_PX),
            ]
        return [
            _Cell("backlog", (r.backlog,), tokens.BODY_PX),
            _Cell("disk", (r.disk,), tokens.BODY_PX),
            _Cell("registration", (r.registration,), tokens.BODY_PX),
            _Cell("research", (RESEARCH,), tokens.BODY_PX, bold=True),
        ]

    def _warning(self) -> Reading:
        assert self._state is not None
        readings = self._state.readings
        told = (self._note, readings.status, readings.light)
        pressing = [r for r in told if r.text and r.tone is not Tone.NEUTRAL]
        return pressing[0] if pressing else readings.status

    def _recording(self) -> Reading:
        assert self._state is not None
        if self._saving:
            return Reading("SAVING", Tone.STALE)
        return self._state.readings.recording

    # -- where it says it ------------------------------------------------------------------------

    def _paint_all(self, painter: QPainter) -> None:
        two = self._needed(two=False) > self.width()
        left, right = self._left(two=two), self._right(two=two)
        # The banner says at length what the age would; the case's timer must stay readable.
        while len(left) > 1 and self._needed(left, right, two=two) > self.width():
            if len(left) == 2 and CONFIRMED.search(right[-1].lines[-1].text):
                right[-1] = _unconfirmed(right[-1])  # before rates and losses go
            else:
                left.pop(0 if left[0].slot == "age" and not self._has_age() else -1)
        x = self._paint_pill(painter)
        for cell in left:
            width = self._width(cell)
            if width > 0:
                self._paint_cell(painter, x + GAP, width, cell)
                x += GAP + width
        end = self.width() - EDGE
        for cell in reversed(right):
            width = self._width(cell)
            if width > 0:
                self._paint_cell(painter, end - width, width, cell)
                end -= width + GAP
        end = self._paint_recording(painter, end)
        self._paint_heading(painter, x + GAP, end, two=two)

    def _has_age(self) -> bool:
        return self._state is not None and self._state.overlay_allowed

    def _needed(
        self, left: list[_Cell] | None = None, right: list[_Cell] | None = None, *, two: bool
    ) -> float:
        cells = [*(left or self._left(two=two)), *(right or self._right(two=two))]
        widths = [self._width(c) for c in cells] + [self._recording_width()]
        total = EDGE + self._pill_width() + sum(GAP + w for w in widths if w > 0) + GAP + EDGE
        if two:
            timer = QFontMetricsF(font(tokens.BODY_PX, bold=True))
            return total + (timer.horizontalAdvance(self._timer) or 120.0)
        heading = QFontMetricsF(font(tokens.LARGE_PX, bold=True))
        return total + heading.horizontalAdvance(self._heading())

    def _heading(self) -> str:
        return f"{self._title}   ·   {self._timer}" if self._timer else self._title

    def _pill_font_px(self) -> int:
        return tokens.HUGE_PX if self.width() >= WIDE_PX else tokens.LARGE_PX

    def _pill_width(self) -> float:
        return signs.pill_width(self.pill, self._pill_font_px(), PILL_PX)

    def _recording_width(self) -> float:
        said = self._recording()
        if not said.text:
            return 0.0
        if said.tone is Tone.NEUTRAL:
            return QFontMetricsF(font(tokens.BODY_PX)).horizontalAdvance(said.text)
        return signs.pill_width(said.text, tokens.LARGE_PX, PILL_PX)

    def _width(self, cell: _Cell) -> float:
        """Width of a cell; never shrinks while digits change, so that nothing dances."""
        metrics = QFontMetricsF(font(cell.px, bold=cell.bold))
        now = max((metrics.horizontalAdvance(r.text) for r in cell.lines), default=0.0)
        if now == 0.0:
            return 0.0
        key = f"{cell.slot} {cell.px}"
        self._widest[key] = max(self._widest.get(key, 0.0), now)
        return self._widest[key]

    def _paint_pill(self, painter: QPainter) -> float:
        assert self._state is not None
        state, px = self._state, self._pill_font_px()
        sheet = Sheet(self.devicePixelRatioF())
        right = signs.put_pill(sheet, EDGE, self.height() / 2, PILL_PX, state.pill, state.tone, px)
        sheet.paint(painter)
        return right

    def _paint_cell(self, painter: QPainter, left: float, width: float, cell: _Cell) -> None:
        painter.setFont(font(cell.px, bold=cell.bold))
        lines = [r for r in cell.lines if r.text]
        tall = (cell.px + 8) if len(lines) > 1 else self.height()
        top = (self.height() - tall * len(lines)) / 2
        for reading in lines:
            painter.setPen(theme.colour(reading.tone))
            box = QRectF(left, top, width + 2, tall)
            painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, reading.text)
            top += tall

    def _paint_recording(self, painter: QPainter, right: float) -> float:
        said, width = self._recording(), self._recording_width()
        if width == 0.0:
            return right
        left = right - width
        if said.tone is Tone.NEUTRAL:
            self._paint_cell(painter, left, width, _Cell("recording", (said,), tokens.BODY_PX))
        else:
            middle, sheet = self.height() / 2, Sheet(self.devicePixelRatioF())
            signs.put_pill(sheet, left, middle, PILL_PX, said.text, said.tone, tokens.LARGE_PX)
            sheet.paint(painter)
        return left - GAP

    def _paint_heading(self, painter: QPainter, left: float, right: float, *, two: bool) -> None:
        room = right - left
        if room < 24:
            return
        lines = [(self._heading(), tokens.LARGE_PX, tokens.TEXT, True)]
        if two and self._timer:
            lines = [
                (self._timer, tokens.BODY_PX, tokens.TEXT, True),
                (self._title, tokens.SMALL_PX, tokens.SECONDARY, False),
            ]
        top = (self.height() - sum(px + 8 for _, px, _, _ in lines)) / 2
        for text, px, ink, bold in lines:
            words = font(px, bold=bold)
            metrics = QFontMetricsF(words)
            shown = metrics.elidedText(text, Qt.TextElideMode.ElideMiddle, room)
            wide = metrics.horizontalAdvance(shown)
            # In the window's middle where there is room for it, else in the gap's.
            start = min(max(self.width() / 2 - wide / 2, left), right - wide)
            painter.setFont(words)
            painter.setPen(QColor(ink))
            box = QRectF(start, top, wide + 2, px + 8)
            painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, shown)
            top += px + 8
