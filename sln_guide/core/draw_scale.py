"""A drawn picture at the size it is seen at: bilinear, for sizes from two thirds to twice.

Eight neighbouring pixels of a row that is nearly as wide lie over hardly more than eight of the
picture's. So they are sums of whole runs of the picture, shifted by a pixel each, times weights
of which most are zero: arithmetic in a row instead of looking each pixel up.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

_BLOCK = 8
"""Pixels computed at once: 32 channels."""
_LANES = 4 * _BLOCK
_FEW, _MANY = 3, 6
"""Runs that are summed: enough for sizes within an eighth, and within a half."""
_ONE = 128
"""Weights are in 1/128: with them a sum of 8 bits fits into 16."""
_BEFORE = 16
"""Bytes kept free before a row; its first run may begin there, with weight 0."""

_64 = np.uint64


class Scaler:
    """Scales pictures of four bytes a pixel to one other size. One thread.

    ``rows`` is the newest, (h, w, 4) uint8, always the same memory.

    Raises
    ------
    ValueError
        A size it cannot scale to: see `reaches`.
    """

    def __init__(self, size: tuple[int, int], shown: tuple[int, int]) -> None:
        """Prepare to scale from ``size`` to ``shown``, both (rows, columns)."""
        if not self.reaches(size, shown):
            raise ValueError(f"{size} to {shown}: bilinear scaling would skip pixels")
        self.size, self.shown = size, shown
        self._above, self._lower = _between(size[0], shown[0])
        self._first, self._weights = _runs(size[1], shown[1])
        self._row = np.zeros(_BEFORE + 4 * (size[1] + _BLOCK + _MANY + 1), np.uint8)
        used = 4 * shown[0] * shown[1]
        self._out = np.zeros(used + _LANES, np.uint8)
        self.rows = self._out[:used].reshape(*shown, 4)

    @staticmethod
    def reaches(size: tuple[int, int], shown: tuple[int, int]) -> bool:
        """Whether ``size`` can be scaled to ``shown``, both (rows, columns)."""
        steps = (have / want for have, want in zip(size, shown, strict=True))
        return min(size) >= _BLOCK + _MANY and all(0.5 <= step <= 1.5 for step in steps)

    def scale(self, given: NDArray[np.uint8]) -> None:
        """Scale ``given``, C-contiguous (H, W, 4) uint8, into `rows`.

        Each channel is within 3 of exact bilinear interpolation between centres of pixels.
        """
        if given.shape != (*self.size, 4) or given.dtype != np.uint8:
            raise ValueError(f"expected (H, W, 4) uint8 of {self.size}, not {given.shape}")
        flat = given.reshape(self.size[0], -1)
        flat.flags.writeable = False  # one compilation for pictures of either kind
        _scale(
            self._out,
            4 * self.shown[1],
            self._row,
            flat,
            self._above,
            self._lower,
            self._first,
            self._weights,
        )


def warm_up() -> None:
    """Compile, or load what was compiled before."""
    Scaler((16, 16), (16, 16)).scale(np.zeros((16, 16, 4), np.uint8))


def _between(have: int, want: int) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return (want,) the pixel before each new one's centre, and the next one's weight."""
    at = np.clip((np.arange(want) + 0.5) * have / want - 0.5, 0, have - 1)
    before = np.minimum(at.astype(np.int64), have - 2)
    return before, np.round((at - before) * _ONE).astype(np.uint8)


def _runs(have: int, want: int) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return (blocks,) where each block's first run begins [px], and (blocks, runs, 32) weights."""
    before, after = _between(have, want)
    number = np.arange(want)
    block, place = number // _BLOCK, number % _BLOCK
    first = np.full(-(-want // _BLOCK), have)
    np.minimum.at(first, block, before - place)
    run = before - place - first[block]
    runs = _FEW if run.max() + 2 <= _FEW else _MANY
    weights = np.zeros((len(first), runs, _BLOCK, 4), np.uint8)
    weights[block, run, place] = (_ONE - after)[:, None]
    weights[block, run + 1, place] = after[:, None]
    return first, weights.reshape(len(first), runs, _LANES)


@njit(cache=True, nogil=True)
def _scale(  # type: ignore[no-untyped-def]
    out, bytes_shown, row, given, above, lower, first, weights
) -> None:
    """Blend two rows of the picture into one, then its runs: all in 8 and 16 bits.

    The last block of a row may reach into the next one, which is written after it.

    Every product is cut to 16 bits at once, and indices are unsigned: else the compiler widens to
    64 bits, or allows for negative indices, and the loops are no SIMD.
    """
    bytes_wide = given.shape[1]
    whole = bytes_wide // _LANES * _LANES
    many = weights.shape[1] > _FEW
    weight = weights.reshape(-1)
    upper_of, lower_of = np.empty(_LANES, np.uint8), np.empty(_LANES, np.uint8)
    for y in range(above.size):
        upper, under = given[above[y]], given[above[y] + 1]
        upper_of[:] = _ONE - lower[y]
        lower_of[:] = lower[y]
        for at in range(0, whole, _LANES):
            p, q = _64(at), _64(at + _BEFORE)
            for c in range(_64(0), _64(_LANES)):
                row[q + c] = _cut(
                    _times(upper[p + c], upper_of[c]) + _times(under[p + c], lower_of[c])
                )
        for at in range(whole, bytes_wide):
            row[at + _BEFORE] = _cut(
                _times(upper[at], upper_of[0]) + _times(under[at], lower_of[0])
            )
        for block in range(first.size):
            s = _64(4 * first[block] + _BEFORE)
            q = _64(y * bytes_shown + block * _LANES)
            if many:
                w = _64(block * _MANY * _LANES)
                for c in range(_64(0), _64(_LANES)):
                    total = _three(row, s + c, weight, w + c)
                    total += _three(row, s + c + _64(12), weight, w + c + _64(3 * _LANES))
                    out[q + c] = _cut(total)
            else:
                w = _64(block * _FEW * _LANES)
                for c in range(_64(0), _64(_LANES)):
                    out[q + c] = _cut(_three(row, s + c, weight, w + c))


@njit(cache=True, inline="always")
def _times(value, weight):  # type: ignore[no-untyped-def]
    return np.uint16(np.uint16(value) * np.uint16(weight))


@njit(cache=True, inline="always")
def _cut(total):  # type: ignore[no-untyped-def]
    """Return a weighted sum rounded to 8 bits."""
    return np.uint8(np.uint16(total + np.uint16(_ONE // 2)) >> np.uint16(7))


@njit(cache=True, inline="always")
def _three(row, at, weight, first):  # type: ignore[no-untyped-def]
    """Return the sum of three runs, each a pixel (4 bytes) further, times their weights."""
    return (
        _times(row[at], weight[first])
        + _times(row[at + _64(4)], weight[first + _64(_LANES)])
        + _times(row[at + _64(8)], weight[first + _64(2 * _LANES)])
    )
