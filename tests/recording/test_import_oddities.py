"""Files as other programs really leave them: what is not light, not whole, or not evenly spaced."""

from __future__ import annotations

import os
import signal
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import tifffile

from hardware.opencv import cv2
from sln_guide.cli import main
from sln_guide.export.summary import assumptions
from sln_guide.guidance import Role
from sln_guide.recording import CaseReader, RecordingError
from sln_guide.recording.importing import ImportProblem, ImportRequest, import_case
from sln_guide.recording.writer import CaseWriter
from sln_guide.terminal import INPUT, INTERRUPTED, PARTIAL, USAGE
from tests.recording.importing import bring, bring_summary, pictures, stored, write_folder


def refused(tmp_path: Path, path: Path, *, white: bool = False) -> str:
    with pytest.raises(ImportProblem) as error:
        import_case(
            ImportRequest(None if white else path, path if white else None, tmp_path / "x.case")
        )
    assert not (tmp_path / "x.case").exists()
    return str(error.value)


def test_a_tiff_in_which_white_is_zero_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "s.tif", pictures(1)[0], photometric="miniswhite")
    assert "zero is white" in refused(tmp_path, tmp_path / "s.tif")


def test_a_tiff_palette_gives_its_colours_not_its_places(tmp_path: Path) -> None:
    places = pictures(1, dtype=np.uint8, high=256)[0]
    down = np.arange(256)[::-1]
    for name, table in {"grey": (down, down, down), "colour": (down, down // 2, down // 3)}.items():
        tifffile.imwrite(
            tmp_path / f"{name}.tif",
            places,
            photometric="palette",
            colormap=(np.stack(table) * 257).astype(np.uint16),
        )
    assert np.array_equal(stored(bring(tmp_path, tmp_path / "grey.tif"), Role.NIR)[0], down[places])
    assert "colour picture" in refused(tmp_path, tmp_path / "colour.tif")
    folder = bring(tmp_path / "white", None, tmp_path / "colour.tif")
    expected = np.stack([down[places], (down // 2)[places], (down // 3)[places]], -1)
    assert np.array_equal(stored(folder, Role.WHITE)[0], expected)


def test_a_tiff_with_a_plane_a_colour(tmp_path: Path) -> None:
    rgb = pictures(2, dtype=np.uint8, high=256, colour=True)
    tifffile.imwrite(
        tmp_path / "w.tif", rgb.transpose(0, 3, 1, 2), photometric="rgb", planarconfig="separate"
    )
    assert np.array_equal(stored(bring(tmp_path, None, tmp_path / "w.tif"), Role.WHITE), rgb)


@pytest.mark.parametrize("kind", ["ome", "imagej"])
@pytest.mark.parametrize("axes", ["TCYX", "TZYX"])
def test_planes_that_take_turns_are_no_moments_in_time(
    tmp_path: Path, kind: str, axes: str
) -> None:
    stack = np.stack([pictures(3), pictures(3, seed=2)], 1)
    tifffile.imwrite(tmp_path / "s.tif", stack, **{kind: True}, metadata={"axes": axes})
    what = "2 channels" if "C" in axes else "2 slices"
    assert f"{what} and 3 frames take turns" in refused(tmp_path, tmp_path / "s.tif")


def test_a_reduced_copy_between_compressed_pages_is_not_taken_for_the_next(tmp_path: Path) -> None:
    stack = pictures(6)  # every second one says that it is a reduced copy of the one before
    path = tmp_path / "s.tif"
    cv2.imwritemulti(str(path), list(stack))
    raw = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tiff:
        assert tiff.pages[0].compression == tifffile.COMPRESSION.LZW
        places = [page.tags["NewSubfileType"].valueoffset for page in tiff.pages[1::2]]
    for place in places:
        raw[place : place + 4] = struct.pack("<I", 1)
    path.write_bytes(raw)
    assert np.array_equal(stored(bring(tmp_path, path), Role.NIR), stack[::2])


def test_twelve_packed_bits_keep_their_values(tmp_path: Path) -> None:
    picture = pictures(1)[0]
    pairs = picture.astype(np.uint32).reshape(-1, 2)
    three = np.stack(
        [pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255], -1
    )
    data = three.astype(np.uint8).tobytes()
    height, width = picture.shape
    tags = [(256, width), (257, height), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1)]
    tags += [(278, height), (279, len(data))]
    directory = struct.pack("<H", len(tags)) + b"".join(
        struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags
    )
    head = b"II*\0" + struct.pack("<I", 8 + len(data))
    (tmp_path / "s.tif").write_bytes(head + data + directory + bytes(4))
    summary = bring_summary(tmp_path, tmp_path / "s.tif")
    assert np.array_equal(stored(summary.folder, Role.NIR)[0], picture)
    assert any("12 bits, as the file states" in note for note in summary.assumptions)


def test_a_pgm_states_its_bits_and_may_be_text(tmp_path: Path) -> None:
    picture = pictures(1, high=600)[0]
    height, width = picture.shape
    head = f"# a comment\n{width} {height}\n1023\n"
    (tmp_path / "n").mkdir()
    (tmp_path / "n/1.pgm").write_bytes(f"P5\n{head}".encode() + picture.astype(">u2").tobytes())
    (tmp_path / "n/2.pgm").write_text(f"P2\n{head}" + " ".join(map(str, picture.ravel())))
    summary = bring_summary(tmp_path, tmp_path / "n")
    assert np.array_equal(stored(summary.folder, Role.NIR), [picture, picture])
    assert any("10 bits, as the file states" in note for note in summary.assumptions)


def test_what_lies_beside_the_images_is_said(tmp_path: Path) -> None:
    nir = write_folder(tmp_path / "n", pictures(3, dtype=np.uint8, high=255))
    (nir / "._im1.png").write_bytes(b"\0\5\x16\7")  # what macOS leaves on a memory stick
    (nir / "²3.webp").write_bytes(b"?")
    summary = bring_summary(tmp_path, nir)
    assert summary.frames[Role.NIR] == 3
    assert any("passed over ._im1.png, ²3.webp" in note for note in summary.assumptions)
    (nir / "im3.png").symlink_to(tmp_path / "gone.png")
    assert "im3.png: a link that leads nowhere" in refused(tmp_path, nir)


def test_names_that_only_leading_zeros_tell_apart_are_refused(tmp_path: Path) -> None:
    nir = write_folder(tmp_path / "n", pictures(3))
    (nir / "im0.png").rename(nir / "im002.png")
    said = refused(tmp_path, nir)
    assert "im2.png: has the same number as im002.png: two recordings in one folder?" in said


def test_names_of_several_kinds_in_one_folder_are_said(tmp_path: Path) -> None:
    nir = write_folder(tmp_path / "n", pictures(4))
    for number in (2, 3):
        (nir / f"im{number}.png").rename(nir / f"second{number}.png")
    notes = bring_summary(tmp_path, nir).assumptions
    assert any("names of 2 kinds (im#, second#) are taken for one recording" in n for n in notes)


def test_superscripts_are_no_numbers(tmp_path: Path) -> None:
    nir = write_folder(tmp_path / "n", pictures(2))
    (nir / "im0.png").rename(nir / "²1.png")
    assert len(stored(bring(tmp_path, nir), Role.NIR)) == 2


def test_opencv_adds_no_lines_of_its_own(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    nir = write_folder(tmp_path / "n", pictures(2, dtype=np.uint8, high=255), ".bmp")
    whole = (nir / "im1.bmp").read_bytes()
    (nir / "im1.bmp").write_bytes(whole[: len(whole) // 2])
    assert "im1.bmp: not an image, or cut short" in refused(tmp_path, nir)
    assert capfd.readouterr().err == ""


def numbered(tmp_path: Path, name: str, numbers: list[int]) -> Path:
    colour = name == "white"
    folder = tmp_path / name
    folder.mkdir()
    for number in numbers:
        picture = np.full((8, 9, 3) if colour else (8, 9), number % 251, np.uint8)
        assert cv2.imwrite(str(folder / f"im{number}.png"), picture)
    return folder


@pytest.mark.parametrize("step", [1, 5])
def test_missing_numbers_are_lost_frames(tmp_path: Path, step: int) -> None:
    nir = numbered(tmp_path, "nir", [n * step for n in (1, 2, 3, 6, 7, 9)])
    summary = bring_summary(tmp_path, nir, fps=10)
    assert any("3 numbers are missing" in note for note in summary.assumptions)
    with CaseReader(summary.folder) as case:
        assert (case.times_ns(Role.NIR) / 1e8).round().tolist() == [0, 1, 2, 5, 6, 8]
        assert [(g.first_sequence, g.count) for g in case.gaps(Role.NIR)] == [(3, 2), (7, 1)]


def test_time_stamps_in_names_are_no_frame_counter(tmp_path: Path) -> None:
    began = 1_714_739_400_000_000
    stamps = [began + us for us in (0, 100_000, 200_000, 353_000, 501_000)]
    nir = numbered(tmp_path, "nir", stamps)
    white = numbered(tmp_path, "white", [*stamps, began + 600_000])
    summary = bring_summary(tmp_path, nir, white, fps=10)
    with CaseReader(summary.folder) as case:
        assert case.duration_s == pytest.approx(0.5)
        assert case.pairs() == [(i, i) for i in range(5)]
    alone = bring_summary(tmp_path / "alone", nir)
    assert any("no frame counter" in note for note in alone.assumptions)


def test_numbers_that_do_not_grow_with_the_names_match_nothing(tmp_path: Path) -> None:
    nir, white = numbered(tmp_path, "nir", [1, 2, 3]), numbered(tmp_path, "white", [1, 2, 3, 4])
    (nir / "im1.png").rename(nir / "b1.png")
    (nir / "im2.png").rename(nir / "a2.png")
    with CaseReader(bring(tmp_path, nir, white, fps=10)) as case:
        assert (np.diff(case.times_ns(Role.NIR)) > 0).all()


def uneven_video(path: Path, times_ms: list[int]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 30, 20, "gray"
        stream.time_base = Fraction(1, 1000)
        for time_ms, pixels in zip(times_ms, pictures(len(times_ms), high=255), strict=True):
            frame = av.VideoFrame.from_ndarray(pixels.astype(np.uint8), format="gray")
            frame.pts, frame.time_base = time_ms, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def test_a_video_with_uneven_times_keeps_them(tmp_path: Path) -> None:
    times_ms = [0, 40, 80, 240, 280, 720]
    uneven_video(tmp_path / "v.mkv", times_ms)
    summary = bring_summary(tmp_path, tmp_path / "v.mkv")
    assert any("not evenly spaced" in note for note in summary.assumptions)
    with CaseReader(summary.folder) as case:
        assert (case.times_ns(Role.NIR) / 1e6).tolist() == times_ms
    told = bring_summary(tmp_path / "told", tmp_path / "v.mkv", fps=10)
    with CaseReader(told.folder) as case:
        assert (np.diff(case.times_ns(Role.NIR)) == 100_000_000).all()


def test_a_video_with_a_damaged_frame_is_imported_and_said_to_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "v.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25, options={"level": "3", "slicecrc": "1"})
        stream.width, stream.height, stream.pix_fmt = 300, 200, "gray"
        for pixels in np.random.default_rng(0).integers(0, 255, (8, 200, 300), np.uint8):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="gray")))
        container.mux(stream.encode(None))
    raw = bytearray(path.read_bytes())
    raw[len(raw) * 9 // 16] ^= 16  # in the middle of the fifth
    path.write_bytes(raw)
    words = ["import", "--nir", str(path), "--out", str(tmp_path / "x.case")]
    assert main(words) == PARTIAL
    assert "damaged: v.mkv: " in capsys.readouterr().out
    with CaseReader(tmp_path / "x.case") as case:
        assert case.count(Role.NIR) == 8
        assert any(e.name == "damaged" and "CRC" in e.detail for e in case.events())
        assert any(line.startswith("damaged: v.mkv") for line in assumptions(case, dark=False))


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("frame,time_s\n0,0.0\n1,0.25\n2,0.75\n", "'time_s', in seconds"),
        ("frame,timestamp (ms)\n7,1000\n8,1250\n9,1750\n", "'timestamp (ms)', in ms"),
        ("time_ns;x\n5;1\n250000005;2\n750000005;3\n", "'time_ns', in ns"),
        ("im0.png,0.0\nim1.png,0.25\nim2.png,0.75\n", ""),
    ],
)
def test_the_column_of_times_is_told_by_its_head(tmp_path: Path, text: str, column: str) -> None:
    np.save(tmp_path / "nir.npy", pictures(3))
    (tmp_path / "t.csv").write_text(text)
    summary = bring_summary(tmp_path, tmp_path / "nir.npy", timestamps=tmp_path / "t.csv")
    assert any(column in note for note in summary.assumptions)
    with CaseReader(summary.folder) as case:
        assert np.diff(case.times_ns(Role.NIR)).tolist() == [250_000_000, 500_000_000]
    with pytest.raises(ImportProblem, match="one of the two"):
        import_case(
            ImportRequest(
                tmp_path / "nir.npy", None, tmp_path / "y", timestamps=tmp_path / "t.csv", fps=3
            )
        )


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"fps": 1e12}, "--fps"),
        ({"fps": 1e-12}, "would span"),
        ({"fps": float("inf")}, "--fps"),
        ({"exposure_us": float("inf")}, "--exposure-us"),
        ({"exposure_us": 1e30}, "--exposure-us"),
        ({"mm_per_px": 1e300}, "--mm-per-px"),
        ({"mm_per_px": 1e-9}, "--mm-per-px"),
        ({"mm_per_px": 50.0}, "--mm-per-px"),
        ({"gain_db": 1e9}, "--gain-db"),
        ({"black_level": 99_999.0}, "leaves no light"),
        ({"registration": "identity"}, "--registration"),
        ({"white_format": "BayerRG8"}, "--white-format"),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    tmp_path: Path, told: dict[str, object], says: str
) -> None:
    nir = write_folder(tmp_path / "n", pictures(2))
    with pytest.raises(ImportProblem, match=says):
        import_case(ImportRequest(nir, None, tmp_path / "x.case", **told))
    assert not (tmp_path / "x.case").exists()


def test_identity_between_unequal_sizes_is_refused(tmp_path: Path) -> None:
    nir = write_folder(tmp_path / "n", pictures(1))
    np.save(tmp_path / "w.npy", np.zeros((1, 40, 60, 3), np.uint8))
    with pytest.raises(ImportProblem, match="--registration identity: NIR is 30x20, white 60x40"):
        import_case(
            ImportRequest(nir, tmp_path / "w.npy", tmp_path / "x.case", registration="identity")
        )


def test_infinity_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["import", "--nir", "x", "--out", "y", "--fps", "inf"])
    assert ended.value.code == USAGE
    assert "must be positive, not inf" in capsys.readouterr().err


@pytest.mark.parametrize("fault", [RecordingError("the disk is full"), KeyboardInterrupt()])
def test_an_import_that_fails_half_way_leaves_nothing(
    tmp_path: Path, fault: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    nir = write_folder(tmp_path / "n", pictures(4))
    write, written = CaseWriter.write_frame, []

    def write_two(case: CaseWriter, *words: object) -> None:
        if len(written) == 2:
            raise fault
        written.append(words)
        write(case, *words)

    monkeypatch.setattr(CaseWriter, "write_frame", write_two)
    with pytest.raises(type(fault)):
        import_case(ImportRequest(nir, None, tmp_path / "x.case"))
    assert not (tmp_path / "x.case").exists()


@pytest.mark.usefixtures("_hangup_is_heard")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_closed_terminal_leaves_no_half_case(
    tmp_path: Path, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    nir = write_folder(tmp_path / "n", pictures(2))
    monkeypatch.setattr(CaseWriter, "write_frame", lambda *_: os.kill(os.getpid(), number))
    words = ["import", "--nir", str(nir), "--out", str(tmp_path / "x.case")]
    assert main(words) == INTERRUPTED
    assert not (tmp_path / "x.case").exists()
    assert signal.getsignal(number) is signal.SIG_DFL


def test_the_date_is_that_of_the_first_file_not_of_its_folder(tmp_path: Path) -> None:
    nir = write_folder(tmp_path / "n", pictures(2))
    os.utime(nir / "im0.png", ns=(10**18, 10**18))
    with CaseReader(bring(tmp_path, nir)) as case:
        assert case.started_wall_ns == 10**18


def test_what_is_no_file_is_not_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    words = ["import", "--nir", str(tmp_path / "pipe.png"), "--out", str(tmp_path / "x.case")]
    assert main(words) == INPUT
    assert "neither a file nor a folder" in capsys.readouterr().err
