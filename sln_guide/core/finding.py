"""Peaks of significance become spots: measured, and taken for what they look like.

Private to `core.analysis`. One kernel does it all and fills a table; `spots_of` reads it.
"""

from __future__ import annotations

import math

import numpy as np

from sln_guide.core.evidence import (
    CHANNEL,
    GLINT,
    HEADROOM,
    INJECTION,
    NODE,
    UNCERTAIN,
    at_rim,
    beyond_texture,
    is_channel,
    is_glint,
    kind_of,
    most_worth_of,
    on_channel,
    shape_of,
    stands_alone,
    worth_of,
)
from sln_guide.core.finder import MOST_PEAKS, MOST_SPOTS, Finder
from sln_guide.core.grid import copy_line
from sln_guide.core.kernel import kernel
from sln_guide.core.label import label_into, moments_into
from sln_guide.core.measure import (
    AREA,
    CNR,
    CNR_ERROR,
    HIDDEN,
    KIND,
    MEASURED,
    NO_LIGHT,
    SATURATED,
    SBR,
    SBR_ERROR,
    SIGNAL,
    SIGNIFICANCE,
    X,
    Y,
    region_into,
    spot_into,
    take,
)
from sln_guide.core.peaks import cells_above_into, find_peaks_into, summit_of
from sln_guide.core.ridges import channels_into
from sln_guide.core.spot import PARTLY_HIDDEN, Spot
from sln_guide.core.spots import median_radius
from sln_guide.guidance import CannotJudge, Interval, Kind

_NEAR_INJECTION, _GLINT = int(CannotJudge.NEAR_INJECTION), np.uint8(CannotJudge.GLINT)
WIDE_SIZE = 3
"""Index of the least size of spots that finer texture may hide."""
NOT_BEST = 1.0
"""What a peak is worth less where another size responds more [sigma]."""
_FAR_ABOVE = 1.5
"""Times the threshold: no texture responds so much, and what does is looked at where its light is
highest. In smooth tissue the edge of a shallow, flat node responds more than its middle."""
_BESIDE_A_CHANNEL = 1.0
"""What a peak is worth less where only its channel tells why it falls off on no side [sigma]: most
of what a channel holds is pieces of it."""
_BESIDE_A_SITE = 1.0
"""What a peak in the halo of an injection site is worth less [sigma]: a halo is alike in all
directions only where tissue is, and at a border some of it is left."""
_ALL_AROUND = 0.9
"""What keeps so much of its height on all sides has no channel that moves it."""
_REACH = 0.6
"""Share of the threshold down to which light still belongs to what was found above it."""
_NARROW = 1.5
"""Width, as a share of the smallest node's diameter, below which tissue's fine lumps lie."""
_LEAST_INSIDE = 3.0
"""Cells that a node's centre must lie within the field where its peak is at the rim."""
_SURVEYED = 3.6
"""How far what a peak is judged by may lie, in sigmas: its annulus, about a summit a sigma away."""
_HUSHED = 3.5
"""How far what adds no light is hushed, in its half-maximum radii."""
_INJECTION_SIGNIFICANCE = 99.0
_KINDS = (Kind.NODE, Kind.CHANNEL, Kind.INJECTION, Kind.UNCERTAIN, Kind.GLINT)


@kernel(error_model="numpy")
def find_into(f, seen, significance, threshold, noise, unit, sites):  # type: ignore[no-untyped-def]
    """Fill the finder's table, injection sites first, then the most significant.

    ``significance`` (rows, cols) float32 is raised where a spot's shape speaks for it. ``noise``
    of a block's mean [counts], ``unit``: counts to counts/(ms*gain). Returns how many spots there
    are, and whether there were more than can be told.
    """
    local = seen.local
    rows = local.shape[0]
    found, more = find_peaks_of_sizes(f, local, seen.sizes, threshold - np.float32(HEADROOM))
    peaks = found
    _sort_peaks(f, peaks)
    for r in range(rows):
        f.taken[r] = False
        copy_line(f.ground[r], seen.usable[r])
    count = np.int64(0)  # typed: as a literal, whatever it is given to is compiled twice
    cells = f.cells[
        : cells_above_into(f.cells, seen.site, np.int32(1), np.int32(1)) if sites > 0 else 0
    ]
    for k in range(1, min(sites, MOST_SPOTS) + 1):
        region_into(f, count, seen, seen.site, k, cells, noise, unit)
        # brightness alone makes no injection site: before something dark, on a back table say, a
        # node is as bright; but it need not clip, and is no larger
        clips, size = f.table[count, SATURATED], f.table[count, AREA]
        f.table[count, KIND] = INJECTION if clips > 0 or size > f.most_area else UNCERTAIN
        f.table[count, SIGNIFICANCE] = _INJECTION_SIGNIFICANCE
        count += 1
    limit = np.float32(_REACH) * threshold
    cells = f.cells[: cells_above_into(f.cells, local, limit, np.float32(1))]
    regions = label_into(f.labels, cells, f.parent)
    moments_into(f.moments[: regions + 1], f.labels, cells)
    f.lines[: regions + 1] = np.nan
    f.told[: regions + 1] = False
    # a second round, because a neighbour found later may be what hid a node's own slope
    for last in range(2):
        left = 0
        for i in range(peaks):
            k = f.order[i]
            r, c = f.peak_r[k], f.peak_c[k]
            if f.taken[r, c] or seen.judge[r, c] & _NEAR_INJECTION:
                continue
            if count >= MOST_SPOTS:
                return count, True
            size, value = f.peak_size[k], f.peak_value[k]
            if value >= _FAR_ABOVE * threshold:
                r, c = summit_of(seen.pyramid.blurs[f.smooth_of[size]], r, c, f.sigmas[size])
            region, called = np.int64(f.labels[r, c]), False
            if last == 0 or f.again[k]:
                called, f.peak_reach[k] = _is_called(
                    f,
                    significance,
                    seen,
                    r,
                    c,
                    size,
                    value,
                    count,
                    cells,
                    sites,
                    threshold,
                    noise,
                    unit,
                )
                f.again[k] = False
            if called:
                _look_again(f, found, f.table[count], take(f, f.table[count]))
                count += 1
            elif last == 0:
                f.order[left] = k
                left += 1
            elif local[r, c] >= threshold and is_channel(f, region) and not f.told[region]:
                f.told[region] = True
                region_into(f, count, seen, f.labels, region, cells, noise, unit)
                f.table[count, KIND] = CHANNEL
                f.table[count, SIGNIFICANCE] = local[r, c]
                # in the dark noise may outline a region that is no brighter than what is around it
                count += f.table[count, SBR] > 1.0
        peaks = left
    return count, more


@kernel()
def _is_called(  # type: ignore[no-untyped-def]
    f, significance, seen, r, c, size, value, row, cells, sites, threshold, noise, unit
):
    """Look at a peak, and write what is called into a ``row`` of the table.

    ``cells``: those of all regions. Returns whether it is, and `Finder.peak_reach`.
    """
    reach = _SURVEYED * f.sigmas[size] + 2.0
    if value < threshold and value + most_worth_of(f, seen, r, c, size) < threshold:
        return False, reach  # whatever it looks like
    shape = shape_of(f, seen, r, c, size)
    region = np.int64(f.labels[r, c])
    alone = stands_alone(shape) and not on_channel(f, seen, shape, region, cells)
    channels, by_itself = 0, alone
    if value >= threshold and shape[2] < _ALL_AROUND:
        channels, kept, far = channels_into(f, seen, r, c, size, shape, alone)
        reach = max(reach, far + f.sigmas[size])
        if channels > 0 and seen.least_own < np.float32(0):
            channels = 0  # what is new since a baseline is a channel that fills, mostly
        if channels > 0:
            shape = _without_channels(shape, shape[2] if alone else kept, kept)
        alone = channels > 0 or (alone and channels == 0)
    worth = worth_of(f, shape, size, r, c)
    if not by_itself:
        worth -= _BESIDE_A_CHANNEL
    if _in_a_halo(f, sites, r, c):
        worth -= _BESIDE_A_SITE
    if not alone or value + worth < threshold:
        return False, reach
    found = spot_into(f, row, seen, r, c, size, shape, channels, noise, unit)
    spot = f.table[row]
    if found == NO_LIGHT:
        _hush(f, significance, r, c, np.float32(_REACH) * threshold)
    if found != MEASURED:
        return False, reach
    reach = max(reach, math.hypot(spot[Y] - r, spot[X] - c) + f.sigmas[size] + 1.0)
    if not _plausible(f, spot, at_rim(f, r, c)) or _told_already(f, spot):
        return False, reach
    spot[KIND] = kind_of(shape, size, value, threshold, channels > 0)
    if not by_itself and spot[AREA] < _NARROW**2 * f.least_area:
        spot[KIND] = UNCERTAIN  # a channel's end, with a lump beside it, is as wide
    spot[SIGNIFICANCE] = value + worth
    if is_glint(seen.white, spot[Y], spot[X], spot[AREA], spot[KIND]):
        spot[KIND] = GLINT
        _cover(seen.judge, spot)
    elif by_itself and beyond_texture(shape, size, value, threshold) and spot[KIND] == UNCERTAIN:
        spot[KIND] = NODE
    if _trifling(f, spot, threshold):
        return False, reach
    _raise_by(significance, spot, max(worth, 0.0))
    return True, reach


@kernel()
def _look_again(f, peaks, spot, taken):  # type: ignore[no-untyped-def]
    """Mark peaks that were judged by what a spot now covers, ``taken`` cells far."""
    for k in range(peaks):
        y, x = f.peak_r[k] - spot[Y], f.peak_c[k] - spot[X]
        near = f.peak_reach[k] + taken + 1.0
        f.again[k] |= y * y + x * x <= near * near


@kernel()
def find_peaks_of_sizes(f, local, sizes, threshold):  # type: ignore[no-untyped-def]
    """Find the peaks at or above ``threshold`` [sigma] of each size by itself.

    Fine texture on a wide faint node has peaks of its own, which fall off on no side, and hide the
    node from whoever looks at the largest response alone. A small size's peak, of which there are
    many, counts only where no other size responds more. Returns how many there are, and whether
    there were more than can be looked at.
    """
    found, more = 0, False
    high = f.cells[: cells_above_into(f.cells, local, threshold, np.float32(1))]
    for k in range(sizes.shape[0] - 1, -1, -1):  # the largest first: they are few
        first = found
        reach = max(1, int(f.sigmas[k] + 0.5))
        room_r, room_c = f.peak_r[first:], f.peak_c[first:]
        count = find_peaks_into(room_r, room_c, sizes[k], threshold, reach, high, np.float32(1))
        more |= count > room_r.shape[0]
        for i in range(first, min(first + count, MOST_PEAKS)):
            r, c = f.peak_r[i], f.peak_c[i]
            value = sizes[k, r, c]
            if value < local[r, c]:
                value -= np.float32(NOT_BEST)
                if k < WIDE_SIZE or value < threshold:
                    continue
            f.peak_r[found], f.peak_c[found] = r, c
            f.peak_size[found], f.peak_value[found] = k, value
            found += 1
    return found, more


@kernel()
def _in_a_halo(f, sites, r, c):  # type: ignore[no-untyped-def]
    """Whether a peak lies where the halo of a site, told first of all, was taken off."""
    for k in range(min(sites, MOST_SPOTS)):
        site = f.table[k]
        reach = math.sqrt(site[AREA] / math.pi) + f.halo
        if (r - site[Y]) ** 2 + (c - site[X]) ** 2 < reach * reach:
            return True
    return False


@kernel()
def _without_channels(shape, isolation, over):  # type: ignore[no-untyped-def]
    """Return a peak's shape with another isolation, and height over what goes through it."""
    height, level, _, pit, roundness, sectors, support, _ = shape
    return height, level, isolation, pit, roundness, sectors, support, over


@kernel()
def _sort_peaks(f, peaks):  # type: ignore[no-untyped-def]
    """Order peaks by falling significance, equal ones as they were found."""
    order = f.order
    for i in range(peaks):
        v = f.peak_value[i]
        j = i
        while j > 0 and f.peak_value[order[j - 1]] < v:
            order[j] = order[j - 1]
            j -= 1
        order[j] = i


@kernel()
def _plausible(f, spot, rim):  # type: ignore[no-untyped-def]
    """Whether a spot is as wide as a node's light, and its centre well within the field.

    The latter is asked where its peak lies at the ``rim``.
    """
    rows, cols = f.labels.shape
    x, y = spot[X], spot[Y]
    inside = min(x, cols - 1 - x, y, rows - 1 - y) >= _LEAST_INSIDE
    return spot[AREA] >= f.least_area and (inside or not rim)


@kernel()
def _trifling(f, spot, threshold):  # type: ignore[no-untyped-def]
    """Whether a spot is shaped like no node, hardly as wide as the smallest, and not far above.

    Tissue's finest lumps look so. A node of the smallest size may, too, if nothing scatters its
    light: but then it stands far above them.
    """
    narrow = spot[KIND] == UNCERTAIN and spot[AREA] < _NARROW**2 * f.least_area
    return narrow and spot[SIGNIFICANCE] < _FAR_ABOVE * threshold


@kernel()
def _told_already(f, spot):  # type: ignore[no-untyped-def]
    """Whether a spot's centre came to lie on what an earlier one covers: two peaks of one thing."""
    rows, cols = f.taken.shape
    r, c = int(spot[Y] + 0.5), int(spot[X] + 0.5)
    return f.taken[min(max(r, 0), rows - 1), min(max(c, 0), cols - 1)]


@kernel()
def _raise_by(significance, spot, worth):  # type: ignore[no-untyped-def]
    """Add what a spot's shape is worth inside of its half-maximum circle: it is shown as called."""
    square = spot[AREA] / math.pi
    reach = math.sqrt(square)
    x, y = spot[X], spot[Y]
    rows, cols = significance.shape
    for r in range(max(int(y - reach), 0), min(int(y + reach) + 2, rows)):
        for c in range(max(int(x - reach), 0), min(int(x + reach) + 2, cols)):
            if (r - y) ** 2 + (c - x) ** 2 <= square:
                significance[r, c] += np.float32(worth)


@kernel()
def _cover(judge, spot):  # type: ignore[no-untyped-def]
    """Mark that nothing can be told where a glint lies: its light may hide a node's."""
    square = spot[AREA] / math.pi
    reach = math.sqrt(square)
    x, y = spot[X], spot[Y]
    rows, cols = judge.shape
    for r in range(max(int(y - reach), 0), min(int(y + reach) + 2, rows)):
        for c in range(max(int(x - reach), 0), min(int(x + reach) + 2, cols)):
            if (r - y) ** 2 + (c - x) ** 2 <= square:
                judge[r, c] |= _GLINT


@kernel()
def _hush(f, significance, r, c, limit):  # type: ignore[no-untyped-def]
    """Show no light about a peak that adds none: the spot last looked at."""
    reach = _HUSHED * median_radius(f.scratch, f.radius)
    n, region = math.ceil(reach), f.labels[r, c]
    rows, cols = significance.shape
    for i in range(max(r - n, 0), min(r + n + 1, rows)):
        for j in range(max(c - n, 0), min(c + n + 1, cols)):
            near = (i - r) ** 2 + (j - c) ** 2 <= reach * reach
            if near and f.labels[i, j] == region and not f.taken[i, j]:
                significance[i, j] = min(significance[i, j], limit)


def spots_of(finder: Finder, count: int, block: int) -> tuple[Spot, ...]:
    """Return the first ``count`` spots of the finder's table, in NIR px."""
    return tuple(_spot(finder, k, block) for k in range(count))


def _spot(finder: Finder, k: int, block: int) -> Spot:
    row = finder.table[k].tolist()
    kind = _KINDS[int(row[KIND])]
    area_px = row[AREA] * block**2
    flags = []
    if row[SATURATED] > 0:
        flags.append("saturated")
    if row[HIDDEN]:
        flags.append(PARTLY_HIDDEN)
    contour = None
    if kind in (Kind.NODE, Kind.UNCERTAIN):
        contour = (finder.contours[k] + np.float32(0.5)) * np.float32(block) - np.float32(0.5)
        contour.setflags(write=False)
    sbr, d_sbr, cnr, d_cnr = row[SBR], row[SBR_ERROR], row[CNR], row[CNR_ERROR]
    return Spot(
        kind=kind,
        x_px=(row[X] + 0.5) * block - 0.5,
        y_px=(row[Y] + 0.5) * block - 0.5,
        area_px=area_px,
        spot_width_px=2 * math.sqrt(area_px / math.pi),
        signal=row[SIGNAL],
        sbr=sbr,
        sbr_interval=Interval(sbr - d_sbr, sbr + d_sbr),
        cnr=cnr,
        cnr_interval=Interval(cnr - d_cnr, cnr + d_cnr),
        significance=row[SIGNIFICANCE],
        saturated_fraction=row[SATURATED],
        contour_px=contour,
        flags=tuple(flags),
    )
