"""How a node's signal rose: time to peak and wash-in slope; and the curves as a table. No Qt."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sln_guide.gui.panels.phases import INJECT, phase_events
from sln_guide.source import EventMark
from sln_guide.styles import SIGNAL_UNIT
from sln_guide.whole_file import replace_file

Values = NDArray[np.float64]

SMOOTHED = 5
"""Samples of the running median: one glance of an instrument is no peak."""
LEAST_SAMPLES = 10
LOW, HIGH = 0.1, 0.9
"""Shares of the rise between which the wash-in slope is taken."""
COLUMNS = (
    "curve",
    "peak_signal",
    "time_to_peak_s",
    "counted_from",
    "wash_in_slope_per_s",
    "samples",
)


@dataclass(frozen=True, slots=True)
class Kinetics:
    """How one signal rose.

    ``peak`` [counts/(ms*gain)] is the highest of the running median over `SMOOTHED` samples,
    ``time_to_peak_s`` counts from the start given (an injection, else the first sample), and
    ``slope`` [counts/(ms*gain)/s] is the mean steepness between 10 % and 90 % of the first
    rise. None where the signal never rose.
    """

    peak: float
    time_to_peak_s: float
    slope: float | None
    samples: int


def kinetics(times_s: Values, values: Values, start_s: float | None = None) -> Kinetics | None:
    """Return how a signal rose; None where it was seen too seldom.

    Parameters
    ----------
    times_s, values
        (N,) float64; NaN where it was not seen.
    start_s
        From when time counts; what lies before it is left out. None: the first sample.
    """
    seen = np.isfinite(values) & np.isfinite(times_s)
    if start_s is not None:
        seen &= times_s >= start_s
    t, v = times_s[seen], values[seen]
    if t.size < LEAST_SAMPLES:
        return None
    half = SMOOTHED // 2
    padded = np.pad(v, half, mode="edge")
    smooth = np.median(np.lib.stride_tricks.sliding_window_view(padded, SMOOTHED), axis=1)
    at = int(np.argmax(smooth))
    peak, begin = float(smooth[at]), float(t[0]) if start_s is None else start_s
    return Kinetics(peak, float(t[at]) - begin, _slope(t[: at + 1], smooth[: at + 1]), t.size)


def _slope(times_s: Values, rising: Values) -> float | None:
    """Return the steepness between 10 % and 90 % of the rise that ends with the last value."""
    # what dips after it had nearly risen was hidden for a while: that is no new beginning
    nearly = rising[0] + HIGH * (rising[-1] - rising[0])
    foot = int(np.argmin(rising[: int(np.argmax(rising >= nearly)) + 1]))
    times_s, rising = times_s[foot:], rising[foot:]
    rise = float(rising[-1] - rising[0])
    if rising.size < 2 or not rise > 0:
        return None
    # the first time above 90 %, and the last below 10 % before it
    high_at = int(np.argmax(rising >= rising[0] + HIGH * rise))
    low_at = int(np.flatnonzero(rising[: high_at + 1] <= rising[0] + LOW * rise)[-1])
    passed_s = float(times_s[high_at] - times_s[low_at])
    return float(rising[high_at] - rising[low_at]) / passed_s if passed_s > 0 else None


def counted_from(events: tuple[EventMark, ...], until_s: float) -> float | None:
    """Return when the last injection before ``until_s`` was stamped; None without one."""
    times = [t for t in phase_events(events).get(INJECT, []) if t <= until_s]
    return times[-1] if times else None


def kinetics_text(of: Kinetics) -> str:
    """Return it in a few words."""
    text = f"peak {of.peak:.3g} after {of.time_to_peak_s:.0f} s"
    return text if of.slope is None else f"{text}, wash-in {of.slope:.2g}/s"


def write_curves(
    folder: Path,
    name: str,
    times_s: Values,
    signals: dict[str, Values],
    events: tuple[EventMark, ...],
    unit: str = SIGNAL_UNIT,
) -> str:
    """Write ``name``-curves.csv, a row a sample, and ``name``-kinetics.csv; return what to tell.

    ``unit``: what the columns call the signal; `UNCALIBRATED` where nothing vouches for one.

    Raises
    ------
    OSError
        One of them cannot be written.
    """
    until_s = float(times_s[-1]) if times_s.size else 0.0
    start_s = counted_from(events, until_s)
    rows: list[tuple[str, ...]] = [("time_s", *(f"{curve} {unit}" for curve in signals))]
    for place, time_s in enumerate(times_s):
        cells = (_cell(values[place]) for values in signals.values())
        rows.append((f"{time_s:.3f}", *cells))
    found: list[tuple[str, ...]] = [COLUMNS]
    for curve, values in signals.items():
        one = kinetics(times_s, values, start_s)
        if one is not None:
            start = "first sample" if start_s is None else "injection"
            slope = "" if one.slope is None else f"{one.slope:.6g}"
            found.append(
                (
                    curve,
                    f"{one.peak:.6g}",
                    f"{one.time_to_peak_s:.3f}",
                    start,
                    slope,
                    str(one.samples),
                )
            )
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / f"{name}-curves.csv", rows)
    _write(folder / f"{name}-kinetics.csv", found)
    return f"Curves saved: {folder / name}-curves.csv"


def _cell(value: float) -> str:
    return f"{value:.6g}" if np.isfinite(value) else ""


def _write(path: Path, rows: list[tuple[str, ...]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    replace_file(path, text.getvalue().encode())
