"""Gated light from camera to case: what live saw, what was recorded, what replay makes of it."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from hardware.camera import Camera
from hardware.cameras import cameras_for
from hardware.frame import Frame, PixelFormat, frozen_pixels
from hardware.gating import LightLine, Pattern
from hardware.phantom.gated import GatedScene
from hardware.rig import CameraSpec, Light, PhantomSpec, Rig, RigError, Sensor
from hardware.rig_files import load_rig, parse_rig
from sln_guide import pipeline
from sln_guide.calibration.gated import PEDESTAL_COUNTS, Subtraction
from sln_guide.export.as_seen import verify_as_seen
from sln_guide.export.process import process_case
from sln_guide.guidance import CannotJudge, Guidance, Kind, Pair, Picture, Role, Settings
from sln_guide.health import LampState
from sln_guide.live.lighting import GatedLight
from sln_guide.live.session import LiveSession
from sln_guide.recording import CaseReader
from sln_guide.recording.analysed import LIGHT_OFF, NO_DARK, Analysed
from sln_guide.recording.verify import verify
from sln_guide.replay.player import Player
from sln_guide.warm_up import warm_up
from tests.frames import frame_of
from tests.live.test_session import wait_until

ROOM = 20.0


def gated_rig(
    pattern: tuple[int, int] = (1, 1), *, room: float = ROOM, fps: float = 25.0, start_s: float = 22
) -> Rig:
    """Room light to 2000 counts, so that twelve bits hold it: excited tissue gives 100."""
    demo = load_rig("demo")
    assert demo.nir is not None
    assert demo.white is not None
    return msgspec.structs.replace(
        demo,
        nir=msgspec.structs.replace(
            demo.nir, frame_rate_hz=fps, exposure_us=4000.0, light_line="Line3"
        ),
        white=msgspec.structs.replace(demo.white, frame_rate_hz=fps),
        phantom=PhantomSpec(
            scene="procedure", seed=1, width=320, height=256, start_s=start_s, room_light=room
        ),
        optics=msgspec.structs.replace(demo.optics, mm_per_px=0.4),
        sensor=Sensor(dark_counts=64.0, electron_counts=0.1, read_noise_counts=1.0),
        light=Light(gated=pattern),
    )


def scene_of(rig: Rig) -> GatedScene:
    assert rig.phantom is not None
    return GatedScene(rig.phantom, rig)


def guided(rig: Rig, pairs: Iterator[Pair]) -> list[Guidance]:
    state = pipeline.initial_state(pipeline.Setup.from_rig(rig))
    made = []
    for pair in pairs:
        state, guidance = pipeline.step(state, pair, Settings())
        made.append(guidance)
    return made


def test_the_limit_that_is_told_stays_within_twice_that_of_photon_noise() -> None:
    """The oracle: excited light alone, with as much noise as the electrons of both frames bring."""
    rig = gated_rig()
    scene = scene_of(rig)
    subtraction = Subtraction(rig.sensor)
    rng = np.random.default_rng(5)
    unit, read = rig.sensor.electron_counts or 0.0, rig.sensor.read_noise_counts or 0.0
    taken, ideal = [], []
    for index in range(700, 716):
        done = subtraction.take(scene.frame("nir", index))
        if done is None:
            continue
        white = scene.frame("white", index)
        taken.append(Pair(done, white))
        excited = scene.noiseless(index)
        room = ROOM * scene._tissue.noiseless(index)
        noise = np.sqrt(unit * (excited + 2 * room) + 2 * read**2) * rng.standard_normal(room.shape)
        counts = np.clip(np.rint(excited + noise + PEDESTAL_COUNTS), 0, 8191).astype(np.uint16)
        ideal.append(Pair(replace(done, pixels=frozen_pixels(counts)), white))
    found = guided(rig, iter(taken))
    oracle = guided(rig, iter(ideal))
    for ours, theirs in zip(found[2:], oracle[2:], strict=True):
        ratio = np.median(ours.limit_contrast) / np.median(theirs.limit_contrast)
        assert 0.7 < ratio < 2.0
    nodes = [
        sum(d.confirmed and not d.coasted for d in g.detections) for g in (found[-1], oracle[-1])
    ]
    assert nodes[0] == nodes[1] > 0


def test_where_room_light_alone_saturates_nothing_is_claimed() -> None:
    """A glaring lamp's reflection is no injection site: it is neither bright nor dark."""
    rig = gated_rig(room=2.0)
    scene = scene_of(rig)
    subtraction = Subtraction(rig.sensor)
    pairs = []
    for index in range(700, 706):
        frame = scene.frame("nir", index)
        glared = frame.pixels.copy()
        glared[120:160, 200:260] = 4095
        done = subtraction.take(replace(frame, pixels=frozen_pixels(glared)))
        if done is not None:
            pairs.append(Pair(done, scene.frame("white", index)))
    last = guided(rig, iter(pairs))[-1]
    rows, columns = (
        slice(a // last.grid_px, b // last.grid_px) for a, b in ((120, 160), (200, 260))
    )
    assert (last.cannot_judge[rows, columns] & CannotJudge.SATURATED).all()
    assert (last.signal[rows, columns] == 0).all()
    assert not any(198 <= d.x_px < 262 and 118 <= d.y_px < 162 for d in last.detections)
    assert any(d.kind is Kind.NODE for d in last.detections), "elsewhere it goes on"


def test_dark_frames_and_raw_lit_ones_never_reach_the_core_live(tmp_path: Path) -> None:
    rig = gated_rig((2, 1))
    warm_up(rig)  # no wait below is for a compiler
    session = LiveSession(rig, cameras_for(rig), cases=tmp_path)
    seen: dict[int, Guidance] = {}

    def look() -> int:
        picture = session.latest_picture()
        if picture is not None and picture.guidance is not None:
            assert_excited(picture)
            seen[picture.guidance.generation] = picture.guidance
        return len(seen)

    try:
        session.start()
        wait_until(look, "there is guidance")
        folder = session.start_recording()
        recording = session.health
        wait_until(lambda: look() and recording().recorder.frames > 90, "something is recorded")
        lamp = session.health().lamp
        assert lamp is not None
        assert lamp.alarm is None
        assert lamp.frames_lit == pytest.approx(2 * lamp.frames_dark, rel=0.2)
        assert lamp.on_time_s == pytest.approx(lamp.frames_lit * 0.004)
        session.change(auto_exposure=True)
        assert "gated" in str(session.health().exposure_refused)
    finally:
        session.close()
    assert verify(folder).ok
    with CaseReader(folder) as case:
        check_recorded(case, tmp_path / "out")


def assert_excited(picture: Picture) -> None:
    assert picture.nir is not None
    assert picture.guidance is not None
    for nir in (picture.nir, picture.guidance.pair.nir):
        assert nir.room_light is not None
        level = float(np.median(nir.pixels)) - PEDESTAL_COUNTS
        assert 10 < level < 400, "room light is 2000 counts, excited tissue some 100"


def check_recorded(case: CaseReader, out: Path) -> None:
    lit = case.lit()
    assert lit is not None
    raw = list(case.frames(Role.NIR))
    assert [f.light_on for f in raw] == lit.tolist()
    assert all(f.room_light is None and f.pixel_format is PixelFormat.MONO12 for f in raw)
    assert 0.5 < lit.mean() < 0.8
    logged = case.guidance_log()
    assert logged
    assert all(record.darks for record in logged)
    seen = verify_as_seen(case)
    assert seen.ok, seen.text()
    frames = Analysed(case)
    pairs = case.pairs()
    assert all(lit[nir] for nir, _ in pairs)
    player = Player(case, tuple(pairs))
    shown = [player.at(index, case.asked()) for index in range(len(pairs))]
    for picture in shown:
        if picture is not None:
            assert_excited(picture)
    for index in range(case.count(Role.NIR)):
        why = frames.left_out(index)
        assert (frames.nir(index) is None) == (why is not None)
        assert (why == LIGHT_OFF) == (not lit[index])
    process_case(case, out)
    with (out / "frames.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["frame"]]  # the others were lost
    assert len(rows) == case.count(Role.NIR)
    for row, was_lit in zip(rows, lit, strict=True):
        assert row["processed"] == "true" or row["reason"] in (LIGHT_OFF, NO_DARK)
        assert was_lit or row["reason"] == LIGHT_OFF
    assert sum(row["processed"] == "true" for row in rows) >= lit.sum() - 2


@pytest.mark.parametrize("stuck", ["on", "off"])
def test_a_lamp_that_disobeys_is_told_and_leaves_no_guidance(stuck: str) -> None:
    rig = gated_rig(room=2.0)
    scene = scene_of(rig)
    gated = GatedLight(rig)
    assert [gated.take(scene.frame("nir", k)) is not None for k in range(700, 706)][-2:] == [
        True,
        False,
    ]
    scene.line = LightLine(Pattern(), stuck=stuck)
    given = [gated.take(scene.frame("nir", k)) for k in range(706, 724)]
    lamp = gated.lamp
    assert isinstance(lamp, LampState)
    assert lamp.alarm is not None
    assert stuck.upper() in lamp.alarm
    assert given[-1] is None, "the last dark frame is too old, or no frame is lit"


def test_a_line_that_is_not_wired_gives_no_guidance_and_says_so() -> None:
    rig = gated_rig(room=2.0)
    gated = GatedLight(rig)
    frame = replace(scene_of(rig).frame("nir", 700), light_on=None)
    assert gated.take(frame) is None
    assert gated.lamp is not None
    assert "not wired" in str(gated.lamp.alarm)


def test_room_light_that_does_not_cancel_is_recognised_with_what_to_do() -> None:
    gated = GatedLight(gated_rig(room=2.0))
    rng = np.random.default_rng(1)

    def exposed(index: int) -> Frame:
        time_s = index / 30.0
        level = 400.0 * (1.0 + 0.2 * np.sin(2 * np.pi * 100.0 * time_s))
        level += 100.0 * (index % 2 == 0) + 64
        return frame_of(
            np.rint(rng.normal(level, 2.0, (64, 80))),
            sequence=index,
            host_time_ns=round(time_s * 1e9),
            mid_exposure_ns=round(time_s * 1e9),
            exposure_us=4000.0,
            light_on=index % 2 == 0,
        )

    for index in range(130):
        gated.take(exposed(index))
    assert gated.lamp is not None
    assert "ripples at 100 Hz" in gated.lamp.room
    assert "100, 50, 33.33 frames a second" in gated.lamp.room


def test_gated_rigs_say_what_they_lack() -> None:
    spec = CameraSpec(source="phantom", pixel_format=PixelFormat.MONO12, exposure_us=4000.0)
    assert spec.light_line is None
    text = """
schema = 1
name = "x"
[nir]
source = "phantom"
pixel_format = "Mono12"
exposure_us = 4000.0
[phantom]
room_light = 3.0
"""
    with pytest.raises(RigError, match=r"phantom\.room_light"):
        parse_rig(text, origin="x")
    with pytest.raises(RigError, match=r"nir\.light_line"):
        parse_rig(text + "[light]\ngated = [1, 1]\n", origin="x")


def test_the_cameras_of_a_gated_rig_are_gated() -> None:
    rig = gated_rig(room=1.0)
    cameras: dict[str, Camera] = cameras_for(rig)
    with cameras["nir"] as camera:
        camera.start()
        first, second = camera.read(2.0), camera.read(2.0)
    assert {first.light_on, second.light_on} == {True, False}
