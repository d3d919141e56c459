"""Channels that run into a spot: light that goes on from it as a ridge much narrower than itself.

Private to `core.finding`; kernels take a `Finder` and what was `Seen` (`core.finder`). The sentinel
node lies at the end of its channel: on that side it does not fall off, and need not, if it does on
all others.
"""

from __future__ import annotations

import math

import numpy as np

from sln_guide.core.kernel import kernel
from sln_guide.core.peaks import directions, value_at

LOOKS = 32
"""Directions looked into."""
ACROSS = 33
"""Places of a profile across a ridge or a spot."""
LONGEST = 60
"""Cells along which a ridge is followed."""
_AROUND = directions(0.0, LOOKS)
MOST_CHANNELS = 2
"""In and out; where more meet, what is there is their meeting."""
_LEAST_RIDGE = 0.2
"""Share of a spot's height that its channel has, at least."""
_GOES_ON = 0.4
"""Share of its first height down to which a ridge is followed."""
_BOTH_FLANKS = 0.1
"""Share of its height by which a ridge exceeds the higher of its flanks: less is a step."""
_FLANK = 1.2
"""How far its flanks lie from its middle, in sigmas of the spot: a spot's own half-maximum."""
_FROM = 1.8
"""Where a ridge begins, in sigmas of the spot."""
_LONG = 2.5
"""Least length of a channel, in diameters of the smallest node."""
_NARROWER = 1.2
"""A spot is wider than each of its channels by this factor."""
_SHORTEST = 3
"""Cells that a ridge goes on, at least, to be one."""
_STEP = 0.75
_BRIGHTER = 1.5
"""A spot that is no wider than its channel is brighter than it by this factor."""
_ROWS = 3
"""Profiles that are added up across a spot."""
_HARDLY_NARROWER = 1.1
"""The same of what stands alone."""
_LEAST_KEPT = 0.42
"""Share of its height that a node at its channel keeps over all other directions."""
_BESIDE = 4
"""Directions to either side of a channel's that are its own: 45 degrees."""
_BACK = 4
"""Cells over which a ridge's direction is taken."""


@kernel()
def _look_around_into(around, image, usable, y, x, sigma):  # type: ignore[no-untyped-def]
    """Write the light in each direction, over the annulus; return whether all are in sight."""
    rows, cols = image.shape
    for k in range(LOOKS):
        total, n = 0.0, 0
        for t in range(3):
            away = (_FROM + 0.4 * t) * sigma
            yy, xx = y + away * _AROUND[k, 0], x + away * _AROUND[k, 1]
            inside = 0 <= yy <= rows - 1 and 0 <= xx <= cols - 1
            if inside and usable[int(yy + 0.5), int(xx + 0.5)] > np.float32(0.5):
                total += value_at(image, yy, xx)
                n += 1
        if n == 0:
            return False
        around[k] = total / n
    return True


@kernel(error_model="numpy")
def _follow_into(path, image, usable, y, x, dy, dx, sigma, least):  # type: ignore[no-untyped-def]
    """Follow a ridge from (y, x) on; write its places and directions, return its length [cells].

    No farther than ``path`` has room. It ends where it hardly stands out of its flanks any more, or
    they cannot be seen; from the beginning it stands out by ``least``.
    """
    rows, cols = image.shape
    flank = max(_FLANK * sigma, 2.5)
    first = 0.0
    for n in range(path.shape[0]):
        best, aside = -np.inf, 0.0
        for t in range(-2, 3):
            v = value_at(image, y + t * _STEP * dx, x - t * _STEP * dy)
            if v > best:
                best, aside = v, t * _STEP
        y, x = y + aside * dx, x - aside * dy
        if not (0 <= y <= rows - 1 and 0 <= x <= cols - 1):
            return n
        if usable[int(y + 0.5), int(x + 0.5)] < np.float32(0.5):
            return n
        one = value_at(image, y + flank * dx, x - flank * dy)
        other = value_at(image, y - flank * dx, x + flank * dy)
        height = best - 0.5 * (one + other)
        if n < 3:
            first = max(first, height)
        stands = height >= max(_GOES_ON * first, least)
        if not stands or best - max(one, other) < _BOTH_FLANKS * height:
            return n
        path[n, 0], path[n, 1] = y, x
        k = max(n - _BACK, 0)
        far = math.hypot(y - path[k, 0], x - path[k, 1])
        if far > 0.0:
            dy, dx = (y - path[k, 0]) / far, (x - path[k, 1]) / far
        path[n, 2], path[n, 3] = dy, dx
        y, x = y + dy, x + dx
    return path.shape[0]


@kernel()
def _brightest(around, known):  # type: ignore[no-untyped-def]
    """Return the brightest direction that is brighter than those beside it; -1: there is none."""
    found = -1
    for k in range(LOOKS):
        top = around[k] >= max(around[(k + 1) % LOOKS], around[k - 1])
        if top and not known[k] and (found < 0 or around[k] > around[found]):
            found = k
    return found


@kernel(error_model="numpy")
def _add_across(profile, image, level, y, x, dy, dx, half):  # type: ignore[no-untyped-def]
    """Add the light across the direction (dy, dx), ``half`` to either side; ``image``: its log."""
    for k in range(ACROSS):
        s = half * (2.0 * k / (ACROSS - 1) - 1.0)
        profile[k] += math.exp(value_at(image, y + s * dx, x - s * dy) - level)


@kernel(error_model="numpy")
def _widths(profile, half):  # type: ignore[no-untyped-def]
    """Return a profile's full width at half of its middle, twice the lesser of its halves, height.

    It stands on the line between its ends, which is taken off.
    """
    last, middle = ACROSS - 1, ACROSS // 2
    start = 0.5 * (profile[0] + profile[1])
    rise = 0.5 * (profile[last] + profile[last - 1]) - start
    for k in range(ACROSS):
        profile[k] -= start + rise * k / last
    level = 0.125 * (profile[middle - 1] + 2.0 * profile[middle] + profile[middle + 1])
    if level <= 0.0:
        return 0.0, 0.0, 0.0
    step = half / middle
    both, lesser = 0.0, half
    for side in range(-1, 2, 2):
        k = 0
        while k < middle and profile[middle + side * (k + 1)] > level:
            k += 1
        width = half
        if k < middle:
            here, beyond = profile[middle + side * k], profile[middle + side * (k + 1)]
            width = step * (k + min(max((here - level) / max(here - beyond, 1e-9), 0.0), 1.0))
        both += width
        lesser = min(lesser, width)
    return both, 2.0 * lesser, 2.0 * level


@kernel(error_model="numpy")
def _spot_across(f, residual, level, y, x, dy, dx, sigma, half, farthest):  # type: ignore[no-untyped-def]
    """Return a spot's greatest width across the direction (dy, dx), twice the lesser half, height.

    Looked for from (y, x) backwards, as far as ``farthest``: a channel draws a peak towards itself.
    """
    widest, lesser, highest = 0.0, 0.0, 0.0
    for back in range(farthest + 1):
        f.profile[:] = 0.0
        for i in range(_ROWS):
            to = (0.2 * (i - 1) - 0.4 * back) * sigma
            _add_across(f.profile, residual, level, y + to * dy, x + to * dx, dy, dx, half)
        width, narrow, top = _widths(f.profile, half)
        highest = max(highest, top)
        if width > widest:
            widest, lesser = width, narrow
    return widest, lesser, highest


@kernel(error_model="numpy")
def channels_into(f, seen, r, c, size, shape, alone):  # type: ignore[no-untyped-def]
    """Find the channels that run into a peak.

    Returns (how many, what it keeps of its height, how far away was looked [cells]). It keeps that
    over all directions but theirs. None where the peak is not clearly wider than they are,
    or keeps too little, or they are short; a peak that stands ``alone`` is a spot by itself, and
    need not be wider by as much. -1: it is hardly wider and hardly brighter than what runs into it,
    and so but a piece of that. `Finder.runs` and `Finder.profiles`: directions and light.
    """
    height, level = shape[0], shape[1]
    sigma = f.sigmas[size]
    smooth, fine = seen.pyramid.blurs[f.smooth_of[size]], seen.pyramid.blurs[0]
    y, x = float(r), float(c)
    around, known = f.around, f.known
    if height <= 0.0 or not _look_around_into(around, smooth, f.ground, y, x, sigma):
        return 0, 0.0, 0.0
    known[:] = False
    half = half_across(sigma)
    # what a ridge is judged by: how far it goes on beyond does not matter
    most, long = int(2.0 + 3.0 * sigma), _LONG * f.smallest
    path = f.path[: min(max(most, _SHORTEST, math.ceil(long)), LONGEST)]
    far = 0.0
    least = _LEAST_RIDGE * height
    found, length, widest, brightest = 0, 0, 0.0, 0.0
    spot, lesser, top = 0.0, 0.0, 0.0
    for channel in range(MOST_CHANNELS):
        k = _brightest(around, known)
        if k < 0 or around[k] - level < least:
            break
        dy, dx = _AROUND[k, 0], _AROUND[k, 1]
        from_y, from_x = y + _FROM * sigma * dy, x + _FROM * sigma * dx
        n = _follow_into(path, fine, f.ground, from_y, from_x, dy, dx, sigma, least)
        for i in range(n):
            far = max(far, math.hypot(path[i, 0] - y, path[i, 1] - x))
        far = max(far, _FROM * sigma) + 4.0  # and where it was lost
        if n < _SHORTEST:
            break
        if channel == 0:
            spot, lesser, top = _spot_across(
                f, seen.residual, level, y, x, dy, dx, sigma, half, 2 if alone else 0
            )
        near = min(n, most)
        f.profile[:] = 0.0
        for i in range(near):
            a, b, u, v = path[i, 0], path[i, 1], path[i, 2], path[i, 3]
            _add_across(f.profile, seen.residual, level, a, b, u, v, half)
        width, _, bright = _widths(f.profile, half)
        widest, brightest = max(widest, width), max(brightest, bright / near)
        for i in range(ACROSS):
            f.profiles[channel, i] = max(f.profile[i], 0.0) / near
        f.runs[channel, 0], f.runs[channel, 1] = dy, dx
        length += n
        found += 1
        for i in range(-_BESIDE, _BESIDE + 1):
            known[(k + i) % LOOKS] = True
    if length < long:
        return 0, 0.0, far
    if spot < _NARROWER * widest and top < _BRIGHTER * _ROWS * brightest:
        return -1, 0.0, far
    if spot < (_HARDLY_NARROWER if alone else _NARROWER) * widest:
        return 0, 0.0, far
    highest = -np.inf
    for k in range(LOOKS):
        if not known[k]:
            highest = max(highest, around[k])
    kept = (smooth[r, c] - highest) / height
    if kept < _LEAST_KEPT or not (alone or lesser >= widest):
        return 0, 0.0, far
    return found, kept, far


@kernel()
def half_across(sigma):  # type: ignore[no-untyped-def]
    """Return how far to either side of a channel its profile reaches [cells]."""
    return 2.4 * sigma + 2.0


@kernel(error_model="numpy")
def take_channel_off(light, y, x, start, run, profile, half):  # type: ignore[no-untyped-def]
    """Take a channel's light off ``light``, which stands on 1, from ``start`` outwards [cells].

    ``run``: its direction from (y, x); ``profile``: its light across, ``half`` to either side.
    """
    rows, cols = light.shape
    dy, dx = run[0], run[1]
    per = (ACROSS - 1) / (2.0 * half)
    for i in range(rows):
        for j in range(cols):
            along = (i - y) * dy + (j - x) * dx - start
            across = ((i - y) * dx - (j - x) * dy + half) * per
            if along > -0.5 and 0.0 <= across < ACROSS - 1:
                k = int(across)
                channel = profile[k] + (across - k) * (profile[k + 1] - profile[k])
                left = light[i, j] - np.float32(min(along + 0.5, 1.0) * channel)
                light[i, j] = max(left, min(light[i, j], np.float32(1)))
