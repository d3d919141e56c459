"""`Situation`: all that the screen's claims rest on at one moment. Values only: no Qt, no clock."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from hardware.frame import Frame
from hardware.rig import Registration, Rig
from sln_guide.gui.claims.health_watch import HealthReading
from sln_guide.gui.preferences import Unused
from sln_guide.guidance import Guidance, Mode, View
from sln_guide.health import SessionHealth, StreamHealth

MS = 1_000_000

BASELINE_LATE = "baseline taken though tracer may have come"
"""Said of guidance beside its own flags: the operator knew better, and nobody else does."""


@dataclass(frozen=True, slots=True)
class Motion:
    """How far tissue in white has moved since the overlay's NIR frame, and how far it may."""

    distance: float
    limit: float
    unit: str

    @property
    def unknown(self) -> bool:
        """Whether nobody can tell: after a cut, or with nothing to be seen."""
        return math.isnan(self.distance)

    @property
    def too_far(self) -> bool:
        """Whether the overlay lies beside its tissue (a distance that is not a number does)."""
        return not self.distance <= self.limit


@dataclass(frozen=True, slots=True)
class Freeze:
    """The operator held a picture. Its overlay was right, or not, when it was taken.

    ``flags``: `Displayed.flags` of then; none of white light by itself.
    """

    at_ns: int
    clock: str
    overlay_allowed: bool
    overlay_age_ms: float | None = None
    flags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Displayed:
    """The picture about to be painted.

    Attributes
    ----------
    view
        What the large picture shows. The colour view never has an overlay; without white light
        under it (the NIR view) an overlay needs neither registration nor still tissue.
    guidance
        Behind the overlay; None without one.
    flags
        Of that guidance and of those shown a moment before it: see `Flags`.
    mid_exposure_ns
        Of the frame that is really displayed (white, or NIR in the NIR view); None: no frame is.
    motion
        Of the tissue since the overlay's NIR frame; None where it was not measured.
    nir
        Newest NIR frame that came with the picture: its line tells of the light.
    alone
        White light is shown by itself, because the picture with the overlay had to be put aside.
    """

    view: View = View.MERGED
    guidance: Guidance | None = None
    flags: frozenset[str] = frozenset()
    mid_exposure_ns: int | None = None
    motion: Motion | None = None
    nir: Frame | None = None
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known at ``now_ns``: of the rig, of the session, of the picture, of this window.

    Attributes
    ----------
    now_ns
        `time.monotonic_ns` of this paint.
    wall_clock
        The same moment as people count it, with its time zone: calibrations expire by it.
    mode
        Where pictures come from.
    rig
        At the working distance, and with the nudge, in force.
    reading
        What the session last said of itself, when, and whether it still answers.
    displayed
        The picture about to be painted.
    freeze
        Set while the operator holds a picture.
    fault
        An error inside the window itself, in one line.
    unused
        What the place has chosen and does not hold, and why.
    """

    now_ns: int
    wall_clock: datetime
    mode: Mode
    rig: Rig
    reading: HealthReading
    displayed: Displayed
    freeze: Freeze | None = None
    fault: str | None = None
    unused: Mapping[Unused, str] = field(default_factory=dict)

    def with_white_alone(self, mid_exposure_ns: int) -> Situation:
        """Return it with white light, exposed then, displayed instead of the picture."""
        alone = replace(self.displayed, mid_exposure_ns=mid_exposure_ns, alone=True)
        return replace(self, displayed=alone)

    @property
    def replay(self) -> bool:
        """Whether a recording is shown."""
        return self.mode is Mode.REPLAY

    @property
    def simulated(self) -> bool:
        """Whether the pictures are not light on a sensor, recorded or not."""
        return self.mode is Mode.SIMULATED or self.rig.simulated

    @property
    def health(self) -> SessionHealth | None:
        """The session's last word on how it fares."""
        return self.reading.health

    @property
    def streams(self) -> list[StreamHealth]:
        """The cameras, NIR first, as far as anything is known of them."""
        health = self.health
        if health is None:
            return []
        return [health.nir] if health.white is None else [health.nir, health.white]

    @property
    def registration(self) -> Registration:
        """The less trustworthy of the rig's registration and the guidance's own."""
        guidance = self.displayed.guidance
        if guidance is None:
            return self.rig.registration
        order = ("none", "assumed", "nudged", "calibrated")
        return min(self.rig.registration, guidance.registration, key=lambda r: order.index(r.kind))

    @property
    def withdrawn(self) -> bool:
        """Whether the check of edges took the registration back for this guidance."""
        guidance = self.displayed.guidance
        return guidance is not None and guidance.settings.registration_withdrawn

    @property
    def overlay_age_ms(self) -> float | None:
        """Age of the NIR frame behind the overlay; None: there is none.

        A recording is as old as it is: what can still be wrong is the white frame underneath, so
        in replay it is how far apart in time the two lie.
        """
        displayed = self.displayed
        if displayed.guidance is None:
            return None
        nir_ns = displayed.guidance.pair.nir.mid_exposure_ns
        if not self.replay:
            return (self.now_ns - nir_ns) / MS
        shown_ns = displayed.mid_exposure_ns
        return None if shown_ns is None else abs(shown_ns - nir_ns) / MS

    @property
    def video_age_ms(self) -> float | None:
        """Age of the frame that is displayed; None: none is, or it was recorded."""
        shown_ns = self.displayed.mid_exposure_ns
        return None if shown_ns is None or self.replay else (self.now_ns - shown_ns) / MS
