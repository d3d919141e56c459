"""How lumpy this tissue is: what looks almost like nodes tells how much will look just like them.

Private to `core.analysis`. The observer is made from the bulk of the texture; what is called
falsely comes from its tail, and tails differ from tissue to tissue far more than spectra do. A
field holds few nodes but many lumps, most of them too faint to be called: their number tells the
tail. Dark lumps, the negative of the same image, do not: texture that is heavy on the bright side
is light on the dark one.
"""

from __future__ import annotations

import math

import numpy as np

from sln_guide.core.evidence import most_worth_of, shape_of, stands_alone, worth_of
from sln_guide.core.finding import find_peaks_of_sizes
from sln_guide.core.grid import copy_line
from sln_guide.core.kernel import kernel

FROM, TO = 2.5, 4.0
"""Evidence between which peaks are counted [sigma], their shape included: lumps, hardly nodes."""
_OF_NODES = 12
"""Peaks above these that a field's nodes make, at most: they are 1.6 each."""
_MANY = 8.8e-4
"""Lumps for each place for the smallest spot from which on tissue is lumpy: 8 in a usual field."""
_FEWEST = 8.0
"""In a small field a handful is chance, which must not take its only node away."""
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


def tail_of(lumps: int, places: float) -> float:
    """Return how much farther out than usual this tissue's lumps reach, at least 1.

    ``places``: for the smallest spot in the field. What is called at a threshold then is as rare
    as elsewhere, or nearly.
    """
    usual = max(_MANY * places, _FEWEST)
    return max(1.0, 1.0 + _PER_LUMPS * math.log(max(lumps, 1) / usual))
