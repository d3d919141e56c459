"""What image files hold beside their pixels, or hold in a way of their own: said, or refused."""

from __future__ import annotations

import struct
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from hardware.opencv import cv2
from sln_guide.cli import main
from sln_guide.guidance import Role
from sln_guide.recording.importing import ImportProblem
from sln_guide.recording.importing.heads import LOSSY, TRANSPARENT, TURNED, head_of
from sln_guide.terminal import OK
from tests.recording.importing import Pixels, bring_summary, pictures, stored, write_folder

RGB = pictures(1, dtype=np.uint8, high=256, colour=True)[0]
GREY = pictures(1, dtype=np.uint8, high=256)[0]
SEE_THROUGH = np.dstack([RGB, pictures(1, dtype=np.uint8, high=256, seed=2)[0]])
SMOOTH = np.add.outer(np.arange(20) * 4, np.arange(30) * 3).astype(np.uint8)


def chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def png(depth: int, colour: int, rows: list[bytes], *more: tuple[bytes, bytes]) -> bytes:
    head = struct.pack(">IIBBBBB", 30, 20, depth, colour, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    between = b"".join(chunk(*each) for each in more)
    body = chunk(b"IHDR", head) + between + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def jpeg(pixels: Pixels, turned: int | None = None, *, big_endian: bool = False) -> bytes:
    whole, coded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 100])
    assert whole
    data: bytes = coded.tobytes()
    if turned is None:
        return data
    end, mark = (">", b"MM\0*") if big_endian else ("<", b"II*\0")
    entries = [(0x010F, 2, 1, 0), (0x0112, 3, 1, turned)]
    directory = struct.pack(f"{end}IH", 8, len(entries))
    for tag, kind, count, value in entries:
        directory += struct.pack(f"{end}HHIHH", tag, kind, count, value, 0)
    exif = b"Exif\0\0" + mark + directory + bytes(4)
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]


def told(tmp_path: Path, name: str, data: bytes, role: Role = Role.NIR) -> tuple[Pixels, str]:
    """Import one file; return what is stored, and what was told."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_bytes(data)
    folder = tmp_path / "in"
    nir, white = (folder, None) if role is Role.NIR else (None, folder)
    summary = bring_summary(tmp_path, nir, white)
    return stored(summary.folder, role)[0], "\n".join(summary.assumptions)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_transparency_is_left_out_and_said_to_be(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"made{suffix}"
    if suffix == ".tif":
        tifffile.imwrite(path, SEE_THROUGH, photometric="rgb", extrasamples=["unassalpha"])
    else:
        cv2.imwrite(str(path), SEE_THROUGH[..., [2, 1, 0, 3]])
    pixels, said = told(tmp_path, f"1{suffix}", path.read_bytes(), Role.WHITE)
    assert np.array_equal(pixels, RGB)
    assert f"in: {TRANSPARENT}" in said


def test_transparency_of_grey_and_of_a_palette_is_said(tmp_path: Path) -> None:
    rows = [np.stack([row, row // 2], -1).tobytes() for row in GREY]
    pixels, said = told(tmp_path, "1.png", png(8, 4, rows))
    assert np.array_equal(pixels, GREY)
    assert TRANSPARENT in said
    palette = np.arange(768, dtype=np.uint16).astype(np.uint8)
    more = ((b"PLTE", palette.tobytes()), (b"tRNS", bytes(range(256))))
    (tmp_path / "white").mkdir()
    places = png(8, 3, [row.tobytes() for row in GREY], *more)
    pixels, said = told(tmp_path / "white", "1.png", places, Role.WHITE)
    assert np.array_equal(pixels, palette.reshape(256, 3)[GREY])
    assert TRANSPARENT in said


def test_pictures_without_transparency_say_nothing(tmp_path: Path) -> None:
    _, said = told(tmp_path, "1.png", png(8, 0, [row.tobytes() for row in GREY]))
    assert all(what not in said for what in (TRANSPARENT, TURNED, LOSSY, "stretched"))


def test_some_pictures_among_others_are_counted(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "w", np.stack([RGB, RGB]))
    cv2.imwrite(str(folder / "im2.png"), SEE_THROUGH[..., [2, 1, 0, 3]])
    said = bring_summary(tmp_path, None, folder).assumptions
    assert f"w: {TRANSPARENT} (1 of 3 pictures)" in said


def test_few_bits_are_said_to_be_stretched(tmp_path: Path) -> None:
    four = GREY >> 4
    rows = [(row[0::2] << 4 | row[1::2]).astype(np.uint8).tobytes() for row in four]
    pixels, said = told(tmp_path, "1.png", png(4, 0, rows))
    assert np.array_equal(pixels, four * 17)
    assert "in: has values of 4 bit, which are stretched to 0 to 255" in said


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("turned", [1, 3, 6])
def test_a_jpeg_that_is_to_be_turned_is_not_and_says_so(
    tmp_path: Path, turned: int, big_endian: bool
) -> None:
    data = jpeg(SMOOTH, turned, big_endian=big_endian)
    pixels, said = told(tmp_path, "1.jpg", data)
    assert np.array_equal(pixels, SMOOTH)
    assert (TURNED in said) == (turned != 1)
    assert LOSSY in said


def test_a_tiff_that_is_to_be_turned_is_not_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "made.tif"
    tifffile.imwrite(path, GREY, photometric="minisblack", extratags=[(274, "H", 1, 6, True)])
    pixels, said = told(tmp_path, "1.tif", path.read_bytes())
    assert np.array_equal(pixels, GREY)
    assert TURNED in said


def test_inks_and_animations_are_refused(tmp_path: Path) -> None:
    data = bytearray(jpeg(np.dstack([SMOOTH] * 3)))
    size = data.index(b"\xff\xc0")
    data[size + 9] = 4  # says that it has four colours
    for name, made, says in (
        ("inks.jpg", bytes(data), "inks.jpg: its colours are inks"),
        (
            "moving.png",
            png(8, 0, [r.tobytes() for r in GREY], (b"acTL", struct.pack(">II", 2, 0))),
            "moving.png: is an animation",
        ),
    ):
        path = tmp_path / name
        path.write_bytes(made)
        with pytest.raises(ImportProblem, match=says):
            head_of(path)


@given(
    st.binary(max_size=200), st.sampled_from([b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"P5", b"RIFF"])
)
def test_any_bytes_have_a_head_or_are_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, kind: bytes
) -> None:
    path = tmp_path_factory.mktemp("heads") / "x.png"
    path.write_bytes(kind + data)
    with suppress(ImportProblem):
        head_of(path)


def test_names_with_ends_of_lines_are_told_in_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_folder(tmp_path / "two\nlines ü", pictures(2))
    assert main(["import", "--nir", str(folder), "--out", str(tmp_path / "o.case")]) == OK
    said = capsys.readouterr().out.splitlines()
    assert all(line.startswith(("  assumed: ", str(tmp_path))) for line in said)
