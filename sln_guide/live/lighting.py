"""`GatedLight`: dark frames taken off lit ones as they come, and the lamp watched meanwhile.

Stands between a camera's thread and the newest-wins hand-over: what goes on from here is the light
that excitation brought, and a dark frame goes nowhere. The recorder has had every frame before.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import numpy as np

from hardware.frame import Frame
from hardware.gating import Pattern
from hardware.rig import Rig
from sln_guide.calibration.frames import unpacked
from sln_guide.calibration.gated import LampWatch, Subtraction, recognise_foreign_light, remedy
from sln_guide.health import LampState

LEVEL_STEP_PX = 8
"""A frame's mean is taken of every so many px."""
DARK_LEVELS = 128
"""Dark frames in which foreign light is looked for."""
LOOK_EVERY = 32
"""Dark frames from one look for foreign light to the next."""


class GatedLight:
    """For one NIR camera. `take` belongs to its thread; `lamp` may be asked by any.

    Parameters
    ----------
    rig
        With ``light.gated``.
    """

    def __init__(self, rig: Rig) -> None:
        assert rig.light.gated is not None
        self._pattern = Pattern(*rig.light.gated)
        self._offset_counts = rig.sensor.dark_counts
        self._subtraction = Subtraction(rig.sensor)
        self._watch = LampWatch(self._pattern, self._offset_counts)
        self._levels: deque[tuple[float, float]] = deque(maxlen=DARK_LEVELS)
        self._darks = 0
        self._room = ""
        self._lamp: LampState | None = None

    @property
    def cycle(self) -> int:
        """Frames from one lit frame to the same one of the next cycle."""
        return self._pattern.cycle

    @property
    def lamp(self) -> LampState | None:
        """What the lamp does; None before the first frame."""
        return self._lamp

    def take(self, frame: Frame) -> Frame | None:
        """Take the next frame; return what excitation brought, None where it tells nothing."""
        level = float(np.mean(unpacked(frame)[::LEVEL_STEP_PX, ::LEVEL_STEP_PX]))
        state = self._watch.add(frame, level)
        if frame.light_on is False:
            self._note_dark(frame, level)
        self._lamp = replace(state, room=self._room)
        return None if frame.light_on is None else self._subtraction.take(frame)

    def _note_dark(self, frame: Frame, level: float) -> None:
        self._levels.append((frame.mid_exposure_ns * 1e-9, level - self._offset_counts))
        self._darks += 1
        if self._darks % LOOK_EVERY == 0:
            times_s, levels = np.array(self._levels).T
            found = recognise_foreign_light(times_s, levels, frame.exposure_us * 1e-6)
            self._room = remedy(found, frame.exposure_us)
