"""How noisy white light is, told by the frame itself. Private to `core.white`.

No rig knows its white camera's noise, and a camera's own processing changes it. What tissue shows
is smooth over four pixels, noise is not: second differences of samples of one colour, in a few
small windows all over the frame, of which the median is taken, so that edges do not count.
"""

from __future__ import annotations

import numpy as np

from sln_guide.core.kernel import allocating, kernel
from sln_guide.core.order import select

_WINDOWS = 8
"""Windows each way; a window is eight pixels each way."""
_WINDOW_PX = 8
_MEDIAN_OF_EIGHT = 0.88
"""Median over mean of the mean square of a window's eight differences, which overlap in pairs."""
_OF_DIFFERENCE = 6.0
"""Variance of a - 2 b + c over that of one sample."""
_ROUNDING = 1.0 / 12.0


@kernel()
def _window(raw, y, x, hop):  # type: ignore[no-untyped-def]
    """Return variance, mean and highest of one colour's 4 x 4 samples from (y, x) on."""
    squares, total, highest = 0.0, 0.0, 0.0
    for i in range(4):
        row = raw[y + 2 * i, x : x + 3 * hop + 1]
        a, b, c, d = float(row[0]), float(row[hop]), float(row[2 * hop]), float(row[3 * hop])
        squares += (a - 2.0 * b + c) ** 2 + (b - 2.0 * c + d) ** 2
        total += a + b + c + d
        highest = max(highest, a, b, c, d)
    return squares / (8 * _OF_DIFFERENCE), total / 16, highest


@allocating()
def white_noise_into(noise, raw, rgb, phase, limit, cell_px):  # type: ignore[no-untyped-def]
    """Write the variance of a cell's mean red, green and blue for each count of its light.

    Photons' noise is proportional to light; other noise is taken as if it were, at the level that
    the frame has.

    Parameters
    ----------
    noise
        Out, (3,) float64 [counts]; 0 where no window shows the colour without clipping.
    raw, rgb, phase, limit
        As of `reduce_white.reduce_white_into`.
    cell_px
        Edge of a cell in white pixels. A camera that sends RGB has made two of three samples from
        their neighbours: it is taken for a mosaic.
    """
    height, width = raw.shape[0], raw.shape[1] // 3 if rgb else raw.shape[1]
    down, right = (height - _WINDOW_PX) // 2, (width - _WINDOW_PX) // 2
    noise[:] = 0.0
    if down < 0 or right < 0:
        return
    found = np.empty(_WINDOWS * _WINDOWS, np.float32)
    for k in range(3):
        dy = (1 - phase[0] if k == 2 else phase[0]) if not rgb else 0
        dx = (phase[1] if k == 0 else 1 - phase[1]) if not rgb else k
        n = 0
        for i in range(_WINDOWS):
            y = 2 * (down * i // (_WINDOWS - 1)) + dy
            for j in range(_WINDOWS):
                x = 2 * (right * j // (_WINDOWS - 1))
                at = 3 * x + dx if rgb else x + dx
                variance, mean, highest = _window(raw, y, at, 6 if rgb else 2)
                if highest < limit and mean >= 1.0:
                    found[n] = max(variance / _MEDIAN_OF_EIGHT, _ROUNDING) / mean
                    n += 1
        if n > 0:
            samples = cell_px * cell_px / (2.0 if k == 1 else 4.0)
            noise[k] = select(found, n, n // 2) / samples
