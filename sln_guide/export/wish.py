"""`fulfil`: one wish for an export, whoever has it: the command line or the replay's window."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sln_guide.guidance import Settings

if TYPE_CHECKING:
    from sln_guide.recording import CaseReader


class What(StrEnum):
    """What can be made of a case."""

    OVERLAY = "overlay"
    SIDE_BY_SIDE = "side-by-side"
    TRIPTYCH = "triptych"
    STILLS = "stills"
    CURVES = "curves"
    TABLES = "tables"
    FFV1 = "ffv1"
    OME_TIFF = "ome-tiff"


SPANNED = frozenset({What.OVERLAY, What.SIDE_BY_SIDE, What.TRIPTYCH, What.CURVES})
"""Can be made of a part of the case; the others are of all of it, or of single moments."""


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when, seconds after the first NIR frame."""

    begin_s: float = 0.0
    end_s: float = math.inf


@dataclass(frozen=True, slots=True)
class Wish:
    """``out`` is a file, or a folder for stills and tables. ``settings`` None: as recorded.

    ``span`` and ``times_s`` (of stills) count from the first NIR frame.
    """

    what: What
    out: Path
    settings: Settings | None = None
    span: Span = Span()
    times_s: tuple[float, ...] = ()


class Outcome(Protocol):
    """What came of it."""

    @property
    def complete(self) -> bool:
        """Whether every frame could be read."""
        ...

    def text(self) -> str:
        """Say it in a few lines."""
        ...


def fulfil(
    case: CaseReader, wish: Wish, progress: Callable[[int, int], None] | None = None
) -> Outcome:
    """Make what is wished for; ``progress`` is told (done, in all), and may end it by raising.

    Raises
    ------
    ExportError
        When something is there already or cannot be written.
    RecordingError
        When the case has nothing of it.
    """
    # not before something is wanted: the window has a wish without loading all this
    from sln_guide.export.overlay import Layout
    from sln_guide.export.process import process_case
    from sln_guide.export.raw import export_mkv, export_ome_tiff
    from sln_guide.export.shown import export_curves, export_film, export_stills

    settings = wish.settings
    match wish.what:
        case What.FFV1:
            return export_mkv(case, wish.out, progress=progress)
        case What.OME_TIFF:
            return export_ome_tiff(case, wish.out, progress=progress)
        case What.TABLES:
            return process_case(case, wish.out, settings=settings, video=False, progress=progress)
        case What.CURVES:
            return export_curves(
                case, wish.out, settings=settings, span=wish.span, progress=progress
            )
        case What.STILLS:
            times_s = wish.times_s or (wish.span.begin_s,)
            return export_stills(case, wish.out, times_s, settings=settings, progress=progress)
        case _:
            layout = Layout(wish.what.value)
            return export_film(
                case, wish.out, layout, settings=settings, span=wish.span, progress=progress
            )
