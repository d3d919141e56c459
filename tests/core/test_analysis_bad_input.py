"""Whatever comes in: bounded time, no crash, no node claimed, and words that say why."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hardware.frame import PixelFormat
from hardware.opencv import cv2
from hardware.rig import Registration
from sln_guide.core.analysis import Analyser, Field
from sln_guide.guidance import CannotJudge, Kind
from tests.frames import frame_of

ASSUMED = Registration(kind="assumed")
NONE = Registration(kind="none")
HEIGHTS, WIDTHS = (1, 2, 3, 7, 17), (1, 2, 3, 5, 33)


def field(height: int, width: int, pixel_format: PixelFormat = PixelFormat.MONO12, **more) -> Field:
    given = {
        "mm_per_px": None,
        "node_min_mm": 3.0,
        "node_max_mm": 20.0,
        "dark_counts": 64.0,
        "electron_counts": None,
        "read_noise_counts": None,
    } | more
    return Field(height, width, pixel_format, pixel_format.bit_depth, **given)


def nodes(analysis) -> list:
    return [s for s in analysis.spots if s.kind in (Kind.NODE, Kind.UNCERTAIN)]


@pytest.mark.parametrize(
    ("value", "flag"),
    [(0, "no light"), (64, "no light"), (500, "constant image"), (4095, "saturated image")],
)
@pytest.mark.parametrize("shape", [(96, 128), (1, 1), (31, 47)])
def test_even_images_claim_nothing_and_say_why(
    value: int, flag: str, shape: tuple[int, int]
) -> None:
    pixels = np.full(shape, value, np.uint16)
    result = Analyser(field(*shape)).analyse(frame_of(pixels), None, NONE, 4.5)
    assert not result.spots
    assert flag in result.flags
    assert result.limit_sbr is None
    assert np.isinf(result.limit_contrast).all()
    assert not np.isnan(result.signal).any()


@pytest.mark.parametrize("sensor", [{}, {"electron_counts": 0.4, "read_noise_counts": 3.0}])
def test_a_lens_cap_is_no_light_and_a_node_in_the_dark_is(sensor: dict[str, float]) -> None:
    """Behind a cap half of the blocks lie above the offset, by what noise makes."""
    rng = np.random.default_rng(8)
    y, x = np.mgrid[:480, :640]
    node = np.exp(-((x - 300.0) ** 2 + (y - 200.0) ** 2) / 2 / 14.0**2)
    for light, told in ((0.0, True), (12.0, False), (300.0, False)):
        pixels = np.clip(64 + rng.normal(0, 3, node.shape) + light * node, 0, 4095)
        nir = frame_of(np.rint(pixels).astype(np.uint16))
        result = Analyser(field(480, 640, **sensor)).analyse(nir, None, NONE, 4.5)
        assert ("no light" in result.flags) is told
        assert bool(nodes(result)) is not told


@pytest.mark.parametrize("height", HEIGHTS)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("with_white", [False, True])
def test_tiny_and_odd_sizes(height: int, width: int, with_white: bool) -> None:
    rng = np.random.default_rng(height * 100 + width)
    nir = frame_of(rng.integers(60, 4096, (height, width), dtype=np.uint16))
    white = None
    if with_white:
        white = frame_of(
            rng.integers(0, 256, (max(height, 2), max(width, 2)), dtype=np.uint8),
            PixelFormat.BAYER_GB8,
        )
    result = Analyser(field(height, width)).analyse(nir, white, ASSUMED, 4.5)
    rows, cols = result.signal.shape
    assert rows == -(-height // result.grid_px)
    assert cols == -(-width // result.grid_px)
    for image in (result.signal, result.significance, result.background):
        assert np.isfinite(image).all()


def test_nothing_is_read_or_written_past_the_end_of_a_tiny_field() -> None:
    """Compiled kernels look at no bounds: what lies behind a workspace is overwritten unseen.

    Without the compiler they are Python, which does.
    """
    program = """
from tests.core import test_analysis_bad_input as bad
for height in bad.HEIGHTS:
    for width in bad.WIDTHS:
        bad.test_tiny_and_odd_sizes(height, width, True)
        bad.test_even_images_claim_nothing_and_say_why(4095, "saturated image", (height, width))
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_hundred_thousand_blobs_take_bounded_time_and_are_no_nodes() -> None:
    rng = np.random.default_rng(5)
    pixels = np.full((1024, 1280), 300, np.uint16)
    at = rng.integers(0, pixels.size, 100_000)
    pixels.ravel()[at] = 4000
    result = Analyser(field(1024, 1280, mm_per_px=0.1)).analyse(frame_of(pixels), None, NONE, 3.0)
    assert len(result.spots) <= 48


def test_noise_alone_is_no_node() -> None:
    rng = np.random.default_rng(6)
    analyser = Analyser(field(256, 320, mm_per_px=0.4))
    called = 0
    for _ in range(20):
        pixels = np.clip(rng.normal(400, 20, (256, 320)), 0, 4095).astype(np.uint16)
        called += len(nodes(analyser.analyse(frame_of(pixels), None, NONE, 4.5)))
    assert called <= 4


def test_another_size_is_refused_by_name() -> None:
    analyser = Analyser(field(64, 64))
    with pytest.raises(ValueError, match="32 x 64"):
        analyser.analyse(frame_of(np.zeros((64, 32), np.uint16)), None, NONE, 4.5)


def test_not_a_number_in_maps_is_a_bad_pixel() -> None:
    rng = np.random.default_rng(7)
    dark = np.full((96, 128), 60.0)
    flat = np.ones((96, 128))
    dark[10:20, 30:40] = np.nan
    flat[50] = np.nan
    flat[60:70, 60:70] = 0.0
    bad = np.zeros((96, 128), bool)
    bad[80:, :] = True
    pixels = rng.normal(500, 5, (96, 128)).astype(np.uint16)
    result = Analyser(field(96, 128, dark=dark, flat=flat, bad=bad)).analyse(
        frame_of(pixels), None, NONE, 4.5
    )
    assert np.isfinite(result.signal).all()
    assert np.isfinite(result.significance).all()
    assert not nodes(result)
    assert (result.cannot_judge[-1] & CannotJudge.BAD_DATA).all()


def test_every_pixel_bad() -> None:
    result = Analyser(field(48, 64, bad=np.ones((48, 64), bool))).analyse(
        frame_of(np.arange(48 * 64, dtype=np.uint16).reshape(48, 64)), None, NONE, 4.5
    )
    assert not result.spots
    assert result.flags == ("too little of the field can be judged",)


def test_a_light_step_changes_nothing_but_the_level() -> None:
    rng = np.random.default_rng(8)
    y, x = np.mgrid[0:256, 0:320]
    light = 400 * np.exp(rng.normal(0, 0.02, (256, 320)))
    light *= 1 + 1.5 * np.exp(-((x - 160) ** 2 + (y - 120) ** 2) / 2 / 8.0**2)
    analyser = Analyser(field(256, 320, mm_per_px=0.4))
    before = analyser.analyse(frame_of((64 + light).astype(np.uint16)), None, NONE, 4.5)
    after = analyser.analyse(frame_of((64 + 2 * light).astype(np.uint16)), None, NONE, 4.5)
    assert len(nodes(before)) == len(nodes(after)) == 1
    assert after.spots[0].sbr == pytest.approx(before.spots[0].sbr, rel=0.02)
    assert after.spots[0].signal == pytest.approx(2 * before.spots[0].signal, rel=0.03)


def test_white_frame_that_shows_nothing_falls_back_to_nir_alone() -> None:
    rng = np.random.default_rng(9)
    nir = frame_of(rng.normal(500, 5, (128, 160)).astype(np.uint16))
    for value in (0, 255):
        white = frame_of(np.full((128, 160), value, np.uint8), PixelFormat.BAYER_RG8)
        result = Analyser(field(128, 160)).analyse(nir, white, ASSUMED, 4.5)
        assert not nodes(result)
        assert not result.colour_predicted


def test_registration_that_maps_outside_the_white_frame() -> None:
    rng = np.random.default_rng(10)
    nir = frame_of(rng.normal(500, 5, (128, 160)).astype(np.uint16))
    white = frame_of(rng.integers(0, 255, (128, 160), dtype=np.uint8), PixelFormat.BAYER_RG8)
    away = Registration(
        kind="calibrated", white_from_nir=((1.0, 0.0, 1e6), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    )
    result = Analyser(field(128, 160)).analyse(nir, white, away, 4.5)
    assert not result.colour_predicted
    assert (result.cannot_judge & CannotJudge.OUTSIDE_REGISTERED_FIELD).all()
    behind = Registration(
        kind="calibrated", white_from_nir=((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (-0.02, 0.0, 1.0))
    )
    assert Analyser(field(128, 160)).analyse(nir, white, behind, 4.5) is not None


def test_a_field_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="no pixels"):
        field(0, 10)
    with pytest.raises(ValueError, match="dark map"):
        field(10, 10, dark=np.zeros((3, 3)))
    with pytest.raises(ValueError, match="node sizes"):
        field(10, 10, node_min_mm=5.0, node_max_mm=5.0)
    with pytest.raises(ValueError, match="monochrome"):
        field(10, 10, PixelFormat.RGB8)


def in_the_dark(width_mm: float, top: float, ground: float, off: float = 0.0) -> list:
    """Return what is found of a spot before a dark ground [counts]; the dark level is ``off``."""
    y, x = np.mgrid[:1024, :1280]
    sigma = width_mm / 0.1 / 2.355
    light = ground + top * np.exp(-((x - 640) ** 2 + (y - 500) ** 2) / (2 * sigma**2))
    rng = np.random.default_rng(1)
    counts = 64 - off + rng.poisson(2.5 * light) / 2.5 + rng.normal(0, 3, light.shape)
    pixels = np.clip(np.rint(counts), 0, 4095).astype(np.uint16)
    result = Analyser(field(1024, 1280, mm_per_px=0.1)).analyse(frame_of(pixels), None, NONE, 4.5)
    assert not result.flags
    return list(result.spots)


@pytest.mark.parametrize("ground", [0.0, 2.0, 40.0])
def test_brightness_alone_makes_no_injection_site(ground: float) -> None:
    """An excised node on a dark table is far brighter than it; only what clips tells a depot."""
    (found,) = in_the_dark(8.0, 1500.0, ground)
    assert found.kind is Kind.UNCERTAIN
    assert np.hypot(found.x_px - 640, found.y_px - 500) < 8
    sites = [s for s in in_the_dark(8.0, 6000.0, ground) if s.kind is not Kind.CHANNEL]
    assert [s.kind for s in sites] == [Kind.INJECTION]
    wide = [s for s in in_the_dark(18.0, 3500.0, ground) if s.kind is not Kind.CHANNEL]
    assert [s.kind for s in wide] == [Kind.INJECTION]


@pytest.mark.parametrize("off", [0.3, 0.5, 0.8])
def test_a_dark_level_that_is_off_fills_the_dark_with_nothing(off: float) -> None:
    """Half of all noise was cut off at nothing, and the other half stood out: 48 rings."""
    (found,) = in_the_dark(8.0, 1500.0, 0.0, off)
    assert np.hypot(found.x_px - 640, found.y_px - 500) < 8


def test_what_is_found_is_brighter_than_what_is_around_it(shared_data: Path) -> None:
    for image in sorted((shared_data / "nir2_mouse").glob("*.png")):
        pixels = cv2.imread(str(image), cv2.IMREAD_GRAYSCALE)
        analyser = Analyser(field(*pixels.shape, PixelFormat.MONO8, dark_counts=0.0))
        result = analyser.analyse(frame_of(pixels, PixelFormat.MONO8), None, NONE, 4.5)
        assert result.spots
        assert all(spot.sbr > 1.0 for spot in result.spots)
