"""Tissue motion against known shifts: light, noise, instruments, and knowing when not to say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.frame import PixelFormat
from hardware.rig import Registration
from sln_guide.core import luminance, motion
from sln_guide.core.field import Geometry
from sln_guide.core.luminance import (
    luminance_small,
    luminance_small_into,
    small_shape,
    small_step,
)
from sln_guide.core.opencv import cv2
from sln_guide.core.white import WhiteReducer
from tests.frames import frame_of

HEIGHT, WIDTH = 1024, 1280


@pytest.fixture(scope="module")
def tissue():
    """Reddish tissue a bit larger than the frame, (H, W, 3) float32, with texture at all scales."""
    rng = np.random.default_rng(11)
    shape = (HEIGHT + 400, WIDTH + 400)
    texture = np.zeros(shape, np.float32)
    for scale, strength in ((6, 0.04), (20, 0.08), (70, 0.15)):
        field = cv2.GaussianBlur(rng.normal(size=shape).astype(np.float32), (0, 0), scale)
        texture += strength * field / field.std()
    brightness = np.exp(texture)[..., None]
    return brightness * np.array([150.0, 70.0, 55.0], np.float32)


def photograph(tissue, dx=0.0, dy=0.0, *, light=1.0, noise=2.0, instrument_x=None, seed=0):
    """Return a BayerRG8 frame of the tissue moved by (dx, dy), with an instrument or without."""
    move = np.array([[1, 0, dx - 200], [0, 1, dy - 200]], np.float32)
    rgb = cv2.warpAffine(tissue, move, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC) * light
    if instrument_x is not None:
        ends = (instrument_x, -40), (instrument_x + 420, 760)
        cv2.line(rgb, *ends, (150.0, 155.0, 165.0), 100)
        cv2.line(rgb, (ends[0][0] + 25, -40), (ends[1][0] + 25, 760), (60.0, 60.0, 66.0), 14)
    mosaic = rgb[..., 1].copy()
    mosaic[0::2, 0::2] = rgb[0::2, 0::2, 0]
    mosaic[1::2, 1::2] = rgb[1::2, 1::2, 2]
    mosaic += np.random.default_rng(seed).normal(0.0, noise, mosaic.shape)
    return frame_of(np.clip(np.rint(mosaic), 0, 255), PixelFormat.BAYER_RG8)


def shift_px(first, second):
    """Return the shift in white px, or None."""
    shift = motion.shift_between(luminance_small(first), luminance_small(second))
    if shift is None:
        return None
    return np.array([shift.dx, shift.dy]) * small_step(first)


@pytest.mark.parametrize(
    ("dx", "dy"), [(0, 0), (0.5, -0.3), (2.4, 1.1), (-7, 4.6), (15, -22), (-60, 35), (130, 70)]
)
def test_known_shifts_come_back(tissue, dx, dy):
    found = shift_px(photograph(tissue), photograph(tissue, dx, dy, seed=1))
    assert found == pytest.approx((dx, dy), abs=0.4)


@pytest.mark.parametrize("light", [0.5, 0.8, 1.3])
def test_a_change_of_light_and_noise_is_not_motion(tissue, light):
    first = photograph(tissue, noise=5.0)
    still = shift_px(first, photograph(tissue, light=light, noise=5.0, seed=1))
    assert still == pytest.approx((0, 0), abs=0.6)
    moved = shift_px(first, photograph(tissue, 9.0, -5.0, light=light, noise=5.0, seed=1))
    assert moved == pytest.approx((9, -5), abs=0.8)


@pytest.mark.parametrize("travel", [8, 40, 200])
def test_an_instrument_over_still_tissue_is_outvoted(tissue, travel):
    first = photograph(tissue, instrument_x=300)
    second = photograph(tissue, instrument_x=300 + travel, seed=1)
    assert shift_px(first, second) == pytest.approx((0, 0), abs=0.5)


def test_an_instrument_that_stands_still_over_moving_tissue_is_outvoted(tissue):
    first = photograph(tissue, instrument_x=300)
    second = photograph(tissue, 11.0, 7.0, instrument_x=300, seed=1)
    assert shift_px(first, second) == pytest.approx((11, 7), abs=0.6)


def test_an_instrument_coming_into_view_is_no_motion(tissue):
    second = photograph(tissue, instrument_x=500, seed=1)
    assert shift_px(photograph(tissue), second) == pytest.approx((0, 0), abs=0.5)


def test_there_and_back_are_opposite(tissue):
    a, b = photograph(tissue), photograph(tissue, 6.0, -3.0, seed=1)
    assert shift_px(a, b) == pytest.approx(-shift_px(b, a), abs=0.4)


def test_no_answer_where_there_is_none(tissue):
    rng = np.random.default_rng(3)
    frame = luminance_small(photograph(tissue))
    upside_down = np.ascontiguousarray(frame[::-1, ::-1])
    flat = np.zeros_like(frame)
    assert motion.shift_between(frame, upside_down) is None
    assert motion.shift_between(flat, flat) is None
    assert motion.shift_between(frame, flat) is None
    assert motion.shift_between(flat, frame) is None
    for seed in range(5):
        noise = [rng.normal(0, 0.02, frame.shape).astype(np.float32) for _ in range(2)]
        assert motion.shift_between(*noise) is None, seed
    not_numbers = np.full_like(frame, np.nan)
    assert motion.shift_between(frame, not_numbers) is None
    assert motion.shift_between(not_numbers, frame) is None


def test_images_of_two_sizes_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        motion.shift_between(np.zeros((9, 9), np.float32), np.zeros((9, 10), np.float32))


def test_the_answer_does_not_depend_on_who_owns_the_arrays(tissue):
    a = luminance_small(photograph(tissue))
    b = luminance_small(photograph(tissue, 3.0, 2.0, seed=1))
    expected = motion.shift_between(a, b)
    a.setflags(write=False)
    assert motion.shift_between(a, np.asfortranarray(b)) == expected


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 1000))
def test_small_images_never_fail(rows, cols, seed):
    rng = np.random.default_rng(seed)
    a, b = (rng.normal(size=(rows, cols)).astype(np.float32) for _ in range(2))
    shift = motion.shift_between(a, b)
    assert shift is None or (np.isfinite(shift).all() and 0.0 < shift.response <= 1.0)


@pytest.mark.parametrize(
    "pixel_format", [PixelFormat.BAYER_RG8, PixelFormat.BAYER_BG12, PixelFormat.RGB8]
)
@pytest.mark.parametrize("shape", [(126, 161), (480, 640), (50, 1281), (1, 1), (3, 2)])
def test_reduction_is_the_mean_over_squares(pixel_format, shape):
    rng = np.random.default_rng(4)
    high = 1 << pixel_format.bit_depth
    frame = frame_of(rng.integers(0, high, pixel_format.array_shape(*shape)), pixel_format)
    step = small_step(frame)
    rows, cols = small_shape(frame)
    grey = frame.pixels.astype(float)
    if grey.ndim == 3:
        grey = grey.mean(axis=-1)
    squares = grey[: rows * step, : cols * step].reshape(rows, step, cols, step)
    expected = np.log(squares.mean(axis=(1, 3)) / (high - 1) + 0.02)
    assert luminance_small(frame) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("kind", ["BayerRG8", "BayerGB12", "RGB8"])
@pytest.mark.parametrize("block", [8, 10])
def test_colours_give_the_same_reduction(kind, block):
    """From means that are at hand, or from the frame where they are of other squares."""
    pixel_format = PixelFormat(kind)
    shape = (250, 1284, 3) if kind == "RGB8" else (250, 1284)
    pixels = np.random.default_rng(5).integers(0, 2**pixel_format.bit_depth, shape)
    frame = frame_of(pixels, pixel_format)
    geometry = Geometry(block, -(-250 // block), -(-1284 // block), 0.1, (1, 2, 3, 4, 5), 3.75)
    small = WhiteReducer(geometry).reduce(frame, Registration(kind="assumed"))
    assert small.shape == small_shape(frame)
    assert small == pytest.approx(luminance_small(frame), abs=2e-6)


def test_a_mosaic_leaves_no_texture_of_its_own():
    mosaic = np.full((64, 96), 40)
    mosaic[::2, ::2] = 200
    small = luminance_small(frame_of(mosaic, PixelFormat.BAYER_RG8))
    assert np.ptp(small) == 0.0


def test_wrong_outputs_are_refused():
    frame = frame_of(np.zeros((32, 32)), PixelFormat.BAYER_RG8)
    with pytest.raises(ValueError, match="out must be"):
        luminance_small_into(np.zeros((32, 32), np.float32), frame)
    grey = frame_of(np.zeros((32, 32)), PixelFormat.MONO8)
    with pytest.raises(ValueError, match="no colour"):
        luminance_small(grey)


def test_warming_up():
    luminance.warm_up()
    motion.warm_up()


def test_a_real_recording_with_scene_cuts(shared_data):
    """161x126 px: frames of one scene find each other, frames across a cut do not."""
    folder = shared_data / "fgs_chicken" / "white"
    frames = []
    for i in (10, 11, 12, 18, 19, 35):
        bgr = cv2.imread(str(folder / f"{i:03d}.png"))
        frames.append(frame_of(np.ascontiguousarray(bgr[..., ::-1]), PixelFormat.RGB8))
    for a, b in ((0, 1), (1, 2)):
        found = shift_px(frames[a], frames[b])
        assert found is not None
        assert np.hypot(*found) < 12
    assert shift_px(frames[3], frames[5]) is None
