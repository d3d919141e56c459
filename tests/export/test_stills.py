"""A still is the picture bit for bit, and says what it is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtGui import QImage

from sln_guide.export.folder import ExportError
from sln_guide.export.stills import png_bytes, save_still
from sln_guide.guidance import Mode
from tests.export.making import make_detection, make_guidance, make_picture


def test_the_picture_is_read_back_bit_for_bit_by_another_reader(tmp_path: Path) -> None:
    picture = make_picture()
    png, _ = save_still(picture, tmp_path / "12.30.45 still", mode=Mode.LIVE)
    assert png.name == "12.30.45 still.png"
    image = QImage(str(png)).convertToFormat(QImage.Format.Format_RGB32)
    rows = np.frombuffer(image.constBits(), np.uint32).reshape(image.height(), -1)
    assert np.array_equal(rows[:, : image.width()], picture.rgb32)


def test_the_sidecar_says_what_made_it(tmp_path: Path) -> None:
    coasting = make_detection(coasted=True, signal=None, sbr=None, cnr=None)
    seen = make_detection(x_px=np.float64(30.25))
    _, sidecar = save_still(
        make_picture(make_guidance(seen, coasting)),
        tmp_path / "a.png",
        mode=Mode.SIMULATED,
        title="demo",
        taken_wall_ns=1_700_000_000_123_000_000,
    )
    about = json.loads(sidecar.read_text())
    assert about["notice"] == "RESEARCH USE ONLY"
    assert (about["mode"], about["title"]) == ("simulated", "demo")
    assert about["taken"] == "2023-11-14T22:13:20.123+00:00"
    assert about["guidance"]["registration"]["kind"] == "assumed"
    assert about["guidance"]["settings"]["threshold_sigma"] == 4.5
    (detection,) = about["guidance"]["detections"]
    assert (detection["track_id"], detection["sbr"], detection["x_px"]) == (3, 2.5, 30.25)
    assert about["nir"]["sequence"] == 7


def test_a_picture_without_guidance_claims_none(tmp_path: Path) -> None:
    bare = replace(make_picture(), guidance=None, nir=None, overlay_drawn=False)
    _, sidecar = save_still(bare, tmp_path / "a.png", mode=Mode.LIVE)
    about = json.loads(sidecar.read_text())
    assert about["guidance"] is None
    assert about["nir"] is None
    assert about["taken"] is None


def test_nothing_is_written_over(tmp_path: Path) -> None:
    save_still(make_picture(), tmp_path / "a.png", mode=Mode.LIVE)
    with pytest.raises(ExportError, match=r"a\.png exists already"):
        save_still(make_picture(), tmp_path / "a.png", mode=Mode.LIVE)


def test_a_disk_that_is_full_keeps_no_half_of_it(small_disk: Path) -> None:
    with (small_disk / "ballast").open("wb") as ballast:
        ballast.write(bytes((4 << 20) - (64 << 10)))
    noise = np.random.default_rng(1).integers(0, 1 << 24, (500, 500)).astype(np.uint32)
    with pytest.raises(ExportError, match="No space left"):
        save_still(make_picture(), small_disk / "a.png", mode=Mode.LIVE, rgb32=noise)
    assert [p.name for p in small_disk.iterdir()] == ["ballast"]


def test_what_a_killed_program_left_of_a_still_is_no_still(tmp_path: Path) -> None:
    png, sidecar = save_still(make_picture(), tmp_path / "a.png", mode=Mode.LIVE)
    png.unlink()
    save_still(make_picture(), png, mode=Mode.LIVE)
    assert png.exists()
    png.unlink()
    for other in (b'{"name": "somebody else"}', b"no JSON", b"\xff"):
        sidecar.write_bytes(other)
        with pytest.raises(ExportError, match=r"a\.json exists already"):
            save_still(make_picture(), png, mode=Mode.LIVE)


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="cannot be written") as caught:
        save_still(make_picture(), tmp_path / "nowhere" / "a.png", mode=Mode.LIVE)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_one_pixel_is_a_picture() -> None:
    assert png_bytes(np.array([[0xFF102030]], np.uint32)).startswith(b"\x89PNG")
