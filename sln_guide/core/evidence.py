"""What speaks for a peak of significance being a node: its shape, where it lies, its surroundings.

Private to `core.finding`; kernels take a `Finder` and what was `Seen` (`core.finder`).
"""

from __future__ import annotations

import math

import numpy as np

from sln_guide.core.kernel import kernel
from sln_guide.core.order import select
from sln_guide.core.peaks import SECTORS, roundness_of, stand_of
from sln_guide.core.pyramid import support_at

NODE, CHANNEL, INJECTION, UNCERTAIN, GLINT = range(5)

_ISOLATED = 0.42
"""A node falls off on every side: to its highest neighbour sector by this share of its height."""
_FEWEST_SIDES = 3
_CLEARLY_ALONE = 0.58
"""From here on a peak is a node even where its light runs into something long."""
_CHANNEL_ELONGATION = 3.0
_NODE_OVER_CHANNEL = 1.6
"""A node on a channel is brighter than the channel's median by this factor, in the logarithm."""

# What a peak's shape says for a node, in sigma, fitted (logistic regression) on scenes of three
# forward models; typical nodes lie between 0.3 and 1.4, half of all texture below -1.2.
_PER_ISOLATION = 1.0
_PER_ROUNDNESS, _ROUND = 3.5, 0.8
_ROUNDNESS_UNTOLD = 0.5
"""Roundness given to a peak so near the end of the field that half of its curve is out of sight."""
_PER_PIT, _DEEP = -0.66, 1.5
"""A peak beside a pit is half made by the pit."""
_FINEST = -2.07
"""Scatter widens a node's light: what responds at the finest size hardly ever is one."""
_SMALL = -0.5
_SHAPE_OFFSET = -2.4
_PER_HIDDEN_SIDE = -0.25
_AT_RIM, _RIM = -1.5, 2
HEADROOM = 1.0
"""What a typical node's shape is worth, and how far below the threshold a peak is looked at."""
_MISSHAPEN = -0.16
"""Something is there, but it is shaped like no node: uncertain."""
_BEYOND_DOUBT = 2.0
"""Times the threshold."""
_BEYOND_TEXTURE = 3.0
"""Likewise: up to here what is fine and misshapen still is glints on lumps and ends of folds."""
_MOST_ISOLATION = 1.0
"""Of a peak whose surroundings are level."""
_CLIPPED_ALIKE = 0.55
"""Least overlap of what clips in white light with a spot, as a share of what either covers."""
_MIRRORED = 1.6
"""In some colour a mirrored lamp exceeds what is around by this factor: tissue hardly ever does."""
_CLIPPED_IN_PART, _BRIGHTER = 0.15, 1.4
"""The same two, of what is shaped like no node: a shaft's shine is long, a spot's circle is not."""
_LONG, _THROUGH, _WHOLE = 0.5, 0.75, 0.95
"""Roundness, share of the height over the line through, and usable share that tell a channel."""


@kernel(error_model="numpy")
def shape_of(f, seen, r, c, k):  # type: ignore[no-untyped-def]
    """Return how a peak stands in its surroundings, taken for a spot of one size.

    (height, which is log(1 + contrast), level around, isolation, depth of the lowest sector,
    roundness, sectors seen, support, share of the height over a line that goes through).
    """
    support = support_at(seen.pyramid, f.support_of[k], r, c)
    return shape_in(f, seen.pyramid.blurs[f.smooth_of[k]], support, r, c, k, np.float32(1))


@kernel(error_model="numpy")
def shape_in(f, smooth, support, r, c, k, sign):  # type: ignore[no-untyped-def]
    """Return what `shape_of` does, of a peak of ``smooth``, or with ``sign`` -1 of a pit."""
    height, level, isolation, pit, over, sectors = stand_of(
        f.ring, f.ring_seen, f.scratch, smooth, f.ground, f.annuli, k, f.sigmas[k], r, c, sign
    )
    roundness = roundness_of(smooth, r, c, f.sigmas[k], sign)
    if at_end(f, r, c, k):
        roundness = max(roundness, _ROUNDNESS_UNTOLD)
    return height, level, isolation, pit, roundness, sectors, support, over


@kernel()
def form_of(shape, size):  # type: ignore[no-untyped-def]
    """Return what a peak's shape is worth as evidence for a node [sigma]; below 0: against."""
    isolation, pit, roundness = shape[2:5]
    form = _SHAPE_OFFSET + _PER_ISOLATION * isolation
    form += _PER_ROUNDNESS * min(roundness, _ROUND) + _PER_PIT * min(max(pit, 0.0), _DEEP)
    return form + (_FINEST if size == 0 else 0.0)


@kernel()
def worth_of(f, shape, size, r, c):  # type: ignore[no-untyped-def]
    """Return what the shape of a peak and where it lies are worth together [sigma].

    Most false calls are of small size, where a field has many more places; what lies at the rim
    of the field, or is hidden on some sides, has not shown that it falls off there.
    """
    worth = form_of(shape, size) + _PER_HIDDEN_SIDE * (SECTORS - shape[5])
    if size == 1:
        worth += _SMALL
    return worth + (_AT_RIM if at_rim(f, r, c) else 0.0)


@kernel(error_model="numpy")
def most_worth_of(f, seen, r, c, size):  # type: ignore[no-untyped-def]
    """Return the most that `worth_of` may be: what is quickly told of a peak is its roundness."""
    return most_worth_in(f, seen.pyramid.blurs[f.smooth_of[size]], r, c, size, np.float32(1))


@kernel(error_model="numpy")
def most_worth_in(f, smooth, r, c, size, sign):  # type: ignore[no-untyped-def]
    """Return what `most_worth_of` does, of a peak of ``smooth``, or with ``sign`` -1 of a pit."""
    roundness = max(roundness_of(smooth, r, c, f.sigmas[size], sign), 0.0)
    if at_end(f, r, c, size):
        roundness = max(roundness, _ROUNDNESS_UNTOLD)
    most = (0.0, 0.0, _MOST_ISOLATION, 0.0, roundness, SECTORS, 0.0, 0.0)
    return worth_of(f, most, size, r, c)


@kernel()
def at_end(f, r, c, size):  # type: ignore[no-untyped-def]
    """Whether half of a peak's curve lies beyond the end of the field."""
    reach = int(f.sigmas[size] + 0.5)
    rows, cols = f.labels.shape
    return r < reach or c < reach or r + reach >= rows or c + reach >= cols


@kernel()
def at_rim(f, r, c):  # type: ignore[no-untyped-def]
    """Whether a peak lies where filters are cut off by the end of the field."""
    rows, cols = f.labels.shape
    return min(r, rows - 1 - r, c, cols - 1 - c) <= _RIM


@kernel()
def kind_of(shape, size, significance, threshold, has_channel):  # type: ignore[no-untyped-def]
    """Return what a peak that stands alone is taken for.

    Where nothing hides it and texture cannot have bent it, what is long, and goes on through the
    peak, is a channel: a node may be shaped like a bean. What is wider than a channel that runs
    into it is a node; how round it is along the channel cannot be told.
    """
    roundness, sectors, support, over = shape[4:]
    if has_channel:
        untold = max(_ROUND - roundness, 0.0) * _PER_ROUNDNESS
        return NODE if form_of(shape, size) + untold >= _MISSHAPEN else UNCERTAIN
    clear = significance >= _BEYOND_DOUBT * threshold and sectors == SECTORS and support > _WHOLE
    if clear and roundness < _LONG and over < _THROUGH:
        return CHANNEL
    return NODE if form_of(shape, size) >= _MISSHAPEN else UNCERTAIN


@kernel()
def beyond_texture(shape, size, significance, threshold):  # type: ignore[no-untyped-def]
    """Whether a peak in full sight is misshapen for its fineness alone, and far above all texture.

    That what is fine hardly ever is a node is true of texture's peaks. Scatter widens light, but a
    small node at the surface is as fine, and on smooth tissue nothing else responds so much.
    """
    sectors, support = shape[5:7]
    clear = significance >= _BEYOND_TEXTURE * threshold and sectors == SECTORS and support > _WHOLE
    return clear and form_of(shape, max(size, 1)) >= _MISSHAPEN


@kernel()
def stands_alone(shape):  # type: ignore[no-untyped-def]
    """Whether light falls off on every side that can be seen, and enough sides can."""
    return shape[2] >= _ISOLATED and shape[5] >= _FEWEST_SIDES


@kernel(error_model="numpy")
def is_channel(f, region):  # type: ignore[no-untyped-def]
    """Whether a region is long and thin: by the moments of its cells."""
    n, sr, sc, srr, scc, src = f.moments[region]
    if n < 12:
        return False
    rr, cc, rc = srr / n - (sr / n) ** 2, scc / n - (sc / n) ** 2, src / n - sr * sc / n**2
    middle, half = (rr + cc) / 2, math.hypot((rr - cc) / 2, rc)
    length, width = math.sqrt(max(middle + half, 0.0)), math.sqrt(max(middle - half, 0.08))
    return length >= f.sigmas[1] and length >= _CHANNEL_ELONGATION * width


@kernel(error_model="numpy")
def on_channel(f, seen, shape, region, cells):  # type: ignore[no-untyped-def]
    """Whether the peak is but a bright place of a channel: not much brighter than its line.

    ``cells``: flat indices, the region's among them.
    """
    height, level, isolation = shape[:3]
    if isolation >= _CLEARLY_ALONE or not is_channel(f, region):
        return False
    if math.isnan(f.lines[region]):
        label_of = f.labels.reshape(f.labels.size)
        residual_of = seen.residual.reshape(seen.residual.size)
        n = 0
        for at in cells:
            if label_of[at] == region:
                f.sample[n] = residual_of[at]
                n += 1
        f.lines[region] = select(f.sample, n, n // 2)
    return height < _NODE_OVER_CHANNEL * (f.lines[region] - level)


@kernel(error_model="numpy")
def is_glint(white, y, x, area, kind):  # type: ignore[no-untyped-def]
    """Whether a lamp is mirrored where a spot lies, out of focus: no edge of it is sharp.

    White light then clips there, in the spot's very shape, and is far brighter than around. A
    small glint on a node clips less than the node covers; but where what was found is shaped like
    no node (``kind``), any clipping light says what it is. ``white`` (5, rows, cols): red, green,
    blue, steps, clipped share; ``y``, ``x``, ``area`` [cells].
    """
    alike, mirrored = _CLIPPED_ALIKE, _MIRRORED
    if kind == UNCERTAIN:
        alike, mirrored = _CLIPPED_IN_PART, _BRIGHTER
    rows, cols = white.shape[1:]
    inner = max(area / math.pi, 1.0)
    radius = math.sqrt(inner)
    outer, ring = (2.0 * radius + 1.0) ** 2, (1.5 * radius + 0.5) ** 2
    far = int(2.0 * radius + 1.0) + 1
    here, red, green, blue, clipped = 0, 0.0, 0.0, 0.0, 0.0
    around, red_2, green_2, blue_2, beside = 0, 0.0, 0.0, 0.0, 0.0
    for r in range(max(int(y) - far, 0), min(int(y) + far + 2, rows)):
        for c in range(max(int(x) - far, 0), min(int(x) + far + 2, cols)):
            d = (r - y) ** 2 + (c - x) ** 2
            if d <= inner:
                here += 1
                clipped += white[4, r, c]
                red += white[0, r, c]
                green += white[1, r, c]
                blue += white[2, r, c]
            elif d <= outer:
                beside += white[4, r, c]
                if d > ring:
                    around += 1
                    red_2 += white[0, r, c]
                    green_2 += white[1, r, c]
                    blue_2 += white[2, r, c]
    if here == 0 or around == 0 or clipped < alike * (here + beside):
        return False
    times = mirrored * here / around
    return red > times * red_2 or green > times * green_2 or blue > times * blue_2
