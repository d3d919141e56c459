"""Memory of pictures that nobody looks at any more, for the next ones. Private to `core.draw`."""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

_MOST = 6
"""Pictures remembered: drawn, on its way to the window, shown, and what a replay still holds."""
_OURS = 3
"""References to a picture that only we know: the list's, the loop's and the one that is counted."""


class PictureMemory:
    """Hands out pictures, the memory of one that has died where there is one. One thread.

    Fresh memory of 5 MB is given by the system in zeroed pages, which costs half as much time as
    drawing on it. A view, a `QImage` on it and whatever else looks at a picture holds a reference;
    where none is left but ours nobody can come by one either.
    """

    def __init__(self) -> None:
        self._pictures: list[NDArray[np.uint32]] = []

    def take(self, height: int, width: int) -> NDArray[np.uint32]:
        """Return a C-contiguous (height, width) uint32 to be drawn on: any values are in it."""
        shape = (height, width)
        if self._pictures and self._pictures[0].shape != shape:
            self._pictures.clear()
        for picture in self._pictures:
            if sys.getrefcount(picture) == _OURS:
                picture.setflags(write=True)
                return picture
        picture = np.empty(shape, dtype=np.uint32)
        if len(self._pictures) < _MOST:
            self._pictures.append(picture)
        return picture
