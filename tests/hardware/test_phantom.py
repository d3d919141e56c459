"""The phantom: what there is to see is in the pixels as its truth says."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from hardware.frame import PixelFormat
from hardware.phantom import (
    Channel,
    Injection,
    Instrument,
    InstrumentPose,
    Node,
    Phantom,
    Scene,
    Uptake,
    scene_named,
)
from hardware.rig_files import load_rig
from tests.hardware.plain_scene import PLAIN, nodes_alone

# -- nodes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [0.0, 3.0, 8.0])
@pytest.mark.parametrize("contrast", [0.1, 1.0, 3.5])
def test_centre_contrast_and_width_are_in_the_pixels(depth: float, contrast: float) -> None:
    node = Node(1, 20.37, 15.81, diameter_mm=5.0, depth_mm=depth, contrast=contrast)
    scene = replace(PLAIN, nodes=(node,))
    phantom = Phantom.from_scene(scene)
    truth = phantom.truth(0).nodes[0]
    added = nodes_alone(scene)
    background = Phantom.from_scene(PLAIN).noiseless(0)
    # The lamp's fall-off is in both, so it leaves the ratio.
    ratio = added / background
    y, x = np.unravel_index(np.argmax(ratio), ratio.shape)
    assert (x, y) == pytest.approx((truth.x_px, truth.y_px), abs=1.0)
    top = ratio > 0.5 * ratio.max()
    rows, columns = np.nonzero(top)
    assert np.average(columns, weights=ratio[top]) == pytest.approx(truth.x_px, abs=0.15)
    assert np.average(rows, weights=ratio[top]) == pytest.approx(truth.y_px, abs=0.15)
    assert (truth.x_px, truth.y_px) == pytest.approx((203.7, 158.1))
    assert truth.contrast == contrast
    assert ratio.max() == pytest.approx(contrast, rel=0.02)
    assert 2 * np.sqrt(top.sum() / np.pi) == pytest.approx(truth.width_px, rel=0.02)
    assert truth.depth_mm == depth
    assert truth.signal == pytest.approx(float(added.max()) / 10.0, rel=0.03)


def test_truth_is_in_the_pixels_of_the_region_of_interest() -> None:
    scene = replace(PLAIN, nodes=(Node(1, 20.0, 15.0, contrast=3.0),))
    rig = load_rig("demo")
    phantom = Phantom.from_scene(scene)
    shifted = Phantom.__new__(Phantom)
    assert rig.nir is not None
    nir = type(rig.nir)(
        source="phantom", pixel_format=PixelFormat.MONO12, exposure_us=1e4, roi=(100, 50, 200, 200)
    )
    shifted._build(
        scene,
        type(rig)(name="roi", nir=nir, optics=rig.optics, sensor=rig.sensor, phantom=rig.phantom),
    )
    a, b = phantom.truth(0).nodes[0], shifted.truth(0).nodes[0]
    assert (a.x_px - b.x_px, a.y_px - b.y_px) == (100, 50)
    image = shifted.noiseless(0)
    assert image.shape == (200, 200)
    y, x = np.unravel_index(np.argmax(image), image.shape)
    assert (x, y) == pytest.approx((b.x_px, b.y_px), abs=6)


def test_uptake_rises_washes_out_and_moves_pixels_alike() -> None:
    node = Node(1, 20.0, 16.0, contrast=2.0, uptake=Uptake(1.0, 2.0, washout_s=10.0))
    scene = replace(PLAIN, nodes=(node,))
    phantom = Phantom.from_scene(scene, frame_rate_hz=10.0)
    bare = Phantom.from_scene(PLAIN, frame_rate_hz=10.0)
    contrasts = []
    for index in (0, 8, 15, 30, 60, 200):
        truth = phantom.truth(index)
        contrasts.append(truth.nodes[0].contrast)
        ratio = phantom.noiseless(index) / bare.noiseless(index) - 1.0
        assert float(ratio.max()) == pytest.approx(contrasts[-1], abs=0.02)
    assert contrasts[0] == contrasts[1] == 0.0
    assert contrasts[2] < contrasts[3] < contrasts[4]
    assert contrasts[5] < contrasts[4]


def test_an_excised_node_leaves_a_dark_bed() -> None:
    node = Node(7, 20.0, 16.0, contrast=2.0, excised_at_s=1.0, colour="blue")
    phantom = Phantom.from_scene(replace(PLAIN, nodes=(node,)), frame_rate_hz=10.0)
    before, after = phantom.truth(5).nodes[0], phantom.truth(30).nodes[0]
    assert not before.excised
    assert before.contrast == 2.0
    assert before.visible_in_colour
    assert after.excised
    assert after.contrast == after.signal == 0.0
    assert not after.visible_in_colour
    bare = Phantom.from_scene(PLAIN, frame_rate_hz=10.0)
    nir = phantom.noiseless(30)[150:170, 190:210] / bare.noiseless(30)[150:170, 190:210]
    assert nir.max() < 0.6
    white = phantom.frame("white", 30).pixels[150:170, 190:210].astype(float)
    tissue = bare.frame("white", 30).pixels[150:170, 190:210].astype(float)
    assert white.mean() < 0.5 * tissue.mean()


@pytest.mark.parametrize("colour", ["none", "blue", "fat"])
def test_colour_shows_a_node_only_where_it_says(colour: str) -> None:
    node = Node(1, 20.0, 16.0, diameter_mm=8.0, depth_mm=1.0, contrast=0.5, colour=colour)
    scene = replace(PLAIN, nodes=(node,))
    white = Phantom.from_scene(scene).frame("white", 0).pixels[140:180, 180:220].astype(float)
    plain = Phantom.from_scene(PLAIN).frame("white", 0).pixels[140:180, 180:220].astype(float)
    red = white[::2, ::2].mean() / plain[::2, ::2].mean()
    blue = white[1::2, 1::2].mean() / plain[1::2, 1::2].mean()
    assert Phantom.from_scene(scene).truth(0).nodes[0].visible_in_colour is (colour != "none")
    if colour == "none":
        assert red == pytest.approx(1.0, abs=0.01)
        assert blue == pytest.approx(1.0, abs=0.01)
    elif colour == "blue":
        assert red < 0.6 < blue
    else:
        assert red > 1.1
        assert blue < 1.0


# -- background ---------------------------------------------------------------------------------


def band_passed(image: np.ndarray, mm: float, sizes: tuple[float, float]) -> np.ndarray:
    """Keep features (half wavelengths) between two sizes, by an ideal filter."""
    spectrum = np.fft.fft2(image - image.mean())
    fy = np.fft.fftfreq(image.shape[0], mm)[:, None]
    fx = np.fft.fftfreq(image.shape[1], mm)[None, :]
    f = np.hypot(fy, fx)
    spectrum[(f < 0.5 / sizes[1]) | (f > 0.5 / sizes[0])] = 0
    return np.fft.ifft2(spectrum).real


@pytest.mark.parametrize(("rms", "shared"), [(0.16, 0.5), (0.16, 0.0), (0.08, 0.8)])
def test_texture_has_its_rms_and_colour_its_share_of_it(rms: float, shared: float) -> None:
    measured, explained = [], []
    for seed in (1, 2, 3):
        scene = Scene(
            640,
            512,
            0.2,
            seed=seed,
            border=False,
            vessels=False,
            speculars=False,
            illumination_falloff=0.0,
            relief=0.0,
            texture_rms=rms,
            colour_shared=shared,
            fine_rms=0.0,
        )
        phantom = Phantom.from_scene(scene)
        nir = np.log(phantom.noiseless(0)).reshape(128, 4, 160, 4).mean((1, 3))
        nir = band_passed(nir, 0.8, scene.texture_mm)
        white = phantom.frame("white", 0).pixels - 1.5
        planes = [
            np.log(white[r::2, c::2].reshape(128, 2, 160, 2).mean((1, 3)))
            for r, c in ((0, 0), (0, 1), (1, 1))
        ]
        colours = np.stack(
            [band_passed(plane, 0.8, scene.texture_mm).ravel() for plane in planes], axis=1
        )
        fit, *_ = np.linalg.lstsq(colours, nir.ravel(), rcond=None)
        left = nir.ravel() - colours @ fit
        measured.append(float(nir.std()))
        explained.append(1.0 - float(left.var() / nir.var()))
    assert np.mean(measured) == pytest.approx(rms, rel=0.08)
    assert np.mean(explained) == pytest.approx(shared, abs=0.09)


def test_borders_step_in_both_images() -> None:
    scene = replace(PLAIN, width_px=640, height_px=512, mm_per_px=0.2, border=True)
    phantom = Phantom.from_scene(scene)
    nir = np.log(phantom.noiseless(0))
    white = np.log(phantom.frame("white", 0).pixels[0::2, 1::2].astype(float) + 1)
    steep = np.hypot(*np.gradient(nir))[::2, ::2]
    edge = steep > 0.05
    assert 0.001 < edge.mean() < 0.1
    in_white = np.hypot(*np.gradient(white))
    assert in_white[edge].mean() > 3 * in_white[~edge].mean()
    assert np.percentile(nir, 95) - np.percentile(nir, 5) > 0.5


def test_each_role_has_its_own_lamp() -> None:
    scene = Scene(320, 256, tissue=False, illumination_falloff=0.5)
    phantom = Phantom.from_scene(scene)
    nir = phantom.noiseless(0)
    white = phantom.frame("white", 0).pixels[1::2, ::2].astype(float)
    smooth = nir.reshape(16, 16, 20, 16).mean((1, 3))
    assert smooth.min() / smooth.max() == pytest.approx(0.45, abs=0.1)
    bright_nir = np.unravel_index(np.argmax(smooth), smooth.shape)
    coarse = white.reshape(16, 8, 20, 8).mean((1, 3))
    bright_white = np.unravel_index(np.argmax(coarse), coarse.shape)
    assert bright_nir[1] > 10 > bright_white[1]
    assert nir[128, 160] == pytest.approx(400.0, rel=0.03)


def test_the_field_stop_is_dark_outside_in_both_images() -> None:
    scene = replace(scene_named("static", 1, 320, 256), field_stop=True)
    phantom = Phantom.from_scene(scene)
    assert phantom.noiseless(0)[0, 0] == 0.0
    assert phantom.frame("white", 0).pixels[:8, :8].max() < 6
    assert phantom.noiseless(0)[128, 160] > 100


# -- channel, injection, instrument, glints -----------------------------------------------------


def test_the_channel_fills_from_the_injection_on() -> None:
    channel = Channel(
        points_mm=((5.0, 16.0), (20.0, 14.0), (35.0, 16.0)),
        start_s=1.0,
        speed_mm_per_s=10.0,
        contrast=1.0,
    )
    scene = replace(PLAIN, channel=channel, injection=Injection(5.0, 16.0, at_s=0.5))
    phantom = Phantom.from_scene(scene, frame_rate_hz=10.0)
    bare = Phantom.from_scene(replace(scene, channel=None), frame_rate_hz=10.0)
    lengths = []
    for index in (0, 20, 30, 60):
        truth = phantom.truth(index)
        lengths.append(len(truth.channel_px))
        light = (phantom.noiseless(index) - bare.noiseless(index)) / 400.0
        if index == 30:
            x, y = truth.channel_px[len(truth.channel_px) // 2]
            assert light[round(y), round(x)] > 0.5
            assert light[round(y) + 60, round(x)] < 0.05
            assert light[160, 340] < 0.05
        if index == 60:
            assert light[160, 340] > 0.5
    assert lengths[0] == 0
    assert lengths[1] < lengths[2] < lengths[3]
    assert phantom.truth(0).injection_px is None
    assert phantom.truth(30).injection_px == pytest.approx((50.0, 160.0))


def test_the_injection_saturates_and_has_a_halo() -> None:
    scene = replace(PLAIN, injection=Injection(20.0, 16.0, diameter_mm=3.0))
    phantom = Phantom.from_scene(scene)
    pixels = phantom.frame("nir", 0).pixels
    assert (pixels == 4095).sum() > 500
    truth = phantom.truth(0)
    assert truth.injection_radius_px is not None
    assert pixels[160, 200] == 4095
    background = float(np.median(Phantom.from_scene(PLAIN).frame("nir", 0).pixels[:, 200:])) - 64
    halo = pixels[160, 200 + round(2.5 * truth.injection_radius_px)] - 64.0
    assert 1.3 * background < halo < 4000
    # no step where the halo ends
    line = phantom.noiseless(0)[160] / Phantom.from_scene(PLAIN).noiseless(0)[160] - 1.0
    assert np.abs(np.diff(line[line < 0.5])).max() < 0.05


def instrument_scene(**changes: object) -> Scene:
    tool = Instrument(
        poses=(
            InstrumentPose(0.0, 60.0, 16.0, 0.0),
            InstrumentPose(1.0, 60.0, 16.0, 0.0),
            InstrumentPose(2.0, 10.0, 16.0, 0.0),
            InstrumentPose(4.0, 10.0, 16.0, 30.0),
        ),
        diameter_mm=6.0,
    )
    nodes = (Node(1, 25.0, 16.0, diameter_mm=4.0, contrast=2.0), Node(2, 20.0, 4.0))
    return replace(PLAIN, instrument=tool, nodes=nodes, **changes)


def test_an_instrument_hides_what_lies_under_it() -> None:
    phantom = Phantom.from_scene(instrument_scene(), frame_rate_hz=10.0)
    away, over = phantom.truth(5), phantom.truth(20)
    assert away.instrument_px is None
    assert [n.visible_fraction for n in away.nodes] == [1.0, 1.0]
    assert over.nodes[0].visible_fraction < 0.2
    assert over.nodes[1].visible_fraction == 1.0
    assert over.nodes[0].contrast == 2.0
    partly = [phantom.truth(i).nodes[0].visible_fraction for i in range(10, 21)]
    assert all(b <= a for a, b in pairwise(partly))
    assert any(0.1 < f < 0.9 for f in partly)
    nir = phantom.noiseless(20)
    lit = Phantom.from_scene(PLAIN).noiseless(0)
    assert nir[175, 250] < 0.3 * lit[175, 250]
    assert phantom.frame("white", 20).pixels[140:180, 200:300].mean() > 25


def test_the_outline_is_where_the_metal_is() -> None:
    phantom = Phantom.from_scene(instrument_scene(breathing=None), frame_rate_hz=10.0)
    bare = Phantom.from_scene(replace(instrument_scene(), instrument=None), frame_rate_hz=10.0)
    for index in (20, 30):
        outline = phantom.truth(index).instrument_px
        assert outline is not None
        corners = np.array(outline)
        y, x = np.mgrid[0:320, 0:400]
        inside = np.ones(x.shape, bool)
        middle = corners.mean(axis=0)
        for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            side = (bx - ax) * (y - ay) - (by - ay) * (x - ax)
            mid = (bx - ax) * (middle[1] - ay) - (by - ay) * (middle[0] - ax)
            inside &= side * mid > 0
        ratio = phantom.noiseless(index) / bare.noiseless(index)
        assert (ratio[inside] < 0.5).mean() > 0.9  # but for its glint
        assert (ratio[~inside] > 0.45).mean() > 0.995  # shadow included


def test_glints_are_small_sharp_unsteady_and_in_both_images() -> None:
    scene = replace(PLAIN, glints=12)
    phantom = Phantom.from_scene(scene)
    bare = Phantom.from_scene(PLAIN)
    seen: list[set[tuple[float, float]]] = []
    for index in range(0, 60, 6):
        truth = phantom.truth(index)
        seen.append(set(truth.glints_px))
        added = phantom.noiseless(index) - bare.noiseless(index)
        white = phantom.frame("white", index).pixels.astype(float)
        plain = bare.frame("white", index).pixels.astype(float)
        for x, y in truth.glints_px:
            r, c = round(y), round(x)
            if 8 < r < 312 and 8 < c < 392:
                assert added[r, c] > 2
                assert (white - plain)[r - 1 : r + 2, c - 1 : c + 2].max() > 5
        assert (added > 1.0).mean() < 0.01
    assert len(set.union(*seen)) > len(set.intersection(*seen))
