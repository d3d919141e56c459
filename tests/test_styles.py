"""What the overlay's colour stands for, and the NIR picture as a map of measured light."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from sln_guide.guidance import CannotJudge, Guidance, NirStyle, OverlayStyle, Settings, View
from sln_guide.styles import (
    SIGNIFICANCE_FULL,
    UNKNOWN,
    draw_map,
    legend_of,
    map_scale,
    map_table,
    overlay_of,
)
from tests.render.scenes import HEIGHT, WIDTH, make_guidance

MAPPED = Settings(nir_style=NirStyle.MAP)


def lit(**changes) -> Guidance:
    """A field of background 10 with one bright block."""
    guidance = make_guidance()
    signal = np.zeros_like(guidance.signal)
    signal[20, 30] = 8.0
    background = np.full_like(guidance.background, 10.0)
    return replace(
        guidance, signal=signal, background=background, display_full_scale=12.3, **changes
    )


def test_by_signal_nothing_is_changed():
    guidance, settings = lit(), Settings()
    assert overlay_of(guidance, settings) == (guidance, settings)


def test_by_significance_the_scale_is_fixed_and_the_operators_lock_of_the_signal_ignored():
    settings = Settings(overlay_style=OverlayStyle.SIGNIFICANCE, display_full_scale=3.0)
    drawn, with_settings = overlay_of(lit(), settings)
    assert drawn.signal is drawn.significance
    assert drawn.display_full_scale == SIGNIFICANCE_FULL
    assert with_settings.display_full_scale is None
    legend = legend_of(lit(), settings, View.MERGED)
    assert legend is not None
    assert (legend.top, "σ" in legend.unit) == (SIGNIFICANCE_FULL, True)


def test_contours_leave_every_pixel_alone():
    settings = Settings(overlay_style=OverlayStyle.CONTOUR)
    assert overlay_of(lit(), settings)[1].opacity == 0.0
    assert legend_of(lit(), settings, View.MERGED) is None


def test_the_map_shows_what_was_measured_in_the_unit_it_names():
    guidance = lit()
    picture = draw_map(guidance, MAPPED)
    assert (picture.shape, picture.dtype) == ((HEIGHT, WIDTH), np.uint32)
    assert not picture.flags.writeable
    top = map_scale(guidance, MAPPED)
    assert top == 23.0, "background 10 and full scale 12.3, rounded up to two digits"
    levels = {int(colour): level for level, colour in enumerate(map_table())}
    g = guidance.grid_px
    there = round((30 + 0.5) * g - 0.5), round((20 + 0.5) * g - 0.5)
    assert math.isclose(levels[int(picture[there[1], there[0]])] / 255 * top, 18.0, abs_tol=1.2)
    assert math.isclose(levels[int(picture[5, 5])] / 255 * top, 10.0, abs_tol=0.1)
    legend = legend_of(guidance, MAPPED, View.NIR)
    assert legend is not None
    assert (legend.top, legend.unit) == (top, "counts/(ms·gain)")
    assert legend_of(guidance, Settings(), View.NIR) is None


def test_the_map_never_paints_what_was_not_measured():
    guidance = lit()
    background = guidance.background.copy()
    background[3, 4] = np.nan
    picture = draw_map(replace(guidance, background=background), MAPPED)
    g = guidance.grid_px
    assert (picture[3 * g : 4 * g, 4 * g : 5 * g] == UNKNOWN).all()
    assert (picture == UNKNOWN).sum() == g * g
    assert UNKNOWN not in map_table()
    nothing = replace(guidance, background=np.full_like(background, np.nan))
    assert math.isnan(map_scale(nothing, MAPPED))
    assert legend_of(nothing, MAPPED, View.NIR) is None


@pytest.mark.parametrize(
    "why", [CannotJudge.INSTRUMENT, CannotJudge.TOO_DARK, CannotJudge.GLINT, CannotJudge.BAD_DATA]
)
def test_the_map_paints_no_tissue_where_none_was_seen(why):
    """The background there is filled in from around: it is nobody's light."""
    guidance = lit()
    hidden = np.zeros(guidance.cannot_judge.shape, np.uint8)
    hidden[2, 3] = why
    picture = draw_map(replace(guidance, cannot_judge=hidden), MAPPED)
    block = np.zeros(picture.shape, bool)
    g = guidance.grid_px
    block[2 * g : 3 * g, 3 * g : 4 * g] = True
    assert (picture[block] == UNKNOWN).all()
    assert (picture[~block] == draw_map(guidance, MAPPED)[~block]).all()


def test_what_is_clipped_is_light_all_the_same():
    guidance = lit()
    clipped = np.full(guidance.cannot_judge.shape, CannotJudge.SATURATED, np.uint8)
    picture = draw_map(replace(guidance, cannot_judge=clipped), MAPPED)
    assert (picture == draw_map(guidance, MAPPED)).all()


def test_brighter_is_always_more_light():
    table = map_table()
    luminance = (
        0.2126 * (table >> 16 & 0xFF) + 0.7152 * (table >> 8 & 0xFF) + 0.0722 * (table & 0xFF)
    )
    assert (np.diff(luminance) > -1.0).all()
    assert luminance[-1] > luminance[0] + 200
