"""Aids at the bench: how sharp a picture is, and which factors make a grey card grey."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hardware.frame import Frame
from hardware.opencv import cv2
from sln_guide.calibration.board import grey_of
from sln_guide.calibration.errors import CaptureError
from sln_guide.calibration.frames import unpacked

LEAST_LEVEL_SHARE = 0.05
LARGEST_FACTOR = 8.0
LARGEST_BLACK_SHARE = 0.1
"""Of full scale, that a capped camera may show, and that its pixels may differ by."""


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


def black_level(frame: Frame) -> float:
    """Return the mean [counts] of a frame taken with the lens capped.

    Raises
    ------
    CaptureError
        Light falls in.
    """
    pixels = unpacked(frame)
    top = 2**frame.bit_depth - 1
    mean, brightest = float(pixels.mean()), float(np.percentile(pixels, 99))
    if mean > LARGEST_BLACK_SHARE * top or brightest > mean + LARGEST_BLACK_SHARE * top:
        raise CaptureError(f"light falls in ({mean:.0f} counts in the mean): cap the lens")
    return mean


def white_balance(frame: Frame, dark_counts: float = 0.0) -> tuple[float, float, float]:
    """Return factors for red, green and blue that make the middle of ``frame`` (a grey card) grey.

    Green keeps 1.

    Raises
    ------
    CaptureError
        The card is saturated, too dark, or no grey card.
    """
    if not (frame.pixel_format.is_bayer or unpacked(frame).ndim == 3):
        raise CaptureError("white balance needs the colour camera")
    pixels = unpacked(frame)
    height, width = frame.height, frame.width
    rows = slice(height // 3 // 2 * 2, 2 * height // 3 // 2 * 2)
    columns = slice(width // 3 // 2 * 2, 2 * width // 3 // 2 * 2)
    part = pixels[rows, columns]
    top = 2**frame.bit_depth - 1
    if float((part >= top).mean()) > 0.005:
        raise CaptureError("the grey card is saturated: shorten the exposure or dim the light")
    if part.ndim == 3:
        levels = {c: _level(part[..., k]) for k, c in enumerate("RGB")}
    else:
        pattern = frame.pixel_format.bayer_pattern
        below = {"RG": "GB", "GB": "RG", "GR": "BG", "BG": "GR"}[pattern]
        cells: dict[str, list[float]] = {}
        for y, colours in enumerate((pattern, below)):
            for x, colour in enumerate(colours):
                cells.setdefault(colour, []).append(_level(part[y::2, x::2]))
        levels = {colour: float(np.mean(values)) for colour, values in cells.items()}
    light = {colour: level - dark_counts for colour, level in levels.items()}
    if min(light.values()) < LEAST_LEVEL_SHARE * top:
        raise CaptureError(
            "the grey card is too dark: let it fill the middle of the field, bring more light"
        )
    factors = tuple(light["G"] / light[colour] for colour in "RGB")
    if max(factors) > LARGEST_FACTOR:
        raise CaptureError("that is no grey card: one colour is missing from its light")
    return factors[0], factors[1], factors[2]


def _level(samples: NDArray[np.uint8] | NDArray[np.uint16]) -> float:
    """Return the mean without the outer tenths; a median of counts would be a whole number."""
    ordered = np.sort(samples, axis=None)
    out = len(ordered) // 10
    return float(ordered[out : len(ordered) - out].mean())
