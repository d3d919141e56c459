"""`WhiteBalance`: the factors that make a grey card grey on the screen. Raw data stays raw."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from hardware.frame import Frame
from sln_guide.calibration import container
from sln_guide.calibration.binding import Binding, Moment, NonNegative, Positive
from sln_guide.calibration.errors import CaptureError
from sln_guide.calibration.frames import unpacked

KIND = "white balance"
VALID_DAYS = 90.0
LEAST_LEVEL_SHARE = 0.05
LARGEST_FACTOR = 8
LARGEST_BLACK_SHARE = 0.1
"""Of full scale, that a capped camera may show, and that its pixels may differ by."""
Factor = Annotated[float, msgspec.Meta(gt=0, le=LARGEST_FACTOR)]


class WhiteBalance(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Factors for red, green and blue of one camera under one light, above its black level."""

    binding: Binding
    made_at: Moment
    valid_days: Positive = VALID_DAYS
    factors: tuple[Factor, Factor, Factor]
    black_counts: NonNegative | None = None
    """Mean of the capped camera; None: it was not measured."""

    def save(self, path: Path) -> None:
        """Write it to one file. Raises CalibrationFileError."""
        container.save(path, KIND, self)

    @classmethod
    def load(cls, path: Path) -> WhiteBalance:
        """Read it back, strictly. Raises CalibrationFileError."""
        return container.load_fields(path, KIND, cls)


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
