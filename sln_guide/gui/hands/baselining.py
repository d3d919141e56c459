"""`Baselining`: tells the core to take the tissue as it is before the tracer comes."""

from __future__ import annotations

import time
from collections.abc import Callable

from sln_guide.gui.claims.readings import Tone
from sln_guide.gui.claims.situation import MS
from sln_guide.gui.claims.verdict import is_fresh
from sln_guide.gui.hands.insisting import Insisting
from sln_guide.gui.panels.phases import INJECT, phase_events
from sln_guide.guidance import BASELINE_NONE, Guidance, Kind, Picture, Settings
from sln_guide.source import EventMark, PictureSource

EVENT = "baseline"
ASKED = "asked for"
ASKED_LATE = "asked for though tracer may have come"
"""Told with the baseline for as long as it is in use, in a replay as well."""


class Baselining:
    """A baseline hides whatever shines when it is taken, and once given up it cannot come again.

    So it is asked for twice where tracer may be there already, and given up by two presses.

    Parameters
    ----------
    source
        Told.
    picture
        Returns the newest picture.
    events
        Returns what was stamped in this case.
    change, say, done
        Changes settings; has a confirmation shown; has the window refreshed.
    """

    def __init__(
        self,
        source: PictureSource,
        picture: Callable[[], Picture | None],
        events: Callable[[], tuple[EventMark, ...]],
        change: Callable[..., None],
        say: Callable[..., None],
        done: Callable[[], object],
    ) -> None:
        self._source = source
        self._picture = picture
        self._events = events
        self._change = change
        self._say = say
        self._done = done
        self._insisting = Insisting()

    def toggle(self) -> None:
        """Take a baseline of what is in sight now, or give up the one there is."""
        picture, now_ns = self._picture(), time.monotonic_ns()
        guidance = None if picture is None else picture.guidance
        if has_baseline(self._source.settings, guidance):
            self._give_up(now_ns)
            return
        nir_ns = 0 if guidance is None else guidance.pair.nir.mid_exposure_ns
        if guidance is None or not is_fresh((now_ns - nir_ns) / MS):
            self._say("No baseline: there is no live NIR to take it from", Tone.STALE)
            return
        tracer = self._tracer(guidance)
        if tracer and not self._insisting.again("take", now_ns):
            self._say(
                f"No baseline yet: {tracer} would count as tissue and vanish · "
                "Again: take it all the same",
                Tone.STALE,
            )
            return
        told = "Baseline: what shines now counts as tissue from here on"
        self._ask(nir_ns, ASKED_LATE if tracer else ASKED, told)

    def _give_up(self, now_ns: int) -> None:
        if self._insisting.again("give up", now_ns):
            self._ask(None, "given up", "Baseline given up: nothing counts as known tissue")
            return
        self._say(
            "Baseline kept: where the tracer has come, no other can be taken · Again: give it up",
            Tone.STALE,
        )

    def _tracer(self, guidance: Guidance) -> str:
        """Say what tracer there seems to be already; empty: none."""
        shining = _shining(guidance)
        if shining:
            return f"{shining} in sight"
        injected = INJECT in phase_events(self._events())
        return "the injection is stamped, and tracer that has come" if injected else ""

    def _ask(self, baseline_ns: int | None, event: str, told: str) -> None:
        self._change(baseline_ns=baseline_ns)
        if self._source.settings.baseline_ns == baseline_ns:  # no locked preset held it
            self._source.mark(EVENT, event)
            self._say(told)
            self._done()


def has_baseline(settings: Settings, guidance: Guidance | None) -> bool:
    """Whether there is one to give up, or may be: not where none could be taken when asked for."""
    asked_ns = settings.baseline_ns
    if asked_ns is None or guidance is None or guidance.settings.baseline_ns != asked_ns:
        return asked_ns is not None
    return BASELINE_NONE not in guidance.flags


def asked_late(events: tuple[EventMark, ...], time_s: float) -> bool:
    """Whether the baseline of that moment was taken in spite of what it may hide."""
    asked = [event for event in events if event.name == EVENT and event.time_s <= time_s]
    return bool(asked) and asked[-1].detail == ASKED_LATE


def _shining(guidance: Guidance) -> str:
    """Say what shines as tracer does; empty: nothing."""
    seen = [d for d in guidance.detections if d.confirmed and not d.coasted]
    nodes = sum(d.kind is Kind.NODE for d in seen)
    found = [] if not nodes else ["a node"] if nodes == 1 else [f"{nodes} nodes"]
    if any(d.kind is Kind.INJECTION for d in seen):
        found.append("an injection site")
    if any(d.kind is Kind.CHANNEL for d in seen):
        found.append("a channel")
    return " and ".join(found)
