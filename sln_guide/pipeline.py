"""The ONE way a pair becomes guidance, used alike by live, replay, process and verify."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hardware.frame import Frame
from hardware.rig import Optics, Registration
from sln_guide.core.analysis import Analyser, Baseline, Field
from sln_guide.core.motion import shift_between
from sln_guide.exclusion import all_followed, blinded, excluded, followed
from sln_guide.guidance import (
    BASELINE_ELSEWHERE,
    BASELINE_NONE,
    NUDGED,
    UNCALIBRATED,
    Detection,
    Guidance,
    Pair,
    Settings,
)
from sln_guide.pipeline_state import Setup, State, initial_state, restore, shape_of
from sln_guide.tracking import TrackField, track

__all__ = ["Setup", "State", "initial_state", "restore", "step"]

TAIL_FOLLOW_S = 0.5
"""Time constant of how lumpy the tissue is taken to be: lumps near the line come and go with noise,
and significance, limit and stated false calls moved with them by 6 %, at times by 30 %."""
BASELINE_BACK_AFTER_NS = 800_000_000
"""A baseline that did not fit is used again once it has fitted for so long: at the border of
fitting, calls and limit came and went with each frame. Shorter than a node takes to be lost."""
BASELINE_WITHIN_NS = 2_000_000_000
"""How long after the request a baseline may still be taken."""
NEW_ABOVE_SIGMA = 0.6
"""How far above the operator's threshold sightings must lie to confirm something new. Texture is
locked to tissue, so more frames prove nothing: by the core's own estimate this confirms a quarter
as much of it. What is confirmed is followed down to the threshold."""
FULL_SCALE_FOLLOW_S = 2.0
"""Time constant of the automatic display scale: slow, so that brightness means something."""


def step(state: State, pair: Pair, settings: Settings) -> tuple[State, Guidance]:
    """Turn ``pair`` into guidance; return it with the state for the next step.

    The same state, pair and settings give the same guidance (stage times aside) wherever and
    whenever it runs. One thread at a time for states that share an analyser.
    """
    setup, nir = state.setup.at(settings), pair.nir
    began = time.perf_counter_ns()
    flags: list[str] = []
    analyser = state.analyser
    if analyser is None or not analyser.fits(nir):
        if analyser is not None:
            flags.append("frame geometry changed: tracking began anew")
            state = replace(state, tracks=state.tracks.begun_anew())
        analyser = Analyser(_matching(setup, nir, flags))
    elif analyser.field.mm_per_px != setup.optics.mm_per_px:  # another working distance
        analyser = Analyser(_matching(setup, nir, []))
    registration = Registration() if settings.registration_withdrawn else setup.registration
    baseline = state.baseline if settings.baseline_ns == state.baseline_ns else None
    if baseline is not None and not _fits(baseline, analyser):
        flags.append(BASELINE_ELSEWHERE)
        baseline = None
    trusted = _trusted(state, nir.mid_exposure_ns)
    analysis = analyser.analyse(
        nir,
        pair.white,
        registration,
        settings.threshold_sigma,
        baseline,
        _tail_before(state, nir.mid_exposure_ns, beneath_baseline=baseline is not None and trusted),
        baseline_trusted=trusted,
    )
    misfit_ns = state.misfit_ns if analysis.baseline_fits else nir.mid_exposure_ns
    if baseline is None:
        misfit_ns = None
    baseline, baseline_ns = _baseline_after(state, nir, settings, analyser, flags)

    analysed = time.perf_counter_ns()
    white_small = analysis.white_small
    motion_px = _tissue_motion(state, setup.registration, pair, white_small)
    region = followed(state.region, settings.exclusion_px, motion_px)
    regions = all_followed(state.regions, settings.regions_px, motion_px)
    analysis = blinded(excluded(analysis, region), nir)
    moved = time.perf_counter_ns()
    tracks, detections = track(
        state.tracks,
        analysis.spots,
        time_ns=nir.mid_exposure_ns,
        motion_px=motion_px,
        field=TrackField(
            mm_per_px=setup.optics.mm_per_px,
            width=nir.width,
            height=nir.height,
            node_max_px=_node_max_px(setup.optics),
            cannot_judge=analysis.cannot_judge,
            grid_px=analysis.grid_px,
            new_sigma=settings.threshold_sigma + NEW_ABOVE_SIGMA,
        ),
        registration=registration,
    )
    if not setup.vouched:
        detections = tuple(_without_units(d) for d in detections)
        flags.append(UNCALIBRATED)
    full_scale = _follow(state, analysis.scene_full_scale, nir.mid_exposure_ns)
    ended = time.perf_counter_ns()

    if registration.kind == "nudged":
        flags.append(NUDGED)
    if nir.settings_in_flight:
        flags.append("exposure or gain changed during this frame")
    guidance = Guidance(
        generation=state.generation + 1,
        pair=pair,
        detections=detections,
        grid_px=analysis.grid_px,
        signal=analysis.signal,
        background=analysis.background,
        significance=analysis.significance,
        limit_contrast=analysis.limit_contrast,
        cannot_judge=analysis.cannot_judge,
        limit_sbr=analysis.limit_sbr,
        false_calls_per_field=analysis.false_calls_per_field,
        display_full_scale=settings.display_full_scale or full_scale,
        colour_predicted=analysis.colour_predicted,
        registration=registration,
        settings=settings,
        stage_ms=dict(analysis.stage_ms)
        | {
            "motion": (moved - analysed) / 1e6,
            "track": (ended - moved) / 1e6,
            "step": (ended - began) / 1e6,
        },
        flags=analysis.flags + tuple(flags),
        white_small=white_small,
        baseline_used=analysis.baseline_used,
        exclusion_px=() if region is None else region.points,
        regions_px=tuple(each.points for each in regions),
    )
    after = State(
        state.setup,
        analyser=analyser,
        tracks=tracks,
        generation=guidance.generation,
        full_scale=full_scale,
        time_ns=nir.mid_exposure_ns,
        white_small=white_small,
        region=region,
        baseline=baseline,
        baseline_ns=baseline_ns,
        misfit_ns=misfit_ns,
        regions=regions,
        tail=analysis.tail,
        tail_of_baseline=analysis.baseline_used,
    )
    return after, guidance


def _tail_before(
    state: State, time_ns: int, *, beneath_baseline: bool
) -> tuple[float, float] | None:
    """Return how lumpy tissue lately was, and what that weighs beside what a frame tells itself.

    Nothing where a baseline came or went: another texture is left then.
    """
    if state.tail is None or state.time_ns is None or state.tail_of_baseline != beneath_baseline:
        return None
    after_s = max((time_ns - state.time_ns) / 1e9, 0.0)
    return state.tail, math.exp(-after_s / TAIL_FOLLOW_S)


def _trusted(state: State, time_ns: int) -> bool:
    """Whether the baseline has fitted for long enough, or ever since it was taken."""
    return state.misfit_ns is None or time_ns - state.misfit_ns >= BASELINE_BACK_AFTER_NS


def _without_units(detection: Detection) -> Detection:
    """Take off what only a calibrated rig may claim."""
    return replace(
        detection, area_mm2=None, spot_width_mm=None, flags=(*detection.flags, UNCALIBRATED)
    )


def _baseline_after(
    state: State, nir: Frame, settings: Settings, analyser: Analyser, flags: list[str]
) -> tuple[Baseline | None, int | None]:
    """Return the baseline for the next step, and the request that it answers.

    Taken from the first frame after the request that shows enough tissue, soon after it or not at
    all: whoever begins to replay long after the tracer came must not take the nodes for texture.
    """
    wanted = settings.baseline_ns
    if wanted == state.baseline_ns:
        return state.baseline, wanted
    if wanted is None:
        return None, None
    late_ns = nir.mid_exposure_ns - wanted
    if late_ns < 0:
        return None, None
    taken = analyser.baseline() if late_ns <= BASELINE_WITHIN_NS else None
    if taken is not None:
        return taken, wanted
    if late_ns <= BASELINE_WITHIN_NS:
        return None, None
    flags.append(BASELINE_NONE)
    return None, None


def _matching(setup: Setup, nir: Frame, flags: list[str]) -> Field:
    """Describe ``nir``; a map of another size is left out, and said so."""
    shape = (nir.height, nir.width)
    if setup.dark is not None and setup.dark.shape != shape:
        flags.append("dark frame has another size: not subtracted")
        setup = replace(setup, dark=None)
    if setup.flat is not None and setup.flat.shape != shape:
        flags.append("flat map has another size: not applied")
        setup = replace(setup, flat=None)
    return setup.field(nir)


def _node_max_px(optics: Optics) -> float | None:
    return None if optics.mm_per_px is None else optics.node_max_mm / optics.mm_per_px


def _fits(baseline: Baseline, analyser: Analyser) -> bool:
    """Whether it is of the same grid: that follows from the smallest node's size in px."""
    return shape_of(baseline.log) == (analyser.geometry.rows, analyser.geometry.cols)


def _tissue_motion(
    state: State,
    registration: Registration,
    pair: Pair,
    small: NDArray[np.float32] | None,
) -> tuple[float, float]:
    """Return how far tissue moved since the last step [NIR px], (0, 0) where that is unknown."""
    before = state.white_small
    if pair.white is None or small is None or before is None or before.shape != small.shape:
        return 0.0, 0.0
    shift = shift_between(before, small)
    if shift is None:
        return 0.0, 0.0
    px_per_small = pair.white.width / small.shape[1]
    return _white_to_nir_shift(registration, (shift[0] * px_per_small, shift[1] * px_per_small))


def _white_to_nir_shift(
    registration: Registration, shift_px: tuple[float, float]
) -> tuple[float, float]:
    """Express a small shift in white px as one in NIR px (the homography's linear part)."""
    nir_from_white = np.linalg.inv(registration.matrix())
    nir_from_white /= nir_from_white[2, 2]
    dx, dy = nir_from_white[:2, :2] @ np.asarray(shift_px)
    return float(dx), float(dy)


def _follow(state: State, target: float, time_ns: int) -> float:
    """Let the automatic display scale follow ``target`` slowly, whatever the frame rate."""
    if state.full_scale is None or state.time_ns is None:
        return target
    elapsed_s = min(max(0.0, (time_ns - state.time_ns) / 1e9), FULL_SCALE_FOLLOW_S)
    share = 1.0 - float(np.exp(-elapsed_s / FULL_SCALE_FOLLOW_S))
    return state.full_scale + share * (target - state.full_scale)
