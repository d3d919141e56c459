"""Scene and sensor to pixels: one fused pass a frame, and the truth that belongs to it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from hardware.frame import PixelFormat
from hardware.phantom import kernels
from hardware.phantom.fields import stream
from hardware.phantom.light import (
    LightSources,
    covered,
    excised_share,
    instrument_glint,
    instrument_outline,
    moved,
)
from hardware.phantom.scene import Point, Scene
from hardware.phantom.tissue import NIR_PLANE, Tissue, grown_tissue
from hardware.phantom.truth import NodeTruth, Truth

RoleName = Literal["nir", "white"]

ADC_TOP = 4095.0
"""Both sensors convert to 12 bits; formats of fewer drop the lowest."""
PRNU_RMS = 0.006
"""Pixels differ in sensitivity by so much (rms)."""
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


def _normal_table() -> NDArray[np.float32]:
    """Return 65536 quantiles of the normal distribution, scaled to variance 1 exactly."""
    size = 1 << 16
    quantiles = special.ndtri((np.arange(size) + 0.5) / size)
    return (quantiles / math.sqrt(float(np.mean(quantiles**2)))).astype(np.float32)


_NORMAL = _normal_table()


class Renderer:
    """Draws frames of one scene. Every method is a pure function; any thread, any order."""

    def __init__(self, scene: Scene, optics: dict[RoleName, RoleOptics]) -> None:
        self.scene = scene
        self._optics = optics
        self._lamps = {role: _lamp(scene, role, o) for role, o in optics.items()}
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
        """Return one frame's pixels, in the layout of ``exposure.pixel_format``, owned by the caller.

        ``time_s`` is mid-exposure; ``noise_number`` picks the noise and nothing else.
        """
        optics = self._optics[role]
        x0, y0, width, height = exposure.roi
        pixel_format = exposure.pixel_format
        packed = pixel_format is PixelFormat.MONO12P
        dtype = np.uint16 if packed else pixel_format.dtype
        out = np.empty((height, width), dtype)
        gain = exposure.gain
        scale = 2.0 ** (pixel_format.bit_depth - 12)
        hot_rows, hot_columns, hot_rate = self._hot[role]
        sensing = (
            self._lamps[role],
            np.float32(self._light_gain(role, time_s, exposure)),
            np.float32(exposure.dark_counts),
            np.float32(optics.electron_counts * gain),
            np.float32((optics.read_noise_counts * gain) ** 2),
            np.float32(scale),
            np.float32(2**pixel_format.bit_depth - 1),
            _NORMAL,
            self._key(role, noise_number),
            hot_rows,
            hot_columns,
            (hot_rate * (exposure.exposure_us * 1e-3 * gain)).astype(np.float32),
        )
        cell = (
            _CELLS[pixel_format.bayer_pattern]
            if pixel_format.is_bayer
            else ((NIR_PLANE, NIR_PLANE), (NIR_PLANE, NIR_PLANE))
        )
        mosaic = np.array(cell, np.int64)
        if np.array_equal(optics.from_nir, np.eye(3)):
            kernels.frame_into(
                out, x0, y0, mosaic, *self._light(role, time_s, exposure.exposure_us), *sensing
            )
        else:
            kernels.warped_frame_into(
                out,
                x0,
                y0,
                mosaic,
                *self._region_light(role, time_s, exposure.exposure_us),
                np.linalg.inv(optics.from_nir),
                *sensing,
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
        kernels.radiance_into(
            out, x0, y0, NIR_PLANE, *self._light("nir", time_s, exposure.exposure_us)
        )
        lamp = self._lamps["nir"][y0 : y0 + height, x0 : x0 + width]
        return out * lamp * np.float32(self._light_gain("nir", time_s, exposure))

    def _light(self, role: RoleName, time_s: float, exposure_us: float) -> tuple[Any, ...]:
        """Collect the kernels' arguments from ``scales`` to ``metal``."""
        scene = self.scene
        t = scene.clock(time_s)
        factors = np.ones(4, np.float32)
        if scene.flicker is not None and role == "nir":
            lamp = scene.flicker.factor(time_s, exposure_us * 1e-6)
            factors[NIR_PLANE] = 1.0 + scene.flicker.nir_share * (lamp - 1.0)
        frame = self._sources.at(t)
        return (
            self._tissue.scales,
            factors,
            np.array(scene.motion_px(t)),
            self._tissue.margin_px,
            self._tissue.planes,
            self._sources.table,
            self._sources.data,
            self._sources.arcs,
            frame.weights,
            frame.fills,
            frame.glints,
            frame.glint_amps,
            frame.instrument,
            frame.metal,
        )

    def _region_light(
        self, role: RoleName, time_s: float, exposure_us: float
    ) -> tuple[NDArray[np.float32], float, float]:
        left, top, right, bottom = self._regions[role]
        light = np.zeros((4, bottom - top, right - left), np.float32)
        arguments = self._light(role, time_s, exposure_us)
        for plane in range(4) if role == "nir" else range(NIR_PLANE):
            kernels.radiance_into(light[plane], left, top, plane, *arguments)
        return light, float(left), float(top)

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

    # -- truth ----------------------------------------------------------------------------

    def truth(self, index: int, time_s: float, exposure: Exposure) -> Truth:
        """Return what is there in the NIR frame exposed around ``time_s``; px of its ROI."""
        scene = self.scene
        t = scene.clock(time_s)
        motion = scene.motion_px(t)
        offset = np.array(exposure.roi[:2], np.float64)
        size = exposure.roi[2:]
        pose = self._sources.pose(t)
        site = self._sources.injection
        injected = site is not None and self._sources.injected_share(t) > 0
        centre = moved(
            np.array([[0.5 * (scene.width_px - 1), 0.5 * (scene.height_px - 1)]]), motion
        )[0] - (0.5 * (scene.width_px - 1), 0.5 * (scene.height_px - 1))
        outline, glints = None, self._sources.glint_centres(t)
        if pose is not None:
            corners = instrument_outline(scene, pose, 2.0 * (scene.width_px + scene.height_px))
            ys, xs = np.mgrid[0 : size[1] : 4, 0 : size[0] : 4]
            grid = np.stack([xs.ravel(), ys.ravel()], axis=1) + offset
            if covered(scene, pose, grid).any():
                outline = _points(np.array(corners) - offset)
                place, level = instrument_glint(scene, pose, t)
                if scene.instrument is not None and scene.instrument.glint * level > 0.05:
                    glints = np.concatenate([glints, np.array([place])])
            if len(glints):
                on_shaft = covered(scene, pose, glints)
                on_shaft[len(self._sources.glint_centres(t)) :] = False
                glints = glints[~on_shaft]
        inside = (
            ((glints >= offset - 0.5) & (glints <= offset + np.array(size) - 0.5)).all(axis=1)
            if len(glints)
            else np.zeros(0, bool)
        )
        injection_px = None
        if injected and scene.injection is not None:
            rest = np.array([[scene.injection.x_mm, scene.injection.y_mm]]) / scene.mm_per_px
            injection_px = _points(moved(rest, motion) - offset)[0]
        return Truth(
            index=index,
            time_s=time_s,
            scene_time_s=t,
            nodes=tuple(
                self._node_truth(k, t, time_s, motion, exposure) for k in range(len(scene.nodes))
            ),
            injection_px=injection_px,
            injection_radius_px=(
                0.5 * site.sprite.width_px if injected and site is not None else None
            ),
            channel_px=_points(moved(self._sources.filled_px(t), motion) - offset),
            instrument_px=outline,
            glints_px=_points(glints[inside] - offset),
            displacement_px=(float(centre[0]), float(centre[1])),
        )

    def _node_truth(
        self, k: int, t: float, time_s: float, motion: tuple[float, ...], exposure: Exposure
    ) -> NodeTruth:
        scene = self.scene
        node = scene.nodes[k]
        glow = self._sources.nodes[node.node_id]
        share = self._sources.share(node, t)
        rest = np.array([[node.x_mm, node.y_mm]]) / scene.mm_per_px
        x, y = moved(rest, motion)[0]
        points = moved(glow.half_points_px, motion)
        x0, y0, width, height = exposure.roi
        seen = (
            (points[:, 0] >= x0 - 0.5)
            & (points[:, 0] < x0 + width - 0.5)
            & (points[:, 1] >= y0 - 0.5)
            & (points[:, 1] < y0 + height - 0.5)
        )
        seen &= _in_stop(scene, points[:, 0], points[:, 1]) > 0.5
        pose = self._sources.pose(t)
        if pose is not None:
            seen &= ~covered(scene, pose, points)
        lamp = self._lamps["nir"]
        row = min(max(round(y), 0), lamp.shape[0] - 1)
        column = min(max(round(x), 0), lamp.shape[1] - 1)
        per_ms = (
            self._light_gain("nir", time_s, exposure)
            / (exposure.exposure_us * 1e-3 * exposure.gain)
            * 2.0 ** (exposure.pixel_format.bit_depth - 12)
        )
        return NodeTruth(
            node_id=node.node_id,
            x_px=float(x) - x0,
            y_px=float(y) - y0,
            width_px=glow.sprite.width_px,
            contrast=node.contrast * share,
            depth_mm=node.depth_mm,
            visible_fraction=float(np.mean(seen)),
            signal=glow.strength * share * float(lamp[row, column]) * per_ms,
            visible_in_colour=node.colour != "none" and excised_share(node, t) < 1.0,
            excised=excised_share(node, t) >= 1.0,
        )


def _points(array: NDArray[np.float64]) -> tuple[Point, ...]:
    return tuple((float(x), float(y)) for x, y in array)


def _in_stop(scene: Scene, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the field stop's transmission in [0, 1] at NIR px."""
    if not scene.field_stop:
        return np.ones(np.broadcast(x, y).shape)
    cx, cy = 0.5 * (scene.width_px - 1), 0.5 * (scene.height_px - 1)
    radius = 0.485 * max(scene.width_px, scene.height_px) + 0.06 * min(
        scene.width_px, scene.height_px
    )
    edge = max(0.004 * scene.width_px, 1.0)
    t = np.clip(0.5 + (radius - np.hypot(x - cx, y - cy)) / (2.0 * edge), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t))


def _lamp(scene: Scene, role: RoleName, optics: RoleOptics) -> NDArray[np.float32]:
    """Return (H, W): how brightly each sensor pixel sees a uniform surface, about 1 at the centre.

    A lamp beside the lens: the irradiance of a point source over a plane falls as cos**4, that
    is 1 / (1 + (r / distance)**2)**2, around a spot off the image's centre.
    """
    height, width = optics.height_px, optics.width_px
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    side = max(width, height)
    off = (0.09, -0.06) if role == "nir" else (-0.07, -0.05)
    corner2 = 0.25 * (width**2 + height**2) / side**2
    steep = ((1.0 - scene.illumination_falloff) ** -0.5 - 1.0) / max(corner2, 1e-9)
    cx, cy = 0.5 * (width - 1), 0.5 * (height - 1)
    r2 = ((x - cx) / side - off[0]) ** 2 + ((y - cy) / side - off[1]) ** 2
    lamp = (1.0 + steep * (off[0] ** 2 + off[1] ** 2)) ** 2 / (1.0 + steep * r2) ** 2
    if scene.field_stop:
        m = np.linalg.inv(optics.from_nir)
        d = m[2, 0] * x + m[2, 1] * y + m[2, 2]
        lamp *= _in_stop(
            scene,
            (m[0, 0] * x + m[0, 1] * y + m[0, 2]) / d,
            (m[1, 0] * x + m[1, 1] * y + m[1, 2]) / d,
        )
    rng = stream(scene.seed, 61, 0 if role == "nir" else 1)
    prnu = 1.0 + PRNU_RMS * rng.standard_normal((height, width), dtype=np.float32)
    return np.ascontiguousarray(lamp * prnu, dtype=np.float32)


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
