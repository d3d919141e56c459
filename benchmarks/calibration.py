"""What calibration must reach: units, registration, gated light. Each figure beside its aim.

- *Units*: nodes of one phantom scene, with its true noise, at exposures of 1 to 100 ms and over the
  range of gain: their light, and their signal as the pipeline calls it, in counts/(ms*gain).
- *Registration*: rendered boards, where every pixel's place in white light is known.
- *Gated light*: noise under a node-sized spot after subtraction, beside what photons predict; so
  the ratio of the limits of detection (3 sigma). Room light of 20 times the signal, with motion.

Run: ``python -m benchmarks.calibration [--quick]``.
"""

from __future__ import annotations

import math
import sys
import time
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import numpy as np
from numpy.typing import NDArray

from hardware.bench import Bench
from hardware.bench_camera import BenchCamera
from hardware.camera import CameraSettings
from hardware.gating import Pattern
from hardware.opencv import cv2
from hardware.phantom import Breathing, Flicker, Phantom, scene_named
from hardware.phantom.gated import GatedPhantom
from hardware.rig import Sensor
from hardware.rig_files import load_rig
from sln_guide import pipeline
from sln_guide.calibration.board import Board
from sln_guide.calibration.board_flows import RegisterFlow
from sln_guide.calibration.gated import Subtraction, taken_off
from sln_guide.calibration.sitting import BENCH_BOARD
from sln_guide.guidance import Pair, Settings

UNITS_AIM = 0.02
REGISTRATION_AIM_PX = 0.3
LIMIT_AIM = 2.0
SPEED_AIM_MS = 1.5
"""In the camera's thread, of 40 ms from one lit frame to the next."""

EXPOSURES_MS = (1.0, 3.0, 10.0, 30.0, 100.0)
GAINS_DB = (0.0, 6.0, 12.0, 18.0, 24.0)
BRIGHTEST_COUNTS = 3500.0
"""Settings that would take a scene's brightest place beyond this are left out: they saturate."""
FRAMES = 16
NEAR_PX = 12.0

GATED_SENSOR = Sensor(dark_counts=100.0, electron_counts=0.4, read_noise_counts=2.0)
SIGNAL_ELECTRONS = 500.0
SPOT_PX = 6.0

Setting = tuple[float, float]
"""Exposure [ms] and gain [dB]."""
Relative = dict[Setting, float]


def units(*, quick: bool = False) -> tuple[Relative, Relative]:
    """Return light and signal of a scene's nodes at each setting, relative to their medians.

    Light: mean counts above dark within a node's half width, per ms and gain. Signal: as the
    pipeline calls it, above the background it estimates. Means over nodes found at every setting.
    """
    scene = scene_named("static", seed=5, width=640, height=512, mm_per_px=0.2)
    scene = replace(scene, injection=None, glints=0, background_counts_per_ms=11.5)
    phantom = Phantom.from_scene(scene, frame_rate_hz=9.0)
    start = phantom.settings("nir")
    top = float(phantom.noiseless(0).max()) / ((start.exposure_us or 0.0) * 1e-3)
    light: dict[Setting, dict[int, float]] = {}
    signal: dict[Setting, dict[int, float]] = {}
    for gain_db in GAINS_DB[:: 2 if quick else 1]:
        for exposure_ms in EXPOSURES_MS[:: 2 if quick else 1]:
            if top * exposure_ms * 10 ** (gain_db / 20) > BRIGHTEST_COUNTS:
                continue
            wish = CameraSettings(exposure_us=1e3 * exposure_ms, gain_db=gain_db)
            settings = phantom.checked("nir", start, wish)
            setting = (exposure_ms, gain_db)
            light[setting], signal[setting] = _measured(phantom, settings)
    return _relative(light), _relative(signal)


def _relative(found: dict[Setting, dict[int, float]]) -> Relative:
    everywhere = set.intersection(*(set(seen) for seen in found.values()))
    if not everywhere:
        raise RuntimeError("no node is found at every setting: choose a brighter scene")
    usual = {node: float(np.median([s[node] for s in found.values()])) for node in everywhere}
    return {
        setting: float(np.mean([seen[node] / usual[node] for node in everywhere]))
        for setting, seen in found.items()
    }


def _measured(
    phantom: Phantom, settings: CameraSettings
) -> tuple[dict[int, float], dict[int, float]]:
    """Return light and signal of true nodes, by number, each a mean over a few frames."""
    rig = phantom.rig
    assert rig.nir is not None
    assert settings.exposure_us is not None
    assert settings.gain_db is not None
    nir = msgspec.structs.replace(
        rig.nir, exposure_us=settings.exposure_us, gain_db=settings.gain_db
    )
    unit = 1.0 / (settings.exposure_us * 1e-3 * 10 ** (settings.gain_db / 20))
    state = pipeline.initial_state(pipeline.Setup.from_rig(msgspec.structs.replace(rig, nir=nir)))
    light: dict[int, list[float]] = defaultdict(list)
    signal: dict[int, list[float]] = defaultdict(list)
    for index in range(FRAMES):
        frame = phantom.exposed("nir", index, settings, origin_ns=0)
        state, guidance = pipeline.step(state, Pair(frame, None), Settings())
        ys, xs = np.mgrid[: frame.height, : frame.width]
        for number, node in enumerate(phantom.truth(index).nodes):
            inside = np.hypot(xs - node.x_px, ys - node.y_px) < 0.5 * node.width_px
            above = float(frame.pixels[inside].mean()) - rig.sensor.dark_counts
            light[number].append(unit * above)
            for found in guidance.detections:
                away = math.hypot(found.x_px - node.x_px, found.y_px - node.y_px)
                if found.signal is not None and away < NEAR_PX:
                    signal[number].append(found.signal)
    return (
        {number: float(np.mean(seen)) for number, seen in light.items()},
        {number: float(np.mean(seen)) for number, seen in signal.items() if len(seen) == FRAMES},
    )


def registration(board: Board = BENCH_BOARD) -> dict[float, NDArray[np.float64]]:
    """Return errors [white px] over the shared field, by distance [mm], after a guided flow."""
    rig = load_rig("bench")
    bench = Bench(rig)
    nir, white = BenchCamera(bench, "nir"), BenchCamera(bench, "white")
    now = datetime(2026, 5, 4, tzinfo=UTC)
    flow = RegisterFlow(rig, nir, white, board=board, now=now)
    while (step := flow.current) is not None:
        assert step.bench is not None
        bench.show(step.bench)
        flow.run()
    found = flow.fitted()
    width, height = bench.size("white")
    xs, ys = np.meshgrid(np.linspace(20, 619, 41), np.linspace(20, 491, 33))
    places = np.column_stack([xs.ravel(), ys.ravel()])
    errors = {}
    for distance_mm in (280.0, 300.0, 330.0):
        matrix = found.working_plane(distance_mm).registration.matrix()
        truth = bench.white_from_nir(places, distance_mm)
        seen = (truth > 0).all(axis=1) & (truth < (width - 1, height - 1)).all(axis=1)
        mapped = cv2.perspectiveTransform(places.reshape(-1, 1, 2), matrix)[:, 0]
        errors[distance_mm] = np.hypot(*(mapped - truth).T)[seen]
    return errors


def gated_phantom(room: float, *, motion_mm: float = 2.0, rate_hz: float = 50.0) -> GatedPhantom:
    """Return a lit scene under ``room`` times as much room light, breathing, under a mains lamp."""
    scene = scene_named("static", seed=3, width=320, height=256, mm_per_px=0.4)
    breathing = Breathing(amplitude_mm=motion_mm) if motion_mm else None
    return GatedPhantom(
        replace(scene, breathing=breathing, glints=0),
        pattern=Pattern(),
        room_electrons=room * SIGNAL_ELECTRONS,
        signal_electrons=SIGNAL_ELECTRONS,
        frame_rate_hz=rate_hz,
        exposure_us=8000.0,
        sensor=GATED_SENSOR,
        lamp=Flicker(lamp_hz=100.0, depth=0.2),
    )


def gated_noise(source: GatedPhantom, frames: range) -> float:
    """Return electrons rms, at a node's scale, between what is found and the excited light."""
    unit = GATED_SENSOR.electron_counts or 1.0
    subtraction = Subtraction(GATED_SENSOR)
    errors = []
    for index in frames:
        done = subtraction.take(source.frame(index))
        if done is None or done.room_light is None:
            continue
        light = done.pixels.astype(np.float32) - np.float32(done.room_light.offset_counts)
        left = light / unit - source.excited(done.sequence)
        errors.append(cv2.GaussianBlur(left, (0, 0), SPOT_PX)[24:-24, 24:-24])
    return float(np.sqrt(np.mean(np.square(errors))))


def gated_prediction(room: float) -> float:
    """Return photon and read noise of a lit frame and a dark one, electrons under the spot."""
    unit = GATED_SENSOR.electron_counts or 1.0
    read = ((GATED_SENSOR.read_noise_counts or 0.0) / unit) ** 2
    lit = (1.0 + room) * SIGNAL_ELECTRONS + read
    dark = room * SIGNAL_ELECTRONS + read
    # a filter with weights w (sum 1) leaves variance times sum w^2 = 1 / (4 pi sigma^2)
    return math.sqrt((lit + dark) / (4.0 * math.pi * SPOT_PX**2))


def gated_speed(repeats: int = 30) -> float:
    """Return ms to take a dark frame of 1280x1024 off a lit one, as tissue moves; the best of."""
    pattern, sensor = Pattern(), GATED_SENSOR
    scene = scene_named("static", seed=3, width=1280, height=1024, mm_per_px=0.1)
    source = GatedPhantom(
        replace(scene, breathing=Breathing(amplitude_mm=2.0), glints=0),
        pattern=pattern,
        room_electrons=5.0 * SIGNAL_ELECTRONS,
        signal_electrons=SIGNAL_ELECTRONS,
        frame_rate_hz=50.0,
        exposure_us=8000.0,
        sensor=sensor,
    )
    frames = [source.frame(k) for k in range(2 * pattern.cycle + 1)]
    lit = next(f for f in reversed(frames) if f.light_on)
    darks = tuple(f for f in frames if not f.light_on and f.sequence < lit.sequence)[-2:]
    taken_off(lit, darks, sensor)  # compiles
    times_s = []
    for _ in range(repeats):
        began_s = time.perf_counter()
        taken_off(lit, darks, sensor)
        times_s.append(time.perf_counter() - began_s)
    return 1e3 * min(times_s)


def main(*, quick: bool = False) -> None:
    """Print the figures."""
    light, signal = units(quick=quick)
    print(f"nodes in counts/(ms*gain), relative to their median; aim: within {UNITS_AIM:.0%}")
    for setting in sorted(light):
        told = f"light {light[setting] - 1:+.2%}  signal {signal[setting] - 1:+.2%}"
        print(f"  {setting[0]:5g} ms {setting[1]:4g} dB  {told}")
    for name, relative in (("light", light), ("signal", signal)):
        worst = max(abs(share - 1) for share in relative.values())
        print(f"  worst of {name} {worst:.2%}: {_verdict(worst <= UNITS_AIM)}")
    print(f"registration on rendered boards; aim: median {REGISTRATION_AIM_PX:g} px")
    for distance_mm, errors in registration().items():
        median = float(np.median(errors))
        good = _verdict(median <= REGISTRATION_AIM_PX)
        print(f"  {distance_mm:g} mm: median {median:.3f} px, worst {errors.max():.3f} px: {good}")
    print(f"limit of detection of gated light, with motion; aim: {LIMIT_AIM:g} x its prediction")
    for room in (20.0,) if quick else (1.0, 5.0, 20.0):
        noise, predicted = gated_noise(gated_phantom(room), range(24)), gated_prediction(room)
        good = _verdict(noise / predicted <= LIMIT_AIM)
        print(
            f"  room light {room:g} x signal: limit {3 * noise:.1f} electrons, predicted "
            f"{3 * predicted:.1f}: ratio {noise / predicted:.2f}: {good}"
        )
    took_ms = gated_speed()
    good = _verdict(took_ms <= SPEED_AIM_MS)
    print(
        f"a dark frame off a lit one, 1280x1024 Mono12: {took_ms:.2f} ms; aim: {SPEED_AIM_MS:g} ms"
    )
    print(f"  {good}")


def _verdict(good: bool) -> str:
    return "reached" if good else "MISSED"


if __name__ == "__main__":
    main(quick="--quick" in sys.argv)
