"""The ONE way a pair becomes guidance, used alike by live, replay, process and verify."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from hardware.frame import Frame
from hardware.rig import Optics, Registration, Rig, Sensor
from sln_guide.core.analysis import Analyser, Field
from sln_guide.core.motion import shift_between
from sln_guide.exclusion import Region, excluded, followed
from sln_guide.guidance import Guidance, Pair, Settings
from sln_guide.tracking import TrackField, TrackState, track

FULL_SCALE_FOLLOW_S = 2.0
"""Time constant of the automatic display scale: slow, so that brightness means something."""


@dataclass(frozen=True, slots=True, eq=False)
class Setup:
    """What a pipeline must know of the rig. ``dark`` (H, W) counts, None: the rig's offset."""

    optics: Optics
    sensor: Sensor
    registration: Registration
    dark: NDArray[np.float32] | None = None

    @classmethod
    def from_rig(cls, rig: Rig, *, dark: NDArray[np.float32] | None = None) -> Setup:
        """Take what matters from ``rig``."""
        return cls(rig.optics, rig.sensor, rig.registration, dark)

    def field(self, nir: Frame) -> Field:
        """Describe the geometry and sensor of frames like ``nir`` to the core."""
        return Field(
            height=nir.height,
            width=nir.width,
            pixel_format=nir.pixel_format,
            bit_depth=nir.bit_depth,
            mm_per_px=self.optics.mm_per_px,
            node_min_mm=self.optics.node_min_mm,
            node_max_mm=self.optics.node_max_mm,
            dark_counts=self.sensor.dark_counts,
            electron_counts=self.sensor.electron_counts,
            read_noise_counts=self.sensor.read_noise_counts,
            dark=self.dark,
        )


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """Everything that outlives a step. Replaced whole; only ``analyser`` is a scratch space.

    ``white_small`` is the previous white frame's small luminance, for tissue motion.
    """

    setup: Setup
    analyser: Analyser | None = None
    tracks: TrackState = TrackState()
    generation: int = 0
    full_scale: float | None = None
    time_ns: int | None = None
    white_small: NDArray[np.float32] | None = None
    region: Region | None = None

    def snapshot(self) -> bytes:
        """Return what `restore` needs to go on exactly as this state would."""
        small = self.white_small
        return msgspec.msgpack.encode(
            _Snapshot(
                tracks=self.tracks,
                generation=self.generation,
                full_scale=self.full_scale,
                time_ns=self.time_ns,
                white_small=None if small is None else small.tobytes(),
                white_small_shape=None if small is None else (small.shape[0], small.shape[1]),
                region=self.region,
            )
        )


class _Snapshot(msgspec.Struct, frozen=True):
    tracks: TrackState
    generation: int
    full_scale: float | None
    time_ns: int | None
    white_small: bytes | None
    white_small_shape: tuple[int, int] | None
    region: Region | None = None


def initial_state(setup: Setup) -> State:
    """Return the state before the first pair."""
    return State(setup)


def restore(setup: Setup, snapshot: bytes) -> State:
    """Return the state that `State.snapshot` saved. Raises ValueError if it is not one."""
    try:
        saved = msgspec.msgpack.decode(snapshot, type=_Snapshot)
        small = None
        if saved.white_small is not None and saved.white_small_shape is not None:
            small = np.frombuffer(saved.white_small, np.float32).reshape(saved.white_small_shape)
    except (msgspec.MsgspecError, ValueError) as error:
        raise ValueError(f"not a pipeline snapshot: {error}") from None
    return State(
        setup,
        None,
        saved.tracks,
        saved.generation,
        saved.full_scale,
        saved.time_ns,
        small,
        saved.region,
    )


def step(state: State, pair: Pair, settings: Settings) -> tuple[State, Guidance]:
    """Turn ``pair`` into guidance; return it with the state for the next step.

    The same state, pair and settings give the same guidance (stage times aside) wherever and
    whenever it runs. One thread at a time for states that share an analyser.
    """
    setup, nir = state.setup, pair.nir
    began = time.perf_counter_ns()
    flags: list[str] = []
    analyser = state.analyser
    if analyser is None or not analyser.fits(nir):
        if analyser is not None:
            flags.append("frame geometry changed: tracking began anew")
            state = replace(state, tracks=state.tracks.begun_anew())
        analyser = Analyser(_matching(setup, nir, flags))
    analysis = analyser.analyse(nir, pair.white, setup.registration, settings.threshold_sigma)

    analysed = time.perf_counter_ns()
    white_small = analysis.white_small
    motion_px = _tissue_motion(state, pair, white_small)
    region = followed(state.region, settings.exclusion_px, motion_px)
    analysis = excluded(analysis, region)
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
        ),
        registration=setup.registration,
    )
    full_scale = _follow(state, analysis.scene_full_scale, nir.mid_exposure_ns)
    ended = time.perf_counter_ns()

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
        registration=setup.registration,
        settings=settings,
        stage_ms=dict(analysis.stage_ms)
        | {
            "motion": (moved - analysed) / 1e6,
            "track": (ended - moved) / 1e6,
            "step": (ended - began) / 1e6,
        },
        flags=analysis.flags + tuple(flags),
        white_small=white_small,
        exclusion_px=() if region is None else region.points,
    )
    after = State(
        setup,
        analyser,
        tracks,
        guidance.generation,
        full_scale,
        nir.mid_exposure_ns,
        white_small,
        region,
    )
    return after, guidance


def _matching(setup: Setup, nir: Frame, flags: list[str]) -> Field:
    """Describe ``nir``; a dark map of another size is left out, and said so."""
    dark = setup.dark
    if dark is not None and dark.shape != (nir.height, nir.width):
        flags.append("dark frame has another size: not subtracted")
        return replace(setup, dark=None).field(nir)
    return setup.field(nir)


def _node_max_px(optics: Optics) -> float | None:
    return None if optics.mm_per_px is None else optics.node_max_mm / optics.mm_per_px


def _tissue_motion(
    state: State, pair: Pair, small: NDArray[np.float32] | None
) -> tuple[float, float]:
    """Return how far tissue moved since the last step [NIR px], (0, 0) where it cannot be told."""
    before = state.white_small
    if pair.white is None or small is None or before is None or before.shape != small.shape:
        return 0.0, 0.0
    shift = shift_between(before, small)
    if shift is None:
        return 0.0, 0.0
    px_per_small = pair.white.width / small.shape[1]
    return white_to_nir_shift(
        state.setup.registration, (shift[0] * px_per_small, shift[1] * px_per_small)
    )


def white_to_nir_shift(
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
