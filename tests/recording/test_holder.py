"""On a file system without locks (some network disks) cases are recorded all the same."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sln_guide.guidance import Settings
from sln_guide.recording import CaseDescription, CaseReader, CaseWriter, RecordingError
from sln_guide.recording.folder import LOCK, NO_LOCKS, being_recorded
from sln_guide.recording.holder import FRESH_S
from sln_guide.recording.verify import verify
from tests.recording.making import fill, rig
from tests.recording.test_crash import PROJECT


@pytest.fixture(params=NO_LOCKS)
def without_locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr("fcntl.flock", none)


@pytest.mark.usefixtures("without_locks")
def test_a_disk_without_locks_is_recorded_on(tmp_path: Path) -> None:
    folder = tmp_path / "x.case"
    with CaseWriter(folder, CaseDescription(rig=rig(), settings=Settings())) as case:
        fill(case, 3)
        assert being_recorded(folder)
        with pytest.raises(RecordingError, match="still being recorded"):
            CaseWriter.resume(folder)
        assert verify(folder).recording
    assert verify(folder).complete


@pytest.mark.usefixtures("without_locks")
def test_without_locks_a_recorder_that_died_is_told_from_one_at_work(tmp_path: Path) -> None:
    folder = tmp_path / "x.case"
    command = [sys.executable, "-m", "tests.recording.dying_writer", str(folder)]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        next(line for line in process.stdout if int(line) >= 3)
        assert being_recorded(folder)
        process.kill()
        process.stdout.read()
    assert not being_recorded(folder)
    with CaseReader(folder) as reader:
        assert not reader.being_recorded
        before = reader.record_count
    with CaseWriter.resume(folder) as case:
        fill(case, 1, first=1000)
    found = verify(folder)
    assert found.ok, found.text()
    assert found.records > before


@pytest.mark.usefixtures("without_locks")
def test_of_a_recorder_on_another_machine_its_last_beat_tells(tmp_path: Path) -> None:
    (tmp_path / LOCK).write_text("00000000000000000042\nanother-boot 1 17\n")
    assert being_recorded(tmp_path)
    old_s = (tmp_path / LOCK).stat().st_mtime - FRESH_S - 1
    os.utime(tmp_path / LOCK, (old_s, old_s))
    assert not being_recorded(tmp_path)


def test_no_room_for_a_lock_leaves_no_empty_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with monkeypatch.context() as patch:
        patch.setattr("sln_guide.recording.folder.os.open", full)
        with pytest.raises(RecordingError, match="the disk is full"):
            CaseWriter(tmp_path / "x.case", CaseDescription(rig=rig(), settings=Settings()))
    assert not any(tmp_path.iterdir())
