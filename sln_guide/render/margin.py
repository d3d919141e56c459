"""What stands at a picture's margin: frame, words, clock, heartbeat, scale bar, legend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from PySide6.QtCore import QRectF
from PySide6.QtGui import QTransform

from sln_guide.guidance import UNCALIBRATED, Guidance, Mode, Picture, View
from sln_guide.render import geometry, marks, tokens
from sln_guide.render.layout import Box, Ring, nice_length
from sln_guide.render.look import Look, text_scale
from sln_guide.render.sprites import Sheet
from sln_guide.render.wording import RESEARCH_USE, signal_text
from sln_guide.styles import Legend

MOST_NAMED = 3
"""More nodes out of view than this are counted, not named."""
MARGIN_PX = 16.0
NO_LEGEND = "no room for the scale"
_BAR_PX = (60.0, 240.0)
"""Shortest and longest scale bar."""
_SHORT_LEGEND_BELOW_PX = 360.0
"""In lower pictures a legend takes less room: a long one would lie beside a node or hide it."""
_LEGEND_PLACES = tuple(
    (right, down) for down in (0.0, 1.0, 0.5, 0.25, 0.75) for right in (True, False)
)
"""On which side, and how far down, a legend may stand; the first is where it is looked for."""


def put_burned(
    sheet: Sheet, area: QRectF, beat: int, look: Look
) -> tuple[QRectF, tuple[QRectF, ...]]:
    """Put frame, words, clock and heartbeat of ``look``.

    Returns
    -------
    tuple
        What the frame leaves free, and where in it words and heartbeat lie.
    """
    scale = text_scale(area.height())
    words: list[tuple[str, str]] = []
    inner = area
    if look.mode is Mode.REPLAY:
        inner = marks.put_border(sheet, inner, tokens.REPLAY, scale, hatched=False)
        words.append(("REPLAY", tokens.REPLAY))
    if look.simulated or look.mode is Mode.SIMULATED:
        inner = marks.put_border(sheet, inner, tokens.SIMULATED, scale, hatched=True)
        words.append(("SIMULATED", tokens.SIMULATED))
    if look.research_note:
        words.append((RESEARCH_USE, tokens.STALE))
    if look.clock:
        words.append((look.clock, tokens.TEXT))
    covered = []
    margin = MARGIN_PX * scale
    left, top = inner.left() + margin, inner.top() + margin
    for text, ink in words:
        width, height = marks.chip_size(text, tokens.BODY_PX, scale)
        box = Box(left, top, left + width, top + height)
        marks.put_chip(sheet, box, text, ink, tokens.BODY_PX, scale)
        covered.append(QRectF(left, top, width, height))
        left += width + tokens.GAP_PX * scale
    if look.heartbeat:
        reach = marks.HEARTBEAT_RADIUS_PX * scale
        x, y = inner.right() - margin - reach, inner.bottom() - margin - reach
        marks.put_heartbeat(sheet, x, y, beat, scale)
        covered.append(QRectF(x - reach, y - reach, 2 * reach, 2 * reach))
    return inner, tuple(covered)


def put_scale_bar(
    sheet: Sheet,
    bounds: Box,
    picture: Picture,
    look: Look,
    placed: QTransform,
    scale: float,
) -> list[Box]:
    """Put a bar of a round length in the bottom left corner, if the scale is known."""
    mm_per_px = geometry.mm_per_picture_px(picture, look)
    if mm_per_px is None:
        return []
    mm_per_view_px = mm_per_px / geometry.view_scale(placed)
    length_mm = nice_length(
        mm_per_view_px,
        least_px=_BAR_PX[0] * scale,
        most_px=min(_BAR_PX[1] * scale, bounds.width / 2),
    )
    if length_mm is None:
        return []
    text, length_px = f"{length_mm:g} mm", length_mm / mm_per_view_px
    width, height = marks.scale_bar_size(text, length_px, scale)
    box = Box(bounds.left, bounds.bottom - height, bounds.left + width, bounds.bottom)
    marks.put_scale_bar(sheet, box, text, length_px, scale)
    return [box]


def put_legend(
    sheet: Sheet,
    bounds: Box,
    legend: Legend,
    scale: float,
    *,
    taken: Sequence[Box] = (),
    rings: Sequence[Ring] = (),
    stay: int = 0,
) -> tuple[Box | None, int]:
    """Put the legend in the top right corner, or elsewhere at a side where it hid a node there.

    Parameters
    ----------
    taken, rings
        What it must not lie on.
    stay
        Which place it had last: it stays until something comes beneath it.

    Returns
    -------
    tuple
        Where it lies, and which place that is. None: it would hide something wherever it lay, and
        was left out.
    """
    labels = (signal_text(legend.top), signal_text(legend.top / 2), "0")
    short = bounds.height < _SHORT_LEGEND_BELOW_PX * scale
    width, height = marks.legend_size(legend.unit, labels, scale, short=short)
    for place, box in _places(bounds, width, height, taken, scale, stay):
        if any(ring.covers(box) for ring in rings) or any(box.overlap(other) for other in taken):
            continue
        marks.put_legend(sheet, box, legend.unit, labels, legend.table, scale, short=short)
        return box, place
    return None, 0


def put_no_legend(
    sheet: Sheet, bounds: Box, scale: float, taken: Sequence[Box], rings: Sequence[Ring]
) -> list[Box]:
    """Say that the legend was left out, where that hides nothing; return what it covers."""
    width, height = marks.chip_size(NO_LEGEND, tokens.BODY_PX, scale)
    for _, box in _places(bounds, width, height, taken, scale, 0):
        if any(ring.covers(box) for ring in rings) or any(box.overlap(other) for other in taken):
            continue
        marks.put_chip(sheet, box, NO_LEGEND, tokens.SECONDARY, tokens.BODY_PX, scale)
        return [box]
    return []


def _places(
    bounds: Box, width: float, height: float, taken: Sequence[Box], scale: float, stay: int
) -> Iterator[tuple[int, Box]]:
    """Yield places within ``bounds`` and their numbers, ``stay`` first; off what is taken first."""
    for place in (stay, *range(len(_LEGEND_PLACES))):
        right, down = _LEGEND_PLACES[place]
        left = bounds.right - width if right else bounds.left
        top = bounds.top + down * (bounds.height - height)
        plain = Box(left, top, left + width, top + height)
        for box in (_off(taken, plain, scale, down), plain):
            if bounds.left <= box.left and bounds.top <= box.top and box.bottom <= bounds.bottom:
                yield place, box


def _off(taken: Sequence[Box], box: Box, scale: float, down: float) -> Box:
    """Return the box moved off what stands there, away from the edge that it is nearer to."""
    gap = tokens.GAP_PX * scale
    for other in taken:
        if box.overlap(other) > 0:
            top = other.bottom + gap if down < 0.5 else other.top - gap - box.height
            box = Box(box.left, top, box.right, top + box.height)
    return box


def shows_lossy_colour(picture: Picture) -> bool:
    """Whether the colours in ``picture`` are no longer those that the camera sent."""
    return picture.view is not View.NIR and picture.white is not None and picture.white.lossy


def put_doubts(
    sheet: Sheet,
    bounds: Box,
    legend: Box | None,
    picture: Picture,
    guidance: Guidance | None,
    scale: float,
) -> list[Box]:
    """Say under the legend what nobody vouches for: where the overlay lies, what figures mean.

    And that colour has been through JPEG. ``guidance`` is what is shown of the picture's.
    """
    doubts = []
    if guidance is not None:
        if picture.view is View.MERGED and guidance.registration.kind in ("assumed", "nudged"):
            doubts.append(f"REGISTRATION {guidance.registration.kind.upper()}")
        if UNCALIBRATED in guidance.flags:
            doubts.append(UNCALIBRATED.upper())
    if shows_lossy_colour(picture):
        doubts.append("COLOUR FROM JPEG")
    boxes = []
    top = bounds.top if legend is None else legend.bottom + tokens.GAP_PX * scale
    for text in doubts:
        width, height = marks.chip_size(text, tokens.BODY_PX, scale)
        box = Box(bounds.right - width, top, bounds.right, top + height)
        marks.put_chip(sheet, box, text, tokens.STALE, tokens.BODY_PX, scale)
        boxes.append(box)
        top = box.bottom + tokens.GAP_PX * scale
    return boxes


def put_unmarked(sheet: Sheet, bounds: Box, count: int, scale: float) -> Box:
    """Say how many detections have no mark."""
    text = f"and {count} more, not marked"
    width, height = marks.chip_size(text, tokens.BODY_PX, scale)
    left = bounds.left + (bounds.width - width) / 2
    box = Box(left, bounds.bottom - height, left + width, bounds.bottom)
    marks.put_chip(sheet, box, text, tokens.STALE, tokens.BODY_PX, scale)
    return box


def put_out_of_view(sheet: Sheet, bounds: Box, names: Sequence[str], scale: float) -> Box:
    """Say which nodes lie where nothing can be marked: zoomed out of view, or beneath a banner."""
    who = ", ".join(names) if len(names) <= MOST_NAMED else f"{len(names)} nodes"
    text = f"{who} out of view"
    width, height = marks.chip_size(text, tokens.BODY_PX, scale)
    left = bounds.left + (bounds.width - width) / 2
    box = Box(left, bounds.top, left + width, bounds.top + height)
    marks.put_chip(sheet, box, text, tokens.STALE, tokens.BODY_PX, scale)
    return box


def box_of(rect: QRectF) -> Box:
    """Return a rectangle as a box."""
    return Box(rect.left(), rect.top(), rect.right(), rect.bottom())
