"""The control law of NIR auto-exposure on scenes whose light is known."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sln_guide.guidance import CannotJudge, Guidance, Kind, Pair
from sln_guide.live.exposure import (
    BAND,
    HOLD_S,
    LARGEST_STEP,
    TARGET,
    ExposureLimits,
    ExposureState,
    bright_end,
    follow,
)
from tests.render.scenes import NIR, make_detection, make_guidance

LIMITS = ExposureLimits(100.0, 30_000.0, 4000.0)
PERIOD_NS = 50_000_000
BASE = make_guidance()


def scene(light: float, exposure_us: float = 10_000.0, time_ns: int = 0, **nir) -> Guidance:
    """Tissue of one brightness [counts/(ms*gain)], seen at an exposure."""
    guidance = BASE
    frame = replace(NIR, exposure_us=exposure_us, mid_exposure_ns=time_ns, **nir)
    flat = np.full(guidance.signal.shape, light, np.float32)
    return replace(
        guidance,
        pair=Pair(frame, None),
        background=flat,
        signal=np.zeros_like(flat),
        cannot_judge=np.zeros(flat.shape, np.uint8),
    )


class Camera:
    """Takes some frames until a new exposure holds, rounds it, and clips."""

    def __init__(self, exposure_us: float, delay: int = 3, step_us: float = 10.0) -> None:
        self.exposure_us = exposure_us
        self.delay, self.step_us = delay, step_us
        self.pending: list[tuple[int, float]] = []
        self.changes: list[float] = []
        self.frame = 0
        self.state = ExposureState()

    def run(self, light, frames: int) -> None:
        for _ in range(frames):
            self.frame += 1
            for due, exposure_us in list(self.pending):
                if self.frame >= due:
                    self.exposure_us = exposure_us
                    self.pending.remove((due, exposure_us))
            now = light(self.frame) if callable(light) else light
            guidance = scene(now, self.exposure_us, self.frame * PERIOD_NS)
            if now * self.exposure_us / 1000.0 >= LIMITS.range_counts:
                judged = np.full_like(guidance.cannot_judge, CannotJudge.SATURATED)
                guidance = replace(guidance, cannot_judge=judged)
            self.state, wanted = follow(self.state, guidance, LIMITS)
            if wanted is not None:
                rounded = round(wanted / self.step_us) * self.step_us
                self.changes.append(rounded)
                self.pending.append((self.frame + self.delay, rounded))


def test_within_the_band_nothing_is_changed() -> None:
    camera = Camera(10_000.0)
    camera.run(lambda n: 150.0 + 60.0 * np.sin(n / 7.0), 600)
    assert camera.changes == []


@pytest.mark.parametrize("light", [4.0, 20.0, 60.0, 350.0, 2000.0, 20_000.0])
def test_it_reaches_the_band_and_then_rests(light: float) -> None:
    camera = Camera(10_000.0)
    camera.run(light, 300)
    share = light * camera.exposure_us / 1000.0 / LIMITS.range_counts
    reachable = BAND[0] <= light * LIMITS.most_us / 1000.0 / LIMITS.range_counts
    if reachable:
        assert BAND[0] <= share <= BAND[1]
    else:
        assert camera.exposure_us == LIMITS.most_us
    settled = len(camera.changes)
    camera.run(light, 300)
    assert len(camera.changes) == settled, "it does not hunt"


def test_no_step_is_larger_than_it_may_be() -> None:
    camera = Camera(10_000.0)
    camera.run(5000.0, 300)
    steps = [10_000.0, *camera.changes]
    for before, after in pairwise(steps):
        assert 1.0 / LARGEST_STEP * 0.99 <= after / before <= LARGEST_STEP * 1.01
    assert all(b < a for a, b in pairwise(steps)), "all one way"


def test_a_passing_instrument_changes_nothing() -> None:
    camera = Camera(10_000.0)
    passing = int(0.8 * HOLD_S * 20)
    camera.run(lambda n: 5.0 if 100 <= n < 100 + passing else 150.0, 250)
    assert camera.changes == []


def test_injection_site_glints_and_exclusion_are_not_looked_at() -> None:
    guidance = scene(150.0)
    light = guidance.background.copy()
    light[10:20, 10:20] = 5000.0
    g = guidance.grid_px
    middle = 15 * g - 0.5
    share = bright_end(guidance, LIMITS)
    assert bright_end(replace(guidance, background=light), LIMITS) > 2 * share
    site = make_detection(middle, middle, kind=Kind.INJECTION, spot_width_px=9.0 * g)
    marked = replace(guidance, background=light, detections=(site,))
    assert bright_end(marked, LIMITS) == pytest.approx(share)
    drawn = ((9.0, 9.0), (21.0, 9.0), (21.0, 21.0), (9.0, 21.0))
    by_hand = replace(
        guidance, background=light, exclusion_px=tuple((x * g, y * g) for x, y in drawn)
    )
    assert bright_end(by_hand, LIMITS) == pytest.approx(share)
    judged = guidance.cannot_judge.copy()
    judged[10:20, 10:20] = CannotJudge.GLINT
    glint = replace(guidance, background=light, cannot_judge=judged)
    assert bright_end(glint, LIMITS) == pytest.approx(share)


def test_a_node_does_not_darken_the_field() -> None:
    guidance = scene(150.0)
    signal = guidance.signal.copy()
    signal[5:9, 5:9] = 500.0  # 16 of 5120 blocks
    assert bright_end(replace(guidance, signal=signal), LIMITS) == pytest.approx(
        bright_end(guidance, LIMITS)
    )


def test_frames_in_transition_and_a_locked_exposure_are_left_alone() -> None:
    state = ExposureState(outside_since_ns=0, above=True)
    late = scene(1000.0, time_ns=10**10)
    assert follow(state, late, LIMITS)[1] is not None
    in_flight = scene(1000.0, time_ns=10**10, settings_in_flight=True)
    assert follow(state, in_flight, LIMITS) == (state, None)
    locked = replace(state, locked=True)
    assert follow(locked, late, LIMITS) == (locked, None)


def test_too_little_tissue_changes_nothing() -> None:
    guidance = scene(1000.0, time_ns=10**10)
    judged = np.full_like(guidance.cannot_judge, CannotJudge.TOO_DARK)
    nothing = replace(guidance, cannot_judge=judged)
    assert bright_end(nothing, LIMITS) is None
    state = ExposureState(outside_since_ns=0, above=True)
    assert follow(state, nothing, LIMITS)[1] is None


@pytest.mark.parametrize("limits", [(0.0, 1.0, 1.0), (2.0, 1.0, 1.0), (1.0, 2.0, 0.0)])
def test_limits_that_leave_nothing_are_refused(limits: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match=r"exposure limits|range_counts"):
        ExposureLimits(*limits)


@settings(max_examples=15, deadline=None)
@given(
    st.floats(30.0, 3000.0),
    st.floats(200.0, 30_000.0),
    st.integers(1, 6),
    st.floats(1.0, 100.0),
)
def test_whatever_the_camera_it_settles(
    light: float, exposure_us: float, delay: int, step_us: float
) -> None:
    camera = Camera(exposure_us, delay, step_us)
    camera.run(light, 330)
    settled = len(camera.changes)
    camera.run(light, 60)
    assert len(camera.changes) == settled
    share = light * camera.exposure_us / 1000.0 / LIMITS.range_counts
    limited = LIMITS.least_us + 50, LIMITS.most_us - 50
    free = limited[0] < camera.exposure_us < limited[1]
    assert BAND[0] * 0.95 <= share <= BAND[1] * 1.05 or not free
    assert BAND[0] < TARGET < BAND[1]
