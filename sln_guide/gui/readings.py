"""What the top strip reads: short texts and their tones, from the session's health."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from hardware.frame import Frame
from hardware.rig import Registration, Rig
from sln_guide.guidance import View
from sln_guide.health import (
    Alignment,
    Health,
    LampState,
    RecorderHealth,
    SessionHealth,
    StreamHealth,
)

SECOND = 1_000_000_000

LOOK_OLD_S = 5.0
"""A look at the edges of both streams tells nothing of now after so long."""
DISK_AMBER_MIN = 10.0
DISK_RED_MIN = 2.0
EXPIRY_TOLD_BEFORE = timedelta(hours=1)
WITHOUT_FOLDERS = re.compile(r"\S*/")
"""What of a path is too long to be read in a hurry."""


class Tone(StrEnum):
    """Which of the screen's colours something takes; never without its word."""

    NEUTRAL = "neutral"
    PLAIN = "plain"
    LIVE = "live"
    STALE = "stale"
    ALARM = "alarm"
    RECORDING = "recording"
    REPLAY = "replay"
    SIMULATED = "simulated"


@dataclass(frozen=True, slots=True)
class Reading:
    """A short text and its tone; empty text: nothing to show."""

    text: str
    tone: Tone = Tone.NEUTRAL


NOTHING = Reading("")


@dataclass(frozen=True, slots=True)
class Readings:
    """Everything the top strip says beside the state, left to right."""

    age: Reading
    latency: Reading
    rates: Reading
    losses: Reading
    recording: Reading
    backlog: Reading
    disk: Reading
    registration: Reading
    status: Reading
    light: Reading = NOTHING


def expiry_reading(rig: Rig, now: datetime) -> Reading:
    """Word when what vouches for the rig's units ends, from an hour before, and that it has.

    The running case keeps its units: nothing that the surgeon goes by may change in the middle.
    """
    ends = rig.expires
    if ends is None or rig.unchecked is not None or now < ends.at - EXPIRY_TOLD_BEFORE:
        return NOTHING
    at = f"{ends.at.astimezone():%H:%M}"
    what = "check" if ends.what == "quality check" else ends.what
    if now < ends.at:
        return Reading(f"{what} expires {at}")
    return Reading(f"{what} expired {at}, check before the next case", Tone.STALE)


def error_text(error_mm: float) -> str:
    """Word an error in tenths of a mm, never less than it is."""
    return f"{math.ceil(round(error_mm * 10.0, 6)) / 10.0:.1f} mm"


def _joined(reading: Reading, also: Reading) -> Reading:
    if not also.text:
        return reading
    tone = also.tone if reading.tone is Tone.NEUTRAL else reading.tone
    return Reading(f"{reading.text} · {also.text}", tone)


def light_reading(nir: Frame | None, rig: Rig, lamp: LampState | None = None) -> Reading:
    """Word what the NIR camera's line says of the light, beside what it is told to be.

    Gated light goes on and off by itself: then ``lamp`` says whether it does so as commanded.
    """
    if rig.nir is None or rig.nir.light_line is None or nir is None:
        return NOTHING
    if nir.light_on is None:
        return Reading("light: line not told", Tone.STALE)
    if rig.light.gated is not None:
        return _gated(rig.light.gated, lamp)
    return Reading("light on") if nir.light_on else Reading("LIGHT OFF, should be on", Tone.ALARM)


def _gated(pattern: tuple[int, int], lamp: LampState | None) -> Reading:
    text = f"light gated {pattern[0]}:{pattern[1]}"
    if lamp is None:
        return Reading(text)
    if lamp.alarm is not None:
        return Reading("LIGHT AGAINST ITS PATTERN", Tone.ALARM)
    if lamp.unsure:
        return Reading(f"{text}, {lamp.unsure}", Tone.STALE)
    text += f", on {lamp.on_time_s:.0f} s in all"
    return Reading(text, Tone.NEUTRAL if not lamp.room else Tone.STALE)


def elapsed_text(ns: int) -> str:
    """Return a duration as people say it: "0.3 s", "12 s", "3 min 20 s", "2 h 5 min"."""
    seconds = max(ns, 0) / SECOND
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def clock_text(seconds: float) -> str:
    """Return seconds as hh:mm:ss."""
    whole = int(max(seconds, 0.0))
    return f"{whole // 3600:02d}:{whole % 3600 // 60:02d}:{whole % 60:02d}"


def readings(
    now_ns: int,
    health: SessionHealth | None,
    *,
    replay: bool,
    frozen: bool,
    age_ms: float | None,
    age_tone: Tone,
    registration: Registration,
    view: View,
    parallax_mm: float,
    status_age_ms: float | None,
    status_old_ms: float,
    light: Reading = NOTHING,
    vouched: bool = True,
    distance_mm: float | None = None,
    skew_limit_ms: float | None = None,
    expiry: Reading = NOTHING,
    withdrawn: bool = False,
    silent: bool = False,
) -> Readings:
    """Word the top strip. ``age_ms`` is None when no overlay is let through.

    ``vouched``: whether figures may carry calibrated units. ``distance_mm``: of the plane that the
    registration is for, None where it is for one only. ``skew_limit_ms``: the rig's. ``expiry``:
    see `expiry_reading`; told beside the registration, which ``withdrawn`` says is not used.
    ``silent``: the source does not answer, so ``health`` says how it fared, not how it fares.
    """
    recorder = RecorderHealth() if health is None else health.recorder
    return Readings(
        age=_age(age_ms, age_tone, replay=replay, frozen=frozen, view=view),
        latency=_latency(health),
        rates=_rates(health),
        losses=_losses(health, skew_limit_ms),
        recording=_recording(now_ns, recorder, replay=replay, silent=silent),
        backlog=_backlog(recorder),
        disk=_disk(recorder),
        registration=Reading("registration withdrawn", Tone.ALARM)
        if withdrawn
        else _joined(
            _registration(
                now_ns,
                registration,
                parallax_mm,
                None if health is None or replay else health.alignment,
                distance_mm,
                vouched=vouched,
            ),
            expiry,
        ),
        status=_status(status_age_ms, status_old_ms),
        light=light,
    )


def _age(age_ms: float | None, tone: Tone, *, replay: bool, frozen: bool, view: View) -> Reading:
    if age_ms is None:
        return Reading("overlay off" if view is View.WHITE else "no overlay", Tone.PLAIN)
    text = f"{age_ms:.0f} ms" if age_ms < 10_000 else elapsed_text(round(age_ms * 1e6))
    if replay and view is View.NIR:
        return Reading("NIR by itself", Tone.PLAIN)
    if replay:
        return Reading(f"NIR to white {text}", Tone.PLAIN)
    if frozen:
        return Reading(f"overlay was {text}", Tone.PLAIN)
    return Reading(f"overlay {text}", Tone.STALE if tone is Tone.STALE else Tone.PLAIN)


def _latency(health: SessionHealth | None) -> Reading:
    if health is None or health.latency_p50_ms is None or health.latency_p99_ms is None:
        return NOTHING
    return Reading(f"p50 {health.latency_p50_ms:.0f} · p99 {health.latency_p99_ms:.0f} ms")


def _rates(health: SessionHealth | None) -> Reading:
    if health is None:
        return NOTHING
    shown = f"NIR {health.nir.rate_hz:.0f}"
    if health.white is not None:
        shown += f" | white {health.white.rate_hz:.0f}"
    degraded = any(s.health is Health.DEGRADED for s in _streams(health))
    return Reading(f"{shown} fps", Tone.STALE if degraded else Tone.NEUTRAL)


def _losses(health: SessionHealth | None, skew_limit_ms: float | None) -> Reading:
    """Word lost frames, and how far apart in time the two cameras expose."""
    if health is None:
        return NOTHING
    counts = [s.lost + s.failed for s in _streams(health)]
    tone = Tone.STALE if any(counts) else Tone.NEUTRAL
    text = "lost " + (" | ".join(str(c) for c in counts) if any(counts) else "0")
    if health.skew_ms is not None:
        text += f" · skew {health.skew_ms:.1f} ms"
        if skew_limit_ms is not None and health.skew_ms > skew_limit_ms:
            tone = Tone.ALARM
    return Reading(text, tone)


def _streams(health: SessionHealth) -> list[StreamHealth]:
    return [health.nir] if health.white is None else [health.nir, health.white]


def _recording(now_ns: int, recorder: RecorderHealth, *, replay: bool, silent: bool) -> Reading:
    if replay:
        return NOTHING
    if recorder.error is not None and not recorder.recording:
        return Reading("REC FAILED", Tone.ALARM)
    if not recorder.recording:
        return Reading("not recording")
    if silent:
        return Reading("REC not known", Tone.ALARM)
    if recorder.error is not None or recorder.dropped:
        return Reading("REC INCOMPLETE", Tone.ALARM)
    began = now_ns if recorder.started_ns is None else recorder.started_ns
    return Reading(f"REC {clock_text((now_ns - began) / SECOND)}", Tone.RECORDING)


def _backlog(recorder: RecorderHealth) -> Reading:
    if recorder.dropped:
        return Reading(f"not recorded {recorder.dropped}", Tone.ALARM)
    if not recorder.recording:
        return NOTHING
    return Reading(f"unsaved {recorder.unsaved}")


def _disk(recorder: RecorderHealth) -> Reading:
    left = recorder.minutes_left
    if left is None:
        return NOTHING
    tone = Tone.NEUTRAL
    if not left >= DISK_RED_MIN:
        tone = Tone.ALARM
    elif left < DISK_AMBER_MIN:
        tone = Tone.STALE
    # Above a day the exact number says nothing; below, round down: never promise time.
    return Reading("disk > 24 h" if left >= 1440 else f"disk {int(max(left, 0))} min", tone)


def _registration(
    now_ns: int,
    registration: Registration,
    parallax_mm: float,
    alignment: Alignment | None,
    distance_mm: float | None,
    *,
    vouched: bool,
) -> Reading:
    if registration.kind == "none":
        return Reading("not registered", Tone.STALE)
    if registration.kind == "assumed":
        return Reading("registration assumed", Tone.STALE)
    if registration.kind == "nudged":
        return Reading("registration NUDGED by hand", Tone.STALE)
    if not vouched:
        return Reading("registration not checked", Tone.STALE)
    text = "registration"
    residual_mm = registration.residual_mm
    text += " unknown error" if residual_mm is None else f" {error_text(residual_mm)}"
    if parallax_mm > 0.05:
        text += f" + {parallax_mm:.1f} parallax"
    if distance_mm is not None:
        text += f" at {distance_mm:g} mm"
    if alignment is not None:
        recent = now_ns - alignment.looked_ns <= LOOK_OLD_S * SECOND
        text += ", holds" if recent and alignment.verdict == "holds" else ", not checked"
    return Reading(text)


def _status(age_ms: float | None, old_ms: float) -> Reading:
    if age_ms is None or age_ms <= old_ms:
        return NOTHING
    return Reading(f"readings {elapsed_text(round(age_ms * 1e6))} old", Tone.STALE)
