"""`Wish`: what to make of a case, whoever wants it: the command line or the replay's window."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sln_guide.recording.asked import Asked


class What(StrEnum):
    """What can be made of a case."""

    OVERLAY = "overlay"
    SIDE_BY_SIDE = "side-by-side"
    TRIPTYCH = "triptych"
    STILLS = "stills"
    CURVES = "curves"
    TABLES = "tables"
    JOURNAL = "journal"
    FFV1 = "ffv1"
    OME_TIFF = "ome-tiff"


SPANNED = frozenset({What.OVERLAY, What.SIDE_BY_SIDE, What.TRIPTYCH, What.CURVES})
"""Can be made of a part of the case; the others are of all of it, or of single moments."""

AS_RECORDED = frozenset({What.JOURNAL, What.FFV1, What.OME_TIFF})
"""Nothing is computed for these, so that no setting has a say."""


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when, seconds after the first NIR frame."""

    begin_s: float = 0.0
    end_s: float = math.inf


@dataclass(frozen=True, slots=True)
class Wish:
    """``out`` is a file, or a folder for stills and tables. ``asked`` None: as recorded.

    ``span`` and ``times_s`` (of stills) count from the first NIR frame.
    """

    what: What
    out: Path
    asked: Asked | None = None
    span: Span = Span()
    times_s: tuple[float, ...] = ()


class Outcome(Protocol):
    """What came of a wish."""

    @property
    def complete(self) -> bool:
        """Whether every frame could be read."""
        ...

    def text(self) -> str:
        """Say it in a few lines."""
        ...
