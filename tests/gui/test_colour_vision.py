"""Overlay colours on tissue as seen with each common colour-vision deficiency.

Simulation: Machado, Oliveira and Fernandes 2009, doi:10.1109/TVCG.2009.113, full severity, in
linear light. Difference: CIEDE2000; above 10 is told apart at a glance.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab

from sln_guide.core.colour import colour_table
from sln_guide.guidance import ColourMap, Settings

LEAST_DIFFERENCE = 9.5
DEFICIENCIES = {
    "none": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
TISSUES = {
    "liver": (95, 35, 30),
    "muscle": (150, 60, 55),
    "blood": (90, 10, 12),
    "fat": (200, 150, 60),
    "mucosa": (210, 150, 140),
    "peritoneum": (225, 190, 180),
    "shadow": (40, 18, 16),
}
LEVELS = (64, 128, 192, 255)


def as_seen(rgb: NDArray[np.float64], deficiency: str) -> NDArray[np.float64]:
    """Return CIELAB of (N, 3) sRGB [0, 255] as somebody with the deficiency sees it."""
    share = rgb / 255.0
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ DEFICIENCIES[deficiency].T, 0.0, 1.0)
    shown = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    return np.asarray(rgb2lab(shown[None])[0], dtype=np.float64)


def least_difference(colour_map: ColourMap, deficiency: str) -> float:
    """Return how far the overlay is from its own tissue, at the worst tissue and level."""
    table = colour_table(colour_map)
    tissues = np.array(list(TISSUES.values()), dtype=np.float64)
    worst = np.inf
    for level in LEVELS:
        value = int(table[level])
        opacity = (value >> 24) / 255 * Settings().opacity
        ink = np.array([(value >> 16) & 255, (value >> 8) & 255, value & 255], dtype=np.float64)
        laid_over = ink * opacity + tissues * (1 - opacity)
        apart = deltaE_ciede2000(as_seen(tissues, deficiency), as_seen(laid_over, deficiency))
        worst = min(worst, float(apart.min()))
    return worst


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_some_overlay_can_be_told_from_every_tissue(deficiency: str) -> None:
    best = {str(m): least_difference(m, deficiency) for m in ColourMap}
    assert max(best.values()) >= LEAST_DIFFERENCE, best


def test_the_default_overlay_is_plain_to_unimpaired_eyes() -> None:
    assert least_difference(Settings().colour_map, "none") >= 15


def test_the_simulation_makes_red_and_green_alike() -> None:
    red, green = np.array([[200.0, 80.0, 40.0]]), np.array([[120.0, 130.0, 40.0]])
    plain = deltaE_ciede2000(as_seen(red, "none"), as_seen(green, "none"))[0]
    weak = deltaE_ciede2000(as_seen(red, "deuteranopia"), as_seen(green, "deuteranopia"))[0]
    assert weak < plain / 2
