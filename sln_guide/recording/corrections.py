"""Maps and state travel with the case: replay computes with what live computed with."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sln_guide import pipeline
from sln_guide.recording.arrays import pack_array, unpack_array
from sln_guide.recording.asked import Asked
from sln_guide.recording.reader import DARK, CaseReader
from sln_guide.tracking import TrackState

if TYPE_CHECKING:
    from sln_guide.recording.writer import CaseWriter

FLAT = "flat.npy"
"""Attachment: relative sensitivity, NaN where a pixel is bad."""
_MEDIA_TYPE = "application/x-npy"


def setup_of(case: CaseReader) -> pipeline.Setup:
    """Return what a recorded case was, and is again, computed with.

    Raises
    ------
    RecordingError
        A map is there and cannot be read.
    """
    flat = None
    if FLAT in case.attachment_names():
        flat = unpack_array(case.attachment(FLAT), what=f"case {case.folder}: {FLAT}")
    return pipeline.Setup.from_rig(case.rig, dark=case.dark(), flat=flat)


def state_at(case: CaseReader, setup: pipeline.Setup, time_ns: int, asked: Asked) -> pipeline.State:
    """Return a state to go on from at ``time_ns`` (monotonic): nodes keep their numbers of then.

    A recording may begin with nodes that were numbered long before. The initial state where none
    of then is noted. Another threshold follows other nodes: then only what else was known is that
    of then, such as the baseline.
    """
    fresh = pipeline.initial_state(setup)
    noted = case.state_before(time_ns)
    if noted is None:
        return fresh
    try:
        state = pipeline.restore(setup, noted)
    except ValueError:
        return fresh  # another version noted it
    if state.time_ns is None or state.time_ns >= time_ns:
        resumed = any(each.begun_ns <= time_ns for each in case.resumptions())
        return replace(fresh, tracks=state.tracks.begun_anew()) if resumed else fresh
    if _as_numbered(case, time_ns, asked):
        return state
    return replace(state, tracks=TrackState(), generation=0)


def gone_on(
    case: CaseReader,
    state: pipeline.State,
    before_ns: int,
    time_ns: int,
    asked: Asked,
) -> pipeline.State:
    """Return the state for the frame of ``time_ns``; ``state`` follows from that of ``before_ns``.

    It is the same but where recording had been cut short in between: whoever went on knew none of
    the nodes of before, and numbered behind them.
    """
    for begun_ns, _, noted_ns in case.resumptions():
        begins = before_ns < begun_ns <= time_ns
        if begins or (noted_ns is not None and before_ns <= noted_ns < time_ns):
            at = state_at(case, state.setup, time_ns, asked)
            if _as_numbered(case, time_ns, asked):
                return replace(at, analyser=state.analyser)
            if begins:
                return replace(at, tracks=state.tracks.begun_anew(), analyser=state.analyser)
    return state


def _as_numbered(case: CaseReader, time_ns: int, asked: Asked) -> bool:
    """Whether nodes are those of then: another threshold follows others."""
    recorded = case.settings_at(time_ns, Asked(asked.settings))
    return case.settings_at(time_ns, asked).threshold_sigma == recorded.threshold_sigma


def attach_corrections(
    case: CaseWriter, dark: NDArray[np.float32] | None, flat: NDArray[np.float32] | None
) -> None:
    """Put the maps in use into ``case``; nothing where there are none.

    Raises
    ------
    RecordingError
        The case cannot be written.
    """
    for name, array in ((DARK, dark), (FLAT, flat)):
        if array is not None:
            case.attach(name, pack_array(array), _MEDIA_TYPE)
