"""Which detections are marked in a picture, where, and with what."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QLineF, QPointF
from PySide6.QtGui import QPolygonF, QTransform

from sln_guide.core.colour import colour_table
from sln_guide.core.draw_mask import is_shown
from sln_guide.guidance import Detection, Guidance, Kind, OverlayStyle, Picture, Settings, View
from sln_guide.render import geometry, marks, tokens
from sln_guide.render.layout import Box, Ring
from sln_guide.render.sprites import Sheet

RING_OVER_SPOT = 0.75
"""Ring radius per spot width: the ring stands clear of the light it marks."""
MIN_RING_PX = 16.0
_FAR_PX = 1e6
"""Beyond this no place is meant to be seen."""
EDGE_LEVEL = 128
"""Level of the colour table that contours are drawn in."""


@dataclass(frozen=True, slots=True)
class Marked:
    """A detection on its way to the screen."""

    detection: Detection
    ring: Ring
    outline: QPolygonF | None


def is_marked(detection: Detection, settings: Settings) -> bool:
    """Whether a detection gets a mark. A masked injection site keeps its outline: it is there."""
    if detection.kind is Kind.INJECTION:
        return not detection.coasted
    if detection.kind in (Kind.CHANNEL, Kind.UNCERTAIN) and detection.coasted:
        return False
    return is_shown(detection.kind, settings)


_ORDER = {Kind.NODE: 0, Kind.UNCERTAIN: 2, Kind.INJECTION: 3, Kind.CHANNEL: 4, Kind.GLINT: 5}


def importance(detection: Detection) -> tuple[int, int, float]:
    """Sort key: numbered nodes by number, then the others by significance."""
    if detection.kind is Kind.NODE and detection.confirmed:
        return 0, detection.track_id, -detection.significance
    return max(_ORDER[detection.kind], 1), 0, -detection.significance


def tag_key(detection: Detection, index: int) -> int:
    """Tell tags apart; what is not tracked goes by its place in the list."""
    return detection.track_id if detection.track_id > 0 else -1 - index


def marked_at(
    detection: Detection, picture: Picture, settings: Settings, placed: QTransform, scale: float
) -> Marked | None:
    """Find the detection's place in the view; None where the registration gives it none."""
    centre = geometry.centre_in_picture(detection, picture)
    if centre is None:
        return None
    middle = geometry.to_view(placed, *centre)
    enlarged = geometry.px_per_nir_px(detection, picture) * geometry.view_scale(placed)
    radius = max(RING_OVER_SPOT * detection.spot_width_px * enlarged, MIN_RING_PX * scale)
    ring = Ring(middle.x(), middle.y(), radius)
    if not all(abs(value) < _FAR_PX for value in (ring.x, ring.y, ring.radius)):
        return None
    outline = None
    spread = detection.kind in (Kind.CHANNEL, Kind.INJECTION)
    if detection.contour_px is not None and (spread or _edged(detection, picture, settings)):
        outline = outline_of(detection.contour_px, picture, placed)
    if outline is not None and spread:
        # the tag goes beside the outline, wherever in it the centre lies
        bounds = outline.boundingRect()
        corners = (bounds.topLeft(), bounds.topRight(), bounds.bottomLeft(), bounds.bottomRight())
        farthest = max(QLineF(middle, corner).length() for corner in corners)
        ring = Ring(ring.x, ring.y, max(farthest / math.sqrt(2.0), MIN_RING_PX * scale))
    return Marked(detection, ring, outline)


def put_regions(
    sheet: Sheet, guidance: Guidance, picture: Picture, placed: QTransform, scale: float
) -> list[Box]:
    """Put the region left out, and those whose light is plotted; return what their names take."""
    excluded = outline_of(np.array(guidance.exclusion_px, dtype=np.float32), picture, placed)
    if excluded is not None:
        marks.put_outline(sheet, excluded, scale, dashed=True, ink=tokens.STALE)
    taken = []
    for number, points in enumerate(guidance.regions_px, 1):
        outline = outline_of(np.array(points, dtype=np.float32), picture, placed)
        if outline is None:
            continue
        marks.put_outline(sheet, outline, scale, width=2.0)
        corner, name = outline.boundingRect().topLeft(), f"ROI-{number}"
        width, height = marks.chip_size(name, tokens.SMALL_PX, scale)
        box = Box(corner.x(), corner.y() - height, corner.x() + width, corner.y())
        marks.put_chip(sheet, box, name, tokens.TEXT, tokens.SMALL_PX, scale)
        taken.append(box)
    return taken


def _edged(detection: Detection, picture: Picture, settings: Settings) -> bool:
    """Whether a node's half-maximum contour is drawn: what the contour style has for a colour."""
    contour = settings.overlay_style is OverlayStyle.CONTOUR and picture.view is View.MERGED
    return contour and not detection.coasted


def outline_of(
    contour_px: NDArray[np.float32], picture: Picture, placed: QTransform
) -> QPolygonF | None:
    """Return a contour in view px; None where there is no such thing."""
    if len(contour_px) < 3 or not np.isfinite(contour_px).all():
        return None
    with np.errstate(all="ignore"):  # beyond the registration's horizon: caught below
        points = geometry.nir_to_picture(contour_px, picture)
    if not (np.abs(points) < _FAR_PX).all():
        return None
    return placed.map(QPolygonF([QPointF(x + 0.5, y + 0.5) for x, y in points.tolist()]))


def put_mark(sheet: Sheet, marked: Marked, settings: Settings, scale: float) -> None:
    """Put ring or outline, by kind and by how sure."""
    detection = marked.detection
    if marked.outline is not None:
        if detection.kind in (Kind.CHANNEL, Kind.INJECTION):
            masked = detection.kind is Kind.INJECTION and not settings.show_injection
            marks.put_outline(sheet, marked.outline, scale, dashed=masked)
            return
        ink = f"#{int(colour_table(settings.colour_map)[EDGE_LEVEL]) & 0xFFFFFF:06X}"
        marks.put_outline(sheet, marked.outline, scale, ink=ink, width=2.4)
    sure = detection.kind is Kind.NODE and detection.confirmed
    marks.put_ring(sheet, marked.ring, scale, thin=not sure, dashed=not sure or detection.coasted)
