r"""Tables as CSV: one row a detection, one row a frame. What is unknown is an empty cell.

UTF-8, comma, ``\n``, a header row; ``true`` and ``false``; several flags in one cell stand apart
by ``; ``. Coordinates are (x, y) px, x to the right, y down, the centre of the top-left pixel 0, 0.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

from hardware.frame import Frame
from sln_guide.guidance import UNCALIBRATED, CannotJudge, Detection, Guidance

DETECTION_COLUMNS = (
    "frame",
    "time_s",
    "track_id",
    "kind",
    "confirmed",
    "coasted",
    "x_px",
    "y_px",
    "x_white_px",
    "y_white_px",
    "area_px",
    "area_mm2",
    "spot_width_mm",
    "signal",
    "sbr",
    "sbr_low",
    "sbr_high",
    "cnr",
    "cnr_low",
    "cnr_high",
    "significance",
    "saturated_fraction",
    "flags",
    "node_number",
)

FRAME_COLUMNS = (
    "frame",
    "time_s",
    "stream_epoch",
    "sequence",
    "processed",
    "reason",
    "white_frame",
    "skew_ms",
    "exposure_us",
    "gain_db",
    "light_on",
    "detections",
    "confirmed",
    "limit_sbr",
    "false_calls_per_field",
    "threshold_sigma",
    "baseline_used",
    "cannot_judge_fraction",
    "colour_predicted",
    "flags",
)

Cell = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class FrameRow:
    """One row of ``frames.csv``.

    Attributes
    ----------
    frame
        Zero-based NIR index in the source; None for a frame that is not in it.
    time_s
        Mid-exposure since the source's first NIR frame; None where it is not known.
    stream_epoch, sequence
        Attachment and device counter.
    reason
        Why it was not processed; empty if it was.
    nir, white_frame, guidance
        What was processed, the index of its white frame, and what came of it.
    """

    frame: int | None
    time_s: float | None
    stream_epoch: int
    sequence: int
    reason: str = ""
    nir: Frame | None = None
    white_frame: int | None = None
    guidance: Guidance | None = None


class Table:
    """Writes rows under a header. The file belongs to the caller."""

    def __init__(self, file: TextIO, columns: Sequence[str]) -> None:
        self._writer = csv.writer(file, lineterminator="\n")
        self._width = len(columns)
        self._writer.writerow(columns)
        self.rows = 0

    def write(self, row: Sequence[Cell]) -> None:
        """Append one row. Raises ValueError if it is not as wide as the header."""
        if len(row) != self._width:
            raise ValueError(f"{len(row)} cells for {self._width} columns")
        self._writer.writerow([_text(cell) for cell in row])
        self.rows += 1


def measured(guidance: Guidance) -> tuple[Detection, ...]:
    """Return what was measured in this frame: a coasting detection was not."""
    return tuple(d for d in guidance.detections if not d.coasted)


def detection_row(frame: int, time_s: float, detection: Detection) -> tuple[Cell, ...]:
    """Return a detection as cells in the order of `DETECTION_COLUMNS`.

    ``node_number`` is the n of SLN-n, as the screen says it. ``signal`` is empty where it has no
    unit (`UNCALIBRATED` among the flags).
    """
    d = detection
    sbr, cnr = d.sbr_interval, d.cnr_interval
    signal = None if UNCALIBRATED in d.flags else d.signal
    return (
        frame,
        round(time_s, 6),
        d.track_id,
        d.kind.value,
        d.confirmed,
        d.coasted,
        d.x_px,
        d.y_px,
        d.x_white_px,
        d.y_white_px,
        d.area_px,
        d.area_mm2,
        d.spot_width_mm,
        signal,
        d.sbr,
        None if sbr is None else sbr.low,
        None if sbr is None else sbr.high,
        d.cnr,
        None if cnr is None else cnr.low,
        None if cnr is None else cnr.high,
        d.significance,
        d.saturated_fraction,
        "; ".join(d.flags),
        d.node_number or None,
    )


def frame_row(row: FrameRow) -> tuple[Cell, ...]:
    """Return a frame as cells in the order of `FRAME_COLUMNS`."""
    nir, guidance = row.nir, row.guidance
    about_frame: tuple[Cell, ...] = (None,) * 3
    if nir is not None:
        about_frame = (nir.exposure_us, nir.gain_db, nir.light_on)
    result: tuple[Cell, ...] = (None,) * 9
    skew_ms = None
    if guidance is not None:
        found = measured(guidance)
        if row.white_frame is not None:
            skew_ms = guidance.pair.skew_ns / 1e6
        result = (
            len(found),
            sum(d.confirmed for d in found),
            guidance.limit_sbr,
            guidance.false_calls_per_field,
            guidance.settings.threshold_sigma,
            guidance.baseline_used,
            cannot_judge_fraction(guidance),
            guidance.colour_predicted,
            "; ".join(guidance.flags),
        )
    return (
        row.frame,
        None if row.time_s is None else round(row.time_s, 6),
        row.stream_epoch,
        row.sequence,
        guidance is not None,
        row.reason,
        row.white_frame,
        skew_ms,
        *about_frame,
        *result,
    )


def cannot_judge_fraction(guidance: Guidance) -> float:
    """Return the share of the field in which neither bright nor dark can be told."""
    judged = guidance.cannot_judge == CannotJudge.NONE
    return float(1.0 - judged.mean()) if judged.size else 0.0


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return f"{float(cell):.9g}"
    return str(cell)
