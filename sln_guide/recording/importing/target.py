"""Where an import writes: beside its case's name until the case is whole, then under that name."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sln_guide.recording.description import CaseDescription
from sln_guide.recording.errors import RecordingError
from sln_guide.recording.folder import LOCK, MANIFEST, RESERVE, being_recorded, failure
from sln_guide.recording.writer import CaseWriter
from sln_guide.whole_file import empty_ones_taken_away, sync_folder

PARTIAL = ".partial"
_OF_A_CASE = re.compile(rf"part-\d+\.(mcap|index)|{MANIFEST}|{LOCK}|{RESERVE}|\.[0-9a-f]+\.new")


def place_for(out: Path) -> Path:
    """Return where the case ``out`` is written, without what an import that was killed left there.

    Raises
    ------
    RecordingError
        Another import writes there at this moment.
    """
    place = out.with_name(out.name + PARTIAL)
    if place.is_symlink() or not place.is_dir():
        return place
    if being_recorded(place):
        raise RecordingError(
            f"{out}: being imported by another command: wait for it, or choose another name"
        )
    try:
        # what is not a case's own is somebody's: then the writer refuses the folder by name
        if all(_OF_A_CASE.fullmatch(path.name) for path in place.iterdir()):
            shutil.rmtree(place)
    except OSError as error:
        raise failure(place, "take away what an import that was killed left", error) from None
    return place


@contextmanager
def new_case(place: Path, out: Path, description: CaseDescription) -> Iterator[CaseWriter]:
    """Begin the case, and give it its name once it is written; take it away when that fails.

    The source still has it all.

    Raises
    ------
    RecordingError
        It cannot be written; or something has come to stand under its name meanwhile.
    """
    with empty_ones_taken_away(out.parent):
        writer = CaseWriter(place, description)
        with _whole_or_not_at_all(place, out), writer as case:
            yield case


@contextmanager
def _whole_or_not_at_all(place: Path, out: Path) -> Iterator[None]:
    try:
        yield
        try:
            os.rename(place, out)
            sync_folder(out.parent)
        except OSError as error:
            raise failure(out, "give the case its name", error) from None
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
