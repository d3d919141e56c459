"""`Scene`: everything the phantom shows, in millimetres and seconds; frozen, so grids are cheap.

Positions are (x_mm, y_mm) of tissue at rest, from the centre of the NIR image's top-left pixel;
``x_px = x_mm / mm_per_px``. Times are seconds of the scene's own clock.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Literal

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Uptake:
    """Tracer in a node over time: 0 before ``arrival_s``, then ``1 - exp(-(t - arrival) / rise)``.

    With ``washout_s`` that is multiplied by ``exp(-(t - arrival) / washout)``.
    """

    arrival_s: float
    rise_s: float
    washout_s: float | None = None

    def at(self, time_s: float) -> float:
        """Return the share in [0, 1] of full uptake at ``time_s``."""
        since = time_s - self.arrival_s
        if since <= 0:
            return 0.0
        share = 1.0 - math.exp(-since / self.rise_s) if self.rise_s > 0 else 1.0
        return share if self.washout_s is None else share * math.exp(-since / self.washout_s)


@dataclass(frozen=True, slots=True)
class Node:
    """A lymph node: an ellipsoid that glows ``depth_mm`` under the surface.

    Attributes
    ----------
    node_id
        Any name, unique in its scene.
    diameter_mm, aspect, angle_deg
        Longer axis; shorter / longer axis; direction of the longer one, clockwise from +x.
    depth_mm
        Of tissue above it: sets how wide its light is when it reaches the surface.
    contrast
        Peak added signal / local background *as seen*, at full uptake. For a node that is known
        by what it would show laid open, see `hardware.phantom.optics.seen_contrast`.
    uptake
        None: full from the beginning.
    colour
        How white light sees it: not at all, as a blue-dye stain, or as a fatty yellow bulge.
    excised_at_s
        When it is taken out; a dark bed stays. None: never.
    """

    node_id: int
    x_mm: float
    y_mm: float
    diameter_mm: float = 6.0
    depth_mm: float = 3.0
    contrast: float = 1.0
    aspect: float = 1.0
    angle_deg: float = 0.0
    uptake: Uptake | None = None
    colour: Literal["none", "blue", "fat"] = "none"
    excised_at_s: float | None = None


@dataclass(frozen=True, slots=True)
class Injection:
    """Where the tracer went in: far beyond saturation, with a halo of scattered light.

    ``contrast`` is its peak added signal / local background; ``stain`` in [0, 1] is how strongly
    dye colours the spot in white light; ``at_s`` None: there from the beginning.
    """

    x_mm: float
    y_mm: float
    diameter_mm: float = 4.0
    depth_mm: float = 1.5
    contrast: float = 60.0
    stain: float = 0.5
    at_s: float | None = None


@dataclass(frozen=True, slots=True)
class Channel:
    """A lymphatic vessel along ``points_mm`` (joined by a smooth curve), filling from the first.

    The front starts at ``start_s`` and runs at ``speed_mm_per_s``; ``start_s`` None: filled.
    """

    points_mm: tuple[Point, ...]
    diameter_mm: float = 1.0
    depth_mm: float = 1.5
    contrast: float = 0.8
    start_s: float | None = None
    speed_mm_per_s: float = 4.0


@dataclass(frozen=True, slots=True)
class InstrumentPose:
    """Where the instrument's tip is at ``time_s``; ``angle_deg`` from tip to handle, from +x."""

    time_s: float
    tip_x_mm: float
    tip_y_mm: float
    angle_deg: float


@dataclass(frozen=True, slots=True)
class Instrument:
    """A rigid metal shaft. Dark in NIR but for a specular glint; moves between ``poses``.

    Poses are joined smoothly; before the first and after the last it rests there. ``glint`` is
    its peak specular signal in NIR relative to the background level; 0: none.
    """

    poses: tuple[InstrumentPose, ...]
    diameter_mm: float = 8.0
    glint: float = 6.0

    def at(self, time_s: float) -> InstrumentPose:
        """Return the pose at ``time_s``, eased (smoothstep) between the given ones."""
        poses = self.poses
        if time_s <= poses[0].time_s:
            return poses[0]
        for a, b in itertools.pairwise(poses):
            if time_s < b.time_s:
                s = (time_s - a.time_s) / (b.time_s - a.time_s)
                s = s * s * (3.0 - 2.0 * s)
                return InstrumentPose(
                    time_s,
                    a.tip_x_mm + s * (b.tip_x_mm - a.tip_x_mm),
                    a.tip_y_mm + s * (b.tip_y_mm - a.tip_y_mm),
                    a.angle_deg + s * (b.angle_deg - a.angle_deg),
                )
        return poses[-1]


@dataclass(frozen=True, slots=True)
class Breathing:
    """Tissue moves by ``amplitude_mm`` (peak to peak) and back ``frequency_hz`` times a second.

    ``direction_deg`` from +x (90: down). Motion is not rigid: it changes linearly by
    ``gradient`` (relative) from the top of the image to its bottom.
    """

    amplitude_mm: float = 2.0
    frequency_hz: float = 0.25
    direction_deg: float = 80.0
    gradient: float = 0.3

    def at(self, time_s: float) -> float:
        """Return the displacement [mm] at ``time_s``: a long rest, a shorter breath."""
        phase = 0.5 - 0.5 * math.cos(2.0 * math.pi * self.frequency_hz * time_s)
        return float(self.amplitude_mm * phase**1.5)


@dataclass(frozen=True, slots=True)
class Drift:
    """Tissue wanders slowly, never further than ``amplitude_mm`` either way."""

    amplitude_mm: float = 0.8
    period_s: float = 40.0

    def at(self, time_s: float) -> Point:
        """Return the displacement (x, y) [mm] at ``time_s``; (0, 0) at time 0."""
        phase = 2.0 * math.pi * time_s / self.period_s
        return (
            self.amplitude_mm * math.sin(phase),
            0.5 * self.amplitude_mm * math.sin(2.0 * phase),
        )


@dataclass(frozen=True, slots=True)
class Flicker:
    """A mains lamp: light ``1 + depth * sin(2 pi lamp_hz t)``, averaged over each exposure.

    ``nir_share`` is how much of the NIR background is that lamp's light.
    """

    lamp_hz: float = 100.0
    depth: float = 0.2
    nir_share: float = 0.15

    def factor(self, mid_exposure_s: float, exposure_s: float) -> float:
        """Return the lamp's mean over one exposure, relative to its long-run mean."""
        half = math.pi * self.lamp_hz * exposure_s
        damping = math.sin(half) / half if half > 0 else 1.0
        phase = 2.0 * math.pi * self.lamp_hz * mid_exposure_s
        return 1.0 + self.depth * damping * math.sin(phase)


@dataclass(frozen=True, slots=True)
class LightStep:
    """Light changes for good at ``at_s``: factors on NIR excitation and on white light."""

    at_s: float
    nir_factor: float = 1.0
    white_factor: float = 1.0


@dataclass(frozen=True, slots=True)
class Scene:
    """One field of view and all that happens in it. Millimetres, seconds.

    Attributes
    ----------
    width_px, height_px, mm_per_px
        The full NIR image.
    seed
        Of texture, anatomy, sensor defects and noise.
    background_counts_per_ms
        NIR background at the field's centre [counts/(ms*gain)] of the NIR format: tissue
        autofluorescence and light that leaks through the filter.
    texture_rms
        Standard deviation of the log NIR background between the two ``texture_mm`` scales
        (sizes of features: half a wavelength), 1/f**2 power in between.
    colour_shared
        Share of that variance that white light sees too (as reflectance).
    fine_rms
        Finer texture than that, seen in both.
    illumination_falloff
        How much dimmer than the centre the corners are; each role has its own lamp.
    border
        Several organs with edges and steps in both images; False: one tissue everywhere.
    relief
        How strongly tissue bulges; its shading is in both images, each by its own lamp. 0: flat.
    turn_deg
        The organs' layout, turned clockwise about the field's centre.
    vessels, speculars
        Blood vessels (weak in NIR); wet highlights in white light, which leak into NIR a little.
    field_stop
        A round field as an endoscope has: dark outside.
    glints
        How many small, sharp, unsteady reflections, in both images.
    tissue
        False: a flat uniform target, for calibration.
    light
        False: no light at all, dark frames.
    duration_s
        The scene begins again after so long; None: it goes on.
    """

    width_px: int
    height_px: int
    mm_per_px: float = 0.1
    seed: int = 1
    nodes: tuple[Node, ...] = ()
    injection: Injection | None = None
    channel: Channel | None = None
    instrument: Instrument | None = None
    breathing: Breathing | None = None
    drift: Drift | None = None
    flicker: Flicker | None = None
    light_step: LightStep | None = None
    glints: int = 0
    background_counts_per_ms: float = 40.0
    texture_rms: float = 0.16
    texture_mm: tuple[float, float] = (3.0, 15.0)
    colour_shared: float = 0.5
    fine_rms: float = 0.04
    illumination_falloff: float = 0.45
    border: bool = True
    turn_deg: float = 0.0
    relief: float = 1.0
    vessels: bool = True
    speculars: bool = True
    field_stop: bool = False
    tissue: bool = True
    light: bool = True
    duration_s: float | None = None

    def __post_init__(self) -> None:
        if self.width_px < 1 or self.height_px < 1:
            raise ValueError("a scene needs at least one pixel")
        if not self.mm_per_px > 0:
            raise ValueError("mm_per_px must be positive")
        if not 0.0 <= self.colour_shared <= 1.0:
            raise ValueError("colour_shared must lie in [0, 1]")
        if not 0.0 < self.texture_mm[0] < self.texture_mm[1]:
            raise ValueError("texture_mm must be two growing sizes above 0")
        if not 0.0 <= self.illumination_falloff < 1.0:
            raise ValueError("illumination_falloff must lie in [0, 1)")
        if self.duration_s is not None and not self.duration_s > 0:
            raise ValueError("duration_s must be positive")
        ids = [node.node_id for node in self.nodes]
        if len(set(ids)) != len(ids):
            raise ValueError("two nodes share a node_id")
        if self.channel is not None and len(self.channel.points_mm) < 2:
            raise ValueError("a channel needs at least two points")
        if self.instrument is not None:
            times = [pose.time_s for pose in self.instrument.poses]
            if not times or any(b <= a for a, b in itertools.pairwise(times)):
                raise ValueError("an instrument needs poses in growing order of time")

    def clock(self, time_s: float) -> float:
        """Return the scene's own time: ``time_s``, begun again every ``duration_s``."""
        return time_s if self.duration_s is None else time_s % self.duration_s

    def motion_px(self, time_s: float) -> tuple[float, float, float, float]:
        """Return (x0, x1, y0, y1): image row ``y`` is displaced by (x0 + x1 y, y0 + y1 y) px."""
        x0 = y0 = x1 = y1 = 0.0
        if self.drift is not None:
            dx, dy = self.drift.at(time_s)
            x0, y0 = dx / self.mm_per_px, dy / self.mm_per_px
        if self.breathing is not None:
            moved = self.breathing.at(time_s) / self.mm_per_px
            along = math.radians(self.breathing.direction_deg)
            bx, by = moved * math.cos(along), moved * math.sin(along)
            slope = self.breathing.gradient / max(self.height_px - 1, 1)
            first = 1.0 - 0.5 * self.breathing.gradient
            x0, x1 = x0 + bx * first, bx * slope
            y0, y1 = y0 + by * first, by * slope
        return x0, x1, y0, y1

    def largest_motion_px(self) -> float:
        """Return a bound for the displacement of any point at any time."""
        reach_mm = 0.0
        if self.drift is not None:
            reach_mm += self.drift.amplitude_mm
        if self.breathing is not None:
            steepest = 1.0 + 0.5 * abs(self.breathing.gradient)
            reach_mm += self.breathing.amplitude_mm * steepest
        return reach_mm / self.mm_per_px
