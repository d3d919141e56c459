"""Seeded random fields: what tissue is made of between one scale and another."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import fft


def stream(seed: int, *path: int) -> np.random.Generator:
    """Return an own generator for each purpose, so that one more draw here moves nothing there."""
    return np.random.default_rng(np.random.SeedSequence((seed % 2**63, *path)))


def textured_field(
    rng: np.random.Generator,
    shape: tuple[int, int],
    pitch: float,
    sizes: tuple[float, float],
    *,
    domain: float = 8.0,
) -> NDArray[np.float32]:
    """Return a Gaussian random field of ensemble variance 1 between two sizes of feature.

    Its power falls as 1/f**2 (equal variance an octave, as natural pictures have it:
    doi:10.1364/JOSAA.4.002379) between features of ``sizes[0]`` and ``sizes[1]``, a feature being
    half a wavelength, in the unit of ``pitch``; outside it falls off within a third of an octave,
    which adds about a quarter to the variance.

    The field is drawn on a periodic domain at least ``domain`` of its largest features wide and
    cropped, so that small pictures are honest pieces of large ones rather than rescaled.
    """
    coarser = int(sizes[0] / (12.0 * pitch))
    if coarser > 1:  # far finer samples than features: draw them coarser, and interpolate
        small = tuple(n // coarser + 4 for n in shape)
        field = textured_field(rng, (small[0], small[1]), coarser * pitch, sizes, domain=domain)
        down, across = (
            cubic_weights(np.arange(n) / coarser + 1.0, m)
            for n, m in zip(shape, small, strict=True)
        )
        return np.asarray(down @ field @ across.T, dtype=np.float32)
    need = domain * sizes[1] / pitch
    size = tuple(fft.next_fast_len(math.ceil(max(n, need)), real=True) for n in shape)
    fy = np.fft.fftfreq(size[0], pitch).astype(np.float32)[:, None]
    fx = np.fft.rfftfreq(size[1], pitch).astype(np.float32)[None, :]
    f = np.hypot(fy, fx)
    f[0, 0] = 1.0
    octave = np.log2(f)
    low, high = math.log2(0.5 / sizes[1]), math.log2(0.5 / sizes[0])
    outside = np.maximum(np.maximum(low - octave, octave - high), 0.0)
    transfer = np.exp(-0.5 * (outside / 0.33) ** 2) / f
    transfer[0, 0] = 0.0
    # Each inner column of the half spectrum stands for two of the whole one.
    twice = np.full(fx.shape[1], 2.0)
    twice[0] = 1.0
    if size[1] % 2 == 0:
        twice[-1] = 1.0
    within = np.where(outside == 0.0, transfer, 0.0).astype(np.float64)
    variance = float(np.sum(within**2 * twice)) / (size[0] * size[1])
    if variance == 0.0:  # features far smaller than a sample: they average out
        return np.zeros(shape, np.float32)
    white = rng.standard_normal(size, dtype=np.float32)
    spectrum = fft.rfft2(white) * (transfer / np.float32(math.sqrt(variance)))
    field = fft.irfft2(spectrum, size)[: shape[0], : shape[1]]
    return np.ascontiguousarray(field, dtype=np.float32)


def cubic_weights(at: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Return (len(at), size) Catmull-Rom weights; positions beyond the ends give zero."""
    weights = np.zeros((at.size, size))
    base = np.floor(at).astype(np.int64)
    t = at - base
    taps = (
        0.5 * (-t + 2 * t**2 - t**3),
        0.5 * (2 - 5 * t**2 + 3 * t**3),
        0.5 * (t + 4 * t**2 - 3 * t**3),
        0.5 * (-(t**2) + t**3),
    )
    rows = np.arange(at.size)
    for offset, tap in zip((-1, 0, 1, 2), taps, strict=True):
        column = base + offset
        inside = (column >= 0) & (column < size)
        weights[rows[inside], column[inside]] += tap[inside]
    return weights


def lobules(
    rng: np.random.Generator, shape: tuple[int, int], size: float, warp: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the height in [0, 1] of round lumps about ``size`` px wide, furrows between at 0.

    Distance to the nearest and second nearest of jittered points (Worley's cellular noise),
    displaced by ``warp`` (H, W) px so that furrows wander.
    """
    rows, columns = math.ceil(shape[0] / size) + 4, math.ceil(shape[1] / size) + 4
    jitter = rng.uniform(0.0, 1.0, (rows, columns, 2)).astype(np.float32)
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    x = (x + warp) / np.float32(size) + 2.0
    y = (y - 0.7 * warp) / np.float32(size) + 2.0
    cx, cy = np.floor(x).astype(int), np.floor(y).astype(int)
    nearest = np.full(shape, 9.0, np.float32)
    second = np.full(shape, 9.0, np.float32)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            gy, gx = np.clip(cy + dy, 0, rows - 1), np.clip(cx + dx, 0, columns - 1)
            d = np.hypot(gx + jitter[gy, gx, 0] - x, gy + jitter[gy, gx, 1] - y)
            second = np.minimum(second, np.maximum(nearest, d))
            nearest = np.minimum(nearest, d)
    return np.asarray(np.sqrt(np.clip((second - nearest) / 0.7, 0.0, 1.0)), dtype=np.float32)
