"""`Guide`: a sitting on a thread of its own, for a window that asks and looks.

The window calls `choose`, `go_on` and `back`, which never wait, and reads `stand` and `pictures`
when it is told that they changed. While the operator arranges things the cameras are shown live;
while a step measures, what it captures is shown.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from hardware.camera import Camera, CameraError, CameraTimeoutError, IncompleteFrameError
from hardware.frame import Frame
from hardware.rig import RigError
from sln_guide.calibration.errors import CalibrationError
from sln_guide.calibration.flows import Flow, Sight, free_running, spec_of
from sln_guide.calibration.focus import FocusAid
from sln_guide.calibration.frames import Interrupted, grabbing, unpacked
from sln_guide.calibration.sitting import TITLES, Sitting, Standing, What, standings
from sln_guide.calibration.stand import Phase, Seen, Stand
from sln_guide.core.draw import NEUTRAL, draw_nir_into, draw_white_into, nir_window
from sln_guide.one_line import unexpected

PICTURE_EVERY_S = 0.08
"""A picture to look at, not to guide by: drawing may not slow down what is captured."""
READ_S = 0.3
LEAST_WINDOW_SHARE = 0.25
"""Of full scale, that black to white spans at least."""
RETRY_S = 1.0
SIGHT_EVERY_S = 0.4
"""What a step wants is sought so often while it is arranged: it takes a tenth of a second."""

Wanted = What | Literal["focus", "go on", "back", "end"]


class Guide:
    """Owns the thread, which owns sitting and cameras.

    Parameters
    ----------
    sit
        Makes the sitting; called on the thread with what wants to see every frame.
    changed
        Called on the thread after `stand` or `pictures` changed; must not wait.
    """

    def __init__(
        self,
        sit: Callable[[Callable[[str, Frame], None]], Sitting],
        changed: Callable[[], None],
    ) -> None:
        self._sit, self._changed = sit, changed
        self._stand = Stand(Phase.OPENING)
        self._pictures: Mapping[str, Seen] = MappingProxyType({})
        self._wanted: Wanted | None = None
        self._asked = threading.Event()
        """Set while something is wanted: ends a preview, and a measurement that is not wanted."""
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._shown_s: dict[str, float] = {}
        self._aids: dict[str, FocusAid] = {}
        self._arranged: Flow | None = None
        """Whose step is being arranged: looks for what it wants."""
        self._sights: dict[str, tuple[float, Sight | None]] = {}
        self._balance = NEUTRAL
        self._thread = threading.Thread(target=self._run, name="sitting", daemon=True)
        self._thread.start()

    # -- from any thread -------------------------------------------------------------------------

    @property
    def stand(self) -> Stand:
        """Where it stands."""
        return self._stand

    @property
    def pictures(self) -> Mapping[str, Seen]:
        """Each camera's newest picture, by role."""
        return self._pictures

    @property
    def alive(self) -> bool:
        """Whether its thread runs: it may hold cameras."""
        return self._thread.is_alive()

    def choose(self, choice: What | Literal["focus"]) -> None:
        """Begin a flow, where one is chosen from."""
        if self._stand.phase in (Phase.CHOOSING, Phase.DONE):
            self._ask(choice)

    def go_on(self) -> None:
        """Measure: everything is arranged. While focusing: begin anew."""
        if self._stand.phase in (Phase.ARRANGING, Phase.FOCUSING):
            self._ask("go on")

    def back(self) -> None:
        """Stop measuring; or leave the flow, keeping nothing of it."""
        if self._stand.phase is Phase.MEASURING:
            self._stop.set()
        elif self._stand.phase in (Phase.ARRANGING, Phase.FOCUSING, Phase.DONE):
            self._ask("back")

    def end(self) -> None:
        """Stop all; when the cameras are let go of, the phase is ENDED (or FAILED, as it was)."""
        self._stop.set()
        self._ask("end")

    def close(self, timeout_s: float = 10.0) -> bool:
        """Stop all and wait; return whether the thread has ended."""
        self.end()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _ask(self, wanted: Wanted) -> None:
        with self._lock:
            if self._wanted != "end":
                self._wanted = wanted
            self._asked.set()

    # -- the thread ------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            sitting = self._sit(self._see)
            rig = sitting.rig
            self._tell(
                Stand(Phase.CHOOSING, rig.name, rig.simulated, str(sitting.folder.resolve()))
            )
            self._choosing(sitting)
            self._change(phase=Phase.ENDED)
        except (RigError, CameraError, CalibrationError) as error:
            self._tell(Stand(Phase.FAILED, problem=str(error)))
        except Exception as error:
            # a fault of ours: said, then raised, for there is nothing to go on with
            self._tell(Stand(Phase.FAILED, problem=unexpected(error)))
            raise

    def _choosing(self, sitting: Sitting) -> None:
        self._change(standings=self._standings(sitting))
        while (wanted := self._next()) != "end":
            if wanted in ("go on", "back"):
                if wanted == "back" and self._stand.phase is Phase.DONE:
                    self._leave()
                continue
            self._change(choice=wanted)
            try:
                if wanted == "focus":
                    self._focus(sitting)
                else:
                    self._flow(sitting, next(what for what in TITLES if what == wanted))
            except (CalibrationError, CameraError, RigError) as error:
                self._leave(str(error))

    def _standings(self, sitting: Sitting) -> tuple[Standing, ...]:
        applied = sitting.applied()
        self._balance = applied.rig.white_balance
        return standings(sitting.rig, applied)

    def _next(self) -> Wanted:
        self._asked.wait()
        return self._take() or "back"

    def _take(self) -> Wanted | None:
        with self._lock:
            wanted = self._wanted
            if wanted != "end":
                self._wanted = None
                self._asked.clear()
            return wanted

    def _leave(self, problem: str = "") -> None:
        self._pictures = MappingProxyType({})
        was = self._stand
        self._tell(
            Stand(
                Phase.CHOOSING,
                was.rig,
                was.simulated,
                was.folder,
                standings=was.standings,
                choice=was.choice if problem else None,
                problem=problem,
            )
        )

    def _begin(
        self, choice: What | Literal["focus"], phase: Phase, cameras: Mapping[str, Camera]
    ) -> None:
        self._leave()
        self._change(phase=phase, choice=choice, roles=tuple(cameras))

    def _focus(self, sitting: Sitting) -> None:
        cameras = sitting.cameras
        self._begin("focus", Phase.FOCUSING, cameras)
        step = sitting.focus_step()
        self._change(instruction=step.instruction)
        sitting.lay(step)
        self._aids = {role: FocusAid() for role in cameras}
        try:
            while True:
                self._preview(sitting, cameras)
                if self._take() != "go on":
                    break
                for aid in self._aids.values():
                    aid.reset()
        finally:
            self._aids = {}
        self._leave()

    def _flow(self, sitting: Sitting, what: What) -> None:
        flow = sitting.flow(what)
        used = flow.cameras()
        cameras = {role: c for role, c in sitting.cameras.items() if c in used}
        self._begin(what, Phase.ARRANGING, cameras)
        self._change(steps=len(flow.steps))
        while (step := flow.current) is not None:
            self._change(phase=Phase.ARRANGING, step=flow.position, instruction=step.instruction)
            sitting.lay(step)
            self._arranged, self._sights = flow, {}
            try:
                self._preview(sitting, cameras)
            finally:
                self._arranged = None
            if self._take() != "go on":
                self._leave()
                return
            self._measure(flow)
        self._change(phase=Phase.MEASURING, step=flow.position, told="", done=0, total=0)
        outcome = flow.finish()
        noted = sitting.keep(flow, outcome)
        self._change(
            phase=Phase.DONE,
            problem="",
            outcome=outcome,
            noted=noted,
            standings=self._standings(sitting),
        )

    def _measure(self, flow: Flow) -> None:
        """Do the current step; a refusal is told, and the step stays."""
        self._stop.clear()
        self._change(phase=Phase.MEASURING, problem="", told="", done=0, total=0)
        if self._wanted == "end":
            return
        try:
            told = flow.run(self._progress, self._stop)
        except Interrupted:
            self._change(problem="Stopped; nothing was changed.")
        except (CalibrationError, CameraError) as error:
            self._change(problem=str(error))
        else:
            self._change(told=told)

    def _progress(self, done: int, total: int) -> None:
        self._change(done=done, total=total)

    def _preview(self, sitting: Sitting, cameras: Mapping[str, Camera]) -> None:
        """Show the cameras until something is asked; a camera that fails is tried again."""
        kept = self._stand.problem
        while not self._asked.is_set():
            try:
                with ExitStack() as open_cameras:
                    for role, camera in cameras.items():
                        spec = spec_of(sitting.rig, "white" if role == "white" else "nir")
                        open_cameras.enter_context(grabbing(camera, free_running(spec)))
                    while not self._asked.is_set():
                        for camera in cameras.values():
                            try:
                                camera.read(READ_S)
                            except (CameraTimeoutError, IncompleteFrameError) as error:
                                self._change(problem=f"{error}; check camera and cable")
                                continue
                        if self._stand.problem != kept:
                            self._change(problem=kept)
            except CameraError as error:
                self._pictures = MappingProxyType({})
                self._change(problem=f"{error}. It is tried again by itself.")
                self._asked.wait(RETRY_S)

    # -- what is seen ----------------------------------------------------------------------------

    def _see(self, role: str, frame: Frame) -> None:
        now_s = time.monotonic()
        if now_s - self._shown_s.get(role, 0.0) < PICTURE_EVERY_S:
            return
        top = float(2**frame.bit_depth - 1)
        sample = unpacked(frame)[::4, ::4]
        rgb32 = np.empty((frame.height, frame.width), np.uint32)
        if frame.pixel_format.is_mono:
            low, high = nir_window(frame)
            # what is dark must look dark, and what is full white: the operator judges light by it
            draw_nir_into(rgb32, frame, low, max(high, low + LEAST_WINDOW_SHARE * top))
        else:
            draw_white_into(rgb32, frame, self._balance)
        rgb32.setflags(write=False)
        aid = self._aids.get(role)
        seen = Seen(
            rgb32,
            frame.exposure_us,
            frame.gain_db,
            level_share=float(np.median(sample)) / top,
            saturated_share=float((sample >= top).mean()),
            focus=None if aid is None else aid.add(frame),
            sight=self._sight(role, frame, now_s),
        )
        self._pictures = MappingProxyType({**self._pictures, role: seen})
        self._shown_s[role] = time.monotonic()
        self._changed()

    def _sight(self, role: str, frame: Frame, now_s: float) -> Sight | None:
        """Return what the step would find, not older than it takes to move a board."""
        if self._arranged is None:
            return None
        looked_s, sight = self._sights.get(role, (0.0, None))
        if now_s - looked_s >= SIGHT_EVERY_S:
            sight = self._arranged.sight("white" if role == "white" else "nir", frame)
            self._sights[role] = time.monotonic(), sight
        return sight

    def _change(self, **changes: Any) -> None:
        self._tell(replace(self._stand, **changes))

    def _tell(self, stand: Stand) -> None:
        self._stand = stand
        self._changed()
