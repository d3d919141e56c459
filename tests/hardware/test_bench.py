"""The bench's cameras keep the contract of every camera."""

from __future__ import annotations

import msgspec
import pytest

from hardware.bench import Bench
from hardware.camera import Camera, CameraSettings
from hardware.frame import PixelFormat
from hardware.rig import load_rig
from tests.hardware.contract import CameraContract


@pytest.fixture(scope="module")
def bench() -> Bench:
    rig = load_rig("bench")
    assert rig.phantom is not None
    assert rig.white is not None
    phantom = msgspec.structs.replace(rig.phantom, width=96, height=64)
    white = msgspec.structs.replace(rig.white, roi=(0, 0, 120, 80))
    return Bench(msgspec.structs.replace(rig, phantom=phantom, white=white))


class TestBenchCamera(CameraContract):
    @pytest.fixture
    def camera(self, bench: Bench) -> Camera:
        return bench.camera("nir", paced=True)

    @pytest.fixture
    def settings(self) -> CameraSettings:
        return CameraSettings(
            pixel_format=PixelFormat.MONO12,
            exposure_us=5_000.0,
            gain_db=6.0,
            frame_rate_hz=100.0,
            black_level=32.0,
            trigger="free-run",
        )


class TestWhiteBenchCamera(CameraContract):
    @pytest.fixture
    def camera(self, bench: Bench) -> Camera:
        return bench.camera("white", paced=True)

    @pytest.fixture
    def settings(self) -> CameraSettings:
        return CameraSettings(
            pixel_format=PixelFormat.BAYER_RG8, exposure_us=5_000.0, frame_rate_hz=100.0
        )
