"""Zoom and pan: what is under the pointer stays there; nothing is dragged out of sight."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sln_guide.gui.picture.zoom import MAX_SCALE, Zoom

sizes = st.tuples(st.integers(16, 4000), st.integers(16, 4000))
factors = st.floats(0.2, 5.0)


def test_fit_shows_the_whole_picture_in_the_middle() -> None:
    placed = Zoom().placed((1280, 1024), (1000, 512))
    assert placed.scale == 0.5
    assert placed.left == pytest.approx(180)
    assert placed.top == 0
    assert placed.to_view(-0.5, -0.5) == pytest.approx((180, 0))
    assert placed.to_picture(180, 0) == pytest.approx((-0.5, -0.5))


@given(sizes, sizes, st.floats(1.0, 4.0), st.floats(0, 1), st.floats(0, 1))
def test_zooming_in_keeps_the_point_under_the_pointer(
    picture: tuple[int, int], view: tuple[int, int], factor: float, fx: float, fy: float
) -> None:
    point = (fx * view[0], fy * view[1])
    cover = max(room / size for size, room in zip(picture, view, strict=True)) * 1.01
    start = Zoom(cover, ((picture[0] - 1) / 2, (picture[1] - 1) / 2))
    at = start.placed(picture, view).to_picture(*point)
    after = start.about(point, factor, picture, view).placed(picture, view)
    assert after.to_view(*at) == pytest.approx(point, abs=1e-3)


@given(
    sizes,
    sizes,
    st.lists(
        st.tuples(st.sampled_from(["zoom", "drag"]), factors, st.floats(-9e3, 9e3)), max_size=8
    ),
)
def test_whatever_is_done_the_picture_stays_in_sight(
    picture: tuple[int, int], view: tuple[int, int], moves: list[tuple[str, float, float]]
) -> None:
    zoom = Zoom()
    for kind, factor, way in moves:
        if kind == "zoom":
            zoom = zoom.about((view[0] / 3, view[1] / 2), factor, picture, view)
        else:
            zoom = zoom.dragged(way, -way, picture, view)
        placed = zoom.placed(picture, view)
        fit = Zoom().placed(picture, view).scale
        assert fit * 0.999 <= placed.scale <= max(MAX_SCALE, fit) * 1.001
        for offset, size, room in (
            (placed.left, picture[0], view[0]),
            (placed.top, picture[1], view[1]),
        ):
            length = size * placed.scale
            if length > room:
                assert offset <= 1e-6
                assert offset + length >= room - 1e-6
            else:
                assert offset == pytest.approx((room - length) / 2)


def test_zooming_out_ends_at_fit() -> None:
    zoom = Zoom().about((10, 10), 4.0, (100, 100), (200, 200))
    assert not zoom.fits
    assert zoom.about((10, 10), 0.1, (100, 100), (200, 200)).fits


def test_actual_size_is_one_px_a_screen_px() -> None:
    zoom = Zoom().actual_size(2.0, (1280, 1024), (640, 480))
    assert zoom.placed((1280, 1024), (640, 480)).scale == 0.5


def test_a_fitted_picture_cannot_be_dragged() -> None:
    assert Zoom().dragged(10, 10, (100, 100), (200, 100)) == Zoom()
