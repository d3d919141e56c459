"""What spots are found in and with: the frame's planes, and a workspace for one geometry.

Private to `core.finding` and the kernels that it calls.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sln_guide.core.field import SIGMA_OF_DIAMETER, Geometry
from sln_guide.core.halo import reach_of_halo
from sln_guide.core.measure import COLUMNS, reach_of
from sln_guide.core.peaks import SECTORS, Annuli, annuli
from sln_guide.core.pyramid import Pyramid
from sln_guide.core.ridges import ACROSS, LONGEST, LOOKS, MOST_CHANNELS
from sln_guide.core.spots import RAYS

MOST_PEAKS = 512
MOST_SPOTS = 48
SKEWED_SIZES, BINS = 3, 512
"""Sizes, and bins of their responses, that skewness is told from (`core.lumps`)."""
_NARROWEST = 1.0
"""Least width of a node's light as a share of the smallest node's diameter: scatter only widens."""
_WIDEST = 1.3
"""Width of the largest node's light, far above what is around, as a share of its diameter."""


class Finder(NamedTuple):
    """Workspace for one geometry. ``table`` (spots, columns) and ``contours`` are what is found.

    ``peak_reach`` (peaks): how far from a peak lies what it was judged by [cells]; ``again``:
    whether some of that was taken since.
    """

    table: NDArray[np.float64]
    contours: NDArray[np.float32]
    sigmas: NDArray[np.float64]
    annuli: Annuli
    least_area: float
    most_area: float
    smooth_of: NDArray[np.int64]
    support_of: NDArray[np.int64]
    cells: NDArray[np.int32]
    peak_r: NDArray[np.int64]
    peak_c: NDArray[np.int64]
    peak_size: NDArray[np.int64]
    peak_value: NDArray[np.float32]
    peak_reach: NDArray[np.float64]
    again: NDArray[np.bool_]
    order: NDArray[np.int64]
    ring: NDArray[np.float64]
    ring_seen: NDArray[np.float64]
    radius: NDArray[np.float64]
    scratch: NDArray[np.float64]
    sums: NDArray[np.float64]
    taken: NDArray[np.bool_]
    ground: NDArray[np.float32]
    labels: NDArray[np.int32]
    parent: NDArray[np.int32]
    moments: NDArray[np.float64]
    lines: NDArray[np.float64]
    told: NDArray[np.bool_]
    sample: NDArray[np.float32]
    windows: NDArray[np.float32]
    smallest: float
    halo: float
    around: NDArray[np.float64]
    profile: NDArray[np.float64]
    path: NDArray[np.float64]
    known: NDArray[np.bool_]
    runs: NDArray[np.float64]
    profiles: NDArray[np.float64]
    bins: NDArray[np.int32]


def finder(
    geometry: Geometry, smooth_of: NDArray[np.int64], support_of: NDArray[np.int64]
) -> Finder:
    """Make the workspace. ``smooth_of``, ``support_of``: each spot size's blurs in the pyramid."""
    shape = (geometry.rows, geometry.cols)
    cells = shape[0] * shape[1] + 1
    most_regions = (shape[0] // 2 + 1) * (shape[1] // 2 + 1) + 1
    widest = (2 * reach_of(geometry.spot_sigmas[-1]) + 1) ** 2
    return Finder(
        np.zeros((MOST_SPOTS, COLUMNS)),
        np.zeros((MOST_SPOTS, RAYS, 2), np.float32),
        np.array(geometry.spot_sigmas),
        annuli(np.array(geometry.spot_sigmas), shape[1]),
        0.25 * math.pi * (_NARROWEST * geometry.smallest) ** 2,
        0.25 * math.pi * (_WIDEST * geometry.spot_sigmas[-1] / SIGMA_OF_DIAMETER) ** 2,
        smooth_of,
        support_of,
        np.zeros(cells, np.int32),
        np.zeros(MOST_PEAKS, np.int64),
        np.zeros(MOST_PEAKS, np.int64),
        np.zeros(MOST_PEAKS, np.int64),
        np.zeros(MOST_PEAKS, np.float32),
        np.zeros(MOST_PEAKS),
        np.zeros(MOST_PEAKS, np.bool_),
        np.zeros(MOST_PEAKS, np.int64),
        np.zeros(SECTORS),
        np.zeros(SECTORS),
        np.zeros(RAYS),
        np.zeros(RAYS),
        np.zeros(13),
        np.zeros(shape, np.bool_),
        np.zeros(shape, np.float32),
        np.zeros(shape, np.int32),
        np.zeros(cells, np.int32),
        np.zeros((most_regions, 6)),
        np.zeros(most_regions),
        np.zeros(most_regions, np.bool_),
        np.zeros(cells, np.float32),
        np.zeros((5, widest), np.float32),
        geometry.smallest,
        float(reach_of_halo(geometry)),
        np.zeros(LOOKS),
        np.zeros(ACROSS),
        np.zeros((LONGEST, 4)),
        np.zeros(LOOKS, np.bool_),
        np.zeros((MOST_CHANNELS, 2)),
        np.zeros((MOST_CHANNELS, ACROSS)),
        np.zeros((SKEWED_SIZES, BINS), np.int32),
    )


class Seen(NamedTuple):
    """What one frame gave, on the grid; all (rows, cols) float32 unless said otherwise.

    ``local``, ``sizes``, ``spread``: see `core.observer`; ``residual``: log NIR without what
    explains it; ``prediction``: what colour or a baseline says of it, in the logarithm;
    ``pyramid``: the residual's blurs; ``mean``: counts; ``usable``; ``judge``: uint8; ``full``:
    saturated share; ``site``: int32, 0 or the injection site; ``floor``: under the logarithm
    [counts]; ``least_own``: share of a spot's height, in the logarithm, that NIR must show by
    itself, without what was foretold; ``white`` (5, rows, cols): see `core.white`, 0 without it;
    ``white_noise`` (3,), ``shares`` (4,) float64: its noise, and what the prediction holds of the
    baseline, red, green and blue (`core.prior`).
    """

    local: NDArray[np.float32]
    sizes: NDArray[np.float32]
    spread: NDArray[np.float32]
    residual: NDArray[np.float32]
    prediction: NDArray[np.float32]
    pyramid: Pyramid
    mean: NDArray[np.float32]
    usable: NDArray[np.float32]
    judge: NDArray[np.uint8]
    full: NDArray[np.float32]
    site: NDArray[np.int32]
    floor: np.float32
    least_own: np.float32
    white: NDArray[np.float32]
    white_noise: NDArray[np.float64]
    shares: NDArray[np.float64]
