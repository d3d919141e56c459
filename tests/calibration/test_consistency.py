"""Edges in both streams: on the phantom's surgical field, and on a real multi-lens camera."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from hardware.opencv import cv2
from hardware.phantom import Phantom
from hardware.rig_files import load_rig
from sln_guide.calibration.board import grey_of
from sln_guide.calibration.consistency import (
    Consistency,
    ConsistencyWatch,
    compare,
)


def moved(dx: float, dy: float) -> np.ndarray:
    return np.array([[1.0, 0, dx], [0, 1.0, dy], [0, 0, 1]])


@pytest.fixture(scope="module")
def field() -> tuple[np.ndarray, np.ndarray]:
    """NIR and white of the emulated rig's phantom, the instrument in the field."""
    rig = load_rig("emulated")
    specs = {
        role: msgspec.structs.replace(getattr(rig, role), source="phantom")
        for role in ("nir", "white")
    }
    rig = msgspec.structs.replace(rig, emulated=False, **specs)
    assert rig.phantom is not None
    phantom = Phantom(rig.phantom, rig)
    index = 36 * 30
    return grey_of(phantom.frame("nir", index)), grey_of(phantom.frame("white", index))


def test_the_phantom_s_cameras_hold(field: tuple[np.ndarray, np.ndarray]) -> None:
    look = compare(*field, np.eye(3), tolerance_px=5.0)
    assert look.verdict != "moved"
    assert look.distance_px < 2.5


@pytest.mark.parametrize("shift", [(14.0, 0.0), (0.0, -12.0), (-10.0, 10.0)])
def test_a_knocked_camera_is_never_said_to_hold(
    field: tuple[np.ndarray, np.ndarray], shift: tuple[float, float]
) -> None:
    look = compare(*field, moved(*shift), tolerance_px=5.0)
    assert look.verdict != "holds"
    if look.verdict == "moved":
        assert look.shift_px == pytest.approx((-shift[0], -shift[1]), abs=3.0)


def test_a_field_without_edges_cannot_tell() -> None:
    rng = np.random.default_rng(2)
    plain = [rng.normal(500, 20, (512, 640)).astype(np.float32) for _ in range(2)]
    assert compare(*plain, np.eye(3), tolerance_px=5.0).verdict == "cannot tell"
    dark = np.zeros((512, 640), np.float32)
    assert compare(dark, dark, np.eye(3), tolerance_px=5.0).verdict == "cannot tell"


def test_one_strange_frame_does_not_withdraw_the_overlay() -> None:
    watch = ConsistencyWatch(looks=5, agreeing=3)
    holds = Consistency("holds", (0.0, 0.0), 0.1, 9)
    off = Consistency("moved", (9.0, 0.0), 0.1, 9)
    assert watch.add(holds) == "cannot tell"
    watch.add(holds)
    assert watch.add(holds) == "holds"
    assert watch.add(off) == "holds"
    watch.add(off)
    assert watch.add(off) == "moved"
    watch.forget_looks()  # another working distance: what was withdrawn stays so until it holds
    assert watch.add(holds) == "moved"
    watch.add(holds)
    assert watch.add(holds) == "holds"
    watch.forget_looks()
    assert watch.add(off) == "cannot tell"


@pytest.fixture(scope="module")
def sequoia() -> tuple[np.ndarray, np.ndarray]:
    folder = Path(__file__).resolve().parents[3] / "shared" / "data" / "sequoia_multicamera"
    if not folder.is_dir():
        pytest.skip("real recordings are absent: no ../shared/data beside the project")
    nir, edge = (
        cv2.imread(str(folder / f"IMG_180413_080658_0000_{band}.TIF"), cv2.IMREAD_UNCHANGED)
        for band in ("NIR", "REG")
    )
    return nir.astype(np.float32), edge.astype(np.float32)


PLACED = np.array([[0.99505, -0.00197, 41.970], [0.01469, 0.99654, 43.877], [0.0, 0.0, 1.0]])
"""The real rig's far plane, by its scene: its lenses stand apart, and no plane serves all of it."""


def test_the_real_rig_is_placed_as_another_method_places_it(
    sequoia: tuple[np.ndarray, np.ndarray],
) -> None:
    """OpenCV's ECC, on full-size edges."""
    strength = []
    for image in sequoia:
        logs = cv2.GaussianBlur(np.log(image), (0, 0), 1.5)
        across, down = cv2.Sobel(logs, cv2.CV_32F, 1, 0), cv2.Sobel(logs, cv2.CV_32F, 0, 1)
        strength.append(np.hypot(across, down))
    start = PLACED[:2].astype(np.float32)
    steps = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 60, 1e-5)
    _, reference = cv2.findTransformECC(*strength, start.copy(), cv2.MOTION_AFFINE, steps)
    xs, ys = np.meshgrid(np.linspace(100, 1180, 9), np.linspace(100, 860, 7))
    places = np.column_stack([xs.ravel(), ys.ravel()]).reshape(-1, 1, 2)
    ours = cv2.transform(places, PLACED[:2])[:, 0]
    theirs = cv2.transform(places, reference.astype(np.float64))[:, 0]
    # the scene is compared at a quarter of its size: one of its px is four of these
    assert np.median(np.hypot(*(ours - theirs).T)) < 6.0


@pytest.mark.parametrize("shift", [(0.0, 0.0), (20.0, 0.0), (0.0, -20.0), (14.0, 14.0)])
def test_a_real_rig_knocked_by_so_much_is_found_out(
    sequoia: tuple[np.ndarray, np.ndarray], shift: tuple[float, float]
) -> None:
    nir, edge = sequoia
    look = compare(nir, edge, moved(*shift) @ PLACED, tolerance_px=6.0)
    assert look.verdict == ("moved" if any(shift) else "holds")
    if any(shift):
        assert look.shift_px == pytest.approx((-shift[0], -shift[1]), abs=6.0)


@pytest.mark.parametrize("shift", [(0.0, 0.0), (30.0, 0.0), (-100.0, 80.0)])
def test_a_real_pair_that_shares_hardly_an_edge_is_not_told(shift: tuple[float, float]) -> None:
    """A plant before a bare wall, by cameras of 320 and of 2454 px: neither proved nor refuted."""
    folder = Path(__file__).resolve().parents[3] / "shared" / "data" / "vis_nir_pair"
    if not folder.is_dir():
        pytest.skip("real recordings are absent: no ../shared/data beside the project")
    nir, white = (
        cv2.imread(str(next(folder.glob(f"{kind}*"))), cv2.IMREAD_GRAYSCALE).astype(np.float32)
        for kind in ("NIR", "VIS")
    )
    # from the plant's tip and its pot, by eye
    by_eye = np.array([[9.31, 0.0, -239.0], [0.0, 9.31, -358.0], [0.0, 0.0, 1.0]])
    placed = moved(*shift) @ by_eye
    assert compare(nir, white, placed, tolerance_px=4.0).verdict == "cannot tell"
