"""How far colour, and a frame from before the tracer, explain the NIR background.

Private to `core.analysis`. Leakage and shading are reflectance, and colour sees them. One robust
regression a frame, of band-passed log NIR on the band-passed logs of what is known: the baseline,
red, green and blue. Global and stiff, so that it cannot explain a node away, and blind to bright
residuals, which may be nodes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sln_guide.core.field import Geometry
from sln_guide.core.grid import (
    blur_into,
    divide_into,
    fill_into,
    gaussian_taps,
    log_into,
    multiply_into,
    padded_for,
    shrink_into,
)
from sln_guide.core.kernel import kernel
from sln_guide.core.least_squares import (
    distance_into,
    dot_3,
    invert_into,
    normal_into,
    residual_into,
    solve_into,
    total_of,
)
from sln_guide.core.order import select
from sln_guide.guidance import CannotJudge

_OUTSIDE = np.uint8(CannotJudge.OUTSIDE_REGISTERED_FIELD)
_BASELINE, _RED, _NIR = 0, 1, 4
"""Rows of logs, blurs and samples."""
_STILL_FITS = 0.5
"""Least share of the baseline's texture that must still be in the tissue."""
_FACTOR = 2
_ROUNDS = 4
_FEWEST = 64
"""Samples that a regression needs at least."""
_RIDGE = 0.005
"""Share of colour's variance below which a direction of colour is not trusted."""

Grid = NDArray[np.float32]


class Prior(NamedTuple):
    """Workspace. ``prediction`` (rows, cols): log NIR from what is known, up to a constant.

    ``logs`` (4, rows, cols): baseline, red, green, blue. ``blurs`` (5, levels, ...): these and NIR
    on every second cell; ``samples`` (5, n) likewise. ``good``: where all of them show tissue.
    ``followed``: where the baseline can be told; ``trust``: what a residual counts elsewhere, so
    that texture which only a baseline explains does not stand out where there is none. ``shares``
    (4,): what of each log the prediction holds.
    """

    prediction: Grid
    good: Grid
    followed: Grid
    trust: Grid
    ones: Grid
    logs: Grid
    taps: tuple[Grid, ...]
    padded: Grid
    sums: Grid
    weights: Grid
    blurs: Grid
    line: Grid
    samples: Grid
    weight: Grid
    leverage: Grid
    residual: Grid
    sizes: Grid
    normal: NDArray[np.float64]
    products: NDArray[np.float64]
    inverse: NDArray[np.float64]
    right: NDArray[np.float64]
    beta: NDArray[np.float64]
    shares: NDArray[np.float64]


def prior(geometry: Geometry) -> Prior:
    """Make the workspace."""
    rows, cols = geometry.rows, geometry.cols
    spots = geometry.spot_sigmas
    half = (-(-rows // _FACTOR), -(-cols // _FACTOR))
    taps, had = [], 0.0
    for sigma in (0.9 * spots[0], 0.9 * spots[2], 0.9 * spots[3]):
        taps.append(gaussian_taps(float(np.sqrt(sigma**2 - had**2)) / _FACTOR))
        had = sigma
    levels = len(taps)
    most = (levels - 1) * (-(-half[0] // 2)) * (-(-half[1] // 2))
    return Prior(
        np.zeros((rows, cols), np.float32),
        np.zeros((rows, cols), np.float32),
        np.zeros((rows, cols), np.float32),
        np.ones((rows, cols), np.float32),
        np.ones((rows, cols), np.float32),
        np.zeros((_NIR, rows, cols), np.float32),
        tuple(taps),
        padded_for(half, *taps),
        np.zeros((levels + 1, *half), np.float32),
        np.zeros((levels + 1, *half), np.float32),
        np.zeros((_NIR + 1, levels, *half), np.float32),
        np.zeros(_FACTOR * half[1], np.float32),
        np.zeros((_NIR + 1, most), np.float32),
        np.zeros(most, np.float32),
        np.zeros(most, np.float32),
        np.zeros(most, np.float32),
        np.zeros(most, np.float32),
        np.zeros((_NIR + 1, _NIR + 1)),
        np.zeros((_NIR, _NIR)),
        np.zeros((_NIR, _NIR)),
        np.zeros(_NIR),
        np.zeros(_NIR),
        np.zeros(_NIR),
    )


@kernel(error_model="numpy")
def _gather_bands(samples, sizes, blurs, support, first, end, stride):  # type: ignore[no-untyped-def]
    """Gather band differences of rows ``first`` to ``end`` and NIR, in units of NIR's spread.

    ``blurs`` (images, levels, rows, cols). Returns how many samples there are.
    """
    _, levels, rows, cols = blurs.shape
    n = 0
    for k in range(levels - 1):
        start = n
        for r in range(0, rows, stride):
            for c in range(0, cols, stride):
                if support[r, c] < np.float32(0.9):
                    continue
                samples[_NIR, n] = blurs[_NIR, k, r, c] - blurs[_NIR, k + 1, r, c]
                sizes[n - start] = abs(samples[_NIR, n])
                for i in range(first, end):
                    samples[i, n] = blurs[i, k, r, c] - blurs[i, k + 1, r, c]
                n += 1
        count = n - start
        if count > 0:
            scale = np.float32(1.0 / (select(sizes, count, count // 2) + 1e-9))
            for i in range(_NIR + 1):
                if first <= i < end or i == _NIR:
                    row = samples[i, start:n]
                    for m in range(count):
                        row[m] *= scale
    return n


@kernel(error_model="numpy")
def _leverage_into(p, x, n):  # type: ignore[no-untyped-def]
    """Weigh samples down whose colour is unlike the field's: K / squared Mahalanobis distance.

    What is dyed or fatty differs in a direction in which tissue hardly varies; given full weight,
    it alone would decide there, and a stained node would explain its own light.
    """
    weight, distance = p.leverage, p.residual
    count = x.shape[0]
    products, inverse = p.products[:count, :count], p.inverse[:count, :count]
    for m in range(n):
        weight[m] = np.float32(1)
    cut = np.float32(count)
    for _ in range(3):
        normal_into(products, weight, x, n)
        total = max(float(total_of(weight[:n])), 1e-9)
        trace = 0.0
        for i in range(count):
            trace += products[i, i] / total
        for i in range(count):
            for j in range(count):
                products[i, j] /= total
            products[i, i] += 1e-4 * trace + 1e-12
        if not invert_into(inverse, products):
            return
        distance_into(distance, inverse, x, n)
        for m in range(n):
            d = distance[m]
            weight[m] = cut / (d if d > cut else cut)


@kernel(error_model="numpy")
def _regress(p, first, end, n):  # type: ignore[no-untyped-def]
    """Robust least squares: bounded influence of odd colours and odd light.

    Positive residuals, which may be nodes, count less than negative ones. Returns the spread of
    what is left.
    """
    x, y = p.samples[first:end], p.samples[_NIR]
    count = end - first
    _leverage_into(p, x, n)
    weight, residual, sizes = p.weight, p.residual, p.sizes
    beta, right = p.beta[first:end], p.right[:count]
    normal = p.normal[:count, :count]
    p.beta[:] = 0.0
    spread = np.float32(1)
    for turn in range(_ROUNDS):
        if turn == 0:
            for m in range(n):
                weight[m] = p.leverage[m]
        else:
            residual_into(residual, y, x, beta, n)
            for m in range(n):
                sizes[m] = abs(residual[m])
            spread = np.float32(1.4826 * select(sizes, n, n // 2) + 1e-9)
            for m in range(n):
                e = residual[m] / spread
                up = np.float32(1) / (e * e if e > np.float32(1) else np.float32(1))
                down = np.float32(2) / (-e if e < np.float32(-2) else np.float32(2))
                weight[m] = p.leverage[m] * (up * down)
        normal_into(normal, weight, x, n)
        trace = 0.0
        for i in range(count):
            right[i] = dot_3(weight[:n], x[i, :n], y[:n])
            trace += normal[i, i]
        ridge = _RIDGE * trace / count + 1e-9 * n
        for i in range(count):
            normal[i, i] += ridge
        solve_into(beta, normal, right)
    return spread


@kernel(error_model="numpy")
def _combine_into(out, logs, beta):  # type: ignore[no-untyped-def]
    b0, b1 = np.float32(beta[0]), np.float32(beta[1])
    b2, b3 = np.float32(beta[2]), np.float32(beta[3])
    for r in range(out.shape[0]):
        to, w, x, y, z = out[r], logs[0, r], logs[1, r], logs[2, r], logs[3, r]
        for c in range(to.shape[0]):
            to[c] = b0 * w[c] + b1 * x[c] + b2 * y[c] + b3 * z[c]


@kernel()
def _tell_shares(p):  # type: ignore[no-untyped-def]
    for i in range(_NIR):
        p.shares[i] = p.beta[i]


@kernel(error_model="numpy")
def choose_colour_into(good, judge, usable, planes, covered):  # type: ignore[no-untyped-def]
    """Write where colour and NIR both show tissue; mark what lies outside the white frame.

    ``planes`` (5, rows, cols): red, green, blue counts, largest step and share of samples at full
    scale. ``covered`` float32, 1 inside the white frame.
    """
    for r in range(good.shape[0]):
        to, green, edge, full = good[r], planes[1, r], planes[3, r], planes[4, r]
        u, inside, why = usable[r], covered[r], judge[r]
        for c in range(to.shape[0]):
            tissue = (full[c] < np.float32(0.004)) & (edge[c] < np.float32(0.35))
            tissue &= green[c] >= np.float32(1)
            to[c] = u[c] * inside[c] if tissue else np.float32(0)
        for c in range(to.shape[0]):
            why[c] |= np.uint8(0) if inside[c] > np.float32(0.5) else _OUTSIDE


@kernel(error_model="numpy")
def predict_into(p, log_nir, colour, has_baseline, has_colour, trusted):  # type: ignore[no-untyped-def]
    """Fill `Prior.prediction` from what there is.

    ``colour`` (3, rows, cols) counts. A baseline lies in ``logs[0]``, and where it can be told in
    ``followed``; one that is not ``trusted`` is only held against the tissue. Under what is not
    good (a reflection, a place outside the registered field) the value of the surroundings is
    taken. Returns whether the baseline fits, and whether baseline and colour were used; where
    neither, the prediction is 0.
    """
    first, end = _BASELINE if has_baseline else _RED, _NIR if has_colour else _RED
    if has_baseline:
        multiply_into(p.good, p.good, p.followed)
    if has_colour:
        for k in range(3):
            total = 0.0
            n = 0
            for r in range(0, colour.shape[1], 8):
                for c in range(0, colour.shape[2], 8):
                    total += colour[k, r, c]
                    n += 1
            log_into(p.logs[_RED + k], colour[k], np.float32(max(0.02 * total / n, 1e-3)))
    shrink_into(p.weights[0], p.ones, p.good, _FACTOR, p.line)
    for k in range(len(p.taps)):
        blur_into(p.weights[k + 1], p.weights[k], p.taps[k], p.padded)
    for i in range(_NIR + 1):
        if not (first <= i < end or i == _NIR):
            continue
        shrink_into(p.sums[0], log_nir if i == _NIR else p.logs[i], p.good, _FACTOR, p.line)
        for k in range(len(p.taps)):
            blur_into(p.sums[k + 1], p.sums[k], p.taps[k], p.padded)
            divide_into(p.blurs[i, k], p.sums[k + 1], p.weights[k + 1])
    n = _gather_bands(p.samples, p.sizes, p.blurs, p.weights[0], first, end, 2)
    if n < _FEWEST:
        p.prediction[:] = 0.0
        p.shares[:] = 0.0
        return False, False, False
    if not has_baseline:
        _regress(p, first, end, n)
        for i in range(first, end):
            fill_into(p.logs[i], p.good, p.blurs[i], p.weights[1:], _FACTOR)
        _combine_into(p.prediction, p.logs, p.beta)
        _tell_shares(p)
        return False, False, True
    spread = _regress(p, first, end, n)
    fits = p.beta[_BASELINE] >= _STILL_FITS
    has_baseline = fits and trusted
    for i in range(first, end):
        told = p.followed if i == _BASELINE else p.good
        fill_into(p.logs[i], told, p.blurs[i], p.weights[1:], _FACTOR)
    if has_baseline:
        _combine_into(p.logs[_BASELINE], p.logs, p.beta)  # what the baseline makes of it
        _tell_shares(p)
    without = np.float32(1.0 / 0.6745)
    p.beta[:] = 0.0
    if has_colour:
        without = _regress(p, np.int64(_RED), end, n)
        p.beta[_BASELINE] = 0.0
    _combine_into(p.prediction, p.logs, p.beta)
    if not has_baseline:
        _tell_shares(p)
    else:
        _join(p, min(spread / max(without, np.float32(1e-6)), np.float32(1)))
    return fits, has_baseline, has_colour


@kernel(error_model="numpy")
def _join(p, trust):  # type: ignore[no-untyped-def]
    """Take the baseline's prediction, which lies in its log, where it can be told."""
    rows, cols = p.prediction.shape
    known = p.logs[_BASELINE]
    n = 0
    for r in range(0, rows, 4):
        for c in range(0, cols, 4):
            if p.followed[r, c] > np.float32(0.5) and n < p.sizes.shape[0]:
                p.sizes[n] = known[r, c] - p.prediction[r, c]
                n += 1
    offset = select(p.sizes, n, n // 2) if n > 0 else np.float32(0)
    for r in range(rows):
        for c in range(cols):
            told = p.followed[r, c] > np.float32(0.5)
            p.prediction[r, c] = known[r, c] - offset if told else p.prediction[r, c]
            p.trust[r, c] = np.float32(1) if told else trust
