"""What the operator changed while it was recorded holds again in replay, film and tables."""

from __future__ import annotations

import csv
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hardware.phantom import Phantom
from hardware.rig import PhantomSpec
from hardware.rig_files import load_rig
from sln_guide import pipeline
from sln_guide.export.journal import export_journal
from sln_guide.export.process import process_case
from sln_guide.export.recomputing import computed
from sln_guide.export.wish import Span
from sln_guide.guidance import Guidance, Pair, Role, Settings
from sln_guide.recording import digest
from sln_guide.recording.description import CaseDescription
from sln_guide.recording.reader import CaseReader
from sln_guide.recording.writer import CaseWriter
from sln_guide.replay.player import Player
from sln_guide.replay.session import ReplaySession

FRAMES = 48
BASELINE, THRESHOLD, EXCLUSION = 8, 20, 30
"""At which frame the operator asked for what."""
STRICTER = 7.0
REGION = ((20.0, 20.0), (60.0, 20.0), (40.0, 60.0))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Guidance]]:
    """A case as live writes it, and what was computed then."""
    demo = load_rig("demo")
    rig = msgspec.structs.replace(
        demo,
        phantom=PhantomSpec(scene="procedure", seed=2, width=160, height=128),
        optics=msgspec.structs.replace(demo.optics, mm_per_px=0.8),
    )
    assert rig.phantom is not None
    phantom = Phantom(rig.phantom, rig)
    folder = tmp_path_factory.mktemp("cases") / "changed.case"
    settings, made = Settings(opacity=0.5), []
    state = pipeline.initial_state(pipeline.Setup.from_rig(rig))
    with CaseWriter(folder, CaseDescription(rig=rig, settings=settings)) as case:
        for index in range(FRAMES):
            nir, white = (phantom.frame(role, 900 + index) for role in ("nir", "white"))
            if index == BASELINE:
                settings = replace(settings, baseline_ns=made[-1].pair.nir.mid_exposure_ns)
            if index == THRESHOLD:
                settings = replace(settings, threshold_sigma=STRICTER, opacity=0.9)
            if index == EXCLUSION:
                settings = replace(settings, exclusion_px=REGION)
            case.write_frame(Role.NIR, nir)
            case.write_frame(Role.WHITE, white)
            if index % 24 == 0:
                case.write_snapshot(state.snapshot())
            pair = Pair(nir, white, white.mid_exposure_ns - nir.mid_exposure_ns)
            state, guidance = pipeline.step(state, pair, settings)
            case.write_guidance(guidance)
            made.append(guidance)
    assert made[BASELINE + 2].baseline_used
    return folder, made


def in_force(settings: Settings) -> tuple[Any, ...]:
    return settings.threshold_sigma, settings.baseline_ns, settings.exclusion_px


def test_film_and_curves_are_computed_as_it_was_recorded(
    recorded: tuple[Path, list[Guidance]],
) -> None:
    folder, made = recorded
    with CaseReader(folder) as case:
        again = [c.guidance for c in computed(case, case.asked(), Span())]
    assert [digest(g) for g in again if g is not None] == [digest(g) for g in made]
    assert all(g is None or g.settings.opacity == 0.5 for g in again), "drawn as it began"


def test_tables_say_with_what_each_frame_was_computed(
    recorded: tuple[Path, list[Guidance]], tmp_path: Path
) -> None:
    folder, made = recorded
    with CaseReader(folder) as case:
        summary = process_case(case, tmp_path / "as-recorded", video=False)
        chosen = process_case(case, tmp_path / "chosen", asked=case.asked(4.5), video=False)
    assert (summary.chosen, chosen.chosen) == ((), ("threshold_sigma",))
    with (tmp_path / "as-recorded" / "frames.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["threshold_sigma"]) for row in rows] == [
        g.settings.threshold_sigma for g in made
    ]
    assert [row["baseline_used"] == "true" for row in rows] == [g.baseline_used for g in made]
    with (tmp_path / "chosen" / "frames.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {float(row["threshold_sigma"]) for row in rows} == {4.5}, "as begun, and yet chosen"
    assert [row["baseline_used"] == "true" for row in rows] == [g.baseline_used for g in made]


def test_the_journal_tells_what_the_operator_chose_and_when(
    recorded: tuple[Path, list[Guidance]], tmp_path: Path
) -> None:
    folder, made = recorded
    with CaseReader(folder) as case:
        export_journal(case, tmp_path / "journal.csv")
    with (tmp_path / "journal.csv").open(newline="") as file:
        told = [row for row in csv.DictReader(file) if row["source"] == "settings"]
    begun_ns = made[0].pair.nir.mid_exposure_ns
    assert [(row["what"], float(row["time_s"])) for row in told] == [
        (what, pytest.approx((made[index].pair.nir.mid_exposure_ns - begun_ns) / 1e9, abs=1e-3))
        for what, index in (
            ("baseline: yes", BASELINE),
            ("threshold 7 sigma", THRESHOLD),
            ("region left out: yes", EXCLUSION),
        )
    ]


@pytest.mark.parametrize("index", [BASELINE + 4, EXCLUSION - 1, FRAMES - 1])
def test_a_seek_finds_what_held_then(recorded: tuple[Path, list[Guidance]], index: int) -> None:
    folder, made = recorded
    with CaseReader(folder) as case:
        player = Player(case, tuple(case.moments()))
        picture = player.at(index, case.asked())
        assert picture is not None
        assert picture.guidance is not None
        assert in_force(picture.guidance.settings) == in_force(made[index].settings)
        assert picture.guidance.baseline_used
        other = player.at(index, case.asked(5.5))
        assert other is not None
        assert other.guidance is not None
        assert other.guidance.settings.threshold_sigma == 5.5


def test_the_window_of_a_replay_says_what_holds_at_each_moment(
    recorded: tuple[Path, list[Guidance]],
) -> None:
    folder, made = recorded
    session = ReplaySession(CaseReader(folder))
    session.start()
    try:
        for index in (FRAMES - 1, 2, THRESHOLD + 1):
            go_to(session, made, index)
            assert in_force(session.settings) == in_force(made[index].settings)
        session.change(threshold_sigma=5.5, exclusion_px=())
        assert session.asked.chosen == {"threshold_sigma", "exclusion_px"}
        for index in (FRAMES - 1, 2):
            go_to(session, made, index)
            wanted = (5.5, made[index].settings.baseline_ns, ())
            assert in_force(session.settings) == wanted, "chosen for the whole of it"
    finally:
        session.close()


def go_to(session: ReplaySession, made: list[Guidance], index: int) -> None:
    wanted_ns = made[index].pair.nir.mid_exposure_ns
    session.seek((wanted_ns - session.began_ns) / 1e9)
    deadline = time.monotonic() + 20.0
    while (p := session.latest_picture()) is None or (
        p.nir is None or p.nir.mid_exposure_ns != wanted_ns
    ):
        assert time.monotonic() < deadline
        time.sleep(0.005)
