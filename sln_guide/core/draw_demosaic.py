"""Kernels that turn camera pixels into RGB32 (uint32 0xffRRGGBB). Private to `core.draw`.

A colour-filter mosaic is interpolated bilinearly. Gains are fixed point: an output is
``(v * gain) >> GAIN_SHIFT``, so that gain ``2 ** (GAIN_SHIFT + 8 - bits)`` only takes the eight
most significant bits. ``gains=None`` is the identity for 8-bit pixels and lets numba drop the
multiplication. Borders mirror without repeating the edge, which keeps the mosaic's phase.
"""

from __future__ import annotations

import numba as nb
import numpy as np

GAIN_SHIFT = 16

_U = nb.uint32
_OPAQUE = np.uint32(0xFF000000)


@nb.njit(nogil=True, cache=True)
def _toned(value, gain):  # type: ignore[no-untyped-def]
    return min((value * gain) >> _U(GAIN_SHIFT), _U(255))


@nb.njit(nogil=True, cache=True)
def _mirrored(i, n):  # type: ignore[no-untyped-def]
    """Return index ``i`` in [-1, n] mirrored into [0, n)."""
    if i < 0:
        return min(1, n - 1)
    if i >= n:
        return max(n - 2, 0)
    return i


@nb.njit(nogil=True, cache=True)
def _bayer_pixel(up, mid, down, x, on_chroma, same_shift, other_shift, gains):  # type: ignore[no-untyped-def]
    """Return one RGB32 pixel, slowly and with mirrored columns: for the borders."""
    width = mid.shape[0]
    left = _mirrored(x - 1, width)
    right = _mirrored(x + 1, width)
    if on_chroma:
        same = _U(mid[x])
        green = (_U(mid[left]) + _U(mid[right]) + _U(up[x]) + _U(down[x]) + _U(2)) >> _U(2)
        other = (_U(up[left]) + _U(up[right]) + _U(down[left]) + _U(down[right]) + _U(2)) >> _U(2)
    else:
        same = (_U(mid[left]) + _U(mid[right]) + _U(1)) >> _U(1)
        green = _U(mid[x])
        other = (_U(up[x]) + _U(down[x]) + _U(1)) >> _U(1)
    if gains is not None:
        same = _toned(same, gains[0])
        green = _toned(green, gains[1])
        other = _toned(other, gains[2])
    return _OPAQUE | (same << same_shift) | (green << _U(8)) | (other << other_shift)


@nb.njit(nogil=True, cache=True)
def _bayer_row_into(out, up, mid, down, chroma_x, same_shift, other_shift, gains):  # type: ignore[no-untyped-def]
    """Demosaic a row whose red (or blue) samples lie at ``chroma_x`` + 2k.

    ``same`` is this row's chroma, ``other`` that of the rows above and below. The inner loop takes
    a chroma pixel and the green one after it; LLVM turns it into SIMD code.
    """
    width = mid.shape[0]
    first = chroma_x if chroma_x == 1 else 2
    pairs = max((width - 1 - first) // 2, 0)
    for x in range(min(first, width)):
        out[x] = _bayer_pixel(up, mid, down, x, x % 2 == chroma_x, same_shift, other_shift, gains)
    for k in range(pairs):
        x = first + 2 * k
        here, right = _U(mid[x]), _U(mid[x + 1])
        up_right, down_right = _U(up[x + 1]), _U(down[x + 1])
        green = (_U(mid[x - 1]) + right + _U(up[x]) + _U(down[x]) + _U(2)) >> _U(2)
        other = (_U(up[x - 1]) + up_right + _U(down[x - 1]) + down_right + _U(2)) >> _U(2)
        next_same = (here + _U(mid[x + 2]) + _U(1)) >> _U(1)
        next_other = (up_right + down_right + _U(1)) >> _U(1)
        if gains is not None:
            here = _toned(here, gains[0])
            green = _toned(green, gains[1])
            other = _toned(other, gains[2])
            next_same = _toned(next_same, gains[0])
            right = _toned(right, gains[1])
            next_other = _toned(next_other, gains[2])
        out[x] = _OPAQUE | (here << same_shift) | (green << _U(8)) | (other << other_shift)
        out[x + 1] = (
            _OPAQUE | (next_same << same_shift) | (right << _U(8)) | (next_other << other_shift)
        )
    for x in range(first + 2 * pairs, width):
        out[x] = _bayer_pixel(up, mid, down, x, x % 2 == chroma_x, same_shift, other_shift, gains)


@nb.njit(nogil=True, cache=True)
def bayer_rows_into(out, mosaic, first_row, end_row, red_y, red_x, gains):  # type: ignore[no-untyped-def]
    """Demosaic rows [first_row, end_row) of ``mosaic`` (H, W) into ``out`` (H, W) uint32.

    ``red_y``, ``red_x`` in {0, 1}: where red lies in the top-left 2x2 cell. ``gains`` (red, green,
    blue) uint32 or None.
    """
    height = mosaic.shape[0]
    for y in range(first_row, end_row):
        up = mosaic[_mirrored(y - 1, height)]
        down = mosaic[_mirrored(y + 1, height)]
        if y % 2 == red_y:
            _bayer_row_into(out[y], up, mosaic[y], down, red_x, _U(16), _U(0), gains)
        elif gains is None:
            _bayer_row_into(out[y], up, mosaic[y], down, 1 - red_x, _U(0), _U(16), gains)
        else:
            blue_first = (gains[2], gains[1], gains[0])
            _bayer_row_into(out[y], up, mosaic[y], down, 1 - red_x, _U(0), _U(16), blue_first)


@nb.njit(nogil=True, cache=True)
def rgb_rows_into(out, rgb, first_row, end_row, gains):  # type: ignore[no-untyped-def]
    """Pack rows [first_row, end_row) of ``rgb`` (H, W, 3) uint8 into ``out`` (H, W) uint32."""
    for y in range(first_row, end_row):
        source = rgb[y].reshape(-1)
        target = out[y]
        for x in range(target.shape[0]):
            red, green, blue = _U(source[3 * x]), _U(source[3 * x + 1]), _U(source[3 * x + 2])
            if gains is not None:
                red = _toned(red, gains[0])
                green = _toned(green, gains[1])
                blue = _toned(blue, gains[2])
            target[x] = _OPAQUE | (red << _U(16)) | (green << _U(8)) | blue


@nb.njit(nogil=True, cache=True)
def bayer_into(out, mosaic, red_y, red_x, gains):  # type: ignore[no-untyped-def]
    """Demosaic the whole image."""
    bayer_rows_into(out, mosaic, 0, mosaic.shape[0], red_y, red_x, gains)


@nb.njit(nogil=True, cache=True)
def rgb_into(out, rgb, gains):  # type: ignore[no-untyped-def]
    """Pack the whole image."""
    rgb_rows_into(out, rgb, 0, rgb.shape[0], gains)


@nb.njit(nogil=True, cache=True)
def _grey(value, low, scale):  # type: ignore[no-untyped-def]
    level = (nb.float32(value) - low) * scale + nb.float32(0.5)
    level = min(max(level, nb.float32(0.0)), nb.float32(255.0))
    return _OPAQUE | (_U(level) * _U(0x010101))


@nb.njit(nogil=True, cache=True)
def mono_into(out, pixels, low, scale):  # type: ignore[no-untyped-def]
    """Map ``pixels`` (H, W) to grey: ``low`` is black, ``low + 255 / scale`` white (float32)."""
    for y in range(out.shape[0]):
        source = pixels[y]
        target = out[y]
        for x in range(target.shape[0]):
            target[x] = _grey(source[x], low, scale)


@nb.njit(nogil=True, cache=True)
def mono12p_into(out, packed, low, scale):  # type: ignore[no-untyped-def]
    """As `mono_into` for Mono12p: two pixels in three bytes, least significant bits first."""
    for y in range(out.shape[0]):
        source = packed[y]
        target = out[y]
        for k in range(target.shape[0] // 2):
            middle = _U(source[3 * k + 1])
            target[2 * k] = _grey(_U(source[3 * k]) | ((middle & _U(15)) << _U(8)), low, scale)
            target[2 * k + 1] = _grey(
                (middle >> _U(4)) | (_U(source[3 * k + 2]) << _U(4)), low, scale
            )


@nb.njit(nogil=True, cache=True)
def _sample_at(i, half, ratio, n):  # type: ignore[no-untyped-def]
    """Return the first or second (``half`` 0, 1) sampling place of output ``i`` in [0, n)."""
    return min(int((i + 0.25 + 0.5 * half) * ratio), n - 1)


@nb.njit(nogil=True, cache=True)
def bayer_thumbnail_into(out, mosaic, red_y, red_x, gains):  # type: ignore[no-untyped-def]
    """Shrink: the mean of 2x2 whole mosaic cells spread over each output pixel's area."""
    height, width = mosaic.shape
    rows, cols = out.shape
    y_ratio, x_ratio = height / rows, width / cols
    for i in range(rows):
        for j in range(cols):
            red, green, blue = _U(0), _U(0), _U(0)
            for a in range(2):
                y = min(_sample_at(i, a, y_ratio, height) & ~1, max(height - 2, 0) & ~1)
                y_red = min(y + red_y, height - 1)
                y_blue = min(y + 1 - red_y, height - 1)
                for b in range(2):
                    x = min(_sample_at(j, b, x_ratio, width) & ~1, max(width - 2, 0) & ~1)
                    x_red = min(x + red_x, width - 1)
                    x_blue = min(x + 1 - red_x, width - 1)
                    red += _U(mosaic[y_red, x_red])
                    blue += _U(mosaic[y_blue, x_blue])
                    green += _U(mosaic[y_red, x_blue]) + _U(mosaic[y_blue, x_red])
            red, green, blue = red >> _U(2), green >> _U(3), blue >> _U(2)
            if gains is not None:
                red = _toned(red, gains[0])
                green = _toned(green, gains[1])
                blue = _toned(blue, gains[2])
            out[i, j] = _OPAQUE | (red << _U(16)) | (green << _U(8)) | blue


@nb.njit(nogil=True, cache=True)
def rgb_thumbnail_into(out, rgb, gains):  # type: ignore[no-untyped-def]
    """Shrink: the mean of 2x2 pixels spread over each output pixel's area."""
    height, width = rgb.shape[:2]
    rows, cols = out.shape
    y_ratio, x_ratio = height / rows, width / cols
    for i in range(rows):
        y0, y1 = _sample_at(i, 0, y_ratio, height), _sample_at(i, 1, y_ratio, height)
        for j in range(cols):
            x0, x1 = _sample_at(j, 0, x_ratio, width), _sample_at(j, 1, x_ratio, width)
            pixel = _OPAQUE
            for c in range(3):
                value = (
                    _U(rgb[y0, x0, c])
                    + _U(rgb[y0, x1, c])
                    + _U(rgb[y1, x0, c])
                    + _U(rgb[y1, x1, c])
                ) >> _U(2)
                if gains is not None:
                    value = _toned(value, gains[c])
                pixel |= value << _U(16 - 8 * c)
            out[i, j] = pixel


@nb.njit(nogil=True, cache=True)
def _mono_value(pixels, packed, y, x):  # type: ignore[no-untyped-def]
    if not packed:
        return _U(pixels[y, x])
    k = 3 * (x // 2)
    if x % 2 == 0:
        return _U(pixels[y, k]) | ((_U(pixels[y, k + 1]) & _U(15)) << _U(8))
    return (_U(pixels[y, k + 1]) >> _U(4)) | (_U(pixels[y, k + 2]) << _U(4))


@nb.njit(nogil=True, cache=True)
def mono_thumbnail_into(out, pixels, packed, width, low, scale):  # type: ignore[no-untyped-def]
    """Shrink: the mean of 2x2 pixels spread over each output pixel's area, as grey."""
    height = pixels.shape[0]
    rows, cols = out.shape
    y_ratio, x_ratio = height / rows, width / cols
    for i in range(rows):
        y0, y1 = _sample_at(i, 0, y_ratio, height), _sample_at(i, 1, y_ratio, height)
        for j in range(cols):
            x0, x1 = _sample_at(j, 0, x_ratio, width), _sample_at(j, 1, x_ratio, width)
            total = (
                _mono_value(pixels, packed, y0, x0)
                + _mono_value(pixels, packed, y0, x1)
                + _mono_value(pixels, packed, y1, x0)
                + _mono_value(pixels, packed, y1, x1)
            )
            out[i, j] = _grey(nb.float32(total) * nb.float32(0.25), low, scale)
