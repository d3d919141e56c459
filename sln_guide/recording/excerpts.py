"""What one question needs of every guidance record: read without the rest, ten times as fast."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from sln_guide.recording.contents import Contents
from sln_guide.recording.records import GUIDANCE, SHOWN, FrameRef, ShownRecord


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


class _Computed(msgspec.Struct, frozen=True):
    generation: int
    nir: FrameRef


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

    A generation begins anew with the engine: the last one of its number before the paint counts.
    """
    computed = contents.each(GUIDANCE, _Computed)
    exposed_ns: dict[int, int] = {}
    number, coming = next(computed, (-1, None))
    for painted_number, shown in contents.each(SHOWN, ShownRecord):
        while coming is not None and number < painted_number:
            exposed_ns[coming.generation] = coming.nir.mid_exposure_ns
            number, coming = next(computed, (-1, None))
        nir_ns = None if shown.generation is None else exposed_ns.get(shown.generation)
        yield Painted(shown, None if nir_ns is None else (shown.painted_ns - nir_ns) / 1e6)
