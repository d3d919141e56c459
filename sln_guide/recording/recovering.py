"""`recover`: makes a case cut short quick to open again, and puts on record what there is."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sln_guide.recording import records
from sln_guide.recording.errors import RecordingError
from sln_guide.recording.folder import (
    RECOVERY,
    FolderLock,
    existing_parts,
    failure,
    read_manifest,
    read_recovery,
    sha256_of,
)
from sln_guide.recording.index import build_index, index_path, load_index, write_index
from sln_guide.recording.records import PartFile, RecoveredPart, RecoveryRecord
from sln_guide.recording.scan import PartFileReader
from sln_guide.recording.verify import Verification, verify
from sln_guide.whole_file import replace_file


@dataclass(frozen=True, slots=True)
class Recovery:
    """What `recover` found and did. ``indexes`` are the files it wrote beside the parts."""

    verification: Verification
    indexes: tuple[str, ...]

    def text(self) -> str:
        """Return what there is to say, a few lines for a terminal."""
        made = ", ".join(self.indexes) or "none needed"
        return f"{self.verification.text()}\n  indexes made: {made}; the recording is untouched"


def recover(folder: Path, *, progress: Callable[[int, int], None] | None = None) -> Recovery:
    """Make the missing indexes of a case, check all of it, and note what is there.

    The parts themselves are only read. The case stays marked as not closed: nothing makes an
    incomplete case complete. May be run again at any time.

    Raises
    ------
    RecordingError
        There is no case, it is still being recorded, or the folder cannot be written.
    """
    folder = Path(folder)
    paths = existing_parts(folder)
    if not os.access(folder, os.W_OK):
        raise RecordingError(
            f"case {folder}: cannot be written to, so that nothing can be put beside its parts: "
            "copy the case to another disk first (verify, replay and exports need no recovery)"
        )
    lock = FolderLock.take_existing(folder)
    try:
        indexes = tuple(name for path in paths for name in _index(path))
        manifest = read_manifest(folder)
        verification = verify(folder, progress=progress, locked=True)
        if manifest is None or not manifest.closed:
            _note(folder, paths, verification, () if manifest is None else manifest.parts)
    except OSError as error:
        raise failure(folder, "write what was recovered", error) from None
    finally:
        lock.release()
    return Recovery(verification, indexes)


def index_missing(folder: Path) -> None:
    """Make the indexes that the parts of a case cut short lack; nothing else is looked at.

    Raises
    ------
    RecordingError
        There is no case, it is being recorded, or the folder cannot be written.
    """
    paths = existing_parts(folder)
    lock = FolderLock.take_existing(folder)
    try:
        for path in paths:
            _index(path)
    except OSError as error:
        raise failure(folder, "write its indexes", error) from None
    finally:
        lock.release()


def _index(path: Path) -> list[str]:
    """Write the index of a part that has none that fits; return its name."""
    part = PartFileReader(path)
    try:
        if load_index(part) is not None:
            return []
        rows, _, _ = build_index(part)
    finally:
        part.close()
    write_index(index_path(path), rows.tobytes())
    return [index_path(path).name]


def _note(
    folder: Path, paths: list[Path], verification: Verification, finished: tuple[PartFile, ...]
) -> None:
    """Write what is there now, so that damage done later can be told from the crash."""
    try:
        before = read_recovery(folder)
    except RecordingError:
        before = None  # a damaged note is replaced: `verify` has named it
    known = {} if before is None else {entry.name: entry for entry in before.parts}
    whole = {entry.name for entry in finished if entry.problem is None}
    parts = tuple(
        known.get(path.name) or RecoveredPart(path.name, path.stat().st_size, sha256_of(path))
        for path in paths
        if path.name not in whole
    )
    record = RecoveryRecord(
        format=records.FORMAT_VERSION,
        recovered_wall_ns=time.time_ns(),
        parts=parts,
        frames={role.value: count for role, count in verification.frames.items()},
        records=verification.records,
        chain_head=verification.head,
        problems=tuple(map(str, verification.problems)),
    )
    replace_file(folder / RECOVERY, records.to_json(record))
