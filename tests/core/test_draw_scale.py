"""Scaling a picture to the size it is seen at, beside SciPy's interpolation and OpenCV's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from sln_guide.core.draw_scale import Scaler
from sln_guide.core.opencv import cv2


def noise(rows, columns, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (rows, columns, 4)).astype(np.uint8)


def exact(picture, rows, columns):
    """Return bilinear interpolation between centres of pixels, by SciPy, as float."""
    y = (np.arange(rows) + 0.5) * picture.shape[0] / rows - 0.5
    x = (np.arange(columns) + 0.5) * picture.shape[1] / columns - 0.5
    at = np.meshgrid(y, x, indexing="ij")
    planes = (picture[:, :, channel].astype(float) for channel in range(4))
    return np.dstack([map_coordinates(plane, at, order=1, mode="nearest") for plane in planes])


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(14, 70),
    columns=st.integers(14, 90),
    steps=st.tuples(st.floats(0.5, 1.5), st.floats(0.5, 1.5)),
    seed=st.integers(0, 99),
)
def test_it_is_bilinear_interpolation_for_any_size_within_reach(rows, columns, steps, seed):
    shown = (int(rows / steps[0]), int(columns / steps[1]))
    if not Scaler.reaches((rows, columns), shown):
        return
    picture = noise(rows, columns, seed)
    scaler = Scaler((rows, columns), shown)
    scaler.scale(picture)
    assert np.abs(scaler.rows - exact(picture, *shown)).max() <= 3.0


@pytest.mark.parametrize("shown", [(940, 1175), (1080, 1350), (760, 950), (2000, 2500)])
def test_sizes_of_real_windows_look_as_opencv_makes_them(shown):
    picture = cv2.GaussianBlur(noise(1024, 1280), (0, 0), 1.5)
    scaler = Scaler((1024, 1280), shown)
    scaler.scale(picture)
    off = np.abs(scaler.rows.astype(int) - cv2.resize(picture, shown[::-1]))
    assert off.max() <= 2
    assert off.mean() < 0.5


def test_the_same_size_is_the_same_picture_and_each_call_overwrites_the_last():
    scaler = Scaler((40, 60), (40, 60))
    rows = scaler.rows
    for seed in (1, 2):
        picture = noise(40, 60, seed)
        picture.flags.writeable = False  # as the engine's memory is
        scaler.scale(picture)
        assert scaler.rows is rows
        assert (rows == picture).all()


def test_a_caller_may_still_write_into_what_it_gave():
    picture = noise(40, 60)
    Scaler((40, 60), (50, 70)).scale(picture)
    picture[:] = 0


@pytest.mark.parametrize(
    ("size", "shown"),
    [((100, 100), (60, 100)), ((100, 100), (100, 201)), ((13, 100), (13, 100)), ((99, 99), (1, 1))],
)
def test_sizes_it_would_skip_pixels_for_are_refused(size, shown):
    assert not Scaler.reaches(size, shown)
    with pytest.raises(ValueError, match="skip pixels"):
        Scaler(size, shown)


@pytest.mark.parametrize("shape", [(40, 61, 4), (40, 60, 3), (60, 40, 4)])
def test_another_picture_than_it_was_made_for_is_refused(shape):
    with pytest.raises(ValueError, match="expected"):
        Scaler((40, 60), (50, 70)).scale(np.zeros(shape, np.uint8))
