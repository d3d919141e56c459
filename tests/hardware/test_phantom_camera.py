"""What a phantom's cameras do beyond the contract that all cameras keep."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

import hardware.phantom.camera
from hardware.camera import (
    BadSettingError,
    CameraInUseError,
    CameraSettings,
    CameraStateError,
    CameraTimeoutError,
)
from hardware.frame import PixelFormat
from hardware.phantom import Phantom, PhantomCamera, scene_named
from hardware.phantom.camera import BUFFERED_FRAMES
from hardware.rig import PhantomSpec
from hardware.rig_files import load_rig

READ_S = 5.0


class Clock:
    """Stands in for `time` in the camera: tests move it, nothing waits for it."""

    def __init__(self) -> None:
        self.now_ns = 10**12

    def monotonic_ns(self) -> int:
        return self.now_ns


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(hardware.phantom.camera, "time", clock)
    monkeypatch.setattr("hardware.phantom.phantom.time", clock)
    return clock


@pytest.fixture
def phantom() -> Phantom:
    return Phantom.from_scene(scene_named("procedure", 1, 64, 48), frame_rate_hz=100.0)


@pytest.fixture
def nir(phantom: Phantom) -> Iterator[PhantomCamera]:
    with PhantomCamera(phantom, "nir") as camera:
        yield camera


@pytest.fixture
def white(phantom: Phantom) -> Iterator[PhantomCamera]:
    with PhantomCamera(phantom, "white") as camera:
        yield camera


def due_ns(phantom: Phantom, index: int, exposure_us: float = 10_000.0) -> int:
    """When frame ``index`` can be had, on a grid of 100 Hz."""
    return phantom.origin_ns() + index * 10_000_000 + round(1e3 * exposure_us)


def test_both_cameras_see_one_moment(
    phantom: Phantom, nir: PhantomCamera, white: PhantomCamera, clock: Clock
) -> None:
    nir.start()
    clock.now_ns += 33_000_000
    white.start()
    clock.now_ns = due_ns(phantom, 6)
    frames = [nir.read(0.0) for _ in range(7)]
    late = [white.read(0.0) for _ in range(4)]
    assert [f.sequence for f in frames] == [0, 1, 2, 3, 4, 5, 6]
    assert [f.sequence for f in late] == [3, 4, 5, 6]
    skew_ns = late[0].mid_exposure_ns - frames[3].mid_exposure_ns
    assert skew_ns == (8_000_000 - 10_000_000) // 2  # as their exposures differ
    assert nir.counters.lost == white.counters.lost == 0


def test_a_frame_is_the_phantoms_frame_of_that_index(
    phantom: Phantom, nir: PhantomCamera, clock: Clock
) -> None:
    nir.start()
    clock.now_ns = due_ns(phantom, 2)
    for _ in range(3):
        frame = nir.read(0.0)
        np.testing.assert_array_equal(frame.pixels, phantom.frame("nir", frame.sequence).pixels)
        assert frame.mid_exposure_ns == phantom.origin_ns() + round(
            1e9 * phantom.truth(frame.sequence).time_s
        )
        assert frame.host_time_ns == clock.now_ns


def test_a_frame_is_not_to_be_had_before_its_exposure_ends(
    phantom: Phantom, nir: PhantomCamera, clock: Clock
) -> None:
    nir.start()
    clock.now_ns = due_ns(phantom, 0) - 1
    with pytest.raises(CameraTimeoutError, match="phantom-nir"):
        nir.read(0.0)
    clock.now_ns += 1
    assert nir.read(0.0).sequence == 0


def test_a_slow_reader_loses_what_no_buffer_holds_and_is_told(
    phantom: Phantom, nir: PhantomCamera, clock: Clock
) -> None:
    nir.start()
    clock.now_ns = due_ns(phantom, 0)
    assert nir.read(0.0).sequence == 0
    clock.now_ns = due_ns(phantom, 20)
    sequences = [nir.read(0.0).sequence for _ in range(BUFFERED_FRAMES)]
    assert sequences == list(range(21 - BUFFERED_FRAMES, 21))
    assert nir.counters.lost == 20 - BUFFERED_FRAMES
    assert nir.counters.delivered == BUFFERED_FRAMES + 1


def test_a_change_while_grabbing_spares_what_was_exposed_before(
    phantom: Phantom, nir: PhantomCamera, clock: Clock
) -> None:
    nir.start()
    clock.now_ns = due_ns(phantom, 2) + 3_000_000  # frame 3 is being exposed
    nir.apply(CameraSettings(exposure_us=5_000.0))
    clock.now_ns = due_ns(phantom, 5)
    frames = [nir.read(0.0) for _ in range(6)]
    assert [f.exposure_us for f in frames] == [10_000.0] * 3 + [5_000.0] * 3
    assert [f.settings_in_flight for f in frames] == [False] * 3 + [True] + [False] * 2
    bright, dim = (np.median(frames[i].pixels.astype(float)) - 64 for i in (2, 4))
    assert dim == pytest.approx(bright / 2, rel=0.1)


def test_a_drawn_frame_is_not_kept_over_a_change(
    phantom: Phantom, nir: PhantomCamera, clock: Clock
) -> None:
    nir.start()
    with pytest.raises(CameraTimeoutError):
        nir.read(0.0)
    nir.apply(CameraSettings(gain_db=6.0))
    clock.now_ns = due_ns(phantom, 1)
    assert nir.read(0.0).gain_db == 6.0


@pytest.mark.parametrize(
    "change",
    [
        CameraSettings(pixel_format=PixelFormat.MONO8),
        CameraSettings(roi=(0, 0, 32, 32)),
        CameraSettings(frame_rate_hz=50.0),
        CameraSettings(trigger="hardware", trigger_line="Line1"),
    ],
)
def test_what_a_stream_rests_on_cannot_change_while_grabbing(
    nir: PhantomCamera, change: CameraSettings
) -> None:
    nir.start()
    with pytest.raises(BadSettingError, match="stop first"):
        nir.apply(change)
    nir.stop()
    nir.apply(change)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (CameraSettings(exposure_us=1.0), "exposure_us"),
        (CameraSettings(exposure_us=float("nan")), "exposure_us"),
        (CameraSettings(gain_db=-1.0), "gain_db"),
        (CameraSettings(frame_rate_hz=0.0), "frame_rate_hz"),
        (CameraSettings(black_level=2000.0), "black_level"),
        (CameraSettings(roi=(0, 0, 65, 48)), "64 x 48"),
        (CameraSettings(roi=(-2, 0, 10, 10)), "roi"),
        (CameraSettings(roi=(0, 0, 0, 10)), "roi"),
        (CameraSettings(pixel_format=PixelFormat.BAYER_RG8), "Mono12"),
        (CameraSettings(conversion_gain="High"), "has but one"),
        (CameraSettings(pixel_format=PixelFormat.MONO12P, roi=(0, 0, 31, 10)), "even"),
    ],
)
def test_settings_out_of_reach_are_refused_by_name(
    nir: PhantomCamera, change: CameraSettings, why: str
) -> None:
    before = nir.settings
    with pytest.raises(BadSettingError, match=why):
        nir.apply(change)
    assert nir.settings == before


def test_a_mosaic_keeps_its_phase(white: PhantomCamera) -> None:
    with pytest.raises(BadSettingError, match="even offsets"):
        white.apply(CameraSettings(roi=(1, 0, 10, 10)))
    assert white.apply(CameraSettings(roi=(2, 4, 11, 9))).roi == (2, 4, 11, 9)


def test_a_long_exposure_slows_the_camera_down(nir: PhantomCamera) -> None:
    assert nir.apply(CameraSettings(exposure_us=50_000.0)).frame_rate_hz == 20.0


def test_a_new_format_takes_its_black_level_along(nir: PhantomCamera) -> None:
    assert nir.apply(CameraSettings(pixel_format=PixelFormat.MONO8)).black_level == 4.0


def test_one_device_one_holder(phantom: Phantom, nir: PhantomCamera) -> None:
    other = PhantomCamera(phantom, "nir")
    with pytest.raises(CameraInUseError, match="phantom-nir"):
        other.open()
    other.close()  # held nothing, lets nothing go
    with pytest.raises(CameraInUseError):
        other.open()
    nir.close()
    other.open()
    other.close()


def test_every_stream_is_an_epoch(phantom: Phantom, nir: PhantomCamera, clock: Clock) -> None:
    nir.start()
    clock.now_ns = due_ns(phantom, 0)
    first = nir.read(0.0)
    nir.stop()
    clock.now_ns = due_ns(phantom, 30) - 2_000_000
    nir.start()
    clock.now_ns = due_ns(phantom, 40)
    second = nir.read(0.0)
    assert (first.stream_epoch, second.stream_epoch) == (0, 1)
    assert second.sequence >= 30
    nir.close()
    nir.open()
    assert nir.settings == phantom.settings("nir")


def test_reading_in_two_threads_gives_both_views_in_time(
    phantom: Phantom, nir: PhantomCamera, white: PhantomCamera
) -> None:
    nir.start()
    white.start()
    got: dict[str, list[int]] = {"nir": [], "white": []}

    def read_on(camera: PhantomCamera, name: str) -> None:
        for _ in range(12):
            frame = camera.read(READ_S)
            got[name].append(frame.sequence)
            assert frame.host_time_ns >= frame.mid_exposure_ns + round(0.5e3 * frame.exposure_us)

    threads = [
        threading.Thread(target=read_on, args=(camera, name))
        for camera, name in ((nir, "nir"), (white, "white"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got["nir"]) == len(got["white"]) == 12
    assert set(got["nir"]) & set(got["white"])


def test_stopping_does_not_wait_for_a_slow_frame() -> None:
    phantom = Phantom.from_scene(
        scene_named("static", 1, 64, 48), frame_rate_hz=0.2, nir_exposure_us=1e6
    )
    begun = threading.Event()
    raised: list[BaseException] = []
    with PhantomCamera(phantom, "nir") as camera:
        camera.start()

        def read() -> None:
            begun.set()
            try:
                camera.read(60.0)
            except CameraStateError as error:
                raised.append(error)

        thread = threading.Thread(target=read)
        thread.start()
        begun.wait(READ_S)
        asked = time.monotonic()
        camera.stop()
        thread.join(READ_S)
        assert not thread.is_alive()
        assert time.monotonic() - asked < READ_S
    assert len(raised) == 1


def test_the_demo_rig_is_taken_at_its_word() -> None:
    rig = load_rig("demo")
    phantom = Phantom(PhantomSpec(width=96, height=64), rig)
    assert rig.nir is not None
    assert rig.white is not None
    with PhantomCamera(phantom, "nir") as nir, PhantomCamera(phantom, "white") as white:
        got = nir.apply(rig.nir.camera_settings())
        assert replace(got, roi=None, black_level=None, trigger_line=None) == replace(
            rig.nir.camera_settings(), trigger_line=None
        )
        assert got.roi == (0, 0, 96, 64)
        assert got.black_level == rig.sensor.dark_counts
        assert white.apply(rig.white.camera_settings()).pixel_format is PixelFormat.BAYER_RG8
        assert nir.camera_id == "phantom-nir"
        assert nir.simulated
