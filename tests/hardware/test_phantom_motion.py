"""The phantom over time, again, and in both cameras: pixels and truth move alike."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from hardware.camera import CameraNotFoundError
from hardware.phantom import (
    SCENE_NAMES,
    Breathing,
    Channel,
    Drift,
    Flicker,
    Instrument,
    Node,
    Phantom,
    PhantomCamera,
    Scene,
    scene_named,
)
from hardware.rig import PhantomSpec, Registration
from hardware.rig_files import load_rig
from tests.hardware.plain_scene import PLAIN, nodes_alone

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
