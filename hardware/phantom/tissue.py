"""The tissue at rest, drawn once: four planes larger than the image, so that it can move."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hardware.phantom import still_kernels
from hardware.phantom.anatomy import ONE_TISSUE, ORGANS, grown_vessels, shaped_relief
from hardware.phantom.fields import stream, textured_field
from hardware.phantom.optics import Canvas
from hardware.phantom.scene import Scene

NIR_PLANE = 3
WHITE_FULL = 2.0
"""Brightest white-light reflectance a plane can hold, display white being 1."""
NIR_FULL = 8.0
"""Brightest NIR background a plane can hold, the scene's own level being 1."""

COLOUR_OWN_RMS = 0.10
"""Colour changes (yellow to blue) at node scale that NIR does not see, log units rms."""
VESSELS_IN_NIR = 0.12
"""Optical density of a blood vessel in NIR where it is 1 in white light."""
FINE_BUMPS = 0.16
"""Relief of the finest texture, its slopes in px a px."""
SPECULAR_LEAK = 0.12
"""Of a wet highlight through the NIR filter, relative to the background level."""


@dataclass(frozen=True, slots=True, eq=False)
class Tissue:
    """Reflectance and autofluorescence at rest.

    ``planes`` (4, H, W) uint16: red, green, blue, NIR; times ``scales`` (4,) gives reflectance
    (display white 1) and NIR background (scene level 1). NIR px 0, 0 is ``margin_px`` in from
    the canvas's corner.
    """

    planes: NDArray[np.uint16]
    scales: NDArray[np.float32]
    margin_px: int

    @property
    def canvas(self) -> Canvas:
        """What NIR px there is tissue for."""
        height, width = self.planes.shape[1:]
        m = self.margin_px
        return Canvas(-m, -m, width - m - 1, height - m - 1)

    def nir_mean(self, rows: NDArray[np.float64], columns: NDArray[np.float64]) -> float:
        """Return the mean NIR background (scene level 1) over points given in NIR px."""
        height, width = self.planes.shape[1:]
        r = np.clip(np.round(rows).astype(int) + self.margin_px, 0, height - 1)
        c = np.clip(np.round(columns).astype(int) + self.margin_px, 0, width - 1)
        return float(np.mean(self.planes[NIR_PLANE, r, c])) * float(self.scales[NIR_PLANE])


def grown_tissue(scene: Scene, margin_px: int) -> Tissue:
    """Draw the scene's tissue with ``margin_px`` more on every side than the NIR image."""
    height = scene.height_px + 2 * margin_px
    width = scene.width_px + 2 * margin_px
    scales = np.array([WHITE_FULL] * 3 + [NIR_FULL], np.float32) / np.float32(65535.0)
    planes = np.empty((4, height, width), np.uint16)
    if not scene.tissue:
        planes[:3] = round(0.5 / float(scales[0]))
        planes[NIR_PLANE] = round(1.0 / float(scales[NIR_PLANE]))
        return Tissue(planes, scales, margin_px)
    mm = scene.mm_per_px
    pitch = int(np.clip(scene.texture_mm[0] / (8.0 * mm), 1, 4))
    shape = (height // pitch + 3, width // pitch + 3)
    organs = ORGANS if scene.border else ONE_TISSUE
    side = float(min(scene.width_px, scene.height_px))
    frame = (
        margin_px + 0.5 * (scene.width_px - 1),
        margin_px + 0.5 * (scene.height_px - 1),
        side,
    )
    relief = shaped_relief(organs, scene.seed, shape, pitch, frame, mm, scene.turn_deg)
    # One tissue without organs to bulge lies flatter.
    steepness = np.float32(scene.relief * (1.0 if scene.border else 0.5))
    relief.slope_x[:] *= steepness
    relief.slope_y[:] *= steepness
    if scene.vessels:
        vessels = grown_vessels(organs, relief, scene.seed, (height, width), pitch, mm)
    else:
        vessels = np.zeros((height, width), np.float32)
    shared, hidden, own = (
        textured_field(stream(scene.seed, 10, k), shape, pitch * mm, scene.texture_mm)
        for k in range(3)
    )
    grain_px = max(3.0, 0.25 / mm)
    fine = np.stack(
        [
            textured_field(stream(scene.seed, 11, k), (512, 512), 1.0, sizes)
            for k, sizes in enumerate(
                ((grain_px, 4 * grain_px), (1.2, 4.0), (1.5 * grain_px, 6 * grain_px))
            )
        ]
    )
    looks = np.array(
        [[*o.colour, o.nir, o.lumps, o.wet, max(0.018 * side, 2.0)] for o in organs], np.float64
    )
    share = scene.colour_shared
    strengths = np.array(
        [
            scene.texture_rms * math.sqrt(share),
            scene.texture_rms * math.sqrt(1.0 - share),
            COLOUR_OWN_RMS,
            scene.fine_rms,
            VESSELS_IN_NIR,
            FINE_BUMPS * scene.relief,
            1.0 if scene.speculars else 0.0,
            SPECULAR_LEAK,
        ]
    )
    lamps = np.array([[-0.30, -0.38, 0.875], [0.22, -0.16, 0.962]])
    still_kernels.compose_tissue_into(
        planes,
        pitch,
        relief.outside_px,
        relief.slope_x,
        relief.slope_y,
        relief.furrow,
        looks,
        shared,
        hidden,
        own,
        fine,
        vessels,
        strengths,
        max(0.35 / mm, 1.5),
        lamps,
        (1.0 / scales).astype(np.float64),
    )
    return Tissue(planes, scales, margin_px)
