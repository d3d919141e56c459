"""One picture another program stored, and what is wrong when it is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sln_guide.recording.errors import RecordingError

Pixels = NDArray[Any]
MAX_EDGE_PX = 32_768


class ImportProblem(RecordingError):
    """What cannot be imported: one line naming the file, what is wrong, and what to do."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture as stored. ``pixels`` (H, W) or (H, W, 3) RGB, uint8 or uint16, owned.

    ``name`` is for error messages. ``time_s`` is the source's own time stamp, None without one.
    ``bits`` is what the file itself says its samples hold, None where it does not say.
    ``remarks`` say what the file holds and the pixels do not, in words that follow a name.
    """

    name: str
    pixels: Pixels
    time_s: float | None = None
    bits: int | None = None
    remarks: tuple[str, ...] = ()


def checked(name: str, pixels: Pixels) -> Pixels:
    """Return ``pixels`` if they are a picture a camera could have taken, in native byte order.

    Wider or signed integers are taken where every value fits: they change their type, not their
    values.

    Raises
    ------
    ImportProblem
        Naming what they are instead.
    """
    if pixels.dtype.kind in "iu" and pixels.dtype.newbyteorder("=") not in (np.uint8, np.uint16):
        if pixels.size and pixels.min() >= 0 and pixels.max() <= 65535:
            pixels = pixels.astype(np.uint16)
    elif pixels.dtype.kind == "u":
        pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    if pixels.dtype not in (np.uint8, np.uint16):
        raise ImportProblem(
            f"{name}: {pixels.dtype} pixels: give whole numbers from 0 to 65535 "
            "(8 or 16 bit unsigned integers)"
        )
    if pixels.ndim == 3 and pixels.shape[2] in (1, 2):
        pixels = pixels[..., 0]
    if pixels.ndim == 3 and pixels.shape[2] in (3, 4):
        pixels = pixels[..., :3]
    elif pixels.ndim != 2:
        raise ImportProblem(f"{name}: an array of {pixels.shape} is not a picture")
    if not 0 < pixels.shape[0] <= MAX_EDGE_PX or not 0 < pixels.shape[1] <= MAX_EDGE_PX:
        raise ImportProblem(
            f"{name}: {pixels.shape[1]}x{pixels.shape[0]} px is not a picture: give 1 to "
            f"{MAX_EDGE_PX} px an edge"
        )
    return np.ascontiguousarray(pixels)
