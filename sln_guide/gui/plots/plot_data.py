"""What a plot is given to draw: few enough points, counts, a round top, names that lie apart."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from sln_guide.guidance import Guidance

POINTS_SHOWN = 400
HISTOGRAM_SIGMA = (-5.0, 15.0)
HISTOGRAM_BINS = 80
APART_S = 2.0
"""Samples further apart than this are not joined."""


def columns(lefts: list[float], wide: float) -> list[list[int]]:
    """Return the places of names that stand above one another, from left to right.

    A name that begins nearer than ``wide`` to one before it stands in that one's column.
    """
    found: list[list[int]] = []
    for place in sorted(range(len(lefts)), key=lefts.__getitem__):
        if found and lefts[place] - lefts[found[-1][-1]] < wide:
            found[-1].append(place)
        else:
            found.append([place])
    return found


def parted(heights: list[float], top: float, apart: float) -> list[float]:
    """Return ascending ``heights`` moved ``apart``, none above ``top`` or, with room, below 0."""
    found = [max(height, apart / 2) for height in heights]
    for place in range(1, len(found)):
        found[place] = max(found[place], found[place - 1] + apart)
    ceiling = top - apart / 2
    for place in reversed(range(len(found))):
        found[place] = min(found[place], ceiling)
        ceiling = found[place] - apart
    return found


def significance_counts(guidance: Guidance) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how many blocks lie between which significances; the outermost take the rest."""
    edges = np.linspace(*HISTOGRAM_SIGMA, HISTOGRAM_BINS + 1)
    known = guidance.significance[np.isfinite(guidance.significance)]
    counts, _ = np.histogram(np.clip(known, *HISTOGRAM_SIGMA), edges)
    return counts.astype(np.float64), edges


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


def thinned_apart(
    times_s: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return `thinned`, but never a mean or a line across a time in which nothing was measured."""
    breaks = np.flatnonzero(np.diff(times_s) > APART_S) + 1
    if breaks.size == 0:
        return thinned(times_s, values)
    parts: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    runs = zip(np.split(times_s, breaks), np.split(values, breaks), strict=True)
    for times, run in runs:
        most = max(POINTS_SHOWN * times.size // times_s.size, 2)
        parts += [thinned(times, run, most), (times[-1:], np.array([np.nan]))]
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def axis_top(signals: Iterable[NDArray[np.float64]]) -> float:
    """Return a round number above all signals: a still axis lets a rise be seen."""
    top = max((float(np.nanmax(s)) for s in signals if np.isfinite(s).any()), default=0.0)
    if not top > 0:
        return 1.0
    step = 10.0 ** math.floor(math.log10(top))
    return next(m * step for m in (1.2, 1.5, 2, 3, 4, 5, 6, 8, 10, 12) if m * step >= top * 1.05)
