"""`Identity`: which case this is, and if it is whole, by its manifest and its parts' headers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sln_guide.recording.errors import NewerFormatError, Problem, RecordingError
from sln_guide.recording.folder import (
    MANIFEST,
    being_recorded,
    manifest_damage,
    misfits,
    read_header,
    read_manifest,
)
from sln_guide.recording.records import CaseHeader, Manifest
from sln_guide.recording.scan import PartFileReader


class Identity:
    """What a case says of itself. The manifest counts only where a part's header bears it out.

    Parameters
    ----------
    folder
        The case's.
    problems
        Added to as damage is met.

    Attributes
    ----------
    manifest
        None where it is missing or cannot be read.
    being_recorded
        Whether it was when it was opened: it holds what had come by then.
    strangers
        Parts that belong to another case, perhaps of another patient: nothing of them is shown.

    Raises
    ------
    NewerFormatError
        A newer version wrote the case.
    """

    def __init__(self, folder: Path, problems: list[Problem]) -> None:
        self._folder = folder
        self._problems = problems
        self._is_sound = True
        self.strangers: list[Path] = []
        held = being_recorded(folder)  # before the manifest: else it may be closed in between
        self.manifest: Manifest | None = None
        try:
            self.manifest = read_manifest(folder)
            if damage := manifest_damage(folder):
                self._add_problem(MANIFEST, damage)
                self._is_sound = False
        except NewerFormatError:
            raise
        except RecordingError as error:
            self._add_problem(MANIFEST, str(error))
        self.being_recorded = held and not (self.manifest is not None and self.manifest.closed)

    def header(self, parts: Iterable[PartFileReader]) -> CaseHeader:
        """Return the header of the first part that has a whole one, else the manifest's.

        Parts of another case are `strangers` from then on. Which is this one the manifest says, if
        any part bears it out, else the first part.

        Raises
        ------
        RecordingError
            There is none; or a newer version wrote the case.
        """
        why = ""
        whole: list[tuple[PartFileReader, CaseHeader]] = []
        for part in parts:
            try:
                header = read_header(part)
            except NewerFormatError:
                raise
            except RecordingError as error:
                header, why = None, why or f" ({error})"
            if header is not None:
                whole.append((part, header))
            elif not whole:
                span = (0, min(part.size, 1 << 16))
                self._add_problem(part.path.name, "the header of this part is damaged", span)
        if whole:
            return self._own(whole)
        self._is_sound = False
        if self.manifest is not None:
            return self.manifest.header
        raise RecordingError(
            f"case {self._folder}: no part has a whole header, nor has its manifest{why}: to read "
            f"its frames, put into it the {MANIFEST} of another case of this rig"
        )

    def _own(self, whole: list[tuple[PartFileReader, CaseHeader]]) -> CaseHeader:
        """Return the first header that is this case's own; the parts of others are strangers."""
        known = {header.case_id for _, header in whole}
        own = whole[0][1].case_id
        if self.manifest is not None and self.manifest.header.case_id in known:
            own = self.manifest.header.case_id
        for part, header in whole:
            if header.case_id != own:
                self.strangers.append(part.path)
                self._add_problem(part.path.name, "belongs to another case: it is left out")
        self._is_sound &= self._manifest_is_of(own)
        return next(header for _, header in whole if header.case_id == own)

    def _manifest_is_of(self, case_id: str) -> bool:
        """Return whether the manifest is this case's own; one of another is a problem."""
        if self.manifest is None or self.manifest.header.case_id == case_id:
            return True
        self._add_problem(MANIFEST, "belongs to another case")
        return False

    def hold_against(self, paths: list[Path]) -> None:
        """Note which parts are not as the manifest says."""
        if self.manifest is not None and self._is_sound:
            self._problems += misfits(self.manifest, paths)

    @property
    def incomplete(self) -> tuple[str, ...]:
        """Why the case is not complete."""
        if self.manifest is None or not self._is_sound:
            return ("the manifest is missing, damaged, or alone in saying what this case is",)
        if self.being_recorded:
            return ("it was still being recorded when it was opened",)
        if not self.manifest.closed:
            return ("not closed: the recording ended without a clean stop",)
        return (*self.manifest.incomplete, *map(str, self._problems))

    def _add_problem(self, file: str, what: str, span: tuple[int, int] | None = None) -> None:
        self._problems.append(Problem(file, span, "", None, None, what))
