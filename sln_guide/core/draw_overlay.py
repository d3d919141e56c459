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

import numba as nb
import numpy as np

from sln_guide.core.draw_demosaic import bayer_rows_into, bayer_work, rgb_rows_into
from sln_guide.core.kernel import kernel

TILE_PX = 16
LATTICE_PX = 4
RAMP_SIGMA = 1.0

LIT = 1
UNLIT = 2
HIDDEN = 4
DOUBTFUL = 8
CLIPPED = 16
_LIT, _UNLIT, _HIDDEN, _DOUBTFUL, _CLIPPED = (
    np.uint8(bit) for bit in (LIT, UNLIT, HIDDEN, DOUBTFUL, CLIPPED)
)
"""In the flags' own type: mixed with wider integers a loop over flags is no SIMD."""
_HATCHED = DOUBTFUL | CLIPPED
_NOT_DRAWN = HIDDEN | _HATCHED

HATCH_PERIOD_PX = 8
"""Clipped areas carry a line each period, other doubtful ones a thinner line each second."""
_CLIPPED_LINE_PX = 2
_CLIPPED_ALPHA = 150
_DOUBTFUL_ALPHA = 64
_DOUBTFUL_RGB = np.uint32(0x9FB0BC)

_U = nb.uint32
_F = nb.float32


@kernel()
def prepare_field_into(  # type: ignore[no-untyped-def]
    level, gate, flags, signal, significance, cannot_judge, draw_mask, clipped_bit, threshold, scale
):
    """Turn the guidance's maps into what the drawing samples. All arrays (rows, cols).

    Writes ``level`` (signal as a share of full scale) and ``gate`` (significance above threshold,
    in `RAMP_SIGMA`) float32, and ``flags`` uint8. Blocks that must not be drawn take the mean of
    their drawable neighbours, so that what lies beside them is not mixed with rubbish.
    """
    rows, cols = signal.shape
    for r in range(rows):
        _prepare_row_into(
            level[r],
            gate[r],
            flags[r],
            signal[r],
            significance[r],
            cannot_judge[r],
            draw_mask[r],
            clipped_bit,
            threshold,
            scale,
        )
    for r in range(rows):
        if _all_drawn(flags[r]):
            continue
        for c in range(cols):
            if flags[r, c] & _NOT_DRAWN:
                level_sum, gate_sum, n = _F(0.0), _F(0.0), 0
                for rr in range(max(r - 1, 0), min(r + 2, rows)):
                    for cc in range(max(c - 1, 0), min(c + 2, cols)):
                        if not flags[rr, cc] & _NOT_DRAWN:
                            level_sum += level[rr, cc]
                            gate_sum += gate[rr, cc]
                            n += 1
                level[r, c] = level_sum / _F(n) if n else _F(0.0)
                gate[r, c] = gate_sum / _F(n) if n else _F(-1.0)
    for r in range(rows):
        flag, g = flags[r], gate[r]
        for c in range(cols):
            flag[c] |= _LIT if g[c] > _F(0.0) else _UNLIT


@kernel()
def _prepare_row_into(  # type: ignore[no-untyped-def]
    level, gate, flags, signal, significance, cannot_judge, draw_mask, clipped_bit, threshold, scale
):
    clipped = np.uint8(clipped_bit)
    for c in range(level.shape[0]):
        level[c] = signal[c] * scale
    for c in range(level.shape[0]):
        gate[c] = (significance[c] - threshold) * _F(1.0 / RAMP_SIGMA)
    for c in range(level.shape[0]):
        finite = (abs(signal[c]) < _F(np.inf)) & (abs(significance[c]) < _F(np.inf))
        why = cannot_judge[c]
        flag = _HIDDEN if draw_mask[c] == np.uint8(0) else np.uint8(0)
        flag = flag if (why == np.uint8(0)) & finite else _DOUBTFUL
        flags[c] = _CLIPPED if why & clipped != np.uint8(0) else flag


@kernel()
def _all_drawn(flags):  # type: ignore[no-untyped-def]
    found = np.uint8(0)
    for c in range(flags.shape[0]):
        found |= flags[c]
    return found & np.uint8(_NOT_DRAWN) == np.uint8(0)


@kernel()
def spread_labels(labels, lit, queue):  # type: ignore[no-untyped-def]
    """Grow non-zero ``labels`` (uint8) through ``lit`` blocks: each takes its nearest seed's.

    ``queue`` int32, one entry a block; ``labels`` is modified in place. 8-connected, breadth
    first, so ties fall to the seed that comes first in row order.
    """
    rows, cols = labels.shape
    head, tail = 0, 0
    for i in range(rows * cols):
        if labels[i // cols, i % cols]:
            queue[tail] = i
            tail += 1
    while head < tail:
        r, c = queue[head] // cols, queue[head] % cols
        head += 1
        for rr in range(max(r - 1, 0), min(r + 2, rows)):
            for cc in range(max(c - 1, 0), min(c + 2, cols)):
                if lit[rr, cc] and not labels[rr, cc]:
                    labels[rr, cc] = labels[r, c]
                    queue[tail] = rr * cols + cc
                    tail += 1


@kernel(error_model="numpy")
def _grid_at(h, x, y):  # type: ignore[no-untyped-def]
    """Return where white px (x, y) lies in the grid (column, row); NaN beyond the horizon."""
    w = h[6] * x + h[7] * y + h[8]
    if not w > 1e-12:
        return math.nan, math.nan
    return (h[0] * x + h[1] * y + h[2]) / w, (h[3] * x + h[4] * y + h[5]) / w


@kernel()
def _block_at(u, n):  # type: ignore[no-untyped-def]
    """Return the block at or below a coordinate, clamped to [0, n)."""
    return int(min(max(u, 0.0), n - 1.0))


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
def _outside(u, v, field_edge):  # type: ignore[no-untyped-def]
    """Whether a grid place lies outside the NIR image, or nowhere (NaN)."""
    inside = -0.5 <= u <= field_edge[0] and -0.5 <= v <= field_edge[1]
    return not inside


@kernel()
def bound_tiles_into(bounds, known, corners, rows, cols, h, field_edge):  # type: ignore[no-untyped-def]
    """Find the blocks that a tile's pixels may sample, and what its place alone tells of it.

    ``bounds`` int16 (tile rows, tile cols, 4): first row, end row, first column, end column;
    ``known`` uint8: what is so whatever the maps say. ``corners`` float64 (tile rows + 1, tile
    cols + 1, 2) is scratch. A homography maps a tile to a quadrilateral within the bounds of its
    corners; one with a corner outside the NIR field (or beyond the horizon) is doubtful.
    """
    tile_rows, tile_cols = known.shape
    for i in range(tile_rows + 1):
        for j in range(tile_cols + 1):
            u, v = _grid_at(h, TILE_PX * j - 0.5, TILE_PX * i - 0.5)
            corners[i, j, 0] = u
            corners[i, j, 1] = v
    bounds[:] = 0
    for i in range(tile_rows):
        for j in range(tile_cols):
            u_low, v_low, u_high, v_high = math.inf, math.inf, -math.inf, -math.inf
            found = 0
            whole = True
            for a in range(2):
                for b in range(2):
                    u, v = corners[i + a, j + b, 0], corners[i + a, j + b, 1]
                    if _outside(u, v, field_edge):
                        found |= DOUBTFUL
                    if math.isnan(u):
                        whole = False
                    else:
                        u_low, u_high = min(u_low, u), max(u_high, u)
                        v_low, v_high = min(v_low, v), max(v_high, v)
            if whole:
                bounds[i, j, 0], bounds[i, j, 1] = _span(v_low, v_high, rows)
                bounds[i, j, 2], bounds[i, j, 3] = _span(u_low, u_high, cols)
            else:
                found |= LIT | UNLIT | DOUBTFUL
            known[i, j] = found


@kernel()
def _span(low, high, n):  # type: ignore[no-untyped-def]
    return _block_at(low, n), _block_at(high + 1.0, n) + 1


@kernel()
def _join_pairs_into(out, above, below):  # type: ignore[no-untyped-def]
    for c in range(out.shape[0]):
        out[c] = above[c] | below[c]
    _join(out[:-1], above[1:])
    _join(out[:-1], below[1:])


@kernel()
def _join(out, flags):  # type: ignore[no-untyped-def]
    for c in range(out.shape[0]):
        out[c] |= flags[c]


@kernel()
def classify_tiles_into(tiles, bounds, known, flags, pairs):  # type: ignore[no-untyped-def]
    """OR the ``flags`` of all blocks that a tile's pixels may sample into ``tiles`` uint8.

    Two by two, so that a neighbour's may come in: what is drawn is looked at again, pixel by
    pixel. ``pairs`` (rows, cols) uint8 is scratch.
    """
    rows = flags.shape[0]
    for r in range(rows):
        _join_pairs_into(pairs[r], flags[r], flags[min(r + 1, rows - 1)])
    for i in range(tiles.shape[0]):
        for j in range(tiles.shape[1]):
            found = known[i, j]
            first, end = bounds[i, j, 2], bounds[i, j, 3]
            for r in range(bounds[i, j, 0], bounds[i, j, 1], 2):
                for c in range(first, end, 2):
                    found |= pairs[r, c]
            tiles[i, j] = found


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
            u, v = _grid_at(h, x_first + k * step - before, y_first + i * step - before)
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
    u, v = _grid_at(h, float(x_first), float(y))
    u_last, v_last = _grid_at(h, float(x_end - 1), float(y))
    n = max(x_end - 1 - x_first, 1)
    return u, v, (u_last - u) / n, (v_last - v) / n


@kernel()
def _confirm_gate(gates, x_first, y, h, flags, gate, field_edge):  # type: ignore[no-untyped-def]
    """Replace interpolated gates above 0 by exact ones, 0 where nothing may be drawn.

    ``gates`` belong to one tile's row, the first to the pixel at ``x_first``.
    """
    rows, cols = gate.shape
    n = gates.shape[0]
    u_first, v_first, u_step, v_step = _grid_along(h, x_first, x_first + n, y)
    for k in range(n):
        if gates[k] > 0.0:
            u, v = u_first + k * u_step, v_first + k * v_step
            if _outside(u, v, field_edge):
                gates[k] = _F(0.0)
                continue
            c0, c1, fc = _cell_at(u, cols - 1)
            r0, r1, fr = _cell_at(v, rows - 1)
            if flags[r1 if fr >= _F(0.5) else r0, c1 if fc >= _F(0.5) else c0] & _NOT_DRAWN:
                gates[k] = _F(0.0)
            else:
                gates[k] = _sampled(gate, r0, r1, fr, c0, c1, fc)


@kernel()
def _hatch_row(row, x_first, y, h, flags, field_edge, clipped_here, clipped_rgb):  # type: ignore[no-untyped-def]
    """Draw the part of the diagonal hatching that falls into one tile's ``row``."""
    rows, cols = flags.shape
    n = row.shape[0]
    u_first, v_first, u_step, v_step = _grid_along(h, x_first, x_first + n, y)
    for start in range(-((x_first + y) % HATCH_PERIOD_PX), n, HATCH_PERIOD_PX):
        clipped_only = (x_first + start + y) % (2 * HATCH_PERIOD_PX) != 0
        if clipped_only and not clipped_here:
            continue
        for k in range(max(start, 0), min(start + _CLIPPED_LINE_PX, n)):
            u, v = u_first + k * u_step, v_first + k * v_step
            found = DOUBTFUL
            if not _outside(u, v, field_edge):
                c0, c1, fc = _cell_at(u, cols - 1)
                r0, r1, fr = _cell_at(v, rows - 1)
                found = flags[r1 if fr >= _F(0.5) else r0, c1 if fc >= _F(0.5) else c0]
            if found & CLIPPED:
                row[k] = _blended(row[k], clipped_rgb, _U(_CLIPPED_ALPHA))
            elif found & DOUBTFUL and k == start and not clipped_only:
                row[k] = _blended(row[k], _DOUBTFUL_RGB, _U(_DOUBTFUL_ALPHA))


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
def overlay_band(  # type: ignore[no-untyped-def]
    out,
    band,
    tiles,
    level,
    gate,
    flags,
    h,
    field_edge,
    step,
    table,
    opacity,
    lattice,
    wide,
    colours,
):
    """Draw into one row of tiles of ``out``, whose anatomy is already there.

    ``opacity`` float32 in [0, 256/255]; ``lattice`` float32 (2, TILE_PX / step + 1, n), ``wide``
    float32 (2, 2, n) and ``colours`` uint32 (n,) are scratch for rows of n > the width + a tile.
    """
    height, width = out.shape
    y_first = band * TILE_PX
    y_end = min(y_first + TILE_PX, height)
    tile_cols = tiles.shape[1]
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
                if tiles[band, t] & (UNLIT | _NOT_DRAWN):
                    x = t * TILE_PX
                    end = min(x + TILE_PX, width)
                    part = wide[0, 1, x - x_first : end - x_first]
                    _confirm_gate(part, x, y, h, flags, gate, field_edge)
            n_px = x_end - x_first
            _colour_row(
                out[y, x_first:x_end], wide[0, 0, :n_px], wide[0, 1, :n_px], colours, table, opacity
            )
        j = j_end
    clipped_rgb = table[table.shape[0] - 1]
    for t in range(tile_cols):
        if tiles[band, t] & _HATCHED:
            x = t * TILE_PX
            end = min(x + TILE_PX, width)
            clipped_here = tiles[band, t] & CLIPPED != 0
            for y in range(y_first, y_end):
                row = out[y, x:end]
                _hatch_row(row, x, y, h, flags, field_edge, clipped_here, clipped_rgb)


@kernel()
def merged_into(  # type: ignore[no-untyped-def]
    out,
    pixels,
    red_y,
    red_x,
    gains,
    tiles,
    level,
    gate,
    flags,
    h,
    field_edge,
    step,
    table,
    opacity,
    lattice,
    wide,
    colours,
):
    """Draw white light and overlay a band of tiles at a time, while the band is in cache."""
    height = out.shape[0]
    if pixels.ndim == 2:
        work = bayer_work(pixels, red_y, red_x)
    for band in range(tiles.shape[0]):
        first, end = band * TILE_PX, min((band + 1) * TILE_PX, height)
        if pixels.ndim == 3:
            rgb_rows_into(out, pixels, first, end, gains)
        else:
            bayer_rows_into(out, pixels, first, end, red_y, gains, work)
        overlay_band(
            out,
            band,
            tiles,
            level,
            gate,
            flags,
            h,
            field_edge,
            step,
            table,
            opacity,
            lattice,
            wide,
            colours,
        )
