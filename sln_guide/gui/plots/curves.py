"""The curves below the video: signal of each node over time, with the events' marks."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPen
from PySide6.QtWidgets import QSizePolicy

from sln_guide.gui.claims.readings import clock_text
from sln_guide.gui.claims.verdict import AMBER_MS
from sln_guide.gui.panels.nodes import node_ink
from sln_guide.gui.panels.panel import HEAD_PX, Panel
from sln_guide.gui.plots.history import REGION, SignalHistory
from sln_guide.gui.plots.kinetics import counted_from, kinetics, kinetics_text
from sln_guide.gui.plots.plot_data import (
    axis_top,
    columns,
    parted,
    significance_counts,
    thinned_apart,
)
from sln_guide.gui.plots.plot_library import PlotLibrary, made_plot
from sln_guide.gui.plots.replay_history import ReplayHistory
from sln_guide.guidance import UNCALIBRATED, Guidance
from sln_guide.render import tokens
from sln_guide.render.text import font
from sln_guide.source import EventMark

if TYPE_CHECKING:
    import pyqtgraph

SPAN_MIN_S = 60.0
SPAN_MAX_S = 600.0
SPAN_STEP_S = 30.0
STEPS = 60
"""The time axis goes on by this part of what it shows."""
MARKS_SHOWN = 12
LINE_PX = 14
LOW_PLOT_PX = 110
"""Below this height more than two figures beside the axis would touch."""
STILL_SEEN = 10
"""A node of these last values is told of: two seconds of them."""
NAME_PX = 64
"""Room to the right of the curves, for their names."""
MARK_AT = 0.92
"""Height of the names of marks, as a part of the axis."""


class Plot(StrEnum):
    """What the panel shows."""

    SIGNAL = "Signal  counts/(ms·gain)"
    SIGNIFICANCE = "Significance  log₁₀ of blocks, by σ"
    AGE = "Overlay age  ms"


SINCE_SEEK = " · since the last seek"
"""Added for a recording without guidance of its own."""
UNVOUCHED = f"Signal  {UNCALIBRATED}"
"""Heading of the signal's plot on a rig that nothing vouches for."""


class CurvesPanel(Panel):
    """Axes and curves once the plotting library is there. Never updated by the video.

    A press on its heading shows the next plot; the pointer over the curves reads them off. Of a
    replay all of the recording is shown, and where the replay stands; a press on the curves goes
    there: ``sought`` carries the time.
    """

    sought = Signal(float)

    def __init__(self, library: PlotLibrary, *, replaying: bool = False) -> None:
        super().__init__(Plot.SIGNAL)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.body.setContentsMargins(6, HEAD_PX - 6, 8, 4)
        self._library = library
        self._plot: pyqtgraph.PlotWidget | None = None
        self._curves: dict[str, tuple[Any, Any]] = {}
        self._marks: list[tuple[EventMark, Any]] = []
        self._strip: Any = None
        self._line: Any = None
        self._shown = Plot.SIGNAL
        self._read_at_s: float | None = None
        self._range: tuple[tuple[float, float], float, float | None] | None = None
        self._replaying = replaying
        self._here: Any = None

    @property
    def shown(self) -> Plot:
        """Which plot is on show."""
        return self._shown

    def next_plot(self) -> None:
        """Show the next plot."""
        # how old the overlay was matters live alone
        plots = [plot for plot in Plot if plot is not Plot.AGE or not self._replaying]
        self._shown = plots[(plots.index(self._shown) + 1) % len(plots)]
        self.heading = self._shown
        self._clear()
        self.say("")
        self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Show the next plot when the heading is pressed."""
        if event.position().y() < HEAD_PX:
            self.next_plot()
        else:
            super().mousePressEvent(event)

    def refresh(
        self,
        history: SignalHistory | ReplayHistory,
        events: tuple[EventMark, ...],
        guidance: Guidance | None = None,
        *,
        position_s: float = 0.0,
        duration_s: float | None = None,
    ) -> None:
        """Draw what is known now; call it a few times a second at most.

        ``position_s`` and ``duration_s`` are a replay's.
        """
        if self._shown is Plot.SIGNAL and guidance is not None:
            heading: str = UNVOUCHED if UNCALIBRATED in guidance.flags else Plot.SIGNAL
            if isinstance(history, ReplayHistory) and not history.recorded:
                heading += SINCE_SEEK
            if heading != self.heading:
                self.heading = heading
                self.update()
        if self._plot is None:
            if self._library.error is not None:
                self.say(self._library.error)
            if self._library.module is None:
                return
            self._plot = self._add_plot(self._library.module)
            self._clear()
        if self._shown is Plot.SIGNIFICANCE:
            self._draw_histogram(guidance)
        elif self._shown is Plot.AGE and isinstance(history, SignalHistory):
            self._draw_ages(*history.ages())
        else:
            self._draw_signals(history.times_s(), history.signals(), events, duration_s)
            if duration_s is not None:
                self._draw_here(position_s)

    def _draw_signals(
        self,
        times_s: NDArray[np.float64],
        signals: dict[str, NDArray[np.float64]],
        events: tuple[EventMark, ...],
        duration_s: float | None,
    ) -> None:
        assert self._plot is not None
        none = "no node followed yet" if duration_s is None else "no node or region yet"
        self.say(self._said(times_s, signals, events) if signals else none)
        if times_s.size == 0 and duration_s is None:
            return
        if duration_s is None:
            end, span = live_span(float(times_s[0]), float(times_s[-1]))
        else:
            end = span = max(duration_s, 1.0)
        first = int(np.searchsorted(times_s, end - span))
        self._draw_curves(times_s[first:], {k: v[first:] for k, v in signals.items()})
        self._draw_marks(events, end - span)
        room = NAME_PX / max(self._plot.width() - NAME_PX, NAME_PX)
        # a little above the round number, so that its own label has room
        highest = axis_top(v[first:] for v in signals.values())
        top = 1.1 * highest
        low = self.height() - HEAD_PX < LOW_PLOT_PX  # the plot itself may not be laid out yet
        self._set_range((end - span, end + room * span), top, highest if low else None)
        self._part_names(
            top,
            LINE_PX * top / max(self._plot.height() - 2 * LINE_PX, LINE_PX),
            room * span,
        )

    def _set_range(
        self, x: tuple[float, float], top: float, only_tick: float | None = None
    ) -> None:
        """Show from ``x`` and 0 to ``top``; axes are made anew only where that is new."""
        assert self._plot is not None
        if self._range == (x, top, only_tick):
            return
        self._range = (x, top, only_tick)
        self._plot.setXRange(*x, padding=0)
        self._plot.setYRange(0, top, padding=0)
        ticks = None if only_tick is None else [[(v, f"{v:g}") for v in (0.0, only_tick)]]
        self._plot.getAxis("left").setTicks(ticks)

    def _draw_here(self, position_s: float) -> None:
        """Draw where the replay stands."""
        assert self._plot is not None
        if self._here is None:
            self._here = self._pg.InfiniteLine(pen=self._pg.mkPen(tokens.REPLAY, width=2))
            self._plot.addItem(self._here, ignoreBounds=True)
        self._here.setValue(position_s)

    def _part_names(self, top: float, apart: float, wide: float) -> None:
        """Move names that would lie over one another, as far as they fit; in the axes' units."""
        labels = [label for _, label in self._curves.values() if label.isVisible()]
        labels.sort(key=lambda label: float(label.pos().y()))
        for column in columns([float(label.pos().x()) for label in labels], wide):
            stacked = [labels[place] for place in sorted(column)]
            room = max(int(top / apart), 1)
            for label in stacked[room:]:  # more would be a smear that says nothing
                label.setVisible(False)
            stacked = stacked[:room]
            heights = parted([float(label.pos().y()) for label in stacked], top, apart)
            for label, at in zip(stacked, heights, strict=True):
                label.setPos(label.pos().x(), at)
        self._keep_marks_apart(labels, MARK_AT * top - 2 * apart, wide)

    def _keep_marks_apart(self, labels: list[Any], above: float, wide: float) -> None:
        """Leave a mark unnamed while its name would lie over a curve's; its line stays."""
        high = [lbl.pos().x() for lbl in labels if lbl.isVisible() and lbl.pos().y() > above]
        for mark, line in self._marks:
            line.label.setVisible(all(abs(x - mark.time_s) > wide for x in high))

    def _said(
        self,
        times_s: NDArray[np.float64],
        signals: dict[str, NDArray[np.float64]],
        events: tuple[EventMark, ...],
    ) -> str:
        """Return the values under the pointer, else how one of them rose."""
        at = self._read_at_s
        if at is not None and times_s.size and times_s[0] <= at <= times_s[-1]:
            place = int(np.searchsorted(times_s, at))
            read = [f"{n} {v[place]:.3g}" for n, v in signals.items() if np.isfinite(v[place])]
            return "   ".join([clock_text(at), *(read or ["not seen"])])
        # of the region drawn last, which is what somebody wants to know now; else of the first
        # node that is still seen
        drawn = [name for name in signals if name.startswith(REGION)]
        seen = [name for name, v in signals.items() if np.isfinite(v[-STILL_SEEN:]).any()]
        name = drawn[-1] if drawn else (seen or list(signals))[0]
        rose = kinetics(times_s, signals[name], counted_from(events, float(times_s[-1])))
        return "" if rose is None else f"{name} {kinetics_text(rose)}"

    def _draw_histogram(self, guidance: Guidance | None) -> None:
        """Draw how many blocks of the field reach which significance, and the threshold."""
        assert self._plot is not None
        if guidance is None:
            self.say("no guidance yet")
            return
        counts, edges = significance_counts(guidance)
        if self._strip is None:
            self._strip = self._plot.plot(
                stepMode="center", fillLevel=0.0, brush=self._pg.mkBrush(tokens.LINE)
            )
            self._strip.setPen(self._pg.mkPen(tokens.SECONDARY, width=1))
            self._line = self._pg.InfiniteLine(pen=self._pg.mkPen(tokens.ACTION, width=2))
            self._plot.addItem(self._line, ignoreBounds=True)
        self._strip.setData(edges, np.log10(counts + 1.0))
        threshold = guidance.settings.threshold_sigma
        self._line.setValue(threshold)
        above = int(counts[edges[:-1] >= threshold].sum())
        self.say(f"{above} of {int(counts.sum())} above {threshold:.1f} σ")
        top = 1.1 * float(np.log10(axis_top([counts]) + 1.0))
        self._set_range((float(edges[0]), float(edges[-1])), top)

    def _draw_ages(self, times_s: NDArray[np.float64], ages_ms: NDArray[np.float64]) -> None:
        """Draw the overlay's age over the last minutes, and where it turns amber."""
        assert self._plot is not None
        if times_s.size == 0:
            self.say("no overlay yet")
            return
        if self._strip is None:
            pen = self._pg.mkPen(tokens.LIVE, width=2)
            self._strip = self._plot.plot(pen=pen, connect="finite")
            amber = self._pg.mkPen(tokens.STALE, style=Qt.PenStyle.DashLine)
            self._line = self._pg.InfiniteLine(AMBER_MS, angle=0, pen=amber)
            self._plot.addItem(self._line, ignoreBounds=True)
        self._strip.setData(times_s, ages_ms)
        known = ages_ms[np.isfinite(ages_ms)]
        if known.size:
            low, high = np.percentile(known, (50, 99))
            self.say(f"p50 {low:.0f} · p99 {high:.0f} ms when shown · amber above {AMBER_MS:.0f}")
        else:
            self.say("no overlay shown")
        end, _ = live_span(float(times_s[-1]), float(times_s[-1]))
        self._set_range((end - SPAN_MIN_S, end), max(1.2 * AMBER_MS, axis_top([ages_ms])))

    def _clear(self) -> None:
        if self._plot is not None:
            self._plot.clear()
            self._range = None
            self._plot.getAxis("bottom").counts_seconds = self._shown is not Plot.SIGNIFICANCE
        self._curves, self._marks = {}, []
        self._strip = self._line = self._here = None

    def _seek(self, press: Any) -> None:
        """Take a press on the curves of a replay."""
        assert self._plot is not None
        if self._shown is Plot.SIGNAL:
            self.sought.emit(float(self._plot.getViewBox().mapSceneToView(press.scenePos()).x()))

    def _read(self, at: QPointF) -> None:
        """Take in where the pointer is over the curves."""
        assert self._plot is not None
        inside = self._plot.sceneBoundingRect().contains(at)
        self._read_at_s = self._plot.getViewBox().mapSceneToView(at).x() if inside else None

    def end(self) -> None:
        """Take the plot apart: it would leave its hidden menus behind."""
        if self._plot is not None:
            self._plot.close()
            self._plot = None

    def _add_plot(self, pg: Any) -> pyqtgraph.PlotWidget:
        self._pg = pg
        plot = made_plot(pg)
        plot.getAxis("left").setTicks([[]])  # nothing to read off yet
        plot.scene().sigMouseMoved.connect(self._read)
        if self._replaying:
            plot.scene().sigMouseClicked.connect(self._seek)
        self.body.addWidget(plot)
        return plot

    def _draw_curves(self, times_s: Any, signals: dict[str, Any]) -> None:
        assert self._plot is not None
        for name in self._curves.keys() - signals.keys():
            for item in self._curves.pop(name):
                self._plot.removeItem(item)
        for name, values in signals.items():
            if name not in self._curves:
                ink = curve_ink(name)
                dashed = Qt.PenStyle.DashLine if name.startswith(REGION) else Qt.PenStyle.SolidLine
                pen = self._pg.mkPen(ink, width=2, style=dashed)
                curve = self._plot.plot(pen=pen, connect="finite")
                label = self._pg.TextItem(name, color=ink, anchor=(0, 0.5))
                label.setFont(font(13, bold=True))
                self._plot.addItem(label, ignoreBounds=True)
                self._curves[name] = (curve, label)
            curve, label = self._curves[name]
            curve.setData(*thinned_apart(times_s, values))
            seen = np.flatnonzero(np.isfinite(values))
            label.setVisible(seen.size > 0)
            if seen.size:
                label.setPos(float(times_s[seen[-1]]), float(values[seen[-1]]))

    def _draw_marks(self, events: tuple[EventMark, ...], since_s: float) -> None:
        assert self._plot is not None
        wanted = [e for e in events if e.name == "phase" and e.time_s >= since_s][-MARKS_SHOWN:]
        if [mark for mark, _ in self._marks] == wanted:
            return
        for _, line in self._marks:
            self._plot.removeItem(line)
        self._marks = []
        for event in wanted:
            line = self._pg.InfiniteLine(
                event.time_s,
                pen=self._pg.mkPen(tokens.SECONDARY, style=Qt.PenStyle.DashLine),
                label=event.detail,
                labelOpts={
                    "position": MARK_AT,
                    "color": tokens.SECONDARY,
                    "anchors": [(0, 0), (0, 0)],
                },
            )
            line.label.setFont(font(13))
            self._plot.addItem(line, ignoreBounds=True)
            self._marks.append((event, line))

    def paint_body(self, painter: QPainter) -> None:
        """Paint a base line until there are axes."""
        if self._plot is None:
            painter.setPen(QPen(QColor(tokens.LINE), 1))
            area = QRectF(self.rect()).adjusted(60, HEAD_PX, -16, -24)
            painter.drawLine(area.bottomLeft(), area.bottomRight())


def live_span(first_s: float, last_s: float) -> tuple[float, float]:
    """Return the end and the length of the time to show; nothing is before 0.

    Both go on in steps: new axes cost more than the curves themselves.
    """
    whole = math.ceil((last_s - first_s) / SPAN_STEP_S) * SPAN_STEP_S
    span = min(max(whole, SPAN_MIN_S), SPAN_MAX_S)
    step = span / STEPS
    return max(math.ceil(last_s / step) * step, span), span


def curve_ink(name: str) -> str:
    """Return the colour of a curve: of its node, or of regions, which are white and dashed."""
    kind, _, number = name.partition("-")
    return tokens.TEXT if kind == REGION else node_ink(int(number))
