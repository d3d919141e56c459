"""How lumpy this tissue is: what looks almost like nodes tells how much will look just like them.

Private to `core.analysis`. The observer is made from the bulk of the texture; what is called
falsely comes from its tail, and tails differ from tissue to tissue far more than spectra do. A
field holds few nodes but many lumps, most of them too faint to be called: their number tells the
tail. Dark lumps, the negative of the same image, do not tell that one: texture that is heavy on the
bright side is light on the dark one. They tell another: where texture is livelier in one place than
in the next, both tails are heavy far out while faint lumps are no more than usual, and no node is
dark.
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


@kernel()
def count_pits(f, seen, deep, turned):  # type: ignore[no-untyped-def]
    """Return how many dark lumps are shaped like nodes, were they bright, and in full sight.

    After `count_lumps`, by the same rules, but for the finest size, which hardly ever has one.
    ``deep``, ``turned`` (rows, cols) float32 are workspaces.
    """
    sizes = seen.sizes
    least = np.float32(FROM)
    count = 0
    for k in range(1, sizes.shape[0]):
        _negate_into(deep, sizes[k])
        _negate_into(turned, seen.pyramid.blurs[f.smooth_of[k]])
        cells = f.cells[: cells_above_into(f.cells, deep, least)]
        reach = max(1, int(f.sigmas[k] + 0.5))
        peaks = find_peaks_into(f.peak_r, f.peak_c, deep, least, reach, cells)
        for i in range(min(peaks, f.peak_r.shape[0])):
            r, c = f.peak_r[i], f.peak_c[i]
            value = _depth_of(sizes[:, r, c], k, -deep[r, c])
            if not least <= value < _NO_TEXTURE or seen.judge[r, c] != 0:
                continue
            if value + most_worth_in(f, turned, r, c, k) < _PIT:
                continue
            shape = shape_in(f, turned, 1.0, r, c, k)
            if shape[5] == SECTORS and stands_alone(shape):
                count += value + worth_of(f, shape, k, r, c) >= _PIT
    return count


@kernel()
def _negate_into(out, image):  # type: ignore[no-untyped-def]
    for r in range(out.shape[0]):
        to, line = out[r], image[r]
        for c in range(to.shape[0]):
            to[c] = -line[c]


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
