"""Basler cameras through the real SDK, on its emulator."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from hardware import basler
from hardware.basler import BaslerCamera, list_cameras
from hardware.camera import (
    BadSettingError,
    CameraError,
    CameraInUseError,
    CameraNotFoundError,
    CameraRemovedError,
    CameraSettings,
    CameraTimeoutError,
    IncompleteFrameError,
    Watched,
)
from hardware.emulated import EmulatedBaslerCamera, emulate
from hardware.frame import Frame, PixelFormat
from hardware.images import write_emulator_image

READ_S = 5.0
NIR = CameraSettings(pixel_format=PixelFormat.MONO12, exposure_us=5_000.0, frame_rate_hz=100.0)


@pytest.fixture
def camera(mono12_folder: Path) -> Iterator[EmulatedBaslerCamera]:
    with EmulatedBaslerCamera("0815-0002", linear=True, images=mono12_folder) as camera:
        yield camera


@pytest.fixture
def started(camera: EmulatedBaslerCamera) -> EmulatedBaslerCamera:
    camera.apply(NIR)
    camera.start()
    return camera


def read(camera: EmulatedBaslerCamera, count: int) -> list[Frame]:
    return [camera.read(READ_S) for _ in range(count)]


# -- finding -----------------------------------------------------------------------------------


def test_the_cameras_that_answer_are_listed(camera: EmulatedBaslerCamera) -> None:
    listed = {info.serial: info for info in list_cameras()}
    assert {"0815-0000", "0815-0001", "0815-0002", "0815-0003"} <= set(listed)
    mine = listed[camera.camera_id]
    assert mine.emulated
    assert mine.in_use
    assert not listed["0815-0003"].in_use
    assert mine.text() == "0815-0002  Emulation  BaslerCamEmu (in use, emulated)"


def test_an_unknown_serial_number_names_those_there_are() -> None:
    with pytest.raises(CameraNotFoundError, match=r"4711.*0815-0000, 0815-0001"):
        EmulatedBaslerCamera("4711").open()


def test_the_emulator_is_never_taken_for_a_camera() -> None:
    camera = BaslerCamera("0815-0003")
    assert not camera.simulated
    with pytest.raises(CameraNotFoundError, match="is emulated, but the rig"):
        camera.open()


def test_a_camera_is_held_once(camera: EmulatedBaslerCamera) -> None:
    with pytest.raises(CameraInUseError, match=camera.camera_id):
        EmulatedBaslerCamera(camera.camera_id).open()
    camera.close()
    with EmulatedBaslerCamera(camera.camera_id):
        pass


def test_the_emulator_offers_as_many_cameras_as_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYLON_CAMEMU", "1")
    with pytest.raises(CameraNotFoundError):
        EmulatedBaslerCamera("0815-0003").open()
    emulate(4)
    with EmulatedBaslerCamera("0815-0003"):
        pass
    emulate(2)
    assert os.environ["PYLON_CAMEMU"] == "4"


def test_pylon_is_loaded_only_when_a_camera_is_wanted() -> None:
    code = (
        "import sys, hardware.emulated, hardware.cameras, hardware.doctor, hardware.mock\n"
        "assert not {'pypylon', 'cv2', 'numba', 'tifffile'} & set(sys.modules)\n"
        "hardware.emulated.emulate(1)\n"
        "with hardware.emulated.EmulatedBaslerCamera('0815-0000'): pass\n"
        "assert 'pypylon' in sys.modules\n"
    )
    # and a program whose warnings are errors survives its loading
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)


# -- pixels ------------------------------------------------------------------------------------


def test_twelve_bits_come_through_the_sdk_unchanged(
    started: EmulatedBaslerCamera, mono12_images: NDArray[np.uint16]
) -> None:
    for frame, expected in zip(read(started, 6), [*mono12_images, *mono12_images], strict=True):
        assert frame.bit_depth == 12
        np.testing.assert_array_equal(frame.pixels, expected)


@pytest.mark.parametrize("pattern", ["RG", "GB", "GR", "BG"])
def test_a_mosaic_comes_through_the_sdk_unchanged(
    pattern: str, bayer8_folder: Path, bayer8_images: NDArray[np.uint8]
) -> None:
    pixel_format = PixelFormat(f"Bayer{pattern}8")
    with EmulatedBaslerCamera("0815-0001", images=bayer8_folder) as camera:
        camera.apply(CameraSettings(pixel_format=pixel_format, frame_rate_hz=100.0))
        camera.start()
        for frame, expected in zip(read(camera, 3), bayer8_images, strict=True):
            assert frame.pixel_format is pixel_format
            np.testing.assert_array_equal(frame.pixels, expected)


@pytest.mark.parametrize(
    "pixel_format",
    [
        f
        for f in PixelFormat
        if f.bit_depth > 8 and f not in (PixelFormat.MONO12P, PixelFormat.RGB8)
    ],
)
def test_every_deep_format_comes_through_in_its_low_bits(
    pixel_format: PixelFormat, mono12_folder: Path, mono12_images: NDArray[np.uint16]
) -> None:
    with EmulatedBaslerCamera("0815-0001", images=mono12_folder) as camera:
        camera.apply(CameraSettings(pixel_format=pixel_format, frame_rate_hz=100.0))
        camera.start()
        pixels = camera.read(READ_S).pixels
    expected = (mono12_images[0] << 4) >> (16 - pixel_format.bit_depth)
    np.testing.assert_array_equal(pixels, expected)


def test_the_emulator_has_no_packed_format_and_says_what_it_has() -> None:
    with (
        EmulatedBaslerCamera("0815-0001") as camera,
        pytest.raises(BadSettingError, match=r"Mono12p, allowed: Mono8, .*stays at Mono8"),
    ):
        camera.apply(CameraSettings(pixel_format=PixelFormat.MONO12P))


# -- images ------------------------------------------------------------------------------------


def test_a_bad_image_is_a_failed_frame_that_names_it_and_the_next_is_well(
    tmp_path: Path, mono12_images: NDArray[np.uint16]
) -> None:
    for index, pixels in enumerate(mono12_images):
        write_emulator_image(tmp_path / f"{index}.tif", pixels, 12)
    (tmp_path / "1.tif").write_bytes(b"no image")
    with EmulatedBaslerCamera("0815-0001", images=tmp_path) as camera:
        camera.apply(NIR)
        camera.start()
        assert camera.read(READ_S).sequence == 0
        with pytest.raises(IncompleteFrameError, match=r"1\.tif"):
            camera.read(READ_S)
        assert camera.read(READ_S).sequence == 2
        counters = camera.counters
        assert (counters.delivered, counters.lost, counters.failed) == (2, 0, 1)


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda folder: None, "holds no images"),
        (lambda folder: folder.rmdir(), "no such folder"),
        (lambda folder: (folder / "0.png").write_bytes(b"x"), r"0\.png: not an image"),
        (
            lambda folder: write_emulator_image(folder / "0.tif", np.zeros((4, 4), np.uint8), 8),
            "Mono12 needs grey images of 16 bit",
        ),
        (
            lambda folder: tifffile.imwrite(
                folder / "0.tif", np.zeros((4, 4, 3), np.uint16), photometric="rgb"
            ),
            r"\(4, 4, 3\); Mono12 needs grey images",
        ),
    ],
)
def test_images_that_cannot_be_played_are_refused_before_the_start(
    tmp_path: Path, prepare: Any, words: str
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    prepare(folder)
    with (
        EmulatedBaslerCamera("0815-0001", images=folder) as camera,
        pytest.raises(CameraError, match=words),
    ):
        camera.apply(NIR)


def test_images_fix_the_size(camera: EmulatedBaslerCamera) -> None:
    assert camera.apply(NIR).roi == (0, 0, 96, 64)
    with pytest.raises(BadSettingError, match="96 x 64"):
        camera.apply(CameraSettings(roi=(0, 0, 32, 32)))


# -- settings ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (CameraSettings(exposure_us=1e9), r"ExposureTime \(exposure_us\).*allowed 1 to 1e\+07"),
        (CameraSettings(gain_db=99.0), r"Gain \(gain_db\): wanted 99.*allowed 0 to 48"),
        (CameraSettings(black_level=1e6), r"BlackLevel \(black_level\).*allowed 0 to 1023"),
        (CameraSettings(frame_rate_hz=1e6), r"\(frame_rate_hz\).*allowed 0.01 to 5000"),
        (CameraSettings(roi=(0, 0, 9000, 64)), r"Width \(roi\): wanted 9000, allowed"),
        (CameraSettings(trigger="hardware", trigger_line="Line9"), r"\(trigger_line\).*Line1"),
    ],
)
def test_what_the_camera_cannot_do_is_refused_by_name_and_range(
    settings: CameraSettings, words: str
) -> None:
    with (
        EmulatedBaslerCamera("0815-0001") as camera,
        pytest.raises(BadSettingError, match=words),
    ):
        camera.apply(settings)


def test_a_region_of_interest_is_taken() -> None:
    with EmulatedBaslerCamera("0815-0001") as camera:
        for roi in ((32, 16, 128, 96), (0, 0, 4096, 4096), (4000, 4000, 96, 96)):
            assert camera.apply(CameraSettings(roi=roi)).roi == roi


@pytest.mark.parametrize(
    ("feature", "value", "told"),
    [
        ("PixelFormat", "Mono10", "Mono12, is Mono10"),
        ("ExposureTime", 999.0, "is 999"),
        ("Width", 64, "64,"),
    ],
)
def test_what_another_program_set_meanwhile_is_refused_and_set_anew(
    camera: EmulatedBaslerCamera, feature: str, value: Any, told: str
) -> None:
    """Ten bits taken for twelve would be a quarter of the light."""
    camera.apply(NIR)
    getattr(camera._device, feature).Value = value
    with pytest.raises(BadSettingError, match=f"changed by another program: .*{told}"):
        camera.start()
    camera.apply(NIR)
    camera.start()
    assert read(camera, 1)[0].pixel_format is PixelFormat.MONO12


def test_layout_cannot_change_while_started_but_exposure_can(started: EmulatedBaslerCamera) -> None:
    read(started, 2)
    with pytest.raises(BadSettingError, match=r"PixelFormat.*stopped first"):
        started.apply(CameraSettings(pixel_format=PixelFormat.MONO16))
    assert started.apply(CameraSettings(exposure_us=2_000.0)).exposure_us == 2_000.0
    frames = read(started, 40)
    assert frames[0].settings_in_flight
    assert not frames[-1].settings_in_flight
    assert frames[-1].exposure_us == 2_000.0


def test_frames_tell_what_was_set_before_a_refusal(started: EmulatedBaslerCamera) -> None:
    with pytest.raises(BadSettingError):
        started.apply(CameraSettings(exposure_us=3_000.0, gain_db=99.0))
    assert started.settings.exposure_us == 3_000.0
    frame = started.read(READ_S)
    assert (frame.exposure_us, frame.settings_in_flight) == (3_000.0, True)


def test_what_the_camera_would_bend_is_switched_off_for_nir_only(mono12_folder: Path) -> None:
    for linear in (True, False):
        with EmulatedBaslerCamera("0815-0001", linear=linear) as camera:
            node_map = camera._device.GetNodeMap()
            node_map.GetNode("Gamma").Value = 0.5
            node_map.GetNode("GainAuto").Value = "Continuous"
            camera.apply(CameraSettings(pixel_format=PixelFormat.MONO12))
            assert node_map.GetNode("Gamma").Value == (1.0 if linear else 0.5)
            assert node_map.GetNode("GainAuto").Value == ("Off" if linear else "Continuous")


# -- saved features ----------------------------------------------------------------------------

PFS = "# {05D8C294-F295-4dfb-9D01-096BD04049F4}\n"


@pytest.fixture
def pfs(tmp_path: Path) -> Path:
    """Everything the emulator saves, made of a camera set as the rig wants it."""
    file = tmp_path / "nir.pfs"
    with EmulatedBaslerCamera("0815-0001") as camera:
        camera.apply(NIR)
        basler._pylon().FeaturePersistence.Save(str(file), camera._device.GetNodeMap())
    return file


def test_saved_features_that_agree_with_the_rig_are_loaded(pfs: Path) -> None:
    pfs.write_text(pfs.read_text().replace("ReverseX\t0", "ReverseX\t1"))
    with EmulatedBaslerCamera("0815-0001", linear=True, pfs=pfs) as camera:
        assert camera.apply(NIR).exposure_us == 5_000.0
        assert camera._device.GetNodeMap().GetNode("ReverseX").Value is True


def test_every_disagreement_of_rig_and_saved_features_is_named_at_once(pfs: Path) -> None:
    wanted = CameraSettings(
        pixel_format=PixelFormat.MONO8, exposure_us=9_000.0, gain_db=0.0, frame_rate_hz=50.0
    )
    with (
        EmulatedBaslerCamera("0815-0001", pfs=pfs) as camera,
        pytest.raises(BadSettingError) as refusal,
    ):
        camera.apply(wanted)
    text = str(refusal.value)
    for words in (
        str(pfs),
        "pixel_format: rig Mono8, file Mono12",
        "exposure_us: rig 9000.0, file 5000.0",
    ):
        assert words in text
    # the gain agrees, and the emulator saves no frame rate: that is still to be set
    assert "gain_db" not in text
    assert "frame_rate_hz" not in text


@pytest.mark.parametrize(
    "line", ["GainAuto\tContinuous", "ExposureAuto\tOnce", "Gamma\t0.5", "DigitalShift\t2"]
)
def test_saved_features_that_bend_counts_are_refused_for_nir(tmp_path: Path, line: str) -> None:
    file = tmp_path / "bent.pfs"
    file.write_text(PFS + line + "\n")
    with (
        EmulatedBaslerCamera("0815-0001", linear=True, pfs=file) as camera,
        pytest.raises(BadSettingError, match=f"must stay linear, but: {line.split()[0]}="),
    ):
        camera.apply(NIR)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Gamma\t1\n", "GUID"),
        (PFS + "Nonsense\t3\n", "Nonsense"),
        (PFS + "Gain\t1000\n", "Gain"),
        (PFS + "Gain 1000\n", "line 2"),
    ],
)
def test_a_broken_file_of_features_is_refused_by_name(
    tmp_path: Path, text: str, words: str
) -> None:
    file = tmp_path / "odd.pfs"
    file.write_text(text)
    with (
        EmulatedBaslerCamera("0815-0001", pfs=file) as camera,
        pytest.raises(BadSettingError, match=words),
    ):
        camera.apply(NIR)


# -- losses, faults, removal -------------------------------------------------------------------


def test_failed_buffers_are_raised_and_counted_and_no_loss(started: EmulatedBaslerCamera) -> None:
    read(started, 1)
    started.force_failed_buffers(2)
    sequences, failures = [], 0
    while failures < 2 or len(sequences) < 3:
        try:
            sequences.append(started.read(READ_S).sequence)
        except IncompleteFrameError:
            failures += 1
    assert failures == 2
    assert (started.counters.failed, started.counters.lost) == (2, 0)
    # the counter went on beneath the failed ones
    assert sequences[-1] == started.counters.delivered + failures - 1


def test_a_reader_that_was_away_finds_every_frame_waiting(started: EmulatedBaslerCamera) -> None:
    read(started, 1)
    ready = threading.Event()
    while started._device.NumReadyBuffers.Value < 10:
        ready.wait(0.01)
    assert [f.sequence for f in read(started, 12)] == list(range(1, 13))
    assert started.counters.lost == 0


def test_an_unplugged_camera_is_noticed_let_go_and_found_again(
    started: EmulatedBaslerCamera,
) -> None:
    read(started, 2)
    started.emulate_removal()
    # pylon goes on handing out frames; that must end soon
    with pytest.raises(CameraRemovedError, match="plug it in again"):
        read(started, 200)
    with pytest.raises(CameraRemovedError):
        started.apply(NIR)
    started.close()
    started.open()
    started.apply(NIR)
    started.start()
    frame = started.read(READ_S)
    assert (frame.stream_epoch, frame.sequence) == (1, 0)


def test_while_the_cable_is_out_the_camera_is_not_found(
    started: EmulatedBaslerCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    started.emulate_removal()
    monkeypatch.setenv("PYLON_CAMEMU", "1")
    with pytest.raises(CameraRemovedError):
        read(started, 200)
    started.close()
    for _ in range(2):
        with pytest.raises(CameraNotFoundError):
            started.open()
    monkeypatch.setenv("PYLON_CAMEMU", "4")
    started.open()
    started.apply(NIR)
    started.start()
    assert started.read(READ_S).stream_epoch == 1


def test_a_free_running_camera_that_falls_silent_is_gone_callback_or_not(
    started: EmulatedBaslerCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(started, 2)
    monkeypatch.setattr(basler, "SILENCE_S", 0.05)
    # it stops sending, behind our back
    started._device.TriggerSource.Value = "Line1"
    started._device.TriggerMode.Value = "On"

    def wait_for_frames() -> None:
        while True:
            try:
                started.read(0.06)
            except CameraTimeoutError:
                continue

    with pytest.raises(CameraRemovedError, match="silent"):
        wait_for_frames()


def test_a_camera_waiting_for_its_trigger_is_not_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(basler, "SILENCE_S", 0.0)
    with EmulatedBaslerCamera("0815-0001") as camera:
        got = camera.apply(
            CameraSettings(trigger="hardware", trigger_line="Line1", frame_rate_hz=100.0)
        )
        assert (got.trigger, got.trigger_line) == ("hardware", "Line1")
        camera.start()
        for _ in range(3):
            with pytest.raises(CameraTimeoutError):
                camera.read(0.15)
        assert camera.apply(CameraSettings(trigger="free-run")).trigger == "free-run"


# -- calls that hang ---------------------------------------------------------------------------


class _Hanging:
    """A device whose driver never comes back from one call, until the test lets it."""

    def __init__(self, device: Any, call: str) -> None:
        self._device, self._call = device, call
        self.free, self.entered = threading.Event(), threading.Event()

    def __getattr__(self, name: str) -> Any:
        if name != self._call:
            return getattr(self._device, name)
        return self._hang

    def _hang(self, *arguments: Any) -> Any:
        self.entered.set()
        self.free.wait(60.0)
        return getattr(self._device, self._call)(*arguments)


def test_a_read_that_hangs_in_the_driver_is_seen_without_asking_it(
    started: EmulatedBaslerCamera,
) -> None:
    assert isinstance(started, Watched)
    hanging = _Hanging(started._device, "RetrieveResult")
    started._device = hanging
    thread = threading.Thread(target=started.read, args=(0.1,))
    thread.start()
    assert hanging.entered.wait(READ_S)
    assert started.stuck(time.monotonic_ns()) is None
    assert started.stuck(time.monotonic_ns() + 3_000_000_000) == "RetrieveResult"
    hanging.free.set()
    thread.join(READ_S)
    assert started.stuck(2**62) is None
    started._device = hanging._device


def test_a_close_that_hangs_lets_us_go_and_the_camera_stays_taken(
    started: EmulatedBaslerCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(basler, "CLOSE_ALLOWED_S", 0.05)
    hanging = _Hanging(started._device, "Close")
    started._device = hanging
    started.close()
    assert hanging.entered.wait(READ_S)
    with pytest.raises(CameraInUseError, match="not let go"):
        started.open()
    assert started.stuck(2**62) == "Close"
    hanging.free.set()
    assert started._closing is not None
    started._closing.join(READ_S)
    started.open()
    assert started.stuck(2**62) is None


@pytest.mark.parametrize("why", [None, "/dev/shm: No space left on device"])
def test_pylon_that_cannot_begin_is_one_line(
    monkeypatch: pytest.MonkeyPatch, why: str | None
) -> None:
    """Without shared memory its import raises an error of a kind of its own."""

    def fail(name: str) -> None:
        raise RuntimeError("NULL pointer dereferenced : RuntimeException thrown (file 'x.h')")

    monkeypatch.delitem(sys.modules, "pypylon.pylon", raising=False)
    monkeypatch.setattr(basler.importlib, "import_module", fail)
    monkeypatch.setattr(basler.shared_memory, "trouble", lambda: why)
    with pytest.raises(CameraError, match=why or "NULL pointer dereferenced.; run `sln-guide doc"):
        basler.list_cameras()
