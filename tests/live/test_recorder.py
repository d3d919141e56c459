"""The recorder's threads: nothing waits for the disk, nothing is lost in silence."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hardware.frame import Frame, PixelFormat
from hardware.rig import Rig
from hardware.rig_files import load_rig
from sln_guide import side_thread
from sln_guide.guidance import Mode, Role, Settings
from sln_guide.live import recorder as recorder_module
from sln_guide.live.recorder import Recorder
from sln_guide.live.recordings import Recordings
from sln_guide.recording import writer as writer_module
from sln_guide.recording.errors import RecordingError
from sln_guide.recording.heads import HEADS
from sln_guide.recording.reader import CaseReader
from sln_guide.recording.verify import verify
from sln_guide.recording.writer import CaseWriter
from tests.live.disks import SlowDisk, opener
from tests.recording.making import frame
from tests.scripted import make_frame


@pytest.fixture
def rig() -> Rig:
    return load_rig("demo")


def test_everything_handed_over_is_in_the_case(tmp_path: Path, rig: Rig) -> None:
    folder = tmp_path / "a.case"
    recorder = Recorder(folder, lambda: opener(folder, rig))
    for sequence in range(50):
        assert recorder.put_frame(Role.NIR, make_frame(sequence))
        assert recorder.put_frame(Role.WHITE, make_frame(sequence, white=True))
    recorder.put(lambda case: case.write_event("mark", "x", time.monotonic_ns()))
    recorder.stop()
    assert recorder.join()
    health = recorder.health()
    assert (health.recording, health.frames, health.unsaved, health.dropped) == (False, 100, 0, 0)
    assert health.error is None
    with CaseReader(folder) as case:
        assert case.complete
        assert [f.sequence for f in case.frames(Role.NIR)] == list(range(50))
        assert [e.name for e in case.events()] == ["mark"]


def test_the_head_is_told_and_noted_beside_the_cases(tmp_path: Path, rig: Rig) -> None:
    heads = []
    for name in ("a.case", "b.case"):
        folder = tmp_path / name
        recorder = Recorder(folder, lambda folder=folder: opener(folder, rig))
        assert recorder.put_frame(Role.NIR, make_frame(0))
        assert recorder.health().head is None
        recorder.stop()
        assert recorder.join()
        heads.append(recorder.health().head)
        assert verify(folder, expected_head=heads[-1]).complete
    lines = (tmp_path / HEADS).read_text().splitlines()
    assert [line.split()[1] for line in lines] == heads
    assert lines[1].endswith("  1 records, complete  'b.case'")


def test_syncing_that_fails_is_told_and_begins_again(
    tmp_path: Path, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "SYNC_EVERY_S", 0.01)
    monkeypatch.setattr(side_thread, "AGAIN_AFTER_S", 0.01)
    folder = tmp_path / "a.case"
    failed, again = threading.Event(), threading.Event()

    def opened() -> CaseWriter:
        writer = opener(folder, rig)
        sync = writer.sync

        def failing() -> None:
            if failed.is_set():
                again.set()
                return sync()
            failed.set()
            raise SystemExit("killed")

        writer.sync = failing
        return writer

    recorder = Recorder(folder, opened)
    assert again.wait(20.0)
    assert "would not survive a power cut (SystemExit: killed)" in str(recorder.health().error)
    recorder.stop()
    assert recorder.join()
    assert verify(folder).complete


def test_a_head_stands_in_a_line_of_its_own_even_after_one_cut_short(
    tmp_path: Path, rig: Rig
) -> None:
    (tmp_path / HEADS).write_text("2026-03-02T09:00:00+00:00  4f3a")
    summaries = []
    for name in ("a.case", "b.case"):
        recorder = Recorder(tmp_path / name, lambda name=name: opener(tmp_path / name, rig))
        recorder.put_frame(Role.NIR, make_frame(1))
        recorder.stop()
        assert recorder.join()
        summaries.append(recorder.summary)
    lines = (tmp_path / HEADS).read_text().splitlines()
    assert [line.split()[1] for line in lines] == ["4f3a", *(s.head for s in summaries if s)]


def test_a_head_that_cannot_be_noted_is_said_and_the_case_is_whole(
    tmp_path: Path, rig: Rig
) -> None:
    (tmp_path / HEADS).mkdir()
    folder = tmp_path / "a.case"
    recorder = Recorder(folder, lambda: opener(folder, rig))
    recorder.stop()
    assert recorder.join()
    assert "the head of the case could not be noted" in str(recorder.health().error)
    assert verify(folder, expected_head=recorder.health().head).complete


def test_the_wall_clock_may_jump_an_hour(
    tmp_path: Path, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frames and parts go by the monotonic clock; the wall clock is read once, at the start."""
    folder = tmp_path / "a.case"
    wall_ns, wall_s = time.time_ns, time.time
    begun = threading.Event()

    def opened() -> CaseWriter:
        writer = opener(folder, rig)
        begun.set()
        return writer

    recorder = Recorder(folder, opened)
    assert begun.wait(20.0)
    for sequence in range(30):
        hours = (0, 1, -1)[sequence // 10]
        monkeypatch.setattr(time, "time_ns", lambda h=hours: wall_ns() + h * 3600 * 10**9)
        monkeypatch.setattr(time, "time", lambda h=hours: wall_s() + h * 3600)
        frame = make_frame(sequence, mid_exposure_ns=10**9 + sequence)
        assert recorder.put_frame(Role.NIR, frame)
    recorder.stop()
    assert recorder.join()
    monkeypatch.undo()
    assert verify(folder).complete
    with CaseReader(folder) as case:
        assert case.times_ns(Role.NIR).tolist() == [10**9 + i for i in range(30)]
        assert abs(case.started_wall_ns - wall_ns()) < 60 * 10**9
        assert abs(case.started_monotonic_ns - time.monotonic_ns()) < 60 * 10**9


def test_full_backlog_is_counted_and_written_as_a_gap(
    tmp_path: Path, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "BACKLOG_BYTES", 16 * make_frame(0).pixels.nbytes)
    folder = tmp_path / "slow.case"
    disk = SlowDisk(folder, rig)
    recorder = Recorder(folder, disk)
    taken = [recorder.put_frame(Role.NIR, make_frame(sequence)) for sequence in range(30)]
    assert taken == [True] * 16 + [False] * 14
    full = recorder.health()
    assert (full.unsaved, full.dropped) == (16, 14)
    assert "cannot keep up" in (full.error or "")
    disk.go.set()
    while recorder.health().unsaved:
        threading.Event().wait(0.005)
    assert recorder.put_frame(Role.NIR, make_frame(30))
    recorder.stop()
    assert recorder.join()
    with CaseReader(folder) as case:
        assert not case.complete
        assert [f.sequence for f in case.frames(Role.NIR)] == [*range(16), 30]
        (gap,) = case.gaps(Role.NIR)
        assert (gap.first_sequence, gap.count) == (16, 14)


def test_a_gap_at_the_very_end_is_written_too(
    tmp_path: Path, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "BACKLOG_BYTES", 16 * make_frame(0).pixels.nbytes)
    folder = tmp_path / "end.case"
    disk = SlowDisk(folder, rig)
    recorder = Recorder(folder, disk)
    for sequence in range(20):
        recorder.put_frame(Role.NIR, make_frame(sequence))
    recorder.stop()
    disk.go.set()
    assert recorder.join()
    with CaseReader(folder) as case:
        assert not case.complete
        assert [(g.first_sequence, g.count) for g in case.gaps(Role.NIR)] == [(16, 4)]


def test_a_fault_while_writing_ends_the_recording_with_its_reason(tmp_path: Path, rig: Rig) -> None:
    folder = tmp_path / "fault.case"

    def open_failing() -> CaseWriter:
        writer = opener(folder, rig)
        write = writer.write_frame

        def failing(role: Role, frame: Frame) -> None:
            if frame.sequence == 5:
                raise RecordingError("disk says no: use another")
            write(role, frame)

        writer.write_frame = failing
        return writer

    recorder = Recorder(folder, open_failing)
    for sequence in range(10):
        recorder.put_frame(Role.NIR, make_frame(sequence))
    assert recorder.join()
    health = recorder.health()
    assert "disk says no" in (health.error or "")
    assert (health.frames, health.dropped, health.unsaved) == (5, 5, 0)
    with CaseReader(folder) as case:
        assert [f.sequence for f in case.frames(Role.NIR)] == [0, 1, 2, 3, 4]
        assert not case.complete
        assert "disk says no" in case.incomplete[0]


def test_a_record_that_cannot_be_written_down_does_not_cost_the_frames(
    tmp_path: Path, rig: Rig
) -> None:
    folder = tmp_path / "odd.case"
    recorder = Recorder(folder, lambda: opener(folder, rig))

    def odd(case: CaseWriter) -> None:
        raise TypeError("not a record")

    recorder.put_frame(Role.NIR, make_frame(0))
    recorder.put(odd)
    recorder.put_frame(Role.NIR, make_frame(1))
    recorder.stop()
    assert recorder.join()
    assert "not a record" in (recorder.health().error or "")
    with CaseReader(folder) as case:
        assert case.count(Role.NIR) == 2


def test_the_codec_gives_way_when_compressing_falls_behind(
    tmp_path: Path, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "BACKLOG_BYTES", 100 * make_frame(0).pixels.nbytes)
    folder = tmp_path / "busy.case"
    go = threading.Event()

    def open_busy() -> CaseWriter:
        writer = opener(folder, rig)
        write = writer.write_frame

        def busy(role: Role, frame: Frame) -> None:
            assert go.wait(20.0)
            time.sleep(0.002)  # compressing takes longer than writing
            write(role, frame)

        writer.write_frame = busy
        return writer

    recorder = Recorder(folder, open_busy)
    for sequence in range(60):
        assert recorder.put_frame(Role.NIR, make_frame(sequence))
    go.set()
    recorder.stop()
    assert recorder.join()
    with CaseReader(folder) as case:
        assert case.complete
        (event,) = [event for event in case.events() if event.name == "codec"]
        assert event.detail.startswith("blosc2-shuffle-lz4: ")
        assert "wait for the processor" in event.detail
        assert [f.sequence for f in case.frames(Role.NIR)] == list(range(60))


def test_small_writes_that_come_together_are_one(
    tmp_path: Path, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "together.case"
    go = threading.Event()

    def open_counting() -> CaseWriter:
        writer = opener(folder, rig)
        assert go.wait(20.0)
        monkeypatch.setattr("sln_guide.recording.part.os.writev", counting)
        return writer

    writes = 0

    def counting(fd: int, pieces: list[memoryview]) -> int:
        nonlocal writes
        writes += 1
        return real(fd, pieces)

    real = os.writev
    recorder = Recorder(folder, open_counting)
    for sequence in range(30):
        recorder.put_frame(Role.NIR, make_frame(sequence))
    recorder.stop()
    go.set()
    assert recorder.join()
    assert writes == 2, "thirty frames at once, and the closing records"
    with CaseReader(folder) as case:
        assert case.count(Role.NIR) == 30


def test_large_frames_are_not_held_back_to_be_written_together(
    tmp_path: Path, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, go, sizes = tmp_path / "large.case", threading.Event(), []
    together = CaseWriter.together

    @contextmanager
    def counting(case: CaseWriter) -> Iterator[None]:
        before = case.frames
        with together(case):
            yield
        sizes.append(case.frames - before)

    monkeypatch.setattr(CaseWriter, "together", counting)
    monkeypatch.setattr(recorder_module, "TOGETHER_BYTES", 3 * 2 * 256 * 320)

    def open_waiting() -> CaseWriter:
        assert go.wait(20.0)
        return opener(folder, rig)

    recorder = Recorder(folder, open_waiting)
    for sequence in range(10):
        recorder.put_frame(Role.NIR, frame(sequence, PixelFormat.MONO16, size=(256, 320)))
    go.set()
    recorder.stop()
    assert recorder.join()
    assert max(sizes) == 3
    assert sum(sizes) == 10


def test_a_mark_that_finds_no_room_is_counted_and_told(
    tmp_path: Path, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "MOST_RECORDS", 4)
    folder = tmp_path / "marks.case"
    disk = SlowDisk(folder, rig)
    recorder = Recorder(folder, disk)
    assert recorder.put_frame(Role.NIR, make_frame(0))
    marks = [
        recorder.put(lambda case: case.write_event("injection", "", time.monotonic_ns()))
        for _ in range(9)
    ]
    assert False in marks
    assert "cannot keep up" in (recorder.health().error or "")
    disk.go.set()
    while recorder.health().unsaved:
        threading.Event().wait(0.005)
    recorder.stop()
    assert recorder.join()
    with CaseReader(folder) as case:
        names = [event.name for event in case.events()]
        assert names == ["injection"] * marks.count(True) + ["left out"]
        assert not case.complete
        assert case.incomplete[0].startswith(f"{marks.count(False)} records that are no frames")


def test_without_room_for_a_thread_it_says_so_and_leaves_nothing(
    tmp_path: Path, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def refused(thread: threading.Thread) -> None:
        if thread.name == "recorder":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refused)
    recordings = Recordings(tmp_path, rig, Mode.SIMULATED)
    with pytest.raises(RecordingError, match="no room for the recorder's threads"):
        recordings.start(Settings())
    assert not recordings.recording
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    recordings.start(Settings())
    recordings.close()
    (folder,) = tmp_path.glob("*.case")
    assert verify(folder).complete


def test_a_case_that_could_not_be_closed_is_not_called_closed(
    tmp_path: Path, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The drive takes no new file any more: neither the manifest nor the head can be noted."""
    folder = tmp_path / "a.case"
    (tmp_path / HEADS).mkdir()
    begun = threading.Event()

    def opened() -> CaseWriter:
        writer = opener(folder, rig)
        begun.set()
        return writer

    recorder = Recorder(folder, opened)
    assert begun.wait(20.0)
    assert recorder.put_frame(Role.NIR, make_frame(0))
    while recorder.health().unsaved:
        threading.Event().wait(0.005)

    def refused(*arguments: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(writer_module, "write_manifest", refused)
    recorder.stop()
    assert recorder.join()
    assert "cannot close the case cleanly: Input/output error" in (recorder.health().error or "")
    assert recorder.summary is not None
    assert not recorder.summary.complete
