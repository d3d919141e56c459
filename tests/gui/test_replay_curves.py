"""Curves in replay: as recorded, or as computed; at the recording's times, in whatever order."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

from sln_guide.gui.plots.curves import SINCE_SEEK, Plot
from sln_guide.gui.plots.plot_data import APART_S, thinned_apart
from sln_guide.gui.plots.replay_history import ReplayHistory
from tests.gui import fakes

Wait = Callable[[Callable[[], object]], None]
MS = 1_000_000
PERIOD_NS = 100 * MS
REGION = ((20.0, 20.0), (120.0, 20.0), (120.0, 100.0), (20.0, 100.0))


def computed(generation: int, peak: float, **changes: Any) -> Any:
    """A guidance that sees node 1 with a signal."""
    guidance = fakes.FakeSource().push().guidance
    node = replace(guidance.detections[0], signal=peak)
    return replace(guidance, generation=generation, detections=(node,), **changes)


def curve(history: ReplayHistory, name: str) -> dict[float, float]:
    """Return what is known of a curve: time [s] and value."""
    values = history.signals().get(name, np.array([]))
    pairs = zip(history.times_s(), values, strict=False)
    return {round(float(t), 3): float(v) for t, v in pairs if not math.isnan(v)}


def test_the_recordings_own_curves_stand_whatever_is_computed_later() -> None:
    history = ReplayHistory()
    history.add(0, computed(1, 99.0), PERIOD_NS)
    assert curve(history, "SLN-1") == {0.0: 99.0}
    history.take_recorded(tuple((n * 1000 * MS, {1: float(n)}) for n in range(5)))
    assert history.recorded
    history.add(2000 * MS, computed(5, 99.0), PERIOD_NS)
    history.add(2500 * MS, computed(6, 99.0), PERIOD_NS)
    assert curve(history, "SLN-1") == {0.0: 0.0, 1.0: 1.0, 2.0: 2.0, 3.0: 3.0, 4.0: 4.0}


def test_a_region_is_plotted_where_it_was_seen_in_order_of_the_recording() -> None:
    history = ReplayHistory()
    history.take_recorded(((0, {1: 7.0}), (8000 * MS, {1: 8.0})))
    settings = replace(fakes.FakeSource().settings, regions_px=(REGION,))
    order_ms = (5000, 1000, 9000, 1000, 3000)
    for generation, time_ms in enumerate(order_ms, 1):
        light = np.full((16, 20), float(time_ms), np.float32)
        guidance = computed(
            generation,
            1.0,
            settings=settings,
            regions_px=(REGION,),
            background=light * 0,
            signal=light,
        )
        history.add(time_ms * MS, guidance, PERIOD_NS)
    assert list(history.times_s()) == sorted({0.0, 8.0, *(t / 1000 for t in order_ms)})
    assert curve(history, "ROI-1") == {t / 1000: float(t) for t in sorted(set(order_ms))}
    # drawn anew it is another region: nothing of the first is left
    other = replace(settings, regions_px=(REGION[::-1],))
    again = computed(9, 1.0, settings=other, regions_px=(REGION[::-1],))
    history.add(6000 * MS, again, PERIOD_NS)
    assert list(curve(history, "ROI-1")) == [6.0]
    assert list(curve(history, "SLN-1")) == [0.0, 8.0]


def test_what_is_computed_is_of_one_run_after_a_seek_it_begins_anew() -> None:
    history = ReplayHistory()
    for step in range(20):
        history.add(step * PERIOD_NS * 3, computed(1 + 3 * step, 5.0 + step), PERIOD_NS)
    assert len(curve(history, "SLN-1")) == 20
    # back to a moment that is known: the same run, the same place
    history.add(6 * PERIOD_NS, computed(7, 7.0), PERIOD_NS)
    history.add(9 * PERIOD_NS, computed(10, 8.0), PERIOD_NS)
    assert len(curve(history, "SLN-1")) == 20
    # a seek: tracks are new, and number 1 may be another node
    history.add(400 * PERIOD_NS, computed(5, 50.0), PERIOD_NS)
    assert curve(history, "SLN-1") == {40.0: 50.0}
    history.add(403 * PERIOD_NS, computed(8, 51.0), PERIOD_NS)
    assert curve(history, "SLN-1") == {40.0: 50.0, 40.3: 51.0}
    # at the very beginning of a run generations alone would not tell
    history.add(900 * PERIOD_NS, computed(9, 1.0), PERIOD_NS)
    assert list(curve(history, "SLN-1")) == [90.0]


def test_nothing_is_drawn_across_a_time_that_was_not_seen() -> None:
    times_s = np.concatenate([np.arange(0, 300, 0.2), np.arange(600, 900, 0.2)])
    values = np.where(times_s < 500, 1.0, 3.0)
    drawn_s, drawn = thinned_apart(times_s, values)
    assert drawn_s.size <= 420
    assert set(drawn[np.isfinite(drawn)]) == {1.0, 3.0}, "no mean of both sides"
    last, first = int(np.searchsorted(drawn_s, 400.0)) - 1, int(np.searchsorted(drawn_s, 400.0))
    assert drawn_s[first] - drawn_s[last] > APART_S
    assert math.isnan(drawn[last]), "a line ends where it was measured last"


@pytest.fixture
def window(open_window: Any, wait_for: Wait) -> Any:
    source = fakes.ReplaySource()
    source.signals = tuple((n * 200 * MS, {1: 10.0 + n}) for n in range(50))
    source.push(age_ms=1e7)
    one = open_window(source, (1920, 1080))
    one.source = source
    wait_for(lambda: bool(one.curves._curves))
    return one


def test_a_replay_shows_the_whole_curve_and_where_it_stands(window: Any) -> None:
    curves = window.curves
    assert curves.isVisible()
    assert curves.heading == Plot.SIGNAL
    assert curves.y() < window.timeline.y()
    assert set(curves._curves) == {"SLN-1"}
    assert "SLN-1 peak" in curves.fact
    (low, high), _ = curves._plot.getViewBox().viewRange()
    assert low == 0
    assert high >= window.source.duration_s
    window.source.seek(4.0)
    window.telling.plot_anew()
    assert curves._here.value() == 4.0


def test_what_is_computed_now_is_called_so(open_window: Any, wait_for: Wait) -> None:
    source = fakes.ReplaySource()
    source.push(age_ms=1e7)
    window = open_window(source, (1920, 1080))
    wait_for(lambda: window.curves.heading == Plot.SIGNAL + SINCE_SEEK)
    source.signals = ((0, {1: 5.0}),)
    wait_for(lambda: window.curves.heading == Plot.SIGNAL)


def test_a_press_on_the_curves_goes_there(window: Any) -> None:
    box, view = window.curves._plot.getViewBox(), window.curves._plot
    at = view.mapFromScene(box.mapViewToScene(box.viewRect().center()))
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(at.x(), at.y()))
    assert window.source.position_s == pytest.approx(box.viewRect().center().x(), rel=0.05)


def test_in_replay_there_is_no_plot_of_the_overlays_age(window: Any) -> None:
    seen = []
    for _ in range(4):
        QTest.keyClick(window, Qt.Key.Key_G)
        seen.append(window.curves.shown)
    assert set(seen) == {Plot.SIGNAL, Plot.SIGNIFICANCE}


def test_on_a_low_screen_they_are_in_the_quad(open_window: Any, wait_for: Wait) -> None:
    source = fakes.ReplaySource()
    source.signals = ((0, {1: 5.0}), (5000 * MS, {1: 9.0}))
    source.push(age_ms=1e7)
    window = open_window(source)
    assert not window.curves.isVisible()
    QTest.keyClick(window, Qt.Key.Key_G)
    assert window.showing.layout == "quad"
    wait_for(lambda: window.curves.isVisible() and bool(window.curves._curves))
    assert window.video.rect().contains(window.curves.geometry())
    QTest.keyClick(window, Qt.Key.Key_L)
    wait_for(lambda: not window.curves.isVisible())
    assert window.height() == 768
