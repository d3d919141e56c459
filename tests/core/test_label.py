"""Regions and peaks of the grid, held against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from sln_guide.core.label import cells_of, grow_into, label_into, moments_into
from sln_guide.core.peaks import (
    SECTORS,
    annuli,
    cells_above_into,
    find_peaks_into,
    roundness_of,
    stand_of,
    survey_into,
    value_at,
)

MASKS = hnp.arrays(np.bool_, st.tuples(st.integers(1, 24), st.integers(1, 30)))
LEVELS = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 24), st.integers(1, 30)),
    elements=st.sampled_from(range(6)),
)
EIGHT = np.ones((3, 3))


def listed(mask: np.ndarray) -> np.ndarray:
    cells = np.empty(mask.size, np.int32)
    return cells[: cells_of(cells, mask)]


@settings(max_examples=150, deadline=None)
@given(MASKS)
def test_regions_are_scipys(mask: np.ndarray) -> None:
    cells = listed(mask)
    np.testing.assert_array_equal(cells, np.flatnonzero(mask))
    labels = np.full(mask.shape, -1, np.int32)
    count = label_into(labels, cells, np.empty(mask.size + 1, np.int32))
    true, true_count = ndimage.label(mask, EIGHT)
    assert count == true_count
    pairs = {(int(a), int(b)) for a, b in zip(labels.ravel(), true.ravel(), strict=True)}
    assert len(pairs) == count + (not mask.all())  # one to one, and nothing elsewhere
    assert all((a == 0) == (b == 0) for a, b in pairs)
    firsts = [int(np.flatnonzero(labels == k)[0]) for k in range(1, count + 1)]
    assert firsts == sorted(firsts)

    moments = np.empty((count + 1, 6))
    moments_into(moments, labels, cells)
    for k in range(1, count + 1):
        r, c = np.nonzero(labels == k)
        sums = [len(r), r.sum(), c.sum(), (r * r).sum(), (c * c).sum(), (r * c).sum()]
        assert moments[k].tolist() == pytest.approx(sums)


def test_a_comb_is_one_region() -> None:
    """Many branches that meet in the last row only."""
    mask = np.zeros((40, 201), bool)
    mask[:, ::2] = True
    mask[-1] = True
    labels = np.empty(mask.shape, np.int32)
    assert label_into(labels, listed(mask), np.empty(mask.size + 1, np.int32)) == 1
    np.testing.assert_array_equal(labels, mask)


@settings(max_examples=80, deadline=None)
@given(MASKS)
def test_growing_is_dilation(mask: np.ndarray) -> None:
    out = np.empty_like(mask)
    grow_into(out, mask)
    np.testing.assert_array_equal(out, ndimage.binary_dilation(mask, EIGHT))


@settings(max_examples=100, deadline=None)
@given(LEVELS, st.integers(1, 5), st.integers(1, 4))
def test_peaks_exceed_all_within_reach(image: np.ndarray, least: int, reach: int) -> None:
    one, dark = np.float32(1), np.float32(-1)
    cells = np.empty(image.size, np.int32)
    above = cells[: cells_above_into(cells, image, np.float32(least), one)]
    np.testing.assert_array_equal(above, np.flatnonzero(image >= least))
    rows, cols = np.full(image.size, -1), np.full(image.size, -1)
    count = find_peaks_into(rows, cols, image, np.float32(least), reach, above, one)
    highest = ndimage.maximum_filter(image, 2 * reach + 1, mode="nearest")
    true = []
    for r, c in np.argwhere((image == highest) & (image >= least)):
        around = image[max(r - reach, 0) : r + reach + 1, max(c - reach, 0) : c + reach + 1]
        i, j = np.argwhere(around == image[r, c])[0]
        if (i + max(r - reach, 0), j + max(c - reach, 0)) == (r, c):  # ties: the first
            true.append((r, c))
    assert list(zip(rows[:count], cols[:count], strict=True)) == true
    below = cells[: cells_above_into(cells, -image, np.float32(least), dark)]
    np.testing.assert_array_equal(below, np.flatnonzero(image >= least))
    assert find_peaks_into(rows, cols, -image, np.float32(least), reach, below, dark) == count
    assert list(zip(rows[:count], cols[:count], strict=True)) == true


def test_more_peaks_than_there_is_room_for_are_counted() -> None:
    image = np.zeros((20, 20), np.float32)
    image[::4, ::4] = 1
    cells = np.empty(image.size, np.int32)
    above = cells[: cells_above_into(cells, image, np.float32(1), np.float32(1))]
    rows, cols = np.full(3, -1), np.full(3, -1)
    assert find_peaks_into(rows, cols, image, np.float32(1), 2, above, np.float32(1)) == 25
    assert list(zip(rows, cols, strict=True)) == [(0, 0), (0, 4), (0, 8)]


@settings(max_examples=60, deadline=None)
@given(LEVELS, st.floats(-3, 30), st.floats(-3, 30))
def test_values_between_cells(image: np.ndarray, y: float, x: float) -> None:
    rows, cols = image.shape
    place = [[min(max(y, 0), rows - 1)], [min(max(x, 0), cols - 1)]]
    true = ndimage.map_coordinates(image.astype(np.float64), place, order=1, mode="nearest")[0]
    assert value_at(image, y, x) == pytest.approx(true, abs=1e-5)


def test_a_peak_stands_as_what_is_looked_up_around_it_says() -> None:
    """Looks are tabulated: in the field, at its border, and for pits, they are interpolation's."""
    rng = np.random.default_rng(5)
    image = ndimage.gaussian_filter(rng.normal(size=(60, 70)), 2.0).astype(np.float32)
    usable = (rng.uniform(size=image.shape) > 0.2).astype(np.float32)
    sigmas = np.array([1.3, 2.9, 5.1])
    table = annuli(sigmas, image.shape[1])
    told, seen, scratch = np.zeros(SECTORS), np.zeros(SECTORS), np.zeros(SECTORS)
    true, true_seen = np.zeros(SECTORS), np.zeros(SECTORS)
    for k, sigma in enumerate(sigmas):
        for r, c in ((30, 35), (16, 17), (2, 40), (58, 69)):
            survey_into(true, true_seen, image, usable, r, c, 1.8 * sigma, 2.6 * sigma)
            for sign in (np.float32(1), np.float32(-1)):
                stand_of(told, seen, scratch, image, usable, table, k, sigma, r, c, sign)
                np.testing.assert_allclose(told, sign * true, atol=1e-6)
                np.testing.assert_array_equal(seen, true_seen)
            up = stand_of(told, seen, scratch, image, usable, table, k, sigma, r, c, np.float32(1))
            down = stand_of(
                told, seen, scratch, -image, usable, table, k, sigma, r, c, np.float32(-1)
            )
            assert up == pytest.approx(down)


@pytest.mark.parametrize(("tall", "ratio"), [(6.0, 1.0), (12.0, 0.25)])
def test_how_round_a_peak_is(tall: float, ratio: float) -> None:
    """Of a Gaussian the curvatures are as the inverse squares of its widths."""
    y, x = np.mgrid[-30:31, -30:31].astype(np.float32)
    for turn in (0.0, np.pi / 2, np.pi / 4):
        u, v = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
        image = np.exp(-0.5 * ((u / 6.0) ** 2 + (v / tall) ** 2)).astype(np.float32)
        assert roundness_of(image, 30, 30, 1.0, 1.0) == pytest.approx(ratio, abs=0.02)
    assert roundness_of(y * y - x * x, 30, 30, 2.0, 1.0) == 0.0  # a saddle is no peak
