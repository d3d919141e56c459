"""What can go wrong with a case: one line that says what, where, and what to do."""

from __future__ import annotations

from dataclasses import dataclass


class RecordingError(Exception):
    """A case that cannot be written or read. The message says what and what to do."""


class NewerFormatError(RecordingError):
    """A newer version wrote this case."""


class DamagedError(RecordingError):
    """One record of a case is damaged; the others may be well. Carries the `Problem`."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Problem:
    """One damaged, changed or missing thing.

    Attributes
    ----------
    file
        File name inside the case.
    byte_range
        First byte and first byte after, in that file; None where no bytes can be named.
    topic
        What the bytes belong to ("nir", "events", ...); "" where that cannot be told.
    index
        Zero-based index within its topic; None where that cannot be told.
    sequence
        The device counter of a frame; None for anything else.
    what
        Plain words.
    """

    file: str
    byte_range: tuple[int, int] | None
    topic: str
    index: int | None
    sequence: int | None
    what: str

    def __str__(self) -> str:
        where = self.file
        if self.byte_range is not None:
            where += f" bytes {self.byte_range[0]}-{self.byte_range[1]}"
        which = self.topic
        if self.topic and self.index is not None:
            which += f" {self.index}"
        if self.sequence is not None:
            which += f" (sequence {self.sequence})"
        return f"{where}: {which + ': ' if which else ''}{self.what}"
