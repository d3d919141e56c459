"""The merged view against an oracle: what is coloured, how, and above all what is left alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.frame import PixelFormat
from hardware.rig import Registration
from sln_guide.core import draw
from sln_guide.core.colour import colour_table
from sln_guide.core.draw_mask import draw_mask, is_shown
from sln_guide.core.opencv import cv2
from sln_guide.guidance import (
    CannotJudge,
    ColourMap,
    Detection,
    Guidance,
    Kind,
    Pair,
    Settings,
    View,
)
from tests.frames import frame_of

IDENTITY = np.eye(3)
ROTATED = np.array([[0.998, 0.021, 3.4], [-0.019, 1.001, -5.2], [1.5e-5, -2e-5, 1.0]])
HALVED = np.array([[0.5, 0.0, 1.25], [0.0, 0.5, -0.75], [0.0, 0.0, 1.0]])


def make_white(height=96, width=128, pixel_format=PixelFormat.BAYER_RG8, seed=0):
    rng = np.random.default_rng(seed)
    shape = pixel_format.array_shape(height, width)
    return frame_of(rng.integers(0, 1 << pixel_format.bit_depth, shape), pixel_format)


def make_guidance(
    significance,
    signal=None,
    *,
    nir_shape=None,
    grid_px=8,
    registration=None,
    cannot_judge=None,
    detections=(),
    full_scale=10.0,
):
    significance = np.asarray(significance, dtype=np.float32)
    signal = significance if signal is None else np.asarray(signal, dtype=np.float32)
    rows, cols = significance.shape
    height, width = nir_shape or (rows * grid_px, cols * grid_px)
    if cannot_judge is None:
        cannot_judge = np.zeros((rows, cols), dtype=np.uint8)
    if registration is None or isinstance(registration, np.ndarray):
        matrix = IDENTITY if registration is None else registration
        registration = Registration(
            kind="calibrated", white_from_nir=tuple(map(tuple, matrix.tolist()))
        )
    nir = frame_of(np.zeros((height, width)), PixelFormat.MONO12)
    return Guidance(
        generation=1,
        pair=Pair(nir, None),
        detections=tuple(detections),
        grid_px=grid_px,
        signal=signal,
        background=np.ones_like(signal),
        significance=significance,
        limit_contrast=np.ones_like(signal),
        cannot_judge=np.asarray(cannot_judge, dtype=np.uint8),
        limit_sbr=None,
        false_calls_per_field=0.05,
        display_full_scale=full_scale,
        colour_predicted=False,
        registration=registration,
        settings=Settings(),
    )


def make_detection(kind, x_px, y_px, width_px, **changes):
    values = {
        "track_id": 1,
        "kind": kind,
        "confirmed": True,
        "coasted": False,
        "x_px": x_px,
        "y_px": y_px,
        "x_white_px": x_px,
        "y_white_px": y_px,
        "area_px": width_px**2,
        "area_mm2": None,
        "spot_width_px": width_px,
        "spot_width_mm": None,
        "signal": 5.0,
        "sbr": 2.0,
        "sbr_interval": None,
        "cnr": 4.0,
        "cnr_interval": None,
        "significance": 9.0,
        "saturated_fraction": 0.0,
    }
    return Detection(**(values | changes))


def merged(white, guidance, chosen=None, gains=draw.NEUTRAL):
    return draw.Drawer(gains).draw(
        View.MERGED, white, guidance.pair.nir, guidance, chosen or Settings()
    )


def plain(white, gains=draw.NEUTRAL):
    return draw.Drawer(gains).draw(View.WHITE, white, None, None, Settings())


def channels(picture):
    return np.stack([(picture >> s) & 0xFF for s in (16, 8, 0)], axis=-1).astype(float)


def places(white, guidance):
    """Return grid (column, row) of every white px, float64."""
    y, x = np.mgrid[: white.height, : white.width].astype(float)
    h = np.linalg.inv(guidance.registration.matrix())
    u, v, w = np.einsum("ij,jyx->iyx", h, np.stack([x, y, np.ones_like(x)]))
    return tuple((p / w + 0.5) / guidance.grid_px - 0.5 for p in (u, v))


def sample(grid, column, row):
    """Bilinear with clamped edges, float64."""
    rows, cols = grid.shape
    u, v = np.clip(column, 0, cols - 1), np.clip(row, 0, rows - 1)
    c0, r0 = np.floor(u).astype(int), np.floor(v).astype(int)
    c1, r1 = np.minimum(c0 + 1, cols - 1), np.minimum(r0 + 1, rows - 1)
    fc, fr = u - c0, v - r0
    g = grid.astype(float)
    top = g[r0, c0] * (1 - fc) + g[r0, c1] * fc
    bottom = g[r1, c0] * (1 - fc) + g[r1, c1] * fc
    return top * (1 - fr) + bottom * fr


def oracle(white, guidance, chosen):
    """Return the expected RGB (float) and the exact gate, everything judged."""
    column, row = places(white, guidance)
    gate = sample(guidance.significance, column, row) - chosen.threshold_sigma
    level = sample(guidance.signal, column, row) / guidance.display_full_scale
    nir = guidance.pair.nir
    inside = (column >= -0.5) & (column <= nir.width / guidance.grid_px - 0.5)
    inside &= (row >= -0.5) & (row <= nir.height / guidance.grid_px - 0.5)
    entry = colour_table(chosen.colour_map)[np.rint(np.clip(level, 0, 1) * 255).astype(int)]
    alpha = np.clip(gate, 0, 1) * chosen.opacity * (entry >> 24) / 255.0
    alpha = np.where(inside, alpha, 0.0)[..., None]
    rgb = channels(plain(white)) * (1 - alpha) + channels(entry) * alpha
    return rgb, np.where(inside, gate, -1.0), inside


def smooth_map(rows, cols, seed, high=14.0):
    rng = np.random.default_rng(seed)
    field = cv2.GaussianBlur(rng.normal(size=(rows, cols)), (0, 0), 1.7)
    return (field / field.max() * high).astype(np.float32)


@pytest.mark.parametrize("pixel_format", [PixelFormat.BAYER_GB8, PixelFormat.RGB8])
@pytest.mark.parametrize("colour_map", list(ColourMap))
def test_the_drawing_is_the_oracles(pixel_format, colour_map):
    white = make_white(pixel_format=pixel_format)
    guidance = make_guidance(smooth_map(12, 16, 4))
    chosen = Settings(colour_map=colour_map, opacity=0.85, threshold_sigma=3.0)
    expected, _, _ = oracle(white, guidance, chosen)
    assert np.abs(channels(merged(white, guidance, chosen)) - expected).max() <= 2.0


@pytest.mark.parametrize("grid_px", [1, 2, 4, 8, 16])
def test_any_grid_is_sampled_exactly_when_the_registration_only_scales(grid_px):
    white = make_white(96, 128)
    guidance = make_guidance(smooth_map(96 // grid_px, 128 // grid_px, 8), grid_px=grid_px)
    expected, _, _ = oracle(white, guidance, Settings())
    assert np.abs(channels(merged(white, guidance)) - expected).max() <= 2.0


@pytest.mark.parametrize("matrix", [ROTATED, HALVED, ROTATED @ HALVED, np.diag([2.0, 2.0, 1.0])])
@pytest.mark.parametrize("shape", [(96, 128), (191, 255)])
def test_through_a_homography(matrix, shape):
    white = make_white(*shape)
    guidance = make_guidance(smooth_map(20, 30, 6), registration=matrix)
    expected, gate, inside = oracle(white, guidance, Settings())
    before, after = plain(white), merged(white, guidance)
    difference = np.abs(channels(after) - expected).max(axis=-1)
    assert difference[inside].mean() < 0.5
    assert np.percentile(difference[inside], 99.5) < 16
    assert (after[inside & (gate <= 0)] == before[inside & (gate <= 0)]).all()
    assert (after != before)[inside & (gate > 0.5)].mean() > 0.9


def test_the_sampling_agrees_with_opencvs_warp():
    """One white px a block and no gate in the way: what is left is the geometry."""
    rows, cols = 60, 80
    signal = np.clip(smooth_map(rows, cols, 9, high=5.0), 0.2, 4.9)
    guidance = make_guidance(
        np.full((rows, cols), 50.0), signal, grid_px=1, registration=ROTATED, full_scale=10.0
    )
    white = frame_of(np.zeros((rows, cols, 3)), PixelFormat.RGB8)
    drawn = channels(merged(white, guidance, Settings(opacity=1.0)))[..., 1] / 255.0
    warped = cv2.warpPerspective(signal, ROTATED, (cols, rows), flags=cv2.INTER_LINEAR)
    inside = cv2.warpPerspective(np.ones_like(signal), ROTATED, (cols, rows)) > 0.999
    expected = (warped / 10.0) ** 0.6  # black below: green is the opacity itself
    assert np.abs(drawn - expected)[inside].max() < 0.02


@pytest.mark.parametrize("matrix", [IDENTITY, ROTATED, HALVED])
def test_nothing_above_threshold_changes_no_pixel(matrix):
    white = make_white()
    quiet = np.full((12, 16), 4.5, np.float32)
    guidance = make_guidance(quiet, np.full((12, 16), 99.0), registration=matrix)
    _, _, inside = oracle(white, guidance, Settings())
    assert (merged(white, guidance) == plain(white))[inside].all()


@settings(max_examples=80, deadline=None)
@given(
    st.integers(0, 2**31),
    st.floats(0.6, 1.6),
    st.floats(-0.5, 0.5),
    st.floats(-3e-4, 3e-4),
    st.sampled_from([1, 2, 3, 5, 8]),
    st.integers(1, 70),
    st.integers(1, 70),
)
def test_below_threshold_the_anatomy_is_untouched(seed, zoom, angle, tilt, grid_px, height, width):
    rng = np.random.default_rng(seed)
    turn = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.eye(3)
    matrix[:2, :2] = turn
    matrix[:2, 2] = rng.uniform(-6, 6, 2)
    matrix[2, :2] = tilt, -tilt
    nir_shape = tuple(int(n) for n in rng.integers(1, 60, 2))
    shape = tuple(-(-n // grid_px) for n in nir_shape)
    spiky = rng.normal(3.0, 4.0, shape)
    guidance = make_guidance(
        spiky,
        rng.normal(2.0, 3.0, shape),
        nir_shape=nir_shape,
        grid_px=grid_px,
        registration=matrix,
    )
    white = make_white(height, width, PixelFormat.BAYER_GR8, seed=seed % 97)
    _, gate, inside = oracle(white, guidance, Settings())
    before, after = plain(white), merged(white, guidance)
    # places are single precision, and these maps are as steep as ten sigma a px
    left_alone = inside & (gate < -0.05)
    assert (after == before)[left_alone].all()
    column, row = places(white, guidance)
    no_signal = inside & (sample(guidance.signal, column, row) <= -0.5)
    if grid_px == 1:  # sampled at every pixel
        assert (after == before)[no_signal].all()


def test_the_colour_fades_in_over_one_sigma():
    white = frame_of(np.zeros((8, 64, 3)), PixelFormat.RGB8)
    shares = []
    for sigma in (4.5, 4.75, 5.0, 5.5, 9.0):
        guidance = make_guidance(np.full((1, 8), sigma), np.full((1, 8), 10.0))
        picture = merged(white, guidance, Settings(opacity=1.0))
        shares.append(int(channels(picture)[4, 32, 0]) / 255.0)
    assert shares == pytest.approx([0.0, 0.25, 0.5, 1.0, 1.0], abs=0.01)


def test_the_scale_is_the_operators_when_locked_else_the_scenes():
    white = frame_of(np.zeros((16, 16, 3)), PixelFormat.RGB8)
    guidance = make_guidance(np.full((2, 2), 50.0), np.full((2, 2), 10.0), full_scale=20.0)
    followed = merged(white, guidance, Settings(opacity=1.0))[8, 8]
    locked = merged(white, guidance, Settings(opacity=1.0, display_full_scale=10.0))[8, 8]
    table = colour_table(ColourMap.GREEN)
    half = channels(table[128]) * (table[128] >> 24) / 255.0
    assert channels(followed) == pytest.approx(half, abs=1)
    assert locked & 0xFFFFFF == table[255] & 0xFFFFFF


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_no_scale_no_overlay(scale):
    white = make_white()
    guidance = make_guidance(np.full((12, 16), 50.0), full_scale=scale)
    assert (merged(white, guidance) == plain(white)).all()


def test_no_registration_no_overlay():
    white = make_white()
    guidance = make_guidance(np.full((12, 16), 50.0), registration=Registration(kind="none"))
    assert (merged(white, guidance) == plain(white)).all()
    out = np.zeros((96, 128), np.uint32)
    assert not draw.Drawer().draw_merged_into(out, white, guidance, Settings())


@pytest.mark.parametrize("reason", [r for r in CannotJudge if r])
def test_where_it_cannot_judge_it_hatches_and_draws_no_colour(reason):
    white = frame_of(np.full((96, 128, 3), 40), PixelFormat.RGB8)
    cannot_judge = np.zeros((12, 16), np.uint8)
    cannot_judge[4:8, 4:10] = reason
    guidance = make_guidance(np.full((12, 16), 50.0), cannot_judge=cannot_judge)
    picture, before = merged(white, guidance), plain(white)
    judged = np.kron(cannot_judge, np.ones((8, 8))) == 0
    assert (picture != before)[judged].all()
    changed = (picture != before)[~judged]
    clipped = reason is CannotJudge.SATURATED
    assert changed.mean() == pytest.approx(0.25 if clipped else 1 / 16, abs=0.02)
    lines = channels(picture)[~judged][changed] - 40
    strength = lines.max(axis=-1).mean()
    assert strength > 100 if clipped else strength < 60


def test_clipped_lines_are_stronger_than_doubtful_ones_and_diagonal():
    white = frame_of(np.zeros((64, 64, 3)), PixelFormat.RGB8)
    guidance = make_guidance(np.zeros((8, 8)), cannot_judge=np.full((8, 8), CannotJudge.SATURATED))
    picture = merged(white, guidance) != 0xFF000000
    assert (picture[1:, :-1] == picture[:-1, 1:]).all()


def test_outside_the_nir_field_is_hatched_not_coloured():
    white = frame_of(np.zeros((96, 128, 3)), PixelFormat.RGB8)
    shifted = np.array([[1.0, 0, 40.0], [0, 1.0, 24.0], [0, 0, 1.0]])
    guidance = make_guidance(np.full((6, 8), 50.0), registration=shifted)
    picture = channels(merged(white, guidance, Settings(opacity=1.0)))
    assert (picture[24:72, 40:104, 1] > 200).all()
    outside = np.ones((96, 128), bool)
    outside[24:72, 40:104] = False
    assert picture[outside].max() < 60
    assert (picture[outside].max(axis=-1) > 0).mean() == pytest.approx(1 / 16, abs=0.01)


def test_values_beside_what_cannot_be_judged_are_not_mixed_with_it():
    white = frame_of(np.zeros((32, 64, 3)), PixelFormat.RGB8)
    significance = np.full((4, 8), 2.0, np.float32)
    significance[:, 4:] = 400.0
    cannot_judge = np.where(significance > 100, CannotJudge.INSTRUMENT, 0)
    guidance = make_guidance(significance, np.full((4, 8), 9.0), cannot_judge=cannot_judge)
    assert (merged(white, guidance)[:, :32] == 0xFF000000).all()


def test_values_that_are_not_numbers_are_doubtful():
    white = make_white()
    for bad in (np.nan, np.inf, -np.inf):
        signal = np.full((12, 16), bad, np.float32)
        picture = merged(white, make_guidance(np.full((12, 16), 50.0), signal))
        assert (picture != plain(white)).mean() < 0.1
        picture = merged(white, make_guidance(signal, np.full((12, 16), 50.0)))
        assert (picture != plain(white)).mean() < 0.1


def two_blobs():
    """An injection site and a node whose light touches it: (significance, detections)."""
    y, x = np.mgrid[:24, :40]
    significance = 30.0 * np.exp(-((x - 10) ** 2 + (y - 12) ** 2) / 60.0)
    significance += 16.0 * np.exp(-((x - 26) ** 2 + (y - 12) ** 2) / 30.0)
    injection = make_detection(Kind.INJECTION, 84.0, 100.0, 80.0)
    node = make_detection(Kind.NODE, 212.0, 100.0, 56.0)
    return significance, injection, node


def test_a_hidden_injection_site_loses_its_halo_but_not_the_node_beside_it():
    significance, injection, node = two_blobs()
    assert significance[12, 18] > 4.5  # one connected patch of light
    guidance = make_guidance(significance, detections=(injection, node))
    white = frame_of(np.full((192, 320, 3), 30), PixelFormat.RGB8)
    shown = merged(white, guidance, Settings(show_injection=True)) != plain(white)
    hidden = merged(white, guidance, Settings(show_injection=False)) != plain(white)
    assert shown[100, 84]
    assert not hidden[:, :136].any()
    assert (hidden[:, 168:] == shown[:, 168:]).all()


def test_hiding_one_kind_leaves_the_others():
    for kind, name in (
        (Kind.CHANNEL, "show_channel"),
        (Kind.INJECTION, "show_injection"),
        (Kind.UNCERTAIN, "show_uncertain"),
    ):
        off = Settings(**{name: False})
        assert not is_shown(kind, off)
        assert is_shown(kind, Settings())
        assert all(is_shown(k, off) for k in Kind if k not in (kind, Kind.GLINT))
    assert not is_shown(Kind.GLINT, Settings())


def test_a_traced_contour_seeds_what_is_hidden():
    significance = np.full((10, 30), 2.0)
    significance[4:6, 2:28] = 20.0
    contour = np.array([[16, 32], [224, 32], [224, 47], [16, 47]], np.float32)
    channel = make_detection(Kind.CHANNEL, 120.0, 40.0, 16.0, contour_px=contour)
    guidance = make_guidance(significance, detections=(channel,))
    mask = draw_mask(guidance, Settings(show_channel=False))
    assert mask is not None
    assert (mask[significance > 4.5] == 0).all()
    assert (mask == 0).sum() < 60
    assert draw_mask(guidance, Settings()) is None


def test_a_coasted_detection_hides_nothing():
    significance, injection, node = two_blobs()
    gone = make_detection(Kind.GLINT, 212.0, 100.0, 56.0, coasted=True)
    guidance = make_guidance(significance, detections=(gone,))
    assert draw_mask(guidance, Settings()) is None
    del injection, node


def test_detections_far_outside_the_grid_are_harmless():
    far = [make_detection(Kind.GLINT, x, y, 1e5) for x in (-1e6, 1e6) for y in (-1e6, 1e6)]
    guidance = make_guidance(np.full((3, 3), 9.0), detections=far)
    assert draw_mask(guidance, Settings()) is not None


@pytest.mark.parametrize("height", [1, 2, 3, 15, 16, 17, 33])
@pytest.mark.parametrize("width", [1, 2, 3, 16, 31, 49])
def test_tiny_and_odd_sizes(height, width):
    white = make_white(height, width)
    shape = (-(-height // 8), -(-width // 8))
    guidance = make_guidance(np.full(shape, 9.0), nir_shape=(height, width))
    picture = merged(white, guidance)
    assert picture.shape == (height, width)
    assert (picture >> 24 == 0xFF).all()
    expected, _, _ = oracle(white, guidance, Settings())
    assert np.abs(channels(picture) - expected).max() <= 2.0


def test_maps_that_do_not_fit_are_refused():
    white = make_white()
    guidance = make_guidance(np.full((12, 16), 9.0), nir_shape=(96, 200))
    with pytest.raises(ValueError, match=r"guidance\.signal must be"):
        merged(white, guidance)
    flat = Registration(kind="calibrated", white_from_nir=((1, 0, 0), (1, 0, 0), (0, 0, 1)))
    with pytest.raises(ValueError, match="cannot be inverted"):
        merged(white, make_guidance(np.full((12, 16), 9.0), registration=flat))


def test_beyond_the_horizon_of_a_registration_nothing_is_coloured():
    steep = np.array([[1.0, 0, 0], [0, 1.0, 0], [0.02, 0, 1.0]])
    white = frame_of(np.zeros((96, 128, 3)), PixelFormat.RGB8)
    guidance = make_guidance(np.full((12, 16), 50.0), registration=steep)
    picture = channels(merged(white, guidance, Settings(opacity=1.0)))
    # the horizon of its inverse is at x = 50; the NIR image ends before
    assert picture[:, 52:].max() < 60
    assert (picture[2:40, 2:20, 1] > 200).all()


def test_the_whole_homography_may_be_negated():
    white = make_white()
    significance = smooth_map(12, 16, 4)
    usual = merged(white, make_guidance(significance, registration=ROTATED))
    negated = merged(white, make_guidance(significance, registration=-2.0 * ROTATED))
    assert (usual == negated).all()


def test_scratch_memory_carries_nothing_from_one_picture_to_the_next():
    drawer = draw.Drawer()
    jobs = []
    for seed in range(4):
        white = make_white(60 + 20 * (seed % 2), 90, seed=seed)
        guidance = make_guidance(smooth_map(10, 12 + 3 * (seed % 2), seed), registration=ROTATED)
        jobs.append((white, guidance))
    for white, guidance in jobs * 2:
        again = drawer.draw(View.MERGED, white, None, guidance, Settings())
        assert (again == merged(white, guidance)).all()


def test_colour_tables_run_from_transparent_to_the_pale_end():
    ends = {
        ColourMap.GREEN: (0x5AFF3C, 0xFFFA78),
        ColourMap.CYAN: (0x1EE1FF, 0xFFFFFF),
        ColourMap.MAGENTA: (0xFF3CE6, 0xFFFFFF),
    }
    for colour_map, (body, top) in ends.items():
        table = colour_table(colour_map)
        assert table.shape == (256,)
        assert table.dtype == np.uint32
        assert not table.flags.writeable
        assert table[0] == body
        assert table[127] & 0xFFFFFF == body
        assert table[255] == 0xFF000000 | top
        alpha = (table >> 24).astype(int)
        assert (np.diff(alpha) >= 0).all()
        assert alpha[26] > 60  # a tenth of full scale can still be seen


def test_warming_up_any_formats():
    draw.warm_up_alone(PixelFormat.BAYER_RG8, PixelFormat.MONO12, draw.NEUTRAL)
    draw.warm_up_alone(None, PixelFormat.MONO12P, draw.NEUTRAL)
    draw.warm_up_alone(PixelFormat.RGB8, None, draw.Gains(1.5, 1.0, 2.0, 0.03))


def test_gains_reach_the_merged_view():
    white = make_white()
    guidance = make_guidance(np.zeros((12, 16)))
    gains = draw.Gains(1.5, 1.0, 2.0, 0.03)
    assert (merged(white, guidance, gains=gains) == plain(white, gains)).all()
    assert (plain(white, gains) != plain(white)).any()
