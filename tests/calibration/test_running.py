"""What may change while a procedure runs: the working distance, and the age of the check."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest

from hardware.cameras import cameras_for
from hardware.rig import Rig
from hardware.rig_files import load_rig
from sln_guide.calibration.applied import apply_calibrations, at_distance
from sln_guide.calibration.binding import utc_now
from sln_guide.calibration.errors import CalibrationFileError
from sln_guide.export.as_seen import verify_as_seen
from sln_guide.export.recomputing import Span, computed
from sln_guide.export.summary import assumptions
from sln_guide.guidance import NUDGED, UNCALIBRATED, Role
from sln_guide.live import session as session_module
from sln_guide.live.session import LiveSession
from sln_guide.recording import CaseReader
from sln_guide.replay.player import Player
from sln_guide.warm_up import warm_up
from tests.live.test_session import wait_until

NEARER_MM = 290.0
NUDGE_PX = (4.0, -3.0)


def more(session: LiveSession) -> Callable[[], object]:
    """Return whether two computations have come since, with the settings of now."""
    picture = session.latest_picture()
    before = 0 if picture is None or picture.guidance is None else picture.guidance.generation

    def come() -> bool:
        now = session.latest_picture()
        if now is None or now.guidance is None:
            return False
        return now.guidance.generation > before + 2 and now.guidance.settings == session.settings

    return come


def wait_for_more(session: LiveSession, what: str) -> None:
    """Wait for some computations: the first of a case rest on frames from before it."""
    for _ in range(5):
        wait_until(more(session), what)


def test_another_distance_or_a_nudge_is_taken_live_and_replayed_as_it_was(
    sitting: Path, tmp_path: Path
) -> None:
    rig = load_rig(sitting)
    warm_up(rig)
    session = LiveSession(rig, cameras_for(rig), cases=tmp_path)
    try:
        session.start()
        folder = session.start_recording()
        wait_for_more(session, "pictures at the rig's distance")
        session.work_at(NEARER_MM)
        wait_for_more(session, "pictures nearer")
        with pytest.raises(CalibrationFileError, match=r"registration.npz: .* not at 900 mm"):
            session.work_at(900.0)
        assert session.settings.plane is not None
        assert session.settings.plane.distance_mm == NEARER_MM, "a refusal changes nothing"
        session.work_at(rig.optics.working_distance_mm)
        assert session.settings.plane is None
        wait_for_more(session, "pictures at the rig's distance again")
        session.change(nudge_px=NUDGE_PX)
        wait_for_more(session, "pictures nudged by hand")
        session.change(nudge_px=(0.0, 0.0))
        wait_for_more(session, "pictures as registered")
    finally:
        session.close()
    told = [e.detail for e in session.events() if e.name == "distance"]
    assert [detail.split(",")[0] for detail in told] == ["290 mm", "300 mm"]
    told = [e.detail for e in session.events() if e.name == "nudge"]
    assert told == ["+4, -3 px in white", "taken back"]

    by_hand = apply_calibrations(at_distance(rig, NEARER_MM)).rig
    with CaseReader(folder) as case:
        planes = [record.settings.plane for record in case.guidance_log()]
        assert {None if p is None else p.distance_mm for p in planes} == {None, NEARER_MM}
        (nearer,) = {p for p in planes if p is not None}
        assert nearer.registration == by_hand.registration
        assert nearer.mm_per_px == by_hand.optics.mm_per_px
        assert nearer.rig(case.rig).registered_distance_mm == NEARER_MM
        assert case.planes() == (None, nearer)
        assert verify_as_seen(case).ok
        # whatever is asked now, the place is that of then
        asked = case.asked(6.0)
        again = {
            c.guidance.pair.nir.mid_exposure_ns: c.guidance
            for c in computed(case, asked, Span())
            if c.guidance is not None
        }
        pairs = tuple(case.pairs())
        place = {nir: index for index, (nir, _) in enumerate(pairs)}
        player, nudged = Player(case, pairs), 0
        for record in case.guidance_log():
            found = case.find(Role.NIR, record.nir)
            assert found is not None
            index = place[found]
            rig = by_hand if record.settings.plane else case.rig
            made = again[record.nir.mid_exposure_ns].registration
            nudge_px, kind = (0.0, 0.0), "calibrated"
            if record.settings.nudge_px == NUDGE_PX:
                nudge_px, kind = NUDGE_PX, "nudged"
                nudged += 1
            at = np.array([100.0, 80.0, 1.0])
            old, new = (r.matrix() @ at for r in (rig.registration, made))
            assert new[:2] / new[2] - old[:2] / old[2] == pytest.approx(nudge_px, abs=1e-9)
            assert record.registration == made.kind == kind
            assert (NUDGED in record.flags) is (kind == "nudged")
            shown = player.at(index, asked)
            assert shown is not None
            assert shown.guidance is not None
            assert shown.guidance.registration == made
        assert nudged > 0
        assert any("NUDGED" in told for told in assumptions(case, dark=True))


def ending(rig: Rig, minutes: float) -> Rig:
    """Return an applied rig whose check ends so soon."""
    applied = apply_calibrations(rig).rig
    assert applied.expires is not None
    assert applied.expires.what == "quality check"
    soon = msgspec.structs.replace(applied.expires, at=utc_now() + timedelta(minutes=minutes))
    return msgspec.structs.replace(applied, expires=soon)


def test_the_running_case_outlives_its_check_and_the_next_one_does_not(
    sitting: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = load_rig(sitting)
    begun = utc_now()
    session = LiveSession(rig, cameras_for(rig), cases=tmp_path)

    def flags() -> tuple[str, ...]:
        picture = session.latest_picture()
        assert picture is not None
        assert picture.guidance is not None
        return picture.guidance.flags

    try:
        session.start()
        first = session.start_recording()
        wait_for_more(session, "pictures")
        monkeypatch.setattr(session_module, "utc_now", lambda: begun + timedelta(days=1.5))
        wait_for_more(session, "pictures after the check has expired")
        assert session.rig.unchecked is None, "nothing changes in the middle of a case"
        assert UNCALIBRATED not in flags()
        session.stop_recording()
        wait_until(lambda: not session.health().recorder.recording, "the case is closed")
        second = session.start_recording()
        wait_for_more(session, "pictures of the next case")
        assert "expired" in str(session.rig.unchecked)
        assert UNCALIBRATED in flags()
    finally:
        session.close()
    for folder, vouched in ((first, True), (second, False)):
        with CaseReader(folder) as case:
            assert (case.rig.unchecked is None) is vouched
            assert all((UNCALIBRATED in r.flags) is not vouched for r in case.guidance_log())
            assert verify_as_seen(case).ok
    assert [e.name for e in session.events()].count("not calibrated") == 1


def test_an_engine_started_anew_in_a_case_does_not_judge_again(
    sitting: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    applied = apply_calibrations(load_rig(sitting)).rig
    monkeypatch.setattr(session_module, "utc_now", lambda: utc_now() + timedelta(days=1.5))
    session = LiveSession(applied, cameras_for(applied), cases=tmp_path)
    assert session.rig.unchecked is None
    assert session.rig == applied
    session.close()
    fresh = apply_calibrations(load_rig(sitting), now=utc_now() + timedelta(days=1.5)).rig
    assert "expired" in str(fresh.unchecked), "the next start refuses"
    assert fresh.expires is None


def test_what_ends_first_counts(sitting: Path) -> None:
    applied = apply_calibrations(load_rig(sitting))
    assert applied.rig.expires is not None
    checked = applied.rig.expires.at - timedelta(days=1)
    assert abs((checked - max(applied.made.values())).total_seconds()) < 600
    later = apply_calibrations(load_rig(sitting), now=utc_now() + timedelta(days=89.99)).rig
    assert later.unchecked is not None
    assert later.expires is None, "nothing vouches, so nothing ends"


def test_planes_say_what_is_wrong_with_them(sitting: Path) -> None:
    applied = apply_calibrations(load_rig(sitting))
    assert applied.rig.distances_mm is not None
    low, high = applied.rig.distances_mm
    for distance_mm in (low - 1, high + 1, -5.0, float("nan")):
        with pytest.raises(CalibrationFileError, match=f"{low:.0f} to {high:.0f} mm"):
            applied.plane_at(distance_mm)
    scales = [applied.plane_at(d).mm_per_px / d for d in (low, 300.0, high)]
    assert np.ptp(scales) < 1e-9
