"""Guided flows: what to do, doing it, and what came of it; driven by a window or a command line.

A flow is a list of steps. The driver shows `Step.instruction`, waits for the operator, and calls
`Flow.run` (on any one thread; it may take seconds). A step that is refused raises CalibrationError
with the reason and stays the current one, to be tried again. After the last step `finish` saves.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from hardware.bench import Plane
from hardware.bench_camera import BenchCamera
from hardware.camera import Camera, CameraSettings
from hardware.emulated_bench import EmulatedBenchCamera
from hardware.frame import Frame
from hardware.rig import CameraSpec, Rig
from sln_guide.calibration.binding import Binding
from sln_guide.calibration.errors import CaptureError
from sln_guide.calibration.frames import Progress, Stack, grabbing, no_progress, take
from sln_guide.calibration.paper import Drawing
from sln_guide.calibration.watched import WatchedCamera

Key = Literal["dark", "flat", "photon_transfer", "registration", "white_balance", "check"]
RoleName = Literal["nir", "white"]


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One thing the operator arranges and the flow then measures.

    ``bench`` is what a simulated operator would lay under the cameras.
    """

    name: str
    instruction: str
    bench: Plane | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a flow came to.

    ``key`` and ``path`` belong into the rig's ``[calibration]``; ``reports`` are files for people,
    ``pages`` what is in them.
    """

    key: Key
    path: Path
    lines: tuple[str, ...]
    good: bool = True
    reports: tuple[Path, ...] = ()
    pages: tuple[Drawing, ...] = ()


@dataclass(frozen=True, slots=True)
class Sight:
    """What a step would find in a frame, in one line; ``good``: it may be measured so."""

    text: str
    good: bool


class Flow(ABC):
    """A guided calibration. One thread at a time; ``stop`` may be set from any."""

    title: str

    def __init__(self, steps: tuple[Step, ...]) -> None:
        self._steps = steps
        self._done = 0

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps, in order."""
        return self._steps

    @property
    def position(self) -> int:
        """Steps done."""
        return self._done

    @property
    def current(self) -> Step | None:
        """The step to do next; None: call `finish`."""
        return None if self._done == len(self._steps) else self._steps[self._done]

    def run(self, progress: Progress = no_progress, stop: threading.Event | None = None) -> str:
        """Do the current step; return what it found, in one line.

        Raises
        ------
        CalibrationError
            Refused, with what to do; the step stays current. `Interrupted` if ``stop`` was set.
        CameraError
            As the camera does.
        """
        step = self.current
        if step is None:
            raise RuntimeError("every step is done: call finish")
        told = self._do(self._done, progress, stop)
        self._done += 1
        return told

    @abstractmethod
    def _do(self, index: int, progress: Progress, stop: threading.Event | None) -> str:
        """Do step ``index``."""

    @abstractmethod
    def finish(self) -> Outcome:
        """Compute and save; return what came of it. Raises CalibrationError."""

    def cameras(self) -> tuple[Camera, ...]:
        """Return the cameras it uses, closed between steps."""
        return ()

    def sight(self, role: RoleName, frame: Frame) -> Sight | None:
        """Look for what the current step wants, before it is measured; None: for nothing.

        Changes nothing. Takes a tenth of a second; on the thread of `run`.
        """
        return None


def lay(step: Step, cameras: Sequence[Camera]) -> bool:
    """Lay what a step asks for under simulated cameras; False: a person must do it."""
    inner = [c.inner if isinstance(c, WatchedCamera) else c for c in cameras]
    benches = [c.bench for c in inner if isinstance(c, BenchCamera | EmulatedBenchCamera)]
    if not inner or len(benches) < len(inner):
        return False
    if step.bench is not None:
        for bench in benches:
            bench.show(step.bench)
    return True


def spec_of(rig: Rig, role: RoleName) -> CameraSpec:
    """Return a role of the rig. Raises CaptureError if it has none."""
    spec: CameraSpec | None = getattr(rig, role)
    if spec is None:
        raise CaptureError(f"rig {rig.name} has no {role} camera: add a [{role}] table")
    return spec


def free_running(spec: CameraSpec) -> CameraSettings:
    """Return the rig's settings without its trigger: a camera taken alone would wait for ever."""
    return replace(spec.camera_settings(), trigger="free-run")


def take_at(
    camera: Camera,
    spec: CameraSpec,
    count: int,
    exposure_us: float,
    progress: Progress,
    stop: threading.Event | None,
    *,
    reject: bool = True,
) -> Stack:
    """Open the camera with the rig's settings at another exposure, take frames, close it."""
    wanted = replace(free_running(spec), exposure_us=exposure_us)
    if wanted.frame_rate_hz is not None:
        rate = min(wanted.frame_rate_hz, 0.95e6 / exposure_us)
        wanted = replace(wanted, frame_rate_hz=rate)
    with grabbing(camera, wanted) as applied:
        refuse_unnamed_mode(camera, spec, applied)
        return take(camera, count, applied, progress=progress, stop=stop, reject=reject)


def refuse_unnamed_mode(camera: Camera, spec: CameraSpec, applied: CameraSettings) -> None:
    """Refuse a sensor of two conversion gains whose rig names none: another day has the other.

    Raises
    ------
    CaptureError
        Saying which is set, and where to write it.
    """
    mode = applied.conversion_gain
    if mode is not None and spec.conversion_gain is None:
        raise CaptureError(
            f"camera {camera.camera_id} has two conversion gains and stands at {mode}: write "
            f'conversion_gain = "{mode}" into its table of the rig, then try again'
        )


def bound(camera: Camera, role: RoleName, settings: CameraSettings) -> Binding:
    """Return the binding of a camera as it was set."""
    return Binding.of(camera.camera_id, role, settings)


def part_of(progress: Progress, part: int, parts: int) -> Callable[[int, int], None]:
    """Return a progress that fills one of several equal parts."""
    return lambda done, total: progress(part * total + done, parts * total)
