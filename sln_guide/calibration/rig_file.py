"""Noting a finished calibration in the rig file, which stays as its owner wrote it otherwise."""

from __future__ import annotations

import os
import re
from pathlib import Path

from hardware.rig import RigError
from hardware.rig_files import parse_rig
from sln_guide.calibration.errors import CalibrationFileError
from sln_guide.whole_file import replace_file

_TABLE = re.compile(r"^\s*\[calibration\]\s*(#.*)?$")
_ANY_TABLE = re.compile(r"^\s*\[")


def note_in_rig(rig_file: Path, key: str, calibration: Path) -> None:
    """Write ``key = "calibration"`` into the rig file's ``[calibration]`` table.

    The path is written relative to the rig file where it can be. The file is replaced whole, and
    only by one that is a good rig still.

    Raises
    ------
    CalibrationFileError
        The rig file cannot be read, written, or would no longer be a rig.
    """
    try:
        text = rig_file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CalibrationFileError(f"{rig_file}: cannot be read ({error})") from None
    name = os.path.relpath(calibration.resolve(), rig_file.resolve().parent).replace(os.sep, "/")
    changed = _with_key(text, key, name)
    try:
        parse_rig(changed, origin=str(rig_file))
    except RigError as error:
        raise CalibrationFileError(
            f'{error}; write it into [calibration] by hand: {key} = "{name}"'
        ) from None
    try:
        replace_file(rig_file, changed.encode())
    except OSError as error:
        raise CalibrationFileError(
            f'{rig_file}: cannot be written ({error.strerror}); put into it: {key} = "{name}"'
        ) from None


def _with_key(text: str, key: str, name: str) -> str:
    lines = text.splitlines()
    line = f'{key} = "{name}"'
    start = next((k for k, words in enumerate(lines) if _TABLE.match(words)), None)
    if start is None:
        return text.rstrip("\n") + f"\n\n[calibration]\n{line}\n"
    end = start + 1
    while end < len(lines) and not _ANY_TABLE.match(lines[end]):
        if re.match(rf"^\s*{re.escape(key)}\s*=", lines[end]):
            lines[end] = line
            return "\n".join(lines) + "\n"
        end += 1
    lines.insert(start + 1, line)
    return "\n".join(lines) + "\n"
