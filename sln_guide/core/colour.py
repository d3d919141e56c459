"""Overlay colours: what a signal between nothing and full scale looks like."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sln_guide.guidance import ColourMap, Guidance, Settings

LEVELS = 256
"""Entries of a table: level 0 is no signal, the last is the display's full scale."""

_OPACITY_EXPONENT = 0.6
_PALE_FROM = 0.5
"""Share of full scale from which the colour runs to the pale one."""

_RAMPS: dict[ColourMap, tuple[tuple[int, int, int], tuple[int, int, int]]] = {
    ColourMap.GREEN: ((0x5A, 0xFF, 0x3C), (0xFF, 0xFA, 0x78)),
    ColourMap.CYAN: ((0x1E, 0xE1, 0xFF), (0xFF, 0xFF, 0xFF)),
    ColourMap.MAGENTA: ((0xFF, 0x3C, 0xE6), (0xFF, 0xFF, 0xFF)),
}


@lru_cache(maxsize=128)
def colour_table(colour_map: ColourMap, gamma: float = 1.0) -> NDArray[np.uint32]:
    """Return the (256,) uint32 0xAARRGGBB table of ``colour_map``, read-only, shared.

    With ``gamma`` a share s of full scale looks as s**(1 / gamma) does without: above one lifts
    faint signal, below one leaves the strong alone. Nothing stays nothing, full scale full scale.

    The body colour holds up to half of full scale and then runs to the pale one. Opacity AA grows
    as a power of the level, below one, so that a faint but significant node is not lost on the
    tissue beneath while tissue shows through all but the brightest; colours are not premultiplied.
    """
    body, top = (np.array(c, dtype=np.float64) for c in _RAMPS[colour_map])
    level = np.linspace(0.0, 1.0, LEVELS) ** (1.0 / gamma)
    towards_top = np.clip((level - _PALE_FROM) / (1.0 - _PALE_FROM), 0.0, 1.0)[:, None]
    rgb = np.rint(body + (top - body) * towards_top).astype(np.uint32)
    alpha = np.rint(255.0 * level**_OPACITY_EXPONENT).astype(np.uint32)
    table = np.array((alpha << 24) | (rgb[:, 0] << 16) | (rgb[:, 1] << 8) | rgb[:, 2], np.uint32)
    table.setflags(write=False)
    return table


def full_scale(guidance: Guidance, settings: Settings) -> float:
    """Return the signal drawn in the brightest colour [counts/(ms*gain)].

    The operator's own scale where one is locked, else the one the guidance follows.
    """
    if settings.display_full_scale is not None:
        return settings.display_full_scale
    return guidance.display_full_scale
