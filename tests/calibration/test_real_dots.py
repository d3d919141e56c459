"""A real stereo laparoscope and somebody else's intrinsics (scikit-surgeryimage's Viking data).

Its left-to-right transform turns by 72 degrees, which the pictures plainly contradict, so only
the intrinsics serve as a reference: with them, the pose of two views must predict the third.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hardware.opencv import cv2
from sln_guide.calibration.board import View
from sln_guide.calibration.lenses import Lens, fit_pose, five

FIDUCIALS = np.array([[0, 0], [8, 0], [8, 7], [0, 7]], np.float64)
ACROSS = 100


def _terms(cells: np.ndarray) -> np.ndarray:
    x, y = (cells / 10.0).T
    return np.stack([x**i * y**j for i in range(4) for j in range(4 - i)], axis=1)


def _is_fiducial(cell: tuple[int, int]) -> bool:
    return cell in {(0, 0), (8, 0), (8, 7), (0, 7)}


def dots(path: Path) -> View:
    """Return the grid's dots, numbered from the four large ones outwards."""
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    height, width = image.shape
    smooth = cv2.GaussianBlur(image, (0, 0), 1.5)
    dark = cv2.adaptiveThreshold(
        smooth, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, 151, 18
    )
    _, labels, stats, _ = cv2.connectedComponentsWithStats(dark)
    small, large = [], []
    for k in range(1, len(stats)):
        x, y, w, h, area = (int(v) for v in stats[k])
        whole = x > 1 and y > 1 and x + w < width - 1 and y + h < height - 1
        if not whole or area < 60 or area < 0.6 * w * h or max(w, h) > 2 * min(w, h):
            continue
        if area > 14_000:
            continue
        # the centre of what is dark, weighed by how dark
        part = np.s_[y - 2 : y + h + 2, x - 2 : x + w + 2]
        depth = np.clip(np.percentile(smooth[part], 90) - smooth[part].astype(float), 0, None)
        depth *= cv2.dilate((labels[part] == k).astype(np.uint8), np.ones((5, 5)))
        ys, xs = np.mgrid[part]
        centre = (float((xs * depth).sum() / depth.sum()), float((ys * depth).sum() / depth.sum()))
        (large if area > 2000 else small).append(centre)
    corners = np.array(large)
    assert len(corners) == 4
    middle = corners.mean(axis=0)
    angle = np.arctan2(*(corners - middle).T[::-1])
    corners = corners[np.argsort(angle)]
    corners = np.roll(corners, -int(np.argmin(corners.sum(axis=1))), axis=0)
    known = {(int(x), int(y)): p for (x, y), p in zip(FIDUCIALS, corners, strict=True)}
    points = np.array(small)
    for _ in range(12):  # outwards, so that distortion never misleads by half a step
        cells = np.array(list(known), np.float64)
        seen = np.array(list(known.values()))
        onto, _ = cv2.findHomography(seen, cells, 0)
        at = cv2.perspectiveTransform(points.reshape(-1, 1, 2), onto)[:, 0]
        if len(known) > 60:
            flat = cv2.perspectiveTransform(seen.reshape(-1, 1, 2), onto)[:, 0]
            bend, *_ = np.linalg.lstsq(_terms(flat), cells, rcond=None)
            at = _terms(at) @ bend
        reach = np.abs(cells - 4).max() + 1.5
        known = {cell: p for cell, p in known.items() if _is_fiducial(cell)}
        for cell, place in zip(at, points, strict=True):
            whole_cell = np.rint(cell)
            if np.hypot(*(cell - whole_cell)) < 0.2 and np.abs(cell - 4).max() < reach:
                known[int(whole_cell[0]), int(whole_cell[1])] = place
    for x, y in FIDUCIALS:
        known.pop((int(x), int(y)))
    cells = np.array(list(known), np.int64)
    ids = (cells[:, 1] + 50) * ACROSS + cells[:, 0] + 50
    order = np.argsort(ids)
    mm = np.column_stack([cells, np.zeros(len(cells))]).astype(np.float64) * 5.0
    return View(ids[order], np.array(list(known.values()))[order], mm[order], (width, height), 1.0)


def reference(folder: Path, side: str) -> Lens:
    matrix = np.loadtxt(folder / f"viking.calib.{side}.intrinsics.txt")
    k = np.loadtxt(folder / f"viking.calib.{side}.distortion.txt")
    return Lens(
        width=1920,
        height=1080,
        focal_px=(matrix[0, 0], matrix[1, 1]),
        centre_px=(matrix[0, 2], matrix[1, 2]),
        k=five(k),
    )


@pytest.mark.parametrize("held_out", [0, 1, 2])
def test_the_reference_lenses_register_a_view_they_were_not_posed_on(
    shared_data: Path, held_out: int
) -> None:
    folder = shared_data / "laparoscope_dots"
    sides = {
        side: [dots(folder / f"calib.{side}.images.{k}.png") for k in (0, 3, 6)]
        for side in ("left", "right")
    }
    shown = [k for k in range(3) if k != held_out]
    stereo = fit_pose(
        reference(folder, "left"),
        reference(folder, "right"),
        [sides["left"][k] for k in shown],
        [sides["right"][k] for k in shown],
    )
    predicted, seen = stereo.white_px_of_board(sides["left"][held_out], sides["right"][held_out])
    errors = np.hypot(*(predicted - seen).T)
    assert len(errors) > 150
    assert np.median(errors) <= 1.0, f"median {np.median(errors):.2f} px"
