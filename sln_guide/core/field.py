"""`Field`: what frames the core will see; `Geometry`: the grid and the node sizes that follow."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hardware.frame import PixelFormat

ASSUMED_FIELD_WIDTH_MM = 128.0
"""Width a field of unknown scale is taken to have, where node sizes in mm must become px."""

_SMALLEST_NODE_BLOCKS = 3.75
"""Blocks across the smallest node: enough to see its shape, few enough to be quick."""
_MOST_COLUMNS = 320
SIGMA_OF_DIAMETER = 0.4
"""Sigma of the spot that a node makes, as a share of its diameter; scatter only widens it."""


@dataclass(frozen=True, eq=False)
class Field:
    """Geometry and sensor of the NIR frames to analyse. ``None`` means unknown.

    ``dark`` (H, W) counts and ``flat`` (H, W) relative sensitivity may hold NaN: those pixels,
    and those set in ``bad`` (H, W) bool, are taken from their neighbours. ``dark`` replaces
    ``dark_counts``. Without ``mm_per_px`` the field is taken to be 128 mm wide.

    Raises
    ------
    ValueError
        For sizes, node sizes or maps that do not fit.
    """

    height: int
    width: int
    pixel_format: PixelFormat
    bit_depth: int
    mm_per_px: float | None
    node_min_mm: float
    node_max_mm: float
    dark_counts: float
    electron_counts: float | None
    read_noise_counts: float | None
    dark: NDArray[np.floating] | None = None
    flat: NDArray[np.floating] | None = None
    bad: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise ValueError(f"a field of {self.width} x {self.height} px has no pixels")
        if not self.pixel_format.is_mono:
            raise ValueError(f"NIR frames must be monochrome, not {self.pixel_format}")
        if not 0 < self.node_min_mm < self.node_max_mm:
            raise ValueError(
                f"node sizes must satisfy 0 < smallest < largest, "
                f"got {self.node_min_mm} and {self.node_max_mm} mm"
            )
        for name in ("dark", "flat", "bad"):
            given: NDArray[np.generic] | None = getattr(self, name)
            if given is not None and given.shape != (self.height, self.width):
                raise ValueError(
                    f"the {name} map is {given.shape}, the frames are {(self.height, self.width)}"
                )

    @property
    def saturation_counts(self) -> int:
        """Raw counts from which on a pixel is taken to be saturated."""
        return int(2**self.bit_depth - 1)


@dataclass(frozen=True)
class Geometry:
    """The grid of blocks, and node spots' sigmas in grid cells, smallest first.

    ``smallest``: diameter of the smallest node in grid cells.
    """

    block_px: int
    rows: int
    cols: int
    mm_per_px: float
    spot_sigmas: tuple[float, ...]
    smallest: float

    @classmethod
    def of(cls, field: Field) -> Geometry:
        """Choose blocks so that the smallest node spans several, and count them."""
        mm_per_px = field.mm_per_px or ASSUMED_FIELD_WIDTH_MM / field.width
        smallest_px = field.node_min_mm / mm_per_px
        block = math.floor(smallest_px / _SMALLEST_NODE_BLOCKS + 0.01)
        block = min(max(block, math.ceil(max(field.width, field.height) / _MOST_COLUMNS), 1), 64)
        rows = -(-field.height // block)
        cols = -(-field.width // block)
        low = max(SIGMA_OF_DIAMETER * smallest_px / block, 1.0)
        high = SIGMA_OF_DIAMETER * field.node_max_mm / mm_per_px / block
        high = max(min(high, min(rows, cols) / 8.0), low * 1.2)
        count = 5
        sigmas = tuple(low * (high / low) ** (i / (count - 1)) for i in range(count))
        return cls(block, rows, cols, mm_per_px, sigmas, smallest_px / block)
