"""Gated light: dark frames taken off lit ones, the lamp watched, and foreign light recognised.

``signal = lit - dark``: room light cancels, its shot noise stays. With ``M`` dark frames averaged
the variance is ``var_lit + var_dark / M`` (in electrons: what both frames hold, plus reading).
Tissue moves between the two, so the dark frames are moved to where the tissue was in the lit one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hardware.frame import Frame, frozen_pixels
from hardware.gating import Pattern
from hardware.opencv import cv2
from sln_guide.calibration.frames import unpacked

LARGEST_MOTION_SHARE = 0.05
"""Of the field between two dark frames; more is no motion but a mismatch, and is not followed."""
MOTION_WIDTH_PX = 256


@dataclass(frozen=True, slots=True, eq=False)
class Subtracted:
    """A lit frame without room light.

    Attributes
    ----------
    lit
        The lit frame as it came.
    counts
        (H, W) float32 above dark, owned; noise may make it negative.
    saturated
        (H, W) bool: nothing can be said there.
    dark_sequences
        Which frames were taken off.
    dark_level
        Mean counts above the offset of what was taken off.
    motion_px
        How far tissue moved (x, y) from one dark frame to the next; (0, 0) where unknown.
    variance_counts
        Mean variance [counts^2] that photon and read noise predict.
    """

    lit: Frame
    counts: NDArray[np.float32]
    saturated: NDArray[np.bool_]
    dark_sequences: tuple[int, ...]
    dark_level: float
    motion_px: tuple[float, float]
    variance_counts: float

    def as_frame(self, pedestal_counts: float) -> Frame:
        """Return it as a frame for the pipeline: offset ``pedestal_counts``, saturation kept."""
        top = 2**self.lit.bit_depth - 1
        raised = np.clip(np.rint(self.counts + pedestal_counts), 0, top - 1)
        raised[self.saturated] = top
        pixels = frozen_pixels(raised.astype(unpacked(self.lit).dtype))
        if pixels.shape != self.lit.pixels.shape:
            raise ValueError("packed frames must be unpacked before they are gated")
        lit = self.lit
        return Frame(
            pixels=pixels,
            pixel_format=lit.pixel_format,
            bit_depth=lit.bit_depth,
            sequence=lit.sequence,
            stream_epoch=lit.stream_epoch,
            device_time_ns=lit.device_time_ns,
            host_time_ns=lit.host_time_ns,
            mid_exposure_ns=lit.mid_exposure_ns,
            exposure_us=lit.exposure_us,
            gain_db=lit.gain_db,
            camera_id=lit.camera_id,
            light_on=True,
            settings_in_flight=lit.settings_in_flight,
        )


class Subtraction:
    """Takes frames in order; gives each lit one back without room light. One thread.

    Frames are told by ``light_on``, the line's own status: never by counting, which one lost
    frame turns around.

    Parameters
    ----------
    dark_counts
        Offset of the sensor, a number or (H, W).
    electron_counts, read_noise_counts
        K at 0 dB and read noise, for the predicted variance.
    centred
        Wait for the dark frame after each lit one and use both: half the dark frames' noise and
        no error from steady motion, for one frame of delay. Else the one before serves.
    """

    def __init__(
        self,
        *,
        dark_counts: float | NDArray[np.float32] = 0.0,
        electron_counts: float = 1.0,
        read_noise_counts: float = 0.0,
        centred: bool = True,
    ) -> None:
        self._offset = dark_counts
        self._unit = electron_counts
        self._read = read_noise_counts
        self._centred = centred
        self._before: Frame | None = None
        self._last_motion = (0.0, 0.0)
        self._waiting: list[Frame] = []

    def take(self, frame: Frame) -> tuple[Subtracted, ...]:
        """Take the next frame; return the lit ones that it completes, oldest first.

        Raises
        ------
        ValueError
            The frame does not say whether it was lit.
        """
        if frame.light_on is None:
            raise ValueError(
                "gated light needs the line status of each frame: set nir.light_line in the rig"
            )
        if self._before is not None and not _alike(self._before, frame):
            self.reset()
        if frame.light_on:
            if self._centred:
                self._waiting = [*self._waiting, frame][-8:]
                return ()
            if self._before is None:
                return ()
            return (self._made(frame, (self._before,), self._last_motion),)
        before, self._before = self._before, frame
        if before is None:
            self._waiting.clear()
            return ()
        self._last_motion = _motion(before, frame)
        done = tuple(self._made(lit, (before, frame), self._last_motion) for lit in self._waiting)
        self._waiting.clear()
        return done

    def reset(self) -> None:
        """Forget all frames: after a loss, a change of exposure, a re-attachment."""
        self._before = None
        self._waiting.clear()
        self._last_motion = (0.0, 0.0)

    def _made(
        self, lit: Frame, darks: tuple[Frame, ...], motion: tuple[float, float]
    ) -> Subtracted:
        top = 2**lit.bit_depth - 1
        raw = unpacked(lit)
        full = raw >= top
        total = np.zeros(raw.shape, np.float32)
        span_ns = max(darks[-1].mid_exposure_ns - darks[0].mid_exposure_ns, 1)
        weights = _weights(lit, darks)
        for dark, weight in zip(darks, weights, strict=True):
            pixels = unpacked(dark)
            full = full | (pixels >= top)
            if len(darks) == 2:
                share = (lit.mid_exposure_ns - dark.mid_exposure_ns) / span_ns
            else:  # one frame's worth of the motion seen last, over a cycle's two frames
                share = 0.5
            total += weight * _moved(pixels, motion[0] * share, motion[1] * share)
        counts = raw.astype(np.float32) - total
        level = float(np.mean(total - self._offset))
        above = max(float(np.mean(raw - np.asarray(self._offset, np.float32))), 0.0)
        unit = self._unit * lit.gain
        read = (self._read * lit.gain) ** 2
        squares = sum(w * w for w in weights)
        variance = unit * above + read + squares * (unit * max(level, 0.0) + read)
        return Subtracted(
            lit, counts, full, tuple(d.sequence for d in darks), level, motion, variance
        )


def _weights(lit: Frame, darks: tuple[Frame, ...]) -> tuple[float, ...]:
    """Weigh the dark frames so that light that changes steadily cancels at the lit one's time."""
    if len(darks) == 1:
        return (1.0,)
    span = max(darks[1].mid_exposure_ns - darks[0].mid_exposure_ns, 1)
    later = float(np.clip((lit.mid_exposure_ns - darks[0].mid_exposure_ns) / span, 0.0, 1.0))
    return (1.0 - later, later)


def _alike(a: Frame, b: Frame) -> bool:
    return (
        a.pixels.shape == b.pixels.shape
        and a.pixel_format is b.pixel_format
        and a.stream_epoch == b.stream_epoch
        and abs(a.exposure_us - b.exposure_us) < 0.5
        and abs(a.gain_db - b.gain_db) < 0.05
        and not b.settings_in_flight
    )


def _motion(before: Frame, after: Frame) -> tuple[float, float]:
    """Return how far the picture moved (x, y) px from one dark frame to the next."""
    step = max(1, round(before.width / MOTION_WIDTH_PX))
    size = (before.width // step, before.height // step)
    first, second = (
        cv2.resize(unpacked(f).astype(np.float32), size, interpolation=cv2.INTER_AREA)
        for f in (before, after)
    )
    window = cv2.createHanningWindow(size, cv2.CV_32F)
    first, second = (
        np.log(np.maximum(f, 1.0)) - cv2.GaussianBlur(np.log(np.maximum(f, 1.0)), (0, 0), 12)
        for f in (first, second)
    )
    (x, y), response = cv2.phaseCorrelate(first, second, window)
    limit = LARGEST_MOTION_SHARE * size[0]
    if response < 0.1 or np.hypot(x, y) > limit:
        return (0.0, 0.0)
    return float(x * before.width / size[0]), float(y * before.height / size[1])


def _moved(
    pixels: NDArray[np.uint8] | NDArray[np.uint16], x: float, y: float
) -> NDArray[np.float32]:
    """Return the picture moved by a share of a pixel, borders repeated."""
    image = pixels.astype(np.float32)
    if np.hypot(x, y) < 0.02:
        return image
    move = np.array([[1.0, 0.0, x], [0.0, 1.0, y]])
    height, width = image.shape
    moved = cv2.warpAffine(
        image, move, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(moved, np.float32)


# -- the lamp, commanded and observed ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LampState:
    """What the lamp does. ``alarm``: one line for the screen, None while all is well."""

    on_time_s: float
    frames_lit: int
    frames_dark: int
    mismatches: int
    alarm: str | None


class LampWatch:
    """Holds what was commanded against the line status of each frame, and what the light did.

    A lamp that stays on is the hazard: the alarm rises at the second frame in a row that is lit
    where it should not be, or dark where it should be lit, and stays while frames disagree.

    Parameters
    ----------
    pattern
        What is commanded; the phase is found from the frames themselves.
    """

    ALARM_AFTER = 2

    def __init__(self, pattern: Pattern) -> None:
        self._pattern = pattern
        self._recent: list[bool] = []
        self._on_us = 0.0
        self._lit = self._dark = self._mismatches = self._row = 0
        self._sequence: int | None = None
        self._levels: dict[bool, float] = {}

    def add(self, frame: Frame, mean_counts: float) -> LampState:
        """Take the next frame and its mean; return the state after it."""
        if frame.light_on is None:
            return LampState(
                self._on_us * 1e-6,
                self._lit,
                self._dark,
                self._mismatches,
                "the light's line is not wired: nobody can tell whether the lamp is on",
            )
        if self._sequence is not None and frame.sequence != self._sequence + 1:
            self._recent.clear()  # frames were lost: find the phase anew
        self._sequence = frame.sequence
        lit = frame.light_on
        if lit:
            self._lit += 1
            self._on_us += frame.exposure_us
        else:
            self._dark += 1
        self._recent = [*self._recent, lit][-2 * self._pattern.cycle :]
        wrong = self._off_pattern()
        self._mismatches += wrong
        self._row = self._row + 1 if wrong else 0
        level = self._levels.get(lit)
        self._levels[lit] = mean_counts if level is None else level + 0.1 * (mean_counts - level)
        return LampState(
            self._on_us * 1e-6, self._lit, self._dark, self._mismatches, self._alarm(lit)
        )

    def _off_pattern(self) -> bool:
        """Whether no phase of the pattern explains the last frames."""
        recent = self._recent
        if len(recent) <= max(self._pattern.on, self._pattern.off):
            return False
        return not any(
            all(self._pattern.lit(k + phase) == lit for k, lit in enumerate(recent))
            for phase in range(self._pattern.cycle)
        )

    def _alarm(self, lit: bool) -> str | None:
        if self._row >= self.ALARM_AFTER:
            told = "ON" if lit else "OFF"
            return f"the excitation light stays {told}, against its pattern: switch it off by hand"
        if self._lit > 8 and self._dark > 8:
            if self._levels[True] <= self._levels[False]:
                return "frames said to be lit are no brighter than dark ones: check lamp and line"
        return None


# -- foreign light -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ForeignLight:
    """What the dark frames' levels tell. ``lamp_hz`` None: no ripple stands out.

    ``depth``: amplitude of the ripple / mean room light, before the exposure averaged it.
    ``strobes``: share of frames that stand far above the others (trackers flash near 850 nm).
    """

    lamp_hz: float | None
    depth: float
    strobes: float

    def text(self) -> str:
        """Say it in one line."""
        told = []
        if self.lamp_hz is not None:
            told.append(f"room light ripples at {self.lamp_hz:g} Hz by {self.depth:.0%}")
        if self.strobes > 0:
            told.append(f"{self.strobes:.0%} of the frames hold a foreign flash (a tracker?)")
        return "; ".join(told) or "room light is steady"


def recognise_foreign_light(
    times_s: NDArray[np.float64],
    levels: NDArray[np.float64],
    exposure_s: float,
    *,
    lamps_hz: tuple[float, ...] = (100.0, 120.0),
) -> ForeignLight:
    """Return what ripples or flashes in the means of dark frames.

    Frames sample the lamp far below its frequency, but their times are known: each candidate is
    fitted as a sine at those times. A rate that is whole periods apart shows no ripple, and needs
    none to be known.

    Parameters
    ----------
    times_s, levels
        Middle of each exposure; mean counts above the offset. 16 frames or more tell.
    """
    if len(levels) < 16:
        return ForeignLight(None, 0.0, 0.0)
    centre = float(np.median(levels))
    spread = 1.4826 * float(np.median(np.abs(levels - centre)))
    flash = levels > centre + max(8.0 * spread, 0.15 * abs(centre) + 0.5)
    usual = ~flash
    found: tuple[float, float, float] | None = None
    drift = np.polynomial.legendre.legvander(_unit(times_s[usual]), 1)
    rest = levels[usual] - drift @ np.linalg.lstsq(drift, levels[usual], rcond=None)[0]
    noise = float(np.sum(rest**2))
    for lamp in lamps_hz:
        angle = 2.0 * np.pi * lamp * times_s[usual]
        waves = np.column_stack([np.sin(angle), np.cos(angle)])
        if np.linalg.matrix_rank(np.column_stack([drift, waves]), tol=1e-3 * len(rest) ** 0.5) < 4:
            continue  # sampled at whole periods: nothing to be seen
        terms = np.column_stack([drift, waves])
        fit, *_ = np.linalg.lstsq(terms, levels[usual], rcond=None)
        left = float(np.sum((levels[usual] - terms @ fit) ** 2))
        gain = (noise - left) / max(left, 1e-12) * (usual.sum() - 4) / 2.0  # F statistic
        damping = abs(np.sinc(lamp * exposure_s))
        depth = float(np.hypot(*fit[2:])) / max(abs(centre), 1e-9) / max(damping, 0.02)
        if gain > 12.0 and (found is None or gain > found[2]):
            found = (lamp, depth, gain)
    strobes = float(flash.mean())
    return ForeignLight(
        None if found is None else found[0], 0.0 if found is None else found[1], strobes
    )


def _unit(times_s: NDArray[np.float64]) -> NDArray[np.float64]:
    span = float(times_s.max() - times_s.min()) or 1.0
    return np.asarray(2.0 * (times_s - times_s.min()) / span - 1.0, np.float64)
