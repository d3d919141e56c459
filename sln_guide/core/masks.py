"""`Masks`: which cells show tissue, and why the others cannot be judged.

What light in tissue cannot do gives it away: diffuse light has no edge sharper than scatter
allows, so sharp edges are metal, specular reflections or the rim of the optics, a dark or grey
area inside sharp edges is an instrument, and what is finely structured all over is cloth.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sln_guide.core.field import Geometry
from sln_guide.core.grid import exp_into, keep_larger, log_into
from sln_guide.core.kernel import kernel
from sln_guide.core.label import cells_of, grow_into
from sln_guide.core.least_squares import total_of
from sln_guide.core.order import select, three_quantiles
from sln_guide.core.pyramid import surroundings_into
from sln_guide.core.sites import CLIPPED, LOOKS, mark_sites
from sln_guide.core.tools import mark_tools
from sln_guide.guidance import CannotJudge

_SHARP = np.float32(0.22)
"""Step between pixels two apart, relative to the level, that diffuse light does not reach."""
_NOISE_EDGES = np.float32(1.8)
"""Largest step of a block that noise makes, over the typical one: a maximum of many is steady."""
_NOISE_WEAVE = np.float32(1.3)
_WEAVE = np.float32(1.12)
"""Step between pixels two apart, relative to the level, that no node's flank reaches, times the
block's edge [px]: the smallest node spans a fixed number of blocks."""
_STEEP = np.float32(2.2)
"""Ratio of neighbouring cells that only something lying in front of the tissue makes."""
_BRIGHT = np.float32(3)
"""Times its surroundings: so bright is no cloth, and an injection site's flank is steep."""
_LIGHT = np.float32(5)
"""Times the noise of a block's mean that light stands out of it."""
_DARK_OF_TISSUE = np.float32(0.08)
_SHADE = np.float32(0.62)
"""An instrument is darker than this share of the tissue around it."""

_SATURATED, _TOO_DARK = int(CannotJudge.SATURATED), int(CannotJudge.TOO_DARK)
_NEAR_INJECTION, _BAD_DATA = int(CannotJudge.NEAR_INJECTION), int(CannotJudge.BAD_DATA)


@kernel(error_model="numpy")
def _judge_into(  # type: ignore[no-untyped-def]
    judge,
    sharp,
    busy,
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
    """Set the reasons that one cell tells by itself. ``noisy``, ``dim_edge``: `_typical`.

    ``busy``: finer structure than noise and light in tissue make.
    """
    for r in range(mean.shape[0]):
        for c in range(mean.shape[1]):
            bits = 0
            m = max(mean[r, c], np.float32(0))
            if full[r, c] > CLIPPED:
                bits |= _SATURATED
            if bad_share[r, c] > np.float32(0.5):
                bits |= _BAD_DATA
            if m < dark_level:
                bits |= _TOO_DARK
            by_noise = max(noisy * np.sqrt(m + np.float32(0.05) * level), dim_edge)
            lit = m + np.float32(0.1) * level
            limit = _NOISE_EDGES * by_noise + _SHARP * lit
            sharp[r, c] = block >= 3 and edge[r, c] > limit
            structure = edge[r, c] ** 2 - (_NOISE_WEAVE * by_noise) ** 2
            woven = structure > (_WEAVE / np.float32(block) * lit) ** 2
            busy[r, c] = block >= 3 and woven and m < _BRIGHT * around[r, c]
            shade[r, c] = m + np.float32(3.0) * noise < _SHADE * around[r, c]
            dark[r, c] = bits & _TOO_DARK != 0
            judge[r, c] = bits


@kernel(error_model="numpy")
def _forgive_hot_pixels(sharp, mean, cells):  # type: ignore[no-untyped-def]
    """Unset lone cells whose trimmed mean is like their neighbours': one hot pixel is no glint.

    ``cells``: workspace.
    """
    rows, cols = sharp.shape
    for at in cells[: cells_of(cells, sharp)]:
        r, c = at // cols, at % cols
        first, end = max(c - 1, 0), min(c + 2, cols)
        n = 0
        total = -mean[r, c]
        lone = True
        for i in range(max(r - 1, 0), min(r + 2, rows)):
            for j in range(first, end):
                lone &= not sharp[i, j] or (i == r and j == c)
                total += mean[i, j]
                n += 1
            if not lone:
                break
        if lone and n > 1 and mean[r, c] * (n - 1) < np.float32(1.15) * total:
            sharp[r, c] = False


@kernel(error_model="numpy")
def _add_steep_shades(sharp, shade, mean, level, lines):  # type: ignore[no-untyped-def]
    """Set shaded cells beside one so much brighter that no tissue lies between them.

    ``lines`` (2, cols): workspace.
    """
    rows, cols = sharp.shape
    highest, around = lines[0], lines[1]
    least = np.float32(0.02) * level
    for r in range(rows):
        here, dim, edge = mean[r], shade[r], sharp[r]
        for c in range(cols):
            highest[c] = here[c]
        keep_larger(highest, mean[max(r - 1, 0)])
        keep_larger(highest, mean[min(r + 1, rows - 1)])
        for c in range(cols):
            around[c] = highest[c]
        keep_larger(around[1:], highest[:-1])
        keep_larger(around[:-1], highest[1:])
        for c in range(cols):
            m = here[c] if here[c] > np.float32(0) else np.float32(0)
            edge[c] |= dim[c] & (around[c] > _STEEP * (m + least))


class Masks(NamedTuple):
    """Workspace for one grid.

    Attributes
    ----------
    judge
        (rows, cols) uint8, bits of `CannotJudge`.
    usable
        (rows, cols) float32, 1 where tissue can be filtered, else 0.
    log, level
        (rows, cols) float32: logarithm of the corrected counts plus the floor; level of the wider
        surroundings [counts].
    site
        (rows, cols) int32: 0, or which injection site a cell belongs to.
    """

    judge: NDArray[np.uint8]
    usable: NDArray[np.float32]
    log: NDArray[np.float32]
    level: NDArray[np.float32]
    site: NDArray[np.int32]
    calm: NDArray[np.float32]
    ground: NDArray[np.float32]
    sharp: NDArray[np.bool_]
    busy: NDArray[np.bool_]
    dark: NDArray[np.bool_]
    shade: NDArray[np.bool_]
    near: NDArray[np.bool_]
    grown: NDArray[np.bool_]
    glare: NDArray[np.bool_]
    lines: NDArray[np.float32]
    labels: NDArray[np.int32]
    cells: NDArray[np.int32]
    parent: NDArray[np.int32]
    counts: NDArray[np.int32]
    others: NDArray[np.int32]
    sums: NDArray[np.float32]
    tops: NDArray[np.float32]
    sample: NDArray[np.float32]
    """(3, n)."""
    radius: NDArray[np.float32]


def masks(geometry: Geometry) -> Masks:
    """Make the workspace."""
    shape = (geometry.rows, geometry.cols)
    cells = shape[0] * shape[1] + 1

    def grid(kind: type[np.generic]) -> NDArray[Any]:
        return np.zeros(shape, kind)

    return Masks(
        judge=grid(np.uint8),
        usable=grid(np.float32),
        log=grid(np.float32),
        level=grid(np.float32),
        site=grid(np.int32),
        calm=grid(np.float32),
        ground=grid(np.float32),
        sharp=grid(np.bool_),
        busy=grid(np.bool_),
        dark=grid(np.bool_),
        shade=grid(np.bool_),
        near=grid(np.bool_),
        grown=grid(np.bool_),
        glare=grid(np.bool_),
        lines=np.zeros((2, shape[1]), np.float32),
        labels=grid(np.int32),
        cells=np.zeros(cells, np.int32),
        parent=np.zeros(cells, np.int32),
        counts=np.zeros(cells, np.int32),
        others=np.zeros(cells, np.int32),
        sums=np.zeros(cells, np.float32),
        tops=np.zeros(cells, np.float32),
        sample=np.zeros((3, cells), np.float32),
        radius=np.zeros(LOOKS, np.float32),
    )


class Sensor(NamedTuple):
    """What is known of the noise: 0 where it is not. In counts at this frame's gain.

    ``electron``: counts of one electron; ``read``: read noise; ``step_of_noise``: the typical
    largest step of a block of unit noise; ``known``: whether the first two are.
    """

    known: bool
    electron: float
    read: float
    step_of_noise: float
    block: int


class Sizes(NamedTuple):
    """In cells: of the largest glint, of the smallest injection site; the smallest node across."""

    glint: float
    site: float
    node: int


USABLE, SATURATED, NO_LIGHT, CONSTANT, TOO_LITTLE = range(5)


@kernel(error_model="numpy")
def _block_noise(m, mean, sensor, n, noisy, dim_edge, middle, level):  # type: ignore[no-untyped-def]
    """Noise of a block's mean [counts] at the field's median level ``middle``."""
    block = sensor.block
    rounding = 0.3 / block
    if sensor.known:
        variance = sensor.read**2 + sensor.electron * max(middle, 0.0)
        return math.hypot(math.sqrt(variance) / block, rounding)
    if sensor.step_of_noise > 0:
        pixel = noisy * math.sqrt(max(middle, 0.0) + 0.05 * level)
        return math.hypot(max(pixel, dim_edge) / sensor.step_of_noise / block, rounding)
    rows, cols = mean.shape
    if rows < 3 or cols < 3:
        return 1.0
    # a second difference both ways removes everything smooth (DOI 10.1006/cviu.1996.0060)
    values = m.sample[0]
    n = 0
    for r in range(1, rows - 1, 3 if rows >= 48 else 1):
        a, b, c = mean[r - 1], mean[r], mean[r + 1]
        for k in range(1, cols - 1, 2 if cols >= 48 else 1):
            left = a[k - 1] - 2 * b[k - 1] + c[k - 1]
            here = a[k] - 2 * b[k] + c[k]
            right = a[k + 1] - 2 * b[k + 1] + c[k + 1]
            values[n] = abs(left - 2 * here + right)
            n += 1
    return select(values, n, n // 2) / 0.6745 / 6.0 + rounding


@kernel(error_model="numpy")
def _typical(m, mean, edge, sensor):  # type: ignore[no-untyped-def]
    """Return (level of the brighter half, noise, floor, typical steps) [counts].

    Typical steps are what noise alone does to the largest step of a block. The first, the median
    of step / sqrt(level), follows shot noise. The second is the median over the darker half of the
    field: where there is hardly any light, read noise remains.
    """
    rows, cols = mean.shape
    stride = 3 if min(rows, cols) >= 48 else 1
    levels, steps, ratios = m.sample[0], m.sample[1], m.sample[2]
    n = np.int64(0)
    for r in range(0, rows, stride):
        for c in range(0, cols, stride):
            levels[n] = mean[r, c]
            n += 1
    middle, level, brighter = three_quantiles(levels, n, 0.5, 0.6, 0.75)
    level = max(level, np.float32(1e-3))
    pedestal = np.float32(0.05) * np.float32(level)
    n = darker = np.int64(0)
    for r in range(0, rows, stride):
        for c in range(0, cols, stride):
            v = mean[r, c]
            ratios[n] = edge[r, c] / np.sqrt(max(v, np.float32(0)) + pedestal)
            n += 1
            if v <= middle:
                steps[darker] = edge[r, c]
                darker += 1
    noisy = select(ratios, n, n // 2)
    dim_edge = select(steps, darker, darker // 2)
    noise = _block_noise(m, mean, sensor, n, noisy, dim_edge, middle, level)
    floor = np.float32(max(3 * noise, 0.04 * brighter, 1e-3))
    return level, noise, floor, noisy, dim_edge


@kernel(error_model="numpy")
def _fitness(mean, full, usable, noise, node):  # type: ignore[no-untyped-def]
    """Return whether something can be found in this frame, or which reason speaks against it.

    Behind a lens cap half of the blocks lie above the offset: light is what noise does not make,
    in as many blocks as the smallest ``node`` covers.
    """
    least = np.float32(_LIGHT * noise)
    first = mean[0, 0]
    clipped = np.float32(0)
    bright = 0
    different = 0
    count = 0
    for r in range(mean.shape[0]):
        here, u = mean[r], usable[r]
        clipped += total_of(full[r])
        for c in range(here.shape[0]):
            bright += here[c] > least
            different += here[c] != first
            count += u[c] > np.float32(0.5)
    if clipped > 0.5 * mean.size:
        return SATURATED
    if bright < max(min(node, mean.size), 1):
        return NO_LIGHT
    if different == 0:
        return CONSTANT
    return TOO_LITTLE if count < 0.02 * mean.size else USABLE


@kernel(error_model="numpy")
def mask_into(m, around, mean, edge, full, bad_share, sensor, sizes):  # type: ignore[no-untyped-def]
    """Fill the masks from the reduced frame.

    Returns (why nothing can be found or `USABLE`, level of the brighter half of the field, noise
    of a block's mean, floor of the logarithm [counts], number of injection sites).
    """
    judge, sharp, shade, dark = m.judge, m.sharp, m.shade, m.dark
    rows, cols = mean.shape
    tissue, noise, floor, noisy, dim_edge = _typical(m, mean, edge, sensor)
    log_into(m.log, mean, floor)
    for r in range(rows):
        calm, f_r = m.calm[r], full[r]
        for c in range(cols):
            calm[c] = np.float32(f_r[c] <= CLIPPED)
    surroundings_into(m.level, around, m.log, m.calm)
    exp_into(m.level, m.level)
    for r in range(rows):
        around_r = m.level[r]
        for c in range(cols):
            around_r[c] -= floor
    level = max(tissue, noise, 1e-3)
    dark_level = max(4.0 * noise, float(_DARK_OF_TISSUE) * tissue)
    _judge_into(
        judge,
        sharp,
        m.busy,
        dark,
        shade,
        mean,
        edge,
        full,
        bad_share,
        m.level,
        np.float32(level),
        np.float32(noise),
        np.float32(noisy),
        np.float32(dim_edge),
        np.float32(dark_level),
        sensor.block,
    )
    _forgive_hot_pixels(sharp, mean, m.cells)
    _add_steep_shades(sharp, shade, mean, np.float32(level), m.lines)
    mark_tools(m, sizes.glint, sizes.node)
    sites = mark_sites(m, around, mean, full, floor, tissue, sizes.site)
    # a saturated node keeps its place, with a flat top
    darkness = 0
    for r in range(rows):
        dark_r = dark[r]
        for c in range(cols):
            darkness += dark_r[c]
    hides = 0xFF ^ _SATURATED
    if darkness > 0.4 * mean.size:
        hides ^= _TOO_DARK  # then darkness is the background, not its absence
    hiding = np.uint8(hides)
    for r in range(rows):
        shade_r, why = shade[r], judge[r]
        for c in range(cols):
            shade_r[c] = (why[c] & hiding) != np.uint8(0)
    grow_into(m.grown, shade)
    for r in range(rows):
        usable, hidden, glare, why = m.usable[r], m.grown[r], m.glare[r], judge[r]
        for c in range(cols):
            usable[c] = np.float32(0) if hidden[c] else np.float32(1)
            why[c] |= np.uint8(_NEAR_INJECTION) if glare[c] else np.uint8(0)
    return _fitness(mean, full, m.usable, noise, sizes.node), tissue, noise, floor, sites
