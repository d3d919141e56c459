"""Import of everything people have, and what is said when it cannot be."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from hardware.frame import PixelFormat
from hardware.opencv import cv2
from sln_guide.guidance import Role
from sln_guide.recording import CaseReader, RecordingError
from sln_guide.recording.importing import ImportProblem, ImportSummary, import_case
from sln_guide.recording.verify import verify

Pixels = NDArray[np.uint8] | NDArray[np.uint16]


def pictures(
    count: int, *, dtype: type = np.uint16, high: int = 4096, colour: bool = False, seed: int = 1
) -> Pixels:
    shape = (count, 20, 30, 3) if colour else (count, 20, 30)
    array: Pixels = np.random.default_rng(seed).integers(0, high, shape).astype(dtype)
    array[0].reshape(-1)[0] = high - 1
    return array


def write_folder(folder: Path, stack: Pixels, suffix: str = ".png", first: int = 0) -> Path:
    folder.mkdir(parents=True)
    for number, picture in enumerate(stack, first):
        bgr = picture[..., ::-1] if picture.ndim == 3 else picture
        assert cv2.imwrite(str(folder / f"im{number}{suffix}"), bgr)
    return folder


def stored(folder: Path, role: Role) -> Pixels:
    with CaseReader(folder) as case:
        return np.stack([f.pixels for f in case.frames(role)])


def bring(tmp_path: Path, nir: Path | None, white: Path | None = None, **told: object) -> Path:
    return bring_summary(tmp_path, nir, white, **told).folder


def bring_summary(
    tmp_path: Path, nir: Path | None, white: Path | None = None, **told: object
) -> ImportSummary:
    summary = import_case(nir, white, tmp_path / "out.case", **told)
    result = verify(summary.folder)
    assert result.complete, result.text()
    return summary


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


def save_pages(path: Path, stack: Pixels) -> None:
    with tifffile.TiffWriter(path) as tiff:
        for page in stack:
            tiff.write(page, photometric="minisblack")


STACKS: dict[str, Callable[[Path, Pixels], None]] = {
    "pages": save_pages,
    "series": lambda p, s: tifffile.imwrite(p, s, photometric="minisblack"),
    "imagej": lambda p, s: tifffile.imwrite(p, s, imagej=True),
    "ome": lambda p, s: tifffile.imwrite(p, s, ome=True, metadata={"axes": "TYX"}),
    "deflate": lambda p, s: tifffile.imwrite(p, s, compression="zlib", photometric="minisblack"),
    "lzw": lambda p, s: cv2.imwritemulti(str(p), list(s)) and None,
    "bigtiff": lambda p, s: tifffile.imwrite(p, s, bigtiff=True, photometric="minisblack"),
}


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


def write_video(path: Path, stack: Pixels, codec: str, pixel_format: str) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height = stack.shape[2], stack.shape[1]
        stream.pix_fmt = pixel_format
        for picture in stack:
            kind = "rgb24" if picture.ndim == 3 else pixel_format
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format=kind)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


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
    if pixel_format != "bgr0":
        summary = import_case(tmp_path / name, None, tmp_path / "n.case")
        assert any("not linear" in note for note in summary.assumptions)
        assert stored(tmp_path / "n.case", Role.NIR).shape == smooth.shape[:3]
    else:
        with pytest.raises(ImportProblem, match="convert to grey"):
            import_case(tmp_path / name, None, tmp_path / "n.case")


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
            import_case(None, folder, tmp_path / "x.case", white_format=wrong)


# -- bits, darks, times, registration -------------------------------------------------------------


@pytest.mark.parametrize(
    ("high", "step", "told", "kind", "depth"),
    [
        (1024, 1, None, PixelFormat.MONO10, 10),
        (4096, 1, None, PixelFormat.MONO12, 12),
        (300, 1, 12, PixelFormat.MONO12, 12),
        (10_000, 1, None, PixelFormat.MONO16, 14),
        (4096, 16, None, PixelFormat.MONO16, 16),
        (4096, 16, 12, PixelFormat.MONO16, 16),
        (200, 1, None, PixelFormat.MONO16, 8),
        (65536, 1, 16, PixelFormat.MONO16, 16),
    ],
)
def test_bit_depth_is_told_or_read_and_values_never_change(
    tmp_path: Path, high: int, step: int, told: int | None, kind: PixelFormat, depth: int
) -> None:
    stack = (pictures(3, high=high) * step).astype(np.uint16)
    folder = write_folder(tmp_path / "n", stack)
    summary = bring_summary(tmp_path, folder, bit_depth=told)
    assert np.array_equal(stored(summary.folder, Role.NIR), stack)
    with CaseReader(summary.folder) as case:
        frame = case.frame(Role.NIR, 0)
        assert (frame.pixel_format, frame.bit_depth) == (kind, depth)
    said = any("bits" in note for note in summary.assumptions)
    assert said == (told is None or told != depth)


def test_png_that_states_its_bits_is_believed(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "n", pictures(1, high=500))
    path = next(folder.iterdir())
    raw = path.read_bytes()
    chunk = b"sBIT" + bytes([12])
    inserted = b"\x00\x00\x00\x01" + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    path.write_bytes(raw[:33] + inserted + raw[33:])
    summary = bring_summary(tmp_path, folder)
    assert any("12 bits, as the file states" in note for note in summary.assumptions)


def test_dark_frames_are_averaged_attached_and_read_back(tmp_path: Path) -> None:
    nir = write_folder(tmp_path / "n", pictures(2))
    darks = pictures(4, high=64, seed=9)
    folder = bring(tmp_path, nir, dark=write_folder(tmp_path / "d", darks))
    with CaseReader(folder) as case:
        dark = case.dark()
        assert dark is not None
        assert dark.dtype == np.float32
        assert np.allclose(dark, darks.mean(axis=0))
        assert case.rig.sensor.dark_counts == pytest.approx(darks.mean())


def test_times_from_a_csv(tmp_path: Path) -> None:
    nir = write_folder(tmp_path / "n", pictures(3))
    white = write_folder(tmp_path / "w", pictures(2, dtype=np.uint8, high=255, colour=True))
    (tmp_path / "t.csv").write_text("nir,white\n100.0,100.1\n100.5,100.6\n102.0,\n")
    folder = bring(tmp_path, nir, white, timestamps=tmp_path / "t.csv")
    with CaseReader(folder) as case:
        assert case.times_ns(Role.NIR).tolist() == [0, 500_000_000, 2_000_000_000]
        assert case.times_ns(Role.WHITE).tolist() == [100_000_000, 600_000_000]
        assert case.pairs() == [(0, 0), (1, 1), (2, None)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "0 times for 3"),
        ("1\n2\n", "2 times for 3"),
        ("1\nx\n3\n", "give seconds"),
        ("1\n3\n2\n", "must grow"),
        ("1\nnan\n2\n", "must grow"),
        ("\x00\xff", "t.csv"),
    ],
)
def test_bad_times_are_refused(tmp_path: Path, text: str, says: str) -> None:
    nir = write_folder(tmp_path / "n", pictures(3))
    (tmp_path / "t.csv").write_text(text, encoding="latin-1")
    with pytest.raises(ImportProblem, match=says):
        import_case(nir, None, tmp_path / "x.case", timestamps=tmp_path / "t.csv")
    with pytest.raises(ImportProblem, match=r"none\.csv: cannot be read"):
        import_case(nir, None, tmp_path / "x.case", timestamps=tmp_path / "none.csv")


def test_times_with_decimal_commas(tmp_path: Path) -> None:
    np.save(tmp_path / "nir.npy", pictures(3))
    (tmp_path / "t.csv").write_text("Zeit;Bild\n0,0;1\n0,25;2\n0,75;3\n")
    folder = bring(tmp_path, tmp_path / "nir.npy", timestamps=tmp_path / "t.csv")
    with CaseReader(folder) as case:
        assert np.diff(case.times_ns(Role.NIR)).tolist() == [250_000_000, 500_000_000]


def test_a_video_cut_short_is_said_to_be(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.mkv", tmp_path / "cut.mkv"
    with av.open(str(whole), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 300, 200, "gray"
        noise = np.random.default_rng(0).integers(0, 255, (20, 200, 300), np.uint8)
        for picture in noise:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="gray")))
        container.mux(stream.encode(None))
    data = whole.read_bytes()
    cut.write_bytes(data[: len(data) // 2])
    assert not any("cut short" in a for a in bring_summary(tmp_path / "a", whole).assumptions)
    said = bring_summary(tmp_path / "b", cut).assumptions
    assert any("cut.mkv may be cut short: it states 2.00 s" in what for what in said)


def test_missing_files_are_matched_by_number(tmp_path: Path) -> None:
    nir = write_folder(tmp_path / "n", pictures(10))
    white = write_folder(tmp_path / "w", pictures(10, dtype=np.uint8, high=255, colour=True))
    (white / "im4.png").unlink()
    summary = bring_summary(tmp_path, nir, white, fps=10)
    assert any("matched by the numbers" in note for note in summary.assumptions)
    assert any("10 nir and 9 white" in note for note in summary.assumptions)
    with CaseReader(summary.folder) as case:
        pairs = dict(case.pairs())
        assert pairs[3] == 3
        assert pairs[5] == 4
        (gap,) = case.gaps(Role.WHITE)
        assert (gap.first_sequence, gap.count) == (4, 1)


def test_unequal_counts_pair_what_can_be(tmp_path: Path) -> None:
    nir = write_folder(tmp_path / "n", pictures(6))
    white = tmp_path / "w.npy"
    np.save(white, pictures(4, dtype=np.uint8, high=255, colour=True))
    summary = bring_summary(tmp_path, nir, white, fps=10)
    assert any("6 nir and 4 white" in note for note in summary.assumptions)
    with CaseReader(summary.folder) as case:
        assert len(case.pairs()) == 6
        assert case.pairs()[3:] == [(3, 3), (4, None), (5, None)]
        assert summary.pairs == sum(w is not None for _, w in case.pairs())


def test_different_sizes_mean_no_registration(tmp_path: Path) -> None:
    nir = write_folder(tmp_path / "n", pictures(2))
    np.save(tmp_path / "w.npy", np.zeros((2, 40, 60, 3), np.uint8))
    summary = bring_summary(tmp_path, nir, tmp_path / "w.npy")
    assert any("no registration" in note for note in summary.assumptions)
    with CaseReader(summary.folder) as case:
        assert case.rig.registration.kind == "none"


MATRIX = [[2.0, 0.0, 1.0], [0.0, 2.0, 3.0], [0.0, 0.0, 1.0]]


@pytest.mark.parametrize("kind", ["toml", "rig.toml", "json", "npy", "txt", "csv"])
def test_registration_from_a_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"r.{kind}"
    if kind == "toml":
        path.write_text(f'kind = "calibrated"\nresidual_mm = 0.2\nwhite_from_nir = {MATRIX}\n')
    elif kind == "rig.toml":
        path.write_text(f'[registration]\nkind = "calibrated"\nwhite_from_nir = {MATRIX}\n')
    elif kind == "json":
        path.write_text(json.dumps({"kind": "calibrated", "white_from_nir": MATRIX}))
    elif kind == "npy":
        np.save(path, np.array(MATRIX))
    else:
        separator = "," if kind == "csv" else " "
        path.write_text("\n".join(separator.join(map(str, row)) for row in MATRIX))
    nir = write_folder(tmp_path / "n", pictures(1))
    np.save(tmp_path / "w.npy", np.zeros((1, 40, 60, 3), np.uint8))
    folder = bring(tmp_path, nir, tmp_path / "w.npy", registration=path)
    with CaseReader(folder) as case:
        registration = case.rig.registration
        assert registration.matrix().tolist() == MATRIX
        measured = kind in ("toml", "rig.toml", "json")
        assert registration.kind == ("calibrated" if measured else "assumed")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("r.txt", "1 2 3", "not 3x3"),
        ("r.txt", "a b c", "not a registration"),
        ("r.txt", "1 0 0\n0 1 0\n1 1 0", "cannot be inverted"),
        ("r.txt", "1 0 0\n0 nan 0\n0 0 1", "cannot be inverted"),
        ("r.txt", "1 0 0\n0 1\n0 0 1", "not a registration"),
        ("r.json", "{", "not a registration"),
        ("r.toml", "kind = 'maybe'", "not a registration"),
        ("r.toml", "[other]\nx = 1", "not a registration"),
        ("r.npy", "x", "not a registration"),
    ],
)
def test_bad_registrations_are_refused(tmp_path: Path, name: str, content: str, says: str) -> None:
    nir = write_folder(tmp_path / "n", pictures(1))
    np.save(tmp_path / "w.npy", np.zeros((1, 20, 30, 3), np.uint8))
    (tmp_path / name).write_text(content)
    for path, message in ((tmp_path / name, says), (tmp_path / "gone.txt", "no such file")):
        with pytest.raises(ImportProblem, match=message):
            import_case(nir, tmp_path / "w.npy", tmp_path / "x.case", registration=path)
    for told, kind in (("identity", "assumed"), ("none", "none")):
        import_case(nir, tmp_path / "w.npy", tmp_path / f"{told}.case", registration=told)
        with CaseReader(tmp_path / f"{told}.case") as case:
            assert case.rig.registration.kind == kind


# -- what cannot be imported ----------------------------------------------------------------------


def cut(path: Path, keep: float) -> Path:
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * keep)])
    return path


def bad_folder(tmp_path: Path, what: str) -> Path:
    folder = write_folder(tmp_path / "n", pictures(3))
    path = folder / "im1.png"
    if what == "cut":
        cut(path, 0.7)
    elif what == "cut at its end":
        cut(path, 0.999)
    elif what == "empty file":
        path.write_bytes(b"")
    elif what == "no image":
        path.write_text("hello")
    elif what == "flipped":
        raw = bytearray(path.read_bytes())
        raw[len(raw) // 2] ^= 16
        path.write_bytes(raw)
    elif what == "other size":
        cv2.imwrite(str(path), np.zeros((21, 30), np.uint16))
    elif what == "other depth":
        cv2.imwrite(str(path), np.zeros((20, 30), np.uint8))
    elif what == "colour":
        cv2.imwrite(str(path), pictures(1, colour=True)[0])
    elif what == "float":
        tifffile.imwrite(path.with_suffix(".tif"), np.zeros((20, 30), np.float32))
        path.unlink()
    elif what == "folder":
        path.unlink()
        (folder / "im1.png").mkdir()
    return folder


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("cut", "cut short"),
        ("cut at its end", "cut short"),
        ("empty file", "is empty"),
        ("no image", "not an image"),
        ("flipped", "damaged"),
        ("other size", "must be alike"),
        ("other depth", "must be alike"),
        ("colour", "NIR must be grey"),
        ("float", "float32"),
    ],
)
def test_a_bad_file_is_named_and_nothing_is_left_behind(
    tmp_path: Path, what: str, says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = bad_folder(tmp_path, what)
    with pytest.raises(ImportProblem, match=says) as error:
        import_case(folder, None, tmp_path / "x.case")
    assert "im1." in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "x.case").exists()
    if what != "no image":
        assert capfd.readouterr().err == ""


@pytest.mark.parametrize("keep", [0.05, 0.5, 0.97])
@pytest.mark.parametrize("kind", ["pages", "imagej", "deflate", "npy", "mkv"])
def test_a_stack_cut_short_is_refused(tmp_path: Path, kind: str, keep: float) -> None:
    stack = pictures(6)
    path = tmp_path / ("s.npy" if kind == "npy" else "s.mkv" if kind == "mkv" else "s.tif")
    if kind == "npy":
        np.save(path, stack)
    elif kind == "mkv":
        write_video(path, stack, "ffv1", "gray12le")
    else:
        STACKS[kind](path, stack)
    cut(path, keep)
    if kind == "mkv" and keep > 0.1:
        # Matroska plays on to where it was cut; what is there is imported, bit for bit.
        folder = import_case(path, None, tmp_path / "x.case").folder
        got = stored(folder, Role.NIR)
        assert np.array_equal(got, stack[: len(got)])
        return
    with pytest.raises(ImportProblem, match=r"cut short|holds no picture|cannot be read"):
        import_case(path, None, tmp_path / "x.case")
    assert not (tmp_path / "x.case").exists()


def test_what_is_not_there_or_not_a_picture(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "x.xyz").write_text("?")
    (tmp_path / "bad.mp4").write_text("no video")
    (tmp_path / "bad.npy").write_text("no array")
    (tmp_path / "bad.tif").write_text("no tiff")
    np.save(tmp_path / "float.npy", np.zeros((2, 20, 30)))
    np.save(tmp_path / "flat.npy", np.zeros(20, np.uint8))
    np.save(tmp_path / "none.npy", np.zeros((0, 20, 30), np.uint8))
    np.save(tmp_path / "object.npy", np.array([None]), allow_pickle=True)
    for name, says in {
        "empty": "holds no images",
        "gone": "does not exist",
        "x.xyz": "cannot be imported: give a folder",
        "bad.mp4": "not a video",
        "bad.npy": "not an array",
        "bad.tif": "not a TIFF",
        "float.npy": "float64 pixels",
        "flat.npy": "not a stack of pictures",
        "none.npy": "holds no picture",
        "object.npy": "not an array",
    }.items():
        with pytest.raises(ImportProblem, match=says) as error:
            import_case(tmp_path / name, None, tmp_path / "o.case")
        assert name in str(error.value)
    with pytest.raises(ImportProblem, match="nothing to import"):
        import_case(None, None, tmp_path / "o.case")
    assert not (tmp_path / "o.case").exists()


def test_a_case_that_is_there_is_left_alone(tmp_path: Path) -> None:
    nir = write_folder(tmp_path / "n", pictures(1))
    folder = bring(tmp_path, nir)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    with pytest.raises(RecordingError, match="choose another name"):
        import_case(nir, None, folder)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"bit_depth": 10}, "more than 10 bits"),
        ({"black_level": -1.0}, "black-level"),
        ({"black_level": float("nan")}, "black-level"),
        ({"gain_db": -1.0}, "gain-db"),
        ({"gain_db": float("inf")}, "gain-db"),
    ],
)
def test_what_is_told_wrong_is_refused(tmp_path: Path, told: dict[str, float], says: str) -> None:
    nir = write_folder(tmp_path / "n", pictures(2))
    with pytest.raises(ImportProblem, match=says):
        import_case(nir, None, tmp_path / "x.case", **told)
    grey = write_folder(tmp_path / "g", pictures(2, dtype=np.uint8, high=200))
    with pytest.raises(ImportProblem, match="8 bit pictures"):
        import_case(grey, None, tmp_path / "x.case", bit_depth=12)


def test_darks_of_another_camera_are_refused(tmp_path: Path) -> None:
    nir = write_folder(tmp_path / "n", pictures(2))
    np.save(tmp_path / "small.npy", np.zeros((10, 30), np.uint16))
    np.save(tmp_path / "grey.npy", np.zeros((20, 30), np.uint8))
    np.save(tmp_path / "white.npy", np.zeros((1, 20, 30, 3), np.uint8))
    for name, says in (("small", "30x10 px"), ("grey", "uint8 pixels")):
        with pytest.raises(ImportProblem, match=says):
            import_case(nir, None, tmp_path / "x.case", dark=tmp_path / f"{name}.npy")
    with pytest.raises(ImportProblem, match="no NIR"):
        import_case(None, tmp_path / "white.npy", tmp_path / "x.case", dark=nir)


def test_odd_names(tmp_path: Path) -> None:
    odd = tmp_path / "Öl & 'Wasser' – 50% [x]"
    nir = write_folder(odd / "nir #1", pictures(2))
    summary = import_case(nir, None, odd / "à côté.case")
    with CaseReader(summary.folder) as case:
        assert case.title == "à côté"


def test_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    nir = write_folder(tmp_path / "n", pictures(4))
    import_case(nir, None, tmp_path / "x.case", progress=lambda *step: told.append(step))
    assert told[-1] == (8, 8)
    assert [done for done, _ in told] == list(range(1, 9))


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
