"""`Stand`: what a guided sitting tells the window: where it stands, and what its cameras see."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sln_guide.calibration.flows import Outcome, Sight
from sln_guide.calibration.focus import Focus
from sln_guide.calibration.sitting import EVERYTHING, TITLES, Standing, What

FOCUS = "Focus aid"
CHOICES: tuple[What | Literal["focus"], ...] = (*EVERYTHING, "focus", "spot")
"""What may be chosen: a flow, or the focus aid."""


class Phase(StrEnum):
    """What the guide does."""

    OPENING = "opening"
    CHOOSING = "choosing"
    ARRANGING = "arranging"
    MEASURING = "measuring"
    FOCUSING = "focusing"
    DONE = "done"
    FAILED = "failed"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One camera's newest picture, (H, W) uint32 0xffRRGGBB read-only, and of what frame."""

    rgb32: NDArray[np.uint32]
    exposure_us: float
    gain_db: float
    level_share: float
    """Median of its samples / full scale."""
    saturated_share: float
    focus: Focus | None = None
    sight: Sight | None = None
    """What the step would find; None while nothing is sought."""


@dataclass(frozen=True, slots=True, eq=False)
class Stand:
    """Where a sitting stands; replaced whole.

    Attributes
    ----------
    step, steps
        Steps done, and how many there are.
    told
        What the last step found.
    problem
        Why it was refused, or a camera cannot be shown, and what to do.
    done, total
        How far a measurement has come.
    outcome, noted
        What came of the flow, and where it is noted.
    """

    phase: Phase
    rig: str = ""
    simulated: bool = False
    folder: str = ""
    roles: tuple[str, ...] = ()
    standings: tuple[Standing, ...] = ()
    choice: What | Literal["focus"] | None = None
    step: int = 0
    steps: int = 0
    instruction: str = ""
    told: str = ""
    problem: str = ""
    done: int = 0
    total: int = 0
    outcome: Outcome | None = None
    noted: str = ""

    @property
    def title(self) -> str:
        """What is being done."""
        return title_of(self.choice)

    @property
    def next_choice(self) -> What | None:
        """What to do next on the way to a checked rig; None: all of it stands."""
        return next((s.what for s in self.standings if s.good is not True), None)


def title_of(choice: What | Literal["focus"] | None) -> str:
    """Return what a choice is called; empty for none."""
    if choice is None:
        return ""
    return FOCUS if choice == "focus" else TITLES[choice]
