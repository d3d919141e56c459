"""`find_interrupted`: the case whose recorder died a moment ago, so that recording can go on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hardware.rig import Rig
from sln_guide.recording.errors import RecordingError
from sln_guide.recording.folder import (
    LOCK,
    being_recorded,
    last_beat_ns,
    part_paths,
    read_manifest,
)
from sln_guide.recording.holder import boot_id
from sln_guide.recording.records import Manifest

RECENT_S = 600.0
"""After so long it may be another patient: then nothing is continued unasked."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A case cut short. ``same_boot``: the clock of its frames still runs."""

    folder: Path
    case_id: str
    same_boot: bool


def find_interrupted(cases: Path, rig: Rig) -> Interrupted | None:
    """Return the newest case in ``cases`` if a recorder with this very rig died over it.

    None where that was more than `RECENT_S` ago, and where a later case was closed: somebody has
    gone on since. Since the machine was started that is told by its own clock, which nobody sets;
    before, by the wall clock.
    """
    try:
        left = [(age_s, case) for age_s, case in _cut_short(cases, rig) if age_s <= RECENT_S]
        if not left:
            return None
        _, newest = min(left, key=lambda each: each[0])
        if any(newest.is_before(case) for case in _all_of(cases, rig) if case.manifest.closed):
            return None
    except OSError:
        return None  # it went away meanwhile, or cannot be read: then nothing is to be continued
    header = newest.manifest.header
    return Interrupted(newest.folder, header.case_id, newest.same_boot)


@dataclass(frozen=True, slots=True)
class _Case:
    folder: Path
    manifest: Manifest
    written_s: float
    """When its newest part was last written, by the wall clock."""

    @property
    def same_boot(self) -> bool:
        return self.manifest.header.boot_id == boot_id() != ""

    def is_before(self, other: _Case) -> bool:
        """Whether ``other`` began after this one."""
        if self.same_boot and other.same_boot:
            mine, others = self.manifest.header, other.manifest.header
            return others.started_monotonic_ns > mine.started_monotonic_ns
        return other.written_s > self.written_s


def _cut_short(cases: Path, rig: Rig) -> Iterator[tuple[float, _Case]]:
    """Find those whose recorder died, and for how long [s] nothing has been written into each."""
    for case in _all_of(cases, rig, likely=True):
        if not case.manifest.closed and not being_recorded(case.folder):
            beat_ns = last_beat_ns(case.folder) if case.same_boot else None
            if beat_ns is None:
                yield abs(time.time() - case.written_s), case
            else:
                yield (time.monotonic_ns() - beat_ns) / 1e9, case


def _all_of(cases: Path, rig: Rig, *, likely: bool = False) -> Iterator[_Case]:
    """Find those of this rig; of ``likely`` ones alone the manifest is read."""
    for folder in cases.glob("*.case"):
        written_s = max((part.stat().st_mtime for part in part_paths(folder)), default=0.0)
        recent = abs(time.time() - written_s) <= RECENT_S
        if likely and not recent and not (folder / LOCK).exists():
            continue
        try:
            manifest = read_manifest(folder)
        except RecordingError:
            continue
        if manifest is not None and manifest.header.rig == rig:
            yield _Case(folder, manifest, written_s)
