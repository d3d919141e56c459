"""Scene and sensor to pixels: one fused pass a frame, and the truth that belongs to it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hardware.frame import PixelFormat
from hardware.phantom import kernels
from hardware.phantom.fields import stream
from hardware.phantom.lamps import lamp_of
from hardware.phantom.light import LightSources
from hardware.phantom.packed import Light, Sensing
from hardware.phantom.scene import Scene
from hardware.phantom.tissue import NIR_PLANE, Tissue, grown_tissue
from hardware.phantom.truth import Truth, truth_at

RoleName = Literal["nir", "white"]

ADC_TOP = 4095.0
"""Both sensors convert to 12 bits; formats of fewer drop the lowest."""
HOT_SHARE = 4e-5
"""Share of pixels with a dark current that shows."""

_CELLS = {
    "RG": ((0, 1), (1, 2)),
    "GR": ((1, 0), (2, 1)),
    "GB": ((1, 2), (0, 1)),
    "BG": ((2, 1), (1, 0)),
}


@dataclass(frozen=True, slots=True)
class Exposure:
    """How one frame is taken: 12-bit counts whatever the format. ``roi`` in sensor px."""

    pixel_format: PixelFormat
    exposure_us: float
    gain_db: float
    dark_counts: float
    roi: tuple[int, int, int, int]

    @property
    def gain(self) -> float:
        """Linear gain."""
        return float(10.0 ** (self.gain_db / 20.0))


@dataclass(frozen=True, slots=True)
class RoleOptics:
    """One camera for good: 12-bit counts at 0 dB.

    ``counts_per_ms``: of light 1 at the field's centre (NIR: the scene's background level; white:
    a display-white reflector). ``from_nir``: NIR image px to this sensor's px.
    """

    width_px: int
    height_px: int
    counts_per_ms: float
    electron_counts: float
    read_noise_counts: float
    from_nir: NDArray[np.float64]


class Renderer:
    """Draws frames of one scene. Every method is a pure function; any thread, any order."""

    def __init__(self, scene: Scene, optics: dict[RoleName, RoleOptics]) -> None:
        self.scene = scene
        self._optics = optics
        self._lamps = {
            role: lamp_of(scene, role, o.width_px, o.height_px, o.from_nir)
            for role, o in optics.items()
        }
        self._hot = {role: _hot_pixels(scene, role, o) for role, o in optics.items()}
        reach = math.ceil(scene.largest_motion_px()) + 3
        regions = {role: _region(scene, o) for role, o in optics.items()}
        beyond = max(
            (
                max(-r[0], -r[1], r[2] - scene.width_px, r[3] - scene.height_px, 0)
                for r in regions.values()
            ),
            default=0,
        )
        # A white camera may see further than the NIR one; past half a field it sees nothing.
        beyond = min(beyond, max(scene.width_px, scene.height_px) // 2)
        self._regions = {
            role: (
                max(r[0], -beyond),
                max(r[1], -beyond),
                min(r[2], scene.width_px + beyond),
                min(r[3], scene.height_px + beyond),
            )
            for role, r in regions.items()
        }
        self._tissue: Tissue = grown_tissue(scene, reach + beyond)
        self._sources = LightSources(scene, self._tissue)

    # -- pictures -------------------------------------------------------------------------

    def pixels(
        self, role: RoleName, time_s: float, noise_number: int, exposure: Exposure
    ) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """Return one frame's pixels as ``exposure.pixel_format`` lays them out; the caller's own.

        ``time_s`` is mid-exposure; ``noise_number`` picks the noise and nothing else.
        """
        optics = self._optics[role]
        x0, y0, width, height = exposure.roi
        pixel_format = exposure.pixel_format
        packed = pixel_format is PixelFormat.MONO12P
        dtype = np.uint16 if packed else pixel_format.dtype
        out = np.empty((height, width), dtype)
        gain = exposure.gain
        hot_rows, hot_columns, hot_rate = self._hot[role]
        sensing = Sensing(
            lamp=self._lamps[role],
            gain=np.float32(self._light_gain(role, time_s, exposure)),
            dark=np.float32(exposure.dark_counts),
            shot=np.float32(optics.electron_counts * gain),
            read=np.float32((optics.read_noise_counts * gain) ** 2),
            scale=np.float32(2.0 ** (pixel_format.bit_depth - 12)),
            top=np.float32(2**pixel_format.bit_depth - 1),
            key=self._key(role, noise_number),
            hot_rows=hot_rows,
            hot_columns=hot_columns,
            hot_counts=(hot_rate * (exposure.exposure_us * 1e-3 * gain)).astype(np.float32),
        )
        cell = (
            _CELLS[pixel_format.bayer_pattern]
            if pixel_format.is_bayer
            else ((NIR_PLANE, NIR_PLANE), (NIR_PLANE, NIR_PLANE))
        )
        mosaic = np.array(cell, np.int64)
        light = self._light(role, time_s, exposure.exposure_us)
        if np.array_equal(optics.from_nir, np.eye(3)):
            kernels.frame_into(out, x0, y0, mosaic, light, sensing)
        else:
            left, top, right, bottom = self._regions[role]
            view = np.empty((NIR_PLANE, bottom - top, right - left), np.float32)
            for plane in range(NIR_PLANE):
                kernels.radiance_into(view[plane], left, top, plane, light)
            nir_from_white = np.linalg.inv(optics.from_nir)
            kernels.warped_frame_into(
                out, x0, y0, mosaic, view, float(left), float(top), nir_from_white, sensing
            )
        if packed:
            bytes_out = np.empty(pixel_format.array_shape(height, width), np.uint8)
            kernels.packed_12_into(bytes_out, out)
            return bytes_out
        return out

    def noiseless(self, time_s: float, exposure: Exposure) -> NDArray[np.float32]:
        """Return NIR counts above dark without noise, defects, rounding or clipping, (H, W)."""
        x0, y0, width, height = exposure.roi
        out = np.empty((height, width), np.float32)
        light = self._light("nir", time_s, exposure.exposure_us)
        kernels.radiance_into(out, x0, y0, NIR_PLANE, light)
        lamp = self._lamps["nir"][y0 : y0 + height, x0 : x0 + width]
        return out * lamp * np.float32(self._light_gain("nir", time_s, exposure))

    def _light(self, role: RoleName, time_s: float, exposure_us: float) -> Light:
        scene = self.scene
        t = scene.clock(time_s)
        factors = np.ones(4, np.float32)
        if role == "nir":
            factors[NIR_PLANE] = self._background_factor(time_s, exposure_us)
        return self._sources.at(t, self._tissue, factors)

    def _background_factor(self, time_s: float, exposure_us: float) -> float:
        """Return what a flickering lamp makes of the NIR background in one exposure."""
        flicker = self.scene.flicker
        if flicker is None:
            return 1.0
        return 1.0 + flicker.nir_share * (flicker.factor(time_s, exposure_us * 1e-6) - 1.0)

    def _light_gain(self, role: RoleName, time_s: float, exposure: Exposure) -> float:
        scene = self.scene
        if not scene.light:
            return 0.0
        gain = self._optics[role].counts_per_ms * exposure.exposure_us * 1e-3 * exposure.gain
        step = scene.light_step
        if step is not None and scene.clock(time_s) >= step.at_s:
            gain *= step.nir_factor if role == "nir" else step.white_factor
        if scene.flicker is not None and role == "white":
            gain *= scene.flicker.factor(time_s, exposure.exposure_us * 1e-6)
        return gain

    def _key(self, role: RoleName, noise_number: int) -> int:
        words = (self.scene.seed % 2**63, 60, 0 if role == "nir" else 1, noise_number)
        return int(np.random.SeedSequence(words).generate_state(1)[0])

    def truth(self, index: int, time_s: float, exposure: Exposure) -> Truth:
        """Return what is there in the NIR frame exposed around ``time_s``; px of its ROI."""
        scene = self.scene
        counts = 2.0 ** (exposure.pixel_format.bit_depth - 12)
        per_ms = exposure.exposure_us * 1e-3 * exposure.gain
        return truth_at(
            scene,
            self._sources,
            index=index,
            time_s=time_s,
            roi=exposure.roi,
            background_factor=self._background_factor(time_s, exposure.exposure_us),
            lamp=self._lamps["nir"],
            counts_per_ms=counts * self._light_gain("nir", time_s, exposure) / per_ms,
        )


def _hot_pixels(
    scene: Scene, role: RoleName, optics: RoleOptics
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return rows, columns (in order) and dark currents [12-bit counts/ms at 0 dB]."""
    rng = stream(scene.seed, 62, 0 if role == "nir" else 1)
    count = int(rng.poisson(HOT_SHARE * optics.width_px * optics.height_px))
    places = np.unique(rng.integers(0, optics.width_px * optics.height_px, count))
    rate = np.minimum(8.0 * rng.pareto(1.5, places.size) + 4.0, 500.0)
    return places // optics.width_px, places % optics.width_px, rate


def _region(scene: Scene, optics: RoleOptics) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom in NIR px of what the sensor sees."""
    w, h = optics.width_px - 1, optics.height_px - 1
    corners = np.array([[0, 0, 1], [w, 0, 1], [0, h, 1], [w, h, 1]], np.float64).T
    seen = np.linalg.inv(optics.from_nir) @ corners
    if (seen[2] <= 1e-9).any():  # looks past the horizon
        far = 10 * max(scene.width_px, scene.height_px)
        return -far, -far, far, far
    x, y = seen[:2] / seen[2]
    return (
        math.floor(x.min()) - 1,
        math.floor(y.min()) - 1,
        math.ceil(x.max()) + 2,
        math.ceil(y.max()) + 2,
    )
