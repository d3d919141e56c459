"""`FocusAid`: how sharp a picture is, while somebody turns the focus ring."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hardware.frame import Frame
from hardware.opencv import cv2
from sln_guide.calibration.board import grey_of


@dataclass(frozen=True, slots=True)
class Focus:
    """Sharpness of one frame, and of the best so far: turn the ring until they are equal."""

    now: float
    best: float

    @property
    def share(self) -> float:
        """Now / best, 0 to 1."""
        return self.now / self.best if self.best > 0 else 0.0


class FocusAid:
    """Follows sharpness while somebody turns the focus ring. One thread."""

    def __init__(self) -> None:
        self._best = 0.0

    def add(self, frame: Frame) -> Focus:
        """Take a frame; return where focus stands."""
        now = sharpness(grey_of(frame))
        self._best = max(self._best, now)
        return Focus(now, self._best)

    def reset(self) -> None:
        """Forget the best: another scene, another distance."""
        self._best = 0.0


def sharpness(grey: NDArray[np.float32]) -> float:
    """Return the energy of fine detail relative to that of coarse detail; noise taken off.

    A ratio of band-passes does not change with brightness or exposure. White noise has a known
    share in the finer band, estimated from the finest one, where a lens leaves nothing. Raises
    ValueError below 16 px a side.
    """
    if min(grey.shape) < 16:
        raise ValueError("sharpness needs 16 px or more a side")
    mean = float(grey.mean())
    if mean <= 0:
        return 0.0
    picture = (grey / mean).astype(np.float32)
    # the median of horizontal second differences is noise: edges are few
    second = picture[:, 2:] - 2.0 * picture[:, 1:-1] + picture[:, :-2]
    noise = 1.4826 * float(np.median(np.abs(second))) / np.sqrt(6.0)
    levels = [cv2.GaussianBlur(picture, (0, 0), s) for s in (1.0, 2.0, 8.0)]
    fine = float(np.mean((levels[0] - levels[1]) ** 2))
    coarse = float(np.mean((levels[1] - levels[2]) ** 2))
    # variance of white noise in a difference of Gaussians: 1/4pi (1/a^2 + 1/b^2 - 4/(a^2+b^2))
    fine -= noise**2 * (1.0 + 0.25 - 4.0 / 5.0) / (4.0 * np.pi)
    coarse -= noise**2 * (0.25 + 1.0 / 64.0 - 4.0 / 68.0) / (4.0 * np.pi)
    return max(fine, 0.0) / coarse if coarse > 1e-12 else 0.0
