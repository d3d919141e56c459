"""Drawing round the injection site with a finger."""

from __future__ import annotations

import math
from typing import Any

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

from hardware.rig import Registration
from sln_guide.gui.picture.lasso import Lasso, in_nir
from sln_guide.guidance import MOST_POLYGON_POINTS, View
from tests.gui import fakes


def test_a_finger_draws_a_region_of_few_points() -> None:
    lasso = Lasso()
    lasso.switch(on=True)
    lasso.begin((50.0, 20.0))
    for step in range(2000):
        angle = step / 2000 * 2 * math.pi
        lasso.pull((20.0 + 300 * math.cos(angle), 20.0 + 300 * math.sin(angle)))
    points = lasso.take()
    assert 8 < len(points) <= MOST_POLYGON_POINTS
    assert not lasso.on
    assert all(math.hypot(x - 20, y - 20) < 320 for x, y in points)


@pytest.mark.parametrize("path", [[], [(5.0, 5.0)], [(5.0, 5.0), (6.0, 5.0), (7.0, 5.0)]])
def test_a_slip_is_no_region(path: list[tuple[float, float]]) -> None:
    lasso = Lasso()
    lasso.switch(on=True)
    for place, point in enumerate(path):
        (lasso.begin if place == 0 else lasso.pull)(point)
    assert lasso.take() == ()


def test_what_is_drawn_on_colour_lies_in_nir_by_the_registration() -> None:
    doubled = Registration(
        kind="calibrated", white_from_nir=((2.0, 0.0, 10.0), (0.0, 2.0, 0.0), (0.0, 0.0, 1.0))
    )
    picture = fakes.FakeSource(registration=doubled).push()
    assert in_nir(((30.0, 40.0), (50.0, 40.0)), picture) == ((10.0, 20.0), (20.0, 20.0))
    none = fakes.FakeSource(registration=Registration()).push()
    assert in_nir(((30.0, 40.0), (50.0, 40.0)), none) == ()


def drag(window: Any, corners: list[tuple[int, int]]) -> None:
    video = window.video
    QTest.mousePress(video, Qt.MouseButton.LeftButton, pos=QPoint(*corners[0]))
    for corner in corners[1:]:
        QTest.mouseMove(video, QPoint(*corner))
    QTest.mouseRelease(video, Qt.MouseButton.LeftButton, pos=QPoint(*corners[-1]))


def test_drawn_by_hand_and_taken_away_again(open_window: Any) -> None:
    source = fakes.FakeSource()
    source.push()
    window = open_window(source)
    QTest.keyClick(window, Qt.Key.Key_X)
    assert "Draw round" in window.confirmation.text
    middle = window.video.rect().center()
    x, y = middle.x(), middle.y()
    drag(window, [(x - 60, y - 60), (x + 60, y - 60), (x + 60, y + 60), (x - 60, y + 60)])
    points = source.settings.exclusion_px
    assert len(points) >= 3
    placement = window.video.placement()
    assert points[0] == pytest.approx(placement.to_picture(x - 60.0, y - 60.0), abs=1.0)
    assert [(m.name) for m in source.marks] == ["exclusion"]
    window.refresh_readings()
    assert window.settings.exclude.text() == "Exclude no more"
    drag(window, [(x, y), (x + 30, y)])
    assert source.settings.exclusion_px == points, "a drag moves the picture again"
    QTest.keyClick(window, Qt.Key.Key_X)
    assert source.settings.exclusion_px == ()


def test_not_on_a_frozen_picture(open_window: Any) -> None:
    source = fakes.FakeSource()
    source.push()
    window = open_window(source)
    QTest.keyClick(window, Qt.Key.Key_Space)
    QTest.keyClick(window, Qt.Key.Key_X)
    assert "release the picture" in window.confirmation.text
    assert not window.video._lasso.on


def test_a_slip_says_so(open_window: Any) -> None:
    source = fakes.FakeSource()
    source.push()
    window = open_window(source)
    window.settings.exclude.click()
    middle = window.video.rect().center()
    drag(window, [(middle.x(), middle.y()), (middle.x() + 1, middle.y())])
    assert window.confirmation.text.startswith("Nothing excluded")
    assert source.settings.exclusion_px == ()


def test_the_region_is_drawn_where_it_lies(open_window: Any) -> None:
    source = fakes.FakeSource()
    source.change(view=View.NIR)
    window = open_window(source)
    source.push(detections=())
    window.video.repaint()
    plain = window.video.grab().toImage()
    source.push(detections=(), exclusion_px=((20.0, 20.0), (60.0, 20.0), (60.0, 60.0)))
    window.refresh()
    window.video.repaint()
    lined = window.video.grab().toImage()
    placement = window.video.placement()
    x, y = (round(v) for v in placement.to_view(60.0, 40.0))
    column = {lined.pixel(x + dx, y + dy) for dx in (-2, -1, 0, 1, 2) for dy in range(-20, 20)}
    assert column - {plain.pixel(x + dx, y + dy) for dx in (-2, 2) for dy in range(-20, 20)}
