"""Compiled loops that draw what does not change from frame to frame. Private to the package.

Apart from the frame kernels because nothing is shared, and a cached kernel misses edits made to
other files.
"""

# mypy: allow-untyped-defs

from __future__ import annotations

import numba
import numpy as np

_JIT = {"nogil": True, "cache": True, "fastmath": True}


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
                density[r, c] = max(density[r, c], value)


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
                gloss = max(h, 0.0) ** 110
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
