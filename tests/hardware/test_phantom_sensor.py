"""The simulated sensors obey photon transfer, and fail as sensors do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from hardware.frame import PixelFormat
from hardware.phantom import LightStep, Phantom, Scene, scene_named
from hardware.phantom.phantom import DEFAULT_SENSOR
from hardware.phantom.render import Exposure
from hardware.rig import Sensor

SIZE = (320, 256)
FLAT = Scene(*SIZE, tissue=False, illumination_falloff=0.0)


def taken(
    phantom: Phantom, count: int, exposure_us: float = 10_000.0, gain_db: float = 0.0
) -> np.ndarray:
    settings = replace(phantom.settings("nir"), exposure_us=exposure_us, gain_db=gain_db)
    return np.stack(
        [
            phantom.exposed("nir", i, settings, origin_ns=0).pixels.astype(np.float64)
            for i in range(count)
        ]
    )


@pytest.mark.parametrize("gain_db", [0.0, 6.0])
def test_photon_transfer_gives_back_gain_and_read_noise(gain_db: float) -> None:
    """EMVA 1288: variance of differences grows with the mean by K, from read noise squared."""
    phantom = Phantom.from_scene(
        FLAT, sensor=Sensor(dark_counts=64.0, electron_counts=0.4, read_noise_counts=3.0)
    )
    means, variances = [], []
    for exposure_us in (10.0, 2_000.0, 5_000.0, 10_000.0, 20_000.0, 40_000.0):
        a, b = taken(phantom, 2, exposure_us, gain_db)
        cool = (a + b) < 3 * np.median(a + b)
        means.append(float(np.mean((a + b)[cool] / 2)))
        variances.append(float(np.var((a - b)[cool]) / 2) - 1 / 12)
    k, offset = np.polyfit(np.array(means) - 64.0, variances, 1)
    gain = 10 ** (gain_db / 20)
    assert k == pytest.approx(0.4 * gain, rel=0.02)
    assert offset == pytest.approx((3.0 * gain) ** 2, rel=0.06)
    assert means[3] - 64.0 == pytest.approx(400.0 * gain, rel=0.01)


def test_noise_is_normal_white_and_new_in_every_frame() -> None:
    phantom = Phantom.from_scene(FLAT)
    frames = taken(phantom, 6)
    cool = frames.max(axis=0) < 900
    noise = (frames - frames.mean(axis=0)) * np.sqrt(6 / 5)
    z = noise[:, cool] / noise[:, cool].std()
    assert abs(stats.skew(z.ravel())) < 0.02
    assert abs(stats.kurtosis(z.ravel())) < 0.05
    assert np.mean(np.abs(z) > 3) == pytest.approx(0.0027, abs=0.0006)
    inner = noise[:, 1:-1, 1:-1]
    for shift in ((0, 1), (1, 0), (1, 1), (0, 2)):
        other = np.roll(noise, shift, axis=(1, 2))[:, 1:-1, 1:-1]
        assert abs(np.corrcoef(inner.ravel(), other.ravel())[0, 1]) < 0.01
    between = np.corrcoef(noise.reshape(6, -1))
    assert np.abs(between[~np.eye(6, dtype=bool)] + 1 / 5).max() < 0.02
    # averaging n frames takes the noise down by n, as it does on a sensor
    assert taken(phantom, 64).mean(axis=0)[cool].std() < 0.3 * frames[0][cool].std()


def test_roles_and_seeds_have_their_own_noise() -> None:
    a = taken(Phantom.from_scene(FLAT), 1)
    b = taken(Phantom.from_scene(replace(FLAT, seed=2)), 1)
    assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.02


def test_light_saturates_at_the_formats_top() -> None:
    phantom = Phantom.from_scene(FLAT)
    bright = taken(phantom, 1, exposure_us=200_000.0)
    assert bright.min() == bright.max() == 4095
    assert phantom.noiseless(0).max() < 4095


def test_dark_frames_show_offset_read_noise_and_hot_pixels() -> None:
    phantom = Phantom.from_scene(scene_named("dark", 1, 640, 512))
    frames = taken(phantom, 8, exposure_us=20_000.0)
    assert np.median(frames) == 64
    assert phantom.frame("nir", 0).light_on is False
    hot = frames.mean(axis=0) > 64 + 25
    assert 2 <= hot.sum() <= 40
    assert np.std(frames[:, ~hot]) == pytest.approx(np.sqrt(9 + 1 / 12), rel=0.02)
    twice = taken(phantom, 8, exposure_us=40_000.0).mean(axis=0)[hot] - 64
    once = frames.mean(axis=0)[hot] - 64
    clear = (once > 40) & (twice < 3500)
    np.testing.assert_allclose(twice[clear], 2 * once[clear], rtol=0.1)


def test_exposure_and_gain_scale_the_light_and_not_the_offset() -> None:
    phantom = Phantom.from_scene(FLAT)
    base = np.median(taken(phantom, 1)) - 64
    assert np.median(taken(phantom, 1, exposure_us=20_000.0)) - 64 == pytest.approx(
        2 * base, rel=0.01
    )
    assert np.median(taken(phantom, 1, gain_db=6.0206)) - 64 == pytest.approx(2 * base, rel=0.01)


@pytest.mark.parametrize(
    ("pixel_format", "top"),
    [(PixelFormat.MONO8, 255), (PixelFormat.MONO10, 1023), (PixelFormat.MONO12, 4095)],
)
def test_other_formats_show_the_same_scene_in_their_own_counts(
    pixel_format: PixelFormat, top: int
) -> None:
    phantom = Phantom.from_scene(FLAT)
    settings = phantom.checked(
        "nir",
        phantom.settings("nir"),
        replace(phantom.settings("nir"), pixel_format=pixel_format, black_level=None),
    )
    assert settings.black_level == 64.0 * (top + 1) / 4096
    frame = phantom.exposed("nir", 3, settings, origin_ns=0)
    assert frame.bit_depth == pixel_format.bit_depth
    expected = (464.0 * (top + 1)) / 4096
    assert np.median(frame.pixels) == pytest.approx(expected, abs=1)


def test_a_rig_in_other_counts_is_the_same_sensor() -> None:
    """Sensor figures are in the rig's format: 8 bits show the same noise in electrons."""
    eight = Phantom.from_scene(
        replace(FLAT, background_counts_per_ms=10.0),
        nir_format=PixelFormat.MONO8,
        sensor=Sensor(dark_counts=4.0, electron_counts=0.4, read_noise_counts=1.0),
    )
    settings = eight.settings("nir")
    frames = np.stack(
        [eight.exposed("nir", i, settings, origin_ns=0).pixels.astype(float) for i in range(2)]
    )
    assert np.median(frames) == pytest.approx(104, abs=1)
    assert np.var(frames[0] - frames[1]) / 2 == pytest.approx(1.0 + 40.0 + 1 / 12, rel=0.04)


def test_packed_and_plain_12_bits_hold_the_same_picture() -> None:
    phantom = Phantom.from_scene(FLAT)
    plain = phantom.frame("nir", 5)
    settings = replace(phantom.settings("nir"), pixel_format=PixelFormat.MONO12P)
    packed = phantom.exposed("nir", 5, settings, origin_ns=0)
    assert packed.width == plain.width
    b = packed.pixels.reshape(packed.height, -1, 3).astype(np.uint16)
    unpacked = np.empty(plain.pixels.shape, np.uint16)
    unpacked[:, 0::2] = b[..., 0] | ((b[..., 1] & 0xF) << 8)
    unpacked[:, 1::2] = (b[..., 1] >> 4) | (b[..., 2] << 4)
    np.testing.assert_array_equal(unpacked, plain.pixels)


@pytest.mark.parametrize("pattern", ["RG", "GR", "GB", "BG"])
def test_every_bayer_phase_puts_its_colours_where_it_says(pattern: str) -> None:
    scene = Scene(64, 48, border=False, vessels=False, speculars=False)
    phantom = Phantom.from_scene(scene, white_format=PixelFormat(f"Bayer{pattern}12"))
    pixels = phantom.frame("white", 0).pixels.astype(float)
    cells = {(r, c): float(np.median(pixels[r::2, c::2])) for r in (0, 1) for c in (0, 1)}
    names = dict(
        zip(cells, pattern + {"RG": "GB", "GR": "BG", "GB": "RG", "BG": "GR"}[pattern], strict=True)
    )
    by_colour: dict[str, list[float]] = {}
    for place, name in names.items():
        by_colour.setdefault(name, []).append(cells[place])
    assert np.mean(by_colour["R"]) > 1.4 * np.mean(by_colour["G"])
    assert np.mean(by_colour["G"]) > 1.05 * np.mean(by_colour["B"])
    assert max(by_colour["G"]) < 1.05 * min(by_colour["G"])


def test_a_region_of_interest_is_the_same_light() -> None:
    phantom = Phantom.from_scene(scene_named("static", 1, 160, 128))
    whole = phantom.settings("nir")
    roi = (17, 9, 61, 40)
    part = phantom.exposed("nir", 2, replace(whole, roi=roi), origin_ns=0).pixels
    full = phantom.exposed("nir", 2, whole, origin_ns=0).pixels
    np.testing.assert_allclose(
        part.astype(float).mean(), full[9:49, 17:78].astype(float).mean(), rtol=0.01
    )
    white = phantom.settings("white")
    cut = phantom.exposed("white", 2, replace(white, roi=(16, 8, 60, 40)), origin_ns=0).pixels
    full = phantom.exposed("white", 2, white, origin_ns=0).pixels[8:48, 16:76]
    assert np.median(np.abs(cut.astype(float) - full)) <= 3


def test_a_light_step_is_one_step() -> None:
    scene = replace(FLAT, light_step=LightStep(at_s=0.2, nir_factor=1.5, white_factor=0.5))
    phantom = Phantom.from_scene(scene, frame_rate_hz=20.0)
    nir = [float(np.median(phantom.frame("nir", i).pixels)) - 64 for i in range(8)]
    white = [float(np.median(phantom.frame("white", i).pixels)) for i in range(8)]
    assert nir[:4] == pytest.approx([400] * 4, rel=0.01)
    assert nir[4:] == pytest.approx([600] * 4, rel=0.01)
    assert white[7] < 0.6 * white[0]


def test_hidden_defaults_are_used_where_the_rig_is_silent() -> None:
    phantom = Phantom.from_scene(FLAT, sensor=Sensor(dark_counts=64.0))
    a, b = taken(phantom, 2)
    assert DEFAULT_SENSOR.electron_counts is not None
    assert np.var(a - b) / 2 == pytest.approx(9.0 + 0.4 * 400 + 1 / 12, rel=0.05)


def test_exposure_knows_its_gain() -> None:
    exposure = Exposure(PixelFormat.MONO12, 1e4, 20.0, 64.0, (0, 0, 1, 1))
    assert exposure.gain == pytest.approx(10.0)
