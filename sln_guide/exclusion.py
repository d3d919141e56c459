"""Regions drawn by hand: they follow the tissue. One lies round the injection site, and is no node.

What lies in that one is called neither bright nor dark, gets no number, and drives neither the
display's scale nor the exposure. Pure functions; positions in NIR px, (x, y).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hardware.frame import Frame
from sln_guide.core.opencv import cv2
from sln_guide.core.spot import Analysis
from sln_guide.guidance import CannotJudge, Kind

Points = tuple[tuple[float, float], ...]

FLAG = "excluded by hand"
SCALE_PERCENTILE = 99.8
"""Of the signal outside the region: what an automatic scale follows while one is drawn."""


@dataclass(frozen=True, slots=True)
class Region:
    """A polygon as it was drawn, and how far tissue has moved since."""

    drawn: Points
    moved_px: tuple[float, float] = (0.0, 0.0)

    @property
    def points(self) -> Points:
        """Where it lies now."""
        dx, dy = self.moved_px
        return tuple((x + dx, y + dy) for x, y in self.drawn)


def followed(before: Region | None, drawn: Points, motion_px: tuple[float, float]) -> Region | None:
    """Return where the region that the operator drew lies now, tissue having moved by so much.

    A new drawing counts from the frame at hand; None without one.
    """
    if not drawn:
        return None
    if before is None or before.drawn != drawn:
        return Region(drawn)
    x, y = before.moved_px
    return Region(drawn, (x + motion_px[0], y + motion_px[1]))


def all_followed(
    before: tuple[Region, ...], drawn: tuple[Points, ...], motion_px: tuple[float, float]
) -> tuple[Region, ...]:
    """Return where regions lie now, in the order in which they are drawn; see `followed`."""
    known = {region.drawn: region for region in before}
    found = (followed(known.get(points), points, motion_px) for points in drawn)
    return tuple(region for region in found if region is not None)


def excluded(analysis: Analysis, region: Region | None) -> Analysis:
    """Return the analysis without what lies in the region; the very same without a region."""
    if region is None:
        return analysis
    polygon = np.array(region.points, dtype=np.float32)
    spots = tuple(
        replace(spot, kind=Kind.INJECTION, flags=(*spot.flags, FLAG))
        if cv2.pointPolygonTest(polygon, (float(spot.x_px), float(spot.y_px)), False) >= 0
        else spot
        for spot in analysis.spots
    )
    inside = blocks_inside(region.points, analysis.grid_px, analysis.signal.shape)
    judge = analysis.cannot_judge | (inside * np.uint8(CannotJudge.NEAR_INJECTION))
    judge.setflags(write=False)
    outside = analysis.signal[~inside & (analysis.cannot_judge == 0)]
    scale = analysis.scene_full_scale
    if outside.size:
        # never above what the core found for the whole scene, and never nothing
        scale = min(max(float(np.percentile(outside, SCALE_PERCENTILE)), 0.02 * scale), scale)
    return replace(analysis, spots=spots, cannot_judge=judge, scene_full_scale=scale)


def blocks_inside(points: Points, grid_px: int, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return which blocks of the grid have their centre in the polygon, (rows, cols) bool."""
    # a block's centre lies at ((c + 0.5) * grid_px - 0.5) NIR px
    centres = (np.array(points, dtype=np.float64) + 0.5) / grid_px - 0.5
    fixed = np.rint(np.clip(centres, -1e5, 1e5) * 256.0).astype(np.int32)
    filled = np.zeros((shape[0], shape[1]), dtype=np.uint8)
    cv2.fillPoly(filled, [fixed], 1, shift=8)
    return filled.astype(np.bool_)


def blinded(analysis: Analysis, nir: Frame) -> Analysis:
    """Return the analysis without what room light hides; the very same where it hides nothing.

    See `RoomLight.blinded`: what was put there is no measurement.
    """
    hidden = None if nir.room_light is None else nir.room_light.blinded
    if hidden is None:
        return analysis
    grid_px = analysis.grid_px
    starts = tuple(np.arange(0, edge, grid_px) for edge in hidden.shape)
    blocks = np.logical_or.reduceat(np.logical_or.reduceat(hidden, starts[0], 0), starts[1], 1)
    nothing = np.float32(0.0)
    signal = np.where(blocks, nothing, analysis.signal)
    significance = np.where(blocks, nothing, analysis.significance)
    limits = np.where(blocks, np.float32(np.inf), analysis.limit_contrast)
    judge = analysis.cannot_judge | (blocks * np.uint8(CannotJudge.SATURATED))
    for each in (signal, significance, limits, judge):
        each.setflags(write=False)
    spots = tuple(
        spot
        for spot in analysis.spots
        if not blocks[int((spot.y_px + 0.5) // grid_px), int((spot.x_px + 0.5) // grid_px)]
    )
    return replace(
        analysis,
        spots=spots,
        signal=signal,
        significance=significance,
        limit_contrast=limits,
        cannot_judge=judge,
    )
