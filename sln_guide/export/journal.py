"""The journal of a case: what happened and what was on the screen, in order of time, as CSV.

It tells what was recorded live, and computes nothing anew: whoever asks afterwards what a surgeon
was shown, and what was said of it, finds it here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sln_guide.export.folder import ExportError, OutputFolder
from sln_guide.export.tables import Cell, Table
from sln_guide.guidance import Role
from sln_guide.health import RecorderHealth, SessionHealth, StreamHealth
from sln_guide.recording import CaseReader
from sln_guide.recording.excerpts import Painted

COLUMNS = ("time_s", "utc", "source", "what", "detail")
PAUSE_S = 1.0
"""Longer without a new picture on the screen than this is told."""
SILENT_S = 10.0
"""Edges that can tell nothing for longer than this are told."""


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One row: when (monotonic ns); who tells it (`event`, `screen`, ...); what, and more."""

    time_ns: int
    source: str
    what: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class JournalSummary:
    """What was written. ``unread`` names records that could not be read, and are missing."""

    path: Path
    entries: int
    unread: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every record could be read."""
        return not self.unread

    def text(self) -> str:
        """Say it in a few lines."""
        lines = [f"{self.path}: journal of {self.entries} entries"]
        return "\n".join(lines + [f"  not read: {what}" for what in self.unread])


def export_journal(
    case: CaseReader, path: Path, *, progress: Callable[[int, int], None] | None = None
) -> JournalSummary:
    """Write the journal of ``case``. ``progress`` is told (done, in all), and may raise.

    ``time_s`` counts from the first NIR frame (from the case's beginning, if it has none), as in
    every table; ``utc`` is the wall clock as it was when the case began, run on.

    Raises
    ------
    ExportError
        When the file exists or cannot be written.
    """
    if path.exists():
        raise ExportError(f"{path} is there already: choose another name")
    logs = (_events, _settings, _screen, _health, _gaps)
    found: list[Entry] = []
    for done, log in enumerate(logs):
        if progress is not None:
            progress(done, len(logs))
        found += log(case)
    nir_ns = case.times_ns(Role.NIR)
    origin_ns = int(nir_ns[0]) if len(nir_ns) else case.started_monotonic_ns
    wall_minus_frame_ns = case.started_wall_ns - case.started_monotonic_ns
    with OutputFolder(path.parent, (path.name,), force=True) as folder:
        try:
            with folder.partial(path.name).open("w", encoding="utf-8", newline="") as file:
                table = Table(file, COLUMNS)
                for entry in sorted(found):
                    table.write(_row(entry, origin_ns, wall_minus_frame_ns))
        except OSError as error:
            raise folder.failure(f"write {path.name}", error) from None
        folder.publish()
    return JournalSummary(path, len(found), tuple(str(problem) for problem in case.problems))


def _row(entry: Entry, origin_ns: int, wall_minus_frame_ns: int) -> tuple[Cell, ...]:
    wall = datetime.fromtimestamp((entry.time_ns + wall_minus_frame_ns) / 1e9, UTC)
    clock = wall.replace(tzinfo=None).isoformat(timespec="milliseconds")
    time_s = round((entry.time_ns - origin_ns) / 1e9, 3)
    return (time_s, clock, entry.source, entry.what, entry.detail)


def _events(case: CaseReader) -> Iterator[Entry]:
    for event in case.events():
        yield Entry(event.time_ns, "event", event.name, event.detail)


def _settings(case: CaseReader) -> Iterator[Entry]:
    """Yield what the operator chose of what guidance rests on; places and regions are events."""
    for time_ns, changes in case.settings_changes():
        if "threshold_sigma" in changes:
            yield Entry(time_ns, "settings", f"threshold {changes['threshold_sigma']:g} sigma")
        if "nudge_px" in changes:
            x, y = changes["nudge_px"]
            yield Entry(time_ns, "settings", f"registration nudged by {x:+g}, {y:+g} px")
        for name, what in (("exclusion_px", "region left out"), ("baseline_ns", "baseline")):
            if name in changes:
                yield Entry(time_ns, "settings", f"{what}: {'yes' if changes[name] else 'none'}")


class _Stretch:
    """Paints one after another in which the screen said and showed the same."""

    def __init__(self, first: Painted) -> None:
        self._first = first.shown
        self._until_ns = first.shown.painted_ns
        self._pictures = 0
        self._oldest_ms = -math.inf

    def takes(self, painted: Painted) -> bool:
        """Whether a paint goes on with it."""
        shown, first = painted.shown, self._first
        same = (shown.said, shown.view, shown.overlay_visible) == (
            first.said,
            first.view,
            first.overlay_visible,
        )
        return same and self.pause_s(painted) <= PAUSE_S

    def pause_s(self, painted: Painted) -> float:
        """How long after its last paint another one comes [s]."""
        return (painted.shown.painted_ns - self._until_ns) / 1e9

    def add(self, painted: Painted) -> None:
        """Take a paint in."""
        self._pictures += 1
        self._until_ns = painted.shown.painted_ns
        if painted.overlay_age_ms is not None:
            self._oldest_ms = max(self._oldest_ms, painted.overlay_age_ms)

    def entry(self) -> Entry:
        """Tell it."""
        first = self._first
        told = [f"{first.view} view", "overlay shown" if first.overlay_visible else "no overlay"]
        seconds = (self._until_ns - first.painted_ns) / 1e9
        often = "once" if self._pictures == 1 else f"{self._pictures} times in {seconds:.1f} s"
        told.append(f"painted {often}")
        if first.overlay_visible and self._oldest_ms > -math.inf:
            told.append(f"its NIR at most {self._oldest_ms:.0f} ms old")
        return Entry(first.painted_ns, "screen", first.said or "(not noted)", "; ".join(told))

    def pause(self, painted: Painted) -> Entry:
        """Tell how long nothing new was painted before ``painted``."""
        return Entry(
            self._until_ns, "screen", "no new picture", f"for {self.pause_s(painted):.1f} s"
        )


def _screen(case: CaseReader) -> Iterator[Entry]:
    stretch: _Stretch | None = None
    for painted in case.paints():
        if stretch is not None and not stretch.takes(painted):
            yield stretch.entry()
            if stretch.pause_s(painted) > PAUSE_S:
                yield stretch.pause(painted)
            stretch = None
        stretch = _Stretch(painted) if stretch is None else stretch
        stretch.add(painted)
    if stretch is not None:
        yield stretch.entry()


def _gaps(case: CaseReader) -> Iterator[Entry]:
    for time_ns, gap in case.gap_log():
        what = f"{gap.count} {gap.role} frames not recorded"
        yield Entry(time_ns, "recorder", what, f"from {gap.first_sequence} on: {gap.reason}")


def _health(case: CaseReader) -> Iterator[Entry]:
    """Yield what changed from one record of health to the next (once a second)."""
    before: SessionHealth | None = None
    edges = _Edges()
    for time_ns, health in case.health_log():
        yield from edges.follow(time_ns, health)
        for name in ("nir", "white"):
            camera = None if before is None else getattr(before, name)
            yield from _camera(time_ns, camera, getattr(health, name))
        old, new = _states(before), _states(health)
        for (source, kind), what in new.items():
            was = old.get((source, kind), "")
            if what != was:
                yield Entry(time_ns, source, what or f"over: {was}", kind)
        before = health


def _camera(time_ns: int, before: StreamHealth | None, now: StreamHealth | None) -> Iterator[Entry]:
    if now is None:
        return
    source = f"{now.role} camera"
    state = "repeats one picture" if now.frozen else str(now.health)
    if before is None or (before.health, before.frozen) != (now.health, now.frozen):
        yield Entry(time_ns, source, state, now.error or "")
    for name, total in (("lost", now.lost), ("failed", now.failed)):
        was = 0 if before is None else getattr(before, name)
        if before is None and total > 0:
            # counted since the camera was opened, which may be long before the case began
            yield Entry(time_ns, source, f"{total} frames {name} until now", "since it was opened")
        elif total < was and total > 0:  # a program that went on with the case counts anew
            yield Entry(time_ns, source, f"{total} frames {name}", "counted anew")
        elif total > was:
            yield Entry(time_ns, source, f"{total - was} frames {name}", f"{total} so far")


def _states(health: SessionHealth | None) -> dict[tuple[str, str], str]:
    """Return what is out of order, by who tells it and what it concerns; empty: all is well."""
    if health is None:
        return {}
    lamp = health.lamp
    return {
        ("recorder", "error"): health.recorder.error or "",
        ("recorder", "drive"): _drive(health.recorder),
        ("processing", "error"): health.processing_error or "",
        ("nir camera", "exposure"): health.exposure_refused or "",
        ("lamp", "alarm"): "" if lamp is None else lamp.alarm or "",
        ("program", "trouble"): "; ".join(health.troubles),
    }


def _drive(recorder: RecorderHealth) -> str:
    if recorder.drive_silent:
        return "the drive keeps it waiting"
    return "the drive syncs slowly" if recorder.drive_slow else ""


class _Edges:
    """Tells when it changes what edges say of the registration.

    Where the scene has few of them they can tell and cannot in turn: the latter is told where it
    lasts, and then from when on.
    """

    def __init__(self) -> None:
        self._told = ""
        self._silent_since_ns: int | None = None

    def follow(self, time_ns: int, health: SessionHealth) -> Iterator[Entry]:
        """Take in a record of health."""
        verdict = "holds" if health.alignment is None else health.alignment.verdict
        if verdict == "cannot tell":
            since_ns = time_ns if self._silent_since_ns is None else self._silent_since_ns
            self._silent_since_ns = since_ns
            if time_ns - since_ns >= SILENT_S * 1e9:
                yield from self._tell(since_ns, f"edges: {verdict}")
        else:
            self._silent_since_ns = None
            yield from self._tell(time_ns, "" if verdict == "holds" else f"edges: {verdict}")

    def _tell(self, time_ns: int, what: str) -> Iterator[Entry]:
        if what != self._told:
            yield Entry(time_ns, "registration", what or f"over: {self._told}", "edges")
            self._told = what
