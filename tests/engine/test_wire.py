"""Arrays cross processes bit for bit, and nobody can write into what has crossed."""

from __future__ import annotations

import errno
import gc
import os
from collections.abc import Iterator
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


class Ends:
    """Both ends in one process."""

    def __init__(self) -> None:
        self.loader = Loader()
        self.unloader = Unloader(self.loader.unloaded)

    def carry(self, value: Thing) -> Thing:
        got = self.unloader.unload(self.loader.load(value))
        assert isinstance(got, Thing)
        return got


@pytest.fixture
def ends() -> Iterator[Ends]:
    made = Ends()
    yield made
    made.loader.close()


def address(of: NDArray[np.uint16]) -> int:
    return int(of.__array_interface__["data"][0])


def test_arrays_come_out_as_they_went_in(ends: Ends) -> None:
    sent = thing(1)
    got = ends.carry(sent)
    for name in ("small", "large", "same", "grid"):
        np.testing.assert_array_equal(getattr(got, name), getattr(sent, name))
    assert got.large is got.same  # one array is carried once
    assert not got.large.flags.writeable
    with pytest.raises(ValueError, match="WRITEABLE"):
        got.large.setflags(write=True)  # the memory itself is mapped for reading


def test_pictures_held_are_not_touched_by_those_after_them(ends: Ends) -> None:
    held = [ends.carry(thing(seed)) for seed in range(3 * wire.BLOCKS)]
    for seed, got in enumerate(held):
        np.testing.assert_array_equal(got.large, thing(seed).large)
    assert ends.loader.room  # however many are held


def test_what_is_let_go_is_used_again(ends: Ends) -> None:
    first = address(ends.carry(thing(0)).large)
    gc.collect()
    assert {address(ends.carry(thing(seed)).large) for seed in range(1, 6)} == {first}


def test_one_array_of_a_picture_holds_its_block(ends: Ends) -> None:
    kept = ends.carry(thing(0)).grid
    gc.collect()
    for seed in range(1, 2 * wire.BLOCKS):
        ends.carry(thing(seed))
    np.testing.assert_array_equal(kept, thing(0).grid)


def test_a_block_is_full_until_it_is_given_back(ends: Ends) -> None:
    loads = [ends.loader.load(thing(seed)) for seed in range(wire.BLOCKS)]
    assert not ends.loader.room
    with pytest.raises(IndexError):
        ends.loader.load(thing(9))
    ends.loader.unloaded(loads[1].block)
    assert ends.loader.room


def test_a_larger_picture_gets_a_larger_block(ends: Ends) -> None:
    for rows in (50, 4000, 30):
        for _ in range(wire.BLOCKS + 1):
            got = ends.carry(thing(3, rows))
            np.testing.assert_array_equal(got.large, thing(3, rows).large)


def test_a_picture_outlives_its_engine(ends: Ends) -> None:
    got = ends.carry(thing(5))
    ends.loader.close()
    np.testing.assert_array_equal(got.large, thing(5).large)


def test_memory_that_is_gone_is_an_error(ends: Ends) -> None:
    load = ends.loader.load(thing(5))
    ends.loader.close()
    with pytest.raises(OSError, match="No such file"):
        ends.unloader.unload(load)


@pytest.mark.parametrize("call", ["memfd_create", "posix_fallocate"])
def test_memory_that_is_refused_for_a_while_costs_no_block(
    ends: Ends, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    ends.carry(thing(0))
    gc.collect()

    def refuse(*_: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    descriptors = len(os.listdir("/proc/self/fd"))
    with monkeypatch.context() as scarce:
        scarce.setattr(os, call, refuse)
        for rows in range(10_000, 10_000 + 2 * wire.BLOCKS):  # larger than what is there already
            with pytest.raises(OSError, match="Too many open files"):
                ends.loader.load(thing(1, rows))
    assert len(os.listdir("/proc/self/fd")) <= descriptors
    held = [ends.carry(thing(seed, 10_000)) for seed in range(wire.BLOCKS)]
    np.testing.assert_array_equal(held[-1].large, thing(wire.BLOCKS - 1, 10_000).large)


def test_a_block_that_cannot_be_mapped_is_given_back(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as scarce:
        scarce.setattr(os, "open", refuse)
        for seed in range(2 * wire.BLOCKS):
            with pytest.raises(OSError, match="Too many open files"):
                ends.carry(thing(seed))
    np.testing.assert_array_equal(ends.carry(thing(7)).large, thing(7).large)
