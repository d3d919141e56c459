"""Kernels that read every white-light pixel once and reduce it to a grid of blocks.

Private to `core.white`. As `core.reduce`: exact integer sums, one block after the other.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from sln_guide.core.reduce import add_row, add_steps, count_full


@nb.njit(nogil=True, cache=True)
def reduce_bayer_into(colour, edge, full, raw, block, phase, limit, columns):  # type: ignore[no-untyped-def]
    """Reduce a colour mosaic to block means of its three colours.

    Parameters
    ----------
    colour
        Out, (3, rows, cols) float32: mean red, green, blue counts.
    edge, full
        Out, (rows, cols) float32: largest step between samples of one colour two apart; share of
        samples at or above ``limit``.
    raw
        (H, W) uint8 or uint16, H and W at least 2.
    block
        Edge of a block, even. A last odd row or column belongs to no full cell and is left out.
    phase
        (row, column) of red in the 2x2 cell.
    columns
        Workspace (even total uint32, odd total uint32, full uint16, step, scratch of the raw
        type), each (W).
    """
    even, odd, full_count, step, scratch = columns
    height = raw.shape[0] & ~1
    width = raw.shape[1] & ~1
    red_row, red_col = phase
    for r in range(edge.shape[0]):
        y0 = r * block
        y1 = min(y0 + block, height)
        even[:] = 0
        odd[:] = 0
        full_count[:] = 0
        step[:] = 0
        for y in range(y0, y1):
            row = raw[y]
            add_row(row, even if (y & 1) == red_row else odd)
            count_full(row, full_count, limit)
            if y - y0 >= 2:
                add_steps(row, raw[y - 2], step, scratch, 2)
        whole = 0
        if block == 8:
            whole = width // 8
            _gather_colours_8(
                colour[:, r], edge[r], full[r], even, odd, full_count, step, red_col, y1 - y0, whole
            )
        _gather_colours(
            colour[:, r],
            edge[r],
            full[r],
            even[:width],
            odd,
            full_count,
            step,
            red_col,
            y1 - y0,
            block,
            whole,
        )


@nb.njit(nogil=True, cache=True)
def _gather_colours_8(colour, edge, full, even, odd, full_count, step, red_col, rows, whole):  # type: ignore[no-untyped-def]
    """Gather whole blocks 8 columns wide; as `_gather_colours`, which is the definition."""
    one = np.float32(1.0) / np.float32(2 * rows)
    two = np.float32(1.0) / np.float32(4 * rows)
    share = np.float32(1.0) / np.float32(8 * rows)
    other = 1 - red_col
    for c in range(whole):
        x0 = c * 8
        red = np.uint32(0)
        green = np.uint32(0)
        blue = np.uint32(0)
        f = np.uint16(0)
        s = step[x0]
        for k in range(4):
            x = x0 + 2 * k
            red += even[x + red_col]
            green += even[x + other] + odd[x + red_col]
            blue += odd[x + other]
        for k in range(8):
            f += full_count[x0 + k]
        for k in range(6):
            s = max(s, step[x0 + k])
        colour[0, c] = np.float32(red) * one
        colour[1, c] = np.float32(green) * two
        colour[2, c] = np.float32(blue) * one
        edge[c] = s
        full[c] = np.float32(f) * share


@nb.njit(nogil=True, cache=True)
def _gather_colours(colour, edge, full, even, odd, full_count, step, red_col, rows, block, first):  # type: ignore[no-untyped-def]
    """Gather columns of one row of blocks, from block ``first`` on."""
    width = even.shape[0]
    for c in range(first, edge.shape[0]):
        x0 = c * block
        x1 = min(x0 + block, width)
        red = nb.int64(0)
        green = nb.int64(0)
        blue = nb.int64(0)
        f = nb.int64(0)
        s = step[x0]
        for x in range(x0, x1):
            f += full_count[x]
            if (x & 1) == red_col:
                red += even[x]
                green += odd[x]
            else:
                green += even[x]
                blue += odd[x]
        for x in range(x0, max(x1 - 2, x0 + 1)):
            s = max(s, step[x])
        cells = (x1 - x0) * rows // 4
        colour[0, c] = np.float32(red) * (np.float32(1.0) / np.float32(cells))
        colour[1, c] = np.float32(green) * (np.float32(1.0) / np.float32(2 * cells))
        colour[2, c] = np.float32(blue) * (np.float32(1.0) / np.float32(cells))
        edge[c] = s
        full[c] = np.float32(f) * (np.float32(1.0) / np.float32(4 * cells))


@nb.njit(nogil=True, cache=True)
def reduce_rgb_into(colour, edge, full, raw, block, limit, columns):  # type: ignore[no-untyped-def]
    """Reduce (H, W * 3) uint8, interleaved RGB, to block means; as `reduce_bayer_into`.

    ``columns``: (total uint32, unused, full uint16, step, scratch uint8), each (W * 3).
    """
    total, _, full_count, step, scratch = columns
    height = raw.shape[0]
    width = raw.shape[1] // 3
    for r in range(edge.shape[0]):
        y0 = r * block
        y1 = min(y0 + block, height)
        total[:] = 0
        full_count[:] = 0
        step[:] = 0
        for y in range(y0, y1):
            add_row(raw[y], total)
            count_full(raw[y], full_count, limit)
            if y - y0 >= 2:
                add_steps(raw[y], raw[y - 2], step, scratch, 6)
        for c in range(edge.shape[1]):
            x0 = c * block
            x1 = min(x0 + block, width)
            red = nb.int64(0)
            green = nb.int64(0)
            blue = nb.int64(0)
            f = nb.int64(0)
            s = step[3 * x0]
            for x in range(x0, x1):
                red += total[3 * x]
                green += total[3 * x + 1]
                blue += total[3 * x + 2]
                f += full_count[3 * x] + full_count[3 * x + 1] + full_count[3 * x + 2]
            for x in range(x0, max(x1 - 2, x0 + 1)):
                s = max(s, step[3 * x + 1])
            share = np.float32(1.0) / np.float32((x1 - x0) * (y1 - y0))
            colour[0, r, c] = np.float32(red) * share
            colour[1, r, c] = np.float32(green) * share
            colour[2, r, c] = np.float32(blue) * share
            edge[r, c] = s
            full[r, c] = np.float32(f) * share / np.float32(3.0)
