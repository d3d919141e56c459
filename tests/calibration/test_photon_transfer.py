"""Photon transfer: against the EMVA 1288 reference implementation, and against known truth."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hardware.bench import CAP, Bench, Plane
from hardware.bench_camera import BenchCamera
from hardware.camera import CameraSettings
from hardware.frame import PixelFormat
from sln_guide.calibration.binding import Binding
from sln_guide.calibration.errors import CalibrationFileError, CaptureError
from sln_guide.calibration.frames import Stack, grabbing, take
from sln_guide.calibration.photon_transfer import (
    PhotonTransfer,
    Step,
    evaluate,
    exposure_steps,
    measure_step,
    non_uniformity,
)

from .conftest import NOW

BINDING = Binding(
    camera_id="c",
    role="nir",
    roi=(0, 0, 320, 240),
    pixel_format=PixelFormat.MONO12,
    gain_db=0.0,
    black_level=60.0,
    exposure_us=(1.0, 1.0),
)


def stack(pixels: np.ndarray, exposure_us: float) -> Stack:
    return Stack(pixels, CameraSettings(), 12, exposure_us, 0.0, len(pixels))


def test_the_reference_implementation_finds_the_same(tmp_path: Path) -> None:
    if importlib.util.find_spec("emva1288") is None:
        pytest.skip("the EMVA 1288 reference implementation is absent: pip install emva1288")
    script = Path(__file__).with_name("reference_ptc.py")
    frames = tmp_path / "frames.npz"
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", str(script), str(frames)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    reference = json.loads(ran.stdout)
    with np.load(frames) as arrays:
        exposures = arrays["exposures_us"]
        steps = [
            measure_step(stack(arrays[f"lit_{k}"], us), stack(arrays[f"dark_{k}"], us))
            for k, us in enumerate(exposures)
        ]
        pattern = non_uniformity(
            stack(arrays["spatial_lit"], 1.0), stack(arrays["spatial_dark"], 1.0)
        )
    found = evaluate(steps, BINDING, made_at=NOW, pattern=pattern)
    ours = {
        "K": found.electron_counts,
        "sigma_d": found.read_noise_electrons,
        "sigma_y_dark": found.dark_noise_counts,
        "u_e_sat": found.saturation_electrons,
        "u_e_min": found.sensitivity_threshold_electrons,
        "DR": found.dynamic_range,
        "SNR_max": found.snr_max,
        "DSNU": found.dsnu_electrons,
        "PRNU": found.prnu,
        "u_I_mean": (found.dark_current_electrons_per_ms or 0.0) * 1e3,
    }
    for name, value in ours.items():
        assert value == pytest.approx(reference[name], rel=0.01), name
    assert found.linearity_error_min == pytest.approx(reference["LE_min"], abs=2e-4)
    assert found.linearity_error_max == pytest.approx(reference["LE_max"], abs=2e-4)
    assert found.electron_counts == pytest.approx(reference["K_true"], rel=0.01)


def measured(bench: Bench, longest_us: float = 40_000.0) -> PhotonTransfer:
    camera = BenchCamera(bench, "nir")
    steps = []
    for us in exposure_steps(500.0, longest_us, 20):
        stacks = []
        for plane in (Plane(outside=1.0), CAP):
            bench.show(plane)
            with grabbing(camera, CameraSettings(exposure_us=us)) as applied:
                stacks.append(take(camera, 2, applied, reject=False))
        steps.append(measure_step(*stacks))
    spatial = []
    for plane in (Plane(outside=1.0), CAP):
        bench.show(plane)
        with grabbing(camera, CameraSettings(exposure_us=11_000.0)) as applied:
            spatial.append(take(camera, 16, applied))
    binding = Binding.of(camera.camera_id, "nir", spatial[0].settings)
    return evaluate(steps, binding, made_at=NOW, pattern=non_uniformity(*spatial))


def test_the_bench_s_own_figures_are_found_through_its_shaded_lens(bench: Bench) -> None:
    truth = bench.sensors["nir"]
    found = measured(bench)
    assert found.electron_counts == pytest.approx(truth.electron_counts, rel=0.02)
    assert found.read_noise_electrons == pytest.approx(truth.read_electrons, rel=0.1)
    assert found.linearity_error < 0.01
    assert found.prnu is not None
    sensitivity, offset, _ = bench._pixels["nir"]
    assert found.prnu == pytest.approx(float(sensitivity.std()), rel=0.2)
    assert found.dsnu_electrons == pytest.approx(
        float(offset.std()) / truth.electron_counts, rel=0.3
    )


def test_a_file_keeps_every_step(bench: Bench, tmp_path: Path) -> None:
    found = measured(bench)
    found.save(tmp_path / "ptc.npz")
    assert PhotonTransfer.load(tmp_path / "ptc.npz") == found
    sound = (tmp_path / "ptc.npz").read_bytes()
    (tmp_path / "ptc.npz").write_bytes(sound[:300] + b"x" + sound[301:])
    with pytest.raises(CalibrationFileError):
        PhotonTransfer.load(tmp_path / "ptc.npz")


def ideal(signals: np.ndarray, gain: float = 0.2) -> list[Step]:
    top = 3000.0
    return [
        Step(
            exposure_us=1000.0 * (k + 1),
            mean=60.0 + min(float(s), top),
            variance=2.0 + (gain * float(s) if s < top else 0.1),
            dark_mean=60.0,
            dark_variance=2.0,
        )
        for k, s in enumerate(signals)
    ]


def test_what_is_no_photon_transfer_is_refused() -> None:
    with pytest.raises(CaptureError, match="did not saturate"):
        evaluate(ideal(np.linspace(100, 2000, 20)), BINDING, made_at=NOW)
    with pytest.raises(CaptureError, match="step more finely"):
        evaluate(ideal(np.linspace(100, 4000, 5)), BINDING, made_at=NOW)
    flat = [
        Step(exposure_us=k + 1.0, mean=60 + 9 * k, variance=2.0, dark_mean=60, dark_variance=2.0)
        for k in range(20)
    ]
    with pytest.raises(CaptureError):
        evaluate(flat, BINDING, made_at=NOW)
    good = evaluate(ideal(np.linspace(100, 4000, 30)), BINDING, made_at=NOW)
    assert good.electron_counts == pytest.approx(0.2)
    assert good.linearity_error < 1e-9
