"""Kernels that write the maps an `Analysis` hands out. Private to `core.analysis`."""

from __future__ import annotations

import numba as nb
import numpy as np

from sln_guide.core.grid import exp_into


@nb.njit(nogil=True, cache=True, error_model="numpy")
def maps_into(  # type: ignore[no-untyped-def]
    significance,
    signal,
    background,
    mean,
    local,
    extended,
    trend,
    prediction,
    widest,
    ground,
    floor,
    unit,
):
    """Write significance, added signal and background [counts/(ms*gain)] of each cell.

    The significance is the larger of a spot's (``local``) and of light that covers more than a
    node (``extended``), and the background is that of whichever it is: the wide surroundings, or
    ``ground``, the darker part of the field; both in the logarithm.
    """
    rows, cols = mean.shape
    line = np.empty((2, cols), np.float32)
    for r in range(rows):
        for c in range(cols):
            line[0, c] = trend[r, c] + prediction[r, c] + widest[r, c]
            line[1, c] = ground
        exp_into(line, line)
        for c in range(cols):
            near = max(line[0, c] - floor, np.float32(0))
            base = max(line[1, c] - floor, np.float32(0))
            added = mean[r, c] - near
            wide = extended[r, c] > local[r, c]
            if wide:
                added = max(added, mean[r, c] - base)
            significance[r, c] = extended[r, c] if wide else local[r, c]
            signal[r, c] = max(added, np.float32(0)) * unit
            background[r, c] = near * unit


@nb.njit(nogil=True, cache=True, error_model="numpy")
def calm_size_into(size, calm, response, usable):  # type: ignore[no-untyped-def]
    """Write |response| cut at 3, and where it is usable and no bright spot; return its mean."""
    total = 0.0
    n = 0
    for r in range(size.shape[0]):
        for c in range(size.shape[1]):
            v = response[r, c]
            keep = usable[r, c] > np.float32(0.5) and v < np.float32(2)
            a = min(abs(v), np.float32(3))
            size[r, c] = a
            calm[r, c] = np.float32(1) if keep else np.float32(0)
            if keep:
                total += a
                n += 1
    return total / n if n > 0 else 0.0
