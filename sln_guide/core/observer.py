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


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _gather_into(samples, bands, weight, stride):  # type: ignore[no-untyped-def]
    """Copy every ``stride``-th usable cell of ``bands`` into columns; return how many."""
    count, rows, cols = bands.shape
    n = 0
    for r in range(stride // 2, rows, stride):
        for c in range(stride // 2, cols, stride):
            if weight[r, c] > np.float32(0.5):
                for b in range(count):
                    samples[b, n] = bands[b, r, c]
                n += 1
    return n


@nb.njit(
    nogil=True,
    cache=True,
    error_model="numpy",
    fastmath={"reassoc", "nsz", "contract", "nnan", "ninf"},
)
def _dot_3(w, x, y, n):  # type: ignore[no-untyped-def]
    total = np.float32(0)
    for i in range(n):
        total += w[i] * x[i] * y[i]
    return total


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _invert_into(inverse, matrix):  # type: ignore[no-untyped-def]
    """Invert a symmetric positive matrix by Gauss-Jordan elimination; False: it is singular."""
    count = matrix.shape[0]
    work = matrix.copy()
    inverse[:] = 0.0
    for i in range(count):
        inverse[i, i] = 1.0
    for i in range(count):
        pivot = work[i, i]
        if not pivot > 0.0:
            return False
        for k in range(count):
            work[i, k] /= pivot
            inverse[i, k] /= pivot
        for j in range(count):
            if j != i:
                f = work[j, i]
                for k in range(count):
                    work[j, k] -= f * work[i, k]
                    inverse[j, k] -= f * inverse[i, k]
    return True


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _robust_covariance_into(covariance, samples, n, weight, distance, rounds):  # type: ignore[no-untyped-def]
    """Write the M-estimate; ``distance`` [:n] of the last round. False: there is no spread."""
    count = samples.shape[0]
    inverse = np.zeros((count, count))
    cut = np.float32(count)
    for i in range(n):
        weight[i] = np.float32(1)
    for _ in range(rounds):
        total = 0.0
        for i in range(n):
            total += weight[i]
        scale = 0.0
        for a in range(count):
            for b in range(a + 1):
                value = _dot_3(weight, samples[a], samples[b], n) / total
                covariance[a, b] = value
                covariance[b, a] = value
            scale += covariance[a, a] / count
        for a in range(count):
            covariance[a, a] += 1e-4 * scale
        if not _invert_into(inverse, covariance):
            return False
        for i in range(n):
            distance[i] = np.float32(0)
        for a in range(count):
            x = samples[a]
            for b in range(a + 1):
                f = np.float32(inverse[a, b] * (1.0 if a == b else 2.0))
                y = samples[b]
                for i in range(n):
                    distance[i] += f * x[i] * y[i]
        for i in range(n):
            d = distance[i]
            weight[i] = cut / d if d > cut else np.float32(1)
    return True


class TextureStatistics:
    """Robust covariance of bands over a field: a workspace for one grid and number of bands."""

    _STRIDE = 3
    _ROUNDS = 4

    def __init__(self, count: int, rows: int, cols: int) -> None:
        self._stride = self._STRIDE if min(rows, cols) >= 48 else 1
        most = (-(-rows // self._stride)) * (-(-cols // self._stride))
        self._samples = np.zeros((count, most), np.float32)
        self._weight = np.ones(most, np.float32)
        self._distance = np.zeros(most, np.float32)

    def covariance(
        self, bands: NDArray[np.float32], weight: NDArray[np.float32]
    ) -> NDArray[np.float64] | None:
        """Return the (B, B) covariance of (B, rows, cols) about 0; None: too few cells.

        An M-estimator: cells farther out than the number of bands count less; its scale is then
        set by the median distance, because cutting off what lies far out shrinks a covariance.
        Bands are differences of blurs, so that 0 is their mean by construction.
        """
        count = bands.shape[0]
        n = _gather_into(self._samples, bands, weight, self._stride)
        if n < 8 * count:
            return None
        covariance = np.zeros((count, count))
        distance = self._distance
        if not _robust_covariance_into(
            covariance, self._samples, n, self._weight, distance, self._ROUNDS
        ):
            return None
        median_of_chi_squared = count * (1 - 2 / (9 * count)) ** 3
        covariance *= float(np.median(distance[:n])) / median_of_chi_squared
        return covariance


@nb.njit(nogil=True, cache=True, error_model="numpy")
def respond_into(best, which, bands, filters):  # type: ignore[no-untyped-def]
    """Write the largest response over scales, ``filters`` (S, B) @ bands, and which gave it."""
    scales, count = filters.shape
    rows, cols = best.shape
    line = np.empty(cols, np.float32)
    for r in range(rows):
        for s in range(scales):
            for c in range(cols):
                line[c] = np.float32(0)
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
    values: NDArray[np.float64] = kept[:, :-1] - kept[:, 1:]
    return values
