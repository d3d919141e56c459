"""Latency from a frame handed over to its picture painted, as percentiles of the recent past."""

from __future__ import annotations

import threading
from collections import deque

import numpy as np

REMEMBERED = 600


class Latency:
    """Any thread may add, any may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values_ms: deque[float] = deque(maxlen=REMEMBERED)

    def add(self, milliseconds: float) -> None:
        """Remember one figure."""
        with self._lock:
            self._values_ms.append(milliseconds)

    def values_ms(self) -> list[float]:
        """Return what is remembered, oldest first."""
        with self._lock:
            return list(self._values_ms)

    def percentiles_ms(self) -> tuple[float | None, float | None]:
        """Return (p50, p99), None while fewer than ten figures are known."""
        values = self.values_ms()
        if len(values) < 10:
            return None, None
        p50, p99 = np.percentile(values, (50, 99))
        return float(p50), float(p99)
