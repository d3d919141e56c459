"""A picture's memory serves again once nobody looks at it, and never before."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtGui import QImage

from sln_guide.core.draw_memory import PictureMemory
from sln_guide.render.pixels import as_image


def drawn(memory: PictureMemory, value: int, shape: tuple[int, int] = (6, 8)) -> np.ndarray:
    picture = memory.take(*shape)
    picture[:] = value
    picture.setflags(write=False)
    return picture


def test_what_nobody_holds_is_drawn_on_again() -> None:
    memory = PictureMemory()
    first = drawn(memory, 1)
    place = first.ctypes.data
    del first
    assert drawn(memory, 2).ctypes.data == place


@pytest.mark.parametrize(
    "look",
    [
        lambda picture: picture,
        lambda picture: picture[2:4, 1:].T,
        lambda picture: picture.view(np.uint8),
        lambda picture: memoryview(picture)[1:],
        as_image,
    ],
)
def test_what_anybody_looks_at_does_not_change(look) -> None:  # type: ignore[no-untyped-def]
    memory = PictureMemory()
    seen = look(drawn(memory, 7))
    for k in range(20):  # many more than are remembered, some of them held
        held = [drawn(memory, 100 + k) for _ in range(k % 9)]
        del held
    if isinstance(seen, QImage):
        assert {seen.pixel(x, y) & 0xFF for x in range(8) for y in range(6)} == {7}
    else:
        assert set(np.asarray(seen).ravel().tolist()) <= {7, 0}


def test_another_size_is_another_memory() -> None:
    memory = PictureMemory()
    small = drawn(memory, 1)
    assert drawn(memory, 2, (9, 5)).shape == (9, 5)
    assert drawn(memory, 3).shape == (6, 8)
    assert (small == 1).all()
