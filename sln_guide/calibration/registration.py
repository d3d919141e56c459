"""Registration: where an NIR pixel lies in the white image, for planes at several distances.

A homography serves one plane (Hartley and Zisserman, Multiple View Geometry, ch. 13). The two
lenses are measured once, and a homography is fitted over the field for each distance; what it
misses (distortion), and what relief adds (parallax, ``baseline * dZ / Z``), is stated with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from hardware.opencv import cv2
from hardware.rig import Matrix3, Optics, Registration
from hardware.working_plane import WorkingPlane
from sln_guide.calibration import container
from sln_guide.calibration.binding import (
    Binding,
    Finite,
    Moment,
    NonNegative,
    Positive,
    PositiveInt,
)
from sln_guide.calibration.board import Board, View
from sln_guide.calibration.errors import CalibrationFileError, CaptureError
from sln_guide.calibration.lenses import Stereo, fit_stereo

KIND = "registration"
VALID_DAYS = 90.0
GRID = (25, 20)
"""Places across and down the NIR field where the homography is held against the lenses."""
PRINT_ERROR = 0.002
"""Relative, of a board measured with a ruler over 100 mm."""
LARGEST_RMS_PX = 1.0
BASELINE_SHARE = 0.2


class Plane(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The homography of one distance, and its error over the field shared by both cameras.

    The error is of the homography against the measured lenses; px are white px, mm on the plane.
    """

    distance_mm: Positive
    white_from_nir: Matrix3
    median_px: NonNegative
    worst_px: NonNegative
    median_mm: NonNegative
    worst_mm: NonNegative
    mm_per_px: Positive
    """Of NIR px at the field's centre."""
    mm_per_white_px: Positive


class RegistrationFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A rig's registration, what it is bound to and how good it is."""

    nir: Binding
    white: Binding
    optics: Optics
    board: Board
    made_at: Moment
    valid_days: Positive
    views: PositiveInt
    stereo: Stereo
    planes: tuple[Plane, ...]
    range_mm: tuple[Positive, Positive]
    """Distances between which boards were seen: it holds nowhere else."""
    measured_median_px: NonNegative
    measured_worst_px: NonNegative
    """White px between corners seen and corners predicted from NIR, over all views."""
    mm_per_px_error: NonNegative
    """Relative standard error of the scale."""
    parallax_px_per_mm: NonNegative
    """White px of misplacement for a mm of height at the working distance."""
    notes: tuple[str, ...] = ()

    @property
    def parallax_mm(self) -> float:
        """Misplacement for the rig's declared relief, with the measured baseline."""
        optics = self.optics
        return self.stereo.baseline_mm * optics.relief_mm / optics.working_distance_mm


@dataclass(frozen=True, slots=True, eq=False)
class RigRegistration:
    """``error_px`` (rows, cols) float32: error over the NIR field at the working distance.

    White px; where the white camera does not look it is -1.
    """

    fields: RegistrationFields
    error_px: NDArray[np.float32]

    def plane_at(self, distance_mm: float) -> Plane:
        """Return homography and error for a plane at ``distance_mm``.

        Raises
        ------
        CalibrationFileError
            Outside the distances at which boards were seen.
        """
        low, high = self.fields.range_mm
        if not low <= distance_mm <= high:
            raise CalibrationFileError(
                f"the registration holds from {low:.0f} to {high:.0f} mm, not at {distance_mm:g} "
                "mm: register with the board at this distance too"
            )
        return fit_plane(self.fields.stereo, distance_mm)[0]

    def working_plane(self, distance_mm: float | None = None) -> WorkingPlane:
        """Return what a rig takes, at its working distance or another.

        ``residual_mm`` is the worst error on that plane; relief adds `Optics.parallax_mm` to it.

        Raises
        ------
        CalibrationFileError, CaptureError
            See `plane_at`, `fit_plane`.
        """
        if distance_mm is None:
            distance_mm = self.fields.optics.working_distance_mm
        plane = self.plane_at(distance_mm)
        measured = self.fields.measured_median_px * plane.mm_per_white_px
        return WorkingPlane(
            distance_mm=distance_mm,
            mm_per_px=plane.mm_per_px,
            registration=Registration(
                kind="calibrated",
                white_from_nir=plane.white_from_nir,
                residual_mm=float(np.hypot(plane.worst_mm, measured)),
            ),
        )

    def save(self, path: Path) -> None:
        """Write it to one file. Raises CalibrationFileError."""
        container.save(path, KIND, self.fields, {"error_px": self.error_px})

    @classmethod
    def load(cls, path: Path) -> RigRegistration:
        """Read it back, strictly. Raises CalibrationFileError."""
        fields, arrays = container.load(path, KIND, RegistrationFields)
        container.require(path, arrays, {"error_px": (np.float32, (GRID[1], GRID[0]))})
        matrices = np.array([p.white_from_nir for p in fields.planes])
        if not np.isfinite(matrices).all():
            raise CalibrationFileError(f"{path}: a homography is not a number; register again")
        return cls(fields, arrays["error_px"])


def fit_plane(stereo: Stereo, distance_mm: float) -> tuple[Plane, NDArray[np.float32]]:
    """Return the best homography for a plane square to the NIR axis, and its error map.

    Raises
    ------
    CaptureError
        The cameras share no part of the field at this distance.
    """
    nir, white = stereo.nir, stereo.white
    xs, ys = np.meshgrid(
        np.linspace(0, nir.width - 1, GRID[0]), np.linspace(0, nir.height - 1, GRID[1])
    )
    places = np.column_stack([xs.ravel(), ys.ravel()])
    truth = stereo.white_px(places, distance_mm)
    margin = 0.02 * white.width
    shared = (
        (truth[:, 0] > -margin)
        & (truth[:, 0] < white.width - 1 + margin)
        & (truth[:, 1] > -margin)
        & (truth[:, 1] < white.height - 1 + margin)
    )
    if shared.sum() < 0.2 * len(places):
        raise CaptureError(
            f"at {distance_mm:.0f} mm the cameras share {shared.mean():.0%} of the NIR field: "
            "turn them towards each other"
        )
    matrix, _ = cv2.findHomography(places[shared], truth[shared], 0)
    mapped = cv2.perspectiveTransform(places.reshape(-1, 1, 2), matrix)[:, 0]
    errors = np.hypot(*(mapped - truth).T)
    on_plane = stereo.white_points(
        np.column_stack([nir.directions(places), np.ones(len(places))]) * distance_mm
    )
    mm_per_white = on_plane[:, 2] / float(np.mean(white.focal_px))
    centre = float(np.mean(mm_per_white[shared]))
    error_mm = errors * mm_per_white
    plane = Plane(
        distance_mm=distance_mm,
        white_from_nir=_matrix(matrix),
        median_px=float(np.median(errors[shared])),
        worst_px=float(errors[shared].max()),
        median_mm=float(np.median(error_mm[shared])),
        worst_mm=float(error_mm[shared].max()),
        mm_per_px=distance_mm / float(np.mean(nir.focal_px)),
        mm_per_white_px=centre,
    )
    errors[~shared] = -1.0
    return plane, errors.reshape(GRID[1], GRID[0]).astype(np.float32)


def make_registration(
    nir_views: Sequence[View],
    white_views: Sequence[View],
    *,
    board: Board,
    optics: Optics,
    nir: Binding,
    white: Binding,
    made_at: datetime,
    valid_days: float = VALID_DAYS,
) -> RigRegistration:
    """Return the registration of views of one board by both cameras, a pair for each place.

    Raises
    ------
    CaptureError
        Too few or degenerate views, a board that is bent or of another size than told, or not
        seen around the rig's working distance.
    """
    fitted = fit_stereo(nir_views, white_views)
    stereo = fitted.stereo
    if max(stereo.nir.rms_px, stereo.white.rms_px) > LARGEST_RMS_PX:
        raise CaptureError(
            f"corners err by {max(stereo.nir.rms_px, stereo.white.rms_px):.1f} px: flatten the "
            "board on glass, focus, hold it still, then take the views again"
        )
    notes = list(fitted.notes)
    declared, found = optics.baseline_mm, stereo.baseline_mm
    if declared > 0 and abs(found - declared) > BASELINE_SHARE * declared + 1.0:
        raise CaptureError(
            f"the lenses seem {found:.1f} mm apart, the rig says {declared:g} mm: measure the "
            "board's bar and give --measured-mm, or correct optics.baseline_mm in the rig"
        )
    low, high = min(fitted.distances_mm), max(fitted.distances_mm)
    working = optics.working_distance_mm
    if not 0.97 * low <= working <= 1.03 * high:
        raise CaptureError(
            f"the board was seen from {low:.0f} to {high:.0f} mm, the rig works at {working:g} mm: "
            "put the board there too (a board printed at another scale gives wrong distances: "
            "measure its bar and give --measured-mm)"
        )
    low, high = min(low, working), max(high, working)
    plane, errors = fit_plane(stereo, working)
    distances = sorted({*np.linspace(low, high, 5).tolist(), working})
    if optics.mm_per_px is not None and abs(plane.mm_per_px / optics.mm_per_px - 1) > 0.02:
        notes.append(
            f"scale at {working:g} mm is {plane.mm_per_px:.4f} mm/px, the rig says "
            f"{optics.mm_per_px:g}: write the measured one into optics.mm_per_px"
        )
    scale_error = float(np.hypot(stereo.nir.focal_error, PRINT_ERROR))
    per_mm = found / working / plane.mm_per_white_px
    return RigRegistration(
        RegistrationFields(
            nir=nir,
            white=white,
            optics=optics,
            board=board,
            made_at=made_at,
            valid_days=valid_days,
            views=len(fitted.used),
            stereo=stereo,
            planes=tuple(fit_plane(stereo, d)[0] for d in distances),
            range_mm=(low, high),
            measured_median_px=float(np.median(fitted.errors_px)),
            measured_worst_px=float(fitted.errors_px.max()),
            mm_per_px_error=scale_error,
            parallax_px_per_mm=float(per_mm),
            notes=tuple(notes),
        ),
        errors,
    )


class SpotCheck(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One look at the board against the registration in use: px are white px."""

    corners: PositiveInt
    distance_mm: Finite
    tilt_deg: NonNegative
    median_px: NonNegative
    worst_px: NonNegative
    median_mm: NonNegative
    good: bool
    message: str


def check_once(
    found: RigRegistration, nir: View, white: View, *, tolerance_mm: float = 0.5
) -> SpotCheck:
    """Hold one view of the board against the registration, as at the start of a case.

    Raises
    ------
    CaptureError
        The cameras share too few corners.
    """
    stereo = found.fields.stereo
    predicted, seen = stereo.white_px_of_board(nir, white)
    errors = np.hypot(*(predicted - seen).T)
    turn, shift = stereo.nir.pose(nir)
    distance_mm = float((turn @ nir.mm.mean(axis=0) + shift)[2])
    tilt_deg = float(np.degrees(np.arccos(np.clip(abs(turn[2, 2]), 0.0, 1.0))))
    median_px = float(np.median(errors))
    median_mm = median_px * distance_mm / float(np.mean(stereo.white.focal_px))
    good = median_mm <= tolerance_mm
    return SpotCheck(
        corners=len(errors),
        distance_mm=distance_mm,
        tilt_deg=tilt_deg,
        median_px=median_px,
        worst_px=float(errors.max()),
        median_mm=median_mm,
        good=good,
        message=f"registration errs by {median_px:.2f} px ({median_mm:.2f} mm)"
        + ("" if good else f", more than {tolerance_mm:g} mm: the cameras moved; register again"),
    )


def _matrix(matrix: NDArray[np.float64]) -> Matrix3:
    rows = np.asarray(matrix, np.float64) / matrix[2, 2]
    a, b, c = (tuple(float(v) for v in row) for row in rows)
    return (a[0], a[1], a[2]), (b[0], b[1], b[2]), (c[0], c[1], c[2])
