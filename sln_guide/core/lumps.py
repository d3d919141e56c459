"""How lumpy this tissue is: what looks almost like nodes tells how much will look just like them.

Private to `core.analysis`. The observer is made from the bulk of the texture; what is called
falsely comes from its tail, and tails differ from tissue to tissue far more than spectra do. A
field holds few nodes but many lumps, most of them too faint to be called: their number tells the
tail. Dark lumps, the negative of the same image, do not tell that one: texture that is heavy on the
bright side is light on the dark one. They tell another: where texture is livelier in one place than
in the next, both tails are heavy far out while faint lumps are no more than usual, and no node is
dark.

Dark lumps tell of bright ones as far as texture is even. Where it is lopsided, which its bulk shows
(`skew_of`), its two tails differ: tissue whose light varies evenly has the heavier tail on the dark
side of the logarithm, and a pit there says little of what is bright.
"""

from __future__ import annotations

import math

import numpy as np

from sln_guide.core.evidence import (
    most_worth_in,
    most_worth_of,
    shape_in,
    shape_of,
    stands_alone,
    worth_of,
)
from sln_guide.core.finder import BINS, SKEWED_SIZES
from sln_guide.core.finding import NOT_BEST, WIDE_SIZE, find_peaks_of_sizes
from sln_guide.core.grid import copy_line
from sln_guide.core.kernel import kernel
from sln_guide.core.peaks import SECTORS, cells_above_into, find_peaks_into

FROM, TO = 2.5, 4.0
"""Evidence between which peaks are counted [sigma], their shape included: lumps, hardly nodes."""
_OF_NODES = 12
"""Peaks above these that a field's nodes make, at most: they are 1.6 each."""
_MANY = 8.8e-4
"""Lumps for each place for the smallest spot from which on tissue is lumpy: 8 in a usual field."""
_FEWEST = 8.0
"""In a small field a handful is chance, which must not take its only node away."""
_PIT, _NO_TEXTURE = 3.5, 9.0
"""Evidence from which a dark lump counts, and the depth from which on it is no texture's."""
_MANY_PITS = 4.4e-4
"""The same as `_MANY`, of dark ones: 4 in a field, where a usual one has 1 or 2."""
_FEWEST_PITS = 4.0
_PER_LUMPS = 0.5
"""How much significance is tempered for each e-fold of them."""
_TAIL_SHARE = 0.05
"""Share of cells beyond the quantiles that skewness is told from: nodes cover less."""
_SKEW_OF_QUANTILES = 3.65
"""Skewness for each unit of (high + low - 2 middle) / (high - low): by Cornish and Fisher's
expansion of quantiles (DOI 10.2307/1400905), 2 z / (z^2 / 3) with z = 1.645."""
_MOST_SKEW = 0.5
"""More than this a field's few hundred lumps do not tell, and the expansion does not hold."""
_FIRST_SKEWED = 1
"""The first size looked at: the finest is noise, and a field has few places for the widest."""
_PER_SIGMA = 32.0
_FEWEST_CELLS = 200


@kernel()
def count_lumps(f, seen):  # type: ignore[no-untyped-def]
    """Return how many peaks stand alone like nodes, but too faintly to be called.

    Clearer ones count from where they are more than all of a field's nodes make.
    """
    for r in range(seen.usable.shape[0]):
        copy_line(f.ground[r], seen.usable[r])
    peaks, _ = find_peaks_of_sizes(f, seen.local, seen.sizes, np.float32(FROM))
    count, clear = 0, 0
    for i in range(peaks):
        r, c, size, value = f.peak_r[i], f.peak_c[i], f.peak_size[i], f.peak_value[i]
        if seen.judge[r, c] != 0 or value + most_worth_of(f, seen, r, c, size) < FROM:
            continue
        shape = shape_of(f, seen, r, c, size)
        evidence = value + worth_of(f, shape, size, r, c)
        if stands_alone(shape):
            count += FROM <= evidence < TO
            clear += evidence >= TO
    return count + max(clear - _OF_NODES, 0)


@kernel(error_model="numpy")
def skew_of(f, seen):  # type: ignore[no-untyped-def]
    """Return the skewness of texture at a node's sizes: below 0 where its dark tail is the longer.

    From quantiles, because nodes are the outliers of a third moment.
    """
    usable, bins = seen.usable, f.bins
    one, two, three = bins[0], bins[1], bins[2]
    sizes = seen.sizes[_FIRST_SKEWED:]
    a, b, c = sizes[0], sizes[1], sizes[2]
    rows, cols = usable.shape
    stride = 3 if min(rows, cols) >= 48 else 1
    bins[:] = 0
    n = 0
    for i in range(0, rows, stride):
        for k in range(0, cols, stride):
            if usable[i, k] > np.float32(0.5):
                one[_bin_of(a[i, k])] += 1
                two[_bin_of(b[i, k])] += 1
                three[_bin_of(c[i, k])] += 1
                n += 1
    if n < _FEWEST_CELLS:
        return 0.0
    total = 0.0
    for k in range(SKEWED_SIZES):
        low, middle, high = _quantiles_of(bins[k], n)
        total += (high + low - 2.0 * middle) / max(high - low, 1.0)
    skew = _SKEW_OF_QUANTILES * total / SKEWED_SIZES
    return min(max(skew, -_MOST_SKEW), _MOST_SKEW)


@kernel()
def _bin_of(value):  # type: ignore[no-untyped-def]
    # cut off before it is made a bin's number: responses may be huge, and what is none has a place
    most = np.float32(BINS // 2 - 1)
    at = value * np.float32(_PER_SIGMA)
    at = at if at < most else most
    at = at if at > -most else -most
    return np.uintp(np.int32(at) + np.int32(BINS // 2))


@kernel(error_model="numpy")
def _quantiles_of(counts, n):  # type: ignore[no-untyped-def]
    """Return where `_TAIL_SHARE`, half and all but it of ``n`` that were counted lie, in bins."""
    low = middle = high = 0.0
    first, half, last = _TAIL_SHARE * n, 0.5 * n, (1.0 - _TAIL_SHARE) * n
    before = 0
    for k in range(counts.size):
        here = counts[k]
        seen = before + here
        if before < first <= seen:
            low = k + (first - before) / here
        if before < half <= seen:
            middle = k + (half - before) / here
        if before < last <= seen:
            high = k + (last - before) / here
            break
        before = seen
    return low, middle, high


@kernel()
def count_pits(f, seen):  # type: ignore[no-untyped-def]
    """Return how many dark lumps are shaped like nodes, were they bright, and in full sight.

    And how lopsided texture is (`skew_of`). After `count_lumps`, by the same rules, but for the
    finest size, which hardly ever has one. Where dark tails are the longer ones, a pit counts as
    the bright lump that is as rare: the same expansion, once for either side. Not where bright ones
    are: a channel or large nodes would do the same.
    """
    skew = skew_of(f, seen)
    mirror = min(skew, 0.0) / 3.0
    sizes = seen.sizes
    least, dark = np.float32(FROM), np.float32(-1)
    count = 0
    for k in range(1, sizes.shape[0]):
        smooth = seen.pyramid.blurs[f.smooth_of[k]]
        cells = f.cells[: cells_above_into(f.cells, sizes[k], least, dark)]
        reach = max(1, int(f.sigmas[k] + 0.5))
        peaks = find_peaks_into(f.peak_r, f.peak_c, sizes[k], least, reach, cells, dark)
        for i in range(min(peaks, f.peak_r.shape[0])):
            r, c = f.peak_r[i], f.peak_c[i]
            value = _depth_of(sizes[:, r, c], k, sizes[k, r, c])
            if not least <= value < _NO_TEXTURE or seen.judge[r, c] != 0:
                continue
            bright = value + mirror * (value * value - 1.0)
            if bright + most_worth_in(f, smooth, r, c, k, dark) < _PIT:
                continue
            shape = shape_in(f, smooth, 1.0, r, c, k, dark)
            if shape[5] == SECTORS and stands_alone(shape):
                count += bright + worth_of(f, shape, k, r, c) >= _PIT
    return count, skew


@kernel()
def _depth_of(responses, k, here):  # type: ignore[no-untyped-def]
    """Return how deep a pit counts as one of size ``k``; 0 where that is not looked at."""
    for j in range(responses.shape[0]):
        if responses[j] < here:  # another size responds more
            return -here - np.float32(NOT_BEST) if k >= WIDE_SIZE else np.float32(0)
    return -here


def tail_of(lumps: int, pits: int, places: float) -> float:
    """Return how much farther out than usual this tissue's lumps reach, at least 1.

    ``places``: for the smallest spot in the field. What is called at a threshold then is as rare
    as elsewhere, or nearly. Bright lumps tell lopsided tails, dark ones (``pits``) even ones.
    """
    times = max(lumps / max(_MANY * places, _FEWEST), pits / max(_MANY_PITS * places, _FEWEST_PITS))
    return 1.0 + _PER_LUMPS * math.log(max(times, 1.0))
