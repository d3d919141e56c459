"""The plots below the video: what they show, what they say, and the tables saved of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest

from sln_guide.gui.plots.curves import STEPS, Plot, live_span
from sln_guide.gui.plots.history import AGES_KEPT, EVERY_S, SignalHistory
from sln_guide.gui.plots.plot_data import HISTOGRAM_SIGMA, columns, parted, significance_counts
from sln_guide.source import EventMark
from tests.gui import fakes

Wait = Callable[[Callable[[], object]], None]


@pytest.fixture
def window(open_window: Any, wait_for: Wait) -> Any:
    source = fakes.FakeSource()
    one = open_window(source)
    one.source = source
    wait_for(lambda: source.push() and bool(one.curves._curves))
    return one


def filled(window: Any, seconds: float = 60.0) -> None:
    """A node that rises for half the time."""
    guidance = window.source.push().guidance
    begin = window.plotting.history.times_s()[-1] if len(window.plotting.history.times_s()) else 0.0
    for step in range(int(seconds / EVERY_S)):
        time_s = begin + (step + 1) * EVERY_S
        signal = 40.0 * min(step * EVERY_S / (seconds / 2), 1.0)
        one = replace(guidance.detections[0], signal=signal)
        window.plotting.history.add(time_s, replace(guidance, detections=(one,)))


def redraw(window: Any) -> None:
    window.telling.plot_anew()


def test_the_next_plot_by_key_and_by_its_heading(window: Any) -> None:
    assert window.curves.shown is Plot.SIGNAL
    QTest.keyClick(window, Qt.Key.Key_G)
    assert window.curves.shown is Plot.SIGNIFICANCE
    assert window.curves.fact.startswith("0 of 320 above 4.5 σ")
    QTest.mouseClick(window.curves, Qt.MouseButton.LeftButton, pos=QPoint(30, 10))
    assert window.curves.shown is Plot.AGE
    redraw(window)
    assert "ms when shown" in window.curves.fact
    QTest.keyClick(window, Qt.Key.Key_G)
    assert window.curves.heading == Plot.SIGNAL
    redraw(window)
    assert window.curves._curves, "the curves are back"


def test_the_axis_counts_sigma_even_if_it_is_chosen_before_there_are_axes(
    open_window: Any, wait_for: Wait
) -> None:
    source = fakes.FakeSource()
    window = open_window(source)
    QTest.keyClick(window, Qt.Key.Key_G)
    assert window.curves._plot is None
    wait_for(lambda: source.push() and window.curves._plot is not None)
    axis = window.curves._plot.getAxis("bottom")
    assert axis.tickStrings([5.0], 1.0, 5.0) == ["5"], "σ, not a clock"


def test_the_panel_tells_of_a_node_that_is_still_seen(window: Any) -> None:
    filled(window)
    two = fakes.make_detection(2)
    guidance = window.source.push(detections=(two,)).guidance
    since = window.plotting.history.times_s()[-1]
    for step in range(1, 100):
        node = replace(two, signal=min(step, 50.0))
        window.plotting.history.add(since + step * EVERY_S, replace(guidance, detections=(node,)))
    redraw(window)
    assert window.curves.fact.startswith("SLN-2 peak 50")


def test_names_that_do_not_fit_are_left_out(window: Any, wait_for: Wait) -> None:
    wait_for(lambda: window.curves._plot.height() < window.curves.height())
    many = tuple(fakes.make_detection(number) for number in range(1, 31))
    guidance = window.source.push(detections=many).guidance
    since = window.plotting.history.times_s()[-1]
    for step in range(1, 20):
        window.plotting.history.add(since + step * EVERY_S, guidance)
    redraw(window)
    labels = [label for _, label in window.curves._curves.values() if label.isVisible()]
    heights = sorted(label.pos().y() for label in labels)
    apart_px = np.diff(heights) * window.curves._plot.height() / window.curves._range[1]
    assert len(labels) >= 2
    assert heights[0] >= 0, "none lies below the axes"
    assert apart_px.min() > 12, "each can be read"


def test_every_block_is_counted_once_whatever_its_significance(window: Any) -> None:
    guidance = window.source.push().guidance
    significance = np.linspace(-50.0, 90.0, guidance.significance.size, dtype=np.float32)
    significance = significance.reshape(guidance.significance.shape)
    significance[0, 0] = np.nan
    counts, edges = significance_counts(replace(guidance, significance=significance))
    assert counts.sum() == significance.size - 1
    assert (edges[0], edges[-1]) == HISTOGRAM_SIGMA
    above = counts[edges[:-1] >= 4.5].sum()
    assert above == pytest.approx((significance >= 4.5).sum(), abs=1)


def test_the_panel_says_how_the_signal_rose(window: Any) -> None:
    filled(window)
    redraw(window)
    assert window.curves.fact.startswith("SLN-1 peak 40 after 3")
    assert "wash-in 1.3/s" in window.curves.fact


def test_the_pointer_reads_the_curve_off(window: Any) -> None:
    filled(window)
    redraw(window)
    plot = window.curves._plot
    times_s = window.plotting.history.times_s()
    at = plot.getViewBox().mapViewToScene(QPointF(float(times_s[-10]), 20.0))
    window.curves._read(at)
    redraw(window)
    assert "SLN-1 40" in window.curves.fact
    window.curves._read(QPointF(-50.0, -50.0))
    redraw(window)
    assert "peak" in window.curves.fact


def test_curves_are_saved_as_tables(window: Any, wait_for: Wait, tmp_path: Path) -> None:
    filled(window)
    window.settings.curves.click()
    wait_for(lambda: window.confirmation.text.startswith("Curves saved: "))
    names = sorted(p.name.split("-", 3)[-1] for p in (tmp_path / "snapshots").iterdir())
    assert names == ["curves.csv", "kinetics.csv"]


def test_without_a_node_there_is_nothing_to_save(open_window: Any) -> None:
    window = open_window(fakes.FakeSource())
    window.settings.curves.click()
    assert window.confirmation.text == "No curve to save yet: neither node nor region"


def test_ages_are_kept_for_some_minutes_only() -> None:
    history = SignalHistory()
    assert history.ages()[0].size == 0
    for step in range(2 * AGES_KEPT):
        history.add_age(step * 0.2, None if step % 2 else 10.0)
    times_s, ages_ms = history.ages()
    assert times_s.size == AGES_KEPT
    assert np.isnan(ages_ms).sum() == AGES_KEPT / 2


@pytest.mark.parametrize("heights", [[1.0, 1.0, 1.0], [9.8, 9.9, 9.95], [0.0, 5.0, 9.0], [2.0]])
def test_names_are_parted_and_stay_inside(heights: list[float]) -> None:
    found = parted(heights, 10.0, 2.0)
    assert all(b - a >= 2.0 - 1e-9 for a, b in pairwise(found))
    assert max(found) <= 9.0
    assert parted([1.0, 4.0], 10.0, 2.0) == [1.0, 4.0]
    assert parted([0.0, 9.0], 10.0, 2.0) == [1.0, 9.0], "half of a name below the axis is none"


def test_only_names_above_one_another_are_parted() -> None:
    """A name moved off its own curve names another one."""
    assert columns([0.0, 50.0, 3.0, 51.0, 90.0], 10.0) == [[0, 2], [1, 3], [4]]
    assert columns([], 10.0) == []


def test_names_of_curves_that_ended_stay_at_their_ends(window: Any) -> None:
    guidance = window.source.push().guidance
    begin = window.plotting.history.times_s()[-1]
    for step in range(300):
        one = replace(guidance.detections[0], signal=40.0, node_number=1 + step // 150)
        now = replace(guidance, detections=(one,))
        window.plotting.history.add(begin + (step + 1) * EVERY_S, now)
    redraw(window)
    places = [label.pos() for _, label in window.curves._curves.values()]
    assert [place.y() for place in places] == [40.0, 40.0]
    assert abs(places[0].x() - places[1].x()) > 20.0


@pytest.mark.parametrize(("signal", "named"), [(95.0, False), (2.0, True)])
def test_a_mark_under_the_name_of_a_curve_waits_with_its_own(
    window: Any, wait_for: Wait, signal: float, named: bool
) -> None:
    """As in the first seconds after an injection: two names over one another say neither."""
    wait_for(lambda: window.curves._plot.height() > 50)
    guidance = window.source.push().guidance
    one = replace(guidance, detections=(replace(guidance.detections[0], signal=signal),))
    history, begin = SignalHistory(), 100.0
    high = replace(guidance.detections[0], signal=95.0, node_number=2)
    history.add(begin - 40, replace(guidance, detections=(high,)))  # one axis for both
    for step in range(1, 20):
        history.add(begin + step * EVERY_S, one)
    mark = EventMark(begin + 2.0, "phase", "1 Inject")
    window.curves.refresh(history, (mark,))
    ((_, line),) = window.curves._marks
    assert line.label.isVisible() is named
    assert line.isVisible()
    for step in range(20, 200):
        history.add(begin + step * EVERY_S, one)
    window.curves.refresh(history, (mark,))
    assert line.label.isVisible()


def test_the_time_axis_goes_on_in_steps() -> None:
    """New axes are most of what curves cost the picture after them."""
    ends = {live_span(0.0, 700.0 + tenth / 10)[0] for tenth in range(100)}
    assert len(ends) == 2
    for last_s in (0.0, 1.0, 59.0, 61.0, 599.0, 5000.0):
        end, span = live_span(0.0, last_s)
        assert end >= last_s
        assert end == span or end - last_s <= span / STEPS
        assert end >= span, "nothing is before 0"
        assert 60.0 <= span <= 600.0


def test_axes_are_made_anew_only_where_their_range_is(window: Any) -> None:
    filled(window)
    redraw(window)
    axis = window.curves._plot.getAxis("bottom")
    window.curves._plot.grab()  # lays it out
    redraw(window)
    window.curves._plot.grab()
    drawn = axis.picture
    assert drawn is not None
    redraw(window)
    assert axis.picture is drawn
