"""`ReplayHistory`: curves of a recording at the recording's own times, in whatever order. No Qt."""

from __future__ import annotations

import math
from bisect import bisect_left, insort

import numpy as np
from numpy.typing import NDArray

from sln_guide.gui.plots.history import EVERY_S, NODE, REGION, curve_order, region_light
from sln_guide.guidance import Guidance, Kind, Polygon
from sln_guide.source import NodeSignals

NS = 1_000_000_000
EVERY_NS = round(EVERY_S * NS)
PERIODS_A_STEP = 2.0
"""Between two computations of one run lie at most so many NIR periods a generation."""


class ReplayHistory:
    """Curves by name [counts/(ms*gain)]; a moment has one place in them however often it is seen.

    Nodes as the recording's own guidance measured them, where it has one. Where it has none they
    are those that the replay computes, and of one run only: after a seek the tracking begins anew,
    and the same number may be another node. Regions drawn in the replay are computed in any case.
    """

    def __init__(self) -> None:
        self._recorded = False
        self._times_ns: list[int] = []
        self._values: dict[int, dict[str, float]] = {}
        self._drawn: dict[str, Polygon] = {}
        self._run: dict[int, int] = {}
        """Time of each generation of the present run."""
        self._last = (0, 0)
        self._signals: dict[str, NDArray[np.float64]] | None = None

    @property
    def recorded(self) -> bool:
        """Whether nodes are as recorded, else as computed since the last seek."""
        return self._recorded

    def take_recorded(self, samples: NodeSignals) -> None:
        """Take in what the recording itself measured of its nodes."""
        self._forget(NODE)
        self._recorded, self._signals = True, None
        for time_ns, signals in samples:
            if self._has_place(time_ns):
                self._values[time_ns] |= {f"{NODE}-{n}": signal for n, signal in signals.items()}

    def add(self, time_ns: int, guidance: Guidance, period_ns: int) -> None:
        """Take in a computation of the moment ``time_ns`` after the recording's first."""
        self._forget_removed(guidance.settings.regions_px)
        computed = {
            f"{REGION}-{number}": region_light(guidance, points)
            for number, points in enumerate(guidance.regions_px, 1)
        }
        if not self._recorded:
            if not self._goes_on(guidance.generation, time_ns, period_ns):
                self._forget(NODE)
            computed |= {
                f"{NODE}-{d.node_number}": math.nan if d.signal is None else d.signal
                for d in guidance.detections
                if d.kind is Kind.NODE and d.node_number > 0 and not d.coasted
            }
        if self._has_place(time_ns):
            self._values[time_ns] |= computed
            self._signals = None

    def times_s(self) -> NDArray[np.float64]:
        """Return the times since the recording's first moment, oldest first."""
        return np.array(self._times_ns, dtype=np.float64) / NS

    def signals(self) -> dict[str, NDArray[np.float64]]:
        """Return each curve at those times, NaN where it was not seen."""
        if self._signals is None:
            names = {name for values in self._values.values() for name in values}
            self._signals = {
                name: np.array([self._values[t].get(name, math.nan) for t in self._times_ns])
                for name in sorted(names, key=curve_order)
            }
        return self._signals

    def _has_place(self, time_ns: int) -> bool:
        """Whether a moment is kept: it is already, or none is near it."""
        if time_ns in self._values:
            return True
        after = bisect_left(self._times_ns, time_ns)
        near = self._times_ns[max(after - 1, 0) : after + 1]
        if any(abs(other_ns - time_ns) < EVERY_NS for other_ns in near):
            return False
        insort(self._times_ns, time_ns)
        self._values[time_ns] = {}
        return True

    def _goes_on(self, generation: int, time_ns: int, period_ns: int) -> bool:
        """Whether a computation belongs to the run of the one before it; take it into the run."""
        before, before_ns = self._last
        self._last = (generation, time_ns)
        steps = generation - before
        most_ns = PERIODS_A_STEP * max(period_ns, 1) * steps
        same = self._run.get(generation) == time_ns or 0 < time_ns - before_ns <= most_ns
        if not same:
            self._run = {}
        self._run[generation] = time_ns
        return same

    def _forget_removed(self, regions: tuple[Polygon, ...]) -> None:
        """Drop the curve of a region that was taken away, or drawn anew under its number."""
        drawn = {f"{REGION}-{n}": points for n, points in enumerate(regions, 1)}
        for name in [k for k, points in self._drawn.items() if drawn.get(k) != points]:
            self._forget(name)
        self._drawn = drawn

    def _forget(self, names: str) -> None:
        """Drop the values of one curve, or of all of a kind."""
        for values in self._values.values():
            for name in [n for n in values if n == names or n.startswith(f"{names}-")]:
                del values[name]
        self._values = {time_ns: values for time_ns, values in self._values.items() if values}
        self._times_ns = sorted(self._values)
        self._signals = None
