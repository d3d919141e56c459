"""How far tissue moved between two white-light frames.

Frames are reduced to the logarithm of their brightness (`core.luminance`), where a change of light
is a change of offset. A phase correlation (Kuglin and Hines 1975) proposes how far the whole
picture moved; blocks then solve for their own displacement by least squares (Lucas and Kanade
1981), and the answer is what most blocks agree on: an instrument that moves over still tissue is
outvoted. Where no such majority exists there is no answer.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from sln_guide.core.kernel import allocating, kernel
from sln_guide.core.opencv import cv2

_BLOCK_PX = 16
_LEAST_SIZE_PX = 8
_ITERATIONS = 8
_MODEL_ERROR_PX = 0.05
"""What a block's displacement is off even without noise: tissue bends."""
_LEAST_MAJORITY = 0.5
_CLEAR_MAJORITY = 0.8
_LARGEST_ERROR_PX = 0.25
_STILL_PX = 0.02
_LEAST_BLOCKS = 4
_TEXTURE_OVER_NOISE = 3.0
_LEAST_TEXTURE = 1e-8
"""Variance of the logarithm below which there is nothing but rounding."""

_F = nb.float32


class Shift(NamedTuple):
    """Displacement in px of the reduced image, x to the right and y down.

    What is at (x, y) in the first image is at (x + dx, y + dy) in the second. ``response`` in
    [0, 1] is the share of the evidence that agrees.
    """

    dx: float
    dy: float
    response: float


def shift_between(first: NDArray[np.float32], second: NDArray[np.float32]) -> Shift | None:
    """Return how far the tissue moved from ``first`` to ``second``; None if it cannot be told.

    Parameters
    ----------
    first, second
        Reduced images of one size, as from `luminance_small`; not modified.

    Returns
    -------
    Shift or None
        None for pictures without texture, of different things, or without a majority.

    Raises
    ------
    ValueError
        Images of different shapes.
    """
    if first.shape != second.shape or first.ndim != 2:
        raise ValueError(f"images must have one shape, not {first.shape} and {second.shape}")
    rows, cols = first.shape
    if min(rows, cols) < _LEAST_SIZE_PX:
        return None
    first, second = _sealed(first), _sealed(second)
    block = _BLOCK_PX if min(rows, cols) >= 4 * _BLOCK_PX else _BLOCK_PX // 2
    slopes = np.empty((2, rows, cols), dtype=np.float32)
    sums = np.empty((-(-rows // block) * -(-cols // block), _SUMS), dtype=np.float64)
    # most often tissue has hardly moved: then its neighbourhood tells, and nothing else is asked
    best = Shift(*_follow_from_rest(sums, first, slopes, second, block))
    if best.response <= _CLEAR_MAJORITY:
        proposal = _proposal(first, second)
        if proposal is not None:
            found = Shift(*_follow_majority(sums, first, slopes, second, block, *proposal))
            # where both agree with themselves, a correlation of everything is the better start
            best = found if found.response >= best.response else best
    return best if best.response >= _LEAST_MAJORITY else None


def warm_up() -> None:
    """Compile what images of any size need, or load it from numba's cache."""
    seeded = np.random.default_rng(0).random((16, 16), dtype=np.float32)
    shift_between(seeded, seeded)


def _sealed(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a contiguous read-only view or copy: one type for numba, whoever made the image."""
    sealed = np.ascontiguousarray(image, dtype=np.float32).view()
    sealed.setflags(write=False)
    return sealed


def _proposal(
    first: NDArray[np.float32], second: NDArray[np.float32]
) -> tuple[float, float] | None:
    """Return where a phase correlation at half size says to begin; None: unmoved, or nowhere."""
    half = (first.shape[1] // 2, first.shape[0] // 2)
    a, b = (cv2.resize(image, half, interpolation=cv2.INTER_AREA) for image in (first, second))
    a -= a.mean()
    b -= b.mean()
    (dx, dy), _ = cv2.phaseCorrelate(a, b, cv2.createHanningWindow(half, cv2.CV_32F))
    if not (math.isfinite(dx) and math.isfinite(dy)) or math.hypot(dx, dy) < 0.25:
        return None
    return 2.0 * dx, 2.0 * dy


@kernel()
def _slopes_into(slopes, image):  # type: ignore[no-untyped-def]
    """Write central differences along x and y; borders are left out by whoever reads them."""
    rows, cols = image.shape
    for y in range(1, rows - 1):
        for x in range(1, cols - 1):
            slopes[0, y, x] = (image[y, x + 1] - image[y, x - 1]) * _F(0.5)
            slopes[1, y, x] = (image[y + 1, x] - image[y - 1, x]) * _F(0.5)


_SUMS = 12
_N, _A, _GX, _GY, _T, _AA, _XX, _XY, _YY, _XT, _YT, _TT = range(_SUMS)


@kernel(fastmath={"reassoc", "contract"})
def _sum_row(sums, a, gx, gy, upper, lower, fx, fy):  # type: ignore[no-untyped-def]
    """Add one row of a block to its ``sums``; ``upper``, ``lower`` are rows of the second image."""
    s_a, s_x, s_y, s_t, s_aa, s_xx = _F(0), _F(0), _F(0), _F(0), _F(0), _F(0)
    s_xy, s_yy, s_xt, s_yt, s_tt = _F(0), _F(0), _F(0), _F(0), _F(0)
    n = a.shape[0]
    upper_next, lower_next = upper[1:], lower[1:]
    for k in range(n):
        top = upper[k] + (upper_next[k] - upper[k]) * fx
        bottom = lower[k] + (lower_next[k] - lower[k]) * fx
        t = a[k] - (top + (bottom - top) * fy)
        s_a += a[k]
        s_x += gx[k]
        s_y += gy[k]
        s_t += t
        s_aa += a[k] * a[k]
        s_xx += gx[k] * gx[k]
        s_xy += gx[k] * gy[k]
        s_yy += gy[k] * gy[k]
        s_xt += gx[k] * t
        s_yt += gy[k] * t
        s_tt += t * t
    sums[_N] += n
    sums[_A] += s_a
    sums[_GX] += s_x
    sums[_GY] += s_y
    sums[_T] += s_t
    sums[_AA] += s_aa
    sums[_XX] += s_xx
    sums[_XY] += s_xy
    sums[_YY] += s_yy
    sums[_XT] += s_xt
    sums[_YT] += s_yt
    sums[_TT] += s_tt


@kernel()
def _sum_blocks_into(sums, first, slopes, second, block, dx, dy):  # type: ignore[no-untyped-def]
    """Sum what the least squares of each block need, ``second`` read at (x + dx, y + dy)."""
    rows, cols = first.shape
    x_shift, y_shift = math.floor(dx), math.floor(dy)
    fx, fy = _F(dx - x_shift), _F(dy - y_shift)
    # first pixel and end for which slopes exist and the second image reaches
    x_low, x_high = max(1, -x_shift), min(cols - 1, cols - 1 - x_shift)
    y_low, y_high = max(1, -y_shift), min(rows - 1, rows - 1 - y_shift)
    sums[:] = 0.0
    across = -(-cols // block)
    for y in range(y_low, y_high):
        for j in range(across):
            x0, x1 = max(j * block, x_low), min((j + 1) * block, x_high)
            if x1 > x0:
                _sum_row(
                    sums[(y // block) * across + j],
                    first[y, x0:x1],
                    slopes[0, y, x0:x1],
                    slopes[1, y, x0:x1],
                    second[y + y_shift, x0 + x_shift : x1 + x_shift + 1],
                    second[y + y_shift + 1, x0 + x_shift : x1 + x_shift + 1],
                    fx,
                    fy,
                )


@kernel()
def _solve_block_into(solved, sums, block):  # type: ignore[no-untyped-def]
    """Solve ``first - second = -(slope . d) + offset`` for one block; False where it cannot be.

    ``solved``: dx, dy, variances of both, normal matrix (xx, xy, yy) and right side (x, y) in
    units of the residual, texture and residual variance.
    """
    n = sums[_N]
    if n < block * block / 2:
        return False
    xx = sums[_XX] - sums[_GX] * sums[_GX] / n
    xy = sums[_XY] - sums[_GX] * sums[_GY] / n
    yy = sums[_YY] - sums[_GY] * sums[_GY] / n
    xt = sums[_XT] - sums[_GX] * sums[_T] / n
    yt = sums[_YT] - sums[_GY] * sums[_T] / n
    tt = sums[_TT] - sums[_T] * sums[_T] / n
    texture = (sums[_AA] - sums[_A] * sums[_A] / n) / n
    determinant = xx * yy - xy * xy
    if not (determinant > 1e-6 * (xx + yy) * (xx + yy) and texture > _LEAST_TEXTURE):
        return False
    dx = (yy * xt - xy * yt) / determinant
    dy = (xx * yt - xy * xt) / determinant
    residual = max((tt - dx * xt - dy * yt) / (n - 3.0), _LEAST_TEXTURE)
    solved[0], solved[1] = dx, dy
    solved[2], solved[3] = residual * yy / determinant, residual * xx / determinant
    solved[4], solved[5], solved[6] = xx / residual, xy / residual, yy / residual
    solved[7], solved[8] = xt / residual, yt / residual
    solved[9], solved[10] = texture, residual
    return True


@kernel()
def _weighted_median(values, weights):  # type: ignore[no-untyped-def]
    """Return the value below which half of the weight lies. Sorts both in place, together."""
    n = values.shape[0]
    total = 0.0
    for i in range(n):
        value, weight = values[i], weights[i]
        total += weight
        j = i
        while j > 0 and values[j - 1] > value:
            values[j], weights[j] = values[j - 1], weights[j - 1]
            j -= 1
        values[j], weights[j] = value, weight
    below = 0.0
    for i in range(n):
        below += weights[i]
        if below >= 0.5 * total:
            return values[i]
    return values[n - 1]


@allocating()
def _follow_majority(sums, first, slopes, second, block, dx, dy):  # type: ignore[no-untyped-def]
    """Return (dx, dy, response) that most blocks agree on, from a start; response 0: none."""
    rows, cols = first.shape
    nothing = (0.0, 0.0, 0.0)
    all_solved = np.empty((sums.shape[0], 11))
    response = 0.0
    for _ in range(_ITERATIONS):
        if not (abs(dx) < 0.5 * cols and abs(dy) < 0.5 * rows):
            return nothing
        _sum_blocks_into(sums, first, slopes, second, block, dx, dy)
        n = 0
        for i in range(sums.shape[0]):
            if _solve_block_into(all_solved[n], sums[i], block):
                n += 1
        if n < _LEAST_BLOCKS:
            return nothing
        # Blocks whose texture does not stand out from what could not be explained say nothing.
        # In pictures of different things that is all of them.
        noise = _weighted_median(all_solved[:n, 10].copy(), np.ones(n))
        kept = 0
        for i in range(n):
            if all_solved[i, 9] > _TEXTURE_OVER_NOISE * noise:
                all_solved[kept] = all_solved[i]
                kept += 1
        if kept < _LEAST_BLOCKS:
            return nothing
        solved = all_solved[:kept]
        x_variance = solved[:, 2] + _MODEL_ERROR_PX**2
        y_variance = solved[:, 3] + _MODEL_ERROR_PX**2
        x_middle = _weighted_median(solved[:, 0].copy(), 1.0 / x_variance)
        y_middle = _weighted_median(solved[:, 1].copy(), 1.0 / y_variance)
        evidence, agreed = 0.0, 0.0
        xx, xy, yy, xt, yt = 0.0, 0.0, 0.0, 0.0, 0.0
        for i in range(kept):
            weight = 1.0 / (x_variance[i] + y_variance[i])
            evidence += weight
            x_off, y_off = solved[i, 0] - x_middle, solved[i, 1] - y_middle
            if x_off * x_off < 9.0 * x_variance[i] and y_off * y_off < 9.0 * y_variance[i]:
                agreed += weight
                xx, xy, yy = xx + solved[i, 4], xy + solved[i, 5], yy + solved[i, 6]
                xt, yt = xt + solved[i, 7], yt + solved[i, 8]
        determinant = xx * yy - xy * xy
        if not determinant > 0.0:
            return nothing
        if max(xx, yy) / determinant > _LARGEST_ERROR_PX**2:
            return nothing
        x_step, y_step = (yy * xt - xy * yt) / determinant, (xx * yt - xy * xt) / determinant
        dx, dy = dx + x_step, dy + y_step
        response = agreed / evidence
        if math.hypot(x_step, y_step) < _STILL_PX:
            return dx, dy, response
    return nothing


@kernel()
def _follow_from_rest(sums, first, slopes, second, block):  # type: ignore[no-untyped-def]
    """Fill ``slopes`` and follow the majority from where nothing has moved."""
    _slopes_into(slopes, first)
    return _follow_majority(sums, first, slopes, second, block, 0.0, 0.0)
