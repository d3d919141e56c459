"""White light as the logarithm of its brightness on about 160 columns: for tissue motion."""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

from hardware.frame import Frame, PixelFormat
from sln_guide.core.grid import log_into
from sln_guide.core.kernel import kernel

SMALL_WIDTH_PX = 160
"""About how wide the reduced image is."""

_PEDESTAL = 0.02
"""Share of full scale added before the logarithm: below it there is noise, not tissue."""

_F = nb.float32


def small_step(white: Frame) -> int:
    """Return the edge in white px of the squares that become one px of the reduced image."""
    step = max(round(white.width / SMALL_WIDTH_PX), 1)
    # whole mosaic cells only: the mosaic must not show as texture
    return max(step // 2 * 2, 2) if white.pixel_format.is_bayer else step


def small_shape(white: Frame) -> tuple[int, int]:
    """Return (rows, cols) of the reduced image of ``white``."""
    step = small_step(white)
    return white.height // step, white.width // step


def luminance_small_into(out: NDArray[np.float32], white: Frame) -> None:
    """Write the logarithm of brightness, averaged over squares of `small_step` px.

    Parameters
    ----------
    out
        `small_shape` float32, C-contiguous, overwritten. Natural logarithm of the share of full
        scale plus a small pedestal.
    white
        Bayer or RGB8; a mosaic's red, green and blue count 1 : 2 : 1.

    Raises
    ------
    ValueError
        ``out`` of another size or type, or a frame without colour.
    """
    if out.shape != small_shape(white) or out.dtype != np.float32 or not out.flags.c_contiguous:
        raise ValueError(
            f"out must be C-contiguous {small_shape(white)} float32, not {out.shape} {out.dtype}"
        )
    if white.pixel_format.is_mono:
        raise ValueError(f"{white.pixel_format} has no colour: not a white-light frame")
    if out.size == 0:
        return
    samples = 3 if white.pixel_format is PixelFormat.RGB8 else 1
    rows = white.pixels.reshape(white.height, -1)
    step = small_step(white)
    full_scale = float(step * step * samples) * float((1 << white.bit_depth) - 1)
    totals = np.empty(rows.shape[1], dtype=np.uint32)
    reduce_rows_into(out, rows, totals, step, step * samples, np.float32(1.0 / full_scale))
    log_into(out, out, np.float32(_PEDESTAL))


def luminance_small(white: Frame) -> NDArray[np.float32]:
    """Return a new reduced image of ``white``; see `luminance_small_into`."""
    out = np.empty(small_shape(white), dtype=np.float32)
    luminance_small_into(out, white)
    return out


def luminance_of_colours(planes: NDArray[np.float32], white: Frame) -> NDArray[np.float32]:
    """Return what `luminance_small` would, from means already taken.

    Parameters
    ----------
    planes
        (3 or more, rows, cols) float32: mean red, green, blue [counts] of squares of
        `small_step` px, cut-off ones at the right and bottom included.
    white
        The frame they were taken from.
    """
    out = np.empty(small_shape(white), dtype=np.float32)
    mixed = np.empty_like(out)  # in place, the logarithm is no SIMD
    green = 1.0 if white.pixel_format is PixelFormat.RGB8 else 2.0
    share = 1.0 / ((2.0 + green) * float((1 << white.bit_depth) - 1))
    _mix_colours_into(mixed, planes, np.float32(green), np.float32(share))
    log_into(out, mixed, np.float32(_PEDESTAL))
    return out


@kernel()
def _mix_colours_into(out, planes, green, share):  # type: ignore[no-untyped-def]
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            red_blue = planes[0, y, x] + planes[2, y, x]
            out[y, x] = (red_blue + green * planes[1, y, x]) * share


@kernel()
def reduce_rows_into(out, rows, totals, step, samples, scale):  # type: ignore[no-untyped-def]
    """Average squares of ``step`` rows by ``samples`` values; ``totals`` uint32 is scratch."""
    width = out.shape[1] * samples
    for i in range(out.shape[0]):
        totals[:width] = 0
        for y in range(i * step, (i + 1) * step):
            row = rows[y]
            for x in range(width):
                totals[x] += nb.uint32(row[x])
        for j in range(out.shape[1]):
            total = nb.uint32(0)
            square = totals[j * samples : (j + 1) * samples]
            for x in range(samples):
                total += square[x]
            out[i, j] = _F(total) * scale


def warm_up() -> None:
    """Compile what frames of any kind need, or load it from numba's cache."""
    totals = np.zeros(16, dtype=np.uint32)
    for kind in (np.uint8, np.uint16):
        rows = np.zeros((16, 16), dtype=kind)
        rows.setflags(write=False)
        reduce_rows_into(np.zeros((8, 8), np.float32), rows, totals, 2, 2, _F(1.0))
    small = np.zeros((5, 8, 8), np.float32)
    _mix_colours_into(small[0].copy(), small, np.float32(1.0), np.float32(1.0))
