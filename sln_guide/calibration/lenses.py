"""Two lenses and how they sit to each other, from views of a board: Zhang's method.

Z. Zhang, "A flexible new technique for camera calibration", doi:10.1109/34.888718, as OpenCV
does it; distortion after Brown (k1, k2, p1, p2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from hardware.opencv import cv2
from sln_guide.calibration.binding import Finite, NonNegative, Positive, PositiveInt
from sln_guide.calibration.board import View
from sln_guide.calibration.errors import CaptureError

LEAST_VIEWS = 6
LEAST_TILT_DEG = 8.0
LARGEST_FOCAL_ERROR = 0.02
STRAY_VIEW_FACTOR = 4.0
STRAY_VIEW_PX = 0.6
_ITERATE = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 30, 1e-10)
Vector3 = tuple[Finite, Finite, Finite]


def five(k: NDArray[np.float64]) -> tuple[float, float, float, float, float]:
    """Return the first five distortion coefficients."""
    k1, k2, p1, p2, k3 = (float(v) for v in k.ravel()[:5])
    return k1, k2, p1, p2, k3


class Lens(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One camera's intrinsics. ``k`` is k1, k2, p1, p2, k3 as OpenCV orders them."""

    width: PositiveInt
    height: PositiveInt
    focal_px: tuple[Positive, Positive]
    centre_px: tuple[Finite, Finite]
    k: tuple[Finite, Finite, Finite, Finite, Finite]
    focal_error: NonNegative = 0.0
    """Relative standard error of the focal length."""
    rms_px: NonNegative = 0.0

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The camera matrix (3, 3)."""
        return np.array(
            [
                [self.focal_px[0], 0.0, self.centre_px[0]],
                [0.0, self.focal_px[1], self.centre_px[1]],
                [0.0, 0.0, 1.0],
            ]
        )

    @property
    def distortion(self) -> NDArray[np.float64]:
        """The coefficients (5,)."""
        return np.array(self.k)

    def directions(self, px: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return undistorted directions (N, 2), tangents of the angles, of px (N, 2)."""
        flat = cv2.undistortPoints(
            np.ascontiguousarray(px, np.float64).reshape(-1, 1, 2),
            self.matrix,
            self.distortion,
            criteria=_ITERATE,
        )
        return np.asarray(flat[:, 0], np.float64)

    def project(self, points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return px (N, 2) of points (N, 3) in this camera's frame."""
        zero = np.zeros(3)
        px, _ = cv2.projectPoints(points_mm, zero, zero, self.matrix, self.distortion)
        return np.asarray(px[:, 0], np.float64)

    def pose(self, view: View) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return rotation (3, 3) and translation (3,) mm of the board in ``view``."""
        _, turn, shift = cv2.solvePnP(view.mm, view.px, self.matrix, self.distortion)
        return np.asarray(cv2.Rodrigues(turn)[0], np.float64), np.asarray(shift.ravel(), np.float64)


class Stereo(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Two lenses; ``rotation`` (Rodrigues), ``translation_mm`` take a point from NIR to white."""

    nir: Lens
    white: Lens
    rotation: Vector3
    translation_mm: Vector3
    rms_px: NonNegative

    @property
    def turn(self) -> NDArray[np.float64]:
        """Rotation matrix (3, 3)."""
        return np.asarray(cv2.Rodrigues(np.array(self.rotation))[0], np.float64)

    @property
    def baseline_mm(self) -> float:
        """Distance of the two lenses' centres."""
        return float(np.linalg.norm(self.translation_mm))

    def white_points(self, points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return points (N, 3) of the NIR camera's frame in the white camera's."""
        return np.asarray(points_mm @ self.turn.T + np.array(self.translation_mm), np.float64)

    def white_px(self, nir_px: NDArray[np.float64], distance_mm: float) -> NDArray[np.float64]:
        """Return where NIR px (N, 2), of a plane square to the NIR axis, lie in white px (N, 2)."""
        rays = self.nir.directions(nir_px)
        points = np.column_stack([rays, np.ones(len(rays))]) * distance_mm
        return self.white.project(self.white_points(points))

    def white_px_of_board(
        self, nir: View, white: View
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return white px of the corners both saw: as the NIR view predicts, and as seen.

        Raises CaptureError where they share fewer than 6.
        """
        common, in_nir, in_white = np.intersect1d(nir.ids, white.ids, return_indices=True)
        if len(common) < 6:
            raise CaptureError("the two cameras share fewer than 6 corners: move the board")
        turn, shift = self.nir.pose(nir)
        rays = self.nir.directions(nir.px[in_nir])
        normal = turn[:, 2]
        along = (normal @ shift) / (np.column_stack([rays, np.ones(len(rays))]) @ normal)
        points = np.column_stack([rays, np.ones(len(rays))]) * along[:, None]
        return self.white.project(self.white_points(points)), white.px[in_white]


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """What the views gave: the lenses, which views were used, and each view's distance."""

    stereo: Stereo
    used: tuple[int, ...]
    distances_mm: tuple[float, ...]
    errors_px: NDArray[np.float64]
    """Of every corner used, in white, of the NIR view's prediction."""
    notes: tuple[str, ...]


def fit_lens(views: Sequence[View]) -> Lens:
    """Return one camera's intrinsics.

    Raises
    ------
    CaptureError
        Too few views, all alike, or too little known from them.
    """
    if len(views) < LEAST_VIEWS:
        raise CaptureError(
            f"{len(views)} good views are too few: take {LEAST_VIEWS} or more, tilted differently"
        )
    size = views[0].size
    if any(v.size != size for v in views):
        raise CaptureError("frames of different sizes: take all views with one ROI")
    flags = cv2.CALIB_FIX_K3
    try:
        rms, matrix, k, turns, _, spread, _, _ = cv2.calibrateCameraExtended(
            [v.mm.astype(np.float32) for v in views],
            [v.px.astype(np.float32) for v in views],
            size,
            None,
            None,
            flags=flags,
        )
    except cv2.error as error:
        raise CaptureError(
            "the views do not make a camera: tilt the board to and fro, left and right, at "
            f"several distances ({str(error).splitlines()[0][-60:]})"
        ) from None
    _refuse_alike([np.asarray(cv2.Rodrigues(t)[0]) for t in turns])
    focal = (float(matrix[0, 0]), float(matrix[1, 1]))
    error_share = float(spread[0, 0]) / focal[0]
    inside = -0.5 * size[0] < matrix[0, 2] < 1.5 * size[0]
    if not (0 <= error_share <= LARGEST_FOCAL_ERROR and inside and min(focal) > 10):
        raise CaptureError(
            f"the views leave the focal length uncertain by {abs(error_share):.1%}: tilt the "
            "board more (20 to 40 degrees), fill the field, and use several distances"
        )
    return Lens(
        width=size[0],
        height=size[1],
        focal_px=focal,
        centre_px=(float(matrix[0, 2]), float(matrix[1, 2])),
        k=five(k),
        focal_error=error_share,
        rms_px=float(rms),
    )


def _refuse_alike(turns: list[NDArray[np.float64]]) -> None:
    """Refuse views without tilt: distance and focal length cannot be told apart then."""
    normals = np.array([t[:, 2] for t in turns])
    tilts = np.degrees(np.arccos(np.clip(np.abs(normals[:, 2]), 0, 1)))
    if (tilts > LEAST_TILT_DEG).sum() < 3:
        raise CaptureError(
            "the views are all alike: tilt the board by 20 to 40 degrees, to and fro, left and "
            "right, in at least three of them"
        )
    leaning = normals[tilts > LEAST_TILT_DEG, :2]
    spread = np.linalg.svd(leaning / np.linalg.norm(leaning, axis=1, keepdims=True))[1]
    if spread[1] < 0.25 * spread[0]:
        raise CaptureError(
            "the board was tilted about one axis only: tilt it to and fro as well as left and right"
        )


def fit_stereo(nir_views: Sequence[View], white_views: Sequence[View]) -> Fitted:
    """Return both lenses and how they sit, from views of one still board by both cameras.

    A view far worse than the others (a board that moved between the two exposures) is left out
    once, and named.

    Raises
    ------
    CaptureError
        See `fit_lens`.
    """
    if len(nir_views) != len(white_views):
        raise ValueError("a view of each camera is needed for every place of the board")
    used = list(range(len(nir_views)))
    notes: list[str] = []
    while True:
        stereo = _stereo([nir_views[k] for k in used], [white_views[k] for k in used])
        errors = [_errors(stereo, nir_views[k], white_views[k]) for k in used]
        medians = np.array([float(np.median(e)) for e in errors])
        worst = int(np.argmax(medians))
        typical = float(np.median(medians))
        if medians[worst] <= max(STRAY_VIEW_FACTOR * typical, STRAY_VIEW_PX) or notes:
            break
        notes.append(
            f"view {used[worst] + 1} left out: it errs by {medians[worst]:.1f} px, the others by "
            f"{typical:.2f}; the board moved, or is bent"
        )
        del used[worst]
    distances = []
    for k in used:
        turn, shift = stereo.nir.pose(nir_views[k])
        middle = nir_views[k].mm.mean(axis=0)
        distances.append(float((turn @ middle + shift)[2]))
    return Fitted(stereo, tuple(used), tuple(distances), np.concatenate(errors), tuple(notes))


def _errors(stereo: Stereo, nir: View, white: View) -> NDArray[np.float64]:
    predicted, seen = stereo.white_px_of_board(nir, white)
    return np.asarray(np.hypot(*(predicted - seen).T), np.float64)


def _stereo(nir_views: list[View], white_views: list[View]) -> Stereo:
    return fit_pose(_lens("NIR", nir_views), _lens("white", white_views), nir_views, white_views)


def fit_pose(
    nir: Lens, white: Lens, nir_views: Sequence[View], white_views: Sequence[View]
) -> Stereo:
    """Return how two known lenses sit to each other.

    Raises
    ------
    CaptureError
        They hardly see the same part of the board.
    """
    objects, left, right = [], [], []
    for a, b in zip(nir_views, white_views, strict=True):
        common, in_a, in_b = np.intersect1d(a.ids, b.ids, return_indices=True)
        if len(common) < 6:
            continue
        objects.append(a.mm[in_a].astype(np.float32))
        left.append(a.px[in_a].astype(np.float32))
        right.append(b.px[in_b].astype(np.float32))
    if 2 * len(objects) < len(nir_views) or not objects:
        raise CaptureError(
            "the two cameras hardly see the same part of the board: place it where both see it"
        )
    rms, *_, turn, shift, _, _ = cv2.stereoCalibrate(
        objects,
        left,
        right,
        nir.matrix,
        nir.distortion,
        white.matrix,
        white.distortion,
        (nir.width, nir.height),
        flags=cv2.CALIB_FIX_INTRINSIC,
    )
    return Stereo(
        nir=nir,
        white=white,
        rotation=_vector(cv2.Rodrigues(turn)[0]),
        translation_mm=_vector(shift),
        rms_px=float(rms),
    )


def _lens(name: str, views: list[View]) -> Lens:
    try:
        return fit_lens(views)
    except CaptureError as error:
        raise CaptureError(f"{name} camera: {error}") from None


def _vector(values: NDArray[np.float64]) -> Vector3:
    x, y, z = (float(v) for v in np.ravel(values))
    return x, y, z
