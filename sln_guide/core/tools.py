"""What lies in front of tissue: glints, metal and cloth, told from its edges.

Private to the core. Kernels work on `core.masks.Masks`.
"""

from __future__ import annotations

import numpy as np

from sln_guide.core.kernel import kernel
from sln_guide.core.label import cells_of, label_into
from sln_guide.guidance import CannotJudge

_INSTRUMENT, _GLINT = int(CannotJudge.INSTRUMENT), int(CannotJudge.GLINT)
_RIM = 0.06
"""Least share of sharp cells of an instrument: the outline of what is shaded."""
_AMONG = 4.0
"""Width of a hole in an instrument, in smallest nodes, in which none has room, with its ground and
what is cut off at the hole's rim."""
_CLOTH_REACH, _CLOTH_SHARE = 2, 0.66
"""Cells around a cell of which that share is finely structured too: a hot pixel is alone, an edge
is a line."""
_ACROSS = np.array([[0, 1], [1, 0], [1, 1], [1, -1]])


@kernel(error_model="numpy")
def mark_tools(m, glint_cells, node_cells):  # type: ignore[no-untyped-def]
    """Mark glints, instruments with what they enclose, and cloth.

    ``glint_cells``: the largest glint's; ``node_cells``: the smallest node, across.
    """
    marked = _mark_metal(m, glint_cells)
    _mark_gaps(m, m.cells[:marked], node_cells)
    _mark_cloth(m)


@kernel(error_model="numpy")
def _mark_metal(m, glint_cells):  # type: ignore[no-untyped-def]
    """Tell glints, which are small, from instruments: longer edges with the shade they enclose.

    Leaves in ``m.sharp`` what is an instrument, and returns how many of ``m.cells`` may be.
    """
    rows, cols = m.sharp.shape
    edges = 0
    for r in range(rows):
        near, sharp, shade, dark = m.near[r], m.sharp[r], m.shade[r], m.dark[r]
        for c in range(cols):
            near[c] = sharp[c] | (shade[c] & (not dark[c]))
            edges += sharp[c]
    if edges == 0:
        return 0
    found = cells_of(m.cells, m.near)
    marked = m.cells[:found]
    count = label_into(m.labels, marked, m.parent)
    sizes, rims = m.counts[: count + 1], m.others[: count + 1]
    sizes[:] = 0
    rims[:] = 0
    labels, sharp = m.labels.reshape(m.labels.size), m.sharp.reshape(m.sharp.size)
    judge = m.judge.reshape(m.judge.size)
    for at in marked:
        k = labels[at]
        sizes[k] += 1
        rims[k] += sharp[at]
    for at in marked:
        k = labels[at]
        metal = rims[k] > glint_cells and rims[k] > _RIM * sizes[k]
        if metal:
            judge[at] |= _INSTRUMENT
        elif sharp[at]:
            judge[at] |= _GLINT
        sharp[at] = metal
    return found


@kernel(error_model="numpy")
def _mark_gaps(m, marked, widest):  # type: ignore[no-untyped-def]
    """Mark what lies between instruments closer to each other than a node is wide, or among them.

    No node has room there to fall off on two sides, or on any: it is the shine along a shaft, a
    lamp mirrored in it, or tissue too little of which is in sight. ``marked``: cells that may be
    instruments; ``widest``: the smallest node, across.
    """
    rows, cols = m.sharp.shape
    among = m.others[: rows * cols]
    among[:] = 0
    farthest = int(_AMONG * widest)
    for at in marked:
        r, c = at // cols, at % cols
        if not m.sharp[r, c]:
            continue
        for k in range(_ACROSS.shape[0]):
            dr, dc = _ACROSS[k]
            if not (0 <= r + dr < rows and 0 <= c + dc < cols) or m.sharp[r + dr, c + dc]:
                continue
            for gap in range(2, farthest + 2):
                i, j = r + gap * dr, c + gap * dc
                if not (0 <= i < rows and 0 <= j < cols):
                    break
                if m.sharp[i, j]:
                    for s in range(1, gap):
                        i, j = r + s * dr, c + s * dc
                        among[i * cols + j] += 1
                        if gap < widest + 2 or among[i * cols + j] == _ACROSS.shape[0]:
                            m.judge[i, j] |= _INSTRUMENT
                    break


@kernel(error_model="numpy")
def _mark_cloth(m):  # type: ignore[no-untyped-def]
    """Mark what is finely structured all over: light out of tissue is smooth, a weave is not."""
    rows, cols = m.busy.shape
    busy = m.cells[: cells_of(m.cells, m.busy)]
    for at in busy:
        r, c = at // cols, at % cols
        top, end = max(r - _CLOTH_REACH, 0), min(r + _CLOTH_REACH + 1, rows)
        left, right = max(c - _CLOTH_REACH, 0), min(c + _CLOTH_REACH + 1, cols)
        n = 0
        for i in range(top, end):
            for j in range(left, right):
                n += m.busy[i, j]
        if n < _CLOTH_SHARE * (end - top) * (right - left):
            continue
        for i in range(top, end):
            for j in range(left, right):
                m.judge[i, j] |= np.uint8(_INSTRUMENT) if m.busy[i, j] else np.uint8(0)
