"""What the pipeline knows of the rig, and what outlives a step: noted in cases, taken up again."""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from hardware.frame import Frame
from hardware.rig import Optics, Registration, Rig, Sensor
from sln_guide.core.analysis import Analyser, Baseline, Field
from sln_guide.exclusion import Region
from sln_guide.guidance import Settings
from sln_guide.tracking import TrackState


@dataclass(frozen=True, slots=True, eq=False)
class Setup:
    """What a pipeline must know of the rig.

    ``dark`` (H, W) counts, None: the rig's offset; ``flat`` (H, W) relative sensitivity. NaN in
    either marks a bad pixel, which is taken from its neighbours. ``vouched``: whether figures may
    carry calibrated units.
    """

    optics: Optics
    sensor: Sensor
    registration: Registration
    dark: NDArray[np.float32] | None = None
    flat: NDArray[np.float32] | None = None
    vouched: bool = True

    @classmethod
    def from_rig(
        cls,
        rig: Rig,
        *,
        dark: NDArray[np.float32] | None = None,
        flat: NDArray[np.float32] | None = None,
    ) -> Setup:
        """Take what matters from ``rig``."""
        vouched = rig.unchecked is None
        return cls(rig.optics, rig.sensor, rig.registration, dark, flat, vouched)

    def at(self, settings: Settings) -> Setup:
        """Return the setup at the working distance, and with the nudge, in force."""
        plane, registration = settings.plane, settings.registered(self.registration)
        if plane is None and registration is self.registration:
            return self
        optics = self.optics if plane is None else plane.optics(self.optics)
        return replace(self, optics=optics, registration=registration)

    def field(self, nir: Frame) -> Field:
        """Describe the geometry and sensor of frames like ``nir`` to the core."""
        dark_counts, dark = self.sensor.dark_counts, self.dark
        if nir.room_light is not None:  # the offset went with the room's light; bad pixels stay bad
            dark_counts = nir.room_light.offset_counts
            if dark is not None:
                dark = np.where(np.isfinite(dark), np.float32(dark_counts), dark)
        return Field(
            height=nir.height,
            width=nir.width,
            pixel_format=nir.pixel_format,
            bit_depth=nir.bit_depth,
            mm_per_px=self.optics.mm_per_px,
            node_min_mm=self.optics.node_min_mm,
            node_max_mm=self.optics.node_max_mm,
            dark_counts=dark_counts,
            electron_counts=self.sensor.electron_counts,
            read_noise_counts=self.sensor.read_noise_counts,
            dark=dark,
            flat=self.flat,
        )


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """Everything that outlives a step. Replaced whole; only ``analyser`` is a scratch space.

    ``white_small`` is the previous white frame's small luminance, for tissue motion.
    ``baseline_ns`` is the request (`Settings.baseline_ns`) that ``baseline`` answers.
    ``misfit_ns`` is when that last did not fit; None: it always has.
    ``tail`` is how lumpy tissue lately was (`Analysis.tail`); ``tail_of_baseline``: beneath one.
    """

    setup: Setup
    analyser: Analyser | None = None
    tracks: TrackState = TrackState()
    generation: int = 0
    full_scale: float | None = None
    time_ns: int | None = None
    white_small: NDArray[np.float32] | None = None
    region: Region | None = None
    baseline: Baseline | None = None
    baseline_ns: int | None = None
    misfit_ns: int | None = None
    regions: tuple[Region, ...] = ()
    tail: float | None = None
    tail_of_baseline: bool = False

    def snapshot(self) -> bytes:
        """Return what `restore` needs to go on exactly as this state would."""
        small, baseline = self.white_small, self.baseline
        return msgspec.msgpack.encode(
            _Snapshot(
                tracks=self.tracks,
                generation=self.generation,
                full_scale=self.full_scale,
                time_ns=self.time_ns,
                white_small=None if small is None else small.tobytes(),
                white_small_shape=None if small is None else shape_of(small),
                region=self.region,
                baseline_log=None if baseline is None else baseline.log.tobytes(),
                baseline_usable=None if baseline is None else baseline.usable.tobytes(),
                baseline_shape=None if baseline is None else shape_of(baseline.log),
                baseline_ns=self.baseline_ns,
                misfit_ns=self.misfit_ns,
                regions=self.regions,
                tail=self.tail,
                tail_of_baseline=self.tail_of_baseline,
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
    baseline_log: bytes | None = None
    baseline_usable: bytes | None = None
    baseline_shape: tuple[int, int] | None = None
    baseline_ns: int | None = None
    regions: tuple[Region, ...] = ()
    tail: float | None = None
    tail_of_baseline: bool = False
    misfit_ns: int | None = None


def shape_of(image: NDArray[np.float32]) -> tuple[int, int]:
    """Return (rows, cols)."""
    return image.shape[0], image.shape[1]


def _image(saved: bytes | None, shape: tuple[int, int] | None) -> NDArray[np.float32] | None:
    if saved is None or shape is None:
        return None
    return np.frombuffer(saved, np.float32).reshape(shape)


def initial_state(setup: Setup) -> State:
    """Return the state before the first pair."""
    return State(setup)


def restore(setup: Setup, snapshot: bytes) -> State:
    """Return the state that `State.snapshot` saved. Raises ValueError if it is not one."""
    try:
        saved = msgspec.msgpack.decode(snapshot, type=_Snapshot)
        small = _image(saved.white_small, saved.white_small_shape)
        log = _image(saved.baseline_log, saved.baseline_shape)
        usable = _image(saved.baseline_usable, saved.baseline_shape)
    except (msgspec.MsgspecError, ValueError) as error:
        raise ValueError(f"not a pipeline snapshot: {error}") from None
    return State(
        setup,
        tracks=saved.tracks,
        generation=saved.generation,
        full_scale=saved.full_scale,
        time_ns=saved.time_ns,
        white_small=small,
        region=saved.region,
        baseline=None if log is None or usable is None else Baseline(log, usable),
        baseline_ns=saved.baseline_ns,
        misfit_ns=saved.misfit_ns,
        regions=saved.regions,
        tail=saved.tail,
        tail_of_baseline=saved.tail_of_baseline,
    )
