"""`GatedPhantom`: the phantom's NIR camera under gated excitation and under room light."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from hardware.camera import CameraSettings
from hardware.frame import Frame, PixelFormat, frozen_pixels, half_exposure_ns
from hardware.gating import LightLine, Pattern, Pulse
from hardware.phantom.phantom import Phantom, mid_exposure_ns
from hardware.phantom.render import RoleName
from hardware.phantom.scene import Flicker, Scene
from hardware.rig import PhantomSpec, Rig, Sensor

FULL_WELL_COUNTS = 65_535.0


class GatedPhantom:
    """NIR frames of ``scene``, lit by pattern, with room light that is always there.

    Room light falls on the same moving tissue; it carries no tracer's light. Frames are Mono16, so
    that much room light does not saturate what a 12-bit sensor of this gain would.

    Parameters
    ----------
    scene
        What is there; all of it moves alike in lit and dark frames.
    room_electrons
        Mean electrons a pixel and frame that room light brings.
    signal_electrons
        Mean electrons a pixel and frame of the excited background; nodes stand above it by their
        contrast.
    lamp
        Ripple of the room light; None: steady.
    """

    def __init__(
        self,
        scene: Scene,
        *,
        pattern: Pattern,
        room_electrons: float,
        signal_electrons: float,
        frame_rate_hz: float,
        exposure_us: float,
        sensor: Sensor,
        lamp: Flicker | None = None,
        line: LightLine | None = None,
    ) -> None:
        self.pattern = pattern
        self.line = line or LightLine(pattern)
        self._sensor = sensor
        self._rate, self._exposure_us = frame_rate_hz, exposure_us
        self._lamp = lamp
        self._seed = scene.seed
        of_scene = partial(
            Phantom.from_scene,
            frame_rate_hz=frame_rate_hz,
            nir_exposure_us=exposure_us,
            white_exposure_us=min(8000.0, exposure_us),
        )
        self.lit = of_scene(scene)
        plain = replace(scene, nodes=(), injection=None, channel=None, instrument=None, glints=0)
        self._tissue = of_scene(plain)
        level = float(self._tissue.noiseless(0).mean())
        self._per_count = signal_electrons / level
        self._room_per_count = room_electrons / level

    def excited(self, index: int) -> NDArray[np.float32]:
        """Return the noiseless electrons (H, W) that excitation brings to frame ``index``."""
        return np.asarray(self.lit.noiseless(index) * np.float32(self._per_count), np.float32)

    def room(self, index: int) -> NDArray[np.float32]:
        """Return the noiseless electrons (H, W) of room light in frame ``index``."""
        share = 1.0
        if self._lamp is not None:
            middle_s = index / self._rate + 0.5e-6 * self._exposure_us
            share = self._lamp.factor(middle_s, self._exposure_us * 1e-6)
        tissue = self._tissue.noiseless(index)
        return np.asarray(tissue * np.float32(self._room_per_count * share), np.float32)

    def frame(self, index: int) -> Frame:
        """Return frame ``index``; its ``light_on`` is the line's status, whatever was commanded."""
        begin_ns = round(index * 1e9 / self._rate)
        end_ns = begin_ns + round(1e3 * self._exposure_us)
        lit = self.line.expose(Pulse(index, begin_ns, end_ns))
        electrons = self.room(index)
        if lit:
            electrons = electrons + self.excited(index)
        unit = self._sensor.electron_counts or 0.4
        noise = self._sensor.read_noise_counts or 0.0
        rng = np.random.default_rng([self._seed, 91, index])
        counts = rng.poisson(electrons) * unit + noise * rng.standard_normal(electrons.shape)
        counts = np.clip(np.rint(counts + self._sensor.dark_counts), 0, FULL_WELL_COUNTS)
        return Frame(
            pixels=frozen_pixels(counts.astype(np.uint16)),
            pixel_format=PixelFormat.MONO16,
            bit_depth=16,
            sequence=index,
            stream_epoch=0,
            device_time_ns=begin_ns,
            host_time_ns=end_ns,
            mid_exposure_ns=(begin_ns + end_ns) // 2,
            exposure_us=self._exposure_us,
            gain_db=0.0,
            camera_id="phantom-nir",
            light_on=lit,
        )


class GatedScene(Phantom):
    """A rig's phantom under gated excitation: its NIR camera also sees the room's light.

    ``line`` is the wire from camera to lamp; replace it to have the lamp stuck. Exposure and gain
    count as on any camera; ``Frame.light_on`` is the line's status.
    """

    def __init__(self, spec: PhantomSpec, rig: Rig) -> None:
        super().__init__(spec, rig)
        assert rig.light.gated is not None
        self.line = LightLine(Pattern(*rig.light.gated))
        self._room_light = spec.room_light
        plain = replace(
            self.scene, nodes=(), injection=None, channel=None, instrument=None, glints=0
        )
        own = self.settings("nir")
        self._tissue = Phantom.from_scene(
            plain, frame_rate_hz=own.frame_rate_hz or 30.0, nir_exposure_us=own.exposure_us or 1e4
        )

    def exposed(
        self, role: RoleName, index: int, settings: CameraSettings, *, origin_ns: int
    ) -> Frame:
        """Return frame ``index`` under ``settings``; NIR with the room's light, lit or not."""
        if role != "nir" or self.settings("nir").roi != settings.roi:
            return super().exposed(role, index, settings, origin_ns=origin_ns)
        exposure_us = settings.exposure_us or 1e4
        middle_ns = mid_exposure_ns(index, settings)
        half_ns = half_exposure_ns(exposure_us)
        lit = self.line.expose(Pulse(index, middle_ns - half_ns, middle_ns + half_ns))
        layout = settings.pixel_format or PixelFormat.MONO12
        unit = 2.0 ** (layout.bit_depth - 12)
        own = self.settings("nir")
        share = exposure_us / (own.exposure_us or exposure_us)
        gain = 10.0 ** ((settings.gain_db or 0.0) / 20.0)
        scale = np.float32(unit * share * gain / 10.0 ** ((own.gain_db or 0.0) / 20.0))
        light = self._tissue.noiseless(index) * np.float32(self._room_light)
        if lit:
            light = light + self.noiseless(index)
        return Frame(
            pixels=self._noisy(light * scale, index, gain, settings.black_level or 0.0, layout),
            pixel_format=layout,
            bit_depth=layout.bit_depth,
            sequence=index,
            stream_epoch=0,
            device_time_ns=middle_ns,
            host_time_ns=origin_ns + middle_ns + half_ns,
            mid_exposure_ns=origin_ns + middle_ns,
            exposure_us=exposure_us,
            gain_db=settings.gain_db or 0.0,
            camera_id="phantom-nir",
            light_on=lit,
        )

    def _noisy(
        self,
        light: NDArray[np.float32],
        index: int,
        gain: float,
        offset: float,
        layout: PixelFormat,
    ) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """Return pixels of so much light [counts] with shot and read noise, rounded and clipped.

        Shot noise as the normal distribution of the same variance: electrons are many here.
        """
        sensor = self.rig.sensor
        rng = np.random.default_rng([self.scene.seed, 93, index])
        variance = light * np.float32((sensor.electron_counts or 0.4) * gain)
        variance += np.float32(((sensor.read_noise_counts or 0.0) * gain) ** 2)
        counts = light + np.sqrt(variance) * rng.standard_normal(light.shape, np.float32)
        counts += np.float32(offset)
        top = 2**layout.bit_depth - 1
        pixels: NDArray[np.uint8] | NDArray[np.uint16] = frozen_pixels(
            np.clip(np.rint(counts), 0, top).astype(layout.dtype)
        )
        return pixels
