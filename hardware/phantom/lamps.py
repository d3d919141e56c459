"""What the optics let through: lamps beside the lens, the field stop, pixels that differ."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hardware.phantom.fields import stream
from hardware.phantom.scene import Scene

PRNU_RMS = 0.006
"""Pixels differ in sensitivity by so much (rms)."""


def field_stop(scene: Scene, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
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


def lamp_of(
    scene: Scene, role: str, width: int, height: int, from_nir: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return (H, W): how brightly each sensor pixel sees a uniform surface, about 1 at the centre.

    A lamp beside the lens: the irradiance of a point source over a plane falls as cos**4, that
    is 1 / (1 + (r / distance)**2)**2, around a spot off the image's centre.
    """
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    side = max(width, height)
    off = (0.09, -0.06) if role == "nir" else (-0.07, -0.05)
    corner2 = 0.25 * (width**2 + height**2) / side**2
    steep = ((1.0 - scene.illumination_falloff) ** -0.5 - 1.0) / max(corner2, 1e-9)
    cx, cy = 0.5 * (width - 1), 0.5 * (height - 1)
    r2 = ((x - cx) / side - off[0]) ** 2 + ((y - cy) / side - off[1]) ** 2
    lamp = (1.0 + steep * (off[0] ** 2 + off[1] ** 2)) ** 2 / (1.0 + steep * r2) ** 2
    if scene.field_stop:
        m = np.linalg.inv(from_nir)
        d = m[2, 0] * x + m[2, 1] * y + m[2, 2]
        lamp *= field_stop(
            scene,
            (m[0, 0] * x + m[0, 1] * y + m[0, 2]) / d,
            (m[1, 0] * x + m[1, 1] * y + m[1, 2]) / d,
        )
    rng = stream(scene.seed, 61, 0 if role == "nir" else 1)
    prnu = 1.0 + PRNU_RMS * rng.standard_normal((height, width), dtype=np.float32)
    return np.ascontiguousarray(lamp * prnu, dtype=np.float32)
