"""The phantom's compiled loops. All in one file: a cached kernel misses edits to other files.

Private to the package, validated by their callers. ``nogil``, single-threaded, nothing allocated
but one line buffer a call.
"""

# mypy: allow-untyped-defs

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import special

_JIT = {"nogil": True, "cache": True, "fastmath": True}


def _normal_table() -> NDArray[np.float32]:
    """Return 65536 quantiles of the normal distribution, of variance 1 exactly."""
    size = 1 << 16
    quantiles = special.ndtri((np.arange(size) + 0.5) / size)
    return np.asarray(quantiles / np.sqrt(np.mean(quantiles**2)), dtype=np.float32)


_NORMAL = _normal_table()
# A global is a constant to the compiler: it then knows that no output overlaps it, and vectorises.

MULTIPLY = 0
"""Sprite mode: takes light away, ``line *= 1 - weight * sprite``."""
ADD = 1
"""Sprite mode: gives light, ``line += weight * sprite``."""
FILL = 2
"""Sprite mode: gives light through a table of weights by arc length."""


@numba.njit(inline="always", **_JIT)
def _mixed(x):
    """Mix 32 bits: an xor-shift-multiply hash of low bias, so neighbouring counters share nothing.

    Every product is cut to 32 bits by hand: numba widens them to 64.
    """
    x = np.uint32(x ^ (x >> np.uint32(16)))
    x = np.uint32(x * np.uint32(0x7FEB352D))
    x = np.uint32(x ^ (x >> np.uint32(15)))
    x = np.uint32(x * np.uint32(0x846CA68B))
    return np.uint32(x ^ (x >> np.uint32(16)))


@numba.njit(**_JIT)
def _blend(line, top, low, w00, w01, w10, w11):
    """Fill ``line`` with the bilinear blend of two rows at a constant sub-pixel shift."""
    for x in range(line.size):
        line[x] = (
            w00 * np.float32(top[x])
            + w01 * np.float32(top[x + 1])
            + w10 * np.float32(low[x])
            + w11 * np.float32(low[x + 1])
        )


@numba.njit(**_JIT)
def _blend_even(line, top, low, w00, w01, w10, w11):
    """`_blend` for columns 0, 2, 4, ..."""
    for i in range((line.size + 1) // 2):
        x = 2 * i
        line[x] = (
            w00 * np.float32(top[x])
            + w01 * np.float32(top[x + 1])
            + w10 * np.float32(low[x])
            + w11 * np.float32(low[x + 1])
        )


@numba.njit(**_JIT)
def _blend_odd(line, top, low, w00, w01, w10, w11):
    """`_blend` for columns 1, 3, 5, ..."""
    for i in range(line.size // 2):
        x = 2 * i + 1
        line[x] = (
            w00 * np.float32(top[x])
            + w01 * np.float32(top[x + 1])
            + w10 * np.float32(low[x])
            + w11 * np.float32(low[x + 1])
        )


@numba.njit(**_JIT)
def _add(line, top, low, w00, w01, w10, w11):
    """Add a sprite's blended rows: light that goes into one plane only, so of any column."""
    for x in range(line.size):
        line[x] += w00 * top[x] + w01 * top[x + 1] + w10 * low[x] + w11 * low[x + 1]


@numba.njit(**_JIT)
def _fill(line, top, low, w00, w01, w10, w11, arcs, fill):
    """`_add`, each pixel times ``fill`` (256,) at its place along the channel."""
    for x in range(line.size):
        value = w00 * top[x] + w01 * top[x + 1] + w10 * low[x] + w11 * low[x + 1]
        line[x] += fill[arcs[x]] * value


@numba.njit(**_JIT)
def _dim(line, top, low, w00, w01, w10, w11, even, odd, whole_even, whole_odd):
    """Take away a sprite's share of the light, ``even`` and ``odd`` columns each their own."""
    for x in range(line.size):
        value = w00 * top[x] + w01 * top[x + 1] + w10 * low[x] + w11 * low[x + 1]
        stained = min(line[x], whole_odd if x & 1 else whole_even)
        line[x] -= (odd if x & 1 else even) * value * stained


@numba.njit(**_JIT)
def _radiance_line(line, x0, y, a, b, light):
    """Fill ``line`` with light leaving the field along image row ``y``, from column ``x0``.

    Even columns (counted from the line's start) are taken from plane ``a``, odd ones from ``b``
    (the same one twice for a plain image): a Bayer row costs no more than a monochrome one.
    """
    n = line.size
    # Tissue at rest that lies under this row now: constant along the row, so the four weights
    # of the bilinear interpolation are too, and blending is plain multiply-add.
    sx = x0 + light.margin - (light.motion[0] + light.motion[1] * y)
    sy = y + light.margin - (light.motion[2] + light.motion[3] * y)
    ix = int(np.floor(sx))
    iy = int(np.floor(sy))
    fx = np.float32(sx - ix)
    fy = np.float32(sy - iy)
    one = np.float32(1.0)
    w00 = (one - fx) * (one - fy)
    w01 = fx * (one - fy)
    w10 = (one - fx) * fy
    w11 = fx * fy
    ka = np.float32(light.scales[a] * light.factors[a])
    top = light.planes[a, iy, ix : ix + n + 2]
    low = light.planes[a, iy + 1, ix : ix + n + 2]
    if a == b:
        _blend(line, top, low, ka * w00, ka * w01, ka * w10, ka * w11)
    else:
        _blend_even(line, top, low, ka * w00, ka * w01, ka * w10, ka * w11)
        kb = np.float32(light.scales[b] * light.factors[b])
        top = light.planes[b, iy, ix : ix + n + 2]
        low = light.planes[b, iy + 1, ix : ix + n + 2]
        _blend_odd(line, top, low, kb * w00, kb * w01, kb * w10, kb * w11)

    # Sprites lie in the tissue and carry a frame of zeros, so the same weights serve.
    table = light.table
    for k in range(table.shape[0]):
        wa = light.weights[k, a]
        wb = light.weights[k, b]
        row = iy - table[k, 2]
        if (wa == 0.0 and wb == 0.0) or row < 0 or row + 1 >= table[k, 4]:
            continue
        shift = ix - table[k, 1]
        left = max(0, light.spans[table[k, 7] + row, 0] - shift)
        right = min(n, light.spans[table[k, 7] + row, 1] - shift)
        if right <= left:
            continue
        width = table[k, 3]
        u = left + shift
        first = table[k, 0] + row * width + u
        bright = light.data[first : first + right - left + 1]
        below = light.data[first + width : first + width + right - left + 1]
        part = line[left:right]
        if table[k, 5] == FILL:
            arc = table[k, 6] + row * width + u
            places = light.arcs[arc : arc + right - left]
            weighed = (wa * w00, wa * w01, wa * w10, wa * w11)
            _fill(part, bright, below, *weighed, places, light.fill)
        elif table[k, 5] == ADD:
            _add(part, bright, below, wa * w00, wa * w01, wa * w10, wa * w11)
        elif left % 2 == 0:
            ends = (wa, wb, light.whole[a], light.whole[b])
            _dim(part, bright, below, w00, w01, w10, w11, *ends)
        else:
            ends = (wb, wa, light.whole[b], light.whole[a])
            _dim(part, bright, below, w00, w01, w10, w11, *ends)

    # Specular reflections: flat-topped, edges as sharp as the lens.
    for k in range(light.glints.shape[0]):
        gx, gy = light.glints[k, 0], light.glints[k, 1]
        rx, ry = light.glints[k, 2], light.glints[k, 3]
        if abs(y - gy) > 2.0 * ry:
            continue
        v = (y - gy) / ry
        left = max(0, int(np.floor(gx - 2.0 * rx)) - x0)
        right = min(n, int(np.ceil(gx + 2.0 * rx)) + 1 - x0)
        for x in range(left, right):
            u = (x + x0 - gx) / rx
            d = u * u + v * v
            amp = light.glint_amps[k, b] if x % 2 else light.glint_amps[k, a]
            line[x] += np.float32(amp * np.exp(-d * d))

    if light.instrument[0] > 0.0:
        _lay_instrument(line, x0, y, a, b, light.instrument, light.metal)


@numba.njit(**_JIT)
def _span(y, x0, n, tip_x, tip_y, ux, uy, half, before):
    """Columns of row ``y`` within ``half`` of the shaft's axis and past the tip minus ``before``.

    Along the row both conditions are linear in x, so each cuts an interval.
    """
    low = float(x0)
    high = float(x0 + n - 1)
    across = (y - tip_y) * ux
    if abs(uy) > 1e-9:
        p = tip_x + (across - half) / uy
        q = tip_x + (across + half) / uy
        low = max(low, min(p, q))
        high = min(high, max(p, q))
    elif abs(across) > half:
        return 0, 0
    along = (y - tip_y) * uy
    if abs(ux) > 1e-9:
        edge = tip_x + (-before - along) / ux
        if ux > 0:
            low = max(low, edge)
        else:
            high = min(high, edge)
    elif along < -before:
        return 0, 0
    left = int(np.floor(low)) - x0
    right = int(np.ceil(high)) + 1 - x0
    return max(left, 0), min(right, n)


@numba.njit(**_JIT)
def _shade(line, u, v, du, dv, half, taper, blunt, soft, dark):
    """Darken by a soft-edged shaft; ``u`` along and ``v`` across it grow by ``du``, ``dv`` a px."""
    one = np.float32(1.0)
    none = np.float32(0.0)
    for x in range(line.size):
        along = u + du * np.float32(x)
        across = abs(v + dv * np.float32(x))
        wide = half * (blunt + (one - blunt) * min(max(along / taper, none), one))
        t = min(max(np.float32(0.5) + np.float32(0.5) * (wide - across) / soft, none), one)
        s = min(max(np.float32(0.5) + np.float32(0.5) * along / soft, none), one)
        line[x] *= one - dark * t * t * (np.float32(3.0) - np.float32(2.0) * t) * s


@numba.njit(**_JIT)
def _cover(line, u, v, du, dv, half, taper, blunt, even, odd):
    """Lay a polished shaft over the line: ``even``, ``odd`` (M,) are its brightness across."""
    one = np.float32(1.0)
    none = np.float32(0.0)
    steps = np.float32(even.size - 1)
    slit = np.float32(0.07) * half + np.float32(0.6)
    for x in range(line.size):
        along = u + du * np.float32(x)
        across = v + dv * np.float32(x)
        wide = half * (blunt + (one - blunt) * min(max(along / taper, none), one))
        edge = min(max(wide - abs(across) + np.float32(0.5), none), one)
        alpha = edge * min(max(along + np.float32(0.5), none), one)
        place = min(max(np.float32(0.5) + np.float32(0.5) * across / wide, none), one)
        j = np.int32(place * steps + np.float32(0.5))
        value = odd[j] if x & 1 else even[j]
        jaws = along < taper and abs(across) < slit  # the gap between them
        joint = (
            abs(along - np.float32(1.1) * taper) < np.float32(0.12) * half
            or abs(along - np.float32(1.5) * taper) < np.float32(0.05) * half
        )
        value *= np.float32(0.25) if jaws else one
        value *= np.float32(0.55) if joint else one
        line[x] += alpha * (value - line[x])


@numba.njit(**_JIT)
def _lay_instrument(line, x0, y, a, b, instrument, metal):
    """Shade the row by the instrument's soft shadow, then lay the metal over it.

    ``instrument``: present, tip x, tip y, axis x, axis y (tip to handle), half width, taper
    length, tip's share of the width, shadow dx, dy, softness, depth, glint at, glint length [px].
    ``metal`` is (4, 2, M) float32: brightness across the shaft, diffuse and specular, per plane.
    """
    tip_x, tip_y, ux, uy = instrument[1], instrument[2], instrument[3], instrument[4]
    half = np.float32(instrument[5])
    taper = np.float32(instrument[6])
    blunt = np.float32(instrument[7])
    soft = np.float32(instrument[10])
    du = np.float32(ux)
    dv = np.float32(-uy)
    n = line.size
    sx = tip_x + instrument[8]
    sy = tip_y + instrument[9]
    left, right = _span(y, x0, n, sx, sy, ux, uy, half + soft, soft)
    if left < right:
        dx = left + x0 - sx
        dy = y - sy
        u = np.float32(dx * ux + dy * uy)
        v = np.float32(dy * ux - dx * uy)
        dark = np.float32(instrument[11])
        _shade(line[left:right], u, v, du, dv, half, taper, blunt, soft, dark)
    left, right = _span(y, x0, n, tip_x, tip_y, ux, uy, half + 1.0, 1.0)
    if left >= right:
        return
    if left % 2:
        a, b = b, a
    dx = left + x0 - tip_x
    dy = y - tip_y
    u0 = dx * ux + dy * uy
    v0 = dy * ux - dx * uy
    part = line[left:right]
    u = np.float32(u0)
    v = np.float32(v0)
    _cover(part, u, v, du, dv, half, taper, blunt, metal[a, 0], metal[b, 0])
    at, long = instrument[12], instrument[13]
    steps = metal.shape[2] - 1
    for x in range(part.size):
        g = (u0 + ux * x - at) / long
        across = v0 - uy * x
        if abs(g) < 3.0 and abs(across) < half:
            j = int((0.5 + 0.5 * across / half) * steps + 0.5)
            c = b if x % 2 else a
            part[x] += np.float32(metal[c, 1, j] * np.exp(-g * g))


@numba.njit(**_JIT)
def radiance_into(out, x0, y0, plane, light):
    """Fill ``out`` (H, W) float32 with one plane's light, before the lamp and the lens."""
    for r in range(out.shape[0]):
        _radiance_line(out[r], x0, y0 + r, plane, plane, light)


@numba.njit(**_JIT)
def _expose_line(line, lamp, gain, top):
    """Turn light into counts above dark, in place; ``top`` bounds what float32 has to carry."""
    for x in range(line.size):
        line[x] = min(line[x] * lamp[x] * gain, top)


@numba.njit(**_JIT)
def _heat_line(line, x0, y, at, rows, columns, counts):
    """Add the dark current of this row's hot pixels; return where the next row's begin."""
    while at < rows.size and rows[at] < y:
        at += 1
    while at < rows.size and rows[at] == y:
        x = columns[at] - x0
        if 0 <= x < line.size:
            line[x] += counts[at]
        at += 1
    return at


@numba.njit(**_JIT)
def _sense_line(out, line, dark, shot, read, scale, top, key):
    """Add shot and read noise to counts above dark, quantise to ``scale`` counts, clip.

    Every pixel draws from its own counter (frame, row, column), so a frame does not depend on
    what was rendered before it, or where. The draw is a hash's upper 16 bits into a table of
    the normal distribution's quantiles: exact mean and variance, tails to 4.2 sigma. A Poisson
    count above some 30 electrons is that normal to within a percent; below, read noise rules.
    """
    half = np.float32(0.5)
    for x in range(line.size):
        h = _mixed(np.uint32(key + np.uint32(np.uint32(x) * np.uint32(0x9E3779B9))))
        s = line[x]
        value = s + dark + _NORMAL[h >> np.uint32(16)] * np.sqrt(read + shot * s)
        value = value * scale + half
        value = min(max(value, np.float32(0.0)), top)
        out[x] = np.int32(value)


@numba.njit(**_JIT)
def _develop_line(out, line, x0, y, sensing, next_hot):
    """Turn a line of light into pixels; return the next row's first hot pixel."""
    lamp = sensing.lamp[y, x0 : x0 + line.size]
    _expose_line(line, lamp, sensing.gain, np.float32(1e6))
    rows, columns, counts = sensing.hot_rows, sensing.hot_columns, sensing.hot_counts
    next_hot = _heat_line(line, x0, y, next_hot, rows, columns, counts)
    row_key = np.uint32(np.uint32(y) * np.uint32(0x85EBCA6B))
    key = _mixed(np.uint32(np.uint32(sensing.key) ^ row_key))
    noise = (sensing.dark, sensing.shot, sensing.read, sensing.scale, sensing.top)
    _sense_line(out, line, *noise, key)
    return next_hot


@numba.njit(**_JIT)
def frame_into(out, x0, y0, mosaic, light, sensing):
    """Fill ``out`` (H, W) uint8 or uint16 with one frame, row by row, each row in cache once.

    ``x0``, ``y0``: sensor px of ``out[0, 0]``. ``mosaic`` (2, 2) int64: the plane of each pixel
    of the top-left 2x2 cell.
    """
    line = np.empty(out.shape[1], np.float32)
    next_hot = 0
    for r in range(out.shape[0]):
        _radiance_line(line, x0, y0 + r, mosaic[r % 2, 0], mosaic[r % 2, 1], light)
        next_hot = _develop_line(out[r], line, x0, y0 + r, sensing, next_hot)


@numba.njit(**_JIT)
def warped_frame_into(out, x0, y0, mosaic, view, view_x0, view_y0, nir_from_white, sensing):
    """As `frame_into`, for a camera whose pixels are not the NIR's: look through a homography.

    ``view`` (planes, H, W) float32 is `radiance_into`'s, in NIR px from (view_x0, view_y0).
    Where the camera looks past it there is no light.
    """
    line = np.empty(out.shape[1], np.float32)
    rows, columns = view.shape[1], view.shape[2]
    m = nir_from_white
    next_hot = 0
    for r in range(out.shape[0]):
        y = y0 + r
        for i in range(line.size):
            x = x0 + i
            d = m[2, 0] * x + m[2, 1] * y + m[2, 2]
            line[i] = 0.0
            if d <= 1e-9:
                continue
            sx = (m[0, 0] * x + m[0, 1] * y + m[0, 2]) / d - view_x0
            sy = (m[1, 0] * x + m[1, 1] * y + m[1, 2]) / d - view_y0
            if not (0.0 <= sx <= columns - 1 and 0.0 <= sy <= rows - 1):
                continue
            ix = min(int(sx), columns - 2)
            iy = min(int(sy), rows - 2)
            fx = np.float32(sx - ix)
            fy = np.float32(sy - iy)
            c = mosaic[r % 2, i % 2]
            upper = view[c, iy, ix] + fx * (view[c, iy, ix + 1] - view[c, iy, ix])
            lower = view[c, iy + 1, ix] + fx * (view[c, iy + 1, ix + 1] - view[c, iy + 1, ix])
            line[i] = upper + fy * (lower - upper)
        next_hot = _develop_line(out[r], line, x0, y, sensing, next_hot)


@numba.njit(**_JIT)
def packed_12_into(out, pixels):
    """Pack ``pixels`` (H, W) uint16 as Mono12p into ``out`` (H, W * 3 // 2) uint8."""
    for r in range(pixels.shape[0]):
        for i in range(pixels.shape[1] // 2):
            p = pixels[r, 2 * i]
            q = pixels[r, 2 * i + 1]
            out[r, 3 * i] = p & 0xFF
            out[r, 3 * i + 1] = (p >> 8) | ((q & 0xF) << 4)
            out[r, 3 * i + 2] = q >> 4
