"""What the phantom shows is what its truth says."""

from __future__ import annotations

import threading
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from hardware.camera import CameraNotFoundError
from hardware.frame import PixelFormat
from hardware.phantom import (
    SCENE_NAMES,
    Breathing,
    Channel,
    Drift,
    Flicker,
    Injection,
    Instrument,
    InstrumentPose,
    Node,
    Phantom,
    PhantomCamera,
    Scene,
    Uptake,
    scene_named,
)
from hardware.rig import PhantomSpec, Registration, load_rig

PLAIN = Scene(
    400,
    320,
    border=False,
    vessels=False,
    speculars=False,
    texture_rms=0.0,
    fine_rms=0.0,
    relief=0.0,
)
"""Tissue without texture, so that what is added stands alone."""


def nodes_alone(scene: Scene, index: int = 0) -> np.ndarray:
    """Return the light that nodes add: with them less without."""
    bare = Phantom.from_scene(replace(scene, nodes=()))
    return Phantom.from_scene(scene).noiseless(index) - bare.noiseless(index)


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


# -- time and motion ------------------------------------------------------------------------------


def shift_between(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Return the (x, y) shift of ``b`` against ``a`` by phase correlation, to a tenth of a px."""
    window = np.hanning(a.shape[0])[:, None] * np.hanning(a.shape[1])[None, :]
    fa, fb = (np.fft.fft2((i - i.mean()) * window) for i in (a, b))
    cross = fb * np.conj(fa)
    surface = np.fft.ifft2(cross / (np.abs(cross) + 1e-3 * np.abs(cross).max())).real
    y, x = np.unravel_index(np.argmax(surface), surface.shape)

    def peak(line: np.ndarray, at: int) -> float:
        low, top, high = line[at - 1], line[at], line[(at + 1) % line.size]
        return float(at + 0.5 * (low - high) / (low - 2 * top + high))

    px, py = peak(surface[y], int(x)), peak(surface[:, x], int(y))
    return (
        px - surface.shape[1] if px > surface.shape[1] / 2 else px,
        py - surface.shape[0] if py > surface.shape[0] / 2 else py,
    )


def test_breathing_and_drift_move_truth_and_pixels_alike_in_both_images() -> None:
    scene = Scene(
        512,
        400,
        border=False,
        seed=5,
        nodes=(Node(1, 25.0, 20.0),),
        vessels=True,
        breathing=Breathing(amplitude_mm=2.0, direction_deg=60.0, gradient=0.0),
        drift=Drift(0.5, period_s=20.0),
        illumination_falloff=0.0,
    )
    phantom = Phantom.from_scene(scene, frame_rate_hz=10.0)
    rest = phantom.truth(0).nodes[0]
    still = phantom.noiseless(0)
    calm = phantom.frame("white", 0).pixels[0::2, 0::2].astype(float)
    moved = []
    for index in (5, 13, 20, 31):
        truth = phantom.truth(index)
        node = truth.nodes[0]
        moved.append((node.x_px - rest.x_px, node.y_px - rest.y_px))
        assert moved[-1] == pytest.approx(truth.displacement_px, abs=0.2)
        assert shift_between(still, phantom.noiseless(index)) == pytest.approx(moved[-1], abs=0.3)
        white = phantom.frame("white", index).pixels[0::2, 0::2].astype(float)
        half = shift_between(calm, white)
        assert (2 * half[0], 2 * half[1]) == pytest.approx(moved[-1], abs=1.0)
    assert max(np.hypot(*m) for m in moved) > 15


def test_motion_may_grow_down_the_image() -> None:
    breathing = Breathing(amplitude_mm=3.0, direction_deg=90.0, gradient=0.5)
    nodes = tuple(Node(k, 20.0, y, diameter_mm=1.0, depth_mm=0.0) for k, y in ((1, 4.0), (2, 25.0)))
    scene = replace(PLAIN, breathing=breathing, nodes=nodes)
    phantom = Phantom.from_scene(scene, frame_rate_hz=10.0)
    bare = Phantom.from_scene(replace(scene, nodes=()), frame_rate_hz=10.0)
    index = 20
    a, b = (phantom.truth(i).nodes for i in (0, index))
    steps = [after.y_px - before.y_px for before, after in zip(a, b, strict=True)]
    assert steps[1] > 1.3 * steps[0] > 20
    added = phantom.noiseless(index) - bare.noiseless(index)
    for node in b:
        r, c = round(node.y_px), round(node.x_px)
        patch = added[r - 12 : r + 13, c - 12 : c + 13]
        rows, columns = np.indices(patch.shape)
        assert np.average(rows, weights=patch) + r - 12 == pytest.approx(node.y_px, abs=0.3)
        assert np.average(columns, weights=patch) + c - 12 == pytest.approx(node.x_px, abs=0.3)


def test_a_lamp_flickers_as_its_exposure_lets_it() -> None:
    assert Flicker(100.0, 0.3).factor(0.123, 0.010) == pytest.approx(1.0)
    assert Flicker(100.0, 0.3).factor(0.0025, 1e-9) == pytest.approx(1.3)
    scene = replace(PLAIN, flicker=Flicker(100.0, 0.3, nir_share=0.2), nodes=(Node(1, 20.0, 16.0),))
    phantom = Phantom.from_scene(
        scene, frame_rate_hz=27.0, nir_exposure_us=5_000.0, white_exposure_us=5_000.0
    )
    nir = np.array([np.median(phantom.noiseless(i)[:60]) for i in range(12)])
    assert 0.02 < np.ptp(nir) / nir.mean() < 0.09
    white = [float(phantom.frame("white", i).pixels.mean()) for i in range(12)]
    assert np.ptp(white) / np.mean(white) > 0.15
    added = [nodes_alone(scene, i).max() for i in range(2)]
    assert added[0] == pytest.approx(added[1], rel=1e-3)  # what glows does not flicker
    contrasts = [phantom.truth(i).nodes[0].contrast for i in range(12)]
    assert np.corrcoef(contrasts, 1 / nir)[0, 1] > 0.99


def test_a_scene_with_a_duration_begins_again() -> None:
    scene = replace(
        PLAIN,
        duration_s=2.0,
        nodes=(Node(1, 20.0, 16.0, excised_at_s=1.0),),
        breathing=Breathing(frequency_hz=0.5),
    )
    phantom = Phantom.from_scene(scene, frame_rate_hz=10.0)
    assert phantom.truth(19).nodes[0].excised
    assert not phantom.truth(21).nodes[0].excised
    assert phantom.truth(21).time_s > 2.0 > phantom.truth(21).scene_time_s
    np.testing.assert_allclose(phantom.noiseless(3), phantom.noiseless(23), rtol=1e-4)


# -- the same again ------------------------------------------------------------------------------


def test_frames_depend_on_nothing_but_seed_role_and_index() -> None:
    scene = scene_named("procedure", 3, 200, 160)
    order = [(role, i) for i in (0, 700, 1100, 1800) for role in ("nir", "white")]
    first = Phantom.from_scene(scene)
    expected = {key: first.frame(*key).pixels.copy() for key in order}
    second = Phantom.from_scene(scene)
    for key in reversed(order):
        np.testing.assert_array_equal(second.frame(*key).pixels, expected[key])
    outcome: dict[tuple[str, int, int], bool] = {}

    def draw(name: int) -> None:
        for role, i in order if name % 2 else reversed(order):
            same = np.array_equal(second.frame(role, i).pixels, expected[role, i])
            outcome[role, i, name] = same

    threads = [threading.Thread(target=draw, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcome) == 4 * len(order)
    assert all(outcome.values())
    assert first.truth(1100) == second.truth(1100)
    other = Phantom.from_scene(replace(scene, seed=4))
    assert not np.array_equal(other.frame("nir", 0).pixels, expected["nir", 0])


@pytest.mark.parametrize("size", [(161, 126), (33, 17), (2, 2), (1, 1), (97, 3)])
@pytest.mark.parametrize("name", ["procedure", "hard"])
def test_odd_and_tiny_sizes(size: tuple[int, int], name: str) -> None:
    phantom = Phantom.from_scene(scene_named(name, 2, *size))
    for index in (0, 1050):
        for role in ("nir", "white"):
            pixels = phantom.frame(role, index).pixels
            assert pixels.shape == size[::-1]
        assert phantom.noiseless(index).shape == size[::-1]
        assert np.isfinite(phantom.noiseless(index)).all()
        assert phantom.truth(index).index == index


@pytest.mark.parametrize("name", SCENE_NAMES)
def test_every_named_scene_can_be_seen(name: str) -> None:
    rig = load_rig("demo")
    phantom = Phantom(PhantomSpec(scene=name, seed=2, width=200, height=160), rig)
    nir, white = phantom.frame("nir", 900), phantom.frame("white", 900)
    assert nir.pixels.shape == white.pixels.shape == (160, 200)
    truth = phantom.truth(900)
    assert len(truth.nodes) == len(phantom.scene.nodes)
    assert nir.sequence == truth.index == 900
    if name in ("dark", "flat", "empty"):
        assert not truth.nodes


def test_hard_scenes_differ_and_cover_the_field() -> None:
    scenes = [scene_named("hard", seed) for seed in range(40)]
    contrasts = [n.contrast for s in scenes for n in s.nodes]
    depths = [n.depth_mm for s in scenes for n in s.nodes]
    assert min(contrasts) < 0.3
    assert max(contrasts) > 3.0
    assert 0.1 <= min(contrasts) <= max(contrasts) <= 3.5
    assert max(depths) - min(depths) > 8
    for part in ("instrument", "injection", "channel"):
        assert 5 < sum(getattr(s, part) is None for s in scenes) < 35
    width, height = 128.0, 102.4
    assert all(0 < n.x_mm < width and 0 < n.y_mm < height for s in scenes for n in s.nodes)


def test_the_procedure_tells_its_story() -> None:
    phantom = Phantom.from_scene(scene_named("procedure", 1, 320, 256))
    at = {t: phantom.truth(round(30 * t)) for t in (0, 10, 28, 36, 50, 57, 62, 75)}
    assert at[0].injection_px is None
    assert not at[0].channel_px
    assert at[10].injection_px is not None
    assert at[10].channel_px
    assert all(n.contrast == 0 for n in at[10].nodes)
    assert at[28].nodes[0].contrast > at[28].nodes[1].contrast > 0
    assert at[36].instrument_px is not None
    assert at[36].nodes[0].visible_fraction < 0.9
    assert at[50].instrument_px is None
    assert [n.visible_fraction for n in at[50].nodes] == [1.0, 1.0, 1.0]
    assert at[50].nodes[2].contrast > 0.3
    assert at[62].nodes[0].excised
    assert not at[75].nodes[0].excised


# -- both cameras, one field ----------------------------------------------------------------------


def stain_centre(phantom: Phantom, plain: Phantom, index: int) -> tuple[float, float]:
    """Return where red light is missing in white, in white px (red ones are even)."""
    with_it = phantom.frame("white", index).pixels[::2, ::2].astype(float)
    without = plain.frame("white", index).pixels[::2, ::2].astype(float)
    missing = np.clip(without - with_it - 12, 0, None)
    rows, columns = np.indices(missing.shape)
    return (
        2 * float(np.average(columns, weights=missing)),
        2 * float(np.average(rows, weights=missing)),
    )


@pytest.mark.parametrize(
    ("matrix", "white_size"),
    [
        (np.eye(3), None),
        (np.array([[1.0, 0.0, 12.5], [0.0, 1.0, -7.25], [0, 0, 1]]), None),
        (np.array([[1.45, -0.12, 20.0], [0.1, 1.5, 8.0], [2e-5, -3e-5, 1.0]]), (640, 512)),
    ],
)
def test_white_light_obeys_the_registration(
    matrix: np.ndarray, white_size: tuple[int, int] | None
) -> None:
    rows = tuple(tuple(float(v) for v in row) for row in matrix)
    registration = Registration(kind="calibrated", white_from_nir=rows)
    node = Node(1, 24.0, 19.0, diameter_mm=6.0, depth_mm=0.5, colour="blue")
    scene = replace(PLAIN, nodes=(node,), breathing=Breathing(), seed=9)
    phantom = Phantom.from_scene(scene, registration=registration, white_size=white_size)
    plain = Phantom.from_scene(
        replace(scene, nodes=()), registration=registration, white_size=white_size
    )
    straight = [Phantom.from_scene(replace(scene, nodes=n)) for n in (scene.nodes, ())]
    for index in (0, 50):
        white = phantom.frame("white", index)
        assert (white.width, white.height) == (white_size or (400, 320))
        truth = phantom.truth(index).nodes[0]
        # A stain is ragged, so its centre is not quite the node's; H carries it all the same.
        centre = stain_centre(*straight, index)
        assert centre == pytest.approx((truth.x_px, truth.y_px), abs=1.5)
        u = matrix @ (*centre, 1.0)
        expected = (u[0] / u[2], u[1] / u[2])
        assert stain_centre(phantom, plain, index) == pytest.approx(expected, abs=0.4)


def test_white_beyond_what_nir_sees_is_dark_not_an_error() -> None:
    far = ((0.1, 0.0, 150.0), (0.0, 0.1, 120.0), (0.0, 0.0, 1.0))
    registration = Registration(kind="calibrated", white_from_nir=far)
    phantom = Phantom.from_scene(
        replace(PLAIN, width_px=300, height_px=240), registration=registration
    )
    pixels = phantom.frame("white", 0).pixels
    assert pixels[:40, :40].max() < 8
    assert pixels[130, 160:170].mean() > 20


def test_roles_and_scenes_that_are_not_there_are_named() -> None:
    rig = load_rig("demo")
    phantom = Phantom(PhantomSpec(width=64, height=48), rig)
    with pytest.raises(CameraNotFoundError, match="'uv'"):
        PhantomCamera(phantom, "uv")
    with pytest.raises(CameraNotFoundError, match="uv"):
        phantom.frame("uv", 0)
    with pytest.raises(ValueError, match="procedure"):
        Phantom(PhantomSpec(scene="nowhere"), rig)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"width_px": 0}, "pixel"),
        ({"mm_per_px": 0.0}, "mm_per_px"),
        ({"colour_shared": 1.5}, "colour_shared"),
        ({"texture_mm": (5.0, 2.0)}, "texture_mm"),
        ({"illumination_falloff": 1.0}, "illumination_falloff"),
        ({"duration_s": 0.0}, "duration_s"),
        ({"nodes": (Node(1, 0, 0), Node(1, 1, 1))}, "node_id"),
        ({"channel": Channel(points_mm=((0.0, 0.0),))}, "two points"),
        ({"instrument": Instrument(poses=())}, "poses"),
    ],
)
def test_scenes_that_make_no_sense_are_refused(changes: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        replace(PLAIN, **changes)
