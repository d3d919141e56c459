"""The halo of an injection site, taken off what is left of the logarithm. Private to the core.

Injected light spreads by diffusion: it falls with the distance from where it was injected, and
alike in all directions. A node is neither. So the median over all directions at one distance,
made to fall, is the halo, and a node that lies on it stands out of what it leaves.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sln_guide.core.field import SIGMA_OF_DIAMETER, Geometry
from sln_guide.core.kernel import kernel
from sln_guide.core.order import median_of_few
from sln_guide.core.peaks import cells_above_into, directions

_LOOKS = 48
"""Directions looked into."""
_AROUND = directions(0.0, _LOOKS)
_FEWEST = _LOOKS // 3
"""Directions that must be in sight for the median to be the halo's, not of what lies there."""
_REACH = 1.25
"""How far a halo is followed from the site's core, in diameters of the largest node."""
_GROUND_FROM = 0.75
"""Share of that from which on the tissue's own level is taken."""
_CORE = 0.5
"""Share of a site's highest count from which on a cell is of its core: a channel's start is not."""


class Halo(NamedTuple):
    """Workspace. ``fall`` (n): the halo at each whole distance from the core [cells].

    ``level``, ``length`` (n): its steps while it is made to fall; ``ring``: one distance's cells;
    ``edge``: how far the core reaches in each direction.
    """

    fall: NDArray[np.float64]
    level: NDArray[np.float64]
    length: NDArray[np.int64]
    ring: NDArray[np.float64]
    edge: NDArray[np.float64]


def reach_of_halo(geometry: Geometry) -> int:
    """Return how far from a site's core its halo is followed [cells]."""
    return max(8, round(_REACH * geometry.spot_sigmas[-1] / SIGMA_OF_DIAMETER))


def halo(geometry: Geometry) -> Halo:
    """Make the workspace."""
    n = reach_of_halo(geometry)
    return Halo(np.zeros(n), np.zeros(n), np.zeros(n, np.int64), np.zeros(_LOOKS), np.zeros(_LOOKS))


@kernel(error_model="numpy")
def take_halos_off(h, residual, prediction, m, mean, sites):  # type: ignore[no-untyped-def]
    """Take the halos of ``sites`` off ``residual``, and add them to ``prediction``.

    Both in the logarithm. ``m``: `core.masks.Masks`. Only where tissue can be seen.
    """
    if sites == 0:
        return
    cells = m.cells[: cells_above_into(m.cells, m.site, np.int32(1), np.int32(1))]
    for site in range(1, sites + 1):
        y, x, yy, xx, yx = _core_of(m.site, mean, site, cells)
        if _fall_into(h, residual, m.usable, y, x, yy, xx, yx):
            _take_off(h.fall, residual, prediction, m.usable, y, x, yy, xx, yx)


@kernel(error_model="numpy")
def _core_of(sites, mean, site, cells):  # type: ignore[no-untyped-def]
    """Return the centre (y, x) of a site's core, and yy, xx, yx of the ellipse that outlines it.

    On it yy dy^2 + xx dx^2 + 2 yx dy dx = 1. ``cells``: flat indices of all sites.
    """
    cols = sites.shape[1]
    site_of, mean_of = sites.reshape(sites.size), mean.reshape(mean.size)
    top = np.float32(0)
    for at in cells:
        v = mean_of[at] if site_of[at] == site else np.float32(0)
        top = v if v > top else top
    least = np.float32(_CORE) * top
    n, sr, sc, srr, scc, src = 0, 0.0, 0.0, 0.0, 0.0, 0.0
    for at in cells:
        if site_of[at] == site and mean_of[at] >= least:
            r, c = at // cols, at % cols
            n += 1
            sr += r
            sc += c
            srr += r * r
            scc += c * c
            src += r * c
    y, x = sr / n, sc / n
    # a cell is not a point, and no core is a line
    vy, vx = srr / n - y * y + 0.25, scc / n - x * x + 0.25
    both = src / n - y * x
    area = 4.0 * (vy * vx - both * both)
    return y, x, vx / area, vy / area, -both / area


@kernel(error_model="numpy")
def _fall_into(h, residual, usable, y, x, yy, xx, yx):  # type: ignore[no-untyped-def]
    """Write how a halo falls from its core on; return whether enough of it is in sight."""
    rows, cols = residual.shape
    reach = h.fall.shape[0]
    first, told = reach, 0
    for k in range(_LOOKS):
        dy, dx = _AROUND[k, 0], _AROUND[k, 1]
        h.edge[k] = 1.0 / math.sqrt(yy * dy * dy + xx * dx * dx + 2.0 * yx * dy * dx)
    for d in range(reach):
        n = 0
        for k in range(_LOOKS):
            dy, dx = _AROUND[k, 0], _AROUND[k, 1]
            away = d + h.edge[k]
            r, c = math.floor(y + away * dy + 0.5), math.floor(x + away * dx + 0.5)
            if 0 <= r < rows and 0 <= c < cols and usable[r, c] > np.float32(0.5):
                h.ring[n] = residual[r, c]
                n += 1
        if n >= _FEWEST:
            h.fall[d] = median_of_few(h.ring, n)
            first = min(first, d)
            told += 1
        elif first < d:
            h.fall[d] = h.fall[d - 1]
    if 2 * told < reach:
        return False
    for d in range(first):
        h.fall[d] = h.fall[first]
    _make_fall(h)
    # of what falls the middle is the median
    ground = h.fall[int(0.5 * (_GROUND_FROM + 1.0) * reach)]
    for d in range(reach):
        h.fall[d] = max(h.fall[d] - ground, 0.0)
    before = h.fall[0]
    for d in range(1, reach - 1):
        here = h.fall[d]
        h.fall[d] = 0.25 * before + 0.5 * here + 0.25 * h.fall[d + 1]
        before = here
    return True


@kernel(error_model="numpy")
def _make_fall(h):  # type: ignore[no-untyped-def]
    """Replace the profile by the nearest that nowhere rises: what rises is pooled."""
    steps = 0
    for d in range(h.fall.shape[0]):
        h.level[steps], h.length[steps] = h.fall[d], 1
        steps += 1
        while steps > 1 and h.level[steps - 2] < h.level[steps - 1]:
            a, b = h.length[steps - 2], h.length[steps - 1]
            h.level[steps - 2] = (a * h.level[steps - 2] + b * h.level[steps - 1]) / (a + b)
            h.length[steps - 2] = a + b
            steps -= 1
    d = 0
    for k in range(steps):
        for _ in range(h.length[k]):
            h.fall[d] = h.level[k]
            d += 1


@kernel(error_model="numpy")
def _take_off(fall, residual, prediction, usable, y, x, yy, xx, yx):  # type: ignore[no-untyped-def]
    rows, cols = residual.shape
    reach = fall.shape[0]
    # the longest half axis of the core
    half = math.hypot((yy - xx) / 2.0, yx)
    far = reach + 1 + int(1.0 / math.sqrt(max((yy + xx) / 2.0 - half, 1e-6)))
    for r in range(max(int(y) - far, 0), min(int(y) + far + 2, rows)):
        left, told, use = residual[r], prediction[r], usable[r]
        dy = r - y
        for c in range(max(int(x) - far, 0), min(int(x) + far + 2, cols)):
            dx = c - x
            if use[c] <= np.float32(0.5) or dy * dy + dx * dx > far * far:
                continue
            square = yy * dy * dy + xx * dx * dx + 2.0 * yx * dy * dx
            away = math.sqrt(dy * dy + dx * dx) * (1.0 - 1.0 / math.sqrt(max(square, 1.0)))
            k = int(away)
            if k < reach - 1:
                v = np.float32(fall[k] + (away - k) * (fall[k + 1] - fall[k]))
                left[c] -= v
                told[c] += v
