"""A dark frame taken off a lit one, in one pass; and how far the room's light moved meanwhile."""

from __future__ import annotations

import math

import numba as nb
import numpy as np
from numpy.typing import NDArray

from sln_guide.core.grid import log_into
from sln_guide.core.kernel import kernel
from sln_guide.core.luminance import SMALL_WIDTH_PX, reduce_rows_into
from sln_guide.core.motion import shift_between

Samples = NDArray[np.uint8] | NDArray[np.uint16]

_PEDESTAL = 0.002
"""Share of full scale added before the logarithm: far fewer counts than tissue gives in NIR."""
_F = nb.float32


def monochrome_small(samples: Samples, bit_depth: int) -> NDArray[np.float32]:
    """Return the logarithm of brightness on about `SMALL_WIDTH_PX` columns, for `room_motion`.

    Parameters
    ----------
    samples
        (H, W) counts, C-contiguous; not modified.
    """
    height, width = samples.shape
    step = _step(width)
    out = np.empty((height // step, width // step), np.float32)
    full_scale = float(step * step) * float((1 << bit_depth) - 1)
    rows = _sealed(samples)
    reduce_rows_into(
        out, rows, np.empty(width, np.uint32), step, step, np.float32(1.0 / full_scale)
    )
    log_into(out, out, np.float32(_PEDESTAL))
    return out


def room_motion(
    before: NDArray[np.float32], after: NDArray[np.float32], width_px: int
) -> tuple[float, float]:
    """Return how far (x, y) px the picture moved between two `monochrome_small` of a frame's width.

    (0, 0) where that cannot be told.
    """
    if before.shape != after.shape:
        return 0.0, 0.0
    shift = shift_between(before, after)
    step = _step(width_px)
    return (0.0, 0.0) if shift is None else (shift.dx * step, shift.dy * step)


def take_off_into(
    out: NDArray[np.uint16],
    lit: Samples,
    dark: Samples,
    moved_px: tuple[float, float],
    *,
    pedestal: int,
    top: int,
    out_top: int,
    blinding: float,
) -> tuple[float, int]:
    """Write ``lit - dark + pedestal``, where the dark frame's picture is moved first.

    Bilinear between pixels, borders repeated. Rounded and held within 0 to ``out_top - 1``;
    ``out_top`` where ``lit`` is saturated.

    Parameters
    ----------
    out
        (H, W) uint16, C-contiguous, overwritten.
    lit, dark
        (H, W) of one type; not modified.
    moved_px
        (x, y): what was at a place in ``dark`` is so much further in ``lit``.
    top
        Counts at which both saturate.
    blinding
        Share of ``top``; see Returns.

    Returns
    -------
    tuple
        Mean of ``dark`` [counts]; how many pixels room light leaves no range for a signal: it fills
        the sensor by itself, or by more than ``blinding`` of it where the lit frame is full.

    Raises
    ------
    ValueError
        Arrays that are not alike.
    """
    if not (out.shape == lit.shape == dark.shape and lit.ndim == 2 and lit.dtype == dark.dtype):
        raise ValueError(
            f"frames must be alike: {lit.shape} {lit.dtype}, {dark.shape} {dark.dtype}"
        )
    height, width = out.shape
    x, y = (
        min(max(-moved, -length), length)
        for moved, length in zip(moved_px, (width, height), strict=True)
    )
    total, blind = _take_off_into(
        out,
        _sealed(lit),
        _sealed(dark),
        np.empty(width + 1, np.float32),
        x,
        y,
        np.float32(pedestal),
        top,
        out_top,
        blinding * top,
    )
    return total / max(out.size, 1), blind


def warm_up() -> None:
    """Compile what frames of any kind need, or load it from numba's cache."""
    for kind in (np.uint8, np.uint16):
        frame = np.zeros((16, 16), kind)
        out = np.empty((16, 16), np.uint16)
        take_off_into(out, frame, frame, (0.5, 0.5), pedestal=1, top=9, out_top=9, blinding=0.5)
        small = monochrome_small(frame, 8)
        room_motion(small, small, 16)


def _step(width_px: int) -> int:
    return max(round(width_px / SMALL_WIDTH_PX), 1)


def _sealed(samples: Samples) -> Samples:
    """Return a contiguous read-only view or copy: one type for numba, whoever made the array."""
    sealed = samples if samples.flags.c_contiguous else samples.copy()
    sealed = sealed[:]
    sealed.setflags(write=False)
    return sealed


@kernel()
def _shifted_row_into(row, upper, lower, x, fy):  # type: ignore[no-untyped-def]
    """Mix two rows and move them by whole px: ``row[c]`` of ``[c + x]``, borders repeated."""
    width = upper.shape[0]
    first, end = min(max(-x, 0), width + 1), min(max(width - x, 0), width + 1)
    left = _F(upper[0]) + (_F(lower[0]) - _F(upper[0])) * fy
    for c in range(first):
        row[c] = left
    if end > first:
        to, above, below = row[first:end], upper[first + x : end + x], lower[first + x : end + x]
        for c in range(to.shape[0]):
            a = _F(above[c])
            to[c] = a + (_F(below[c]) - a) * fy
    last = width - 1
    right = _F(upper[last]) + (_F(lower[last]) - _F(upper[last])) * fy
    for c in range(max(first, end), width + 1):
        row[c] = right


@kernel()
def _subtract_row_into(out, lit, row, fx, pedestal, high):  # type: ignore[no-untyped-def]
    for c in range(out.shape[0]):
        taken = row[c] + (row[c + 1] - row[c]) * fx
        value = _F(lit[c]) - taken + pedestal + _F(0.5)
        value = value if value > _F(0) else _F(0)
        out[c] = nb.uint16(nb.int32(value if value < high else high))


@kernel()
def _sum_and_brightest(lit, dark):  # type: ignore[no-untyped-def]
    total, brightest = nb.uint32(0), nb.uint32(0)
    for c in range(lit.shape[0]):
        a, b = nb.uint32(lit[c]), nb.uint32(dark[c])
        total += b
        brightest = max(brightest, a, b)
    return total, brightest


@kernel()
def _take_off_into(out, lit, dark, row, x, y, pedestal, top, out_top, blind_above):  # type: ignore[no-untyped-def]
    """See `take_off_into`; ``x``, ``y``: where in ``dark`` a pixel of ``lit`` is taken from."""
    height, width = out.shape
    x_whole, y_whole = math.floor(x), math.floor(y)
    fx, fy = _F(x - x_whole), _F(y - y_whole)
    total, blind = 0, 0
    for r in range(height):
        upper = dark[min(max(r + y_whole, 0), height - 1)]
        lower = dark[min(max(r + y_whole + 1, 0), height - 1)]
        _shifted_row_into(row, upper, lower, x_whole, fy)
        given, here, to = lit[r], dark[r], out[r]
        _subtract_row_into(to, given, row, fx, pedestal, _F(out_top - 1))
        row_total, brightest = _sum_and_brightest(given, here)
        total += row_total
        if brightest >= top:
            for c in range(width):
                full = given[c] >= top
                if full:
                    to[c] = nb.uint16(out_top)
                if here[c] >= top or (full and here[c] > blind_above):
                    blind += 1
    return total, blind
