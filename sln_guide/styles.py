"""Styles: what the overlay's colour stands for, and the NIR picture as a map of measured light."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sln_guide.core.colour import colour_table, full_scale
from sln_guide.core.opencv import cv2
from sln_guide.guidance import (
    UNCALIBRATED,
    CannotJudge,
    Guidance,
    NirStyle,
    OverlayStyle,
    Settings,
    View,
)

SIGNIFICANCE_FULL = 15.0
"""Significance drawn in the brightest colour [sigma]: fixed, so that the slider moves no colour."""
SIGNAL_UNIT = "counts/(ms·gain)"
UNCALIBRATED_UNIT = "signal, not calibrated"
SIGNIFICANCE_UNIT = "significance σ"
UNKNOWN = 0xFF38414A
"""Where the map knows nothing: a grey that is none of its colours."""
_NO_LIGHT_OF_TISSUE = (
    CannotJudge.TOO_DARK | CannotJudge.INSTRUMENT | CannotJudge.GLINT | CannotJudge.BAD_DATA
)
"""Where the background is filled in from around, not measured."""


class Legend(NamedTuple):
    """What a picture's colours mean: from 0 to ``top`` in ``unit``, drawn with ``table``."""

    unit: str
    top: float
    table: NDArray[np.uint32]


def overlay_of(guidance: Guidance, settings: Settings) -> tuple[Guidance, Settings]:
    """Return what the drawing of the merged view is to be given for the chosen style.

    Contours are drawn as marks, over a picture whose pixels carry none of the signal's colour.
    """
    match settings.overlay_style:
        case OverlayStyle.SIGNIFICANCE:
            as_signal = replace(
                guidance, signal=guidance.significance, display_full_scale=SIGNIFICANCE_FULL
            )
            return as_signal, replace(settings, display_full_scale=None)
        case OverlayStyle.CONTOUR:
            return guidance, replace(settings, opacity=0.0)
        case OverlayStyle.SIGNAL:
            return guidance, settings


def legend_of(guidance: Guidance, settings: Settings, view: View) -> Legend | None:
    """Return what the colours of a view mean; None where it has none."""
    if view is View.NIR and settings.nir_style is NirStyle.MAP:
        top = map_scale(guidance, settings)
        return Legend(signal_unit(guidance), top, map_table()) if math.isfinite(top) else None
    if view is not View.MERGED or settings.overlay_style is OverlayStyle.CONTOUR:
        return None
    table = colour_table(settings.colour_map, settings.gamma)
    if settings.overlay_style is OverlayStyle.SIGNIFICANCE:
        return Legend(SIGNIFICANCE_UNIT, SIGNIFICANCE_FULL, table)
    return Legend(signal_unit(guidance), full_scale(guidance, settings), table)


def signal_unit(guidance: Guidance) -> str:
    """Return what a signal's figures are in: a unit only where something vouches for it."""
    return UNCALIBRATED_UNIT if UNCALIBRATED in guidance.flags else SIGNAL_UNIT


def map_scale(guidance: Guidance, settings: Settings) -> float:
    """Return the light drawn brightest [counts/(ms*gain)]; NaN where no scale is known.

    The median background and the display's full scale above it, rounded up to two digits, so
    that it seldom moves.
    """
    known = guidance.background[np.isfinite(guidance.background)]
    if known.size == 0:
        return math.nan
    top = float(np.median(known)) + full_scale(guidance, settings)
    if not (math.isfinite(top) and top > 0):
        return math.nan
    step = 10.0 ** (math.floor(math.log10(top)) - 1)
    return math.ceil(top / step - 1e-9) * step


def draw_map(guidance: Guidance, settings: Settings) -> NDArray[np.uint32]:
    """Draw background plus signal as measured, in false colours of an even brightness ramp.

    Returns
    -------
    numpy.ndarray
        (H, W) uint32 0xffRRGGBB of the NIR frame's size, new, read-only. Between the blocks of
        the grid it is interpolated; blocks without a measure of the tissue's light are grey.
    """
    nir, grid_px = guidance.pair.nir, guidance.grid_px
    light = guidance.background + guidance.signal
    told = np.isfinite(light)
    known = told & (guidance.cannot_judge & np.uint8(_NO_LIGHT_OF_TISSUE) == 0)
    level = np.where(told, light, 0.0) * np.float32(255.0 / map_scale(guidance, settings))
    level = np.clip(level, 0.0, 255.0).astype(np.float32)
    rows, cols = level.shape
    size = (cols * grid_px, rows * grid_px)
    smooth = cv2.resize(level, size, interpolation=cv2.INTER_LINEAR)[: nir.height, : nir.width]
    picture = np.take(map_table(), smooth.astype(np.uint8))
    if not known.all():
        seen = cv2.resize(known.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        picture[seen[: nir.height, : nir.width] == 0] = UNKNOWN
    picture.setflags(write=False)
    return np.ascontiguousarray(picture)


@cache
def map_table() -> NDArray[np.uint32]:
    """Return the (256,) uint32 0xffRRGGBB table of the map, read-only: brighter is more light."""
    ramp = np.arange(256, dtype=np.uint8)[None]
    blue, green, red = cv2.applyColorMap(ramp, cv2.COLORMAP_INFERNO)[0].astype(np.uint32).T
    table: NDArray[np.uint32] = np.uint32(0xFF000000) | red << 16 | green << 8 | blue
    table.setflags(write=False)
    return table
