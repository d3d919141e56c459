"""A session that goes on with another's case numbers its nodes behind those that were there."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from hardware.mock import MockCamera
from hardware.rig import Rig
from sln_guide.guidance import NextNumbers, Role
from sln_guide.live import session as session_module
from sln_guide.live.session import LiveSession
from sln_guide.recording import CaseReader, RecordingError
from sln_guide.recording.excerpts import Resumption
from tests.live.test_session import FPS, recordings, rig, wait_until

__all__ = ["recordings", "rig"]

Make = Callable[[Path], LiveSession]


@pytest.fixture
def make(rig: Rig, recordings: dict[Role, list[Any]]) -> Iterator[Make]:
    made: list[LiveSession] = []

    def live(cases: Path) -> LiveSession:
        cameras = {
            role: MockCamera(recordings[role], camera_id=str(role), pace=FPS, loop=True)
            for role in Role
        }
        made.append(LiveSession(rig, cameras, cases=cases))
        return made[-1]

    yield live
    for session in made:
        session.close()


def numbers_shown(session: LiveSession) -> set[int]:
    picture = session.latest_picture()
    guidance = None if picture is None else picture.guidance
    return {d.node_number for d in guidance.detections if d.node_number} if guidance else set()


def numbers_by_part(folder: Path) -> list[set[int]]:
    with CaseReader(folder) as case:
        (resumed,) = case.resumptions()
        assert isinstance(resumed, Resumption)
        parts: list[set[int]] = [set(), set()]
        for record in case.guidance_log():
            behind = record.nir.mid_exposure_ns >= resumed.begun_ns
            parts[behind] |= {d.node_number for d in record.detections if d.node_number}
        return parts


def next_node(folder: Path) -> int:
    with CaseReader(folder) as case:
        return case.numbers_given().next_node


def numbered(folder: Path) -> bool:
    """Whether a case that is being recorded has numbered nodes; one that only begins has none."""
    with suppress(RecordingError):
        return next_node(folder) > 1
    return False


def cut_short(make: Make, tmp_path: Path) -> Path:
    """Record with nodes in sight; return the cases as the death of the program leaves them."""
    session = make(tmp_path / "first")
    session.start()
    folder = session.start_recording()
    wait_until(lambda: numbered(folder), "nodes are numbered in the case")
    left = tmp_path / "left" / folder.name
    shutil.copytree(folder, left)
    session.close()
    return left


@pytest.mark.parametrize("pressed", [False, True])
def test_numbers_go_on_where_the_case_goes_on(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pressed: bool
) -> None:
    left = cut_short(make, tmp_path)
    given = next_node(left)
    monkeypatch.setattr(session_module, "HEALTH_EVERY_S", 1000.0 if pressed else 0.05)
    session = make(left.parent)
    session.start()
    if pressed:  # nodes are numbered before: in sight they change to what the case says
        wait_until(lambda: 1 in numbers_shown(session), "nodes are numbered")
        assert session.start_recording() == left
    wait_until(lambda: (n := numbers_shown(session)) and min(n) >= given, "numbers go on")
    wait_until(lambda: session.health().recorder.frames > 40, "it is recorded")
    session.close()
    before, behind = numbers_by_part(left)
    assert before
    assert behind
    assert min(behind) > max(before)


def test_a_session_keeps_its_numbers_in_its_own_case(make: Make, tmp_path: Path) -> None:
    """Its disk was gone for a moment: the case was not closed, and Record goes on with it."""
    session = make(tmp_path)
    session.start()
    folder = session.start_recording()
    wait_until(lambda: numbers_shown(session), "nodes are numbered")
    session._recordings._look_up_numbers(folder)
    assert session._recordings.numbers is None


def test_an_engine_that_replaces_another_numbers_behind_it(make: Make, tmp_path: Path) -> None:
    session = make(tmp_path)
    session.number_from(NextNumbers(7, 5))
    session.start()
    wait_until(lambda: numbers_shown(session), "nodes are numbered")
    assert min(numbers_shown(session)) >= 5
