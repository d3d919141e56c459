"""Kernels that write the maps an `Analysis` hands out. Private to `core.analysis`."""

from __future__ import annotations

import math

import numpy as np

from sln_guide.core.grid import exp_into
from sln_guide.core.kernel import kernel
from sln_guide.core.order import quantile, two_quantiles

_MOST = 0.75
"""Share of the tissue for which the one limit that is told holds."""
_PLAIN_SPREAD = 0.048
"""Least spread of log NIR a field without any signal is taken to have."""


@kernel(error_model="numpy")
def _light_into(lit, sample, trend, prediction, smooth, log, usable):  # type: ignore[no-untyped-def]
    """Write the smoothed logarithm of the light; return (its 10 %, 40 % quantile, cells seen)."""
    rows, cols = lit.shape
    for r in range(rows):
        to, a, b, c, d, u = lit[r], trend[r], prediction[r], smooth[r], log[r], usable[r]
        for k in range(cols):
            v = a[k] + b[k] + c[k]
            to[k] = v if u[k] > np.float32(0.5) else d[k]
    n = 0
    for r in range(0, rows, 3):
        for k in range(0, cols, 3):
            if usable[r, k] > np.float32(0.5):
                sample[n] = lit[r, k]
                n += 1
    if n == 0:
        return 0.0, 0.0, 0
    low, ground = two_quantiles(sample, n, 0.1, 0.4)
    return low, ground, n


@kernel(error_model="numpy")
def maps_into(  # type: ignore[no-untyped-def]
    significance,
    signal,
    background,
    limits,
    lines,
    sample,
    mean,
    judge,
    usable,
    log,
    local,
    spread,
    trend,
    prediction,
    smooth,
    widest,
    noise,
    floor,
    unit,
    step,
    threshold,
):
    """Write the maps.

    Returns the 99 % quantile of the signal that is significant, negative where nothing is, and the
    limit that holds for most of the tissue that can be judged, infinite where none can.

    The significance is the larger of a spot's (``local``) and of light above the darker, larger
    part of the field. What fluoresces over more than a node's size is no node, but it is light,
    and the operator shall see it. The spread of the darker part is its texture, shading and noise;
    being a lower quantile, it knows nothing of what glows. Where tissue itself is uneven that
    spread is wide, and only what is several times brighter is shown.

    The background is that of whichever it is: the wide surroundings, or the darker part of the
    field. Out: (rows, cols) float32, signal and background [counts/(ms*gain)], ``limits`` the
    contrast that a call needs, infinite where nothing can be judged. ``smooth`` is the finest and
    ``widest`` the widest blur of the residual, ``noise`` that of the finest blur [counts];
    ``step`` the limit's logarithm in calm texture. ``lines`` (2, cols) and ``sample`` are
    workspaces.
    """
    rows, cols = mean.shape
    # the maps lie where nothing is written yet: `signal` holds the light until its row is done
    low, ground, seen = _light_into(signal, sample, trend, prediction, smooth, log, usable)
    sigma = math.hypot(math.hypot(0.7 * (ground - low), _PLAIN_SPREAD), noise / math.exp(ground))
    per_sigma = np.float32(1.0 / sigma if seen > 0 else 0.0)
    level = np.float32(ground)
    base = np.float32(max(math.exp(ground) - floor, 0.0))
    near = lines[0]
    zero = np.float32(0)
    tops = 0
    for r in range(rows):
        a, b, c = trend[r], prediction[r], widest[r]
        for k in range(cols):
            near[k] = a[k] + b[k] + c[k]
        exp_into(near, near)
        here, lit, to, under, spot = mean[r], signal[r], significance[r], background[r], local[r]
        for k in range(cols):
            v = near[k] - floor
            v = v if v > zero else zero
            e = (lit[k] - level) * per_sigma
            wide = e > spot[k]
            added = here[k] - v
            above = here[k] - base
            more = above if above > added else added
            added = more if wide else added
            to[k] = e if wide else spot[k]
            lit[k] = (added if added > zero else zero) * unit
            under[k] = v * unit
        s, limit = spread[r], limits[r]
        for k in range(cols):
            limit[k] = s[k] * step
        exp_into(limit, limit)
        why = judge[r]
        n = 0
        for k in range(cols):
            limit[k] = np.float32(np.inf) if why[k] != 0 else limit[k] - np.float32(1)
            n += (to[k] > threshold) & (why[k] == 0)
        if n > 0:
            for k in range(cols):
                if to[k] > threshold and why[k] == 0:
                    sample[tops] = lit[k]
                    tops += 1
    top = quantile(sample, tops, 0.99) if tops > 0 else np.float32(-1)
    n = 0
    for r in range(0, rows, 3):
        for k in range(0, cols, 3):
            if judge[r, k] == 0:
                sample[n] = limits[r, k]
                n += 1
    return top, quantile(sample, n, _MOST) if n > 0 else np.float32(np.inf)
