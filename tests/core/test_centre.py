"""A spot's centre is where its light is, whatever ground it stands on."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from sln_guide.core.peaks import SECTORS
from sln_guide.core.spots import RAYS, centre_of, refine_into

SIGMA = 4.0


ROWS = COLS = 61
AT_Y, AT_X = 30.3, 29.6
Image = NDArray[np.float64]


def offsets() -> tuple[Image, Image]:
    """Return how far each cell lies from the true centre."""
    y, x = np.mgrid[0:ROWS, 0:COLS].astype(np.float64)
    return y - AT_Y, x - AT_X


def gaussian() -> Image:
    dy, dx = offsets()
    return np.exp(-(dy**2 + dx**2) / (2 * SIGMA**2))


def errors(
    spot: Image, ground: Image, *, hidden_sectors: int = 0, foretold: Image | None = None
) -> tuple[float, float]:
    """Return how far off the contour's centroid and the centre are [cells].

    ``foretold``: tissue's light as it is predicted, 1 all over by default.
    """
    tissue = np.ones((ROWS, COLS)) if foretold is None else foretold
    # the spot's light comes on top of tissue's, and only then is divided by what is foretold
    image = (1.0 + 0.6 * spot / tissue + ground).astype(np.float32)
    radius, scratch = np.zeros(RAYS), np.zeros(RAYS)
    ring, seen = np.zeros(SECTORS), np.zeros(SECTORS)
    usable = np.ones((ROWS, COLS), np.float32)
    found_y, found_x, base, _, lost = refine_into(
        radius, ring, seen, scratch, image, usable, 30.0, 30.0, 1.0, SIGMA, 4
    )
    assert lost == 0
    seen[:hidden_sectors] = 0.0
    size = float(np.median(radius))
    told = tissue.astype(np.float32)
    centre_y, centre_x = centre_of(ring, seen, scratch, image, told, found_y, found_x, size, base)
    before = float(np.hypot(found_y - AT_Y, found_x - AT_X))
    after = float(np.hypot(centre_y - AT_Y, centre_x - AT_X))
    return before, after


def sloping(slope_y: float, slope_x: float) -> Image:
    dy, dx = offsets()
    return slope_y * dy + slope_x * dx


@pytest.mark.parametrize("slope", [(0.01, 0.0), (0.0, -0.01), (0.007, 0.007), (-0.004, 0.008)])
def test_a_slope_of_the_ground_does_not_carry_the_centre_away(slope: tuple[float, float]) -> None:
    before, after = errors(gaussian(), sloping(*slope))
    assert before > 0.3
    assert after < 0.3 * before


def test_on_level_ground_the_centre_is_the_truth() -> None:
    before, after = errors(gaussian(), sloping(0.0, 0.0))
    assert before < 0.05
    assert after < 0.02


def test_texture_moves_the_centre_less_than_it_moves_the_contour() -> None:
    """A node is flatter than a Gaussian: its contour wanders on little texture."""
    disc = gaussian_filter(np.clip(4.25 - np.hypot(*offsets()), 0.0, 1.0), 1.5)
    both = []
    for seed in range(60):
        noise = np.random.default_rng(seed).standard_normal((ROWS, COLS))
        texture = gaussian_filter(noise, 4.0)
        both.append(errors(disc, 0.05 * texture / texture.std()))
    before, after = np.median(both, axis=0)
    assert after < 0.85 * before


def test_texture_that_is_foretold_is_not_left_in_the_nodes_light() -> None:
    """Light divided by what is foretold of tissue leans to where tissue is dark."""
    both = []
    for seed in range(20):
        noise = np.random.default_rng(seed).standard_normal((ROWS, COLS))
        texture = gaussian_filter(noise, 5.0)
        foretold = np.exp(0.15 * texture / texture.std())
        both.append(errors(gaussian(), sloping(0.0, 0.0), foretold=foretold))
    before, after = np.median(both, axis=0)
    assert before > 0.15
    assert after < 0.4 * before


def test_where_the_ground_is_not_seen_on_all_sides_the_contours_centroid_stands() -> None:
    before, after = errors(gaussian(), sloping(0.01, 0.0), hidden_sectors=1)
    assert after == before
