"""`recompute`: the computations a case logged, made again from its frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from sln_guide import pipeline
from sln_guide.guidance import Guidance, Pair, Role, Settings
from sln_guide.recording import CaseReader, DamagedError, GuidanceRecord

NO_STATE = "the state before it is not in the case"
NO_FRAME = "a frame of its pair is not in the case"


@dataclass(frozen=True, slots=True)
class Recomputed:
    """One logged computation, and what came of it now; ``reason`` why nothing did."""

    logged: GuidanceRecord
    time_s: float
    guidance: Guidance | None
    reason: str = ""


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
    setup = pipeline.Setup.from_rig(case.rig, dark=case.dark())
    state: pipeline.State | None = None
    last: pipeline.State | None = None
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
        if state is None:
            yield Recomputed(logged, time_s, None, NO_STATE)
            continue
        try:
            pair = _pair(case, logged)
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
        yield Recomputed(logged, time_s, guidance)


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


def _pair(case: CaseReader, logged: GuidanceRecord) -> Pair | None:
    nir = case.find(Role.NIR, logged.nir)
    if nir is None:
        return None
    white = None
    if logged.white is not None:
        index = case.find(Role.WHITE, logged.white)
        if index is None:
            return None
        white = case.frame(Role.WHITE, index)
    return Pair(case.frame(Role.NIR, nir), white, logged.skew_ns)
