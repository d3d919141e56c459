"""What is logged of a case can be made again from it, whoever begins cases, and when."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from hardware.frame import Frame
from hardware.rig_files import load_rig
from sln_guide import pipeline
from sln_guide.guidance import Guidance, Pair, Settings
from sln_guide.live.case_log import CaseLog
from sln_guide.live.recorder import Writing
from sln_guide.live.recordings import Recordings
from sln_guide.recording.errors import RecordingError
from tests.frames import frame_of

REACH_NS = 20_000_000


class Case:
    """Takes what is written as a `CaseWriter` would, by the name of the method."""

    def __init__(self) -> None:
        self.written: list[tuple[str, tuple[Any, ...]]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *values: self.written.append((name, values))

    def names(self) -> list[str]:
        return [name for name, _ in self.written]


class OneCase:
    """As `Recordings`, writing at once into one case in memory."""

    def __init__(self) -> None:
        self.case = Case()
        self.recording = False
        self.numbering = False
        self.numbers = None

    def put(self, write: Writing) -> None:
        if self.recording:
            write(cast(Any, self.case))

    def start(self, settings: Settings, first: Iterator[Writing]) -> Path:
        if self.recording:
            raise RecordingError("already recording")
        for write in first:
            write(cast(Any, self.case))
        self.recording = True
        return Path("one.case")

    def continue_interrupted(self, settings: Settings, first: Iterator[Writing]) -> None:
        return None


@pytest.fixture
def recordings() -> OneCase:
    return OneCase()


@pytest.fixture
def log(recordings: OneCase) -> CaseLog:
    first: Writing = lambda case: case.attach("dark.npy", b"", "")  # noqa: E731
    return CaseLog(cast(Recordings, recordings), first)


@pytest.fixture(scope="module")
def state() -> pipeline.State:
    return pipeline.initial_state(pipeline.Setup.from_rig(load_rig("demo")))


def frame_at(time_ns: int) -> Frame:
    return frame_of([[0, 0], [0, 0]], host_time_ns=time_ns)


def compute(log: CaseLog, state: pipeline.State, arrived_ns: int) -> None:
    """Log one step of the main loop, whatever it finds."""
    nir = frame_at(arrived_ns)
    log.note_state(state, nir)
    log.note_guidance(cast(Guidance, _Made(Pair(nir, None))))


class _Made:
    def __init__(self, pair: Pair) -> None:
        self.pair = pair


def test_a_case_begins_with_what_it_is_computed_with_and_what_happened_before(
    log: CaseLog, recordings: OneCase
) -> None:
    log.mark("inject", "left")
    log.begin(recordings.start, Settings(), REACH_NS)
    names = recordings.case.names()
    assert names == ["attach", "write_event", "write_event"]
    assert [values[0] for _, values in recordings.case.written[1:]] == ["inject", "record"]
    assert [event.name for event in log.events()] == ["inject", "record"]


def test_the_first_computation_logged_rests_on_frames_of_the_case_and_has_its_state(
    log: CaseLog, recordings: OneCase, state: pipeline.State
) -> None:
    before_ns = time.monotonic_ns()
    log.begin(recordings.start, Settings(), REACH_NS)
    begun_ns = time.monotonic_ns()
    recordings.case.written.clear()
    for late_ns in (before_ns, begun_ns, before_ns + REACH_NS):
        compute(log, state, late_ns)
    assert not recordings.case.written
    for number in range(3):
        compute(log, state, begun_ns + 2 * REACH_NS + number)
    assert recordings.case.names() == ["write_snapshot", *3 * ["write_guidance"]]
    log.begin_anew()
    compute(log, state, begun_ns + 3 * REACH_NS)
    assert recordings.case.names()[-2:] == ["write_snapshot", "write_guidance"]


def test_a_refused_begin_leaves_the_log_as_it_was(
    log: CaseLog, recordings: OneCase, state: pipeline.State
) -> None:
    log.begin(recordings.start, Settings(), REACH_NS)
    with pytest.raises(RecordingError):
        log.begin(recordings.start, Settings(), REACH_NS)
    compute(log, state, time.monotonic_ns() + 2 * REACH_NS)
    assert "write_guidance" in recordings.case.names()


def test_two_that_begin_at_the_same_time_leave_the_log_on(
    log: CaseLog, recordings: OneCase, state: pipeline.State
) -> None:
    """Record is pressed while a case cut short is looked for: the one that has nothing to go on
    with must not put back what the other had set for the time it took."""
    first_inside, second_inside, first_done = (threading.Event() for _ in range(3))

    def start(settings: Settings, first: Iterator[Writing]) -> Path:
        first_inside.set()
        second_inside.wait(0.3)  # never comes where they begin one at a time
        return recordings.start(settings, first)

    def nothing_to_go_on_with(settings: Settings, first: Iterator[Writing]) -> None:
        second_inside.set()
        first_done.wait(20)

    def begin_first() -> None:
        log.begin(start, Settings(), REACH_NS)
        first_done.set()

    threads = [
        threading.Thread(target=begin_first),
        threading.Thread(target=log.begin, args=(nothing_to_go_on_with, Settings(), REACH_NS)),
    ]
    threads[0].start()
    assert first_inside.wait(20)
    threads[1].start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    compute(log, state, time.monotonic_ns() + 2 * REACH_NS)
    assert recordings.case.names()[-2:] == ["write_snapshot", "write_guidance"]


def test_a_case_that_begins_while_a_state_is_noted_has_one_of_its_own(
    log: CaseLog,
    recordings: OneCase,
    state: pipeline.State,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recordings.recording = True
    log.begin_anew()
    put = recordings.put

    def put_while_another_begins(write: Writing) -> None:
        monkeypatch.setattr(recordings, "put", put)
        recordings.recording = False
        log.begin(recordings.start, Settings(), REACH_NS)
        put(write)

    monkeypatch.setattr(recordings, "put", put_while_another_begins)
    log.note_state(state, frame_at(time.monotonic_ns()))
    recordings.case.written.clear()
    compute(log, state, time.monotonic_ns() + 2 * REACH_NS)
    assert recordings.case.names() == ["write_snapshot", "write_guidance"]
