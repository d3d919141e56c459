"""Connected regions on the grid: labelling, hysteresis, growth. Private to the core."""

from __future__ import annotations

import numba as nb
import numpy as np


@nb.njit(nogil=True, cache=True)
def _root(parent, i):  # type: ignore[no-untyped-def]
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@nb.njit(nogil=True, cache=True)
def label_into(labels, mask, parent):  # type: ignore[no-untyped-def]
    """Label 8-connected regions of ``mask`` 1, 2, ... in row order of their first cell.

    ``labels`` (rows, cols) int32 out; ``parent`` workspace int32 of at least rows * cols + 1.
    Returns the number of regions. Time is linear in cells, whatever the number of regions.
    """
    rows, cols = mask.shape
    used = 0
    parent[0] = 0
    for r in range(rows):
        for c in range(cols):
            if not mask[r, c]:
                labels[r, c] = 0
                continue
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
    for r in range(rows):
        for c in range(cols):
            if labels[r, c] > 0:
                labels[r, c] = -parent[labels[r, c]]
    return count


@nb.njit(nogil=True, cache=True)
def grow_into(out, mask):  # type: ignore[no-untyped-def]
    """Write ``mask`` grown by one cell in all eight directions; not in place."""
    rows, cols = mask.shape
    line = np.zeros(cols, np.bool_)
    for r in range(rows):
        above = mask[max(r - 1, 0)]
        here = mask[r]
        below = mask[min(r + 1, rows - 1)]
        to = out[r]
        for c in range(cols):
            line[c] = above[c] | here[c] | below[c]
        for c in range(cols):
            to[c] = line[c]
        for c in range(cols - 1):
            to[c] = to[c] | line[c + 1]
        for c in range(cols - 1):
            to[c + 1] = to[c + 1] | line[c]


@nb.njit(nogil=True, cache=True)
def moments_into(moments, labels):  # type: ignore[no-untyped-def]
    """Write count, sums of row, col, row^2, col^2, row col of each label; (labels + 1, 6)."""
    moments[:] = 0.0
    for r in range(labels.shape[0]):
        for c in range(labels.shape[1]):
            k = labels[r, c]
            if k > 0:
                m = moments[k]
                m[0] += 1.0
                m[1] += r
                m[2] += c
                m[3] += r * r
                m[4] += c * c
                m[5] += r * c
