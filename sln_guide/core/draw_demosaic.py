"""Kernels that turn camera pixels into RGB32 (uint32 0xffRRGGBB). Private to `core.draw`.

A colour-filter mosaic is interpolated bilinearly. ``gains`` are five uint16: what lifts a sample
to sixteen bits, the factors of red, green and blue in units of ``1 / GAIN_UNIT``, and the black
level in sixteen bits, taken off before. ``None`` is the identity for 8-bit pixels. Borders mirror
without repeating the edge, which keeps the mosaic's phase.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from sln_guide.core.kernel import allocating, kernel

GAIN_UNIT = 1 << 12

_U = nb.uint32
_OPAQUE = np.uint32(0xFF000000)


@kernel()
def _toned(value, times, black, gain):  # type: ignore[no-untyped-def]
    """Return eight bits of a sample; products of sixteen bits, of which the upper half is kept."""
    lifted = np.uint16(np.uint16(value) * times)
    lifted = np.uint16(max(lifted, black) - black)
    product = np.uint16((np.uint32(lifted) * np.uint32(gain)) >> np.uint32(16))
    return min(np.uint16(product >> np.uint16(4)), np.uint16(255))


@kernel()
def _mirrored(i, n):  # type: ignore[no-untyped-def]
    """Return index ``i`` in [-1, n] mirrored into [0, n)."""
    if i < 0:
        return min(1, n - 1)
    if i >= n:
        return max(n - 2, 0)
    return i


@kernel()
def _bayer_pixel(up, mid, down, x, on_chroma, red_row, gains):  # type: ignore[no-untyped-def]
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
    red, blue = (same, other) if red_row else (other, same)
    if gains is not None:
        red = _U(_toned(red, gains[0], gains[4], gains[1]))
        green = _U(_toned(green, gains[0], gains[4], gains[2]))
        blue = _U(_toned(blue, gains[0], gains[4], gains[3]))
    return _OPAQUE | (red << _U(16)) | (green << _U(8)) | blue


# Three plain loops over rows of one type: each becomes SIMD, which one loop of them all does not.


@kernel()
def _mean_2(kind, a, b):  # type: ignore[no-untyped-def]
    """Return the rounded mean: one instruction for as many as a register holds."""
    return kind((np.uint32(a) + np.uint32(b) + np.uint32(1)) >> np.uint32(1))


@kernel()
def _mean_4(kind, a, b, c, d):  # type: ignore[no-untyped-def]
    """Return (a + b + c + d + 2) >> 2, without a sum of more bits.

    The mean of two rounded means is one too much where a pair was rounded up, and the means again.
    """
    left, right = _mean_2(kind, a, b), _mean_2(kind, c, d)
    over = kind(kind(kind(a ^ b) | kind(c ^ d)) & kind(left ^ right)) & kind(1)
    return kind(_mean_2(kind, left, right) - over)


@kernel()
def _same_into(out, left, here, right, green):  # type: ignore[no-untyped-def]
    """Write this row's chroma: where ``green`` (all bits set), from left and right."""
    kind = out.dtype.type
    for x in range(out.shape[0]):
        mean = _mean_2(kind, left[x], right[x])
        out[x] = (mean & green[x]) | (here[x] & ~green[x])


@kernel()
def _green_into(out, left, here, right, up, down, green):  # type: ignore[no-untyped-def]
    """Write green: elsewhere than where it is ``green``, from the four sides."""
    kind = out.dtype.type
    for x in range(out.shape[0]):
        mean = _mean_4(kind, left[x], right[x], up[x], down[x])
        out[x] = (here[x] & green[x]) | (mean & ~green[x])


@kernel()
def _other_into(out, up_left, up, up_right, down_left, down, down_right, green):  # type: ignore[no-untyped-def]
    """Write the neighbouring rows' chroma: from above and below, or from the four corners."""
    kind = out.dtype.type
    for x in range(out.shape[0]):
        corners = _mean_4(kind, up_left[x], up_right[x], down_left[x], down_right[x])
        out[x] = (_mean_2(kind, up[x], down[x]) & green[x]) | (corners & ~green[x])


@kernel()
def _tone(plane, times, black, gain):  # type: ignore[no-untyped-def]
    for x in range(plane.shape[0]):
        plane[x] = _toned(plane[x], times, black, gain)


@kernel()
def _pack_into(out, red, green, blue):  # type: ignore[no-untyped-def]
    for x in range(out.shape[0]):
        out[x] = _OPAQUE | (_U(red[x]) << _U(16)) | (_U(green[x]) << _U(8)) | _U(blue[x])


@kernel()
def _bayer_row_into(out, above, middle, below, green, planes, red_row, gains):  # type: ignore[no-untyped-def]
    """Demosaic as many pixels as ``out`` holds; the three rows begin one pixel before it.

    They hold two more than ``out``; ``green`` as many. ``red_row``: whether red is in this row.
    """
    n = out.shape[0]
    same, greens, other = planes[0, :n], planes[1, :n], planes[2, :n]
    left, here, right = middle[:n], middle[1 : n + 1], middle[2 : n + 2]
    up, down = above[1 : n + 1], below[1 : n + 1]
    _same_into(same, left, here, right, green)
    _green_into(greens, left, here, right, up, down, green)
    _other_into(other, above[:n], up, above[2 : n + 2], below[:n], down, below[2 : n + 2], green)
    red, blue = (same, other) if red_row else (other, same)
    if gains is not None:
        _tone(red, gains[0], gains[4], gains[1])
        _tone(greens, gains[0], gains[4], gains[2])
        _tone(blue, gains[0], gains[4], gains[3])
    _pack_into(out, red, greens, blue)


@allocating()
def bayer_work(mosaic, red_y, red_x):  # type: ignore[no-untyped-def]
    """Make what `bayer_rows_into` works with: three lines, and where green lies in two rows."""
    width = mosaic.shape[1]
    green = np.zeros((2, width), mosaic.dtype)
    for i in range(2):
        for x in range(width):
            green[i, x] = -((x + i + red_x + red_y) & 1)
    return np.empty((3, width), mosaic.dtype), green


@kernel()
def bayer_rows_into(out, mosaic, first_row, end_row, red_y, gains, work):  # type: ignore[no-untyped-def]
    """Demosaic rows [first_row, end_row) of ``mosaic`` (H, W) into ``out`` (H, W) uint32.

    Samples have at most 12 bits. ``red_y`` in {0, 1}: the first row with red; ``work``:
    `bayer_work`.
    """
    height, width = mosaic.shape
    flat = mosaic.reshape(mosaic.size)
    planes, green = work
    for y in range(first_row, end_row):
        red_row = y % 2 == red_y
        up, down = _mirrored(y - 1, height), _mirrored(y + 1, height)
        if 2 <= y < height - 2:
            # whole rows at once, as SIMD likes them: what lies beyond an end is the next row's
            k = y * width - 1
            above, middle = flat[k - width : k + 2], flat[k : k + width + 2]
            below = flat[k + width : k + 2 * width + 2]
            _bayer_row_into(out[y], above, middle, below, green[y % 2], planes, red_row, gains)
        elif width > 2:
            inner = out[y, 1 : width - 1]
            _bayer_row_into(
                inner, mosaic[up], mosaic[y], mosaic[down], green[y % 2, 1:], planes, red_row, gains
            )
        for x in (0, width - 1):
            out[y, x] = _bayer_pixel(
                mosaic[up], mosaic[y], mosaic[down], x, green[y % 2, x] == 0, red_row, gains
            )


@kernel()
def rgb_rows_into(out, rgb, first_row, end_row, gains):  # type: ignore[no-untyped-def]
    """Pack rows [first_row, end_row) of ``rgb`` (H, W, 3) uint8 into ``out`` (H, W) uint32."""
    for y in range(first_row, end_row):
        source = rgb[y].reshape(-1)
        target = out[y]
        for x in range(target.shape[0]):
            red, green, blue = _U(source[3 * x]), _U(source[3 * x + 1]), _U(source[3 * x + 2])
            if gains is not None:
                red = _U(_toned(red, gains[0], gains[4], gains[1]))
                green = _U(_toned(green, gains[0], gains[4], gains[2]))
                blue = _U(_toned(blue, gains[0], gains[4], gains[3]))
            target[x] = _OPAQUE | (red << _U(16)) | (green << _U(8)) | blue


@allocating()
def bayer_into(out, mosaic, red_y, red_x, gains):  # type: ignore[no-untyped-def]
    """Demosaic the whole image. ``red_y``, ``red_x`` in {0, 1}: red in the top-left 2x2 cell."""
    work = bayer_work(mosaic, red_y, red_x)
    bayer_rows_into(out, mosaic, np.int64(0), mosaic.shape[0], red_y, gains, work)


@kernel()
def rgb_into(out, rgb, gains):  # type: ignore[no-untyped-def]
    """Pack the whole image."""
    rgb_rows_into(out, rgb, 0, rgb.shape[0], gains)


@kernel()
def _grey(value, low, scale):  # type: ignore[no-untyped-def]
    level = (nb.float32(value) - low) * scale + nb.float32(0.5)
    level = min(max(level, nb.float32(0.0)), nb.float32(255.0))
    return _OPAQUE | (_U(level) * _U(0x010101))


@kernel()
def mono_into(out, pixels, low, scale):  # type: ignore[no-untyped-def]
    """Map ``pixels`` (H, W) to grey: ``low`` is black, ``low + 255 / scale`` white (float32)."""
    for y in range(out.shape[0]):
        source = pixels[y]
        target = out[y]
        for x in range(target.shape[0]):
            target[x] = _grey(source[x], low, scale)


@kernel()
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


@kernel()
def _sample_at(i, half, ratio, n):  # type: ignore[no-untyped-def]
    """Return the first or second (``half`` 0, 1) sampling place of output ``i`` in [0, n)."""
    return min(int((i + 0.25 + 0.5 * half) * ratio), n - 1)


@allocating()
def _cells_at(outputs, n, red):  # type: ignore[no-untyped-def]
    """Return (outputs, 2, 2) where along a side of ``n`` two mosaic cells lie: red's and blue's."""
    at = np.empty((outputs, 2, 2), np.uintp)
    for i in range(outputs):
        for half in range(2):
            first = min(_sample_at(i, half, n / outputs, n) & ~1, max(n - 2, 0) & ~1)
            at[i, half, 0] = min(first + red, n - 1)
            at[i, half, 1] = min(first + 1 - red, n - 1)
    return at


@allocating()
def bayer_thumbnail_into(out, mosaic, red_y, red_x, gains):  # type: ignore[no-untyped-def]
    """Shrink: the mean of 2x2 whole mosaic cells spread over each output pixel's area."""
    y_at = _cells_at(out.shape[0], mosaic.shape[0], red_y)
    x_at = _cells_at(out.shape[1], mosaic.shape[1], red_x)
    _mean_cells_into(out, mosaic, y_at, x_at, gains)


@kernel()
def _mean_cells_into(out, mosaic, y_at, x_at, gains):  # type: ignore[no-untyped-def]
    rows, cols = out.shape
    for i in range(rows):
        red_1, blue_1 = mosaic[y_at[i, 0, 0]], mosaic[y_at[i, 0, 1]]
        red_2, blue_2 = mosaic[y_at[i, 1, 0]], mosaic[y_at[i, 1, 1]]
        for j in range(cols):
            r1, b1, r2, b2 = x_at[j, 0, 0], x_at[j, 0, 1], x_at[j, 1, 0], x_at[j, 1, 1]
            red = _U(red_1[r1]) + _U(red_1[r2]) + _U(red_2[r1]) + _U(red_2[r2])
            green = _U(red_1[b1]) + _U(red_1[b2]) + _U(red_2[b1]) + _U(red_2[b2])
            green += _U(blue_1[r1]) + _U(blue_1[r2]) + _U(blue_2[r1]) + _U(blue_2[r2])
            blue = _U(blue_1[b1]) + _U(blue_1[b2]) + _U(blue_2[b1]) + _U(blue_2[b2])
            red, green, blue = red >> _U(2), green >> _U(3), blue >> _U(2)
            if gains is not None:
                red = _U(_toned(red, gains[0], gains[4], gains[1]))
                green = _U(_toned(green, gains[0], gains[4], gains[2]))
                blue = _U(_toned(blue, gains[0], gains[4], gains[3]))
            out[i, j] = _OPAQUE | (red << _U(16)) | (green << _U(8)) | blue


@kernel()
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
                    value = _U(_toned(value, gains[0], gains[4], gains[c + 1]))
                pixel |= value << _U(16 - 8 * c)
            out[i, j] = pixel


@kernel()
def _mono_value(pixels, packed, y, x):  # type: ignore[no-untyped-def]
    if not packed:
        return _U(pixels[y, x])
    k = 3 * (x // 2)
    if x % 2 == 0:
        return _U(pixels[y, k]) | ((_U(pixels[y, k + 1]) & _U(15)) << _U(8))
    return (_U(pixels[y, k + 1]) >> _U(4)) | (_U(pixels[y, k + 2]) << _U(4))


@allocating()
def _places(outputs, n):  # type: ignore[no-untyped-def]
    """Return (outputs, 2) where along a side of ``n`` pixels are sampled."""
    at = np.empty((outputs, 2), np.uintp)
    for i in range(outputs):
        for half in range(2):
            at[i, half] = _sample_at(i, half, n / outputs, n)
    return at


@allocating()
def mono_thumbnail_into(out, pixels, packed, width, low, scale):  # type: ignore[no-untyped-def]
    """Shrink: the mean of 2x2 pixels spread over each output pixel's area, as grey."""
    y_at, x_at = _places(out.shape[0], pixels.shape[0]), _places(out.shape[1], width)
    _mean_grey_into(out, pixels, packed, y_at, x_at, low, scale)


@kernel()
def _mean_grey_into(out, pixels, packed, y_at, x_at, low, scale):  # type: ignore[no-untyped-def]
    rows, cols = out.shape
    for i in range(rows):
        y0, y1 = y_at[i, 0], y_at[i, 1]
        for j in range(cols):
            x0, x1 = x_at[j, 0], x_at[j, 1]
            total = (
                _mono_value(pixels, packed, y0, x0)
                + _mono_value(pixels, packed, y0, x1)
                + _mono_value(pixels, packed, y1, x0)
                + _mono_value(pixels, packed, y1, x1)
            )
            out[i, j] = _grey(nb.float32(total) * nb.float32(0.25), low, scale)
