"""A frame of given pixels, for tests that ask for little else of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from hardware.frame import Frame, PixelFormat, frozen_pixels


def frame_of(
    pixels: ArrayLike, pixel_format: PixelFormat = PixelFormat.MONO12, **changes: Any
) -> Frame:
    """Return ``pixels``, in the format's own type, as a frame; ``changes`` are its other fields."""
    fields: dict[str, Any] = {
        "bit_depth": pixel_format.bit_depth,
        "sequence": 0,
        "stream_epoch": 0,
        "device_time_ns": 0,
        "host_time_ns": 0,
        "mid_exposure_ns": 0,
        "exposure_us": 10_000.0,
        "gain_db": 0.0,
        "camera_id": "test",
    }
    frozen = frozen_pixels(np.asarray(pixels, dtype=pixel_format.dtype))
    return Frame(frozen, pixel_format, **(fields | changes))
