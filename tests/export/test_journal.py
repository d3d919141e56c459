"""The journal: what was recorded as shown, said and gone wrong comes out again, in order."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hardware.rig import Rig
from sln_guide.export import journal as journal_module
from sln_guide.export.folder import ExportError
from sln_guide.export.journal import COLUMNS, export_journal
from sln_guide.guidance import Role, Settings, View
from sln_guide.health import Alignment, Health, RecorderHealth, SessionHealth, StreamHealth
from sln_guide.recording import CaseDescription, CaseReader, CaseWriter
from tests.export.making import make_frame, make_guidance

MS = 1_000_000
SECOND = 1000 * MS
LIVE = "LIVE"
MOVED = "MOVED · Overlay removed: tissue has moved"
NIR = StreamHealth(Role.NIR, "1", Health.LIVE, lost=2)
WELL = SessionHealth(NIR, replace(NIR, role=Role.WHITE, lost=0))


@pytest.fixture
def writer(tmp_path: Path, small_rig: Rig) -> Iterator[CaseWriter]:
    with CaseWriter(
        tmp_path / "a.case", CaseDescription(rig=small_rig, settings=Settings())
    ) as writer:
        writer.write_frame(Role.NIR, make_frame(time_ns=SECOND))
        yield writer


def journal(writer: CaseWriter) -> list[dict[str, str]]:
    writer.close()
    out = writer.folder.parent / "journal.csv"
    with CaseReader(writer.folder) as case:
        summary = export_journal(case, out)
        assert summary.complete
        assert f"{summary.entries} entries" in summary.text()
        with pytest.raises(ExportError, match="there already"):
            export_journal(case, out)
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [float(row["time_s"]) for row in rows] == sorted(float(row["time_s"]) for row in rows)
    return rows


def test_what_the_screen_said_is_told_by_stretches(writer: CaseWriter) -> None:
    for number in range(60):
        at_ns = SECOND + number * 20 * MS
        nir = make_frame(number + 1, time_ns=at_ns)
        writer.write_guidance(replace(make_guidance(nir=nir), generation=number))
        said = MOVED if 20 <= number < 30 else LIVE
        age_ns = (83 if number == 7 else 30) * MS
        writer.write_shown(number, number, View.MERGED, at_ns + age_ns, said == LIVE, said)
    writer.write_shown(59, 59, View.WHITE, 5 * SECOND, False, LIVE)
    screen = [row for row in journal(writer) if row["source"] == "screen"]
    assert [(row["what"], row["detail"]) for row in screen] == [
        (LIVE, "merged view; overlay shown; painted 20 times in 0.4 s; its NIR at most 83 ms old"),
        (MOVED, "merged view; no overlay; painted 10 times in 0.2 s"),
        (LIVE, "merged view; overlay shown; painted 30 times in 0.6 s; its NIR at most 30 ms old"),
        ("no new picture", "for 2.8 s"),
        (LIVE, "white view; no overlay; painted once"),
    ]
    assert [float(row["time_s"]) for row in screen] == pytest.approx([0.03, 0.43, 0.63, 1.21, 4.0])


def test_what_went_wrong_is_told_when_it_begins_and_when_it_is_over(writer: CaseWriter) -> None:
    failed = replace(WELL, processing_error="the core failed")
    gone = replace(
        WELL,
        nir=replace(NIR, health=Health.LOST, error="device removed", lost=5),
        recorder=RecorderHealth(error="the disk is full"),
    )
    again = replace(WELL, nir=replace(NIR, lost=5))
    for health in (WELL, WELL, failed, failed, gone, again):
        writer.write_health(health)
    writer.write_gap(Role.WHITE, 40, 3, 1, "the backlog is full")
    writer.write_event("injection", "left breast, 10 o'clock", 2 * SECOND)
    rows = journal(writer)
    told = [(row["source"], row["what"], row["detail"]) for row in rows]
    assert ("event", "injection", "left breast, 10 o'clock") in told
    assert ("recorder", "3 white frames not recorded", "from 40 on: the backlog is full") in told
    rest = [entry for entry in told if entry[0] != "event" and "not recorded" not in entry[1]]
    assert sorted(rest) == sorted(
        [
            ("nir camera", "live", ""),
            ("nir camera", "2 frames lost until now", "since it was opened"),
            ("white camera", "live", ""),
            ("processing", "the core failed", "error"),
            ("processing", "over: the core failed", "error"),
            ("nir camera", "lost", "device removed"),
            ("nir camera", "3 frames lost", "5 so far"),
            ("recorder", "the disk is full", "error"),
            ("recorder", "over: the disk is full", "error"),
            ("nir camera", "live", ""),
        ]
    )


def test_losses_of_a_program_that_went_on_with_the_case_are_told(writer: CaseWriter) -> None:
    """It counts from nothing again: what is lost then was hidden by what had been lost before."""
    anew = replace(WELL, nir=replace(NIR, lost=1))
    for number, health in enumerate((WELL, anew, replace(anew, nir=replace(NIR, lost=2)))):
        writer.write_health(health, time_ns=(number + 1) * SECOND)
    assert [row["what"] for row in journal(writer) if "frames lost" in row["what"]] == [
        "2 frames lost until now",
        "1 frames lost",
        "1 frames lost",
    ]


def test_no_age_is_told_by_what_another_session_computed(writer: CaseWriter) -> None:
    """The one that went on with the case counts from 1 again, and logs a moment later."""
    writer.write_guidance(replace(make_guidance(nir=make_frame(1, time_ns=SECOND)), generation=1))
    writer.write_shown(1, 1, View.MERGED, SECOND + 40 * MS, True, LIVE)
    writer._tape._part.release()  # as when its recorder dies
    writer._lock.release()
    writer._summary = object()  # type: ignore[assignment]
    with CaseWriter.resume(writer.folder) as going_on:
        going_on.write_frame(Role.NIR, make_frame(2, time_ns=30 * SECOND))
        going_on.write_shown(1, 2, View.MERGED, 30 * SECOND + 50 * MS, True, LIVE)
        nir = make_frame(3, time_ns=31 * SECOND)
        going_on.write_guidance(replace(make_guidance(nir=nir), generation=2))
        going_on.write_shown(2, 3, View.MERGED, 31 * SECOND + 50 * MS, True, LIVE)
    with CaseReader(writer.folder) as case:
        ages = [painted.overlay_age_ms for painted in case.paints()]
    assert ages == [pytest.approx(40.0), None, pytest.approx(50.0)]


def edges(verdict: str) -> SessionHealth:
    return replace(WELL, alignment=Alignment(verdict, verdict, None, None, 0))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("silent_s", "told"),
    [
        (10.0, ["edges: moved", "over: edges: moved"]),
        (
            0.0,
            [
                "edges: cannot tell",
                "edges: moved",
                "edges: cannot tell",
                "over: edges: cannot tell",
            ],
        ),
    ],
)
def test_edges_that_come_and_go_are_told_where_they_change_what_is_known(
    writer: CaseWriter, monkeypatch: pytest.MonkeyPatch, silent_s: float, told: list[str]
) -> None:
    monkeypatch.setattr(journal_module, "SILENT_S", silent_s)
    for verdict in ("cannot tell", "cannot tell", "moved", "moved", "cannot tell", "holds"):
        writer.write_health(edges(verdict))
    rows = [row for row in journal(writer) if row["source"] == "registration"]
    assert [row["what"] for row in rows] == told


def test_what_edges_cannot_tell_for_long_is_told_from_when_it_began() -> None:
    follow = journal_module._Edges().follow
    seconds = [(0, "holds"), (5, "cannot tell"), (9, "holds"), (20, "cannot tell")]
    seconds += [(25, "cannot tell"), (31, "cannot tell"), (40, "cannot tell"), (50, "holds")]
    rows = [row for s, v in seconds for row in follow(s * SECOND, edges(v))]
    assert [(row.time_ns // SECOND, row.what) for row in rows] == [
        (20, "edges: cannot tell"),
        (50, "over: edges: cannot tell"),
    ]


def test_a_damaged_record_is_named_and_the_rest_is_told(writer: CaseWriter) -> None:
    for second in range(3):
        writer.write_event("mark", "x" * 200 + str(second), second * SECOND)
    writer.close()
    path = writer.folder / "part-000.mcap"
    data = bytearray(path.read_bytes())
    data[data.index(b"x" * 200 + b"1") + 5] ^= 1
    path.write_bytes(data)
    with CaseReader(writer.folder) as case:
        summary = export_journal(case, writer.folder.parent / "journal.csv")
    assert not summary.complete
    assert "events 1" in summary.text()
    text = (writer.folder.parent / "journal.csv").read_text()
    assert "x0" in text
    assert "x2" in text


def test_a_drive_that_kept_the_recorder_waiting_is_told_for_how_long(writer: CaseWriter) -> None:
    for second, silent_s in enumerate((0.0, 2.5, 3.5, 4.5, 0.0)):
        recorder = RecorderHealth(recording=True, silent_s=silent_s)
        writer.write_health(replace(WELL, recorder=recorder), (second + 1) * SECOND)
    told = [row for row in journal(writer) if row["source"] == "recorder"]
    assert [(float(row["time_s"]), row["what"]) for row in told] == [
        (1.0, "the drive keeps it waiting"),
        (4.0, "over: the drive keeps it waiting"),
    ]
