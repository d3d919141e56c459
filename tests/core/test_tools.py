"""What lies in front of the tissue and shines is no node: cloth, shafts, and what is between."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from sln_guide.core.analysis import Analyser
from sln_guide.guidance import CannotJudge
from tests.core.test_analysis import MM, NONE, H, Image, W, field, nir_of, nodes, place, texture

YY, XX = np.mgrid[0:H, 0:W].astype(np.float64)


@pytest.fixture(scope="module")
def analyser() -> Analyser:
    return Analyser(field())


def share_marked(analyser: Analyser, light: Image, where: NDArray[np.bool_]) -> float:
    """Return the share of cells well inside ``where`` that are told to be an instrument."""
    result = analyser.analyse(nir_of(light), None, NONE, 4.5)
    g = result.grid_px
    cells = where[: H // g * g, : W // g * g].reshape(H // g, g, W // g, g).all(axis=(1, 3))
    told = (result.cannot_judge & CannotJudge.INSTRUMENT) > 0
    return float(told[: H // g, : W // g][cells].mean())


def weave(period_px: float, depth: float) -> Image:
    a, b = XX + 0.3 * YY, YY - 0.3 * XX
    return 1 + depth * np.sin(2 * np.pi * a / period_px) * np.sin(2 * np.pi * b / period_px)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_gauze_is_told_by_its_weave(analyser: Analyser, seed: int) -> None:
    """Bright cloth falls off on all sides, as a node does."""
    tissue = 500 * np.exp(texture(400 + seed))
    patch = (np.abs(XX - 300) < 45) & (np.abs(YY - 250) < 40)
    soft = gaussian_filter(patch.astype(float), 2.0)
    cloth = tissue * (1 - soft) + 900 * weave(9.0, 0.4) * soft
    assert share_marked(analyser, cloth, patch) > 0.9
    called = nodes(analyser.analyse(nir_of(cloth), None, NONE, 4.5))
    assert not [s for s in called if np.hypot(s.x_px - 300, s.y_px - 250) < 120]  # far off: chance


def test_smooth_light_is_no_cloth(analyser: Analyser) -> None:
    """Neither a bright wide node nor tissue of livelier texture is taken for cloth."""
    for seed in range(3):
        tissue = 500 * np.exp(texture(410 + seed, 0.3))
        light = tissue * (1 + 2.5 * place(300, 250, 16))
        everywhere = np.ones((H, W), bool)
        assert share_marked(analyser, light, everywhere) < 0.002


@pytest.mark.parametrize("contrast", [1.0, 2.0, 3.5])
def test_the_smallest_shallow_node_is_no_cloth(analyser: Analyser, contrast: float) -> None:
    """Its flanks are the steepest that scatter lets through."""
    tissue = 500 * np.exp(texture(420, 0.05))
    light = tissue * (1 + contrast * place(320, 250, 1.3 * 3.0 / MM / 2.355))
    (node,) = nodes(analyser.analyse(nir_of(light), None, NONE, 4.5))
    assert np.hypot(node.x_px - 320, node.y_px - 250) < 4


def test_hot_pixels_are_no_cloth(analyser: Analyser) -> None:
    rng = np.random.default_rng(5)
    light = 500 * np.exp(texture(430))
    light[rng.integers(0, H, 60), rng.integers(0, W, 60)] += 1500
    assert share_marked(analyser, light, np.ones((H, W), bool)) < 0.005


@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0])
def test_the_shine_along_a_shaft_is_no_node(analyser: Analyser, slope: float) -> None:
    """A metal cylinder is bright along its middle, in places more: smooth light, dark sides."""
    tissue = 500 * np.exp(texture(440))
    across = ((YY - 250) - slope * (XX - 320)) / np.hypot(1, slope)
    shaft = gaussian_filter((np.abs(across) < 16).astype(float), 0.8)
    shine = 60 + 500 * np.exp(-((across / 4) ** 2)) * (0.3 + place(320, 250, 25, 10))
    result = analyser.analyse(nir_of(tissue * (1 - shaft) + shine * shaft), None, NONE, 4.5)
    assert not [s for s in result.spots if np.hypot(s.x_px - 320, s.y_px - 250) < 60]
    assert result.cannot_judge[int(250 / result.grid_px), int(320 / result.grid_px)] & (
        CannotJudge.INSTRUMENT
    )


def test_a_node_between_two_tools_is_seen_where_it_has_room(analyser: Analyser) -> None:
    """What is hidden is what lies between tools nearer to each other than a node is wide."""
    tissue = 500 * np.exp(texture(450, 0.05))
    bars = (np.abs(np.abs(YY - 250) - 70) < 12).astype(float)
    soft = gaussian_filter(bars, 0.8)
    light = (tissue * (1 + 2 * place(320, 250, 16))) * (1 - soft) + 60 * soft
    (node,) = nodes(analyser.analyse(nir_of(light), None, NONE, 4.5))
    assert np.hypot(node.x_px - 320, node.y_px - 250) < 5
