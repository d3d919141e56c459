"""A recorded case in the window's hands: play, pause, step, seek, speed, other settings."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from hardware.phantom import Phantom
from hardware.rig import PhantomSpec
from hardware.rig_files import load_rig
from sln_guide import pipeline
from sln_guide.core.draw import Drawer
from sln_guide.export.recomputing import computed
from sln_guide.export.wish import Span
from sln_guide.guidance import Mode, Pair, Picture, Role, Settings
from sln_guide.health import Health
from sln_guide.recording.codec import REPACKED
from sln_guide.recording.description import CaseDescription
from sln_guide.recording.errors import RecordingError
from sln_guide.recording.part import Entry
from sln_guide.recording.reader import CaseReader
from sln_guide.recording.writer import CaseWriter
from sln_guide.replay.player import LEAD_IN_NS, Player
from sln_guide.replay.session import ReplaySession

FRAMES = 60


@pytest.fixture(scope="module")
def case_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    demo = load_rig("demo")
    rig = msgspec.structs.replace(
        demo,
        phantom=PhantomSpec(scene="procedure", seed=2, width=160, height=128),
        optics=msgspec.structs.replace(demo.optics, mm_per_px=0.8),
    )
    assert rig.phantom is not None
    phantom = Phantom(rig.phantom, rig)
    folder = tmp_path_factory.mktemp("cases") / "p.case"
    with CaseWriter(
        folder, CaseDescription(rig=rig, settings=Settings(threshold_sigma=5.0), title="P")
    ) as case:
        for index in range(FRAMES):
            for role in Role:
                case.write_frame(role, phantom.frame(role, 900 + index))
        first = phantom.frame("nir", 900)
        case.write_event("inject", "QD850", first.mid_exposure_ns + 500_000_000)
        case.write_event(REPACKED, "lz4: nobody stamped it", first.mid_exposure_ns + 600_000_000)
    return folder


@pytest.fixture
def replay(case_folder: Path) -> Iterator[ReplaySession]:
    session = ReplaySession(CaseReader(case_folder))
    session.start()
    wait_until(lambda: session.latest_picture() is not None, "the first pair is shown")
    yield session
    session.close()


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 20.0
    while not condition():
        assert time.monotonic() < deadline, f"waited too long until {what}"
        threading.Event().wait(0.005)


def shown(session: ReplaySession, after: int, action: Callable[[], Any]) -> Picture:
    """Do ``action`` and return the picture that follows picture number ``after``."""
    action()
    wait_until(
        lambda: (p := session.latest_picture()) is not None and p.number > after, "it is shown"
    )
    picture = session.latest_picture()
    assert picture is not None
    return picture


def sequence(picture: Picture) -> int:
    assert picture.nir is not None
    return picture.nir.sequence


def test_it_opens_at_the_first_pair_paused_and_says_replay(replay: ReplaySession) -> None:
    first = replay.latest_picture()
    assert first is not None
    assert sequence(first) == 900
    assert replay.mode is Mode.REPLAY
    assert not replay.playing
    assert replay.position_s == 0.0
    assert replay.duration_s == pytest.approx((FRAMES - 1) / 30, abs=0.01)
    assert replay.settings.threshold_sigma == 5.0, "begins with the recorded settings"
    (event,) = replay.events()
    assert (event.name, event.time_s) == ("inject", pytest.approx(0.5, abs=1e-6))


def test_steps_both_ways_and_stops_at_the_ends(replay: ReplaySession) -> None:
    first = replay.latest_picture()
    assert first is not None
    picture = shown(replay, first.number, lambda: replay.step(3))
    assert sequence(picture) == 903
    picture = shown(replay, picture.number, lambda: replay.step(-1))
    assert sequence(picture) == 902
    picture = shown(replay, picture.number, lambda: replay.step(-50))
    assert sequence(picture) == 900
    picture = shown(replay, picture.number, lambda: replay.step(1000))
    assert sequence(picture) == 900 + FRAMES - 1


def test_seek_shows_the_nearest_pair(replay: ReplaySession) -> None:
    first = replay.latest_picture()
    assert first is not None
    picture = shown(replay, first.number, lambda: replay.seek(1.01))
    assert sequence(picture) == 930
    assert replay.position_s == pytest.approx(1.0, abs=0.02)
    picture = shown(replay, picture.number, lambda: replay.seek(1e9))
    assert sequence(picture) == 900 + FRAMES - 1


def test_a_thumbnail_has_the_colours_of_the_picture(case_folder: Path, tmp_path: Path) -> None:
    with CaseReader(case_folder) as case:
        rig, white = case.rig, case.frame(Role.WHITE, 0)
    assert rig.white is not None
    balanced = msgspec.structs.replace(rig.white, white_balance=(1.6, 1.0, 2.1), black_counts=3.0)
    rig = msgspec.structs.replace(rig, white=balanced)
    with CaseWriter(tmp_path / "b.case", CaseDescription(rig=rig, settings=Settings())) as made:
        made.write_frame(Role.WHITE, white)
    session = ReplaySession(CaseReader(tmp_path / "b.case"))
    small = session.thumbnail(0.0, 64)
    session.close()
    assert small is not None
    assert np.array_equal(small, Drawer(rig.white_balance).white_thumbnail(white, 64))
    assert not np.array_equal(small, Drawer().white_thumbnail(white, 64))


def test_a_thumbnail_is_of_its_moment_and_moves_nothing(replay: ReplaySession) -> None:
    before = replay.position_s
    first, last = (replay.thumbnail(t, 64) for t in (0.0, replay.duration_s))
    assert first is not None
    assert last is not None
    assert (first.shape[1], first.dtype) == (64, np.uint32)
    assert not np.array_equal(first, last)
    assert np.array_equal(first, replay.thumbnail(-5.0, 64))
    assert replay.position_s == before


def test_seeking_back_computes_the_same_guidance(replay: ReplaySession) -> None:
    first = replay.latest_picture()
    assert first is not None
    picture = first
    for _ in range(20):
        picture = shown(replay, picture.number, lambda: replay.step(1))
    once = picture.guidance
    assert once is not None
    picture = shown(replay, picture.number, lambda: replay.seek(0.1))
    picture = shown(replay, picture.number, lambda: replay.seek(20 / 30))
    again = picture.guidance
    assert again is not None
    assert again.generation == once.generation
    assert [(d.track_id, d.x_px, d.sbr) for d in again.detections] == [
        (d.track_id, d.x_px, d.sbr) for d in once.detections
    ]


def test_plays_to_the_end_as_fast_as_possible_skipping_nothing(replay: ReplaySession) -> None:
    seen: list[int] = []

    def look() -> None:
        picture = replay.latest_picture()
        if picture is not None:
            seen.append(sequence(picture))

    replay.on_picture(look)
    replay.set_speed(math.inf)
    replay.play()
    wait_until(lambda: not replay.playing, "the end is reached")
    assert seen == list(range(901, 900 + FRAMES))
    replay.play()
    wait_until(lambda: seen[-1] == 900 or seen.count(901) == 2, "it begins again")


def test_pause_holds_the_picture(replay: ReplaySession) -> None:
    replay.set_speed(4.0)
    replay.play()
    wait_until(lambda: replay.position_s > 0.2, "it plays")
    replay.pause()
    assert not replay.playing
    first = replay.latest_picture()
    assert first is not None
    picture = shown(replay, first.number, lambda: replay.step(1))
    assert sequence(picture) <= sequence(first) + 2


def test_other_settings_recompute_the_pair_shown(replay: ReplaySession) -> None:
    first = replay.latest_picture()
    assert first is not None
    picture = shown(replay, first.number, lambda: replay.change(threshold_sigma=9.0))
    assert sequence(picture) == sequence(first)
    assert picture.guidance is not None
    assert picture.guidance.settings.threshold_sigma == 9.0


def test_speed_has_a_floor(replay: ReplaySession) -> None:
    with pytest.raises(ValueError, match="speed"):
        replay.set_speed(0.0)
    with pytest.raises(ValueError, match="speed"):
        replay.set_speed(math.nan)


def test_a_case_without_frames_is_refused(tmp_path: Path) -> None:
    CaseWriter(
        tmp_path / "e.case", CaseDescription(rig=load_rig("demo"), settings=Settings())
    ).close()
    with CaseReader(tmp_path / "e.case") as case, pytest.raises(RecordingError, match="no frame"):
        ReplaySession(case)


def test_a_damaged_frame_is_told_and_replay_goes_on(case_folder: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "d.case"
    damaged.mkdir()
    for item in case_folder.iterdir():
        (damaged / item.name).write_bytes(item.read_bytes())
    part = next(damaged.glob("*.mcap"))
    data = bytearray(part.read_bytes())
    for offset in range(len(data) // 2, len(data) // 2 + 64):
        data[offset] ^= 0xFF
    part.write_bytes(data)
    session = ReplaySession(CaseReader(damaged))
    session.set_speed(math.inf)
    session.play()
    session.start()
    wait_until(lambda: session.position_s == session.duration_s, "the end is reached")
    assert session.caveat.startswith("DAMAGED")
    session.close()


def test_a_moment_that_cannot_be_read_shows_no_other_moments_picture(
    case_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "cut.case"
    folder.mkdir()
    for item in case_folder.iterdir():
        (folder / item.name).write_bytes(item.read_bytes())
    part = next(folder.glob("*.mcap"))
    session = ReplaySession(CaseReader(folder))
    session.start()
    try:
        wait_until(lambda: session.latest_picture() is not None, "the first moment is shown")
        assert session.caveat == ""
        os.truncate(part, part.stat().st_size // 2)  # beneath it, as on a disk that gives up
        session.seek(session.duration_s)
        wait_until(lambda: session.position_s == session.duration_s, "it is sought")
        wait_until(lambda: session.latest_picture() is None, "its picture is withdrawn")
        assert session.latest_white() is None
        nir = session.health().nir
        assert nir.health is Health.LOST
        assert nir.error
        assert session.caveat.startswith("DAMAGED")
        session.seek(0.0)
        wait_until(lambda: session.latest_picture() is not None, "what is whole is shown")
        assert session.health().nir.health is Health.LIVE
    finally:
        session.close()


def test_from_the_first_moment_on_numbers_are_those_of_the_recording(
    case_folder: Path, tmp_path: Path
) -> None:
    """Nodes may have been numbered before a recording began: replay and exports say the same."""
    folder = tmp_path / "later.case"
    with CaseReader(case_folder) as read:
        setup = pipeline.Setup.from_rig(read.rig)
        state = replace(pipeline.initial_state(setup), generation=500, time_ns=1)
        about = CaseDescription(rig=read.rig, settings=read.settings)
        with CaseWriter(folder, about) as case:
            for index in range(4):
                nir, white = read.frame(Role.NIR, index), read.frame(Role.WHITE, index)
                case.write_frame(Role.NIR, nir)
                case.write_frame(Role.WHITE, white)
                if index == 0:
                    case.write_snapshot(state.snapshot())
                state, guidance = pipeline.step(state, Pair(nir, white, 0), read.settings)
                case.write_guidance(guidance)
    with CaseReader(folder) as case:
        player = Player(case, tuple(case.moments()))
        for index in (0, 1, 0, 3):
            picture = player.at(index, case.asked())
            assert picture is not None
            assert picture.guidance is not None
            assert picture.guidance.generation == 501 + index
        whole = Span(0.0, 1.0)
        made = [c.guidance for c in computed(case, case.asked(), whole) if c.guidance is not None]
        assert [guidance.generation for guidance in made] == [501, 502, 503, 504]
        picture = player.at(0, case.asked(9.0))
        assert picture is not None
        assert picture.guidance is not None
        assert picture.guidance.generation == 1, "another threshold follows nodes of its own"


def test_a_seek_takes_up_the_numbers_noted_in_the_case(case_folder: Path, tmp_path: Path) -> None:
    """Far from anything computed: node numbers are those of the recording, not begun anew."""
    folder = tmp_path / "noted.case"
    with CaseReader(case_folder) as read:
        setup = pipeline.Setup.from_rig(read.rig)
        state = pipeline.initial_state(setup)
        with CaseWriter(folder, CaseDescription(rig=read.rig, settings=read.settings)) as case:
            for index in range(FRAMES):
                nir, white = read.frame(Role.NIR, index), read.frame(Role.WHITE, index)
                case.write_frame(Role.NIR, nir)
                case.write_frame(Role.WHITE, white)
                state, _ = pipeline.step(state, Pair(nir, white, 0), read.settings)
                if index == 30:
                    later = replace(state, generation=1000)
                    noted = later.snapshot()
                    case._tape.append(Entry("snapshots", 0, (noted,), nir.mid_exposure_ns + 1))
    read_back = CaseReader(folder)
    steps: list[int] = []
    player = Player(read_back, tuple(read_back.moments()))
    real_step = pipeline.step

    def counted(*arguments: Any) -> Any:
        steps.append(1)
        return real_step(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "step", counted)
        picture = player.at(55, read_back.asked())
        assert len(steps) == len(LEAD_IN_NS) + 1, "a seek costs five steps"
        assert picture is not None
        assert picture.guidance is not None
        assert picture.guidance.generation == 1000 + 5
        steps.clear()
        assert player.at(54, read_back.asked()) is not None
        assert len(steps) <= len(LEAD_IN_NS) + 1
        steps.clear()
        assert player.at(55, read_back.asked()) is not None
        assert len(steps) == 1, "where one has been is remembered"
        picture = player.at(55, read_back.asked(9.0))
        assert picture is not None
        assert picture.guidance is not None
        assert picture.guidance.generation == 5, "noted with another threshold: begun anew"
    read_back.close()


def test_a_seek_near_the_start_leads_in_from_what_there_is(case_folder: Path) -> None:
    with CaseReader(case_folder) as case:
        player = Player(case, tuple(case.moments()))
        picture = player.at(2, case.asked())
        assert picture is not None
        assert picture.guidance is not None
        assert picture.guidance.generation == 3


def with_a_hole(folder: Path, source: Path, *, nir: range, guided: range) -> CaseReader:
    """Write a case with all white frames, NIR frames ``nir``, and guidance of ``guided``."""
    with CaseReader(source) as read:
        state = pipeline.initial_state(pipeline.Setup.from_rig(read.rig))
        with CaseWriter(folder, CaseDescription(rig=read.rig, settings=read.settings)) as case:
            for index in range(FRAMES):
                white = read.frame(Role.WHITE, index)
                case.write_frame(Role.WHITE, white)
                if index in nir:
                    frame = read.frame(Role.NIR, index)
                    case.write_frame(Role.NIR, frame)
                    if index in guided:
                        state, guidance = pipeline.step(state, Pair(frame, white), read.settings)
                        case.write_guidance(guidance)
    return CaseReader(folder)


def test_white_light_without_nir_is_shown_by_itself(case_folder: Path, tmp_path: Path) -> None:
    everything = range(FRAMES)
    case = with_a_hole(tmp_path / "w.case", case_folder, nir=range(20), guided=everything)
    with case:
        moments = case.moments()
        assert moments == [(i, i) for i in range(20)] + [(None, i) for i in range(20, FRAMES)]
        player = Player(case, tuple(moments))
        before = player.at(19, case.asked())
        assert before is not None
        assert before.guidance is not None
        alone = player.at(20, case.asked())
        assert alone is not None
        assert alone.white is not None
        assert alone.white.sequence == case.frame(Role.WHITE, 20).sequence
        assert alone.guidance is None
        assert not alone.overlay_drawn
        assert alone.nir is None, "the last NIR frame is old"
        assert alone.nir_thumbnail is None
        again = player.at(10, case.asked())
        assert again is not None
        assert again.guidance is not None


def test_a_case_of_white_light_alone_is_replayed(case_folder: Path, tmp_path: Path) -> None:
    case = with_a_hole(tmp_path / "w.case", case_folder, nir=range(0), guided=range(0))
    session = ReplaySession(case)
    session.start()
    wait_until(lambda: session.latest_picture() is not None, "the first moment is shown")
    assert session.duration_s == pytest.approx((FRAMES - 1) / 30.0, abs=0.01)
    session.seek(1.0)
    wait_until(lambda: session.position_s > 0.9, "it is where it was sent")
    session.close()


def test_nir_that_nothing_was_computed_of_is_replayed(case_folder: Path, tmp_path: Path) -> None:
    """The processing thread died; the recording went on."""
    case = with_a_hole(
        tmp_path / "n.case", case_folder, nir=range(FRAMES), guided=range(FRAMES // 2)
    )
    with case:
        assert case.pairs() == [(i, i) for i in range(FRAMES // 2)]
        assert case.moments() == [(i, i) for i in range(FRAMES)]


def test_a_hiccup_is_no_hole(case_folder: Path, tmp_path: Path) -> None:
    guided = set(range(FRAMES)) - {5, 6, 7, 30}
    with (
        CaseReader(case_folder) as read,
        CaseWriter(
            tmp_path / "h.case", CaseDescription(rig=read.rig, settings=read.settings)
        ) as writing,
    ):
        state = pipeline.initial_state(pipeline.Setup.from_rig(read.rig))
        for index in range(FRAMES):
            nir, white = read.frame(Role.NIR, index), read.frame(Role.WHITE, index)
            writing.write_frame(Role.NIR, nir)
            writing.write_frame(Role.WHITE, white)
            if index in guided:
                state, guidance = pipeline.step(state, Pair(nir, white), read.settings)
                writing.write_guidance(guidance)
    with CaseReader(tmp_path / "h.case") as case:
        assert case.moments() == case.pairs()
        assert {nir for nir, _ in case.moments()} == guided, "as they were computed live"


def test_where_each_node_was_first_seen_is_marked(case_folder: Path, tmp_path: Path) -> None:
    everything = range(FRAMES)
    case = with_a_hole(tmp_path / "n.case", case_folder, nir=everything, guided=everything)
    first: dict[str, float] = {}
    origin_ns = int(case.times_ns(Role.NIR)[0])
    for record in case.guidance_log():
        for found in record.detections:
            if found.confirmed and not found.coasted and found.node_number > 0:
                time_s = (record.nir.mid_exposure_ns - origin_ns) / 1e9
                first.setdefault(f"SLN-{found.node_number}", time_s)
    assert first, "the phantom shows a node"
    session = ReplaySession(case)
    session.start()
    wait_until(lambda: len(session.events()) >= len(first), "the nodes are marked")
    marked = {mark.name: mark.time_s for mark in session.events()}
    assert marked == pytest.approx(first)
    times_s = [mark.time_s for mark in session.events()]
    assert times_s == sorted(times_s)
    session.close()
