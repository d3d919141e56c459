"""Injection sites: far brighter than any node, wide, and glaring around.

Private to the core. Kernels work on `core.masks.Masks`.
"""

from __future__ import annotations

import math

import numpy as np

from sln_guide.core.grid import exp_into
from sln_guide.core.kernel import kernel
from sln_guide.core.label import cells_of, grow_into, label_into
from sln_guide.core.order import median_of_few
from sln_guide.core.peaks import directions
from sln_guide.core.pyramid import surroundings_into
from sln_guide.guidance import CannotJudge

_SITE_CONTRAST = 13.0
"""An injection site's least contrast."""
_OWN_HALO = np.float32(0.6)
"""Least share of the level around a large site that is there without it."""
_HALO = 0.25
"""Width of what cannot be judged around it, as a share of its radius: farther out its halo is
known, and taken off (`core.halo`)."""
LOOKS = 16
_AROUND = directions(0.0, LOOKS)
"""Directions in which a spot's flank is followed."""
CLIPPED = np.float32(0.02)
"""Share of a cell's pixels at full scale from which on it counts as clipped."""
_NEAR_INJECTION = int(CannotJudge.NEAR_INJECTION)


@kernel(error_model="numpy")
def mark_sites(m, surroundings, mean, full, floor, tissue, least_cells):  # type: ignore[no-untyped-def]
    """Tell bright nodes from injection sites, and mask a site as far as it glares.

    A site is far brighter than any node. Where its top is cut off by saturation, its height
    is told from its flanks: of a spot that is Gaussian there, the area above a level is
    proportional to the logarithm of height over level. ``tissue``: the field's level [counts].
    Returns how many sites there are.
    """
    first, end = _mark_bright(m, mean, full, floor)
    if first == end:
        return 0
    # what the surroundings are without such light
    surroundings_into(m.ground, surroundings, m.log, m.calm)
    ground, labels = m.ground[first:end], m.labels[first:end]
    mean, full, rows, cols = mean[first:end], full[first:end], end - first, mean.shape[1]
    exp_into(ground, ground)
    bright = m.cells[: cells_of(m.cells, m.near[first:end])]
    count = label_into(labels, bright, m.parent)
    cells, clipped = m.counts[: count + 1], m.others[: count + 1]
    grounds, tops = m.sums[: count + 1], m.tops[: count + 1]
    cells[:] = 0
    clipped[:] = 0
    grounds[:] = 0
    tops[:] = 0
    size = rows * cols
    label_of, mean_of = labels.reshape(size), mean.reshape(size)
    full_of, ground_of = full.reshape(size), ground.reshape(size)
    for at in bright:
        k = label_of[at]
        cells[k] += 1
        clipped[k] += full_of[at] > CLIPPED
        grounds[k] += ground_of[at] - floor
        tops[k] = max(tops[k], mean_of[at])
    flank = m.parent[: count + 1]  # the labels are resolved: it is free
    flank[:] = 0
    for k in range(1, count + 1):
        own = grounds[k] / cells[k]
        if cells[k] >= 2 * least_cells:  # the halo of something large raises what surrounds it
            own = min(own, max(np.float32(tissue), _OWN_HALO * own))
        grounds[k] = max(own, floor)
    for at in bright:
        k = label_of[at]
        if mean_of[at] - grounds[k] > np.float32(0.5) * (tops[k] - grounds[k]):
            flank[k] += 1
    for k in range(1, count + 1):
        if clipped[k] > 0 and cells[k] >= least_cells:
            half = np.float32(0.5) * (tops[k] + grounds[k])
            flank[k] = max(flank[k], _cells_within(m.radius, mean, label_of, bright, k, half))
    sites = 0
    for k in range(1, count + 1):
        share = min(clipped[k] / max(flank[k], 1), 0.95)
        height = (tops[k] - grounds[k]) * 2.0 ** (share / (1.0 - share))
        is_site = cells[k] >= least_cells and height >= _SITE_CONTRAST * grounds[k]
        if is_site:
            sites += 1
        flank[k] = sites if is_site else 0
    if sites == 0:
        return 0
    site_of, judge_of = m.site[first:end].reshape(size), m.judge[first:end].reshape(size)
    for at in bright:
        k = flank[label_of[at]]
        site_of[at] = k
        if k > 0:
            judge_of[at] |= _NEAR_INJECTION
    for k in range(1, sites + 1):
        _mark_halo(m, k, first, end)
    return sites


@kernel(error_model="numpy")
def _cells_within(radius, mean, label_of, cells, label, level):  # type: ignore[no-untyped-def]
    """Return how many cells about the middle of a label lie above ``level``, labelled or not.

    On bright tissue what is labelled ends above half of the top, and most of a flank lies without.
    As the median over directions: what runs into a spot is no part of it.
    """
    rows, cols = mean.shape
    n, y, x = 0, 0, 0
    for at in cells:
        if label_of[at] == label:
            n += 1
            y += at // cols
            x += at % cols
    for k in range(LOOKS):
        away, inside = 0.0, True
        while inside:
            away += 1.0
            r = math.floor(y / n + away * _AROUND[k, 0] + 0.5)
            c = math.floor(x / n + away * _AROUND[k, 1] + 0.5)
            inside = 0 <= r < rows and 0 <= c < cols and mean[r, c] > level
        radius[k] = away - 0.5
    return int(math.pi * median_of_few(radius, LOOKS) ** 2)


@kernel(error_model="numpy")
def _mark_bright(m, mean, full, floor):  # type: ignore[no-untyped-def]
    """Mark what clips or is far brighter than around it; return the rows between which it lies."""
    rows, cols = mean.shape
    first, end = rows, rows
    for r in range(rows):
        near, calm, m_r, f_r, around = m.near[r], m.calm[r], mean[r], full[r], m.level[r]
        m.site[r] = 0
        m.glare[r] = False
        n = 0
        for c in range(cols):
            a = around[c] if around[c] > floor else floor
            bright = (f_r[c] > CLIPPED) | (m_r[c] > np.float32(3) * a)
            near[c] = bright
            n += bright
        if n > 0:
            first, end = min(first, r), r + 1
            for c in range(cols):
                calm[c] = np.float32(0) if near[c] else calm[c]
    return first, end


@kernel(error_model="numpy")
def _mark_halo(m, site, first, end):  # type: ignore[no-untyped-def]
    """Mark one site and its surroundings, in which no faint thing can be told."""
    size = 0
    for r in range(first, end):
        mine = m.site[r]
        for c in range(mine.shape[0]):
            size += mine[c] == site
    reach = max(2, int(_HALO * math.sqrt(size / math.pi) + 0.5))
    first, end = max(first - reach, 0), min(end + reach, m.near.shape[0])
    for r in range(first, end):
        near_r, mine = m.near[r], m.site[r]
        for c in range(mine.shape[0]):
            near_r[c] = mine[c] == site
    near, grown = m.near[first:end], m.grown[first:end]
    for _ in range(reach):
        grow_into(grown, near)
        near, grown = grown, near
    for r in range(first, end):
        glare, n = m.glare[r], near[r - first]
        for c in range(n.shape[0]):
            glare[c] |= n[c]
