"""How far colour explains the NIR background.

Private to `core.analysis`. Leakage and shading are reflectance, and colour sees them. One robust
regression a frame, of band-passed log NIR on the band-passed logs of red, green and blue: global
and stiff, so that it cannot explain a node away, and blind to bright residuals, which may be nodes.
"""

from __future__ import annotations

from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from sln_guide.core.field import Geometry
from sln_guide.core.grid import (
    blur_into,
    divide_into,
    fill_into,
    gaussian_taps,
    log_into,
    select,
    shrink_into,
)
from sln_guide.core.least_squares import (
    distance_into,
    invert_into,
    normal_into,
    residual_into,
    solve_into,
    total_of,
)
from sln_guide.core.pyramid import padded_for
from sln_guide.guidance import CannotJudge

_OUTSIDE = np.uint8(CannotJudge.OUTSIDE_REGISTERED_FIELD)
_FACTOR = 2
_ROUNDS = 4
_FEWEST = 64
"""Samples that a regression needs at least."""
_RIDGE = 0.005
"""Share of colour's variance below which a direction of colour is not trusted."""

Grid = NDArray[np.float32]


class ColourPrior(NamedTuple):
    """Workspace. ``prediction`` (rows, cols): log NIR from colour, up to a constant.

    ``blurs`` (4, levels, ...): NIR, red, green, blue on every second cell. ``samples`` (4, n):
    red, green, blue and NIR.
    """

    prediction: Grid
    good: Grid
    ones: Grid
    logs: Grid
    taps: tuple[Grid, ...]
    padded: tuple[Grid, ...]
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
    colours: NDArray[np.float64]
    inverse: NDArray[np.float64]
    right: NDArray[np.float64]
    beta: NDArray[np.float64]


def colour_prior(geometry: Geometry) -> ColourPrior:
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
    return ColourPrior(
        np.zeros((rows, cols), np.float32),
        np.zeros((rows, cols), np.float32),
        np.ones((rows, cols), np.float32),
        np.zeros((3, rows, cols), np.float32),
        tuple(taps),
        tuple(padded_for(half, t) for t in taps),
        np.zeros((levels + 1, *half), np.float32),
        np.zeros((levels + 1, *half), np.float32),
        np.zeros((4, levels, *half), np.float32),
        np.zeros(_FACTOR * half[1], np.float32),
        np.zeros((4, most), np.float32),
        np.zeros(most, np.float32),
        np.zeros(most, np.float32),
        np.zeros(most, np.float32),
        np.zeros(most, np.float32),
        np.zeros((4, 4)),
        np.zeros((3, 3)),
        np.zeros((3, 3)),
        np.zeros(3),
        np.zeros(3),
    )


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _gather_bands(samples, sizes, blurs, support, stride):  # type: ignore[no-untyped-def]
    """Gather band differences of colours and NIR, each band in units of NIR's spread.

    ``blurs`` (images, levels, rows, cols), NIR first. Returns how many samples there are.
    """
    _, levels, rows, cols = blurs.shape
    n = 0
    for k in range(levels - 1):
        start = n
        for r in range(0, rows, stride):
            for c in range(0, cols, stride):
                if support[r, c] < np.float32(0.9):
                    continue
                samples[3, n] = blurs[0, k, r, c] - blurs[0, k + 1, r, c]
                sizes[n - start] = abs(samples[3, n])
                for i in range(3):
                    samples[i, n] = blurs[i + 1, k, r, c] - blurs[i + 1, k + 1, r, c]
                n += 1
        count = n - start
        if count > 0:
            scale = np.float32(1.0 / (select(sizes, count, count // 2) + 1e-9))
            for i in range(4):
                row = samples[i, start:n]
                for m in range(count):
                    row[m] *= scale
    return n


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _leverage_into(p, n):  # type: ignore[no-untyped-def]
    """Weigh samples down whose colour is unlike the field's: 3 / squared Mahalanobis distance.

    What is dyed or fatty differs in a direction in which tissue hardly varies; given full weight,
    it alone would decide there, and a stained node would explain its own light.
    """
    weight, distance = p.leverage, p.residual
    for m in range(n):
        weight[m] = np.float32(1)
    for _ in range(3):
        normal_into(p.colours, weight, p.samples[:3], n)
        total = max(float(total_of(weight[:n])), 1e-9)
        trace = p.colours[0, 0] + p.colours[1, 1] + p.colours[2, 2]
        for i in range(3):
            for j in range(3):
                p.colours[i, j] /= total
            p.colours[i, i] += 1e-4 * trace / total + 1e-12
        if not invert_into(p.inverse, p.colours):
            return
        distance_into(distance, p.inverse, p.samples[:3], n)
        for m in range(n):
            d = distance[m]
            weight[m] = np.float32(3) / (d if d > np.float32(3) else np.float32(3))


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _regress(p, n):  # type: ignore[no-untyped-def]
    """Robust least squares: bounded influence of odd colours and odd light.

    Positive residuals, which may be nodes, count less than negative ones.
    """
    _leverage_into(p, n)
    weight, residual, sizes = p.weight, p.residual, p.sizes
    p.beta[:] = 0.0
    for turn in range(_ROUNDS):
        if turn == 0:
            for m in range(n):
                weight[m] = p.leverage[m]
        else:
            residual_into(residual, p.samples[3], p.samples[:3], p.beta, n)
            for m in range(n):
                sizes[m] = abs(residual[m])
            spread = np.float32(1.4826 * select(sizes, n, n // 2) + 1e-9)
            for m in range(n):
                e = residual[m] / spread
                up = np.float32(1) / (e * e if e > np.float32(1) else np.float32(1))
                down = np.float32(2) / (-e if e < np.float32(-2) else np.float32(2))
                weight[m] = p.leverage[m] * (up * down)
        normal_into(p.normal, weight, p.samples, n)
        ridge = _RIDGE * (p.normal[0, 0] + p.normal[1, 1] + p.normal[2, 2]) / 3.0 + 1e-9 * n
        for i in range(3):
            p.right[i] = p.normal[i, 3]
            p.normal[i, i] += ridge
        solve_into(p.beta, p.normal[:3, :3], p.right)


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _combine_into(out, logs, beta):  # type: ignore[no-untyped-def]
    b0, b1, b2 = np.float32(beta[0]), np.float32(beta[1]), np.float32(beta[2])
    for r in range(out.shape[0]):
        to, x, y, z = out[r], logs[0, r], logs[1, r], logs[2, r]
        for c in range(to.shape[0]):
            to[c] = b0 * x[c] + b1 * y[c] + b2 * z[c]


@nb.njit(nogil=True, cache=True, error_model="numpy")
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


@nb.njit(nogil=True, cache=True, error_model="numpy")
def predict_into(p, log_nir, colour, good):  # type: ignore[no-untyped-def]
    """Fill `ColourPrior.prediction`; False, and zeros: too little is ``good`` to tell.

    ``colour`` (3, rows, cols) counts. Under what is not good (a reflection, a place outside
    the registered field) the colour of the surroundings is taken.
    """
    for k in range(3):
        total = 0.0
        n = 0
        for r in range(0, colour.shape[1], 8):
            for c in range(0, colour.shape[2], 8):
                total += colour[k, r, c]
                n += 1
        log_into(p.logs[k], colour[k], np.float32(max(0.02 * total / n, 1e-3)))
    shrink_into(p.weights[0], p.ones, good, _FACTOR, p.line)
    for k in range(len(p.taps)):
        blur_into(p.weights[k + 1], p.weights[k], p.taps[k], p.padded[k])
    for i in range(4):
        shrink_into(p.sums[0], log_nir if i == 0 else p.logs[i - 1], good, _FACTOR, p.line)
        for k in range(len(p.taps)):
            blur_into(p.sums[k + 1], p.sums[k], p.taps[k], p.padded[k])
            divide_into(p.blurs[i, k], p.sums[k + 1], p.weights[k + 1])
    n = _gather_bands(p.samples, p.sizes, p.blurs, p.weights[0], 2)
    if n < _FEWEST:
        p.prediction[:] = 0.0
        return False
    _regress(p, n)
    for i in range(3):
        fill_into(p.logs[i], good, p.blurs[i + 1], p.weights[1:], _FACTOR)
    _combine_into(p.prediction, p.logs, p.beta)
    return True
