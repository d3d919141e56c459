"""Order statistics and least squares, held against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sln_guide.core.least_squares import (
    distance_into,
    dot_3,
    invert_into,
    normal_into,
    residual_into,
    solve_into,
    total_of,
)
from sln_guide.core.order import median_of_few, quantile, select, three_quantiles, two_quantiles

FLOATS = st.floats(width=32, allow_nan=False)
FEW = st.sampled_from([-2.0, -1.0, -0.0, 0.0, 1.0, np.inf, -np.inf])
SAMPLES = st.integers(1, 500).flatmap(
    lambda n: hnp.arrays(np.float32, n, elements=st.one_of(FLOATS, FEW))
)


@settings(max_examples=150, deadline=None)
@given(SAMPLES, st.data())
def test_the_kth_smallest(values: np.ndarray, data: st.DataObject) -> None:
    n = data.draw(st.integers(1, len(values)))
    k = data.draw(st.integers(0, n - 1))
    before = values.copy()
    assert select(values, n, k) == np.sort(before[:n])[k]
    np.testing.assert_array_equal(values, before)  # the samples stay where they are


@settings(max_examples=60, deadline=None)
@given(SAMPLES, st.floats(0, 1))
def test_quantiles(values: np.ndarray, share: float) -> None:
    n = len(values)
    true = np.sort(values)[min(int(share * n), n - 1)]
    assert quantile(values, n, share) == true
    assert two_quantiles(values, n, share, 0.0) == (true, values.min())
    middle = quantile(values, n, 0.5)
    assert three_quantiles(values, n, 0.0, share, 0.5) == (values.min(), true, middle)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60), st.integers(0, 9))
def test_the_median_of_a_few(values: list[float], more: int) -> None:
    work = np.array(values + [1e9] * more)
    assert median_of_few(work, len(values)) == pytest.approx(np.median(values), rel=1e-12)
    assert sorted(values) == list(work[: len(values)])


def drawn(seed: int, count: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, n + 7)).astype(np.float32)
    weight = rng.uniform(0, 1, n + 7).astype(np.float32)
    return x, weight, rng.normal(size=n + 7).astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 7), st.integers(20, 3000))
def test_weighted_least_squares(seed: int, count: int, n: int) -> None:
    x, weight, y = drawn(seed, count, n)
    normal = np.empty((count, count))
    normal_into(normal, weight, x, n)
    used = x[:, :n].astype(np.float64)
    true = (used * weight[:n]) @ used.T
    np.testing.assert_allclose(normal, true, atol=1e-4 * n)
    assert total_of(weight[:n]) == pytest.approx(weight[:n].sum(dtype=np.float64), rel=1e-5)

    inverse = np.empty_like(normal)
    assert invert_into(inverse, true)
    np.testing.assert_allclose(inverse @ true, np.eye(count), atol=1e-8)
    distance = np.empty(n + 7, np.float32)
    distance_into(distance, inverse, x, n)
    np.testing.assert_allclose(
        distance[:n], np.einsum("in,ij,jn->n", used, inverse, used), rtol=1e-4, atol=1e-6
    )

    right = np.array([dot_3(weight[:n], x[i, :n], y[:n]) for i in range(count)], np.float64)
    beta = np.empty(count)
    solve_into(beta, true.copy(), right.copy())
    np.testing.assert_allclose(beta, np.linalg.solve(true, right), rtol=1e-9, atol=1e-12)
    residual = np.empty(n + 7, np.float32)
    residual_into(residual, y, x, beta, n)
    np.testing.assert_allclose(residual[:n], y[:n] - beta @ used, atol=1e-5)


def test_what_cannot_be_inverted_is_said() -> None:
    inverse = np.empty((3, 3))
    assert not invert_into(inverse, np.zeros((3, 3)))
    assert not invert_into(inverse, np.array([[1.0, 0, 0], [0, -1, 0], [0, 0, 1]]))
    assert not invert_into(inverse, np.full((3, 3), np.nan))
