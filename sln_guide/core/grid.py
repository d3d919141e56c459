"""Kernels on the coarse grid: logarithm, mask-aware Gaussian blurs, resampling.

Private to `core.analysis`. All arrays are float32 and owned by the caller. With numba's own error
model a division tests for zero, and nothing around it becomes SIMD: hence NumPy's.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sln_guide.core.kernel import allocating, kernel

_LN2 = np.float32(0.6931471805599453)
_REACHED = np.float32(0.05)
"""Share of a blur's weight that must lie on what is known, for the blur to tell it alone."""
_CHUNK = 1024
"""Cells at a time where a result goes through a workspace that shall stay in the nearest cache."""


@allocating(error_model="numpy")
def log_into(out, values, floor):  # type: ignore[no-untyped-def]
    """Write ``log(max(values + floor, 0.3 * floor))``; ``floor`` > 0 keeps noise in the dark small.

    Noise about nothing stays even on both sides: were all below nothing one value, a dark level
    set half a count too high would leave half a field without any noise, and the rest standing out.
    All three are finite float32. Exponent and mantissa are taken apart, the mantissa brought to
    [sqrt(1/2), sqrt(2)) and log m = 2 artanh((m - 1) / (m + 1)) summed to its ninth power:
    relative error below 3e-7, and no call stands in the way of SIMD.
    """
    _log_rows(out, out.view(np.uint32), values, floor, np.empty(out.shape[1], np.float32))


@kernel(error_model="numpy")
def _log_rows(out, words, values, floor, exponent):  # type: ignore[no-untyped-def]
    rows, cols = out.shape
    least = np.float32(0.3) * floor
    for r in range(rows):
        to, bits, given = out[r], words[r], values[r]
        for c in range(cols):
            v = given[c] + floor
            to[c] = v if v > least else least
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


@kernel(error_model="numpy")
def _exp_parts(rest, power, given):  # type: ignore[no-untyped-def]
    """Split x: ``power`` holds the bits of 2^n, and exp x is that times exp ``rest``."""
    for i in range(given.shape[0]):
        v = given[i]
        v = v if v < np.float32(80) else np.float32(80)
        v = v if v > np.float32(-80) else np.float32(-80)
        n = np.int32(v * np.float32(1.4426950409) + np.float32(160.5)) - np.int32(160)
        f = v - np.float32(n) * np.float32(0.693359375)
        rest[i] = f + np.float32(n) * np.float32(2.12194440e-4)
        power[i] = (n + np.int32(127)) << np.int32(23)


@kernel(error_model="numpy")
def _exp_of_parts(to, rest, power):  # type: ignore[no-untyped-def]
    for i in range(to.shape[0]):
        f = rest[i]
        p = f * np.float32(1.0 / 720.0) + np.float32(1.0 / 120.0)
        p = p * f + np.float32(1.0 / 24.0)
        p = p * f + np.float32(1.0 / 6.0)
        p = p * f + np.float32(0.5)
        p = p * f + np.float32(1)
        p = p * f + np.float32(1)
        to[i] = p * power[i]


@allocating(error_model="numpy")
def exp_into(out, values):  # type: ignore[no-untyped-def]
    """Write ``exp(values)`` for values cut to [-80, 80]; relative error below 3e-7.

    exp x = 2^n exp f with f in [-ln 2 / 2, ln 2 / 2], and exp f as its series. In place as well:
    nothing is read from where it was written, which would not become SIMD.
    """
    flat = out.reshape(out.size)
    given = values.reshape(values.size)
    rest = np.empty(_CHUNK, np.float32)
    power = np.empty(_CHUNK, np.int32)
    for first in range(0, flat.shape[0], _CHUNK):
        end = min(first + _CHUNK, flat.shape[0])
        n = end - first
        _exp_parts(rest[:n], power[:n], given[first:end])
        _exp_of_parts(flat[first:end], rest[:n], power[:n].view(np.float32))


@kernel(error_model="numpy")
def multiply_into(out, a, b):  # type: ignore[no-untyped-def]
    """Write ``a * b``."""
    for r in range(out.shape[0]):
        to, x, y = out[r], a[r], b[r]
        for c in range(to.shape[0]):
            to[c] = x[c] * y[c]


@kernel(error_model="numpy")
def keep_larger(line, a):  # type: ignore[no-untyped-def]
    """Keep the larger of each two values."""
    for c in range(line.shape[0]):
        line[c] = a[c] if a[c] > line[c] else line[c]


@kernel(error_model="numpy")
def copy_line(line, given):  # type: ignore[no-untyped-def]
    """Copy a line: on slices, because an index with something added to it is no SIMD."""
    for c in range(line.shape[0]):
        line[c] = given[c]


@kernel(error_model="numpy")
def _blend_5(line, at, b1, a1, b2, a2, t0, t1, t2):  # type: ignore[no-untyped-def]
    for c in range(line.shape[0]):
        line[c] = t0 * at[c] + t1 * (b1[c] + a1[c]) + t2 * (b2[c] + a2[c])


@kernel(error_model="numpy")
def _blend_9(line, at, b1, a1, b2, a2, b3, a3, b4, a4, t0, t1, t2, t3, t4):  # type: ignore[no-untyped-def]
    for c in range(line.shape[0]):
        near = t0 * at[c] + t1 * (b1[c] + a1[c]) + t2 * (b2[c] + a2[c])
        line[c] = near + (t3 * (b3[c] + a3[c]) + t4 * (b4[c] + a4[c]))


@kernel(error_model="numpy")
def _add_4(line, b1, a1, b2, a2, t1, t2):  # type: ignore[no-untyped-def]
    for c in range(line.shape[0]):
        line[c] += t1 * (b1[c] + a1[c]) + t2 * (b2[c] + a2[c])


@kernel(error_model="numpy")
def _add_8(line, b1, a1, b2, a2, b3, a3, b4, a4, t1, t2, t3, t4):  # type: ignore[no-untyped-def]
    for c in range(line.shape[0]):
        near = line[c] + (t1 * (b1[c] + a1[c]) + t2 * (b2[c] + a2[c]))
        line[c] = near + (t3 * (b3[c] + a3[c]) + t4 * (b4[c] + a4[c]))


@kernel(error_model="numpy")
def _blur_along(to, given, first, end, step, taps):  # type: ignore[no-untyped-def]
    """Blur cells ``first`` to ``end`` of a flat image along cells ``step`` apart.

    As many taps at once as there are: each pass reads and writes the whole line again.
    """
    n = taps.shape[0] - 1
    line, at = to[first:end], given[first:end]
    s, t = step, 2 * step
    b1, a1 = given[first - s : end - s], given[first + s : end + s]
    b2, a2 = given[first - t : end - t], given[first + t : end + t]
    if n < 4:
        _blend_5(line, at, b1, a1, b2, a2, taps[0], taps[1], taps[2])
        return
    s, t = 3 * step, 4 * step
    b3, a3 = given[first - s : end - s], given[first + s : end + s]
    b4, a4 = given[first - t : end - t], given[first + t : end + t]
    _blend_9(line, at, b1, a1, b2, a2, b3, a3, b4, a4, taps[0], taps[1], taps[2], taps[3], taps[4])
    k = 5
    while k <= n:
        s, t = k * step, (k + 1) * step
        b1, a1 = given[first - s : end - s], given[first + s : end + s]
        b2, a2 = given[first - t : end - t], given[first + t : end + t]
        if k + 2 > n:
            _add_4(line, b1, a1, b2, a2, taps[k], taps[k + 1])
            return
        s, t = (k + 2) * step, (k + 3) * step
        b3, a3 = given[first - s : end - s], given[first + s : end + s]
        b4, a4 = given[first - t : end - t], given[first + t : end + t]
        _add_8(line, b1, a1, b2, a2, b3, a3, b4, a4, taps[k], taps[k + 1], taps[k + 2], taps[k + 3])
        k += 4


@kernel(error_model="numpy")
def blur_into(out, source, taps, padded):  # type: ignore[no-untyped-def]
    """Gaussian blur; ``taps`` is half of the kernel from its centre; outside counts as 0.

    ``taps`` holds an even number after the centre's. ``padded``: `padded_for`. With margins of
    zeros between them rows lie end to end: one long line is quicker than many short ones.
    """
    rows, cols = source.shape
    wide = padded.shape[2]
    n = (wide - cols) // 2
    first, end = n * wide + n, (n + rows) * wide - n
    image = padded[0].reshape(padded[0].size)
    across = padded[1].reshape(padded[0].size)
    down = padded[2].reshape(padded[0].size)
    for r in range(rows):
        copy_line(padded[0, r + n, n : n + cols], source[r])
    _blur_along(across, image, first, end, 1, taps)
    _blur_along(down, across, first, end, wide, taps)
    for r in range(rows):
        copy_line(out[r], padded[2, r + n, n : n + cols])


def padded_for(shape: tuple[int, int], *taps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what `blur_into` needs for images of ``shape``: three with room for any ``taps``."""
    margin = 2 * (max(len(each) for each in taps) - 1)
    return np.zeros((3, shape[0] + margin, shape[1] + margin), np.float32)


@kernel(error_model="numpy")
def halve_into(out, source):  # type: ignore[no-untyped-def]
    """Take every second row and column: ``out[i, j] = source[2 i, 2 j]``, 0 beyond the end."""
    within_r, within_c = (source.shape[0] + 1) // 2, (source.shape[1] + 1) // 2
    for r in range(out.shape[0]):
        to = out[r]
        for c in range(to.shape[0]):
            to[c] = np.float32(0)
        if r < within_r:
            given = source[2 * r]
            for c in range(within_c):
                to[c] = given[2 * c]


@kernel(error_model="numpy")
def _mix_lines(line, a, b, f):  # type: ignore[no-untyped-def]
    for j in range(a.shape[0]):
        line[j] = a[j] + f * (b[j] - a[j])


@kernel(error_model="numpy")
def _spread_2(to, line):  # type: ignore[no-untyped-def]
    for j in range(to.shape[0] // 2):
        v = line[j]
        to[2 * j] = v
        to[2 * j + 1] = v + np.float32(0.5) * (line[j + 1] - v)


@kernel(error_model="numpy")
def _spread_4(to, line):  # type: ignore[no-untyped-def]
    for j in range(to.shape[0] // 4):
        v = line[j]
        d = np.float32(0.25) * (line[j + 1] - v)
        to[4 * j] = v
        to[4 * j + 1] = v + d
        to[4 * j + 2] = v + np.float32(2) * d
        to[4 * j + 3] = v + np.float32(3) * d


@kernel(error_model="numpy")
def _spread_8(to, line):  # type: ignore[no-untyped-def]
    for j in range(to.shape[0] // 8):
        v = line[j]
        d = np.float32(0.125) * (line[j + 1] - v)
        to[8 * j] = v
        to[8 * j + 1] = v + d
        to[8 * j + 2] = v + np.float32(2) * d
        to[8 * j + 3] = v + np.float32(3) * d
        to[8 * j + 4] = v + np.float32(4) * d
        to[8 * j + 5] = v + np.float32(5) * d
        to[8 * j + 6] = v + np.float32(6) * d
        to[8 * j + 7] = v + np.float32(7) * d


@kernel(error_model="numpy")
def enlarge_into(out, source, factor, line):  # type: ignore[no-untyped-def]
    """Interpolate ``source`` (samples at every ``factor``-th cell of ``out``) bilinearly.

    ``line``: workspace of at least source.shape[1] + 1.
    """
    rows, cols = out.shape
    last_r, small = source.shape[0] - 1, source.shape[1]
    step = np.float32(1.0) / np.float32(factor)
    if factor == 1:
        for r in range(rows):
            to, given = out[r], source[r]
            for c in range(cols):
                to[c] = given[c]
        return
    for r in range(rows):
        i = min(r // factor, last_r)
        _mix_lines(line, source[i], source[min(i + 1, last_r)], np.float32(r - i * factor) * step)
        line[small] = line[small - 1]
        to = out[r]
        done = 0
        if factor == 2:
            _spread_2(to, line)
            done = cols // 2 * 2
        elif factor == 4:
            _spread_4(to, line)
            done = cols // 4 * 4
        elif factor == 8:
            _spread_8(to, line)
            done = cols // 8 * 8
        for c in range(done, cols):
            j = c // factor
            to[c] = line[j] + np.float32(c - j * factor) * step * (line[j + 1] - line[j])


@kernel(error_model="numpy")
def divide_into(out, sums, weights):  # type: ignore[no-untyped-def]
    """Write ``sums / weights``, 0 where there is hardly any weight."""
    for r in range(out.shape[0]):
        to, given, weight = out[r], sums[r], weights[r]
        for c in range(to.shape[0]):
            w = weight[c]
            v = given[c] / (w if w > np.float32(1e-3) else np.float32(1))
            to[c] = v if w > np.float32(1e-3) else np.float32(0)


@kernel(error_model="numpy")
def _add_product(line, a, b):  # type: ignore[no-untyped-def]
    for c in range(a.shape[0]):
        line[c] += a[c] * b[c]


@kernel(error_model="numpy")
def _mean_2(to, line, share):  # type: ignore[no-untyped-def]
    for j in range(to.shape[0]):
        to[j] = (line[2 * j] + line[2 * j + 1]) * share


@kernel(error_model="numpy")
def _mean_4(to, line, share):  # type: ignore[no-untyped-def]
    for j in range(to.shape[0]):
        low = line[4 * j] + line[4 * j + 1]
        to[j] = (low + (line[4 * j + 2] + line[4 * j + 3])) * share


@kernel(error_model="numpy")
def shrink_into(out, source, weight, factor, line):  # type: ignore[no-untyped-def]
    """Write means of ``source * weight`` over ``factor`` x ``factor`` cells; 2 or 4.

    Cells beyond the border count as 0. ``line``: workspace, factor * out.shape[1].
    """
    rows = source.shape[0]
    share = np.float32(1.0) / np.float32(factor * factor)
    for i in range(out.shape[0]):
        for c in range(line.shape[0]):
            line[c] = np.float32(0)
        for r in range(i * factor, min(i * factor + factor, rows)):
            _add_product(line, source[r], weight[r])
        if factor == 2:
            _mean_2(out[i], line, share)
        else:
            _mean_4(out[i], line, share)


@kernel(error_model="numpy")
def fill_into(image, weight, blurs, support, factor):  # type: ignore[no-untyped-def]
    """Replace cells without ``weight``, in place, by the finest blur with enough support.

    ``blurs`` and ``support`` (levels, ...) are on a grid coarser by ``factor``. Where even the
    coarsest reaches hardly anything that is known, the mean of all that is.
    """
    last = blurs.shape[0] - 1
    mean, summed = np.float32(0), False
    for r in range(image.shape[0]):
        if not _lacks(weight[r]):
            continue
        i = r // factor
        for c in range(image.shape[1]):
            if weight[r, c] > np.float32(0.5):
                continue
            j = c // factor
            k = 0
            while k < last and support[k, i, j] < np.float32(0.25):
                k += 1
            image[r, c] = blurs[k, i, j]
            share = support[k, i, j] / _REACHED
            if share < np.float32(1):
                if not summed:
                    mean, summed = _mean_where(image, weight), True
                image[r, c] += (np.float32(1) - share) * (mean - blurs[k, i, j])


@kernel(error_model="numpy")
def _mean_where(image, weight):  # type: ignore[no-untyped-def]
    total, n = 0.0, 0
    for r in range(image.shape[0]):
        line, told = image[r], weight[r]
        for c in range(line.shape[0]):
            if told[c] > np.float32(0.5):
                total += line[c]
                n += 1
    return np.float32(total / max(n, 1))


@kernel(error_model="numpy")
def _lacks(weight):  # type: ignore[no-untyped-def]
    n = 0
    for c in range(weight.shape[0]):
        n += weight[c] <= np.float32(0.5)
    return n > 0


def gaussian_taps(sigma: float) -> NDArray[np.float32]:
    """Return half of a normalised Gaussian kernel from its centre on, cut at 3 sigma or wider.

    The centre and an even number of taps, at least two.
    """
    radius = max(2, 2 * int(np.ceil(1.5 * sigma)))
    half = np.exp(-0.5 * (np.arange(radius + 1) / max(sigma, 1e-3)) ** 2)
    taps: NDArray[np.float32] = (half / (half[0] + 2 * half[1:].sum())).astype(np.float32)
    return taps
