"""Plain pictures: demosaic against OpenCV, grey windows, thumbnails, odd and tiny sizes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.frame import PixelFormat
from sln_guide.core import draw
from sln_guide.core.opencv import cv2
from sln_guide.guidance import Settings, View
from tests.frames import frame_of

CV_CODES = {
    "RG": cv2.COLOR_BayerRGGB2RGB,
    "GR": cv2.COLOR_BayerGRBG2RGB,
    "GB": cv2.COLOR_BayerGBRG2RGB,
    "BG": cv2.COLOR_BayerBGGR2RGB,
}
BAYER = [f for f in PixelFormat if f.is_bayer]
MONO = [PixelFormat.MONO8, PixelFormat.MONO10, PixelFormat.MONO12, PixelFormat.MONO16]


def random_frame(pixel_format, height, width, seed=0):
    rng = np.random.default_rng(seed)
    high = 256 if pixel_format is PixelFormat.MONO12P else 1 << pixel_format.bit_depth
    return frame_of(rng.integers(0, high, pixel_format.array_shape(height, width)), pixel_format)


def channels(picture):
    """Return (H, W, 3) int red, green, blue of an RGB32 picture."""
    return np.stack([(picture >> s) & 0xFF for s in (16, 8, 0)], axis=-1).astype(int)


def white(frame, gains=draw.NEUTRAL):
    out = np.zeros((frame.height, frame.width), dtype=np.uint32)
    draw.draw_white_into(out, frame, gains)
    return out


def demosaic_by_hand(frame):
    """Bilinear demosaic in float, mirrored borders: the definition, written the slow way."""
    mosaic = frame.pixels.astype(float)
    red_y, red_x = {"RG": (0, 0), "GR": (0, 1), "GB": (1, 0), "BG": (1, 1)}[
        frame.pixel_format.bayer_pattern
    ]
    padded = np.pad(mosaic, 1, mode="reflect")
    h, w = mosaic.shape
    out = np.zeros((h, w, 3))
    offsets = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    for y in range(h):
        for x in range(w):
            for colour in range(3):
                values = {0: [], 1: [], 2: []}
                for i, j in offsets:
                    yy, xx = (y + i - red_y) % 2, (x + j - red_x) % 2
                    kind = 0 if (yy, xx) == (0, 0) else 2 if (yy, xx) == (1, 1) else 1
                    values[kind].append((abs(i) + abs(j), padded[y + 1 + i, x + 1 + j]))
                nearest = min(d for d, _ in values[colour])
                chosen = [v for d, v in values[colour] if d == nearest]
                out[y, x, colour] = np.mean(chosen)
    return out


@pytest.mark.parametrize("pixel_format", BAYER)
def test_demosaic_equals_opencv_inside(pixel_format):
    frame = random_frame(pixel_format, 46, 61, seed=pixel_format.bit_depth)
    expected = cv2.cvtColor(frame.pixels, CV_CODES[pixel_format.bayer_pattern])
    expected = expected.astype(int) >> (pixel_format.bit_depth - 8)
    difference = np.abs(channels(white(frame)) - expected)[2:-2, 2:-2]
    assert difference.max() <= 1


@pytest.mark.parametrize("pattern", ["RG", "GR", "GB", "BG"])
@pytest.mark.parametrize("shape", [(2, 2), (3, 3), (5, 4), (4, 5), (7, 9)])
def test_demosaic_equals_its_definition_to_the_border(pattern, shape):
    frame = random_frame(PixelFormat(f"Bayer{pattern}8"), *shape, seed=3)
    assert np.abs(channels(white(frame)) - demosaic_by_hand(frame)).max() <= 0.5


@pytest.mark.parametrize("pattern", ["RG", "GR", "GB", "BG"])
def test_a_flat_coloured_field_comes_back(pattern):
    red_y, red_x = {"RG": (0, 0), "GR": (0, 1), "GB": (1, 0), "BG": (1, 1)}[pattern]
    mosaic = np.full((9, 12), 120)
    mosaic[red_y::2, red_x::2] = 200
    mosaic[1 - red_y :: 2, 1 - red_x :: 2] = 40
    picture = white(frame_of(mosaic, PixelFormat(f"Bayer{pattern}8")))
    assert np.unique(picture).tolist() == [0xFFC87828]


@pytest.mark.parametrize("pixel_format", [*BAYER, PixelFormat.RGB8])
def test_every_small_and_odd_size_draws_opaque_pixels(pixel_format):
    for height in (1, 2, 3, 17):
        for width in (1, 2, 3, 4, 17, 33):
            picture = white(random_frame(pixel_format, height, width))
            assert (picture >> 24 == 0xFF).all()


def test_rgb8_passes_through():
    frame = random_frame(PixelFormat.RGB8, 13, 21)
    assert (channels(white(frame)) == frame.pixels).all()


@pytest.mark.parametrize("pixel_format", [PixelFormat.BAYER_RG8, PixelFormat.RGB8])
def test_unit_gains_of_a_shallower_frame_use_the_whole_range(pixel_format):
    pixels = np.full(pixel_format.array_shape(6, 6), 31)
    picture = white(frame_of(pixels, pixel_format, bit_depth=5))
    assert np.unique(picture).tolist() == [0xFFF8F8F8]


def test_white_balance_multiplies_and_saturates():
    frame = frame_of(np.full((4, 4, 3), (100, 100, 100)), PixelFormat.RGB8)
    assert np.unique(white(frame, draw.Gains(1.5, 1.0, 8.0))).tolist() == [0xFF9664FF]
    mosaic = frame_of(np.full((6, 6), 100), PixelFormat.BAYER_GB8)
    assert np.unique(white(mosaic, draw.Gains(1.5, 1.0, 8.0))).tolist() == [0xFF9664FF]


def test_values_beyond_the_bit_depth_saturate_instead_of_leaking_into_other_colours():
    frame = frame_of(np.full((8, 8), 65535), PixelFormat.BAYER_RG12)
    assert np.unique(white(frame)).tolist() == [0xFFFFFFFF]


@pytest.mark.parametrize("gains", [(0.0, 1.0, 1.0), (1.0, 9.0, 1.0), (1.0, float("nan"), 1.0)])
def test_impossible_gains_are_refused(gains):
    with pytest.raises(ValueError, match="gains"):
        white(random_frame(PixelFormat.RGB8, 4, 4), draw.Gains(*gains))


@pytest.mark.parametrize("black", [-0.1, 1.0, float("nan")])
def test_an_impossible_black_level_is_refused(black):
    with pytest.raises(ValueError, match="black"):
        white(random_frame(PixelFormat.RGB8, 4, 4), draw.Gains(black=black))


@pytest.mark.parametrize("pixel_format", [PixelFormat.BAYER_RG8, PixelFormat.BAYER_GR12])
def test_the_black_level_comes_off_before_gains(pixel_format):
    """What is as dark as without light is black whatever the gains; what is full stays full."""
    top = 2**pixel_format.bit_depth - 1
    black = 16 / 255
    gains = draw.Gains(2.0, 1.0, 1.5, black)
    for share in (0.0, 0.5 * black, black, 0.1, 0.3, 0.5, 1.0):
        value = round(share * top)
        (seen,) = np.unique(white(frame_of(np.full((8, 8), value), pixel_format), gains)).tolist()
        lit = max(value / top - black, 0.0) / (1.0 - black)
        wanted = [min(255.0, 255.0 * lit * gain) for gain in gains[:3]]
        assert [seen >> shift & 255 for shift in (16, 8, 0)] == pytest.approx(wanted, abs=1.1)


def test_wrong_outputs_are_refused():
    frame = random_frame(PixelFormat.BAYER_RG8, 8, 8)
    with pytest.raises(ValueError, match="like the frame"):
        draw.draw_white_into(np.zeros((8, 9), np.uint32), frame)
    with pytest.raises(ValueError, match="uint32"):
        draw.draw_white_into(np.zeros((8, 8), np.int32), frame)
    with pytest.raises(ValueError, match="C-contiguous"):
        draw.draw_white_into(np.zeros((8, 16), np.uint32)[:, ::2], frame)
    sealed = np.zeros((8, 8), np.uint32)
    sealed.setflags(write=False)
    with pytest.raises(ValueError, match="read-only"):
        draw.draw_white_into(sealed, frame)
    with pytest.raises(ValueError, match="no colour"):
        draw.draw_white_into(np.zeros((8, 8), np.uint32), random_frame(PixelFormat.MONO8, 8, 8))
    with pytest.raises(ValueError, match="not monochrome"):
        draw.draw_nir_into(np.zeros((8, 8), np.uint32), frame, 0, 1)
    with pytest.raises(ValueError, match="low < high"):
        draw.draw_nir_into(np.zeros((8, 8), np.uint32), random_frame(PixelFormat.MONO8, 8, 8), 5, 5)


@pytest.mark.parametrize("pixel_format", MONO)
def test_grey_window(pixel_format):
    frame = random_frame(pixel_format, 31, 45)
    top = (1 << pixel_format.bit_depth) - 1
    low, high = 0.1 * top, 0.8 * top
    out = np.zeros((31, 45), np.uint32)
    draw.draw_nir_into(out, frame, low, high)
    expected = np.clip((frame.pixels - low) * 255.0 / (high - low), 0, 255)
    grey = channels(out)
    assert (grey[..., 0] == grey[..., 1]).all()
    assert (grey[..., 1] == grey[..., 2]).all()
    assert np.abs(grey[..., 0] - expected).max() <= 0.51


def pack_12p(values):
    """Pack (H, W) uint16 to Mono12p, the plain way."""
    pairs = values.reshape(values.shape[0], -1, 2).astype(np.uint32)
    word = pairs[..., 0] | pairs[..., 1] << 12
    packed = np.stack([(word >> s) & 0xFF for s in (0, 8, 16)], axis=-1)
    return packed.reshape(values.shape[0], -1).astype(np.uint8)


def test_packed_frames_draw_like_unpacked_ones():
    values = np.random.default_rng(5).integers(0, 4096, (34, 50)).astype(np.uint16)
    plain = frame_of(values, PixelFormat.MONO12)
    packed = frame_of(pack_12p(values), PixelFormat.MONO12P)
    pictures = []
    for frame in (plain, packed):
        out, small = np.zeros((34, 50), np.uint32), np.zeros((8, 11), np.uint32)
        draw.draw_nir_into(out, frame, 100, 3000)
        draw.thumbnail_nir_into(small, frame, 100, 3000)
        pictures.append((out, small))
    assert (pictures[0][0] == pictures[1][0]).all()
    assert (pictures[0][1] == pictures[1][1]).all()


@pytest.mark.parametrize("value", [0, 7, 2048, 4095])
def test_one_grey_all_over_is_as_bright_as_it_is(value):
    """What is saturated everywhere had been black."""
    frame = frame_of(np.full((40, 40), value), PixelFormat.MONO12)
    picture = np.empty((40, 40), np.uint32)
    draw.draw_nir_into(picture, frame, *draw.nir_window(frame))
    np.testing.assert_allclose(picture & 0xFF, 255 * value / 4095, atol=1)


def test_the_window_follows_the_percentiles():
    values = np.random.default_rng(5).integers(200, 3000, (512, 640))
    plain = draw.nir_window(frame_of(values, PixelFormat.MONO12))
    packed = draw.nir_window(frame_of(pack_12p(values), PixelFormat.MONO12P))
    for low, high in (plain, packed):
        assert low == pytest.approx(np.percentile(values, 1.0), abs=30)
        assert high == pytest.approx(np.percentile(values, 99.5), abs=30)


def test_a_thumbnail_four_times_smaller_is_the_area_mean():
    mosaic = np.random.default_rng(2).integers(0, 256, (32, 48))
    out = np.zeros((8, 12), np.uint32)
    draw.thumbnail_white_into(out, frame_of(mosaic, PixelFormat.BAYER_GR8))
    blocks = mosaic.reshape(8, 4, 12, 4)
    red = blocks[:, 0::2, :, 1::2].mean(axis=(1, 3))
    green = (
        blocks[:, 0::2, :, 0::2].mean(axis=(1, 3)) + blocks[:, 1::2, :, 1::2].mean(axis=(1, 3))
    ) / 2
    blue = blocks[:, 1::2, :, 0::2].mean(axis=(1, 3))
    assert np.abs(channels(out) - np.stack([red, green, blue], axis=-1)).max() <= 1


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(
        [PixelFormat.BAYER_BG8, PixelFormat.RGB8, PixelFormat.MONO12, PixelFormat.MONO12P]
    ),
    st.integers(1, 20),
    st.integers(1, 10).map(lambda n: 2 * n),
    st.integers(1, 24),
)
def test_thumbnails_of_any_size_from_any_size(pixel_format, height, width, thumbnail_width):
    frame = random_frame(pixel_format, height, width)
    drawer = draw.Drawer()
    if pixel_format.is_mono:
        out = drawer.nir_thumbnail(frame, thumbnail_width)
    else:
        out = drawer.white_thumbnail(frame, thumbnail_width)
    assert out.shape == draw.thumbnail_shape(frame, thumbnail_width)
    assert (out >> 24 == 0xFF).all()


def test_views_need_their_frame():
    with pytest.raises(ValueError, match="needs a NIR frame"):
        draw.Drawer().draw(View.NIR, None, None, None, Settings())
    with pytest.raises(ValueError, match="needs a white frame"):
        draw.Drawer().draw(View.MERGED, None, None, None, Settings())


def test_pictures_are_new_and_read_only():
    frame = random_frame(PixelFormat.BAYER_RG8, 8, 8)
    drawer = draw.Drawer()
    first = drawer.draw(View.WHITE, frame, None, None, Settings())
    second = drawer.draw(View.WHITE, frame, None, None, Settings())
    assert not first.flags.writeable
    assert not np.shares_memory(first, second)
    assert (first == second).all()
