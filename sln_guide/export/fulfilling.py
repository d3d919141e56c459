"""`fulfil`: makes what is wished for of a case."""

from __future__ import annotations

from collections.abc import Callable

from sln_guide.export.film_stills_curves import export_curves, export_film, export_stills
from sln_guide.export.journal import export_journal
from sln_guide.export.overlay import Layout
from sln_guide.export.process import process_case
from sln_guide.export.raw import export_mkv, export_ome_tiff
from sln_guide.export.wish import Outcome, What, Wish
from sln_guide.recording import CaseReader


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
    asked = wish.asked
    match wish.what:
        case What.FFV1:
            return export_mkv(case, wish.out, progress=progress)
        case What.OME_TIFF:
            return export_ome_tiff(case, wish.out, progress=progress)
        case What.TABLES:
            return process_case(case, wish.out, asked=asked, video=False, progress=progress)
        case What.JOURNAL:
            return export_journal(case, wish.out, progress=progress)
        case What.CURVES:
            return export_curves(case, wish.out, asked=asked, span=wish.span, progress=progress)
        case What.STILLS:
            times_s = wish.times_s or (wish.span.begin_s,)
            return export_stills(case, wish.out, times_s, asked=asked, progress=progress)
        case _:
            layout = Layout(wish.what.value)
            return export_film(
                case, wish.out, layout, asked=asked, span=wish.span, progress=progress
            )
