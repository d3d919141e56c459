"""`Plotting`: keeps what curves are drawn of, on the source's own clock, and has them drawn."""

from __future__ import annotations

import time
from collections.abc import Callable

from sln_guide.gui.plots.curves import CurvesPanel
from sln_guide.gui.plots.history import SignalHistory
from sln_guide.gui.plots.plot_library import PlotLibrary
from sln_guide.gui.plots.replay_history import ReplayHistory
from sln_guide.guidance import Guidance, Picture
from sln_guide.health import SessionHealth
from sln_guide.source import EventMark, PictureSource, Replayable


class Plotting:
    """Takes in each guidance once; live as it comes, of a replay in the recording's own order.

    GUI thread only.

    Parameters
    ----------
    source
        Live, or a replay.
    health
        Returns the newest health; None: nothing is known yet.
    """

    def __init__(self, source: PictureSource, health: Callable[[], SessionHealth | None]) -> None:
        self._replay = source if isinstance(source, Replayable) else None
        self._health = health
        self.library = PlotLibrary()
        self._live = SignalHistory()
        self._replayed = ReplayHistory()
        self._seen = (0, 0)
        """Generation and time of the guidance taken in last."""

    @property
    def history(self) -> SignalHistory | ReplayHistory:
        """What is kept of the source."""
        return self._live if self._replay is None else self._replayed

    def now_s(self) -> float:
        """Return the time on the clock of the source's events."""
        if self._replay is not None:
            return self._replay.position_s
        return self._session_s(time.monotonic_ns())

    def take_in(self, picture: Picture | None) -> None:
        """Keep the signals of a picture's guidance, if it is new."""
        guidance = None if picture is None else picture.guidance
        if guidance is None:
            return
        seen = guidance.generation, guidance.pair.nir.mid_exposure_ns
        if seen == self._seen:
            return
        health = self._health()
        if health is None and self._replay is None:
            return  # the session's clock is not known yet
        self._seen = seen
        if self._replay is None:
            self._live.add(self._session_s(seen[1]), guidance)
            self.library.start()
        else:
            period_ns = 0 if health is None else health.nir.period_ns
            self._replayed.add(seen[1] - self._replay.began_ns, guidance, period_ns)

    def add_age(self, age_ms: float | None) -> None:
        """Keep how old the live overlay is that is shown now; None: there is none."""
        self._live.add_age(self.now_s(), age_ms)

    def draw(
        self, curves: CurvesPanel, events: tuple[EventMark, ...], guidance: Guidance | None
    ) -> None:
        """Have what is known drawn; a few times a second at most."""
        replay = self._replay
        if replay is None:
            curves.refresh(self._live, events, guidance)
            return
        if not self._replayed.recorded and (signals := replay.recorded_signals()) is not None:
            self._replayed.take_recorded(signals)
        if curves.isVisible():
            self.library.start()
            curves.refresh(
                self._replayed,
                events,
                guidance,
                position_s=replay.position_s,
                duration_s=replay.duration_s,
            )

    def end(self) -> None:
        """Wait until the plotting library is loaded, if that has begun."""
        self.library.end()

    def _session_s(self, monotonic_ns: int) -> float:
        health = self._health()
        return (monotonic_ns - (0 if health is None else health.started_ns)) / 1e9
