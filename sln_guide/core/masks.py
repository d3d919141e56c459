"""`Masks`: which cells show tissue, and why the others cannot be judged.

What light in tissue cannot do gives it away: diffuse light has no edge sharper than scatter
allows, so sharp edges are metal, specular reflections or the rim of the optics, and a dark or
grey area inside sharp edges is an instrument.
"""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

from sln_guide.core.field import Geometry
from sln_guide.core.label import count_into, grow_into, keep_into, label_into
from sln_guide.guidance import CannotJudge

_SHARP = np.float32(0.22)
"""Step between pixels two apart, relative to the level, that diffuse light does not reach."""
_NOISE_EDGES = np.float32(1.8)
"""Largest step of a block that noise makes, over the typical one: a maximum of many is steady."""
_STEEP = np.float32(2.2)
"""Ratio of neighbouring cells that only something lying in front of the tissue makes."""
_DARK_OF_TISSUE = np.float32(0.08)
_SHADE = np.float32(0.62)
"""An instrument is darker than this share of the tissue around it."""

_SITE_CONTRAST = 14.0
_SITE_WIDTH = 0.3
_HALO = 0.5
"""Width of its halo as a share of its radius."""
"""An injection site's least contrast, and its least width as a share of the largest node's."""


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _judge_into(  # type: ignore[no-untyped-def]
    judge,
    sharp,
    dark,
    shade,
    mean,
    edge,
    full,
    bad_share,
    around,
    level,
    noise,
    noisy,
    dim_edge,
    dark_level,
    block,
):
    """Set the reasons that one cell tells by itself. ``noisy``, ``dim_edge``: `typical_edge`."""
    for r in range(mean.shape[0]):
        for c in range(mean.shape[1]):
            bits = 0
            m = max(mean[r, c], np.float32(0))
            if full[r, c] > np.float32(0.02):
                bits |= 1
            if bad_share[r, c] > np.float32(0.5):
                bits |= 32
            if m < dark_level:
                bits |= 2
            limit = _NOISE_EDGES * max(noisy * np.sqrt(m + np.float32(0.05) * level), dim_edge)
            limit += _SHARP * (m + np.float32(0.1) * level)
            sharp[r, c] = block >= 3 and edge[r, c] > limit
            shade[r, c] = m + np.float32(3.0) * noise < _SHADE * around[r, c]
            dark[r, c] = bits & 2 != 0
            judge[r, c] = bits


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _forgive_hot_pixels(sharp, mean):  # type: ignore[no-untyped-def]
    """Unset lone cells whose trimmed mean is like their neighbours': one hot pixel is no glint."""
    rows, cols = sharp.shape
    for r in range(rows):
        for c in range(cols):
            if not sharp[r, c]:
                continue
            others = 0
            n = 0
            total = np.float32(0)
            for i in range(max(r - 1, 0), min(r + 2, rows)):
                for j in range(max(c - 1, 0), min(c + 2, cols)):
                    if i != r or j != c:
                        others += sharp[i, j]
                        n += 1
                        total += mean[i, j]
            if others == 0 and n > 0 and mean[r, c] * n < np.float32(1.15) * total:
                sharp[r, c] = False


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _add_steep_shades(sharp, shade, mean, level):  # type: ignore[no-untyped-def]
    """Set shaded cells beside one so much brighter that no tissue lies between them."""
    rows, cols = sharp.shape
    for r in range(rows):
        for c in range(cols):
            if sharp[r, c] or not shade[r, c]:
                continue
            limit = _STEEP * (max(mean[r, c], np.float32(0)) + np.float32(0.02) * level)
            for i in range(max(r - 1, 0), min(r + 2, rows)):
                for j in range(max(c - 1, 0), min(c + 2, cols)):
                    if mean[i, j] > limit:
                        sharp[r, c] = True


@nb.njit(nogil=True, cache=True, error_model="numpy")
def typical_edge(edge, mean, level):  # type: ignore[no-untyped-def]
    """Return what noise alone does to the largest step: its median / sqrt(level), and in the dark.

    The first follows shot noise. The second is the median over the darker half of the field:
    where there is hardly any light, read noise remains.
    """
    rows, cols = edge.shape
    most = ((rows + 1) // 2) * ((cols + 1) // 2)
    steps = np.empty(most, np.float32)
    levels = np.empty(most, np.float32)
    ratios = np.empty(most, np.float32)
    n = 0
    for r in range(0, rows, 2):
        for c in range(0, cols, 2):
            m = max(mean[r, c], np.float32(0)) + np.float32(0.05) * level
            steps[n] = edge[r, c]
            levels[n] = mean[r, c]
            ratios[n] = edge[r, c] / np.sqrt(m)
            n += 1
    middle = np.median(levels)
    k = 0
    for i in range(n):
        if levels[i] <= middle:
            steps[k] = steps[i]
            k += 1
    return np.median(ratios), np.median(steps[:k])


class Masks:
    """Workspace for one grid.

    Attributes
    ----------
    judge
        (rows, cols) uint8, bits of `CannotJudge`.
    usable
        (rows, cols) float32, 1 where tissue can be filtered, else 0.
    """

    def __init__(self, geometry: Geometry) -> None:
        shape = (geometry.rows, geometry.cols)
        self._geometry = geometry
        self.judge = np.zeros(shape, np.uint8)
        self.usable = np.zeros(shape, np.float32)
        self._sharp = np.zeros(shape, np.bool_)
        self._dark = np.zeros(shape, np.bool_)
        self._shade = np.zeros(shape, np.bool_)
        self._grown = np.zeros(shape, np.bool_)
        self._labels = np.zeros(shape, np.int32)
        self._parent = np.zeros(shape[0] * shape[1] + 1, np.int32)
        self.injections: list[NDArray[np.bool_]] = []
        self.glare = np.zeros(shape, np.bool_)

    def _regions(self, mask: NDArray[np.bool_]) -> tuple[int, NDArray[np.int64]]:
        count = label_into(self._labels, mask, self._parent)
        sizes = np.zeros(count + 1, np.int64)
        count_into(sizes, self._labels, mask)
        return count, sizes

    def update(
        self,
        mean: NDArray[np.float32],
        edge: NDArray[np.float32],
        full: NDArray[np.float32],
        bad_share: NDArray[np.float32],
        around: NDArray[np.float32],
        tissue: float,
        noise: float,
        floor: float,
        edges: tuple[float, float],
    ) -> None:
        """Fill `judge` and `usable`.

        ``around`` (rows, cols) is the level of the wider surroundings [counts], ``tissue`` the
        level of the brighter half of the field, ``noise`` a block's [counts],
        ``edges`` what `typical_edge` says.
        """
        geometry = self._geometry
        judge, sharp = self.judge, self._sharp
        level = max(tissue, noise, 1e-3)
        noisy, dim_edge = edges
        dark_level = max(4.0 * noise, float(_DARK_OF_TISSUE) * tissue)
        _judge_into(
            judge,
            sharp,
            self._dark,
            self._shade,
            mean,
            edge,
            full,
            bad_share,
            around,
            np.float32(level),
            np.float32(noise),
            np.float32(noisy),
            np.float32(dim_edge),
            np.float32(dark_level),
            geometry.block_px,
        )
        _forgive_hot_pixels(sharp, mean)
        _add_steep_shades(sharp, self._shade, mean, np.float32(level))
        # glints are small; longer sharp edges, with the shade they enclose, are instruments
        smallest = geometry.spot_sigmas[0] * 2.355
        glint_cells = max(4, round(smallest**2))
        joined = sharp | (self._shade & ~self._dark)
        grow_into(self._grown, sharp)
        count, sizes = self._regions(joined)
        rims = np.zeros(count + 1, np.int64)
        count_into(rims, self._labels, sharp)
        metal = (rims > glint_cells) & (rims > 0.06 * sizes)
        metal[0] = False
        keep_into(self._grown, self._labels, metal)
        judge[self._grown] |= np.uint8(CannotJudge.INSTRUMENT)
        judge[sharp & ~self._grown] |= np.uint8(CannotJudge.GLINT)
        self._mark_injections(mean, full, around, floor)
        # a saturated node keeps its place, with a flat top
        hides = 0xFF ^ CannotJudge.SATURATED
        if np.count_nonzero(self._dark) > 0.4 * self._dark.size:
            hides ^= CannotJudge.TOO_DARK  # then darkness is the background, not its absence
        np.not_equal(judge & np.uint8(hides), 0, out=self._shade)
        grow_into(self._grown, self._shade)
        np.subtract(1.0, self._grown, out=self.usable, casting="unsafe")
        judge[self.glare] |= np.uint8(CannotJudge.NEAR_INJECTION)

    def _mark_injections(
        self,
        mean: NDArray[np.float32],
        full: NDArray[np.float32],
        around: NDArray[np.float32],
        floor: float,
    ) -> None:
        """Tell bright nodes from injection sites, and mask a site as far as it glares.

        A site is far brighter than any node. Where its top is cut off by saturation, its height
        is told from its flanks: of a spot that is Gaussian there, the area above a level is
        proportional to the logarithm of height over level.
        """
        self.injections = []
        self.glare = np.zeros(self.judge.shape, np.bool_)
        judge = self.judge
        saturated = full > 0.02
        glare = saturated | (mean > 3.0 * np.maximum(around, floor))
        if not glare.any():
            return
        count, sizes = self._regions(glare)
        tops = np.zeros(count + 1, np.int64)
        count_into(tops, self._labels, saturated)
        largest = self._geometry.spot_sigmas[-1] / 0.4  # the largest node's diameter in cells
        for k in range(1, count + 1):
            if sizes[k] < 0.25 * np.pi * (_SITE_WIDTH * largest) ** 2:
                continue
            region = self._labels == k
            ground = max(float(np.median(around[region])), floor)
            level = float(mean[region].max()) - ground
            flank = int(np.count_nonzero(region & (mean - around > 0.5 * level)))
            share = min(tops[k] / max(flank, 1), 0.95)
            height = level * 2.0 ** (share / (1.0 - share))
            if height >= _SITE_CONTRAST * ground:
                judge[region] |= np.uint8(CannotJudge.NEAR_INJECTION)
                self.injections.append(region)
        self.glare = self._grown_by(self.injections)

    def _grown_by(self, sites: list[NDArray[np.bool_]]) -> NDArray[np.bool_]:
        """Return the sites and their surroundings, in which no faint thing can be told."""
        out = np.zeros(self.judge.shape, np.bool_)
        for site in sites:
            near = site.copy()
            radius = np.sqrt(float(np.count_nonzero(site)) / np.pi)
            for _ in range(max(2, round(_HALO * radius))):
                grow_into(self._grown, near)
                near, self._grown = self._grown, near
            out |= near
        return out
