"""Kernels that read every raw pixel once: unpack, correct, and reduce to a grid of blocks.

Private to `core.analysis`. Sums of integers are exact, and every float sum runs over one block in
a fixed order, so results do not depend on how rows are shared out.

A block's ``edge`` is the largest step between pixels two apart, across or down: a diffuse light's
step is a small part of its change across the block, a metal edge's or a glint's is all of it.
"""

from __future__ import annotations

import numba as nb
import numpy as np

_U32 = nb.uint32


@nb.njit(nogil=True, cache=True)
def _unpack_12p_row_into(out, packed):  # type: ignore[no-untyped-def]
    """Unpack one row of Mono12p: two pixels in three bytes, least significant bits first."""
    for i in range(out.shape[0] // 2):
        a = np.uint16(packed[3 * i])
        b = np.uint16(packed[3 * i + 1])
        c = np.uint16(packed[3 * i + 2])
        out[2 * i] = a | ((b & np.uint16(15)) << np.uint16(8))
        out[2 * i + 1] = (b >> np.uint16(4)) | (c << np.uint16(4))


@nb.njit(nogil=True, cache=True)
def unpack_12p_into(out, packed):  # type: ignore[no-untyped-def]
    """Unpack Mono12p (H, W * 3 // 2) uint8 into ``out`` (H, W) uint16."""
    for y in range(out.shape[0]):
        _unpack_12p_row_into(out[y], packed[y])


@nb.njit(nogil=True, cache=True)
def _add_extremes(row, high, low):  # type: ignore[no-untyped-def]
    for x in range(row.shape[0]):
        v = row[x]
        high[x] = max(high[x], v)
        low[x] = min(low[x], v)


@nb.njit(nogil=True, cache=True)
def add_row(row, total):  # type: ignore[no-untyped-def]
    """Add ``row`` to column sums."""
    for x in range(row.shape[0]):
        total[x] += row[x]


@nb.njit(nogil=True, cache=True)
def count_full(row, full, limit):  # type: ignore[no-untyped-def]
    """Count, per column, samples at or above ``limit``."""
    for x in range(row.shape[0]):
        full[x] += row[x] >= limit


@nb.njit(nogil=True, cache=True)
def add_steps(row, above, step, scratch, hop):  # type: ignore[no-untyped-def]
    """Take into ``step`` the largest difference to the row two above and ``hop`` samples on.

    ``scratch``, of the rows' type, keeps the arithmetic in that type: sixteen or more at once.
    """
    n = row.shape[0] - hop
    for x in range(n):
        v = row[x]
        a = above[x]
        b = row[x + hop]
        scratch[x] = max(a, b, v) - min(a, b, v)
    for x in range(n):
        step[x] = max(step[x], scratch[x])


@nb.njit(nogil=True, cache=True)
def _gather_8(mean, edge, full, total, high, low, step, full_count, rows):  # type: ignore[no-untyped-def]
    """Gather whole blocks 8 columns wide; as `_gather`, which is the definition."""
    share = np.float32(1.0) / np.float32(8 * rows)
    rest = np.float32(1.0) / np.float32(max(8 * rows - 2, 1))
    for c in range(total.shape[0] // 8):
        x0 = c * 8
        t = np.uint32(0)
        f = np.uint16(0)
        h = high[x0]
        lowest = low[x0]
        s = step[x0]
        for k in range(8):
            t += total[x0 + k]
            f += full_count[x0 + k]
            h = max(h, high[x0 + k])
            lowest = min(lowest, low[x0 + k])
        for k in range(6):
            s = max(s, step[x0 + k])
        if rows >= 2:
            mean[c] = np.float32(t - np.uint32(h) - np.uint32(lowest)) * rest
        else:
            mean[c] = np.float32(t) * share
        edge[c] = s
        full[c] = np.float32(f) * share


@nb.njit(nogil=True, cache=True)
def _gather(mean, edge, full, total, high, low, step, full_count, rows, block, first):  # type: ignore[no-untyped-def]
    """Gather columns of one row of blocks, from block ``first`` on."""
    width = total.shape[0]
    for c in range(first, mean.shape[0]):
        x0 = c * block
        x1 = min(x0 + block, width)
        t = nb.int64(0)
        f = nb.int64(0)
        h = high[x0]
        lowest = low[x0]
        s = step[x0]
        for x in range(x0, x1):
            t += total[x]
            f += full_count[x]
            h = max(h, high[x])
            lowest = min(lowest, low[x])
        for x in range(x0, max(x1 - 2, x0 + 1)):
            s = max(s, step[x])
        n = (x1 - x0) * rows
        if n >= 16:
            rest = np.float32(1.0) / np.float32(n - 2)
            mean[c] = np.float32(t - nb.int64(h) - nb.int64(lowest)) * rest
        else:
            mean[c] = np.float32(t) * (np.float32(1.0) / np.float32(n))
        edge[c] = s
        full[c] = np.float32(f) * (np.float32(1.0) / np.float32(n))


@nb.njit(nogil=True, cache=True)
def _take_row(row, above, place, columns, limit):  # type: ignore[no-untyped-def]
    """Add the ``place``-th row of a block; ``above`` is the row two above it."""
    total, full_count, high, low, step, scratch, _ = columns
    if place == 0:
        high[:] = row
        low[:] = row
    else:
        _add_extremes(row, high, low)
    add_row(row, total)
    count_full(row, full_count, limit)
    if place >= 2:
        add_steps(row, above, step, scratch, 2)


@nb.njit(nogil=True, cache=True)
def _mend_row(row, y, bad_start, bad_x, bad_left, bad_right):  # type: ignore[no-untyped-def]
    """Replace bad pixels by the mean of the nearest good ones left and right."""
    for k in range(bad_start[y], bad_start[y + 1]):
        a = np.uint32(row[bad_left[k]])
        b = np.uint32(row[bad_right[k]])
        row[bad_x[k]] = (a + b) >> _U32(1)


@nb.njit(nogil=True, cache=True)
def reduce_integers_into(mean, edge, full, raw, packed, limit, block, bad, columns):  # type: ignore[no-untyped-def]
    """Reduce raw counts to blocks.

    Parameters
    ----------
    mean, edge, full
        Out, (rows, cols) float32: mean counts, without the highest and lowest pixel where a block
        has 16 or more (one hot pixel does not count); largest step between pixels two apart
        [counts]; share of pixels at or above ``limit``.
    raw
        (H, W) uint8 or uint16, or packed rows.
    packed
        Whether ``raw`` is Mono12p.
    bad
        (start, x, left, right) of `bad_rows`.
    columns
        Workspace: (total uint32, full uint16, high, low, step, scratch, ring (3, W)), the last
        five of the raw type.
    """
    total, full_count, high, low, step, _, ring = columns
    height = raw.shape[0]
    bad_start, bad_x, bad_left, bad_right = bad
    through_ring = packed or bad_x.shape[0] > 0
    for r in range(mean.shape[0]):
        y0 = r * block
        y1 = min(y0 + block, height)
        total[:] = 0
        full_count[:] = 0
        step[:] = 0
        for y in range(y0, y1):
            line = ring[y % 3]
            if packed:
                _unpack_12p_row_into(line, raw[y])
            elif through_ring:
                line[:] = raw[y]
            if bad_start[y + 1] > bad_start[y]:
                _mend_row(line, y, bad_start, bad_x, bad_left, bad_right)
            # two calls, because a row of packed bytes and one of pixels are of different types
            if through_ring:
                _take_row(line, ring[(y + 1) % 3], y - y0, columns, limit)
            else:
                _take_row(raw[y], raw[max(y - 2, 0)], y - y0, columns, limit)
        whole = 0
        if block == 8:
            whole = total.shape[0] // 8
            _gather_8(mean[r], edge[r], full[r], total, high, low, step, full_count, y1 - y0)
        _gather(
            mean[r], edge[r], full[r], total, high, low, step, full_count, y1 - y0, block, whole
        )


@nb.njit(nogil=True, cache=True)
def _correct_row_into(out, row, dark, gain):  # type: ignore[no-untyped-def]
    for x in range(out.shape[0]):
        out[x] = (np.float32(row[x]) - dark[x]) * gain[x]


@nb.njit(nogil=True, cache=True)
def _start_floats(row, total, high, low):  # type: ignore[no-untyped-def]
    for x in range(row.shape[0]):
        total[x] = row[x]
        high[x] = row[x]
        low[x] = row[x]


@nb.njit(nogil=True, cache=True)
def _add_floats(row, total, high, low):  # type: ignore[no-untyped-def]
    for x in range(row.shape[0]):
        v = row[x]
        total[x] += v
        high[x] = v if v > high[x] else high[x]
        low[x] = v if v < low[x] else low[x]


@nb.njit(nogil=True, cache=True)
def _add_float_steps(row, above, step):  # type: ignore[no-untyped-def]
    for x in range(row.shape[0] - 2):
        d = abs(row[x] - above[x])
        e = abs(row[x] - row[x + 2])
        d = d if d > e else e
        step[x] = d if d > step[x] else step[x]


@nb.njit(nogil=True, cache=True)
def reduce_corrected_into(mean, edge, full, raw, packed, limit, block, bad, dark, gain, columns):  # type: ignore[no-untyped-def]
    """Reduce ``(raw - dark) * gain`` to blocks; as `reduce_integers_into` otherwise.

    ``dark``, ``gain`` (H, W) float32, finite. ``columns`` are (total, high, low, step float32,
    full int32, ring (3, W) float32, line (W) of the raw type).
    """
    total, high, low, step, full_count, ring, line = columns
    height = raw.shape[0]
    width = total.shape[0]
    bad_start, bad_x, bad_left, bad_right = bad
    rows, cols = mean.shape
    for r in range(rows):
        y0 = r * block
        y1 = min(y0 + block, height)
        step[:] = np.float32(0)
        full_count[:] = 0
        for y in range(y0, y1):
            row = ring[y % 3]
            if packed:
                _unpack_12p_row_into(line, raw[y])
                _correct_row_into(row, line, dark[y], gain[y])
                count_full(line, full_count, limit)
            else:
                _correct_row_into(row, raw[y], dark[y], gain[y])
                count_full(raw[y], full_count, limit)
            for k in range(bad_start[y], bad_start[y + 1]):
                row[bad_x[k]] = np.float32(0.5) * (row[bad_left[k]] + row[bad_right[k]])
            if y == y0:
                _start_floats(row, total, high, low)
            else:
                _add_floats(row, total, high, low)
            if y - y0 >= 2:
                _add_float_steps(row, ring[(y - 2) % 3], step)
        for c in range(cols):
            x0 = c * block
            x1 = min(x0 + block, width)
            t = np.float32(0)
            f = nb.int64(0)
            h = high[x0]
            lowest = low[x0]
            s = step[x0]
            for x in range(x0, x1):
                t += total[x]
                f += full_count[x]
                h = max(h, high[x])
                lowest = min(lowest, low[x])
            for x in range(x0, max(x1 - 2, x0 + 1)):
                s = max(s, step[x])
            n = (x1 - x0) * (y1 - y0)
            mean[r, c] = (t - h - lowest) / np.float32(n - 2) if n >= 16 else t / np.float32(n)
            edge[r, c] = s
            full[r, c] = f / n
