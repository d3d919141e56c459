"""Where tags go: beside their ring, off each other, off the edges. Pure geometry, no Qt."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple


class Box(NamedTuple):
    """An upright rectangle in view px."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """From left to right."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """From top to bottom."""
        return self.bottom - self.top

    def overlap(self, other: Box) -> float:
        """Return the common area."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(width, 0.0) * max(height, 0.0)

    def grown(self, margin: float) -> Box:
        """Return the box with a margin all round."""
        return Box(self.left - margin, self.top - margin, self.right + margin, self.bottom + margin)


@dataclass(frozen=True, slots=True)
class Ring:
    """A circle in view px."""

    x: float
    y: float
    radius: float

    def covers(self, box: Box) -> bool:
        """Whether the circle's disc and the box have anything in common."""
        x = min(max(self.x, box.left), box.right)
        y = min(max(self.y, box.top), box.bottom)
        return math.hypot(x - self.x, y - self.y) < self.radius


@dataclass(frozen=True, slots=True)
class Wanted:
    """A tag of ``width`` x ``height`` px for a ring; ``key`` tells it from others."""

    key: int
    ring: Ring
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a tag lies. ``place`` is to be handed back, so that tags stay where they are."""

    key: int
    box: Box
    place: int


GAP = 6.0
_DISTANCES = (0.0, 28.0, 72.0, 140.0)
_SIDES = (0, -30, 30, 180, 210, 150, -60, 60, -120, 120, -90, 90)
"""Directions of a tag as seen from its ring [degrees, clockwise from the right]."""
_DIRECTIONS = tuple((math.cos(math.radians(d)), math.sin(math.radians(d))) for d in _SIDES)
_COSTS = tuple(
    0.5 * side + 8.0 * distance
    for distance in range(len(_DISTANCES))
    for side in range(len(_SIDES))
)
_PLACES = sorted(range(len(_COSTS)), key=_COSTS.__getitem__)
_STAY_BONUS = 4.0


def place_tags(
    wanted: Sequence[Wanted],
    area: Box,
    *,
    obstacles: Sequence[Box] = (),
    rings: Sequence[Ring] = (),
    previous: Mapping[int, int] | None = None,
) -> tuple[Placed, ...]:
    """Place tags one after the other; the first has the first choice.

    Parameters
    ----------
    wanted
        In order of importance.
    area
        Tags stay inside.
    obstacles, rings
        What no tag may touch, besides its own ring: a tag must never hide a node. Nor does the line
        to one that lies some way off lead across another ring: it would seem that one's.
    previous
        ``place`` by key, from last time: a tag stays where it was unless that became impossible
        or clearly worse, so that tags do not jump about from picture to picture.

    Returns
    -------
    tuple of Placed
        Without overlaps. A tag for which there is no room is left out.
    """
    before = previous or {}
    taken = list(obstacles)
    placed: list[Placed] = []
    for tag in wanted:
        for place in _in_order(before.get(tag.key)):
            box = _beside(tag, place)
            if (
                _inside(box, area)
                and not tag.ring.covers(box)
                and not any(box.overlap(other) > 0 for other in taken)
                and not any(ring.covers(box) for ring in rings)
                and not (place >= len(_SIDES) and _led_across(tag.ring, box, rings))
            ):
                placed.append(Placed(tag.key, box, place))
                taken.append(box.grown(GAP / 2))
                break
    return tuple(placed)


@cache
def _in_order(stay: int | None) -> list[int]:
    """Return the places, the best first; the one to stay at counts as much better than it is."""
    if stay is None or not 0 <= stay < len(_COSTS):
        return _PLACES
    return sorted(_PLACES, key=lambda place: _COSTS[place] - _STAY_BONUS * (place == stay))


def _beside(tag: Wanted, place: int) -> Box:
    """Return the tag's box outside its ring, in the direction and distance of ``place``."""
    distance, side = divmod(place, len(_SIDES))
    x, y = _DIRECTIONS[side]
    reach = tag.ring.radius + GAP + _DISTANCES[distance]
    anchor_x, anchor_y = tag.ring.x + x * reach, tag.ring.y + y * reach
    # the middle of the box's side or, on the diagonals, a place near its corner faces the ring
    top = anchor_y + (y - 1.0) * 0.5 * tag.height
    if abs(x) < 0.2:
        left = anchor_x - 0.5 * tag.width
    else:
        left = anchor_x if x > 0 else anchor_x - tag.width
    return Box(left, top, left + tag.width, top + tag.height)


def _led_across(own: Ring, box: Box, rings: Sequence[Ring]) -> bool:
    """Whether the line from a ring to its tag crosses another ring."""
    x = min(max(own.x, box.left), box.right) - own.x
    y = min(max(own.y, box.top), box.bottom) - own.y
    length = math.hypot(x, y)
    for ring in rings:
        if ring == own or length == 0.0:
            continue
        away_x, away_y = ring.x - own.x, ring.y - own.y
        along = min(max((away_x * x + away_y * y) / length**2, 0.0), 1.0)
        if math.hypot(away_x - along * x, away_y - along * y) < ring.radius:
            return True
    return False


def _inside(box: Box, area: Box) -> bool:
    return (
        box.left >= area.left
        and box.top >= area.top
        and box.right <= area.right
        and box.bottom <= area.bottom
    )


def nice_length(mm_per_px: float, *, least_px: float, most_px: float) -> float | None:
    """Return a length in mm for a scale bar: 10 if it fits, else the longest nice one that does.

    Nice are 1, 2 and 5 times powers of ten. None if the scale is no positive number.
    """
    if not (math.isfinite(mm_per_px) and mm_per_px > 0):
        return None
    if least_px <= 10.0 / mm_per_px <= most_px:
        return 10.0
    longest = most_px * mm_per_px
    power = 10.0 ** math.floor(math.log10(longest))
    return next(m * power for m in (5.0, 2.0, 1.0) if m * power <= longest * (1.0 + 1e-9))
