"""`Baselining`: tells the core to take the tissue as it is before the tracer comes."""

from __future__ import annotations

import time
from collections.abc import Callable

from sln_guide.gui.claims.readings import Tone
from sln_guide.gui.claims.situation import MS
from sln_guide.gui.claims.verdict import is_fresh
from sln_guide.guidance import Guidance, Kind, Picture
from sln_guide.source import PictureSource

INSIST_S = 6.0
"""A second press within this takes a baseline in spite of what it would hide."""


class Baselining:
    """A baseline hides whatever shines when it is taken: so it is asked for twice where things do.

    Parameters
    ----------
    source
        Told.
    picture
        Returns the newest picture.
    change, say, done
        Changes settings; has a confirmation shown; has the window refreshed.
    """

    def __init__(
        self,
        source: PictureSource,
        picture: Callable[[], Picture | None],
        change: Callable[..., None],
        say: Callable[..., None],
        done: Callable[[], object],
    ) -> None:
        self._source = source
        self._picture = picture
        self._change = change
        self._say = say
        self._done = done
        self._warned_ns: int | None = None

    def toggle(self) -> None:
        """Take a baseline of what is in sight now, or give up the one there is."""
        if self._source.settings.baseline_ns is not None:
            self._ask(None, "given up", "Baseline given up: nothing counts as known tissue")
            return
        picture, now_ns = self._picture(), time.monotonic_ns()
        guidance = None if picture is None else picture.guidance
        nir_ns = 0 if guidance is None else guidance.pair.nir.mid_exposure_ns
        if guidance is None or not is_fresh((now_ns - nir_ns) / MS):
            self._say("No baseline: there is no live NIR to take it from", Tone.STALE)
            return
        shining = _shining(guidance)
        insisted = self._warned_ns is not None and now_ns - self._warned_ns <= INSIST_S * 1e9
        if shining and not insisted:
            self._warned_ns = now_ns
            self._say(
                f"No baseline yet: {shining} in sight would count as tissue and vanish · "
                "Again: take it all the same",
                Tone.STALE,
            )
            return
        self._ask(nir_ns, "asked for", "Baseline: what shines now counts as tissue from here on")

    def _ask(self, baseline_ns: int | None, event: str, told: str) -> None:
        self._warned_ns = None
        self._change(baseline_ns=baseline_ns)
        if self._source.settings.baseline_ns == baseline_ns:  # no locked preset held it
            self._source.mark("baseline", event)
            self._say(told)
            self._done()


def _shining(guidance: Guidance) -> str:
    """Say what tracer there seems to be already; empty: none."""
    seen = [d for d in guidance.detections if d.confirmed and not d.coasted]
    nodes = sum(d.kind is Kind.NODE for d in seen)
    found = [] if not nodes else ["a node"] if nodes == 1 else [f"{nodes} nodes"]
    if any(d.kind is Kind.INJECTION for d in seen):
        found.append("an injection site")
    return " and ".join(found)
