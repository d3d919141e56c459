"""What every raw pixel is reduced to, held against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hardware.frame import PixelFormat
from hardware.rig import Registration
from sln_guide.core.field import Field, Geometry
from sln_guide.core.reduction import NirReducer
from sln_guide.core.white import WhiteReducer
from tests.frames import frame_of

ASSUMED = Registration(kind="assumed")
SHAPES = [(96, 128), (101, 131), (67, 259)]
RED, GREEN, BLUE, EDGE, FULL = range(5)


def counts(rng: np.random.Generator, shape: tuple[int, ...], bits: int) -> NDArray[Any]:
    """Frames of which some rows hold full samples: one, a few, and a whole block."""
    top = 2**bits - 1
    pixels = rng.integers(0, top, shape)
    pixels[10, 5] = pixels[-1, -1] = pixels[40:48, 60] = pixels[56:66, 80:90] = top
    return pixels


def field_of(shape: tuple[int, int], pixel_format: PixelFormat, **more: Any) -> Field:
    return Field(
        *shape, pixel_format, pixel_format.bit_depth, 0.1, 3.0, 20.0, 0.0, None, None, **more
    )


def blocks(image: NDArray[Any], block: int) -> list[list[NDArray[Any]]]:
    height, width = image.shape[:2]
    return [
        [image[y : y + block, x : x + block] for x in range(0, width, block)]
        for y in range(0, height, block)
    ]


def each(image: NDArray[Any], block: int, of: Any) -> NDArray[np.float64]:
    return np.array([[of(one) for one in row] for row in blocks(image, block)])


def trimmed_mean(block: NDArray[Any]) -> float:
    if block.size < 16:
        return float(block.mean())
    return float((block.sum() - block.max() - block.min()) / (block.size - 2))


def largest_step(block: NDArray[Any], hop: int = 2) -> float:
    """Largest range of a sample, the one two above and the one two to the right."""
    here, above, right = block[2:, :-hop], block[:-2, :-hop], block[2:, hop:]
    three = np.stack([here, above, right])
    return float(np.ptp(three, axis=0).max()) if three.size else 0.0


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "pixel_format", [PixelFormat.MONO8, PixelFormat.MONO12, PixelFormat.MONO16]
)
def test_nir_blocks_are_what_numpy_makes_of_them(
    shape: tuple[int, int], pixel_format: PixelFormat
) -> None:
    field = field_of(shape, pixel_format)
    geometry = Geometry.of(field)
    pixels = counts(np.random.default_rng(1), shape, pixel_format.bit_depth)
    reducer = NirReducer(field, geometry)
    for _ in range(2):  # nothing is left of the frame before
        reducer.reduce(frame_of(pixels[::-1], pixel_format))
        reducer.reduce(frame_of(pixels, pixel_format))
    block, top = geometry.block_px, 2**pixel_format.bit_depth - 1
    np.testing.assert_allclose(reducer.mean, each(pixels, block, trimmed_mean), rtol=1e-6)
    np.testing.assert_allclose(
        reducer.full, each(pixels, block, lambda b: (b >= top).mean()), rtol=1e-6
    )
    whole = each(pixels, block, largest_step)[: shape[0] // block, : shape[1] // block]
    np.testing.assert_array_equal(reducer.edge[: whole.shape[0], : whole.shape[1]], whole)


@pytest.mark.parametrize("shape", SHAPES)
def test_full_pixels_are_counted_before_maps_correct_them(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(2)
    pixels = counts(rng, shape, 12)
    dark, flat = rng.normal(64, 3, shape), rng.uniform(0.8, 1.2, shape)
    bad = np.zeros(shape, np.bool_)
    bad[30, ::7] = True
    field = field_of(shape, PixelFormat.MONO12, dark=dark, flat=flat, bad=bad)
    geometry = Geometry.of(field)
    reducer = NirReducer(field, geometry)
    reducer.reduce(frame_of(pixels, PixelFormat.MONO12))
    mended = pixels.astype(np.float64)
    for y, x in np.argwhere(bad):
        near = [mended[y, x + d] for d in (-1, 1) if 0 <= x + d < shape[1]]
        mended[y, x] = near[0] if len(near) == 1 else int(sum(near) / 2)
    full = each(mended, geometry.block_px, lambda b: (b >= 4095).mean())
    np.testing.assert_allclose(reducer.full, full, rtol=1e-6)
    good = ~each(bad, geometry.block_px, np.any).astype(bool)
    corrected = (pixels - dark) * (flat[~bad].mean() / flat)
    mean = each(corrected, geometry.block_px, trimmed_mean)
    np.testing.assert_allclose(reducer.mean[good], mean[good], atol=0.2)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("pixel_format", "red"),
    [
        (PixelFormat.BAYER_RG8, (0, 0)),
        (PixelFormat.BAYER_GB8, (1, 0)),
        (PixelFormat.BAYER_GR12, (0, 1)),
        (PixelFormat.BAYER_BG8, (1, 1)),
    ],
)
def test_white_blocks_are_what_numpy_makes_of_them(
    shape: tuple[int, int], pixel_format: PixelFormat, red: tuple[int, int]
) -> None:
    geometry = Geometry.of(field_of(shape, PixelFormat.MONO8))
    pixels = counts(np.random.default_rng(3), shape, pixel_format.bit_depth)
    reducer = WhiteReducer(geometry)
    reducer.reduce(frame_of(pixels[::-1], pixel_format), ASSUMED)
    reducer.reduce(frame_of(pixels, pixel_format), ASSUMED)
    block, top = geometry.block_px, 2**pixel_format.bit_depth - 1
    rows, cols = shape[0] // block, shape[1] // block
    y, x = red
    for plane, expected in (
        (RED, each(pixels, block, lambda b: b[y::2, x::2].mean())),
        (BLUE, each(pixels, block, lambda b: b[1 - y :: 2, 1 - x :: 2].mean())),
        (FULL, each(pixels, block, lambda b: (b >= top).mean())),
        (EDGE, each(pixels, block, largest_step) / top),
    ):
        seen = reducer.planes[plane, :rows, :cols]
        np.testing.assert_allclose(seen, expected[:rows, :cols], rtol=1e-6)


def test_full_samples_of_any_colour_count_in_rgb() -> None:
    shape = (96, 128)
    geometry = Geometry.of(field_of(shape, PixelFormat.MONO8))
    pixels = counts(np.random.default_rng(4), (*shape, 3), 8)
    reducer = WhiteReducer(geometry)
    reducer.reduce(frame_of(pixels[::-1], PixelFormat.RGB8), ASSUMED)
    reducer.reduce(frame_of(pixels, PixelFormat.RGB8), ASSUMED)
    expected = each(pixels, geometry.block_px, lambda b: (b >= 255).mean())
    np.testing.assert_allclose(reducer.planes[FULL], expected, rtol=1e-6)
