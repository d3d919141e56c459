"""What the guidance's maps let a picture show, block by block, and then tile by tile.

Private to `core.draw` and `core.draw_overlay`.
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np

from sln_guide.core.kernel import kernel

TILE_PX = 16
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
HATCHED = DOUBTFUL | CLIPPED
NOT_DRAWN = HIDDEN | HATCHED

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
            if flags[r, c] & NOT_DRAWN:
                level_sum, gate_sum, n = _F(0.0), _F(0.0), 0
                for rr in range(max(r - 1, 0), min(r + 2, rows)):
                    for cc in range(max(c - 1, 0), min(c + 2, cols)):
                        if not flags[rr, cc] & NOT_DRAWN:
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
    return found & np.uint8(NOT_DRAWN) == np.uint8(0)


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
def grid_at(h, x, y):  # type: ignore[no-untyped-def]
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
def outside(u, v, field_edge):  # type: ignore[no-untyped-def]
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
            u, v = grid_at(h, TILE_PX * j - 0.5, TILE_PX * i - 0.5)
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
                    if outside(u, v, field_edge):
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
