"""From a rig to its cameras: `cameras_for`."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

from hardware.camera import Camera
from hardware.images import write_emulator_image
from hardware.rig import CameraSpec, Rig, RigError

if TYPE_CHECKING:
    from hardware.phantom import Phantom

RECORDED_FROM_S = 25.0
"""Where in the phantom's procedure the emulator's recording begins: nodes have lit up."""

RECORDED_FRAMES = 60
RECORDED_PIXELS = RECORDED_FRAMES * 1280 * 1024
"""Most of a recording: of large frames fewer are drawn, or they fill the temporary folder."""
LEAST_FRAMES = 8
_FOLDER = re.compile(r"sln-guide-emulated-(\d+)-.*")


def cameras_for(rig: Rig) -> dict[str, Camera]:
    """Return a camera for each role of ``rig`` ("nir", "white"); nothing is opened yet.

    What the rig does not ask for is never simulated. An emulated rig without images of its own
    plays a short phantom recording from a temporary folder, which goes with the camera.

    Raises
    ------
    RigError
        The rig names a scene there is not, or is that of a recording.
    """
    specs: dict[str, CameraSpec] = {}
    for role in ("nir", "white"):
        spec: CameraSpec | None = getattr(rig, role)
        if spec is not None:
            specs[role] = spec
    recorded = [role for role, spec in specs.items() if spec.source == "recording"]
    if recorded:
        raise RigError(
            f"rig {rig.name}: key '{recorded[0]}.source': is a recording, which has no camera; "
            "replay its case instead"
        )
    by_phantom = any(
        spec.source == "phantom" or (rig.emulated and spec.images is None)
        for spec in specs.values()
    )
    bench = rig.phantom is not None and rig.phantom.scene == "bench"
    phantom = _phantom(rig) if by_phantom and rig.phantom is not None and not bench else None
    if rig.emulated:
        _emulate_all(specs)
        _sweep()
    cameras: dict[str, Camera] = {}
    if bench:
        return _on_the_bench(rig, specs)
    for role, spec in specs.items():
        if spec.source == "phantom":
            assert phantom is not None
            from hardware.phantom import PhantomCamera

            cameras[role] = PhantomCamera(phantom, role)
        else:
            cameras[role] = _basler(rig, role, spec, phantom)
    return cameras


def _on_the_bench(rig: Rig, specs: dict[str, CameraSpec]) -> dict[str, Camera]:
    from hardware.bench import Bench

    source = "basler" if rig.emulated else "phantom"
    if any(spec.source != source for spec in specs.values()):
        raise RigError(
            f"rig {rig.name}: key 'phantom.scene': on the bench every camera's source is "
            f"'{source}'{' where emulated = true' if rig.emulated else ''}"
        )
    bench = Bench(rig)
    if rig.emulated:
        from hardware.emulated_bench import EmulatedBenchCamera

        return {role: EmulatedBenchCamera(bench, role) for role in bench.lenses if role in specs}
    from hardware.bench_camera import BenchCamera

    return {role: BenchCamera(bench, role, paced=True) for role in bench.lenses if role in specs}


def _phantom(rig: Rig) -> Phantom:
    from hardware.phantom import Phantom

    assert rig.phantom is not None
    try:
        if rig.light.gated is not None:
            from hardware.phantom.gated import GatedScene

            return GatedScene(rig.phantom, rig)
        return Phantom(rig.phantom, rig)
    except ValueError as error:
        raise RigError(f"rig {rig.name}: key 'phantom': {error}") from None


def _basler(rig: Rig, role: str, spec: CameraSpec, phantom: Phantom | None) -> Camera:
    assert spec.serial is not None
    linear = role == "nir"
    pfs = None if spec.pfs is None else Path(spec.pfs)
    if not rig.emulated:
        from hardware.basler import BaslerCamera

        return BaslerCamera(spec.serial, linear=linear, pfs=pfs, light_line=spec.light_line)
    from hardware.emulated import EmulatedBaslerCamera

    played = None if spec.images is None else Path(spec.images)
    drawn = None
    if played is None and phantom is not None:
        played = drawn = _recording(phantom, role, spec)
    camera = EmulatedBaslerCamera(
        spec.serial, linear=linear, pfs=pfs, images=played, light_line=spec.light_line
    )
    if drawn is not None:
        # at its end or the program's, not at `close`: after a replug it opens again
        weakref.finalize(camera, shutil.rmtree, drawn, ignore_errors=True)
    return camera


def _recording(phantom: Phantom, role: str, spec: CameraSpec) -> Path:
    """Draw a short recording of one role for the emulator; return its folder."""
    folder = Path(tempfile.mkdtemp(prefix=f"sln-guide-emulated-{os.getpid()}-{role}-"))
    first = round(RECORDED_FROM_S * (phantom.settings(role).frame_rate_hz or 0.0))
    size = phantom.settings(role).roi
    assert size is not None
    fit = RECORDED_PIXELS // (size[2] * size[3])
    for index in range(min(RECORDED_FRAMES, max(fit, LEAST_FRAMES))):
        pixels = phantom.frame(role, first + index).pixels
        write_emulator_image(folder / f"{index:04}.tif", pixels, spec.pixel_format.bit_depth)
    return folder


def _emulate_all(specs: dict[str, CameraSpec]) -> None:
    """Let the emulator offer every serial number the rig names (0815-0000 is the first)."""
    from hardware.emulated import emulate

    highest = 0
    for spec in specs.values():
        number = (spec.serial or "").removeprefix("0815-")
        if spec.source == "basler" and number.isdecimal():
            highest = max(highest, int(number))
    emulate(min(highest + 1, 256))


def _sweep() -> None:
    """Remove recordings left by programs that were killed."""
    for folder in Path(tempfile.gettempdir()).glob("sln-guide-emulated-*"):
        match = _FOLDER.fullmatch(folder.name)
        if match is None or folder.is_symlink():
            continue
        try:
            os.kill(int(match.group(1)), 0)
        except ProcessLookupError:
            shutil.rmtree(folder, ignore_errors=True)
        except (PermissionError, OverflowError):
            continue
