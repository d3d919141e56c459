"""Frames for a calibration, taken from a camera; those that are not like the rest left out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hardware.camera import (
    Camera,
    CameraError,
    CameraSettings,
    CameraTimeoutError,
    IncompleteFrameError,
)
from hardware.frame import Frame, PixelFormat
from sln_guide.calibration.errors import CalibrationError, CaptureError
from sln_guide.core.reduce import unpack_12p_into

Progress = Callable[[int, int], None]
"""Called with what is done and what there is to do, from the thread that works."""

SETTLING_FRAMES = 2
"""Frames exposed before, or while, a new setting took effect."""
TIMEOUT_S = 5.0
PATIENCE_FRAMES = 20
"""So many damaged or missing frames in one capture, and the camera is not well."""
OUTLIER_SIGMAS = 8.0


class Interrupted(CalibrationError):
    """The operator stopped it."""


def no_progress(done: int, total: int) -> None:
    """Report to nobody."""


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """Frames of one setting. ``pixels`` (N, H, W) unpacked raw counts, owned; N of ``taken``.

    ``rejected`` says why frames were left out, one line each. ``temperature_c`` is the camera's
    own, after the last frame; None where it tells none.
    """

    pixels: NDArray[np.uint8] | NDArray[np.uint16]
    settings: CameraSettings
    bit_depth: int
    exposure_us: float
    gain_db: float
    taken: int
    rejected: tuple[str, ...] = ()
    temperature_c: float | None = None

    def known_temperature_c(self, by_hand_c: float | None) -> float | None:
        """Return the camera's own temperature; what was told by hand where it tells none."""
        return by_hand_c if self.temperature_c is None else self.temperature_c

    @property
    def saturation_counts(self) -> int:
        """Raw counts from which on a pixel is saturated."""
        return int(2**self.bit_depth - 1)


@contextmanager
def grabbing(camera: Camera, settings: CameraSettings) -> Iterator[CameraSettings]:
    """Open ``camera``, set it, grab while the block runs; close it whatever happens.

    Raises
    ------
    CameraError
        As `Camera` does.
    """
    with camera:
        applied = camera.apply(settings)
        camera.start()
        try:
            yield applied
        finally:
            camera.stop()


def next_frame(camera: Camera, stop: threading.Event | None = None) -> Frame:
    """Return the next whole frame that no change of settings touched.

    Raises
    ------
    CaptureError
        Frames keep arriving damaged or not at all.
    Interrupted
        ``stop`` was set.
    """
    for _ in range(PATIENCE_FRAMES):
        if stop is not None and stop.is_set():
            raise Interrupted("stopped: nothing was changed")
        try:
            frame = camera.read(TIMEOUT_S)
        except (IncompleteFrameError, CameraTimeoutError) as error:
            trouble: CameraError = error
            continue
        if not frame.settings_in_flight:
            return frame
        trouble = CameraError(f"camera {camera.camera_id}: settings take no effect")
    raise CaptureError(f"{trouble}; check the camera, then try again")


def take(
    camera: Camera,
    count: int,
    settings: CameraSettings,
    *,
    progress: Progress = no_progress,
    stop: threading.Event | None = None,
    reject: bool = True,
) -> Stack:
    """Take ``count`` frames; those whose mean stands apart from the others' are left out.

    Lamps flicker and strobes flash; one such frame in a dark calibration would be kept for good.
    ``camera`` must be grabbing, set to ``settings``.

    Raises
    ------
    CaptureError
        Damaged frames, frames that are not like each other, or of another size than set.
    Interrupted
        ``stop`` was set.
    """
    for _ in range(SETTLING_FRAMES):
        next_frame(camera, stop)
    stack: NDArray[np.uint8] | NDArray[np.uint16] | None = None
    first: Frame | None = None
    for k in range(count):
        frame = next_frame(camera, stop)
        pixels = unpacked(frame)
        if stack is None or first is None:
            first = frame
            stack = np.empty((count, *pixels.shape), pixels.dtype)
        elif pixels.shape != stack.shape[1:]:
            raise CaptureError(
                f"camera {camera.camera_id}: frames changed to {pixels.shape[1]}x"
                f"{pixels.shape[0]} px; take them again"
            )
        stack[k] = pixels
        progress(k + 1, count)
    if stack is None or first is None:
        raise ValueError("at least one frame is needed")
    kept, rejected = _alike(stack) if reject and count >= 4 else (stack, ())
    return Stack(
        kept,
        settings,
        first.bit_depth,
        first.exposure_us,
        first.gain_db,
        taken=count,
        rejected=rejected,
        temperature_c=camera.temperature_c(),
    )


def _alike(
    stack: NDArray[np.uint8] | NDArray[np.uint16],
) -> tuple[NDArray[np.uint8] | NDArray[np.uint16], tuple[str, ...]]:
    means = stack.reshape(len(stack), -1).mean(axis=1)
    centre = float(np.median(means))
    spread = 1.4826 * float(np.median(np.abs(means - centre)))
    # a mean of many pixels hardly moves by noise: what counts is a step that shows
    allowed = max(OUTLIER_SIGMAS * spread, 0.02, 2e-4 * centre)
    wrong = np.flatnonzero(np.abs(means - centre) > allowed)
    if len(wrong) > len(stack) // 5:
        raise CaptureError(
            f"the light is not steady: {len(wrong)} of {len(stack)} frames differ from the rest "
            f"(mean {means.min():.1f} to {means.max():.1f} counts); shield it from room light "
            "and strobes, let the lamp warm up, then try again"
        )
    told = tuple(f"frame {k}: mean {means[k]:.1f} counts, the others {centre:.1f}" for k in wrong)
    return np.delete(stack, wrong, axis=0) if len(wrong) else stack, told


def unpacked(frame: Frame) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Return the samples of ``frame``, one element a pixel; a copy only where bytes are packed."""
    if frame.pixel_format is not PixelFormat.MONO12P:
        return frame.pixels
    out = np.empty((frame.height, frame.width), np.uint16)
    unpack_12p_into(out, frame.pixels)
    return out


@dataclass(frozen=True, slots=True, eq=False)
class PixelStatistics:
    """Per pixel: ``mean`` [counts] and temporal ``variance`` [counts^2], (H, W) float32.

    ``hits``: samples left out because a particle or a spark made one frame's pixel stand alone.
    """

    mean: NDArray[np.float32]
    variance: NDArray[np.float32]
    hits: int


def pixel_statistics(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> PixelStatistics:
    """Return each pixel's mean and variance over frames (N, H, W), N >= 2, spared single hits.

    A pixel's brightest sample is left out where the others lie 8 sigma below it: cosmic rays.
    Raises ValueError for a single frame.
    """
    n = len(pixels)
    if n < 2:
        raise ValueError("statistics need two frames")
    first = pixels[0].astype(np.float64)
    total = np.zeros_like(first)
    squares = np.zeros_like(first)
    for image in pixels:
        # about the first frame, so that squares lose no digits
        apart = image - first
        total += apart
        squares += apart * apart
    variance = np.maximum(squares - total * total / n, 0.0) / (n - 1)
    hits = 0
    if n >= 6:
        peak = pixels.max(axis=0) - first
        rest_mean = (total - peak) / (n - 1)
        rest_square = np.maximum(squares - peak * peak - (n - 1) * rest_mean**2, 0.0)
        rest_variance = rest_square / (n - 2)
        typical = max(float(np.median(variance)), 1.0 / 12.0)
        hit = peak - rest_mean > OUTLIER_SIGMAS * np.sqrt(np.maximum(rest_variance, typical))
        hits = int(hit.sum())
        variance[hit] = rest_variance[hit]
        total[hit] = rest_mean[hit] * n
    mean = (first + total / n).astype(np.float32)
    return PixelStatistics(mean, variance.astype(np.float32), hits)


def drift_per_frame(means: Sequence[float]) -> float:
    """Return the slope of frame means [counts a frame]."""
    k = np.arange(len(means), dtype=np.float64)
    return float(np.polyfit(k, np.asarray(means, np.float64), 1)[0])
