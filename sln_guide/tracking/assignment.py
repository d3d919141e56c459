"""Which spot of this frame is which track: the cheapest assignment, nothing forced."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sln_guide.core.spot import Spot
from sln_guide.guidance import Kind
from sln_guide.tracking.motion import place_error_px
from sln_guide.tracking.state import Track

TAIL = 4.0
"""Degrees of freedom of the distance's Student t: tissue is still for long, then it jumps."""
SIGNAL_SPREAD = 0.35
WIDTH_SPREAD = 0.3
"""Standard deviations, in the logarithm, of signal and width of one thing between two looks."""
MOST_SIGNAL_COST = 9.0
MOST_WIDTH_COST = 4.0
"""Looks alone never separate a thing from its place: half hidden it is fainter and smaller."""
OTHER_KIND_COST = 6.0
MISS_COST = -2.0 * math.log(0.01)
"""What leaving a track without a spot costs: any dearer assignment is not made. Something new
turns up where a track is sought in about one frame in a hundred."""


def assign(
    tracks: Sequence[Track],
    spots: Sequence[Spot],
    search_px: float,
    apart: Sequence[Sequence[bool]] | None = None,
) -> list[tuple[int, int]]:
    """Return (track index, spot index) of the cheapest assignment, in order of tracks.

    The cost is minus twice a log-likelihood: of the distance from the predicted place (heavy
    tails, and wider, hence dearer, the longer a track has been out of sight), of the ratios of
    signal and width, and of the kind. ``search_px`` bounds the distance;
    ``apart``, (tracks, spots), marks pairs that cannot be.
    """
    if not tracks or not spots:
        return []
    cost = np.minimum(costs(tracks, spots, search_px), MISS_COST)
    if apart is not None:
        cost[np.array(apart)] = MISS_COST
    from scipy.optimize import linear_sum_assignment  # half a second, not before a window opens

    rows, columns = linear_sum_assignment(cost)
    return [
        (int(row), int(column))
        for row, column in zip(rows, columns, strict=True)
        if cost[row, column] < MISS_COST
    ]


def costs(tracks: Sequence[Track], spots: Sequence[Spot], search_px: float) -> NDArray[np.float64]:
    """Return (tracks, spots) float64 costs of `assign`; inf where out of reach."""
    of_tracks = np.array(
        [(t.x_px, t.y_px, t.var_xx, _log(t.signal), _log(t.width_px)) for t in tracks]
    ).T[:, :, None]
    of_spots = np.array(
        [
            (s.x_px, s.y_px, place_error_px(s) ** 2, _log(s.signal), _log(s.spot_width_px))
            for s in spots
        ]
    ).T[:, None, :]
    distance_sq = (of_tracks[0] - of_spots[0]) ** 2 + (of_tracks[1] - of_spots[1]) ** 2
    place_var = of_tracks[2] + of_spots[2]
    cost = (
        (TAIL + 2.0) * np.log1p(distance_sq / (TAIL * place_var))
        + 2.0 * np.log(place_var / search_px**2)
        + np.minimum(((of_tracks[3] - of_spots[3]) / SIGNAL_SPREAD) ** 2, MOST_SIGNAL_COST)
        + np.minimum(((of_tracks[4] - of_spots[4]) / WIDTH_SPREAD) ** 2, MOST_WIDTH_COST)
    )
    cost += OTHER_KIND_COST * _kinds_differ(tracks, spots)
    # within its own width in one step, or as far as it may have drifted out of sight
    width = np.exp(np.minimum(of_tracks[4], of_spots[4]))
    reach = np.minimum(np.maximum(width, 4.0 * np.sqrt(place_var)), search_px)
    return np.where(distance_sq <= reach * reach, cost, np.inf)


def _log(value: float) -> float:
    return math.log(max(value, 1e-9))


def _kinds_differ(tracks: Sequence[Track], spots: Sequence[Spot]) -> NDArray[np.bool_]:
    """Return (tracks, spots): both have a kind to speak of, and it is not the same."""
    number = {kind: index for index, kind in enumerate(Kind)} | {Kind.UNCERTAIN: -1}
    of_tracks = np.array([number[t.kind] for t in tracks])[:, None]
    of_spots = np.array([number[s.kind] for s in spots])[None, :]
    differ: NDArray[np.bool_] = (of_tracks != of_spots) & (of_tracks >= 0) & (of_spots >= 0)
    return differ
