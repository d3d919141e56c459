"""`Look`: how a picture is to be painted."""

from __future__ import annotations

from dataclasses import dataclass

from hardware.rig import Registration
from hardware.working_plane import WorkingPlane
from sln_guide.guidance import Mode, Settings

_REFERENCE_ROWS = 1080


@dataclass(frozen=True, slots=True)
class Look:
    """What to paint beside the picture itself. Frozen; one for as long as nothing changes.

    Attributes
    ----------
    mm_per_px
        Scale of the NIR image (the rig's); None: unknown, then there is no scale bar.
    registration
        In force now: gives the colour picture its scale where no guidance came with it.
    plane
        The working distance in force now, where it is another than the rig's own; guidance has
        that at which it was made.
    settings
        The operator's newest, None: those that travelled with the guidance.
    tags, legend, scale_bar, heartbeat
        Whether to paint them.
    mode, simulated
        What is burned in: a frame round the picture and the word. A replay of a simulation has
        both.
    clock
        Time to burn in, such as "14:03:22"; empty: none.
    research_note
        Whether to burn in "RESEARCH USE ONLY".
    """

    mm_per_px: float | None = None
    registration: Registration = Registration()
    plane: WorkingPlane | None = None
    settings: Settings | None = None
    tags: bool = True
    legend: bool = True
    scale_bar: bool = True
    heartbeat: bool = True
    mode: Mode = Mode.LIVE
    simulated: bool = False
    clock: str = ""
    research_note: bool = False


def text_scale(rows: float) -> float:
    """Return what type and lines are multiplied with: 1 up to 1080 rows, in proportion above."""
    return max(1.0, rows / _REFERENCE_ROWS)
