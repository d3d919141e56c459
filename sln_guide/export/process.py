"""`process_case`: a case through the same `pipeline.step` as live, into tables, video, summary."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import av

from hardware.frame import Frame
from sln_guide import pipeline
from sln_guide.export.folder import ExportError, OutputFolder
from sln_guide.export.overlay import OverlayFilm
from sln_guide.export.summary import Frames, Summary, Tally, assumptions, source_of
from sln_guide.export.tables import (
    DETECTION_COLUMNS,
    FRAME_COLUMNS,
    FrameRow,
    Table,
    detection_row,
    frame_row,
    measured,
)
from sln_guide.guidance import Pair, Role
from sln_guide.recording import CaseReader, DamagedError, Gap, RecordingError
from sln_guide.recording.analysed import Analysed
from sln_guide.recording.asked import Asked
from sln_guide.recording.corrections import gone_on, setup_of, state_at
from sln_guide.recording.software import software_versions

DETECTIONS, FRAMES, VIDEO, SUMMARY = "detections.csv", "frames.csv", "overlay.mp4", "summary.json"
MOST_LOST_ROWS = 10_000
"""A gap wider than this is told in one row: a counter that jumped must not fill the disk."""


def process_case(
    case: CaseReader,
    out: Path,
    *,
    asked: Asked | None = None,
    video: bool = True,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Summary:
    """Look at every NIR frame of ``case``, in order, and write into ``out`` what is in it.

    Frames that live guidance passed over for want of time are looked at as well. A frame that
    cannot be read is left out, named in ``frames.csv`` and in the summary, which then is not
    `Summary.complete`. The files appear together at the end; an interrupted run leaves none.

    Parameters
    ----------
    case
        Stays open.
    out
        Folder for ``detections.csv``, ``frames.csv``, ``overlay.mp4`` and ``summary.json``.
    asked
        What is to be other than it was recorded; None: nothing.
    video
        Whether to make the video, which takes most of the time.
    force
        Take a folder that is not empty, and replace these files in it.
    progress
        Is told (frames done, frames in all).

    Raises
    ------
    ExportError
        When ``out`` holds something, or cannot be written to.
    RecordingError
        When the case holds no NIR frame, or its dark frame cannot be read.
    """
    if case.count(Role.NIR) == 0:
        raise RecordingError(f"case {case.folder.name} holds no NIR frame: nothing to process")
    asked = case.asked() if asked is None else asked
    with OutputFolder(out, (DETECTIONS, FRAMES, VIDEO, SUMMARY), force=force) as folder:
        try:
            summary = _process(case, folder, asked, video, progress)
            folder.partial(SUMMARY).write_bytes(summary.to_json())
        except (OSError, av.FFmpegError) as error:
            raise folder.failure("write", error) from None
        folder.publish()
    return summary


def _process(
    case: CaseReader,
    folder: OutputFolder,
    asked: Asked,
    video: bool,
    progress: Callable[[int, int], None] | None,
) -> Summary:
    setup = setup_of(case)
    gaps = case.gaps(Role.NIR)
    tally = Tally()
    total = case.count(Role.NIR)
    with (
        folder.partial(DETECTIONS).open("w", encoding="utf-8", newline="") as detections_file,
        folder.partial(FRAMES).open("w", encoding="utf-8", newline="") as frames_file,
        OverlayFilm(folder.partial(VIDEO) if video else None, case) as film,
    ):
        detections = Table(detections_file, DETECTION_COLUMNS)
        frames = Table(frames_file, FRAME_COLUMNS)
        for row in _rows(case, setup, gaps, asked, tally):
            frames.write(frame_row(row))
            if row.frame is None:
                continue
            if row.guidance is not None and row.time_s is not None:
                found = measured(row.guidance)
                for detection in found:
                    detections.write(detection_row(row.frame, row.time_s, detection))
                tally.add(row.time_s, row.guidance, found)
                film.write(row.guidance, row.time_s)
            if progress is not None:
                progress(row.frame + 1, total)
    times_ns = case.times_ns(Role.NIR)
    return Summary(
        complete=not tally.unread and not case.problems,
        source=source_of(case),
        frames=Frames(
            nir=total,
            processed=tally.processed,
            unreadable=total - tally.processed,
            lost=sum(gap.count for gap in gaps),
            without_white=tally.without_white,
            seconds=round(float(times_ns.max() - times_ns.min()) / 1e9, 6),
            pictures=film.pictures,
        ),
        detections=tally.detections,
        tracks=tally.tracks,
        limit_sbr=tally.limit_sbr,
        settings=asked.settings,
        chosen=tuple(sorted(asked.chosen)),
        rig=case.rig,
        registration=case.rig.registration.kind,
        assumed=assumptions(case, dark=setup.dark is not None),
        unread=tuple(tally.unread),
        software=software_versions() | {"av": version("av")},
        step_ms=tally.step_ms,
    )


def _rows(
    case: CaseReader,
    setup: pipeline.Setup,
    gaps: tuple[Gap, ...],
    asked: Asked,
    tally: Tally,
) -> Iterator[FrameRow]:
    """Yield a row for each NIR frame, lost ones in their place, processing as it goes."""
    lost_after: dict[int, list[Gap]] = defaultdict(list)
    for gap in gaps:
        lost_after[gap.after_index].append(gap)
    times_ns = case.times_ns(Role.NIR)
    sequences = case.sequences(Role.NIR)
    partners = case.partners()
    whites = _WhiteFrames(case, tally)
    frames = Analysed(case)
    before_ns = int(times_ns[0]) if len(times_ns) else 0
    state = state_at(case, setup, before_ns, asked)
    yield from _lost_rows(lost_after[-1])
    for index in range(len(times_ns)):
        row = FrameRow(
            frame=index,
            time_s=float(times_ns[index] - times_ns[0]) / 1e9,
            stream_epoch=int(sequences[index, 0]),
            sequence=int(sequences[index, 1]),
        )
        try:
            nir = frames.nir(index)
        except DamagedError as error:
            tally.unread.append(str(error))
            yield replace(row, reason=f"unreadable: {error.problem.what}")
            nir = None
        else:
            if nir is None:
                yield replace(row, reason=frames.left_out(index) or "")
        if nir is not None:
            white = whites.frame(partners[index])
            skew_ns = 0 if white is None else white.mid_exposure_ns - nir.mid_exposure_ns
            then = case.settings_at(nir.mid_exposure_ns, asked)
            state = gone_on(case, state, before_ns, nir.mid_exposure_ns, asked)
            before_ns = nir.mid_exposure_ns
            state, guidance = pipeline.step(state, Pair(nir, white, skew_ns), then)
            partner = None if white is None else partners[index]
            yield replace(row, nir=nir, white_frame=partner, guidance=guidance)
        yield from _lost_rows(lost_after[index])


def _lost_rows(gaps: list[Gap]) -> Iterator[FrameRow]:
    for gap in gaps:
        if gap.count > MOST_LOST_ROWS:
            reason = f"{gap.count} frames from here on: {gap.reason}"
            yield FrameRow(None, None, gap.epoch, gap.first_sequence, reason)
            continue
        for sequence in range(gap.first_sequence, gap.first_sequence + gap.count):
            yield FrameRow(None, None, gap.epoch, sequence, gap.reason)


class _WhiteFrames:
    """Reads white frames; remembers the last, and names each unreadable one once."""

    def __init__(self, case: CaseReader, tally: Tally) -> None:
        self._case = case
        self._tally = tally
        self._last: tuple[int, Frame | None] | None = None

    def frame(self, index: int | None) -> Frame | None:
        if index is None:
            return None
        if self._last is None or self._last[0] != index:
            try:
                self._last = (index, self._case.frame(Role.WHITE, index))
            except DamagedError as error:
                self._tally.unread.append(str(error))
                self._last = (index, None)
        return self._last[1]


__all__ = ["ExportError", "process_case"]
