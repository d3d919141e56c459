"""`find_interrupted`: the case whose recorder died a moment ago, so that recording can go on."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from hardware.rig import Rig
from sln_guide.recording.errors import RecordingError
from sln_guide.recording.folder import being_recorded, part_paths, read_manifest
from sln_guide.recording.resuming import boot_id

RECENT_S = 600.0
"""After so long it may be another patient: then nothing is continued unasked."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A case cut short. ``same_boot``: the clock of its frames still runs."""

    folder: Path
    case_id: str
    same_boot: bool


def find_interrupted(cases: Path, rig: Rig, recent_s: float = RECENT_S) -> Interrupted | None:
    """Return the newest case in ``cases`` if a recorder with this very rig died over it.

    None where that was more than ``recent_s`` ago by the wall clock, and where a later case was
    closed: somebody has gone on since.
    """
    for folder in _newest_first(cases, recent_s):
        try:
            manifest = read_manifest(folder)
        except RecordingError:
            continue
        if manifest is None or manifest.header.rig != rig or being_recorded(folder):
            continue
        if manifest.closed:
            return None
        header = manifest.header
        return Interrupted(folder, header.case_id, header.boot_id == boot_id() != "")
    return None


def _newest_first(cases: Path, recent_s: float) -> list[Path]:
    now_s = time.time()
    recent: list[tuple[float, Path]] = []
    try:
        for folder in cases.glob("*.case"):
            written_s = max((part.stat().st_mtime for part in part_paths(folder)), default=0.0)
            if abs(now_s - written_s) <= recent_s:
                recent.append((written_s, folder))
    except OSError:
        return []  # it went away meanwhile, or cannot be read: then nothing is to be continued
    return [folder for _, folder in sorted(recent, reverse=True)]
