"""Dark and flat maps: a known truth is spoiled by the sensor and asked for back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from hardware.bench import CAP, Bench, Plane
from hardware.bench_camera import BenchCamera
from hardware.camera import Camera, CameraSettings
from hardware.frame import Frame
from sln_guide.calibration import container
from sln_guide.calibration.binding import Binding
from sln_guide.calibration.dark import DarkMap, make_dark
from sln_guide.calibration.errors import CalibrationFileError, CaptureError
from sln_guide.calibration.flat import FlatMap, make_flat
from sln_guide.calibration.flows import spec_of, take_at
from sln_guide.calibration.frames import Stack, grabbing, no_progress, pixel_statistics, take

from .conftest import NOW


def stack_of(camera: Camera, count: int, exposure_us: float, gain_db: float = 0.0) -> Stack:
    wanted = CameraSettings(exposure_us=exposure_us, gain_db=gain_db)
    with grabbing(camera, wanted) as applied:
        return take(camera, count, applied)


def binding_of(camera: Camera, stack: Stack) -> Binding:
    return Binding.of(camera.camera_id, "nir", stack.settings)


def dark_of(bench: Bench, gain_db: float = 0.0, frames: int = 24) -> DarkMap:
    bench.show(CAP)
    camera = BenchCamera(bench, "nir")
    stacks = [stack_of(camera, frames, us, gain_db) for us in (1_000.0, 100_000.0)]
    return make_dark(stacks, binding_of(camera, stacks[0]), made_at=NOW)


def flat_of(bench: Bench, dark: DarkMap) -> FlatMap:
    bench.show(Plane(outside=1.0))
    camera = BenchCamera(bench, "nir")
    stack = stack_of(camera, 48, 12_000.0)
    return make_flat(stack, dark, binding_of(camera, stack), made_at=NOW)


def test_the_dark_map_knows_offset_current_noise_and_bad_pixels(bench: Bench) -> None:
    dark = dark_of(bench)
    truth = bench.sensors["nir"]
    _, offset, current = bench._pixels["nir"]
    good = ~dark.bad
    apart = (dark.offset - 64.0 - offset)[good]
    assert abs(float(apart.mean())) < 0.05
    assert float(apart.std()) < 3.0 * 1.2 / np.sqrt(24)
    assert dark.fields.read_noise_counts == pytest.approx(
        np.hypot(truth.read_electrons * truth.electron_counts, 1 / np.sqrt(12)), rel=0.08
    )
    hot = current > 1.0
    assert dark.bad[hot].all()
    assert (dark.bad & ~hot).sum() < 5
    assert dark.at(50_000.0)[good].mean() == pytest.approx(64.0 + 50 * 0.02 * 0.2, abs=0.1)


def test_the_flat_map_is_lamp_times_sensitivity(bench: Bench) -> None:
    flat = flat_of(bench, dark_of(bench))
    sensitivity, _, _ = bench._pixels["nir"]
    truth = bench.noiseless("nir") * sensitivity
    good = ~flat.bad
    truth = truth / truth[good].mean()
    assert float((flat.sensitivity / truth - 1.0)[good].std()) < 1.5 * flat.fields.noise + 0.001
    dead = sensitivity < 0.5
    assert flat.bad[dead].all()
    assert flat.fields.falloff == pytest.approx(0.75, abs=0.08)


@pytest.mark.parametrize("gain_db", [0.0, 6.0, 12.0])
def test_signal_in_counts_per_ms_and_gain_is_constant(bench: Bench, gain_db: float) -> None:
    """Within 2 % over exposures of 1 to 100 ms, with true noise."""
    dark = dark_of(bench, gain_db)
    bench.show(Plane(outside=0.9, electrons_per_ms=(40.0, 40.0)))
    camera = BenchCamera(bench, "nir")
    signals = []
    for exposure_us in (1_000.0, 3_000.0, 10_000.0, 30_000.0, 100_000.0):
        stack = stack_of(camera, 4, exposure_us, gain_db)
        light = stack.pixels.mean(axis=0) - dark.at(exposure_us)
        signals.append(float(light[~dark.bad].mean()) / (exposure_us * 1e-3) / 10 ** (gain_db / 20))
    assert max(signals) / min(signals) < 1.02, signals


def test_a_cosmic_ray_is_not_kept() -> None:
    rng = np.random.default_rng(1)
    pixels = rng.normal(100, 3, (16, 20, 20)).round().astype(np.uint16)
    pixels[5, 7, 7] = 3000
    found = pixel_statistics(pixels)
    assert found.hits == 1
    assert found.mean[7, 7] == pytest.approx(100, abs=4)
    assert found.variance[7, 7] < 40


class Doctored:
    """A bench camera some of whose frames are changed on their way."""

    def __init__(self, camera: Camera, change: dict[int, int]) -> None:
        self._camera = camera
        self._change = change
        self._count = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._camera, name)

    def read(self, timeout_s: float) -> Frame:
        frame = self._camera.read(timeout_s)
        added = self._change.get(self._count, 0)
        self._count += 1
        if not added:
            return frame
        pixels = np.ascontiguousarray(frame.pixels + np.uint16(added))
        pixels.setflags(write=False)
        return replace(frame, pixels=pixels)


def test_a_strobe_s_frame_is_left_out_and_named(bench: Bench) -> None:
    bench.show(CAP)
    camera = BenchCamera(bench, "nir")
    with camera:
        applied = camera.apply(CameraSettings(exposure_us=1000.0))
        camera.start()
        stack = take(Doctored(camera, {6: 40}), 20, applied)
    assert len(stack.pixels) == 19
    assert "frame 4" in stack.rejected[0]


class TwoGains(BenchCamera):
    """Stands at one of two conversion gains."""

    def apply(self, settings: CameraSettings) -> CameraSettings:
        return replace(super().apply(settings), conversion_gain="Low")


def test_two_conversion_gains_of_which_the_rig_names_none_are_refused(bench: Bench) -> None:
    """Else nothing would tell that the other one is set tomorrow."""
    spec = spec_of(bench.rig, "nir")
    with pytest.raises(CaptureError, match='write conversion_gain = "Low" into its table'):
        take_at(TwoGains(bench, "nir"), spec, 8, 1000.0, no_progress, None)
    stack = take_at(BenchCamera(bench, "nir"), spec, 8, 1000.0, no_progress, None)
    low = Binding.of("40012345", "nir", replace(stack.settings, conversion_gain="Low"))
    assert low.conversion_gain == "Low"


def test_unsteady_light_is_refused(bench: Bench) -> None:
    bench.show(CAP)
    camera = BenchCamera(bench, "nir")
    with camera:
        applied = camera.apply(CameraSettings(exposure_us=1000.0))
        camera.start()
        with pytest.raises(CaptureError, match="not steady"):
            take(Doctored(camera, {k: 5 * k for k in range(5, 13)}), 20, applied)


def test_a_dark_map_refuses_light(bench: Bench) -> None:
    camera = BenchCamera(bench, "nir")
    bench.show(Plane(outside=1.0, electrons_per_ms=(10.0, 10.0)))
    stacks = [stack_of(camera, 8, us) for us in (1_000.0, 100_000.0)]
    with pytest.raises(CaptureError, match=r"light reaches the sensor.*cap the lens"):
        make_dark(stacks, binding_of(camera, stacks[0]), made_at=NOW)


def test_a_leak_in_one_corner_is_refused(bench: Bench) -> None:
    picture = np.zeros((100, 100), np.float32)
    picture[:40, :40] = 1.0
    camera = BenchCamera(bench, "nir")
    bench.show(Plane(picture, 0.32, 0.0, position_mm=(-16, -13, 300), electrons_per_ms=(40.0, 0.0)))
    stacks = [stack_of(camera, 8, us) for us in (1_000.0, 10_000.0)]
    with pytest.raises(CaptureError, match="part of the sensor"):
        make_dark(stacks, binding_of(camera, stacks[0]), made_at=NOW)


@pytest.mark.parametrize(
    ("plane", "reason"),
    [
        (Plane(outside=1.0, electrons_per_ms=(5.0, 0.0)), "lengthen the exposure"),
        (Plane(outside=1.0, electrons_per_ms=(5000.0, 0.0)), "saturated"),
        (
            Plane(
                np.pad(np.full((60, 60), 0.3, np.float32), 20, constant_values=1.0),
                0.2,
                1.0,
                position_mm=(-10, -10, 300),
            ),
            "not uniform",
        ),
    ],
)
def test_a_flat_map_refuses_what_is_no_flat_field(bench: Bench, plane: Plane, reason: str) -> None:
    dark = dark_of(bench, frames=8)
    bench.show(plane)
    camera = BenchCamera(bench, "nir")
    stack = stack_of(camera, 8, 12_000.0)
    with pytest.raises(CaptureError, match=reason):
        make_flat(stack, dark, binding_of(camera, stack), made_at=NOW)


# -- files ---------------------------------------------------------------------------------------


@pytest.fixture
def saved(bench: Bench, tmp_path: Path) -> tuple[DarkMap, Path]:
    dark = dark_of(bench, frames=8)
    dark.save(tmp_path / "dark.npz")
    return dark, tmp_path / "dark.npz"


def test_a_file_is_read_back_as_it_was(saved: tuple[DarkMap, Path]) -> None:
    dark, path = saved
    again = DarkMap.load(path)
    assert again.fields == dark.fields
    assert np.array_equal(again.offset, dark.offset)
    assert np.array_equal(again.bad, dark.bad)
    assert not again.offset.flags.writeable
    assert np.array_equal(np.load(path)["rate"], dark.rate)  # any NumPy reads it


def test_no_flipped_byte_gets_through(saved: tuple[DarkMap, Path]) -> None:
    dark, path = saved
    sound = path.read_bytes()
    rng = np.random.default_rng(3)
    places = {*range(200), *range(len(sound) - 400, len(sound))}
    places |= {int(k) for k in rng.integers(0, len(sound), 200)}
    for place in sorted(places):
        for bit in (0x01, 0x80):
            spoiled = bytearray(sound)
            spoiled[place] ^= bit
            path.write_bytes(spoiled)
            try:
                again = DarkMap.load(path)
            except CalibrationFileError:
                continue
            # a time stamp or attribute of the archive, which nobody reads
            assert again.fields == dark.fields
            assert np.array_equal(again.offset, dark.offset)


def test_a_fault_of_ours_is_not_called_damage(
    saved: tuple[DarkMap, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, path = saved
    monkeypatch.setattr(container, "_array", lambda *_: int("not a number"))
    with pytest.raises(ValueError, match="invalid literal"):
        DarkMap.load(path)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_file_cut_short_is_refused(saved: tuple[DarkMap, Path], share: float) -> None:
    _, path = saved
    sound = path.read_bytes()
    path.write_bytes(sound[: int(share * len(sound))])
    with pytest.raises(CalibrationFileError, match="damaged"):
        DarkMap.load(path)


def test_other_refusals_name_the_file_and_what_to_do(
    saved: tuple[DarkMap, Path], tmp_path: Path
) -> None:
    dark, path = saved
    with pytest.raises(CalibrationFileError, match="holds a dark calibration where flat belongs"):
        FlatMap.load(path)
    with pytest.raises(CalibrationFileError, match="no such file"):
        DarkMap.load(tmp_path / "none.npz")
    holed = dark.offset.copy()
    holed[3, 4] = np.nan
    DarkMap(dark.fields, holed, dark.rate, dark.bad).save(path)
    with pytest.raises(CalibrationFileError, match="offset are not numbers"):
        DarkMap.load(path)
    DarkMap(dark.fields, dark.offset[:-1], dark.rate, dark.bad).save(path)
    with pytest.raises(CalibrationFileError, match="offset is"):
        DarkMap.load(path)
    np.savez(path, offset=dark.offset)
    with pytest.raises(CalibrationFileError, match="not a calibration of sln-guide"):
        DarkMap.load(path)
    with pytest.raises(CalibrationFileError, match="cannot be written"):
        dark.save(path / "below" / "dark.npz")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"camera_id": "other"}, "made with camera"),
        ({"roi": (0, 0, 80, 64)}, "made with roi"),
        ({"gain_db": 6.0}, "dB gain"),
        ({"black_level": 100.0}, "black level"),
        ({"conversion_gain": "HighConversion"}, "conversion_gain"),
        ({"exposure_us": (5e5, 5e5)}, "made for exposures"),
        ({"role": "white"}, "made for the nir camera"),
    ],
)
def test_a_map_is_bound_to_its_camera(
    saved: tuple[DarkMap, Path], changes: dict[str, object], reason: str
) -> None:
    bound = saved[0].fields.binding
    assert bound.mismatch(bound) is None
    other = msgspec.structs.replace(bound, **changes)
    assert reason in (bound.mismatch(other) or "")
