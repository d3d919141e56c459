"""Raw exports are read back bit for bit, by readers that know nothing of this project."""

from __future__ import annotations

import csv
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from skimage import io as skimage_io

from hardware.frame import Frame, PixelFormat, frozen_pixels
from hardware.rig import Optics
from sln_guide.core.opencv import cv2
from sln_guide.export.folder import ExportError
from sln_guide.export.raw import export_mkv, export_ome_tiff, unpacked
from sln_guide.guidance import Role
from sln_guide.recording import CaseReader, RecordingError
from tests.export.making import make_frame, spoil

EXPORTS = [(export_mkv, "nir.mkv"), (export_ome_tiff, "nir.ome.tif")]


@pytest.fixture
def frames() -> list[Frame]:
    steps_ns = (0, 33_000_000, 66_300_000, 200_000_000, 200_000_100)
    return [make_frame(i, shape=(37, 51), time_ns=10**9 + step) for i, step in enumerate(steps_ns)]


@pytest.fixture
def case(make_case: Callable[..., Path], frames: list[Frame]) -> Path:
    return make_case([(Role.NIR, frame) for frame in frames])


def decoded(path: Path) -> NDArray[Any]:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray() for frame in container.decode(video=0)])


def test_ffv1_is_read_back_bit_for_bit(tmp_path: Path, case: Path, frames: list[Frame]) -> None:
    with CaseReader(case) as reader:
        summary = export_mkv(reader, tmp_path / "nir.mkv")
    assert summary.complete
    assert np.array_equal(decoded(tmp_path / "nir.mkv"), [f.pixels for f in frames])
    with av.open(str(tmp_path / "nir.mkv")) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("ffv1", "gray16le")
        comment = container.metadata["COMMENT"]
        assert "RESEARCH USE ONLY, SIMULATED" in comment
        assert "low 12 bits" in comment


def test_ffv1_is_read_back_by_the_ffmpeg_program(
    tmp_path: Path, case: Path, frames: list[Frame]
) -> None:
    program = shutil.which("ffmpeg")
    if program is None:
        pytest.skip("the ffmpeg program is not installed")
    with CaseReader(case) as reader:
        export_mkv(reader, tmp_path / "nir.mkv")
    words = f"-v error -i {tmp_path / 'nir.mkv'} -fps_mode passthrough -f rawvideo"
    raw = subprocess.run(
        [program, *words.split(), "-pix_fmt", "gray16le", "-"], check=True, capture_output=True
    ).stdout
    assert raw == b"".join(f.pixels.astype("<u2").tobytes() for f in frames)


def test_ome_tiff_is_read_back_bit_for_bit(tmp_path: Path, case: Path, frames: list[Frame]) -> None:
    with CaseReader(case) as reader:
        export_ome_tiff(reader, tmp_path / "nir.ome.tif")
    stack = np.stack([f.pixels for f in frames])
    assert np.array_equal(tifffile.imread(tmp_path / "nir.ome.tif"), stack)
    assert np.array_equal(skimage_io.MultiImage(str(tmp_path / "nir.ome.tif"))[0], stack)


def test_ome_tiff_is_read_back_by_libtiff(tmp_path: Path, case: Path, frames: list[Frame]) -> None:
    """OpenCV's reader, which shares nothing with the library that wrote it."""
    with CaseReader(case) as reader:
        export_ome_tiff(reader, tmp_path / "nir.ome.tif")
    read, pages = cv2.imreadmulti(str(tmp_path / "nir.ome.tif"), flags=cv2.IMREAD_UNCHANGED)
    assert read
    assert pages[0].dtype == np.uint16
    assert np.array_equal(np.stack(pages), [f.pixels for f in frames])


def test_ome_tiff_says_size_times_and_exposures(tmp_path: Path, case: Path) -> None:
    with CaseReader(case) as reader:
        export_ome_tiff(reader, tmp_path / "nir.ome.tif")
    with tifffile.TiffFile(tmp_path / "nir.ome.tif") as file:
        assert file.is_ome
        assert file.series[0].axes == "TYX"
        ome = tifffile.xml2dict(file.ome_metadata)["OME"]
    pixels = ome["Image"]["Pixels"]
    assert (pixels["PhysicalSizeX"], pixels["PhysicalSizeXUnit"]) == (0.1, "mm")
    assert pixels["SignificantBits"] == 12
    assert ome["Image"]["AcquisitionDate"] == "2023-11-14T22:13:21"
    planes = pixels["Plane"]
    assert [plane["DeltaT"] for plane in planes] == pytest.approx(
        [0, 0.033, 0.0663, 0.2, 0.2000001], abs=1e-9
    )
    assert {(p["ExposureTime"], p["ExposureTimeUnit"]) for p in planes} == {(10_000, "µs")}


@pytest.mark.parametrize(("export", "name"), EXPORTS)
def test_one_frame_of_eight_bits_without_a_scale(
    tmp_path: Path,
    make_case: Callable[..., Path],
    export: Callable[..., object],
    name: str,
) -> None:
    pixels = frozen_pixels(np.arange(35, dtype=np.uint8).reshape(5, 7))
    frame = replace(make_frame(), pixels=pixels, pixel_format=PixelFormat.MONO8, bit_depth=8)
    with CaseReader(make_case([(Role.NIR, frame)], optics=Optics())) as reader:
        export(reader, tmp_path / name)
    read = decoded(tmp_path / name) if name.endswith("mkv") else tifffile.imread(tmp_path / name)
    assert read.dtype == np.uint8
    assert np.array_equal(read.reshape(5, 7), pixels)


@pytest.mark.parametrize(("export", "name"), EXPORTS)
def test_an_unreadable_frame_is_named_and_the_others_are_there(
    tmp_path: Path,
    case: Path,
    frames: list[Frame],
    export: Callable[..., Any],
    name: str,
) -> None:
    spoil(case, Role.NIR, 2)
    with CaseReader(case) as reader:
        summary = export(reader, tmp_path / name)
    assert not summary.complete
    assert summary.pictures == 4
    assert "sequence 2" in summary.unread[0]
    rows = list(csv.DictReader((tmp_path / f"{name}.csv").read_text().splitlines()))
    assert [row["picture"] for row in rows] == ["0", "1", "", "2", "3"]
    assert [row["frame"] for row in rows] == ["0", "1", "2", "3", "4"]
    assert rows[2]["unreadable"]
    assert rows[3]["mid_exposure_ns"] == str(frames[3].mid_exposure_ns)


@pytest.mark.parametrize(("export", "name"), EXPORTS)
def test_cancelled_half_way_it_leaves_nothing(
    tmp_path: Path, case: Path, export: Callable[..., Any], name: str
) -> None:
    def cancel(done: int, total: int) -> None:
        assert total == 10
        if done == 8:
            raise KeyboardInterrupt

    out = tmp_path / "out"
    with CaseReader(case) as reader, pytest.raises(KeyboardInterrupt):
        export(reader, out / name, progress=cancel)
    assert not out.exists()


@pytest.mark.parametrize(("export", "name"), EXPORTS)
def test_nothing_is_written_over(
    tmp_path: Path, case: Path, export: Callable[..., Any], name: str
) -> None:
    (tmp_path / name).write_text("mine")
    with CaseReader(case) as reader, pytest.raises(ExportError, match="exists already"):
        export(reader, tmp_path / name)
    assert (tmp_path / name).read_text() == "mine"


@pytest.mark.parametrize(("export", "name"), EXPORTS)
def test_one_file_holds_one_size(
    tmp_path: Path,
    make_case: Callable[..., Path],
    export: Callable[..., Any],
    name: str,
) -> None:
    frames = [make_frame(0), make_frame(1, shape=(24, 32))]
    case = make_case([(Role.NIR, frame) for frame in frames])
    with CaseReader(case) as reader, pytest.raises(ExportError, match="NIR frame 1 is 32x24"):
        export(reader, tmp_path / name)
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize(("export", "name"), EXPORTS)
def test_without_nir_there_is_nothing_to_export(
    tmp_path: Path,
    make_case: Callable[..., Path],
    export: Callable[..., Any],
    name: str,
) -> None:
    case = make_case([(Role.WHITE, make_frame(0, white=True))])
    with CaseReader(case) as reader, pytest.raises(RecordingError, match="no readable NIR"):
        export(reader, tmp_path / name)


def test_packed_pixels_are_taken_apart() -> None:
    values = np.random.default_rng(0).integers(0, 4096, (6, 8), np.uint16)
    even, odd = values[:, 0::2], values[:, 1::2]
    packed = np.empty((6, 12), np.uint8)
    packed[:, 0::3] = even & 0xFF
    packed[:, 1::3] = even >> 8 | (odd & 0xF) << 4
    packed[:, 2::3] = odd >> 4
    frame = replace(make_frame(), pixels=frozen_pixels(packed), pixel_format=PixelFormat.MONO12P)
    assert np.array_equal(unpacked(frame), values)
