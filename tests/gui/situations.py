"""Situations the screen may be in, and what it then claims."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from hardware.frame import Frame
from hardware.rig import Calibration, Optics, Registration, Rig
from sln_guide.gui.claims.health_watch import HealthReading
from sln_guide.gui.claims.screen_state import ScreenState, screen_state
from sln_guide.gui.claims.situation import Displayed, Situation
from sln_guide.guidance import Guidance, Mode, Pair, Role, Settings
from sln_guide.health import Health, SessionHealth, StreamHealth
from tests.frames import frame_of

MS = 1_000_000
NOW = 3_600_000 * MS
WALL_CLOCK = datetime(2026, 5, 4, 12, tzinfo=UTC)
CALIBRATED = Registration(kind="calibrated", residual_mm=0.3)


def nir_frame(mid_exposure_ns: int) -> Frame:
    times_ns = {"host_time_ns": mid_exposure_ns, "mid_exposure_ns": mid_exposure_ns}
    return frame_of(np.zeros((2, 2)), **times_ns)


def guidance(age_ms: float = 20.0, registration: Registration = CALIBRATED) -> Guidance:
    maps = np.zeros((1, 1), np.float32)
    return Guidance(
        generation=1,
        pair=Pair(nir_frame(NOW - round(age_ms * MS)), None),
        detections=(),
        grid_px=8,
        signal=maps,
        background=maps,
        significance=maps,
        limit_contrast=maps,
        cannot_judge=np.zeros((1, 1), np.uint8),
        limit_sbr=1.2,
        false_calls_per_field=0.05,
        display_full_scale=1.0,
        colour_predicted=True,
        registration=registration,
        settings=Settings(),
    )


def stream(role: Role, **changes: Any) -> StreamHealth:
    live = StreamHealth(
        role, "cam", Health.LIVE, rate_hz=60.0, period_ns=16 * MS, last_frame_ns=NOW
    )
    return replace(live, **changes)


def session(
    nir: dict[str, Any] | None = None, white: dict[str, Any] | None = None, **changes: Any
) -> SessionHealth:
    return replace(
        SessionHealth(
            nir=stream(Role.NIR, **(nir or {})),
            white=stream(Role.WHITE, **(white or {})),
            latency_p50_ms=8.0,
            latency_p99_ms=13.0,
        ),
        **changes,
    )


def situation(**changes: Any) -> Situation:
    """All is well, but for ``changes``: fields of `Situation`, of what is displayed, or `rig_of`'s.

    ``health``, ``health_ns`` and ``silence`` make the reading.
    """
    displayed = {
        "guidance": guidance(),
        "mid_exposure_ns": NOW - 20 * MS,
        **{f.name: changes.pop(f.name) for f in fields(Displayed) if f.name in changes},
    }
    reading = HealthReading(
        changes.pop("health", session()),
        changes.pop("health_ns", None),
        changes.pop("silence", None),
    )
    told = {name: changes.pop(name) for name in RIG_FACTS if name in changes}
    well = Situation(NOW, WALL_CLOCK, Mode.LIVE, rig_of(**told), reading, Displayed(**displayed))
    return replace(well, **changes)


RIG_FACTS = ("registration", "simulated", "parallax_mm", "distance_mm", "skew_limit_ms")


def rig_of(
    registration: Registration = CALIBRATED,
    *,
    simulated: bool = False,
    parallax_mm: float = 0.0,
    distance_mm: float | None = None,
    skew_limit_ms: float | None = None,
) -> Rig:
    """A rig of which the screen knows as much."""
    return Rig(
        name="any",
        nir=None,
        registration=registration,
        emulated=simulated,
        optics=Optics(
            baseline_mm=parallax_mm, relief_mm=300.0, working_distance_mm=distance_mm or 300.0
        ),
        calibration=Calibration(registration=None if distance_mm is None else "by-distance"),
        max_skew_ms=skew_limit_ms,
    )


def look(**changes: Any) -> ScreenState:
    """What the screen claims when all is well, but for ``changes``; see `situation`."""
    return screen_state(situation(**changes))


def words(state: ScreenState) -> str:
    return " ".join([state.pill, *(f"{b.headline} {b.detail}" for b in state.banners)])
