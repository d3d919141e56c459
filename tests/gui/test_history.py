"""What curves are drawn of: kept in time, thinned, with a round axis."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sln_guide.gui.plots.history import EVERY_S, KEPT_S, SignalHistory
from sln_guide.gui.plots.plot_data import axis_top, thinned
from tests.gui import fakes


def test_history_keeps_each_nodes_signal_in_time() -> None:
    history = SignalHistory()
    source = fakes.FakeSource()

    def guidance(*detections: Any) -> Any:
        return source.push(detections=detections).guidance

    one, two = fakes.make_detection(1), fakes.make_detection(2, signal=5.0)
    assert history.add(0.0, guidance(one))
    assert not history.add(EVERY_S / 2, guidance(one)), "too near in time"
    assert not history.add(-5.0, guidance(one)), "late"
    assert history.add(1.0, guidance(one, two))
    assert history.add(2.0, guidance(replace(one, coasted=True, signal=None), two))
    assert history.add(3.0, guidance(fakes.make_detection(3, confirmed=False, node_number=0)))
    signals = history.signals()
    assert list(signals) == ["SLN-1", "SLN-2"]
    np.testing.assert_array_equal(signals["SLN-1"], [12.0, 12.0, np.nan, np.nan])
    np.testing.assert_array_equal(signals["SLN-2"], [np.nan, 5.0, 5.0, np.nan])
    assert history.add(2.0 + KEPT_S, guidance(two))
    assert history.times_s()[0] == 2.0
    assert all(len(s) == len(history.times_s()) for s in history.signals().values())


def test_history_outlives_an_engine() -> None:
    """Another one numbers behind it: what was seen before stays, and no other node goes on it."""
    history, source = SignalHistory(), fakes.FakeSource()
    history.add(0.0, replace(source.push().guidance, generation=900))
    two = fakes.make_detection(2)
    history.add(2.0, replace(source.push(detections=(two,)).guidance, generation=2))
    assert list(history.signals()) == ["SLN-1", "SLN-2"]


def test_history_forgets_tracks_that_left_long_ago() -> None:
    history = SignalHistory()
    source = fakes.FakeSource()
    with_one = source.push().guidance
    without = source.push(detections=()).guidance
    history.add(0.0, with_one)
    for step in range(60):
        history.add(KEPT_S + 1.0 + step, without)
    assert history.signals() == {}


def test_curves_are_thinned_without_inventing_values() -> None:
    times = np.arange(1000.0)
    values = np.where((times >= 300) & (times < 400), np.nan, times)
    shown_times, shown = thinned(times, values, 100)
    assert shown_times.size == shown.size == 100
    assert np.isnan(shown[30:40]).all()
    assert np.isfinite(np.delete(shown, np.s_[30:40])).all()
    np.testing.assert_allclose(shown[:30], shown_times[:30])
    few = thinned(times[:50], values[:50], 100)
    np.testing.assert_array_equal(few[1], values[:50])


@pytest.mark.parametrize(
    ("highest", "top"), [(0.0, 1.0), (0.9, 1.0), (1.0, 1.2), (97.0, 120.0), (4.9, 6.0)]
)
def test_the_curves_axis_ends_at_a_round_number(highest: float, top: float) -> None:
    assert axis_top([np.array([np.nan, highest]), np.array([np.nan])]) == pytest.approx(top)
