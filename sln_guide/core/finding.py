"""Peaks of significance become spots: measured, and taken for what they look like.

Private to `core.analysis`. One kernel does it all and fills a table; `spots_of` reads it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from sln_guide.core.field import Geometry
from sln_guide.core.grid import exp_into, select
from sln_guide.core.label import label_into, moments_into
from sln_guide.core.pyramid import Pyramid, support_at
from sln_guide.core.spot import Spot
from sln_guide.core.spots import (
    RAYS,
    find_peaks_into,
    measure_into,
    refine_into,
    region_sums_into,
    roundness_of,
    stand_of,
)
from sln_guide.guidance import CannotJudge, Interval, Kind

_NEAR_INJECTION = int(CannotJudge.NEAR_INJECTION)
_MOST_PEAKS = 256
_MOST_SPOTS = 48
_SECTORS = 8
_ROUNDS = 4
_Z95 = 1.96
_WOBBLE = 2.5
"""Noise also moves the contour: by this factor errors exceed those at a fixed one (measured)."""
_RING_WOBBLE = 0.010
"""Relative standard error of CNR from annulus cells that noise takes in or out (measured)."""

_ISOLATED = 0.42
"""A node falls off on every side: to its highest neighbour sector by this share of its height."""
_CLEARLY_ALONE = 0.58
"""From here on a peak is a node even where its light runs into something long."""
_CLEAR = 0.58
"""Usable share of a spot's own area that makes up for a sector that is out of sight."""
_BRIGHT = np.float32(3.5)
"""Significance from which on a cell is kept out of others' annuli, whatever the threshold."""
_REACH = 0.6
"""Share of the threshold down to which light still belongs to what was found above it."""
_CHANNEL_ELONGATION = 3.0
_NODE_OVER_CHANNEL = 1.6
"""A node on a channel is brighter than the channel's median by this factor, in the logarithm."""
_INJECTION_SIGNIFICANCE = 99.0

# What a peak's shape says for a node, in sigma, fitted (logistic regression) on scenes of two
# forward models; typical nodes lie between -0.2 and 0.9, half of all texture below -1.7.
_PER_ISOLATION = 1.0
_PER_ROUNDNESS, _ROUND = 3.5, 0.8
_PER_PIT, _DEEP = -0.66, 1.5
"""A peak beside a pit is half made by the pit."""
_FINEST = -2.07
"""Scatter widens a node's light: what responds at the finest size hardly ever is one."""
_SHAPE_OFFSET = -2.74
HEADROOM = 0.5
"""What a typical node's shape is worth, and how far below the threshold a peak is looked at."""
_MISSHAPEN = -0.5
"""Something is there, but it is shaped like no node: uncertain."""
_BEYOND_DOUBT = 2.0
"""Times the threshold."""
_LONG, _THROUGH, _WHOLE = 0.5, 0.75, 0.95
"""Roundness, share of the height over the line through, and usable share that tell a channel."""

_KINDS = (Kind.NODE, Kind.CHANNEL, Kind.INJECTION, Kind.UNCERTAIN)
_NODE, _CHANNEL, _INJECTION, _UNCERTAIN = range(4)
_COLUMNS = 16
(
    _KIND,
    _X,
    _Y,
    _AREA,
    _SIGNAL,
    _SBR,
    _SBR_ERROR,
    _CNR,
    _CNR_ERROR,
    _SIGNIFICANCE,
    _SATURATED,
    _HIDDEN,
    _OPEN,
) = range(13)


class Finder(NamedTuple):
    """Workspace for one geometry. ``table`` (spots, columns) and ``contours`` are what is found."""

    table: NDArray[np.float64]
    contours: NDArray[np.float32]
    sigmas: NDArray[np.float64]
    smooth_of: NDArray[np.int64]
    support_of: NDArray[np.int64]
    peak_r: NDArray[np.int64]
    peak_c: NDArray[np.int64]
    order: NDArray[np.int64]
    ring: NDArray[np.float64]
    ring_seen: NDArray[np.float64]
    radius: NDArray[np.float64]
    scratch: NDArray[np.float64]
    sums: NDArray[np.float64]
    reached: NDArray[np.bool_]
    taken: NDArray[np.bool_]
    ground: NDArray[np.float32]
    labels: NDArray[np.int32]
    parent: NDArray[np.int32]
    moments: NDArray[np.float64]
    lines: NDArray[np.float64]
    told: NDArray[np.bool_]
    sample: NDArray[np.float32]
    windows: NDArray[np.float32]
    others: NDArray[np.bool_]


def finder(
    geometry: Geometry, smooth_of: NDArray[np.int64], support_of: NDArray[np.int64]
) -> Finder:
    """Make the workspace. ``smooth_of``, ``support_of``: each spot size's blurs in the pyramid."""
    shape = (geometry.rows, geometry.cols)
    cells = shape[0] * shape[1] + 1
    most_regions = (shape[0] // 2 + 1) * (shape[1] // 2 + 1) + 1
    widest = (2 * _reach_of(geometry.spot_sigmas[-1]) + 1) ** 2
    return Finder(
        np.zeros((_MOST_SPOTS, _COLUMNS)),
        np.zeros((_MOST_SPOTS, RAYS, 2), np.float32),
        np.array(geometry.spot_sigmas),
        smooth_of,
        support_of,
        np.zeros(_MOST_PEAKS, np.int64),
        np.zeros(_MOST_PEAKS, np.int64),
        np.zeros(_MOST_PEAKS, np.int64),
        np.zeros(_SECTORS),
        np.zeros(_SECTORS),
        np.zeros(RAYS),
        np.zeros(RAYS),
        np.zeros(10),
        np.zeros(shape, np.bool_),
        np.zeros(shape, np.bool_),
        np.zeros(shape, np.float32),
        np.zeros(shape, np.int32),
        np.zeros(cells, np.int32),
        np.zeros((most_regions, 6)),
        np.zeros(most_regions),
        np.zeros(most_regions, np.bool_),
        np.zeros(cells, np.float32),
        np.zeros((4, widest), np.float32),
        np.zeros(widest, np.bool_),
    )


class Seen(NamedTuple):
    """What one frame gave, on the grid; all (rows, cols) float32 unless said otherwise.

    ``local``: significance; ``which``: uint8, index of the spot size that gave it; ``filters``,
    ``spread``: see `core.observer`; ``residual``: log NIR without what explains it; ``pyramid``:
    its blurs; ``mean``: counts; ``usable``; ``judge``: uint8; ``full``: saturated share; ``site``:
    int32, 0 or the injection site.
    """

    local: NDArray[np.float32]
    which: NDArray[np.uint8]
    filters: NDArray[np.float64]
    spread: NDArray[np.float32]
    residual: NDArray[np.float32]
    pyramid: Pyramid
    mean: NDArray[np.float32]
    usable: NDArray[np.float32]
    judge: NDArray[np.uint8]
    full: NDArray[np.float32]
    site: NDArray[np.int32]


@nb.njit(nogil=True, cache=True)
def _reach_of(sigma):  # type: ignore[no-untyped-def]
    """Half of the window around a spot of ``sigma`` in which it is measured [cells]."""
    return math.ceil(4.0 * sigma) + 4


@nb.njit(nogil=True, cache=True, error_model="numpy")
def find_into(f, seen, significance, threshold, noise, unit, sites):  # type: ignore[no-untyped-def]
    """Fill the finder's table, injection sites first, then the most significant.

    ``significance`` (rows, cols) float32 is raised where a spot's shape speaks for it. ``noise``
    of a block's mean [counts], ``unit``: counts to counts/(ms*gain). Returns how many spots there
    are, and whether there were more than can be told.
    """
    local = seen.local
    rows, cols = local.shape
    reach = max(1, int(f.sigmas[0] + 0.5))
    found = find_peaks_into(f.peak_r, f.peak_c, local, threshold - np.float32(HEADROOM), reach)
    peaks = min(found, _MOST_PEAKS)
    _sort_peaks(f, local, peaks)
    limit = np.float32(_REACH) * threshold
    for r in range(rows):
        for c in range(cols):
            f.reached[r, c] = local[r, c] > limit
            f.taken[r, c] = False
            f.ground[r, c] = seen.usable[r, c]
    regions = label_into(f.labels, f.reached, f.parent)
    moments_into(f.moments[: regions + 1], f.labels)
    f.lines[: regions + 1] = np.nan
    f.told[: regions + 1] = False
    count = 0
    for k in range(1, min(sites, _MOST_SPOTS) + 1):
        _region_into(f, count, seen, seen.site, k, noise, unit)
        f.table[count, _KIND] = _INJECTION
        f.table[count, _SIGNIFICANCE] = _INJECTION_SIGNIFICANCE
        count += 1
    # a second round, because a neighbour found later may be what hid a node's own slope
    for last in range(2):
        left = 0
        for i in range(peaks):
            k = f.order[i]
            r, c = f.peak_r[k], f.peak_c[k]
            if f.taken[r, c] or seen.judge[r, c] & _NEAR_INJECTION:
                continue
            if count >= _MOST_SPOTS:
                return count, True
            size, shape = _size_and_shape(f, seen, r, c, threshold)
            region = f.labels[r, c]
            alone = _stands_alone(shape) and not _on_channel(f, seen, shape, region)
            worth = _worth_of(shape, size)
            if alone and local[r, c] + worth >= threshold:
                if _spot_into(f, count, seen, r, c, size, shape, noise, unit):
                    f.table[count, _KIND] = _kind_of(shape, worth, local[r, c], threshold)
                    f.table[count, _SIGNIFICANCE] = local[r, c] + worth
                    _raise_by(significance, f.table[count], max(worth, 0.0))
                    count += 1
                    for y in range(rows):
                        for x in range(cols):
                            if f.taken[y, x]:
                                f.ground[y, x] = np.float32(0)
            elif last == 0:
                f.order[left] = k
                left += 1
            elif local[r, c] >= threshold and _is_channel(f, region) and not f.told[region]:
                f.told[region] = True
                _region_into(f, count, seen, f.labels, region, noise, unit)
                f.table[count, _KIND] = _CHANNEL
                f.table[count, _SIGNIFICANCE] = local[r, c]
                count += 1
        peaks = left
    return count, found > _MOST_PEAKS


@nb.njit(nogil=True, cache=True)
def _sort_peaks(f, local, peaks):  # type: ignore[no-untyped-def]
    """Order peaks by falling significance, equal ones as they were found."""
    order = f.order
    for i in range(peaks):
        v = local[f.peak_r[i], f.peak_c[i]]
        j = i
        while j > 0 and local[f.peak_r[order[j - 1]], f.peak_c[order[j - 1]]] < v:
            order[j] = order[j - 1]
            j -= 1
        order[j] = i


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _size_and_shape(f, seen, r, c, threshold):  # type: ignore[no-untyped-def]
    """Return the size of a peak's spot (an index), and its shape at that size.

    The size that responds most; but where texture is fine, a large bright node responds most at
    its very top: then the smallest larger one at which it stands alone and is beyond doubt.
    """
    size = int(seen.which[r, c])
    shape = _survey(f, seen, r, c, size)
    if _stands_alone(shape):
        return size, shape
    for k in range(size + 1, f.sigmas.shape[0]):
        if _response(seen, r, c, k) >= _BEYOND_DOUBT * threshold:
            other = _survey(f, seen, r, c, k)
            if _stands_alone(other) and _worth_of(other, k) >= _MISSHAPEN:
                return k, other
    return size, shape


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _response(seen, r, c, k):  # type: ignore[no-untyped-def]
    """Return the significance of a peak as a spot of one size."""
    total = 0.0
    before = seen.residual[r, c]
    for b in range(seen.filters.shape[1]):
        here = seen.pyramid.blurs[b, r, c]
        total += seen.filters[k, b] * (before - here)
        before = here
    return total / seen.spread[r, c]


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _survey(f, seen, r, c, k):  # type: ignore[no-untyped-def]
    """Return how a peak stands in its surroundings, taken for a spot of one size.

    (height, which is log(1 + contrast), level around, isolation, depth of the lowest sector,
    roundness, sectors seen, support, share of the height over a line that goes through).
    """
    smooth = seen.pyramid.blurs[f.smooth_of[k]]
    height, level, isolation, pit, over, sectors = stand_of(
        f.ring, f.ring_seen, f.scratch, smooth, f.ground, r, c, f.sigmas[k]
    )
    roundness = roundness_of(smooth, r, c, f.sigmas[k])
    support = support_at(seen.pyramid, f.support_of[k], r, c)
    return height, level, isolation, pit, roundness, sectors, support, over


@nb.njit(nogil=True, cache=True)
def _worth_of(shape, size):  # type: ignore[no-untyped-def]
    """Return what a peak's shape is worth as evidence for a node [sigma]; below 0: against."""
    isolation, pit, roundness = shape[2:5]
    worth = _SHAPE_OFFSET + _PER_ISOLATION * isolation
    worth += _PER_ROUNDNESS * min(roundness, _ROUND) + _PER_PIT * min(max(pit, 0.0), _DEEP)
    return worth + (_FINEST if size == 0 else 0.0)


@nb.njit(nogil=True, cache=True)
def _kind_of(shape, worth, significance, threshold):  # type: ignore[no-untyped-def]
    """Return what a peak that stands alone is taken for.

    Where nothing hides it and texture cannot have bent it, what is long is a channel.
    """
    roundness, sectors, support, over = shape[4:]
    clear = significance >= _BEYOND_DOUBT * threshold and sectors == _SECTORS and support > _WHOLE
    if clear and (roundness < _LONG or over < _THROUGH):
        return _CHANNEL
    return _NODE if worth >= _MISSHAPEN else _UNCERTAIN


@nb.njit(nogil=True, cache=True)
def _raise_by(significance, spot, worth):  # type: ignore[no-untyped-def]
    """Add what a spot's shape is worth inside of its half-maximum circle: it is shown as called."""
    square = spot[_AREA] / math.pi
    reach = math.sqrt(square)
    x, y = spot[_X], spot[_Y]
    rows, cols = significance.shape
    for r in range(max(int(y - reach), 0), min(int(y + reach) + 2, rows)):
        for c in range(max(int(x - reach), 0), min(int(x + reach) + 2, cols)):
            if (r - y) ** 2 + (c - x) ** 2 <= square:
                significance[r, c] += np.float32(worth)


@nb.njit(nogil=True, cache=True)
def _stands_alone(shape):  # type: ignore[no-untyped-def]
    """Whether light falls off on every side that can be seen, and most sides can."""
    isolation, sectors, support = shape[2], shape[5], shape[6]
    if isolation < _ISOLATED:
        return False
    return sectors >= 6 or (sectors == 5 and support >= _CLEAR)


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _is_channel(f, region):  # type: ignore[no-untyped-def]
    """Whether a region is long and thin: by the moments of its cells."""
    n, sr, sc, srr, scc, src = f.moments[region]
    if n < 12:
        return False
    rr, cc, rc = srr / n - (sr / n) ** 2, scc / n - (sc / n) ** 2, src / n - sr * sc / n**2
    middle, half = (rr + cc) / 2, math.hypot((rr - cc) / 2, rc)
    length, width = math.sqrt(max(middle + half, 0.0)), math.sqrt(max(middle - half, 0.08))
    return length >= f.sigmas[1] and length >= _CHANNEL_ELONGATION * width


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _on_channel(f, seen, shape, region):  # type: ignore[no-untyped-def]
    """Whether the peak is but a bright place of a channel: not much brighter than its line."""
    height, level, isolation = shape[:3]
    if isolation >= _CLEARLY_ALONE or not _is_channel(f, region):
        return False
    if math.isnan(f.lines[region]):
        n = 0
        for r in range(f.labels.shape[0]):
            for c in range(f.labels.shape[1]):
                if f.labels[r, c] == region:
                    f.sample[n] = seen.residual[r, c]
                    n += 1
        f.lines[region] = select(f.sample, n, n // 2)
    return height < _NODE_OVER_CHANNEL * (f.lines[region] - level)


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _spot_into(f, row, seen, r, c, size, shape, noise, unit):  # type: ignore[no-untyped-def]
    """Measure the spot at a peak; False: on a closer look nothing stands out."""
    level, sectors = shape[1], shape[5]
    sigma = f.sigmas[size]
    reach = _reach_of(sigma)
    rows, cols = seen.mean.shape
    r0, r1 = max(r - reach, 0), min(r + reach + 1, rows)
    c0, c1 = max(c - reach, 0), min(c + reach + 1, cols)
    high, wide = r1 - r0, c1 - c0
    light = f.windows[0, : high * wide].reshape(high, wide)
    usable = f.windows[1, : high * wide].reshape(high, wide)
    mean = f.windows[2, : high * wide].reshape(high, wide)
    added = f.windows[3, : high * wide].reshape(high, wide)
    bright = f.others[: high * wide].reshape(high, wide)
    start = np.float32(level)
    for i in range(high):
        for j in range(wide):
            light[i, j] = seen.residual[r0 + i, c0 + j] - start
            usable[i, j] = seen.usable[r0 + i, c0 + j]
            mean[i, j] = seen.mean[r0 + i, c0 + j]
            bright[i, j] = seen.local[r0 + i, c0 + j] > _BRIGHT
    exp_into(light, light)
    y, x, base, top, lost = refine_into(
        f.radius,
        f.ring,
        f.ring_seen,
        f.scratch,
        light,
        usable,
        float(r - r0),
        float(c - c0),
        1.0,
        sigma,
        _ROUNDS,
    )
    if not top > base > 0:
        return False
    share = np.float32(1.0 / base)
    for i in range(high):
        for j in range(wide):
            added[i, j] = light[i, j] * share - np.float32(1)
    peak = top / base - 1.0
    sums, radius = f.sums, f.radius
    measure_into(sums, mean, added, usable, bright, y, x, radius, 1.5, 2.5)
    inside, ring = sums[0], sums[3]
    in_mean = sums[1] / max(inside, 1.0)
    here = mean[min(int(y + 0.5), high - 1), min(int(x + 0.5), wide - 1)] / (1.0 + peak)
    ring_mean = sums[4] / ring if ring >= 4 else here
    ring_sd = math.sqrt(max(sums[5] / ring - ring_mean**2, 0.0)) if ring >= 4 else noise
    ring_sd = max(ring_sd, noise)
    safe = max(ring_mean, noise)
    sbr = 1 + (in_mean - ring_mean) / safe
    cnr = (in_mean - ring_mean) / ring_sd
    d_in = noise / math.sqrt(max(inside, 1.0))
    d_ring = noise / math.sqrt(max(ring, 1.0))
    d_sd = noise / math.sqrt(2 * max(ring, 1.0))
    d_cnr = math.hypot(math.hypot(d_in, d_ring) / ring_sd, cnr * d_sd / ring_sd)
    clipped = 0.0
    n = 0
    for i in range(high):
        for j in range(wide):
            if added[i, j] > 0.5 * peak:
                clipped += seen.full[r0 + i, c0 + j]
                n += 1
    area = 0.0
    for k in range(RAYS):
        area += radius[k] * radius[(k + 1) % RAYS]
        turn = 2.0 * math.pi * k / RAYS
        f.contours[row, k, 0] = c0 + x + radius[k] * math.cos(turn)
        f.contours[row, k, 1] = r0 + y + radius[k] * math.sin(turn)
    out = f.table[row]
    out[_X], out[_Y] = c0 + x, r0 + y
    out[_AREA] = 0.5 * math.sin(2 * math.pi / RAYS) * area
    out[_SIGNAL] = peak * max(here, 0.0) * unit
    out[_SBR] = sbr
    out[_SBR_ERROR] = _Z95 * _WOBBLE * math.hypot(d_in, sbr * d_ring) / safe
    out[_CNR] = cnr
    out[_CNR_ERROR] = _Z95 * math.hypot(_WOBBLE * d_cnr, _RING_WOBBLE * cnr)
    out[_SATURATED] = clipped / n if n > 0 else 0.0
    out[_HIDDEN] = sectors < _SECTORS
    out[_OPEN] = lost > 0
    f.scratch[:] = radius
    _take(f.taken, int(r0 + y + 0.5), int(c0 + x + 0.5), np.median(f.scratch))
    return True


@nb.njit(nogil=True, cache=True)
def _take(taken, r, c, radius):  # type: ignore[no-untyped-def]
    """Mark what a spot covers: no second one is called within one and a half half-maxima."""
    reach = 1.6 * radius + 1.0
    n = math.ceil(reach)
    for i in range(max(r - n, 0), min(r + n + 1, taken.shape[0])):
        for j in range(max(c - n, 0), min(c + n + 1, taken.shape[1])):
            if (i - r) ** 2 + (j - c) ** 2 <= reach * reach:
                taken[i, j] = True


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _region_into(f, row, seen, labels, label, noise, unit):  # type: ignore[no-untyped-def]
    """Measure a whole region against the level around it."""
    s = f.sums
    region_sums_into(s, labels, label, seen.mean, seen.full, seen.usable, 4)
    n, ring, ring_sum, ring_squares = s[0], s[7], s[8], s[9]
    if ring < 4:
        ring, ring_sum, ring_squares = 1.0, s[5], s[5] ** 2
    ring_mean = max(ring_sum / ring, noise)
    ring_sd = max(math.sqrt(max(ring_squares / ring - (ring_sum / ring) ** 2, 0.0)), noise)
    in_mean = s[3] / n
    sbr, cnr = in_mean / ring_mean, (in_mean - ring_mean) / ring_sd
    out = f.table[row]
    out[:] = 0.0
    out[_X], out[_Y], out[_AREA] = s[2] / n, s[1] / n, n
    out[_SIGNAL] = max(s[4] - ring_mean, 0.0) * unit
    out[_SBR], out[_CNR] = sbr, cnr
    out[_SBR_ERROR] = _Z95 * noise / ring_mean * math.sqrt(1 / n + sbr**2 / ring)
    out[_CNR_ERROR] = _Z95 * math.hypot(
        noise / ring_sd, cnr * noise / ring_sd / math.sqrt(2 * ring)
    )
    out[_SATURATED] = s[6] / n


def spots_of(finder: Finder, count: int, block: int) -> tuple[Spot, ...]:
    """Return the first ``count`` spots of the finder's table, in NIR px."""
    return tuple(_spot(finder, k, block) for k in range(count))


def _spot(finder: Finder, k: int, block: int) -> Spot:
    row = finder.table[k].tolist()
    kind = _KINDS[int(row[_KIND])]
    area_px = row[_AREA] * block**2
    flags = []
    if row[_SATURATED] > 0:
        flags.append("saturated")
    if row[_HIDDEN]:
        flags.append("partly hidden")
    if row[_OPEN]:
        flags.append("contour open")
    contour = None
    if kind in (Kind.NODE, Kind.UNCERTAIN):
        contour = (finder.contours[k] + np.float32(0.5)) * np.float32(block) - np.float32(0.5)
        contour.setflags(write=False)
    sbr, d_sbr, cnr, d_cnr = row[_SBR], row[_SBR_ERROR], row[_CNR], row[_CNR_ERROR]
    return Spot(
        kind=kind,
        x_px=(row[_X] + 0.5) * block - 0.5,
        y_px=(row[_Y] + 0.5) * block - 0.5,
        area_px=area_px,
        spot_width_px=2 * math.sqrt(area_px / math.pi),
        signal=row[_SIGNAL],
        sbr=sbr,
        sbr_interval=Interval(sbr - d_sbr, sbr + d_sbr),
        cnr=cnr,
        cnr_interval=Interval(cnr - d_cnr, cnr + d_cnr),
        significance=row[_SIGNIFICANCE],
        saturated_fraction=row[_SATURATED],
        contour_px=contour,
        flags=tuple(flags),
    )
