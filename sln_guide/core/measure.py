"""What is measured of a spot or a region, written into a row of the finder's table.

Private to `core.finding`; kernels take a `Finder` and what was `Seen` (`core.finder`).
"""

from __future__ import annotations

import math

import numpy as np

from sln_guide.core.grid import copy_line, exp_into
from sln_guide.core.kernel import kernel
from sln_guide.core.peaks import SECTORS
from sln_guide.core.ridges import half_across, take_channel_off
from sln_guide.core.spots import (
    RAYS,
    centre_of,
    measure_into,
    median_radius,
    refine_into,
    region_sums_into,
)

COLUMNS = 12
(
    KIND,
    X,
    Y,
    AREA,
    SIGNAL,
    SBR,
    SBR_ERROR,
    CNR,
    CNR_ERROR,
    SIGNIFICANCE,
    SATURATED,
    HIDDEN,
) = range(COLUMNS)

MEASURED, NOT_ROUND, NO_LIGHT = range(3)

_ROUNDS = 4
_HALF_WIDTH = 1.18
"""Half-maximum radius of a Gaussian, in its sigmas."""
_CHANNEL_FROM = 0.5
"""Share of a spot's radius from which on a channel's light is told from its own, where it comes
from one side. Where in the spot it ends cannot be seen; in and out draw it to no side."""
_Z95 = 1.96
# Noise also moves the contour, and takes cells of the annulus in or out. By how much, was measured
# against the same fields without noise.
_WOBBLE = 1.7
"""Factor by which errors exceed those at a fixed contour."""
_RING_WOBBLE = 0.0125
"""Error of the annulus mean as a share of the spread over the annulus."""
_SBR_WOBBLE, _CNR_WOBBLE, _CNR_LEAST = 0.0035, 0.0085, 0.017
"""Relative standard errors of SBR - 1 and CNR, least one of CNR: in texture a contour may jump."""
_AREA_OF_LIGHT = 0.5 * 2.0 / math.log(2.0)
"""Share of its area that a contour moves by where light is off by a share of the spot's height: 2 /
ln 2 of a Gaussian spot; and half of a cell's noise is left over the whole contour."""
_SBR_OF_AREA, _RING_OF_AREA, _CNR_OF_AREA = 0.3, 0.8, 0.9
"""How much SBR - 1, the annulus mean (in spreads over it) and CNR change with the area."""
_LEAST_RING = 0.2
"""Share of the annulus that must be in sight, and not bright, for its level and spread."""
_PLAIN_SPREAD = 0.05
"""Least spread of tissue as a share of its level, where too little of it is in sight."""


@kernel(error_model="numpy")
def _spread(weight, total, squares):  # type: ignore[no-untyped-def]
    if weight < 1.0:
        return 0.0
    mean = total / weight
    return math.sqrt(max(squares / weight - mean * mean, 0.0))


@kernel()
def reach_of(sigma):  # type: ignore[no-untyped-def]
    """Half of the window around a spot of ``sigma`` in which it is measured [cells]."""
    return math.ceil(4.0 * sigma) + 4


@kernel(error_model="numpy")
def _window_row(light, residual, start):  # type: ignore[no-untyped-def]
    for j in range(light.shape[0]):
        light[j] = residual[j] - start


@kernel(error_model="numpy")
def spot_into(f, row, seen, r, c, size, shape, channels, noise, unit):  # type: ignore[no-untyped-def]
    """Measure the spot at a peak; return `MEASURED`, or why it is none.

    `NOT_ROUND`: on a closer look nothing stands out, or not on all sides; light that goes on and
    on in some direction, and never falls to half, is no node's. `NO_LIGHT`: NIR by itself hardly
    stands out; only what colour foretold does. Blood darkens colour far more than it darkens NIR,
    and so seems to glow where it is in truth the darker place. The light of ``channels`` that run
    into the spot, as `core.ridges` found them, is no part of its contour and centre.
    """
    level, sectors = shape[1], shape[5]
    sigma = f.sigmas[size]
    reach = reach_of(sigma)
    rows, cols = seen.mean.shape
    r0, r1 = max(r - reach, 0), min(r + reach + 1, rows)
    c0, c1 = max(c - reach, 0), min(c + reach + 1, cols)
    high, wide = r1 - r0, c1 - c0
    light = f.windows[0, : high * wide].reshape(high, wide)
    usable = f.windows[1, : high * wide].reshape(high, wide)
    mean = f.windows[2, : high * wide].reshape(high, wide)
    added = f.windows[3, : high * wide].reshape(high, wide)
    foretold = f.windows[4, : high * wide].reshape(high, wide)
    ground, told = np.float32(level), seen.prediction[r, c]
    for i in range(high):
        _window_row(light[i], seen.residual[r0 + i, c0:c1], ground)
        _window_row(foretold[i], seen.prediction[r0 + i, c0:c1], told)
        copy_line(usable[i], seen.usable[r0 + i, c0:c1])
        copy_line(mean[i], seen.mean[r0 + i, c0:c1])
    exp_into(light, light)
    exp_into(foretold, foretold)
    y, x, base, size_now = float(r - r0), float(c - c0), 1.0, _HALF_WIDTH * sigma
    top, lost = base, 0
    for again in range(2 if channels > 0 else 1):
        if again > 0:  # where the spot is, and how wide, is known better now
            if lost > 0 or not top > base:
                return NOT_ROUND
            size_now = median_radius(f.scratch, f.radius)
            for i in range(high):
                _window_row(light[i], seen.residual[r0 + i, c0:c1], ground)
            exp_into(light, light)
        start = (_CHANNEL_FROM if channels == 1 else 1.0) * size_now
        for k in range(channels):
            take_channel_off(light, y, x, start, f.runs[k], f.profiles[k], half_across(sigma))
        y, x, base, top, lost = refine_into(
            f.radius,
            f.ring,
            f.ring_seen,
            f.scratch,
            light,
            usable,
            y,
            x,
            base,
            sigma,
            _ROUNDS,
        )
    if lost > 0 or not top > base > 0:
        return NOT_ROUND
    share = np.float32(1.0 / base)
    for i in range(high):
        for j in range(wide):
            added[i, j] = light[i, j] * share - np.float32(1)
    peak = top / base - 1.0
    sums, radius = f.sums, f.radius
    measure_into(sums, mean, added, usable, min(peak, 1.0), y, x, radius, 1.5, 2.5)
    inside, ring = sums[0], sums[3]
    in_mean = sums[1] / max(inside, 1.0)
    # the peak is one of light plus the logarithm's floor, so what it stands on has the floor too
    at_peak = mean[min(int(y + 0.5), high - 1), min(int(x + 0.5), wide - 1)] + seen.floor
    stands_on = max(at_peak / (1.0 + peak), 0.0)
    around = sums[10] / sums[9] if sums[9] > 0 else 0.0
    if ring >= max(4.0, _LEAST_RING * sums[12]):
        around = ring_mean = sums[4] / ring
        ring_sd = _spread(ring, sums[4], sums[5])
    else:
        # a few cells side by side are alike, and would make any contrast look certain
        ring_mean = stands_on - seen.floor
        ring_sd = max(_spread(sums[9], sums[10], sums[11]), _PLAIN_SPREAD * ring_mean)
    own = math.log(max(in_mean + seen.floor, 1e-3) / max(around + seen.floor, 1e-3))
    if own < seen.least_own * math.log(1.0 + peak):
        return NO_LIGHT
    ring_sd = max(ring_sd, noise)
    safe = max(ring_mean, noise)
    sbr = 1 + (in_mean - ring_mean) / safe
    cnr = (in_mean - ring_mean) / ring_sd
    d_in = noise / math.sqrt(max(inside, 1.0))
    d_ring = noise / math.sqrt(max(ring, 1.0))
    d_sd = noise / math.sqrt(2 * max(ring, 1.0))
    d_cnr = math.hypot(math.hypot(d_in, d_ring) / ring_sd, cnr * d_sd / ring_sd)
    clipped = 0.0
    n = 0
    for i in range(high):
        for j in range(wide):
            if added[i, j] > 0.5 * peak:
                clipped += seen.full[r0 + i, c0 + j]
                n += 1
    area = 0.0
    for k in range(RAYS):
        area += radius[k] * radius[(k + 1) % RAYS]
        turn = 2.0 * math.pi * k / RAYS
        f.contours[row, k, 0] = c0 + x + radius[k] * math.cos(turn)
        f.contours[row, k, 1] = r0 + y + radius[k] * math.sin(turn)
    out = f.table[row]
    middle = median_radius(f.scratch, radius)
    centre_y, centre_x = centre_of(
        f.ring, f.ring_seen, f.scratch, light, foretold, y, x, middle, base
    )
    out[X], out[Y] = c0 + centre_x, r0 + centre_y
    out[AREA] = 0.5 * math.sin(2 * math.pi / RAYS) * area
    out[SIGNAL] = peak * stands_on * unit
    out[SBR] = sbr
    moved = _moves_by(noise / max(stands_on, noise), seen, r, c, peak)
    d_level = math.hypot(
        _WOBBLE * d_ring, ring_sd * math.hypot(_RING_WOBBLE, _RING_OF_AREA * moved)
    )
    d_sbr = math.hypot(_WOBBLE * d_in, sbr * d_level) / safe
    jumps = math.hypot(_SBR_WOBBLE, _SBR_OF_AREA * moved)
    out[SBR_ERROR] = _Z95 * math.hypot(d_sbr, jumps * (sbr - 1))
    out[CNR] = cnr
    jumps = math.hypot(_CNR_WOBBLE, _CNR_OF_AREA * moved)
    out[CNR_ERROR] = _Z95 * math.hypot(math.hypot(_WOBBLE * d_cnr, jumps * cnr), _CNR_LEAST)
    out[SATURATED] = clipped / n if n > 0 else 0.0
    out[HIDDEN] = sectors < SECTORS
    return MEASURED


@kernel(error_model="numpy")
def _moves_by(noise, seen, r, c, peak):  # type: ignore[no-untyped-def]
    """Return by what share of its area noise moves a contour half-way up ``peak``.

    ``noise`` of a cell, as a share of the light that the spot stands on. The prediction's comes
    to it: white light's, and the baseline's, which is NIR of another moment.
    """
    square = noise * noise * (1.0 + seen.shares[0] ** 2)
    for k in range(3):
        square += seen.shares[1 + k] ** 2 * seen.white_noise[k] / max(seen.white[k, r, c], 1.0)
    noise = math.sqrt(square)
    return _AREA_OF_LIGHT * noise / max(peak, noise)


@kernel()
def take(f, spot):  # type: ignore[no-untyped-def]
    """Mark what the spot last measured covers: no second one is called within 1.6 half-maxima.

    Returns how far that is [cells].
    """
    reach = 1.6 * median_radius(f.scratch, f.radius) + 1.0
    r, c = int(spot[Y] + 0.5), int(spot[X] + 0.5)
    n = math.ceil(reach)
    taken, ground = f.taken, f.ground
    for i in range(max(r - n, 0), min(r + n + 1, taken.shape[0])):
        for j in range(max(c - n, 0), min(c + n + 1, taken.shape[1])):
            if (i - r) ** 2 + (j - c) ** 2 <= reach * reach:
                taken[i, j] = True
                ground[i, j] = np.float32(0)
    return reach


@kernel(error_model="numpy")
def region_into(f, row, seen, labels, label, cells, noise, unit):  # type: ignore[no-untyped-def]
    """Measure a whole region against the level around it; ``cells``: its own among others."""
    s = f.sums
    region_sums_into(s, labels, label, cells, seen.mean, seen.full, seen.usable, 4)
    n, ring, ring_sum, ring_squares = s[0], s[7], s[8], s[9]
    if ring < 4:
        ring, ring_sum, ring_squares = 1.0, s[5], s[5] ** 2
    ring_mean = max(ring_sum / ring, noise)
    ring_sd = max(math.sqrt(max(ring_squares / ring - (ring_sum / ring) ** 2, 0.0)), noise)
    in_mean = s[3] / n
    sbr, cnr = in_mean / ring_mean, (in_mean - ring_mean) / ring_sd
    out = f.table[row]
    out[:] = 0.0
    out[X], out[Y], out[AREA] = s[2] / n, s[1] / n, n
    out[SIGNAL] = max(s[4] - ring_mean, 0.0) * unit
    out[SBR], out[CNR] = sbr, cnr
    out[SBR_ERROR] = _Z95 * noise / ring_mean * math.sqrt(1 / n + sbr**2 / ring)
    out[CNR_ERROR] = _Z95 * math.hypot(noise / ring_sd, cnr * noise / ring_sd / math.sqrt(2 * ring))
    out[SATURATED] = s[6] / n
