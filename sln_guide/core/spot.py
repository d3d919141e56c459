"""What the core finds in one frame, before time is considered."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sln_guide.guidance import Interval, Kind

PARTLY_HIDDEN = "partly hidden"
"""Flag: not all of a spot's surroundings were in sight."""


@dataclass(frozen=True, slots=True, eq=False)
class Spot:
    """A bright thing in one frame. Fields as in `sln_guide.guidance.Detection`; NIR px, (x, y)."""

    kind: Kind
    x_px: float
    y_px: float
    area_px: float
    spot_width_px: float
    signal: float
    sbr: float
    sbr_interval: Interval
    cnr: float
    cnr_interval: Interval
    significance: float
    saturated_fraction: float
    contour_px: NDArray[np.float32] | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """What the core made of one frame. Maps as in `sln_guide.guidance.Guidance`, owned, read-only.

    ``scene_full_scale`` [counts/(ms*gain)] is a robust top of the signal in this frame, the
    injection site and glints left out: what an automatic display scale should follow.
    ``tail``: how much farther out than usual this tissue's lumps reach (`core.lumps`), which
    significance was divided by; None where nothing could be judged.
    ``baseline_fits``: whether a baseline that was given still tells of this tissue; it may be left
    unused all the same.
    ``white_small``: `core.luminance.luminance_small` of the white frame, None without one.
    """

    grid_px: int
    signal: NDArray[np.float32]
    background: NDArray[np.float32]
    significance: NDArray[np.float32]
    limit_contrast: NDArray[np.float32]
    cannot_judge: NDArray[np.uint8]
    limit_sbr: float | None
    false_calls_per_field: float
    scene_full_scale: float
    colour_predicted: bool
    spots: tuple[Spot, ...]
    white_small: NDArray[np.float32] | None = None
    baseline_fits: bool = True
    baseline_used: bool = False
    tail: float | None = None
    stage_ms: dict[str, float] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
