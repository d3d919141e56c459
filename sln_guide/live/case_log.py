"""`CaseLog`: what stands in a case beside its frames, and from when on it may stand there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from hardware.frame import Frame
from sln_guide import pipeline
from sln_guide.guidance import Guidance, NextNumbers, Settings
from sln_guide.health import SessionHealth
from sln_guide.live.recorder import Writing
from sln_guide.live.recordings import Recordings
from sln_guide.source import EventMark, Paint

STATE_EVERY_NS = 5_000_000_000
NEVER_NS = 1 << 62

Begin = Callable[[Settings, Iterator[Writing]], Path | None]
"""Begins a case, or goes on with one: `Recordings.start` or `Recordings.continue_interrupted`."""


class CaseLog:
    """Events, computations, paints and health of one session, into whatever case runs.

    A computation rests on frames before its own. Those logged can be made again from the case
    alone: so they begin a little after the case does, with the state they begin from.

    Any thread; `note_state` and `note_guidance` are for the one that computes.

    Parameters
    ----------
    recordings
        Has the running case, if there is one.
    first
        Written into each case before anything else: what it is computed with.
    """

    def __init__(self, recordings: Recordings, first: Writing) -> None:
        self._recordings = recordings
        self._first = first
        self._events: list[EventMark] = []
        self._beginning = threading.Lock()
        self._logged_from_ns = 0
        self._reach_ns = 0
        self._state_wanted = self._state_noted = object()
        self._state_due_ns = 0
        self.started_ns = time.monotonic_ns()
        """Monotonic; when the clock of events began."""

    def start_clock(self) -> None:
        """Count events from now on."""
        self.started_ns = time.monotonic_ns()

    def begin(self, begin: Begin, settings: Settings, reach_ns: int) -> Path | None:
        """Begin, or go on with, a case; return its folder, None if there is none to go on with.

        Parameters
        ----------
        begin
            What does it.
        settings
            The operator's, for the head of the case.
        reach_ns
            How far back the frames lie that a computation rests on.

        Raises
        ------
        RecordingError
            From ``begin``; a case that runs already loses nothing of its log.
        """
        with self._beginning:  # Record may be pressed while a case cut short is being continued
            before, folder = self._logged_from_ns, None
            if not self._recordings.recording:  # a case that runs goes on, and loses nothing
                self._logged_from_ns = NEVER_NS
            try:
                folder = begin(settings, self._head())
            finally:
                if folder is None:
                    self._logged_from_ns = before
            if folder is not None:
                self._reach_ns = reach_ns
                if self._recordings.numbering:
                    self._logged_from_ns = NEVER_NS
                else:
                    self._log_from_now()
                self.mark("record", folder.name)
            return folder

    def numbers(self) -> NextNumbers | None:
        """Return, once, from which numbers on to go on in a case that another session began.

        Its computations are logged from then on, so that no number is given twice. For the thread
        that computes: it waits for nobody.
        """
        numbers = self._recordings.numbers
        if numbers is None or not self._beginning.acquire(blocking=False):
            return None
        try:
            self._recordings.numbers = None
            self._log_from_now()
        finally:
            self._beginning.release()
        return numbers

    def _log_from_now(self) -> None:
        self._logged_from_ns = time.monotonic_ns() + 2 * self._reach_ns
        self._state_wanted = object()

    def _head(self) -> Iterator[Writing]:
        """Yield what comes before the frames: events stamped before the case began, too."""
        yield self._first
        for event in tuple(self._events):
            yield self._earlier(event)

    def _earlier(self, event: EventMark) -> Writing:
        time_ns = self.started_ns + int(event.time_s * 1e9)
        return lambda case: case.write_event(event.name, event.detail, time_ns)

    # -- events, paints, health ------------------------------------------------------------------

    def events(self) -> tuple[EventMark, ...]:
        """Return the marks so far, whether a case ran or not."""
        return tuple(self._events)

    def mark(self, name: str, detail: str = "", time_ns: int | None = None) -> None:
        """Stamp an event, at ``time_ns`` (monotonic) or now."""
        now_ns = time.monotonic_ns() if time_ns is None else time_ns
        self._events.append(EventMark((now_ns - self.started_ns) / 1e9, name, detail))
        self._recordings.put(lambda case: case.write_event(name, detail, now_ns))

    def note_paint(self, paint: Paint) -> None:
        """Note what reached the screen."""
        self._recordings.put(
            lambda case: case.write_shown(
                paint.generation,
                paint.white_sequence,
                paint.view,
                paint.painted_ns,
                paint.overlay_visible,
                paint.said,
            )
        )

    def note_health(self, health: SessionHealth) -> None:
        """Note how everything around the guidance fares."""
        now_ns = time.monotonic_ns()  # not when a drive that keeps it waiting takes it
        self._recordings.put(lambda case: case.write_health(health, now_ns))

    # -- computations ----------------------------------------------------------------------------

    def begin_anew(self) -> None:
        """Have the next state noted: it does not follow from the last."""
        self._state_wanted = object()

    def note_state(self, state: pipeline.State, nir: Frame) -> None:
        """Note the state before the step that takes ``nir``: a case's first, then now and then."""
        wanted, now_ns = self._state_wanted, time.monotonic_ns()
        if wanted is self._state_noted and now_ns < self._state_due_ns:
            return
        if self._takes(nir) and self._recordings.recording:
            snapshot, time_ns = state.snapshot(), nir.mid_exposure_ns
            self._recordings.put(lambda case: case.write_snapshot(snapshot, time_ns))
            # a case that began meanwhile wants one of its own
            self._state_noted, self._state_due_ns = wanted, now_ns + STATE_EVERY_NS

    def note_guidance(self, guidance: Guidance) -> None:
        """Note what a step made."""
        if self._takes(guidance.pair.nir):
            self._recordings.put(lambda case: case.write_guidance(guidance))

    def _takes(self, nir: Frame) -> bool:
        """Whether all that a computation of ``nir`` rests on is in the case; True without one."""
        return nir.host_time_ns >= self._logged_from_ns
