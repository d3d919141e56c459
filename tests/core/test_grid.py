"""Kernels on the coarse grid, held against NumPy and SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from sln_guide.core.grid import (
    SPLINE_VARIANCE,
    blur_into,
    divide_into,
    enlarge_into,
    exp_into,
    fill_into,
    gaussian_taps,
    halve_into,
    log_into,
    padded_for,
    shrink_into,
    spline_weights,
)
from sln_guide.core.pyramid import (
    pyramid,
    pyramid_into,
    support_at,
    surroundings,
    surroundings_into,
)

Image = NDArray[np.float32]
SIZES = st.tuples(st.integers(1, 40), st.integers(1, 50))
SEEDS = st.integers(0, 2**32 - 1)


def image_of(seed: int, shape: tuple[int, int]) -> Image:
    return np.random.default_rng(seed).normal(0, 3, shape).astype(np.float32)


def mask_of(seed: int, shape: tuple[int, int]) -> Image:
    smooth = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 4)
    return (smooth > np.quantile(smooth, 0.3)).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(SEEDS, SIZES, st.floats(1e-3, 1e3), st.floats(-2, 5))
def test_logarithm(seed: int, shape: tuple[int, int], floor: float, decades: float) -> None:
    values = (image_of(seed, shape) * np.float32(10**decades)).astype(np.float32)
    out, least = np.empty_like(values), np.float32(floor)
    log_into(out, values, least)
    true = np.log(np.maximum(values + least, np.float32(0.3) * least).astype(np.float64))
    np.testing.assert_allclose(out, true, rtol=4e-7, atol=4e-7)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-200, 200, width=32), min_size=1, max_size=3000), st.booleans())
def test_exponential(values: list[float], in_place: bool) -> None:
    given_ = np.array(values, np.float32)
    true = np.exp(np.clip(given_.astype(np.float64), -80, 80))
    out = given_ if in_place else np.empty_like(given_)
    exp_into(out, given_)
    np.testing.assert_allclose(out, true, rtol=4e-7)


@settings(max_examples=40, deadline=None)
@given(SEEDS, SIZES, st.floats(0.2, 12))
def test_blur(seed: int, shape: tuple[int, int], sigma: float) -> None:
    image, taps = image_of(seed, shape), gaussian_taps(sigma)
    assert taps[0] + 2 * taps[1:].sum() == pytest.approx(1.0, abs=1e-6)
    out, padded = np.empty_like(image), padded_for(shape, taps, gaussian_taps(3.0))
    for source in (image[::-1].copy(), image):  # nothing is left of the one before
        blur_into(out, source, taps, padded)
    whole = np.concatenate([taps[:0:-1], taps]).astype(np.float64)
    true = image.astype(np.float64)
    for axis in (0, 1):
        true = ndimage.correlate1d(true, whole, axis, mode="constant")
    np.testing.assert_allclose(out, true, atol=1e-5)


def test_a_blur_is_gaussian() -> None:
    image = np.zeros((61, 61), np.float32)
    image[30, 30] = 1
    out, taps = np.empty_like(image), gaussian_taps(4.0)
    blur_into(out, image, taps, padded_for(image.shape, taps))
    true = ndimage.gaussian_filter(image.astype(np.float64), 4.0, mode="constant", truncate=8)
    np.testing.assert_allclose(out, true, atol=0.01 * true.max())  # cut at three sigma


@settings(max_examples=40, deadline=None)
@given(SEEDS, SIZES, st.sampled_from([2, 4]))
def test_shrinking_is_the_mean_over_squares(seed: int, shape: tuple[int, int], factor: int) -> None:
    image, weight = image_of(seed, shape), mask_of(seed + 1, shape)
    small = (-(-shape[0] // factor), -(-shape[1] // factor))
    padded = np.zeros((small[0] * factor, small[1] * factor))
    padded[: shape[0], : shape[1]] = image * weight
    true = padded.reshape(small[0], factor, small[1], factor).mean(axis=(1, 3))
    # the workspace is as wide as the source where that is wider than whole squares
    out, line = np.empty(small, np.float32), np.empty(factor * small[1], np.float32)
    shrink_into(out, image, weight, factor, line)
    np.testing.assert_allclose(out, true, atol=2e-6)


@settings(max_examples=40, deadline=None)
@given(SEEDS, SIZES, st.sampled_from([1, 2, 4, 8]))
def test_enlarging_is_a_cubic_spline(seed: int, shape: tuple[int, int], factor: int) -> None:
    small = (-(-shape[0] // factor), -(-shape[1] // factor))
    source = image_of(seed, small)
    out = np.empty(shape, np.float32)
    lines = np.full((5, shape[1] + 3), np.nan, np.float32)
    enlarge_into(out, source, factor, spline_weights(factor), lines)
    points = np.pad(source.astype(np.float64), 2, mode="edge")
    places = np.indices(shape) / factor + 2
    # scipy is given control points, as they are: it filters nothing first
    true = ndimage.map_coordinates(points, places, order=3, prefilter=False, mode="nearest")
    np.testing.assert_allclose(out, true, atol=1e-5)


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_enlarging_blurs_every_cell_alike(factor: int) -> None:
    """A parabola gains the same everywhere: half of its curvature times the spline's variance."""
    x = np.arange(12.0) * factor
    source = np.tile(0.5 * x**2, (12, 1)).astype(np.float32)
    out = np.empty((8, 8 * factor), np.float32)
    enlarge_into(out, source, factor, spline_weights(factor), np.empty((5, 80), np.float32))
    within = np.arange(factor, 8 * factor)
    gained = out[4, within] - 0.5 * within**2
    np.testing.assert_allclose(gained, 0.5 * SPLINE_VARIANCE * factor**2, rtol=1e-4)


@pytest.mark.parametrize("finest", np.linspace(0.8, 4.0, 33).tolist())
def test_the_spline_leaves_something_for_the_taps(finest: float) -> None:
    """Even where one blur is hardly wider than the next: nodes of nearly one size are expected."""
    low = max(0.7 * finest, 0.8)
    ladder = tuple((low * (1.8 * 1.2 * max(finest, 1.0) / low) ** (np.arange(6) / 5)).tolist())
    assert pyramid(64, 64, ladder).blurs.shape == (6, 64, 64)


@settings(max_examples=30, deadline=None)
@given(SEEDS, SIZES)
def test_halving_and_dividing(seed: int, shape: tuple[int, int]) -> None:
    image, weight = image_of(seed, shape), np.abs(image_of(seed + 1, shape))
    weight[weight < 1] = 0
    half = np.empty((shape[0] // 2 + 1, shape[1] // 2 + 1), np.float32)
    halve_into(half, image)
    np.testing.assert_array_equal(
        half, np.pad(image, ((0, 2), (0, 2)))[: shape[0] + 1 : 2, : shape[1] + 1 : 2]
    )
    out = np.empty_like(image)
    divide_into(out, image, weight)
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(out, np.where(weight > 0, image / weight, 0), rtol=1e-6)


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.tuples(st.integers(2, 24), st.integers(2, 30)))
def test_holes_are_filled_from_the_finest_blur_with_support(
    seed: int, shape: tuple[int, int]
) -> None:
    rng = np.random.default_rng(seed)
    image, weight = image_of(seed, shape), mask_of(seed + 1, shape)
    small = (3, -(-shape[0] // 2), -(-shape[1] // 2))
    blurs = rng.normal(size=small).astype(np.float32)
    support = rng.uniform(0, 1, small).astype(np.float32)
    support[:, : small[1] // 2] *= 0.1  # deep in a hole hardly anything known is in reach
    true = image.astype(np.float64)
    mean = image[weight > 0.5].mean() if (weight > 0.5).any() else 0.0
    for r, c in np.argwhere(weight <= 0.5):
        i, j = r // 2, c // 2
        told = [k for k in range(3) if support[k, i, j] >= 0.25]
        share = 1.0 if told else min(support[2, i, j] / 0.05, 1.0)
        true[r, c] = share * blurs[told[0] if told else 2, i, j] + (1.0 - share) * mean
    fill_into(image, weight, blurs, support, 2)
    np.testing.assert_allclose(image, true, atol=1e-5)


def normalised(image: Image, weight: Image, sigma: float, **more: Any) -> NDArray[np.float64]:
    values = ndimage.gaussian_filter((image * weight).astype(np.float64), sigma, **more)
    weights = ndimage.gaussian_filter(weight.astype(np.float64), sigma, **more)
    out: NDArray[np.float64] = values / np.maximum(weights, 1e-9)
    return out


LADDER = (1.2, 1.9, 3.0, 4.7, 7.4, 11.6)


def blurs_of(image: Image, weight: Image) -> Image:
    shape = (image.shape[0], image.shape[1])
    levels = pyramid(*shape, LADDER)
    for source in (image[::-1], image):  # nothing is left of the one before
        pyramid_into(levels, np.ascontiguousarray(source), weight)
    return levels.blurs


@pytest.mark.parametrize("shape", [(96, 120), (101, 133)])
def test_the_pyramid_holds_mask_aware_gaussian_blurs(shape: tuple[int, int]) -> None:
    image = ndimage.gaussian_filter(image_of(3, shape), 1.0).astype(np.float32)
    weight = mask_of(4, shape)
    inner = np.zeros(shape, bool)
    inner[14:-14, 14:-14] = True
    for sigma, blur in zip(LADDER, blurs_of(image, weight), strict=True):
        true = normalised(image, weight, sigma, mode="constant", truncate=6)
        # blurred in steps, each of which gives less to what lies at a mask's edge
        error = (blur - true)[inner & (weight > 0)]
        assert np.sqrt((error**2).mean()) < 0.12 * true[inner].std()


@pytest.mark.parametrize("shape", [(64, 80), (96, 120), (128, 160), (101, 133)])
def test_no_side_of_the_field_is_told_worse_than_another(shape: tuple[int, int]) -> None:
    """The coarsest level once held its last value for seven cells on two sides of four."""
    image = ndimage.gaussian_filter(image_of(3, shape), 3.0).astype(np.float32)
    weight = np.ones(shape, np.float32)
    turned = blurs_of(np.ascontiguousarray(image[::-1, ::-1]), weight)[:, ::-1, ::-1]
    for blur, other in zip(blurs_of(image, weight), turned, strict=True):
        assert np.sqrt(((blur - other) ** 2).mean()) < 0.09 * blur.std()


def test_how_far_a_blur_can_be_trusted_is_the_share_of_its_reach() -> None:
    shape = (64, 80)
    levels = pyramid(*shape, LADDER)
    weight = np.zeros(shape, np.float32)
    weight[:, :40] = 1
    pyramid_into(levels, np.zeros(shape, np.float32), weight)
    for k, sigma in enumerate(LADDER):
        assert support_at(levels, k, 32, 5 + int(2 * sigma)) == pytest.approx(
            1.0 if sigma < 6 else 0.9, abs=0.12
        )
        assert support_at(levels, k, 32, 40) == pytest.approx(0.5, abs=0.2)
        assert support_at(levels, k, 32, min(40 + int(3 * sigma), 79)) < 0.1


def test_the_surroundings_are_a_wide_mask_aware_blur() -> None:
    shape = (96, 120)
    image = ndimage.gaussian_filter(image_of(5, shape), 3.0).astype(np.float32)
    weight = mask_of(6, shape)
    level = np.empty(shape, np.float32)
    surroundings_into(level, surroundings(*shape, 12.0), image, weight)
    true = normalised(image, weight, 12.0, mode="constant")
    # blocks of four cells, told from their corner on
    assert np.corrcoef(level.ravel(), true.ravel())[0, 1] > 0.97
    assert np.abs(level - true).mean() < 0.2 * true.std()


def test_what_has_no_tissue_at_all_is_nothing() -> None:
    shape = (24, 30)
    levels = pyramid(*shape, (1.2, 2.4, 4.8))
    pyramid_into(levels, image_of(1, shape), np.zeros(shape, np.float32))
    assert not levels.blurs.any()
