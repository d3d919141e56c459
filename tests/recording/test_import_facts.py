"""What an import takes for true of its frames: bits, darks, times, partners, registration."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import av
import numpy as np
import pytest

from hardware.frame import PixelFormat
from sln_guide.guidance import Role
from sln_guide.recording import CaseReader
from sln_guide.recording.importing import ImportProblem, ImportRequest, import_case
from tests.recording.importing import (
    bring,
    bring_summary,
    pictures,
    stored,
    write_folder,
)


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
        import_case(ImportRequest(nir, None, tmp_path / "x.case", timestamps=tmp_path / "t.csv"))
    with pytest.raises(ImportProblem, match=r"none\.csv: cannot be read"):
        import_case(ImportRequest(nir, None, tmp_path / "x.case", timestamps=tmp_path / "none.csv"))


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
    assert not bring_summary(tmp_path / "a", whole).damage
    said = bring_summary(tmp_path / "b", cut).damage
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
            import_case(
                ImportRequest(nir, tmp_path / "w.npy", tmp_path / "x.case", registration=path)
            )
    for told, kind in (("identity", "assumed"), ("none", "none")):
        import_case(
            ImportRequest(nir, tmp_path / "w.npy", tmp_path / f"{told}.case", registration=told)
        )
        with CaseReader(tmp_path / f"{told}.case") as case:
            assert case.rig.registration.kind == kind


@pytest.mark.parametrize(
    ("offset", "told", "warned"), [(0, None, False), (64, None, True), (64, 64.0, False)]
)
def test_an_offset_that_nobody_told_is_pointed_out(
    tmp_path: Path, offset: int, told: float | None, warned: bool
) -> None:
    """With it left in, contrast reads low: the darkest pixels show how much it may be."""
    light = np.geomspace(1.0, 900.0, 200 * 240).reshape(200, 240)
    stack = np.rint(light + offset)[None].astype(np.uint16)
    stack[:, 0, :8] = 0  # dead pixels prove nothing
    folder = write_folder(tmp_path / "n", stack)
    notes = bring_summary(tmp_path, folder, black_level=told).assumptions
    hints = [note for note in notes if "hardly a pixel" in note]
    assert bool(hints) == warned
    if warned:
        assert "less than 65:" in hints[0] or "less than 66:" in hints[0]
    assert any("black level 0" in note for note in notes) == (told is None)
