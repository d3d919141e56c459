"""A case through `pipeline.step` again: as it was logged (`recompute`), or all (`computed`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from sln_guide import pipeline
from sln_guide.export.wish import Span
from sln_guide.guidance import Guidance, Pair, Role, Settings
from sln_guide.recording import CaseReader, DamagedError, GuidanceRecord
from sln_guide.recording.analysed import Analysed
from sln_guide.recording.asked import Asked
from sln_guide.recording.corrections import gone_on, setup_of, state_at

NO_STATE = "the state before it is not in the case"
NO_FRAME = "a frame of its pair is not in the case"


@dataclass(frozen=True, slots=True)
class Recomputed:
    """One logged computation, and what came of it now; ``reason`` why nothing did.

    ``lossy``: white light that is only there as JPEG went into it, or into one it follows from.
    """

    logged: GuidanceRecord
    time_s: float
    guidance: Guidance | None
    reason: str = ""
    lossy: bool = False


def recompute(
    case: CaseReader, change: Callable[[Settings], Settings] | None = None
) -> Iterator[Recomputed]:
    """Put the logged pairs, in the logged order, through `pipeline.step` again.

    It begins at a noted state. As logged (``change`` None) it takes up every later one too, so
    that one difference does not make the next; with other settings it follows its own tracks, and
    begins anew only where the recording did.

    Parameters
    ----------
    case
        With a guidance log.
    change
        Turns the settings of a computation into others.
    """
    setup = setup_of(case)
    frames = Analysed(case)
    state: pipeline.State | None = None
    last: pipeline.State | None = None
    lossy = False
    expected = 0
    origin_ns: int | None = None
    for snapshot, logged in case.computations():
        origin_ns = logged.nir.mid_exposure_ns if origin_ns is None else origin_ns
        time_s = (logged.nir.mid_exposure_ns - origin_ns) / 1e9
        broken = logged.generation != expected
        expected = logged.generation + 1
        if broken:
            state = None
        if snapshot is not None and (state is None or change is None):
            state = _restored(setup, snapshot, logged.generation, last)
            lossy = False
        if state is None:
            yield Recomputed(logged, time_s, None, NO_STATE)
            continue
        try:
            pair = _pair(case, frames, logged)
        except DamagedError as error:
            yield Recomputed(logged, time_s, None, str(error))
            state = None
            continue
        if pair is None:
            yield Recomputed(logged, time_s, None, NO_FRAME)
            state = None
            continue
        settings = logged.settings if change is None else change(logged.settings)
        state, guidance = pipeline.step(state, pair, settings)
        last = state
        lossy |= pair.white is not None and pair.white.lossy
        yield Recomputed(logged, time_s, guidance, lossy=lossy)


LEAD_IN_S = 3.0
"""Computed before the first moment asked for, so that tracks and scale have settled."""


@dataclass(frozen=True, slots=True)
class Computed:
    """One NIR frame and what was found in it; None: before the span, or not readable."""

    index: int
    time_s: float
    guidance: Guidance | None
    unread: str = ""


def computed(case: CaseReader, asked: Asked, span: Span) -> Iterator[Computed]:
    """Yield every NIR frame of a span in order, computed with its white frame (gated: lit ones).

    The lead-in before the span comes without guidance.
    """
    setup = setup_of(case)
    frames = Analysed(case)
    partners = case.partners()
    times_ns = case.times_ns(Role.NIR)
    indexes = indexes_in(case, Span(span.begin_s - LEAD_IN_S, span.end_s))
    before_ns = int(times_ns[indexes.start]) if indexes else 0
    state = state_at(case, setup, before_ns, asked)
    for index in indexes:
        time_s = float(times_ns[index] - times_ns[0]) / 1e9
        white_index = partners[index]
        try:
            nir = frames.nir(index)
            white = None if white_index is None else case.frame(Role.WHITE, white_index)
        except DamagedError as error:
            yield Computed(index, time_s, None, str(error))
            continue
        if nir is None:
            continue
        skew_ns = 0 if white is None else white.mid_exposure_ns - nir.mid_exposure_ns
        then = case.settings_at(nir.mid_exposure_ns, asked)
        state = gone_on(case, state, before_ns, nir.mid_exposure_ns, asked)
        before_ns = nir.mid_exposure_ns
        state, guidance = pipeline.step(state, Pair(nir, white, skew_ns), then)
        yield Computed(index, time_s, guidance if time_s >= span.begin_s else None)


def indexes_in(case: CaseReader, span: Span) -> range:
    """Return the NIR frames from the first in the span to the last."""
    times_ns = case.times_ns(Role.NIR)
    times_s = (times_ns - (times_ns[0] if len(times_ns) else 0)) / 1e9
    inside = np.flatnonzero((times_s >= span.begin_s) & (times_s <= span.end_s))
    return range(int(inside[0]), int(inside[-1]) + 1) if len(inside) else range(0)


def _restored(
    setup: pipeline.Setup, snapshot: bytes, generation: int, before: pipeline.State | None
) -> pipeline.State | None:
    try:
        state = pipeline.restore(setup, snapshot)
    except ValueError:
        return None  # another version noted it
    if state.generation + 1 != generation:
        return None
    return state if before is None else replace(state, analyser=before.analyser)


def _pair(case: CaseReader, frames: Analysed, logged: GuidanceRecord) -> Pair | None:
    index = case.find(Role.NIR, logged.nir)
    nir = None if index is None else frames.nir(index, logged.darks)
    if nir is None:
        return None
    white = None
    if logged.white is not None:
        found = case.find(Role.WHITE, logged.white)
        if found is None:
            return None
        white = case.frame(Role.WHITE, found)
    return Pair(nir, white, logged.skew_ns)
