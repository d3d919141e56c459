"""Arrays cross processes bit for bit, and nobody can write into what has crossed."""

from __future__ import annotations

import gc
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from sln_guide.engine import wire
from sln_guide.engine.wire import Loader, Unloader


@dataclass(frozen=True)
class Thing:
    small: NDArray[np.float64]
    large: NDArray[np.uint16]
    same: NDArray[np.uint16]
    grid: NDArray[np.float32]


def thing(seed: int, rows: int = 200) -> Thing:
    rng = np.random.default_rng(seed)
    large = rng.integers(0, 4096, (rows, 300)).astype(np.uint16)
    return Thing(rng.random(5), large, large, rng.random((64, 80)).astype(np.float32))


@pytest.fixture
def ends():
    loader, unloader = Loader(), Unloader()
    yield loader, unloader
    unloader.close()
    loader.close()


def test_arrays_come_out_as_they_went_in(ends: tuple[Loader, Unloader]) -> None:
    loader, unloader = ends
    sent = thing(1)
    load = loader.load(sent)
    got = unloader.unload(load)
    for name in ("small", "large", "same", "grid"):
        np.testing.assert_array_equal(getattr(got, name), getattr(sent, name))
    assert got.large is got.same  # one array is carried once
    assert not got.large.flags.writeable


def test_a_picture_held_is_not_touched_by_those_after_it(ends: tuple[Loader, Unloader]) -> None:
    loader, unloader = ends
    held = []
    for seed in range(12):
        load = loader.load(thing(seed))
        held.append((seed, unloader.unload(load)))
        loader.unloaded(load.block)
    for seed, got in held:
        np.testing.assert_array_equal(got.large, thing(seed).large)


def test_memory_is_used_again_when_nothing_refers_to_it(ends: tuple[Loader, Unloader]) -> None:
    loader, unloader = ends

    def address(seed: int) -> int:
        load = loader.load(thing(seed))
        got = unloader.unload(load)
        loader.unloaded(load.block)
        return int(got.large.__array_interface__["data"][0])

    first = address(0)
    gc.collect()
    assert {address(seed) for seed in range(1, 6)} == {first}


def test_a_block_is_full_until_it_is_given_back(ends: tuple[Loader, Unloader]) -> None:
    loader, _ = ends
    loads = [loader.load(thing(seed)) for seed in range(wire.BLOCKS)]
    assert not loader.room
    with pytest.raises(IndexError):
        loader.load(thing(9))
    loader.unloaded(loads[1].block)
    assert loader.room


def test_a_larger_picture_gets_a_larger_block(ends: tuple[Loader, Unloader]) -> None:
    loader, unloader = ends
    for rows in (50, 4000, 30):
        for _ in range(wire.BLOCKS + 1):
            load = loader.load(thing(3, rows))
            got = unloader.unload(load)
            np.testing.assert_array_equal(got.large, thing(3, rows).large)
            loader.unloaded(load.block)
