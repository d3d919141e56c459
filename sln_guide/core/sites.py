"""Injection sites: far brighter than any node, wide, and glaring around.

Private to the core. Kernels work on `core.masks.Masks`.
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np

from sln_guide.core.grid import exp_into
from sln_guide.core.label import grow_into, label_into
from sln_guide.core.pyramid import surroundings_into
from sln_guide.guidance import CannotJudge

_SITE_CONTRAST = 13.0
"""An injection site's least contrast."""
_OWN_HALO = np.float32(0.6)
"""Least share of the level around a large site that is there without it."""
_HALO = 0.5
"""Width of its halo as a share of its radius."""
_NEAR_INJECTION = int(CannotJudge.NEAR_INJECTION)


@nb.njit(nogil=True, cache=True, error_model="numpy")
def mark_sites(m, surroundings, mean, full, floor, tissue, least_cells):  # type: ignore[no-untyped-def]
    """Tell bright nodes from injection sites, and mask a site as far as it glares.

    A site is far brighter than any node. Where its top is cut off by saturation, its height
    is told from its flanks: of a spot that is Gaussian there, the area above a level is
    proportional to the logarithm of height over level. ``tissue``: the field's level [counts].
    Returns how many sites there are.
    """
    rows, cols = mean.shape
    around = m.level
    found = False
    for r in range(rows):
        for c in range(cols):
            m.site[r, c] = 0
            m.glare[r, c] = False
            clipped = full[r, c] > np.float32(0.02)
            m.near[r, c] = clipped or mean[r, c] > np.float32(3) * max(around[r, c], floor)
            found |= m.near[r, c]
    if not found:
        return 0
    # what the surroundings are without such light
    for r in range(rows):
        for c in range(cols):
            if m.near[r, c]:
                m.calm[r, c] = np.float32(0)
    ground = m.ground
    surroundings_into(ground, surroundings, m.log, m.calm)
    exp_into(ground, ground)
    count = label_into(m.labels, m.near, m.parent)
    cells, clipped = m.counts[: count + 1], m.others[: count + 1]
    grounds, tops = m.sums[: count + 1], m.tops[: count + 1]
    cells[:] = 0
    clipped[:] = 0
    grounds[:] = 0
    tops[:] = 0
    for r in range(rows):
        for c in range(cols):
            k = m.labels[r, c]
            if k > 0:
                cells[k] += 1
                clipped[k] += full[r, c] > np.float32(0.02)
                grounds[k] += ground[r, c] - floor
                tops[k] = max(tops[k], mean[r, c])
    flank = m.parent[: count + 1]  # the labels are resolved: it is free
    flank[:] = 0
    for k in range(1, count + 1):
        own = grounds[k] / cells[k]
        if cells[k] >= 2 * least_cells:  # the halo of something large raises what surrounds it
            own = min(own, max(np.float32(tissue), _OWN_HALO * own))
        grounds[k] = max(own, floor)
    for r in range(rows):
        for c in range(cols):
            k = m.labels[r, c]
            if k > 0 and mean[r, c] - grounds[k] > np.float32(0.5) * (tops[k] - grounds[k]):
                flank[k] += 1
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
    for r in range(rows):
        for c in range(cols):
            k = flank[m.labels[r, c]] if m.labels[r, c] > 0 else 0
            m.site[r, c] = k
            if k > 0:
                m.judge[r, c] |= _NEAR_INJECTION
    for k in range(1, sites + 1):
        _mark_halo(m, k)
    return sites


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _mark_halo(m, site):  # type: ignore[no-untyped-def]
    """Mark one site and its surroundings, in which no faint thing can be told."""
    rows, cols = m.site.shape
    near, grown = m.near, m.grown
    size = 0
    for r in range(rows):
        for c in range(cols):
            near[r, c] = m.site[r, c] == site
            size += near[r, c]
    for _ in range(max(2, int(_HALO * math.sqrt(size / math.pi) + 0.5))):
        grow_into(grown, near)
        near, grown = grown, near
    for r in range(rows):
        for c in range(cols):
            m.glare[r, c] |= near[r, c]
