"""What tracking remembers from one frame to the next, and what it must know of this one."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from sln_guide.guidance import CannotJudge, Kind

KINDS = tuple(Kind)


class Track(msgspec.Struct, frozen=True):
    """One thing followed through time. Python numbers only: a state is saved as it is.

    Times are in the tracker's own clock (`TrackState.clock_ns`), which never runs backwards.

    Attributes
    ----------
    track_id
        From 1 in order of confirmation, never used again; 0 until confirmed.
    kind, kind_votes
        What it is taken for, and the fading votes for each `Kind`, in the order of the enum.
    x_px, y_px, vx_px_s, vy_px_s
        Filtered centre, and velocity relative to the tissue.
    var_xx, var_xv, var_vv
        Covariance of position and velocity, the same for x and y [px^2, px^2/s, px^2/s^2].
    width_px, signal
        Fading averages of spot width and peak signal: how it is known again.
    area_px
        Half-maximum area when last seen.
    born_ns, seen_ns
        First and last sighting.
    absent_ns
        Time since then; time during which its place could not be judged counts for less.
    watched_ns
        How long it was in sight, all told.
    misses
        Frames since the last sighting.
    sightings_ns, strong_ns
        Times of recent sightings, and of those strong enough to prove something new
        (`TrackField.new_sigma`); kept only until it is confirmed.
    node_number
        SLN-1, SLN-2 ... in the order in which nodes were confirmed; 0 for what never was a node.
    """

    track_id: int
    kind: Kind
    kind_votes: tuple[float, ...]
    x_px: float
    y_px: float
    vx_px_s: float
    vy_px_s: float
    var_xx: float
    var_xv: float
    var_vv: float
    width_px: float
    signal: float
    area_px: float
    born_ns: int
    seen_ns: int
    absent_ns: int
    watched_ns: int
    misses: int
    sightings_ns: tuple[int, ...]
    node_number: int = 0
    strong_ns: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class TrackState:
    """Everything tracking remembers; ``TrackState()`` is the beginning. Replaced whole.

    Attributes
    ----------
    next_id
        The next identity to be given.
    next_node
        The next number a node will bear.
    clock_ns
        Sum of the time steps so far: a time that jumps backwards does not turn it back.
    time_ns
        Mid-exposure of the last frame as given to `track`; None before the first.
    width, height
        Of that frame [px].
    looks_ns
        Clock readings of the recent frames, oldest first: what "most of the time" refers to.
    tracks
        Oldest first.
    """

    next_id: int = 1
    clock_ns: int = 0
    time_ns: int | None = None
    width: int = 0
    height: int = 0
    looks_ns: tuple[int, ...] = ()
    tracks: tuple[Track, ...] = ()
    next_node: int = 1

    def begun_anew(self) -> TrackState:
        """Return the beginning, with no identity or number given twice."""
        return TrackState(next_id=self.next_id, next_node=self.next_node)

    def numbered_on(self, ids: int, nodes: int) -> TrackState:
        """Return the same with each identity, and each number of a node, so much higher."""
        return dataclasses.replace(
            self,
            next_id=self.next_id + ids,
            next_node=self.next_node + nodes,
            tracks=tuple(
                msgspec.structs.replace(
                    one,
                    track_id=one.track_id + ids if one.track_id else 0,
                    node_number=one.node_number + nodes if one.node_number else 0,
                )
                for one in self.tracks
            ),
        )

    def to_bytes(self) -> bytes:
        """Return the state as MessagePack; `from_bytes` gives back an equal one, bit for bit."""
        return msgspec.msgpack.encode(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Return the state that `to_bytes` saved. Raises ValueError if ``data`` is not one."""
        try:
            state = msgspec.msgpack.decode(data, type=cls)
        except msgspec.MsgspecError as error:
            raise ValueError(f"not a tracking state: {error}") from None
        for one in state.tracks:
            numbers = [n for n in msgspec.structs.astuple(one) if isinstance(n, float)]
            numbers += one.kind_votes
            if len(one.kind_votes) != len(KINDS) or not all(map(math.isfinite, numbers)):
                raise ValueError("not a tracking state: a track holds impossible numbers")
        return state


@dataclass(frozen=True, slots=True, eq=False)
class TrackField:
    """What tracking must know of this frame.

    Attributes
    ----------
    width, height
        Of the NIR frame [px].
    mm_per_px
        None: unknown scale.
    node_max_px
        Diameter of the largest node expected: nothing is sought further from its predicted
        place. None: a sixth of the frame's longer edge.
    cannot_judge, grid_px
        As in `sln_guide.guidance.Guidance`: a track whose place cannot be judged is kept longer.
        None: everywhere can be judged.
    new_sigma
        Significance that a sighting needs to count as proof of something new. What is confirmed
        already, or was and comes back, is followed by anything the core calls.
    """

    width: int
    height: int
    mm_per_px: float | None = None
    node_max_px: float | None = None
    cannot_judge: NDArray[np.uint8] | None = None
    grid_px: int = 8
    new_sigma: float = 0.0

    @property
    def search_px(self) -> float:
        """Furthest a thing may be found from its predicted place."""
        return self.node_max_px or max(self.width, self.height) / 6.0

    def outside(self, x_px: float, y_px: float) -> bool:
        """Whether a place lies outside of the frame."""
        return not (-0.5 <= x_px <= self.width - 0.5 and -0.5 <= y_px <= self.height - 0.5)

    def hidden(self, x_px: float, y_px: float, width_px: float) -> bool:
        """Whether a thing there would not be seen: outside, or a third of it unjudgeable."""
        return self.outside(x_px, y_px) or self._marked(x_px, y_px, width_px, 0xFF)

    def covered(self, x_px: float, y_px: float, width_px: float) -> bool:
        """Whether an instrument lies before a third of a thing there: what is left misleads.

        Other reasons do not cover: a saturated node is in sight, and where it seems to be.
        """
        return self._marked(x_px, y_px, width_px, int(CannotJudge.INSTRUMENT))

    def _marked(self, x_px: float, y_px: float, width_px: float, reasons: int) -> bool:
        """Whether one of ``reasons`` (bits of `CannotJudge`) holds for a third of a place."""
        mask = self.cannot_judge
        if mask is None or mask.size == 0:
            return False
        half = width_px / 2.0
        rows, columns = mask.shape
        top = min(max(0, round((y_px - half) / self.grid_px)), rows - 1)
        left = min(max(0, round((x_px - half) / self.grid_px)), columns - 1)
        bottom = max(top + 1, round((y_px + half) / self.grid_px))
        right = max(left + 1, round((x_px + half) / self.grid_px))
        place = mask[top:bottom, left:right]
        return 3 * int(np.count_nonzero(place & np.uint8(reasons))) >= place.size
