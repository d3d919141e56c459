"""Kernels on the coarse grid: logarithm, mask-aware Gaussian pyramid, resampling.

Private to `core.analysis`. All arrays are float32 and owned by the caller. With numba's own error
model a division tests for zero, and nothing around it becomes SIMD: hence NumPy's.
"""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

_LN2 = np.float32(0.6931471805599453)


@nb.njit(nogil=True, cache=True, error_model="numpy")
def log_into(out, values, floor):  # type: ignore[no-untyped-def]
    """Write ``log(max(values, 0) + floor)``; ``floor`` > 0 keeps noise in the dark small.

    All three are finite float32. Exponent and mantissa are taken apart, the mantissa brought to
    [sqrt(1/2), sqrt(2)) and log m = 2 artanh((m - 1) / (m + 1)) summed to its ninth power:
    relative error below 3e-7, and no call stands in the way of SIMD.
    """
    rows, cols = out.shape
    exponent = np.empty(cols, np.float32)
    for r in range(rows):
        to = out[r]
        given = values[r]
        bits = to.view(np.uint32)
        for c in range(cols):
            v = given[c]
            to[c] = (v if v > np.float32(0) else np.float32(0)) + floor
        for c in range(cols):
            # 0x3F3504F3 is sqrt(1/2): the offset makes the exponent round there, and keeps the
            # word positive, so that a logical shift will do
            b = bits[c] + np.uint32(0x3F800000 - 0x3F3504F3)
            exponent[c] = np.float32(np.uint32(b >> np.uint32(23)))
            bits[c] = (b & np.uint32(0x007FFFFF)) + np.uint32(0x3F3504F3)
        for c in range(cols):
            s = (to[c] - np.float32(1)) / (to[c] + np.float32(1))
            q = s * s
            p = np.float32(0.2222222222) * q + np.float32(0.2857142857)
            p = p * q + np.float32(0.4)
            p = p * q + np.float32(0.6666666667)
            p = p * q + np.float32(2)
            to[c] = s * p + (exponent[c] - np.float32(127)) * _LN2


@nb.njit(nogil=True, cache=True, error_model="numpy")
def exp_into(out, values):  # type: ignore[no-untyped-def]
    """Write ``exp(values)`` for values cut to [-80, 80]; relative error below 3e-7.

    exp x = 2^n exp f with f in [-ln 2 / 2, ln 2 / 2], and exp f as its series.
    """
    flat = out.reshape(out.size)
    given = values.reshape(values.size)
    bits = flat.view(np.int32)
    for i in range(flat.shape[0]):
        v = given[i]
        v = v if v < np.float32(80) else np.float32(80)
        v = v if v > np.float32(-80) else np.float32(-80)
        n = np.int32(v * np.float32(1.4426950409) + np.float32(160.5)) - np.int32(160)
        f = v - np.float32(n) * np.float32(0.693359375)
        f += np.float32(n) * np.float32(2.12194440e-4)
        p = f * np.float32(1.0 / 720.0) + np.float32(1.0 / 120.0)
        p = p * f + np.float32(1.0 / 24.0)
        p = p * f + np.float32(1.0 / 6.0)
        p = p * f + np.float32(0.5)
        p = p * f + np.float32(1)
        p = p * f + np.float32(1)
        flat[i] = p
        bits[i] = bits[i] + (n << np.int32(23))


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _add_pairs(line, before, after, tap):  # type: ignore[no-untyped-def]
    for c in range(line.shape[0]):
        line[c] += tap * (before[c] + after[c])


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _scale_line(line, source, tap):  # type: ignore[no-untyped-def]
    for c in range(line.shape[0]):
        line[c] = tap * source[c]


@nb.njit(nogil=True, cache=True, error_model="numpy")
def blur_into(out, source, taps, padded):  # type: ignore[no-untyped-def]
    """Gaussian blur; ``taps`` is half of the kernel from its centre; outside counts as 0.

    ``padded``, a workspace of zeros (rows + 2 n, cols + 2 n) for n = len(taps) - 1, keeps its
    margins zero.
    """
    rows, cols = source.shape
    n = taps.shape[0] - 1
    line = np.empty(cols, np.float32)
    for r in range(rows):
        wide = padded[r + n]
        wide[n : n + cols] = source[r]
        _scale_line(line, wide[n : n + cols], taps[0])
        for k in range(1, n + 1):
            _add_pairs(line, wide[n - k : n - k + cols], wide[n + k : n + k + cols], taps[k])
        wide[n : n + cols] = line
    for r in range(rows):
        _scale_line(out[r], padded[r + n, n : n + cols], taps[0])
        for k in range(1, n + 1):
            _add_pairs(
                out[r], padded[r + n - k, n : n + cols], padded[r + n + k, n : n + cols], taps[k]
            )


@nb.njit(nogil=True, cache=True, error_model="numpy")
def halve_into(out, source):  # type: ignore[no-untyped-def]
    """Take every second row and column: ``out[i, j] = source[2 i, 2 j]``."""
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            out[r, c] = source[2 * r, 2 * c]


@nb.njit(nogil=True, cache=True, error_model="numpy")
def enlarge_into(out, source, factor, line):  # type: ignore[no-untyped-def]
    """Interpolate ``source`` (samples at every ``factor``-th cell of ``out``) bilinearly.

    ``line``: workspace of at least source.shape[1] + 1.
    """
    rows, cols = out.shape
    last_r, small = source.shape[0] - 1, source.shape[1]
    step = np.float32(1.0) / np.float32(factor)
    if factor == 1:
        for r in range(rows):
            for c in range(cols):
                out[r, c] = source[r, c]
        return
    for r in range(rows):
        i = min(r // factor, last_r)
        a = source[i]
        b = source[min(i + 1, last_r)]
        f = np.float32(r - i * factor) * step
        for j in range(small):
            line[j] = a[j] + f * (b[j] - a[j])
        line[small] = line[small - 1]
        to = out[r]
        for k in range(factor):
            f = np.float32(k) * step
            for j in range((cols - k + factor - 1) // factor):
                to[j * factor + k] = line[j] + f * (line[j + 1] - line[j])


@nb.njit(nogil=True, cache=True, error_model="numpy")
def divide_into(out, sums, weights):  # type: ignore[no-untyped-def]
    """Write ``sums / weights``, 0 where there is hardly any weight."""
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            w = weights[r, c]
            out[r, c] = sums[r, c] / w if w > np.float32(1e-3) else np.float32(0)


@nb.njit(nogil=True, cache=True, error_model="numpy")
def shrink_into(out, kept, source, weight, factor, lines):  # type: ignore[no-untyped-def]
    """Write means of ``source * weight`` and of ``weight`` over ``factor`` x ``factor`` cells.

    Cells beyond the border count as 0. ``lines``: workspace, (2, factor * out.shape[1]).
    """
    rows, cols = source.shape
    share = np.float32(1.0) / np.float32(factor * factor)
    light, mask = lines[0], lines[1]
    for i in range(out.shape[0]):
        light[:] = np.float32(0)
        mask[:] = np.float32(0)
        for r in range(i * factor, min(i * factor + factor, rows)):
            for c in range(cols):
                light[c] += source[r, c] * weight[r, c]
                mask[c] += weight[r, c]
        for j in range(out.shape[1]):
            total = np.float32(0)
            w = np.float32(0)
            for c in range(j * factor, j * factor + factor):
                total += light[c]
                w += mask[c]
            out[i, j] = total * share
            kept[i, j] = w * share


@nb.njit(nogil=True, cache=True, error_model="numpy")
def fill_into(image, weight, blurs, support, factor):  # type: ignore[no-untyped-def]
    """Replace cells without ``weight``, in place, by the finest blur with enough support.

    ``blurs`` and ``support`` (levels, ...) are on a grid coarser by ``factor``.
    """
    last = blurs.shape[0] - 1
    for r in range(image.shape[0]):
        i = r // factor
        for c in range(image.shape[1]):
            if weight[r, c] > np.float32(0.5):
                continue
            j = c // factor
            k = 0
            while k < last and support[k, i, j] < np.float32(0.25):
                k += 1
            image[r, c] = blurs[k, i, j]


@nb.njit(nogil=True, cache=True, error_model="numpy")
def sample_into(out, source, at, weight):  # type: ignore[no-untyped-def]
    """Sample ``source`` bilinearly through a table.

    ``at`` (N, 4) int32 flat indices into a plane of ``source`` (planes, rows, cols), ``weight``
    (N, 4) float32; ``out`` (planes, N).
    """
    planes = source.shape[0]
    flat = source.reshape(planes, source.shape[1] * source.shape[2])
    for p in range(planes):
        s = flat[p]
        for i in range(at.shape[0]):
            out[p, i] = (
                s[at[i, 0]] * weight[i, 0]
                + s[at[i, 1]] * weight[i, 1]
                + s[at[i, 2]] * weight[i, 2]
                + s[at[i, 3]] * weight[i, 3]
            )


def gaussian_taps(sigma: float) -> NDArray[np.float32]:
    """Return half of a normalised Gaussian kernel from its centre on, cut at 3 sigma."""
    if sigma <= 0:
        return np.ones(1, np.float32)
    radius = max(1, int(np.ceil(3.0 * sigma)))
    half = np.exp(-0.5 * (np.arange(radius + 1) / sigma) ** 2)
    taps: NDArray[np.float32] = (half / (half[0] + 2 * half[1:].sum())).astype(np.float32)
    return taps
