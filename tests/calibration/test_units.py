"""Counts/(ms*gain) is a unit: the same light reads the same at any exposure and gain."""

from __future__ import annotations

from benchmarks.calibration import UNITS_AIM, units


def test_light_is_the_same_at_any_exposure_and_gain() -> None:
    light, _ = units(quick=True)
    assert {exposure_ms for exposure_ms, _ in light} == {1.0, 10.0, 100.0}
    assert {gain_db for _, gain_db in light} == {0.0, 12.0, 24.0}
    worst = max(abs(share - 1) for share in light.values())
    assert worst <= UNITS_AIM, light
