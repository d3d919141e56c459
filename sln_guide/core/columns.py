"""Kernels that reduce the rows of a row of blocks to columns, and columns to blocks.

Private to the core. Four rows at a time, so that sums and extremes stay in registers; one row at a
time for what is left. Every loop is one plain pass over rows of one type, which becomes SIMD.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sln_guide.core.kernel import kernel


@kernel()
def clear(column):  # type: ignore[no-untyped-def]
    """Set to 0. A plain loop: numba's slice assignment is several times slower."""
    for x in range(column.shape[0]):
        column[x] = 0


@kernel()
def copy_into(to, row):  # type: ignore[no-untyped-def]
    """Copy ``row`` to the beginning of ``to``."""
    for x in range(row.shape[0]):
        to[x] = row[x]


@kernel()
def sum_4(total, a, b, c, d):  # type: ignore[no-untyped-def]
    """Write column sums of four rows."""
    kind = total.dtype.type
    for x in range(a.shape[0]):
        total[x] = (kind(a[x]) + kind(b[x])) + (kind(c[x]) + kind(d[x]))


@kernel()
def add_4(total, a, b, c, d):  # type: ignore[no-untyped-def]
    """Add four rows to column sums."""
    kind = total.dtype.type
    for x in range(a.shape[0]):
        total[x] += (kind(a[x]) + kind(b[x])) + (kind(c[x]) + kind(d[x]))


@kernel()
def add_2(total, a, b):  # type: ignore[no-untyped-def]
    """Add two rows to column sums."""
    kind = total.dtype.type
    for x in range(a.shape[0]):
        total[x] += kind(a[x]) + kind(b[x])


@kernel()
def add_1(total, a):  # type: ignore[no-untyped-def]
    """Add a row to column sums."""
    kind = total.dtype.type
    for x in range(a.shape[0]):
        total[x] += kind(a[x])


@kernel()
def highest_of(a):  # type: ignore[no-untyped-def]
    """Return the largest sample of a row."""
    top = a[0]
    for x in range(a.shape[0]):
        top = max(top, a[x])
    return top


@kernel()
def highest_of_4(a, b, c, d):  # type: ignore[no-untyped-def]
    """Return the largest sample of four rows: told in a third of the time of counting full ones."""
    top = a[0]
    for x in range(a.shape[0]):
        top = max(top, a[x], b[x], c[x], d[x])
    return top


@kernel()
def count_4(full, a, b, c, d, limit):  # type: ignore[no-untyped-def]
    """Count, per column, samples of four rows at or above ``limit``."""
    for x in range(a.shape[0]):
        full[x] += (
            np.uint16(a[x] >= limit)
            + np.uint16(b[x] >= limit)
            + np.uint16(c[x] >= limit)
            + np.uint16(d[x] >= limit)
        )


@kernel()
def count_1(full, a, limit):  # type: ignore[no-untyped-def]
    """Count, per column, samples at or above ``limit``."""
    for x in range(a.shape[0]):
        full[x] += np.uint16(a[x] >= limit)


@kernel()
def range_4(high, low, a, b, c, d):  # type: ignore[no-untyped-def]
    """Write column extremes of four rows."""
    for x in range(a.shape[0]):
        high[x] = max(a[x], b[x], c[x], d[x])
        low[x] = min(a[x], b[x], c[x], d[x])


@kernel()
def extremes_4(high, low, a, b, c, d):  # type: ignore[no-untyped-def]
    """Take four rows into column extremes."""
    for x in range(a.shape[0]):
        high[x] = max(high[x], a[x], b[x], c[x], d[x])
        low[x] = min(low[x], a[x], b[x], c[x], d[x])


@kernel()
def extremes_1(high, low, a):  # type: ignore[no-untyped-def]
    """Take a row into column extremes."""
    for x in range(a.shape[0]):
        high[x] = max(high[x], a[x])
        low[x] = min(low[x], a[x])


@kernel()
def _range_of(kind, a, b, c):  # type: ignore[no-untyped-def]
    # in the rows' own type: 16 or more at once
    return kind(max(a, b, c) - min(a, b, c))


@kernel()
def steps_4(step, before, above, a, b, c, d, hop):  # type: ignore[no-untyped-def]
    """Take into ``step`` four rows' ranges of a sample, the one two above and ``hop`` on.

    ``before`` and ``above`` are the two rows before ``a``.
    """
    kind = step.dtype.type
    for x in range(a.shape[0] - hop):
        first = max(
            _range_of(kind, a[x], before[x], a[x + hop]),
            _range_of(kind, b[x], above[x], b[x + hop]),
        )
        second = max(
            _range_of(kind, c[x], a[x], c[x + hop]), _range_of(kind, d[x], b[x], d[x + hop])
        )
        step[x] = max(step[x], first, second)


@kernel()
def steps_2(step, a, b, c, d, hop):  # type: ignore[no-untyped-def]
    """Write what `steps_4` takes in, for ``c`` and ``d`` where ``a`` and ``b`` begin a block."""
    kind = step.dtype.type
    for x in range(a.shape[0] - hop):
        step[x] = max(
            _range_of(kind, c[x], a[x], c[x + hop]), _range_of(kind, d[x], b[x], d[x + hop])
        )


@kernel()
def steps_1(step, above, a, hop):  # type: ignore[no-untyped-def]
    """As `steps_4` for one row and the one two above."""
    kind = step.dtype.type
    for x in range(a.shape[0] - hop):
        step[x] = max(step[x], _range_of(kind, a[x], above[x], a[x + hop]))


@kernel()
def take_steps(step, rows, n, hop):  # type: ignore[no-untyped-def]
    """Write the steps of the first ``n`` of a block's ``rows``, 0 beyond them."""
    k = 4
    if n >= 4:
        clear(step[max(rows.shape[1] - hop, 0) :])
        steps_2(step, rows[0], rows[1], rows[2], rows[3], hop)
        while k + 4 <= n:
            steps_4(
                step, rows[k - 2], rows[k - 1], rows[k], rows[k + 1], rows[k + 2], rows[k + 3], hop
            )
            k += 4
    else:
        clear(step)
        k = 2
    while k < n:
        steps_1(step, rows[k - 2], rows[k], hop)
        k += 1


def steps_inside(
    block: int, width: int, columns: int, kind: np.dtype[Any] | type[np.generic]
) -> NDArray[np.generic]:
    """Return ``columns`` of ``kind``: 1 where a step two to the right stays in its block, else 0.

    ``width``: columns there are samples of; the last block may be cut off by it.
    """
    inside = np.zeros(columns, kind)
    at = np.arange(width)
    inside[:width] = (at % block < max(block - 2, 1)) & ((at < width - 2) | (at % block == 0))
    return inside


@kernel()
def keep_inside(step, inside):  # type: ignore[no-untyped-def]
    """Set steps that lead out of their block to 0: `steps_inside`."""
    for x in range(step.shape[0]):
        step[x] *= inside[x]


# The loops below stand alone in functions on slices: in a larger function, with a length that is
# a product, they do not become SIMD.


@kernel()
def _sum_pairs(to, a):  # type: ignore[no-untyped-def]
    for i in range(to.shape[0]):
        to[i] = a[2 * i] + a[2 * i + 1]


@kernel()
def _highest_of_pairs(to, a):  # type: ignore[no-untyped-def]
    for i in range(to.shape[0]):
        to[i] = max(a[2 * i], a[2 * i + 1])


@kernel()
def _lowest_of_pairs(to, a):  # type: ignore[no-untyped-def]
    for i in range(to.shape[0]):
        to[i] = min(a[2 * i], a[2 * i + 1])


@kernel()
def split_2(even, odd, a):  # type: ignore[no-untyped-def]
    """Take columns in turns into ``even`` and ``odd``."""
    for i in range(even.shape[0]):
        even[i] = a[2 * i]
        odd[i] = a[2 * i + 1]


@kernel()
def pick_3(to, a):  # type: ignore[no-untyped-def]
    """Copy every third column."""
    for i in range(to.shape[0]):
        to[i] = a[3 * i]


@kernel()
def fold_sums(a, b, block, n):  # type: ignore[no-untyped-def]
    """Leave in ``a`` the sums of ``n`` times ``block`` columns of it; ``b`` is used up."""
    here, there, swapped = a, b, False
    while block % 2 == 0:
        block //= 2
        _sum_pairs(there[: n * block], here)
        here, there, swapped = there, here, not swapped
    if block > 1:
        for c in range(n):
            total = here[c * block]
            for k in range(c * block + 1, c * block + block):
                total += here[k]
            a[c] = total
    elif swapped:
        copy_into(a, b[:n])


@kernel()
def fold_highest(a, b, block, n):  # type: ignore[no-untyped-def]
    """As `fold_sums`, the largest."""
    here, there, swapped = a, b, False
    while block % 2 == 0:
        block //= 2
        _highest_of_pairs(there[: n * block], here)
        here, there, swapped = there, here, not swapped
    if block > 1:
        for c in range(n):
            best = here[c * block]
            for k in range(c * block + 1, c * block + block):
                best = max(best, here[k])
            a[c] = best
    elif swapped:
        copy_into(a, b[:n])


@kernel()
def fold_lowest(a, b, block, n):  # type: ignore[no-untyped-def]
    """As `fold_sums`, the smallest."""
    here, there, swapped = a, b, False
    while block % 2 == 0:
        block //= 2
        _lowest_of_pairs(there[: n * block], here)
        here, there, swapped = there, here, not swapped
    if block > 1:
        for c in range(n):
            best = here[c * block]
            for k in range(c * block + 1, c * block + block):
                best = min(best, here[k])
            a[c] = best
    elif swapped:
        copy_into(a, b[:n])
