"""The bench's cameras keep the contract of every camera."""

from __future__ import annotations

import gc

import msgspec
import numpy as np
import pytest

from hardware.bench import Bench
from hardware.bench_camera import BenchCamera
from hardware.camera import Camera, CameraSettings
from hardware.cameras import cameras_for
from hardware.frame import PixelFormat
from hardware.rig_files import load_rig
from sln_guide.calibration.frames import grabbing
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
        return BenchCamera(bench, "nir", paced=True)


class TestEmulatedBenchCamera(CameraContract):
    @pytest.fixture
    def camera(self) -> Camera:
        rig = load_rig("emulated-bench")
        assert rig.phantom is not None
        assert rig.white is not None
        phantom = msgspec.structs.replace(rig.phantom, width=96, height=64)
        white = msgspec.structs.replace(rig.white, roi=(0, 0, 120, 80))
        return cameras_for(msgspec.structs.replace(rig, phantom=phantom, white=white))["nir"]

    @pytest.fixture
    def settings(self) -> CameraSettings:
        return CameraSettings(
            pixel_format=PixelFormat.MONO12, exposure_us=5_000.0, frame_rate_hz=100.0
        )


def test_the_emulated_bench_shows_what_its_settings_say_and_never_the_same_noise_twice() -> None:
    rig = load_rig("emulated-bench")
    assert rig.nir is not None
    camera = cameras_for(rig)["nir"]
    levels = {}
    for exposure_us in (4_000.0, 8_000.0):
        settings = msgspec.structs.replace(rig.nir, exposure_us=exposure_us).camera_settings()
        with grabbing(camera, settings):
            frames = [camera.read(5.0) for _ in range(20)]
        assert len({frame.pixels.tobytes() for frame in frames}) == len(frames)
        assert {frame.exposure_us for frame in frames} == {exposure_us}
        levels[exposure_us] = float(np.mean([f.pixels for f in frames])) - 64.0
    assert levels[8_000.0] == pytest.approx(2 * levels[4_000.0], rel=0.01)
    folder = camera._folder
    assert folder.is_dir()
    del camera
    gc.collect()
    assert not folder.exists()


class TestWhiteBenchCamera(CameraContract):
    @pytest.fixture
    def camera(self, bench: Bench) -> Camera:
        return BenchCamera(bench, "white", paced=True)

    @pytest.fixture
    def settings(self) -> CameraSettings:
        return CameraSettings(
            pixel_format=PixelFormat.BAYER_RG8, exposure_us=5_000.0, frame_rate_hz=100.0
        )
