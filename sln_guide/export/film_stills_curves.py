"""Film, stills and time-intensity curves of a case, for people.

Each is derived: computed again from the raw frames, and says from which case. An exception from
``progress``, told (frames done, frames in all), ends an export and leaves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from sln_guide.export.folder import ExportError, OutputFolder
from sln_guide.export.overlay import Composer, Layout, OverlayFilm
from sln_guide.export.recomputing import LEAD_IN_S, Computed, computed, indexes_in
from sln_guide.export.stills import save_still
from sln_guide.export.tables import Cell, Table, measured
from sln_guide.export.wish import Span
from sln_guide.guidance import UNCALIBRATED, Kind, Role
from sln_guide.recording import CaseReader, RecordingError
from sln_guide.recording.asked import Asked
from sln_guide.whole_file import empty_ones_taken_away

Progress = Callable[[int, int], None]
WHOLE = Span()


@dataclass(slots=True)
class ExportSummary:
    """What was exported. ``unread`` names the frames that could not be."""

    path: Path
    what: str
    unread: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether every frame could be read."""
        return not self.unread

    def text(self) -> str:
        """Say it in a few lines."""
        return "\n".join([f"{self.path}: {self.what}"] + [f"  not read: {u}" for u in self.unread])


def export_film(
    case: CaseReader,
    path: Path,
    layout: Layout = Layout.OVERLAY,
    *,
    asked: Asked | None = None,
    span: Span = WHOLE,
    progress: Progress | None = None,
) -> ExportSummary:
    """Film ``case`` as MP4 (H.264): clock, scale, SIMULATED and ASSUMED marks burned in.

    Raises
    ------
    ExportError
        When the file exists or cannot be written.
    RecordingError
        When there is nothing to film.
    """
    _refuse_existing(path)
    summary = ExportSummary(path, "")
    with OutputFolder(path.parent, (path.name,), force=True) as folder:
        try:
            with OverlayFilm(folder.partial(path.name), case, layout) as film:
                for made in _told(case, asked, span, summary, progress):
                    if made.guidance is not None:
                        film.write(made.guidance, made.time_s - max(span.begin_s, 0.0))
                pictures = film.pictures
        except (OSError, av.FFmpegError) as error:
            raise folder.failure(f"write {path.name}", error) from None
        if not pictures:
            raise RecordingError(f"case {case.folder.name}: no NIR frame there to film")
        folder.publish()
    summary.what = f"{pictures} pictures, {layout.value}; for looking, not for measuring"
    return summary


def export_stills(
    case: CaseReader,
    folder: Path,
    times_s: Sequence[float],
    *,
    asked: Asked | None = None,
    progress: Progress | None = None,
) -> ExportSummary:
    """Save the pictures nearest to ``times_s`` as PNG, each with a JSON of what it shows.

    Raises
    ------
    ExportError
        When a file exists or cannot be written.
    RecordingError
        When the case holds no NIR frame.
    """
    frame_times_s = _frame_times_s(case)
    if not times_s:
        raise ExportError("no moment was asked for: give at least one")
    wanted = {int(np.argmin(np.abs(frame_times_s - time_s))) for time_s in times_s}
    composer = Composer(case, Layout.OVERLAY)
    summary = ExportSummary(folder, "")
    saved = 0
    with empty_ones_taken_away(folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            why = error.strerror or str(error)
            raise ExportError(f"{folder}: cannot be made ({why}): choose another folder") from None
        for begin, end in _runs(sorted(wanted), frame_times_s):
            span = Span(float(frame_times_s[begin]), float(frame_times_s[end]))
            for made in _told(case, asked, span, summary, progress):
                if made.guidance is None or made.index not in wanted:
                    continue
                picture, marked = composer.compose(made.guidance)
                save_still(
                    picture,
                    folder / f"{case.folder.stem}-{made.time_s:09.3f}s.png",
                    mode=case.mode,
                    title=case.title or case.folder.stem,
                    taken_wall_ns=composer.wall_ns(made.guidance),
                    rgb32=marked,
                )
                saved += 1
    summary.what = f"{saved} stills, each with its JSON"
    return summary


def export_curves(
    case: CaseReader,
    path: Path,
    *,
    asked: Asked | None = None,
    span: Span = WHOLE,
    progress: Progress | None = None,
) -> ExportSummary:
    """Write time-intensity curves as CSV: a row a frame; signal, SBR and saturation of each node.

    ``time_s`` counts from the first NIR frame. A node's cells are empty where it was not measured:
    that does not mean dark. Signal in counts/(ms*gain), or without a unit where the column says
    that it is not calibrated; the SBR of a saturated node is a lower bound.

    Raises
    ------
    ExportError
        When the file exists or cannot be written.
    RecordingError
        When the case holds no NIR frame.
    """
    _refuse_existing(path)
    _frame_times_s(case)
    summary = ExportSummary(path, "")
    times_s: list[float] = []
    nodes: dict[int, dict[int, tuple[Cell, Cell, Cell]]] = {}
    for made in _told(case, asked, span, summary, progress):
        if made.guidance is None:
            continue
        for d in measured(made.guidance):
            if d.kind is Kind.NODE and d.confirmed and d.node_number:
                saturated = d.saturated_fraction > 0
                nodes.setdefault(d.node_number, {})[len(times_s)] = (d.signal, d.sbr, saturated)
        times_s.append(made.time_s)
    signal = "signal" if case.rig.unchecked is None else f"signal, {UNCALIBRATED}"
    columns = [
        f"SLN-{number} {what}" for number in sorted(nodes) for what in (signal, "sbr", "saturated")
    ]
    with OutputFolder(path.parent, (path.name,), force=True) as folder:
        try:
            with folder.partial(path.name).open("w", encoding="utf-8", newline="") as file:
                table = Table(file, ("time_s", *columns))
                for row, time_s in enumerate(times_s):
                    cells = (nodes[n].get(row, (None, None, None)) for n in sorted(nodes))
                    table.write((round(time_s, 6), *(cell for node in cells for cell in node)))
        except OSError as error:
            raise folder.failure(f"write {path.name}", error) from None
        folder.publish()
    summary.what = f"time-intensity curves of {len(nodes)} nodes over {len(times_s)} frames"
    return summary


def _told(
    case: CaseReader,
    asked: Asked | None,
    span: Span,
    summary: ExportSummary,
    progress: Progress | None,
) -> Iterator[Computed]:
    total = len(indexes_in(case, span))
    done = 0
    for made in computed(case, case.asked() if asked is None else asked, span):
        if made.unread:
            summary.unread.append(made.unread)
        yield made
        if made.time_s >= span.begin_s:
            done += 1
            if progress is not None:
                progress(done, total)
    # damage may have hidden a frame altogether: no index names it, and nobody tried to read it
    known = set(summary.unread)
    summary.unread += [what for what in map(str, case.problems) if what not in known]


def _frame_times_s(case: CaseReader) -> NDArray[np.float64]:
    times_ns = case.times_ns(Role.NIR)
    if len(times_ns) == 0:
        raise RecordingError(f"case {case.folder.name} holds no NIR frame: nothing to export")
    times_s: NDArray[np.float64] = (times_ns - times_ns[0]) / 1e9
    return times_s


def _runs(indexes: list[int], times_s: NDArray[np.float64]) -> Iterator[tuple[int, int]]:
    """Group frames that are near each other, so that none is computed twice."""
    begin = last = indexes[0]
    for index in indexes[1:]:
        if times_s[index] - times_s[last] > 2 * LEAD_IN_S:
            yield begin, last
            begin = index
        last = index
    yield begin, last


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise ExportError(f"{path} exists already: choose another name")
