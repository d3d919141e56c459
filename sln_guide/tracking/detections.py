"""What tracking tells of a frame: detections, seen and last seen."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from hardware.rig import Registration
from sln_guide.core.spot import Spot
from sln_guide.guidance import Detection
from sln_guide.tracking.motion import shown_centre
from sln_guide.tracking.state import Track, TrackField

LAST_SEEN_PER_WATCHED = 4
"""Where something was last seen is worth telling for four times as long as it was in sight."""


def told(
    seen: Sequence[tuple[Track, Spot]],
    untracked: Iterable[Spot],
    unseen: Iterable[Track],
    clock_ns: int,
    field: TrackField,
    registration: Registration,
) -> tuple[Detection, ...]:
    """Return this frame's detections: confirmed ones by identity, then others by significance.

    Of the tracks in ``unseen``, those confirmed are told as last seen, unless their place lies
    outside the frame or is taken: by a confirmed one in sight, or by one last seen that was
    watched for longer. A track that was in sight only briefly is soon told no more.
    """
    detections = [_detection(one, spot, field, registration) for one, spot in seen]
    taken = [(d.x_px, d.y_px, d.spot_width_px) for d in detections if d.confirmed]
    detections += [_detection(None, spot, field, registration) for spot in untracked]
    for one in sorted(unseen, key=lambda t: (-t.watched_ns, t.track_id)):
        if one.track_id == 0 or field.outside(one.x_px, one.y_px):
            continue
        if one.absent_ns > LAST_SEEN_PER_WATCHED * one.watched_ns:
            continue
        if any(
            math.hypot(one.x_px - x, one.y_px - y) < max(one.width_px, width) / 2
            for x, y, width in taken
        ):
            continue
        taken.append((one.x_px, one.y_px, one.width_px))
        detections.append(_last_seen(one, clock_ns, field, registration))
    return tuple(sorted(detections, key=_order))


def _order(detection: Detection) -> tuple[bool, int, float, float, float]:
    return (
        not detection.confirmed,
        detection.track_id,
        -detection.significance,
        detection.x_px,
        detection.y_px,
    )


def _in_white(
    registration: Registration, x_px: float, y_px: float
) -> tuple[float, float] | tuple[None, None]:
    if registration.kind == "none":
        return None, None
    x, y, w = (row[0] * x_px + row[1] * y_px + row[2] for row in registration.white_from_nir)
    if w == 0.0:
        return None, None  # on the horizon of the plane
    return x / w, y / w


def _detection(
    one: Track | None, spot: Spot, field: TrackField, registration: Registration
) -> Detection:
    """Say what ``spot`` is: the track's identity and steadied centre, this frame's measures."""
    x_px, y_px = (float(spot.x_px), float(spot.y_px)) if one is None else shown_centre(one, spot)
    x_white_px, y_white_px = _in_white(registration, x_px, y_px)
    track_id = 0 if one is None else one.track_id
    scale = field.mm_per_px
    return Detection(
        track_id=track_id,
        kind=spot.kind if one is None else one.kind,
        confirmed=track_id > 0,
        coasted=False,
        x_px=x_px,
        y_px=y_px,
        x_white_px=x_white_px,
        y_white_px=y_white_px,
        area_px=spot.area_px,
        area_mm2=None if scale is None else spot.area_px * scale * scale,
        spot_width_px=spot.spot_width_px,
        spot_width_mm=None if scale is None else spot.spot_width_px * scale,
        signal=spot.signal,
        sbr=spot.sbr,
        sbr_interval=spot.sbr_interval,
        cnr=spot.cnr,
        cnr_interval=spot.cnr_interval,
        significance=spot.significance,
        saturated_fraction=spot.saturated_fraction,
        contour_px=spot.contour_px,
        flags=spot.flags,
        node_number=0 if one is None else one.node_number,
    )


def _last_seen(
    one: Track, clock_ns: int, field: TrackField, registration: Registration
) -> Detection:
    """Say where ``one`` is expected. Nothing in it was measured in this frame."""
    x_white_px, y_white_px = _in_white(registration, one.x_px, one.y_px)
    hidden = field.hidden(one.x_px, one.y_px, one.width_px)
    return Detection(
        track_id=one.track_id,
        kind=one.kind,
        confirmed=True,
        coasted=True,
        x_px=one.x_px,
        y_px=one.y_px,
        x_white_px=x_white_px,
        y_white_px=y_white_px,
        area_px=one.area_px,
        area_mm2=None,
        spot_width_px=one.width_px,
        spot_width_mm=None,
        signal=None,
        sbr=None,
        sbr_interval=None,
        cnr=None,
        cnr_interval=None,
        significance=0.0,
        saturated_fraction=0.0,
        age_s=(clock_ns - one.seen_ns) / 1e9,
        flags=("hidden",) if hidden else (),
        node_number=one.node_number,
    )
