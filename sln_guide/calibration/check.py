"""The quality check: figures of merit from frames of the reference target, held against tolerances.

Contrast to noise of a well is (mean inside - mean of its surroundings) / standard deviation of the
surroundings; the limit is where it is 3, after the practice of AAPM TG-311 for fluorescence
guidance. Resolution is the Michelson contrast of bars. Depth fits ln CNR against millimetres.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hardware.frame import Frame
from hardware.opencv import cv2
from hardware.rig import Registration, Rig, Tolerances
from sln_guide.calibration.errors import CaptureError
from sln_guide.calibration.frames import unpacked
from sln_guide.calibration.history import Figure
from sln_guide.calibration.target import LinePairs, Target, Well, find_target

LIMIT_CNR = 3.0
RESOLVED_CONTRAST = 0.2


@dataclass(frozen=True, slots=True)
class StreamFigures:
    """What grabbing told: frames lost, of how many, and the age when handed over of all but 1 %."""

    frames: int
    lost: int
    age_p99_ms: float


def stream_figures(frames: Sequence[Frame]) -> StreamFigures:
    """Return losses and ages of frames of one camera in order, as they were handed over."""
    lost = 0
    for before, after in itertools.pairwise(frames):
        if after.stream_epoch == before.stream_epoch:
            lost += max(0, after.sequence - before.sequence - 1)
    ages = [(f.host_time_ns - f.mid_exposure_ns) / 1e6 for f in frames]
    return StreamFigures(len(frames), lost, float(np.percentile(ages, 99)))


def measure(
    rig: Rig,
    target: Target,
    nir: Sequence[Frame],
    white: Frame | None,
    *,
    dark: NDArray[np.float32] | None,
    flat: NDArray[np.float32] | None,
    streams: Sequence[StreamFigures] = (),
) -> tuple[Figure, ...]:
    """Return the figures of one check.

    Parameters
    ----------
    nir
        Frames of the still target, one setting; their mean is measured, their spread is the noise.
    white
        One frame of the same moment, for the registration; None: the rig has no white camera.
    dark, flat
        As `apply_calibrations` returns them.

    Raises
    ------
    CaptureError
        The target is not all in view, or saturated.
    """
    if len(nir) < 4:
        raise CaptureError("the check needs at least 4 frames of the target")
    limits = rig.check
    raw = np.stack([unpacked(f) for f in nir]).astype(np.float32)
    full = float((raw[0] >= 2 ** nir[0].bit_depth - 1).mean())
    if full > 0.02:
        raise CaptureError(
            f"{full:.0%} of the target is saturated: use the rig's exposure under its own light"
        )
    offset = np.float32(rig.sensor.dark_counts) if dark is None else np.nan_to_num(dark, nan=0.0)
    light = raw.mean(axis=0) - offset
    single = raw[0] - offset
    if flat is not None:
        gain = np.nan_to_num(1.0 / flat, nan=1.0)
        light, single = light * gain, single * gain
    bad = np.zeros(light.shape, bool)
    for given in (dark, flat):
        if given is not None:
            bad |= ~np.isfinite(given)
    light, single = (_mended(a, bad) for a in (light, single))
    try:
        marks = find_target(nir[0], target)
    except CaptureError as error:
        raise CaptureError(f"NIR camera: {error}") from None
    onto, _ = cv2.findHomography(target.marks().reshape(-1, 2), marks.reshape(-1, 2), 0)
    scale = _px_per_mm(target, onto)
    figures = [
        *_sensitivity(target, light, single, onto, scale, limits),
        *_depth(target, single, onto, scale, limits),
        _resolution(target, light, onto, scale, limits),
        _uniformity(target, light, onto, limits),
        _distortion(target, marks, onto, nir[0], limits),
        _scale(rig, scale, limits),
    ]
    if white is not None:
        figures.append(_registration(rig.registration, marks, white, target, limits))
    for role, stream in zip(("NIR", "white"), streams, strict=False):
        figures.append(_bounded(f"{role} frames lost", stream.lost, "", 0.0))
        figures.append(
            _bounded(f"{role} frame age p99", stream.age_p99_ms, "ms", limits.frame_age_ms)
        )
    return tuple(figures)


def _bounded(
    name: str,
    value: float | None,
    unit: str,
    limit: float,
    *,
    at_most: bool = True,
    note: str = "",
) -> Figure:
    good = None if value is None else bool(value <= limit if at_most else value >= limit)
    return Figure(
        name=name, value=value, unit=unit, limit=limit, at_most=at_most, good=good, note=note
    )


def _mended(image: NDArray[np.float32], bad: NDArray[np.bool_]) -> NDArray[np.float32]:
    if not bad.any():
        return np.ascontiguousarray(image, np.float32)
    smooth = cv2.medianBlur(np.ascontiguousarray(image, np.float32), 5)
    return np.where(bad, smooth, image).astype(np.float32)


def _px_per_mm(target: Target, onto: NDArray[np.float64]) -> float:
    middle = np.array([[[0.5 * target.width_mm, 0.5 * target.height_mm]]])
    across = middle + np.array([1.0, 0.0])
    a, b = (cv2.perspectiveTransform(p, onto)[0, 0] for p in (middle, across))
    return float(np.hypot(*(b - a)))


def well_cnr(
    image: NDArray[np.float32], well: Well, onto: NDArray[np.float64], px_per_mm: float
) -> tuple[float, float]:
    """Return (signal, CNR) of a well: added counts, and those / the annulus' standard deviation.

    Raises CaptureError for a well that the field does not hold.
    """
    x, y = cv2.perspectiveTransform(np.array([[[well.x_mm, well.y_mm]]]), onto)[0, 0]
    radius = 0.5 * well.diameter_mm * px_per_mm
    reach = int(np.ceil(1.45 * radius)) + 1
    x0, y0 = round(float(x)), round(float(y))
    if not (reach <= x0 < image.shape[1] - reach and reach <= y0 < image.shape[0] - reach):
        raise CaptureError("part of the target lies outside the field: move it inwards")
    part = image[y0 - reach : y0 + reach + 1, x0 - reach : x0 + reach + 1]
    ys, xs = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    away = np.hypot(xs - (x - x0), ys - (y - y0)) / radius
    inside = part[away < 0.75]
    around = part[(away > 1.2) & (away < 1.45)]
    added = float(inside.mean() - around.mean())
    return added, added / max(float(around.std()), 1e-6)


def _sensitivity(
    target: Target,
    light: NDArray[np.float32],
    single: NDArray[np.float32],
    onto: NDArray[np.float64],
    scale: float,
    limits: Tolerances,
) -> list[Figure]:
    wells = sorted(
        (w for w in target.wells if w.depth_mm == 0 and w.concentration_nm > 0),
        key=lambda w: w.concentration_nm,
    )
    amounts = np.array([w.concentration_nm for w in wells])
    signals = np.array([well_cnr(light, w, onto, scale)[0] for w in wells])
    ratios = np.array([well_cnr(single, w, onto, scale)[1] for w in wells])
    limit = _crossing(np.log(amounts), ratios, LIMIT_CNR)
    seen = ratios > 2 * LIMIT_CNR
    told = (
        f"CNR {', '.join(f'{r:.1f}' for r in ratios)} at {', '.join(f'{a:g}' for a in amounts)} nM"
    )
    figures = [
        _bounded(
            "limit of detection (CNR 3)",
            None if limit is None else float(np.exp(limit)),
            "nM",
            limits.limit_nm,
            note=told,
        )
    ]
    if limit is None:
        figures[0] = _bounded(
            "limit of detection (CNR 3)", None, "nM", limits.limit_nm, note=f"not crossed: {told}"
        )
    bent: float | None = None
    if seen.sum() >= 3:
        # a straight line in logarithms has slope 1 where signal is in proportion
        slope, _ = np.polyfit(np.log(amounts[seen]), np.log(signals[seen]), 1)
        bent = abs(float(slope) - 1.0)
    figures.append(_bounded("departure from proportion", bent, "", limits.linearity))
    return figures


def _depth(
    target: Target,
    single: NDArray[np.float32],
    onto: NDArray[np.float64],
    scale: float,
    limits: Tolerances,
) -> list[Figure]:
    wells = sorted((w for w in target.wells if w.depth_mm > 0), key=lambda w: w.depth_mm)
    if len(wells) < 2:
        return []
    depths = np.array([w.depth_mm for w in wells])
    ratios = np.array([well_cnr(single, w, onto, scale)[1] for w in wells])
    seen = ratios > 1.0
    if seen.sum() < 2:
        return [_bounded("depth limit (CNR 3)", 0.0, "mm", limits.depth_mm, at_most=False)]
    slope, start = np.polyfit(depths[seen], np.log(ratios[seen]), 1)
    reach = float((np.log(LIMIT_CNR) - start) / slope) if slope < 0 else float(depths[-1])
    far = reach > depths[-1]
    note = "beyond the deepest well" if far else f"CNR falls by e^({slope:.2f} mm)"
    return [
        _bounded(
            "depth limit (CNR 3)", max(reach, 0.0), "mm", limits.depth_mm, at_most=False, note=note
        )
    ]


def _crossing(x: NDArray[np.float64], values: NDArray[np.float64], level: float) -> float | None:
    """Return where rising ``values`` cross ``level``; None if they do not."""
    above = np.flatnonzero(values >= level)
    if not len(above):
        return None
    k = int(above[0])
    if k == 0:
        return float(x[0])
    share = (level - values[k - 1]) / (values[k] - values[k - 1])
    return float(x[k - 1] + share * (x[k] - x[k - 1]))


def bar_contrast(
    image: NDArray[np.float32], group: LinePairs, onto: NDArray[np.float64], px_per_mm: float
) -> float:
    """Return the Michelson contrast of a group's bars, from their first harmonic."""
    step = 0.25 / px_per_mm
    edge = 0.12 * group.side_mm
    x = np.arange(group.x_mm + edge, group.x_mm + group.side_mm - edge, step)
    y = np.arange(group.y_mm + edge, group.y_mm + group.side_mm - edge, 1.0 / px_per_mm)
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 1, 2)
    places = cv2.perspectiveTransform(grid, onto).astype(np.float32)
    samples = cv2.remap(image, places.reshape(len(y), len(x), 2), None, cv2.INTER_LINEAR)
    profile = samples.mean(axis=0)
    # whole periods only, so that the mean and the harmonic do not mix
    count = int((x[-1] - x[0]) * group.per_mm) or 1
    kept = x - x[0] <= count / group.per_mm
    angle = 2.0 * np.pi * group.per_mm * x[kept]
    terms = np.column_stack([np.ones(kept.sum()), np.sin(angle), np.cos(angle)])
    mean, a, b = np.linalg.lstsq(terms, profile[kept], rcond=None)[0]
    # a square wave's first harmonic is 4 / pi of its height
    return float(np.clip(np.hypot(a, b) * np.pi / 4.0 / max(mean, 1e-6), 0.0, 1.5))


def _resolution(
    target: Target,
    light: NDArray[np.float32],
    onto: NDArray[np.float64],
    scale: float,
    limits: Tolerances,
) -> Figure:
    groups = sorted(target.lines, key=lambda g: g.per_mm)
    contrasts = np.array([bar_contrast(light, g, onto, scale) for g in groups])
    rates = np.array([g.per_mm for g in groups])
    lost = np.flatnonzero(contrasts < RESOLVED_CONTRAST)
    if not len(lost):
        reach = float(rates[-1])
    elif lost[0] == 0:
        reach = 0.0
    else:
        k = int(lost[0])
        share = (contrasts[k - 1] - RESOLVED_CONTRAST) / (contrasts[k - 1] - contrasts[k])
        reach = float(rates[k - 1] + share * (rates[k] - rates[k - 1]))
    told = ", ".join(f"{c:.2f} at {r:g}" for c, r in zip(contrasts, rates, strict=True))
    return _bounded(
        "resolution (contrast 0.2)",
        reach,
        "lp/mm",
        limits.resolution_lp_mm,
        at_most=False,
        note=f"contrast {told} lp/mm",
    )


def _uniformity(
    target: Target, light: NDArray[np.float32], onto: NDArray[np.float64], limits: Tolerances
) -> Figure:
    """Darkest over brightest place of the bare sheet, between its features."""
    places = []
    for y in (17.5, 32.5, 48.5, 67.0):
        for x in np.linspace(20, target.width_mm - 20, 8):
            clear = all(
                np.hypot(x - w.x_mm, y - w.y_mm) > 0.5 * w.diameter_mm + 2.5 for w in target.wells
            ) and all(
                not (
                    g.x_mm - 2.5 < x < g.x_mm + g.side_mm + 2.5
                    and g.y_mm - 2.5 < y < g.y_mm + g.side_mm + 2.5
                )
                for g in target.lines
            )
            if clear:
                places.append((x, y))
    px = cv2.perspectiveTransform(np.array(places).reshape(-1, 1, 2), onto)[:, 0]
    levels = []
    for x, y in px:
        x0, y0 = round(float(x)), round(float(y))
        part = light[max(y0 - 4, 0) : y0 + 5, max(x0 - 4, 0) : x0 + 5]
        if part.size:
            levels.append(float(np.median(part)))
    even = min(levels) / max(levels) if levels and max(levels) > 0 else None
    return _bounded("uniformity", even, "", limits.uniformity, at_most=False)


def _distortion(
    target: Target,
    marks: NDArray[np.float64],
    onto: NDArray[np.float64],
    frame: Frame,
    limits: Tolerances,
) -> Figure:
    straight = cv2.perspectiveTransform(target.marks().reshape(-1, 1, 2), onto)[:, 0]
    bend = np.hypot(*(straight - marks.reshape(-1, 2)).T)
    share = 100.0 * float(bend.max()) / float(np.hypot(frame.width, frame.height))
    return _bounded("distortion of the marks", share, "% of diagonal", limits.distortion_percent)


def _scale(rig: Rig, px_per_mm: float, limits: Tolerances) -> Figure:
    if rig.optics.mm_per_px is None:
        return Figure(
            name="scale error", value=None, unit="%", note=f"{1 / px_per_mm:.4f} mm/px measured"
        )
    apart = 100.0 * abs(1.0 / px_per_mm / rig.optics.mm_per_px - 1.0)
    return _bounded(
        "scale error", apart, "%", limits.scale_percent, note=f"{1 / px_per_mm:.4f} mm/px measured"
    )


def _registration(
    registration: Registration,
    marks: NDArray[np.float64],
    white: Frame,
    target: Target,
    limits: Tolerances,
) -> Figure:
    name = "registration error"
    if registration.kind == "none":
        return _bounded(
            name, None, "mm", limits.registration_mm, note="the rig has no registration"
        )
    try:
        seen = find_target(white, target).reshape(-1, 2)
    except CaptureError as error:
        raise CaptureError(f"white camera: {error}") from None
    expected = cv2.perspectiveTransform(marks.reshape(-1, 1, 2), registration.matrix())[:, 0]
    onto, _ = cv2.findHomography(target.marks().reshape(-1, 2), seen, 0)
    px = float(np.median(np.hypot(*(expected - seen).T)))
    mm = px / _px_per_mm(target, onto)
    return _bounded(name, mm, "mm", limits.registration_mm, note=f"median {px:.2f} white px")
