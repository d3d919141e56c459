"""Time to peak and wash-in slope against curves whose truth is known."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from sln_guide.gui.plots.kinetics import counted_from, kinetics, kinetics_text, write_curves
from sln_guide.source import EventMark

TIMES = np.arange(0.0, 120.0, 0.2)


def ramp(begin_s: float, end_s: float, top: float = 50.0, foot: float = 2.0) -> np.ndarray:
    return np.clip((TIMES - begin_s) / (end_s - begin_s), 0.0, 1.0) * (top - foot) + foot


def test_a_straight_rise() -> None:
    one = kinetics(TIMES, ramp(20.0, 60.0), start_s=10.0)
    assert one is not None
    assert one.peak == 50.0
    assert one.time_to_peak_s == pytest.approx(50.0, abs=0.5)
    assert one.slope == pytest.approx(48.0 / 40.0, rel=0.02)


def test_a_bolus_that_washes_out_again() -> None:
    gamma = 30.0 * (TIMES / 15.0) * np.exp(1.0 - TIMES / 15.0)  # peak 30 at 15 s
    noisy = gamma + np.random.default_rng(1).normal(0.0, 0.2, TIMES.size)
    one = kinetics(TIMES, noisy)
    assert one is not None
    assert one.peak == pytest.approx(30.0, abs=0.7)
    assert one.time_to_peak_s == pytest.approx(15.0, abs=2.0)
    low, high = (TIMES[:76][np.argmin(np.abs(gamma[:76] - s * 30.0))] for s in (0.1, 0.9))
    assert one.slope == pytest.approx(24.0 / (high - low), rel=0.15)


def test_a_glance_of_an_instrument_is_no_peak() -> None:
    values = ramp(20.0, 60.0)
    values[100:102] = 500.0
    one = kinetics(TIMES, values)
    assert one is not None
    assert one.peak == 50.0


def test_what_is_hidden_for_a_while_after_it_rose_does_not_begin_anew() -> None:
    values = ramp(20.0, 60.0)
    values[350:400] = 1.0  # an instrument lay over it from 70 to 80 s
    values[400:] += np.linspace(0.0, 1.0, TIMES.size - 400)  # and the peak comes last
    one = kinetics(TIMES, values)
    assert one is not None
    assert one.slope == pytest.approx(48.0 / 40.0, rel=0.05)


def test_gaps_are_left_out_and_what_came_before_the_injection_too() -> None:
    values = ramp(20.0, 60.0)
    values[::2] = np.nan
    values[:20] = 400.0
    one = kinetics(TIMES, values, start_s=15.0)
    assert one is not None
    assert one.peak == 50.0
    assert one.samples == np.isfinite(values[TIMES >= 15.0]).sum()


@pytest.mark.parametrize("values", [np.full(TIMES.size, np.nan), np.full(TIMES.size, 5.0)])
def test_nothing_seen_and_nothing_risen(values: np.ndarray) -> None:
    one = kinetics(TIMES, values)
    if np.isnan(values).all():
        assert one is None
    else:
        assert one is not None
        assert one.slope is None
        assert kinetics_text(one) == "peak 5 after 0 s"


def test_time_counts_from_the_last_injection() -> None:
    events = (
        EventMark(3.0, "phase", "1 Inject"),
        EventMark(9.0, "phase", "1 Inject"),
        EventMark(20.0, "phase", "2 Trace"),
    )
    assert counted_from(events, 100.0) == 9.0
    assert counted_from(events, 5.0) == 3.0
    assert counted_from((), 5.0) is None


def test_the_tables(tmp_path: Path) -> None:
    second = ramp(30.0, 90.0)
    second[:10] = np.nan
    events = (EventMark(10.0, "phase", "1 Inject"),)
    told = write_curves(
        tmp_path / "new", "x", TIMES, {"SLN-1": ramp(20.0, 60.0), "ROI-1": second}, events
    )
    assert told.endswith("x-curves.csv")
    rows = list(csv.reader((tmp_path / "new" / "x-curves.csv").read_text().splitlines()))
    assert rows[0] == ["time_s", *(f"{n} counts/(ms·gain)" for n in ("SLN-1", "ROI-1"))]
    assert rows[1] == ["0.000", "2", ""]
    assert len(rows) == TIMES.size + 1
    kinetic = (tmp_path / "new" / "x-kinetics.csv").read_text()
    found = list(csv.DictReader(kinetic.splitlines()))
    assert [(f["curve"], f["counted_from"]) for f in found] == [
        ("SLN-1", "injection"),
        ("ROI-1", "injection"),
    ]
    assert math.isclose(float(found[0]["time_to_peak_s"]), 50.0, abs_tol=0.5)
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == [
        "x-curves.csv",
        "x-kinetics.csv",
    ]
