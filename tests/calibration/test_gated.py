"""Gated light on the phantom: room light to twenty times the signal, tissue that breathes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.calibration import (
    GATED_SENSOR,
    LIMIT_AIM,
    gated_noise,
    gated_phantom,
    gated_prediction,
)
from hardware.frame import Frame
from hardware.gating import LightLine, Pattern, Pulse, rates_that_cancel
from hardware.phantom import Flicker
from sln_guide.calibration.gated import (
    PEDESTAL_COUNTS,
    LampWatch,
    Subtraction,
    recognise_foreign_light,
    remedy,
)
from tests.frames import frame_of


@pytest.mark.parametrize("room", [1.0, 5.0, 20.0])
def test_the_limit_stays_within_twice_its_photon_noise_with_motion(room: float) -> None:
    """Limit = 3 sigma under a node-sized spot: in electrons, and so the ratio of the noises."""
    found, told = gated_noise(gated_phantom(room), range(24)), gated_prediction(room)
    assert 0.8 < found / told < LIMIT_AIM, f"{found:.2f} electrons, predicted {told:.2f}"


def test_without_gating_room_light_would_drown_the_signal() -> None:
    source = gated_phantom(20.0)
    lit = source.frame(0)
    left = (lit.pixels.astype(np.float32) - 100.0) / 0.4 - source.excited(0)
    assert float(np.abs(left).mean()) > 100 * gated_prediction(20.0)


def test_a_rate_at_which_the_lamp_does_not_cancel_shows() -> None:
    assert rates_that_cancel(100.0, 15_000.0) == pytest.approx(
        tuple(100.0 / n for n in range(2, 21))
    )
    assert rates_that_cancel(120.0, 15_000.0)[0] == 60.0
    good = gated_noise(gated_phantom(20.0, motion_mm=0.0), range(16))
    poor = gated_noise(gated_phantom(20.0, motion_mm=0.0, rate_hz=60.0), range(16))
    assert poor > 5 * good


def test_each_lit_frame_is_given_at_once() -> None:
    source = gated_phantom(2.0)
    subtraction = Subtraction(GATED_SENSOR)
    given = [subtraction.take(source.frame(k)) is not None for k in range(8)]
    assert given == [False, False, True, False, True, False, True, False]


def test_the_noise_told_is_the_measured_one() -> None:
    source = gated_phantom(5.0, motion_mm=0.0)
    subtraction = Subtraction(GATED_SENSOR)
    done = [d for k in range(6) if (d := subtraction.take(source.frame(k))) is not None][-1]
    truth = source.excited(done.sequence) * 0.4
    room = done.room_light
    assert room is not None
    assert room.noise_counts is not None
    own = 0.4 * float(truth.mean())  # the core adds the shot noise of the frame's own light
    told = room.noise_counts**2 + own
    assert float((light_of(done) - truth).var()) == pytest.approx(told, rel=0.1)


def light_of(subtracted: Frame) -> np.ndarray:
    assert subtracted.room_light is not None
    assert subtracted.room_light.offset_counts == PEDESTAL_COUNTS
    return subtracted.pixels.astype(np.float32) - PEDESTAL_COUNTS


def frame(sequence: int, lit: bool | None, level: int = 100, epoch: int = 0) -> Frame:
    return frame_of(
        np.full((32, 40), level),
        sequence=sequence,
        stream_epoch=epoch,
        host_time_ns=sequence * 20_000_000,
        mid_exposure_ns=sequence * 20_000_000,
        exposure_us=8000.0,
        light_on=lit,
    )


def test_lit_frames_are_told_by_the_line_never_by_counting() -> None:
    subtraction = Subtraction(GATED_SENSOR)
    given = []
    # frame 3 was lost: counting parity would now take dark frames for lit ones
    for sequence, lit in ((0, True), (1, False), (2, True), (4, True), (5, False), (6, True)):
        done = subtraction.take(frame(sequence, lit, 500 if lit else 100))
        if done is not None:
            given.append(done)
    assert [d.sequence for d in given] == [2, 4, 6]
    assert [d.room_light.dark_sequences for d in given if d.room_light] == [(1,), (1,), (1, 5)]
    assert all((light_of(d) == 400).all() for d in given)
    with pytest.raises(ValueError, match="light_line"):
        subtraction.take(frame(9, None))


def test_what_no_longer_fits_is_not_taken_off_and_saturation_stays_saturation() -> None:
    subtraction = Subtraction(GATED_SENSOR)
    subtraction.take(frame(0, False))
    done = subtraction.take(frame(1, True, 4095))
    assert done is not None
    assert done.bit_depth == 13
    assert (done.pixels == 2**13 - 1).all()
    assert subtraction.take(frame(1, True, epoch=1)) is None, "another attachment"
    subtraction.take(frame(2, False, epoch=1))
    longer = replace(frame(3, True, epoch=1), exposure_us=9000.0)
    assert subtraction.take(longer) is None, "another exposure"
    subtraction.take(frame(4, False, epoch=1))
    assert subtraction.take(frame(40, True, epoch=1)) is None, "room light of long ago"


@pytest.mark.parametrize(
    ("counts", "alarm", "unsure"),
    [
        ((100.0, 100.2), False, True),  # a capped lens: nothing comes, lit or not
        ((100.1, 100.0), False, True),
        ((104.0, 100.0), False, False),  # little, but clearly with the lamp
        ((400.0, 400.0), True, False),  # room light is seen well: the lamp brings nothing
        ((700.0, 400.0), False, False),
    ],
)
def test_too_little_light_to_judge_the_lamp_is_said_and_is_no_alarm(
    counts: tuple[float, float], alarm: bool, unsure: bool
) -> None:
    watch = LampWatch(Pattern(), offset_counts=100.0)
    for n in range(40):
        lit = n % 2 == 0
        state = watch.add(frame(n, lit), counts[0] if lit else counts[1])
    assert (state.alarm is not None) is alarm
    assert bool(state.unsure) is unsure


@pytest.mark.parametrize("stuck", ["on", "off"])
def test_a_lamp_that_does_not_obey_raises_the_alarm(stuck: str) -> None:
    line = LightLine(Pattern(), stuck=stuck)
    watch = LampWatch(Pattern())
    states = []
    for k in range(8):
        lit = line.expose(Pulse(k, k * 20_000_000, k * 20_000_000 + 8_000_000))
        states.append(watch.add(frame(k, lit), 200.0))
    assert states[0].alarm is None
    assert states[4].alarm is not None
    assert stuck.upper() in states[4].alarm


def test_an_obeying_lamp_is_quiet_and_its_time_is_counted() -> None:
    for pattern in (Pattern(), Pattern(2, 1), Pattern(1, 3)):
        line, watch = LightLine(pattern), LampWatch(pattern)
        for k in range(60):
            if k in (17, 18, 33):  # lost frames turn no phase around
                continue
            lit = line.expose(Pulse(k, k * 20_000_000, k * 20_000_000 + 8_000_000))
            state = watch.add(frame(k, lit), 300.0 if lit else 100.0)
            assert state.alarm is None
        assert state.on_time_s == pytest.approx(state.frames_lit * 0.008)
        assert state.on_time_s == pytest.approx(line.on_time_s)


def test_frames_said_lit_that_are_not_brighter_raise_the_alarm() -> None:
    watch = LampWatch(Pattern())
    for k in range(24):
        state = watch.add(frame(k, k % 2 == 0), 100.0)
    assert state.alarm is not None
    assert "no brighter" in state.alarm


@pytest.mark.parametrize("lamp_hz", [100.0, 120.0])
def test_the_lamp_is_recognised_from_frames_that_sample_it_slowly(lamp_hz: float) -> None:
    rng = np.random.default_rng(4)
    lamp = Flicker(lamp_hz=lamp_hz, depth=0.15)
    times = np.arange(90) / 28.3
    levels = np.array([400.0 * lamp.factor(t, 0.006) for t in times]) + rng.normal(0, 0.3, 90)
    levels[[20, 50, 71]] += 300.0
    found = recognise_foreign_light(times, levels, 0.006)
    assert found.lamp_hz == lamp_hz
    assert found.depth == pytest.approx(0.15, rel=0.15)
    assert found.strobes == pytest.approx(3 / 90)
    assert f"{lamp_hz:g} Hz" in found.text()
    steady = recognise_foreign_light(times, 400 + rng.normal(0, 0.3, 90), 0.006)
    assert steady.lamp_hz is None
    assert steady.text() == "room light is steady"
    assert remedy(steady, 6000.0) == ""
    levels = 400 + rng.normal(0, 0.3, 90)
    levels[[20, 50, 71]] += 300.0
    flashed = remedy(recognise_foreign_light(times, levels, 0.006), 6000.0)
    assert "foreign flash (a tracker?): shield the field from it" in flashed


CHILD = """
import json, sys
from hardware.emulated import EmulatedBaslerCamera, emulate
emulate(1)
camera = EmulatedBaslerCamera("0815-0000")
with camera:
    camera.start()
    while True:
        frame = camera.read(2.0)
        half = round(500 * frame.exposure_us)
        middle = frame.mid_exposure_ns
        print(json.dumps([frame.sequence, middle - half, middle + half]), flush=True)
"""


def test_a_killed_program_leaves_the_light_off() -> None:
    """The emulated camera exposes in a process of its own; its line drives the lamp; kill -9."""
    line = LightLine(Pattern())
    lit_once = False
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
        env={**os.environ, "PYLON_CAMEMU": "1"},
    )
    assert child.stdout is not None
    last_end = 0
    try:
        for _ in range(12):
            pulse = Pulse(*json.loads(child.stdout.readline()))
            lit_once |= line.expose(pulse)
            last_end = max(last_end, pulse.end_ns)
        assert lit_once
        assert line.high(last_end - 1) or not Pattern().lit(pulse.sequence)
    finally:
        child.send_signal(signal.SIGKILL)
        for rest in child.stdout:
            pulse = Pulse(*json.loads(rest))
            line.expose(pulse)
            last_end = max(last_end, pulse.end_ns)
        child.wait(10)
        child.stdout.close()
    assert child.returncode == -signal.SIGKILL
    assert not line.high(max(time.monotonic_ns(), last_end))
    assert not line.high(last_end + 3_600_000_000_000)
