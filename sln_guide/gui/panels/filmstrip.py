"""`Filmstrip`: small pictures along a recording, read in the background, coarse to fine."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

COUNT = 24
WIDTH_PX = 112
REST_S = 0.03
"""Between two pictures: the replay's own reading goes first."""
END_S = 5.0

Pixels = NDArray[np.uint32]


def coarse_to_fine(count: int) -> list[int]:
    """Return 0 to ``count`` - 1 so that any beginning of the list is spread over the whole."""
    order: list[int] = []
    step = 1 << max(count - 1, 0).bit_length()
    while step >= 1:
        order += [place for place in range(0, count, step) if place not in order]
        step //= 2
    return order


class Filmstrip:
    """Reads `COUNT` pictures at even times on a thread of its own.

    Parameters
    ----------
    read
        Returns the picture nearest to a time [s], so many px wide, or None. Called on the thread.
    changed
        Called on that thread after each picture.
    """

    def __init__(
        self, read: Callable[[float, int], Pixels | None], changed: Callable[[], None]
    ) -> None:
        self._read = read
        self._changed = changed
        self._pictures: dict[int, Pixels] = {}
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, duration_s: float) -> None:
        """Begin to read, once."""
        if self._thread is None and not self._ending.is_set():
            self._thread = threading.Thread(
                target=self._run, args=(duration_s,), name="filmstrip", daemon=True
            )
            self._thread.start()

    def pictures(self) -> dict[int, Pixels]:
        """Return what there is by now: picture n stands for share (n + 0.5) / COUNT of the time."""
        return dict(self._pictures)

    def end(self) -> None:
        """Read no further; wait for the picture at hand."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join(END_S)

    def _run(self, duration_s: float) -> None:
        for place in coarse_to_fine(COUNT):
            if self._ending.wait(REST_S):
                return
            pixels = self._read((place + 0.5) / COUNT * duration_s, WIDTH_PX)
            if pixels is not None and not self._ending.is_set():
                self._pictures[place] = pixels
                self._changed()
