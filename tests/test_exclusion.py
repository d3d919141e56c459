"""A region drawn by hand: what lies in it, that it follows the tissue, and what it drives not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.phantom import Phantom
from hardware.rig import PhantomSpec
from hardware.rig_files import load_rig
from sln_guide.core.spot import Analysis, Spot
from sln_guide.exclusion import FLAG, Region, blocks_inside, excluded, followed
from sln_guide.guidance import MOST_POLYGON_POINTS, CannotJudge, Interval, Kind, Pair, Settings
from sln_guide.pipeline import Setup, initial_state, restore, step

SQUARE = ((80.0, 80.0), (160.0, 80.0), (160.0, 160.0), (80.0, 160.0))


def spot(x_px: float, y_px: float) -> Spot:
    sure = Interval(1.0, 2.0)
    return Spot(Kind.NODE, x_px, y_px, 100.0, 11.0, 5.0, 1.5, sure, 3.0, sure, 8.0, 0.0)


def analysis(*spots: Spot) -> Analysis:
    shape = (40, 50)
    signal = np.zeros(shape, np.float32)
    signal[12, 12] = 90.0  # at 100 px: in the square
    signal[30, 30] = 10.0
    flat = np.ones(shape, np.float32)
    return Analysis(
        grid_px=8,
        signal=signal,
        background=flat,
        significance=flat,
        limit_contrast=flat,
        cannot_judge=np.zeros(shape, np.uint8),
        limit_sbr=1.2,
        false_calls_per_field=0.1,
        scene_full_scale=90.0,
        colour_predicted=False,
        spots=spots,
    )


def test_what_lies_inside_is_no_node_and_is_not_judged() -> None:
    before = analysis(spot(100.0, 100.0), spot(240.0, 240.0))
    after = excluded(before, Region(SQUARE))
    assert [s.kind for s in after.spots] == [Kind.INJECTION, Kind.NODE]
    assert after.spots[0].flags == (FLAG,)
    assert after.cannot_judge[12, 12] & CannotJudge.NEAR_INJECTION
    assert after.cannot_judge[30, 30] == 0
    assert before.cannot_judge.sum() == 0, "the analysis itself is left alone"


def test_it_does_not_drive_the_scale() -> None:
    before = analysis()
    assert excluded(before, Region(SQUARE)).scene_full_scale < 20.0
    assert excluded(before, None) is before
    elsewhere = Region(tuple((x + 200.0, y) for x, y in SQUARE))
    assert excluded(before, elsewhere).scene_full_scale <= 90.0


def test_blocks_belong_to_it_by_their_centres() -> None:
    inside = blocks_inside(SQUARE, 8, (40, 50))
    # centres at 8 c + 3.5: 83.5 to 155.5 are inside, columns and rows 10 to 19
    assert inside[10:20, 10:20].all()
    assert inside.sum() == pytest.approx(100, abs=21)  # those on the edge count as inside


def test_it_moves_with_the_tissue_and_a_new_drawing_begins_anew() -> None:
    region = followed(None, SQUARE, (5.0, 5.0))
    assert region == Region(SQUARE)
    region = followed(region, SQUARE, (3.0, -2.0))
    region = followed(region, SQUARE, (1.0, 0.0))
    assert region is not None
    assert region.points[0] == (84.0, 78.0)
    other = tuple((x + 1, y) for x, y in SQUARE)
    assert followed(region, other, (9.0, 9.0)) == Region(other)
    assert followed(region, (), (9.0, 9.0)) is None


@pytest.mark.parametrize(
    "points",
    [
        ((1.0, 2.0),),
        tuple((float(i), 0.0) for i in range(MOST_POLYGON_POINTS + 1)),
        ((0.0, 0.0), (1.0, float("nan")), (2.0, 2.0)),
        ((0.0, 0.0), (1.0, 1e9), (2.0, 2.0)),
    ],
)
def test_what_is_no_region_is_refused(points: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(ValueError, match="exclusion_px"):
        Settings(exclusion_px=points)


coordinate = st.floats(-1e5, 1e5)


@given(st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=12))
def test_any_polygon_is_survived(points: list[tuple[float, float]]) -> None:
    after = excluded(analysis(spot(100.0, 100.0)), Region(tuple(points)))
    assert after.scene_full_scale > 0


def test_through_the_pipeline_it_takes_the_node_and_survives_a_snapshot() -> None:
    rig = load_rig("demo")
    import msgspec

    rig = msgspec.structs.replace(
        rig, phantom=PhantomSpec(scene="procedure", seed=4, width=320, height=256)
    )
    assert rig.phantom is not None
    phantom = Phantom(rig.phantom, rig)
    setup = Setup.from_rig(rig)
    pairs = [Pair(phantom.frame("nir", n), phantom.frame("white", n)) for n in (900, 901, 902)]
    _, plain = step(initial_state(setup), pairs[0], Settings())
    nodes = [d for d in plain.detections if d.kind is Kind.NODE]
    assert nodes, "the scene has a node"
    x, y = nodes[0].x_px, nodes[0].y_px
    around = tuple((x + dx, y + dy) for dx, dy in ((-20, -20), (20, -20), (20, 20), (-20, 20)))
    settings = replace(Settings(), exclusion_px=around, regions_px=(around[:3], around))
    state, guidance = step(initial_state(setup), pairs[0], settings)
    inside = [d for d in guidance.detections if abs(d.x_px - x) < 15 and abs(d.y_px - y) < 15]
    assert all(d.kind is Kind.INJECTION for d in inside)
    assert guidance.exclusion_px == around
    assert guidance.regions_px == (around[:3], around)
    assert guidance.display_full_scale <= plain.display_full_scale
    state, _ = step(state, pairs[1], settings)
    again = restore(setup, state.snapshot())
    assert (again.region, again.regions) == (state.region, state.regions)
    assert state.regions[1].points == state.region.points, "they follow alike"
    assert state.regions[1].moved_px != (0.0, 0.0)
    assert step(again, pairs[2], settings)[1].exclusion_px == (
        step(state, pairs[2], settings)[1].exclusion_px
    )
