"""From frames and guidance to a picture: what is new, how old it is, where tissue went."""

from __future__ import annotations

import math
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from hardware.frame import Frame
from hardware.phantom import Phantom
from hardware.rig import IDENTITY, PhantomSpec, Registration, Rig
from hardware.rig_files import load_rig
from sln_guide.core.luminance import luminance_small
from sln_guide.drawing import Drawing
from sln_guide.guidance import Guidance, NirStyle, Pair, Settings, View
from sln_guide.pipeline import Setup, initial_state, step

REGISTERED = Registration(kind="calibrated", white_from_nir=IDENTITY)


@pytest.fixture(scope="module")
def rig() -> Rig:
    demo = load_rig("demo")
    return msgspec.structs.replace(
        demo,
        phantom=PhantomSpec(scene="procedure", seed=4, width=320, height=256),
        optics=msgspec.structs.replace(demo.optics, mm_per_px=0.4),
    )


@pytest.fixture(scope="module")
def pair(rig: Rig) -> Pair:
    assert rig.phantom is not None
    phantom = Phantom(rig.phantom, rig)
    return Pair(phantom.frame("nir", 900), phantom.frame("white", 900))


@pytest.fixture(scope="module")
def guidance(rig: Rig, pair: Pair) -> Guidance:
    return step(initial_state(Setup.from_rig(rig)), pair, Settings())[1]


def moved(frame: Frame, dx: int, dy: int) -> Frame:
    """Return ``frame`` with its tissue moved by whole Bayer cells."""
    pixels = np.roll(frame.pixels, (dy, dx), (0, 1)).copy()
    pixels.setflags(write=False)
    return replace(frame, pixels=pixels, sequence=frame.sequence + 1)


def test_nothing_to_show_is_no_picture() -> None:
    assert Drawing(REGISTERED).picture(None, None, None, Settings()) is None


def test_its_own_white_frame_has_not_moved(pair: Pair, guidance: Guidance) -> None:
    picture = Drawing(REGISTERED).picture(pair.nir, pair.white, guidance, Settings())
    assert picture is not None
    assert picture.overlay_drawn
    assert picture.white_shift_px == (0.0, 0.0)
    assert picture.white_thumbnail is not None
    assert picture.nir_thumbnail is not None


def test_a_later_white_frame_tells_how_far_tissue_moved(pair: Pair, guidance: Guidance) -> None:
    drawing = Drawing(REGISTERED)
    assert pair.white is not None
    drawing.picture(pair.nir, pair.white, guidance, Settings())
    picture = drawing.picture(None, moved(pair.white, 8, -4), guidance, Settings())
    assert picture is not None
    assert picture.white_shift_px == pytest.approx((8.0, -4.0), abs=1.0)


def test_a_cut_is_not_taken_for_stillness(pair: Pair, guidance: Guidance) -> None:
    drawing = Drawing(REGISTERED)
    assert pair.white is not None
    drawing.picture(pair.nir, pair.white, guidance, Settings())
    noise = np.random.default_rng(0).integers(0, 255, pair.white.pixels.shape, np.uint8)
    noise.setflags(write=False)
    picture = drawing.picture(None, replace(pair.white, pixels=noise), guidance, Settings())
    assert picture is not None
    assert all(math.isnan(shift) for shift in picture.white_shift_px)


@pytest.mark.parametrize("cover", ["black", "noise", "pixels that differ", "white"])
def test_white_light_of_nothing_is_not_taken_for_still_tissue(
    rig: Rig, pair: Pair, cover: str
) -> None:
    """A cap on the white camera: its own picture under an overlay proves no more than the next."""
    assert pair.white is not None
    rng = np.random.default_rng(0)
    shape, stuck = pair.white.pixels.shape, np.zeros(pair.white.pixels.shape)
    stuck.flat[rng.integers(0, stuck.size, stuck.size // 5000)] = 250.0
    dark = {
        "black": np.zeros(shape),
        "noise": rng.normal(3.0, 1.2, shape) + stuck,
        "pixels that differ": 3.0 + np.random.default_rng(1).normal(0.0, 1.0, shape) + stuck,
        "white": np.full(shape, 255.0),
    }[cover]
    pixels = dark.round().clip(0, 255).astype(np.uint8)
    pixels.setflags(write=False)
    capped = Pair(pair.nir, replace(pair.white, pixels=pixels))
    guidance = step(initial_state(Setup.from_rig(rig)), capped, Settings())[1]
    picture = Drawing(REGISTERED).picture(capped.nir, capped.white, guidance, Settings())
    assert picture is not None
    assert all(math.isnan(shift) for shift in picture.white_shift_px)


def test_a_dim_picture_of_tissue_is_one(rig: Rig, pair: Pair) -> None:
    assert pair.white is not None
    pixels = (pair.white.pixels // 12).astype(np.uint8)
    pixels.setflags(write=False)
    dim = Pair(pair.nir, replace(pair.white, pixels=pixels))
    guidance = step(initial_state(Setup.from_rig(rig)), dim, Settings())[1]
    picture = Drawing(REGISTERED).picture(dim.nir, dim.white, guidance, Settings())
    assert picture is not None
    assert picture.white_shift_px == (0.0, 0.0)


def test_no_white_frame_is_reduced_twice(
    pair: Pair, guidance: Guidance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guidance brings its own; one that is shown again (a new NIR frame came) is kept."""
    reduced: list[Frame] = []

    def counted(white: Frame) -> NDArray[np.float32]:
        reduced.append(white)
        return luminance_small(white)

    monkeypatch.setattr("sln_guide.drawing.luminance_small", counted)
    assert pair.white is not None
    later = moved(pair.white, 8, -4)
    for given in (guidance, replace(guidance, white_small=None)):
        reduced.clear()
        drawing = Drawing(REGISTERED)
        drawing.picture(pair.nir, pair.white, given, Settings())
        assert reduced == []
        shifts = []
        for white in (later, None, None):
            picture = drawing.picture(None, white, given, Settings())
            assert picture is not None
            shifts.append(picture.white_shift_px)
        assert [id(white) for white in reduced].count(id(later)) == 1
        assert len(reduced) == (1 if given is guidance else 2)
        assert len(set(shifts)) == 1


def test_without_registration_there_is_no_overlay(pair: Pair, guidance: Guidance) -> None:
    picture = Drawing(Registration(kind="none")).picture(pair.nir, pair.white, guidance, Settings())
    assert picture is not None
    assert not picture.overlay_drawn


def test_a_map_of_measured_light_counts_as_an_overlay(pair: Pair, guidance: Guidance) -> None:
    for style, counts in ((NirStyle.MAP, True), (NirStyle.GREY, False)):
        settings = Settings(view=View.NIR, nir_style=style)
        picture = Drawing(REGISTERED).picture(pair.nir, pair.white, guidance, settings)
        assert picture is not None
        assert picture.overlay_drawn is counts


def test_latency_counts_from_the_oldest_frame_shown_for_the_first_time(
    pair: Pair, guidance: Guidance
) -> None:
    assert pair.white is not None
    drawing = Drawing(REGISTERED)
    nir_ns = pair.nir.host_time_ns
    white = replace(pair.white, host_time_ns=nir_ns + 3_000_000)
    first = drawing.picture(pair.nir, white, guidance, Settings())
    assert first is not None
    assert first.handed_over_ns == nir_ns
    later = replace(white, host_time_ns=nir_ns + 20_000_000)
    second = drawing.picture(None, later, guidance, Settings())
    assert second is not None
    assert second.handed_over_ns == nir_ns + 20_000_000, "the guidance is not new any more"


@pytest.mark.parametrize("view", list(View))
def test_nir_alone_shows_nir(pair: Pair, guidance: Guidance, view: View) -> None:
    picture = Drawing(REGISTERED).picture(pair.nir, None, guidance, Settings(view=view))
    assert picture is not None
    assert picture.view is View.NIR
    assert not picture.overlay_drawn
