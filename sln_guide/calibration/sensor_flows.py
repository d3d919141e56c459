"""Guided flows for the NIR sensor: dark, flat, photon transfer."""

from __future__ import annotations

import threading
from datetime import datetime
from pathlib import Path

import numpy as np

from hardware.bench import CAP, Plane
from hardware.camera import Camera
from hardware.frame import Frame
from hardware.rig import Rig
from sln_guide.calibration.balance import black_level
from sln_guide.calibration.binding import Binding
from sln_guide.calibration.dark import ABOVE_BLACK_SHARE, DarkMap, make_dark
from sln_guide.calibration.errors import CaptureError
from sln_guide.calibration.flat import LEVEL_SHARES, SATURATED_SHARE, make_flat
from sln_guide.calibration.flows import (
    Flow,
    Outcome,
    RoleName,
    Sight,
    Step,
    bound,
    part_of,
    spec_of,
    take_at,
)
from sln_guide.calibration.frames import Progress, Stack, unpacked
from sln_guide.calibration.photon_transfer import (
    NonUniformity,
    PhotonTransfer,
    evaluate,
    exposure_steps,
    measure_step,
    non_uniformity,
)
from sln_guide.calibration.report import (
    photon_transfer_lines,
    photon_transfer_page,
    text_page,
    write_report,
)

DARK_FRAMES = 32
LONGEST_DARK_US = 100_000.0
FLAT_FRAMES = 64
STEPS = 24
SPATIAL_FRAMES = 16
LONGEST_US = 900_000.0
UNIFORM = Plane(outside=1.0)

CAP_IT = "Cap the lens and switch the excitation off. Nothing may glow, not even the screen."
EVEN_IT = (
    "Fill the whole field with a clean, plain, evenly glowing target at the working distance, "
    "under the rig's own excitation."
)


def _dark_sight(frame: Frame, black_level_counts: float) -> Sight:
    try:
        level = black_level(frame)
    except CaptureError as error:
        return Sight(f"Not yet: {error}", good=False)
    if level - black_level_counts > ABOVE_BLACK_SHARE * (2**frame.bit_depth - 1):
        return Sight(f"Not yet: {level:.0f} counts: cap the lens, switch the light off", good=False)
    return Sight(f"Dark: {level:.1f} counts", good=True)


def _lit_sight(frame: Frame, offset_counts: float) -> Sight:
    """Judge a plain target by its middle: the whole field is judged when it is measured."""
    top = 2**frame.bit_depth - 1
    pixels = unpacked(frame)
    level = float(np.median(pixels)) - offset_counts
    low, high = LEVEL_SHARES
    told = f"target at {max(level, 0.0) / top:.0%} of full scale"
    if level < low * top:
        return Sight(f"Not yet: {told}: bring more light or expose longer", good=False)
    if level > high * top or float((pixels >= top).mean()) > SATURATED_SHARE:
        return Sight(f"Not yet: {told}, too bright: dim the light or expose shorter", good=False)
    return Sight(f"Bright enough: {told}", good=True)


class DarkFlow(Flow):
    """Takes the dark map at the shortest, the rig's and a long exposure."""

    title = "Dark map"

    def __init__(
        self,
        rig: Rig,
        camera: Camera,
        folder: Path,
        *,
        now: datetime,
        temperature_c: float | None = None,
    ) -> None:
        super().__init__((Step("dark", CAP_IT, CAP),))
        self._rig, self._camera, self._folder, self._now = rig, camera, folder, now
        self._spec = spec_of(rig, "nir")
        self._temperature = temperature_c
        own = self._spec.exposure_us
        self._exposures = tuple(sorted({min(1000.0, own), own, max(LONGEST_DARK_US, own)}))

    def cameras(self) -> tuple[Camera, ...]:
        """Return the NIR camera."""
        return (self._camera,)

    def sight(self, role: RoleName, frame: Frame) -> Sight:
        """Say whether the lens is capped."""
        return _dark_sight(frame, self._camera.settings.black_level or 0.0)

    def _do(self, index: int, progress: Progress, stop: threading.Event | None) -> str:
        stacks = [
            take_at(
                self._camera,
                self._spec,
                DARK_FRAMES,
                us,
                part_of(progress, k, len(self._exposures)),
                stop,
            )
            for k, us in enumerate(self._exposures)
        ]
        self._map = make_dark(
            stacks,
            bound(self._camera, "nir", stacks[0].settings),
            made_at=self._now,
            temperature_c=self._temperature,
        )
        return dark_lines(self._map)[0]

    def finish(self) -> Outcome:
        """Save the map and its report."""
        path = self._folder / "nir-dark.npz"
        self._map.save(path)
        lines = dark_lines(self._map)
        page = text_page(f"Dark map of camera {self._camera.camera_id}", self._now, lines)
        reports = write_report(path, [page], "Dark map")
        return Outcome("dark", path, tuple(lines), reports=reports, pages=(page,))


def dark_lines(found: DarkMap) -> list[str]:
    """Say a dark map's figures in lines."""
    f = found.fields
    low, high = f.binding.exposure_us
    return [
        f"offset {f.offset_counts:.2f} counts, read noise {f.read_noise_counts:.2f} counts, "
        f"{f.bad_pixels} bad pixels",
        f"dark current {f.current_counts_per_ms:.5f} counts/ms, fixed pattern "
        f"{f.fixed_pattern_counts:.2f} counts, drift {f.drift_counts:+z.2f} counts",
        f"{f.frames} frames at {', '.join(f'{e:g}' for e in f.exposures_us)} us; good for "
        f"{low:g} to {high:g} us at {f.binding.gain_db:g} dB, for {f.valid_days:g} days",
        *(f"left out: {line}" for line in f.rejected),
        *([f"{f.hits} single hits left out"] if f.hits else []),
        f.temperature_text,
    ]


class FlatFlow(Flow):
    """Takes the flat map at the rig's exposure; needs a dark map."""

    title = "Flat map"

    def __init__(
        self,
        rig: Rig,
        camera: Camera,
        folder: Path,
        dark: DarkMap,
        *,
        now: datetime,
        temperature_c: float | None = None,
    ) -> None:
        super().__init__((Step("flat", EVEN_IT, UNIFORM),))
        self._temperature = temperature_c
        self._camera, self._folder, self._dark, self._now = camera, folder, dark, now
        self._spec = spec_of(rig, "nir")

    def cameras(self) -> tuple[Camera, ...]:
        """Return the NIR camera."""
        return (self._camera,)

    def sight(self, role: RoleName, frame: Frame) -> Sight:
        """Say whether it is bright enough, and not too bright."""
        return _lit_sight(frame, self._dark.fields.offset_counts)

    def _do(self, index: int, progress: Progress, stop: threading.Event | None) -> str:
        stack = take_at(
            self._camera, self._spec, FLAT_FRAMES, self._spec.exposure_us, progress, stop
        )
        binding = bound(self._camera, "nir", stack.settings)
        self._map = make_flat(
            stack, self._dark, binding, made_at=self._now, temperature_c=self._temperature
        )
        return self._lines()[0]

    def _lines(self) -> list[str]:
        f = self._map.fields
        return [
            f"{f.level_counts:.0f} counts, darkest part of the field {f.falloff:.0%} of the "
            f"brightest, {f.bad_pixels} bad pixels",
            f"pixels differ by {f.spread:.2%} rms; the map itself is good to {f.noise:.2%}",
            f"{f.frames} frames; good for {f.valid_days:g} days",
            *(f"left out: {line}" for line in f.rejected),
            f.temperature_text,
        ]

    def finish(self) -> Outcome:
        """Save the map and its report."""
        path = self._folder / "nir-flat.npz"
        self._map.save(path)
        lines = self._lines()
        page = text_page(f"Flat map of camera {self._camera.camera_id}", self._now, lines)
        reports = write_report(path, [page], "Flat map")
        return Outcome("flat", path, tuple(lines), reports=reports, pages=(page,))


class PhotonTransferFlow(Flow):
    """Finds the exposure that saturates, takes lit steps, then the same ones in the dark."""

    title = "Photon transfer"

    def __init__(self, rig: Rig, camera: Camera, folder: Path, *, now: datetime) -> None:
        lit = (
            "Let steady, even light fall on the bare sensor or a plain target: no mains lamp. "
            "It must saturate the sensor within a second."
        )
        super().__init__(
            (
                Step("lit", lit, UNIFORM),
                Step("dark", f"{CAP_IT} Change nothing else.", CAP),
            )
        )
        self._camera, self._folder, self._now = camera, folder, now
        self._spec = spec_of(rig, "nir")
        self._exposures: tuple[float, ...] = ()
        self._half_us = 0.0
        self._lit: list[Stack] = []
        self._lit_spatial: Stack | None = None
        self._found: PhotonTransfer | None = None

    def cameras(self) -> tuple[Camera, ...]:
        """Return the NIR camera."""
        return (self._camera,)

    def sight(self, role: RoleName, frame: Frame) -> Sight | None:
        """Say whether the lens is capped, once it must be: before, any steady light will do."""
        if self.position == 0:
            return None
        return _dark_sight(frame, self._camera.settings.black_level or 0.0)

    def _do(self, index: int, progress: Progress, stop: threading.Event | None) -> str:
        if index == 0:
            longest = self._saturating(stop)
            self._exposures = exposure_steps(longest / STEPS, longest, STEPS)
            self._half_us = 0.45 * longest
            self._lit, self._lit_spatial = self._taken(progress, stop)
            return f"{STEPS} exposures up to {longest / 1e3:.1f} ms taken in light"
        dark, dark_spatial = self._taken(progress, stop)
        assert self._lit_spatial is not None
        steps = [measure_step(a, b) for a, b in zip(self._lit, dark, strict=True)]
        pattern: NonUniformity = non_uniformity(self._lit_spatial, dark_spatial)
        binding: Binding = bound(self._camera, "nir", dark_spatial.settings)
        self._found = evaluate(steps, binding, made_at=self._now, pattern=pattern)
        return photon_transfer_lines(self._found)[0]

    def _saturating(self, stop: threading.Event | None) -> float:
        exposure = 200.0
        while exposure <= LONGEST_US:
            stack = take_at(
                self._camera, self._spec, 1, exposure, lambda done, total: None, stop, reject=False
            )
            share = float((stack.pixels >= stack.saturation_counts).mean())
            if share > 0.9:
                return exposure * 1.05
            level = float(np.percentile(stack.pixels, 20)) / stack.saturation_counts
            exposure *= 2.0 if level < 0.4 else 1.12
        raise CaptureError("the light does not saturate the sensor within 0.9 s: bring more light")

    def _taken(self, progress: Progress, stop: threading.Event | None) -> tuple[list[Stack], Stack]:
        parts = len(self._exposures) + 1
        stacks = [
            take_at(
                self._camera,
                self._spec,
                2,
                us,
                part_of(progress, k, parts),
                stop,
                reject=False,
            )
            for k, us in enumerate(self._exposures)
        ]
        spatial = take_at(
            self._camera,
            self._spec,
            SPATIAL_FRAMES,
            self._half_us,
            part_of(progress, parts - 1, parts),
            stop,
        )
        return stacks, spatial

    def finish(self) -> Outcome:
        """Save the figures and the report with its curves."""
        assert self._found is not None
        path = self._folder / "nir-photon-transfer.npz"
        self._found.save(path)
        page = photon_transfer_page(self._found)
        reports = write_report(path, [page], "Photon transfer")
        lines = tuple(photon_transfer_lines(self._found))
        return Outcome("photon_transfer", path, lines, reports=reports, pages=(page,))
