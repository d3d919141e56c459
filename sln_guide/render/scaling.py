"""`Scaled`: a picture at the size it is seen at, made once however often it is painted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QImage

from sln_guide.core.opencv import cv2

Turn = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


class Scaled:
    """Remembers one picture. One thread.

    Qt would scale as well, but it holds the interpreter meanwhile and wakes a pool of threads for
    it: every other thread would wait for each paint.
    """

    def __init__(self) -> None:
        self._source: NDArray[np.uint32] | None = None
        self._rows = np.empty((0, 0, 4), np.uint8)
        self._shown = self._rows
        self._turn: Turn | None = None
        self._image = QImage()

    def image(
        self, pixels: NDArray[np.uint32], width: int, height: int, turn: Turn | None = None
    ) -> QImage:
        """Return ``pixels``, (H, W) uint32 0xffRRGGBB, smoothly scaled to ``width`` x ``height``.

        ``turn`` then turns the scaled (height, width, 4) uint8 rows. The image is valid until the
        next call. ``pixels`` is held until then, so that it is known when it comes again.
        """
        same_size = self._rows.shape[:2] == (height, width)
        if self._source is pixels and same_size and turn == self._turn:
            return self._image
        if not same_size:
            self._rows = np.empty((height, width, 4), np.uint8)
        source = pixels.view(np.uint8).reshape(*pixels.shape, 4)
        while source.shape[1] >= 2 * width and source.shape[0] >= 2 * height:
            # beyond a half, interpolation alone would skip pixels: thin vessels would flicker
            half = (source.shape[1] // 2, source.shape[0] // 2)
            source = cv2.resize(source, half, interpolation=cv2.INTER_AREA)
        cv2.resize(source, (width, height), dst=self._rows, interpolation=cv2.INTER_LINEAR)
        self._source, self._turn = pixels, turn
        shown = self._rows if turn is None else turn(self._rows)
        if shown is not self._shown or self._image.isNull():
            self._shown = shown
            high, wide = shown.shape[:2]
            self._image = QImage(shown.data, wide, high, 4 * wide, QImage.Format.Format_RGB32)
        return self._image
