from __future__ import annotations

import numpy as np
import pytest

from hardware.bench import WHITE_TINT, Bench, Plane
from hardware.rig_files import load_rig
from sln_guide.calibration.errors import CaptureError
from sln_guide.calibration.focus import FocusAid, black_level, white_balance

from .boards import BOARD, frame_of, plane
from .conftest import small_rig


def test_sharpness_falls_with_blur_and_not_with_light() -> None:
    bench = Bench(load_rig("bench"))
    aid = FocusAid()
    found = []
    for blur in (4.0, 2.0, 0.7, 1.5, 3.0):
        bench.show(plane(BOARD, 0, 0, 300, blur_px=blur))
        found.append(aid.add(frame_of(bench, "nir")))
    assert np.argmax([f.now for f in found]) == 2
    assert found[2].share == 1.0
    order = [found[k].now for k in (2, 3, 1, 4, 0)]
    assert order == sorted(order, reverse=True)
    bench.show(plane(BOARD, 0, 0, 300, blur_px=1.5, light=400.0))
    dim = aid.add(frame_of(bench, "nir"))
    assert dim.now == pytest.approx(found[3].now, rel=0.25)


def test_a_grey_card_becomes_grey() -> None:
    bench = Bench(small_rig())
    bench.show(Plane(outside=0.6))
    red, green, blue = white_balance(frame_of(bench, "white"), dark_counts=4.0)
    assert green == 1.0
    assert red == pytest.approx(1 / WHITE_TINT["R"], rel=0.03)
    assert blue == pytest.approx(1 / WHITE_TINT["B"], rel=0.03)


def test_the_black_level_is_that_of_a_capped_lens() -> None:
    bench = Bench(small_rig())
    bench.show(Plane(outside=0.0))
    capped = frame_of(bench, "white")
    assert black_level(capped) == pytest.approx(float(capped.pixels.mean()))
    bench.show(Plane(outside=0.5))
    with pytest.raises(CaptureError, match="cap the lens"):
        black_level(frame_of(bench, "white"))


@pytest.mark.parametrize(("light", "reason"), [(6000.0, "saturated"), (5.0, "too dark")])
def test_what_is_no_grey_card_is_refused(light: float, reason: str) -> None:
    bench = Bench(small_rig())
    bench.show(Plane(outside=1.0, electrons_per_ms=(light, light)))
    with pytest.raises(CaptureError, match=reason):
        white_balance(frame_of(bench, "white"))
    with pytest.raises(CaptureError, match="colour camera"):
        white_balance(frame_of(bench, "nir"))
