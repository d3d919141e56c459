"""Which lit blocks belong to what the operator chose to hide."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sln_guide.core.draw_tiles import spread_labels
from sln_guide.core.opencv import cv2
from sln_guide.guidance import Detection, Guidance, Kind, Settings

_SHOWN, _HIDDEN = 1, 2


def is_shown(kind: Kind, settings: Settings) -> bool:
    """Whether the operator wants the colour of ``kind``; a glint's never is."""
    return {
        Kind.NODE: True,
        Kind.CHANNEL: settings.show_channel,
        Kind.INJECTION: settings.show_injection,
        Kind.GLINT: False,
        Kind.UNCERTAIN: settings.show_uncertain,
    }[kind]


def draw_mask(guidance: Guidance, settings: Settings) -> NDArray[np.uint8] | None:
    """Return which blocks' colour may be drawn: (rows, cols) uint8, 0 = hidden; None: all.

    A lit block belongs to the detection it is nearest to, through lit blocks: hiding an injection
    site hides its halo, but not a node whose own light touches it. Light that belongs to no
    detection is drawn.
    """
    seen = [d for d in guidance.detections if not d.coasted]
    hidden = [d for d in seen if not is_shown(d.kind, settings)]
    if not hidden:
        return None
    labels = np.zeros(guidance.significance.shape, dtype=np.uint8)
    for detection in hidden:
        _seed(labels, detection, guidance.grid_px, _HIDDEN)
    for detection in seen:
        if is_shown(detection.kind, settings):
            _seed(labels, detection, guidance.grid_px, _SHOWN)
    lit = guidance.significance > settings.threshold_sigma
    spread_labels(labels, lit, np.empty(labels.size, dtype=np.int32))
    mask: NDArray[np.uint8] = (labels != _HIDDEN).astype(np.uint8)
    return mask


def _seed(labels: NDArray[np.uint8], detection: Detection, grid_px: int, label: int) -> None:
    """Mark the blocks within the half-maximum contour (a disc where it was not traced)."""
    rows, cols = labels.shape
    centre = (np.array([detection.x_px, detection.y_px]) + 0.5) / grid_px - 0.5
    c, r = (int(i) for i in np.rint(centre))
    if detection.contour_px is not None and len(detection.contour_px) > 2:
        contour = np.rint((detection.contour_px + 0.5) / grid_px - 0.5).astype(np.int32)
        cv2.fillPoly(labels, [contour], label)
    else:
        radius = round(detection.spot_width_px / 2 / grid_px)
        cv2.circle(labels, (c, r), radius, label, thickness=cv2.FILLED)
    if 0 <= r < rows and 0 <= c < cols:
        labels[r, c] = label
