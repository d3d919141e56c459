"""Drives that fill up, vanish, or do not answer: told, and nothing that was taken is lost."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path

import pytest

from hardware.frame import Frame, PixelFormat
from hardware.rig import Rig
from hardware.rig_files import load_rig
from sln_guide.guidance import Role
from sln_guide.live import drive
from sln_guide.live import recorder as recorder_module
from sln_guide.live.recorder import Recorder
from sln_guide.recording.reader import CaseReader
from sln_guide.recording.verify import verify
from sln_guide.recording.writer import CaseWriter
from tests.live.disks import SlowDisk, opener
from tests.recording.making import frame
from tests.scripted import make_frame


@pytest.fixture
def rig() -> Rig:
    return load_rig("demo")


def test_unwritable_folder_is_an_error_on_screen_not_a_crash(tmp_path: Path, rig: Rig) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    folder = blocked / "x.case"
    recorder = Recorder(folder, lambda: opener(folder, rig))
    assert recorder.join()
    health = recorder.health()
    assert not health.recording
    assert health.error
    assert not recorder.put_frame(Role.NIR, make_frame(0))


def test_nearly_full_disk_closes_the_case_cleanly(
    tmp_path: Path, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drive.shutil, "disk_usage", lambda folder: (10 << 30, 10 << 30, 100 << 20))
    folder = tmp_path / "full.case"
    recorder = Recorder(folder, lambda: opener(folder, rig))
    assert recorder.put_frame(Role.NIR, make_frame(0))
    assert recorder.join()
    assert "nearly full" in (recorder.health().error or "")
    with CaseReader(folder) as case:
        assert case.count(Role.NIR) == 1
        assert case.complete
    assert not recorder.put_frame(Role.NIR, make_frame(1))
    assert recorder.health().dropped == 0, "what comes after the end is no loss of this case"


@pytest.mark.parametrize("kept", [True, False])
def test_a_folder_that_is_moved_or_deleted_ends_the_case_in_plain_words(
    tmp_path: Path, rig: Rig, kept: bool
) -> None:
    """And what was recorded into it is in it, wherever it went."""
    folder, away = tmp_path / "a.case", tmp_path / "moved.case"
    recorder = Recorder(folder, lambda: opener(folder, rig))
    sequence = 0
    while not recorder.health().frames:
        assert recorder.put_frame(Role.NIR, make_frame(sequence))
        sequence += 1
    if kept:
        folder.rename(away)
    else:
        shutil.rmtree(folder)
    while recorder.put_frame(Role.NIR, make_frame(sequence)):
        sequence += 1
        time.sleep(0.005)
    assert recorder.join()
    health = recorder.health()
    said = health.error or ""
    assert said.startswith("the folder of a.case cannot be reached any more")
    assert said.endswith("record again")
    assert not health.recording
    if kept:
        with CaseReader(away) as case:
            assert case.count(Role.NIR) == sequence == health.frames
            assert not case.complete


def test_a_disk_that_fills_up_quickly_is_left_in_time(small_disk: Path, rig: Rig) -> None:
    """At a rate that would fill it between two looks a second apart."""
    folder = small_disk / "full.case"
    recorder = Recorder(folder, lambda: opener(folder, rig))
    clock, given = threading.Event(), 0
    while recorder.health().error is None and given < 300:
        recorder.put_frame(Role.NIR, frame(given, PixelFormat.MONO16, size=(100, 100)))
        given += 1
        clock.wait(0.01)  # 2 MB/s onto 4 MB
    assert recorder.join()
    health = recorder.health()
    assert "nearly full" in (health.error or "")
    assert health.dropped == 0
    with CaseReader(folder) as case:
        assert case.complete
        assert case.count(Role.NIR) == health.frames > 20


def test_a_disk_that_fills_up_at_once_is_told_and_the_case_never_complete(
    small_disk: Path, rig: Rig
) -> None:
    folder = small_disk / "full.case"
    go = threading.Event()

    def open_waiting() -> CaseWriter:
        assert go.wait(20.0)
        return opener(folder, rig)

    recorder = Recorder(folder, open_waiting)
    for sequence in range(60):
        recorder.put_frame(Role.NIR, frame(sequence, PixelFormat.MONO16, size=(256, 320)))
    go.set()
    recorder.stop()
    assert recorder.join()
    health = recorder.health()
    assert "disk is full" in (health.error or "")
    assert health.frames + health.dropped == 60
    assert health.dropped > 0
    checked = verify(folder)
    assert checked.ok, checked.text()
    assert not checked.complete
    assert checked.frames[Role.NIR] == health.frames


def test_what_was_not_closed_cleanly_is_not_said_to_be(
    small_disk: Path, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was nearly full, and then what waited found no room."""
    folder, go = small_disk / "full.case", threading.Event()
    monkeypatch.setattr(recorder_module, "TOGETHER_BYTES", 3 * 2 * 256 * 320)

    def open_waiting() -> CaseWriter:
        assert go.wait(20.0)
        return opener(folder, rig)

    recorder = Recorder(folder, open_waiting)
    for sequence in range(60):
        recorder.put_frame(Role.NIR, frame(sequence, PixelFormat.MONO16, size=(256, 320)))
    go.set()
    assert recorder.join()
    health = recorder.health()
    assert health.dropped > 0
    assert "closed cleanly" not in (health.error or "")
    assert "the disk is full" in (health.error or "")


def test_a_drive_that_does_not_answer_is_told_and_costs_nothing(tmp_path: Path, rig: Rig) -> None:
    folder = tmp_path / "hangs.case"
    disk = SlowDisk(folder, rig)
    recorder = Recorder(folder, disk)
    for sequence in range(8):
        assert recorder.put_frame(Role.NIR, make_frame(sequence))
    while recorder.health().silent_s < 0.1:
        threading.Event().wait(0.005)
    assert (recorder.health().unsaved, recorder.health().error) == (8, None)
    disk.go.set()
    while recorder.health().unsaved:
        threading.Event().wait(0.005)
    recorder.stop()
    assert recorder.join()
    assert recorder.health().silent_s == 0.0
    assert verify(folder).complete


def test_a_drive_that_makes_durable_slowly_is_told(tmp_path: Path, rig: Rig) -> None:
    folder = tmp_path / "syncs.case"
    go = threading.Event()

    def opened() -> CaseWriter:
        writer = opener(folder, rig)
        sync = writer.sync

        def held() -> None:
            assert go.wait(20.0)
            sync()

        writer.sync = held
        return writer

    recorder = Recorder(folder, opened)
    while recorder.health().unsynced_s < 0.1:
        threading.Event().wait(0.005)
    assert recorder.put_frame(Role.NIR, make_frame(0))
    go.set()
    recorder.stop()
    assert recorder.join()
    assert recorder.health().unsynced_s == 0.0
    assert verify(folder).complete


def test_a_drive_that_never_answers_again_is_told_at_the_end(tmp_path: Path, rig: Rig) -> None:
    folder = tmp_path / "dead.case"
    disk = SlowDisk(folder, rig)
    recorder = Recorder(folder, disk)
    assert recorder.put_frame(Role.NIR, make_frame(0))
    recorder.stop()
    assert not recorder.join(0.4)
    said = recorder.health().error or ""
    assert "has not answered" in said
    assert "1 frames were not written" in said
    assert "not closed" in said
    disk.go.set()
    assert recorder.join()


def test_a_slow_drive_is_waited_for_as_long_as_it_takes_anything(
    tmp_path: Path, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "MOST_TOGETHER", 1)
    folder = tmp_path / "slow.case"

    def opened() -> CaseWriter:
        writer = opener(folder, rig)
        write = writer.write_frame

        def slow(role: Role, frame: Frame) -> None:
            threading.Event().wait(0.3)
            write(role, frame)

        writer.write_frame = slow
        return writer

    recorder = Recorder(folder, opened)
    for sequence in range(8):
        assert recorder.put_frame(Role.NIR, make_frame(sequence))
    recorder.stop()
    assert recorder.join(1.6), "2.4 s in all, and none of them without a frame"
    assert verify(folder).frames["nir"] == 8
