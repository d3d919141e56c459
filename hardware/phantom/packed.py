"""What the frame kernels read: plain tuples of arrays, which compiled code takes as they are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Light(NamedTuple):
    """What leaves the field at one moment. Read-only.

    Attributes
    ----------
    planes, scales, factors
        Tissue at rest (4, H, W) uint16: red, green, blue, NIR; times ``scales`` (4,) float32 is
        light; times ``factors`` (4,) float32 what the lamps make of it now.
    margin, motion
        Canvas px before image px 0 on both axes; `Scene.motion_px` as (4,) float64.
    table, data, arcs, spans
        Sprites: (n, 8) int64 of first datum, canvas column, row, width, height, mode, first arc,
        first span; their values (float32) and places along the channel (uint8) end to end; the
        columns (from, past) of each row that are not dark, (rows, 2) int64.
    weights, fill
        (n, 4) float32: of each sprite in each plane; (256,) float32: along the channel.
    glints, glint_amps
        (m, 4) float64: x, y, radii [image px]; (m, 4) float64: peak in each plane.
    instrument, metal
        See `kernels._lay_instrument`.
    whole
        (4,) float32: light above this in a plane is a reflection off wet surface, that no dye
        beneath can stain.
    """

    planes: NDArray[np.uint16]
    scales: NDArray[np.float32]
    factors: NDArray[np.float32]
    margin: int
    motion: NDArray[np.float64]
    table: NDArray[np.int64]
    data: NDArray[np.float32]
    arcs: NDArray[np.uint8]
    spans: NDArray[np.int64]
    weights: NDArray[np.float32]
    fill: NDArray[np.float32]
    glints: NDArray[np.float64]
    glint_amps: NDArray[np.float64]
    instrument: NDArray[np.float64]
    metal: NDArray[np.float32]
    whole: NDArray[np.float32]


class Sensing(NamedTuple):
    """How one frame is taken; 12-bit counts. Read-only.

    Attributes
    ----------
    lamp
        (H, W) float32 of the whole sensor: how brightly each pixel sees a uniform surface.
    gain
        Counts of light 1 where ``lamp`` is 1.
    dark, shot, read, scale, top
        Offset; counts of variance a count of light; variance of reading; format counts a 12-bit
        count; the format's largest count. float32.
    key
        Of this frame's noise.
    hot_rows, hot_columns, hot_counts
        Pixels with dark current, in order, and how much; sensor px.
    """

    lamp: NDArray[np.float32]
    gain: np.float32
    dark: np.float32
    shot: np.float32
    read: np.float32
    scale: np.float32
    top: np.float32
    key: int
    hot_rows: NDArray[np.int64]
    hot_columns: NDArray[np.int64]
    hot_counts: NDArray[np.float32]
