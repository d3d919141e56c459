"""`Guiding`: the live session's guidance, and what it does while the core fails."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from hardware.frame import Frame
from sln_guide import pipeline
from sln_guide.guidance import Guidance, NextNumbers, Settings
from sln_guide.live.case_log import CaseLog
from sln_guide.live.pairing import Pairing
from sln_guide.one_line import unexpected

RETRY_AFTER_FAULT_S = 1.0
"""White light alone for so long before a core that failed is tried again."""
STEPS_TO_TRUST_AGAIN = 10
"""So many good ones in a row before what they find is shown."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why there is no guidance, and since when (monotonic)."""

    message: str
    since_ns: int

    @classmethod
    def of(cls, error: BaseException, then: str) -> Fault:
        """Say an unexpected error in one line, and what comes of it."""
        return cls(f"{unexpected(error)} · {then}", time.monotonic_ns())


class Guiding:
    """Pairs NIR frames and steps the pipeline. A fault costs the overlay, never the thread.

    `take`, `begin_anew` and `add_white` belong to the processing thread; all else to any.

    Parameters
    ----------
    setup
        What the pipeline knows of the rig.
    log
        Notes each state and each guidance, where a case is running.
    follow
        Called with each new guidance, in the processing thread; a fault in there counts as the
        core's.

    Attributes
    ----------
    fault
        Why nothing is shown; None while all is well.
    """

    def __init__(
        self, setup: pipeline.Setup, log: CaseLog, follow: Callable[[Guidance], None]
    ) -> None:
        self.fault: Fault | None = None
        self._setup = setup
        self._log = log
        self._follow = follow
        self._pairing = Pairing()
        self._state = pipeline.initial_state(setup)
        self._guidance: Guidance | None = None
        self._numbers = NextNumbers()
        """Which it began with."""
        self._good_steps = 0
        self._retry_ns = 0

    @property
    def guidance(self) -> Guidance | None:
        """The newest guidance; None before the first, and while a fault has cost the overlay."""
        return self._guidance if self.fault is None else None

    def skew_ms(self) -> float | None:
        """Return how far apart the last pairs' frames were exposed; see `Pairing.skew_ms`."""
        return self._pairing.skew_ms()

    def lose_units(self) -> None:
        """Claim no calibrated unit from the next step on."""
        self._setup = replace(self._setup, vouched=False)

    def number_from(self, numbers: NextNumbers) -> None:
        """Go on with these numbers, for what is in sight as well: none is given twice.

        Before the processing thread begins, or in it.
        """
        ids, nodes = (max(n - own, 0) for n, own in zip(numbers, self._numbers, strict=True))
        self._numbers = NextNumbers(self._numbers.next_id + ids, self._numbers.next_node + nodes)
        self._state = replace(self._state, tracks=self._state.tracks.numbered_on(ids, nodes))

    def add_white(self, white: Frame) -> None:
        """Remember a white frame for the NIR frames that were exposed with it."""
        self._pairing.add_white(white)

    def take(self, nir: Frame, settings: Settings, *, apart_ns: int) -> None:
        """Make guidance of ``nir`` and the white frame at most ``apart_ns`` away."""
        if time.monotonic_ns() < self._retry_ns:
            return
        try:
            if self._state.setup is not self._setup:
                self._state = replace(self._state, setup=self._setup)
            numbers = self._log.numbers()
            if numbers is not None:
                self.number_from(numbers)
            self._log.note_state(self._state, nir)
            pair = self._pairing.match(nir, apart_ns)
            self._state, guidance = pipeline.step(self._state, pair, settings)
            self._guidance = guidance
            self._log.note_guidance(guidance)
            self._follow(guidance)
        except Exception as error:  # noqa: BLE001 - whatever it is, white light goes on
            self.begin_anew(Fault.of(error, "It is tried again every second"))
            return
        self._good_steps += 1
        if self._good_steps >= STEPS_TO_TRUST_AGAIN:
            self.fault = None

    def begin_anew(self, fault: Fault) -> None:
        """Show nothing for now, and trust nothing of what was known; no number is given twice."""
        self.fault = fault
        self._guidance, self._good_steps = None, 0
        self._state = replace(
            pipeline.initial_state(self._setup),
            tracks=self._state.tracks.begun_anew(),
            generation=self._state.generation,
        )
        self._retry_ns = fault.since_ns + int(RETRY_AFTER_FAULT_S * 1e9)
        self._log.begin_anew()
