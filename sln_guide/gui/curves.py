"""The curves below the video: signal of each node over time, with the events' marks."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from sln_guide.gui.history import SignalHistory
from sln_guide.gui.nodes import node_ink
from sln_guide.gui.panel import HEAD_PX, Panel
from sln_guide.gui.readings import clock_text
from sln_guide.render import tokens
from sln_guide.render.text import font
from sln_guide.source import EventMark

if TYPE_CHECKING:
    import pyqtgraph

SPAN_MIN_S = 60.0
SPAN_MAX_S = 600.0
MARKS_SHOWN = 12
POINTS_SHOWN = 400
NAME_PX = 64
"""Room to the right of the curves, for their names."""


class PlotLibrary:
    """Imports pyqtgraph on a thread of its own: half a second that no picture waits for."""

    def __init__(self) -> None:
        self.module: Any = None
        self.error: str | None = None
        self._thread = threading.Thread(target=self._load, name="load-plots", daemon=True)

    def start(self) -> None:
        """Begin loading."""
        if self._thread.ident is None:
            self._thread.start()

    def end(self) -> None:
        """Wait until the import is over: it cannot be broken off."""
        if self._thread.is_alive():
            self._thread.join()

    def _load(self) -> None:
        try:
            import pyqtgraph

            self.module = pyqtgraph
        except Exception as error:  # noqa: BLE001 - said where the curves would be
            self.error = f"no curves: {type(error).__name__}: {error}"


class CurvesPanel(Panel):
    """Axes and curves once the plotting library is there. Never updated by the video."""

    def __init__(self, library: PlotLibrary, parent: QWidget | None = None) -> None:
        super().__init__("Signal  counts/(ms·gain)", parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.body.setContentsMargins(6, HEAD_PX - 6, 8, 4)
        self._library = library
        self._plot: pyqtgraph.PlotWidget | None = None
        self._curves: dict[int, tuple[Any, Any]] = {}
        self._marks: list[tuple[EventMark, Any]] = []
        self._empty = True

    def refresh(self, history: SignalHistory, events: tuple[EventMark, ...]) -> None:
        """Draw what is known now; call it a few times a second at most."""
        if self._plot is None:
            if self._library.error is not None:
                self.say(self._library.error)
            if self._library.module is None:
                return
            self._plot = self._made_plot(self._library.module)
            self.body.addWidget(self._plot)
        times_s, signals = history.times_s(), history.signals()
        empty = not signals
        if empty != self._empty:
            self._empty = empty
        self.say("no node followed yet" if empty else "")
        if times_s.size == 0:
            return
        end = float(times_s[-1])
        span = min(max(end - float(times_s[0]), SPAN_MIN_S), SPAN_MAX_S)
        first = int(np.searchsorted(times_s, end - span))
        self._draw_curves(times_s[first:], {k: v[first:] for k, v in signals.items()})
        self._draw_marks(events, end - span)
        room = NAME_PX / max(self._plot.width() - NAME_PX, NAME_PX)
        self._plot.setXRange(end - span, end + room * span, padding=0)
        # a little above the round number, so that its own label has room
        top = 1.1 * axis_top(v[first:] for v in signals.values())
        self._plot.setYRange(0, top, padding=0)

    def end(self) -> None:
        """Take the plot apart: it would leave its hidden menus behind."""
        if self._plot is not None:
            self._plot.close()
            self._plot = None

    def _made_plot(self, pg: Any) -> pyqtgraph.PlotWidget:
        # Smooth thick lines cost tens of milliseconds a paint, which the video would miss.
        pg.setConfigOptions(antialias=False)
        axis = _clock_axis(pg)
        plot = pg.PlotWidget(background=tokens.PANEL, axisItems={"bottom": axis}, enableMenu=False)
        plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        plot.hideButtons()
        plot.setMouseEnabled(False, False)
        for name in ("left", "bottom"):
            shown = plot.getAxis(name)
            shown.setTickFont(font(13))
            shown.setPen(pg.mkPen(tokens.LINE))
            shown.setTextPen(pg.mkPen(tokens.SECONDARY))
        plot.getAxis("left").setWidth(52)
        self._pg = pg
        return plot

    def _draw_curves(self, times_s: Any, signals: dict[int, Any]) -> None:
        assert self._plot is not None
        for node_number in self._curves.keys() - signals.keys():
            for item in self._curves.pop(node_number):
                self._plot.removeItem(item)
        for node_number, values in signals.items():
            if node_number not in self._curves:
                ink = node_ink(node_number)
                curve = self._plot.plot(pen=self._pg.mkPen(ink, width=2), connect="finite")
                name = self._pg.TextItem(f"SLN-{node_number}", color=ink, anchor=(0, 0.5))
                name.setFont(font(13, bold=True))
                self._plot.addItem(name, ignoreBounds=True)
                self._curves[node_number] = (curve, name)
            curve, name = self._curves[node_number]
            curve.setData(*thinned(times_s, values))
            seen = np.flatnonzero(np.isfinite(values))
            name.setVisible(seen.size > 0)
            if seen.size:
                name.setPos(float(times_s[seen[-1]]), float(values[seen[-1]]))

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
                    "position": 0.92,
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


def thinned(
    times_s: NDArray[np.float64], values: NDArray[np.float64], most: int = POINTS_SHOWN
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return at most ``most`` points: means of equal runs; a run without any value stays NaN."""
    if times_s.size <= most:
        return times_s, values
    starts = np.unique(np.linspace(0, times_s.size, most, endpoint=False).astype(np.intp))
    known = np.isfinite(values)
    counts = np.add.reduceat(known.astype(np.float64), starts)
    sums = np.add.reduceat(np.where(known, values, 0.0), starts)
    lengths = np.diff(np.append(starts, times_s.size))
    means = np.full(starts.size, np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return np.add.reduceat(times_s, starts) / lengths, means


def axis_top(signals: Iterable[NDArray[np.float64]]) -> float:
    """Return a round number above all signals: a still axis lets a rise be seen."""
    top = max((float(np.nanmax(s)) for s in signals if np.isfinite(s).any()), default=0.0)
    if not top > 0:
        return 1.0
    step = 10.0 ** math.floor(math.log10(top))
    return next(m * step for m in (1.2, 1.5, 2, 3, 4, 5, 6, 8, 10, 12) if m * step >= top * 1.05)


def _clock_axis(pg: Any) -> Any:
    """Return a bottom axis that counts minutes and seconds."""

    class ClockAxis(pg.AxisItem):  # type: ignore[misc]
        def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
            del scale, spacing
            return [clock_text(v).removeprefix("00:") if v >= 0 else "" for v in values]

    return ClockAxis(orientation="bottom")
