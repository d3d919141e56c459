"""The phantom's compiled loops. All in one file: a cached kernel misses edits to other files.

Private to the package, validated by their callers. ``nogil``, single-threaded, nothing allocated
but one line buffer a call.
"""

from __future__ import annotations

import numba
import numpy as np

_JIT = {"nogil": True, "cache": True, "fastmath": {"contract", "nsz", "arcp", "afn", "reassoc"}}

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
def _radiance_line(
    line,
    x0,
    y,
    planes,
    a,
    b,
    scales,
    base_factors,
    motion,
    margin,
    table,
    data,
    arcs,
    weights,
    fills,
    glints,
    glint_amps,
    instrument,
    metal,
):
    """Fill ``line`` with light leaving the field along image row ``y``, from column ``x0``.

    Even columns (counted from the line's start) are taken from plane ``a``, odd ones from ``b``
    (the same one twice for a plain image): a Bayer row costs no more than a monochrome one.
    """
    n = line.size
    # Tissue at rest that lies under this row now: constant along the row, so the four weights
    # of the bilinear interpolation are too, and the loop below is plain multiply-add.
    sx = x0 + margin - (motion[0] + motion[1] * y)
    sy = y + margin - (motion[2] + motion[3] * y)
    ix = int(np.floor(sx))
    iy = int(np.floor(sy))
    fx = np.float32(sx - ix)
    fy = np.float32(sy - iy)
    one = np.float32(1.0)
    w00 = (one - fx) * (one - fy)
    w01 = fx * (one - fy)
    w10 = (one - fx) * fy
    w11 = fx * fy
    ka = scales[a] * base_factors[a]
    kb = scales[b] * base_factors[b]
    top_a = planes[a, iy, ix : ix + n + 1]
    low_a = planes[a, iy + 1, ix : ix + n + 1]
    if a == b:
        for x in range(n):
            line[x] = ka * (
                w00 * np.float32(top_a[x])
                + w01 * np.float32(top_a[x + 1])
                + w10 * np.float32(low_a[x])
                + w11 * np.float32(low_a[x + 1])
            )
    else:
        top_b = planes[b, iy, ix : ix + n + 1]
        low_b = planes[b, iy + 1, ix : ix + n + 1]
        for i in range(n // 2):
            x = 2 * i
            line[x] = ka * (
                w00 * np.float32(top_a[x])
                + w01 * np.float32(top_a[x + 1])
                + w10 * np.float32(low_a[x])
                + w11 * np.float32(low_a[x + 1])
            )
            line[x + 1] = kb * (
                w00 * np.float32(top_b[x + 1])
                + w01 * np.float32(top_b[x + 2])
                + w10 * np.float32(low_b[x + 1])
                + w11 * np.float32(low_b[x + 2])
            )
        if n % 2:
            x = n - 1
            line[x] = ka * (
                w00 * np.float32(top_a[x])
                + w01 * np.float32(top_a[x + 1])
                + w10 * np.float32(low_a[x])
                + w11 * np.float32(low_a[x + 1])
            )

    # Sprites lie in the tissue and carry a frame of zeros, so the same weights serve.
    for k in range(table.shape[0]):
        wa = weights[k, a]
        wb = weights[k, b]
        if wa == 0.0 and wb == 0.0:
            continue
        width = table[k, 3]
        row = iy - table[k, 2]
        if row < 0 or row + 1 >= table[k, 4]:
            continue
        left = max(0, table[k, 1] - ix)
        right = min(n, table[k, 1] + width - 1 - ix)
        if right <= left:
            continue
        shift = ix - table[k, 1]
        first = table[k, 0] + row * width
        top = data[first : first + width]
        low = data[first + width : first + 2 * width]
        mode = table[k, 5]
        if mode == FILL:
            arc_first = table[k, 6] + row * width
            fill = fills[table[k, 7]]
            for x in range(left, right):
                u = x + shift
                value = w00 * top[u] + w01 * top[u + 1] + w10 * low[u] + w11 * low[u + 1]
                w = wa if x % 2 == 0 else wb
                line[x] += w * value * fill[arcs[arc_first + u]]
        elif mode == ADD:
            for x in range(left, right):
                u = x + shift
                value = w00 * top[u] + w01 * top[u + 1] + w10 * low[u] + w11 * low[u + 1]
                w = wa if x % 2 == 0 else wb
                line[x] += w * value
        else:
            for x in range(left, right):
                u = x + shift
                value = w00 * top[u] + w01 * top[u + 1] + w10 * low[u] + w11 * low[u + 1]
                w = wa if x % 2 == 0 else wb
                line[x] *= one - w * value

    # Specular reflections: flat-topped, edges as sharp as the lens.
    for k in range(glints.shape[0]):
        gx, gy, rx, ry = glints[k, 0], glints[k, 1], glints[k, 2], glints[k, 3]
        if abs(y - gy) > 2.0 * ry:
            continue
        v = (y - gy) / ry
        left = max(0, int(np.floor(gx - 2.0 * rx)) - x0)
        right = min(n, int(np.ceil(gx + 2.0 * rx)) + 1 - x0)
        for x in range(left, right):
            u = (x + x0 - gx) / rx
            d = u * u + v * v
            amp = glint_amps[k, a] if x % 2 == 0 else glint_amps[k, b]
            line[x] += np.float32(amp * np.exp(-d * d))

    if instrument[0] > 0.0:
        _lay_instrument(line, x0, y, a, b, instrument, metal)


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
def _lay_instrument(line, x0, y, a, b, instrument, metal):
    """Shade the row by the instrument's soft shadow, then lay the metal over it.

    ``instrument``: present, tip x, tip y, axis x, axis y (tip to handle), half width, taper
    length, tip's share of the width, shadow dx, dy, softness, depth, glint at, glint length [px].
    ``metal`` is (4, 2, M): brightness across the shaft, diffuse and specular, per plane.
    """
    tip_x, tip_y, ux, uy = instrument[1], instrument[2], instrument[3], instrument[4]
    half, taper, blunt = instrument[5], instrument[6], instrument[7]
    soft, dark = instrument[10], instrument[11]
    n = line.size
    sx = tip_x + instrument[8]
    sy = tip_y + instrument[9]
    left, right = _span(y, x0, n, sx, sy, ux, uy, half + soft, soft)
    for x in range(left, right):
        dx = x + x0 - sx
        dy = y - sy
        u = dx * ux + dy * uy
        v = abs(dy * ux - dx * uy)
        wide = half * (blunt + (1.0 - blunt) * min(max(u / taper, 0.0), 1.0))
        t = min(max(0.5 + 0.5 * (wide - v) / soft, 0.0), 1.0)
        s = min(max(0.5 + 0.5 * u / soft, 0.0), 1.0)
        line[x] *= np.float32(1.0 - dark * t * t * (3.0 - 2.0 * t) * s)
    left, right = _span(y, x0, n, tip_x, tip_y, ux, uy, half + 1.0, 1.0)
    steps = metal.shape[2] - 1
    for x in range(left, right):
        dx = x + x0 - tip_x
        dy = y - tip_y
        u = dx * ux + dy * uy
        v = dy * ux - dx * uy
        wide = half * (blunt + (1.0 - blunt) * min(max(u / taper, 0.0), 1.0))
        alpha = min(max(wide - abs(v) + 0.5, 0.0), 1.0) * min(max(u + 0.5, 0.0), 1.0)
        if alpha <= 0.0:
            continue
        c = a if x % 2 == 0 else b
        j = int(min(max(0.5 + 0.5 * v / wide, 0.0), 1.0) * steps + 0.5)
        g = (u - instrument[12]) / instrument[13]
        value = metal[c, 0, j] + metal[c, 1, j] * np.exp(-g * g)
        if u < taper and abs(v) < 0.07 * half + 0.6:
            value *= 0.25  # the slit between the jaws
        elif abs(u - 1.1 * taper) < 0.12 * half or abs(u - 1.5 * taper) < 0.05 * half:
            value *= 0.55  # the joint
        line[x] += np.float32(alpha * (value - line[x]))


@numba.njit(**_JIT)
def radiance_into(
    out,
    x0,
    y0,
    plane,
    scales,
    base_factors,
    motion,
    margin,
    planes,
    table,
    data,
    arcs,
    weights,
    fills,
    glints,
    glint_amps,
    instrument,
    metal,
):
    """Fill ``out`` (H, W) float32 with one plane's light, before the lamp and the lens."""
    for r in range(out.shape[0]):
        _radiance_line(
            out[r],
            x0,
            y0 + r,
            planes,
            plane,
            plane,
            scales,
            base_factors,
            motion,
            margin,
            table,
            data,
            arcs,
            weights,
            fills,
            glints,
            glint_amps,
            instrument,
            metal,
        )


@numba.njit(**_JIT)
def _expose_line(line, lamp, gain, top):
    """Turn light into counts above dark, in place; ``top`` bounds what float32 has to carry."""
    for x in range(line.size):
        line[x] = min(line[x] * lamp[x] * gain, top)


@numba.njit(**_JIT)
def _sense_line(out, line, dark, shot, read, scale, top, normal, key):
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
        value = s + dark + normal[h >> np.uint32(16)] * np.sqrt(read + shot * s)
        value = value * scale + half
        value = min(max(value, np.float32(0.0)), top)
        out[x] = np.int32(value)


@numba.njit(**_JIT)
def frame_into(
    out,
    x0,
    y0,
    mosaic,
    scales,
    base_factors,
    motion,
    margin,
    planes,
    table,
    data,
    arcs,
    weights,
    fills,
    glints,
    glint_amps,
    instrument,
    metal,
    lamp,
    gain,
    dark,
    shot,
    read,
    scale,
    top,
    normal,
    key,
    hot_rows,
    hot_columns,
    hot_counts,
):
    """Fill ``out`` (H, W) uint8 or uint16 with one frame, row by row, each row in cache once.

    ``mosaic`` (2, 2) int64: the plane of each pixel of the top-left 2x2 cell. Hot pixels (sensor
    rows and columns, growing) get ``hot_counts`` more before the noise.
    """
    height, width = out.shape
    line = np.empty(width, np.float32)
    full = np.float32(1e6)
    next_hot = 0
    for r in range(height):
        y = y0 + r
        _radiance_line(
            line,
            x0,
            y,
            planes,
            mosaic[r % 2, 0],
            mosaic[r % 2, 1],
            scales,
            base_factors,
            motion,
            margin,
            table,
            data,
            arcs,
            weights,
            fills,
            glints,
            glint_amps,
            instrument,
            metal,
        )
        _expose_line(line, lamp[y, x0 : x0 + width], gain, full)
        next_hot = _heat_line(line, x0, y, next_hot, hot_rows, hot_columns, hot_counts)
        row_key = _mixed(
            np.uint32(np.uint32(key) ^ np.uint32(np.uint32(y) * np.uint32(0x85EBCA6B)))
        )
        _sense_line(out[r], line, dark, shot, read, scale, top, normal, row_key)


@numba.njit(**_JIT)
def _heat_line(line, x0, y, at, hot_rows, hot_columns, hot_counts):
    """Add the dark current of this row's hot pixels; return where the next row's begin."""
    while at < hot_rows.size and hot_rows[at] < y:
        at += 1
    while at < hot_rows.size and hot_rows[at] == y:
        x = hot_columns[at] - x0
        if 0 <= x < line.size:
            line[x] += hot_counts[at]
        at += 1
    return at


@numba.njit(**_JIT)
def warped_frame_into(
    out,
    x0,
    y0,
    mosaic,
    light,
    light_x0,
    light_y0,
    nir_from_white,
    lamp,
    gain,
    dark,
    shot,
    read,
    scale,
    top,
    normal,
    key,
    hot_rows,
    hot_columns,
    hot_counts,
):
    """As `frame_into`, for a camera whose pixels are not the NIR's: sample ``light`` through it.

    ``light`` (4, H, W) float32 is `radiance_into`'s, in NIR px from (light_x0, light_y0).
    Where the camera looks past it there is no light.
    """
    height, width = out.shape
    line = np.empty(width, np.float32)
    full = np.float32(1e6)
    m = nir_from_white
    next_hot = 0
    for r in range(height):
        y = y0 + r
        for i in range(width):
            x = x0 + i
            d = m[2, 0] * x + m[2, 1] * y + m[2, 2]
            line[i] = 0.0
            if d <= 1e-9:
                continue
            sx = (m[0, 0] * x + m[0, 1] * y + m[0, 2]) / d - light_x0
            sy = (m[1, 0] * x + m[1, 1] * y + m[1, 2]) / d - light_y0
            if not (0.0 <= sx <= light.shape[2] - 1 and 0.0 <= sy <= light.shape[1] - 1):
                continue
            ix = min(int(sx), light.shape[2] - 2)
            iy = min(int(sy), light.shape[1] - 2)
            fx = np.float32(sx - ix)
            fy = np.float32(sy - iy)
            c = mosaic[r % 2, i % 2]
            upper = light[c, iy, ix] + fx * (light[c, iy, ix + 1] - light[c, iy, ix])
            lower = light[c, iy + 1, ix] + fx * (light[c, iy + 1, ix + 1] - light[c, iy + 1, ix])
            line[i] = upper + fy * (lower - upper)
        _expose_line(line, lamp[y, x0 : x0 + width], gain, full)
        next_hot = _heat_line(line, x0, y, next_hot, hot_rows, hot_columns, hot_counts)
        row_key = _mixed(
            np.uint32(np.uint32(key) ^ np.uint32(np.uint32(y) * np.uint32(0x85EBCA6B)))
        )
        _sense_line(out[r], line, dark, shot, read, scale, top, normal, row_key)


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


@numba.njit(**_JIT)
def nearest_on_curve_into(distance, place, curve, places, reach):
    """Lower ``distance`` (H, W) [px] to that of the polyline ``curve``, within ``reach``.

    ``place`` gets ``places`` (one a point of the curve) interpolated at the nearest point.
    """
    height, width = distance.shape
    for k in range(curve.shape[0] - 1):
        ax, ay = curve[k, 0], curve[k, 1]
        bx, by = curve[k + 1, 0] - ax, curve[k + 1, 1] - ay
        length2 = max(bx * bx + by * by, 1e-12)
        left = max(0, int(min(ax, ax + bx) - reach))
        right = min(width - 1, int(max(ax, ax + bx) + reach) + 1)
        first = max(0, int(min(ay, ay + by) - reach))
        last = min(height - 1, int(max(ay, ay + by) + reach) + 1)
        for r in range(first, last + 1):
            for c in range(left, right + 1):
                t = min(max(((c - ax) * bx + (r - ay) * by) / length2, 0.0), 1.0)
                d = np.hypot(c - ax - t * bx, r - ay - t * by)
                if d < distance[r, c]:
                    distance[r, c] = d
                    place[r, c] = places[k] + t * (places[k + 1] - places[k])


@numba.njit(**_JIT)
def draw_vessel_into(density, x, y, width, strength):
    """Raise ``density`` (H, W) to a round vessel's optical density along the points (x, y)."""
    for k in range(x.size):
        radius = 0.5 * width[k] + 0.8
        # A cylinder's chord, softened; thin ones fade rather than break up.
        peak = strength * min(1.0, 0.35 + 0.25 * width[k])
        reach = int(radius) + 2
        cx, cy = int(x[k]), int(y[k])
        for r in range(max(0, cy - reach), min(density.shape[0], cy + reach + 1)):
            for c in range(max(0, cx - reach), min(density.shape[1], cx + reach + 1)):
                d2 = ((c - x[k]) ** 2 + (r - y[k]) ** 2) / (radius * radius)
                value = peak * np.exp(-1.5 * d2)
                if value > density[r, c]:
                    density[r, c] = value


@numba.njit(**_JIT)
def _coarse(field, u, v, fu, fv):
    """Bilinear sample of a coarse field at row v + fv, column u + fu."""
    top = field[v, u] + fu * (field[v, u + 1] - field[v, u])
    low = field[v + 1, u] + fu * (field[v + 1, u + 1] - field[v + 1, u])
    return top + fv * (low - top)


@numba.njit(**_JIT)
def compose_tissue_into(
    planes,
    pitch,
    outside,
    slope_x,
    slope_y,
    furrow,
    looks,
    shared,
    hidden,
    own,
    fine,
    vessels,
    strengths,
    edge_px,
    lamps,
    scales,
):
    """Fill ``planes`` (4, H, W) uint16: red, green, blue, NIR of tissue at rest.

    ``looks`` (organs, 7): red, green, blue, NIR level, lumps, wetness, AO length [px].
    ``shared``, ``hidden``, ``own`` (h, w): unit random fields that both images, NIR alone, and
    colour alone see; ``fine`` (3, T, T): finer ones, repeating. ``strengths``: rms shared,
    hidden, own, fine; vessel density in NIR; relief of fine bumps; speculars on; their leak.
    ``lamps`` (2, 3): unit vectors towards the white lamp and the NIR lamp.
    """
    height, width = vessels.shape
    organs = outside.shape[0]
    tile = fine.shape[1]
    for r in range(height):
        v = r // pitch
        fv = np.float32((r % pitch) / pitch)
        tr = r % tile
        for c in range(width):
            u = c // pitch
            fu = np.float32((c % pitch) / pitch)
            tc = c % tile
            tr1 = (tr + 1) % tile
            tc1 = (tc + 1) % tile
            bump = strengths[5]
            bx = bump * (fine[2, tr, tc1] - fine[2, tr, tc])
            by = bump * (fine[2, tr1, tc] - fine[2, tr, tc])
            red = green = blue = nir = shine = np.float32(0.0)
            for k in range(organs):
                d = _coarse(outside[k], u, v, fu, fv)
                reach = looks[k, 6]
                if d > 6.0 * reach:
                    continue
                if k > 0:
                    # What lies beneath is shaded by what bulges over it.
                    shade = np.float32(1.0 - 0.55 * np.exp(-max(d, 0.0) / reach))
                    red *= shade
                    green *= shade
                    blue *= shade
                    shine *= shade * shade
                    nir *= np.float32(1.0 - 0.35 * np.exp(-max(d, 0.0) / reach))
                t = min(max(0.5 - d / edge_px, 0.0), 1.0)
                if t <= 0.0:
                    continue
                gx = -(_coarse(slope_x[k], u, v, fu, fv) + bx)
                gy = -(_coarse(slope_y[k], u, v, fu, fv) + by)
                norm = 1.0 / np.sqrt(1.0 + gx * gx + gy * gy)
                white = max((gx * lamps[0, 0] + gy * lamps[0, 1] + lamps[0, 2]) * norm, 0.0)
                excited = max((gx * lamps[1, 0] + gy * lamps[1, 1] + lamps[1, 2]) * norm, 0.0)
                # Tissue is translucent: light creeps round what a matt surface would shade.
                white = 0.22 + 0.78 * white
                excited = 0.45 + 0.55 * excited
                hx, hy, hz = lamps[0, 0], lamps[0, 1], lamps[0, 2] + 1.0
                h = (gx * hx + gy * hy + hz) * norm / np.sqrt(hx * hx + hy * hy + hz * hz)
                gloss = max(h, 0.0) ** 90
                f = looks[k, 4] * _coarse(furrow[k], u, v, fu, fv)
                alpha = np.float32(t * t * (3.0 - 2.0 * t))
                # The rim of a membrane is thin and pale.
                rim = np.float32(0.10 * np.exp(-(((d + 1.5 * edge_px) / (1.2 * edge_px)) ** 2)))
                if k == 0:
                    rim = np.float32(0.0)
                red += alpha * (np.float32(looks[k, 0] * white * (1.0 - 0.10 * f)) + rim - red)
                green += alpha * (
                    np.float32(looks[k, 1] * white * (1.0 - 0.32 * f)) + 0.7 * rim - green
                )
                blue += alpha * (
                    np.float32(looks[k, 2] * white * (1.0 - 0.45 * f)) + 0.7 * rim - blue
                )
                nir += alpha * (np.float32(looks[k, 3] * excited * (1.0 - 0.08 * f)) - nir)
                shine += alpha * (np.float32(looks[k, 5] * gloss) - shine)
            s = strengths[0] * _coarse(shared, u, v, fu, fv)
            n = strengths[1] * _coarse(hidden, u, v, fu, fv)
            o = strengths[2] * _coarse(own, u, v, fu, fv)
            g = strengths[3] * fine[0, tr, tc]
            p = strengths[3] * fine[1, tr, tc]
            blood = vessels[r, c]
            red *= np.exp(0.70 * s + 0.35 * o + 0.8 * g + 0.3 * p - 0.45 * blood)
            green *= np.exp(1.00 * s - 0.30 * o + g + 0.8 * p - 1.50 * blood)
            blue *= np.exp(1.05 * s - 0.90 * o + g + 1.0 * p - 1.25 * blood)
            nir *= np.exp(s + n + g - strengths[4] * blood)
            spark = strengths[6] * min(max(2.2 * shine - 0.25, 0.0), 1.6)
            planes[0, r, c] = np.uint16(min((red + spark) * scales[0], 65535.0))
            planes[1, r, c] = np.uint16(min((green + spark) * scales[1], 65535.0))
            planes[2, r, c] = np.uint16(min((blue + spark) * scales[2], 65535.0))
            planes[3, r, c] = np.uint16(min((nir + strengths[7] * spark) * scales[3], 65535.0))
