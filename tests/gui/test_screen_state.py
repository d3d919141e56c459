"""What the screen may claim: every state by example, then the hazards by property."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.rig import Registration
from sln_guide.gui.claims.readings import Reading, Tone
from sln_guide.gui.claims.screen_state import Border
from sln_guide.gui.claims.situation import Freeze, Motion
from sln_guide.gui.claims.verdict import REMOVED_MS, Word
from sln_guide.guidance import Mode, Settings, View
from sln_guide.health import Alignment, Health, RecorderHealth
from tests.gui.situations import (
    CALIBRATED,
    MS,
    NOW,
    guidance,
    look,
    session,
    words,
)


def test_all_well_is_live_calm_and_shows_its_age() -> None:
    state = look()
    assert (state.word, state.tone, state.pill) == (Word.LIVE, Tone.LIVE, "LIVE")
    assert state.overlay_allowed
    assert state.overlay_age_ms == pytest.approx(20)
    assert state.banners == ()
    assert not state.video_old
    assert state.borders == ()
    assert state.readings.age.text == "overlay 20 ms"


@pytest.mark.parametrize(
    ("age_ms", "period_ms", "word"),
    [
        (100, 16, Word.LIVE),
        (101, 16, Word.LATE),
        (150, 50, Word.LIVE),
        (151, 50, Word.LATE),
        (250, 16, Word.LATE),
        (250, 100, Word.LIVE),
        (251, 100, Word.NOT_LIVE),
        (251, 16, Word.NOT_LIVE),
        (-19, 16, Word.LIVE),
        (-21, 16, Word.NOT_LIVE),
    ],
)
def test_age_decides_amber_and_removal(age_ms: float, period_ms: int, word: Word) -> None:
    state = look(guidance=guidance(age_ms), health=session(nir={"period_ns": period_ms * MS}))
    assert state.word is word
    assert state.overlay_allowed == (word is not Word.NOT_LIVE)
    if word is Word.LATE:
        assert state.tone is Tone.STALE
        assert state.readings.age.tone is Tone.STALE


ALARMS: list[tuple[str, dict[str, Any], Word, list[str]]] = [
    (
        "old",
        {"guidance": guidance(2100)},
        Word.NOT_LIVE,
        ["NOT LIVE: overlay removed", "2.1 s old", "White light is live"],
    ),
    (
        "nir unplugged",
        {
            "health": session(
                nir={
                    "health": Health.LOST,
                    "error": "camera 123: unplugged",
                    "remedy": "plug it in again",
                    "since_ns": NOW - 4_000 * MS,
                }
            )
        },
        Word.LOST,
        [
            "NIR camera lost",
            "For 4.0 s",
            "camera 123: unplugged; plug it in again",
            "returns by itself",
        ],
    ),
    (
        "white unplugged",
        {
            "health": session(white={"health": Health.LOST}),
            "mid_exposure_ns": NOW - 900 * MS,
        },
        Word.LOST,
        ["white-light camera lost", "no frame comes", "NIR is live in its own view"],
    ),
    (
        "both unplugged",
        {"health": session({"health": Health.LOST}, {"health": Health.LOST})},
        Word.LOST,
        ["NIR and white-light cameras lost"],
    ),
    (
        "both unplugged, one after the other",
        {
            "health": session(
                {"health": Health.LOST, "since_ns": NOW - 2_000 * MS},
                {"health": Health.LOST, "since_ns": NOW - 9_000 * MS},
            )
        },
        Word.LOST,
        ["cameras lost", "For 2.0 s", "They return by themselves"],
    ),
    (
        "nir unplugged while the white camera repeats",
        {"health": session({"health": Health.LOST}, {"health": Health.LOST, "frozen": True})},
        Word.LOST,
        ["NIR camera lost"],
    ),
    (
        "processing failed",
        {
            "health": session(
                processing_error="ValueError: bad", processing_since_ns=NOW - 12_000 * MS
            )
        },
        Word.FAILED,
        ["processing failed", "For 12 s", "ValueError: bad", "White light is live"],
    ),
    (
        "frozen camera",
        {
            "health": session(
                nir={"health": Health.LOST, "frozen": True, "since_ns": NOW - 3_000 * MS}
            )
        },
        Word.NOT_LIVE,
        ["NIR camera repeats one picture", "For 3.0 s", "Unplug", "White light is live"],
    ),
    (
        "frozen white camera",
        {"health": session(white={"health": Health.LOST, "frozen": True})},
        Word.NOT_LIVE,
        ["white-light camera repeats"],
    ),
    (
        "unregistered",
        {"registration": Registration()},
        Word.UNREGISTERED,
        ["not registered", "calibrate"],
    ),
    (
        "guidance unregistered",
        {"guidance": guidance(registration=Registration())},
        Word.UNREGISTERED,
        ["not registered"],
    ),
    (
        "moved",
        {"motion": Motion(2.34, 1.0, "mm")},
        Word.MOVED,
        ["tissue has moved", "2.3 mm", "limit 1 mm", "Hold still"],
    ),
    (
        "behind a lens cap",
        {"motion": Motion(float("nan"), 1.0, "mm")},
        Word.NOT_LIVE,
        ["cannot be followed", "lens cap"],
    ),
    (
        "video old",
        {"mid_exposure_ns": NOW - 600 * MS},
        Word.NOT_LIVE,
        ["this picture is old", "0.6 s old"],
    ),
    (
        "slow NIR",
        {"guidance": guidance(700), "health": session(nir={"period_ns": 1000 * MS})},
        Word.NOT_LIVE,
        ["too slow", "1.0 s"],
    ),
    (
        "clock ahead",
        {"guidance": guidance(-500)},
        Word.NOT_LIVE,
        ["0.5 s ahead", "age is unknown"],
    ),
]


@pytest.mark.parametrize(
    ("changes", "word", "said"), [a[1:] for a in ALARMS], ids=[a[0] for a in ALARMS]
)
def test_alarms_remove_the_overlay_and_say_what_happened(
    changes: dict[str, Any], word: Word, said: list[str]
) -> None:
    state = look(**changes)
    assert state.word is word
    assert state.tone is Tone.ALARM
    assert not state.overlay_allowed
    assert state.readings.age.text == "no overlay"
    assert state.banners[0].tone is Tone.ALARM
    for part in said:
        assert part in words(state)


@pytest.mark.parametrize(
    "changes",
    [
        {"health": None},
        {"guidance": None},
        {"health": session(nir={"health": Health.STALE})},
        {"guidance": None, "mid_exposure_ns": None},
        {"mid_exposure_ns": None},
    ],
)
def test_stale_until_proven_live(changes: dict[str, Any]) -> None:
    state = look(**changes)
    assert (state.word, state.tone) == (Word.STALE, Tone.NEUTRAL)
    assert not state.overlay_allowed
    assert "Waiting for" in state.banners[0].headline


def test_guidance_that_is_made_ready_is_said_and_shows_nothing() -> None:
    making = session(preparing_since_ns=NOW - 12_000 * MS)
    for changes in ({}, {"guidance": None}, {"guidance": None, "alone": True}):
        state = look(health=making, **changes)
        assert (state.word, state.tone) == (Word.STALE, Tone.NEUTRAL)
        assert not state.overlay_allowed
        assert state.banners[0].headline == "Guidance is being made ready"
        assert "For 12 s" in state.banners[0].detail
        assert "White light is live" in state.banners[0].detail
    lost = replace(making, nir=replace(making.nir, health=Health.LOST))
    assert look(health=lost).word is Word.LOST, "what is worse comes first"
    assert look(health=making, mid_exposure_ns=NOW - 900 * MS).word is Word.NOT_LIVE


def test_colour_view_is_live_without_an_overlay() -> None:
    state = look(view=View.WHITE)
    assert state.word is Word.LIVE
    assert not state.overlay_allowed
    assert state.readings.age.text == "overlay off"


def test_nir_view_needs_neither_registration_nor_still_tissue() -> None:
    state = look(view=View.NIR, registration=Registration(), motion=Motion(9.0, 1.0, "mm"))
    assert state.word is Word.LIVE
    assert state.overlay_allowed
    assert state.readings.registration == look(registration=Registration()).readings.registration


def test_the_video_is_called_old_only_when_it_is() -> None:
    assert look(mid_exposure_ns=NOW - 300 * MS).video_old
    assert not look(guidance=guidance(3000)).video_old
    assert not look(mode=Mode.REPLAY, mid_exposure_ns=5).video_old


def test_frozen_keeps_what_was_right_and_still_says_what_is_wrong_behind_it() -> None:
    freeze = Freeze(NOW - 5_000 * MS, "12:41:07", overlay_allowed=True, overlay_age_ms=18.0)
    state = look(freeze=freeze, guidance=guidance(5000))
    assert state.pill == "FROZEN 12:41:07"
    assert state.overlay_allowed
    assert state.overlay_age_ms == 18.0
    assert "5.0 s" in state.banners[0].detail
    assert state.banners[1].headline.startswith("NOT LIVE")
    assert not look(freeze=replace(freeze, overlay_allowed=False)).overlay_allowed


def test_replay_judges_the_recording_not_the_clock_on_the_wall() -> None:
    old = guidance(9e6)
    nir_ns = old.pair.nir.mid_exposure_ns
    state = look(mode=Mode.REPLAY, guidance=old, mid_exposure_ns=nir_ns + 4 * MS)
    assert (state.pill, state.tone, state.borders) == ("REPLAY", Tone.REPLAY, (Border.REPLAY,))
    assert state.overlay_allowed
    assert state.readings.age.text == "NIR to white 4 ms"
    alone = look(mode=Mode.REPLAY, guidance=old, mid_exposure_ns=nir_ns, view=View.NIR)
    assert alone.readings.age.text == "NIR by itself"
    apart = look(mode=Mode.REPLAY, guidance=old, mid_exposure_ns=nir_ns + 400 * MS)
    assert not apart.overlay_allowed
    assert apart.tone is Tone.ALARM
    assert apart.pill == "REPLAY"
    both = look(mode=Mode.REPLAY, simulated=True)
    assert both.pill == "REPLAY · SIMULATED"
    assert both.borders == (Border.REPLAY, Border.SIMULATED)


@pytest.mark.parametrize(
    "changes",
    [
        {"health": session(processing_error="X: y")},
        {"health": session(nir={"health": Health.LOST})},
        {"registration": Registration()},
        {"motion": Motion(3.0, 1.0, "mm")},
        {"guidance": None},
    ],
)
def test_replay_removes_the_overlay_for_the_same_faults(changes: dict[str, Any]) -> None:
    state = look(mode=Mode.REPLAY, **changes)
    assert not state.overlay_allowed
    assert state.pill == "REPLAY"


def test_a_replay_that_has_nothing_to_show_yet_says_so() -> None:
    state = look(mode=Mode.REPLAY, guidance=None, mid_exposure_ns=None)
    assert (state.pill, state.tone) == ("REPLAY", Tone.REPLAY)
    assert state.banners[0].headline == "Opening the recording"


def test_a_replay_of_white_light_alone_says_so() -> None:
    state = look(mode=Mode.REPLAY, guidance=None)
    assert state.banners[0].headline == "No overlay: there is no NIR here"
    assert not state.overlay_allowed


def test_simulated_says_so_beside_whatever_else_is_true() -> None:
    state = look(mode=Mode.SIMULATED)
    assert (state.pill, state.tone) == ("SIMULATED", Tone.SIMULATED)
    assert state.borders == (Border.SIMULATED,)
    late = look(mode=Mode.SIMULATED, guidance=guidance(200))
    assert (late.pill, late.tone) == ("SIMULATED · LATE", Tone.STALE)


def test_a_recording_that_nobody_answers_for_is_not_claimed() -> None:
    health = session(recorder=RecorderHealth(recording=True, started_ns=NOW - 9_000 * MS))
    assert look(health=health).readings.recording.text == "REC 00:00:09"
    silent = look(health=health, silence="cameras, core and recorder have not answered for 2 s")
    assert silent.readings.recording == Reading("REC not known", Tone.ALARM)


def test_a_fault_of_the_window_is_said() -> None:
    state = look(fault="KeyError: 'x'")
    assert state.banners[0].headline == "A part of this window failed"
    assert "KeyError: 'x'" in state.banners[0].detail


# -- properties --------------------------------------------------------------------------------

nanoseconds = st.integers(-2_000 * MS, 5_000 * MS)
registrations = st.sampled_from([Registration(), Registration(kind="assumed"), CALIBRATED])
streams = st.fixed_dictionaries(
    {
        "health": st.sampled_from(list(Health)),
        "frozen": st.booleans(),
        "period_ns": st.integers(0, 2_000 * MS),
        "error": st.none() | st.just("LIVE wire torn"),
        "since_ns": st.none() | st.just(NOW - 5 * MS),
    }
)
healths = st.none() | st.builds(
    session,
    streams,
    streams,
    processing_error=st.none() | st.just("E: e"),
    recorder=st.builds(
        RecorderHealth,
        recording=st.booleans(),
        dropped=st.integers(0, 3),
        minutes_left=st.none() | st.floats(0, 1e5),
        error=st.none() | st.just("full"),
    ),
)
motions = st.none() | st.builds(
    Motion, st.floats(0, 5) | st.just(float("nan")), st.just(1.0), st.just("mm")
)
freezes = st.none() | st.builds(
    Freeze, st.just(NOW - 9 * MS), st.just("12:00:00"), st.booleans(), st.none() | st.just(5.0)
)
situations = st.fixed_dictionaries(
    {
        "mode": st.sampled_from(list(Mode)),
        "guidance": st.none()
        | st.builds(guidance, nanoseconds.map(lambda ns: ns / MS), registrations),
        "health": healths,
        "registration": registrations,
        "view": st.sampled_from(list(View)),
        "mid_exposure_ns": st.none() | nanoseconds.map(lambda ns: NOW - ns),
        "motion": motions,
        "freeze": freezes,
        "alone": st.booleans(),
        "simulated": st.booleans(),
        "parallax_mm": st.floats(0, 5),
        "fault": st.none() | st.just("oops"),
    }
)


@settings(max_examples=500, deadline=None)
@given(situations)
def test_no_overlay_that_could_mislead(situation: dict[str, Any]) -> None:
    state = look(**situation)
    s = SimpleNamespace(**situation)
    if s.freeze is not None:
        assert state.overlay_allowed == s.freeze.overlay_allowed
        assert state.word is Word.FROZEN
        return
    unregistered = s.registration.kind == "none" or (
        s.guidance is not None and s.guidance.registration.kind == "none"
    )
    bad = [
        s.guidance is None,
        s.view is View.WHITE,
        s.alone,
        s.health is not None and s.health.processing_error is not None,
        s.health is not None and s.health.nir.health is Health.LOST,
        s.view is View.MERGED and unregistered,
        s.view is View.MERGED and s.motion is not None and not s.motion.distance <= 1.0,
    ]
    if s.mode is not Mode.REPLAY:
        age_ms = None if s.guidance is None else (NOW - s.guidance.pair.nir.mid_exposure_ns) / MS
        bad += [
            age_ms is not None and not age_ms <= REMOVED_MS,
            s.health is None,
            s.health is not None and s.health.nir.health is Health.STALE,
            s.health is not None and (s.health.nir.frozen or s.health.white.frozen),
            s.health is not None and s.health.white.health is Health.LOST,
            s.mid_exposure_ns is None,
            s.mid_exposure_ns is not None and NOW - s.mid_exposure_ns > REMOVED_MS * MS,
        ]
    if any(bad):
        assert not state.overlay_allowed
    if not state.overlay_allowed:
        assert state.readings.age.text in ("no overlay", "overlay off")


@settings(max_examples=500, deadline=None)
@given(situations)
def test_what_is_claimed_is_true(situation: dict[str, Any]) -> None:
    state = look(**situation)
    s = SimpleNamespace(**situation)
    if s.mode is Mode.REPLAY:
        assert "LIVE" not in state.pill
        assert state.pill.startswith("REPLAY")
        assert Border.REPLAY in state.borders
        assert state.tone is not Tone.LIVE
    if s.mode is Mode.SIMULATED:
        assert "SIMULATED" in state.pill
        assert state.borders == (Border.SIMULATED,)
        assert state.tone is not Tone.LIVE
    if s.simulated:
        assert "SIMULATED" in state.pill
    if state.word is Word.LIVE:
        assert s.mode is not Mode.REPLAY
        assert s.health is not None
        assert s.health.processing_error is None
        assert NOW - s.mid_exposure_ns <= REMOVED_MS * MS
        assert state.overlay_allowed or s.view is View.WHITE
    said = " ".join(banner.detail for banner in state.banners)
    if "White light is live" in said:
        white = s.health.white
        assert white.health in (Health.LIVE, Health.DEGRADED)
        assert not white.frozen
        assert not state.video_old
    if "NIR is live" in said:
        assert s.health.nir.health in (Health.LIVE, Health.DEGRADED)
        assert not s.health.nir.frozen
    if "Recording goes on" in said:
        assert s.health.recorder.recording
    if s.health is not None and s.mode is not Mode.REPLAY and s.freeze is None:
        shown = s.health.nir if s.view is View.NIR and not s.alone else s.health.white
        assert state.video_old or not shown.frozen, "one that repeats is shown as if it moved"
    if state.tone is Tone.ALARM:
        assert any(b.tone is Tone.ALARM for b in state.banners), "an alarm without its words"
    if s.freeze is not None:
        assert state.banners[0].headline == "FROZEN 12:00:00"
        assert "FROZEN 12:00:00" in state.pill
    if s.fault is not None:
        assert any("oops" in b.detail for b in state.banners)
    assert state == look(**situation), "pure: the same again"


def test_an_ended_engine_is_not_live_and_not_recording() -> None:
    state = look(health=session(ended="Their process ended unexpectedly (code -11)"))
    assert state.word is Word.NOT_LIVE
    assert not state.overlay_allowed
    assert "cameras and recording have stopped" in words(state)
    assert "code -11" in words(state)
    assert "REC" not in state.readings.recording.text


def test_a_silent_source_is_said_and_takes_nothing_for_granted() -> None:
    state = look(silence="not answered for 2 s")
    assert "Not known whether cameras and recording run not answered for 2 s" in words(state)


@pytest.mark.parametrize("mode", [Mode.LIVE, Mode.REPLAY])
def test_cameras_that_moved_take_the_overlay_not_the_video(mode: Mode) -> None:
    alignment = Alignment("moved", "moved", 38.0, 3.8, NOW)
    withdrawn = replace(
        guidance(registration=Registration()), settings=Settings(registration_withdrawn=True)
    )
    seen = look(guidance=withdrawn, health=session(alignment=alignment), mode=mode)
    strip = seen.readings.registration
    assert (strip.text, strip.tone) == ("registration withdrawn", Tone.ALARM)
    assert not seen.overlay_allowed
    assert "cameras have moved" in seen.banners[0].headline
    assert ("3.8 mm apart" in seen.banners[0].detail) == (mode is Mode.LIVE)
    assert not seen.video_old
    alone = look(guidance=withdrawn, health=session(alignment=alignment), mode=mode, view=View.NIR)
    assert alone.overlay_allowed, "NIR in its own view needs no registration"


@pytest.mark.parametrize("white_age_ms", [20.0, 240.0, 260.0, 480.0])
def test_white_light_that_comes_seldom_is_told_for_good_not_in_flashes(
    white_age_ms: float,
) -> None:
    """Two pictures a second: each is fresh for half of its time."""
    state = look(
        health=session(white={"period_ns": 500 * MS}),
        mid_exposure_ns=NOW - round(white_age_ms * MS),
    )
    assert (state.word, state.overlay_allowed, state.video_old) == (Word.NOT_LIVE, False, True)
    assert state.banners[0].headline == "NOT LIVE: white light comes too seldom"
    assert "One picture in 0.5 s" in state.banners[0].detail


@pytest.mark.parametrize("age_ms", [20.0, 260.0, 900.0])
def test_slow_nir_can_be_looked_at_by_itself(age_ms: float) -> None:
    changes: dict[str, Any] = {
        "health": session(nir={"period_ns": 500 * MS}),
        "guidance": guidance(age_ms),
        "view": View.NIR,
    }
    state = look(**changes, mid_exposure_ns=NOW - round(age_ms * MS))
    assert (state.word, state.overlay_allowed, state.video_old) == (Word.LATE, False, False)
    assert state.banners[0].headline == "NIR comes seldom"
    assert look(**changes, mid_exposure_ns=NOW - 1_100 * MS).video_old


@pytest.mark.parametrize(("skew_ms", "told"), [(50.0, 0), (100.0, 1)])
def test_frames_far_apart_in_time_are_told_without_a_limit_too(skew_ms: float, told: int) -> None:
    state = look(health=session(skew_ms=skew_ms))
    assert [b.headline for b in state.banners] == ["What moves is misplaced"] * told
    assert state.overlay_allowed
