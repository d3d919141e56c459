"""What the shape of light tells, and what must not sway it: flat nodes, tools' shine, far lumps."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from hardware.rig import Registration
from sln_guide.core.analysis import Analyser
from sln_guide.guidance import CannotJudge, Kind
from tests.core.test_analysis import (
    MM,
    NONE,
    H,
    Image,
    W,
    field,
    nir_of,
    nodes,
    place,
    texture,
    white_of,
)
from tests.core.test_other_tissue import disc, lumps, tissue_and_white

YY, XX = np.mgrid[0:H, 0:W].astype(np.float64)


@pytest.fixture(scope="module")
def analyser() -> Analyser:
    return Analyser(field())


def smooth_texture(seed: int, period_px: float) -> Image:
    """Texture of one scale, that of nodes, with nothing finer in it."""
    f = np.hypot(np.fft.fftfreq(H)[:, None], np.fft.rfftfreq(W)[None])
    f[0, 0] = 1.0
    band = np.exp(-0.5 * (np.log2(f * period_px) / 0.6) ** 2) / np.sqrt(f)
    noise = np.random.default_rng(seed).standard_normal((H, W))
    smooth = np.fft.irfft2(np.fft.rfft2(noise) * band, s=(H, W))
    return 0.113 * (smooth - smooth.mean()) / smooth.std()


@pytest.mark.parametrize("contrast", [1.3, 2.0])
def test_a_bright_flat_node_in_smooth_tissue_is_no_uncertain_one(
    analyser: Analyser, contrast: float
) -> None:
    """Its edge responds more than its middle; what is there is told from where its light is."""
    kinds = []
    for seed in range(8):
        light = 500 * np.exp(smooth_texture(seed, 45)) * (1 + contrast * disc(320, 250, 24))
        spots = analyser.analyse(nir_of(light), None, NONE, 4.5).spots
        kinds += [s.kind for s in spots if np.hypot(s.x_px - 320, s.y_px - 250) < 12]
    assert kinds == 8 * [Kind.NODE]


@pytest.mark.parametrize("contrast", [0.5, 1.0, 2.0])
def test_a_small_round_node_on_smooth_tissue_is_no_uncertain_one(
    analyser: Analyser, contrast: float
) -> None:
    """Nothing in tissue is so fine and responds so much; at 200 sigma it was a half find."""
    kinds = []
    for k in range(8):  # wherever it lies among the blocks
        light = 500 * (1 + contrast * place(320 + 0.5 * k, 250, 3.0 / MM / 2.355))
        kinds += [s.kind for s in analyser.analyse(nir_of(light), None, NONE, 4.5).spots]
    assert kinds == 8 * [Kind.NODE]


def test_fine_lumps_are_not_called_uncertain_one_by_one(analyser: Analyser) -> None:
    """Tissue of small bumps held several such calls a field; no node is shaped like them."""
    called = 0
    for seed in range(6):
        rng = np.random.default_rng(620 + seed)
        bumps = np.zeros((H, W))
        bumps[rng.integers(0, H, 150), rng.integers(0, W, 150)] = rng.gamma(2.0, 1.0, 150)
        fine = gaussian_filter(bumps, 5.0)
        ground = 500 * np.exp(0.12 * fine / fine.std() + texture(630 + seed, 0.05))
        spots = analyser.analyse(nir_of(ground), None, NONE, 4.5).spots
        called += sum(s.kind is Kind.UNCERTAIN for s in spots)
    assert called <= 14  # 27 before


def test_a_long_shine_where_white_clips_is_a_glint(analyser: Analyser) -> None:
    """It is longer than a spot's circle, which so covers little of what clips."""
    ground, white = tissue_and_white(640)
    bar = ((np.abs(XX - 320) < 20) & (np.abs(YY - 250) < 6)).astype(float)
    lamp, defocused = gaussian_filter(bar, 2.5), gaussian_filter(bar, 4.0)
    mirrored = white_of([np.log(np.exp(c) + 6 * lamp) for c in white])
    light = nir_of(ground + 500 * defocused)
    spots = analyser.analyse(light, mirrored, Registration(kind="assumed"), 4.5).spots
    assert [s.kind for s in spots] == [Kind.GLINT]


@pytest.mark.parametrize("slope", [0.0, 0.3])
def test_a_lamp_mirrored_in_a_wide_shaft_is_the_shafts(analyser: Analyser, slope: float) -> None:
    """A hole in the instrument's outline that has no room for a node and the ground around it."""
    tissue = 500 * np.exp(texture(650))
    across = ((YY - 250) - slope * (XX - 320)) / np.hypot(1, slope)
    along = ((XX - 320) + slope * (YY - 250)) / np.hypot(1, slope)
    shaft = gaussian_filter((np.abs(across) < 20).astype(float), 0.8)
    metal = 60 + 900 * np.exp(-0.5 * ((across / 8) ** 2 + (along / 12) ** 2))
    result = analyser.analyse(nir_of(tissue * (1 - shaft) + metal * shaft), None, NONE, 4.5)
    assert not [s for s in result.spots if np.hypot(s.x_px - 320, s.y_px - 250) < 40]
    at = int(250 / result.grid_px), int(320 / result.grid_px)
    assert result.cannot_judge[at] & CannotJudge.INSTRUMENT


def test_a_node_in_a_ring_handle_is_seen(analyser: Analyser) -> None:
    """Through a hole with room enough tissue is judged."""
    tissue = 500 * np.exp(texture(660)) * (1 + 2.0 * place(320, 250, 10))
    far = np.hypot(XX - 320, YY - 250)
    ring = gaussian_filter(((far > 55) & (far < 75)).astype(float), 0.8)
    result = analyser.analyse(nir_of(tissue * (1 - ring) + 60 * ring), None, NONE, 4.5)
    assert any(np.hypot(s.x_px - 320, s.y_px - 250) < 6 for s in nodes(result))


def test_what_lies_far_away_does_not_change_what_is_measured(analyser: Analyser) -> None:
    """Lumps elsewhere make all of the field count for less; the node's ground stays its ground."""
    ground = 500 * np.exp(texture(670)) * (1 + 0.35 * place(385, 250, 14))
    here = ground * (1 + 1.5 * place(320, 250, 14))
    far = np.hypot(XX - 320, YY - 250) > 150
    elsewhere = np.where(far, here * (1 + 0.12 * lumps(671)).clip(0.3), here)
    measured = []
    for light in (here, elsewhere):
        spots = nodes(analyser.analyse(nir_of(light, 1), None, NONE, 4.5))
        (node,) = (s for s in spots if np.hypot(s.x_px - 320, s.y_px - 250) < 8)
        measured.append((node.sbr, node.cnr, node.sbr_interval))
    (sbr, cnr, interval), (sbr_2, cnr_2, _) = measured
    assert abs(sbr_2 - sbr) < 0.5 * (interval.high - interval.low)
    assert cnr_2 == pytest.approx(cnr, rel=0.03)
