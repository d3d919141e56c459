"""What lies under the pointer, in the units of the measures. Pure."""

from __future__ import annotations

import math

from sln_guide.guidance import UNCALIBRATED, CannotJudge, Guidance, Picture, View
from sln_guide.render.geometry import nir_from_white
from sln_guide.render.wording import signal_text
from sln_guide.styles import SIGNAL_UNIT

REASONS = {
    CannotJudge.SATURATED: "saturated",
    CannotJudge.TOO_DARK: "too dark",
    CannotJudge.INSTRUMENT: "instrument",
    CannotJudge.GLINT: "glint",
    CannotJudge.OUTSIDE_REGISTERED_FIELD: "outside the registered field",
    CannotJudge.BAD_DATA: "bad data",
    CannotJudge.NEAR_INJECTION: "near the injection",
}


def readout(picture: Picture, x_px: float, y_px: float, mm_per_px: float | None) -> str:
    """Return signal, SBR and significance at picture px (x, y), or why it cannot be judged.

    Values are those of the grid block there. ``mm_per_px`` is the NIR image's scale: with it the
    place is told too, from the NIR image's top-left corner, and the SBR at which half
    of usual nodes are called. One or two lines; empty without guidance or outside.
    """
    guidance = picture.guidance
    if guidance is None:
        return ""
    place = _nir_px(picture, guidance, x_px, y_px)
    if place is None:
        return ""
    x, y = place
    nir = guidance.pair.nir
    if not (-0.5 <= x < nir.width - 0.5 and -0.5 <= y < nir.height - 0.5):
        return ""
    row = int((y + 0.5) // guidance.grid_px)
    col = int((x + 0.5) // guidance.grid_px)
    parts = [_words(guidance, row, col)]
    below = [_limit(guidance, row, col)]
    if mm_per_px is not None:
        below.append(f"at {(x + 0.5) * mm_per_px:.1f}, {(y + 0.5) * mm_per_px:.1f} mm")
    parts.append(" · ".join(filter(None, below)))
    return "\n".join(filter(None, parts))


def _nir_px(
    picture: Picture, guidance: Guidance, x_px: float, y_px: float
) -> tuple[float, float] | None:
    if picture.view is View.NIR:
        return x_px, y_px
    if guidance.registration.kind == "none":
        return None
    x, y, w = nir_from_white(guidance.registration) @ (x_px, y_px, 1.0)
    return (float(x / w), float(y / w)) if w != 0.0 and math.isfinite(w) else None


def _words(guidance: Guidance, row: int, col: int) -> str:
    flags = int(guidance.cannot_judge[row, col])
    reasons = [words for flag, words in REASONS.items() if flags & flag]
    if reasons:
        return "cannot judge: " + ", ".join(reasons)
    signal = float(guidance.signal[row, col])
    background = float(guidance.background[row, col])
    if not (math.isfinite(signal) and math.isfinite(background)):
        return "cannot judge: bad data"
    told = signal_text(signal)
    parts = [f"signal {told} {SIGNAL_UNIT}"]
    if UNCALIBRATED in guidance.flags:
        parts = [f"signal {told}, {UNCALIBRATED}"]
    if background > 0:
        parts.append(f"SBR {1.0 + signal / background:.2f}")
    significance = float(guidance.significance[row, col])
    if math.isfinite(significance):
        parts.append(f"{significance:.1f} σ")
    return " · ".join(parts)


def _limit(guidance: Guidance, row: int, col: int) -> str:
    """Say how faint a node may be there; nothing where none is called."""
    limit = guidance.limit_sbr_at(row, col)
    judged = guidance.cannot_judge[row, col] == CannotJudge.NONE
    return "" if limit is None or not judged else f"half of nodes called here at SBR {limit:.2f}"
