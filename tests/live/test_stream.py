"""A camera's thread: losses counted, faults told, re-attached; health needs no camera call."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from hardware.camera import (
    PLUG_IN,
    BadSettingError,
    CameraEndedError,
    CameraNotFoundError,
    CameraRemovedError,
    CameraSettings,
    IncompleteFrameError,
    Trigger,
)
from hardware.frame import Frame
from sln_guide.guidance import Role
from sln_guide.health import Health
from sln_guide.live import shortfall as shortfall_module
from sln_guide.live import stream as stream_module
from sln_guide.live.stream import Stream
from tests.scripted import ScriptedCamera, make_frame


class Received:
    """Collects what a stream delivers and lets a test wait for it."""

    def __init__(self) -> None:
        self.frames: list[tuple[Frame, int]] = []
        self.lost: list[tuple[int, int, int]] = []
        self._changed = threading.Condition()

    def __call__(self, role: Role, frame: Frame, lost: int) -> None:
        with self._changed:
            self.frames.append((frame, lost))
            self._changed.notify_all()

    def lose(self, role: Role, first_sequence: int, count: int, epoch: int) -> None:
        self.lost.append((first_sequence, count, epoch))

    def wait_for(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.frames) >= count, 10.0)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10.0
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        threading.Event().wait(0.005)


@pytest.fixture
def received() -> Received:
    return Received()


@pytest.fixture
def started(
    received: Received, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[ScriptedCamera], Stream]]:
    monkeypatch.setattr(stream_module, "REATTACH_EVERY_S", 0.01)
    streams: list[Stream] = []

    def start(camera: ScriptedCamera) -> Stream:
        stream = Stream(Role.NIR, camera, CameraSettings(), received, received.lose)
        stream.open()
        stream.run()
        streams.append(stream)
        return stream

    yield start
    for stream in streams:
        assert stream.end()


def test_stale_until_a_frame_proves_it_live(
    started: Callable[[ScriptedCamera], Stream], received: Received
) -> None:
    camera = ScriptedCamera()
    stream = started(camera)
    assert stream.health(time.monotonic_ns()).health is Health.STALE
    camera.feed(make_frame(0))
    received.wait_for(1)
    assert stream.health(time.monotonic_ns()).health is Health.LIVE


def test_counter_gaps_are_losses(
    started: Callable[[ScriptedCamera], Stream], received: Received
) -> None:
    camera = ScriptedCamera()
    stream = started(camera)
    camera.feed(make_frame(0), make_frame(1), make_frame(5), make_frame(6))
    received.wait_for(4)
    assert [lost for _, lost in received.frames] == [0, 0, 3, 0]
    assert stream.health(time.monotonic_ns()).lost == 3


def test_damaged_buffers_are_counted_and_reading_goes_on(
    started: Callable[[ScriptedCamera], Stream], received: Received
) -> None:
    camera = ScriptedCamera()
    stream = started(camera)
    camera.feed(make_frame(0), IncompleteFrameError("torn"), make_frame(2))
    received.wait_for(2)
    health = stream.health(time.monotonic_ns())
    assert (health.failed, health.lost) == (1, 1), "missing once, however it is counted"
    camera.feed(IncompleteFrameError("torn"))
    wait_until(lambda: stream.health(time.monotonic_ns()).failed == 2)
    assert stream.health(time.monotonic_ns()).lost == 2, "before the next one shows it"


@pytest.mark.parametrize("before", ["nothing", "a frame", "an unplug"])
def test_a_camera_that_sends_nothing_but_damage_is_lost_for_that_reason(
    started: Callable[[ScriptedCamera], Stream], received: Received, before: str
) -> None:
    """Not waited for, not unplugged, not silent: its cable or its port is bad."""
    camera = ScriptedCamera()
    stream = started(camera)
    if before != "nothing":
        old = replace(make_frame(0), host_time_ns=time.monotonic_ns() - 10**9)
        camera.feed(old)
        received.wait_for(1)
    if before == "an unplug":
        camera.feed(CameraRemovedError("unplugged"))
        wait_until(lambda: stream.health(time.monotonic_ns()).error == "unplugged")
    camera.feed(*[IncompleteFrameError("torn")] * 5)
    wait_until(lambda: stream.health(time.monotonic_ns()).failed == 5)
    wait_until(lambda: "torn" in (stream.health(time.monotonic_ns()).error or ""))
    health = stream.health(time.monotonic_ns())
    assert health.health is Health.LOST
    assert health.error == "torn, again and again"
    assert health.remedy == "check its cable and its port"
    camera.feed(make_frame(9, epoch=1 if before == "an unplug" else 0))
    received.wait_for(1 if before == "nothing" else 2)
    assert "torn" not in (stream.health(time.monotonic_ns()).error or "")


def test_frames_that_fail_on_either_side_of_an_unplug_are_told_as_lost(
    started: Callable[[ScriptedCamera], Stream], received: Received
) -> None:
    camera = ScriptedCamera()
    stream = started(camera)
    torn = IncompleteFrameError("torn")
    camera.feed(make_frame(6), torn, make_frame(8), torn, torn, CameraRemovedError("unplugged"))
    camera.feed(torn, make_frame(1, epoch=1))
    received.wait_for(3)
    assert [lost for _, lost in received.frames] == [0, 1, 1]
    assert received.lost == [(9, 2, 0)]
    health = stream.health(time.monotonic_ns())
    assert (health.delivered, health.lost, health.failed) == (3, 4, 4)


def test_removal_is_told_and_the_camera_comes_back_in_a_new_epoch(
    started: Callable[[ScriptedCamera], Stream], received: Received
) -> None:
    camera = ScriptedCamera()
    stream = started(camera)
    camera.feed(make_frame(7))
    received.wait_for(1)
    camera.open_errors = [CameraNotFoundError("not there yet", PLUG_IN) for _ in range(3)]
    camera.feed(CameraRemovedError("unplugged", PLUG_IN))
    wait_until(lambda: stream.health(time.monotonic_ns()).health is Health.LOST)
    told = stream.health(time.monotonic_ns())
    assert told.error
    assert told.remedy == PLUG_IN
    assert told.since_ns is not None
    camera.feed(make_frame(0, epoch=1))
    received.wait_for(2)
    health = stream.health(time.monotonic_ns())
    assert health.health is Health.LIVE
    assert (health.error, health.remedy) == (None, None)
    assert (health.epoch, health.lost) == (1, 0), "a counter that restarts is no loss"


def test_after_an_unplug_the_camera_is_given_the_region_it_had(
    started: Callable[[ScriptedCamera], Stream],
    received: Received,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # the rig leaves it open, and a camera that lost its power has forgotten what it was
    regions = [(64, 0, 80, 64), (0, 0, 1280, 1024)]
    asked: list[CameraSettings] = []

    def apply(settings: CameraSettings) -> CameraSettings:
        asked.append(settings)
        return replace(settings, roi=settings.roi or regions[len(asked) - 1])

    camera = ScriptedCamera()
    monkeypatch.setattr(camera, "apply", apply)
    started(camera)
    camera.feed(make_frame(0), CameraRemovedError("unplugged"), make_frame(0, epoch=1))
    received.wait_for(2)
    assert [settings.roi for settings in asked] == [None, regions[0]]


def test_frames_of_another_size_are_a_fault_not_pictures(
    started: Callable[[ScriptedCamera], Stream],
    received: Received,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Registration and scale hold for the region that was set: an overlay would be misplaced."""
    camera = ScriptedCamera()
    monkeypatch.setattr(camera, "apply", lambda settings: replace(settings, roi=(0, 0, 80, 64)))
    stream = started(camera)
    other = make_frame(5, size=(48, 60))
    camera.feed(make_frame(4), other)
    wait_until(lambda: stream.health(time.monotonic_ns()).error is not None)
    health = stream.health(time.monotonic_ns())
    assert health.health is Health.LOST
    assert "sends 60x48 px, but is set to 80x64" in (health.error or "")
    camera.feed(make_frame(0, epoch=1, size=(48, 60)), make_frame(0, epoch=2))
    received.wait_for(2)
    assert [frame.pixels.shape for frame, _ in received.frames] == [(64, 80), (64, 80)]
    assert received.lost == [(5, 1, 0)], "what was not recorded is a gap"
    health = stream.health(time.monotonic_ns())
    assert (health.health, health.failed) == (Health.LIVE, 2)


@pytest.mark.parametrize("fault", [MemoryError("no room"), SystemExit("killed")])
def test_a_fault_of_ours_in_a_camera_s_thread_does_not_cost_the_camera(
    started: Callable[[ScriptedCamera], Stream],
    received: Received,
    fault: BaseException,
    capsys: pytest.CaptureFixture[str],
) -> None:
    camera = ScriptedCamera()
    stream = started(camera)
    camera.feed(make_frame(0))
    received.wait_for(1)
    camera.open_errors = [BadSettingError("not ready yet")]  # as some are, just plugged in
    camera.feed(fault)
    camera.feed(make_frame(0, epoch=1))
    received.wait_for(2)
    assert camera.opened == 2
    assert stream.health(time.monotonic_ns()).health is Health.LIVE
    assert str(fault) in capsys.readouterr().err


def test_the_end_of_a_recording_is_told(
    started: Callable[[ScriptedCamera], Stream],
) -> None:
    camera = ScriptedCamera()
    stream = started(camera)
    camera.feed(make_frame(0), CameraEndedError("the recording has ended"))
    wait_until(lambda: stream.health(time.monotonic_ns()).ended)
    health = stream.health(time.monotonic_ns())
    assert (health.health, health.error) == (Health.LOST, "the recording has ended")
    assert "from its beginning" in (health.remedy or "")


def test_silent_camera_is_lost_without_asking_it(
    started: Callable[[ScriptedCamera], Stream], received: Received
) -> None:
    camera = ScriptedCamera()
    stream = started(camera)
    camera.feed(make_frame(0))
    received.wait_for(1)
    last_ns = received.frames[0][0].host_time_ns
    assert stream.health(last_ns + 200_000_000).health is Health.LIVE
    late = stream.health(last_ns + 300_000_000)
    assert late.health is Health.LOST
    assert "no frame" in (late.error or "")
    assert late.since_ns == last_ns


@pytest.mark.parametrize("simulated", [True, False])
def test_frozen_camera_is_lost(
    started: Callable[[ScriptedCamera], Stream], received: Received, simulated: bool
) -> None:
    camera = ScriptedCamera(simulated=simulated)
    stream = started(camera)
    pixels = np.full((64, 80), 300, np.uint16)
    began_ns = time.monotonic_ns()
    for step in range(12):
        camera.feed(
            make_frame(
                4, pixels=pixels, device_time_ns=9, host_time_ns=began_ns + step * 30_000_000
            )
        )
    received.wait_for(12)
    health = stream.health(began_ns + 12 * 30_000_000)
    assert health.frozen
    assert health.health is Health.LOST
    assert health.since_ns == began_ns


def test_noise_free_recording_may_repeat(
    started: Callable[[ScriptedCamera], Stream], received: Received
) -> None:
    camera = ScriptedCamera()
    stream = started(camera)
    pixels = np.full((64, 80), 300, np.uint16)
    began_ns = time.monotonic_ns()
    for step in range(12):
        camera.feed(make_frame(step, pixels=pixels, host_time_ns=began_ns + step * 30_000_000))
    received.wait_for(12)
    assert not stream.health(began_ns + 12 * 30_000_000).frozen


def test_a_real_sensor_has_noise_so_identical_pixels_mean_frozen(
    started: Callable[[ScriptedCamera], Stream], received: Received
) -> None:
    camera = ScriptedCamera(simulated=False)
    stream = started(camera)
    pixels = np.full((64, 80), 300, np.uint16)
    began_ns = time.monotonic_ns()
    for step in range(12):
        camera.feed(make_frame(step, pixels=pixels, host_time_ns=began_ns + step * 30_000_000))
    received.wait_for(12)
    assert stream.health(began_ns + 12 * 30_000_000).frozen


def test_errors_on_opening_reach_the_caller(received: Received) -> None:
    camera = ScriptedCamera()
    camera.open_errors = [CameraNotFoundError("no camera 4711")]
    stream = Stream(Role.NIR, camera, CameraSettings(), received, received.lose)
    with pytest.raises(CameraNotFoundError, match="4711"):
        stream.open()


def test_a_hanging_driver_call_is_told_by_its_watch(
    started: Callable[[ScriptedCamera], Stream], received: Received
) -> None:
    class Hanging(ScriptedCamera):
        last_progress_ns = 0

        def stuck(self, now_ns: int) -> str | None:
            return "RetrieveResult"

    camera = Hanging()
    stream = started(camera)
    camera.feed(make_frame(0))
    received.wait_for(1)
    health = stream.health(time.monotonic_ns())
    assert health.health is Health.LOST
    assert health.error == "its driver does not answer (RetrieveResult)"
    assert health.remedy == "unplug it and plug it in again"


@pytest.mark.parametrize(("trigger", "degraded"), [("free-run", True), ("hardware", False)])
def test_a_camera_that_sends_fewer_frames_than_asked_is_degraded(
    trigger: Trigger, degraded: bool, received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rate of one that is triggered is its trigger's."""
    monkeypatch.setattr(shortfall_module, "JUDGED_OVER_S", 0.01)
    camera, settings = ScriptedCamera(), CameraSettings(frame_rate_hz=1e5, trigger=trigger)
    stream = Stream(Role.NIR, camera, settings, received, received.lose)
    stream.open()
    stream.run()
    for sequence in range(60):
        camera.feed(make_frame(sequence))
        received.wait_for(sequence + 1)
        threading.Event().wait(0.001)
    health = stream.health(received.frames[-1][0].host_time_ns)
    assert stream.end()
    assert health.health is (Health.DEGRADED if degraded else Health.LIVE)
    assert health.asked_hz == (1e5 if degraded else None)
    assert ("frames a second come" in (health.error or "")) is degraded
    # one that no longer sends is lost, and not since it was slow
    lost = stream.health(received.frames[-1][0].host_time_ns + 1_000_000_000)
    assert lost.health is Health.LOST
    assert lost.error == "no frame comes"
    assert ("trigger" in (lost.remedy or "")) is (trigger == "hardware")
    assert lost.since_ns == received.frames[-1][0].host_time_ns
