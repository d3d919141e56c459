"""Kernels that put guidance into a drawn picture. Private to `core.draw`.

The guidance's coarse maps are sampled bilinearly at the place in the NIR image that a white pixel
shows. What is drawn is decided by three rules, in this order:

- the nearest block must be judged and not hidden, else no colour (but hatching, where it cannot
  judge);
- significance must exceed the threshold: the colour then fades in over `RAMP_SIGMA`;
- signal must be positive: it gives colour and opacity.

Speed comes from not looking: a tile of `TILE_PX` px whose blocks are all below threshold is left
alone. In the others the maps are sampled at the exact homography on a lattice of at most
`LATTICE_PX` px and interpolated in between. The lattice lies between pixels, so for registrations
that only scale it holds every block centre and the interpolation loses nothing; where blocks are
smaller than four px, every pixel is sampled instead. Where a tile lies
across the threshold, significance is sampled exactly at every pixel: below it the anatomy stays
untouched to the pixel, whatever the registration.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from sln_guide.core.draw_demosaic import bayer_rows_into, bayer_work, rgb_rows_into
from sln_guide.core.draw_tiles import (
    CLIPPED,
    DOUBTFUL,
    HATCHED,
    LIT,
    NOT_DRAWN,
    TILE_PX,
    UNLIT,
    grid_at,
    outside,
)
from sln_guide.core.kernel import allocating, kernel

LATTICE_PX = 4

HATCH_PERIOD_PX = 8
"""Clipped areas carry a line each period, other doubtful ones a thinner line each second."""
UNSURE = UNLIT | NOT_DRAWN
"""Flags of a lit tile whose pixels must be looked at one by one."""
_CLIPPED_LINE_PX = 2
_CLIPPED_ALPHA = 150
_DOUBTFUL_ALPHA = 64
_DOUBTFUL_RGB = np.uint32(0x9FB0BC)

_U = nb.uint32
_F = nb.float32


class Shown(NamedTuple):
    """What is drawn over white light, and how.

    ``tiles`` uint8: `draw_tiles.classify_tiles_into`; ``level``, ``gate`` float32 and ``flags``
    uint8 (rows, cols): `draw_tiles.prepare_field_into`; ``h``, ``field_edge``, ``step``: as of
    `draw_geometry.Lookup`; ``table`` (256,) uint32 colours with opacity; ``opacity`` float32 in
    [0, 256/255].
    """

    tiles: NDArray[np.uint8]
    level: NDArray[np.float32]
    gate: NDArray[np.float32]
    flags: NDArray[np.uint8]
    h: NDArray[np.float64]
    field_edge: tuple[float, float]
    step: int
    table: NDArray[np.uint32]
    opacity: np.float32


class Scratch(NamedTuple):
    """Workspace of one picture; rows are wider than the picture by a tile.

    ``lattice`` (2, TILE_PX + 1, n), ``wide`` (2, 2, n), ``colours`` (n,); ``places`` (tile
    columns, 2, 4): where a band's tiles lie, see `_grid_over_into`.
    """

    lattice: NDArray[np.float32]
    wide: NDArray[np.float32]
    colours: NDArray[np.uint32]
    places: NDArray[np.float64]


def scratch_for(tile_cols: int) -> Scratch:
    """Make the workspace of pictures with so many columns of tiles."""
    wide = (tile_cols + 1) * TILE_PX
    return Scratch(
        np.empty((2, TILE_PX + 1, wide), np.float32),
        np.empty((2, 2, wide), np.float32),
        np.empty(wide, np.uint32),
        np.empty((tile_cols, 2, 4), np.float64),
    )


@kernel()
def _cell_at(u, last):  # type: ignore[no-untyped-def]
    """Return lower block, upper block and weight of the upper for a clamped coordinate."""
    u = min(max(u, 0.0), float(last))
    lower = int(u)
    return np.uintp(lower), np.uintp(min(lower + 1, last)), _F(u - lower)


@kernel()
def _sampled(grid, r0, r1, fr, c0, c1, fc):  # type: ignore[no-untyped-def]
    top = grid[r0, c0] + (grid[r0, c1] - grid[r0, c0]) * fc
    bottom = grid[r1, c0] + (grid[r1, c1] - grid[r1, c0]) * fc
    return top + (bottom - top) * fr


@kernel()
def _lattice_before(step):  # type: ignore[no-untyped-def]
    """Return how far a lattice point lies before the first pixel that it serves."""
    return 0.5 if step > 1 else 0.0


@kernel()
def _sample_lattice_into(lattice, x_first, n, y_first, step, h, level, gate):  # type: ignore[no-untyped-def]
    """Sample level and gate exactly at ``n`` lattice points in each of the tile's lattice rows."""
    rows, cols = level.shape
    before = _lattice_before(step)
    for i in range(TILE_PX // step + 1):
        for k in range(n):
            u, v = grid_at(h, x_first + k * step - before, y_first + i * step - before)
            if math.isnan(u):
                lattice[0, i, k] = _F(0.0)
                lattice[1, i, k] = _F(-1.0)
                continue
            c0, c1, fc = _cell_at(u, cols - 1)
            r0, r1, fr = _cell_at(v, rows - 1)
            lattice[0, i, k] = _sampled(level, r0, r1, fr, c0, c1, fc)
            lattice[1, i, k] = _sampled(gate, r0, r1, fr, c0, c1, fc)


@kernel()
def _spread_row_into(wide, narrow, low, high, weight, n, step):  # type: ignore[no-untyped-def]
    """Interpolate between two lattice rows (n + 1 points), then along the row to single pixels."""
    for k in range(n + 1):
        narrow[k] = low[k] + (high[k] - low[k]) * weight
    if step == LATTICE_PX:
        for k in range(n):
            start, slope = narrow[k], (narrow[k + 1] - narrow[k]) * _F(1.0 / LATTICE_PX)
            wide[4 * k] = start + slope * _F(0.5)
            wide[4 * k + 1] = start + slope * _F(1.5)
            wide[4 * k + 2] = start + slope * _F(2.5)
            wide[4 * k + 3] = start + slope * _F(3.5)
    else:
        before = _lattice_before(step)
        for k in range(n):
            start, slope = narrow[k], (narrow[k + 1] - narrow[k]) / _F(step)
            for j in range(step):
                wide[step * k + j] = start + slope * _F(j + before)


@kernel()
def _blended(below, colour, alpha):  # type: ignore[no-untyped-def]
    """Mix RGB32 ``below`` with ``colour``, ``alpha`` in [0, 256]; 0 returns ``below``."""
    rest = _U(256) - alpha
    red_blue = ((below & _U(0xFF00FF)) * rest + (colour & _U(0xFF00FF)) * alpha) >> _U(8)
    green = ((below & _U(0x00FF00)) * rest + (colour & _U(0x00FF00)) * alpha) >> _U(8)
    return _U(0xFF000000) | (red_blue & _U(0xFF00FF)) | (green & _U(0x00FF00))


@kernel(error_model="numpy")
def _grid_along(h, x_first, x_end, y):  # type: ignore[no-untyped-def]
    """Return grid place of white px (x_first, y) and its step a pixel, for one tile's row.

    Exact at both ends. In between a homography is straight but not evenly paced; over one tile
    that is below a thousandth of a block for any camera pair worth its name.
    """
    u, v = grid_at(h, float(x_first), float(y))
    u_last, v_last = grid_at(h, float(x_end - 1), float(y))
    n = max(x_end - 1 - x_first, 1)
    return u, v, (u_last - u) / n, (v_last - v) / n


@kernel(error_model="numpy")
def _grid_over_into(first, change, h, x_first, x_end, y_first, y_end):  # type: ignore[no-untyped-def]
    """Write `_grid_along` of a tile's first row (4 numbers), and its change a row: likewise."""
    top = _grid_along(h, x_first, x_end, y_first)
    bottom = _grid_along(h, x_first, x_end, y_end - 1)
    n = max(y_end - 1 - y_first, 1)
    for k in range(4):
        first[k], change[k] = top[k], (bottom[k] - top[k]) / n


@kernel()
def _in_row(first, change, row):  # type: ignore[no-untyped-def]
    """Return `_grid_along` of a tile's ``row``, counted from its first, by `_grid_over_into`."""
    i = float(row)
    return (
        first[0] + i * change[0],
        first[1] + i * change[1],
        first[2] + i * change[2],
        first[3] + i * change[3],
    )


@kernel()
def _any_above(gates):  # type: ignore[no-untyped-def]
    found = np.uint32(0)  # a greatest value would be sought one by one
    for k in range(gates.shape[0]):
        found |= np.uint32(gates[k] > _F(0.0))
    return found != np.uint32(0)


@kernel()
def _hat(x):  # type: ignore[no-untyped-def]
    """Return the weight, in linear interpolation, of a value ``x`` steps away."""
    return max(_F(1.0) - abs(x), _F(0.0))


@kernel()
def _confirm_inside(gates, gate, u, v, u_step, v_step):  # type: ignore[no-untyped-def]
    """As `_confirm_gate`, where four blocks by three hold all, and all may be drawn.

    Their values are constants of the loop and only weights change: SIMD, where to look blocks up
    for each pixel is not. Return whether they hold all.
    """
    rows, cols = gate.shape
    n = gates.shape[0]
    u_last, v_last = u + (n - 1) * u_step, v + (n - 1) * v_step
    left, top = min(u, u_last), min(v, v_last)
    if not (left >= 0.0 and top >= 0.0):
        return False
    c, r = int(left), int(top)
    right, bottom = max(u, u_last), max(v, v_last)
    if right > min(c + 3, cols - 1) or bottom > min(r + 2, rows - 1):
        return False
    c1, c2, c3 = min(c + 1, cols - 1), min(c + 2, cols - 1), min(c + 3, cols - 1)
    one, two, three = gate[r], gate[min(r + 1, rows - 1)], gate[min(r + 2, rows - 1)]
    a0, a1, a2, a3 = one[c], one[c1], one[c2], one[c3]
    b0, b1, b2, b3 = two[c], two[c1], two[c2], two[c3]
    d0, d1, d2, d3 = three[c], three[c1], three[c2], three[c3]
    x_first, y_first, x_step, y_step = _F(u - c), _F(v - r), _F(u_step), _F(v_step)
    for k in range(n):
        x, y = x_first + _F(k) * x_step, y_first + _F(k) * y_step
        h0, h1, h2, h3 = _hat(x), _hat(x - _F(1.0)), _hat(x - _F(2.0)), _hat(x - _F(3.0))
        exact = _hat(y) * (h0 * a0 + h1 * a1 + h2 * a2 + h3 * a3)
        exact += _hat(y - _F(1.0)) * (h0 * b0 + h1 * b1 + h2 * b2 + h3 * b3)
        exact += _hat(y - _F(2.0)) * (h0 * d0 + h1 * d1 + h2 * d2 + h3 * d3)
        gates[k] = exact if gates[k] > _F(0.0) else gates[k]
    return True


@kernel()
def _confirm_gate(gates, place, flags, gate, field_edge, closed):  # type: ignore[no-untyped-def]
    """Replace interpolated gates above 0 by exact ones, 0 where nothing may be drawn.

    ``gates`` belong to one tile's row, which lies at ``place``: `_grid_along`. ``closed``: whether
    anything in the tile may not be drawn.
    """
    if not _any_above(gates):
        return
    rows, cols = gate.shape
    n = gates.shape[0]
    u_first, v_first, u_step, v_step = place
    if not closed and _confirm_inside(gates, gate, u_first, v_first, u_step, v_step):
        return
    for k in range(n):
        if gates[k] > 0.0:
            u, v = u_first + k * u_step, v_first + k * v_step
            if outside(u, v, field_edge):
                gates[k] = _F(0.0)
                continue
            c0, c1, fc = _cell_at(u, cols - 1)
            r0, r1, fr = _cell_at(v, rows - 1)
            if flags[r1 if fr >= _F(0.5) else r0, c1 if fc >= _F(0.5) else c0] & NOT_DRAWN:
                gates[k] = _F(0.0)
            else:
                gates[k] = _sampled(gate, r0, r1, fr, c0, c1, fc)


@kernel()
def _flag_at(flags, u, v, field_edge):  # type: ignore[no-untyped-def]
    """Return the flags of the block nearest to a grid place; outside all is doubtful."""
    if outside(u, v, field_edge):
        return np.uint8(DOUBTFUL)
    rows, cols = flags.shape
    # a place half-way belongs to the block below, and to the one to the right
    r = np.uintp(min(max(v + 0.5, 0.0), rows - 1.0))
    return flags[r, np.uintp(min(max(u + 0.5, 0.0), cols - 1.0))]


@kernel()
def _hatch_tile(out, x_first, x_end, y_first, y_end, place, flags, field_edge, clipped_rgb):  # type: ignore[no-untyped-def]
    """Draw the part of the diagonal hatching that falls into one tile.

    ``place``: see `_grid_over_into`. ``clipped_rgb`` 0: nothing in the tile is clipped.
    """
    first, change = place[0], place[1]
    period = HATCH_PERIOD_PX if clipped_rgb else 2 * HATCH_PERIOD_PX
    for y in range(y_first, y_end):
        i = float(y - y_first)
        u_first, v_first = first[0] + i * change[0], first[1] + i * change[1]
        u_step, v_step = first[2] + i * change[2], first[3] + i * change[3]
        for start in range(x_first - (x_first + y) % period, x_end, period):
            thin = (start + y) % (2 * HATCH_PERIOD_PX) == 0
            for x in range(max(start, x_first), min(start + _CLIPPED_LINE_PX, x_end)):
                k = float(x - x_first)
                found = _flag_at(flags, u_first + k * u_step, v_first + k * v_step, field_edge)
                if found & CLIPPED:
                    out[y, x] = _blended(out[y, x], clipped_rgb, _U(_CLIPPED_ALPHA))
                elif found & DOUBTFUL and thin and x == start:
                    out[y, x] = _blended(out[y, x], _DOUBTFUL_RGB, _U(_DOUBTFUL_ALPHA))
                if not clipped_rgb:
                    break


@kernel()
def _colour_row(row, levels, gates, colours, table, opacity):  # type: ignore[no-untyped-def]
    """Blend a run of pixels; ``colours`` is scratch."""
    n = row.shape[0]
    for x in range(n):
        colours[x] = _U(min(max(levels[x], _F(0.0)), _F(1.0)) * _F(255.0) + _F(0.5))
    for x in range(n):
        colours[x] = table[np.uintp(colours[x])]
    for x in range(n):
        share = min(max(gates[x], _F(0.0)), _F(1.0)) * opacity
        alpha = _U(share * _F(colours[x] >> _U(24)) + _F(0.5))
        row[x] = _blended(row[x], colours[x], alpha)


@kernel()
def _overlay_band(out, band, shown, scratch):  # type: ignore[no-untyped-def]
    """Draw into one row of tiles of ``out``, whose anatomy is already there."""
    tiles, level, gate, flags, h, field_edge, step, table, opacity = shown
    lattice, wide, colours, places = scratch
    height, width = out.shape
    y_first = band * TILE_PX
    y_end = min(y_first + TILE_PX, height)
    tile_cols = tiles.shape[1]
    for t in range(tile_cols):
        if tiles[band, t] & HATCHED or (tiles[band, t] & LIT and tiles[band, t] & UNSURE):
            x, end = t * TILE_PX, min((t + 1) * TILE_PX, width)
            _grid_over_into(places[t, 0], places[t, 1], h, x, end, y_first, y_end)
    j = 0
    while j < tile_cols:
        if not tiles[band, j] & LIT:
            j += 1
            continue
        j_end = j + 1
        while j_end < tile_cols and tiles[band, j_end] & LIT:
            j_end += 1
        x_first = j * TILE_PX
        x_end = min(j_end * TILE_PX, width)
        n = (j_end - j) * TILE_PX // step
        _sample_lattice_into(lattice, x_first, n + 1, y_first, step, h, level, gate)
        for y in range(y_first, y_end):
            i = (y - y_first) // step
            weight = _F(((y - y_first) % step + _lattice_before(step)) / step)
            for k in range(2):
                _spread_row_into(
                    wide[0, k], wide[1, k], lattice[k, i], lattice[k, i + 1], weight, n, step
                )
            for t in range(j, j_end):
                if tiles[band, t] & UNSURE:
                    x = t * TILE_PX
                    end = min(x + TILE_PX, width)
                    part = wide[0, 1, x - x_first : end - x_first]
                    closed = tiles[band, t] & NOT_DRAWN != 0
                    place = _in_row(places[t, 0], places[t, 1], y - y_first)
                    _confirm_gate(part, place, flags, gate, field_edge, closed)
            n_px = x_end - x_first
            gates = wide[0, 1, :n_px]
            if _any_above(gates):
                row = out[y, x_first:x_end]
                _colour_row(row, wide[0, 0, :n_px], gates, colours, table, opacity)
        j = j_end
    clipped_rgb = table[table.shape[0] - 1]
    for t in range(tile_cols):
        if tiles[band, t] & HATCHED:
            x = t * TILE_PX
            end = min(x + TILE_PX, width)
            line_rgb = clipped_rgb if tiles[band, t] & CLIPPED else _U(0)
            _hatch_tile(out, x, end, y_first, y_end, places[t], flags, field_edge, line_rgb)


@allocating()
def merged_into(out, pixels, red_at, gains, shown, scratch):  # type: ignore[no-untyped-def]
    """Draw white light and overlay a band of tiles at a time, while the band is in cache.

    Parameters
    ----------
    out
        (H, W) uint32, overwritten.
    pixels, red_at, gains
        White light: (H, W) mosaic with red at (row, column) of its 2x2 cell, or (H, W, 3); gains as
        of `draw_demosaic`.
    shown
        `Shown`.
    scratch
        `Scratch`.
    """
    height = out.shape[0]
    if pixels.ndim == 2:
        work = bayer_work(pixels, red_at[0], red_at[1])
    for band in range(shown.tiles.shape[0]):
        first, end = band * TILE_PX, min((band + 1) * TILE_PX, height)
        if pixels.ndim == 3:
            rgb_rows_into(out, pixels, first, end, gains)
        else:
            bayer_rows_into(out, pixels, first, end, red_at[0], gains, work)
        _overlay_band(out, band, shown, scratch)
