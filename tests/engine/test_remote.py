"""The live session behind a process border: real processes, really killed."""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest

from hardware.camera import CameraNotFoundError
from sln_guide.engine import link as link_module
from sln_guide.engine import remote as remote_module
from sln_guide.engine import wire
from sln_guide.engine.remote import RemoteSession
from sln_guide.guidance import Mode, Role, Settings, View
from sln_guide.recording.errors import RecordingError
from sln_guide.recording.reader import CaseReader
from sln_guide.recording.verify import verify
from sln_guide.source import Paint, PictureSource, Recordable, SourceError
from sln_guide.warm_up import warm_up
from tests.engine import making


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    """Compile the core here, once: each engine then finds it in the cache."""
    warm_up(making.small_rig())


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[RemoteSession]:
    session = RemoteSession(making.small_rig(), partial(making.session, tmp_path))
    yield session
    session.close()


def wait_until(condition: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited too long until {what}"
        threading.Event().wait(0.01)


def healthy(session: RemoteSession) -> bool:
    with suppress(SourceError):
        return session.health().ended is None
    return False


def test_a_procedure_from_start_to_a_sound_case(remote: RemoteSession, tmp_path: Path) -> None:
    woken = threading.Event()
    remote.on_picture(woken.set)
    assert isinstance(remote, Recordable)
    source: PictureSource = remote
    source.start()
    assert woken.wait(30.0)
    folder = remote.start_recording()
    with pytest.raises(RecordingError, match="already recording"):
        remote.start_recording()
    wait_until(lambda: _generation(remote) > 20, "guidance")
    picture = remote.latest_picture()
    assert picture is not None
    assert picture.guidance is not None
    assert picture.white is not None
    assert not picture.rgb32.flags.writeable
    assert not picture.guidance.significance.flags.writeable
    assert remote.mode is Mode.SIMULATED
    remote.painted(Paint.of(picture, time.monotonic_ns(), True, "LIVE"))
    remote.mark("injection", "left")
    wait_until(lambda: any(e.name == "injection" for e in remote.events()), "the mark")
    assert remote.title == folder.stem
    assert remote.latest_white() is not None
    remote.close()
    result = verify(folder)
    assert result.ok
    assert result.complete
    assert result.frames["nir"] > 20


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_finds_the_engine_loading_ends_nothing(
    tmp_path: Path, number: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C, and a closed terminal, reach all of its processes: the window decides."""
    session = RemoteSession(making.small_rig(), partial(making.session, tmp_path))
    try:
        assert session.pid is not None
        os.kill(session.pid, number)
        session.start()
        wait_until(lambda: healthy(session), "the cameras")
    finally:
        session.close()
    assert capfd.readouterr().err == ""


def test_settings_reach_the_engine(remote: RemoteSession) -> None:
    remote.start()
    with pytest.raises(ValueError, match="threshold"):
        remote.change(threshold_sigma=-1.0)
    assert remote.change(threshold_sigma=7.5, view=View.NIR).threshold_sigma == 7.5
    wait_until(
        lambda: (
            (p := remote.latest_picture()) is not None
            and p.view is View.NIR
            and p.guidance is not None
            and p.guidance.settings.threshold_sigma == 7.5
        ),
        "a picture with the new settings",
    )


def test_settings_before_the_start_count(tmp_path: Path) -> None:
    session = RemoteSession(
        making.small_rig(), partial(making.session, tmp_path), Settings(threshold_sigma=6.5)
    )
    try:
        session.start()
        wait_until(lambda: _generation(session) > 0, "guidance")
        picture = session.latest_picture()
        assert picture is not None
        assert picture.guidance is not None
        assert picture.guidance.settings.threshold_sigma == 6.5
    finally:
        session.close()


def test_what_is_done_while_cameras_are_opened_counts(remote: RemoteSession) -> None:
    remote.change(threshold_sigma=6.5)
    remote.mark("phase", "1 Inject")
    with pytest.raises(SourceError, match="still being opened"):
        remote.start_recording()
    with pytest.raises(SourceError, match="still being opened"):
        remote.work_at(300.0)
    remote.start()
    wait_until(lambda: _generation(remote) > 0, "guidance")
    wait_until(lambda: any(event.name == "phase" for event in remote.events()), "the mark")
    picture = remote.latest_picture()
    assert picture is not None
    assert picture.guidance is not None
    assert picture.guidance.settings.threshold_sigma == 6.5


def test_a_camera_that_is_not_there_is_told_by_start(tmp_path: Path) -> None:
    session = RemoteSession(making.small_rig(), partial(making.session_without_camera, tmp_path))
    with pytest.raises(CameraNotFoundError, match="check its cable"):
        session.start()
    session.close()


def test_an_engine_that_dies_before_it_is_ready_is_told_by_start(tmp_path: Path) -> None:
    session = RemoteSession(making.small_rig(), partial(making.dies_while_made, tmp_path))
    with pytest.raises(SourceError, match="ended unexpectedly") as told:
        session.start()
    assert "being started again" not in str(told.value), "it is not: the program ends"
    session.close()


def test_closed_without_a_start_leaves_nothing(remote: RemoteSession) -> None:
    pid = remote.pid
    assert pid is not None
    remote.close()
    assert not psutil.pid_exists(pid)


def test_an_engine_that_is_killed_is_said_and_replaced(
    remote: RemoteSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_module, "RESTART_AFTER_S", 0.3)
    remote.start()
    first_case = remote.start_recording()
    remote.mark("phase", "1 Inject")
    wait_until(lambda: _generation(remote) > 10, "guidance")
    wait_until(lambda: any(event.name == "phase" for event in remote.events()), "the mark")
    began_ns, stamped = remote.health().started_ns, remote.events()
    killed = remote.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: not healthy(remote), "the loss is noticed", seconds=5.0)
    said = remote.health()
    assert "ended unexpectedly" in str(said.ended)
    assert said.nir.rate_hz == 0.0, "nothing comes any more"
    assert said.latency_p99_ms is None
    assert not said.recorder.recording
    last = remote.latest_picture()
    wait_until(lambda: remote.pid != killed and healthy(remote), "another engine")
    wait_until(lambda: remote.latest_picture() is not last, "pictures again")
    wait_until(lambda: remote.health().recorder.recording, "recording again")
    wait_until(lambda: any(event.name == "restart" for event in remote.events()), "the mark")
    events = remote.events()
    assert events[: len(stamped)] == stamped, "the injection is not forgotten"
    assert [e.time_s for e in events] == sorted(e.time_s for e in events), "one clock"
    assert remote.health().started_ns == began_ns
    remote.close()
    assert list(tmp_path.glob("*.case")) == [first_case]  # it goes on as its next part
    result = verify(first_case)
    assert result.ok
    assert not result.complete  # what waited in memory is missing, and never denied
    assert len(list(first_case.glob("*.mcap"))) > 1


def test_nodes_of_another_engine_have_other_numbers(
    remote: RemoteSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_module, "RESTART_AFTER_S", 0.3)
    remote.start()
    wait_until(lambda: _numbers(remote), "nodes are numbered", seconds=120.0)
    os.kill(remote.pid or 0, signal.SIGKILL)
    wait_until(lambda: not healthy(remote), "the loss is noticed", seconds=5.0)
    before, last = remote._numbers.next_node, remote.latest_picture()
    wait_until(lambda: remote.latest_picture() is not last, "pictures again", seconds=120.0)
    wait_until(lambda: _numbers(remote), "nodes are numbered again", seconds=120.0)
    assert min(_numbers(remote)) >= before > 1


def test_an_engine_that_cannot_come_back_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_module, "RESTART_AFTER_S", 0.05)
    (tmp_path / "plugged").touch()
    session = RemoteSession(making.small_rig(), partial(making.session_if_plugged, tmp_path))
    try:
        session.start()
        wait_until(lambda: healthy(session), "health")
        (tmp_path / "plugged").unlink()
        assert session.pid is not None
        os.kill(session.pid, signal.SIGKILL)
        wait_until(lambda: "check its cable" in str(session.health().ended), "the reason")
        (tmp_path / "plugged").touch()
        wait_until(lambda: healthy(session), "health again")
    finally:
        session.close()


def test_an_engine_that_is_silent_is_not_believed(
    remote: RemoteSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_module, "SILENT_AFTER_S", 0.3)
    monkeypatch.setattr(remote_module, "ANSWER_S", 0.2)
    remote.start()
    wait_until(lambda: healthy(remote), "health")
    pid = remote.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(lambda: not healthy(remote), "silence is noticed", seconds=5.0)
        with pytest.raises(SourceError, match="not answered"):
            remote.health()
        with pytest.raises(SourceError, match="no answer"):
            remote.start_recording()
        for number in range(20_000):  # far more than a pipe holds: nothing here may wait
            remote.mark("mark", str(number))
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: healthy(remote), "health again")


def test_a_window_without_descriptors_says_so_and_leaves_the_engine_alone(
    remote: RemoteSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote.start()
    wait_until(remote.latest_picture, "the first picture came")
    engine = remote.pid

    def refuse(unloader: wire.Unloader, load: wire.Load) -> object:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as scarce:
        scarce.setattr(wire.Unloader, "_whole", refuse)
        wait_until(lambda: healthy(remote) and remote.health().troubles, "it was told")
        assert "Too many open files" in remote.health().troubles[0]
    last = remote.latest_picture()
    wait_until(lambda: remote.latest_picture() is not last, "pictures came again")
    assert remote.pid == engine


def test_an_engine_for_which_there_is_no_room_is_tried_again(
    remote: RemoteSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote.start()
    wait_until(remote.latest_picture, "the first picture came")

    def refuse(make: object) -> object:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    with monkeypatch.context() as scarce:
        scarce.setattr(remote_module, "Link", refuse)
        os.kill(remote.pid or 0, signal.SIGKILL)
        wait_until(lambda: "temporarily" in (remote.health().ended or ""), "it was told")
    last = remote.latest_picture()
    wait_until(lambda: healthy(remote) and remote.latest_picture() is not last, "it is back")


def test_a_stuck_engine_does_not_hold_up_the_end(
    remote: RemoteSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "CLOSE_S", 0.5)
    remote.start()
    pid = remote.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    remote._link.end(patience_s=0.5)
    assert not psutil.pid_exists(pid)


@pytest.mark.parametrize("how", ["killed", "its terminal closed"])
def test_a_window_that_is_killed_leaves_a_complete_case(tmp_path: Path, how: str) -> None:
    window = making.record_until_killed(tmp_path)
    try:
        assert window.stdout is not None
        engine = psutil.Process(int(window.stdout.readline()))
        wait_until(lambda: _bytes_in(tmp_path) > 2_000_000, "something recorded")
        if how == "killed":
            window.send_signal(signal.SIGKILL)
        else:
            os.killpg(window.pid, signal.SIGHUP)
        window.wait(10.0)
        with suppress(psutil.NoSuchProcess):
            engine.wait(30.0)
    finally:
        window.kill()
        window.wait(10.0)
        if window.stdout is not None:
            window.stdout.close()
    (folder,) = tmp_path.glob("*.case")
    result = verify(folder)
    assert result.ok
    assert result.complete


def test_an_engine_that_still_looks_for_cameras_ends_with_its_window(tmp_path: Path) -> None:
    window = making.record_until_killed(tmp_path, "looking")
    try:
        wait_until(lambda: _engine_in(tmp_path) is not None, "the engine begins")
        engine = _engine_in(tmp_path)
        assert engine is not None
        window.send_signal(signal.SIGKILL)
        window.wait(10.0)
        with suppress(psutil.NoSuchProcess):
            psutil.Process(engine).wait(30.0)
    finally:
        window.kill()
        window.wait(10.0)
        if window.stdout is not None:
            window.stdout.close()


def _engine_in(folder: Path) -> int | None:
    """Return the engine's process number, as `looks_for_cameras_for_long` leaves it."""
    with suppress(OSError, ValueError):
        return int((folder / "engine").read_text())
    return None


def _bytes_in(cases: Path) -> int:
    return sum(part.stat().st_size for part in cases.glob("*.case/*.mcap"))


def _numbers(remote: RemoteSession) -> set[int]:
    picture = remote.latest_picture()
    guidance = None if picture is None else picture.guidance
    return {d.node_number for d in guidance.detections if d.node_number} if guidance else set()


def _generation(session: RemoteSession) -> int:
    picture = session.latest_picture()
    if picture is None or picture.guidance is None:
        return 0
    return picture.guidance.generation


def test_pixels_are_those_of_the_camera(remote: RemoteSession) -> None:
    remote.start()
    wait_until(lambda: _generation(remote) > 0, "guidance")
    picture = remote.latest_picture()
    assert picture is not None
    assert picture.nir is not None
    played = making.frames(Role.NIR)
    assert any(np.array_equal(picture.nir.pixels, each.pixels) for each in played)


def test_a_drive_that_hangs_at_record_takes_no_picture_away(tmp_path: Path) -> None:
    session = RemoteSession(making.small_rig(), partial(making.session_whose_drive_hangs, tmp_path))
    try:
        session.start()
        wait_until(lambda: _generation(session) > 0, "guidance")
        with pytest.raises(SourceError, match="it begins when there is one"):
            session.start_recording()
        session.mark("injection", "left")
        before = _generation(session)
        wait_until(lambda: _generation(session) > before + 3 * wire.BLOCKS, "pictures")
        assert not session.health().recorder.recording
        (tmp_path / "answers").touch()
        wait_until(lambda: session.health().recorder.frames > 0, "the recording")
    finally:
        session.close()
    (folder,) = tmp_path.glob("*.case")
    assert verify(folder).complete
    with CaseReader(folder) as case:
        assert "injection" in [event.name for event in case.events()]


def test_what_goes_wrong_in_closing_the_case_is_told(tmp_path: Path) -> None:
    session = RemoteSession(
        making.small_rig(), partial(making.session_that_cannot_close_its_case, tmp_path)
    )
    session.start()
    session.start_recording()
    wait_until(lambda: session.health().recorder.frames > 0, "the recording")
    session.close()
    assert session.recorder_error == "the case cannot be closed: Input/output error"


def test_a_recording_that_was_refused_is_told_at_the_end_unless_another_was_made(
    tmp_path: Path,
) -> None:
    session = RemoteSession(
        making.small_rig(), partial(making.session_that_cannot_record, tmp_path)
    )
    try:
        session.start()
        with pytest.raises(RecordingError, match="no room"):
            session.start_recording()
        refused = session.recorder_error
        session.start_recording()
        wait_until(lambda: session.health().recorder.frames > 0, "the recording")
        with pytest.raises(RecordingError, match="already recording"):
            session.start_recording()
    finally:
        session.close()
    assert refused == "nothing was recorded: there is no room for the recorder's threads"
    assert session.recorder_error is None


def test_an_engine_that_cannot_even_be_killed_is_left_behind_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits in the kernel for a drive that is dead; Python would wait for it without end."""
    monkeypatch.setattr(remote_module, "CLOSE_S", 0.5)
    monkeypatch.setattr(link_module, "KILL_S", 0.2)
    session = RemoteSession(making.small_rig(), partial(making.session, tmp_path))
    session.start()
    session.start_recording()
    wait_until(lambda: session.health().recorder.frames > 0, "the recording")
    process = session._link._process
    os.kill(session.pid or 0, signal.SIGSTOP)
    monkeypatch.setattr(type(process), "kill", lambda self: None)
    try:
        session.close()
        assert "its case is not closed" in (session.recorder_error or "")
        assert link_module.any_left()
    finally:
        monkeypatch.undo()
        process.kill()
        process.join()
        process.close()
        link_module._left.clear()
