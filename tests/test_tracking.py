"""Tracking against synthetic truths, and what must hold whatever comes in."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.tracking import HEIGHT, SCENES, WIDTH, Scene, Score, follow, play, spot_at
from hardware.rig import Registration
from sln_guide.core.spot import PARTLY_HIDDEN, Spot
from sln_guide.guidance import CannotJudge, Detection, Kind
from sln_guide.tracking import TrackField, TrackState, track

FIELD = TrackField(WIDTH, HEIGHT, mm_per_px=0.1, node_max_px=200.0)
PERIOD_NS = 33_000_000
ASSUMED = Registration(kind="assumed")


def run(
    state: TrackState,
    spots: tuple[Spot, ...],
    time_ns: int,
    *,
    motion_px: tuple[float, float] = (0.0, 0.0),
    field: TrackField = FIELD,
    registration: Registration = ASSUMED,
) -> tuple[TrackState, tuple[Detection, ...]]:
    return track(
        state,
        spots,
        time_ns=time_ns,
        motion_px=motion_px,
        field=field,
        registration=registration,
    )


def confirmed_at(x_px: float, y_px: float, seconds: float = 1.0) -> tuple[TrackState, int]:
    """Return the state, and the time of its last frame, once a node there is confirmed."""
    state, time_ns = TrackState(), 0
    for time_ns in range(0, round(seconds * 1e9), PERIOD_NS):
        state, detections = run(state, (spot_at(x_px, y_px),), time_ns)
    assert detections[0].confirmed
    return state, time_ns


@pytest.mark.parametrize("name", SCENES)
def test_identities_survive(name: str) -> None:
    score = follow(SCENES[name], seed=101)
    assert score.idf1 >= 0.95
    assert score.switches == 0
    assert score.false_tracks == 0


def test_noise_alone_confirms_nothing() -> None:
    scene = Scene((), false_calls=3.0, seconds=60.0, breathing_px=10)
    assert follow(scene, seed=3).of_tracks == {}


def test_idf1_of_known_cases() -> None:
    found = Detection(**_FOUND)
    one = {0: (100.0, 100.0, 40.0)}
    score = Score()
    for index in range(10):
        score.add(one, [replace(found, track_id=1 if index < 6 else 2)])
    assert score.idf1 == pytest.approx(0.6)
    assert score.switches == 1
    score.add({}, [replace(found, track_id=3)])
    assert score.idf1 == pytest.approx(2 * 6 / (10 + 11))
    assert score.false_tracks == 1
    assert Score().idf1 == 1.0


def test_confirmation_is_a_matter_of_time_not_of_frames() -> None:
    took = {}
    for period_ns in (8_000_000, 16_000_000, 33_000_000, 66_000_000):
        state = TrackState()
        for index in range(200):
            state, (only,) = run(state, (spot_at(300, 300),), index * period_ns)
            if only.confirmed:
                took[period_ns] = index * period_ns
                break
    assert len(took) == 4
    assert all(240_000_000 <= t <= 330_000_000 for t in took.values())


def test_a_slow_camera_confirms_after_three_frames_and_keeps_its_identity() -> None:
    state = TrackState()
    ids = []
    for index in range(10):
        state, (only,) = run(state, (spot_at(300, 300),), index * 2_000_000_000)
        ids.append(only.track_id)
    assert ids == [0, 0] + [1] * 8


@pytest.mark.parametrize("missing_every", [2, 3, 5])
def test_what_comes_and_goes_is_not_confirmed_as_new_but_known_again(missing_every: int) -> None:
    state = TrackState()
    for index in range(300):
        spots = () if index % missing_every == 0 else (spot_at(300, 300),)
        state, detections = run(state, spots, index * PERIOD_NS)
        assert not any(d.confirmed for d in detections)
    state, time_ns = confirmed_at(300, 300, seconds=2.0)
    for index in range(1, 60):  # out of sight
        state, _ = run(state, (), time_ns + index * PERIOD_NS)
    for index in range(60, 120):
        spots = () if index % 4 == 0 else (spot_at(300, 300),)
        state, detections = run(state, spots, time_ns + index * PERIOD_NS)
    assert [d.track_id for d in detections] == [1]


def test_identities_count_from_one_and_are_not_used_again() -> None:
    state, time_ns = confirmed_at(200, 200)
    for index in range(1, 1000):  # half a minute without it: forgotten
        state, detections = run(state, (), time_ns + index * PERIOD_NS)
    assert detections == ()
    assert state.tracks == ()
    time_ns = state.time_ns or 0
    for index in range(1, 30):
        state, detections = run(state, (spot_at(200, 200),), time_ns + index * PERIOD_NS)
    assert [d.track_id for d in detections] == [2]


def test_an_unconfirmed_spot_has_no_identity() -> None:
    _, (only,) = run(TrackState(), (spot_at(200, 200),), 0)
    assert (only.track_id, only.confirmed, only.coasted) == (0, False, False)


def test_a_coasting_node_shows_no_measure_and_moves_with_the_tissue() -> None:
    state, time_ns = confirmed_at(200, 200)
    for index in range(1, 31):
        state, (only,) = run(state, (), time_ns + index * PERIOD_NS, motion_px=(2.0, -1.0))
    assert only.coasted
    assert only.confirmed
    assert only.track_id == 1
    measures = (only.signal, only.sbr, only.sbr_interval, only.cnr, only.cnr_interval)
    assert measures == (None,) * 5
    assert (only.area_mm2, only.spot_width_mm, only.contour_px) == (None, None, None)
    assert only.significance == 0.0
    assert only.age_s == pytest.approx(30 * PERIOD_NS / 1e9)
    assert (only.x_px, only.y_px) == pytest.approx((260, 170), abs=1.0)


def test_what_was_in_sight_briefly_is_soon_told_no_more_but_known_again() -> None:
    state, time_ns = confirmed_at(200, 200, seconds=0.35)
    told = 0
    for index in range(1, 100):
        state, detections = run(state, (), time_ns + index * PERIOD_NS)
        told += len(detections)
    assert 20 < told < 60
    time_ns += 100 * PERIOD_NS
    for index in range(15):
        state, detections = run(state, (spot_at(200, 200),), time_ns + index * PERIOD_NS)
    assert [d.track_id for d in detections] == [1]


def test_a_place_taken_by_another_is_not_told_twice() -> None:
    """Two nodes found as one: the other is behind it, and told again when they part."""
    left, right = spot_at(400, 400), spot_at(460, 400, signal=30.0)
    state, time_ns = TrackState(), 0
    for time_ns in range(0, 30 * PERIOD_NS, PERIOD_NS):
        state, _ = run(state, (left, right), time_ns)
    for index in range(1, 20):
        state, detections = run(
            state, (spot_at(440, 400, signal=30.0),), time_ns + index * PERIOD_NS
        )
        assert [d.coasted for d in detections if math.hypot(d.x_px - 440, d.y_px - 400) < 30] == [
            False
        ]
    time_ns += 20 * PERIOD_NS
    state, detections = run(state, (left, right), time_ns)
    assert [(d.track_id, d.coasted) for d in detections] == [(1, False), (2, False)]


def test_outside_the_field_nothing_is_shown_but_the_identity_is_kept() -> None:
    state, time_ns = confirmed_at(30, 200)
    state, gone = run(state, (), time_ns + PERIOD_NS, motion_px=(-100.0, 0.0))
    assert gone == ()
    for index in range(2, 300):
        state, gone = run(state, (), time_ns + index * PERIOD_NS)
        assert gone == ()
    time_ns += 300 * PERIOD_NS
    state, _ = run(state, (spot_at(30, 200),), time_ns, motion_px=(100.0, 0.0))
    for index in range(1, 12):
        state, back = run(state, (spot_at(30, 200),), time_ns + index * PERIOD_NS)
    assert [(d.track_id, d.coasted) for d in back] == [(1, False)]


def test_behind_an_instrument_a_node_is_kept_longer_than_in_plain_view() -> None:
    mask = np.zeros((HEIGHT // 8, WIDTH // 8), np.uint8)
    mask[:, : WIDTH // 16] = CannotJudge.INSTRUMENT
    left, right = spot_at(200, 500), spot_at(1000, 500)
    state = TrackState()
    for index in range(30):
        state, _ = run(state, (left, right), index * PERIOD_NS)
    masked = replace(FIELD, cannot_judge=mask)
    for index in range(30, 30 + 600):
        state, detections = run(state, (), index * PERIOD_NS, field=masked)
    assert [(d.track_id, d.flags) for d in detections] == [(1, ("hidden",))]


def test_time_in_which_nobody_looked_counts_for_less() -> None:
    state, time_ns = confirmed_at(200, 200)
    state, detections = run(state, (), time_ns + 20_000_000_000)
    assert [d.track_id for d in detections] == [1]
    state, detections = run(state, (), time_ns + 3_600_000_000_000)
    assert detections == ()


def test_time_running_backwards_loses_nothing() -> None:
    state, time_ns = confirmed_at(200, 200)
    for index in range(100):
        state, (only,) = run(state, (spot_at(200, 200),), time_ns - 10**12 + index * PERIOD_NS)
        assert (only.track_id, only.coasted) == (1, False)


def test_the_same_moment_again_proves_nothing() -> None:
    state = TrackState()
    for _ in range(1000):
        state, (only,) = run(state, (spot_at(200, 200),), 5)
    assert not only.confirmed
    assert len(state.looks_ns) == 1


def test_a_false_call_elsewhere_does_not_take_a_lost_identity() -> None:
    state, time_ns = confirmed_at(400, 400, seconds=3)
    for index in range(1, 200):
        near_and_alike = (spot_at(480, 400),) if index == 100 else ()
        state, detections = run(state, near_and_alike, time_ns + index * PERIOD_NS)
    (only,) = detections
    assert only.coasted
    assert (only.x_px, only.y_px) == pytest.approx((400, 400), abs=1.0)


def test_things_in_sight_together_are_never_made_one() -> None:
    """Node 1 is covered just after node 2 appeared beside it: 2 must not become 1."""
    first, second = spot_at(400, 400), spot_at(450, 400)
    state, time_ns = confirmed_at(400, 400)
    for index in range(1, 4):
        state, _ = run(state, (first, second), time_ns + index * PERIOD_NS)
    for index in range(4, 40):
        state, detections = run(state, (second,), time_ns + index * PERIOD_NS)
    assert [(d.track_id, d.coasted) for d in detections] == [(1, True), (2, False)]


def test_what_an_instrument_leaves_in_sight_of_a_node_does_not_lead_it_astray() -> None:
    """The visible rest of a covered node slides with the edge that covers it."""
    state, time_ns = confirmed_at(400, 400, seconds=3)
    for index in range(1, 25):
        rest = replace(spot_at(400 + 3 * index, 400, width_px=45.0), flags=(PARTLY_HIDDEN,))
        state, _ = run(state, (rest,), time_ns + index * PERIOD_NS)
    for index in range(25, 40):
        state, _ = run(state, (), time_ns + index * PERIOD_NS)
    back = spot_at(400, 400)
    _, (only,) = run(state, (back,), time_ns + 40 * PERIOD_NS)
    assert only.track_id == 1
    assert not only.coasted
    assert abs(only.x_px - 400) < 3.0


def test_the_rim_of_a_covered_node_does_not_lead_it_astray_where_it_looks_whole() -> None:
    state, time_ns = confirmed_at(400, 400, seconds=3)
    mask = np.zeros((HEIGHT // 8, WIDTH // 8), np.uint8)
    mask[46:60, 40:52] = CannotJudge.INSTRUMENT
    field = replace(FIELD, cannot_judge=mask)
    for index in range(1, 4):
        rim = spot_at(418 + 8 * index, 400 - 14 * index, width_px=45.0, significance=7.5)
        state, _ = run(state, (rim,), time_ns + index * PERIOD_NS, field=field)
    for index in range(4, 10):
        state, _ = run(state, (), time_ns + index * PERIOD_NS, field=field)
    _, (only,) = run(state, (spot_at(400, 400),), time_ns + 10 * PERIOD_NS)
    assert only.track_id == 1
    assert not only.coasted
    assert abs(only.x_px - 400) < 3.0


def test_a_saturated_node_is_in_sight_and_followed_where_it_goes() -> None:
    """Nothing tells of the tissue's motion: where the node is, is all there is to go by."""
    state, time_ns = confirmed_at(400, 400, seconds=3)
    mask = np.zeros((HEIGHT // 8, WIDTH // 8), np.uint8)
    mask[40:60, 40:100] = CannotJudge.SATURATED
    field = replace(FIELD, cannot_judge=mask)
    for index in range(1, 61):
        x_px = 400 + 4.0 * index
        state, (only,) = run(state, (spot_at(x_px, 400),), time_ns + index * PERIOD_NS, field=field)
        assert (only.track_id, only.coasted) == (1, False)
    assert abs(state.tracks[0].x_px - x_px) < 6.0


def test_a_second_find_upon_a_node_takes_nothing_from_it() -> None:
    state, time_ns = confirmed_at(400, 400)
    for index in range(1, 6):  # a second one, for a moment, on the same thing
        state, _ = run(
            state,
            (spot_at(400, 400), spot_at(415, 400, width_px=40.0)),
            time_ns + index * 33_000_000,
        )
    for index in range(6, 60):  # half of it in sight: smaller, fainter, to one side
        rest = spot_at(412, 400, width_px=42.0, signal=6.0)
        state, detections = run(state, (rest,), time_ns + index * PERIOD_NS)
    assert [(d.track_id, d.coasted) for d in detections] == [(1, False)]


def test_only_strong_sightings_prove_something_new() -> None:
    field = replace(FIELD, new_sigma=5.1)
    state = TrackState()
    for index in range(90):
        faint = spot_at(400, 400, significance=4.9)
        state, (only,) = run(state, (faint,), index * PERIOD_NS, field=field)
    assert not only.confirmed
    for index in range(90, 120):
        clear = spot_at(400, 400, significance=5.4)
        state, (only,) = run(state, (clear,), index * PERIOD_NS, field=field)
    assert only.confirmed
    for index in range(120, 240):  # once confirmed, it is followed by whatever is called
        faint = spot_at(400, 400, significance=4.6)
        state, (only,) = run(state, (faint,), index * PERIOD_NS, field=field)
        assert only.confirmed
        assert not only.coasted
    for index in range(240, 300):
        state, _ = run(state, (), index * PERIOD_NS, field=field)
    for index in range(300, 330):  # and known again
        faint = spot_at(400, 400, significance=4.6)
        state, detections = run(state, (faint,), index * PERIOD_NS, field=field)
    assert [(d.track_id, d.coasted) for d in detections] == [(1, False)]


def test_an_injection_site_that_grew_out_of_a_spot_is_no_node() -> None:
    state, time_ns = confirmed_at(400, 400)
    site = spot_at(400, 400, width_px=66.0, signal=14.0, kind=Kind.INJECTION, significance=99.0)
    _, (only,) = run(state, (site,), time_ns + PERIOD_NS)
    assert (only.track_id, only.kind) == (1, Kind.INJECTION)


def test_a_jump_of_the_tissue_is_followed_in_the_same_frame() -> None:
    state, time_ns = confirmed_at(400, 400)
    _, (only,) = run(state, (spot_at(440, 400),), time_ns + PERIOD_NS)
    assert only.track_id == 1
    assert abs(only.x_px - 440) < 3.0


def test_the_shown_centre_is_steadier_than_the_measured_one() -> None:
    rng = random.Random(1)
    state = TrackState()
    measured, shown = [], []
    for index in range(300):
        x = 400 + rng.gauss(0, 2.5)
        state, (only,) = run(state, (spot_at(x, 400),), index * PERIOD_NS)
        measured.append(x)
        shown.append(only.x_px)
    jitter = [np.diff(np.array(v[30:])).std() for v in (measured, shown)]
    assert jitter[1] < 0.7 * jitter[0]


def test_measures_are_those_of_this_frame() -> None:
    state, time_ns = confirmed_at(400, 400)
    spot = replace(spot_at(400, 400, signal=3.0, width_px=70.0), sbr=9.0, flags=("saturated",))
    _, (only,) = run(state, (spot,), time_ns + PERIOD_NS)
    assert (only.signal, only.sbr, only.cnr) == (spot.signal, spot.sbr, spot.cnr)
    assert only.sbr_interval == spot.sbr_interval
    assert only.area_px == spot.area_px
    assert only.area_mm2 == pytest.approx(spot.area_px * 0.01)
    assert only.spot_width_mm == pytest.approx(7.0)
    assert only.flags == ("saturated",)


def test_numbers_of_numpy_become_plain_ones() -> None:
    """A detection is written down by encoders that know Python's numbers only."""
    place = {"x_px": np.float64(300.5), "y_px": np.float64(200.25)}
    state = TrackState()
    for index in range(20):
        spot = replace(spot_at(0, 0), **place, signal=np.float64(9.0))
        state, (only,) = run(state, (spot,), index * PERIOD_NS)
        assert {type(v) for v in (only.x_px, only.y_px, only.x_white_px)} == {float}
    assert TrackState.from_bytes(state.to_bytes()) == state


def test_the_kind_does_not_flicker_but_changes_for_good_reason() -> None:
    rng = random.Random(2)
    state, kinds = TrackState(), []
    for index in range(300):
        kind = Kind.UNCERTAIN if rng.random() < 0.3 else Kind.NODE
        state, (only,) = run(state, (spot_at(400, 400, kind=kind),), index * PERIOD_NS)
        kinds.append(only.kind)
    assert set(kinds[15:]) == {Kind.NODE}
    for index in range(300, 330):
        state, (only,) = run(state, (spot_at(400, 400, kind=Kind.CHANNEL),), index * PERIOD_NS)
    assert only.kind is Kind.CHANNEL
    assert only.track_id == 1


def test_a_glint_out_of_sight_is_gone() -> None:
    state = TrackState()
    for index in range(30):
        state, _ = run(state, (spot_at(400, 400, kind=Kind.GLINT),), index * PERIOD_NS)
    for index in range(30, 50):
        state, detections = run(state, (), index * PERIOD_NS)
    assert detections == ()


def test_another_frame_size_ends_all_tracks_but_identities_go_on() -> None:
    state, time_ns = confirmed_at(200, 200)
    small = replace(FIELD, width=640, height=512)
    state, detections = run(state, (), time_ns + PERIOD_NS, field=small)
    assert detections == ()
    for index in range(2, 20):
        state, detections = run(
            state, (spot_at(200, 200),), time_ns + index * PERIOD_NS, field=small
        )
    assert [d.track_id for d in detections] == [2]


def test_white_px_follow_the_registration() -> None:
    shifted = Registration(
        kind="calibrated", white_from_nir=((2.0, 0.0, 5.0), (0.0, 2.0, -3.0), (0.0, 0.0, 1.0))
    )
    spots = (spot_at(100, 50),)
    _, (there,) = run(TrackState(), spots, 0, registration=shifted)
    assert (there.x_white_px, there.y_white_px) == pytest.approx((205, 97))
    _, (nowhere,) = run(TrackState(), spots, 0, registration=Registration(kind="none"))
    assert (nowhere.x_white_px, nowhere.y_white_px) == (None, None)
    horizon = Registration(
        kind="calibrated", white_from_nir=((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.01, 0.0, -1.0))
    )
    _, (lost,) = run(TrackState(), spots, 0, registration=horizon)
    assert (lost.x_white_px, lost.y_white_px) == (None, None)


def test_unknown_scale_gives_no_millimetres() -> None:
    _, (only,) = run(TrackState(), (spot_at(100, 50),), 0, field=TrackField(width=640, height=512))
    assert (only.area_mm2, only.spot_width_mm) == (None, None)


def test_thousands_of_spots_are_all_told_and_the_state_stays_small() -> None:
    rng = np.random.default_rng(4)
    state = TrackState()
    for index in range(12):
        spots = tuple(
            spot_at(float(x), float(y), width_px=10.0, significance=float(s))
            for x, y, s in rng.uniform((0, 0, 4), (WIDTH, HEIGHT, 9), (3000, 3))
        )
        state, detections = run(state, spots, index * PERIOD_NS)
        assert sum(not d.coasted for d in detections) == 3000
    assert len(state.tracks) <= 384
    assert len(state.to_bytes()) < 200_000


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="motion is not finite"):
        run(TrackState(), (), 0, motion_px=(bad, 0.0))
    with pytest.raises(ValueError, match="spot is not finite"):
        run(TrackState(), (spot_at(bad, 0.0),), 0)


def test_a_state_saved_and_read_goes_on_exactly_the_same() -> None:
    through_bytes = straight = TrackState()
    for moment in play(SCENES["everything at once"], seed=5):
        call = {
            "time_ns": moment.time_ns,
            "motion_px": moment.motion_px,
            "field": moment.field,
            "registration": ASSUMED,
        }
        straight, expected = track(straight, moment.spots, **call)
        restored = TrackState.from_bytes(through_bytes.to_bytes())
        through_bytes, detections = track(restored, moment.spots, **call)
        assert detections == expected
        assert through_bytes == straight
        assert through_bytes.to_bytes() == straight.to_bytes()


def test_what_is_no_state_is_refused() -> None:
    good = confirmed_at(200, 200)[0]
    broken = replace(good, tracks=(_changed(good, x_px=math.nan),)).to_bytes()
    short = replace(good, tracks=(_changed(good, kind_votes=(1.0,)),)).to_bytes()
    for data in (b"", b"\xc1", good.to_bytes()[:-3], broken, short):
        with pytest.raises(ValueError, match="not a tracking state"):
            TrackState.from_bytes(data)


places = st.tuples(st.floats(-50, WIDTH + 50), st.floats(-50, HEIGHT + 50))
looks = st.tuples(
    places,
    st.floats(0.0, 400.0),
    st.floats(0.0, 1e6),
    st.floats(0.0, 100.0),
    st.sampled_from(list(Kind)),
)
frames = st.lists(
    st.tuples(
        st.lists(looks, max_size=6),
        st.integers(-(10**9), 3 * 10**9),
        st.tuples(st.floats(-500, 500), st.floats(-500, 500)),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(frames)
def test_whatever_comes_identities_are_unique_and_numbers_finite(
    script: list[
        tuple[
            list[tuple[tuple[float, float], float, float, float, Kind]],
            int,
            tuple[float, float],
        ]
    ],
) -> None:
    state, time_ns, highest = TrackState(), 10**15, 0
    for seen, step_ns, motion_px in script:
        time_ns += step_ns
        spots = tuple(
            spot_at(x, y, width_px=width, signal=signal, significance=significance, kind=kind)
            for (x, y), width, signal, significance, kind in seen
        )
        state, detections = run(state, spots, time_ns, motion_px=motion_px)
        ids = [d.track_id for d in detections if d.confirmed]
        assert len(set(ids)) == len(ids)
        assert ids == sorted(ids)
        assert all(d.track_id == 0 for d in detections if not d.confirmed)
        assert sum(not d.coasted for d in detections) == len(spots)
        assert all(math.isfinite(d.x_px) and math.isfinite(d.y_px) for d in detections)
        assert all(d.signal is None and d.confirmed for d in detections if d.coasted)
        assert state.next_id >= highest
        highest = state.next_id
        assert TrackState.from_bytes(state.to_bytes()) == state


def _changed(state: TrackState, **changes: object) -> object:
    from msgspec.structs import replace as replace_struct

    return replace_struct(state.tracks[0], **changes)


_FOUND = {
    "track_id": 1,
    "kind": Kind.NODE,
    "confirmed": True,
    "coasted": False,
    "x_px": 100.0,
    "y_px": 100.0,
    "x_white_px": None,
    "y_white_px": None,
    "area_px": 1.0,
    "area_mm2": None,
    "spot_width_px": 1.0,
    "spot_width_mm": None,
    "signal": 1.0,
    "sbr": 1.0,
    "sbr_interval": None,
    "cnr": 1.0,
    "cnr_interval": None,
    "significance": 9.0,
    "saturated_fraction": 0.0,
}
