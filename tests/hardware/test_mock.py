"""The mock camera: its own pace, and every scripted fault."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from hardware.camera import (
    BadSettingError,
    CameraEndedError,
    CameraError,
    CameraNotFoundError,
    CameraRemovedError,
    CameraSettings,
    CameraStateError,
    CameraTimeoutError,
    IncompleteFrameError,
    Watched,
)
from hardware.faults import Corrupt, Drop, Fault, Freeze, Late, SizeChange, Stall, Unplug
from hardware.frame import Frame, PixelFormat
from hardware.mock import MockCamera, Pace, frames_from_arrays

READ_S = 5.0


def recording(count: int = 5, fps: float = 100.0) -> tuple[Frame, ...]:
    arrays = [np.full((8, 10), index, np.uint16) for index in range(count)]
    return frames_from_arrays(arrays, pixel_format=PixelFormat.MONO12, fps=fps)


def playing(
    frames: Iterable[Frame] | None = None,
    *faults: Fault,
    pace: Pace = "fastest",
    loop: bool = False,
) -> MockCamera:
    camera = MockCamera(
        recording() if frames is None else frames, pace=pace, loop=loop, faults=faults
    )
    camera.open()
    camera.start()
    return camera


def read_all(camera: MockCamera) -> list[Frame | CameraError]:
    """Read to the end of the recording; errors that leave the stream well stand in the list."""
    outcomes: list[Frame | CameraError] = []
    while True:
        try:
            outcomes.append(camera.read(READ_S))
        except CameraEndedError:
            return outcomes
        except IncompleteFrameError as error:
            outcomes.append(error)


def frames_of(camera: MockCamera) -> list[Frame]:
    return [f for f in read_all(camera) if isinstance(f, Frame)]


# -- playing -----------------------------------------------------------------------------------


def test_plays_to_the_end_and_stays_there() -> None:
    camera = playing()
    assert [int(f.pixels[0, 0]) for f in frames_of(camera)] == [0, 1, 2, 3, 4]
    for _ in range(2):
        with pytest.raises(CameraEndedError):
            camera.read(READ_S)


def test_opened_again_after_its_end_it_plays_from_the_beginning() -> None:
    camera = playing()
    frames_of(camera)
    camera.close()
    camera.open()
    camera.start()
    assert camera.read(READ_S).pixels[0, 0] == 0


def test_pixels_are_shared_never_copied() -> None:
    frames = recording()
    assert all(
        a.pixels is b.pixels for a, b in zip(frames_of(playing(frames)), frames, strict=True)
    )


def test_a_loop_counts_on() -> None:
    camera = playing(recording(3), loop=True)
    frames = [camera.read(READ_S) for _ in range(8)]
    assert [f.sequence for f in frames] == list(range(8))
    assert [int(f.pixels[0, 0]) for f in frames] == [0, 1, 2, 0, 1, 2, 0, 1]
    assert camera.counters.lost == 0


def test_a_function_that_makes_iterators_can_loop_without_holding_frames() -> None:
    made: list[int] = []

    def fresh() -> Iterator[Frame]:
        made.append(1)
        return iter(recording(2))

    camera = MockCamera(fresh, pace="fastest", loop=True)
    camera.open()
    camera.start()
    for _ in range(6):
        camera.read(READ_S)
    assert len(made) == 3


def test_an_iterator_that_runs_once_cannot_loop() -> None:
    with pytest.raises(ValueError, match="cannot loop"):
        MockCamera(iter(recording()), loop=True)
    assert len(frames_of(playing(iter(recording())))) == 5


@pytest.mark.parametrize("loop", [False, True])
def test_an_empty_recording_says_so(loop: bool) -> None:
    with pytest.raises(CameraEndedError, match="no readable frame"):
        MockCamera([], loop=loop).open()


def test_a_recording_of_damaged_files_only_ends_even_in_a_loop() -> None:
    class Damaged:
        def __iter__(self) -> Iterator[Frame]:
            return map(self._fail, range(3))

        @staticmethod
        def _fail(index: int) -> Frame:
            raise IncompleteFrameError(f"image {index} is cut short")

    with pytest.raises(CameraEndedError):
        MockCamera(Damaged(), loop=True).open()


def test_a_damaged_file_is_a_failed_frame_and_the_next_is_well() -> None:
    frames = recording()

    class OneDamaged:
        def __iter__(self) -> Iterator[Frame]:
            return map(self._frame, range(5))

        @staticmethod
        def _frame(index: int) -> Frame:
            if index == 2:
                raise IncompleteFrameError("image 2 is cut short")
            return frames[index]

    camera = playing(OneDamaged())
    outcomes = read_all(camera)
    assert isinstance(outcomes[2], IncompleteFrameError)
    assert "image 2" in str(outcomes[2])
    assert [f.sequence for f in outcomes if isinstance(f, Frame)] == [0, 1, 3, 4]
    assert (camera.counters.failed, camera.counters.lost) == (1, 0)


def test_gaps_of_the_recording_stay_gaps() -> None:
    frames = recording()
    camera = playing([frames[0], frames[3], frames[4]])
    assert [f.sequence for f in frames_of(camera)] == [0, 3, 4]
    assert camera.counters.lost == 2


def test_a_recording_that_was_replugged_plays_on() -> None:
    frames = recording(4)
    again = [replace(f, stream_epoch=1) for f in frames[:2]]
    assert [f.sequence for f in frames_of(playing([*frames, *again]))] == [0, 1, 2, 3, 4, 5]


# -- pace --------------------------------------------------------------------------------------


def mid_steps(frames: list[Frame]) -> list[int]:
    return [b.mid_exposure_ns - a.mid_exposure_ns for a, b in pairwise(frames)]


def test_recorded_pace_keeps_the_recorded_distances() -> None:
    frames = list(recording(4, fps=200.0))
    frames[3] = replace(frames[3], mid_exposure_ns=frames[3].mid_exposure_ns + 7_000_000)
    assert mid_steps(frames_of(playing(frames, pace="recorded"))) == [
        5_000_000,
        5_000_000,
        12_000_000,
    ]


@pytest.mark.parametrize("step_ns", [0, -1_000_000, 3_600_000_000_000])
def test_recorded_times_that_do_not_tell_fall_back_to_the_frame_rate(step_ns: int) -> None:
    first, second = recording(2)
    second = replace(second, mid_exposure_ns=first.mid_exposure_ns + step_ns)
    camera = MockCamera([first, second], pace="recorded")
    camera.open()
    camera.apply(CameraSettings(frame_rate_hz=250.0))
    camera.start()
    assert mid_steps(frames_of(camera)) == [4_000_000]


def test_a_rate_is_kept_whatever_was_recorded() -> None:
    assert mid_steps(frames_of(playing(recording(5, fps=1.0), pace=250.0))) == [4_000_000] * 4


def test_cameras_of_one_rate_expose_together() -> None:
    mids = []
    for exposure_us in (2_000.0, 1_000.0):
        frames = [replace(f, exposure_us=exposure_us) for f in recording(2)]
        camera = playing(frames, pace=200.0)
        frame = camera.read(READ_S)
        mids.append((frame.mid_exposure_ns + round(exposure_us * 500)) % 5_000_000)
    assert mids[0] == mids[1]


def test_no_frame_is_handed_over_before_its_exposure_ended() -> None:
    for frame in frames_of(playing(pace=500.0)):
        assert frame.host_time_ns >= frame.mid_exposure_ns + round(frame.exposure_us * 500)


def test_as_fast_as_it_is_read_waits_for_nothing() -> None:
    camera = playing(recording(3, fps=0.001), pace="fastest")
    assert len([camera.read(0.0) for _ in range(3)]) == 3


@pytest.mark.parametrize("pace", [0.0, -1.0, float("nan"), float("inf")])
def test_an_impossible_pace_is_refused(pace: float) -> None:
    with pytest.raises(ValueError, match="pace"):
        MockCamera(recording(), pace=pace)


# -- settings ----------------------------------------------------------------------------------


def test_what_was_exposed_once_cannot_be_set_and_every_refusal_is_named() -> None:
    camera = MockCamera(recording())
    camera.open()
    with pytest.raises(BadSettingError) as refusal:
        camera.apply(
            CameraSettings(
                pixel_format=PixelFormat.MONO8,
                exposure_us=5_000.0,
                gain_db=6.0,
                roi=(0, 0, 4, 4),
                trigger="hardware",
                frame_rate_hz=float("nan"),
            )
        )
    for name in ("pixel_format", "exposure_us", "gain_db", "roi", "trigger", "frame_rate_hz"):
        assert name in str(refusal.value)


def test_the_frame_rate_is_the_pace_where_that_is_a_number() -> None:
    camera = MockCamera(recording(), pace=100.0)
    camera.open()
    assert camera.apply(CameraSettings(frame_rate_hz=500.0)).frame_rate_hz == 500.0
    camera.start()
    assert mid_steps(frames_of(camera)) == [2_000_000] * 4


# -- faults ------------------------------------------------------------------------------------


def test_dropped_frames_leave_a_gap_and_are_counted() -> None:
    camera = playing(None, Drop(1, 2))
    assert [f.sequence for f in frames_of(camera)] == [0, 3, 4]
    assert (camera.counters.delivered, camera.counters.lost) == (3, 2)


def test_a_late_frame_keeps_its_exposure() -> None:
    frames = frames_of(playing(None, Late(2, 0.03), pace=200.0))
    assert mid_steps(frames) == [5_000_000] * 4
    late = frames[2]
    assert late.host_time_ns - late.mid_exposure_ns >= 30_000_000


def test_a_corrupt_buffer_is_raised_and_counted_and_no_loss() -> None:
    camera = playing(None, Corrupt(1, 2))
    outcomes = read_all(camera)
    assert [type(o).__name__ for o in outcomes] == [
        "Frame",
        "IncompleteFrameError",
        "IncompleteFrameError",
        "Frame",
        "Frame",
    ]
    assert (camera.counters.failed, camera.counters.lost) == (2, 0)


def test_frozen_pixels_under_a_running_counter() -> None:
    frames = frames_of(playing(None, Freeze(2, 2)))
    assert [f.sequence for f in frames] == [0, 1, 2, 3, 4]
    assert [int(f.pixels[0, 0]) for f in frames] == [0, 1, 1, 1, 4]
    assert len({f.mid_exposure_ns for f in frames}) == 5


def test_a_frozen_device_repeats_counter_and_clocks_too() -> None:
    frames = frames_of(playing(None, Freeze(2, 2, whole_frame=True)))
    assert [f.sequence for f in frames] == [0, 1, 1, 1, 4]
    assert frames[3].mid_exposure_ns == frames[1].mid_exposure_ns
    assert frames[3].host_time_ns > frames[1].host_time_ns


def test_frames_change_size_and_stay_so() -> None:
    frames = frames_of(playing(None, SizeChange(2, (4, 12)), SizeChange(4, (8, 10))))
    assert [f.pixels.shape for f in frames] == [(8, 10), (8, 10), (4, 12), (4, 12), (8, 10)]
    assert frames[2].pixels[:, :10].min() == 2
    assert not frames[2].pixels[:, 10:].any()
    assert not frames[2].pixels.flags.writeable


def test_unplugged_until_somebody_plugs_it_in_again() -> None:
    camera = playing(None, Unplug(2))
    assert [camera.read(READ_S).sequence for _ in range(2)] == [0, 1]
    for _ in range(2):
        with pytest.raises(CameraRemovedError):
            camera.read(READ_S)
    camera.close()
    with pytest.raises(CameraNotFoundError):
        camera.open()
    camera.replug()
    camera.open()
    camera.start()
    frame = camera.read(READ_S)
    assert (frame.stream_epoch, frame.sequence) == (1, 0)
    # happens once, and no frame of the recording was used up by it
    assert [int(frame.pixels[0, 0]), *(int(f.pixels[0, 0]) for f in frames_of(camera))] == [2, 3, 4]


def test_a_replugged_cable_does_not_revive_the_old_handle() -> None:
    camera = playing(None, Unplug(0))
    with pytest.raises(CameraRemovedError):
        camera.read(READ_S)
    camera.replug()
    with pytest.raises(CameraRemovedError):
        camera.read(READ_S)


def test_replugged_by_itself_after_a_while() -> None:
    camera = playing(None, Unplug(0, replug_after_s=0.0))
    with pytest.raises(CameraRemovedError):
        camera.read(READ_S)
    camera.close()
    camera.open()
    camera = playing(None, Unplug(0, replug_after_s=3600.0))
    with pytest.raises(CameraRemovedError):
        camera.read(READ_S)
    camera.close()
    with pytest.raises(CameraNotFoundError):
        camera.open()


@pytest.mark.parametrize(
    ("what", "error"),
    [("unplug", CameraRemovedError), ("stop", CameraStateError), ("close", CameraStateError)],
)
def test_a_waiting_read_is_interrupted_from_another_thread(
    what: str, error: type[CameraError]
) -> None:
    # the second frame is due four seconds after the first
    frames = Announced(recording(2, fps=0.25))
    camera = MockCamera(frames, pace="recorded")
    camera.open()
    camera.apply(CameraSettings(frame_rate_hz=1000.0))
    camera.start()
    camera.read(READ_S)
    reader = _Reader(camera, timeout_s=1000.0)
    assert frames.second_asked_for.wait(READ_S)
    getattr(camera, what)()
    assert isinstance(reader.outcome(), error)


def test_a_timeout_leaves_the_frame_to_come() -> None:
    camera = playing(pace=1.0)  # a machine may stop for a while between start and read
    with pytest.raises(CameraTimeoutError):
        camera.read(0.0)
    assert camera.read(READ_S).sequence == 0


def test_a_stalled_read_hangs_past_stop_and_close_and_a_watchdog_sees_it() -> None:
    frames = Announced(recording(2))
    camera = playing(frames, Stall(1, 3600.0))
    assert isinstance(camera, Watched)
    camera.read(READ_S)
    reader = _Reader(camera, timeout_s=0.0)
    assert frames.second_asked_for.wait(READ_S)
    camera.stop()
    camera.close()
    assert reader.thread.is_alive()
    assert camera.stuck(camera.last_progress_ns) is None
    assert camera.stuck(time.monotonic_ns() + 60_000_000_000) == "read"
    camera.replug()
    assert isinstance(reader.outcome(), CameraStateError)
    assert camera.stuck(2**62) is None


class Announced:
    """Two frames; says when the second is asked for: from then on a read is under way."""

    def __init__(self, frames: tuple[Frame, ...]) -> None:
        self._frames = frames
        self.second_asked_for = threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        yield self._frames[0]
        self.second_asked_for.set()
        yield self._frames[1]


class _Reader:
    """One `read` on a thread of its own."""

    def __init__(self, camera: MockCamera, timeout_s: float) -> None:
        self._camera = camera
        self._timeout_s = timeout_s
        self._outcome: list[BaseException] = []
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self) -> None:
        try:
            self._camera.read(self._timeout_s)
        except CameraError as error:
            self._outcome.append(error)

    def outcome(self) -> BaseException:
        self.thread.join(READ_S)
        assert not self.thread.is_alive()
        return self._outcome[0]
