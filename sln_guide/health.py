"""How everything around the guidance fares: what the screen must be honest about."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from sln_guide.guidance import Role

DRIVE_SILENT_S = 2.0
DRIVE_UNSYNCED_S = 5.0


class Health(StrEnum):
    """STALE is the initial value: live must be proved. DEGRADED: live, but fewer frames come."""

    STALE = "stale"
    LIVE = "live"
    DEGRADED = "degraded"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class StreamHealth:
    """One camera's stream. Times are `time.monotonic_ns`.

    ``lost``: frames that are missing by the device's counter; those whose buffers ``failed`` are
    among them.
    ``asked_hz``: how many frames a second it was set to send; None: not set, or it is triggered.
    ``error``, ``since_ns``: why it is lost or degraded, and since when.
    ``remedy``: what to do about it, None where nobody knows.
    ``ended``: it played a recording, which is over: nothing more comes.
    """

    role: Role
    camera_id: str
    health: Health = Health.STALE
    rate_hz: float = 0.0
    asked_hz: float | None = None
    period_ns: int = 0
    delivered: int = 0
    lost: int = 0
    failed: int = 0
    epoch: int = 0
    last_frame_ns: int | None = None
    last_mid_exposure_ns: int | None = None
    frozen: bool = False
    error: str | None = None
    since_ns: int | None = None
    remedy: str | None = None
    ended: bool = False


@dataclass(frozen=True, slots=True)
class RecorderHealth:
    """The recorder. ``unsaved`` is how many frames wait in memory: the loss if it dies.

    ``head`` (hex) is the end of the case's hash chain, once it is closed: to be noted elsewhere.
    ``silent_s``: for how long the drive has been keeping a write waiting; ``unsynced_s``: for how
    long it has been making durable what it took, which a power cut may cost until it has.
    """

    recording: bool = False
    case_name: str | None = None
    started_ns: int | None = None
    frames: int = 0
    bytes_written: int = 0
    unsaved: int = 0
    dropped: int = 0
    minutes_left: float | None = None
    error: str | None = None
    head: str | None = None
    silent_s: float = 0.0
    unsynced_s: float = 0.0

    @property
    def drive_silent(self) -> bool:
        """Whether the drive keeps frames waiting for longer than any well one does."""
        return self.silent_s >= DRIVE_SILENT_S

    @property
    def drive_slow(self) -> bool:
        """Whether much of what the drive took is not durable yet."""
        return self.unsynced_s >= DRIVE_UNSYNCED_S


@dataclass(frozen=True, slots=True)
class Alignment:
    """Whether edges that both streams see coincide as registered.

    ``verdict`` is that of the last few looks, ``last_look`` of the newest one; "cannot tell" where
    too few edges are in sight. ``shift_px`` (NIR px) and ``shift_mm``: how far apart they lie; None
    where they coincide. ``held_ns``: when they were last seen to coincide under the registration in
    force (monotonic); None: not yet, or not since they lay apart.
    """

    verdict: Literal["holds", "moved", "cannot tell"]
    last_look: Literal["holds", "moved", "cannot tell"]
    shift_px: float | None
    shift_mm: float | None
    looked_ns: int
    held_ns: int | None = None

    @property
    def apart(self) -> str:
        """How far apart edges lie, in words; empty where they do not."""
        if self.shift_px is None:
            return ""
        return f"{self.shift_px:.0f} NIR px" if self.shift_mm is None else f"{self.shift_mm:.1f} mm"


@dataclass(frozen=True, slots=True)
class LampState:
    """What gated excitation does, by the line status of each frame.

    ``alarm``: one line for the screen, None while all is well. ``room``: what foreign light was
    recognised in the dark frames; empty: none. ``unsure``: why nobody can tell whether the lamp
    shines; empty: it can be told.
    """

    on_time_s: float
    frames_lit: int
    frames_dark: int
    mismatches: int
    alarm: str | None
    room: str = ""
    unsure: str = ""


@dataclass(frozen=True, slots=True)
class SessionHealth:
    """Everything around the guidance that the screen must be honest about.

    ``exposure_refused``: why the NIR camera's exposure cannot follow the tissue.
    ``ended``: cameras, processing and recorder have all stopped, and why; the rest is history.
    ``alignment``: None until the first look, and where there is no registration to hold. ``lamp``:
    None unless the rig's excitation is gated. ``skew_ms``: how far apart in time NIR and white are
    exposed, as the last pairs go; None while there are none. ``preparing_since_ns``: since when
    the core is loaded or compiled, so that nothing is computed yet; None once it is ready.
    ``troubles``: what is missing because a thread beside the way to the screen failed.
    """

    nir: StreamHealth
    white: StreamHealth | None
    recorder: RecorderHealth = RecorderHealth()
    processing_error: str | None = None
    processing_since_ns: int | None = None
    latency_p50_ms: float | None = None
    latency_p99_ms: float | None = None
    skipped_nir: int = 0
    started_ns: int = 0
    ended: str | None = None
    exposure_refused: str | None = None
    alignment: Alignment | None = None
    lamp: LampState | None = None
    skew_ms: float | None = None
    preparing_since_ns: int | None = None
    troubles: tuple[str, ...] = ()
