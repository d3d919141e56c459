"""White light's noise, planted and told again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sln_guide.core.white_noise import white_noise_into

H, W, CELL_PX = 192, 256, 8
SAMPLES = np.array([16, 32, 16])
LEVELS = (120.0, 70.0, 30.0)
RTOL = 0.3
"""Of a variance, the mean of `SEEDS`: one is off by 0.11 (1 sigma), and edges add 0.1."""
SEEDS = range(8)


def told(
    raw: NDArray[Any], limit: int, phase: tuple[int, int] = (0, 0), *, rgb: bool = False
) -> NDArray[np.float64]:
    """Return variance over light of a single sample of each colour."""
    noise = np.full(3, np.nan)
    white_noise_into(noise, raw, rgb, phase, raw.dtype.type(limit), CELL_PX)
    return noise * SAMPLES


def mean_of(
    frames: list[NDArray[Any]], limit: int, phase: tuple[int, int] = (0, 0), *, rgb: bool = False
) -> NDArray[np.float64]:
    every = np.array([told(raw, limit, phase, rgb=rgb) for raw in frames])
    mean: NDArray[np.float64] = every.mean(axis=0)
    return mean


def as_bytes(counts: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.clip(np.rint(counts), 0, 255).astype(np.uint8)


def scene(seed: int, a_count: float) -> NDArray[np.float64]:
    """(3, H, W) counts of shaded tissue with two instruments; photons of ``a_count`` counts."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:H, 0:W]
    shade = np.exp(0.4 * np.sin(x / 40) * np.cos(y / 30))
    shade[:, 40:60] *= 0.3
    shade[100:104] *= 2.0
    light = np.array(LEVELS)[:, None, None] * shade
    noisy: NDArray[np.float64] = rng.poisson(light / a_count) * a_count
    return noisy


def mosaic_of(rgb: NDArray[np.float64], phase: tuple[int, int]) -> NDArray[np.float64]:
    dy, dx = phase
    mosaic = rgb[1].copy()
    mosaic[dy::2, dx::2] = rgb[0, dy::2, dx::2]
    mosaic[1 - dy :: 2, 1 - dx :: 2] = rgb[2, 1 - dy :: 2, 1 - dx :: 2]
    return mosaic


@pytest.mark.parametrize("phase", [(0, 0), (0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize("a_count", [0.05, 0.2, 0.6])
def test_photons_noise_is_told_whatever_the_pattern(a_count: float, phase: tuple[int, int]) -> None:
    raw = [as_bytes(mosaic_of(scene(seed, a_count), phase)) for seed in SEEDS]
    truth = a_count + (1 / 12) / np.array(LEVELS)
    np.testing.assert_allclose(mean_of(raw, 255, phase), truth, rtol=RTOL)


def test_each_colour_has_noise_of_its_own() -> None:
    """In a pattern read with red and blue exchanged, so are these two."""
    raw = []
    for seed in SEEDS:
        rgb = scene(seed, 0.1)
        rgb[2] = scene(100 + seed, 0.8)[2]
        raw.append(as_bytes(mosaic_of(rgb, (0, 0))))
    np.testing.assert_allclose(mean_of(raw, 255)[[0, 2]], [0.1, 0.8], rtol=RTOL)
    np.testing.assert_allclose(mean_of(raw, 255, (1, 1))[[0, 2]], [0.8, 0.1], rtol=RTOL)


def test_twelve_bits_and_interleaved_colour() -> None:
    counts = [16 * mosaic_of(scene(seed, 0.2), (0, 0)) for seed in SEEDS]
    raw = [np.clip(np.rint(one), 0, 4095).astype(np.uint16) for one in counts]
    np.testing.assert_allclose(mean_of(raw, 4095), 16 * 0.2, rtol=RTOL)
    rgb = [as_bytes(np.moveaxis(scene(seed, 0.3), 0, 2)).reshape(H, -1) for seed in SEEDS]
    np.testing.assert_allclose(mean_of(rgb, 255, rgb=True), 0.3, rtol=RTOL)


def test_what_clips_or_is_black_tells_nothing() -> None:
    assert not told(np.full((H, W), 255, np.uint8), 255).any()
    assert not told(np.zeros((H, W), np.uint8), 255).any()


def test_an_even_frame_has_rounding_noise() -> None:
    np.testing.assert_allclose(told(np.full((H, W), 50, np.uint8), 255), 1 / 12 / 50, rtol=1e-5)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 40), st.integers(2, 40), st.booleans(), st.integers(0, 2**32 - 1))
def test_any_size_has_some_noise_or_none(h: int, w: int, rgb: bool, seed: int) -> None:
    raw = np.random.default_rng(seed).integers(0, 255, (h, 3 * w if rgb else w)).astype(np.uint8)
    for phase in ((0, 0), (1, 1)):
        noise = told(raw, 255, phase, rgb=rgb)
        assert np.isfinite(noise).all()
        assert (noise > 0).all() == (min(h, w) >= 8)
