"""Film, stills and curves of a case: what is asked for, marked, and nothing half."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import av
import msgspec
import numpy as np
import pytest

from hardware.frame import Frame
from hardware.rig import Registration, Rig
from sln_guide.export.film_stills_curves import (
    ExportSummary,
    export_curves,
    export_film,
    export_stills,
)
from sln_guide.export.folder import ExportError
from sln_guide.export.overlay import Layout
from sln_guide.export.wish import Span
from sln_guide.guidance import Mode, Role, Settings
from sln_guide.recording import CaseDescription, CaseReader, CaseWriter, RecordingError
from tests.conftest import PROCEDURE_FRAMES
from tests.export.making import make_frame, spoil


@pytest.fixture
def case(tmp_path: Path, small_rig: Rig, pairs: list[tuple[Frame, Frame]]) -> Path:
    return write(tmp_path / "procedure.case", small_rig, pairs)


def write(folder: Path, rig: Rig, pairs: list[tuple[Frame, Frame]]) -> Path:
    settings = Settings(threshold_sigma=4.0)
    with CaseWriter(
        folder, CaseDescription(rig=rig, settings=settings, mode=Mode.SIMULATED)
    ) as writer:
        for nir, white in pairs:
            writer.write_frame(Role.NIR, nir)
            writer.write_frame(Role.WHITE, white)
    return folder


def film_of(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.mark.parametrize(
    ("layout", "panes"), [(Layout.OVERLAY, 1), (Layout.SIDE_BY_SIDE, 2), (Layout.TRIPTYCH, 3)]
)
def test_views_stand_side_by_side(tmp_path: Path, case: Path, layout: Layout, panes: int) -> None:
    out = tmp_path / "film.mp4"
    told: list[tuple[int, int]] = []
    with CaseReader(case) as reader:
        summary = export_film(
            reader, out, layout, span=Span(end_s=0.3), progress=lambda *step: told.append(step)
        )
    pictures = film_of(out)
    assert told[-1] == (len(pictures), len(pictures))
    assert f"{len(pictures)} pictures, {layout.value}" in summary.text()
    height, width = pictures[0].shape[:2]
    assert width / height == pytest.approx(panes * 320 / 256, rel=0.01)
    shown = np.array_split(pictures[-1].astype(int), panes, axis=1)
    colourful = [float(np.abs(pane - pane.mean(axis=2, keepdims=True)).mean()) for pane in shown]
    if layout is Layout.TRIPTYCH:
        white, nir, merged = colourful
        assert nir < white
        assert not np.array_equal(shown[0], shown[2])
        assert merged > nir


def test_without_registration_nothing_is_merged(
    tmp_path: Path, small_rig: Rig, pairs: list[tuple[Frame, Frame]]
) -> None:
    rig = msgspec.structs.replace(small_rig, registration=Registration(kind="none"))
    with CaseReader(write(tmp_path / "n.case", rig, pairs[:4])) as reader:
        export_film(reader, tmp_path / "n.mp4", Layout.TRIPTYCH)
    height, width = film_of(tmp_path / "n.mp4")[0].shape[:2]
    assert width / height == pytest.approx(2 * 320 / 256, rel=0.01)


def test_a_span_begins_with_settled_tracks(tmp_path: Path, case: Path) -> None:
    with CaseReader(case) as reader:
        times_s = (reader.times_ns(Role.NIR) - reader.times_ns(Role.NIR)[0]) / 1e9
        begin_s = float(times_s[20])
        export_curves(reader, tmp_path / "late.csv", span=Span(begin_s))
        export_curves(reader, tmp_path / "all.csv")
    late, whole = rows(tmp_path / "late.csv"), rows(tmp_path / "all.csv")
    assert len(whole) == len(PROCEDURE_FRAMES)
    assert [r["time_s"] for r in late] == [r["time_s"] for r in whole[20:]]
    nodes = [name for name in late[0] if name.endswith("signal")]
    assert nodes
    assert any(late[0][name] for name in nodes), "confirmed in the lead-in"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_curves_have_a_row_a_frame_and_three_columns_a_node(tmp_path: Path, case: Path) -> None:
    out = tmp_path / "curves.csv"
    with CaseReader(case) as reader:
        summary = export_curves(reader, out)
    table = rows(out)
    names = [name for name in table[0] if name != "time_s"]
    assert len(names) % 3 == 0
    assert names[:3] == ["SLN-1 signal", "SLN-1 sbr", "SLN-1 saturated"]
    assert "time-intensity curves of" in summary.text()
    seen = [row for row in table if row["SLN-1 signal"]]
    assert seen
    assert all(float(row["SLN-1 signal"]) > 0 for row in seen)
    assert table[0]["time_s"] == "0"


def test_stills_are_the_frames_asked_for_with_their_json(tmp_path: Path, case: Path) -> None:
    out = tmp_path / "stills"
    with CaseReader(case) as reader:
        times_s = (reader.times_ns(Role.NIR) - reader.times_ns(Role.NIR)[0]) / 1e9
        summary = export_stills(reader, out, [0.0, float(times_s[5]) + 0.001, 1e9])
        assert "3 stills" in summary.text()
        sequences = [reader.frame(Role.NIR, i).sequence for i in (0, 5, len(times_s) - 1)]
    sidecars = sorted(out.glob("*.json"))
    about = [json.loads(path.read_text()) for path in sidecars]
    assert [a["nir"]["sequence"] for a in about] == sequences
    assert about[0]["mode"] == "simulated"
    assert all(path.with_suffix(".png").exists() for path in sidecars)
    with CaseReader(case) as reader, pytest.raises(ExportError, match="exists already"):
        export_stills(reader, out, [0.0])
    with CaseReader(case) as reader, pytest.raises(ExportError, match="at least one"):
        export_stills(reader, out, [])


def test_a_damaged_frame_is_named_and_left_out(tmp_path: Path, case: Path) -> None:
    spoil(case, Role.NIR, 3)
    with CaseReader(case) as reader:
        summary = export_film(reader, tmp_path / "film.mp4", span=Span(end_s=0.5))
    assert not summary.complete
    assert "not read: part-000.mcap" in summary.text()


@pytest.mark.parametrize("export", [export_film, export_curves])
def test_a_frame_that_left_no_trace_is_told_too(
    tmp_path: Path, case: Path, export: Callable[..., ExportSummary]
) -> None:
    """Bytes that came into a part hide a frame from its index as well: nothing is left to read."""
    part = case / "part-000.mcap"
    data = part.read_bytes()
    part.write_bytes(data[: len(data) // 2] + b"seven.." + data[len(data) // 2 :])
    with CaseReader(case) as reader:
        assert reader.problems
        summary = export(reader, tmp_path / "made.mp4", span=Span(end_s=0.2))
    assert not summary.complete
    assert "not read: part-000.mcap" in summary.text()


@pytest.mark.parametrize("export", [export_film, export_curves])
def test_cancelled_leaves_nothing(
    tmp_path: Path, case: Path, export: Callable[..., object]
) -> None:
    def cancel(done: int, total: int) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "out"
    with CaseReader(case) as reader, pytest.raises(KeyboardInterrupt):
        export(reader, out / "x", progress=cancel)
    assert not out.exists() or not list(out.iterdir())


def test_what_is_there_is_not_written_over(tmp_path: Path, case: Path) -> None:
    (tmp_path / "x").write_text("mine")
    with CaseReader(case) as reader:
        for export in (export_film, export_curves):
            with pytest.raises(ExportError, match="exists already"):
                export(reader, tmp_path / "x")
        with pytest.raises(RecordingError, match="no NIR frame there"):
            export_film(reader, tmp_path / "y.mp4", span=Span(1e6, 2e6))
    assert (tmp_path / "x").read_text() == "mine"
    assert not (tmp_path / "y.mp4").exists()


def test_without_nir_there_is_nothing_to_export(
    tmp_path: Path,
    make_case: Callable[..., Path],
) -> None:
    with CaseReader(make_case([(Role.WHITE, make_frame(white=True))])) as reader:
        with pytest.raises(RecordingError, match="nothing to export"):
            export_stills(reader, tmp_path / "s", [0.0])
        with pytest.raises(RecordingError, match="nothing to export"):
            export_curves(reader, tmp_path / "c.csv")
