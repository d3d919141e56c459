"""A spot's centre is where its light is, whatever ground it stands on."""

from __future__ import annotations

import numpy as np
import pytest

from sln_guide.core.spots import RAYS, SECTORS, lean_of, refine_into

SIGMA = 4.0


def centres(slope: tuple[float, float], hidden_sectors: int = 0) -> tuple[float, float]:
    """Return how far off (y + x) the centroid is, and the corrected centre, for a Gaussian."""
    rows = cols = 61
    y, x = np.mgrid[0:rows, 0:cols].astype(np.float64)
    at_y, at_x = 30.3, 29.6
    spot = np.exp(-((y - at_y) ** 2 + (x - at_x) ** 2) / (2 * SIGMA**2))
    image = (1.0 + 0.6 * spot + slope[0] * (y - at_y) + slope[1] * (x - at_x)).astype(np.float32)
    radius, scratch = np.zeros(RAYS), np.zeros(RAYS)
    ring, seen = np.zeros(SECTORS), np.zeros(SECTORS)
    usable = np.ones((rows, cols), np.float32)
    found_y, found_x, base, top, lost = refine_into(
        radius, ring, seen, scratch, image, usable, 30.0, 30.0, 1.0, SIGMA, 4
    )
    assert lost == 0
    seen[:hidden_sectors] = 0.0
    lean_y, lean_x = lean_of(ring, seen, scratch, float(np.median(radius)), top - base)
    before = float(np.hypot(found_y - at_y, found_x - at_x))
    after = float(np.hypot(found_y - lean_y - at_y, found_x - lean_x - at_x))
    return before, after


@pytest.mark.parametrize("slope", [(0.01, 0.0), (0.0, -0.01), (0.007, 0.007), (-0.004, 0.008)])
def test_a_slope_of_the_ground_does_not_carry_the_centre_away(slope: tuple[float, float]) -> None:
    before, after = centres(slope)
    assert before > 0.3
    assert after < 0.3 * before


def test_on_level_ground_nothing_is_corrected() -> None:
    before, after = centres((0.0, 0.0))
    assert before < 0.05
    assert after == pytest.approx(before, abs=0.02)


def test_where_the_ground_is_not_seen_on_all_sides_the_centroid_stands() -> None:
    before, after = centres((0.01, 0.0), hidden_sectors=1)
    assert after == before
