from __future__ import annotations

import numpy as np
import pytest

from hardware.bench import Bench
from hardware.rig_files import load_rig
from sln_guide.calibration.focus import FocusAid

from .boards import BOARD, frame_of, plane


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
