"""Boards laid under the bench, and what the two cameras then see."""

from __future__ import annotations

import math

import numpy as np

from hardware.bench import Bench, Plane
from hardware.bench_camera import BenchCamera
from hardware.camera import CameraSettings
from hardware.frame import Frame
from hardware.opencv import cv2
from sln_guide.calibration.board import Board, View, find_board
from sln_guide.calibration.frames import grabbing

BOARD = Board(columns=11, rows=8, square_mm=10.0, marker_mm=7.5)
POSES = (
    (0, 0, 300),
    (24, 0, 300),
    (-24, 4, 290),
    (0, 24, 310),
    (3, -24, 300),
    (16, 16, 320),
    (-16, 16, 275),
    (0, 0, 335),
    (-15, -18, 300),
)


def plane(
    board: Board,
    x_deg: float,
    y_deg: float,
    distance_mm: float,
    *,
    blur_px: float = 0.7,
    light: float = 1200.0,
    shift_mm: tuple[float, float] = (0.0, 0.0),
) -> Plane:
    turn = cv2.Rodrigues(np.radians([x_deg, y_deg, 0.0]))[0]
    width, height = board.size_mm
    middle = np.array([*shift_mm, distance_mm])
    corner = middle - turn @ np.array([width / 2, height / 2, 0])
    return Plane(
        board.picture(0.05),
        0.05,
        0.5,
        turn,
        (float(corner[0]), float(corner[1]), float(corner[2])),
        (light, light),
        blur_px,
    )


def frame_of(bench: Bench, role: str, exposure_us: float = 8000.0) -> Frame:
    camera = BenchCamera(bench, role)
    with grabbing(camera, CameraSettings(exposure_us=exposure_us)):
        return camera.read(1.0)


def views_of(bench: Bench, what: Plane, board: Board = BOARD) -> tuple[View, View]:
    bench.show(what)
    return find_board(frame_of(bench, "nir"), board), find_board(frame_of(bench, "white"), board)


def degrees(turn: np.ndarray) -> float:
    return math.degrees(float(np.linalg.norm(cv2.Rodrigues(turn)[0])))
