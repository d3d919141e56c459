"""Whether POSIX shared memory can be had: pylon takes a little when it is loaded, or fails."""

from __future__ import annotations

import tempfile
from pathlib import Path

FOLDER = Path("/dev/shm")
NEEDED_BYTES = 1 << 16
REMEDY = "make room in it (in a container: start that with more), and let this user write there"


def trouble(folder: Path = FOLDER) -> str | None:
    """Return why there is none, in one line; None where all is well, or the system has no such."""
    if not folder.is_dir():
        return None
    try:
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            written = file.write(bytes(NEEDED_BYTES))
    except OSError as error:
        return f"{folder}: {error.strerror or error}"
    return None if written == NEEDED_BYTES else f"{folder}: No space left on device"
