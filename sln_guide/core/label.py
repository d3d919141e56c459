"""Connected regions on the grid: labelling, hysteresis, growth. Private to the core."""

from __future__ import annotations

import numpy as np

from sln_guide.core.kernel import allocating, kernel


@kernel()
def _root(parent, i):  # type: ignore[no-untyped-def]
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@kernel()
def _count(row):  # type: ignore[no-untyped-def]
    n = 0
    for c in range(row.shape[0]):
        n += row[c]
    return n


@kernel()
def _list(cells, row, first):  # type: ignore[no-untyped-def]
    """Write ``first`` plus the index of each set cell of ``row``."""
    n = 0
    for c in range(row.shape[0]):
        cells[n] = first + c
        n += row[c]


@kernel()
def cells_of(cells, mask):  # type: ignore[no-untyped-def]
    """Write the flat indices of set cells of ``mask``, in row order; return how many.

    ``cells`` int32, as many as ``mask`` has. Most rows of most masks are empty.
    """
    rows, cols = mask.shape
    count = 0
    for r in range(rows):
        n = _count(mask[r])
        if n > 0:
            _list(cells[count:], mask[r], r * cols)
            count += n
    return count


@kernel()
def label_into(labels, cells, parent):  # type: ignore[no-untyped-def]
    """Label 8-connected regions of ``cells`` 1, 2, ... in row order of their first cell.

    ``labels`` (rows, cols) int32 out, 0 elsewhere; ``cells`` flat indices in row order, as
    `cells_of` lists them; ``parent`` workspace int32 of at least rows * cols + 1. Returns the
    number of regions. Time is linear in cells, whatever the number of regions.
    """
    cols = labels.shape[1]
    labels[:] = 0
    flat = labels.reshape(labels.size)
    used = 0
    parent[0] = 0
    r, start = 0, 0
    for at in cells:
        while at >= start + cols:
            r, start = r + 1, start + cols
        c = at - start
        near = 0
        if c > 0 and labels[r, c - 1] > 0:
            near = _root(parent, labels[r, c - 1])
        if r > 0:
            for j in range(max(c - 1, 0), min(c + 2, cols)):
                if labels[r - 1, j] > 0:
                    other = _root(parent, labels[r - 1, j])
                    if near == 0:
                        near = other
                    elif other != near:
                        low = min(near, other)
                        parent[max(near, other)] = low
                        near = low
        if near == 0:
            used += 1
            parent[used] = used
            near = used
        labels[r, c] = near
    count = 0
    for i in range(1, used + 1):
        if parent[i] == i:
            count += 1
            parent[i] = -count
    for i in range(1, used + 1):
        if parent[i] > 0:
            k = parent[i]
            while k > 0:
                k = parent[k]
            parent[i] = k
    for at in cells:
        flat[at] = -parent[flat[at]]
    return count


@kernel()
def _add(to, line):  # type: ignore[no-untyped-def]
    for c in range(to.shape[0]):
        to[c] |= line[c]


@allocating()
def grow_into(out, mask):  # type: ignore[no-untyped-def]
    """Write ``mask`` grown by one cell in all eight directions; not in place."""
    _grow_rows(out, mask, np.zeros(mask.shape[1], np.bool_))


@kernel()
def _grow_rows(out, mask, line):  # type: ignore[no-untyped-def]
    rows, cols = mask.shape
    for r in range(rows):
        above = mask[max(r - 1, 0)]
        here = mask[r]
        below = mask[min(r + 1, rows - 1)]
        to = out[r]
        for c in range(cols):
            line[c] = above[c] | here[c] | below[c]
        for c in range(cols):
            to[c] = line[c]
        _add(to[:-1], line[1:])
        _add(to[1:], line[:-1])


@kernel()
def moments_into(moments, labels, cells):  # type: ignore[no-untyped-def]
    """Write count, sums of row, col, row^2, col^2, row col of each label; (labels + 1, 6).

    ``cells``: flat indices of those that have one.
    """
    moments[:] = 0.0
    cols = labels.shape[1]
    r, start = 0, 0
    for at in cells:
        while at >= start + cols:
            r, start = r + 1, start + cols
        c = at - start
        m = moments[labels[r, c]]
        m[0] += 1.0
        m[1] += r
        m[2] += c
        m[3] += r * r
        m[4] += c * c
        m[5] += r * c
