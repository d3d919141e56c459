"""What the lamp explains: a robust paraboloid in the logarithm. Private to `core.analysis`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sln_guide.core.kernel import kernel
from sln_guide.core.least_squares import normal_into, residual_into, solve_into
from sln_guide.core.order import select

_ROUNDS = 3


class Trend(NamedTuple):
    """Workspace. ``trend`` and ``residual`` (rows, cols) float32 are what `take_trend_off` finds.

    ``samples`` (7, n): the six terms of a paraboloid, and the value.
    """

    trend: NDArray[np.float32]
    residual: NDArray[np.float32]
    stride: int
    samples: NDArray[np.float32]
    weight: NDArray[np.float32]
    errors: NDArray[np.float32]
    sizes: NDArray[np.float32]
    normal: NDArray[np.float64]
    right: NDArray[np.float64]
    beta: NDArray[np.float64]


def trend(rows: int, cols: int) -> Trend:
    """Make the workspace."""
    stride = 4 if min(rows, cols) >= 24 else 1
    most = -(-rows // stride) * -(-cols // stride)
    return Trend(
        np.zeros((rows, cols), np.float32),
        np.zeros((rows, cols), np.float32),
        stride,
        np.zeros((7, most), np.float32),
        np.zeros(most, np.float32),
        np.zeros(most, np.float32),
        np.zeros(most, np.float32),
        np.zeros((7, 7)),
        np.zeros(6),
        np.zeros(6),
    )


@kernel(error_model="numpy")
def _sample_into(t, image, prediction, weight):  # type: ignore[no-untyped-def]
    """Gather usable cells, a few in each direction; return how many."""
    rows, cols = image.shape
    samples = t.samples
    n = 0
    for r in range(t.stride // 2, rows, t.stride):
        v = np.float32(2.0 * r / max(rows - 1, 1) - 1.0)
        for c in range(t.stride // 2, cols, t.stride):
            if weight[r, c] < np.float32(0.5):
                continue
            u = np.float32(2.0 * c / max(cols - 1, 1) - 1.0)
            samples[0, n] = np.float32(1)
            samples[1, n] = u
            samples[2, n] = v
            samples[3, n] = u * u
            samples[4, n] = u * v
            samples[5, n] = v * v
            samples[6, n] = image[r, c] - prediction[r, c]
            n += 1
    return n


@kernel(error_model="numpy")
def take_trend_off(t, image, prediction, weight):  # type: ignore[no-untyped-def]
    """Fill `Trend.trend` and `Trend.residual` = image - prediction - trend."""
    n = _sample_into(t, image, prediction, weight)
    beta, errors, sizes, w = t.beta, t.errors, t.sizes, t.weight
    beta[:] = 0.0
    for i in range(n):
        w[i] = np.float32(1)
    for turn in range(_ROUNDS):
        if turn > 0:
            residual_into(errors, t.samples[6], t.samples[:6], beta, n)
            for i in range(n):
                sizes[i] = abs(errors[i])
            spread = np.float32(1.5 * 1.4826 * select(sizes, n, n // 2) + 1e-9) if n > 0 else 1.0
            for i in range(n):
                e = abs(errors[i])
                w[i] = spread / (e if e > spread else spread)
        normal_into(t.normal, w, t.samples, n)
        for i in range(6):
            t.right[i] = t.normal[i, 6]
            t.normal[i, i] += 1e-6 * max(n, 1)
        solve_into(beta, t.normal[:6, :6], t.right)
    _apply(t.residual, t.trend, image, prediction, beta)


@kernel(error_model="numpy")
def _apply(residual, trend, image, prediction, beta):  # type: ignore[no-untyped-def]
    """Write the paraboloid, and what it and ``prediction`` leave of ``image``."""
    rows, cols = image.shape
    b0, b1, b2 = np.float32(beta[0]), np.float32(beta[1]), np.float32(beta[2])
    b4, b5, curve = np.float32(beta[4]), np.float32(beta[5]), np.float32(beta[3])
    step = np.float32(2.0 / max(cols - 1, 1))
    for r in range(rows):
        v = np.float32(2.0 * r / max(rows - 1, 1) - 1.0)
        base = b0 + b2 * v + b5 * v * v
        slope = b1 + b4 * v
        given, told, to, left = image[r], prediction[r], trend[r], residual[r]
        for c in range(cols):
            u = np.float32(c) * step - np.float32(1.0)
            p = base + slope * u + curve * u * u
            to[c] = p
            left[c] = given[c] - told[c] - p
