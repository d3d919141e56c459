"""`NirReducer`: raw NIR counts become blocks of corrected counts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardware.frame import Frame, PixelFormat
from sln_guide.core.columns import steps_inside
from sln_guide.core.field import Field, Geometry
from sln_guide.core.reduce import reduce_into

_FIXED_BITS = 12
_MOST_FIXED_GAIN = 4.0
"""Of a flat map: beyond, int16 would keep too little of a count."""


class NirReducer:
    """Corrects and reduces frames of one geometry into its own arrays.

    Attributes
    ----------
    mean, edge, full
        (rows, cols) float32, overwritten by each `reduce`: mean counts above dark; largest step
        between pixels two apart [counts]; share of saturated pixels.
    bad_share
        (rows, cols) float32: share of pixels without data of their own.
    """

    def __init__(self, field: Field, geometry: Geometry) -> None:
        self._block = geometry.block_px
        shape = (geometry.rows, geometry.cols)
        self.mean = np.zeros(shape, np.float32)
        self.edge = np.zeros(shape, np.float32)
        self.full = np.zeros(shape, np.float32)
        self._packed = field.pixel_format is PixelFormat.MONO12P
        width = field.width
        self._raw_type = raw_type = np.uint16 if self._packed else field.pixel_format.dtype
        bad = np.zeros((field.height, width), bool) if field.bad is None else field.bad.copy()
        self._maps = maps = _maps(field, bad)
        self._bad = bad_rows(bad)
        self.bad_share = block_share(bad, self._block)

        held = maps.dark.dtype.type if maps.dark.size else raw_type
        summed = np.float32 if maps.dark.size and not maps.times else np.int32
        wide = geometry.cols * self._block

        def columns() -> tuple[NDArray[np.generic], ...]:
            kinds = (summed, held, held, held, np.uint16)
            return tuple(np.zeros(wide, kind) for kind in kinds)

        self._work = (
            np.zeros(width, raw_type),
            np.zeros((self._block, width), held),
            columns(),
            columns(),
            steps_inside(self._block, width, wide, held),
        )

    def reduce(self, frame: Frame) -> None:
        """Fill `mean`, `edge` and `full` from ``frame``."""
        maps = self._maps
        reduce_into(
            self.mean,
            self.edge,
            self.full,
            frame.pixels,
            self._packed,
            self._raw_type(2**frame.bit_depth - 1),
            self._block,
            self._bad,
            maps.dark,
            maps.gain,
            np.int16(maps.times),
            np.float32(maps.unit),
            np.float32(maps.offset),
            self._work,
        )


class _Maps(NamedTuple):
    """What `reduce_into` takes of a dark and a flat map; (0, 0) where there is neither."""

    dark: NDArray[np.generic]
    gain: NDArray[np.generic]
    times: int
    unit: float
    offset: float


def _maps(field: Field, bad: NDArray[np.bool_]) -> _Maps:
    """Prepare the maps, and set in ``bad`` where they say nothing.

    Up to twelve bits are corrected in int16, where the largest factor lets a count keep enough
    of them: half of the bytes, four times as many pixels at once.
    """
    if field.dark is None and field.flat is None:
        none = np.zeros((0, 0), np.float32)
        return _Maps(none, none, 0, 1.0, field.dark_counts)
    dark = np.full((field.height, field.width), field.dark_counts, np.float32)
    if field.dark is not None:
        dark[:] = field.dark
    flat = np.ones(dark.shape, np.float32)
    if field.flat is not None:
        flat[:] = field.flat
    bad |= ~np.isfinite(dark) | ~np.isfinite(flat) | (flat <= 0)
    dark[bad] = field.dark_counts
    flat[bad] = 1.0
    good_mean = float(flat[~bad].mean()) if not bad.all() else 1.0
    gain = np.float32(good_mean) / flat
    most = float(gain.max())
    if field.bit_depth > _FIXED_BITS or most > _MOST_FIXED_GAIN:
        return _Maps(dark, gain, 0, 1.0, 0.0)
    times = 1 << (15 - field.bit_depth)
    whole = 2**15 - 1
    unit = most / times * 2**16 / whole
    return _Maps(
        np.rint(np.clip(dark * times, -whole, whole)).astype(np.int16),
        np.rint(gain * np.float32(whole / most)).astype(np.int16),
        times,
        unit,
        -0.5 * unit,  # a shift rounds down
    )


def bad_rows(bad: NDArray[np.bool_]) -> tuple[NDArray[np.int64], ...]:
    """Return (start, x, left, right): bad pixels by row, and their nearest good ones in it.

    Row ``y`` owns entries ``start[y]:start[y + 1]``. Where a row has no good pixel at all, the
    pixel stands for itself and its block is reported as bad data.
    """
    height, width = bad.shape
    start = np.zeros(height + 1, np.int64)
    start[1:] = np.cumsum(bad.sum(axis=1))
    y, x = np.nonzero(bad)
    columns = np.arange(width)
    left = np.zeros(len(x), np.int64)
    right = np.zeros(len(x), np.int64)
    for row in np.unique(y):
        good = columns[~bad[row]]
        mine = slice(start[row], start[row + 1])
        if len(good) == 0:
            left[mine] = right[mine] = x[mine]
            continue
        after = np.searchsorted(good, x[mine])
        left[mine] = good[np.maximum(after - 1, 0)]
        right[mine] = good[np.minimum(after, len(good) - 1)]
        outside = x[mine] < good[0]
        left[mine][outside] = good[0]
    return start, x.astype(np.int64), left, right


def block_share(mask: NDArray[np.bool_], block: int) -> NDArray[np.float32]:
    """Return the share of set pixels in each block."""
    rows = np.arange(0, mask.shape[0], block)
    cols = np.arange(0, mask.shape[1], block)
    ones = np.add.reduceat(np.add.reduceat(mask.astype(np.float64), rows, 0), cols, 1)
    every = np.add.reduceat(np.add.reduceat(np.ones(mask.shape), rows, 0), cols, 1)
    share: NDArray[np.float32] = (ones / every).astype(np.float32)
    return share
