"""What quality checks found, one line a check, kept for the trend."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import msgspec

from hardware.rig import Optics, Registration, Rig
from sln_guide.calibration.binding import Binding, Finite, Moment, expired
from sln_guide.calibration.errors import CalibrationFileError

FILE = "history.jsonl"
VALID_DAYS = 1.0


class Figure(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One figure of a check. ``limit`` None: not judged. ``good`` None: could not be told."""

    name: str
    value: Finite | None
    unit: str
    limit: Finite | None = None
    at_most: bool = True
    good: bool | None = None
    note: str = ""

    def text(self) -> str:
        """Say it in one line."""
        value = "not measured" if self.value is None else f"{self.value:.3g} {self.unit}".strip()
        bound = ""
        if self.limit is not None:
            bound = f" ({'at most' if self.at_most else 'at least'} {self.limit:g})"
        return f"{self.name}: {value}{bound}" + (f"; {self.note}" if self.note else "")


class CheckRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One check of one rig, and what it holds for: cameras as they were set, optics, registration.

    ``made_of``: when the calibrations in use were made, by their keys in the rig.

    Without ``bindings`` it was made before checks were bound, and vouches for nothing.
    """

    made_at: Moment
    rig: str
    cameras: tuple[str, ...]
    figures: tuple[Figure, ...]
    good: bool
    bindings: tuple[Binding, ...] = ()
    optics: Optics | None = None
    registration: Registration | None = None
    made_of: dict[str, Moment] = {}


def append(folder: Path, record: CheckRecord) -> None:
    """Add a check to the history: on disk when this returns. Raises CalibrationFileError."""
    path = folder / FILE
    line = msgspec.json.encode(record) + b"\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            if file.tell() and not _ends_whole(path):
                file.write(b"\n")  # after a line that a crash cut short
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise CalibrationFileError(f"{path}: cannot be written ({error.strerror})") from None


def read(folder: Path) -> tuple[tuple[CheckRecord, ...], int]:
    """Return all checks, oldest first, and how many lines were damaged.

    Raises
    ------
    CalibrationFileError
        The file cannot be read.
    """
    path = folder / FILE
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return (), 0
    except OSError as error:
        raise CalibrationFileError(f"{path}: cannot be read ({error.strerror})") from None
    records, damaged = [], 0
    for line in lines:
        if not line.strip():
            continue
        try:
            records.append(msgspec.json.decode(line, type=CheckRecord))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            damaged += 1
    return tuple(sorted(records, key=lambda r: r.made_at)), damaged


def last_check(rig: Rig, now: datetime) -> CheckRecord | str:
    """Return the rig's last check if it passed and is of today, else why none vouches for it."""
    if rig.calibration.check is None:
        return "no quality check: run `sln-guide check`"
    folder = Path(rig.calibration.check)
    try:
        records, _ = read(folder)
    except CalibrationFileError as error:
        return str(error)
    own = [r for r in records if r.rig == rig.name]
    if not own:
        return f"{folder}: holds no check of rig {rig.name}; run `sln-guide check`"
    last = own[-1]
    old = expired(last.made_at, VALID_DAYS, now)
    if old is not None:
        return f"{folder}: the last quality check is {old}; run `sln-guide check`"
    if not last.good:
        failed = ", ".join(f.name for f in last.figures if f.good is False)
        return f"{folder}: the last quality check failed ({failed}); mend it, check again"
    return last


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
