"""Import of everything people have: folders, stacks, arrays, video."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hardware.frame import PixelFormat
from hardware.opencv import cv2
from sln_guide.guidance import Role
from sln_guide.recording import CaseReader
from sln_guide.recording.importing import ImportProblem, ImportRequest, import_case
from tests.recording.importing import (
    STACKS,
    bring,
    bring_summary,
    pictures,
    stored,
    write_folder,
    write_video,
)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff", ".pgm"])
def test_folders_of_16_bit_images_in_counting_order(tmp_path: Path, suffix: str) -> None:
    stack = pictures(12)
    folder = bring(tmp_path, write_folder(tmp_path / "nir", stack, suffix), fps=10)
    assert np.array_equal(stored(folder, Role.NIR), stack)
    with CaseReader(folder) as case:
        one = case.frame(Role.NIR, 3)
        assert (one.pixel_format, one.bit_depth) == (PixelFormat.MONO12, 12)
        assert one.mid_exposure_ns == 300_000_000
        assert np.array_equal(case.sequences(Role.NIR)[:, 1], np.arange(12))


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_8_bit_grey_and_colour_pair_up(tmp_path: Path, suffix: str) -> None:
    nir = pictures(5, dtype=np.uint8, high=200)
    colour = pictures(5, dtype=np.uint8, high=200, colour=True)
    summary = bring_summary(
        tmp_path,
        write_folder(tmp_path / "n", nir, suffix),
        write_folder(tmp_path / "w", colour, suffix),
        mm_per_px=0.2,
        exposure_us=5000,
        gain_db=3,
        black_level=7,
        fps=15,
    )
    assert np.array_equal(stored(summary.folder, Role.NIR), nir)
    assert np.array_equal(stored(summary.folder, Role.WHITE), colour)
    assert summary.pairs == 5
    assert any("ASSUMED" in note for note in summary.assumptions)
    with CaseReader(summary.folder) as case:
        assert case.pairs() == [(i, i) for i in range(5)]
        assert case.rig.registration.kind == "assumed"
        assert case.rig.optics.mm_per_px == 0.2
        assert case.rig.sensor.dark_counts == 7
        frame = case.frame(Role.NIR, 0)
        assert (frame.exposure_us, frame.gain_db) == (5000, 3)
        assert case.frame(Role.WHITE, 0).pixel_format is PixelFormat.RGB8


def test_jpeg_is_taken_as_it_decodes(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "n", pictures(2, dtype=np.uint8, high=255), ".jpg")
    expected = [cv2.imread(str(folder / f"im{i}.jpg"), cv2.IMREAD_UNCHANGED) for i in range(2)]
    assert np.array_equal(stored(bring(tmp_path, folder), Role.NIR), np.stack(expected))


@pytest.mark.parametrize("kind", STACKS)
def test_tiff_stacks_of_every_kind(tmp_path: Path, kind: str) -> None:
    stack = pictures(4)
    path = tmp_path / ("s.ome.tif" if kind == "ome" else "s.tif")
    STACKS[kind](path, stack)
    assert np.array_equal(stored(bring(tmp_path, path), Role.NIR), stack)


@pytest.mark.parametrize(
    "shape", [(20, 30), (1, 20, 30), (6, 20, 30)], ids=["plane", "one plane", "planes"]
)
def test_arrays(tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).integers(0, 1000, shape).astype(np.uint16)
    np.save(tmp_path / "a.npy", array)
    folder = bring(tmp_path, tmp_path / "a.npy")
    assert np.array_equal(stored(folder, Role.NIR), array.reshape(-1, 20, 30))


@pytest.mark.parametrize("dtype", [">u2", "<i2", "<i4", ">i4", "<u4", "<i8"])
def test_integers_of_any_kind_keep_their_values(tmp_path: Path, dtype: str) -> None:
    stack = pictures(3)
    np.save(tmp_path / "nir.npy", stack.astype(dtype))
    found = stored(bring(tmp_path, tmp_path / "nir.npy", fps=10), Role.NIR)
    assert np.array_equal(found, stack)


@pytest.mark.parametrize("value", [-1, 65536])
def test_integers_that_do_not_fit_are_refused(tmp_path: Path, value: int) -> None:
    stack = pictures(3).astype(np.int32)
    stack[1, 2, 3] = value
    np.save(tmp_path / "nir.npy", stack)
    with pytest.raises(ImportProblem, match=r"\[1\]: int32 pixels: give whole numbers"):
        bring(tmp_path, tmp_path / "nir.npy", fps=10)


@pytest.mark.parametrize("single", [True, False])
def test_colour_arrays(tmp_path: Path, single: bool) -> None:
    colour = pictures(3, dtype=np.uint8, high=256, colour=True)
    np.save(tmp_path / "w.npy", colour[0] if single else colour)
    folder = bring(tmp_path, None, tmp_path / "w.npy")
    assert np.array_equal(stored(folder, Role.WHITE), colour[: 1 if single else 3])
    with CaseReader(folder) as case:
        assert case.rig.nir is None
        assert case.pairs() == []


@pytest.mark.parametrize(
    ("pixel_format", "dtype", "high"),
    [
        ("gray", np.uint8, 256),
        ("gray10le", np.uint16, 1024),
        ("gray12le", np.uint16, 4096),
        ("gray16le", np.uint16, 65536),
    ],
)
def test_lossless_grey_video_keeps_every_bit(
    tmp_path: Path, pixel_format: str, dtype: type, high: int
) -> None:
    stack = pictures(4, dtype=dtype, high=high)
    write_video(tmp_path / "n.mkv", stack, "ffv1", pixel_format)
    summary = bring_summary(tmp_path, tmp_path / "n.mkv")
    assert np.array_equal(stored(summary.folder, Role.NIR), stack)
    with CaseReader(summary.folder) as case:
        assert case.frame(Role.NIR, 0).bit_depth == high.bit_length() - 1
        assert case.times_ns(Role.NIR)[2] == pytest.approx(2e9 / 25)
    assert any("25 frames/s" in note for note in summary.assumptions)


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format"),
    [("w.mp4", "libx264", "yuv420p"), ("w.avi", "mjpeg", "yuvj420p"), ("w.mkv", "ffv1", "bgr0")],
)
def test_colour_video_as_white_and_its_luma_as_nir(
    tmp_path: Path, name: str, codec: str, pixel_format: str
) -> None:
    smooth = np.zeros((6, 32, 48, 3), np.uint8)
    smooth[...] = np.linspace(40, 200, 48)[:, None].astype(np.uint8)
    write_video(tmp_path / name, smooth, codec, pixel_format)
    folder = bring(tmp_path, None, tmp_path / name, fps=30)
    white = stored(folder, Role.WHITE)
    assert white.shape == smooth.shape
    assert np.abs(white.astype(int) - smooth).max() < 25
    summary = import_case(ImportRequest(tmp_path / name, None, tmp_path / "n.case"))
    says = "green channel" if pixel_format == "bgr0" else "not linear"
    assert any(says in note for note in summary.assumptions)
    nir = stored(tmp_path / "n.case", Role.NIR)
    assert nir.shape == smooth.shape[:3]
    if pixel_format == "bgr0":
        assert np.array_equal(nir, smooth[..., 1])
        coloured = np.dstack([smooth[0, ..., 0], smooth[0, ..., 1] // 2, smooth[0, ..., 2]])
        write_video(tmp_path / "c.mkv", coloured[np.newaxis], codec, pixel_format)
        with pytest.raises(ImportProblem, match="is a colour picture"):
            import_case(ImportRequest(tmp_path / "c.mkv", None, tmp_path / "c.case"))


def test_raw_mosaics_by_white_format(tmp_path: Path) -> None:
    mosaic = pictures(3, dtype=np.uint8, high=256)
    folder = write_folder(tmp_path / "w", mosaic)
    out = bring(tmp_path, None, folder, white_format="BayerGB8")
    with CaseReader(out) as case:
        assert case.frame(Role.WHITE, 1).pixel_format is PixelFormat.BAYER_GB8
    assert np.array_equal(stored(out, Role.WHITE), mosaic)
    for wrong, says in (
        ("Mono8", "give one of"),
        ("nonsense", "give one of"),
        ("BayerRG12", "which is not"),
    ):
        with pytest.raises(ImportProblem, match=says):
            import_case(ImportRequest(None, folder, tmp_path / "x.case", white_format=wrong))


# -- real recordings ------------------------------------------------------------------------------


def test_the_chicken_recording(tmp_path: Path, shared_data: Path) -> None:
    source = shared_data / "fgs_chicken"
    folder = bring(tmp_path, source / "nir", source / "white", fps=15)
    with CaseReader(folder) as case:
        assert case.count(Role.NIR) == case.count(Role.WHITE) == 80
        assert len(case.pairs()) == 80
        assert case.rig.registration.kind == "assumed"
        bgr = cv2.imread(str(source / "white" / "007.png"), cv2.IMREAD_COLOR)
        assert bgr is not None
        assert np.array_equal(case.frame(Role.WHITE, 7).pixels, bgr[..., ::-1])


def test_the_16_bit_images_with_their_dark_frame(tmp_path: Path, shared_data: Path) -> None:
    source = shared_data / "fluo_16bit"
    folder = bring(tmp_path, source / "FLUO_TV_max.png", dark=source / "FLUO_TV_dark.png", fps=1)
    with CaseReader(folder) as case:
        dark = case.dark()
        assert dark is not None
        assert dark.shape == case.frame(Role.NIR, 0).pixels.shape
        assert case.frame(Role.NIR, 0).bit_depth == 16


def test_two_cameras_of_different_sizes(tmp_path: Path, shared_data: Path) -> None:
    source = shared_data / "vis_nir_pair"
    nir, white = next(source.glob("NIR*")), next(source.glob("VIS*"))
    with CaseReader(bring(tmp_path, nir, white)) as case:
        assert case.rig.registration.kind == "none"
        assert case.pairs() == [(0, 0)]
