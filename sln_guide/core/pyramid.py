"""Masked blurs of the grid: `Pyramid` over a ladder of sizes, `Surroundings` over one wide."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sln_guide.core.grid import (
    blur_into,
    divide_into,
    enlarge_into,
    gaussian_taps,
    halve_into,
    shrink_into,
)


@dataclass(frozen=True, eq=False)
class _Rung:
    factor: int
    taps: NDArray[np.float32]
    halve_first: bool
    shape: tuple[int, int]


class Pyramid:
    """Normalised (mask-aware) Gaussian blurs of increasing sigma, each made from the one before.

    ``sigmas`` [cells] rise. From about two cells of its own grid on, a blur is computed on every
    second cell: nothing finer is left in it.
    """

    def __init__(self, rows: int, cols: int, sigmas: tuple[float, ...]) -> None:
        self.sigmas = sigmas
        self._rungs: list[_Rung] = []
        factor, had, shape = 1, 0.0, (rows, cols)
        for sigma in sigmas:
            halve = had >= 1.8 * factor and min(shape) >= 8
            if halve:
                factor *= 2
                shape = (-(-shape[0] // 2), -(-shape[1] // 2))
            more = math.sqrt(sigma**2 - had**2) / factor
            self._rungs.append(_Rung(factor, gaussian_taps(more), halve, shape))
            had = sigma
        self._sums = [np.zeros(g.shape, np.float32) for g in self._rungs]
        self._weights = [np.zeros(g.shape, np.float32) for g in self._rungs]
        self._ratio = [np.zeros(g.shape, np.float32) for g in self._rungs]
        self._half = [np.zeros(g.shape, np.float32) for g in self._rungs]
        self._scratch = [
            np.zeros(
                (g.shape[0] + 2 * (len(g.taps) - 1), g.shape[1] + 2 * (len(g.taps) - 1)), np.float32
            )
            for g in self._rungs
        ]
        self._line = np.zeros(cols + 2, np.float32)
        self._masked = np.zeros((rows, cols), np.float32)
        self.blurs = np.zeros((len(sigmas), rows, cols), np.float32)
        self.support = np.zeros((len(sigmas), rows, cols), np.float32)

    def weigh(self, weight: NDArray[np.float32]) -> None:
        """Blur the mask itself; `blur` then uses it for any number of images."""
        self._weight = weight
        source = weight
        for rung, out, half, scratch, full in zip(
            self._rungs, self._weights, self._half, self._scratch, self.support, strict=True
        ):
            if rung.halve_first:
                halve_into(half, source)
                source = half
            blur_into(out, source, rung.taps, scratch)
            enlarge_into(full, out, rung.factor, self._line)
            source = out

    def blur(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return blurs of ``image`` (B, rows, cols) where it has weight; overwritten next time."""
        np.multiply(image, self._weight, out=self._masked)
        source = self._masked
        for k, rung in enumerate(self._rungs):
            if rung.halve_first:
                halve_into(self._half[k], source)
                source = self._half[k]
            blur_into(self._sums[k], source, rung.taps, self._scratch[k])
            divide_into(self._ratio[k], self._sums[k], self._weights[k])
            enlarge_into(self.blurs[k], self._ratio[k], rung.factor, self._line)
            source = self._sums[k]
        return self.blurs


class Surroundings:
    """The level of the wider surroundings: a masked blur on every fourth cell."""

    _FACTOR = 4

    def __init__(self, rows: int, cols: int, sigma: float) -> None:
        f = self._FACTOR
        shape = (-(-rows // f), -(-cols // f))
        self._taps = gaussian_taps(max(sigma / f, 0.5))
        margin = 2 * (len(self._taps) - 1)
        self._padded = np.zeros((shape[0] + margin, shape[1] + margin), np.float32)
        self._sums, self._weights = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self._sums_blurred = np.zeros(shape, np.float32)
        self._weights_blurred = np.zeros(shape, np.float32)
        self._line = np.zeros(shape[1] + 2, np.float32)
        self._lines = np.zeros((2, f * shape[1]), np.float32)
        self.level = np.zeros((rows, cols), np.float32)

    def blur(self, values: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the blurred level of ``values`` where they have weight; overwritten next time."""
        shrink_into(self._sums, self._weights, values, weight, self._FACTOR, self._lines)
        blur_into(self._sums_blurred, self._sums, self._taps, self._padded)
        blur_into(self._weights_blurred, self._weights, self._taps, self._padded)
        divide_into(self._sums_blurred, self._sums_blurred, self._weights_blurred)
        enlarge_into(self.level, self._sums_blurred, self._FACTOR, self._line)
        return self.level
