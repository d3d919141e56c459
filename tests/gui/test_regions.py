"""Regions drawn by hand, whose light is plotted over time."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

from sln_guide.gui.picture.lasso import Lasso, Shape
from sln_guide.gui.plots.history import EVERY_S, SignalHistory, region_light
from sln_guide.guidance import MOST_REGIONS, CannotJudge, Settings
from tests.gui import fakes

Wait = Callable[[Callable[[], object]], None]
SQUARE = ((16.0, 16.0), (47.0, 16.0), (47.0, 47.0), (16.0, 47.0))
"""NIR px: blocks 2 to 5 of 8 px, in both directions."""


@pytest.fixture
def window(open_window: Any) -> Any:
    source = fakes.FakeSource()
    source.push()
    one = open_window(source)
    one.source = source
    return one


def drag(window: Any, start: QPoint, end: QPoint) -> None:
    video = window.video
    QTest.mousePress(video, Qt.MouseButton.LeftButton, pos=start)
    QTest.mouseMove(video, start + QPoint(7, 4))
    QTest.mouseMove(video, end)
    QTest.mouseRelease(video, Qt.MouseButton.LeftButton, pos=end)


@pytest.mark.parametrize("shape", [Shape.RECTANGLE, Shape.ELLIPSE])
def test_a_shape_lies_between_the_ends_of_a_drag(shape: Shape) -> None:
    lasso = Lasso()
    lasso.switch(on=True, shape=shape)
    lasso.begin((80.0, 60.0))
    for end in ((20.0, 90.0), (200.0, 10.0), (40.0, 20.0)):
        lasso.pull(end)
    points = np.array(lasso.take())
    assert points.min(axis=0) == pytest.approx((40.0, 20.0), abs=0.1)
    assert points.max(axis=0) == pytest.approx((80.0, 60.0), abs=0.1)
    x, y = points.T
    area = abs(np.sum(x * np.roll(y, 1) - y * np.roll(x, 1))) / 2
    assert area == pytest.approx(
        1600.0 * (1.0 if shape is Shape.RECTANGLE else np.pi / 4), rel=0.02
    )


def test_the_light_of_a_region_is_the_mean_of_what_can_be_judged_in_it() -> None:
    guidance = fakes.FakeSource().push().guidance
    signal = guidance.signal.copy()
    signal[2:6, 2:6] = 4.0
    judge = guidance.cannot_judge.copy()
    assert region_light(replace(guidance, signal=signal), SQUARE) == pytest.approx(14.0)
    signal[2, 2] = 900.0
    judge[2, 2] = int(CannotJudge.SATURATED)
    one = replace(guidance, signal=signal, cannot_judge=judge)
    assert region_light(one, SQUARE) == pytest.approx(14.0)
    judge[:] = int(CannotJudge.TOO_DARK)
    assert np.isnan(region_light(one, SQUARE))
    outside = tuple((x + 5000.0, y) for x, y in SQUARE)
    assert np.isnan(region_light(one, outside))


def test_a_curve_rises_as_its_region_does_and_ends_with_it() -> None:
    history, source = SignalHistory(), fakes.FakeSource()
    settings = Settings(regions_px=(SQUARE,))
    plain = source.push(detections=()).guidance
    for step in range(20):
        lit = replace(
            plain, signal=plain.signal + step, settings=settings, regions_px=settings.regions_px
        )
        history.add(step * 1.1 * EVERY_S, lit)
    assert history.signals()["ROI-1"] == pytest.approx(10.0 + np.arange(20.0))
    other = Settings(regions_px=(SQUARE[:3],))
    history.add(9.0, replace(plain, settings=other, regions_px=other.regions_px))
    assert np.isnan(history.signals()["ROI-1"][:-1]).all(), "another region, another curve"
    history.add(10.0, plain)
    assert "ROI-1" not in history.signals()


def test_drawn_plotted_saved_and_removed(window: Any, wait_for: Wait, tmp_path: Path) -> None:
    source, middle = window.source, window.video.rect().center()
    QTest.keyClick(window, Qt.Key.Key_I)
    assert "Draw a region" in window.confirmation.text
    drag(window, middle - QPoint(1, 1), middle)
    assert source.settings.regions_px == (), "a slip"
    window.settings.regions[Shape.RECTANGLE].click()
    drag(window, middle - QPoint(80, 60), middle + QPoint(80, 60))
    assert len(source.settings.regions_px) == 1
    assert source.settings.exclusion_px == ()
    assert [(m.name, m.detail) for m in source.marks] == [("region", "ROI-1")]

    def plotted() -> bool:
        source.push(regions_px=source.settings.regions_px)
        return "ROI-1" in window.curves._curves

    wait_for(plotted)
    window.settings.curves.click()
    wait_for(lambda: window.confirmation.text.startswith("Curves saved: "))
    (table,) = (tmp_path / "snapshots").glob("*-curves.csv")
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert float(rows[-1]["ROI-1 counts/(ms·gain)"]) == pytest.approx(10.0)
    QTest.keyClick(window, Qt.Key.Key_Backspace)
    assert source.settings.regions_px == ()
    QTest.keyClick(window, Qt.Key.Key_Backspace)
    assert window.confirmation.text == "No region is drawn"


def test_only_so_many_and_not_on_a_frozen_picture(window: Any) -> None:
    QTest.keyClick(window, Qt.Key.Key_Space)
    QTest.keyClick(window, Qt.Key.Key_I)
    assert "release the picture" in window.confirmation.text
    QTest.keyClick(window, Qt.Key.Key_Space)
    window.source.change(regions_px=(SQUARE,) * MOST_REGIONS)
    QTest.keyClick(window, Qt.Key.Key_I)
    assert "already" in window.confirmation.text
    with pytest.raises(ValueError, match="regions_px"):
        Settings(regions_px=(SQUARE,) * (MOST_REGIONS + 1))


def test_it_is_drawn_where_it_lies_now(window: Any) -> None:
    source = window.source
    source.push(detections=(), overlay=False)
    source.push(detections=())
    window.refresh()
    plain = window.video.grab().toImage()
    moved = tuple((x + 60.0, y + 60.0) for x, y in SQUARE)
    source.push(detections=(), regions_px=(moved,))
    window.refresh()
    lined = window.video.grab().toImage()
    placement = window.video.placement()
    x, y = (round(v) for v in placement.to_view(107.0, 90.0))
    spots = [(x + dx, y + dy) for dx in range(-2, 3) for dy in range(-9, 10)]
    assert {lined.pixel(*at) for at in spots} != {plain.pixel(*at) for at in spots}
