"""`Pyramid`: blurs of a masked grid over a ladder of sizes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sln_guide.core.grid import (
    blur_into,
    divide_into,
    enlarge_into,
    fill_into,
    gaussian_taps,
    halve_into,
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
            halve = had >= 2.2 * factor and min(shape) >= 8
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
        self._scratch = [np.zeros(g.shape, np.float32) for g in self._rungs]
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
            enlarge_into(full, out, rung.factor)
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
            enlarge_into(self.blurs[k], self._ratio[k], rung.factor)
            source = self._sums[k]
        return self.blurs

    def fill(self, image: NDArray[np.float32], good: NDArray[np.bool_]) -> None:
        """Replace what is not ``good`` by the finest blur that saw enough good cells.

        ``image`` is modified in place and must be the one given to `blur` last.
        """
        fill_into(image, good, self.blurs, self.support)
