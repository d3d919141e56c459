"""A rig that nothing vouches for: the same detections, no calibrated units in any file."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import tifffile

from hardware.frame import Frame
from hardware.rig import Rig
from sln_guide.export.film_stills_curves import export_curves, export_stills
from sln_guide.export.process import process_case
from sln_guide.export.raw import export_ome_tiff
from sln_guide.guidance import UNCALIBRATED, Mode, Role, Settings
from sln_guide.recording import CaseDescription, CaseReader, CaseWriter

WHY = "checks: the last quality check failed (scale error); mend it, check again"


@pytest.fixture
def cases(tmp_path: Path, small_rig: Rig, pairs: list[tuple[Frame, Frame]]) -> tuple[Path, Path]:
    """The same recording by a rig that passed its check, and by one that did not."""
    folders = []
    for name, why in (("checked", None), ("failed", WHY)):
        rig = msgspec.structs.replace(small_rig, unchecked=why)
        folders.append(tmp_path / f"{name}.case")
        settings = Settings(threshold_sigma=4.0)
        with CaseWriter(
            folders[-1], CaseDescription(rig=rig, settings=settings, mode=Mode.SIMULATED)
        ) as writer:
            for nir, white in pairs:
                writer.write_frame(Role.NIR, nir)
                writer.write_frame(Role.WHITE, white)
    return folders[0], folders[1]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_tables_leave_out_what_has_no_unit(cases: tuple[Path, Path], tmp_path: Path) -> None:
    made: list[list[dict[str, str]]] = []
    for folder in cases:
        out = tmp_path / f"{folder.stem}-out"
        with CaseReader(folder) as case:
            process_case(case, out)
        made.append(rows(out / "detections.csv"))
        told = json.loads((out / "summary.json").read_text())
        assert any(WHY in line for line in told["assumed"]) == (folder == cases[1])
        frames = [row for row in rows(out / "frames.csv") if row["processed"] == "true"]
        assert all((UNCALIBRATED in row["flags"]) == (folder == cases[1]) for row in frames)
        signals = [track["signal"] for track in told["tracks"]]
        assert signals
        assert all((signal is None) == (folder == cases[1]) for signal in signals)
    checked, failed = made
    assert len(checked) == len(failed) > 10, "the guidance itself does not change"
    without = ("area_mm2", "spot_width_mm", "signal")
    for before, after in zip(checked, failed, strict=True):
        assert all(before[name] for name in without)
        assert not any(after[name] for name in without)
        assert UNCALIBRATED in after["flags"]
        same = [name for name in before if name not in (*without, "flags")]
        assert [before[name] for name in same] == [after[name] for name in same]


def test_exports_leave_it_out_too(cases: tuple[Path, Path], tmp_path: Path) -> None:
    for folder in cases:
        failed = folder == cases[1]
        with CaseReader(folder) as case:
            export_curves(case, tmp_path / f"{folder.stem}.csv")
            export_ome_tiff(case, tmp_path / f"{folder.stem}.ome.tif")
            export_stills(case, tmp_path / f"{folder.stem}-stills", [0.4])
        with (tmp_path / f"{folder.stem}.csv").open() as file:
            heads = next(csv.reader(file))
        assert any(UNCALIBRATED in head for head in heads) == failed
        with tifffile.TiffFile(tmp_path / f"{folder.stem}.ome.tif") as tiff:
            pixels = tifffile.xml2dict(tiff.ome_metadata)["OME"]["Image"]["Pixels"]
        assert ("PhysicalSizeX" in pixels) != failed
        (still,) = (tmp_path / f"{folder.stem}-stills").glob("*.json")
        found: list[dict[str, Any]] = json.loads(still.read_text())["guidance"]["detections"]
        assert found
        assert all((d["area_mm2"] is None) == failed for d in found)
