"""The observer: how far a place stands out of this tissue's texture, at the sizes nodes have.

Private to `core.analysis`. A channelised Hotelling observer (DOI 10.1364/JOSAA.4.002447): the
image at a place is described by a few isotropic bands; their covariance over the field is the
texture's (and noise's) fingerprint, and the band weights that tell a spot of a given width from
that texture best are ``covariance^-1 @ template``. So the texture's spectrum is measured in each
frame instead of being assumed. The covariance is robust: spots are the outliers it looks for.
"""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray


@nb.njit(nogil=True, cache=True)
def _weighted_covariance_into(out, mean, bands, weight, stride, inverse, cut):  # type: ignore[no-untyped-def]
    """Accumulate mean and covariance of ``bands`` (B, rows, cols) over every ``stride``-th cell.

    A cell whose squared Mahalanobis distance under ``inverse`` exceeds ``cut`` counts for
    ``cut / distance``. Returns the sum of weights.
    """
    count, rows, cols = bands.shape
    v = np.empty(count, np.float64)
    total = 0.0
    first = np.zeros(count, np.float64)
    out[:] = 0.0
    for r in range(stride // 2, rows, stride):
        for c in range(stride // 2, cols, stride):
            w = np.float64(weight[r, c])
            if w < 0.5:
                continue
            for b in range(count):
                v[b] = bands[b, r, c] - mean[b]
            d = 0.0
            for a in range(count):
                row = 0.0
                for b in range(count):
                    row += inverse[a, b] * v[b]
                d += row * v[a]
            if d > cut:
                w *= cut / d
            total += w
            for a in range(count):
                first[a] += w * v[a]
                for b in range(a + 1):
                    out[a, b] += w * v[a] * v[b]
    if total > 0:
        for a in range(count):
            first[a] /= total
        for a in range(count):
            for b in range(a + 1):
                out[a, b] = out[a, b] / total - first[a] * first[b]
                out[b, a] = out[a, b]
            mean[a] += first[a]
    return total


def texture_covariance(
    bands: NDArray[np.float32], weight: NDArray[np.float32], *, stride: int = 2, rounds: int = 4
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return robust (covariance, mean, cells used) of ``bands`` where ``weight`` > 0.5."""
    count = bands.shape[0]
    covariance = np.zeros((count, count))
    mean = np.zeros(count)
    inverse = np.zeros((count, count))
    used = 0.0
    cut = np.inf
    for _ in range(rounds):
        used = _weighted_covariance_into(covariance, mean, bands, weight, stride, inverse, cut)
        if used < 4 * count:
            return covariance, mean, used
        scale = np.trace(covariance) / count
        if not scale > 0:
            return covariance, mean, 0.0
        covariance[np.diag_indices(count)] += 1e-4 * scale
        inverse = np.linalg.inv(covariance)
        cut = float(count)
    # cutting off what lies far out shrinks a covariance: match the median distance instead
    thin = (slice(None), slice(None, None, stride), slice(None, None, stride))
    v = bands[thin].reshape(count, -1)[:, weight[thin[1:]].ravel() > 0.5] - mean[:, None]
    distance = np.einsum("an,ab,bn->n", v, inverse, v)
    covariance *= float(np.median(distance)) / (count * (1 - 2 / (9 * count)) ** 3)
    return covariance, mean, used


@nb.njit(nogil=True, cache=True)
def respond_into(best, which, bands, filters, offsets):  # type: ignore[no-untyped-def]
    """Write the largest response over scales and which scale gave it.

    ``filters`` (S, B) float32; response = filters[s] @ (bands - mean), mean folded in ``offsets``.
    """
    scales, count = filters.shape
    rows, cols = best.shape
    line = np.empty(cols, np.float32)
    for r in range(rows):
        for s in range(scales):
            for c in range(cols):
                line[c] = offsets[s]
            for b in range(count):
                f = filters[s, b]
                band = bands[b, r]
                for c in range(cols):
                    line[c] += f * band[c]
            if s == 0:
                for c in range(cols):
                    best[r, c] = line[c]
                    which[r, c] = 0
            else:
                for c in range(cols):
                    if line[c] > best[r, c]:
                        best[r, c] = line[c]
                        which[r, c] = s


def band_templates(spots: NDArray[np.float64], blurs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (S, B) central band values of Gaussian spots of height 1.

    ``spots`` (S) and ``blurs`` (B) are sigmas in cells; band b is blur b-1 (none before the first)
    minus blur b. A spot of sigma s blurred by t keeps s^2 / (s^2 + t^2) of its height.
    """
    s2 = spots[:, None] ** 2
    kept = s2 / (s2 + np.concatenate([[0.0], blurs])[None, :] ** 2)
    return kept[:, :-1] - kept[:, 1:]
