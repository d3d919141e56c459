"""Organs, their outlines and their vessels: where tissue begins, ends, bulges and bleeds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hardware.phantom import still_kernels
from hardware.phantom.fields import lobules, stream, textured_field


@dataclass(frozen=True, slots=True)
class Organ:
    """One kind of tissue: how it looks in both images, and where it lies.

    ``colour`` is linear display-referred RGB in [0, 1]; ``nir`` its background relative to the
    scene's; ``centre``, ``axes`` of its outline as shares of the frame's shorter side, from the
    frame's centre; ``dome`` how far the bulge at its rim reaches in, same unit; ``lumps`` the
    relief of lobules; ``vessels`` how many trees of them; ``wet`` the strength of highlights.
    """

    name: str
    colour: tuple[float, float, float]
    nir: float
    centre: tuple[float, float]
    axes: tuple[float, float]
    angle_deg: float
    dome: float
    lumps: float = 0.0
    vessels: int = 0
    vessel_width_mm: float = 0.5
    wet: float = 1.0
    warp: float = 0.05


EVERYWHERE = 20.0

MUSCLE = Organ(
    "peritoneum",
    (0.30, 0.145, 0.15),
    0.62,
    (0.0, 0.0),
    (EVERYWHERE, EVERYWHERE),
    0.0,
    0.4,
    vessels=4,
    wet=0.24,
)
ORGANS = (
    MUSCLE,
    Organ(
        "far fat",
        (0.66, 0.39, 0.14),
        0.9,
        (0.30, -0.44),
        (0.52, 0.17),
        14.0,
        0.12,
        lumps=0.55,
        vessels=3,
        wet=0.45,
        warp=0.07,
    ),
    Organ(
        "fat",
        (1.02, 0.68, 0.27),
        1.25,
        (0.34, 0.66),
        (1.15, 0.52),
        -16.0,
        0.2,
        lumps=1.0,
        vessels=9,
        vessel_width_mm=0.55,
        wet=0.42,
        warp=0.06,
    ),
    Organ(
        "liver",
        (0.54, 0.185, 0.15),
        0.85,
        (-0.42, -0.02),
        (0.66, 0.40),
        -24.0,
        0.3,
        vessels=0,
        wet=0.26,
        warp=0.03,
    ),
    Organ(
        "gall bladder",
        (0.84, 0.60, 0.55),
        1.05,
        (-0.02, 0.30),
        (0.21, 0.135),
        -34.0,
        0.13,
        vessels=6,
        vessel_width_mm=0.45,
        wet=1.6,
        warp=0.012,
    ),
)
"""From the bottom up: each covers those before it."""

ONE_TISSUE = (
    Organ(
        "one tissue",
        (0.72, 0.33, 0.26),
        1.0,
        (0.0, 0.0),
        (EVERYWHERE, EVERYWHERE),
        0.0,
        0.4,
        vessels=8,
        wet=0.4,
    ),
)


@dataclass(frozen=True, slots=True, eq=False)
class Relief:
    """Outlines and slopes of all organs on the coarse grid, float32, (organs, H, W).

    ``outside_px`` is the distance [canvas px] to the outline, negative inside; ``slope_x``,
    ``slope_y`` the surface's rise a pixel towards the viewer; ``furrow`` in [0, 1] between lumps.
    """

    outside_px: NDArray[np.float32]
    slope_x: NDArray[np.float32]
    slope_y: NDArray[np.float32]
    furrow: NDArray[np.float32]


def shaped_relief(
    organs: tuple[Organ, ...],
    seed: int,
    shape: tuple[int, int],
    pitch_px: int,
    frame: tuple[float, float, float],
    mm_per_px: float,
    turn_deg: float,
) -> Relief:
    """Lay out ``organs`` on a coarse grid of ``shape``, ``pitch_px`` canvas px a step.

    ``frame`` is (centre x, centre y, shorter side) of the image in canvas px; the layout is turned
    clockwise about that centre by ``turn_deg``.
    """
    count = len(organs)
    outside = np.empty((count, *shape), np.float32)
    slope_x = np.empty_like(outside)
    slope_y = np.empty_like(outside)
    furrow = np.zeros_like(outside)
    cx, cy, side = frame
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]] * float(pitch_px)
    way = math.radians(turn_deg)
    across, down = (x - cx) / side, (y - cy) / side
    across, down = (
        across * math.cos(way) + down * math.sin(way),
        down * math.cos(way) - across * math.sin(way),
    )
    for k, organ in enumerate(organs):
        rng = stream(seed, 20, k)
        if organ.axes[0] >= EVERYWHERE:
            outside[k] = -1e6
            height = (
                0.02
                * side
                * textured_field(rng, shape, pitch_px, (0.12 * side, 0.5 * side), domain=2.5)
            )
        else:
            shift = rng.normal(0.0, 0.025, 2)
            turn = math.radians(organ.angle_deg + rng.normal(0.0, 4.0))
            dx = across - organ.centre[0] - shift[0]
            dy = down - organ.centre[1] - shift[1]
            u = dx * math.cos(turn) + dy * math.sin(turn)
            v = dy * math.cos(turn) - dx * math.sin(turn)
            a, b = organ.axes
            # First-order distance to an ellipse: value over gradient of its implicit form.
            q = np.hypot(u / a, v / b)
            gradient = np.hypot(u / a**2, v / b**2) / np.maximum(q, 1e-6)
            distance = (q - 1.0) / np.maximum(gradient, 1e-6) * side
            warp = textured_field(rng, shape, pitch_px, (0.11 * side, 0.5 * side), domain=2.5)
            outside[k] = distance + organ.warp * side * warp
            depth = np.clip(-outside[k] / (organ.dome * side), 0.0, 1.0)
            height = 0.5 * organ.dome * side * np.sqrt(1.0 - (1.0 - depth) ** 2 + 1e-3)
            height = height + 0.006 * side * textured_field(
                rng, shape, pitch_px, (0.06 * side, 0.3 * side), domain=2.5
            )
        if organ.lumps > 0:
            for size_mm, rise in ((12.0, 0.13), (5.0, 0.05)):
                size = size_mm / (mm_per_px * pitch_px)
                wander = textured_field(rng, shape, 1.0, (0.4 * size, 1.2 * size), domain=2.5)
                lump = lobules(rng, shape, size, np.float32(0.22 * size) * wander)
                height = height + organ.lumps * rise * size * pitch_px * lump
                furrow[k] = np.maximum(furrow[k], (1.0 - lump) ** 2)
        slope_y[k], slope_x[k] = np.gradient(height, float(pitch_px))
    return Relief(outside, np.clip(slope_x, -3, 3), np.clip(slope_y, -3, 3), furrow)


def grown_vessels(
    organs: tuple[Organ, ...],
    relief: Relief,
    seed: int,
    shape: tuple[int, int],
    pitch_px: int,
    mm_per_px: float,
) -> NDArray[np.float32]:
    """Return the optical density of blood vessels, (H, W) float32 on the full canvas, about [0, 1].

    Each tree is a branching random walk that keeps its direction and stays in its own organ.
    """
    density = np.zeros(shape, np.float32)
    scale = min(1.0, min(shape) * mm_per_px / 100.0)  # organs are as large as the field, too
    top = np.full(relief.outside_px.shape[1:], 0)
    for k in range(1, len(organs)):
        top[relief.outside_px[k] < 0] = k
    for k, organ in enumerate(organs):
        rng = stream(seed, 30, k)
        places = np.argwhere(top == k)
        if not len(places):
            continue
        for _ in range(organ.vessels):
            row, column = places[rng.integers(len(places))] * pitch_px
            width = scale * organ.vessel_width_mm / mm_per_px * rng.uniform(0.6, 1.3)
            walks = [(float(column), float(row), rng.uniform(0, 2 * math.pi), width, 0)]
            while walks:
                px, py, heading, wide, order = walks.pop()
                steps = int(rng.uniform(60, 160))
                stride = max(0.5 * wide, 1.0)
                bends = np.cumsum(
                    rng.normal(0.0, 0.10, steps)
                    + 0.03 * np.sin(np.arange(steps) * rng.uniform(0.05, 0.3))
                )
                angle = heading + bends - np.linspace(0, bends[-1] * 0.5, steps)
                qx = px + np.cumsum(np.cos(angle)) * stride
                qy = py + np.cumsum(np.sin(angle)) * stride
                inside = _on_organ(top, k, qx, qy, pitch_px)
                taper = wide * np.linspace(1.0, 0.6, steps)
                strength = 0.9 if order == 0 else 0.75
                still_kernels.draw_vessel_into(
                    density, qx[inside], qy[inside], taper[inside], strength
                )
                if order < 4 and wide > 0.9:
                    for at in np.flatnonzero(rng.uniform(size=steps) < 0.035):
                        if inside[at]:
                            turn = rng.choice((-1, 1)) * rng.uniform(0.4, 1.1)
                            walks.append(
                                (qx[at], qy[at], angle[at] + turn, taper[at] * 0.62, order + 1)
                            )
    return density


def _on_organ(
    top: NDArray[np.int64], organ: int, x: NDArray[np.float64], y: NDArray[np.float64], pitch: int
) -> NDArray[np.bool_]:
    """Return which leading points of a walk are still on ``organ``: it ends at the first off it."""
    row = np.round(y / pitch).astype(int)
    column = np.round(x / pitch).astype(int)
    held = (row >= 0) & (row < top.shape[0]) & (column >= 0) & (column < top.shape[1])
    on = np.zeros(x.size, bool)
    on[held] = top[row[held], column[held]] == organ
    return np.logical_and.accumulate(on)
