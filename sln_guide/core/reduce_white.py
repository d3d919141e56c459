"""The kernel that reads every white-light pixel once and samples its colour on the NIR grid.

Private to `core.white`. As `core.reduce`: exact integer sums, one block after the other.
"""

from __future__ import annotations

import numpy as np

from sln_guide.core.columns import (
    add_1,
    add_2,
    clear,
    count_1,
    count_4,
    fold_highest,
    fold_sums,
    highest_of,
    highest_of_4,
    keep_inside,
    pick_3,
    split_2,
    take_steps,
)
from sln_guide.core.kernel import kernel
from sln_guide.core.white_noise import white_noise_into

RED, GREEN, BLUE, EDGE, FULL = range(5)


@kernel()
def _take_rows(columns, rows, n, red_row, limit, hop):  # type: ignore[no-untyped-def]
    """Reduce ``n`` rows: sums of rows with red and of the others, full samples, steps.

    Returns whether any sample is full.
    """
    with_red, without, count, step = columns
    counted = False
    clear(with_red)
    clear(without)
    clear(count)
    first, second = (with_red, without) if red_row == 0 else (without, with_red)
    k = 0
    while k + 4 <= n:
        a, b, c, d = rows[k], rows[k + 1], rows[k + 2], rows[k + 3]
        add_2(first, a, c)
        add_2(second, b, d)
        if highest_of_4(a, b, c, d) >= limit:
            count_4(count, a, b, c, d, limit)
            counted = True
        k += 4
    while k < n:
        add_1(second if k & 1 else first, rows[k])
        if highest_of(rows[k]) >= limit:
            count_1(count, rows[k], limit)
            counted = True
        k += 1
    take_steps(step, rows, n, hop)
    return counted


@kernel()
def _times(to, sums, factor):  # type: ignore[no-untyped-def]
    for c in range(to.shape[0]):
        to[c] = np.float32(sums[c]) * factor


@kernel()
def _finish(own, r, folded, first, end, pixels, reds, greens):  # type: ignore[no-untyped-def]
    """Write blocks ``first`` to ``end`` of ``pixels`` samples, of them ``reds`` red or blue."""
    red, green, blue, step, count = folded
    one = np.float32(1.0) / np.float32(max(reds, 1))
    two = np.float32(1.0) / np.float32(max(greens, 1))
    share = np.float32(1.0) / np.float32(max(pixels, 1))
    _times(own[RED, r, first:end], red[first:end], one)
    _times(own[GREEN, r, first:end], green[first:end], two)
    _times(own[BLUE, r, first:end], blue[first:end], one)
    _times(own[EDGE, r, first:end], step[first:end], np.float32(1.0))
    _times(own[FULL, r, first:end], count[first:end], share)


@kernel()
def _reduce_bayer_into(own, raw, block, phase, limit, columns, colours, inside):  # type: ignore[no-untyped-def]
    with_red, without, count, step = columns
    one, two, three, four, spare, step_spare, count_spare = colours
    height = raw.shape[0] & ~1
    width = raw.shape[1] & ~1
    red_row, red_col = phase
    cols = own.shape[2]
    half = block // 2
    last = (width - (cols - 1) * block) // 2
    for r in range(own.shape[1]):
        y0 = r * block
        n = min(block, height - y0)
        counted = _take_rows(columns, raw[y0 : y0 + n], n, red_row, limit, 2)
        # a last odd column belongs to no cell
        step[width:] = 0
        count[width:] = 0
        cells = width // 2
        split_2(one[:cells], two[:cells], with_red)
        split_2(three[:cells], four[:cells], without)
        if red_col == 0:
            red, green, more, blue = one, two, three, four
        else:
            green, red, blue, more = one, two, three, four
        add_1(green[:cells], more[:cells])
        for column in (red, green, blue):
            clear(column[cells:])
        keep_inside(step, inside)
        fold_sums(red, spare[0], half, cols)
        fold_sums(green, spare[1], half, cols)
        fold_sums(blue, spare[2], half, cols)
        fold_highest(step, step_spare, block, cols)
        if counted:
            fold_sums(count, count_spare, block, cols)
        folded = red, green, blue, step, count
        cells = half * n // 2
        _finish(own, r, folded, np.int64(0), cols - 1, 4 * cells, cells, 2 * cells)
        cells = last * n // 2
        _finish(own, r, folded, cols - 1, cols, 4 * cells, cells, 2 * cells)


@kernel()
def _reduce_rgb_into(own, raw, block, limit, columns, colours, inside):  # type: ignore[no-untyped-def]
    total, _, count, step = columns
    red, green, blue, _, spare, step_spare, count_spare = colours
    height = raw.shape[0]
    width = raw.shape[1] // 3
    cols = own.shape[2]
    last = width - (cols - 1) * block
    for r in range(own.shape[1]):
        y0 = r * block
        n = min(block, height - y0)
        # every row has red: the two sums become one
        rows = raw[y0 : y0 + n]
        counted = _take_rows(columns, rows, n, np.int64(0), limit, 6)
        add_1(total, columns[1][: raw.shape[1]])
        pick_3(red[:width], total)
        pick_3(green[:width], total[1:])
        pick_3(blue[:width], total[2:])
        pick_3(step[:width], step[1:])
        if counted:
            for i in range(width):
                count[i] = count[3 * i] + count[3 * i + 1] + count[3 * i + 2]
        for column in (red, green, blue):
            clear(column[width : cols * block])
        step[width : cols * block] = 0
        count[width : cols * block] = 0
        keep_inside(step, inside)
        fold_sums(red, spare[0], block, cols)
        fold_sums(green, spare[1], block, cols)
        fold_sums(blue, spare[2], block, cols)
        fold_highest(step, step_spare, block, cols)
        if counted:
            fold_sums(count, count_spare, block, cols)
        folded = red, green, blue, step, count
        pixels = block * n
        _finish(own, r, folded, np.int64(0), cols - 1, 3 * pixels, pixels, pixels)
        pixels = last * n
        _finish(own, r, folded, cols - 1, cols, 3 * pixels, pixels, pixels)


@kernel(error_model="numpy")
def sample_into(out, source, at, weight):  # type: ignore[no-untyped-def]
    """Sample ``source`` bilinearly through a table.

    ``at`` (4, N) uint32 flat indices into a plane of ``source`` (planes, rows, cols), ``weight``
    (4, N) float32; ``out`` (planes, N).
    """
    planes = source.shape[0]
    flat = source.reshape(planes, source.shape[1] * source.shape[2])
    for p in range(planes):
        _sample_plane_into(out[p], flat[p], at, weight)


@kernel(error_model="numpy")
def _sample_plane_into(out, s, at, weight):  # type: ignore[no-untyped-def]
    a, b, c, d = at[0], at[1], at[2], at[3]
    e, f, g, h = weight[0], weight[1], weight[2], weight[3]
    for i in range(out.shape[0]):
        out[i] = s[a[i]] * e[i] + s[b[i]] * f[i] + s[c[i]] * g[i] + s[d[i]] * h[i]


@kernel(error_model="numpy")
def reduce_white_into(  # type: ignore[no-untyped-def]
    planes, own, noise, raw, rgb, block, phase, limit, work, at, weight
):
    """Reduce a white frame to blocks of its own and sample them at the NIR grid's cells.

    Parameters
    ----------
    planes
        Out, (5, N) float32: mean red, green, blue counts; largest step between samples of one
        colour two apart, as a share of full scale; share of samples at or above ``limit``.
    own
        Out, (5, rows, cols) float32: the same on the white frame's grid, steps in counts.
    noise
        Out, (3,) float64: see `white_noise.white_noise_into`, of a block.
    raw
        (H, W) uint8 or uint16 mosaic, H and W at least 2, a last odd row or column left out; or
        (H, 3 W) uint8, interleaved, where ``rgb``.
    block
        Edge of a block, even for a mosaic.
    phase
        (row, column) of red in the 2x2 cell.
    work
        (columns (sums, sums, full uint16, step of the raw type), colours (four sums, spare (3, ...)
        sums, spare step, spare full), `columns.steps_inside`). Sums are of a type that holds one
        colour of a block.
    at, weight
        `sample_into`; (4, 0) where ``own`` is ``planes`` and nothing is to be sampled.
    """
    columns, colours, inside = work
    if rgb:
        _reduce_rgb_into(own, raw, block, limit, columns, colours, inside)
    else:
        _reduce_bayer_into(own, raw, block, phase, limit, columns, colours, inside)
    if at.shape[1] > 0:
        sample_into(planes, own, at, weight)
    white_noise_into(noise, raw, rgb, phase, limit, block)
    unit = np.float32(1.0) / np.float32(limit)
    edge = planes[EDGE]
    for i in range(edge.shape[0]):
        edge[i] *= unit
