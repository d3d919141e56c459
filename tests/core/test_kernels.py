"""Kernels that count no references must not hand any array on."""

from __future__ import annotations

from typing import Any

from numba.core import types

from hardware.rig_files import load_rig
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
