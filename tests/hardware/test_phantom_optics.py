"""Light from inside tissue: against numerical oracles that share no code with the phantom."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy import integrate, signal

from hardware.phantom import Channel, Node, Phantom, Scene, seen_contrast
from hardware.phantom.fields import stream, textured_field
from hardware.phantom.optics import (
    EFFECTIVE_ATTENUATION_PER_MM,
    SUPERFICIAL_MM,
    Canvas,
    arc_lengths,
    glowing_channel,
    glowing_spot,
    smooth_curve,
    surface_spread,
)

WIDE = Canvas(-1000, -1000, 1000, 1000)


def fwhm(profile: np.ndarray, step: float) -> float:
    """Full width of a profile that falls from its first sample."""
    return 2.0 * step * float(np.interp(-0.5 * profile[0], -profile, np.arange(profile.size)))


@pytest.mark.parametrize("depth", [0.5, 2.0, 5.0, 10.0])
def test_point_spread_is_as_wide_as_it_is_deep(depth: float) -> None:
    rho = np.linspace(0, 40, 8001)
    width = fwhm(surface_spread(rho, depth, EFFECTIVE_ATTENUATION_PER_MM), rho[1])
    assert 1.1 * depth < width < 1.55 * depth


def test_point_spread_without_absorption_is_the_textbook_one() -> None:
    rho = np.linspace(0, 20, 11)
    expected = (1.0 + (rho / 3.0) ** 2) ** -1.5
    np.testing.assert_allclose(surface_spread(rho, 3.0, 0.0), expected, rtol=1e-12)


@pytest.mark.parametrize(("diameter", "depth"), [(4.0, 0.5), (6.0, 3.0), (10.0, 8.0)])
def test_spot_is_the_body_spread_by_depth(diameter: float, depth: float) -> None:
    mm = 0.2
    spot = glowing_spot(
        (100.0, 100.0), mm, diameter_mm=diameter, depth_mm=depth, floor=1e-4, canvas=WIDE
    )
    axis = np.arange(-250, 251) * mm
    x, y = np.meshgrid(axis, axis)
    body = np.sqrt(np.clip(1 - (x**2 + y**2) * (2 / diameter) ** 2, 0, None))
    spread = surface_spread(np.hypot(x, y), depth + SUPERFICIAL_MM, EFFECTIVE_ATTENUATION_PER_MM)
    light = signal.fftconvolve(body, spread, mode="same")
    light /= light.max()
    rows = slice(spot.y0_px - 100 + 250, spot.y0_px - 100 + 250 + spot.values.shape[0])
    columns = slice(spot.x0_px - 100 + 250, spot.x0_px - 100 + 250 + spot.values.shape[1])
    clear = light[rows, columns] > 0.02
    np.testing.assert_allclose(
        spot.values[clear], light[rows, columns][clear], atol=0.012 if depth < 1 else 0.006
    )
    area = float(np.sum(light >= 0.5))
    assert spot.width_px == pytest.approx(2 * math.sqrt(area / math.pi), rel=0.02)


@pytest.mark.parametrize("centre", [(50.0, 60.0), (50.37, 60.81), (-3.4, 7.2)])
def test_spot_is_centred_to_a_hundredth_of_a_pixel(centre: tuple[float, float]) -> None:
    spot = glowing_spot(
        centre, 0.1, diameter_mm=5.0, depth_mm=2.0, aspect=0.6, angle_deg=30.0, canvas=WIDE
    )
    rows, columns = np.indices(spot.values.shape)
    total = spot.values.sum()
    x = float((columns * spot.values).sum() / total) + spot.x0_px
    y = float((rows * spot.values).sum() / total) + spot.y0_px
    assert (x, y) == pytest.approx(centre, abs=0.01)
    assert spot.values.max() == pytest.approx(1.0, abs=2e-3)
    assert not spot.values[[0, -1]].any()
    assert not spot.values[:, [0, -1]].any()


def test_spot_widens_with_depth_and_tiny_scales_do_not_break_it() -> None:
    widths = [
        glowing_spot((0, 0), 0.1, diameter_mm=5.0, depth_mm=z, canvas=WIDE).width_px
        for z in range(0, 11, 2)
    ]
    assert all(b > a for a, b in pairwise(widths))
    coarse = glowing_spot((4.0, 4.0), 2.0, diameter_mm=0.5, depth_mm=0.0, canvas=WIDE)
    assert coarse.values.max() == pytest.approx(1.0, abs=0.01)


def test_what_is_left_of_contrast_at_depth() -> None:
    laid_open = seen_contrast(10.0, 6.0, 0.0)
    assert laid_open == pytest.approx(10.0)
    seen = [seen_contrast(10.0, 6.0, float(z)) for z in range(11)]
    assert all(b < a for a, b in pairwise(seen))
    # Absorption alone would leave more: spreading takes its share too.
    assert seen[5] < 10.0 * math.exp(-0.35 * 5.0)
    # An oracle for the share that spreading leaves: a disc of light under a point spread.
    z, a, mu = 5.0 + SUPERFICIAL_MM, 3.0, EFFECTIVE_ATTENUATION_PER_MM

    def share(z: float) -> float:
        def k(rho: float) -> float:
            r = math.hypot(rho, z)
            return z * (mu + 1 / r) * math.exp(-mu * r) / r**2 * rho

        inner = integrate.quad(lambda p: k(p) * math.sqrt(1 - (p / a) ** 2), 0, a)[0]
        return float(inner / integrate.quad(k, 0, 400, limit=500)[0])

    expected = 10.0 * math.exp(-0.35 * 5.0) * share(z) / share(SUPERFICIAL_MM)
    assert seen[5] == pytest.approx(expected, rel=0.01)


def test_channel_is_brightest_on_its_axis_and_as_wide_as_its_depth_asks() -> None:
    mm = 0.1
    channel = Channel(points_mm=((5.0, 5.0), (25.0, 5.0)), diameter_mm=1.0, depth_mm=2.0)
    curve = smooth_curve(np.array([[50.0, 50.0], [250.0, 50.0]]), 4.0)
    sprite = glowing_channel(channel, curve, mm, WIDE)
    assert sprite.arcs is not None
    across = sprite.values[:, 150 - sprite.x0_px]
    assert np.argmax(across) + sprite.y0_px == 50
    assert across.max() == pytest.approx(1.0, abs=1e-3)
    half = np.flatnonzero(across >= 0.5)
    assert half.size == pytest.approx(sprite.width_px, abs=1.5)
    # a line spreads further than a point: 2 z rather than 1.5 z, bore on top
    assert 2.0 * 2.5 * 0.7 < sprite.width_px * mm < 2.0 * 2.5 * 1.2
    row = 50 - sprite.y0_px
    along = sprite.arcs[row, 55 - sprite.x0_px : 245 - sprite.x0_px].astype(float)
    assert (np.diff(along) >= 0).all()
    assert along[0] == pytest.approx(255 * 5 / 200, abs=1)


def test_smooth_curve_goes_through_its_points() -> None:
    points = np.array([[0.0, 0.0], [10.0, 5.0], [20.0, -3.0], [40.0, 0.0]])
    curve = smooth_curve(points, 1.0)
    for point in points:
        assert np.min(np.hypot(*(curve - point).T)) < 1e-9
    assert np.max(np.diff(arc_lengths(curve))) < 2.0


def test_textured_field_has_the_variance_it_says_octave_by_octave() -> None:
    shape, pitch, sizes = (256, 256), 0.5, (2.0, 8.0)
    fy = np.fft.fftfreq(shape[0], pitch)[:, None]
    fx = np.fft.fftfreq(shape[1], pitch)[None, :]
    octave = np.log2(np.hypot(fy, fx) + 1e-12)
    bands = [np.log2(0.5 / 8.0), np.log2(0.5 / 4.0), np.log2(0.5 / 2.0)]
    power = np.zeros(3)
    seeds = 12
    for seed in range(seeds):
        field = textured_field(stream(seed), shape, pitch, sizes).astype(float)
        spectrum = np.abs(np.fft.fft2(field) / field.size) ** 2
        for k in range(2):
            power[k] += spectrum[(octave >= bands[k]) & (octave < bands[k + 1])].sum() / seeds
        power[2] += spectrum.sum() / seeds
    assert power[:2] == pytest.approx([0.5, 0.5], abs=0.05)
    assert 1.0 < power[2] < 1.45


def test_streams_of_one_seed_are_independent_and_repeat() -> None:
    assert stream(3, 1).normal() == stream(3, 1).normal()
    assert stream(3, 1).normal() != stream(3, 2).normal()
    assert stream(-3, 1).normal() == stream(-3, 1).normal()


def test_a_magnified_scene_costs_no_more_than_its_picture() -> None:
    """At 1 um a pixel a deep node's light is tens of thousands of pixels wide."""
    scene = Scene(
        64,
        48,
        0.001,
        nodes=(
            Node(1, 0.03, 0.02, depth_mm=10.0, colour="blue", excised_at_s=1.0),
            Node(2, 9.0, 9.0),
        ),
        channel=Channel(points_mm=((0.0, 0.0), (5.0, 5.0))),
        relief=0.0,
    )
    phantom = Phantom.from_scene(scene)
    lit, far = phantom.truth(0).nodes
    assert lit.width_px > 10_000
    assert lit.visible_fraction < 0.01
    assert far.visible_fraction == 0.0
    assert phantom.noiseless(0).min() > 400
