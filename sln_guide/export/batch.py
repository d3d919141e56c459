"""`process_many`: many cases on the cores of this machine, and one table of all of them."""

from __future__ import annotations

import csv
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import TextIO

import msgspec

from sln_guide.export.folder import ExportError, OutputFolder
from sln_guide.export.parquet import DETECTION_TYPES, parquet_available, write_parquet
from sln_guide.export.process import DETECTIONS, SUMMARY, process_case
from sln_guide.export.summary import Summary
from sln_guide.export.tables import DETECTION_COLUMNS, Table
from sln_guide.guidance import Kind, Role
from sln_guide.one_line import on_one_line
from sln_guide.recording import CaseReader, RecordingError
from sln_guide.recording.folder import part_paths
from sln_guide.recording.software import software_versions
from sln_guide.terminal import ENDING, hear_signals, signals_wait

ALL_DETECTIONS, ALL_PARQUET, ALL_CASES = "detections.csv", "detections.parquet", "cases.csv"
CASE_COLUMNS = (
    "case",
    "case_id",
    "complete",
    "problem",
    "frames",
    "processed",
    "unreadable",
    "lost",
    "seconds",
    "nodes",
    "limit_sbr",
    "threshold_sigma",
)
LOOK_EVERY_S = 0.25


class Cancelled(Exception):
    """Another process was told to stop."""


@dataclass(frozen=True, slots=True)
class CaseJob:
    """One case, and the folder its files go to."""

    name: str
    source: Path
    out: Path
    frames: int


@dataclass(frozen=True, slots=True)
class BatchSummary:
    """What became of each case, in the order given: its summary, or what went wrong."""

    outcomes: dict[str, Summary | str]
    earlier: tuple[str, ...]
    parquet: bool

    @property
    def complete(self) -> bool:
        """Whether every frame of every case was looked at."""
        return all(isinstance(o, Summary) and o.complete for o in self.outcomes.values())

    def text(self) -> str:
        """Say it in a few lines."""
        done = [o for o in self.outcomes.values() if isinstance(o, Summary)]
        lines = [
            f"{len(done)} of {len(self.outcomes)} cases, {sum(s.frames.processed for s in done)} "
            f"frames ({len(self.earlier)} cases done by an earlier run)"
        ]
        for name, outcome in self.outcomes.items():
            if isinstance(outcome, str):
                lines.append(f"  {on_one_line(name)}: {on_one_line(outcome)}")
            elif not outcome.complete:
                lines.append(f"  {on_one_line(name)}: in part, see its {SUMMARY}")
        if not self.parquet:
            lines.append(
                f"  no {ALL_PARQUET}: `pip install sln-guide[parquet]` brings what it needs"
            )
        return "\n".join(lines)


def cases_in(sources: Sequence[Path]) -> list[Path]:
    """Return the cases among ``sources``, each a case or a folder of cases.

    Raises
    ------
    RecordingError
        For a source that is neither.
    """
    found: list[Path] = []
    for source in sources:
        inside = [source] if part_paths(source) else sorted(source.glob("*.case"))
        if not inside:
            raise RecordingError(f"{source} is no case, and holds none")
        found += inside
    return list(dict.fromkeys(found))


def process_many(
    sources: Sequence[Path],
    out: Path,
    *,
    threshold_sigma: float | None = None,
    video: bool = False,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> BatchSummary:
    """Process every case into a folder of its own below ``out``, and all into one table.

    A case that an earlier run finished with the same settings and software is not done again. One
    that cannot be processed does not keep the others from it.

    Parameters
    ----------
    sources
        Folders of cases.
    out
        Gets ``<case>/`` for each, then ``detections.csv``, ``detections.parquet`` (where DuckDB is
        installed) and ``cases.csv``.
    workers
        Processes at a time; None: as many as there are cores.
    threshold_sigma, video, progress
        As for `process_case`; ``progress`` counts frames of all cases.

    Raises
    ------
    ExportError
        When ``out`` cannot be written to.
    """
    jobs, outcomes = _jobs(sources, out)
    earlier: list[str] = []
    left: list[CaseJob] = []
    for job in jobs:
        done = _done_before(job, threshold_sigma)
        if done is None:
            left.append(job)
        else:
            outcomes[job.name] = done
            earlier.append(job.name)
    if left:
        outcomes |= _run(left, threshold_sigma, video, workers or os.cpu_count() or 1, progress)
    ordered = {name: outcomes[name] for name in sorted(outcomes)}
    _write_tables(out, ordered)
    return BatchSummary(ordered, tuple(earlier), parquet_available())


def _jobs(sources: Sequence[Path], out: Path) -> tuple[list[CaseJob], dict[str, Summary | str]]:
    jobs: list[CaseJob] = []
    failed: dict[str, Summary | str] = {}
    taken: set[str] = set()
    for source in sources:
        name, number = source.stem, 2
        while name in taken:
            name, number = f"{source.stem}-{number}", number + 1
        taken.add(name)
        try:
            with CaseReader(source) as case:
                jobs.append(CaseJob(name, source, out / name, case.count(Role.NIR)))
        except RecordingError as error:
            failed[name] = str(error)
    return jobs, failed


def _done_before(job: CaseJob, threshold_sigma: float | None) -> Summary | None:
    """Return the summary of an earlier run that would come out the same."""
    try:
        done = msgspec.json.decode((job.out / SUMMARY).read_bytes(), type=Summary)
        with CaseReader(job.source) as case:
            head = None if case.manifest is None else case.manifest.chain_head
            case_id, asked = case.header.case_id, case.asked(threshold_sigma)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError, RecordingError):
        return None
    versions = software_versions()
    same = (
        done.source.case_id == case_id
        and done.source.chain_head == head
        and head is not None
        and done.settings == asked.settings
        and frozenset(done.chosen) == asked.chosen
        and all(done.software.get(name) == made for name, made in versions.items())
        and (job.out / DETECTIONS).exists()
    )
    return done if same else None


# -- workers --------------------------------------------------------------------------------------

_stop: Event
_frames: Synchronized[int]


def _begin(stop: Event, frames: Synchronized[int]) -> None:
    """Begin a worker. Ctrl-C, and a closed terminal, reach it too; its parent decides then."""
    global _stop, _frames
    for number in (signal.SIGINT, *ENDING):
        if number != signal.SIGTERM:  # by which the pool ends its workers
            signal.signal(number, signal.SIG_IGN)
    hear_signals()
    threading.Thread(target=_end_with_parent, name="watch-parent", daemon=True).start()
    _stop, _frames = stop, frames


def _end_with_parent() -> None:
    """Thread: end the process when its parent was killed.

    It would go on, then wait for ever for more to do, half a gigabyte large, and hold the folder
    that the next run wants. What it was writing has no final name yet.
    """
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(job: CaseJob, threshold_sigma: float | None, video: bool) -> Summary:
    before = 0

    def advance(done: int, total: int) -> None:
        nonlocal before
        del total
        if _stop.is_set():
            raise Cancelled
        with _frames.get_lock():
            _frames.value += done - before
        before = done

    with CaseReader(job.source) as case:
        return process_case(
            case,
            job.out,
            asked=case.asked(threshold_sigma),
            video=video,
            force=True,
            progress=advance,
        )


def _run(
    jobs: list[CaseJob],
    threshold_sigma: float | None,
    video: bool,
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> dict[str, Summary | str]:
    # Spawned, not forked: OpenMP and threads do not survive a fork.
    context = get_context("spawn")
    stop, frames = context.Event(), context.Value("q", 0)
    total = sum(job.frames for job in jobs)
    outcomes: dict[str, Summary | str] = {}
    with ProcessPoolExecutor(
        min(workers, len(jobs)), context, initializer=_begin, initargs=(stop, frames)
    ) as pool:
        with signals_wait():
            running = {pool.submit(_work, job, threshold_sigma, video): job.name for job in jobs}
        waiting: set[Future[Summary]] = set(running)
        try:
            while waiting:
                done, waiting = wait(waiting, LOOK_EVERY_S, FIRST_COMPLETED)
                outcomes |= {running[future]: _outcome(future) for future in done}
                if progress is not None:
                    progress(min(frames.value, total), total)
        except BaseException:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return outcomes


def _outcome(future: Future[Summary]) -> Summary | str:
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, BrokenProcessPool):
        return "its process ended unexpectedly: run again to go on"
    if isinstance(error, (RecordingError, ExportError, OSError)):
        return str(error)
    raise error


# -- one table ------------------------------------------------------------------------------------


def _write_tables(out: Path, outcomes: dict[str, Summary | str]) -> None:
    with OutputFolder(out, (ALL_DETECTIONS, ALL_PARQUET, ALL_CASES), force=True) as folder:
        try:
            with folder.partial(ALL_DETECTIONS).open("w", encoding="utf-8", newline="") as file:
                _gather(file, out, outcomes)
            if parquet_available():
                write_parquet(
                    folder.partial(ALL_DETECTIONS),
                    folder.partial(ALL_PARQUET),
                    {"case": "VARCHAR"} | DETECTION_TYPES,
                )
            with folder.partial(ALL_CASES).open("w", encoding="utf-8", newline="") as file:
                table = Table(file, CASE_COLUMNS)
                for name, outcome in outcomes.items():
                    table.write(_case_row(name, outcome))
        except OSError as error:
            raise folder.failure("write the tables of all cases", error) from None
        folder.publish()


def _gather(file: TextIO, out: Path, outcomes: dict[str, Summary | str]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("case", *DETECTION_COLUMNS))
    for name, outcome in outcomes.items():
        if isinstance(outcome, Summary):
            with (out / name / DETECTIONS).open(encoding="utf-8", newline="") as table:
                rows = csv.reader(table)
                next(rows, None)
                writer.writerows((name, *row) for row in rows)


def _case_row(name: str, outcome: Summary | str) -> tuple[str | int | float | bool | None, ...]:
    if isinstance(outcome, str):
        return (name, None, False, outcome, *(None,) * 8)
    frames = outcome.frames
    return (
        name,
        outcome.source.case_id,
        outcome.complete,
        "",
        frames.nir,
        frames.processed,
        frames.unreadable,
        frames.lost,
        frames.seconds,
        sum(track.kind is Kind.NODE for track in outcome.tracks),
        outcome.limit_sbr,
        outcome.settings.threshold_sigma,
    )
