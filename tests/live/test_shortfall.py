"""Fewer frames than asked for, or frames lost, are told; a hiccup is not, and nothing flickers."""

from __future__ import annotations

from itertools import pairwise

import pytest

from sln_guide.live.shortfall import Shortfall

SECOND = 1_000_000_000


def watched(
    shortfall: Shortfall,
    rate_hz: float,
    seconds: float,
    *,
    from_s: float = 0.0,
    lost_every: int = 0,
) -> list[str]:
    """Feed frames and return what was told after each."""
    told = []
    for k in range(round(rate_hz * seconds)):
        lost = 1 if lost_every and k % lost_every == 0 else 0
        shortfall.see(round((from_s + k / rate_hz) * SECOND), lost)
        told.append(shortfall.told)
    return told


def test_a_rate_that_a_camera_does_not_reach_is_told_with_the_one_asked_for() -> None:
    shortfall = Shortfall(200.0)
    watched(shortfall, 73.0, 6.0)
    assert shortfall.told.startswith("73 of 200 frames a second come")
    assert shortfall.since_ns == 0


@pytest.mark.parametrize(("asked_hz", "rate_hz"), [(30.0, 29.6), (30.0, 60.0), (None, 7.0)])
def test_what_was_asked_for_or_more_is_well(asked_hz: float | None, rate_hz: float) -> None:
    assert set(watched(Shortfall(asked_hz), rate_hz, 20.0)) == {""}


def test_a_rate_about_the_limit_does_not_flicker() -> None:
    shortfall = Shortfall(30.0)
    told = []
    for k in range(20):
        told += watched(shortfall, 26.7 if k % 2 else 27.3, 6.0, from_s=k * 6.0)
    changes = sum(bool(a) != bool(b) for a, b in pairwise(told))
    assert changes == 1


def test_a_hiccup_is_not_told_and_recovery_is() -> None:
    shortfall = Shortfall(30.0)
    assert set(watched(shortfall, 30.0, 2.0) + watched(shortfall, 30.0, 9.0, from_s=2.3)) == {""}
    watched(shortfall, 15.0, 12.0, from_s=12.0)
    assert shortfall.told
    watched(shortfall, 30.0, 12.0, from_s=24.0)
    assert (shortfall.told, shortfall.since_ns) == ("", None)


def test_frames_lost_again_and_again_are_told() -> None:
    shortfall = Shortfall(None)
    watched(shortfall, 30.0, 6.0, lost_every=10)
    assert "lost on the way" in shortfall.told
    single = Shortfall(None)
    watched(single, 30.0, 20.0, lost_every=140)
    assert single.told == ""


def test_a_slow_camera_is_judged_over_more_than_a_few_frames() -> None:
    shortfall = Shortfall(2.0)
    told = watched(shortfall, 1.0, 30.0)
    assert told[8] == "", "one frame late of ten is nothing to judge by"
    assert shortfall.told.startswith("1 of 2 frames")


def test_an_interruption_is_no_slowness() -> None:
    shortfall = Shortfall(30.0)
    watched(shortfall, 30.0, 3.0)
    shortfall.begin_anew()
    watched(shortfall, 30.0, 4.0, from_s=60.0)
    assert shortfall.told == ""
