"""Kernels that count no references must not hand any array on, nor take one over."""

from __future__ import annotations

from typing import Any

from numba.core import types
from numba.core.runtime import _nrt_python, rtsys

from hardware.phantom import Phantom
from hardware.rig_files import load_rig
from sln_guide import pipeline
from sln_guide.drawing import Drawing
from sln_guide.guidance import Pair, Settings, View
from sln_guide.warm_up import warm_up
from tests.kernels import kernels_of_the_core


def test_no_kernel_returns_an_array() -> None:
    """The compiler lets one return what it was given: who counts would give it back once more."""
    warm_up(load_rig("demo"))
    kernels = {
        name: kernel
        for name, kernel in kernels_of_the_core().items()
        if not kernel.targetoptions.get("_nrt", True)
    }
    seen = 0
    for name, each in kernels.items():
        for result in returned(each):
            seen += 1
            assert not holds_array(result), f"{name} returns {result}"
    assert seen > 150, "kernels that kernels call are seen as well"


def test_whatever_kernels_allocate_they_give_back() -> None:
    """A kernel that is handed an array by whom it calls never gives it back: 3 GB an hour, once."""
    rig = load_rig("demo")
    assert rig.phantom is not None
    phantom = Phantom(rig.phantom, rig)
    setup = pipeline.Setup.from_rig(rig)
    state = pipeline.initial_state(setup)
    drawing = Drawing(rig.registration)
    kept: list[Any] = []

    def look(number: int) -> None:
        nonlocal state
        nir, white = (phantom.frame(role, number) for role in ("nir", "white"))
        state, guidance = pipeline.step(state, Pair(nir, white), Settings())
        kept.append(guidance)
        for view in View:
            kept.append(drawing.picture(nir, white, guidance, Settings(view=view)))

    look(1500)  # compiles, and makes workspaces
    look(1501)
    _nrt_python.memsys_enable_stats()
    try:
        before = rtsys.get_allocation_stats()
        look(1502)
        after = rtsys.get_allocation_stats()
    finally:
        _nrt_python.memsys_disable_stats()
    assert after.mi_alloc - before.mi_alloc > 50
    assert after.mi_free - before.mi_free == after.mi_alloc - before.mi_alloc


def returned(kernel: Any) -> list[Any]:
    """Return what a kernel returns, for each variant of it that lies in the cache."""
    cache = kernel._cache
    variants = [key[0] for key in cache._cache_file._load_index()]
    return [cache.load_overload(each, kernel.targetctx).signature.return_type for each in variants]


def holds_array(kind: Any) -> bool:
    if isinstance(kind, types.BaseTuple):
        return any(holds_array(each) for each in kind)
    return isinstance(kind, types.Array)


def test_an_array_in_a_tuple_is_seen() -> None:
    array = types.Array(types.float32, 1, "C")
    assert holds_array(types.Tuple((types.int64, types.Tuple((array,)))))
    assert not holds_array(types.Tuple((types.int64, types.float64)))
