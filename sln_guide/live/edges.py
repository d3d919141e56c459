"""`EdgeWatch`: once a second, whether edges that both streams see still coincide as registered.

On a low-priority thread of its own and on pictures of a few hundred px, so that nothing on the way
to the screen waits for it. What it finds does not move the overlay: it takes it away.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import numpy as np

from hardware.rig import Registration, Rig
from sln_guide.calibration.consistency import Consistency, ConsistencyWatch, compare, reduced
from sln_guide.guidance import Pair, Settings
from sln_guide.handoff import Latest
from sln_guide.health import Alignment
from sln_guide.side_thread import SideThread

LOOK_EVERY_S = 1.0
CONFIRM_EVERY_S = 0.4
"""While looks contradict what is told."""
MAX_SKEW_NS = 20_000_000
"""Frames further apart in time differ by the tissue's own motion."""
REACH = 0.12
"""How far edges are sought, as a share of the picture's width."""
UNSCALED_TOLERANCE = 0.012
"""Of the picture's width, where the rig knows no scale."""
NICENESS = 10
JOIN_S = 2.0


class EdgeWatch:
    """Looks at the newest pair it was given and tells how the streams lie.

    Parameters
    ----------
    rig
        Its registration is held against the scene. Cameras are taken to have moved beyond its own
        error, the parallax of the declared relief, and the tissue motion that it allows
        (`Optics.max_tissue_motion_mm`).
    tell
        Called from the watch's thread after each look.
    """

    def __init__(self, rig: Rig, tell: Callable[[Alignment], None]) -> None:
        self._rig = rig
        self._tell = tell
        self._watch = ConsistencyWatch()
        self._seen: Latest[tuple[Pair, Settings]] = Latest()
        self._registration: Registration | None = None
        self._held_ns: int | None = None
        self._ending = threading.Event()
        self._thread = SideThread(
            "edges",
            self._run,
            self._ending,
            without="whether the cameras have moved against each other is not looked at",
        )

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def see(self, pair: Pair, settings: Settings) -> None:
        """Remember the newest pair, and with what it was taken. Costs nothing; any thread."""
        if pair.white is not None and abs(pair.skew_ns) <= MAX_SKEW_NS:
            self._seen.put((pair, settings))

    def use(self, rig: Rig) -> None:
        """Judge by another rig from now on. Any thread."""
        self._rig = rig

    def end(self) -> None:
        """End the thread. Idempotent."""
        self._ending.set()
        self._thread.join(JOIN_S)

    @property
    def trouble(self) -> str | None:
        """Why nothing is looked at, None while all is well."""
        return self._thread.trouble

    def _run(self) -> None:
        if sys.platform == "linux":
            with suppress(OSError):  # then it only competes a little harder
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        wait_s = LOOK_EVERY_S
        while not self._ending.wait(wait_s):
            seen = self._seen.take_now()
            if seen is None:
                continue
            told = self.look(*seen)
            wait_s = LOOK_EVERY_S if told.verdict == told.last_look else CONFIRM_EVERY_S
            self._tell(told)

    def look(self, pair: Pair, settings: Settings) -> Alignment:
        """Hold one pair against the registration; return the verdict of the last few looks.

        Those at another working distance, or before a nudge, count no more.
        """
        rig = settings.worked(self._rig)
        if rig.registration != self._registration:
            self._registration = rig.registration
            self._held_ns = None
            self._watch.forget_looks()
        seen = look_at(pair, rig)
        verdict, looked_ns = self._watch.add(seen), time.monotonic_ns()
        if verdict == "moved":
            self._held_ns = None
        elif verdict == seen.verdict == "holds":
            self._held_ns = looked_ns
        px = seen.distance_px
        mm_per_px = rig.vouched_mm_per_px
        told = seen.verdict == "moved"
        return Alignment(
            verdict=verdict,
            last_look=seen.verdict,
            shift_px=px if told else None,
            shift_mm=px * mm_per_px if told and mm_per_px is not None else None,
            looked_ns=looked_ns,
            held_ns=self._held_ns,
        )


def look_at(pair: Pair, rig: Rig) -> Consistency:
    """Compare the edges of one pair; px are NIR px. ``pair`` must have its white frame."""
    assert pair.white is not None
    nir, nir_to_small = reduced(pair.nir)
    if pair.nir.room_light is not None:
        nir = np.maximum(nir - np.float32(pair.nir.room_light.offset_counts), 0.0)
    white, white_to_small = reduced(pair.white)
    onto = white_to_small @ rig.registration.matrix() @ np.linalg.inv(nir_to_small)
    shrunk = float(nir_to_small[0, 0])
    tolerance_px = UNSCALED_TOLERANCE * pair.nir.width
    if rig.optics.mm_per_px is not None:
        error_mm = (rig.registration.residual_mm or 0.0) + rig.optics.parallax_mm
        allowed_mm = rig.optics.max_tissue_motion_mm + error_mm
        tolerance_px = allowed_mm / rig.optics.mm_per_px
    small = compare(
        nir,
        white,
        onto,
        tolerance_px=tolerance_px * shrunk,
        reach_px=max(REACH * nir.shape[1], 2.0 * tolerance_px * shrunk),
    )
    x, y = small.shift_px
    return Consistency(small.verdict, (x / shrunk, y / shrunk), small.error_px, small.tiles)


def watched(rig: Rig) -> bool:
    """Whether there is anything to hold: two cameras and a registration."""
    return rig.nir is not None and rig.white is not None and rig.registration.kind != "none"
