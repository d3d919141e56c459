"""What is taken off before nodes are looked for, and by what it is judged, held against NumPy."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage, optimize

from hardware.frame import PixelFormat
from sln_guide.core.baseline import move_into
from sln_guide.core.field import Field, Geometry
from sln_guide.core.halo import _make_fall, halo
from sln_guide.core.observer import (
    _make_filters,
    band_templates,
    covariance_into,
    observer,
    respond_into,
)
from sln_guide.core.prior import predict_into, prior
from sln_guide.core.trend import take_trend_off, trend

SHAPE = (96, 120)
GEOMETRY = Geometry.of(Field(768, 960, PixelFormat.MONO12, 12, 0.1, 3.0, 20.0, 0.0, None, None))


def smooth(seed: int, sigma: float, shape: tuple[int, int] = SHAPE) -> NDArray[np.float64]:
    """Return texture of one scale, of unit variance."""
    image = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), sigma)
    texture: NDArray[np.float64] = (image - image.mean()) / image.std()
    return texture


def spots(count: int, height: float, seed: int = 5) -> NDArray[np.float64]:
    rng, (y, x) = np.random.default_rng(seed), np.mgrid[: SHAPE[0], : SHAPE[1]]
    out = np.zeros(SHAPE)
    for _ in range(count):
        r, c = rng.uniform(10, SHAPE[0] - 10), rng.uniform(10, SHAPE[1] - 10)
        out += height * np.exp(-0.5 * ((y - r) ** 2 + (x - c) ** 2) / 9.0)
    return out


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=6, max_size=6), st.integers(0, 6))
def test_a_paraboloid_comes_off_whatever_shines_on_it(terms: list[float], nodes: int) -> None:
    y, x = np.meshgrid(np.linspace(-1, 1, SHAPE[0]), np.linspace(-1, 1, SHAPE[1]), indexing="ij")
    lamp = sum(t * each for t, each in zip(terms, (1, x, y, x * x, x * y, y * y), strict=True))
    left = 0.02 * smooth(1, 2.0) + spots(nodes, 1.5)
    prediction = 0.1 * smooth(2, 3.0)
    work = trend(*SHAPE)
    weight = np.ones(SHAPE, np.float32)
    weight[:20, :20] = 0
    image = (lamp + prediction + left).astype(np.float32)
    image[:20, :20] = 9.0  # of what is no tissue nothing is taken
    take_trend_off(work, image, prediction.astype(np.float32), weight)
    np.testing.assert_allclose(work.trend, lamp, atol=0.05)
    told = weight > 0
    np.testing.assert_allclose(
        (work.trend + work.residual + prediction)[told], image[told], atol=1e-5
    )


@pytest.mark.parametrize("nodes", [0, 6])
def test_colour_foretells_what_it_has_in_common_with_nir(nodes: int) -> None:
    """And no node, whatever its light: what stands out upwards does not count."""
    shared = [0.1 * smooth(10 + k, 2.0 + k) for k in range(3)]
    truth = 0.9 * shared[0] - 0.5 * shared[1] + 0.3 * shared[2]
    nir = truth + 0.01 * smooth(20, 1.5) + spots(nodes, 1.0)
    work = prior(GEOMETRY)
    work.good[:] = 1
    colour = np.stack([200 * np.exp(each) for each in shared]).astype(np.float32)
    used = predict_into(work, nir.astype(np.float32), colour, False, True, True)
    assert tuple(used) == (False, False, True)
    error = work.prediction - truth
    assert (error - np.median(error)).std() < 0.12 * truth.std()


def test_where_no_colour_is_known_far_and_wide_the_fields_own_is_taken() -> None:
    """It was 0: what colours of nothing at all foretell, e^5 times too dark or too bright."""
    shared = [0.1 * smooth(10 + k, 2.0 + k) for k in range(3)]
    truth = 0.9 * shared[0] - 0.5 * shared[1] + 0.3 * shared[2]
    work = prior(GEOMETRY)
    work.good[:] = 1
    work.good[:, SHAPE[1] // 2 :] = 0
    colour = np.stack([200 * np.exp(each) for each in shared]).astype(np.float32)
    predict_into(work, truth.astype(np.float32), colour, False, True, True)
    known = work.prediction[work.good > 0]
    unknown = work.prediction[work.good == 0]
    assert np.abs(unknown - known.mean()).max() < np.abs(known - known.mean()).max()
    assert np.abs(np.diff(work.prediction, axis=1)).max() < 3 * np.abs(np.diff(truth, axis=1)).max()


def test_colour_that_has_nothing_in_common_foretells_nothing() -> None:
    work = prior(GEOMETRY)
    work.good[:] = 1
    colour = np.stack([200 * np.exp(0.1 * smooth(30 + k, 2.5)) for k in range(3)])
    nir = 0.1 * smooth(40, 2.5)
    predict_into(work, nir.astype(np.float32), colour.astype(np.float32), False, True, True)
    assert work.prediction.std() < 0.25 * nir.std()


def covariance_of(samples: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    count, n = samples.shape
    side = int(np.ceil(np.sqrt(n)))
    templates = np.ones((1, count))
    work = observer(side, side, templates, np.ones(1))
    if work.samples.shape[1] < n:
        work = observer(4 * side, 4 * side, templates, np.ones(1))
    work.samples[:, :n] = samples
    assert covariance_into(work, n)
    return work.covariance.copy(), work.inverse.copy()


def test_the_covariance_is_the_tissues_not_its_nodes() -> None:
    rng = np.random.default_rng(3)
    mix = np.tril(rng.normal(size=(6, 6))) + 2 * np.eye(6)
    true = mix @ mix.T
    samples = mix @ rng.normal(size=(6, 4000))
    plain, inverse = covariance_of(samples)
    np.testing.assert_allclose(inverse @ plain, np.eye(6), atol=1e-6)
    scale = np.sqrt(np.outer(np.diag(true), np.diag(true)))
    assert np.abs((plain - true) / scale).max() < 0.1
    samples[:, ::60] += 30 * mix[:, :1]  # of so many cells some nodes are
    spoilt, _ = covariance_of(samples)
    assert np.abs((np.cov(samples, bias=True) - true) / scale).max() > 5
    assert np.abs((spoilt - true) / scale).max() < 0.3


def test_too_few_samples_are_no_covariance() -> None:
    work = observer(60, 60, np.ones((1, 6)), np.ones(1))
    assert not covariance_into(work, 40)
    assert not covariance_into(work, 200)  # all of them nothing


def test_the_filters_are_hotellings() -> None:
    """The response of a spot of height 1 is its sharpness, and that of texture has variance 1."""
    rng = np.random.default_rng(4)
    blurs = np.array([1.2, 1.9, 3.0, 4.7, 7.4, 11.6])
    widths = np.array([1.6, 3.2, 6.0])
    templates = band_templates(widths, blurs)
    y, x = np.mgrid[-60:61, -60:61]
    for width, bands in zip(widths, templates, strict=True):
        spot = np.exp(-0.5 * (y * y + x * x) / width**2)
        levels = [spot] + [ndimage.gaussian_filter(spot, b, truncate=6) for b in blurs]
        centre = [a[60, 60] - b[60, 60] for a, b in pairwise(levels)]
        np.testing.assert_allclose(bands, centre, atol=0.01)

    mix = np.tril(rng.normal(size=(6, 6))) + 2 * np.eye(6)
    work = observer(*SHAPE, templates, np.ones(3))
    n = 1200
    work.samples[:, :n] = mix @ rng.normal(size=(6, n))
    assert covariance_into(work, n)
    _make_filters(work)
    best = np.linalg.solve(work.covariance, templates.T)
    sharpness = np.sqrt(np.sum(best * templates.T, axis=0))
    np.testing.assert_allclose(work.sharpness, sharpness, rtol=1e-6)
    np.testing.assert_allclose(work.filters, (best / sharpness).T, rtol=1e-5, atol=1e-9)

    residual = smooth(6, 1.0).astype(np.float32)
    images = np.stack([smooth(7 + k, 2.0 + k) for k in range(6)]).astype(np.float32)
    respond_into(work.local, work.sizes, residual, images, work.filters, work.bands)
    levels = np.concatenate([residual[None], images]).astype(np.float64)
    true = np.einsum("sb,brc->src", work.filters, levels[:-1] - levels[1:])
    np.testing.assert_allclose(work.sizes, true, atol=1e-5)
    np.testing.assert_allclose(work.local, true.max(axis=0), atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_halo_is_the_nearest_that_falls(seed: int) -> None:
    work = halo(GEOMETRY)
    n = len(work.fall)
    rng = np.random.default_rng(seed)
    profile = np.exp(-np.arange(n) / 9.0) + rng.normal(0, 0.2, n)
    work.fall[:] = profile
    _make_fall(work)
    np.testing.assert_allclose(
        work.fall, optimize.isotonic_regression(profile, increasing=False).x, atol=1e-12
    )


@settings(max_examples=30, deadline=None)
@given(st.floats(-9, 9), st.floats(-9, 9))
def test_a_baseline_is_moved_with_its_tissue(dy: float, dx: float) -> None:
    """What was smooth is known between cells; what came from outside or was hidden is not."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(np.float64)

    def tissue(y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
        out: NDArray[np.float64] = np.sin(y / 5.0) * np.cos(x / 4.0)
        return out

    usable = np.ones(SHAPE, np.float32)
    usable[40:50, 60:70] = 0
    out, valid = np.empty(SHAPE, np.float32), np.empty(SHAPE, np.float32)
    move_into(out, valid, tissue(y, x).astype(np.float32), usable, dy, dx)
    told = valid > 0.5
    np.testing.assert_allclose(out[told], tissue(y - dy, x - dx)[told], atol=4e-3)
    assert not out[~told].any()
    inner = np.zeros(SHAPE, bool)
    inner[12:-12, 12:-12] = True
    hidden = ndimage.shift(1 - usable, (dy, dx), order=0, prefilter=False) > 0
    near = ndimage.binary_dilation(hidden, iterations=4)
    assert told[inner & ~near].all()
    assert not told[inner & ndimage.binary_erosion(hidden, iterations=2)].any()
