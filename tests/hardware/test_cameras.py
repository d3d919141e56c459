"""From a rig to its cameras."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
import numpy as np
import pytest

from hardware import cameras as cameras_module
from hardware.basler import BaslerCamera
from hardware.cameras import LEAST_FRAMES, RECORDED_FRAMES, cameras_for
from hardware.frame import PixelFormat
from hardware.phantom import Phantom, PhantomCamera
from hardware.rig import PhantomSpec, Rig, RigError
from hardware.rig_files import load_rig, parse_rig

READ_S = 5.0


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where recordings for the emulator go."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def emulated(**changes: object) -> Rig:
    """Return the shipped emulated rig, small and fast."""
    rig = load_rig("emulated")
    assert rig.nir is not None
    assert rig.white is not None
    return msgspec.structs.replace(
        rig,
        nir=msgspec.structs.replace(rig.nir, frame_rate_hz=100.0, exposure_us=5_000.0),
        white=msgspec.structs.replace(rig.white, frame_rate_hz=100.0),
        phantom=PhantomSpec(scene="static", width=96, height=64),
        **changes,
    )


def test_the_demo_is_the_phantoms() -> None:
    rig = msgspec.structs.replace(
        load_rig("demo"), phantom=PhantomSpec(scene="static", width=96, height=64)
    )
    cameras = cameras_for(rig)
    assert list(cameras) == ["nir", "white"]
    assert all(isinstance(c, PhantomCamera) for c in cameras.values())


def test_real_cameras_are_real_and_nothing_stands_in_for_them() -> None:
    cameras = cameras_for(load_rig("basler-dual"))
    assert {role: camera.camera_id for role, camera in cameras.items()} == {
        "nir": "00000000",
        "white": "00000001",
    }
    assert all(isinstance(c, BaslerCamera) for c in cameras.values())
    assert not any(c.simulated for c in cameras.values())


def test_a_rig_of_one_camera_has_one() -> None:
    cameras = cameras_for(msgspec.structs.replace(emulated(), white=None))
    assert list(cameras) == ["nir"]


def test_emulated_cameras_play_the_phantom_bit_for_bit_and_open_again() -> None:
    rig = emulated()
    phantom = Phantom(PhantomSpec(scene="static", width=96, height=64), rig)
    for role, camera in cameras_for(rig).items():
        spec = getattr(rig, role)
        assert camera.simulated
        for epoch in range(2):
            with camera:
                camera.apply(spec.camera_settings())
                camera.start()
                frames = [camera.read(READ_S) for _ in range(3)]
            assert [f.sequence for f in frames] == [0, 1, 2]
            assert frames[0].stream_epoch == epoch
            for index, frame in enumerate(frames):
                expected = phantom.frame(role, 2500 + index)
                assert frame.pixel_format is expected.pixel_format
                np.testing.assert_array_equal(frame.pixels, expected.pixels)


def test_its_recording_goes_with_the_camera(temporary: Path) -> None:
    cameras = cameras_for(emulated())
    assert len(list(temporary.iterdir())) == 2
    assert len(list(temporary.glob("*nir*/*.tif"))) == RECORDED_FRAMES
    for camera in cameras.values():
        with camera:
            pass
    assert len(list(temporary.iterdir())) == 2
    del camera, cameras
    gc.collect()
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(("room", "drawn"), [(20.9, 20), (0.5, LEAST_FRAMES), (1e6, 60)])
def test_of_large_frames_fewer_are_drawn(
    room: float, drawn: int, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sixty of 12 million pixels, twice, are 2 GB in the temporary folder."""
    monkeypatch.setattr(cameras_module, "RECORDED_PIXELS", int(room * 96 * 64))
    cameras = cameras_for(emulated())
    assert len(list(temporary.glob("*nir*/*.tif"))) == drawn
    assert len(list(temporary.glob("*white*/*.tif"))) == drawn
    del cameras


def test_recordings_left_by_killed_programs_are_swept_and_no_others(temporary: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    killed = temporary / f"sln-guide-emulated-{dead.pid}-nir-x"
    killed.mkdir()
    (killed / "0000.tif").write_bytes(b"")
    kept = [
        temporary / f"sln-guide-emulated-{os.getpid()}-nir-y",
        temporary / f"sln-guide-emulated-{'9' * 40}-nir",
        temporary / "sln-guide-emulated-notes",
    ]
    for folder in kept:
        folder.mkdir()
    cameras_for(msgspec.structs.replace(emulated(), phantom=None))
    assert sorted(temporary.iterdir()) == sorted(kept)


def test_images_of_ones_own_are_played(
    mono12_folder: Path,
    mono12_images: np.ndarray,
    temporary: Path,
) -> None:
    rig = emulated()
    assert rig.nir is not None
    nir = msgspec.structs.replace(rig.nir, images=str(mono12_folder))
    camera = cameras_for(msgspec.structs.replace(rig, nir=nir, white=None))["nir"]
    with camera:
        camera.apply(nir.camera_settings())
        camera.start()
        np.testing.assert_array_equal(camera.read(READ_S).pixels, mono12_images[0])
    assert list(temporary.iterdir()) == []


def test_without_a_phantom_the_emulator_shows_its_test_picture(temporary: Path) -> None:
    rig = msgspec.structs.replace(emulated(), phantom=None)
    assert rig.white is not None
    camera = cameras_for(rig)["white"]
    with camera:
        camera.apply(rig.white.camera_settings())
        camera.start()
        assert camera.read(READ_S).pixel_format is PixelFormat.BAYER_RG8
    assert list(temporary.iterdir()) == []


def test_a_scene_there_is_not_is_named() -> None:
    rig = msgspec.structs.replace(load_rig("demo"), phantom=PhantomSpec(scene="ballet"))
    with pytest.raises(RigError, match=r"key 'phantom'.*ballet"):
        cameras_for(rig)


def test_a_recording_has_no_camera() -> None:
    rig = load_rig("demo")
    assert rig.nir is not None
    recorded = msgspec.structs.replace(
        rig, nir=msgspec.structs.replace(rig.nir, source="recording"), white=None
    )
    with pytest.raises(RigError, match=r"nir\.source"):
        cameras_for(recorded)


def test_a_phantom_and_an_emulated_camera_may_share_a_rig() -> None:
    text = """
    name = "mixed"
    emulated = true
    phantom = {scene = "static", width = 96, height = 64}
    [nir]
    source = "phantom"
    pixel_format = "Mono12"
    exposure_us = 5000
    [white]
    source = "basler"
    serial = "0815-0003"
    pixel_format = "BayerRG8"
    exposure_us = 5000
    """
    cameras = cameras_for(parse_rig(text, origin="mixed"))
    assert isinstance(cameras["nir"], PhantomCamera)
    assert isinstance(cameras["white"], BaslerCamera)
    with cameras["white"]:
        pass
