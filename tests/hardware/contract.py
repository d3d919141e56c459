"""What every camera promises, whatever is behind it: one suite, run over each of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import pytest

from hardware.camera import (
    BadSettingError,
    Camera,
    CameraEndedError,
    CameraSettings,
    CameraStateError,
    CameraTimeoutError,
)
from hardware.frame import Frame, PixelFormat

READ_S = 5.0
"""Long enough for any camera here; nothing waits for it to pass."""


class CameraContract:
    """Subclass, and give a fixture ``camera`` (closed, fresh).

    ``settings`` are what it is given: replace the fixture for a camera that takes others.
    """

    @pytest.fixture
    def camera(self) -> Camera:
        raise NotImplementedError

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

    @pytest.fixture
    def started(self, camera: Camera, settings: CameraSettings) -> Camera:
        camera.open()
        camera.apply(settings)
        camera.start()
        return camera

    @pytest.fixture(autouse=True)
    def _always_closed(self, camera: Camera) -> object:
        yield
        camera.close()

    # -- opening and closing ---------------------------------------------------------------------

    def test_is_a_camera(self, camera: Camera) -> None:
        camera.open()
        assert isinstance(camera, Camera)
        assert camera.camera_id
        assert camera.simulated

    def test_opening_twice_is_opening_once(self, camera: Camera) -> None:
        camera.open()
        camera.open()
        camera.close()

    def test_closing_is_idempotent_and_needs_no_opening(self, camera: Camera) -> None:
        camera.close()
        camera.open()
        camera.close()
        camera.close()

    def test_stopping_is_idempotent_and_needs_no_starting(self, started: Camera) -> None:
        started.stop()
        started.stop()
        started.close()
        started.stop()

    def test_starting_twice_is_starting_once(self, started: Camera) -> None:
        first = started.read(READ_S)
        started.start()
        second = started.read(READ_S)
        assert second.stream_epoch == first.stream_epoch
        assert second.sequence > first.sequence

    def test_leaving_the_context_closes(self, camera: Camera, settings: CameraSettings) -> None:
        with camera as entered:
            assert entered is camera
            camera.apply(settings)
            camera.start()
            camera.read(READ_S)
        with pytest.raises(CameraStateError):
            camera.read(READ_S)

    def test_leaving_the_context_by_an_error_closes_too(self, camera: Camera) -> None:
        with pytest.raises(ZeroDivisionError), camera:
            raise ZeroDivisionError
        with pytest.raises(CameraStateError):
            camera.start()

    # -- out of order ----------------------------------------------------------------------------

    def test_reading_before_start_is_refused(self, camera: Camera) -> None:
        with pytest.raises(CameraStateError):
            camera.read(READ_S)
        camera.open()
        with pytest.raises(CameraStateError):
            camera.read(READ_S)

    def test_starting_or_applying_before_open_is_refused(
        self, camera: Camera, settings: CameraSettings
    ) -> None:
        with pytest.raises(CameraStateError):
            camera.start()
        with pytest.raises(CameraStateError):
            camera.apply(settings)

    def test_reading_after_stop_is_refused(self, started: Camera) -> None:
        started.read(READ_S)
        started.stop()
        with pytest.raises(CameraStateError):
            started.read(READ_S)

    # -- settings --------------------------------------------------------------------------------

    def test_settings_are_read_back_every_field_set(
        self, camera: Camera, settings: CameraSettings
    ) -> None:
        camera.open()
        got = camera.apply(settings)
        assert got == camera.settings
        for field in fields(CameraSettings):
            wanted = getattr(settings, field.name)
            value = getattr(got, field.name)
            if field.name == "trigger_line" and got.trigger == "free-run":
                continue
            if field.name == "conversion_gain":  # of a sensor that has two
                continue
            assert value is not None, field.name
            if isinstance(wanted, float):
                assert value == pytest.approx(wanted, rel=0.01, abs=0.1), field.name
            elif wanted is not None:
                assert value == wanted, field.name

    def test_settings_left_open_stay_as_they_are(
        self, camera: Camera, settings: CameraSettings
    ) -> None:
        camera.open()
        before = camera.apply(settings)
        assert camera.apply(CameraSettings()) == before

    def test_frames_are_what_was_read_back(self, started: Camera) -> None:
        frame, settings = started.read(READ_S), started.settings
        assert frame.pixel_format is settings.pixel_format
        assert frame.exposure_us == settings.exposure_us
        assert frame.gain_db == settings.gain_db
        assert settings.roi is not None
        assert (frame.width, frame.height) == settings.roi[2:]

    def test_a_format_it_has_not_is_refused_by_name(self, camera: Camera) -> None:
        camera.open()
        mine = camera.settings.pixel_format
        other = PixelFormat.RGB8
        assert other is not mine
        with pytest.raises(BadSettingError, match="RGB8"):
            camera.apply(CameraSettings(pixel_format=other))

    def test_an_impossible_exposure_is_refused_by_name(
        self, camera: Camera, settings: CameraSettings
    ) -> None:
        camera.open()
        with pytest.raises(BadSettingError, match="exposure_us"):
            camera.apply(replace(settings, exposure_us=1e15))

    # -- frames ----------------------------------------------------------------------------------

    def test_sequence_grows_and_epoch_stays(self, started: Camera) -> None:
        frames = [started.read(READ_S) for _ in range(4)]
        assert all(a.sequence < b.sequence for a, b in pairwise(frames))
        assert len({f.stream_epoch for f in frames}) == 1
        assert {f.camera_id for f in frames} == {started.camera_id}

    def test_pixels_are_read_only_and_nobody_elses(self, started: Camera) -> None:
        first = started.read(READ_S)
        kept = first.pixels.copy()
        with pytest.raises(ValueError, match="read-only"):
            first.pixels[0, 0] = 1
        for _ in range(4):
            started.read(READ_S)
        started.close()
        np.testing.assert_array_equal(first.pixels, kept)

    def test_times_are_on_the_hosts_clock_and_in_order(self, started: Camera) -> None:
        before_ns = time.monotonic_ns()
        frames = [started.read(READ_S) for _ in range(3)]
        after_ns = time.monotonic_ns()
        for frame in frames:
            assert before_ns <= frame.host_time_ns <= after_ns
            assert frame.mid_exposure_ns < frame.host_time_ns
        assert all(a.mid_exposure_ns < b.mid_exposure_ns for a, b in pairwise(frames))

    def test_counters_count_from_open(self, started: Camera, settings: CameraSettings) -> None:
        frames = [started.read(READ_S) for _ in range(3)]
        assert started.counters.delivered == 3
        gaps = sum(b.sequence - a.sequence - 1 for a, b in pairwise(frames))
        assert started.counters.lost >= gaps
        assert started.counters.failed == 0
        started.close()
        started.open()
        assert started.counters.delivered == 0

    # -- waiting, stopping, starting again -------------------------------------------------------

    def test_no_frame_in_time_is_a_timeout_and_no_loss(self, started: Camera) -> None:
        sequences = []

        def read_without_waiting() -> None:
            # more often than frames can come in no time at all
            for _ in range(1000):
                sequences.append(started.read(0.0).sequence)

        with pytest.raises(CameraTimeoutError):
            read_without_waiting()
        sequences += [started.read(READ_S).sequence for _ in range(2)]
        assert sequences == list(range(sequences[0], sequences[0] + len(sequences)))

    def test_a_frame_comes_however_long_one_would_wait(self, started: Camera) -> None:
        assert started.read(1e7).sequence < started.read(READ_S).sequence

    def test_stop_then_start_gives_frames_told_apart(self, started: Camera) -> None:
        before = started.read(READ_S)
        started.stop()
        started.start()
        after = started.read(READ_S)
        assert (after.stream_epoch, after.sequence) > (before.stream_epoch, before.sequence)

    def test_close_then_open_begins_a_new_epoch(
        self, started: Camera, settings: CameraSettings
    ) -> None:
        before = started.read(READ_S)
        started.close()
        started.open()
        started.apply(settings)
        started.start()
        assert started.read(READ_S).stream_epoch == before.stream_epoch + 1

    @pytest.mark.parametrize("way", ["stop", "close"])
    def test_ending_from_another_thread_ends_a_read(self, started: Camera, way: str) -> None:
        outcome = _outcome_of_reading(started, while_reading=getattr(started, way))
        assert isinstance(outcome, CameraStateError)


def _outcome_of_reading(camera: Camera, while_reading: Callable[[], None]) -> BaseException:
    """Read in a thread until it raises; ``while_reading`` is called once it has begun."""
    begun = threading.Event()
    raised: list[BaseException] = []

    def read_on() -> None:
        try:
            while True:
                frame: Frame = camera.read(READ_S)
                assert frame is not None
                begun.set()
        except (CameraStateError, CameraEndedError, CameraTimeoutError) as error:
            raised.append(error)

    thread = threading.Thread(target=read_on, name="reader")
    thread.start()
    assert begun.wait(READ_S)
    while_reading()
    thread.join(READ_S)
    assert not thread.is_alive()
    return raised[0]
