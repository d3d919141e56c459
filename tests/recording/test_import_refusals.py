"""What cannot be imported is named, and nothing of it is left behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from hardware.opencv import cv2
from sln_guide.guidance import Role
from sln_guide.recording import CaseReader, RecordingError
from sln_guide.recording.importing import ImportProblem, ImportRequest, import_case
from tests.recording.importing import (
    STACKS,
    bring,
    pictures,
    stored,
    write_folder,
    write_video,
)


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
        import_case(ImportRequest(folder, None, tmp_path / "x.case"))
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
        folder = import_case(ImportRequest(path, None, tmp_path / "x.case")).folder
        got = stored(folder, Role.NIR)
        assert np.array_equal(got, stack[: len(got)])
        return
    with pytest.raises(ImportProblem, match=r"cut short|holds no picture|cannot be read"):
        import_case(ImportRequest(path, None, tmp_path / "x.case"))
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
            import_case(ImportRequest(tmp_path / name, None, tmp_path / "o.case"))
        assert name in str(error.value)
    with pytest.raises(ImportProblem, match="nothing to import"):
        import_case(ImportRequest(None, None, tmp_path / "o.case"))
    assert not (tmp_path / "o.case").exists()


def test_a_case_that_is_there_is_left_alone(tmp_path: Path) -> None:
    nir = write_folder(tmp_path / "n", pictures(1))
    folder = bring(tmp_path, nir)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    with pytest.raises(RecordingError, match="choose another name"):
        import_case(ImportRequest(nir, None, folder))
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
        import_case(ImportRequest(nir, None, tmp_path / "x.case", **told))
    grey = write_folder(tmp_path / "g", pictures(2, dtype=np.uint8, high=200))
    with pytest.raises(ImportProblem, match="8 bit pictures"):
        import_case(ImportRequest(grey, None, tmp_path / "x.case", bit_depth=12))


def test_darks_of_another_camera_are_refused(tmp_path: Path) -> None:
    nir = write_folder(tmp_path / "n", pictures(2))
    np.save(tmp_path / "small.npy", np.zeros((10, 30), np.uint16))
    np.save(tmp_path / "grey.npy", np.zeros((20, 30), np.uint8))
    np.save(tmp_path / "white.npy", np.zeros((1, 20, 30, 3), np.uint8))
    for name, says in (("small", "30x10 px"), ("grey", "uint8 pixels")):
        with pytest.raises(ImportProblem, match=says):
            import_case(
                ImportRequest(nir, None, tmp_path / "x.case", dark=tmp_path / f"{name}.npy")
            )
    with pytest.raises(ImportProblem, match="no NIR"):
        import_case(ImportRequest(None, tmp_path / "white.npy", tmp_path / "x.case", dark=nir))


def test_odd_names(tmp_path: Path) -> None:
    odd = tmp_path / "Öl & 'Wasser' – 50% [x]"
    nir = write_folder(odd / "nir #1", pictures(2))
    summary = import_case(ImportRequest(nir, None, odd / "à côté.case"))
    with CaseReader(summary.folder) as case:
        assert case.title == "à côté"


def test_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    nir = write_folder(tmp_path / "n", pictures(4))
    import_case(
        ImportRequest(nir, None, tmp_path / "x.case"), progress=lambda *step: told.append(step)
    )
    assert told[-1] == (8, 8)
    assert [done for done, _ in told] == list(range(1, 9))
