"""What the top strip reads: short texts and their tones, from the session's health."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from hardware.frame import Frame
from hardware.rig import Rig
from sln_guide.gui.claims.situation import MS, Situation
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

STATUS_OLD_MS = 1000.0
"""Age of the health readings themselves above which they are called old."""
DISK_AMBER_MIN = 10.0
DISK_RED_MIN = 2.0
EXPIRY_TOLD_BEFORE = timedelta(hours=1)
WITHOUT_FOLDERS = re.compile(r"\S*/")
"""What of a path is too long to be read in a hurry."""
CONFIRMED = re.compile(r", confirmed [^·]* ago")
"""What of the registration's reading is left out first; that it is not checked never is."""


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


def readings(situation: Situation, overlay_age_ms: float | None, age_tone: Tone) -> Readings:
    """Word the top strip.

    ``overlay_age_ms`` is of the overlay that is let through (of a held picture, when it was held);
    None: none is.
    """
    health = situation.health
    recorder = RecorderHealth() if health is None else health.recorder
    return Readings(
        age=_age(situation, overlay_age_ms, age_tone),
        latency=NOTHING if situation.replay else _latency(health),
        rates=_rates(situation),
        losses=_losses(situation),
        recording=_recording(situation, recorder),
        backlog=_backlog(recorder),
        disk=_disk(recorder),
        registration=_registration(situation),
        status=_status(situation),
        light=light_reading(
            situation.displayed.nir, situation.rig, None if health is None else health.lamp
        ),
    )


def _age(situation: Situation, age_ms: float | None, tone: Tone) -> Reading:
    view = situation.displayed.view
    if age_ms is None:
        return Reading("overlay off" if view is View.WHITE else "no overlay", Tone.PLAIN)
    text = f"{age_ms:.0f} ms" if age_ms < 10_000 else elapsed_text(round(age_ms * 1e6))
    if situation.replay and view is View.NIR:
        return Reading("NIR by itself", Tone.PLAIN)
    if situation.replay:
        return Reading(f"NIR to white {text}", Tone.PLAIN)
    if situation.freeze is not None:
        return Reading(f"overlay was {text}", Tone.PLAIN)
    return Reading(f"overlay {text}", Tone.STALE if tone is Tone.STALE else Tone.PLAIN)


def _latency(health: SessionHealth | None) -> Reading:
    if health is None or health.latency_p50_ms is None or health.latency_p99_ms is None:
        return NOTHING
    return Reading(f"p50 {health.latency_p50_ms:.0f} · p99 {health.latency_p99_ms:.0f} ms")


def _rates(situation: Situation) -> Reading:
    health = situation.health
    if health is None:
        return NOTHING
    shown = f"NIR {_rate(health.nir)}"
    if health.white is not None:
        shown += f" | white {_rate(health.white)}"
    degraded = any(s.health is Health.DEGRADED for s in situation.streams)
    return Reading(f"{shown} fps", Tone.STALE if degraded else Tone.NEUTRAL)


def _rate(stream: StreamHealth) -> str:
    """Word a camera's rate: that of one which is lost is of frames that came before.

    Where fewer come than it was asked for, so many were asked for.
    """
    if stream.health is Health.LOST and not stream.frozen:
        return "–"
    came, asked_hz = f"{stream.rate_hz:.0f}", stream.asked_hz
    if stream.health is not Health.DEGRADED or asked_hz is None or stream.rate_hz >= asked_hz:
        return came
    return f"{came} of {asked_hz:.0f}"


def _losses(situation: Situation) -> Reading:
    """Word lost frames, and how far apart in time the two cameras expose."""
    health, skew_limit_ms = situation.health, situation.rig.skew_limit_ms
    if health is None:
        return NOTHING
    counts = [s.lost for s in situation.streams]
    tone = Tone.STALE if any(counts) else Tone.NEUTRAL
    text = "lost " + (" | ".join(str(c) for c in counts) if any(counts) else "0")
    if health.skew_ms is not None:
        text += f" · skew {health.skew_ms:.1f} ms"
        if skew_limit_ms is not None and health.skew_ms > skew_limit_ms:
            tone = Tone.ALARM
    return Reading(text, tone)


def _recording(situation: Situation, recorder: RecorderHealth) -> Reading:
    if situation.replay:
        return NOTHING
    if recorder.error is not None and not recorder.recording:
        return Reading("REC FAILED", Tone.ALARM)
    if not recorder.recording:
        return Reading("not recording")
    if situation.reading.error is not None:  # how it fared is known, not how it fares
        return Reading("REC not known", Tone.ALARM)
    if recorder.error is not None or recorder.dropped:
        return Reading("REC INCOMPLETE", Tone.ALARM)
    if recorder.drive_silent:
        return Reading("REC WAITING", Tone.STALE)
    began_ns = situation.now_ns if recorder.started_ns is None else recorder.started_ns
    return Reading(f"REC {clock_text((situation.now_ns - began_ns) / SECOND)}", Tone.RECORDING)


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


def _registration(situation: Situation) -> Reading:
    """Word how well NIR lies over colour, and when what vouches for it ends."""
    if situation.withdrawn:
        return Reading("registration withdrawn", Tone.ALARM)
    held = _registration_held(situation)
    expiry = NOTHING
    if not situation.replay:
        expiry = expiry_reading(situation.rig, situation.wall_clock)
    if not expiry.text:
        return held
    tone = expiry.tone if held.tone is Tone.NEUTRAL else held.tone
    return Reading(f"{held.text} · {expiry.text}", tone)


def _registration_held(situation: Situation) -> Reading:
    rig, health = situation.rig, situation.health
    registration = situation.registration
    if registration.kind == "none":
        return Reading("not registered", Tone.STALE)
    if registration.kind == "assumed":
        return Reading("registration assumed", Tone.STALE)
    if registration.kind == "nudged":
        return Reading("registration NUDGED by hand", Tone.STALE)
    if rig.unchecked is not None:
        return Reading("registration not checked", Tone.STALE)
    text = "registration"
    residual_mm = registration.residual_mm
    text += " unknown error" if residual_mm is None else f" {error_text(residual_mm)}"
    if rig.optics.parallax_mm > 0.05:
        text += f" + {rig.optics.parallax_mm:.1f} parallax"
    if rig.registered_distance_mm is not None:
        text += f" at {rig.registered_distance_mm:g} mm"
    alignment = None if health is None or situation.replay else health.alignment
    if alignment is not None:
        text += f", {_confirmed(alignment, situation.now_ns)}"
    return Reading(text)


def _confirmed(alignment: Alignment, now_ns: int) -> str:
    """Say when edges in both pictures were last seen to coincide, in whole minutes.

    Whether enough edges are in sight changes with every instrument that comes and goes. What was
    seen, and when, stays true: it needs no word that flips by the second.
    """
    if alignment.held_ns is None:
        return "not checked"
    minutes = max(now_ns - alignment.held_ns, 0) // (60 * SECOND)
    if minutes >= 60:
        return f"confirmed {minutes // 60} h ago"
    return f"confirmed {minutes or '< 1'} min ago"


def _status(situation: Situation) -> Reading:
    asked_ns = situation.reading.asked_ns
    if asked_ns is None or (situation.now_ns - asked_ns) / MS <= STATUS_OLD_MS:
        return NOTHING
    return Reading(f"readings {elapsed_text(situation.now_ns - asked_ns)} old", Tone.STALE)
