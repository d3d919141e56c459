"""Gamma bends the overlay's colours: the picture, its legend, nothing that is measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hardware.frame import PixelFormat
from sln_guide.core.colour import LEVELS, colour_table
from sln_guide.core.draw import Drawer
from sln_guide.gui.preferences import Place, preset_of
from sln_guide.guidance import ColourMap, Settings, View
from sln_guide.styles import legend_of
from tests.render.scenes import make_frame, make_guidance


@pytest.mark.parametrize("colour_map", ColourMap)
def test_a_bent_table_is_the_plain_one_read_elsewhere(colour_map: ColourMap) -> None:
    plain = colour_table(colour_map)
    assert np.array_equal(colour_table(colour_map, 1.0), plain)
    for gamma in (0.4, 0.7, 1.5, 2.5):
        bent = colour_table(colour_map, gamma)
        assert (bent[0], bent[-1]) == (plain[0], plain[-1])
        share = np.arange(LEVELS) / (LEVELS - 1)
        for shift in (0, 8, 16, 24):
            read = np.interp(share ** (1 / gamma), share, (plain >> shift) & 255)
            assert np.abs(read - ((bent >> shift) & 255)).max() <= (9 if shift == 24 else 2)
        assert (np.diff((bent >> 24).astype(int)) >= 0).all()


@pytest.mark.parametrize("gamma", [0.3, 2.6, float("nan")])
def test_no_gamma_beyond_reason(gamma: float) -> None:
    with pytest.raises(ValueError, match="gamma"):
        Settings(gamma=gamma)


def test_it_is_part_of_presets(tmp_path: Path) -> None:
    presets = Place(tmp_path).presets
    presets.save("own", preset_of(Settings(gamma=1.7)))
    assert presets.load("own").changes()["gamma"] == 1.7


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_the_picture_has_the_colours_that_its_legend_shows(gamma: float) -> None:
    guidance, white = make_guidance(), make_frame(PixelFormat.RGB8)
    share = 0.3
    lit = replace(
        guidance,
        detections=(),
        signal=np.full_like(guidance.signal, share * guidance.display_full_scale),
        significance=np.full_like(guidance.significance, 50.0),
        cannot_judge=np.zeros_like(guidance.cannot_judge),
    )
    settings = Settings(gamma=gamma, opacity=1.0)
    legend = legend_of(lit, settings, View.MERGED)
    assert legend is not None
    assert legend.top == guidance.display_full_scale
    entry = int(legend.table[round(share * (LEVELS - 1))])
    opacity = (entry >> 24) / 255
    drawn = Drawer().draw(View.MERGED, white, None, lit, settings)
    plain = Drawer().draw(View.WHITE, white, None, None, settings)
    y, x = drawn.shape[0] // 2, drawn.shape[1] // 2
    for shift in (0, 8, 16):
        under, ink, seen = ((int(v) >> shift) & 255 for v in (plain[y, x], entry, drawn[y, x]))
        assert seen == pytest.approx(under + (ink - under) * opacity, abs=3)
