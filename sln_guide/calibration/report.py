"""Reports of calibrations and checks: the same pages as PDF and as HTML."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sln_guide.calibration.errors import CalibrationFileError
from sln_guide.calibration.history import CheckRecord, Figure
from sln_guide.calibration.paper import BLUE, GREEN, GREY, PALE, RED, Colour, Drawing, pdf
from sln_guide.calibration.photon_transfer import FIT_SHARE, PhotonTransfer
from sln_guide.calibration.registration import RigRegistration
from sln_guide.whole_file import replace_file

LEFT_MM = 20.0
WARNING = "Research use only. Not a medical device."


def write_report(path: Path, pages: Sequence[Drawing], title: str) -> tuple[Path, Path]:
    """Write ``path`` with the endings .pdf and .html; return both.

    Raises
    ------
    CalibrationFileError
        The place cannot be written to.
    """
    body = "".join(f"<p>{page.svg()}</p>" for page in pages)
    document = (
        f"<!DOCTYPE html><html><head><meta charset='utf-8'><title>{html.escape(title)}</title>"
        f"</head><body>{body}</body></html>"
    )
    written = (path.with_suffix(".pdf"), path.with_suffix(".html"))
    for place, data in zip(written, (pdf(pages, title), document.encode()), strict=True):
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            replace_file(place, data)
        except OSError as error:
            raise CalibrationFileError(f"{place}: cannot be written ({error.strerror})") from None
    return written


def text_page(title: str, made_at: datetime, lines: Sequence[str]) -> Drawing:
    """Return a page of lines under a title."""
    page = _begun(title, made_at)
    _lines(page, 38.0, lines)
    return page


def photon_transfer_page(found: PhotonTransfer) -> Drawing:
    """Return curves and figures of a photon transfer."""
    page = _begun(f"Photon transfer of camera {found.binding.camera_id}", found.made_at)
    steps = found.steps
    signal = np.array([s.signal for s in steps])
    noise = np.array([s.variance - s.dark_variance for s in steps])
    times = np.array([s.exposure_us * 1e-3 for s in steps])
    full = found.saturation_electrons * found.electron_counts
    fit = np.array([0.0, FIT_SHARE * full])
    plot(
        page,
        (LEFT_MM + 12, 40, 150, 62),
        "signal [counts]",
        "variance [counts^2]",
        [(signal, noise, BLUE, False), (fit, fit * found.electron_counts, RED, True)],
    )
    inside = (signal > 0.05 * full) & (signal < 0.95 * full)
    slope, start = np.polyfit(times[inside], signal[inside], 1, w=1.0 / signal[inside])
    deviation = 100 * (signal[inside] / (slope * times[inside] + start) - 1)
    plot(
        page,
        (LEFT_MM + 12, 120, 150, 40),
        "exposure [ms]",
        "deviation from line [%]",
        [(times[inside], deviation, BLUE, False)],
    )
    _lines(page, 182.0, photon_transfer_lines(found))
    return page


def photon_transfer_lines(found: PhotonTransfer) -> list[str]:
    """Say a photon transfer's figures in lines."""
    lines = [
        f"system gain K: {found.electron_counts:.4f} ± {found.electron_counts_error:.4f} "
        f"counts/e- at {found.binding.gain_db:g} dB",
        f"read noise: {found.read_noise_electrons:.2f} e-  ({found.dark_noise_counts:.2f} counts)",
        f"saturation: {found.saturation_electrons:.0f} e-  ({found.saturation_counts:.0f} counts)",
        f"sensitivity threshold: {found.sensitivity_threshold_electrons:.2f} e-",
        f"dynamic range: {20 * np.log10(found.dynamic_range):.1f} dB",
        f"largest signal to noise: {found.snr_max:.0f}",
        f"linearity error: {100 * found.linearity_error_min:+.2g} to "
        f"{100 * found.linearity_error_max:+.2g} %",
    ]
    if found.dsnu_electrons is not None and found.prnu is not None:
        lines.append(f"DSNU {found.dsnu_electrons:.2f} e-, PRNU {100 * found.prnu:.2f} %")
    if found.dark_current_electrons_per_ms is not None:
        lines.append(f"dark current: {found.dark_current_electrons_per_ms * 1e3:.1f} e-/s")
    return lines


def registration_lines(found: RigRegistration) -> list[str]:
    """Say a registration's figures in lines."""
    fields = found.fields
    working = fields.optics.working_distance_mm
    plane = found.plane_at(working)
    return [
        f"{fields.views} views, corners predicted in white within "
        f"{fields.measured_median_px:.2f} px (median), {fields.measured_worst_px:.2f} px (worst)",
        f"plane at {working:g} mm: {plane.median_px:.2f} px = {plane.median_mm:.3f} mm (median), "
        f"{plane.worst_px:.2f} px = {plane.worst_mm:.3f} mm (worst)",
        f"valid from {fields.range_mm[0]:.0f} to {fields.range_mm[1]:.0f} mm",
        f"baseline {fields.stereo.baseline_mm:.2f} mm; parallax for {fields.optics.relief_mm:g} mm "
        f"of relief: {fields.parallax_mm:.2f} mm ({fields.parallax_px_per_mm:.2f} px a mm)",
        f"scale {plane.mm_per_px:.5f} mm/px ± {100 * fields.mm_per_px_error:.2f} %",
        *fields.notes,
    ]


def registration_page(found: RigRegistration) -> Drawing:
    """Return figures, the error map at the working distance and errors by distance."""
    page = _begun("Registration NIR to white", found.fields.made_at)
    _lines(page, 38.0, registration_lines(found))
    errors = found.error_px
    seen = errors[errors >= 0]
    top = max(float(seen.max()), 0.1) if seen.size else 1.0
    cell = 150.0 / errors.shape[1]
    scale = f"white 0, red {top:.2f}; grey: outside the white picture"
    page.text(LEFT_MM, 96, f"error over the NIR field, white px: {scale}", 3.0)
    for (row, column), value in np.ndenumerate(errors):
        share = min(float(value) / top, 1.0)
        colour: Colour = PALE if value < 0 else (1.0, 1.0 - 0.85 * share, 1.0 - 0.9 * share)
        page.rectangle(LEFT_MM + column * cell, 100 + row * cell, cell * 1.01, cell * 1.01, colour)
    planes = found.fields.planes
    distances = np.array([p.distance_mm for p in planes])
    plot(
        page,
        (LEFT_MM + 12, 235, 140, 38),
        "distance [mm]",
        "median, worst [px]",
        [
            (distances, np.array([p.median_px for p in planes]), BLUE, True),
            (distances, np.array([p.worst_px for p in planes]), RED, True),
        ],
    )
    return page


def check_pages(record: CheckRecord, history: Sequence[CheckRecord]) -> list[Drawing]:
    """Return the verdict page and the trend of every figure that was judged."""
    page = _begun(f"Quality check of rig {record.rig}", record.made_at)
    verdict, colour = ("PASSED", GREEN) if record.good else ("FAILED", RED)
    page.text(190, 20, verdict, 7.0, colour, "end")
    y = 38.0
    for figure in record.figures:
        mark, tint = {True: ("ok", GREEN), False: ("BAD", RED), None: ("?", GREY)}[figure.good]
        page.text(LEFT_MM, y, mark, 3.4, tint)
        head, _, note = figure.text().partition("; ")
        page.text(LEFT_MM + 12, y, head, 3.4)
        y += 5.0
        for part in _wrapped(note, 100):
            page.text(LEFT_MM + 12, y, part, 2.7, GREY)
            y += 4.2
        y += 1.2
    page.text(LEFT_MM, 283, "cameras: " + ", ".join(record.cameras), 2.8, GREY)
    pages = [page]
    earlier = [r for r in history if r.rig == record.rig and r.made_at < record.made_at]
    runs = [*earlier, record][-60:]
    judged = [f for f in record.figures if f.limit is not None]
    for first in range(0, len(judged), 5):
        trend = _begun(f"Trend of rig {record.rig}", record.made_at)
        for k, figure in enumerate(judged[first : first + 5]):
            _trend(trend, 40.0 + 48.0 * k, figure, runs)
        pages.append(trend)
    return pages


def _trend(page: Drawing, y: float, figure: Figure, runs: Sequence[CheckRecord]) -> None:
    days, values = [], []
    for run in runs:
        for other in run.figures:
            if other.name == figure.name and other.value is not None:
                days.append((run.made_at - runs[-1].made_at).total_seconds() / 86_400)
                values.append(other.value)
    if not values:
        return
    x = np.array(days)
    limit = np.array([figure.limit or 0.0] * 2)
    ends = np.array([min(float(x.min()), -1.0), 0.0])
    plot(
        page,
        (LEFT_MM + 12, y, 150, 32),
        "days before",
        f"{figure.name} [{figure.unit}]" if figure.unit else figure.name,
        [(x, np.array(values), BLUE, False), (ends, limit, RED, True)],
    )


Series = tuple[NDArray[np.float64], NDArray[np.float64], Colour, bool]


def plot(
    page: Drawing,
    box: tuple[float, float, float, float],
    x_label: str,
    y_label: str,
    series: Sequence[Series],
) -> None:
    """Draw series (x, y, colour, joined) into ``box`` (x, y, width, height) with axes."""
    x0, y0, width, height = box
    spans = []
    for axis in (0, 1):
        values = np.concatenate([np.asarray(s[axis], np.float64) for s in series])
        low, high = float(values.min()), float(values.max())
        margin = 0.05 * (high - low) or 0.1 * abs(high) or 1.0
        spans.append((low - margin, high + margin))

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - spans[0][0]) / (spans[0][1] - spans[0][0])
        up = (y - spans[1][0]) / (spans[1][1] - spans[1][0])
        return x0 + width * across, y0 + height * (1.0 - up)

    for x in _ticks(*spans[0]):
        px, _ = place(x, 0.0)
        page.line([(px, y0), (px, y0 + height)], PALE, 0.15)
        page.text(px, y0 + height + 3.8, f"{x:.6g}", 2.5, GREY, "middle")
    for y in _ticks(*spans[1]):
        _, py = place(0.0, y)
        page.line([(x0, py), (x0 + width, py)], PALE, 0.15)
        page.text(x0 - 1.2, py + 0.9, f"{y:.6g}", 2.5, GREY, "end")
    frame = [(x0, y0), (x0 + width, y0), (x0 + width, y0 + height), (x0, y0 + height), (x0, y0)]
    page.line(frame, GREY, 0.25)
    page.text(x0 + width, y0 + height + 8.2, x_label, 2.8, GREY, "end")
    page.text(x0, y0 - 1.8, y_label, 2.8, GREY)
    for xs, ys, colour, joined in series:
        points = [place(float(x), float(y)) for x, y in zip(xs, ys, strict=True)]
        if joined:
            page.line(points, colour, 0.35)
        else:
            for px, py in points:
                page.dot(px, py, colour)


def _ticks(low: float, high: float) -> list[float]:
    """Return three to six round numbers within a span."""
    rough = (high - low) / 5.0
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * unit for factor in (1.0, 2.0, 5.0, 10.0) if factor * unit >= rough)
    numbers = range(math.ceil(low / step), math.floor(high / step) + 1)
    return [number * step for number in numbers]


def _begun(title: str, made_at: datetime) -> Drawing:
    page = Drawing()
    page.text(LEFT_MM, 20, title, 5.5)
    page.text(LEFT_MM, 27, f"{made_at:%Y-%m-%d %H:%M} UTC - sln-guide - {WARNING}", 2.8, GREY)
    page.line([(LEFT_MM, 30), (190, 30)], GREY)
    return page


def _lines(page: Drawing, y: float, lines: Sequence[str]) -> None:
    for line in lines:
        for part in _wrapped(line, 95):
            page.text(LEFT_MM, y, part, 3.2)
            y += 5.4


def _wrapped(line: str, width: int) -> list[str]:
    out: list[str] = []
    for word in line.split():
        if out and len(out[-1]) + len(word) < width:
            out[-1] += f" {word}"
        else:
            out.append(word)
    return out
