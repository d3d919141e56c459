"""`Scaled`: a picture at the size it is seen at, made once however often it is painted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QImage

from sln_guide.core.opencv import cv2

Turn = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
_Scale = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


class Scaled:
    """Remembers one picture. One thread.

    Qt would scale as well, but it holds the interpreter meanwhile and wakes a pool of threads for
    it: every other thread would wait for each paint.
    """

    def __init__(self) -> None:
        self._source: NDArray[np.uint32] | None = None
        self._sizes: tuple[tuple[int, ...], tuple[int, int]] | None = None
        self._scale: _Scale | None = None
        self._turn: Turn | None = None
        self._shown: NDArray[np.uint8] | None = None
        self._image = QImage()

    def image(
        self, pixels: NDArray[np.uint32], width: int, height: int, turn: Turn | None = None
    ) -> QImage:
        """Return ``pixels``, (H, W) uint32 0xffRRGGBB, smoothly scaled to ``width`` x ``height``.

        ``turn`` then turns the scaled (height, width, 4) uint8 rows. The image is valid until the
        next call. ``pixels`` is held until then, so that it is known when it comes again.
        """
        sizes = (pixels.shape, (height, width))
        if self._source is pixels and sizes == self._sizes and turn == self._turn:
            return self._image
        if self._scale is None or sizes != self._sizes:
            self._scale = _scaling(*sizes)
        rows = self._scale(pixels.view(np.uint8).reshape(*pixels.shape, 4))
        self._source, self._sizes, self._turn = pixels, sizes, turn
        shown = rows if turn is None else turn(rows)
        if shown is not self._shown:
            self._shown = shown
            high, wide = shown.shape[:2]
            self._image = QImage(shown.data, wide, high, 4 * wide, QImage.Format.Format_RGB32)
        return self._image


def _scaling(size: tuple[int, ...], shown: tuple[int, int]) -> _Scale:
    """Return what scales (rows, columns, 4) uint8 from ``size`` to ``shown``, into the same memory.

    Beyond a half, interpolation alone would skip pixels: thin vessels would flicker. So the
    picture is halved by averages first.
    """
    from sln_guide.core.draw_scale import Scaler  # imports a compiler: a window opens without it

    high, wide = shown
    halvings = 0
    rows, columns = size[:2]
    while rows >= 2 * high and columns >= 2 * wide:
        rows, columns, halvings = rows // 2, columns // 2, halvings + 1
    own = Scaler((rows, columns), shown) if Scaler.reaches((rows, columns), shown) else None
    out = np.empty((high, wide, 4), np.uint8) if own is None else own.rows

    def scale(given: NDArray[np.uint8]) -> NDArray[np.uint8]:
        for _ in range(halvings):
            half = (given.shape[1] // 2, given.shape[0] // 2)
            given = np.asarray(cv2.resize(given, half, interpolation=cv2.INTER_AREA), np.uint8)
        if own is None:
            cv2.resize(given, (wide, high), dst=out, interpolation=cv2.INTER_LINEAR)
        else:
            own.scale(given)
        return out

    return scale
