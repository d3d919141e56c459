"""Where a white pixel looks up the guidance's coarse maps."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardware.frame import Frame
from sln_guide.core.draw_overlay import LATTICE_PX
from sln_guide.core.draw_tiles import TILE_PX, bound_tiles_into
from sln_guide.guidance import Guidance


class Lookup(NamedTuple):
    """What depends on where things lie only, not on what they show.

    ``h``: `grid_from_white`; ``field_edge``: where the NIR image ends (column, row), in blocks;
    ``step``: `lattice_step`; ``bounds``, ``known``: `draw_tiles.bound_tiles_into`.
    """

    h: NDArray[np.float64]
    field_edge: tuple[float, float]
    step: int
    bounds: NDArray[np.int16]
    known: NDArray[np.uint8]


def lookup(guidance: Guidance, white: Frame) -> Lookup:
    """Work out where ``white``'s pixels look up ``guidance``'s maps."""
    h = grid_from_white(guidance)
    nir, grid_px = guidance.pair.nir, guidance.grid_px
    # the NIR image ends half a pixel beyond its outermost centres
    field_edge = (nir.width / grid_px - 0.5, nir.height / grid_px - 0.5)
    tiles = (-(-white.height // TILE_PX), -(-white.width // TILE_PX))
    bounds, known = np.zeros((*tiles, 4), np.int16), np.zeros(tiles, np.uint8)
    corners = np.zeros((tiles[0] + 1, tiles[1] + 1, 2))
    rows, cols = guidance.signal.shape
    bound_tiles_into(bounds, known, corners, rows, cols, h, field_edge)
    return Lookup(h, field_edge, lattice_step(h, white), bounds, known)


def lookup_key(guidance: Guidance, white: Frame) -> tuple[object, ...]:
    """Return what a `Lookup` depends on."""
    nir = guidance.pair.nir
    return (
        guidance.registration.white_from_nir,
        guidance.grid_px,
        guidance.signal.shape,
        (nir.height, nir.width),
        (white.height, white.width),
    )


def grid_from_white(guidance: Guidance) -> NDArray[np.float64]:
    """Return the homography from white px (x, y, 1) to grid (column, row, 1), as 9 numbers.

    Block (r, c) has its centre at NIR px ((c + 0.5) * grid_px - 0.5, likewise y). Scaled so that
    the third coordinate is positive over the registered field.
    """
    white_from_nir = guidance.registration.matrix()
    determinant = float(np.linalg.det(white_from_nir))
    if not np.isfinite(white_from_nir).all() or abs(determinant) < 1e-12:
        raise ValueError("registration.white_from_nir cannot be inverted: calibrate again")
    grid_px = float(guidance.grid_px)
    offset = 0.5 / grid_px - 0.5
    grid_from_nir = np.array([[1 / grid_px, 0, offset], [0, 1 / grid_px, offset], [0, 0, 1]])
    matrix = grid_from_nir @ np.linalg.inv(white_from_nir)
    nir = guidance.pair.nir
    centre = white_from_nir @ np.array([(nir.width - 1) / 2, (nir.height - 1) / 2, 1.0])
    towards = float(matrix[2] @ centre) * float(np.sign(centre[2]) or 1.0)
    scaled = matrix / (np.abs(matrix[2]).max() * (1.0 if towards >= 0 else -1.0))
    return np.ascontiguousarray(scaled.ravel())


def lattice_step(h: NDArray[np.float64], white: Frame) -> int:
    """Return how coarsely the maps may be sampled: at least two steps a block, in white px."""
    h00, h01, h02, h10, h11, h12, h20, h21, h22 = (float(value) for value in h)
    blocks_per_px = 0.0
    for x in (0.0, white.width - 1.0):
        for y in (0.0, white.height - 1.0):
            w = h20 * x + h21 * y + h22
            if w <= 0.0:
                return 1
            u, v = (h00 * x + h01 * y + h02) / w, (h10 * x + h11 * y + h12) / w
            along_x = math.hypot(h00 - h20 * u, h10 - h20 * v) / w
            along_y = math.hypot(h01 - h21 * u, h11 - h21 * v) / w
            blocks_per_px = max(blocks_per_px, along_x, along_y)
    step = LATTICE_PX
    # a rotated or slightly shrunken registration still counts as 8 px a block
    while step > 1 and 1.94 * step * blocks_per_px > 1.0:
        step //= 2
    return step
