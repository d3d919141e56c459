"""Tags keep off each other, off nodes, off the edges; and they stay where they are."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sln_guide.render.layout import Box, Ring, Wanted, nice_length, place_tags

AREA = Box(0.0, 0.0, 800.0, 600.0)
places = st.floats(-50.0, 850.0)
rings = st.builds(Ring, x=places, y=places, radius=st.floats(5.0, 120.0))


@given(st.lists(st.tuples(rings, st.floats(20.0, 260.0), st.floats(20.0, 60.0)), max_size=14))
def test_nothing_overlaps(tags):
    wanted = [Wanted(i, ring, width, height) for i, (ring, width, height) in enumerate(tags)]
    legend = Box(680.0, 0.0, 800.0, 200.0)
    kept = [ring for ring, _, _ in tags]
    placed = place_tags(wanted, AREA, obstacles=[legend], rings=kept)
    for tag in placed:
        assert tag.box.left >= AREA.left
        assert tag.box.right <= AREA.right
        assert tag.box.top >= AREA.top
        assert tag.box.bottom <= AREA.bottom
        assert tag.box.overlap(legend) == 0.0
        assert not any(ring.covers(tag.box) for ring in kept)
        assert tag.box.width == pytest.approx(wanted[tag.key].width)
        assert tag.box.height == pytest.approx(wanted[tag.key].height)
    for a, b in itertools.combinations(placed, 2):
        assert a.box.overlap(b.box) == 0.0
    assert len({tag.key for tag in placed}) == len(placed)


def test_a_lone_tag_lies_to_the_right_of_its_ring():
    (tag,) = place_tags([Wanted(1, Ring(300.0, 300.0, 50.0), 200.0, 40.0)], AREA)
    assert tag.box == Box(356.0, 280.0, 556.0, 320.0)


@pytest.mark.parametrize(
    ("x", "y"), [(5, 5), (795, 5), (5, 595), (795, 595), (400, 2), (400, 598), (2, 300), (798, 300)]
)
def test_there_is_room_at_every_edge(x, y):
    assert place_tags([Wanted(1, Ring(x, y, 40.0), 200.0, 40.0)], AREA)


def test_a_tag_stays_where_it_was_while_that_is_possible():
    near_edge = Wanted(1, Ring(545.0, 300.0, 40.0), 200.0, 40.0)
    (first,) = place_tags([near_edge], AREA)
    assert first.box.left > 545.0
    pushed = Wanted(1, Ring(560.0, 300.0, 40.0), 200.0, 40.0)
    (second,) = place_tags([pushed], AREA, previous={1: first.place})
    assert second.place != first.place  # no room there any more
    (third,) = place_tags([near_edge], AREA, previous={1: second.place})
    assert third.place == second.place


def test_no_line_leads_to_a_tag_across_another_node():
    """Whose tag it is would be anybody's guess: then there is none."""
    own, other = Ring(300.0, 300.0, 20.0), Ring(360.0, 300.0, 20.0)
    taken = [
        Box(0.0, 0.0, 270.0, 600.0),
        Box(0.0, 0.0, 800.0, 288.0),
        Box(0.0, 312.0, 800.0, 600.0),
    ]
    wanted = [Wanted(1, own, 60.0, 20.0)]
    (tag,) = place_tags(wanted, AREA, obstacles=taken, rings=[own])
    assert tag.box.left < other.x
    assert not place_tags(wanted, AREA, obstacles=taken, rings=[own, other])


def test_a_previous_place_that_never_was_is_ignored():
    wanted = [Wanted(1, Ring(300.0, 300.0, 50.0), 200.0, 40.0)]
    assert place_tags(wanted, AREA, previous={1: 10_000}) == place_tags(wanted, AREA)


def test_without_room_there_is_no_tag():
    assert place_tags([Wanted(1, Ring(50.0, 50.0, 10.0), 900.0, 40.0)], AREA) == ()


@given(st.floats(1e-6, 1e4))
def test_scale_bars_have_round_lengths_that_fit(mm_per_px):
    length = nice_length(mm_per_px, least_px=60.0, most_px=240.0)
    assert length is not None
    assert length / mm_per_px <= 240.0 * (1 + 1e-6)
    mantissa = length / 10.0 ** math.floor(math.log10(length) + 1e-9)
    assert min(abs(mantissa - nice) for nice in (1, 2, 5, 10)) < 1e-6
    if 60.0 <= 10.0 / mm_per_px <= 240.0:
        assert length == 10.0


@pytest.mark.parametrize("mm_per_px", [0.0, -1.0, math.nan, math.inf])
def test_no_scale_no_bar(mm_per_px):
    assert nice_length(mm_per_px, least_px=60.0, most_px=240.0) is None
