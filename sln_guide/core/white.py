"""`WhiteReducer`: a white frame becomes colour on the NIR grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hardware.frame import Frame, PixelFormat
from hardware.rig import Registration
from sln_guide.core.columns import steps_inside
from sln_guide.core.field import Geometry
from sln_guide.core.luminance import luminance_of_colours, luminance_small, small_step
from sln_guide.core.reduce_white import reduce_white_into

_RED_AT = {"RG": (0, 0), "GR": (0, 1), "GB": (1, 0), "BG": (1, 1)}


class WhiteReducer:
    """Reduces white frames and samples them at the NIR grid's cells.

    Attributes
    ----------
    planes
        (5, rows, cols) float32, overwritten by `reduce`: mean red, green, blue counts; largest
        step between pixels two apart, as a share of full scale; share of samples at full scale.
    noise
        (3,) float64, overwritten: variance of a cell's mean red, green, blue for each count of it.
    covered
        (rows, cols) float32: 1 where the cell lies inside the white frame. Elsewhere the nearest
        place inside was sampled.
    """

    def __init__(self, geometry: Geometry) -> None:
        self._geometry = geometry
        shape = (geometry.rows, geometry.cols)
        self.planes = np.zeros((5, *shape), np.float32)
        self.noise = np.zeros(3)
        self.covered = np.zeros(shape, np.float32)
        self._key: tuple[object, ...] | None = None

    def reduce(self, frame: Frame, registration: Registration) -> NDArray[np.float32]:
        """Fill `planes` and `covered` from ``frame``; return its `luminance.luminance_small`.

        That costs no second look at the frame where both want blocks of one size.
        """
        key = (frame.pixel_format, frame.height, frame.width, registration.white_from_nir)
        if key != self._key:
            self._prepare(frame, registration)
            self._key = key
        rgb = frame.pixel_format is PixelFormat.RGB8
        reduce_white_into(
            self.planes.reshape(5, -1),
            self._own,
            self.noise,
            frame.pixels.reshape(frame.height, -1),
            rgb,
            self._block,
            (0, 0) if rgb else _RED_AT[frame.pixel_format.bayer_pattern],
            frame.pixels.dtype.type(2**frame.bit_depth - 1),
            self._work,
            self._at,
            self._weight,
        )
        if self._block != small_step(frame):
            return luminance_small(frame)
        return luminance_of_colours(self._own, frame)

    def _prepare(self, frame: Frame, registration: Registration) -> None:
        """Size the white grid like the NIR grid and tabulate where each NIR cell lies in it."""
        geometry = self._geometry
        matrix = registration.matrix()
        r, c = np.mgrid[0 : geometry.rows, 0 : geometry.cols].astype(np.float64)
        x = (c + 0.5) * geometry.block_px - 0.5
        y = (r + 0.5) * geometry.block_px - 0.5
        u, v, w = np.tensordot(matrix, np.stack([x, y, np.ones_like(x)]), axes=1)
        front = w > 1e-9
        u, v = (
            np.where(front, u / np.where(front, w, 1), -1),
            np.where(front, v / np.where(front, w, 1), -1),
        )
        inside = front & (u > -0.5) & (v > -0.5)
        inside &= (u < frame.width - 0.5) & (v < frame.height - 0.5)
        self.covered[:] = inside
        # px of white a block of NIR covers at the centre of the field
        middle = (geometry.rows // 2, geometry.cols // 2)
        near = (geometry.rows // 2, min(geometry.cols // 2 + 1, geometry.cols - 1))
        pitch = np.hypot(u[near] - u[middle], v[near] - v[middle]) if near != middle else 0.0
        bayer = frame.pixel_format.is_bayer
        block = int(max(round(float(pitch)), 1))
        block = min(block, 64)
        if bayer:
            block = max(2, block + (block & 1))
        self._block = block
        height, width = frame.height, frame.width
        if bayer:
            height, width = height & ~1, width & ~1
        rows, cols = -(-height // block), -(-width // block)
        self._own = np.zeros((5, rows, cols), np.float32)
        raw_type = frame.pixels.dtype
        # as wide as a row of samples and as all blocks, whichever is wider
        wide = max(frame.width * (1 if bayer else 3), cols * block)
        # the most of one colour in a block: twice as many sums at once where they are short
        most = int(np.iinfo(raw_type).max) * block * block // (2 if bayer else 1)
        summed = np.uint16 if most <= np.iinfo(np.uint16).max else np.uint32
        self._work = (
            (
                np.zeros(wide, summed),
                np.zeros(wide, summed),
                np.zeros(wide, np.uint16),
                np.zeros(wide, raw_type),
            ),
            (
                np.zeros(wide, summed),
                np.zeros(wide, summed),
                np.zeros(wide, summed),
                np.zeros(wide, summed),
                np.zeros((3, wide), summed),
                np.zeros(wide, raw_type),
                np.zeros(wide, np.uint16),
            ),
            steps_inside(block, width, wide, raw_type),
        )
        gx = np.clip((u + 0.5) / block - 0.5, 0, cols - 1).ravel()
        gy = np.clip((v + 0.5) / block - 0.5, 0, rows - 1).ravel()
        i, j = np.floor(gy).astype(np.int32), np.floor(gx).astype(np.int32)
        fy, fx = gy - i, gx - j
        i2, j2 = np.minimum(i + 1, rows - 1), np.minimum(j + 1, cols - 1)
        self._at = np.stack([i * cols + j, i * cols + j2, i2 * cols + j, i2 * cols + j2])
        self._at = np.ascontiguousarray(self._at, np.uint32)
        weight: NDArray[np.float64] = np.stack(
            [(1 - fy) * (1 - fx), (1 - fy) * fx, fy * (1 - fx), fy * fx]
        )
        self._weight = np.ascontiguousarray(weight, np.float32)
        if self._own.shape == self.planes.shape and np.array_equal(self._at[0], np.arange(u.size)):
            if not (fx.any() or fy.any()):  # cell upon cell: there is nothing to sample
                self._own = self.planes
                self._at, self._weight = self._at[:, :0].copy(), self._weight[:, :0].copy()
