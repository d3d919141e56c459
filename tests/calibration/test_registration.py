"""Registration on rendered boards: both lenses are known exactly, and so is every pixel."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import pytest

from hardware.bench import Bench, Plane
from hardware.frame import PixelFormat
from hardware.opencv import cv2
from hardware.rig import Optics, Registration
from hardware.rig_files import load_rig
from sln_guide.calibration.binding import Binding
from sln_guide.calibration.board import Board, View, find_board
from sln_guide.calibration.errors import CalibrationFileError, CaptureError
from sln_guide.calibration.registration import (
    RigRegistration,
    check_once,
    make_registration,
)

from .boards import BOARD, POSES, frame_of, plane, views_of
from .conftest import NOW


@pytest.fixture(scope="module")
def big_bench() -> Bench:
    return Bench(load_rig("bench"))


@pytest.fixture(scope="module")
def views(big_bench: Bench) -> tuple[list[View], list[View]]:
    pairs = [views_of(big_bench, plane(BOARD, *pose)) for pose in POSES]
    return [a for a, _ in pairs], [b for _, b in pairs]


def binding(role: Literal["nir", "white"], width: int, height: int) -> Binding:
    return Binding(
        camera_id=f"bench-{role}",
        role=role,
        roi=(0, 0, width, height),
        pixel_format=PixelFormat.MONO12 if role == "nir" else PixelFormat.BAYER_RG8,
        gain_db=0.0,
        black_level=64.0,
        exposure_us=(8000.0, 8000.0),
    )


def register(
    views: tuple[list[View], list[View]], board: Board = BOARD, **optics: float
) -> RigRegistration:
    rig = load_rig("bench")
    return make_registration(
        *views,
        board=board,
        optics=msgspec.structs.replace(rig.optics, **optics),
        nir=binding("nir", 640, 512),
        white=binding("white", 800, 640),
        made_at=NOW,
    )


@pytest.fixture(scope="module")
def found(views: tuple[list[View], list[View]]) -> RigRegistration:
    return register(views)


@pytest.mark.parametrize("distance_mm", [280.0, 300.0, 330.0])
def test_the_homography_of_a_distance_is_right_within_a_third_of_a_pixel(
    big_bench: Bench, found: RigRegistration, distance_mm: float
) -> None:
    matrix = found.working_plane(distance_mm).registration.matrix()
    xs, ys = np.meshgrid(np.linspace(20, 619, 21), np.linspace(20, 491, 17))
    places = np.column_stack([xs.ravel(), ys.ravel()])
    truth = big_bench.white_from_nir(places, distance_mm)
    seen = (truth > 0).all(axis=1) & (truth < (799, 639)).all(axis=1)
    mapped = cv2.perspectiveTransform(places.reshape(-1, 1, 2), matrix)[:, 0]
    errors = np.hypot(*(mapped - truth).T)[seen]
    assert np.median(errors) <= 0.3
    plane_errors = found.plane_at(distance_mm)
    assert np.median(errors) <= plane_errors.median_px + 0.2
    assert errors.max() <= plane_errors.worst_px + 0.5


def test_the_lenses_are_the_bench_s(big_bench: Bench, found: RigRegistration) -> None:
    stereo = found.fields.stereo
    for role in ("nir", "white"):
        truth, lens = big_bench.lenses[role], getattr(stereo, role)
        assert lens.focal_px[0] == pytest.approx(truth.focal_px, rel=0.005)
        assert lens.k[0] == pytest.approx(truth.k[0], abs=0.02)
    assert stereo.baseline_mm == pytest.approx(30.0, rel=0.02)
    assert found.fields.measured_median_px < 0.15
    assert found.plane_at(300.0).mm_per_px == pytest.approx(0.2, rel=0.005)
    assert found.fields.mm_per_px_error < 0.01


def test_parallax_is_stated_for_the_declared_relief(found: RigRegistration) -> None:
    assert found.fields.parallax_mm == pytest.approx(30 * 10 / 300, rel=0.02)
    residual = found.working_plane().registration.residual_mm
    assert residual is not None
    assert 0.0 < residual < found.fields.parallax_mm, "of the plane; relief comes on top"
    with pytest.raises(CalibrationFileError, match="holds from"):
        found.working_plane(500.0)


def test_a_file_keeps_it(found: RigRegistration, tmp_path: Path) -> None:
    found.save(tmp_path / "registration.npz")
    again = RigRegistration.load(tmp_path / "registration.npz")
    assert again.fields == found.fields
    assert np.array_equal(again.error_px, found.error_px)
    broken = found.error_px.copy()
    broken[0, 0] = np.nan
    RigRegistration(found.fields, broken).save(tmp_path / "nan.npz")
    with pytest.raises(CalibrationFileError, match="not numbers"):
        RigRegistration.load(tmp_path / "nan.npz")


def test_one_look_at_the_board_tells_whether_the_cameras_moved(found: RigRegistration) -> None:
    bench = Bench(load_rig("bench"))
    still = check_once(found, *views_of(bench, plane(BOARD, 8, -5, 305)))
    assert still.good
    assert still.distance_mm == pytest.approx(305, abs=2)
    bench.move("white", rotation_deg=0.4, shift_mm=1.0)
    moved = check_once(found, *views_of(bench, plane(BOARD, 8, -5, 305)))
    assert not moved.good
    assert "register again" in moved.message


def test_a_nudge_is_no_calibration(found: RigRegistration) -> None:
    moved = found.working_plane().registration.nudged(3.0, -2.0)
    assert moved.kind == "nudged"
    assert moved.residual_mm is None, "nobody measured where it lies now"
    assert Registration().nudged(3.0, -2.0) == Registration(), "nothing to move"
    before, after = (
        cv2.perspectiveTransform(np.array([[[100.0, 80.0]]]), r.matrix())[0, 0]
        for r in (found.working_plane().registration, moved)
    )
    assert after - before == pytest.approx([3.0, -2.0])


def test_a_board_that_moved_between_the_cameras_is_left_out_and_named(
    views: tuple[list[View], list[View]],
) -> None:
    nir, white = views
    stray = View(white[4].ids, white[4].px + np.array([4.0, 1.0]), white[4].mm, white[4].size, 1.0)
    fixed = register((nir, [*white[:4], stray, *white[5:]]))
    assert "view 5 left out" in fixed.fields.notes[0]
    assert fixed.fields.views == len(nir) - 1


@pytest.mark.parametrize(
    ("chosen", "reason"),
    [
        ([0, 1, 2], "too few"),
        ([0, 7, 0, 7, 0, 7], "all alike"),
        ([0, 1, 2, 1, 2, 7], "one axis only"),
    ],
)
def test_too_few_or_degenerate_views_are_refused(
    views: tuple[list[View], list[View]], chosen: list[int], reason: str
) -> None:
    nir, white = views
    with pytest.raises(CaptureError, match=reason):
        register(([nir[k] for k in chosen], [white[k] for k in chosen]))


def test_a_board_of_the_wrong_size_is_refused(views: tuple[list[View], list[View]]) -> None:
    nir, white = (
        [View(v.ids, v.px, v.mm * 1.5, v.size, v.blur_px) for v in side] for side in views
    )
    with pytest.raises(CaptureError, match="measured-mm"):
        register((nir, white))
    with pytest.raises(CaptureError, match="the rig works at 600 mm"):
        register(views, working_distance_mm=600.0)


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (Plane(outside=0.5), "no board"),
        (plane(BOARD, 0, 0, 300, blur_px=5.0), "blurred .*: focus, hold the board still"),
        (plane(BOARD, 0, 0, 300, light=90_000.0), "saturated: shorten the exposure"),
        (plane(BOARD, 0, 0, 300, light=3600.0), "saturated: shorten the exposure"),
        (plane(BOARD, 0, 0, 300, shift_mm=(95.0, 60.0)), "of 70 corners seen: bring more of"),
        (
            plane(Board(columns=14, rows=11, square_mm=8, marker_mm=6), 0, 0, 300),
            "another board.*show the board that was printed",
        ),
    ],
)
def test_a_view_that_does_not_serve_is_refused_with_the_reason(
    big_bench: Bench, what: Plane, reason: str
) -> None:
    big_bench.show(what)
    with pytest.raises(CaptureError, match=reason):
        find_board(frame_of(big_bench, "nir"), BOARD)


def test_the_printed_page_is_true_to_scale() -> None:
    board = Board()
    data = board.pdf()
    assert data.startswith(b"%PDF-1.4")
    assert data.rstrip().endswith(b"%%EOF")
    bar = f"{100 * 72 / 25.4:.4f} {1.2 * 72 / 25.4:.4f} re".encode()
    assert bar in data
    assert board.scaled(99.2).square_mm == pytest.approx(15 * 0.992)
    with pytest.raises(ValueError, match="100 mm"):
        board.scaled(9.9)


def test_optics_without_a_baseline_take_what_is_measured(
    views: tuple[list[View], list[View]],
) -> None:
    assert register(views, baseline_mm=0.0).fields.parallax_mm == pytest.approx(1.0, rel=0.03)
    assert isinstance(Optics(), Optics)
