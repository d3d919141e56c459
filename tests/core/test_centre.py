"""A spot's centre is where its light is, whatever ground it stands on."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from sln_guide.core.spots import RAYS, SECTORS, centre_of, refine_into

SIGMA = 4.0


def errors(
    slope: tuple[float, float] = (0.0, 0.0),
    *,
    hidden_sectors: int = 0,
    texture_seed: int | None = None,
) -> tuple[float, float]:
    """Return how far off the contour's centroid and the centre are, for a Gaussian [cells]."""
    rows = cols = 61
    y, x = np.mgrid[0:rows, 0:cols].astype(np.float64)
    at_y, at_x = 30.3, 29.6
    spot = np.exp(-((y - at_y) ** 2 + (x - at_x) ** 2) / (2 * SIGMA**2))
    ground = slope[0] * (y - at_y) + slope[1] * (x - at_x)
    if texture_seed is not None:
        noise = np.random.default_rng(texture_seed).standard_normal((rows, cols))
        texture = gaussian_filter(noise, 2.0)
        ground += 0.08 * texture / texture.std()
    image = (1.0 + 0.6 * spot + ground).astype(np.float32)
    radius, scratch = np.zeros(RAYS), np.zeros(RAYS)
    ring, seen = np.zeros(SECTORS), np.zeros(SECTORS)
    usable = np.ones((rows, cols), np.float32)
    found_y, found_x, base, _, lost = refine_into(
        radius, ring, seen, scratch, image, usable, 30.0, 30.0, 1.0, SIGMA, 4
    )
    assert lost == 0
    seen[:hidden_sectors] = 0.0
    size = float(np.median(radius))
    centre_y, centre_x = centre_of(ring, seen, scratch, image, found_y, found_x, size, base)
    before = float(np.hypot(found_y - at_y, found_x - at_x))
    after = float(np.hypot(centre_y - at_y, centre_x - at_x))
    return before, after


@pytest.mark.parametrize("slope", [(0.01, 0.0), (0.0, -0.01), (0.007, 0.007), (-0.004, 0.008)])
def test_a_slope_of_the_ground_does_not_carry_the_centre_away(slope: tuple[float, float]) -> None:
    before, after = errors(slope)
    assert before > 0.3
    assert after < 0.3 * before


def test_on_level_ground_the_centre_is_the_truth() -> None:
    before, after = errors()
    assert before < 0.05
    assert after < 0.02


def test_texture_moves_the_centre_less_than_it_moves_the_contour() -> None:
    both = np.array([errors(texture_seed=seed) for seed in range(60)])
    before, after = np.median(both, axis=0)
    assert after < 0.9 * before


def test_where_the_ground_is_not_seen_on_all_sides_the_contours_centroid_stands() -> None:
    before, after = errors((0.01, 0.0), hidden_sectors=1)
    assert after == before
