"""How a thing moves between frames, whatever the time between them.

Relative to the tissue, velocity is an Ornstein-Uhlenbeck process: constant over a few frames,
forgotten over about a second, so that a thing out of sight slows down instead of flying off.
Position and velocity follow from its exact integral (Uhlenbeck and Ornstein 1930,
doi:10.1103/PhysRev.36.823), and a Kalman filter (Kalman 1960, doi:10.1115/1.3662552) takes in the
measured centres. x and y share one covariance.
"""

from __future__ import annotations

import math

from msgspec.structs import replace

from sln_guide.core.spot import PARTLY_HIDDEN, Spot
from sln_guide.tracking.state import Track

MEMORY_S = 0.7
"""How long velocity relative to the tissue lasts."""
SPEED_SHARE_PER_S = 0.25
"""Typical speed relative to the tissue, in largest node diameters a second."""
LEAST_CENTRE_ERROR_PX = 0.5
HIDDEN_ERROR = 0.75
"""Error of a partly hidden spot's centre, as a share of its width: what covers it moves it."""


def centre_error_px(spot: Spot) -> float:
    """Return the standard error expected of a spot's centre [px].

    A centroid is known to about its width over its significance, but a half-maximum contour
    breathes with the tissue, by a fiftieth of the width or so.
    """
    share = max(0.02, 0.5 / max(spot.significance, 1.0))
    return math.hypot(LEAST_CENTRE_ERROR_PX, share * spot.spot_width_px)


def place_error_px(spot: Spot, *, covered: bool = False) -> float:
    """Return the standard error of a spot's centre as that of the whole thing [px].

    What an instrument leaves in sight of a node slides along its edge, away from the centre.
    ``covered``: its track knows that something lies before it.
    """
    if not (covered or partly_hidden(spot)):
        return centre_error_px(spot)
    return math.hypot(centre_error_px(spot), HIDDEN_ERROR * spot.spot_width_px)


def partly_hidden(spot: Spot) -> bool:
    """Whether the core says that not all of its surroundings were in sight."""
    return PARTLY_HIDDEN in spot.flags


def predicted(
    track: Track, elapsed_s: float, motion_px: tuple[float, float], search_px: float
) -> Track:
    """Return ``track`` as expected ``elapsed_s`` later, tissue having moved by ``motion_px``."""
    speed_var = (SPEED_SHARE_PER_S * search_px) ** 2
    kept = math.exp(-elapsed_s / MEMORY_S)
    reach_s = MEMORY_S * (1.0 - kept)
    ratio = elapsed_s / MEMORY_S
    # expm1-like differences cancel for short steps: the series takes over where they would
    spread = (
        2.0 / 3.0 * ratio**3 * (1.0 - 0.75 * ratio)
        if ratio < 1e-3
        else 2.0 * ratio - 3.0 + 4.0 * kept - kept * kept
    )
    # the tissue's own motion is an estimate: its error adds up from step to step
    motion_var = (0.1 * math.hypot(*motion_px)) ** 2
    var_xx = (
        track.var_xx
        + 2.0 * reach_s * track.var_xv
        + reach_s * reach_s * track.var_vv
        + speed_var * MEMORY_S * MEMORY_S * spread
        + motion_var
    )
    return replace(
        track,
        x_px=track.x_px + motion_px[0] + reach_s * track.vx_px_s,
        y_px=track.y_px + motion_px[1] + reach_s * track.vy_px_s,
        vx_px_s=kept * track.vx_px_s,
        vy_px_s=kept * track.vy_px_s,
        var_xx=min(var_xx, search_px * search_px),
        var_xv=kept * (track.var_xv + reach_s * track.var_vv)
        + speed_var * MEMORY_S * (1.0 - kept) ** 2,
        var_vv=kept * kept * track.var_vv + speed_var * (1.0 - kept * kept),
    )


def corrected(track: Track, spot: Spot, *, covered: bool = False) -> Track:
    """Return the predicted ``track`` with the spot's measured centre taken in.

    A partly hidden spot says where, but not how fast: its centre moves with what covers it. So
    does one whose track is ``covered`` where it was expected: it may show all that is left of the
    thing's rim, and look whole.
    """
    innovation_var = track.var_xx + place_error_px(spot, covered=covered) ** 2
    gain_x = track.var_xx / innovation_var
    gain_v = 0.0 if covered or partly_hidden(spot) else track.var_xv / innovation_var
    dx, dy = float(spot.x_px) - track.x_px, float(spot.y_px) - track.y_px
    return replace(
        track,
        x_px=track.x_px + gain_x * dx,
        y_px=track.y_px + gain_x * dy,
        vx_px_s=track.vx_px_s + gain_v * dx,
        vy_px_s=track.vy_px_s + gain_v * dy,
        var_xx=(1.0 - gain_x) * track.var_xx,
        var_xv=(1.0 - gain_x) * track.var_xv,
        var_vv=track.var_vv - gain_v * track.var_xv,
    )


def shown_centre(track: Track, spot: Spot) -> tuple[float, float]:
    """Return where to show a seen track: steadied, but never off the measured centre by more
    than its expected error, so that a jump of the tissue is followed in the same frame.
    """  # noqa: D205
    x_px, y_px = float(spot.x_px), float(spot.y_px)
    dx, dy = track.x_px - x_px, track.y_px - y_px
    distance = math.hypot(dx, dy)
    share = min(1.0, centre_error_px(spot) / distance) if distance > 0 else 0.0
    return x_px + share * dx, y_px + share * dy
