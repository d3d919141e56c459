"""What one question needs of every guidance record: read without the rest, ten times as fast."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import numpy as np

from sln_guide.guidance import NextNumbers
from sln_guide.recording.contents import Contents
from sln_guide.recording.errors import RecordingError
from sln_guide.recording.records import (
    EVENTS,
    FRAME_TOPICS,
    GUIDANCE,
    RESUMED,
    SHOWN,
    SNAPSHOTS,
    FrameRef,
    ShownRecord,
)


class _Pair(msgspec.Struct, frozen=True):
    nir: FrameRef
    white: FrameRef | None


class _Node(msgspec.Struct, frozen=True):
    confirmed: bool
    coasted: bool
    signal: float | None
    node_number: int = 0


class _Nodes(msgspec.Struct, frozen=True):
    nir: FrameRef
    detections: tuple[_Node, ...]


class _Numbered(msgspec.Struct, frozen=True):
    track_id: int
    node_number: int = 0


class _Numbers(msgspec.Struct, frozen=True):
    detections: tuple[_Numbered, ...]


class _Event(msgspec.Struct, frozen=True):
    name: str


class _Tracks(msgspec.Struct, frozen=True):
    next_id: int = 1
    next_node: int = 1


class _State(msgspec.Struct, frozen=True):
    """Of `pipeline.State.snapshot`."""

    tracks: _Tracks
    time_ns: int | None


class _Computed(msgspec.Struct, frozen=True):
    generation: int
    nir: FrameRef


class Resumption(NamedTuple):
    """Where recording went on after it was cut short (ns, monotonic).

    ``begun_ns``: its first exposure. ``first_state``: how many states were noted before.
    ``noted_ns``: the last frame that its own first state rests on; None: on none, or there is none.
    """

    begun_ns: int
    first_state: int
    noted_ns: int | None


@dataclass(frozen=True, slots=True)
class Painted:
    """One paint. ``overlay_age_ms``: of the NIR behind its overlay; None without, or unknown."""

    shown: ShownRecord
    overlay_age_ms: float | None


def paired_frames(contents: Contents) -> Iterator[tuple[FrameRef, FrameRef | None]]:
    """Yield the NIR and the white frame of each computation, in order."""
    for _, record in contents.each(GUIDANCE, _Pair):
        yield record.nir, record.white


def nodes_seen(contents: Contents) -> Iterator[tuple[int, dict[int, float]]]:
    """Yield for each computation, in order, mid-exposure (ns) and the nodes in sight.

    By number, with their signal [counts/(ms*gain)], NaN where there is none.
    """
    for _, record in contents.each(GUIDANCE, _Nodes):
        yield (
            record.nir.mid_exposure_ns,
            {
                d.node_number: math.nan if d.signal is None else d.signal
                for d in record.detections
                if d.confirmed and not d.coasted and d.node_number > 0
            },
        )


def paints(contents: Contents) -> Iterator[Painted]:
    """Yield every paint in order.

    A generation begins anew with the engine: the last one of its number before the paint counts,
    but none from before the case was cut short.
    """
    computed = contents.each(GUIDANCE, _Computed)
    resumed = [n for n, event in contents.each(EVENTS, _Event) if event.name == RESUMED]
    exposed_ns: dict[int, int] = {}
    number, coming = next(computed, (-1, None))
    for painted_number, shown in contents.each(SHOWN, ShownRecord):
        while resumed and resumed[0] < painted_number:
            begun = resumed.pop(0)
            while coming is not None and number < begun:
                number, coming = next(computed, (-1, None))
            exposed_ns.clear()
        while coming is not None and number < painted_number:
            exposed_ns[coming.generation] = coming.nir.mid_exposure_ns
            number, coming = next(computed, (-1, None))
        nir_ns = None if shown.generation is None else exposed_ns.get(shown.generation)
        yield Painted(shown, None if nir_ns is None else (shown.painted_ns - nir_ns) / 1e6)


def numbers_given(contents: Contents) -> NextNumbers:
    """Return what comes behind all identities and numbers that a case has given."""
    given, after = NextNumbers(), -1
    for index in reversed(range(len(contents.rows(SNAPSHOTS)))):
        state = _state(contents, index)
        if state is not None:
            given = NextNumbers(state.tracks.next_id, state.tracks.next_node)
            after = int(contents.rows(SNAPSHOTS)[index]["number"])
            break
    first = int(np.searchsorted(contents.rows(GUIDANCE)["number"].astype(np.int64), after))
    for _, record in contents.each(GUIDANCE, _Numbers, first):
        given = given.behind((one.track_id, one.node_number) for one in record.detections)
    return given


def resumptions(contents: Contents) -> tuple[Resumption, ...]:
    """Return where a recording that was cut short went on, in order."""
    found = []
    for number, event in contents.each(EVENTS, _Event):
        if event.name != RESUMED:
            continue
        part = contents.part_of(EVENTS, number)
        exposed = [contents.rows_of(topic, part)["time_ns"] for topic in FRAME_TOPICS]
        begun_ns = min((int(rows.min()) for rows in exposed if len(rows)), default=None)
        if begun_ns is not None:
            first = sum(len(contents.rows_of(SNAPSHOTS, before)) for before in range(part))
            own = len(contents.rows(SNAPSHOTS)) > first
            state = _state(contents, first) if own else None
            found.append(Resumption(begun_ns, first, None if state is None else state.time_ns))
    return tuple(found)


def _state(contents: Contents, index: int) -> _State | None:
    try:
        return msgspec.msgpack.decode(contents.record(SNAPSHOTS, index).data, type=_State)
    except (RecordingError, msgspec.MsgspecError):
        return None
