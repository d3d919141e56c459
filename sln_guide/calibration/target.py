"""The reference target of the quality check: wells, line pairs, and marks to find them by.

A glowing sheet with four printed marks at its corners; wells of known concentration, wells under
known depths of scatterer, and groups of line pairs. Positions are mm from the sheet's top left.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from hardware.frame import Frame
from hardware.opencv import cv2
from sln_guide.calibration.binding import NonNegative, Positive
from sln_guide.calibration.board import DICTIONARY, grey_of
from sln_guide.calibration.errors import CaptureError
from sln_guide.calibration.paper import Drawing

FIRST_MARK = 90
MARK_MM = 12.0
DEPTH_FALL_PER_MM = 0.96
"""CNR falls about e^(-0.96 mm) in ICG phantoms; only the drawn target uses it."""


class Well(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A round well: tracer of ``concentration_nm`` (nanomolar) under ``depth_mm`` of scatterer."""

    x_mm: NonNegative
    y_mm: NonNegative
    diameter_mm: Positive = 6.0
    concentration_nm: NonNegative
    depth_mm: NonNegative = 0.0


class LinePairs(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A square of bars: ``per_mm`` line pairs a mm, upright bars, ``side_mm`` wide and high."""

    x_mm: NonNegative
    y_mm: NonNegative
    per_mm: Positive
    side_mm: Positive = 8.0


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A sheet of ``width_mm`` x ``height_mm``."""

    width_mm: Positive = 104.0
    height_mm: Positive = 78.0
    wells: tuple[Well, ...] = (
        *(
            Well(x_mm=24 + 9.0 * k, y_mm=24, concentration_nm=c)
            for k, c in enumerate((1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0))
        ),
        *(
            Well(x_mm=24 + 13.0 * k, y_mm=41, concentration_nm=1000.0, depth_mm=d)
            for k, d in enumerate((0.5, 1.0, 2.0, 3.0, 4.0))
        ),
    )
    lines: tuple[LinePairs, ...] = tuple(
        LinePairs(x_mm=20 + 13.5 * k, y_mm=53, per_mm=p)
        for k, p in enumerate((0.25, 0.5, 0.75, 1.0, 1.5))
    )

    def marks(self) -> NDArray[np.float64]:
        """Return the marks' corners (4, 4, 2) mm: top left first, clockwise, each clockwise."""
        far_x, far_y = self.width_mm - MARK_MM - 3, self.height_mm - MARK_MM - 3
        starts = np.array([[3, 3], [far_x, 3], [far_x, far_y], [3, far_y]], np.float64)
        square = np.array([[0, 0], [MARK_MM, 0], [MARK_MM, MARK_MM], [0, MARK_MM]])
        return np.asarray(starts[:, None] + square[None], np.float64)

    def picture(self, mm_per_px: float, full_nm: float = 1000.0) -> NDArray[np.float32]:
        """Return how the sheet glows (H, W) float32: 1 is ``full_nm`` laid open."""
        fine = 3
        width, height = (round(s / mm_per_px) * fine for s in (self.width_mm, self.height_mm))
        step = mm_per_px / fine
        y, x = ((np.arange(n) + 0.5) * step for n in (height, width))
        image = np.full((height, width), 0.12, np.float32)
        for well in self.wells:
            near = (x[None] - well.x_mm) ** 2 + (y[:, None] - well.y_mm) ** 2
            glow = well.concentration_nm / full_nm * np.exp(-DEPTH_FALL_PER_MM * well.depth_mm)
            image[near <= (0.5 * well.diameter_mm) ** 2] += np.float32(0.85 * glow)
        for group in self.lines:
            columns = (x >= group.x_mm) & (x < group.x_mm + group.side_mm)
            rows = (y >= group.y_mm) & (y < group.y_mm + group.side_mm)
            dark = ((x - group.x_mm) * group.per_mm) % 1.0 >= 0.5
            bars = np.where(dark, 0.02, 0.4).astype(np.float32)
            image[np.ix_(rows, columns)] = bars[columns]
        dictionary = cv2.aruco.getPredefinedDictionary(DICTIONARY)
        for k, corners in enumerate(self.marks()):
            side = round(MARK_MM / step)
            x0, y0 = (round(v / step) for v in corners[0])
            mark = dictionary.generateImageMarker(FIRST_MARK + k, side)
            image[y0 : y0 + side, x0 : x0 + side] = np.where(mark > 0, 0.4, 0.02)
            rim = round(1.5 / step)
            for part in (
                np.s_[y0 - rim : y0, x0 - rim : x0 + side + rim],
                np.s_[y0 + side : y0 + side + rim, x0 - rim : x0 + side + rim],
                np.s_[y0 : y0 + side, x0 - rim : x0],
                np.s_[y0 : y0 + side, x0 + side : x0 + side + rim],
            ):
                image[part] = 0.4
        small = cv2.resize(image, (width // fine, height // fine), interpolation=cv2.INTER_AREA)
        return np.asarray(small, np.float32)

    def page(self) -> Drawing:
        """Return a drawing to build the target by: marks to print, wells to drill, bars."""
        drawing = Drawing(210.0, 148.0)
        left, top = 10.0, 10.0
        dictionary = cv2.aruco.getPredefinedDictionary(DICTIONARY)
        for k, corners in enumerate(self.marks()):
            cell = MARK_MM / 6
            for r, c in np.argwhere(dictionary.generateImageMarker(FIRST_MARK + k, 6) == 0):
                x, y = corners[0] + (c * cell, r * cell)
                drawing.rectangle(left + x, top + y, cell * 1.002, cell * 1.002)
        for well in self.wells:
            angles = np.linspace(0, 2 * np.pi, 49)
            radius = 0.5 * well.diameter_mm
            drawing.line(
                [
                    (left + well.x_mm + radius * np.cos(a), top + well.y_mm + radius * np.sin(a))
                    for a in angles
                ]
            )
            told = f"{well.concentration_nm:g}" if not well.depth_mm else f"{well.depth_mm:g}mm"
            drawing.text(left + well.x_mm, top + well.y_mm + 5.4, told, 1.8, anchor="middle")
        for group in self.lines:
            bars = round(group.side_mm * group.per_mm)
            for k in range(bars):
                drawing.rectangle(
                    left + group.x_mm + (k + 0.5) / group.per_mm,
                    top + group.y_mm,
                    0.5 / group.per_mm,
                    group.side_mm,
                )
        drawing.rectangle(left, top + self.height_mm + 8, 100.0, 1.0)
        drawing.text(left, top + self.height_mm + 14, "100 mm - sln-guide reference target", 3.0)
        drawing.text(left, top + self.height_mm + 19, "wells in nM, depths in mm of scatterer", 3.0)
        return drawing


def find_target(frame: Frame, target: Target) -> NDArray[np.float64]:
    """Return px (4, 4, 2) of the marks' corners in ``frame``, in the order of `Target.marks`.

    Raises
    ------
    CaptureError
        Not all four marks are seen.
    """
    grey = grey_of(frame)
    low, high = (float(v) for v in np.percentile(grey, (2, 98)))
    picture = np.clip((grey - low) * (255 / max(high - low, 1.0)), 0, 255).astype(np.uint8)
    parameters = cv2.aruco.DetectorParameters()
    parameters.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_SUBPIX
    detector = cv2.aruco.ArucoDetector(cv2.aruco.getPredefinedDictionary(DICTIONARY), parameters)
    corners, ids, _ = detector.detectMarkers(picture)
    found = (
        {}
        if ids is None
        else {int(n): c.reshape(4, 2) for n, c in zip(ids.ravel(), corners, strict=True)}
    )
    missing = [k for k in range(4) if FIRST_MARK + k not in found]
    if missing:
        names = ("top left", "top right", "bottom right", "bottom left")
        raise CaptureError(
            f"the target's {', '.join(names[k] for k in missing)} mark is not seen: lay the whole "
            "target into the field, face up, focused and evenly lit"
        )
    return np.stack([found[FIRST_MARK + k] for k in range(4)]).astype(np.float64)
