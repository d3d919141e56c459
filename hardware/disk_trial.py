"""How fast a disk takes what is written, tried by a process of its own: `have_tried`.

A drive that hangs holds up whoever waits for it, and a process that does cannot even end: so it is
not the caller's.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LONGEST_WRITING_S = 2.0
KILL_S = 1.0
ANSWER_S = 10.0
"""So long a drive may take to answer, beside the trial itself."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What was found at ``place``: the folder asked for, or the nearest above it that is there."""

    place: Path
    rate_mb_per_s: float
    free_mb: float


def have_tried(folder: Path, size_mb: int) -> Trial:
    """Have so much written where ``folder`` is or would be; nothing is left there.

    It ends after `LONGEST_WRITING_S` at the latest, whatever was written by then.

    Raises
    ------
    OSError
        What the system said, with the place; a time-out where the drive does not answer.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "hardware.disk_trial", folder, str(size_mb)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # whoever reads what we say must not wait for it, either
        start_new_session=True,  # it is ended here
    )
    assert process.stdout is not None
    try:
        said, _ = process.communicate(timeout=LONGEST_WRITING_S + ANSWER_S)
    except subprocess.TimeoutExpired:
        process.kill()
        with suppress(subprocess.TimeoutExpired):  # one that waits for a drive cannot even die
            process.wait(KILL_S)
        why = f"the drive has not answered for {ANSWER_S:g} s"
        raise OSError(errno.ETIMEDOUT, why, str(folder)) from None
    finally:
        process.stdout.close()
    try:
        told = json.loads(said)
    except ValueError:
        raise OSError(errno.EIO, "could not be tried", str(folder)) from None
    if "errno" in told:
        raise OSError(told["errno"], told["why"], told["place"])
    return Trial(Path(told["place"]), told["rate_mb_per_s"], told["free_mb"])


def _tried(folder: Path, size_mb: int) -> dict[str, object]:
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        rate = _write_rate_mb_per_s(place, size_mb)
        free_mb = shutil.disk_usage(place).free / 1e6
    except OSError as error:
        return {"errno": error.errno, "why": error.strerror or str(error), "place": str(place)}
    return {"place": str(place), "rate_mb_per_s": rate, "free_mb": free_mb}


def _write_rate_mb_per_s(folder: Path, size_mb: int) -> float:
    # not zeros: some file systems would not write them
    block = os.urandom(1 << 20) * 4
    written = 0
    with tempfile.TemporaryFile(dir=folder, prefix=".sln-guide-doctor-", buffering=0) as file:
        began_s = time.monotonic()
        while written < size_mb * 1_000_000 and time.monotonic() - began_s < LONGEST_WRITING_S:
            written += file.write(block)
            os.fsync(file.fileno())
        took_s = time.monotonic() - began_s
    return written / 1e6 / took_s


if __name__ == "__main__":
    told = _tried(Path(sys.argv[1]), int(sys.argv[2]))
    sys.stdout.write(json.dumps(told))
