"""Counts/(ms*gain) is a unit: the same light reads the same at any exposure and gain."""

from __future__ import annotations

from benchmarks.calibration import UNITS_AIM, units


def test_light_and_signal_are_the_same_at_any_exposure_and_gain() -> None:
    light, signal = units(quick=True)
    assert {exposure_ms for exposure_ms, _ in light} == {1.0, 10.0, 100.0}
    assert {gain_db for _, gain_db in light} == {0.0, 12.0, 24.0}
    for relative in (light, signal):
        assert max(abs(share - 1) for share in relative.values()) <= UNITS_AIM, relative
