"""The main loop under faults: what the screen is told, what is recorded, what goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from hardware.camera import CameraNotFoundError, CameraSettings
from hardware.mock import MockCamera
from hardware.phantom import Phantom, PhantomCamera
from hardware.realtime import goes_first, may_go_first
from hardware.rig import PhantomSpec, RecordingSpec, Rig
from hardware.rig_files import load_rig
from sln_guide import pipeline, side_thread
from sln_guide.drawing import Drawing
from sln_guide.export.as_seen import verify_as_seen
from sln_guide.guidance import Mode, Role
from sln_guide.health import Health
from sln_guide.live import guiding as guiding_module
from sln_guide.live import processing as processing_module
from sln_guide.live import session as session_module
from sln_guide.live import stream as stream_module
from sln_guide.live.session import LiveSession
from sln_guide.recording.errors import RecordingError
from sln_guide.recording.reader import CaseReader
from sln_guide.recording.verify import verify
from tests.scripted import ScriptedCamera

FPS = 50.0
SIZE = (320, 256)


@pytest.fixture(scope="module")
def rig() -> Rig:
    demo = load_rig("demo")
    assert demo.nir is not None
    assert demo.white is not None
    return msgspec.structs.replace(
        demo,
        nir=msgspec.structs.replace(demo.nir, frame_rate_hz=FPS),
        white=msgspec.structs.replace(demo.white, frame_rate_hz=FPS),
        phantom=PhantomSpec(scene="procedure", seed=3, width=SIZE[0], height=SIZE[1]),
        optics=msgspec.structs.replace(demo.optics, mm_per_px=0.4),
    )


@pytest.fixture(scope="module")
def recordings(rig: Rig) -> dict[Role, list[Any]]:
    assert rig.phantom is not None
    phantom = Phantom(rig.phantom, rig)
    return {role: [phantom.frame(role, 1500 + i) for i in range(40)] for role in Role}


@pytest.fixture
def cameras(recordings: dict[Role, list[Any]]) -> dict[Role, MockCamera]:
    return {
        role: MockCamera(recordings[role], camera_id=str(role), pace=FPS, loop=True)
        for role in Role
    }


@pytest.fixture
def session(
    rig: Rig, cameras: dict[Role, MockCamera], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[LiveSession]:
    monkeypatch.setattr(stream_module, "REATTACH_EVERY_S", 0.02)
    monkeypatch.setattr(guiding_module, "RETRY_AFTER_FAULT_S", 0.05)
    live = LiveSession(rig, cameras, cases=tmp_path)
    yield live
    live.close()


@pytest.mark.skipif(not may_go_first(), reason="the system allows no real-time class here")
def test_what_lies_between_camera_and_eye_goes_first(session: LiveSession) -> None:
    before = set(threading.enumerate())
    session.start()
    session.start_recording()
    wait_until(session.latest_picture, "a picture")
    ours = {t.name: t.native_id for t in threading.enumerate() if t not in before}
    assert {"camera-nir", "camera-white", "processing", "recorder"} < set(ours)
    # all of them: one that waits its turn with the interpreter's lock would hold up the others
    assert [name for name, number in ours.items() if not number or not goes_first(number)] == []


def wait_until(condition: Callable[[], object], what: str, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited too long until {what}"
        threading.Event().wait(0.01)


def pictures_go_on(session: LiveSession, count: int = 5) -> None:
    before = session.latest_picture()
    first = 0 if before is None else before.number
    wait_until(
        lambda: (p := session.latest_picture()) is not None and p.number >= first + count,
        "pictures go on",
    )


def test_guidance_arrives_paired_and_drawn(session: LiveSession) -> None:
    woken = threading.Event()
    session.on_picture(woken.set)
    session.start()
    assert woken.wait(20.0)
    wait_until(
        lambda: (p := session.latest_picture()) is not None and p.guidance is not None,
        "there is guidance",
    )
    pictures_go_on(session, 20)
    picture = session.latest_picture()
    assert picture is not None
    assert picture.guidance is not None
    pair = picture.guidance.pair
    assert pair.white is not None
    assert abs(pair.skew_ns) <= 1e9 / FPS
    assert picture.rgb32.shape == (SIZE[1], SIZE[0])
    assert not picture.rgb32.flags.writeable
    assert picture.overlay_drawn
    assert session.health().nir.health is Health.LIVE


def test_simulated_camera_makes_the_session_simulated(session: LiveSession) -> None:
    assert session.mode is Mode.SIMULATED


def test_camera_that_does_not_open_is_the_callers_error(rig: Rig, tmp_path: Path) -> None:
    good, bad = ScriptedCamera(), ScriptedCamera()
    bad.open_errors = [CameraNotFoundError("no camera 4711")]
    live = LiveSession(rig, {Role.NIR: good, Role.WHITE: bad}, cases=tmp_path)
    with pytest.raises(CameraNotFoundError, match="4711"):
        live.start()
    assert not good.is_open, "what was opened is let go"
    live.close()


def test_recording_accounts_for_every_frame(session: LiveSession) -> None:
    session.start()
    pictures_go_on(session, 3)
    folder = session.start_recording()
    session.mark("inject", "QD850")
    pictures_go_on(session, 40)
    session.stop_recording()
    wait_until(lambda: not session.health().recorder.recording, "the case is closed")
    assert session.health().recorder.error is None
    checked = verify(folder)
    assert checked.ok, checked.text()
    assert checked.complete, checked.text()
    with CaseReader(folder) as case:
        for role in Role:
            sequences = [frame.sequence for frame in case.frames(role)]
            assert sequences == list(range(sequences[0], sequences[0] + len(sequences)))
        assert "inject" in [event.name for event in case.events()]
        assert len(case.guidance_log()) > 20
        assert case.snapshots(), "a state from which replay can compute the same again"


def test_white_light_is_recorded_as_jpeg_where_the_rig_says_so(
    rig: Rig, cameras: dict[Role, MockCamera], recordings: dict[Role, list[Any]], tmp_path: Path
) -> None:
    chosen = msgspec.structs.replace(rig, recording=RecordingSpec(white="jpeg"))
    live = LiveSession(chosen, cameras, cases=tmp_path)
    live.start()
    pictures_go_on(live, 3)
    folder = live.start_recording()
    pictures_go_on(live, 20)
    picture = live.latest_picture()
    live.close()
    assert picture is not None
    assert picture.white is not None
    assert not picture.white.lossy, "what is live stays raw"
    checked = verify(folder)
    assert checked.complete, checked.text()
    assert checked.lossy_white == checked.frames[Role.WHITE] > 10
    with CaseReader(folder) as case:
        for role, most in ((Role.NIR, 0), (Role.WHITE, 25)):
            for frame in case.frames(role):
                sent = recordings[role][frame.sequence % len(recordings[role])]
                error = frame.pixels.astype(int) - sent.pixels
                assert np.abs(error).max() <= most
        assert len(case.guidance_log()) > 10


def test_failing_core_leaves_white_light_and_says_so(
    session: LiveSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.start()
    session.start_recording()
    pictures_go_on(session)
    wait_until(lambda: session._guiding._state.tracks.tracks, "something is followed")
    real_step, last = pipeline.step, session._guiding._state

    def broken(*arguments: Any) -> Any:
        raise ArithmeticError("a fault of the core")

    monkeypatch.setattr(pipeline, "step", broken)
    wait_until(lambda: session.health().processing_error, "the fault is told")
    assert "a fault of the core" in (session.health().processing_error or "")
    recorded = session.health().recorder.frames
    pictures_go_on(session, 10)
    picture = session.latest_picture()
    assert picture is not None
    assert not picture.overlay_drawn
    assert picture.guidance is None
    assert session.health().recorder.frames > recorded
    monkeypatch.setattr(pipeline, "step", real_step)
    wait_until(lambda: session.health().processing_error is None, "the core is trusted again")
    wait_until(
        lambda: (p := session.latest_picture()) is not None and p.overlay_drawn, "overlay back"
    )
    now = session._guiding._state
    assert now.generation > last.generation, "what was shown when stays told apart"
    given = {track.track_id for track in now.tracks.tracks if track.track_id}
    assert given.isdisjoint(range(last.tracks.next_id)), "no number is given twice"


def test_dead_processing_thread_leaves_white_light_and_recording(
    session: LiveSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.start()
    session.start_recording()
    pictures_go_on(session)
    monkeypatch.setattr(threading, "excepthook", lambda arguments: None)

    def killed(*arguments: Any) -> Any:
        raise SystemExit("killed")

    monkeypatch.setattr(pipeline, "step", killed)
    wait_until(lambda: session.health().processing_error, "the death is told")
    recorded = session.health().recorder.frames
    first = session.latest_white()
    wait_until(lambda: session.latest_white() is not first, "white light goes on")
    wait_until(lambda: session.health().recorder.frames > recorded + 10, "recording goes on")
    assert session.health().processing_error


@pytest.mark.parametrize("what", ["a step", "a drawing"])
def test_a_processing_thread_that_dies_is_begun_anew_and_told(
    session: LiveSession, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(processing_module, "BEGIN_ANEW_AFTER_S", 0.05)
    session.start()
    folder = session.start_recording()
    pictures_go_on(session)
    room, name = (pipeline, "step") if what == "a step" else (Drawing, "picture")
    real = getattr(room, name)
    fault = SystemExit("killed") if what == "a step" else ValueError("killed")

    def killed(*arguments: Any) -> Any:
        monkeypatch.setattr(room, name, real)
        raise fault

    monkeypatch.setattr(room, name, killed)
    wait_until(lambda: session.health().processing_error, "the death is told")
    assert "killed · It starts again" in str(session.health().processing_error)
    wait_until(lambda: session.health().processing_error is None, "the core is trusted again")
    wait_until(
        lambda: (p := session.latest_picture()) is not None and p.overlay_drawn, "overlay back"
    )
    assert "processing died" in [event.name for event in session.events()]
    session.close()
    assert verify(folder).complete
    with CaseReader(folder) as case:
        assert verify_as_seen(case).ok, "what follows is computed from a state in the case"


def test_a_processing_thread_that_dies_again_and_again_stays_dead(
    session: LiveSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processing_module, "BEGIN_ANEW_AFTER_S", 0.0)
    monkeypatch.setattr(threading, "excepthook", lambda arguments: None)

    def killed(*arguments: Any) -> Any:
        raise SystemExit("killed")

    monkeypatch.setattr(pipeline, "step", killed)
    session.start()
    wait_until(lambda: not session._processing.alive, "it is given up")
    assert "killed · It does not start again" in str(session.health().processing_error)
    died = [event for event in session.events() if event.name == "processing died"]
    assert len(died) == processing_module.MOST_DEATHS
    first = session.latest_white()
    wait_until(lambda: session.latest_white() is not first, "white light goes on")


def test_housekeeping_that_fails_is_told_and_goes_on(
    session: LiveSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "HEALTH_EVERY_S", 0.02)
    monkeypatch.setattr(side_thread, "AGAIN_AFTER_S", 0.02)
    monkeypatch.setattr(side_thread, "TOLD_FOR_S", 0.3)
    note = session._log.note_health
    noted = threading.Event()

    def failing(health: object) -> None:
        monkeypatch.setattr(session._log, "note_health", lambda h: (note(h), noted.set()))
        raise SystemExit("killed")

    monkeypatch.setattr(session._log, "note_health", failing)
    session.start()
    wait_until(lambda: session.health().troubles, "it is told")
    assert session.health().troubles == (
        "health and camera events are not written into the case (SystemExit: killed)",
    )
    assert noted.wait(20.0)
    wait_until(lambda: not session.health().troubles, "all is well again")


def test_a_second_record_is_refused_and_leaves_nothing_out_of_the_log(
    session: LiveSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.start()
    folder = session.start_recording()
    pictures_go_on(session, 20)
    refuse = session._recordings.start
    seen: list[int] = []

    def slowly(*arguments: Any) -> Any:
        """Refuse as ever, while guidance goes on."""
        for _ in range(2):
            picture = session.latest_picture()
            assert picture is not None
            assert picture.guidance is not None
            seen.append(picture.guidance.pair.nir.sequence)
            pictures_go_on(session, 10)
        return refuse(*arguments)

    monkeypatch.setattr(session._recordings, "start", slowly)
    with pytest.raises(RecordingError, match="already recording"):
        session.start_recording()
    pictures_go_on(session, 10)
    session.stop_recording()
    wait_until(lambda: not session.health().recorder.recording, "the case is closed")
    with CaseReader(folder) as case:
        logged = {record.nir.sequence for record in case.guidance_log()}
    assert any(seen[0] < sequence <= seen[1] for sequence in logged)


def test_white_light_and_recording_do_not_wait_for_the_core(
    rig: Rig, cameras: dict[Role, MockCamera], tmp_path: Path
) -> None:
    compiled = threading.Event()
    session = LiveSession(rig, cameras, cases=tmp_path, prepare=lambda: compiled.wait(60))
    try:
        session.start()
        folder = session.start_recording()
        wait_until(lambda: session.health().recorder.frames > 40, "frames are recorded")
        assert session.health().preparing_since_ns is not None
        assert session.latest_picture() is None
        first = session.latest_white()
        assert first is not None
        wait_until(lambda: session.latest_white() is not first, "white light goes on")
        compiled.set()
        pictures_go_on(session, 10)
        health = session.health()
        assert health.preparing_since_ns is None
        assert health.skipped_nir < 40, "what came before was not skipped: nothing was computed"
        session.stop_recording()
        wait_until(lambda: not session.health().recorder.recording, "the case is closed")
    finally:
        compiled.set()
        session.close()
    assert verify(folder).ok
    with CaseReader(folder) as case:
        first_computed = min(record.nir.sequence for record in case.guidance_log())
        assert case.times_ns(Role.NIR).size > first_computed


def test_a_core_that_cannot_be_made_ready_leaves_white_light(
    rig: Rig,
    cameras: dict[Role, MockCamera],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda arguments: None)

    def broken() -> None:
        raise OSError("no space left for compiled kernels")

    session = LiveSession(rig, cameras, cases=tmp_path, prepare=broken)
    try:
        session.start()
        wait_until(lambda: session.health().processing_error, "it is told")
        assert "no space left" in str(session.health().processing_error)
        first = session.latest_white()
        wait_until(lambda: session.latest_white() is not first, "white light goes on")
    finally:
        session.close()


def test_nir_unplugged_is_lost_then_live_again_in_a_new_epoch(
    session: LiveSession, cameras: dict[Role, MockCamera]
) -> None:
    session.start()
    folder = session.start_recording()
    pictures_go_on(session, 10)
    cameras[Role.NIR].unplug()
    wait_until(lambda: session.health().nir.health is Health.LOST, "the loss is told")
    white = session.health().white
    assert white is not None
    assert white.health is Health.LIVE
    pictures_go_on(session, 5)
    cameras[Role.NIR].replug()
    wait_until(lambda: session.health().nir.health is Health.LIVE, "it is back")
    assert session.health().nir.epoch == 1
    pictures_go_on(session, 10)
    session.stop_recording()
    wait_until(lambda: not session.health().recorder.recording, "the case is closed")
    assert verify(folder).ok
    with CaseReader(folder) as case:
        epochs = {frame.stream_epoch for frame in case.frames(Role.NIR)}
        assert epochs == {0, 1}


def test_close_is_idempotent_and_ends_the_case(session: LiveSession) -> None:
    session.start()
    folder = session.start_recording()
    pictures_go_on(session, 10)
    session.close()
    session.close()
    assert verify(folder).complete


def test_settings_reach_the_next_guidance(session: LiveSession) -> None:
    session.start()
    pictures_go_on(session)
    session.change(threshold_sigma=7.5)
    wait_until(
        lambda: (
            (p := session.latest_picture()) is not None
            and p.guidance is not None
            and p.guidance.settings.threshold_sigma == 7.5
        ),
        "the threshold is used",
    )
    with pytest.raises(ValueError, match="threshold_sigma"):
        session.change(threshold_sigma=-1.0)


def test_exposure_follows_the_tissue_when_wanted(rig: Rig, tmp_path: Path) -> None:
    assert rig.nir is not None
    dim = msgspec.structs.replace(rig.nir, exposure_us=1_000.0)
    dim_rig = msgspec.structs.replace(rig, nir=dim)
    assert dim_rig.phantom is not None
    phantom = Phantom(dim_rig.phantom, dim_rig)
    live = LiveSession(
        dim_rig, {role: PhantomCamera(phantom, str(role)) for role in Role}, cases=tmp_path
    )
    try:
        live.start()
        pictures_go_on(live)
        assert _nir_exposure_us(live) == pytest.approx(1_000.0, rel=0.02)
        live.change(auto_exposure=True)
        wait_until(lambda: _nir_exposure_us(live) > 1_500.0, "a longer exposure")
        assert any(event.name == "exposure" for event in live.events())
        assert live.health().exposure_refused is None
    finally:
        live.close()


def test_a_camera_that_refuses_another_exposure_goes_on_and_it_is_said(
    rig: Rig, recordings: dict[Role, list[Any]], session: LiveSession
) -> None:
    session.start()
    session.change(auto_exposure=True)
    stream = session._streams[Role.NIR]
    stream.change(CameraSettings(exposure_us=77.0))
    wait_until(lambda: session.health().exposure_refused is not None, "the refusal")
    assert "exposure_us" in str(session.health().exposure_refused)
    pictures_go_on(session)


def _nir_exposure_us(session: LiveSession) -> float:
    picture = session.latest_picture()
    assert picture is not None
    assert picture.nir is not None
    return picture.nir.exposure_us
