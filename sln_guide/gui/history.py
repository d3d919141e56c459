"""`SignalHistory`: each node's signal over time, for the curves. No Qt."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

from sln_guide.guidance import Guidance, Kind

EVERY_S = 0.2
KEPT_S = 1800.0
AGES_KEPT = 600


class SignalHistory:
    """Signal [counts/(ms*gain)] of each confirmed node, five times a second for half an hour."""

    def __init__(self) -> None:
        self._times_s: deque[float] = deque()
        self._signals: dict[int, deque[float]] = {}
        self._ages: deque[tuple[float, float]] = deque(maxlen=AGES_KEPT)

    def add(self, time_s: float, guidance: Guidance) -> bool:
        """Take the guidance in unless the last is too near in time, or it comes late."""
        if self._times_s and time_s - self._times_s[-1] < EVERY_S:
            return False
        present = {
            d.node_number: math.nan if d.coasted or d.signal is None else d.signal
            for d in guidance.detections
            if d.kind is Kind.NODE and d.node_number > 0
        }
        before = len(self._times_s)
        self._times_s.append(time_s)
        for node_number in present.keys() - self._signals.keys():
            self._signals[node_number] = deque([math.nan] * before)
        for node_number, signals in self._signals.items():
            signals.append(present.get(node_number, math.nan))
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

    def signals(self) -> dict[int, NDArray[np.float64]]:
        """Return each track's signal at those times, NaN where it was not seen."""
        return {k: np.array(v, dtype=np.float64) for k, v in sorted(self._signals.items())}

    def _forget_ended(self) -> None:
        """Drop a track of which nothing is left in the kept time (looked at now and then)."""
        if len(self._times_s) % 50:
            return
        for node_number in [k for k, v in self._signals.items() if all(map(math.isnan, v))]:
            del self._signals[node_number]
