"""Masked blurs of the grid: a pyramid over a ladder of sizes, and the wider surroundings.

Private to `core.analysis`. Workspaces are made once for a grid; kernels fill them.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sln_guide.core.grid import (
    SPLINE_VARIANCE,
    blur_into,
    divide_into,
    enlarge_into,
    gaussian_taps,
    halve_into,
    multiply_into,
    padded_for,
    shrink_into,
    spline_weights,
)
from sln_guide.core.kernel import kernel

Grid = NDArray[np.float32]


class Pyramid(NamedTuple):
    """Normalised (mask-aware) Gaussian blurs of increasing sigma, each made from the one before.

    From about two cells of its own grid on, a blur is computed on every second cell: nothing finer
    is left in it. Level k lies on every ``factor[k]``-th cell, ``blurs`` (levels, rows, cols) on
    all of them. ``weights`` are the blurs of the mask itself: how far each can be trusted.
    """

    factor: NDArray[np.int64]
    halve_first: NDArray[np.bool_]
    taps: tuple[Grid, ...]
    padded: tuple[Grid, ...]
    half: tuple[Grid, ...]
    sums: tuple[Grid, ...]
    weights: tuple[Grid, ...]
    ratio: tuple[Grid, ...]
    splines: tuple[Grid, ...]
    lines: Grid
    masked: Grid
    blurs: Grid


def pyramid(rows: int, cols: int, sigmas: tuple[float, ...]) -> Pyramid:
    """Make the workspace for blurs of rising ``sigmas`` [cells]."""
    factors, halves, taps, shapes = [], [], [], []
    factor, had, shape = 1, 0.0, (rows, cols)
    for sigma in sigmas:
        halve = had >= 1.8 * factor and min(shape) >= 8
        if halve:
            factor *= 2
            # the last sample lies at the end or beyond it, so that no cell is without one on a side
            shape = (shape[0] // 2 + 1, shape[1] // 2 + 1)
        factors.append(factor)
        halves.append(halve)
        # of a blur that is enlarged, this is left for the taps
        own = sigma**2 - (SPLINE_VARIANCE * factor**2 if factor > 1 else 0.0)
        taps.append(gaussian_taps(math.sqrt(own - had**2) / factor))
        shapes.append(shape)
        had = math.sqrt(own)

    def grids() -> tuple[Grid, ...]:
        return tuple(np.zeros(s, np.float32) for s in shapes)

    # levels of one size share what they work in: it stays in the caches
    padded = {
        shape: padded_for(shape, *(t for t, s in zip(taps, shapes, strict=True) if s == shape))
        for shape in shapes
    }
    return Pyramid(
        np.array(factors),
        np.array(halves),
        tuple(taps),
        tuple(padded[s] for s in shapes),
        grids(),
        grids(),
        grids(),
        grids(),
        tuple(spline_weights(f) for f in factors),
        np.zeros((5, cols + 3), np.float32),
        np.zeros((rows, cols), np.float32),
        np.zeros((len(sigmas), rows, cols), np.float32),
    )


@kernel(error_model="numpy")
def pyramid_into(p, image, weight):  # type: ignore[no-untyped-def]
    """Fill the blurs of ``image`` where it has ``weight``, and those of ``weight``."""
    multiply_into(p.masked, image, weight)
    source = p.masked
    mask = weight
    for k in range(len(p.taps)):
        if p.halve_first[k]:
            halve_into(p.half[k], mask)
            mask = p.half[k]
        blur_into(p.weights[k], mask, p.taps[k], p.padded[k])
        mask = p.weights[k]
        if p.halve_first[k]:
            halve_into(p.half[k], source)
            source = p.half[k]
        blur_into(p.sums[k], source, p.taps[k], p.padded[k])
        source = p.sums[k]
        if p.factor[k] == 1:
            divide_into(p.blurs[k], source, mask)
        else:
            divide_into(p.ratio[k], source, mask)
            enlarge_into(p.blurs[k], p.ratio[k], p.factor[k], p.splines[k], p.lines)


@kernel()
def support_at(p, k, r, c):  # type: ignore[no-untyped-def]
    """Return how far blur ``k`` can be trusted at a cell: the share of its reach that is usable."""
    f = p.factor[k]
    weights = p.weights[k]
    return weights[min(r // f, weights.shape[0] - 1), min(c // f, weights.shape[1] - 1)]


_FACTOR = 4


class Surroundings(NamedTuple):
    """The level of the wider surroundings: a masked blur on every fourth cell."""

    taps: Grid
    padded: Grid
    sums: Grid
    weights: Grid
    blurred: Grid
    blurred_weights: Grid
    line: Grid
    spline: Grid
    lines: Grid
    ones: Grid


def surroundings(rows: int, cols: int, sigma: float) -> Surroundings:
    """Make the workspace for surroundings of ``sigma`` [cells]."""
    shape = (-(-rows // _FACTOR), -(-cols // _FACTOR))
    taps = gaussian_taps(max(sigma / _FACTOR, 0.5))
    return Surroundings(
        taps,
        padded_for(shape, taps),
        np.zeros(shape, np.float32),
        np.zeros(shape, np.float32),
        np.zeros(shape, np.float32),
        np.zeros(shape, np.float32),
        np.zeros(_FACTOR * shape[1], np.float32),
        spline_weights(_FACTOR),
        np.zeros((5, cols + 3), np.float32),
        np.ones((rows, cols), np.float32),
    )


@kernel(error_model="numpy")
def surroundings_into(level, s, values, weight):  # type: ignore[no-untyped-def]
    """Write the blurred level of ``values`` where they have ``weight``."""
    shrink_into(s.sums, values, weight, _FACTOR, s.line)
    shrink_into(s.weights, s.ones, weight, _FACTOR, s.line)
    blur_into(s.blurred, s.sums, s.taps, s.padded)
    blur_into(s.blurred_weights, s.weights, s.taps, s.padded)
    divide_into(s.blurred, s.blurred, s.blurred_weights)
    enlarge_into(level, s.blurred, _FACTOR, s.spline, s.lines)
