"""How a detection is put into words: the same in the picture, the lists and the report."""

from __future__ import annotations

import math

from sln_guide.guidance import UNCALIBRATED, Detection, Interval, Kind, Settings

RESEARCH_USE = "RESEARCH USE ONLY"
NO_BRIGHTER = "no brighter than around it"
"""Of light that stands out only from what a baseline foretold: it is new there, and no more."""

_NAMES = {
    Kind.NODE: "node",
    Kind.CHANNEL: "channel",
    Kind.INJECTION: "injection",
    Kind.GLINT: "glint",
    Kind.UNCERTAIN: "?",
}


def node_name(detection: Detection) -> str:
    """Return "SLN-3" for a confirmed node, "?" for what is uncertain, else the kind.

    A node gets its number once it is confirmed: until then it may be a passing glint.
    """
    if detection.kind is Kind.NODE and detection.confirmed and detection.node_number > 0:
        return f"SLN-{detection.node_number}"
    return _NAMES[detection.kind]


def sbr_text(detection: Detection) -> str:
    """Return "SBR 2.17 ± 0.05", "SBR ≥ 2.17" where it is clipped, "" where not measured.

    "SBR ≈ 2.17" on a rig that nothing vouches for: no interval covers an offset that is wrong.
    """
    return _figure("SBR", detection.sbr, detection.sbr_interval, detection, digits=2)


def cnr_text(detection: Detection) -> str:
    """Return "CNR 7.3", "CNR ≥ 7.3" where it is clipped, "" where not measured."""
    return _figure("CNR", detection.cnr, None, detection, digits=1)


def width_text(detection: Detection) -> str:
    """Return "spot 10.1 mm", in px where the scale is unknown, "" where not measured.

    It is the spot's width: light scatters, so it is not the node's.
    """
    if detection.coasted:
        return ""
    if detection.spot_width_mm is not None:
        return f"spot {detection.spot_width_mm:.1f} mm"
    return f"spot {detection.spot_width_px:.0f} px"


def tag_lines(detection: Detection, settings: Settings) -> tuple[str, str]:
    """Return the two lines of a tag; the second may be empty.

    What is not seen now carries no figures, and neither does a node before it is confirmed or
    what was masked.
    """
    name = node_name(detection)
    if detection.coasted:
        return f"{name} last seen", ""
    if detection.kind is Kind.INJECTION:
        return name, "" if settings.show_injection else "colour masked"
    if detection.kind is Kind.NODE and not detection.confirmed:
        return name, "not confirmed"
    first = "   ".join(part for part in (name, sbr_text(detection)) if part)
    flags = [flag for flag in doubts(detection) if flag != "saturated"]
    if detection.kind is Kind.UNCERTAIN:
        return first, " · ".join(["uncertain", *flags[:1]])
    figures = "   ".join(part for part in (cnr_text(detection), width_text(detection)) if part)
    return first, " · ".join([figures, *flags[:1]] if figures else flags[:1])


def doubts(detection: Detection) -> list[str]:
    """Return what is doubtful about a detection, the most pressing first; units are told apart."""
    found = [flag for flag in detection.flags if flag != UNCALIBRATED]
    if detection.sbr is not None and detection.sbr <= 1.0:
        found.insert(0, NO_BRIGHTER)
    return found


def signal_text(signal: float) -> str:
    """Return a signal [counts/(ms*gain)] with three significant digits and no exponent."""
    if abs(signal) >= 100:
        return f"{signal:.0f}"
    return f"{signal:.3g}"


def _figure(
    name: str,
    value: float | None,
    interval: Interval | None,
    detection: Detection,
    *,
    digits: int,
) -> str:
    if value is None:
        return ""
    if detection.saturated_fraction > 0:
        return f"{name} ≥ {value:.{digits}f}"
    if UNCALIBRATED in detection.flags:
        return f"{name} ≈ {value:.{digits}f}"
    if interval is None:
        return f"{name} {value:.{digits}f}"
    # a lopsided interval is stated by its longer side, and rounded up: "± 0.00" would claim more
    # than any camera can
    margin = max(interval.high - value, value - interval.low, 0.0)
    step = 10.0**-digits
    margin = max(step, math.ceil(margin / step - 0.05) * step)
    return f"{name} {value:.{digits}f} ± {margin:.{digits}f}"
