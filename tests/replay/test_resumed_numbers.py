"""Where a recording cut short goes on, no number of a node is given twice, in replay and tables."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from hardware.phantom import Phantom
from hardware.rig import PhantomSpec, Rig
from hardware.rig_files import load_rig
from sln_guide import pipeline
from sln_guide.export.process import process_case
from sln_guide.export.recomputing import computed
from sln_guide.export.wish import Span
from sln_guide.guidance import Guidance, NextNumbers, Pair, Role, Settings
from sln_guide.pipeline import State
from sln_guide.recording import CaseReader, CaseWriter, digest
from sln_guide.recording.description import CaseDescription
from sln_guide.replay.player import Player

PART = 24
"""Frames of each part."""
UNLOGGED = 3
"""Frames of the second part before its first computation is logged."""
FIRST = 1500


def node_numbers(guidance: Guidance) -> set[int]:
    return {d.node_number for d in guidance.detections if d.node_number}


@pytest.fixture(scope="module")
def rig() -> Rig:
    demo = load_rig("demo")
    return msgspec.structs.replace(
        demo,
        phantom=PhantomSpec(scene="procedure", seed=3, width=320, height=256),
        optics=msgspec.structs.replace(demo.optics, mm_per_px=0.4),
    )


def record(
    case: CaseWriter, state: State, phantom: Phantom, first: int, skip: int
) -> list[Guidance]:
    made = []
    for index in range(PART):
        nir, white = (phantom.frame(role, first + index) for role in ("nir", "white"))
        case.write_frame(Role.NIR, nir)
        case.write_frame(Role.WHITE, white)
        if index in (skip, PART // 2):
            case.write_snapshot(state.snapshot())
        pair = Pair(nir, white, white.mid_exposure_ns - nir.mid_exposure_ns)
        state, guidance = pipeline.step(state, pair, Settings())
        if index >= skip:
            case.write_guidance(guidance)
            made.append(guidance)
    return made


@pytest.fixture(scope="module")
def recorded(
    rig: Rig, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[Guidance], list[Guidance]]:
    """A case of two parts, as two sessions write it; what each of them computed."""
    assert rig.phantom is not None
    phantom = Phantom(rig.phantom, rig)
    folder = tmp_path_factory.mktemp("cases") / "resumed.case"
    begun = pipeline.initial_state(pipeline.Setup.from_rig(rig))
    case = CaseWriter(folder, CaseDescription(rig=rig, settings=Settings()))
    before = record(case, begun, phantom, FIRST, 0)
    case._tape._part.release()  # as a dead recorder leaves it
    case._lock.release()
    with CaseWriter.resume(folder) as case:
        with CaseReader(folder) as left:
            numbers = left.numbers_given()
        state = replace(begun, tracks=begun.tracks.numbered_on(*(n - 1 for n in numbers)))
        behind = record(case, state, phantom, FIRST + 2 * PART, UNLOGGED)
    return folder, before, behind


Recorded = tuple[Path, list[Guidance], list[Guidance]]


def test_no_number_is_given_twice(recorded: Recorded) -> None:
    _, before, behind = recorded
    first, second = (set().union(*map(node_numbers, made)) for made in (before, behind))
    assert first == set(range(1, len(first) + 1))
    assert second
    assert min(second) > max(first)
    ids = [{d.track_id for g in made for d in g.detections} - {0} for made in (before, behind)]
    assert not ids[0] & ids[1]


def test_what_follows_begins_behind_all_that_was_numbered(rig: Rig, recorded: Recorded) -> None:
    folder, _, behind = recorded
    with CaseReader(folder) as case:
        numbers = case.numbers_given()
    assert numbers.next_node == max(max(map(node_numbers, behind))) + 1
    assert NextNumbers(4, 2).behind([(7, 0), (2, 5)]) == (8, 6)


def again_by_table(case: CaseReader) -> dict[int, Guidance]:
    made = (c.guidance for c in computed(case, case.asked(), Span()))
    return {g.pair.nir.mid_exposure_ns: g for g in made if g is not None}


def again_by_playing(case: CaseReader) -> dict[int, Guidance]:
    moments = tuple(case.moments())
    player = Player(case, moments)
    pictures = [player.at(index, case.asked()) for index in range(len(moments))]
    made = (p.guidance for p in pictures if p is not None)
    return {g.pair.nir.mid_exposure_ns: g for g in made if g is not None}


@pytest.mark.parametrize("again", [again_by_table, again_by_playing])
def test_played_through_it_is_what_was_computed_then(
    recorded: Recorded, again: Callable[[CaseReader], dict[int, Guidance]]
) -> None:
    folder, before, behind = recorded
    with CaseReader(folder) as case:
        made = again(case)
    assert len(made) == 2 * PART
    for then in (*before, *behind):
        now = made[then.pair.nir.mid_exposure_ns]
        assert digest(now) == digest(then)


def test_a_seek_into_either_part_tells_the_numbers_of_then(recorded: Recorded) -> None:
    folder, before, behind = recorded
    with CaseReader(folder) as case:
        player = Player(case, tuple(case.moments()))
        for index, then in ((2 * PART - 1, behind[-1]), (PART - 1, before[-1])):
            picture = player.at(index, case.asked())
            assert picture is not None
            assert picture.guidance is not None
            assert node_numbers(picture.guidance) == node_numbers(then)
        # another threshold follows its own nodes, and numbers them behind one another too
        numbers = [
            node_numbers(p.guidance)
            for index in range(2 * PART)
            if (p := player.at(index, case.asked(4.0))) is not None and p.guidance is not None
        ]
        first, second = (set().union(*part) for part in (numbers[:PART], numbers[PART:]))
        assert second
        assert min(second) > max(first)


def test_tables_tell_no_two_nodes_by_one_number(recorded: Recorded, tmp_path: Path) -> None:
    folder, _, _ = recorded
    with CaseReader(folder) as case:
        process_case(case, tmp_path / "out", video=False)
    with (tmp_path / "out" / "detections.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    by_part = [
        {
            row["node_number"]
            for row in rows
            if (int(row["frame"]) < PART) is early and row["node_number"]
        }
        for early in (True, False)
    ]
    assert all(by_part)
    assert not by_part[0] & by_part[1]
