"""Disks that fill up, fail, or vanish; two recorders on one case."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hardware.frame import PixelFormat
from sln_guide.guidance import Role, Settings
from sln_guide.recording import CaseDescription, CaseReader, CaseWriter, RecordingError, tape
from sln_guide.recording.folder import LOCK, MANIFEST, RESERVE, part_paths
from sln_guide.recording.recovering import recover
from sln_guide.recording.software import software_versions
from sln_guide.recording.verify import verify
from tests.recording.making import assert_same_frame, fill, frame, record, rig, white

PROJECT = Path(__file__).resolve().parents[2]
BIG = (256, 320)


def record_until_refused(case: CaseWriter) -> int:
    """Write large frames until one is refused; return how many were taken."""
    with pytest.raises(RecordingError, match="disk is full: free space"):
        fill_the_disk(case)
    return case.frames


def fill_the_disk(case: CaseWriter, frames: int = 1000) -> None:
    for sequence in range(frames):
        case.write_frame(Role.NIR, frame(sequence, PixelFormat.MONO16, size=BIG))


def test_a_full_disk_loses_nothing_and_the_case_can_be_closed(small_disk: Path) -> None:
    case = CaseWriter(small_disk / "full.case", CaseDescription(rig=rig(), settings=Settings()))
    taken = record_until_refused(case)
    assert taken > 10
    with pytest.raises(RecordingError, match="full"):
        case.write_frame(Role.NIR, frame(taken, PixelFormat.MONO16, size=BIG))
    summary = case.close()
    assert summary.frames[Role.NIR] == taken
    result = verify(small_disk / "full.case")
    assert result.ok, result.text()
    assert result.frames[Role.NIR] == taken


def test_a_full_disk_that_is_freed_is_recorded_on_again(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(1 << 20))
    case = CaseWriter(small_disk / "again.case", CaseDescription(rig=rig(), settings=Settings()))
    taken = record_until_refused(case)
    ballast.unlink()
    case.write_gap(Role.NIR, taken, 1, 0, "the disk was full")
    case.write_frame(Role.NIR, frame(taken + 1, PixelFormat.MONO16, size=BIG))
    case.close()
    result = verify(small_disk / "again.case")
    assert result.ok, result.text()
    assert not result.complete
    (gap,) = result.gaps[Role.NIR]
    assert (gap.first_sequence, gap.count, gap.reason) == (taken, 1, "the disk was full")


def test_of_what_is_written_together_a_full_disk_takes_what_fits(small_disk: Path) -> None:
    case = CaseWriter(small_disk / "full.case", CaseDescription(rig=rig(), settings=Settings()))
    case.write_event("before", "", 0)
    with pytest.raises(RecordingError, match="disk is full: free space"), case.together():
        fill_the_disk(case, 60)
    taken = case.frames
    assert 10 < taken < 60
    summary = case.close()
    assert summary.records == taken + 1
    result = verify(small_disk / "full.case")
    assert result.ok, result.text()
    with CaseReader(small_disk / "full.case") as reader:
        assert [f.sequence for f in reader.frames(Role.NIR)] == list(range(taken))


def test_no_room_to_begin_with_is_said(small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(bytes((4 << 20) - (600 << 10)))
    with pytest.raises(RecordingError, match="cannot start the case: the disk is full"):
        CaseWriter(small_disk / "none.case", CaseDescription(rig=rig(), settings=Settings()))
    assert not (small_disk / "none.case").exists(), "nothing is left that looks like a case"


LIMITED = """
import resource, sys
from pathlib import Path
from sln_guide.guidance import Role, Settings
from sln_guide.recording import CaseDescription, CaseWriter, RecordingError
from tests.recording.making import frame, rig
case = CaseWriter(Path(sys.argv[1]), CaseDescription(rig=rig(), settings=Settings()))
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    for sequence in range(200):
        case.write_frame(Role.NIR, frame(sequence, size=(64, 80)))
except RecordingError as error:
    print(sequence, error)
else:
    print(200, "all")
try:
    case.close()
except RecordingError as error:
    print("close:", error)
"""


@pytest.mark.parametrize("limit", [3_000, 40_000, 150_000])
def test_a_file_size_limit_means_more_parts_or_one_line(tmp_path: Path, limit: int) -> None:
    folder = tmp_path / "limited.case"
    run = subprocess.run(
        [sys.executable, "-c", LIMITED, str(folder), str(limit)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stderr == ""
    taken = int(run.stdout.split()[0])
    assert taken == 200 or "file size limit is reached" in run.stdout
    assert (taken == 200) == (limit > 3_000)
    with CaseReader(folder) as case:
        assert case.count(Role.NIR) == taken
        for sequence, each in enumerate(case.frames(Role.NIR)):
            assert_same_frame(each, frame(sequence, size=(64, 80)))
    assert len(part_paths(folder)) > (1 if taken == 200 else 0)
    assert verify(folder).ok, verify(folder).text()


def fail_once(
    monkeypatch: pytest.MonkeyPatch, name: str, number: int, *, after: int = 0, partial: int = 0
) -> None:
    """Let the system call fail once, after so many calls, perhaps having written a little."""
    real = getattr(os, name)
    calls = iter(range(10**9))

    def failing(fd: int, *rest: object) -> object:
        if next(calls) == after:
            if partial:
                os.write(fd, b"x" * partial)
            raise OSError(number, os.strerror(number))
        return real(fd, *rest)

    monkeypatch.setattr(os, name, failing)


class Moody:
    """Makes system calls fail so many times in a row, one after another."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, number: int, **times: int) -> None:
        for name, count in times.items():
            monkeypatch.setattr(os, name, self._failing(getattr(os, name), number, count))

    @staticmethod
    def _failing(real: Callable[..., object], number: int, count: int) -> Callable[..., object]:
        left = iter(range(count))

        def failing(*arguments: object, **named: object) -> object:
            if next(left, None) is not None:
                raise OSError(number, os.strerror(number))
            return real(*arguments, **named)

        return failing


@pytest.mark.parametrize("number", [errno.EIO, errno.ETIMEDOUT])
@pytest.mark.parametrize("times", [{"writev": 5}, {"writev": 6, "unlink": 3}, {"fsync": 4}])
def test_a_drive_that_errs_for_a_moment_is_recorded_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, times: dict[str, int]
) -> None:
    monkeypatch.setattr(tape, "AGAIN_AFTER_S", 0.0)
    folder = tmp_path / "moody.case"
    with CaseWriter(folder, CaseDescription(rig=rig(), settings=Settings())) as case:
        fill(case, 3)
        assert case.refusal is None
        with monkeypatch.context() as patch:
            Moody(patch, number, **{"writev": 1} | times)
            case.write_frame(Role.NIR, frame(3))
        assert os.strerror(number) in str(case.refusal)
        assert "takes it again, in part-001.mcap" in str(case.refusal)
        fill(case, 2, first=4)
    assert [path.name for path in part_paths(folder)] == ["part-000.mcap", "part-001.mcap"]
    result = verify(folder)
    assert result.ok, result.text()
    assert result.complete
    with CaseReader(folder) as read:
        assert [f.sequence for f in read.frames(Role.NIR)] == list(range(6))


def test_a_drive_that_goes_on_erring_ends_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tape, "AGAIN_AFTER_S", 0.0)
    monkeypatch.setattr(tape, "PATIENCE_S", 0.05)
    folder = tmp_path / "gone.case"
    case = CaseWriter(folder, CaseDescription(rig=rig(), settings=Settings()))
    fill(case, 3)
    with monkeypatch.context() as patch:
        Moody(patch, errno.EIO, writev=10**9)
        with pytest.raises(RecordingError, match="Input/output error"):
            case.write_frame(Role.NIR, frame(3))
    case.close()
    result = verify(folder)
    assert result.ok, result.text()
    assert result.frames[Role.NIR] == 3


@pytest.mark.parametrize("partial", [0, 50])
def test_an_input_output_error_costs_a_part_not_a_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, partial: int
) -> None:
    folder = tmp_path / "eio.case"
    with CaseWriter(folder, CaseDescription(rig=rig(), settings=Settings())) as case:
        fill(case, 3)
        with monkeypatch.context() as patch:
            fail_once(patch, "writev", errno.EIO, partial=partial)
            case.write_frame(Role.NIR, frame(3))
        fill(case, 2, first=4)
    assert len(part_paths(folder)) == 2
    result = verify(folder)
    assert result.ok, result.text()
    with CaseReader(folder) as read:
        assert [f.sequence for f in read.frames(Role.NIR)] == list(range(6))
        assert "Input/output error" in next(e.detail for e in read.events() if e.name == "new-part")


def test_a_torn_write_that_cannot_be_taken_back_ends_the_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "torn.case"
    with CaseWriter(folder, CaseDescription(rig=rig(), settings=Settings())) as case:
        fill(case, 3)
        with monkeypatch.context() as patch:
            fail_once(patch, "writev", errno.ENOSPC, partial=70)
            fail_once(patch, "ftruncate", errno.EIO)
            case.write_frame(Role.NIR, frame(3))
        fill(case, 2, first=4)
    result = verify(folder)
    assert not any(p.topic for p in result.problems), result.text()
    with CaseReader(folder) as read:
        assert [f.sequence for f in read.frames(Role.NIR)] == list(range(6))


def test_a_failed_sync_closes_the_file_and_begins_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "sync.case"
    case = CaseWriter(folder, CaseDescription(rig=rig(), settings=Settings()))
    fill(case, 2)
    case.sync()
    with monkeypatch.context() as patch:
        fail_once(patch, "fdatasync", errno.EIO)
        with pytest.raises(RecordingError, match="cannot make the recording durable"):
            case.sync()
    fill(case, 2, first=2)
    case.sync()
    assert "not safely on the disk" in case.incomplete[0]
    assert not case.close().complete
    assert len(part_paths(folder)) == 2
    result = verify(folder)
    assert result.ok, result.text()
    assert not result.complete
    with CaseReader(folder) as read:
        assert [f.sequence for f in read.frames(Role.NIR)] == list(range(4))


def test_a_drive_that_refuses_even_to_let_go_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was pulled out answers so to the closing of a file, and NFS may, too."""
    close = os.close

    def refused(descriptor: int) -> None:
        ours = os.readlink(f"/proc/self/fd/{descriptor}").startswith(str(tmp_path))
        close(descriptor)
        if ours:
            raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")

    case = CaseWriter(tmp_path / "a.case", CaseDescription(rig=rig(), settings=Settings()))
    fill(case, 3)
    monkeypatch.setattr(os, "close", refused)
    with pytest.raises(RecordingError, match="not connected"):
        case.close()  # the manifest's own file may not have been closed well
    monkeypatch.undo()
    assert verify(tmp_path / "a.case").frames[Role.NIR] == 3
    assert not (tmp_path / "a.case" / LOCK).exists()


def test_a_removed_folder_is_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "gone.case"
    case = CaseWriter(folder, CaseDescription(rig=rig(), settings=Settings()))
    fill(case, 1)
    shutil.rmtree(folder)
    with pytest.raises(RecordingError, match="cannot make the recording durable"):
        case.sync()
    with pytest.raises(RecordingError, match="folder is gone"):
        case.write_frame(Role.NIR, frame(1))
    with pytest.raises(RecordingError, match="cannot close the case cleanly"):
        case.close()
    case.close()


def test_a_read_only_place_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecordingError, match="cannot make the case folder"):
        CaseWriter(Path("/proc/x.case"), CaseDescription(rig=rig(), settings=Settings()))
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordingError, match="part of the path is a file"):
        CaseWriter(tmp_path / "file" / "x.case", CaseDescription(rig=rig(), settings=Settings()))
    fail_once(monkeypatch, "writev", errno.EROFS)
    with pytest.raises(RecordingError, match="read-only: record elsewhere"):
        CaseWriter(tmp_path / "x.case", CaseDescription(rig=rig(), settings=Settings()))


def test_a_case_on_a_read_only_disk_is_read_and_cannot_be_recovered(small_disk: Path) -> None:
    folder = small_disk / "torn.case"
    case = CaseWriter(folder, CaseDescription(rig=rig(), settings=Settings()))
    fill_the_disk(case, 4)
    case._tape._part.release()  # as when its recorder dies
    os.close(case._lock._fd)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(RecordingError, match="copy the case to another disk first"):
        recover(folder)
    result = verify(folder)
    assert result.ok, result.text()
    with CaseReader(folder) as reader:
        assert reader.count(Role.NIR) == 4


def test_one_recorder_a_case(tmp_path: Path) -> None:
    folder = tmp_path / "one.case"
    folder.mkdir()
    with CaseWriter(folder, CaseDescription(rig=rig(), settings=Settings())) as case:
        fill(case, 1)
        with pytest.raises(RecordingError, match="choose another name"):
            CaseWriter(folder, CaseDescription(rig=rig(), settings=Settings()))
        fill(case, 1, first=1)
    with pytest.raises(RecordingError, match="already holds"):
        CaseWriter(folder, CaseDescription(rig=rig(), settings=Settings()))
    assert verify(folder).complete
    assert sorted(p.name for p in folder.iterdir()) == [
        MANIFEST,
        "part-000.index",
        "part-000.mcap",
    ]


def test_a_folder_with_anything_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RecordingError, match=r"already holds notes\.txt"):
        CaseWriter(tmp_path, CaseDescription(rig=rig(), settings=Settings()))
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_a_closed_case_takes_nothing_more(tmp_path: Path) -> None:
    case = CaseWriter(tmp_path / "x.case", CaseDescription(rig=rig(), settings=Settings()))
    summary = case.close()
    assert case.close() is summary
    case.sync()
    with pytest.raises(RecordingError, match="is closed"):
        case.write_frame(Role.NIR, frame(0))
    with pytest.raises(RecordingError, match="is closed"):
        case.attach("x", b"", "text/plain")


def test_an_error_in_the_recorder_closes_the_case_as_incomplete(tmp_path: Path) -> None:
    def work() -> None:
        with CaseWriter(
            tmp_path / "x.case", CaseDescription(rig=rig(), settings=Settings())
        ) as case:
            fill(case, 1)
            raise ZeroDivisionError("boom")

    with pytest.raises(ZeroDivisionError):
        work()
    result = verify(tmp_path / "x.case")
    assert result.ok
    assert not result.complete
    assert "boom" in result.incomplete[0]


def test_an_error_that_says_what_happened_is_kept_in_its_own_words(tmp_path: Path) -> None:
    with (
        pytest.raises(RecordingError),
        CaseWriter(tmp_path / "x.case", CaseDescription(rig=rig(), settings=Settings())),
    ):
        raise RecordingError("the disk is full")
    assert "ended by an error: the disk is full" in verify(tmp_path / "x.case").incomplete


def test_told_gaps_make_a_case_incomplete_even_with_no_room_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CaseWriter(tmp_path / "x.case", CaseDescription(rig=rig(), settings=Settings()))
    with monkeypatch.context() as patch:
        fail_once(patch, "writev", errno.ENOSPC)
        with pytest.raises(RecordingError, match="full"):
            case.write_gap(Role.NIR, 3, 2, 0, "backlog full")
    assert not case.close().complete
    with CaseReader(tmp_path / "x.case") as read:
        assert not read.complete
        assert "backlog full" in read.incomplete[0]


def test_room_is_set_aside_and_it_says_how_it_goes(tmp_path: Path) -> None:
    with CaseWriter(tmp_path / "x.case", CaseDescription(rig=rig(), settings=Settings())) as case:
        fill(case, 1)
        assert (tmp_path / "x.case" / RESERVE).stat().st_size > 0
        assert case.bytes_written > 0
        assert case.frames == 2
        assert case.head


def test_memory_and_file_handles_stay_bounded_over_many_parts(tmp_path: Path) -> None:
    def handles() -> int:
        return len(os.listdir("/proc/self/fd"))

    with CaseWriter(
        tmp_path / "x.case", CaseDescription(rig=rig(), settings=Settings()), roll_s=0.0
    ) as case:
        before = handles()
        for sequence in range(40):
            case.write_frame(Role.WHITE, white(sequence))
        assert handles() <= before + 5
        case.sync()
        assert handles() <= before
    assert verify(tmp_path / "x.case").complete


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EMFILE, errno.EACCES])
def test_where_no_new_part_can_be_begun_the_one_in_use_goes_on(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tape, "ROLL_AGAIN_S", 0.0)
    folder = tmp_path / "x.case"
    case = CaseWriter(folder, CaseDescription(rig=rig(), settings=Settings()), roll_bytes=14_000)
    fill(case, 20)
    parts = len(part_paths(folder))
    with monkeypatch.context() as patch:
        refuse_parts(patch, number)
        fill(case, 20, first=20)
        assert len(part_paths(folder)) == parts
        assert case.refusal is not None
        assert os.strerror(number) in case.refusal
    fill(case, 20, first=40)
    assert len(part_paths(folder)) > parts
    case.close()
    result = verify(folder)
    assert result.complete, result.text()
    assert result.frames[Role.NIR] == 60


def test_a_part_does_not_outgrow_small_file_systems_for_want_of_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tape, "ROLL_LEEWAY_BYTES", 10_000)
    folder = tmp_path / "x.case"
    case = CaseWriter(folder, CaseDescription(rig=rig(), settings=Settings()), roll_bytes=14_000)
    with monkeypatch.context() as patch:
        refuse_parts(patch, errno.ENOSPC)
        with pytest.raises(RecordingError, match="cannot begin a new part: the disk is full"):
            fill(case, 100)
    assert part_paths(folder)[0].stat().st_size < 40_000
    case.close()
    assert verify(folder).ok


def refuse_parts(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let every file that is a new part be refused."""
    real = os.open

    def failing(path: str | Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_EXCL and str(path).endswith(".mcap"):
            raise OSError(number, os.strerror(number))
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", failing)


def test_software_versions_are_in_every_case(tmp_path: Path) -> None:
    record(tmp_path / "x.case", 1)
    with CaseReader(tmp_path / "x.case") as case:
        assert case.software == software_versions()
        assert {"sln-guide", "numpy", "blosc2", "python", "computation"} <= set(case.software)
