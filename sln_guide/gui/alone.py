"""Frames by themselves as pictures, for when no guidance comes: drawn by the window.

The core is imported at the first call: a window opens without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from hardware.balance import Gains
    from hardware.frame import Frame
    from hardware.rig import Rig


def prepare_drawing(rig: Rig) -> None:
    """Load what the functions below need for the rig's cameras. Any thread."""
    from sln_guide.core.draw import warm_up_alone

    white, nir = rig.white, rig.nir
    warm_up_alone(
        None if white is None else white.pixel_format,
        None if nir is None else nir.pixel_format,
        rig.white_balance,
    )


def draw_white(white: Frame, white_balance: Gains) -> NDArray[np.uint32]:
    """Return a new picture of ``white`` alone, (H, W) uint32 0xffRRGGBB."""
    from sln_guide.core.draw import draw_white_into

    out = np.empty((white.height, white.width), dtype=np.uint32)
    draw_white_into(out, white, white_balance)
    return out


def draw_nir(nir: Frame) -> NDArray[np.uint32]:
    """Return a new grey picture of ``nir`` alone, (H, W) uint32 0xffRRGGBB."""
    from sln_guide.core.draw import draw_nir_into, nir_window

    out = np.empty((nir.height, nir.width), dtype=np.uint32)
    draw_nir_into(out, nir, *nir_window(nir))
    return out
