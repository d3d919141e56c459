"""A dark frame off a lit one, against the same arithmetic written out in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from hardware.opencv import cv2
from sln_guide.core.subtract import monochrome_small, room_motion, take_off_into

BLINDING = 0.6


def expected(lit, dark, moved_px, top):
    """Return the difference (H, W), its pedestal being ``top + 1``."""
    height, width = lit.shape
    ys, xs = np.mgrid[:height, :width].astype(float)
    px = np.clip(xs - moved_px[0], 0, width - 1)
    py = np.clip(ys - moved_px[1], 0, height - 1)
    x0, y0 = np.floor(px).astype(int), np.floor(py).astype(int)
    x1, y1 = np.minimum(x0 + 1, width - 1), np.minimum(y0 + 1, height - 1)
    fx, fy, d = px - x0, py - y0, dark.astype(float)
    upper = d[y0, x0] * (1 - fx) + d[y0, x1] * fx
    lower = d[y1, x0] * (1 - fx) + d[y1, x1] * fx
    taken = upper * (1 - fy) + lower * fy
    made = np.clip(np.floor(lit - taken + top + 1.5), 0, 2 * top)
    return np.where(lit >= top, 2 * top + 1, made)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    "moved_px", [(0, 0), (1.3, 0.7), (-2.25, 3.5), (0.5, -0.5), (-40.2, 7.1), (1e9, 0), (0, -90)]
)
def test_what_is_left_is_the_difference(kind, moved_px):
    top = 255 if kind is np.uint8 else 4095
    rng = np.random.default_rng(3)
    lit, dark = (rng.integers(0, top + 1, (37, 53)).astype(kind) for _ in range(2))
    lit[3, 4], dark[3, 4], dark[9, 9] = top, top - 1, top
    before = lit.copy(), dark.copy()
    out = np.empty(lit.shape, np.uint16)
    mean, blind = take_off_into(
        out,
        lit,
        dark,
        moved_px,
        pedestal=top + 1,
        top=top,
        out_top=2 * top + 1,
        blinding=BLINDING,
    )
    near = np.clip(moved_px, -100, 100)
    off = np.abs(out.astype(int) - expected(lit, dark, near, top))
    assert off.max() <= 1  # of rounding
    assert (off > 0).mean() < 0.01
    assert mean == pytest.approx(dark.mean())
    assert blind == ((dark >= top) | ((lit >= top) & (dark > BLINDING * top))).sum()
    assert (lit == before[0]).all()
    assert (dark == before[1]).all()


def test_frames_that_are_not_alike_are_refused():
    a, b = np.zeros((8, 8), np.uint16), np.zeros((8, 9), np.uint16)
    rest = {"pedestal": 1, "top": 9, "out_top": 19, "blinding": 0.5}
    for lit, dark in ((a, b), (b, b), (a, a.astype(np.uint8))):
        with pytest.raises(ValueError, match="alike"):
            take_off_into(np.empty((8, 8), np.uint16), lit, dark, (0.0, 0.0), **rest)


@pytest.mark.parametrize("moved_px", [(0.0, 0.0), (3.0, -1.5), (-6.4, 5.0)])
def test_how_far_the_room_s_light_moved_is_found(moved_px):
    rng = np.random.default_rng(1)
    scene = cv2.GaussianBlur(rng.normal(0, 1, (512, 640)).astype(np.float32), (0, 0), 12)
    scene = 900 + 4000 * scene
    move = np.array([[1.0, 0.0, moved_px[0]], [0.0, 1.0, moved_px[1]]])
    later = cv2.warpAffine(scene, move, (640, 512), borderMode=cv2.BORDER_REFLECT)
    smalls = [
        monochrome_small(rng.poisson(np.clip(s, 0, None)).clip(0, 4095).astype(np.uint16), 12)
        for s in (scene, later)
    ]
    assert room_motion(*smalls, 640) == pytest.approx(moved_px, abs=0.25)
    noise = monochrome_small(rng.integers(0, 4095, (512, 640)).astype(np.uint16), 12)
    assert room_motion(smalls[0], noise, 640) == (0.0, 0.0)
