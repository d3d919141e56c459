"""Image files as frames."""

from __future__ import annotations

import struct
from pathlib import Path
from zlib import compress, crc32

import numpy as np
import pytest
import tifffile

from hardware.camera import CameraError, IncompleteFrameError
from hardware.frame import Frame, PixelFormat
from hardware.images import (
    FolderFrames,
    frames_from_arrays,
    image_files,
    read_image,
    write_emulator_image,
)
from hardware.mock import MockCamera
from hardware.opencv import cv2

GREY16 = (np.arange(48, dtype=np.uint16).reshape(6, 8) * 80).astype(np.uint16)
GREY8 = np.arange(48, dtype=np.uint8).reshape(6, 8)


def test_files_are_taken_in_counting_order(tmp_path: Path) -> None:
    for name in ("frame10.png", "frame9.png", "frame100.png", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    assert [p.name for p in image_files(tmp_path)] == ["frame9.png", "frame10.png", "frame100.png"]


def test_no_folder_and_no_images_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(CameraError, match="no such folder"):
        image_files(tmp_path / "none")
    with pytest.raises(CameraError, match="holds no images"):
        image_files(tmp_path)


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("pixels", [GREY8, GREY16], ids=["8 bit", "16 bit"])
def test_pixels_are_as_stored(tmp_path: Path, suffix: str, pixels: np.ndarray) -> None:
    file = tmp_path / f"image.{suffix}"
    assert cv2.imwrite(str(file), pixels)
    read = read_image(file)
    assert read.dtype == pixels.dtype
    np.testing.assert_array_equal(read, pixels)


def test_colour_is_red_first(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "red.tif", np.full((4, 4, 3), (250, 20, 10), np.uint8))
    assert read_image(tmp_path / "red.tif")[0, 0].tolist() == [250, 20, 10]


def test_a_file_cut_anywhere_is_incomplete_never_a_picture(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 4096, (16, 16), dtype=np.uint16)
    assert cv2.imwrite(str(tmp_path / "whole.png"), noise)
    whole = (tmp_path / "whole.png").read_bytes()
    for length in (0, 1, 8, len(whole) // 2, len(whole) - 20, len(whole) - 5):
        (tmp_path / "cut.png").write_bytes(whole[:length])
        with pytest.raises(IncompleteFrameError, match=r"cut\.png"):
            read_image(tmp_path / "cut.png")


def test_floating_point_pixels_are_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "float.tif", np.ones((4, 4), np.float32))
    with pytest.raises(IncompleteFrameError, match="float32"):
        read_image(tmp_path / "float.tif")


def test_a_folder_is_read_lazily_and_as_often_as_asked(tmp_path: Path) -> None:
    for index in range(3):
        cv2.imwrite(str(tmp_path / f"{index}.png"), GREY16 + index)
    frames = FolderFrames(tmp_path, pixel_format=PixelFormat.MONO12, fps=50.0)
    assert len(frames) == 3
    for _ in range(2):
        first, second, third = frames
        assert second.mid_exposure_ns - first.mid_exposure_ns == 20_000_000
        np.testing.assert_array_equal(third.pixels, GREY16 + 2)
    (tmp_path / "1.png").write_bytes(b"no image")
    iteration = iter(frames)
    next(iteration)
    with pytest.raises(IncompleteFrameError, match=r"1\.png"):
        next(iteration)
    assert next(iteration).sequence == 2


def test_a_folder_with_a_damaged_file_plays_on(tmp_path: Path) -> None:
    for index in range(3):
        cv2.imwrite(str(tmp_path / f"{index}.png"), GREY8)
    (tmp_path / "0.png").write_bytes(b"no image")
    frames = FolderFrames(tmp_path, pixel_format=PixelFormat.BAYER_RG8, fps=50.0)
    with MockCamera(frames, pace="fastest", loop=True) as camera:
        camera.start()
        # its first readable file is the second one
        read: list[Frame] = [camera.read(5.0), camera.read(5.0)]
        with pytest.raises(IncompleteFrameError, match=r"0\.png"):
            camera.read(5.0)
        read.append(camera.read(5.0))
    assert [f.sequence for f in read] == [0, 1, 3]
    assert (camera.counters.failed, camera.counters.lost) == (1, 0)


@pytest.mark.parametrize(
    ("pixels", "pixel_format", "why"),
    [
        (GREY16 * 16, PixelFormat.MONO12, "shift_bits"),
        (GREY16, PixelFormat.MONO8, "uint8"),
        (np.zeros((4, 4, 3), np.uint8), PixelFormat.BAYER_RG8, r"\(4, 4\)"),
        (GREY8, PixelFormat.RGB8, "RGB8"),
    ],
)
def test_an_image_of_the_wrong_kind_is_refused_by_name(
    tmp_path: Path,
    pixels: np.ndarray,
    pixel_format: PixelFormat,
    why: str,
) -> None:
    tifffile.imwrite(tmp_path / "odd.tif", pixels)
    with pytest.raises(IncompleteFrameError, match=rf"odd\.tif.*{why}"):
        list(FolderFrames(tmp_path, pixel_format=pixel_format, fps=1.0))


def test_what_was_written_for_the_emulator_is_read_back_bit_for_bit(tmp_path: Path) -> None:
    write_emulator_image(tmp_path / "0.tif", GREY16, 12)
    np.testing.assert_array_equal(read_image(tmp_path / "0.tif"), GREY16 << 4)
    (frame,) = FolderFrames(tmp_path, pixel_format=PixelFormat.MONO12, fps=1.0, shift_bits=4)
    np.testing.assert_array_equal(frame.pixels, GREY16)


def test_eight_bit_files_serve_deeper_formats(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "0.png"), GREY8)
    (frame,) = FolderFrames(tmp_path, pixel_format=PixelFormat.MONO12, fps=1.0)
    assert frame.pixels.dtype == np.uint16
    np.testing.assert_array_equal(frame.pixels, GREY8)


def test_arrays_that_do_not_fit_their_format_are_refused() -> None:
    with pytest.raises(ValueError, match="uint8"):
        frames_from_arrays([GREY8], pixel_format=PixelFormat.MONO12, fps=1.0)
    with pytest.raises(ValueError, match="fps"):
        frames_from_arrays([GREY16], pixel_format=PixelFormat.MONO12, fps=0.0)
    with pytest.raises(ValueError, match="fps"):
        FolderFrames(Path(), pixel_format=PixelFormat.MONO12, fps=0.0)


def test_a_file_that_claims_more_pixels_than_can_be_read_is_refused(tmp_path: Path) -> None:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc32(name + data))

    path = tmp_path / "huge.png"
    size = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 16, 0, 0, 0, 0))
    rows = chunk(b"IDAT", compress(bytes(1000))) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + size + rows)
    with pytest.raises(IncompleteFrameError, match="larger than can be read"):
        read_image(path)
