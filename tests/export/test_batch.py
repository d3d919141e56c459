"""Many cases on all cores: one table, resumable, and one bad case costs only itself."""

from __future__ import annotations

import csv
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sln_guide.export import batch as batch_module
from sln_guide.export.batch import BatchSummary, cases_in, process_many
from sln_guide.export.parquet import DETECTION_TYPES, parquet_available, write_parquet
from sln_guide.export.summary import Summary
from sln_guide.export.tables import DETECTION_COLUMNS, Table
from sln_guide.guidance import Role
from sln_guide.recording import RecordingError
from tests.export.making import make_frame


@pytest.fixture
def cases(tmp_path: Path, make_case: Callable[..., Path]) -> list[Path]:
    made = []
    for number in range(3):
        frames = [
            (role, make_frame(i, white=role is Role.WHITE, time_ns=10**9 + i * 40_000_000))
            for i in range(4 + number)
            for role in Role
        ]
        made.append(make_case(frames, name=f"case {number}.case"))
    return made


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_case_and_one_table_of_all_then_nothing_is_done_twice(
    tmp_path: Path, cases: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    broken = tmp_path / "broken.case"
    broken.mkdir()
    (broken / "part-000.mcap").write_bytes(b"nothing")
    told: list[tuple[int, int]] = []
    sources = cases_in([tmp_path])
    assert sources == [broken, *cases]
    result = process_many(sources, out, workers=2, progress=lambda *step: told.append(step))
    assert not result.complete, "one could not be read"
    assert "no part has a whole header" in str(result.outcomes["broken"])
    assert "broken: case" in result.text()
    for number in range(3):
        summary = result.outcomes[f"case {number}"]
        assert isinstance(summary, Summary)
        assert summary.frames.processed == 4 + number
        assert json.loads((out / f"case {number}" / "summary.json").read_text())["complete"]
    assert told[-1] == (15, 15)
    table = rows(out / "cases.csv")
    assert [(r["case"], r["complete"]) for r in table] == [
        ("broken", "false"),
        *((f"case {number}", "true") for number in range(3)),
    ]
    alone = [r for n in range(3) for r in rows(out / f"case {n}" / "detections.csv")]
    together = rows(out / "detections.csv")
    assert [{k: v for k, v in r.items() if k != "case"} for r in together] == alone

    def refuse(*_: object) -> None:
        raise AssertionError("done before")

    monkeypatch.setattr(batch_module, "_run", refuse)
    again = process_many(cases, out)
    assert again.complete
    assert again.earlier == ("case 0", "case 1", "case 2")
    assert "3 cases done by an earlier run" in again.text()
    with pytest.raises(AssertionError, match="done before"):
        process_many(cases, out, threshold_sigma=6.0)


def test_two_cases_of_one_name_get_folders_of_their_own(tmp_path: Path, cases: list[Path]) -> None:
    (tmp_path / "other").mkdir()
    moved = cases[1].rename(tmp_path / "other" / cases[0].name)
    jobs, failed = batch_module._jobs([cases[0], moved], tmp_path / "out")
    assert [job.name for job in jobs] == ["case 0", "case 0-2"]
    assert not failed


def test_a_folder_without_cases_is_said(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="is no case, and holds none"):
        cases_in([tmp_path])


def test_an_interruption_ends_the_workers_and_leaves_no_half_files(
    tmp_path: Path, cases: list[Path]
) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        process_many(cases, out, workers=1, progress=interrupt)
    assert not list(out.rglob("*.partial"))
    assert not (out / "cases.csv").exists()


def test_workers_end_with_a_process_that_is_killed(tmp_path: Path, cases: list[Path]) -> None:
    """They had waited for more to do, for ever; the folders that they held were refused."""
    program = """
import multiprocessing, os, signal, sys
from pathlib import Path
from sln_guide.export.batch import process_many

def die(done, total):
    print(*(child.pid for child in multiprocessing.active_children()), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    process_many([Path(case) for case in sys.argv[2:]], Path(sys.argv[1]), workers=2, progress=die)
"""
    script = tmp_path / "killed.py"
    script.write_text(program, encoding="utf-8")
    out = tmp_path / "out"
    told = tmp_path / "pids.txt"
    with told.open("w", encoding="utf-8") as file:  # a pipe's end a worker would hold open
        killed = subprocess.run(
            [sys.executable, str(script), str(out), *map(str, cases)],
            cwd=Path(__file__).parents[2],
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
            stdout=file,
            check=False,
        )
    assert killed.returncode == -signal.SIGKILL
    workers = [int(pid) for pid in told.read_text(encoding="utf-8").split()]
    assert len(workers) == 2
    for pid in workers:
        try:
            ended = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            assert select.select([ended], [], [], 20.0)[0], f"worker {pid} goes on alone"
        finally:
            os.close(ended)
    assert len(process_many(cases, out, workers=1).outcomes) == len(cases)


def test_parquet_holds_the_same_rows(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    assert parquet_available()
    table, parquet = tmp_path / "it's.csv", tmp_path / "it's.parquet"
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = Table(file, DETECTION_COLUMNS)
        full = (1, 0.5, 3, "node", True, False, *(1.25,) * 16, "odd; with, comma", 2)
        writer.write(full)
        writer.write((2, 0.75, 0, "glint", False, False, *(None,) * 16, "", None))
    write_parquet(table, parquet, DETECTION_TYPES)
    found = duckdb.sql(f"FROM read_parquet('{str(parquet).replace(chr(39), chr(39) * 2)}')")
    assert tuple(found.columns) == DETECTION_COLUMNS
    first, second = found.fetchall()
    assert first == full
    assert second[:6] == (2, 0.75, 0, "glint", False, False)
    assert second[6:22] == (None,) * 16
    with pytest.raises(OSError, match="No such file"):
        write_parquet(table, tmp_path / "none" / "x.parquet", DETECTION_TYPES)


def test_without_duckdb_it_says_what_brings_parquet() -> None:
    assert "sln-guide[parquet]" in BatchSummary({}, (), parquet=False).text()
