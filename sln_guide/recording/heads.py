"""``heads.txt``: the head of every case's hash chain as it stood when its recording stopped.

It lies beside the cases, not in them, a line a stop. Copied to where those who can write the cases
cannot, it shows later whether one was written anew (``sln-guide verify CASE --head``).
"""

from __future__ import annotations

import os
from datetime import UTC, datetime

from sln_guide.recording.writer import CaseSummary

HEADS = "heads.txt"


def note_head(summary: CaseSummary) -> None:
    """Append the head of a case that was closed just now, durably. Raises OSError."""
    stopped = datetime.now(UTC).isoformat(timespec="seconds")
    state = "complete" if summary.complete else "not complete"
    name = summary.folder.name
    line = f"{stopped}  {summary.head}  {summary.records} records, {state}  {name!a}\n"
    path = summary.folder.parent / HEADS
    fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        if (size := os.fstat(fd).st_size) and os.pread(fd, 1, size - 1) != b"\n":
            line = "\n" + line  # after one that a full disk, or a crash, cut short
        if os.write(fd, line.encode()) < len(line):
            raise OSError(f"{path}: only a part of a line could be written")
        os.fdatasync(fd)
    finally:
        os.close(fd)
