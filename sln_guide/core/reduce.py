"""The kernel that reads every raw NIR pixel once: unpack, correct, and reduce to blocks.

Private to `core.analysis`. Sums of integers are exact, and every float sum runs over one block in
a fixed order.

A block's ``edge`` is the largest range of a pixel, the one two above and the one two to the right:
a diffuse light's step is a small part of its change across the block, a metal edge's or a glint's
is all of it.
"""

from __future__ import annotations

import numpy as np

from sln_guide.core.columns import (
    add_1,
    add_4,
    clear,
    copy_into,
    count_1,
    count_4,
    extremes_1,
    extremes_4,
    fold_highest,
    fold_lowest,
    fold_sums,
    highest_of,
    keep_inside,
    range_4,
    sum_4,
    take_steps,
)
from sln_guide.core.kernel import kernel


@kernel()
def _unpack_12p_row_into(out, packed):  # type: ignore[no-untyped-def]
    """Unpack one row of Mono12p: two pixels in three bytes, least significant bits first."""
    for i in range(out.shape[0] // 2):
        a = np.uint16(packed[3 * i])
        b = np.uint16(packed[3 * i + 1])
        c = np.uint16(packed[3 * i + 2])
        out[2 * i] = a | ((b & np.uint16(15)) << np.uint16(8))
        out[2 * i + 1] = (b >> np.uint16(4)) | (c << np.uint16(4))


@kernel()
def unpack_12p_into(out, packed):  # type: ignore[no-untyped-def]
    """Unpack Mono12p (H, W * 3 // 2) uint8 into ``out`` (H, W) uint16."""
    for y in range(out.shape[0]):
        _unpack_12p_row_into(out[y], packed[y])


@kernel()
def _mend_row(row, first, end, bad_x, bad_left, bad_right):  # type: ignore[no-untyped-def]
    """Replace bad pixels by the mean of the nearest good ones left and right."""
    kind = row.dtype.type
    for k in range(first, end):
        row[bad_x[k]] = kind((float(row[bad_left[k]]) + float(row[bad_right[k]])) * 0.5)


@kernel()
def _correct_row_into(out, row, dark, gain):  # type: ignore[no-untyped-def]
    for x in range(row.shape[0]):
        out[x] = (np.float32(row[x]) - dark[x]) * gain[x]


@kernel()
def _correct_row_fixed_into(out, row, dark, gain, limit, times):  # type: ignore[no-untyped-def]
    """As `_correct_row_into` in int16, 32 at once: the upper half of a product is kept."""
    for x in range(row.shape[0]):
        above = np.int16(np.int16(min(row[x], limit)) * times) - dark[x]
        out[x] = np.int16((np.int32(np.int16(above)) * np.int32(gain[x])) >> np.int32(16))


@kernel()
def _take_block_row(columns, rows, n):  # type: ignore[no-untyped-def]
    """Reduce ``n`` rows to column sums, extremes and steps."""
    total, high, low, step = columns
    width = rows.shape[1]
    k = 0
    if n >= 4:
        a, b, c, d = rows[0], rows[1], rows[2], rows[3]
        sum_4(total, a, b, c, d)
        range_4(high, low, a, b, c, d)
        k = 4
    else:
        clear(total)
        copy_into(high, rows[0])
        copy_into(low, rows[0])
    while k + 4 <= n:
        a, b, c, d = rows[k], rows[k + 1], rows[k + 2], rows[k + 3]
        add_4(total, a, b, c, d)
        extremes_4(high, low, a, b, c, d)
        k += 4
    while k < n:
        add_1(total, rows[k])
        extremes_1(high, low, rows[k])
        k += 1
    clear(total[width:])
    # beyond the frame: whatever changes nothing
    high[width:] = high[width - 1]
    low[width:] = low[width - 1]
    take_steps(step, rows, n, 2)


@kernel()
def _finish(mean, edge, full, total, high, low, step, count, n, unit, offset):  # type: ignore[no-untyped-def]
    """Write blocks of ``n`` pixels each."""
    share = np.float32(1.0) / np.float32(n)
    if n >= 16:
        kind = total.dtype.type
        rest = unit / np.float32(n - 2)
        for c in range(mean.shape[0]):
            mean[c] = np.float32(kind(total[c] - high[c] - low[c])) * rest - offset
    else:
        for c in range(mean.shape[0]):
            mean[c] = np.float32(total[c]) * (unit * share) - offset
    for c in range(mean.shape[0]):
        edge[c] = np.float32(step[c]) * unit
    for c in range(mean.shape[0]):
        full[c] = np.float32(count[c]) * share


@kernel()
def _finish_from(first, end, mean, edge, full, folded, n, unit, offset):  # type: ignore[no-untyped-def]
    total, high, low, step, count = folded
    part = slice(first, end)
    _finish(
        mean[part],
        edge[part],
        full[part],
        total[part],
        high[part],
        low[part],
        step[part],
        count[part],
        n,
        unit,
        offset,
    )


@kernel()
def reduce_into(  # type: ignore[no-untyped-def]
    mean, edge, full, raw, packed, limit, block, bad, dark, gain, times, unit, offset, work
):
    """Reduce raw counts to blocks.

    Parameters
    ----------
    mean, edge, full
        Out, (rows, cols) float32: mean counts, without the highest and lowest pixel where a block
        has 16 or more (one hot pixel does not count); largest step [counts]; share of pixels at
        or above ``limit``.
    raw
        (H, W) uint8 or uint16, or packed rows where ``packed``: then it is Mono12p.
    bad
        (start, x, left, right) of `core.reduction.bad_rows`.
    dark, gain
        (H, W) float32, finite: blocks are of ``(raw - dark) * gain``. (0, 0): of ``raw``. With
        ``times`` > 0 int16: of ``((raw * times - dark) * gain) >> 16``.
    unit, offset
        A mean is ``unit`` times what blocks are of, minus ``offset`` [counts].
    work
        (line (W) of the raw type, lines (block, W), columns (total, high, low, step, full), the
        same again to fold with, `columns.steps_inside`). Columns are as wide as all blocks. Lines,
        extremes and steps are of the raw type, or of that of ``dark`` where there is one; sums of
        32 bits; full uint16.
    """
    line, lines, columns, spare, inside = work
    total, high, low, step, count = columns
    height = raw.shape[0]
    width = line.shape[0]
    bad_start, bad_x, bad_left, bad_right = bad
    corrected = dark.shape[0] > 0
    through_lines = packed or corrected or bad_x.shape[0] > 0
    cols = mean.shape[1]
    last = width - (cols - 1) * block
    sums = (total, high, low, step)
    for r in range(mean.shape[0]):
        y0 = r * block
        n = min(block, height - y0)
        # most rows hold nothing that is full: what is highest tells so quickly
        counted = False
        clear(count)
        if through_lines:
            for k in range(n):
                y = y0 + k
                to = lines[k]
                if times > 0 and not packed and bad_start[y] == bad_start[y + 1]:
                    if highest_of(raw[y]) >= limit:
                        count_1(count, raw[y], limit)
                        counted = True
                    _correct_row_fixed_into(to, raw[y], dark[y], gain[y], limit, times)
                    continue
                if packed:
                    _unpack_12p_row_into(line, raw[y])
                else:
                    copy_into(line, raw[y])
                _mend_row(line, bad_start[y], bad_start[y + 1], bad_x, bad_left, bad_right)
                if highest_of(line) >= limit:
                    count_1(count, line, limit)
                    counted = True
                if corrected:
                    if times > 0:
                        _correct_row_fixed_into(to, line, dark[y], gain[y], limit, times)
                    else:
                        _correct_row_into(to, line, dark[y], gain[y])
                    _mend_row(to, bad_start[y], bad_start[y + 1], bad_x, bad_left, bad_right)
                else:
                    copy_into(to, line)
            _take_block_row(sums, lines, n)
        else:
            rows = raw[y0 : y0 + n]
            _take_block_row(sums, rows, n)
            counted = highest_of(high) >= limit
            if counted:
                k = 0
                while k + 4 <= n:
                    count_4(count, rows[k], rows[k + 1], rows[k + 2], rows[k + 3], limit)
                    k += 4
                while k < n:
                    count_1(count, rows[k], limit)
                    k += 1
        keep_inside(step, inside)
        fold_sums(total, spare[0], block, cols)
        fold_highest(high, spare[1], block, cols)
        fold_lowest(low, spare[2], block, cols)
        fold_highest(step, spare[3], block, cols)
        if counted:
            fold_sums(count, spare[4], block, cols)
        folded = total, high, low, step, count
        whole, rest = n * block, n * last
        _finish_from(np.int64(0), cols - 1, mean[r], edge[r], full[r], folded, whole, unit, offset)
        _finish_from(cols - 1, cols, mean[r], edge[r], full[r], folded, rest, unit, offset)
