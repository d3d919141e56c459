"""A grey card becomes grey, and what is none is refused."""

from __future__ import annotations

import pytest

from hardware.bench import WHITE_TINT, Bench, Plane
from sln_guide.calibration.balance import black_level, white_balance
from sln_guide.calibration.errors import CaptureError

from .boards import frame_of
from .conftest import small_rig


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
