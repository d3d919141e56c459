"""One session's cases: the seconds before Record, and what a recorder that died left behind."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hardware.rig import Rig
from hardware.rig_files import load_rig
from sln_guide.guidance import Mode, Role, Settings
from sln_guide.live import recordings as recordings_module
from sln_guide.live.recordings import Recordings
from sln_guide.recording import CaseDescription, CaseReader, CaseWriter, RecordingError
from sln_guide.recording.folder import LOCK, part_paths
from sln_guide.recording.index import index_path
from sln_guide.recording.interrupted import RECENT_S, find_interrupted
from sln_guide.recording.recovering import recover
from sln_guide.recording.verify import verify
from tests.recording.making import fill, frame, record, rig, white
from tests.scripted import make_frame


@pytest.fixture
def pre_rolled() -> Rig:
    return msgspec.structs.replace(load_rig("demo"), pre_roll_s=0.5)


@pytest.fixture
def recordings(tmp_path: Path) -> Iterator[Recordings]:
    made = Recordings(tmp_path, rig(), Mode.LIVE)
    yield made
    made.close()


def put_pairs(recordings: Recordings, begin: int, end: int) -> None:
    for sequence in range(begin, end):
        recordings.put_frame(Role.NIR, frame(sequence), 0)
        recordings.put_frame(Role.WHITE, white(sequence), 0)


def abandon(folder: Path, count: int = 6) -> None:
    """Leave a case as a dead recorder would."""
    case = CaseWriter(folder, CaseDescription(rig=rig(), settings=Settings()))
    fill(case, count)
    case._tape._part.release()
    beat = (folder / LOCK).read_bytes()
    case._lock.release()
    (folder / LOCK).write_bytes(beat)


def test_frames_lost_before_an_unplug_are_a_gap_in_the_case(recordings: Recordings) -> None:
    folder = recordings.start(Settings())
    put_pairs(recordings, 0, 3)
    recordings.put_lost(Role.NIR, 3, 2, 0)
    recordings.close()
    checked = verify(folder)
    assert checked.ok
    assert not checked.complete
    assert [(g.first_sequence, g.count, g.reason) for g in checked.gaps[Role.NIR]] == [
        (3, 2, "lost by the camera")
    ]


def test_record_saves_what_just_happened_and_nothing_falls_between(
    tmp_path: Path, pre_rolled: Rig
) -> None:
    recordings = Recordings(tmp_path, pre_rolled, Mode.LIVE)
    put_pairs(recordings, 0, 100)
    assert not recordings.recording
    folder = recordings.start(Settings(), [lambda case: case.write_event("earlier", "", 1)])
    assert recordings.title == folder.stem
    with pytest.raises(RecordingError, match="already recording"):
        recordings.start(Settings())
    put_pairs(recordings, 100, 110)
    recordings.stop()
    put_pairs(recordings, 110, 120)  # kept, for the next case
    recordings.close()
    assert recordings.health().frames == 2 * 40
    assert recordings.health().unsaved == recordings.health().dropped == 0
    assert verify(folder).complete, verify(folder).text()
    with CaseReader(folder) as case:
        assert [f.sequence for f in case.frames(Role.NIR)] == list(range(70, 110))
        assert [event.name for event in case.events()] == ["earlier"]


def test_a_case_cut_short_goes_on_as_its_next_part(tmp_path: Path, recordings: Recordings) -> None:
    abandon(tmp_path / "a.case")
    assert recordings.continue_interrupted(Settings()) == tmp_path / "a.case"
    put_pairs(recordings, 9, 12)
    recordings.close()
    with CaseReader(tmp_path / "a.case") as case:
        assert recordings.health().started_ns == case.started_monotonic_ns, "REC goes on counting"
    checked = verify(tmp_path / "a.case")
    assert checked.ok, checked.text()
    assert not checked.complete
    assert checked.frames == {Role.NIR: 9, Role.WHITE: 9}
    assert [part.name for part in part_paths(tmp_path / "a.case")] == [
        "part-000.mcap",
        "part-001.mcap",
    ]
    indexed = [index_path(part).read_bytes() for part in part_paths(tmp_path / "a.case")]
    with CaseReader(tmp_path / "a.case") as case:
        assert "resumed" in [event.name for event in case.events()]
    for part in part_paths(tmp_path / "a.case"):
        index_path(part).unlink()
    recover(tmp_path / "a.case")  # finds what was put beside them while the case went on
    assert indexed == [index_path(part).read_bytes() for part in part_paths(tmp_path / "a.case")]


def test_a_folder_that_takes_no_index_does_not_stop_the_next_part(
    tmp_path: Path, recordings: Recordings
) -> None:
    abandon(tmp_path / "a.case")
    (tmp_path / "a.case" / "part-000.index").mkdir()  # in the way of the new index
    assert recordings.continue_interrupted(Settings()) == tmp_path / "a.case"
    put_pairs(recordings, 9, 12)
    recordings.close()
    with CaseReader(tmp_path / "a.case") as case:
        (resumed,) = (event for event in case.events() if event.name == "resumed")
        assert "no index beside it: Is a directory" in resumed.detail
        assert case.count(Role.NIR) == 9


def slow_search(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """Have cases cut short looked for until told; return (it is being looked, it is found)."""
    looking, found = threading.Event(), threading.Event()

    def look(*_: object) -> None:
        looking.set()
        assert found.wait(20)

    monkeypatch.setattr(recordings_module, "find_interrupted", look)
    return looking, found


def test_no_camera_waits_while_a_case_cut_short_is_looked_for(
    tmp_path: Path, pre_rolled: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of many cases on a slow disk: frames of that time are in the case all the same."""
    looking, found = slow_search(monkeypatch)
    recordings = Recordings(tmp_path, pre_rolled, Mode.LIVE)
    starting = threading.Thread(target=recordings.start, args=(Settings(),))
    starting.start()
    try:
        assert looking.wait(20)
        camera = threading.Thread(target=put_pairs, args=(recordings, 0, 10), daemon=True)
        camera.start()
        camera.join(20)
        assert not camera.is_alive()
    finally:
        found.set()
        starting.join(20)
    put_pairs(recordings, 10, 20)
    recordings.close()
    (folder,) = tmp_path.glob("*.case")
    assert verify(folder).complete
    with CaseReader(folder) as case:
        assert case.sequences(Role.NIR)[:, 1].tolist() == list(range(20))


def test_a_case_that_is_about_to_begin_is_closed_too(
    tmp_path: Path, pre_rolled: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking, found = slow_search(monkeypatch)
    recordings = Recordings(tmp_path, pre_rolled, Mode.LIVE)
    threads = [threading.Thread(target=recordings.start, args=(Settings(),))]
    threads[0].start()
    assert looking.wait(20)
    threads.append(threading.Thread(target=recordings.close))
    threads[1].start()
    threads[1].join(0.2)  # it waits for the case, which it is to close
    found.set()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert not recordings.recording
    (folder,) = tmp_path.glob("*.case")
    assert verify(folder).ok


def test_record_pressed_after_a_crash_goes_on_too(tmp_path: Path, recordings: Recordings) -> None:
    abandon(tmp_path / "a.case")
    assert recordings.start(Settings()) == tmp_path / "a.case"
    assert recordings.continue_interrupted(Settings()) is None


def test_after_a_restart_of_the_machine_a_new_case_continues_it(
    tmp_path: Path, recordings: Recordings, monkeypatch: pytest.MonkeyPatch
) -> None:
    abandon(tmp_path / "a.case")
    monkeypatch.setattr("sln_guide.recording.interrupted.boot_id", lambda: "another")
    folder = recordings.continue_interrupted(Settings())
    assert folder is not None
    recordings.close()
    with CaseReader(tmp_path / "a.case") as before, CaseReader(folder) as case:
        assert case.header.continues == before.header.case_id
    assert index_path(part_paths(tmp_path / "a.case")[0]).exists()


def test_what_is_not_continued(tmp_path: Path) -> None:
    folder = tmp_path / "a.case"
    assert find_interrupted(tmp_path / "none", rig()) is None
    abandon(folder)
    found = find_interrupted(tmp_path, rig())
    assert found is not None
    assert (found.folder, found.same_boot) == (folder, True)
    other = msgspec.structs.replace(rig(), name="another")
    assert find_interrupted(tmp_path, other) is None, "another rig"
    beat = (folder / LOCK).read_bytes()
    (folder / LOCK).write_bytes(b"%d" % (int(beat.split()[0]) - (RECENT_S + 5) * 1e9))
    assert find_interrupted(tmp_path, rig()) is None, "it may be another patient by now"
    (folder / LOCK).write_bytes(beat)
    with CaseWriter(tmp_path / "busy.case", CaseDescription(rig=rig(), settings=Settings())):
        found = find_interrupted(tmp_path, rig())
        assert found is not None
        assert found.folder == folder, "the busy one is somebody else's"
    (tmp_path / "b.case").mkdir()
    (tmp_path / "b.case" / "manifest.json").write_text("{")
    record(tmp_path / "later.case", 1)
    assert find_interrupted(tmp_path, rig()) is None, "somebody has recorded since"


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_set_meanwhile_neither_hides_a_case_nor_revives_one(
    tmp_path: Path, hours: int
) -> None:
    """Another patient's case went on where the clock was set back by as long as it was old."""
    record(tmp_path / "before.case", 1)
    folder = tmp_path / "a.case"
    abandon(folder)
    part = part_paths(folder)[0]
    other_clock = time.time() + 3600 * hours
    os.utime(part, (other_clock, other_clock))
    found = find_interrupted(tmp_path, rig())
    assert found is not None
    assert found.folder == folder
    os.utime(part)
    (folder / LOCK).write_bytes(b"%d" % (time.monotonic_ns() - 3600 * 10**9))
    assert find_interrupted(tmp_path, rig()) is None


def test_after_a_restart_of_the_machine_only_the_wall_clock_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "a.case"
    abandon(folder)
    monkeypatch.setattr("sln_guide.recording.interrupted.boot_id", lambda: "another")
    assert find_interrupted(tmp_path, rig()) is not None
    long_ago = time.time() - RECENT_S - 5
    os.utime(part_paths(folder)[0], (long_ago, long_ago))
    assert find_interrupted(tmp_path, rig()) is None


def test_frames_the_camera_lost_are_gaps(tmp_path: Path, recordings: Recordings) -> None:
    folder = recordings.start(Settings())
    recordings.put_frame(Role.NIR, frame(1), 0)
    recordings.put_frame(Role.NIR, frame(4), 2)
    recordings.close()
    with CaseReader(folder) as case:
        (gap,) = case.gaps(Role.NIR)
        assert (gap.first_sequence, gap.count, gap.reason) == (2, 2, "lost by the camera")


def test_two_that_record_into_one_folder_at_once_take_two_names(tmp_path: Path) -> None:
    """As two windows do whose Record is pressed in the same second."""
    both = [Recordings(tmp_path / "cases", load_rig("demo"), Mode.SIMULATED) for _ in range(2)]
    folders = [one.start(Settings()) for one in both]
    assert folders[0] != folders[1]
    for one in both:
        one.put_frame(Role.NIR, make_frame(0), 0)
        one.close()
        assert one.health().error is None
    for folder in folders:
        with CaseReader(folder) as case:
            assert case.count(Role.NIR) == 1
            assert case.complete


@pytest.mark.parametrize("what", ["a link to nothing", "a file"])
def test_a_folder_of_cases_that_is_none_ends_the_recording_in_words(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other names were tried without end where it is a link to a drive that is not there."""
    cases = tmp_path / "cases"
    if what == "a file":
        cases.write_text("")
    else:
        cases.symlink_to(tmp_path / "unplugged")
    tried = iter(range(100))
    mkdir = Path.mkdir

    def counted(path: Path, *words: Any, **named: Any) -> None:
        assert next(tried, None) is not None, "tries names without end"
        mkdir(path, *words, **named)

    monkeypatch.setattr(Path, "mkdir", counted)
    recordings = Recordings(cases, rig(), Mode.LIVE)
    try:
        recordings.start(Settings())
    finally:
        recordings.close()
    error = recordings.health().error
    assert error is not None
    assert ("plug in its drive" if what == "a link to nothing" else "is a file") in error
