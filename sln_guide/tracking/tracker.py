"""One step of tracking: predict, assign, confirm, coast, forget."""

from __future__ import annotations

import math
from collections.abc import Iterable

from msgspec.structs import replace

from hardware.rig import Registration
from sln_guide.core.spot import Spot
from sln_guide.guidance import Detection, Kind
from sln_guide.tracking.assignment import assign
from sln_guide.tracking.detections import told
from sln_guide.tracking.motion import corrected, place_error_px, predicted
from sln_guide.tracking.state import KINDS, Track, TrackField, TrackState

CONFIRM_WINDOW_NS = 400_000_000
CONFIRM_AFTER_NS = 240_000_000
NEW_SHARE, KNOWN_SHARE = 0.9, 0.6
CONFIRM_SIGHTINGS = 3
LEAST_LOOKS = 5
"""Confirmed as new: 0.24 s old, seen in three frames, and strong in nine tenths of the last 0.4 s
(or five frames), as far as there were any. Much of what is called falsely comes and goes; a node
hardly does. For what was known before three fifths, strong or not, are enough.
"""

TENTATIVE_NS = 200_000_000
TENTATIVE_MISSES = 2
"""How long an unconfirmed track may be missing."""

COAST_NS = 12_000_000_000
COAST_PER_WATCHED = 20
"""A confirmed track outlives 10 s out of sight, but not 20 times what it was in sight for."""
HIDDEN_SHARE = 6
"""Time in which its place could not be judged, or nobody looked, counts for a sixth."""
GAP_NS = 1_000_000_000
"""Between frames further apart than this nobody looked."""
LOST_NS = 1_000_000_000
LOST_MISSES = 3
"""Longer out of sight, one spot is no proof of return: a false call would do. A lost track waits
until something near, and like it, has been confirmed, and then gives it its identity."""
GLINT_NS = 500_000_000
"""A glint out of sight is gone, not hidden."""

VOTE_MEMORY_S = 0.5
VOTE_LEAD = 1.5
"""The kind changes when another has half as many votes again."""
LOOKS_SHARE = 0.3
"""Share of the newest look in a track's remembered signal and width."""

MOST_SPOTS = 256
MOST_TRACKS = 384
"""Bounds of the time a frame can take: the most significant spots, the best proved tracks."""


def track(
    state: TrackState,
    spots: tuple[Spot, ...],
    *,
    time_ns: int,
    motion_px: tuple[float, float],
    field: TrackField,
    registration: Registration,
) -> tuple[TrackState, tuple[Detection, ...]]:
    """Follow what was known into this frame, and tell what is in it.

    Parameters
    ----------
    state
        What the previous call returned; ``TrackState()`` for the first.
    spots
        What the core found in this frame.
    time_ns
        Mid-exposure of the NIR frame. Steps may vary; a step backwards counts as none.
    motion_px
        How far tissue has moved since the previous call, NIR px (x, y); (0, 0) if unknown.
    field, registration
        Geometry of this frame. When its size differs from the previous one's, all tracks end.

    Returns
    -------
    state
        For the next call.
    detections
        One for every spot, with its measures as they are; one, coasted, for a confirmed track
        not seen (see `sln_guide.tracking.detections.told` for which). Confirmed ones first, by
        ``track_id``, then the others by significance.

    Raises
    ------
    ValueError
        For a motion, or a spot's place or looks, that is not finite.
    """
    _refuse_infinite(motion_px, spots)
    motion_px = (float(motion_px[0]), float(motion_px[1]))
    elapsed_ns = 0 if state.time_ns is None else max(0, time_ns - state.time_ns)
    clock_ns = state.clock_ns + elapsed_ns
    same_size = state.time_ns is None or (state.width, state.height) == (field.width, field.height)
    looks_ns = _recent_looks(state, clock_ns, elapsed_ns) if same_size else (clock_ns,)

    ranked = sorted(spots, key=lambda s: (-s.significance, s.x_px, s.y_px))
    followed = ranked[:MOST_SPOTS]
    known = [
        predicted(one, elapsed_ns / 1e9, motion_px, field.search_px)
        for one in (state.tracks if same_size else ())
    ]
    lost = [one for one in known if _lost(one, clock_ns)]
    known = [one for one in known if not _lost(one, clock_ns)]
    spot_of = _assigned(known, followed, field.search_px)

    seen: list[tuple[Track, Spot]] = []
    unseen: list[Track] = []
    for index, one in enumerate(known):
        if index in spot_of:
            spot = followed[spot_of[index]]
            seen.append((_seen(one, spot, clock_ns, elapsed_ns, looks_ns, field), spot))
        else:
            unseen.append(one)
    taken = set(spot_of.values())
    seen += [
        (_born(spot, clock_ns, field), spot)
        for index, spot in enumerate(followed)
        if index not in taken
    ]

    next_id, unseen = _name(seen, lost + unseen, state.next_id, clock_ns, looks_ns, field)
    next_node = _number(seen, state.next_node)
    unseen = [_missed(one, elapsed_ns, field) for one in unseen]
    unseen = [one for one in unseen if not _forgotten(one)]

    after = TrackState(
        next_id=next_id,
        clock_ns=clock_ns,
        time_ns=time_ns,
        width=field.width,
        height=field.height,
        looks_ns=looks_ns,
        tracks=_best_proved([one for one, _ in seen] + unseen),
        next_node=next_node,
    )
    untracked = ranked[MOST_SPOTS:]
    return after, told(seen, untracked, unseen, clock_ns, field, registration)


def _assigned(known: list[Track], spots: list[Spot], search_px: float) -> dict[int, int]:
    """Return which spot each track is seen as, by index.

    A passer-by that appeared upon something confirmed comes last: it takes nothing from it.
    """
    confirmed = [one for one in known if one.track_id]
    upon = [one.track_id == 0 and any(_upon(one, other) for other in confirmed) for one in known]
    spot_of: dict[int, int] = {}
    for last in (False, True):
        rows = [i for i in range(len(known)) if upon[i] is last]
        taken = set(spot_of.values())
        columns = [i for i in range(len(spots)) if i not in taken]
        pairs = assign([known[i] for i in rows], [spots[i] for i in columns], search_px)
        spot_of |= {rows[row]: columns[column] for row, column in pairs}
    return spot_of


def _upon(one: Track, other: Track) -> bool:
    """Whether the centre of ``one`` lies within the half width of ``other``."""
    distance_px = math.hypot(one.x_px - other.x_px, one.y_px - other.y_px)
    return distance_px < other.width_px / 2


def _name(
    seen: list[tuple[Track, Spot]],
    unseen: list[Track],
    next_id: int,
    clock_ns: int,
    looks_ns: tuple[int, ...],
    field: TrackField,
) -> tuple[int, list[Track]]:
    """Give identities, in place, to what in ``seen`` has proved itself.

    First those of confirmed tracks out of sight since before it appeared, then new ones, for
    which the sightings must have been strong. Return the next free identity, and ``unseen``
    without the tracks that were found again.
    """
    proved = [
        index
        for index, (one, _) in enumerate(seen)
        if one.track_id == 0
        and _proved(one, one.sightings_ns, clock_ns, looks_ns, share=KNOWN_SHARE)
    ]
    missing = [one for one in unseen if one.track_id]
    # two things that were in sight together are not one
    apart = [[old.seen_ns >= seen[i][0].born_ns for i in proved] for old in missing]
    found: set[int] = set()
    for row, column in assign(missing, [seen[i][1] for i in proved], field.search_px, apart):
        index, old = proved[column], missing[row]
        one, spot = seen[index]
        found.add(old.track_id)
        again = _named(one, old.track_id, old.watched_ns, old.born_ns)
        seen[index] = (replace(again, node_number=old.node_number), spot)
    for index in proved:
        one, spot = seen[index]
        if one.track_id == 0 and _proved(one, one.strong_ns, clock_ns, looks_ns, share=NEW_SHARE):
            seen[index] = (_named(one, next_id, 0, one.born_ns), spot)
            next_id += 1
    return next_id, [one for one in unseen if one.track_id == 0 or one.track_id not in found]


def _number(seen: list[tuple[Track, Spot]], next_node: int) -> int:
    """Give numbers, in place, to confirmed nodes that have none; return the next one free.

    The surgeon counts nodes, not identities: an injection site or a channel takes no number.
    """
    for index, (one, spot) in enumerate(seen):
        if one.track_id and one.kind is Kind.NODE and one.node_number == 0:
            seen[index] = (replace(one, node_number=next_node), spot)
            next_node += 1
    return next_node


def _named(one: Track, track_id: int, watched_ns: int, born_ns: int) -> Track:
    return replace(
        one,
        track_id=track_id,
        watched_ns=one.watched_ns + watched_ns,
        born_ns=born_ns,
        sightings_ns=(),
        strong_ns=(),
    )


def _refuse_infinite(motion_px: tuple[float, float], spots: Iterable[Spot]) -> None:
    if not all(map(math.isfinite, motion_px)):
        raise ValueError(f"tissue motion is not finite: {motion_px}")
    for s in spots:
        looks = (s.x_px, s.y_px, s.spot_width_px, s.signal, s.significance)
        if not all(map(math.isfinite, looks)):
            raise ValueError(f"a spot is not finite: x, y, width, signal, significance = {looks}")


def _recent_looks(state: TrackState, clock_ns: int, elapsed_ns: int) -> tuple[int, ...]:
    if elapsed_ns == 0 and state.time_ns is not None:
        return state.looks_ns  # the same moment again proves nothing new
    looks = (*state.looks_ns, clock_ns)
    first = next(i for i, t in enumerate(looks) if t > clock_ns - CONFIRM_WINDOW_NS)
    return looks[min(first, max(0, len(looks) - LEAST_LOOKS)) :]


def _born(spot: Spot, clock_ns: int, field: TrackField) -> Track:
    votes = tuple(1.0 if kind is spot.kind else 0.0 for kind in KINDS)
    at_rest = Track(
        track_id=0,
        kind=spot.kind,
        kind_votes=votes,
        x_px=float(spot.x_px),
        y_px=float(spot.y_px),
        vx_px_s=0.0,
        vy_px_s=0.0,
        var_xx=place_error_px(spot) ** 2,
        var_xv=0.0,
        var_vv=0.0,
        width_px=float(spot.spot_width_px),
        signal=float(spot.signal),
        area_px=float(spot.area_px),
        born_ns=clock_ns,
        seen_ns=clock_ns,
        absent_ns=0,
        watched_ns=0,
        misses=0,
        sightings_ns=(clock_ns,),
        strong_ns=(clock_ns,) if spot.significance >= field.new_sigma else (),
    )
    # an unknown velocity is one that anything long forgotten may have
    unknown = predicted(at_rest, 3600.0, (0.0, 0.0), field.search_px)
    return replace(at_rest, var_vv=unknown.var_vv)


def _seen(
    one: Track,
    spot: Spot,
    clock_ns: int,
    elapsed_ns: int,
    looks_ns: tuple[int, ...],
    field: TrackField,
) -> Track:
    fade = math.exp(-elapsed_ns / 1e9 / VOTE_MEMORY_S)
    votes = tuple(
        fade * vote + (1.0 if kind is spot.kind else 0.0)
        for kind, vote in zip(KINDS, one.kind_votes, strict=True)
    )
    if spot.kind is Kind.INJECTION:
        # a saturated site of that size is no matter of votes: what grew into it was no node
        votes = tuple(sum(votes) if kind is spot.kind else 0.0 for kind in KINDS)
    leading = max(range(len(KINDS)), key=votes.__getitem__)
    stands = votes[leading] <= VOTE_LEAD * votes[KINDS.index(one.kind)]
    proving = one.track_id == 0 and elapsed_ns > 0
    sightings = (*one.sightings_ns, clock_ns) if proving else ()
    strong = spot.significance >= field.new_sigma
    strong_ns = (*one.strong_ns, clock_ns) if proving and strong else one.strong_ns
    covered = one.track_id > 0 and field.covered(one.x_px, one.y_px, one.width_px)
    return replace(
        corrected(one, spot, covered=covered),
        kind=one.kind if stands else KINDS[leading],
        kind_votes=votes,
        width_px=one.width_px + LOOKS_SHARE * (float(spot.spot_width_px) - one.width_px),
        signal=one.signal + LOOKS_SHARE * (float(spot.signal) - one.signal),
        area_px=float(spot.area_px),
        seen_ns=clock_ns,
        absent_ns=0,
        watched_ns=one.watched_ns + (elapsed_ns if one.misses == 0 else 0),
        misses=0,
        sightings_ns=tuple(t for t in sightings if t >= looks_ns[0]),
        strong_ns=tuple(t for t in strong_ns if t >= looks_ns[0]),
    )


def _missed(one: Track, elapsed_ns: int, field: TrackField) -> Track:
    unlooked = elapsed_ns > GAP_NS or field.hidden(one.x_px, one.y_px, one.width_px)
    counted_ns = elapsed_ns // HIDDEN_SHARE if unlooked else elapsed_ns
    return replace(one, absent_ns=one.absent_ns + counted_ns, misses=one.misses + 1)


def _lost(one: Track, clock_ns: int) -> bool:
    return one.track_id > 0 and one.misses >= LOST_MISSES and clock_ns - one.seen_ns > LOST_NS


def _forgotten(one: Track) -> bool:
    if one.track_id == 0:
        return one.misses > TENTATIVE_MISSES and one.absent_ns > TENTATIVE_NS
    if one.kind is Kind.GLINT:
        return one.absent_ns > GLINT_NS
    return one.absent_ns > min(COAST_NS, COAST_PER_WATCHED * one.watched_ns)


def _proved(
    one: Track,
    sightings_ns: tuple[int, ...],
    clock_ns: int,
    looks_ns: tuple[int, ...],
    *,
    share: float,
) -> bool:
    sightings = len(sightings_ns)
    return (
        sightings >= CONFIRM_SIGHTINGS
        and sightings >= share * len(looks_ns)
        and clock_ns - one.born_ns >= CONFIRM_AFTER_NS
    )


def _best_proved(tracks: list[Track]) -> tuple[Track, ...]:
    """Keep at most `MOST_TRACKS`: confirmed before others, then the longest watched."""
    if len(tracks) > MOST_TRACKS:
        tracks.sort(key=lambda t: (t.track_id == 0, -t.watched_ns, -t.seen_ns, t.born_ns))
        del tracks[MOST_TRACKS:]
    return tuple(sorted(tracks, key=lambda t: (t.track_id == 0, t.track_id, t.born_ns)))
