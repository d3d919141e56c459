"""Peaks of a map, and how each stands in what is around it. Private to `core.analysis`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sln_guide.core.kernel import kernel
from sln_guide.core.order import median_of_few

SECTORS = 8
_TURNS = 4
"""Directions looked into in each sector."""
_STEPS = 5
"""Distances looked at in each direction."""
_INNER, _OUTER = 1.8, 2.6
"""Radii of the annulus that a peak stands in, in its size's sigmas."""


def directions(offset: float, n: int) -> NDArray[np.float64]:
    """Return unit vectors (n, 2), (y, x), from +x towards +y."""
    angles = 2.0 * np.pi * (np.arange(n) + offset) / n
    return np.stack([np.sin(angles), np.cos(angles)], axis=1)


_LOOKS = directions(0.5, SECTORS * _TURNS)


class Annuli(NamedTuple):
    """Where the annulus around a cell is looked at, for each spot size (S, looks).

    As offsets in a flat image: of the cell before a look, and of the one nearest to it.
    ``weights`` (S, 4, looks) float64 are those of bilinear interpolation. ``reach`` (S) [cells]:
    how far from the border all of them lie in the field.
    """

    before: NDArray[np.int64]
    nearest: NDArray[np.int64]
    weights: NDArray[np.float64]
    reach: NDArray[np.int64]


def annuli(sigmas: NDArray[np.float64], cols: int) -> Annuli:
    """Tabulate the looks for ``sigmas`` [cells] in images of ``cols`` columns, by sectors."""
    looks = _LOOKS.reshape(SECTORS, 1, _TURNS, 2)
    steps = (_INNER + (_OUTER - _INNER) * np.arange(_STEPS) / (_STEPS - 1)).reshape(1, -1, 1, 1)
    at = np.asarray(sigmas).reshape(-1, 1, 1) * (steps * looks).reshape(1, -1, 2)
    lower = np.floor(at)
    y, x = np.moveaxis(at - lower, -1, 0)
    flat = np.array([cols, 1])
    return Annuli(
        (lower @ flat).astype(np.int64),
        (np.floor(at + 0.5) @ flat).astype(np.int64),
        np.stack([(1 - y) * (1 - x), (1 - y) * x, y * (1 - x), y * x], axis=1),
        np.ceil(_OUTER * np.asarray(sigmas)).astype(np.int64) + 1,
    )


@kernel()
def cells_above_into(cells, image, threshold, sign):  # type: ignore[no-untyped-def]
    """Write the flat indices of cells at or above ``threshold``, in row order; return how many.

    ``sign``, here and below, of ``image``'s type: 1, or -1 to look at the image's negative.
    """
    rows, cols = image.shape
    count = 0
    for r in range(rows):
        line = image[r]
        n = 0
        for c in range(cols):
            n += sign * line[c] >= threshold
        if n > 0:
            _list_above(cells[count:], line, threshold, sign, r * cols)
            count += n
    return count


@kernel()
def _list_above(cells, line, threshold, sign, first):  # type: ignore[no-untyped-def]
    n = 0
    for c in range(line.shape[0]):
        cells[n] = first + c
        n += sign * line[c] >= threshold


@kernel()
def find_peaks_into(peak_r, peak_c, image, threshold, reach, cells, sign):  # type: ignore[no-untyped-def]
    """Write cells at or above ``threshold`` that exceed all others within ``reach`` [cells].

    Looked for among ``cells``, flat indices in row order. Ties go to the first. Returns how many
    there are in all; only as many as fit in ``peak_r`` are written.
    """
    rows, cols = image.shape
    count = 0
    r, start = 0, 0
    for at in cells:
        while at >= start + cols:
            r, start = r + 1, start + cols
        c = at - start
        v = sign * image[r, c]
        if v < threshold or _has_higher_beside(image, r, c, v, sign):
            continue
        top = True
        for i in range(max(r - reach, 0), min(r + reach + 1, rows)):
            for j in range(max(c - reach, 0), min(c + reach + 1, cols)):
                w = sign * image[i, j]
                if w > v or (w == v and (i < r or (i == r and j < c))):
                    top = False
                    break
            if not top:
                break
        if top:
            if count < peak_r.shape[0]:
                peak_r[count] = r
                peak_c[count] = c
            count += 1
    return count


@kernel()
def _has_higher_beside(image, r, c, v, sign):  # type: ignore[no-untyped-def]
    """Whether one of the four nearest cells exceeds ``v``: quickly told, of nearly all cells."""
    rows, cols = image.shape
    line = image[r]
    higher = (sign * line[max(c - 1, 0)] > v) | (sign * line[min(c + 1, cols - 1)] > v)
    above, below = image[max(r - 1, 0), c], image[min(r + 1, rows - 1), c]
    return higher | (sign * above > v) | (sign * below > v)


@kernel()
def summit_of(image, r, c, most):  # type: ignore[no-untyped-def]
    """Climb ``image`` from cell (r, c) to where it falls on all sides, at most ``most`` cells away.

    Returns (r, c) where the climb leads farther: the top is another thing's.
    """
    rows, cols = image.shape
    at_r, at_c = r, c
    climbing = True
    while climbing:
        climbing = False
        best, to_r, to_c = image[at_r, at_c], at_r, at_c
        for i in range(max(at_r - 1, 0), min(at_r + 2, rows)):
            for j in range(max(at_c - 1, 0), min(at_c + 2, cols)):
                if image[i, j] > best:
                    best, to_r, to_c = image[i, j], i, j
                    climbing = True
        at_r, at_c = to_r, to_c
        if (at_r - r) ** 2 + (at_c - c) ** 2 > most * most:
            return r, c
    return at_r, at_c


@kernel()
def value_at(image, y, x):  # type: ignore[no-untyped-def]
    """Interpolate bilinearly; places outside take the nearest cell's value."""
    rows, cols = image.shape
    y = min(max(y, 0.0), rows - 1.0)
    x = min(max(x, 0.0), cols - 1.0)
    i = min(int(y), max(rows - 2, 0))
    j = min(int(x), max(cols - 2, 0))
    i2 = min(i + 1, rows - 1)
    j2 = min(j + 1, cols - 1)
    fy = y - i
    fx = x - j
    top = image[i, j] * (1 - fx) + image[i, j2] * fx
    low = image[i2, j] * (1 - fx) + image[i2, j2] * fx
    return top * (1 - fy) + low * fy


@kernel()
def survey_into(ring, seen, image, usable, y, x, inner, outer):  # type: ignore[no-untyped-def]
    """Average ``image`` over each of `SECTORS` of an annulus; ``seen``: each one's usable share.

    Sectors start at +x and turn towards +y; ``inner`` and ``outer`` radii in cells.
    """
    rows, cols = image.shape
    for k in range(SECTORS):
        total = 0.0
        weight = 0.0
        for i in range(_STEPS):
            d = inner + (outer - inner) * i / (_STEPS - 1)
            for t in range(k * _TURNS, (k + 1) * _TURNS):
                yy = y + d * _LOOKS[t, 0]
                xx = x + d * _LOOKS[t, 1]
                if yy < 0 or xx < 0 or yy > rows - 1 or xx > cols - 1:
                    continue
                w = usable[int(yy + 0.5), int(xx + 0.5)]
                total += w * value_at(image, yy, xx)
                weight += w
        seen[k] = weight / (_STEPS * _TURNS)
        ring[k] = total / weight if weight > 0 else 0.0


@kernel(error_model="numpy")
def _survey_cell_into(ring, seen, image, usable, annuli, size, r, c):  # type: ignore[no-untyped-def]
    """As `survey_into` around a cell whose annulus lies in the field: its looks are tabulated."""
    rows, cols = image.shape
    flat, good = image.reshape(rows * cols), usable.reshape(rows * cols)
    before, nearest, weights = annuli.before[size], annuli.nearest[size], annuli.weights[size]
    here = r * cols + c
    looks = _STEPS * _TURNS
    for k in range(SECTORS):
        total = 0.0
        weight = 0.0
        for i in range(k * looks, (k + 1) * looks):
            at = np.uintp(here + before[i])
            below = at + np.uintp(cols)
            value = flat[at] * weights[0, i] + flat[at + np.uintp(1)] * weights[1, i]
            value += flat[below] * weights[2, i] + flat[below + np.uintp(1)] * weights[3, i]
            w = good[np.uintp(here + nearest[i])]
            total += w * value
            weight += w
        seen[k] = weight / looks
        ring[k] = total / weight if weight > 0 else 0.0


@kernel()
def stand_of(ring, seen, scratch, image, usable, annuli, size, sigma, r, c, sign):  # type: ignore[no-untyped-def]
    """Return how the peak (r, c) of one ``size`` stands out of the annulus around it.

    (height over the median sector, that median, share of the height it keeps over the highest
    sector, how far the lowest sector lies below the median as a share of the height, share of the
    height it keeps over the brightest line that goes through: two opposite sectors; sectors that
    could be seen). ``ring``, ``seen``, ``scratch``: (sectors) workspaces.
    """
    rows, cols = image.shape
    if min(r, c, rows - 1 - r, cols - 1 - c) >= annuli.reach[size]:
        _survey_cell_into(ring, seen, image, usable, annuli, size, r, c)
    else:
        inner, outer = _INNER * sigma, _OUTER * sigma
        survey_into(ring, seen, image, usable, float(r), float(c), inner, outer)
    n = 0
    for k in range(ring.shape[0]):
        ring[k] *= sign
        if seen[k] > 0.5:
            scratch[n] = ring[k]
            n += 1
    peak = sign * image[r, c]
    if n == 0:
        return 0.0, float(peak), -1.0, 0.0, 1.0, 0
    level = median_of_few(scratch, n)
    height = peak - level
    if height <= 0.0:
        return height, level, -1.0, 0.0, 1.0, n
    highest, lowest = scratch[n - 1], scratch[0]  # the median has sorted them
    line = -np.inf
    half = ring.shape[0] // 2
    for k in range(half):
        if seen[k] > 0.5 and seen[k + half] > 0.5:
            line = max(line, min(ring[k], ring[k + half]))
    over = (peak - max(line, lowest)) / height
    return height, level, (peak - highest) / height, (level - lowest) / height, over, n


@kernel()
def roundness_of(image, r, c, sigma, sign):  # type: ignore[no-untyped-def]
    """Return the ratio of a peak's lesser to its greater curvature, in [0, 1]; 0: no peak.

    From second differences over ``sigma`` [cells]; a place outside takes the border's value.
    """
    rows, cols = image.shape
    d = max(1, int(sigma + 0.5))
    up, down = max(r - d, 0), min(r + d, rows - 1)
    left, right = max(c - d, 0), min(c + d, cols - 1)
    here = 2.0 * image[r, c]
    across = sign * (image[r, right] + image[r, left] - here)
    along = sign * (image[down, c] + image[up, c] - here)
    twist = (image[down, right] + image[up, left] - image[down, left] - image[up, right]) / 4.0
    middle, half = (across + along) / 2.0, np.hypot((across - along) / 2.0, twist)
    if not middle - half < 0.0:
        return 0.0
    return max((middle + half) / (middle - half), 0.0)
