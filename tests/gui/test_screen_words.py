"""What the screen says beside its verdict: recording, disk, rates, registration, light, skew."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hardware.camera import PLUG_IN, CameraEndedError, CameraError, CameraRemovedError
from hardware.pylon_words import open_error
from hardware.rig import Registration
from sln_guide.gui.claims.readings import Reading, Tone, clock_text, elapsed_text
from sln_guide.guidance import Mode
from sln_guide.health import Alignment, Health, LampState, RecorderHealth
from tests.gui.situations import (
    MS,
    NOW,
    look,
    session,
)


@pytest.mark.parametrize(
    ("recorder", "recording", "disk", "banner"),
    [
        (RecorderHealth(), ("not recording", Tone.NEUTRAL), ("", Tone.NEUTRAL), None),
        (
            RecorderHealth(recording=True, started_ns=NOW - 753_000 * MS, minutes_left=214.9),
            ("REC 00:12:33", Tone.RECORDING),
            ("disk 214 min", Tone.NEUTRAL),
            None,
        ),
        (
            RecorderHealth(recording=True, started_ns=NOW, minutes_left=9.99),
            ("REC 00:00:00", Tone.RECORDING),
            ("disk 9 min", Tone.STALE),
            None,
        ),
        (
            RecorderHealth(recording=True, minutes_left=1.5),
            ("REC 00:00:00", Tone.RECORDING),
            ("disk 1 min", Tone.ALARM),
            None,
        ),
        (
            RecorderHealth(recording=True, minutes_left=90000.0),
            ("REC 00:00:00", Tone.RECORDING),
            ("disk > 24 h", Tone.NEUTRAL),
            None,
        ),
        (
            RecorderHealth(minutes_left=0.0, error="the disk is full: free space"),
            ("REC FAILED", Tone.ALARM),
            ("disk 0 min", Tone.ALARM),
            "Recording stopped",
        ),
        (
            RecorderHealth(recording=True, dropped=1),
            ("REC INCOMPLETE", Tone.ALARM),
            ("", Tone.NEUTRAL),
            "Recording incomplete: 1 frame not recorded",
        ),
    ],
)
def test_recording_and_disk(
    recorder: RecorderHealth,
    recording: tuple[str, Tone],
    disk: tuple[str, Tone],
    banner: str | None,
) -> None:
    state = look(health=session(recorder=recorder))
    shown = state.readings
    assert (shown.recording.text, shown.recording.tone) == recording
    assert (shown.disk.text, shown.disk.tone) == disk
    assert state.overlay_allowed, "a recording that fails leaves the live picture alone"
    assert [b.headline for b in state.banners] == ([] if banner is None else [banner])
    assert look(mode=Mode.REPLAY).readings.recording.text == ""


def test_readings_of_streams_and_registration() -> None:
    shown = look().readings
    assert shown.rates.text == "NIR 60 | white 60 fps"
    assert shown.losses.text == "lost 0"
    assert shown.latency.text == "p50 8 · p99 13 ms"
    assert shown.registration.text == "registration 0.3 mm"
    lossy = look(health=session(nir={"lost": 3, "failed": 1}, white={"health": Health.DEGRADED}))
    assert (lossy.readings.losses.text, lossy.readings.losses.tone) == ("lost 3 | 0", Tone.STALE)
    assert lossy.readings.rates.tone is Tone.STALE
    assumed = look(registration=Registration(kind="assumed")).readings.registration
    assert (assumed.text, assumed.tone) == ("registration assumed", Tone.STALE)
    parallax = look(parallax_mm=2.67).readings.registration.text
    assert parallax == "registration 0.3 mm + 2.7 parallax"
    alone = look(health=replace(session(), white=None)).readings
    assert alone.rates.text == "NIR 60 fps"
    old = look(health_ns=NOW - 3_000 * MS).readings.status
    assert (old.text, old.tone) == ("readings 3.0 s old", Tone.STALE)
    assert look(health_ns=NOW).readings.status.text == ""


def test_fewer_frames_than_asked_for_are_told_calmly() -> None:
    slow = {"health": Health.DEGRADED, "rate_hz": 73.4, "asked_hz": 200.0}
    state = look(health=session(nir=slow))
    assert state.readings.rates.text == "NIR 73 of 200 | white 60 fps"
    assert state.readings.rates.tone is Tone.STALE
    assert (state.overlay_allowed, state.banners) == (True, ())
    well = look(health=session(nir=slow | {"health": Health.LIVE}))
    assert well.readings.rates.text == "NIR 73 | white 60 fps"


def test_white_light_is_called_live_though_few_frames_come() -> None:
    state = look(health=session(processing_error="any", white={"health": Health.DEGRADED}))
    assert "White light is live" in state.banners[0].detail


def test_white_light_that_comes_too_seldom_is_not_called_live_when_something_else_fails() -> None:
    """It is shown in grey, as old, at the same time."""
    state = look(health=session(processing_error="any", white={"period_ns": 300 * MS}))
    assert state.video_old
    assert "White light is live" not in state.banners[0].detail


def test_a_lost_camera_has_no_rate() -> None:
    """Where none comes, the mean of the last frames would fall towards 0 for a minute."""
    lost = look(health=session(nir={"health": Health.LOST, "rate_hz": 8.0}))
    assert lost.readings.rates.text == "NIR – | white 60 fps"
    repeats = look(health=session(nir={"health": Health.LOST, "frozen": True}))
    assert repeats.readings.rates.text == "NIR 60 | white 60 fps"


def _lost(camera: str, error: CameraError, **changes: object) -> dict[str, Any]:
    told = {"error": error.what, "remedy": error.remedy or None}
    return {"health": Health.LOST, "camera_id": camera} | told | changes


HELD = open_error("4711", "Device is exclusively opened by another client.")
UNPLUGGED = CameraRemovedError("camera 815: unplugged", PLUG_IN)


def test_a_lost_camera_says_its_own_remedy_and_no_other() -> None:
    (banner,) = look(health=session(nir=_lost("4711", HELD))).banners
    assert banner.detail.startswith(f"{HELD} · It returns by itself")
    assert "cable" not in banner.detail
    unknown = CameraError("camera 4711: exposure_us: wanted 9000, is 8000")
    (banner,) = look(health=session(nir=_lost("4711", unknown))).banners
    assert banner.detail.startswith("camera 4711: exposure_us: wanted 9000, is 8000 · It returns")


def test_two_cameras_lost_for_two_reasons_are_told_both() -> None:
    health = session(nir=_lost("4711", HELD), white=_lost("815", UNPLUGGED))
    (banner,) = look(health=health).banners
    assert "NIR: another program holds it" in banner.detail
    assert "which `sln-guide doctor` names" in banner.detail
    assert "white-light: unplugged; plug it in again · They return by" in banner.detail


def test_two_cameras_lost_for_one_reason_are_told_it_once() -> None:
    other = CameraRemovedError("camera 4711: unplugged", PLUG_IN)
    health = session(nir=_lost("4711", other), white=_lost("815", UNPLUGGED))
    (banner,) = look(health=health).banners
    assert banner.detail == "unplugged; plug it in again · They return by themselves"


def test_a_recording_that_is_over_does_not_return_by_itself() -> None:
    over = CameraEndedError("the recording has ended", "start the program again")
    (banner,) = look(health=session(nir=_lost("mock", over, ended=True))).banners
    assert banner.detail.startswith("the recording has ended; start the program again")
    assert "returns" not in banner.detail


def test_durations_in_words() -> None:
    said = [elapsed_text(round(s * 1e9)) for s in (-1, 0.31, 9.94, 9.96, 59.4, 59.6, 3599, 7500)]
    assert said[:4] == ["0.0 s", "0.3 s", "9.9 s", "10 s"]
    assert said[4:] == ["59 s", "1 min 0 s", "59 min 59 s", "2 h 5 min"]
    assert clock_text(3723.9) == "01:02:03"
    assert clock_text(-4) == "00:00:00"


def alignment(held_s_ago: float | None) -> Alignment:
    """Edges of which too few are in sight now."""
    held_ns = None if held_s_ago is None else NOW - round(held_s_ago * 1e9)
    return Alignment("cannot tell", "cannot tell", None, None, NOW, held_ns)


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (None, "registration 0.3 mm"),
        (alignment(None), "registration 0.3 mm, not checked"),
        (alignment(0.2), "registration 0.3 mm, confirmed < 1 min ago"),
        (alignment(59.0), "registration 0.3 mm, confirmed < 1 min ago"),
        (alignment(200.0), "registration 0.3 mm, confirmed 3 min ago"),
        (alignment(7300.0), "registration 0.3 mm, confirmed 2 h ago"),
    ],
)
def test_when_edges_last_told_is_said(seen: Alignment | None, said: str) -> None:
    """Not whether they do now: that changes with every tool that comes into sight."""
    assert look(health=session(alignment=seen)).readings.registration.text == said


def test_a_lamp_against_its_pattern_is_an_alarm_and_ripple_a_calm_word() -> None:
    told = "the excitation light stays ON, against its pattern: switch it off by hand"
    stuck = look(health=session(lamp=LampState(2.0, 9, 9, 3, told)))
    assert any(b.tone is Tone.ALARM and b.detail == told for b in stuck.banners)
    assert look(health=session(lamp=LampState(2.0, 9, 9, 0, None))).banners == ()
    ripple = look(health=session(lamp=LampState(2.0, 9, 9, 0, None, "ripples")))
    assert [(b.tone, b.slim, b.detail) for b in ripple.banners] == [(Tone.NEUTRAL, True, "ripples")]


def test_a_failing_thread_beside_the_screen_is_told_in_amber_and_in_no_replay() -> None:
    health = session(troubles=("edges are not looked at (KeyError: 3)",))
    (banner,) = look(health=health).banners
    assert (banner.tone, banner.slim) == (Tone.STALE, True)
    assert "edges are not looked at (KeyError: 3)" in banner.detail
    assert look(health=health).overlay_allowed


def test_skew_is_told_and_an_alarm_beyond_the_rig_s_limit() -> None:
    within = look(health=session(skew_ms=0.4), skew_limit_ms=2.0)
    assert within.banners == ()
    assert within.readings.losses.text.endswith("skew 0.4 ms")
    beyond = look(health=session(skew_ms=7.3), skew_limit_ms=2.0)
    assert beyond.overlay_allowed
    assert "not exposed together" in beyond.banners[0].headline
    assert "the 2 ms that the rig allows" in beyond.banners[0].detail
    assert beyond.readings.losses.text.endswith("skew 7.3 ms")
    assert beyond.readings.losses.tone is Tone.ALARM
    assert look(health=session(skew_ms=7.3)).banners == (), "free-running cameras have no limit"


@pytest.mark.parametrize("limit_ms", [None, 2.0])
def test_how_far_apart_frames_are_exposed_stands_in_one_place(limit_ms: float | None) -> None:
    """Strip and band are painted in turn: a figure that changes would read differently in each."""
    first, second = (
        look(health=session(skew_ms=skew_ms), skew_limit_ms=limit_ms) for skew_ms in (67.7, 101.2)
    )
    assert first.banners == second.banners != ()
    assert first.readings.losses != second.readings.losses


def test_the_plane_of_a_registration_by_distance_is_said() -> None:
    assert look(distance_mm=290.0).readings.registration.text == "registration 0.3 mm at 290 mm"


def test_a_drive_that_keeps_the_recording_waiting_is_said_before_anything_is_lost() -> None:
    waiting = RecorderHealth(recording=True, unsaved=210, silent_s=12.4, started_ns=NOW)
    state = look(health=session(recorder=waiting))
    assert state.readings.recording == Reading("REC WAITING", Tone.STALE)
    (banner,) = state.banners
    assert banner.headline == "The recording waits for its drive"
    assert "not answered for 12 s · 210 frames in memory, none lost so far" in banner.detail
    full = replace(waiting, dropped=3, error="the disk cannot keep up")
    state = look(health=session(recorder=full))
    assert state.readings.recording.text == "REC INCOMPLETE"
    assert [banner.headline for banner in state.banners] == [
        "Recording incomplete: 3 frames not recorded"
    ]
    assert look(health=session(recorder=replace(waiting, silent_s=0.3))).banners == ()


def test_what_a_power_cut_would_cost_is_said() -> None:
    slow = RecorderHealth(recording=True, unsynced_s=18.0, started_ns=NOW)
    (banner,) = look(health=session(recorder=slow)).banners
    assert banner.headline == "A power cut would cost the last part of the recording"
    assert "needed 18 s so far" in banner.detail
    assert look(health=session(recorder=replace(slow, recording=False))).banners == ()


def test_what_simulated_cameras_are_waited_for_is_said() -> None:
    (banner,) = look(health=None, simulated=True).banners
    assert banner.headline == "Waiting for the cameras"
    assert "is drawn first" in banner.detail
    (banner,) = look(health=None).banners
    assert "drawn" not in banner.detail
