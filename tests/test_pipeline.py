"""The one way a pair becomes guidance: deterministic, restorable, honest about registration."""

from __future__ import annotations

import itertools
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from hardware.phantom import Phantom
from hardware.rig import PhantomSpec, Registration, Rig
from hardware.rig_files import load_rig
from sln_guide import pipeline
from sln_guide.core import analysis
from sln_guide.guidance import BASELINE_MISFIT, Guidance, Pair, Settings
from sln_guide.pipeline import TAIL_FOLLOW_S, Setup, State, initial_state, restore, step
from sln_guide.recording.chain import digest

SIZE = (320, 256)


@pytest.fixture(scope="module")
def rig() -> Rig:
    demo = load_rig("demo")
    return msgspec.structs.replace(
        demo,
        phantom=PhantomSpec(scene="procedure", seed=5, width=SIZE[0], height=SIZE[1]),
        optics=msgspec.structs.replace(demo.optics, mm_per_px=0.4),
    )


@pytest.fixture(scope="module")
def pairs(rig: Rig) -> list[Pair]:
    assert rig.phantom is not None
    phantom = Phantom(rig.phantom, rig)
    return [Pair(phantom.frame("nir", 900 + i), phantom.frame("white", 900 + i)) for i in range(24)]


def run(state: State, pairs: list[Pair], settings: Settings) -> tuple[State, list[Guidance]]:
    made: list[Guidance] = []
    for pair in pairs:
        state, guidance = step(state, pair, settings)
        made.append(guidance)
    return state, made


def digests(made: list[Guidance]) -> list[str]:
    return [digest(guidance) for guidance in made]


def test_the_same_pairs_give_the_same_bytes(rig: Rig, pairs: list[Pair]) -> None:
    setup = Setup.from_rig(rig)
    _, first = run(initial_state(setup), pairs, Settings())
    _, second = run(initial_state(setup), pairs, Settings())
    assert digests(first) == digests(second)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.significance, other.significance)


def test_a_snapshot_continues_exactly_where_it_was_taken(rig: Rig, pairs: list[Pair]) -> None:
    setup = Setup.from_rig(rig)
    middle, _ = run(initial_state(setup), pairs[:11], Settings())
    _, straight = run(middle, pairs[11:], Settings())
    _, restored = run(restore(setup, middle.snapshot()), pairs[11:], Settings())
    assert digests(straight) == digests(restored)
    assert [g.generation for g in restored] == list(range(12, 25))
    assert restored[-1].display_full_scale == straight[-1].display_full_scale


def test_what_is_no_snapshot_is_refused(rig: Rig) -> None:
    with pytest.raises(ValueError, match="snapshot"):
        restore(Setup.from_rig(rig), b"\x00nonsense")


def test_a_state_is_never_edited(rig: Rig, pairs: list[Pair]) -> None:
    start = initial_state(Setup.from_rig(rig))
    once, _ = run(start, pairs[:6], Settings())
    kept = once.snapshot()
    run(once, pairs[6:], Settings())
    assert once.snapshot() == kept
    assert start.generation == 0


def test_maps_are_the_guidances_own_and_read_only(rig: Rig, pairs: list[Pair]) -> None:
    state, (first,) = run(initial_state(Setup.from_rig(rig)), pairs[:1], Settings())
    kept = first.signal.copy()
    run(state, pairs[1:4], Settings())
    np.testing.assert_array_equal(first.signal, kept)
    for name in ("signal", "background", "significance", "limit_contrast", "cannot_judge"):
        assert not getattr(first, name).flags.writeable, name


def test_no_registration_means_no_white_coordinates(rig: Rig, pairs: list[Pair]) -> None:
    unregistered = msgspec.structs.replace(rig, registration=Registration(kind="none"))
    _, made = run(initial_state(Setup.from_rig(unregistered)), pairs, Settings())
    assert not made[-1].colour_predicted
    for guidance in made:
        assert guidance.registration.kind == "none"
        assert all(d.x_white_px is None and d.y_white_px is None for d in guidance.detections)


def test_another_geometry_begins_tracking_anew_and_says_so(rig: Rig, pairs: list[Pair]) -> None:
    state, _ = run(initial_state(Setup.from_rig(rig)), pairs[:12], Settings())
    small = pairs[12].nir
    cropped = np.ascontiguousarray(small.pixels[:200, :240])
    cropped.setflags(write=False)
    after, guidance = step(state, Pair(replace(small, pixels=cropped), None), Settings())
    assert any("geometry" in flag for flag in guidance.flags)
    assert after.generation == state.generation + 1
    ids_before = {t.track_id for t in state.tracks.tracks}
    _, more = step(after, pairs[13], Settings())
    assert not ids_before & {d.track_id for d in more.detections if d.track_id}


def test_a_dark_frame_of_another_size_is_left_out_and_said(rig: Rig, pairs: list[Pair]) -> None:
    dark = np.full((10, 10), 64, np.float32)
    _, guidance = step(initial_state(Setup.from_rig(rig, dark=dark)), pairs[0], Settings())
    assert any("dark frame" in flag for flag in guidance.flags)


def asked_at(pair: Pair) -> Settings:
    return Settings(baseline_ns=pair.nir.mid_exposure_ns)


def test_a_baseline_is_taken_when_asked_for_and_used_from_then_on(
    rig: Rig, pairs: list[Pair]
) -> None:
    setup = Setup.from_rig(rig)
    wanted = asked_at(pairs[2])
    state, made = run(initial_state(setup), pairs, wanted)
    assert [g.baseline_used for g in made] == [False] * 3 + [True] * (len(pairs) - 3)
    assert state.baseline is not None
    _, without = step(state, pairs[3], replace(wanted, baseline_ns=None))
    assert not without.baseline_used
    half, _ = run(initial_state(setup), pairs[:12], wanted)
    restored = restore(setup, half.snapshot())
    assert digests(run(restored, pairs[12:], wanted)[1]) == digests(made[12:])


def test_a_baseline_is_never_taken_long_after_it_was_asked_for(rig: Rig, pairs: list[Pair]) -> None:
    """A replay that begins in the middle must not take the nodes for texture."""
    long_ago = Settings(baseline_ns=pairs[0].nir.mid_exposure_ns - 3_000_000_000)
    state, made = run(initial_state(Setup.from_rig(rig)), pairs[:3], long_ago)
    assert state.baseline is None
    assert not any(g.baseline_used for g in made)
    assert all(any("no baseline" in flag for flag in g.flags) for g in made)


def test_a_baseline_of_another_place_is_withdrawn_and_said(rig: Rig, pairs: list[Pair]) -> None:
    assert rig.phantom is not None
    elsewhere = Phantom(msgspec.structs.replace(rig.phantom, seed=77), rig)
    other = Pair(elsewhere.frame("nir", 900), elsewhere.frame("white", 900))
    setup, wanted = Setup.from_rig(rig), asked_at(pairs[0])
    state, _ = step(initial_state(setup), pairs[0], wanted)
    _, guidance = step(state, other, wanted)
    assert not guidance.baseline_used
    assert BASELINE_MISFIT in guidance.flags


def test_a_baseline_at_the_border_of_fitting_does_not_come_and_go(
    rig: Rig, pairs: list[Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it fits one frame and not the next, calls and limit went with it."""
    setup, wanted = Setup.from_rig(rig), asked_at(pairs[0])
    state, _ = step(initial_state(setup), pairs[0], wanted)
    fits = iter([True, False, True, False, *[True] * 60])
    follow = analysis.follow_into
    monkeypatch.setattr(analysis, "follow_into", lambda *all_: next(fits) and follow(*all_))
    step_ns = pairs[1].nir.mid_exposure_ns - pairs[0].nir.mid_exposure_ns
    used, flagged, times_ns = [], [], []
    for index in range(60):
        nir = replace(pairs[1].nir, mid_exposure_ns=pairs[1].nir.mid_exposure_ns + index * step_ns)
        if index == 20:  # it goes on from what was noted
            state = restore(setup, state.snapshot())
        state, guidance = step(state, Pair(nir, pairs[1].white), wanted)
        used.append(guidance.baseline_used)
        flagged.append(BASELINE_MISFIT in guidance.flags)
        times_ns.append(nir.mid_exposure_ns)
    assert used == [not misfit for misfit in flagged]
    assert used[:4] == [True, False, False, False], "given up at once"
    back = used.index(True, 1)
    assert times_ns[back] - times_ns[3] >= pipeline.BASELINE_BACK_AFTER_NS
    assert times_ns[back - 1] - times_ns[3] < pipeline.BASELINE_BACK_AFTER_NS
    assert all(used[back:]), "and taken up again for good"


def test_the_display_scale_follows_slowly_in_time_not_in_frames(
    rig: Rig, pairs: list[Pair]
) -> None:
    state = replace(initial_state(Setup.from_rig(rig)), full_scale=10.0, time_ns=0)
    one = pipeline._follow(state, 20.0, 100_000_000)
    two = pipeline._follow(state, 20.0, 50_000_000)
    two = pipeline._follow(replace(state, full_scale=two, time_ns=50_000_000), 20.0, 100_000_000)
    assert one == pytest.approx(two)
    assert 10.0 < one < 11.0


def test_how_lumpy_tissue_is_does_not_jump_with_each_frames_noise(
    rig: Rig, pairs: list[Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = itertools.cycle((1.0, 1.4))
    monkeypatch.setattr(analysis, "tail_of", lambda *_: next(alone))
    state, stated = initial_state(Setup.from_rig(rig)), []
    assert pairs[1].nir.mid_exposure_ns - pairs[0].nir.mid_exposure_ns < TAIL_FOLLOW_S * 1e9 / 4
    for pair in pairs:
        state, guidance = step(state, pair, Settings())
        stated.append(guidance.false_calls_per_field)
        assert state.tail is not None
        assert 1.0 <= state.tail <= 1.4
    assert state.tail == pytest.approx(1.2, abs=0.06)
    assert max(stated[-4:]) < 1.6 * min(stated[-4:]), "three to five times, frame by frame"
    beneath = replace(state, tail_of_baseline=True)
    after, _ = step(beneath, pairs[-1], Settings())
    assert after.tail in (1.0, 1.4), "another texture is left: nothing of before counts"
