"""`ColourPrior`: how far colour explains the NIR background; `Trend`: what the lamp explains.

Leakage and shading are reflectance, and colour sees them. One robust regression a frame, of band-
passed log NIR on the band-passed logs of red, green and blue: global and stiff, so that it cannot
explain a node away, and blind to bright residuals, which may be nodes.
"""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

from sln_guide.core.field import Geometry
from sln_guide.core.grid import (
    blur_into,
    divide_into,
    fill_into,
    gaussian_taps,
    log_into,
    shrink_into,
)

_FACTOR = 2
_ROUNDS = 4
_RIDGE = 0.005
"""Share of colour's variance below which a direction of colour is not trusted."""


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _solve_3(a, b, out):  # type: ignore[no-untyped-def]
    """Solve a symmetric positive 3 x 3 system by elimination; ``a`` and ``b`` are used up."""
    for i in range(3):
        for j in range(i + 1, 3):
            f = a[j, i] / a[i, i]
            for k in range(i, 3):
                a[j, k] -= f * a[i, k]
            b[j] -= f * b[i]
    for i in range(2, -1, -1):
        t = b[i]
        for k in range(i + 1, 3):
            t -= a[i, k] * out[k]
        out[i] = t / a[i, i]


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _gather_bands(y, x, blurs, support, stride):  # type: ignore[no-untyped-def]
    """Gather band differences of NIR (y) and colours (x), each band in units of NIR's spread.

    ``blurs`` (images, levels, rows, cols), NIR first. Returns how many samples there are.
    """
    _, levels, rows, cols = blurs.shape
    n = 0
    for k in range(levels - 1):
        start = n
        for r in range(0, rows, stride):
            for c in range(0, cols, stride):
                if support[r, c] < np.float32(0.9):
                    continue
                y[n] = blurs[0, k, r, c] - blurs[0, k + 1, r, c]
                for i in range(3):
                    x[i, n] = blurs[i + 1, k, r, c] - blurs[i + 1, k + 1, r, c]
                n += 1
        if n > start:
            scale = np.float32(1.0) / np.float32(np.median(np.abs(y[start:n])) + 1e-9)
            for m in range(start, n):
                y[m] *= scale
                for i in range(3):
                    x[i, m] *= scale
    return n


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _leverage_into(weight, x, n):  # type: ignore[no-untyped-def]
    """Weigh samples down whose colour is unlike the field's: 3 / squared Mahalanobis distance.

    What is dyed or fatty differs in a direction in which tissue hardly varies; given full weight,
    it alone would decide there, and a stained node would explain its own light.
    """
    a = np.zeros((3, 3))
    inverse = np.zeros((3, 3))
    unit = np.zeros(3)
    work = np.zeros((3, 3))
    for m in range(n):
        weight[m] = 1.0
    for _ in range(3):
        a[:] = 0.0
        total = 0.0
        for m in range(n):
            w = weight[m]
            total += w
            for i in range(3):
                for j in range(i + 1):
                    a[i, j] += w * x[i, m] * x[j, m]
        for i in range(3):
            for j in range(i):
                a[j, i] = a[i, j]
        trace = a[0, 0] + a[1, 1] + a[2, 2]
        for i in range(3):
            for j in range(3):
                a[i, j] /= total
            a[i, i] += 1e-4 * trace / total + 1e-12
        for i in range(3):
            work[:] = a
            unit[:] = 0.0
            unit[i] = 1.0
            _solve_3(work, unit, inverse[i])
        for m in range(n):
            p, q, r = x[0, m], x[1, m], x[2, m]
            d = inverse[0, 0] * p * p + inverse[1, 1] * q * q + inverse[2, 2] * r * r
            d += 2.0 * (inverse[0, 1] * p * q + inverse[0, 2] * p * r + inverse[1, 2] * q * r)
            weight[m] = min(1.0, 3.0 / max(d, 1e-12))


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _regress_into(beta, y, x, n, residual, leverage):  # type: ignore[no-untyped-def]
    """Robust least squares of y on three x: bounded influence of odd colours and odd light.

    Positive residuals, which may be nodes, count less than negative ones.
    """
    a = np.zeros((3, 3))
    b = np.zeros(3)
    spread = np.inf
    beta[:] = 0.0
    _leverage_into(leverage, x, n)
    for turn in range(_ROUNDS):
        a[:] = 0.0
        b[:] = 0.0
        for m in range(n):
            e = residual[m] / spread if turn > 0 else 0.0
            w = leverage[m]
            if e > 1.0:
                w /= e * e
            elif e < -2.0:
                w *= -2.0 / e
            for i in range(3):
                b[i] += w * x[i, m] * y[m]
                for j in range(i + 1):
                    a[i, j] += w * x[i, m] * x[j, m]
        for i in range(3):
            for j in range(i):
                a[j, i] = a[i, j]
        ridge = _RIDGE * (a[0, 0] + a[1, 1] + a[2, 2]) / 3.0 + 1e-9 * n
        for i in range(3):
            a[i, i] += ridge
        _solve_3(a, b, beta)
        for m in range(n):
            residual[m] = y[m] - beta[0] * x[0, m] - beta[1] * x[1, m] - beta[2] * x[2, m]
        spread = 1.4826 * np.median(np.abs(residual[:n])) + 1e-9


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _combine_into(out, logs, beta):  # type: ignore[no-untyped-def]
    b0, b1, b2 = np.float32(beta[0]), np.float32(beta[1]), np.float32(beta[2])
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            out[r, c] = b0 * logs[0, r, c] + b1 * logs[1, r, c] + b2 * logs[2, r, c]


class ColourPrior:
    """Predicts log NIR from colour, on one grid.

    ``prediction`` (rows, cols) float32 is what `fit` found, up to a constant.
    """

    def __init__(self, geometry: Geometry) -> None:
        rows, cols = geometry.rows, geometry.cols
        spots = geometry.spot_sigmas
        self._half = half = (-(-rows // _FACTOR), -(-cols // _FACTOR))
        steps, had = [], 0.0
        for sigma in (0.9 * spots[0], 0.9 * spots[2], 0.9 * spots[3]):
            more = float(np.sqrt(sigma**2 - had**2)) / _FACTOR
            taps = gaussian_taps(more)
            margin = 2 * (len(taps) - 1)
            steps.append((taps, np.zeros((half[0] + margin, half[1] + margin), np.float32)))
            had = sigma
        self._steps = steps
        self.logs = np.zeros((3, rows, cols), np.float32)
        self._sums = np.zeros((len(steps) + 1, *half), np.float32)
        self._weights = np.zeros((len(steps) + 1, *half), np.float32)
        self._blurs = np.zeros((4, len(steps), *half), np.float32)
        most = (len(steps) - 1) * (-(-half[0] // 2)) * (-(-half[1] // 2))
        self._y, self._x = np.zeros(most, np.float32), np.zeros((3, most), np.float32)
        self._residual, self._leverage = np.zeros(most), np.zeros(most)
        self._beta = np.zeros(3)
        self._lines = np.zeros((2, _FACTOR * half[1]), np.float32)
        self.prediction = np.zeros((rows, cols), np.float32)

    def fit(
        self, log_nir: NDArray[np.float32], colour: NDArray[np.float32], good: NDArray[np.float32]
    ) -> bool:
        """Fill `prediction`; return False, and zeros, where too little is ``good`` to tell.

        ``colour`` (3, rows, cols) counts. Under what is not good (a reflection, a place outside
        the registered field) the colour of the surroundings is taken.
        """
        for k in range(3):
            level = float(colour[k, ::8, ::8].mean())
            log_into(self.logs[k], colour[k], np.float32(max(0.02 * level, 1e-3)))
        for i, image in enumerate((log_nir, *self.logs)):
            shrink_into(self._sums[0], self._weights[0], image, good, _FACTOR, self._lines)
            for k, (taps, padded) in enumerate(self._steps):
                blur_into(self._sums[k + 1], self._sums[k], taps, padded)
                if i == 0:
                    blur_into(self._weights[k + 1], self._weights[k], taps, padded)
                divide_into(self._blurs[i, k], self._sums[k + 1], self._weights[k + 1])
        n = _gather_bands(self._y, self._x, self._blurs, self._weights[0], 2)
        if n < 64:
            self.prediction[:] = 0.0
            return False
        _regress_into(self._beta, self._y, self._x, n, self._residual, self._leverage)
        for k in range(3):
            fill_into(self.logs[k], good, self._blurs[k + 1], self._weights[1:], _FACTOR)
        _combine_into(self.prediction, self.logs, self._beta)
        return True


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _place(shapes, r, c, rows, cols):  # type: ignore[no-untyped-def]
    v = 2.0 * r / max(rows - 1, 1) - 1.0
    u = 2.0 * c / max(cols - 1, 1) - 1.0
    shapes[0] = 1.0
    shapes[1] = u
    shapes[2] = v
    shapes[3] = u * u
    shapes[4] = u * v
    shapes[5] = v * v


@nb.njit(nogil=True, cache=True, error_model="numpy")
def trend_sums_into(normal, right, errors, image, prediction, weight, beta, spread, stride):  # type: ignore[no-untyped-def]
    """Accumulate the normal equations of a paraboloid; write |error| of the last fit.

    ``spread`` <= 0: every cell counts alike. Returns how many cells were used.
    """
    rows, cols = image.shape
    shapes = np.empty(6)
    normal[:] = 0.0
    right[:] = 0.0
    n = 0
    for r in range(stride // 2, rows, stride):
        for c in range(stride // 2, cols, stride):
            if weight[r, c] < np.float32(0.5):
                continue
            _place(shapes, r, c, rows, cols)
            value = image[r, c] - prediction[r, c]
            w = 1.0
            error = value
            for i in range(6):
                error -= beta[i] * shapes[i]
            errors[n] = abs(error)
            n += 1
            if spread > 0 and abs(error) > spread:
                w = spread / abs(error)
            for i in range(6):
                ws = w * shapes[i]
                right[i] += ws * value
                for j in range(i + 1):
                    normal[i, j] += ws * shapes[j]
    for i in range(6):
        for j in range(i):
            normal[j, i] = normal[i, j]
    return n


@nb.njit(nogil=True, cache=True, error_model="numpy")
def residual_into(residual, trend, image, prediction, beta):  # type: ignore[no-untyped-def]
    """Write the paraboloid, and what it and ``prediction`` leave of ``image``."""
    rows, cols = image.shape
    b = beta.astype(np.float32)
    for r in range(rows):
        v = np.float32(2.0 * r / max(rows - 1, 1) - 1.0)
        base = b[0] + b[2] * v + b[5] * v * v
        slope = b[1] + b[4] * v
        step = np.float32(2.0 / max(cols - 1, 1))
        for c in range(cols):
            u = np.float32(c) * step - np.float32(1.0)
            t = base + slope * u + b[3] * u * u
            trend[r, c] = t
            residual[r, c] = image[r, c] - prediction[r, c] - t


class Trend:
    """Takes a robust paraboloid off: fall-off of light, the widest of shading."""

    def __init__(self, rows: int, cols: int) -> None:
        self._stride = 4 if min(rows, cols) >= 24 else 1
        self._errors = np.zeros(rows * cols)
        self._normal, self._right = np.zeros((6, 6)), np.zeros(6)
        self.trend = np.zeros((rows, cols), np.float32)
        self.residual = np.zeros((rows, cols), np.float32)

    def take_off(
        self,
        image: NDArray[np.float32],
        prediction: NDArray[np.float32],
        weight: NDArray[np.float32],
    ) -> None:
        """Fill `trend` and `residual` = image - prediction - trend."""
        beta = np.zeros(6)
        spread = 0.0
        for turn in range(4):
            n = trend_sums_into(
                self._normal,
                self._right,
                self._errors,
                image,
                prediction,
                weight,
                beta,
                spread,
                self._stride,
            )
            if turn > 0 and n > 0:
                spread = 1.5 * 1.4826 * float(np.median(self._errors[:n])) + 1e-9
            ridge = 1e-6 * max(n, 1)
            beta = np.linalg.solve(self._normal + ridge * np.eye(6), self._right)
        residual_into(self.residual, self.trend, image, prediction, beta)
