"""The plotting library: imported where nothing waits for it, and dressed for this screen."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt

from sln_guide.gui.claims.readings import clock_text
from sln_guide.one_line import unexpected
from sln_guide.render import tokens
from sln_guide.render.text import font

if TYPE_CHECKING:
    import pyqtgraph


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
            self.error = f"no curves: {unexpected(error)}"


def made_plot(pg: Any) -> pyqtgraph.PlotWidget:
    """Return empty axes over clock time, in the screen's colours. ``pg``: the library."""
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
    plot.getAxis("bottom").setStyle(maxTickLevel=0)  # else the first seconds' clocks touch
    return plot


def _clock_axis(pg: Any) -> Any:
    """Return a bottom axis that counts minutes and seconds."""

    class ClockAxis(pg.AxisItem):  # type: ignore[misc]
        counts_seconds = True

        def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
            if not self.counts_seconds:
                return list(super().tickStrings(values, scale, spacing))
            return [clock_text(v).removeprefix("00:") if v >= 0 else "" for v in values]

    return ClockAxis(orientation="bottom")
