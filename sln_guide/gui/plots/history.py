"""`SignalHistory`: the signal of nodes, and the light of drawn regions, over time. No Qt."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

from sln_guide.exclusion import blocks_inside
from sln_guide.guidance import Guidance, Kind, Polygon

EVERY_S = 0.2
KEPT_S = 1800.0
AGES_KEPT = 600


REGION, NODE = "ROI", "SLN"


def region_light(guidance: Guidance, points: Polygon) -> float:
    """Return the mean light (background and signal) of what can be judged in a region.

    Not a number where nothing can; in the unit of ``guidance.signal``.
    """
    inside = blocks_inside(points, guidance.grid_px, guidance.signal.shape)
    light = (guidance.background + guidance.signal)[inside & (guidance.cannot_judge == 0)]
    light = light[np.isfinite(light)]
    return float(light.mean()) if light.size else math.nan


def curve_order(name: str) -> tuple[bool, int]:
    """Return what curves are sorted by: nodes before regions, each by number."""
    kind, _, number = name.partition("-")
    return kind != NODE, int(number)


class SignalHistory:
    """Curves by name, five times a second for half an hour [counts/(ms*gain)].

    "SLN-1": peak signal of a confirmed node above its background; "ROI-1": light of a region.
    """

    def __init__(self) -> None:
        self._times_s: deque[float] = deque()
        self._signals: dict[str, deque[float]] = {}
        self._drawn: dict[str, Polygon] = {}
        self._ages: deque[tuple[float, float]] = deque(maxlen=AGES_KEPT)

    def add(self, time_s: float, guidance: Guidance) -> bool:
        """Take the guidance in unless the last is too near in time, or it comes late."""
        if self._times_s and time_s - self._times_s[-1] < EVERY_S:
            return False
        present = {
            f"{NODE}-{d.node_number}": math.nan if d.coasted or d.signal is None else d.signal
            for d in guidance.detections
            if d.kind is Kind.NODE and d.node_number > 0
        }
        self._forget_removed(guidance.settings.regions_px)
        for number, points in enumerate(guidance.regions_px, 1):
            present[f"{REGION}-{number}"] = region_light(guidance, points)
        before = len(self._times_s)
        self._times_s.append(time_s)
        for name in present.keys() - self._signals.keys():
            self._signals[name] = deque([math.nan] * before)
        for name, signals in self._signals.items():
            signals.append(present.get(name, math.nan))
        while time_s - self._times_s[0] > KEPT_S:
            self._times_s.popleft()
            for signals in self._signals.values():
                signals.popleft()
        self._forget_ended()
        return True

    def add_age(self, time_s: float, age_ms: float | None) -> None:
        """Take in how old the overlay was when it was shown; None: there was none."""
        self._ages.append((time_s, math.nan if age_ms is None else age_ms))

    def ages(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the last minutes' times and ages of the overlay [ms], NaN where there was none."""
        pairs = np.array(self._ages, dtype=np.float64).reshape(-1, 2)
        return pairs[:, 0], pairs[:, 1]

    def times_s(self) -> NDArray[np.float64]:
        """Return the times, oldest first."""
        return np.array(self._times_s, dtype=np.float64)

    def signals(self) -> dict[str, NDArray[np.float64]]:
        """Return each curve at those times, NaN where it was not seen."""
        names = sorted(self._signals, key=curve_order)
        return {name: np.array(self._signals[name], dtype=np.float64) for name in names}

    def _forget_removed(self, regions: tuple[Polygon, ...]) -> None:
        """Drop the curve of a region that was taken away, or drawn anew under its number."""
        drawn = {f"{REGION}-{n}": points for n, points in enumerate(regions, 1)}
        for name in [k for k, points in self._drawn.items() if drawn.get(k) != points]:
            self._signals.pop(name, None)
        self._drawn = drawn

    def _forget_ended(self) -> None:
        """Drop a curve of which nothing is left in the kept time (looked at now and then)."""
        if len(self._times_s) % 50:
            return
        for name in [k for k, v in self._signals.items() if all(map(math.isnan, v))]:
            del self._signals[name]
