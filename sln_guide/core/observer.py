"""The observer: how far a place stands out of this tissue's texture, at the sizes nodes have.

Private to `core.analysis`. A channelised Hotelling observer (DOI 10.1364/JOSAA.4.002447): the
image at a place is described by a few isotropic bands; their covariance over the field is the
texture's (and noise's) fingerprint, and the band weights that tell a spot of a given width from
that texture best are ``covariance^-1 @ template``. So the texture's spectrum is measured in each
frame instead of being assumed. The covariance is robust: spots are the outliers it looks for.

Bands are what is left of the residual by the finest blur, and differences of blurs.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sln_guide.core.grid import keep_larger
from sln_guide.core.kernel import kernel
from sln_guide.core.least_squares import distance_into, invert_into, normal_into, total_of
from sln_guide.core.order import select
from sln_guide.core.pyramid import pyramid_into, surroundings_into

_ROUNDS = 4


class Observer(NamedTuple):
    """Workspace for B bands and S spot sizes on one grid.

    ``sizes`` (S, rows, cols) float32 significance as a spot of each size, ``local`` the largest of
    them, ``spread`` how much livelier texture is here than over the field, at least 1.
    ``templates``, ``filters`` (S, B) float64, ``sharpness`` (S): significance of a spot of
    height 1 before ``trials`` (S) weigh the sizes.
    """

    local: NDArray[np.float32]
    sizes: NDArray[np.float32]
    spread: NDArray[np.float32]
    size: NDArray[np.float32]
    calm: NDArray[np.float32]
    stride: int
    samples: NDArray[np.float32]
    weight: NDArray[np.float32]
    distance: NDArray[np.float32]
    covariance: NDArray[np.float64]
    inverse: NDArray[np.float64]
    templates: NDArray[np.float64]
    trials: NDArray[np.float64]
    filters: NDArray[np.float64]
    sharpness: NDArray[np.float64]
    bands: NDArray[np.float32]


def observer(
    rows: int, cols: int, templates: NDArray[np.float64], trials: NDArray[np.float64]
) -> Observer:
    """Make the workspace."""
    scales, bands = templates.shape
    stride = 3 if min(rows, cols) >= 48 else 1
    most = (-(-rows // stride)) * (-(-cols // stride))

    def grid() -> NDArray[np.float32]:
        return np.zeros((rows, cols), np.float32)

    return Observer(
        grid(),
        np.zeros((scales, rows, cols), np.float32),
        grid(),
        grid(),
        grid(),
        stride,
        np.zeros((bands, most), np.float32),
        np.zeros(most, np.float32),
        np.zeros(most, np.float32),
        np.zeros((bands, bands)),
        np.zeros((bands, bands)),
        templates,
        trials,
        np.zeros((scales, bands)),
        np.zeros(scales),
        np.zeros((bands, cols), np.float32),
    )


@kernel(error_model="numpy")
def _gather_into(samples, residual, blurs, weight, stride):  # type: ignore[no-untyped-def]
    """Copy the bands of every ``stride``-th usable cell into columns; return how many."""
    count, rows, cols = blurs.shape
    n = 0
    for r in range(stride // 2, rows, stride):
        for c in range(stride // 2, cols, stride):
            if weight[r, c] > np.float32(0.5):
                before = residual[r, c]
                for b in range(count):
                    here = blurs[b, r, c]
                    samples[b, n] = before - here
                    before = here
                n += 1
    return n


@kernel(error_model="numpy")
def covariance_into(o, n):  # type: ignore[no-untyped-def]
    """Write the covariance of the first ``n`` samples about 0, and its inverse; False: none.

    An M-estimator: samples farther out than the number of bands count less; its scale is then
    set by the median distance, because cutting off what lies far out shrinks a covariance.
    Bands are differences of blurs, so that 0 is their mean by construction.
    """
    count = o.samples.shape[0]
    if n < 8 * count:
        return False
    weight, distance = o.weight, o.distance
    cut = np.float32(count)
    for i in range(n):
        weight[i] = np.float32(1)
    for _ in range(_ROUNDS):
        normal_into(o.covariance, weight, o.samples, n)
        total = float(total_of(weight[:n]))
        scale = 0.0
        for a in range(count):
            for b in range(count):
                o.covariance[a, b] /= total
            scale += o.covariance[a, a] / count
        for a in range(count):
            o.covariance[a, a] += 1e-4 * scale
        if not invert_into(o.inverse, o.covariance):
            return False
        distance_into(distance, o.inverse, o.samples, n)
        for i in range(n):
            d = distance[i]
            weight[i] = cut / (d if d > cut else cut)
    median_of_chi_squared = count * (1 - 2 / (9 * count)) ** 3
    scale = float(select(distance, n, n // 2)) / median_of_chi_squared
    if not scale > 0.0:
        return False
    for a in range(count):
        for b in range(count):
            o.covariance[a, b] *= scale
            o.inverse[a, b] /= scale
    return True


@kernel(error_model="numpy")
def _make_filters(o):  # type: ignore[no-untyped-def]
    """Write the best filter for each spot size, in sigma, weighed by how many places there are."""
    scales, count = o.templates.shape
    for s in range(scales):
        power = 0.0
        for b in range(count):
            f = 0.0
            for a in range(count):
                f += o.templates[s, a] * o.inverse[a, b]
            o.filters[s, b] = f
            power += f * o.templates[s, b]
        o.sharpness[s] = math.sqrt(power)
        for b in range(count):
            o.filters[s, b] *= o.trials[s] / o.sharpness[s]


@kernel(error_model="numpy")
def _subtract(out, a, b):  # type: ignore[no-untyped-def]
    for c in range(out.shape[0]):
        out[c] = a[c] - b[c]


@kernel(error_model="numpy")
def _mix_6(line, bands, f):  # type: ignore[no-untyped-def]
    a, b, c, d, e, g = bands[0], bands[1], bands[2], bands[3], bands[4], bands[5]
    f0, f1, f2 = np.float32(f[0]), np.float32(f[1]), np.float32(f[2])
    f3, f4, f5 = np.float32(f[3]), np.float32(f[4]), np.float32(f[5])
    for i in range(line.shape[0]):
        line[i] = f0 * a[i] + f1 * b[i] + f2 * c[i] + f3 * d[i] + f4 * e[i] + f5 * g[i]


@kernel(error_model="numpy")
def respond_into(best, sizes, residual, blurs, filters, bands):  # type: ignore[no-untyped-def]
    """Write the response of each spot size (S, rows, cols), and the largest of them.

    ``filters`` (S, 6); ``bands`` (6, cols) is a workspace.
    """
    count, rows, cols = blurs.shape
    for r in range(rows):
        _subtract(bands[0], residual[r], blurs[0, r])
        for b in range(1, count):
            _subtract(bands[b], blurs[b - 1, r], blurs[b, r])
        _mix_6(best[r], bands, filters[0])
        for c in range(cols):
            sizes[0, r, c] = best[r, c]
        for s in range(1, filters.shape[0]):
            _mix_6(sizes[s, r], bands, filters[s])
            keep_larger(best[r], sizes[s, r])


@kernel(error_model="numpy")
def _scale(line, factor):  # type: ignore[no-untyped-def]
    for c in range(line.shape[0]):
        line[c] *= factor[c]


@kernel(error_model="numpy")
def _weigh_by_liveliness(o, around, usable):  # type: ignore[no-untyped-def]
    """Divide responses by how much livelier texture is here than over the field.

    From the mean size of responses in the wider surroundings, bright spots left out.
    """
    rows, cols = o.local.shape
    total, n = o.bands[0], o.bands[1]
    total[:] = np.float32(0)
    n[:] = np.float32(0)
    for r in range(rows):
        local, u, size, calm = o.local[r], usable[r], o.size[r], o.calm[r]
        for c in range(cols):
            v = local[c] * u[c]
            a = v if v > np.float32(0) else -v
            size[c] = a if a < np.float32(3) else np.float32(3)
            kept = (u[c] > np.float32(0.5)) & (v < np.float32(2))
            calm[c] = np.float32(1) if kept else np.float32(0)
            local[c] = v
        for c in range(cols):  # by columns: a sum in one variable is no SIMD
            total[c] += size[c] * calm[c]
            n[c] += calm[c]
    mean = total_of(total) / max(total_of(n), np.float32(1))
    surroundings_into(o.spread, around, o.size, o.calm)
    unit = np.float32(1) / max(mean, np.float32(1e-6))
    share = o.bands[0]
    for r in range(rows):
        spread, u = o.spread[r], usable[r]
        for c in range(cols):
            s = spread[c] * unit
            s = s if s > np.float32(1) else np.float32(1)
            spread[c] = s
            share[c] = u[c] / s
        _scale(o.local[r], share)
        for k in range(o.sizes.shape[0]):
            _scale(o.sizes[k, r], share)


@kernel(error_model="numpy")
def settle_into(o, told, usable):  # type: ignore[no-untyped-def]
    """Weigh places that are not ``told`` by how lively they are by themselves.

    The filters are made for the field. Where it is known what tissue looked like before, little is
    left but noise; where that is not known, texture is left, of another spectrum.
    """
    rows, cols = o.local.shape
    sizes = o.size.reshape(rows * cols)
    n = 0
    for r in range(rows):
        for c in range(cols):
            if told[r, c] < np.float32(0.5) and usable[r, c] > np.float32(0.5):
                sizes[n] = abs(o.local[r, c])
                n += 1
    if n == 0:
        return
    scale = np.float32(select(sizes, n, n // 2) / 0.6745)
    if scale <= np.float32(1):
        return
    for r in range(rows):
        for c in range(cols):
            if told[r, c] < np.float32(0.5):
                o.local[r, c] /= scale
                o.spread[r, c] *= scale
                for k in range(o.sizes.shape[0]):
                    o.sizes[k, r, c] /= scale


@kernel(error_model="numpy")
def temper_into(o, tail):  # type: ignore[no-untyped-def]
    """Take significance for as much less as lumps reach farther out than usual, by ``tail``."""
    if tail <= 1.0:
        return
    share = np.float32(1.0 / tail)
    for r in range(o.local.shape[0]):
        for c in range(o.local.shape[1]):
            o.local[r, c] *= share
            o.spread[r, c] *= np.float32(tail)
        for k in range(o.sizes.shape[0]):
            for c in range(o.local.shape[1]):
                o.sizes[k, r, c] *= share


@kernel(error_model="numpy")
def observe_into(o, pyramid, around, residual, usable):  # type: ignore[no-untyped-def]
    """Fill `Observer.local`, ``sizes`` and ``spread``; False: too little of the field is usable."""
    pyramid_into(pyramid, residual, usable)
    n = _gather_into(o.samples, residual, pyramid.blurs, usable, o.stride)
    if not covariance_into(o, n):
        return False
    _make_filters(o)
    respond_into(o.local, o.sizes, residual, pyramid.blurs, o.filters, o.bands)
    _weigh_by_liveliness(o, around, usable)
    return True


def band_templates(spots: NDArray[np.float64], blurs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (S, B) central band values of Gaussian spots of height 1.

    ``spots`` (S) and ``blurs`` (B) are sigmas in cells; band b is blur b-1 (none before the first)
    minus blur b. A spot of sigma s blurred by t keeps s^2 / (s^2 + t^2) of its height.
    """
    s2 = spots[:, None] ** 2
    kept = s2 / (s2 + np.concatenate([[0.0], blurs])[None, :] ** 2)
    values: NDArray[np.float64] = kept[:, :-1] - kept[:, 1:]
    return values
