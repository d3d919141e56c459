"""Kernels against NumPy and SciPy, which do the same slowly."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from hardware.frame import PixelFormat
from hardware.rig import Registration
from sln_guide.core import grid, order
from sln_guide.core.field import Field, Geometry
from sln_guide.core.label import cells_of, grow_into, label_into, moments_into
from sln_guide.core.observer import band_templates, covariance_into, observer, respond_into
from sln_guide.core.pyramid import pyramid, pyramid_into
from sln_guide.core.reduce import unpack_12p_into
from sln_guide.core.reduction import NirReducer, bad_rows, block_share
from sln_guide.core.spots import RAYS, cells_above_into, find_peaks_into, trace_contour_into
from sln_guide.core.white import WhiteReducer
from tests.frames import frame_of


def packed_12(pixels):
    a, b = pixels[:, 0::2].astype(np.uint16), pixels[:, 1::2].astype(np.uint16)
    out = np.stack([a & 255, (a >> 8) | ((b & 15) << 4), b >> 4], axis=2)
    return out.reshape(len(pixels), -1).astype(np.uint8)


def reducer(pixels, pixel_format: PixelFormat, block_mm: float, **more):
    height, width = pixels.shape
    field = Field(
        height,
        width,
        pixel_format,
        pixel_format.bit_depth,
        1.0,
        block_mm * 3.75,
        block_mm * 20,
        10.0,
        None,
        None,
        **more,
    )
    geometry = Geometry.of(field)
    return NirReducer(field, geometry), geometry


def blocks_of(pixels, block):
    for r in range(0, pixels.shape[0], block):
        for c in range(0, pixels.shape[1], block):
            yield r // block, c // block, pixels[r : r + block, c : c + block].astype(np.float64)


def trimmed_mean(b):
    return (b.sum() - b.max() - b.min()) / (b.size - 2) if b.size >= 16 else b.mean()


def largest_step(b) -> float:
    best = 0.0
    for y in range(2, b.shape[0]):
        for x in range(b.shape[1] - 2):
            three = (b[y, x], b[y - 2, x], b[y, x + 2])
            best = max(best, max(three) - min(three))
    return best


@given(
    seed=st.integers(0, 1000),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    block=st.sampled_from([1, 2, 3, 5, 8]),
    kind=st.sampled_from(["Mono8", "Mono12", "Mono16", "Mono12p"]),
)
@settings(max_examples=40, deadline=None)
def test_reduction_is_block_statistics(
    seed: int, height: int, width: int, block: int, kind: str
) -> None:
    fmt = PixelFormat(kind)
    if fmt is PixelFormat.MONO12P:
        width += width % 2
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 2**fmt.bit_depth, (height, width)).astype(
        np.uint8 if fmt is PixelFormat.MONO8 else np.uint16
    )
    pixels.ravel()[:: max(1, pixels.size // 3)] = 2**fmt.bit_depth - 1
    stored = packed_12(pixels) if fmt is PixelFormat.MONO12P else pixels
    nir, geometry = reducer(pixels, fmt, block)
    assert geometry.block_px == block
    nir.reduce(frame_of(stored, fmt))
    for r, c, b in blocks_of(pixels, block):
        assert nir.mean[r, c] == pytest.approx(trimmed_mean(b) - 10.0, rel=1e-5, abs=1e-2)
        assert nir.full[r, c] == pytest.approx(np.mean(b == 2**fmt.bit_depth - 1), abs=1e-6)
        if b.shape == (block, block) and block >= 3:
            assert nir.edge[r, c] == largest_step(b)


@pytest.mark.parametrize("kind", ["Mono12", "Mono12p", "Mono8"])
def test_correction_gives_the_truth_back(kind: str) -> None:
    """Corrupt a truth as a sensor would, correct it, and ask for the truth."""
    rng = np.random.default_rng(3)
    fmt = PixelFormat(kind)
    truth = np.full((64, 96), 150.0 if kind == "Mono8" else 1500.0)
    flat = rng.uniform(0.8, 1.25, truth.shape)
    dark = rng.uniform(5, 15, truth.shape)
    pixels = np.rint(truth * flat + dark)
    bad = rng.random(truth.shape) < 0.02
    pixels[bad] = 0
    pixels = pixels.astype(fmt.dtype if kind != "Mono12p" else np.uint16)
    stored = packed_12(pixels) if kind == "Mono12p" else pixels
    nir, _ = reducer(pixels, fmt, 8, dark=dark, flat=flat, bad=bad)
    nir.reduce(frame_of(stored, fmt))
    assert nir.mean == pytest.approx(truth[0, 0] * flat[~bad].mean(), rel=4e-3)


@pytest.mark.parametrize("most_gain", [1.3, 3.0, 30.0])
@pytest.mark.parametrize("kind", ["Mono8", "Mono10", "Mono12", "Mono12p", "Mono16"])
def test_correction_in_fixed_point_is_as_good_as_exact(kind: str, most_gain: float) -> None:
    """Blocks of int16 products beside the same in double precision, darkest to saturated."""
    rng = np.random.default_rng(5)
    fmt = PixelFormat(kind)
    top = 2**fmt.bit_depth - 1
    shape = (40, 64)
    level = np.geomspace(1, 1.3 * top, shape[1])[None, :] * np.ones((shape[0], 1))
    pixels = np.clip(rng.normal(level, 0.02 * level + 1.0), 0, top)
    pixels = np.rint(pixels).astype(np.uint8 if kind == "Mono8" else np.uint16)
    dark = rng.uniform(0.0, 0.05 * top, shape).astype(np.float32)
    flat = rng.uniform(1.0 / most_gain, 1.0, shape)
    stored = packed_12(pixels) if kind == "Mono12p" else pixels
    nir, _ = reducer(pixels, fmt, 8, dark=dark, flat=flat)
    nir.reduce(frame_of(stored, fmt))
    gain = flat.mean() / flat
    count = gain.max() / 2.0 ** (14 - fmt.bit_depth)  # the worst a pixel is rounded to
    for r, c, b in blocks_of((pixels - dark.astype(np.float64)) * gain, 8):
        assert nir.mean[r, c] == pytest.approx(trimmed_mean(b), rel=1e-4, abs=0.25 * count)
        assert nir.edge[r, c] == pytest.approx(largest_step(b), rel=1e-4, abs=3 * count)
        raw = pixels[8 * r : 8 * r + 8, 8 * c : 8 * c + 8]
        assert nir.full[r, c] == pytest.approx(np.mean(raw == top), abs=1e-6)


def test_bad_pixels_become_their_neighbours_mean() -> None:
    pixels = np.tile(np.arange(10, dtype=np.uint16) * 10, (4, 1))
    bad = np.zeros(pixels.shape, bool)
    bad[1, 4] = bad[2, 0] = True
    spoiled = pixels.copy()
    spoiled[bad] = 4095
    nir, _ = reducer(pixels, PixelFormat.MONO12, 1, bad=bad)
    nir.reduce(frame_of(spoiled, PixelFormat.MONO12))
    assert nir.mean[1, 4] == 40 - 10
    assert nir.mean[2, 0] == 10 - 10
    start, x, left, right = bad_rows(bad)
    assert start.tolist() == [0, 0, 1, 2, 2]
    assert (x.tolist(), left.tolist(), right.tolist()) == ([4, 0], [3, 1], [5, 1])
    assert block_share(bad, 2)[0].tolist() == [0, 0, 0.25, 0, 0]


def test_12_packed_round_trip() -> None:
    pixels = np.random.default_rng(1).integers(0, 4096, (7, 34)).astype(np.uint16)
    out = np.zeros_like(pixels)
    unpack_12p_into(out, packed_12(pixels))
    assert np.array_equal(out, pixels)


@pytest.mark.parametrize("pattern", ["RG", "GR", "GB", "BG"])
@pytest.mark.parametrize("bits", [8, 12])
@pytest.mark.parametrize("shape", [(64, 96), (33, 51)])
def test_colour_reduction(pattern: str, bits: int, shape: tuple[int, int]) -> None:
    fmt = PixelFormat(f"Bayer{pattern}{bits}")
    row, col = {"RG": (0, 0), "GR": (0, 1), "GB": (1, 0), "BG": (1, 1)}[pattern]
    mosaic = np.full(shape, 20, fmt.dtype)
    mosaic[row::2, col::2] = 30
    mosaic[1 - row :: 2, 1 - col :: 2] = 10
    geometry = Geometry(8, -(-shape[0] // 8), -(-shape[1] // 8), 0.1, (1, 2, 3, 4, 5), 3.75)
    white = WhiteReducer(geometry)
    white.reduce(frame_of(mosaic, fmt), Registration(kind="assumed"))
    for k, value in enumerate((30, 20, 10)):
        assert white.planes[k] == pytest.approx(value)
    rgb = np.zeros((*shape, 3), np.uint8)
    rgb[:] = (30, 20, 10)
    white.reduce(frame_of(rgb, PixelFormat.RGB8), Registration(kind="assumed"))
    for k, value in enumerate((30, 20, 10)):
        assert white.planes[k] == pytest.approx(value)


def test_colour_is_sampled_where_the_registration_says() -> None:
    y, x = np.mgrid[0:128, 0:160]
    rgb = np.stack([x, y, np.zeros_like(x)], axis=2).astype(np.uint8)
    geometry = Geometry(8, 16, 20, 0.1, (1, 2, 3, 4, 5), 3.75)
    white = WhiteReducer(geometry)
    shift = Registration(
        kind="calibrated", white_from_nir=((1.0, 0.0, 12.0), (0.0, 1.0, -5.0), (0.0, 0.0, 1.0))
    )
    white.reduce(frame_of(rgb, PixelFormat.RGB8), shift)
    c = np.arange(20) * 8 + 3.5
    assert white.planes[0][4, 2:17] == pytest.approx(c[2:17] + 12, abs=0.01)
    assert white.planes[1][2:14, 4] == pytest.approx(np.arange(16)[2:14] * 8 + 3.5 - 5, abs=0.01)
    assert white.covered[1:, :18].all()
    assert not white.covered[:, 18:].any()
    assert not white.covered[0].any()


@given(seed=st.integers(0, 1000), floor=st.floats(1e-3, 1e4))
@settings(max_examples=30, deadline=None)
def test_logarithm_and_exponential(seed: int, floor: float) -> None:
    rng = np.random.default_rng(seed)
    x = (rng.uniform(-1, 1, (9, 31)) * 10.0 ** rng.uniform(-3, 5)).astype(np.float32)
    out = np.zeros_like(x)
    grid.log_into(out, x, np.float32(floor))
    exact = np.log(np.maximum(x.astype(np.float64) + np.float32(floor), 0.3 * np.float32(floor)))
    assert np.abs(out - exact).max() < 2e-6 * max(1.0, np.abs(exact).max())
    y = rng.uniform(-30, 30, (9, 31)).astype(np.float32)
    grid.exp_into(out, y)
    assert np.abs(out / np.exp(y.astype(np.float64)) - 1).max() < 4e-7
    grid.exp_into(y, y)
    assert np.array_equal(y, out)
    longer = rng.uniform(-90, 90, 5000).astype(np.float32)
    out = np.zeros_like(longer)
    grid.exp_into(out, longer)
    exact = np.exp(np.clip(longer, -80, 80).astype(np.float64))
    assert np.abs(out / exact - 1).max() < 4e-7


@given(seed=st.integers(0, 99), sigma=st.floats(0.4, 6), rows=st.integers(1, 40))
@settings(max_examples=30, deadline=None)
def test_blur_is_a_correlation(seed: int, sigma: float, rows: int) -> None:
    image = np.random.default_rng(seed).random((rows, 37)).astype(np.float32)
    taps = grid.gaussian_taps(sigma)
    padded = grid.padded_for((rows, 37), taps)
    out = np.zeros_like(image)
    grid.blur_into(out, image, taps, padded)
    kernel = np.concatenate([taps[:0:-1], taps]).astype(np.float64)
    exact = ndimage.correlate1d(image.astype(np.float64), kernel, axis=0, mode="constant")
    exact = ndimage.correlate1d(exact, kernel, axis=1, mode="constant")
    assert out == pytest.approx(exact, abs=1e-5)


def test_pyramid_is_a_masked_gaussian() -> None:
    rng = np.random.default_rng(2)
    image = ndimage.gaussian_filter(rng.standard_normal((96, 112)), 2).astype(np.float32)
    weight = np.ones_like(image)
    weight[30:40, 50:60] = 0
    image[30:40, 50:60] = 1e3
    sigmas = (1.5, 3.0, 6.0, 12.0)
    levels = pyramid(96, 112, sigmas)
    pyramid_into(levels, image, weight)
    for got, sigma in zip(levels.blurs, sigmas, strict=True):
        num = ndimage.gaussian_filter((image * weight).astype(np.float64), sigma, mode="constant")
        den = ndimage.gaussian_filter(weight.astype(np.float64), sigma, mode="constant")
        # a blur of a cut-off blur is not quite the blur: right where the border is out of reach
        margin = int(1.5 * sigma)
        error = np.abs(got - num / den)[margin:-margin, margin:-margin]
        assert error.max() < 0.06 * np.abs(num / den).max() + 0.004


@given(seed=st.integers(0, 10_000), share=st.floats(0.02, 0.7))
@settings(max_examples=50, deadline=None)
def test_labels_are_scipys(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    rows, cols = int(rng.integers(1, 40)), int(rng.integers(1, 40))
    mask = rng.random((rows, cols)) < share
    labels = np.zeros((rows, cols), np.int32)
    cells = np.zeros(rows * cols, np.int32)
    cells = cells[: cells_of(cells, mask)]
    assert cells.tolist() == np.flatnonzero(mask).tolist()
    labels[:] = 7  # of the frame before
    count = label_into(labels, cells, np.zeros(rows * cols + 1, np.int32))
    exact, number = ndimage.label(mask, np.ones((3, 3)))
    assert count == number
    assert np.array_equal(labels, exact)
    moments = np.zeros((count + 1, 6))
    moments_into(moments, labels, cells)
    for k in range(1, count + 1):
        r, c = np.nonzero(exact == k)
        assert moments[k].tolist() == [
            len(r), r.sum(), c.sum(), (r * r).sum(), (c * c).sum(), (r * c).sum()
        ]  # fmt: skip
    grown = np.zeros_like(mask)
    grow_into(grown, mask)
    assert np.array_equal(grown, ndimage.binary_dilation(mask, np.ones((3, 3))))


@given(seed=st.integers(0, 1000), reach=st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_peaks_are_strict_maxima(seed: int, reach: int) -> None:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 12, (23, 31)).astype(np.float32)
    r, c = np.zeros(1000, np.int64), np.zeros(1000, np.int64)
    cells = np.zeros(image.size, np.int32)
    high = cells[: cells_above_into(cells, image, np.float32(8))]
    assert high.tolist() == np.flatnonzero(image >= 8).tolist()
    n = find_peaks_into(r, c, image, np.float32(8), reach, high)
    highest = ndimage.maximum_filter(image, 2 * reach + 1)
    found = set(zip(r[:n].tolist(), c[:n].tolist(), strict=True))
    for i, j in found:
        assert image[i, j] == highest[i, j] >= 8
    # of equals within reach only the first remains, so every strict maximum is found
    for i, j in zip(*np.nonzero((image == highest) & (image >= 8)), strict=True):
        window = image[max(i - reach, 0) : i + reach + 1, max(j - reach, 0) : j + reach + 1]
        if (window == image[i, j]).sum() == 1:
            assert (i, j) in found


def test_contour_of_a_gaussian() -> None:
    y, x = np.mgrid[0:64, 0:64]
    image = np.exp(-((x - 31.3) ** 2 + (y - 30.6) ** 2) / 2 / 6.0**2).astype(np.float32)
    radius = np.zeros(RAYS)
    assert trace_contour_into(radius, image, 30.6, 31.3, 0.5, 25.0) == 0
    assert radius == pytest.approx(6 * math.sqrt(2 * math.log(2)), rel=0.01)
    assert trace_contour_into(radius, image, 30.6, 31.3, 0.5, 3.0) == RAYS


def test_covariance_is_robust_and_right_for_gaussians() -> None:
    rng = np.random.default_rng(11)
    mix = rng.standard_normal((4, 4))
    bands = (mix @ rng.standard_normal((4, 2500))).astype(np.float32)
    spots = bands.copy()
    spots[:, 600:620] += 20.0
    truth = mix @ mix.T
    o = observer(150, 150, np.zeros((2, 4)), np.ones(2))
    assert o.samples.shape == (4, 2500)
    for samples in (bands, spots):
        o.samples[:] = samples
        assert covariance_into(o, 2500)
        assert np.abs(o.covariance - truth).max() < 0.12 * np.abs(truth).max()
        assert o.inverse @ o.covariance == pytest.approx(np.eye(4), abs=1e-6)
    assert not covariance_into(o, 31)
    o.samples[:] = 0
    assert not covariance_into(o, 2500)


def test_templates_and_responses() -> None:
    blurs = np.array([1.0, 2.0, 4.0])
    templates = band_templates(np.array([3.0]), blurs)
    y, x = np.mgrid[-40:41, -40:41].astype(np.float64)
    spot = np.exp(-(x**2 + y**2) / 2 / 3.0**2)
    levels = [spot] + [ndimage.gaussian_filter(spot, b, truncate=8) for b in blurs]
    for b in range(3):
        assert templates[0, b] == pytest.approx((levels[b] - levels[b + 1])[40, 40], abs=2e-3)
    rng = np.random.default_rng(4)
    residual = rng.standard_normal((5, 7)).astype(np.float32)
    blurred = rng.standard_normal((6, 5, 7)).astype(np.float32)
    filters = rng.standard_normal((2, 6))
    best, sizes = np.zeros((5, 7), np.float32), np.zeros((2, 5, 7), np.float32)
    respond_into(best, sizes, residual, blurred, filters, np.zeros((6, 7), np.float32))
    bands = -np.diff(np.concatenate([residual[None], blurred]), axis=0)
    exact = np.einsum("sb,brc->src", filters, bands)
    assert best == pytest.approx(exact.max(axis=0), abs=1e-5)
    assert sizes == pytest.approx(exact, abs=1e-5)


@given(
    seed=st.integers(0, 1000),
    share=st.floats(0, 1),
    distinct=st.sampled_from([1, 3, 1000, 10**7]),
    exponent=st.sampled_from([0, 0, -30, 30]),
)
@settings(max_examples=100, deadline=None)
def test_selection_is_sorting(seed: int, share: float, distinct: int, exponent: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(-distinct // 2, distinct, int(rng.integers(1, 3000))).astype(np.float32)
    values *= np.float32(2.0**exponent)
    rising = np.sort(values)
    n = len(values)
    k = min(int(share * n), n - 1)
    given_before = values.copy()
    assert order.quantile(values, n, share) == rising[k]
    assert np.array_equal(values, given_before)


def test_selection_among_what_is_not_a_number_ends() -> None:
    values = np.array([np.nan, 2, np.inf, -np.inf, 1, np.nan, -np.nan], np.float32)
    values[-1] = -np.float32(np.nan)
    ends = order.select(values, 7, 2), order.select(values, 7, 3), order.select(values, 7, 4)
    assert ends == (1.0, 2.0, np.inf)
    nothing = np.full(5, np.nan, np.float32)
    assert np.isnan(order.select(nothing, 5, 2))
