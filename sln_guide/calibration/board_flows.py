"""Guided flows of the board: registration, and one look at it before a case."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from hardware.bench import Plane
from hardware.camera import Camera
from hardware.frame import Frame
from hardware.opencv import cv2
from hardware.rig import Rig
from sln_guide.calibration.binding import Binding
from sln_guide.calibration.board import Board, View, find_board
from sln_guide.calibration.errors import CaptureError
from sln_guide.calibration.flows import (
    Flow,
    Outcome,
    RoleName,
    Sight,
    Step,
    bound,
    free_running,
    spec_of,
)
from sln_guide.calibration.frames import Interrupted, Progress, grabbing, next_frame
from sln_guide.calibration.registration import (
    RigRegistration,
    SpotCheck,
    check_once,
    make_registration,
)
from sln_guide.calibration.report import registration_lines, registration_page, write_report

SAME_VIEW_SHARE = 0.01
"""Of the picture's width: a view with nine tenths of its corners nearer to another's repeats it."""
_POSES = (
    (0.0, 0.0, 1.0, "flat, square to the lens, at the working distance"),
    (24.0, 0.0, 1.0, "tilted by a quarter of a right angle, far edge up"),
    (-24.0, 4.0, 0.97, "tilted the other way, near edge up"),
    (0.0, 24.0, 1.03, "tilted, left edge up"),
    (3.0, -24.0, 1.0, "tilted, right edge up"),
    (16.0, 16.0, 1.07, "tilted over one corner, somewhat further away"),
    (-16.0, 16.0, 0.92, "tilted over the opposite corner, somewhat nearer"),
    (0.0, 0.0, 1.12, "flat again, at the largest distance you work at"),
    (-15.0, -18.0, 1.0, "tilted over a third corner"),
)


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    nir: Frame
    white: Frame


def board_laid(board: Board, distance_mm: float, x_deg: float = 0.0, y_deg: float = 0.0) -> Plane:
    """Return the board at a distance, tilted, as a simulated operator would lay it."""
    turn = cv2.Rodrigues(np.radians([x_deg, y_deg, 0.0]))[0]
    width, height = board.size_mm
    corner = np.array([0, 0, distance_mm]) - turn @ np.array([width / 2, height / 2, 0])
    x, y, z = (float(v) for v in corner)
    return Plane(board.picture(0.05), 0.05, 0.5, turn, (x, y, z), (1000.0, 1200.0), 0.7)


class RegisterFlow(Flow):
    """Takes a pair of views for each pose of the board; nine, or more if wanted."""

    title = "Registration NIR to white"

    def __init__(
        self,
        rig: Rig,
        nir: Camera,
        white: Camera,
        folder: Path = Path(),
        *,
        board: Board,
        now: datetime,
    ) -> None:
        distance = rig.optics.working_distance_mm
        steps = tuple(
            Step(
                f"view {k + 1}",
                f"Place the board {told}; keep it still, all of it in both pictures.",
                board_laid(board, share * distance, x, y),
            )
            for k, (x, y, share, told) in enumerate(_POSES)
        )
        super().__init__(steps)
        self._rig, self._nir, self._white = rig, nir, white
        self._folder, self._board, self._now = folder, board, now
        spec_of(rig, "nir")
        spec_of(rig, "white")
        self._views: list[tuple[View, View]] = []
        self._bindings: dict[str, Binding] = {}
        self.last_look: _Look | None = None

    def cameras(self) -> tuple[Camera, ...]:
        """Return both cameras."""
        return self._nir, self._white

    def _do(self, index: int, progress: Progress, stop: threading.Event | None) -> str:
        nir, white = self.look(progress, stop)
        before = self._seen_before("nir", nir)
        if before is not None:
            raise CaptureError(
                f"the board lies as in view {before}, which tells nothing new: tilt or move it as "
                "said above, then measure"
            )
        self._views.append((nir, white))
        return f"{len(nir.ids)} corners in NIR, {len(white.ids)} in white"

    def sight(self, role: RoleName, frame: Frame) -> Sight:
        """Say whether the board is seen, how sharp, and whether from a new side."""
        try:
            view = find_board(frame, self._board)
        except CaptureError as error:
            return Sight(f"Not yet: {error}", good=False)
        found = f"{len(view.ids)} of {self._board.corners} corners"
        before = self._seen_before(role, view)
        if before is not None:
            return Sight(f"Not yet: {found}, but as in view {before}: tilt or move it", good=False)
        return Sight(f"Board seen: {found}, sharp (edges {view.blur_px:.1f} px)", good=True)

    def _seen_before(self, role: RoleName, view: View) -> int | None:
        """Return the number of the view taken that this one repeats; None: of none."""
        for number, taken in enumerate(self._views, 1):
            earlier = taken[0] if role == "nir" else taken[1]
            _, old, new = np.intersect1d(earlier.ids, view.ids, return_indices=True)
            apart = np.hypot(*(earlier.px[old] - view.px[new]).T)
            if len(apart) and np.percentile(apart, 90) < SAME_VIEW_SHARE * view.size[0]:
                return number
        return None

    def look(self, progress: Progress, stop: threading.Event | None) -> tuple[View, View]:
        """Return the board as both cameras see it now.

        Raises
        ------
        CaptureError
            Naming the camera and why its view does not serve.
        """
        pairs: list[View] = []
        frames: list[Frame] = []
        roles: tuple[tuple[RoleName, Camera], ...] = (("nir", self._nir), ("white", self._white))
        for k, (role, camera) in enumerate(roles):
            spec = spec_of(self._rig, role)
            with grabbing(camera, free_running(spec)) as applied:
                for _ in range(2):
                    frame = next_frame(camera, stop)
            self._bindings[role] = bound(camera, role, applied)
            try:
                pairs.append(find_board(frame, self._board))
            except CaptureError as error:
                raise CaptureError(f"{role} camera: {error}") from None
            frames.append(frame)
            progress(k + 1, 2)
        if stop is not None and stop.is_set():
            raise Interrupted("stopped: nothing was changed")
        self.last_look = _Look(*frames)
        return pairs[0], pairs[1]

    def fitted(self) -> RigRegistration:
        """Return the registration of the views taken. Raises CalibrationError."""
        return make_registration(
            [a for a, _ in self._views],
            [b for _, b in self._views],
            board=self._board,
            optics=self._rig.optics,
            nir=self._bindings["nir"],
            white=self._bindings["white"],
            made_at=self._now,
        )

    def finish(self) -> Outcome:
        """Fit, save, report."""
        found = self.fitted()
        path = self._folder / "registration.npz"
        found.save(path)
        page = registration_page(found)
        reports = write_report(path, [page], "Registration")
        lines = tuple(registration_lines(found))
        return Outcome("registration", path, lines, reports=reports, pages=(page,))


class SpotFlow(Flow):
    """One look at the board before a case, to see that the cameras stand as registered."""

    title = "Registration, one look"

    def __init__(
        self,
        rig: Rig,
        nir: Camera,
        white: Camera,
        registration: Path,
        *,
        board: Board,
        now: datetime,
    ) -> None:
        laid = board_laid(board, rig.optics.working_distance_mm, 6.0, -4.0)
        told = "Place the board at the working distance, in both pictures, and keep it still."
        super().__init__((Step("look", told, laid),))
        self._looking = RegisterFlow(rig, nir, white, registration.parent, board=board, now=now)
        self._path, self._found = registration, RigRegistration.load(registration)
        self._tolerance_mm = rig.check.registration_mm
        self._spot: SpotCheck | None = None

    def cameras(self) -> tuple[Camera, ...]:
        """Return both cameras."""
        return self._looking.cameras()

    def sight(self, role: RoleName, frame: Frame) -> Sight:
        """Say whether the board is seen, and how sharp."""
        return self._looking.sight(role, frame)

    def _do(self, index: int, progress: Progress, stop: threading.Event | None) -> str:
        nir, white = self._looking.look(progress, stop)
        self._spot = check_once(self._found, nir, white, tolerance_mm=self._tolerance_mm)
        return self._spot.message

    def finish(self) -> Outcome:
        """Say whether it holds; nothing is saved."""
        spot = self._spot
        assert spot is not None
        told = (
            f"{spot.corners} corners at {spot.distance_mm:.0f} mm, tilted by {spot.tilt_deg:.0f} "
            f"degrees; worst {spot.worst_px:.2f} px"
        )
        return Outcome("registration", self._path, (told,), good=spot.good)
