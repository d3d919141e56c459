"""The contract, over every camera there is."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hardware.camera import Camera, CameraInUseError, CameraSettings
from hardware.emulated import EmulatedBaslerCamera
from hardware.frame import PixelFormat
from hardware.mock import MockCamera, frames_from_arrays
from hardware.phantom import Phantom, PhantomCamera
from hardware.rig import PhantomSpec
from hardware.rig_files import load_rig
from tests.hardware.contract import CameraContract


class TestMockCamera(CameraContract):
    @pytest.fixture
    def camera(self, mono12_images: NDArray[np.uint16]) -> Camera:
        frames = frames_from_arrays(mono12_images, pixel_format=PixelFormat.MONO12, fps=100.0)
        return MockCamera(frames, camera_id="mock", pace=100.0, loop=True)

    @pytest.fixture
    def settings(self) -> CameraSettings:
        return CameraSettings(pixel_format=PixelFormat.MONO12, exposure_us=10_000.0, gain_db=0.0)


class TestRecordedPaceMockCamera(TestMockCamera):
    @pytest.fixture
    def camera(self, mono12_images: NDArray[np.uint16]) -> Camera:
        frames = frames_from_arrays(mono12_images, pixel_format=PixelFormat.MONO12, fps=100.0)
        return MockCamera(frames, camera_id="mock", pace="recorded", loop=True)


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    rig = load_rig("demo")
    return Phantom(PhantomSpec(scene="static", width=96, height=64), rig)


class TestPhantomCamera(CameraContract):
    @pytest.fixture
    def camera(self, phantom: Phantom) -> Camera:
        return PhantomCamera(phantom, "nir")


class TestWhitePhantomCamera(CameraContract):
    @pytest.fixture
    def camera(self, phantom: Phantom) -> Camera:
        return PhantomCamera(phantom, "white")

    @pytest.fixture
    def settings(self) -> CameraSettings:
        return CameraSettings(
            pixel_format=PixelFormat.BAYER_RG8, exposure_us=5_000.0, frame_rate_hz=100.0
        )


class TestEmulatedBaslerCamera(CameraContract):
    @pytest.fixture
    def camera(self, mono12_folder: Path) -> Camera:
        return EmulatedBaslerCamera("0815-0000", linear=True, images=mono12_folder)


class TestEmulatedTestPattern(CameraContract):
    """Without images, with a region of interest, in colour."""

    @pytest.fixture
    def camera(self) -> Camera:
        return EmulatedBaslerCamera("0815-0001")

    @pytest.fixture
    def settings(self) -> CameraSettings:
        return CameraSettings(
            pixel_format=PixelFormat.BAYER_RG8,
            exposure_us=8_000.0,
            gain_db=0.0,
            frame_rate_hz=100.0,
            roi=(16, 8, 128, 96),
            black_level=0.0,
        )


def test_an_error_keeps_its_remedy_on_its_way_out_of_the_engine() -> None:
    sent = CameraInUseError("camera 4711: another program holds it", "close that one")
    came = pickle.loads(pickle.dumps(sent))
    assert (type(came), came.what, came.remedy) == (CameraInUseError, sent.what, sent.remedy)
    assert str(came) == "camera 4711: another program holds it; close that one"
