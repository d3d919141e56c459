"""Kernels for one spot: half-maximum contour, annulus, centre. Private to `core.measure`."""

from __future__ import annotations

import numpy as np

from sln_guide.core.kernel import kernel
from sln_guide.core.order import median_of_few
from sln_guide.core.peaks import SECTORS, directions, survey_into, value_at

RAYS = 32

_RAYS = directions(0.0, RAYS)
_MIDDLES = directions(0.5, SECTORS)
_SECTOR_MEAN = 0.974
"""Mean of a slope over a sector as a share of what it has in its middle: sin(pi/8) / (pi/8)."""
_REACH = 1.9
"""Radius of the centre's weight in half-maximum radii: where a node's light ends."""
_CENTRE_ROUNDS = 3
_OUTLIER = 3.7
"""Median deviations from the median (2.5 sigma) at which a sector is cut: it holds something."""
_GROUND_TO, _OTHERS_FROM = 0.35, 0.65
"""Share of a spot's height up to which light around it is its ground, and from which on another's.
By light, not by significance: that is relative to the whole field, moves with its noise, and took
whole lumps in or out."""
_MOST_LEAN = 0.5
"""Of the radius: a centre farther off than that is another thing's."""


@kernel()
def trace_contour_into(radius, image, y, x, level, farthest):  # type: ignore[no-untyped-def]
    """Write, for each of `RAYS` from (y, x), where ``image`` first falls below ``level`` [cells].

    Returns how many rays found no such place within ``farthest``; their radius is ``farthest``. A
    ray that leaves the image ends there: what it would have found cannot be told.
    """
    rows, cols = image.shape
    lost = 0
    step = 0.5
    start = value_at(image, y, x)
    for k in range(RAYS):
        dy, dx = _RAYS[k, 0], _RAYS[k, 1]
        before = start
        t = 0.0
        found = False
        while t < farthest:
            t += step
            v = value_at(image, y + t * dy, x + t * dx)
            outside = not (-0.5 <= y + t * dy <= rows - 0.5 and -0.5 <= x + t * dx <= cols - 0.5)
            if outside:
                radius[k] = t
                found = True
                break
            if v < level:
                share = (before - level) / max(before - v, 1e-12)
                radius[k] = t - step + step * min(max(share, 0.0), 1.0)
                found = True
                break
            before = v
        if not found:
            radius[k] = farthest
            lost += 1
    return lost


@kernel()
def _turn(dy, dx):  # type: ignore[no-untyped-def]
    """Return the direction of (dy, dx) in [0, 1) of a turn, from +x towards +y.

    To 1e-6 of a turn, by Hastings' polynomial for the arc tangent (Approximations for Digital
    Computers, 1955): many times as fast as the library's, and it inlines.
    """
    ay, ax = abs(dy), abs(dx)
    if ay == 0.0 and ax == 0.0:
        return 0.0
    t = min(ay, ax) / max(ay, ax)
    q = t * t
    p = 0.05265332 - 0.01172120 * q
    p = 0.19354346 + q * (p * q - 0.11643287)
    turn = t * (0.99997726 + q * (p * q - 0.33262347)) * (0.5 / np.pi)
    if ay > ax:
        turn = 0.25 - turn
    if dx < 0:
        turn = 0.5 - turn
    if dy < 0:
        turn = 1.0 - turn
    return turn if turn < 1.0 else 0.0


@kernel()
def _radius_at(radius, dy, dx):  # type: ignore[no-untyped-def]
    """Return how far a star-shaped contour reaches in a direction."""
    turn = _turn(dy, dx) * RAYS
    k = int(turn)
    f = turn - k
    return radius[k % RAYS] * (1 - f) + radius[(k + 1) % RAYS] * f


@kernel()
def measure_into(out, values, added, usable, height, y, x, radius, inner, outer):  # type: ignore[no-untyped-def]
    """Sum ``values`` inside a star-shaped contour and over an annulus that follows it.

    ``out`` (13): inside weight, sum, sum of squares; annulus weight, sum, sum of squares; sum of
    ``added`` (cut at 0) inside, and of it times row and column offset; then the annulus once more,
    with what is bright; its weight with all that is hidden, too. The annulus lies between ``inner``
    and ``outer`` times the radius, at least 1.5 and 4 cells outside, and leaves out cells that are
    not ``usable`` or belong to something else that is bright: half of ``height`` in ``added``, and
    more. Cells on a rim count in part, and so do those about that bright, so that a contour a
    little larger gives a sum a little larger.
    """
    rows, cols = values.shape
    out[:] = 0.0
    longest, shortest = 0.0, np.inf
    for k in range(RAYS):
        longest, shortest = max(longest, radius[k]), min(shortest, radius[k])
    farthest = max(longest * outer, longest + 4.0)
    reach = int(np.ceil(farthest)) + 1
    well_inside = min(shortest, max(shortest * inner, shortest + 1.5)) - 0.5
    most, per_added = _OTHERS_FROM * height, 1.0 / ((_OTHERS_FROM - _GROUND_TO) * height)
    for i in range(max(int(y) - reach, 0), min(int(y) + reach + 2, rows)):
        for j in range(max(int(x) - reach, 0), min(int(x) + reach + 2, cols)):
            dy = i - y
            dx = j - x
            d = np.sqrt(dy * dy + dx * dx)
            if d >= farthest + 0.5:
                continue
            edge = longest if d <= well_inside else _radius_at(radius, dy, dx)
            v = values[i, j]
            w = min(max(edge - d + 0.5, 0.0), 1.0)
            if w > 0:
                out[0] += w
                out[1] += w * v
                out[2] += w * v * v
                a = w * max(added[i, j], 0.0)
                out[6] += a
                out[7] += a * dy
                out[8] += a * dx
            near = max(edge * inner, edge + 1.5)
            far = max(edge * outer, edge + 4.0)
            w = min(max(d - near + 0.5, 0.0), 1.0) * min(max(far - d + 0.5, 0.0), 1.0)
            out[12] += w
            if usable[i, j] > 0.5:
                out[9] += w
                out[10] += w * v
                out[11] += w * v * v
                w *= min(max((most - added[i, j]) * per_added, 0.0), 1.0)
                if w > 0:
                    out[3] += w
                    out[4] += w * v
                    out[5] += w * v * v


@kernel()
def _centre(image, y, x, radius, level):  # type: ignore[no-untyped-def]
    """Return the centroid of what exceeds ``level`` inside a star-shaped contour."""
    rows, cols = image.shape
    total = 0.0
    sum_y = 0.0
    sum_x = 0.0
    longest, shortest = 0.0, np.inf
    for k in range(RAYS):
        longest, shortest = max(longest, radius[k]), min(shortest, radius[k])
    reach = int(longest) + 2
    for i in range(max(int(y) - reach, 0), min(int(y) + reach + 2, rows)):
        for j in range(max(int(x) - reach, 0), min(int(x) + reach + 2, cols)):
            dy = i - y
            dx = j - x
            square = dy * dy + dx * dx
            if image[i, j] <= level or square > (longest + 0.5) ** 2:
                continue
            d = np.sqrt(square)
            edge = longest if d <= shortest - 0.5 else _radius_at(radius, dy, dx)
            w = min(max(edge - d + 0.5, 0.0), 1.0)
            a = w * max(image[i, j] - level, 0.0)
            total += a
            sum_y += a * dy
            sum_x += a * dx
    if total <= 0:
        return y, x
    return y + sum_y / total, x + sum_x / total


@kernel()
def centre_of(ring, seen, scratch, image, foretold, y, x, size, base):  # type: ignore[no-untyped-def]
    """Return a spot's centre (y, x) [cells]: the centroid of its light above the ground.

    Weighted by (1 - d^2 / R^2)^2 about itself, which is close to the spot's own shape: what lies
    in the middle counts more than where texture is all there is, and no contour's course decides.
    The ground is ``base`` and its slope, which would else carry the centre with it.

    ``image`` is light divided by ``foretold``, what colour or a baseline says of tissue there. That
    levels the ground, but a node's light comes on top of tissue's and has no share in its texture:
    above the ground it is given back what it was divided by.

    ``ring``, ``seen``: sectors as `refine_into` leaves them; ``size``: median radius; ``scratch``:
    workspace, two times sectors. (y, x) comes back where a sector is hidden, or nothing agrees.
    """
    n = ring.shape[0]
    for k in range(n):
        if seen[k] <= 0.5:
            return y, x
        scratch[k] = ring[k]
    level = median_of_few(scratch, n)
    for k in range(n):
        scratch[n + k] = abs(ring[k] - level)
    reach = _OUTLIER * median_of_few(scratch[n:], n)
    slope_y, slope_x = 0.0, 0.0
    for k in range(n):
        v = min(max(ring[k] - level, -reach), reach)
        slope_y += v * _MIDDLES[k, 0]
        slope_x += v * _MIDDLES[k, 1]
    inner, outer = annulus_of(size)
    share = 2.0 / (n * _SECTOR_MEAN * 0.5 * (inner + outer))
    slope_y, slope_x = slope_y * share, slope_x * share
    rows, cols = image.shape
    square = (_REACH * size) ** 2
    far = int(_REACH * size) + 2
    at_y, at_x = y, x
    for _ in range(_CENTRE_ROUNDS):
        total, sum_y, sum_x = 0.0, 0.0, 0.0
        for i in range(max(int(at_y) - far, 0), min(int(at_y) + far + 1, rows)):
            for j in range(max(int(at_x) - far, 0), min(int(at_x) + far + 1, cols)):
                dy, dx = i - at_y, j - at_x
                d = dy * dy + dx * dx
                if d < square:
                    ground = base + slope_y * (i - y) + slope_x * (j - x)
                    w = (1.0 - d / square) ** 2 * (image[i, j] - ground) * foretold[i, j]
                    total += w
                    sum_y += w * dy
                    sum_x += w * dx
        if total <= 0.0:
            return y, x
        # light that is weighed about the wrong place seems to lie only half as far from it
        at_y += 2.0 * sum_y / total
        at_x += 2.0 * sum_x / total
        if (at_y - y) ** 2 + (at_x - x) ** 2 > (_MOST_LEAN * size) ** 2:
            return y, x
    return at_y, at_x


@kernel()
def median_radius(scratch, radius):  # type: ignore[no-untyped-def]
    """Return the median of a contour's radii; ``scratch`` (rays) is a workspace."""
    for k in range(radius.shape[0]):
        scratch[k] = radius[k]
    return median_of_few(scratch, radius.shape[0])


@kernel()
def annulus_of(size):  # type: ignore[no-untyped-def]
    """Return the radii between which a spot of a median radius has its ground [cells]."""
    return 1.5 * size + 0.5, 2.2 * size + 1.0


@kernel()
def refine_into(radius, ring, seen, scratch, image, usable, y, x, base, sigma, rounds):  # type: ignore[no-untyped-def]
    """Find a spot's centre, base, height and half-maximum contour that agree with each other.

    ``image`` (positive) stands on ``base``; each round takes the contour half-way between base
    and top, the centre of what it holds, and the base from an annulus that follows its size: so
    the answer hardly remembers where the search began. ``radius`` (rays) out; ``ring``, ``seen``
    (sectors), ``scratch`` (rays) workspaces; ``sigma`` [cells] the size to begin with. Returns
    (y, x, base, top, rays that found no end).
    """
    farthest = 3.5 * sigma + 2.0
    lost = 0
    top = base
    for _ in range(rounds):
        top = 0.0
        for i in range(-1, 2):
            for j in range(-1, 2):
                top += value_at(image, y + i, x + j) / 9.0
        if top <= base:
            return y, x, base, top, radius.shape[0]
        half = 0.5 * (base + top)
        lost = trace_contour_into(radius, image, y, x, half, farthest)
        y2, x2 = _centre(image, y, x, radius, half)
        # a centre that runs away has fallen into a neighbour: stay
        if (y2 - y) ** 2 + (x2 - x) ** 2 <= sigma * sigma:
            y, x = y2, x2
        size = median_radius(scratch, radius)
        inner, outer = annulus_of(size)
        survey_into(ring, seen, image, usable, y, x, inner, outer)
        n = 0
        for k in range(ring.shape[0]):
            if seen[k] > 0.5:
                scratch[n] = ring[k]
                n += 1
        if n >= 3:
            base = median_of_few(scratch, n)
    return y, x, base, top, lost


@kernel()
def region_sums_into(out, labels, label, cells, mean, full, usable, margin):  # type: ignore[no-untyped-def]
    """Sum over the cells of one label, and over usable ones in its bounding box and ``margin``.

    ``out`` (10): count, rows, cols, mean, highest mean, lowest mean, full; around: count, mean,
    mean squared. ``cells``: flat indices in row order, the label's among them.
    """
    rows, cols = labels.shape
    out[:] = 0.0
    top, bottom, left, right = rows, -1, cols, -1
    out[4] = -np.inf
    out[5] = np.inf
    label_of = labels.reshape(labels.size)
    for at in cells:
        if label_of[at] == label:
            r, c = at // cols, at % cols
            top, bottom = min(top, r), max(bottom, r)
            left, right = min(left, c), max(right, c)
            v = mean[r, c]
            out[0] += 1
            out[1] += r
            out[2] += c
            out[3] += v
            out[4] = max(out[4], v)
            out[5] = min(out[5], v)
            out[6] += full[r, c]
    for r in range(max(top - margin, 0), min(bottom + margin + 1, rows)):
        for c in range(max(left - margin, 0), min(right + margin + 1, cols)):
            if labels[r, c] != label and usable[r, c] > 0.5:
                v = mean[r, c]
                out[7] += 1
                out[8] += v
                out[9] += np.float64(v) * v
