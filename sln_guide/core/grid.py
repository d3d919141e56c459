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
def _mix_4(to, a, b, c, d, w0, w1, w2, w3):  # type: ignore[no-untyped-def]
    for i in range(to.shape[0]):
        to[i] = (w0 * a[i] + w1 * b[i]) + (w2 * c[i] + w3 * d[i])


@kernel(error_model="numpy")
def _spread_2(to, a, b, c, d, w):  # type: ignore[no-untyped-def]
    u0, u1, u2 = w[0, 0], w[1, 0], w[2, 0]
    v0, v1, v2, v3 = w[0, 1], w[1, 1], w[2, 1], w[3, 1]
    for j in range(a.shape[0]):
        to[2 * j] = u0 * a[j] + u1 * b[j] + u2 * c[j]
        to[2 * j + 1] = (v0 * a[j] + v1 * b[j]) + (v2 * c[j] + v3 * d[j])


@kernel(error_model="numpy")
def _spread(to, given, factor, weights, line):  # type: ignore[no-untyped-def]
    """Enlarge one line of at most ``factor`` cells for each given one."""
    small = given.shape[0]
    line[0] = given[0]
    copy_line(line[1 : small + 1], given)
    line[small + 1] = given[small - 1]
    line[small + 2] = given[small - 1]
    count = to.shape[0] // factor
    if factor == 2:
        _spread_2(to, line[:count], line[1:], line[2:], line[3:], weights)
    else:
        for j in range(count):
            a, b, c, d = line[j], line[j + 1], line[j + 2], line[j + 3]
            cells = to[j * factor : (j + 1) * factor]
            for i in range(cells.shape[0]):
                near = a * weights[0, i] + b * weights[1, i]
                cells[i] = near + (c * weights[2, i] + d * weights[3, i])
    j = count
    for i in range(to.shape[0] - count * factor):
        near = line[j] * weights[0, i] + line[j + 1] * weights[1, i]
        to[count * factor + i] = near + (line[j + 2] * weights[2, i] + line[j + 3] * weights[3, i])


@kernel(error_model="numpy")
def enlarge_into(out, source, factor, weights, lines):  # type: ignore[no-untyped-def]
    """Write the cubic B-spline whose control points are ``source``, every ``factor``-th of ``out``.

    It blurs by `SPLINE_VARIANCE`, everywhere alike. What passes through the samples instead blurs
    between them and not on them, and a filter for very smooth texture takes that for texture.
    ``weights`` (4, factor): `spline_weights`. ``lines`` (5, at least out.shape[1] + 3): workspace.
    """
    rows, last = out.shape[0], source.shape[0] - 1
    done = -1
    for r in range(rows):
        i = r // factor
        while done <= i + 2:
            to = lines[(done + 1) % 4, : out.shape[1]]
            k = min(max(done, 0), last)
            _spread(to, source[k], factor, weights, lines[4])
            done += 1
        a, b = lines[i % 4], lines[(i + 1) % 4]
        c, d = lines[(i + 2) % 4], lines[(i + 3) % 4]
        w = weights[:, r % factor]
        _mix_4(out[r], a, b, c, d, w[0], w[1], w[2], w[3])


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


SPLINE_VARIANCE = 1.0 / 3.0
"""Of a cubic B-spline, in squares of the distance between its control points."""


def spline_weights(factor: int) -> NDArray[np.float32]:
    """Return (4, factor) what four control points count at each place from the second on."""
    t = np.arange(factor) / factor
    parts = [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]
    weights: NDArray[np.float32] = (np.array(parts) / 6.0).astype(np.float32)
    return weights
