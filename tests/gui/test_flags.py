"""What is said of guidance over the picture stands still, and of a held picture it stays."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from sln_guide.gui.claims.flags import Flags
from sln_guide.gui.claims.health_watch import HealthReading
from sln_guide.gui.claims.showing import Showing
from sln_guide.guidance import NIR_DARK, TOO_MANY, Guidance
from tests.gui import fakes
from tests.gui.situations import guidance


def flagged(age_ms: float, *flags: str) -> Guidance:
    return replace(guidance(age_ms), flags=flags)


def test_what_comes_and_goes_from_frame_to_frame_stands() -> None:
    flags, told = Flags(), []
    for frame in range(60):
        own = (TOO_MANY,) if frame % 3 == 0 else ()
        told.append(flags.follow(flagged(5000.0 - 33.0 * frame, *own)))
    assert all(TOO_MANY in each for each in told)
    assert not flags.follow(flagged(1000.0))


def test_a_replay_says_of_a_moment_what_was_true_then() -> None:
    flags = Flags()
    flags.follow(flagged(1000.0, NIR_DARK))
    assert not flags.follow(flagged(4000.0)), "gone back"
    flags.follow(flagged(1000.0, NIR_DARK))
    assert flags.follow(flagged(900.0))
    assert not flags.follow(None), "nothing is claimed without guidance"


@pytest.fixture
def source() -> Any:
    return fakes.FakeSource()


def headlines(showing: Showing, source: Any) -> str:
    now_ns = time.monotonic_ns()
    state = showing.look(now_ns, HealthReading(source.health(), now_ns)).state
    return " ".join(banner.headline for banner in state.banners)


@pytest.mark.parametrize("dark", [True, False])
def test_over_a_held_picture_stands_what_is_true_of_it(source: Any, dark: bool) -> None:
    showing = Showing(source, fakes.white_pixels, fakes.nir_pixels)
    source.push(age_ms=2000.0 if dark else 20.0, flags=())
    source.push(flags=(NIR_DARK,) if dark else ())
    now_ns = time.monotonic_ns()
    assert showing.freeze(now_ns, "10:00:00", HealthReading(source.health(), now_ns))
    for _ in range(3):
        source.push(flags=() if dark else (NIR_DARK,))
        assert ("No light in NIR" in headlines(showing, source)) is dark
    showing.release()
    assert ("No light in NIR" in headlines(showing, source)) is True


def test_a_band_that_says_frozen_hides_nothing_of_the_picture(
    open_window: Any, source: Any
) -> None:
    source.push()
    window = open_window(source)
    window.commands.toggle_freeze()
    window.refresh()
    window.video.grab()
    begins = window.video._painting.begins
    assert 0 < begins < 60
    assert window.video._painting.banners_end <= begins + 1
