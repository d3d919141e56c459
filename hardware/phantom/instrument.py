"""The instrument's outline, metal and glint: one shape for what is drawn and what is true."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hardware.phantom.scene import Instrument, Point
from hardware.phantom.tissue import NIR_PLANE

TAPER = 1.6
"""Length of the jaws, in diameters of the shaft."""
BLUNT = 0.35
"""Width of their tip, likewise."""
SHINE_AT = -0.35
"""Where across the shaft (-1 to 1) the lamp is mirrored."""


@dataclass(frozen=True, slots=True, eq=False)
class PlacedInstrument:
    """An instrument at one moment, in NIR px of the full image.

    ``axis`` points from ``tip`` to the handle; ``glint_along_px`` from the tip; ``glint_level``
    in [0, 1] is unsteady.
    """

    half_px: float
    tip: NDArray[np.float64]
    axis: NDArray[np.float64]
    glint_along_px: float
    glint_level: float

    @property
    def taper_px(self) -> float:
        """Length of the jaws."""
        return 2.0 * self.half_px * TAPER

    def outline(self, length_px: float) -> tuple[Point, ...]:
        """Return the corners, from one side of the tip round to the other."""
        normal = np.array([-self.axis[1], self.axis[0]])
        corners = [(0.0, BLUNT), (self.taper_px, 1.0), (length_px, 1.0)]
        sides = [(u, -w) for u, w in corners] + [(u, w) for u, w in reversed(corners)]
        points = [self.tip + u * self.axis + w * self.half_px * normal for u, w in sides]
        return tuple((float(x), float(y)) for x, y in points)

    def covers(self, points: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which points (N, 2) lie under it."""
        d = points - self.tip
        along = d @ self.axis
        across = np.abs(d[:, 1] * self.axis[0] - d[:, 0] * self.axis[1])
        wide = BLUNT + (1.0 - BLUNT) * np.clip(along / self.taper_px, 0.0, 1.0)
        return np.asarray((along >= 0.0) & (across <= self.half_px * wide))

    @property
    def glint_px(self) -> Point:
        """Centre of its highlight."""
        along, across = self.glint_along_px, SHINE_AT * self.half_px
        return (
            float(self.tip[0] + along * self.axis[0] - across * self.axis[1]),
            float(self.tip[1] + along * self.axis[1] + across * self.axis[0]),
        )

    def packed(self) -> NDArray[np.float64]:
        """Return what `kernels._lay_instrument` reads."""
        half = self.half_px
        shadow = (0.55 * half, 0.75 * half, 0.8 * half, 0.5)
        glint = (self.glint_along_px, half * (0.2 + 0.8 * self.glint_level))
        shape = (half, self.taper_px, BLUNT)
        return np.array([1.0, *self.tip, *self.axis, *shape, *shadow, *glint])


def placed(instrument: Instrument, time_s: float, mm_per_px: float) -> PlacedInstrument:
    """Return ``instrument`` where it is at a moment of the scene's own time."""
    pose = instrument.at(time_s)
    turn = math.radians(pose.angle_deg)
    half = 0.5 * instrument.diameter_mm / mm_per_px
    level = 0.55 + 0.3 * math.sin(7.3 * time_s) + 0.15 * math.sin(17.9 * time_s + 1.0)
    return PlacedInstrument(
        half_px=half,
        tip=np.array([pose.tip_x_mm, pose.tip_y_mm]) / mm_per_px,
        axis=np.array([math.cos(turn), math.sin(turn)]),
        glint_along_px=half * (4.4 + 0.8 * math.sin(2.1 * time_s)),
        glint_level=max(level, 0.0),
    )


def metal(instrument: Instrument | None) -> NDArray[np.float32]:
    """Return (4, 2, 96): brightness across a polished cylinder, diffuse and specular, a plane."""
    planes = np.zeros((4, 2, 96), np.float32)
    if instrument is None:
        return planes
    t = np.linspace(-1.0, 1.0, planes.shape[2])
    body = (
        0.15
        + 0.62 * np.exp(-(((t - SHINE_AT) / 0.30) ** 2))
        + 0.20 * np.exp(-(((t - 0.70) / 0.14) ** 2))
    ) * np.sqrt(np.clip(1.0 - 0.85 * t**8, 0.0, None))
    stripe = np.exp(-(((t - SHINE_AT) / 0.11) ** 2))
    for c, tint in enumerate((0.96, 1.0, 1.05)):
        planes[c] = tint * body, 1.3 * stripe
    planes[NIR_PLANE] = 0.22 * body, instrument.glint * stripe
    return planes
