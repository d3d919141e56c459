"""What is painted: never an overlay that may not be claimed, always the freshest white light."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hardware.rig import Optics, Registration
from sln_guide.gui.claims.health_watch import HealthReading
from sln_guide.gui.claims.layout import Content, Layout
from sln_guide.gui.claims.showing import SIDE_NS, Showing, motion_since_guidance
from sln_guide.gui.claims.verdict import Word
from sln_guide.guidance import Mode, View
from sln_guide.health import Health
from tests.gui import fakes

MS = 1_000_000
OVERLAY = 0xFF5AFF3C


@pytest.fixture
def source() -> Any:
    return fakes.FakeSource()


@pytest.fixture
def showing(source: Any) -> Showing:
    return Showing(source, fakes.white_pixels, fakes.nir_pixels)


def look(showing: Showing, source: Any, later_ms: float = 0.0) -> Any:
    now = time.monotonic_ns() + round(later_ms * MS)
    return showing.look(now, HealthReading(source.health(), now))


def has_overlay(shown: Any) -> bool:
    return shown.image is not None and bool((shown.image == OVERLAY).any())


def test_a_fresh_picture_is_shown_as_it_came(showing: Showing, source: Any) -> None:
    picture = source.push()
    shown = look(showing, source)
    assert shown.image is picture.rgb32
    assert shown.overlay
    assert not shown.alone
    assert shown.state.word is Word.LIVE


def test_nothing_came_yet(showing: Showing, source: Any) -> None:
    shown = look(showing, source)
    assert shown.image is None
    assert not shown.overlay
    assert shown.state.word is Word.STALE


def test_white_light_alone_before_the_first_picture(showing: Showing, source: Any) -> None:
    source.push_white()
    shown = look(showing, source)
    assert shown.image is not None
    assert shown.alone
    assert shown.state.word is Word.STALE


def test_stopped_pictures_give_way_to_white_light(showing: Showing, source: Any) -> None:
    source.push()
    assert has_overlay(look(showing, source))
    for later_ms in (251, 500, 2000, 60_000):
        white = source.push_white(age_ms=-later_ms)
        shown = look(showing, source, later_ms)
        assert shown.alone
        assert not shown.overlay
        assert not has_overlay(shown)
        assert shown.state.word is Word.NOT_LIVE
        assert not shown.state.video_old
        assert "White light is live" in shown.state.banners[0].detail
        assert shown.image is look(showing, source, later_ms).image, "drawn once a frame"
        assert white is source.white


def test_everything_stopped_shows_the_last_white_frame_as_old(
    showing: Showing, source: Any
) -> None:
    source.push()
    shown = look(showing, source, 2000)
    assert shown.alone
    assert not has_overlay(shown)
    assert shown.state.video_old
    assert not shown.state.judged


def test_without_white_light_an_overlay_that_must_go_leaves_nothing(
    showing: Showing, source: Any
) -> None:
    picture = source.push()
    source.picture = replace(picture, white=None)
    source.white = None
    shown = look(showing, source, 2000)
    assert shown.image is None


@pytest.mark.parametrize(
    "fault",
    [
        lambda s: setattr(s, "now_health", replace(s.now_health, processing_error="E: e")),
        lambda s: s.set_stream("nir", health=Health.LOST),
        lambda s: s.set_stream("white", health=Health.LOST),
        lambda s: s.set_stream("nir", frozen=True),
        lambda s: s.set_stream("nir", health=Health.STALE),
    ],
)
def test_faults_take_a_drawn_overlay_off(showing: Showing, source: Any, fault: Any) -> None:
    source.push()
    fault(source)
    shown = look(showing, source)
    assert not shown.overlay
    assert not has_overlay(shown)


def test_tissue_that_moved_takes_the_overlay_off(showing: Showing, source: Any) -> None:
    source.push(shift_px=(9.0, 3.0))
    assert has_overlay(look(showing, source))
    source.push(shift_px=(9.0, 5.0))  # 10.3 px of 0.1 mm, where 1 mm is allowed
    shown = look(showing, source)
    assert shown.state.word is Word.MOVED
    assert not has_overlay(shown)


def test_white_light_that_comes_back_does_not_make_the_missing_overlay_live(
    showing: Showing, source: Any
) -> None:
    source.push(age_ms=5, white_age_ms=300)  # white late, NIR fresh
    source.push_white(age_ms=5)
    shown = look(showing, source)
    assert shown.alone
    assert shown.state.word is Word.NOT_LIVE
    assert not shown.state.overlay_allowed


def test_nir_view_gives_way_to_white_light_when_it_stops(showing: Showing, source: Any) -> None:
    source.change(view=View.NIR)
    source.push()
    assert look(showing, source).view is View.NIR
    source.push_white(age_ms=-2000)
    shown = look(showing, source, 2000)
    assert shown.alone
    assert shown.view is View.WHITE


def test_a_map_of_light_goes_when_its_guidance_is_too_old(showing: Showing, source: Any) -> None:
    """NIR itself is fresh; what is drawn in its place is not."""
    source.change(view=View.NIR)
    mapped = replace(source.push(age_ms=100), overlay_drawn=True)
    fresh = source.push(age_ms=5)
    source.picture = replace(mapped, nir=fresh.nir, white=fresh.white)
    assert look(showing, source).image is mapped.rgb32
    old = replace(source.push(age_ms=400), overlay_drawn=True)
    source.picture = replace(old, nir=fresh.nir, white=fresh.white)
    source.push_white()
    shown = look(showing, source)
    assert shown.alone
    assert shown.view is View.WHITE


def test_unregistered_and_colour_views_show_pictures_without_marks() -> None:
    source = fakes.FakeSource(registration=Registration())
    showing = Showing(source, fakes.white_pixels, fakes.nir_pixels)
    picture = source.push(overlay=False)
    shown = look(showing, source)
    assert shown.image is picture.rgb32
    assert shown.state.word is Word.UNREGISTERED
    assert not shown.overlay


def test_replay_keeps_the_pair_it_stands_at() -> None:
    source = fakes.ReplaySource()
    showing = Showing(source, fakes.white_pixels, fakes.nir_pixels)
    picture = source.push(age_ms=9e6)
    assert look(showing, source, 60_000).image is picture.rgb32
    source.push(age_ms=9e6, white_age_ms=9e6 - 900)  # 0.9 s apart in the recording
    source.push_white()
    shown = look(showing, source)
    assert shown.alone
    assert not has_overlay(shown)
    assert shown.state.pill == "REPLAY"


def test_frozen_holds_the_picture_while_the_live_state_goes_on(
    showing: Showing, source: Any
) -> None:
    picture = source.push()
    now = time.monotonic_ns()
    assert showing.freeze(now, "12:00:00", HealthReading(source.health(), now))
    source.push()
    shown = look(showing, source)
    assert shown.image is picture.rgb32
    assert shown.overlay
    assert shown.state.word is Word.FROZEN
    later = look(showing, source, 5000)
    assert [b.headline for b in later.state.banners][1].startswith("NOT LIVE")
    showing.release()
    assert look(showing, source).image is source.picture.rgb32


def test_a_freeze_cannot_let_a_bad_overlay_through(showing: Showing, source: Any) -> None:
    source.push(age_ms=400)
    now = time.monotonic_ns()
    assert showing.freeze(now, "12:00:00", HealthReading(source.health(), now))
    shown = look(showing, source)
    assert not shown.overlay
    assert not has_overlay(shown)


def test_nothing_to_freeze(showing: Showing, source: Any) -> None:
    now = time.monotonic_ns()
    assert not showing.freeze(now, "12:00:00", HealthReading(source.health(), now))
    assert not showing.frozen


def test_each_paint_is_told_once_and_a_withdrawal_too(showing: Showing, source: Any) -> None:
    source.push()
    shown = look(showing, source)
    showing.painted(shown, 1)
    showing.painted(shown, 2)
    source.push_white(age_ms=-2000)
    gone = look(showing, source, 2000)
    showing.painted(gone, 3)
    showing.painted(gone, 4)
    assert source.painted_calls == [(1, 1, True), (1, 3, False)]
    assert source.said[0] == "LIVE"
    assert source.said[1].startswith("NOT LIVE · "), "with what is said of it"
    source.push(age_ms=5000)  # never let through: never told as this picture
    showing.painted(look(showing, source), 5)
    assert {(number, visible) for number, _, visible in source.painted_calls[1:]} == {(1, False)}


def test_a_withdrawal_that_comes_with_a_new_picture_is_told_of_the_one_that_was_seen(
    showing: Showing, source: Any
) -> None:
    """White light that comes seldom ages between two pictures of NIR: their overlays stay off."""
    source.push(white_age_ms=200)
    showing.painted(look(showing, source), 1)
    source.push(white_age_ms=300)
    gone = look(showing, source)
    assert gone.alone
    showing.painted(gone, 2)
    source.push(white_age_ms=320)
    showing.painted(look(showing, source), 3)
    source.push(white_age_ms=5)
    showing.painted(look(showing, source), 4)
    assert source.painted_calls == [(1, 1, True), (1, 2, False), (4, 4, True)]
    assert source.said[1].startswith("NOT LIVE · ")


def test_a_beat_counts_images_not_paints(showing: Showing, source: Any) -> None:
    source.push()
    first = look(showing, source).beat
    assert look(showing, source).beat == first
    source.push()
    assert look(showing, source).beat == first + 1


def test_motion_is_measured_in_mm_of_the_rig_or_in_px_without_a_scale() -> None:
    source = fakes.FakeSource()
    picture = source.push(shift_px=(3.0, 4.0))
    motion = motion_since_guidance(picture, source.rig)
    assert motion is not None
    assert (motion.distance, motion.limit, motion.unit) == (pytest.approx(0.5), 1.0, "mm")
    twice = ((2.0, 0.0, 5.0), (0.0, 2.0, 7.0), (0.0, 0.0, 1.0))
    scaled = fakes.FakeSource(registration=Registration(kind="calibrated", white_from_nir=twice))
    motion = motion_since_guidance(scaled.push(shift_px=(3.0, 4.0)), scaled.rig)
    assert motion is not None
    assert motion.distance == pytest.approx(0.25)
    unscaled = fakes.FakeSource(optics=Optics())
    motion = motion_since_guidance(unscaled.push(shift_px=(3.0, 4.0)), unscaled.rig)
    assert motion is not None
    assert (motion.distance, motion.limit, motion.unit) == (5.0, 3.0, "px")
    assert motion_since_guidance(replace(picture, white=None), source.rig) is None


def test_white_alone_is_read_only(showing: Showing, source: Any) -> None:
    source.push_white()
    shown = look(showing, source)
    assert isinstance(shown.image, np.ndarray)
    assert not shown.image.flags.writeable


def test_modes_differ() -> None:
    source = fakes.FakeSource(mode=Mode.SIMULATED)
    showing = Showing(source, fakes.white_pixels, fakes.nir_pixels)
    source.push()
    assert look(showing, source).state.pill == "SIMULATED"


def test_pictures_beside_the_large_one_take_turns(source: Any) -> None:
    """Drawing and scaling both at once would hold up the large one that comes next."""
    drawn: dict[str, list[int]] = {"white": [], "nir": []}

    def drawing(role: str, draw: Any) -> Any:
        def noted(frame: Any) -> Any:
            drawn[role].append(frame.mid_exposure_ns)
            return draw(frame)

        return noted

    one = Showing(source, drawing("white", fakes.white_pixels), drawing("nir", fakes.nir_pixels))
    one.choose_layout(Layout.QUAD)
    source.push(age_ms=1000.0)
    look(one, source, -995.0)
    assert [len(times) for times in drawn.values()] == [1, 1], "at first there is none of either"
    for step in range(1, 60):
        before = sum(map(len, drawn.values()))
        source.push(age_ms=1000.0 - 16.0 * step)
        shown = look(one, source, 16.0 * step - 995.0)
        assert {side.content for side in shown.sides} == {Content.WHITE, Content.NIR}
        assert sum(map(len, drawn.values())) - before <= 1
    for times in drawn.values():
        assert max(np.diff(times)) <= 2.5 * SIDE_NS, "none is forgotten"
        assert len(times) > 12
