"""Gated light: dark frames taken off lit ones, the lamp watched, and foreign light recognised.

``signal = lit - dark``: room light cancels, its shot noise stays. In electrons the variance is what
both frames hold, plus reading, twice. The dark frame before each lit one serves, so that nothing
waits for the next; it is moved to where the tissue was in the lit one, going on as it moved last.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hardware.frame import Frame, PixelFormat, RoomLight, frozen_pixels
from hardware.gating import Pattern, rates_that_cancel
from hardware.opencv import cv2
from hardware.rig import Sensor
from sln_guide.calibration.frames import unpacked
from sln_guide.core.subtract import Samples, monochrome_small, room_motion, take_off_into
from sln_guide.health import LampState

PEDESTAL_COUNTS = 4096
"""Offset of a subtracted frame of 12 bits (or 16), so that noise below zero is kept."""
OLDEST_DARK_NS = 250_000_000
"""A dark frame further back than this says nothing of the room's light now."""
LARGEST_MOTION_SHARE = 0.05
"""Of the field between two dark frames; more is no motion but a mismatch, and is not followed."""
CLEAR_COUNTS = 1.0
"""So much brighter in the mean, lit frames are lit whatever else is to be seen."""
DIM_SHARE = 0.005
"""Of the sensor's range: a picture below that may be dark because there is nothing to light."""
BLINDING = 0.6
"""Share of the sensor's range from which on room light leaves too little of it for a signal."""
LAMPS_HZ = (100.0, 120.0)
"""Twice the mains: how lamps flicker."""
SAMPLE_STEP = 4
"""Of a picture's middling light every so many px tell."""
_AROUND = np.ones((5, 5), np.uint8)
"""Saturated pixels spill, and tissue moves: so much around them is blind too."""


def taken_off(lit: Frame, darks: tuple[Frame, ...], sensor: Sensor) -> Frame:
    """Return the light that excitation brought: ``lit`` without the room's.

    A pure function of frames as recorded, the same live and in replay.

    Parameters
    ----------
    lit
        A lit frame, as the camera took it.
    darks
        One or two dark frames before it, oldest first, `alike` it.
    sensor
        For the noise that stays.

    Returns
    -------
    Frame
        Mono16, a bit deeper than the lit one, offset by `RoomLight.offset_counts`; at its top where
        the lit frame is saturated, of middling light where that is the room light's doing. All else
        is the lit frame's.
    """
    dark = darks[-1]
    raw, below = unpacked(lit), unpacked(dark)
    moved_px = (0.0, 0.0)
    if len(darks) > 1:
        span_ns = max(dark.mid_exposure_ns - darks[0].mid_exposure_ns, 1)
        share = (lit.mid_exposure_ns - dark.mid_exposure_ns) / span_ns
        x, y = _motion(unpacked(darks[0]), below, lit.bit_depth)
        moved_px = share * x, share * y
    top = 2**lit.bit_depth - 1
    depth = min(lit.bit_depth + 1, 16)
    pedestal = PEDESTAL_COUNTS if depth == 16 else 2**lit.bit_depth
    made = np.empty(raw.shape, np.uint16)
    mean, blind = take_off_into(
        made,
        raw,
        below,
        moved_px,
        pedestal=pedestal,
        top=top,
        out_top=2**depth - 1,
        blinding=BLINDING,
    )
    level = max(mean - sensor.dark_counts, 0.0)
    blinded: NDArray[np.bool_] | None = None
    if blind:
        mask = (below >= top) | ((raw >= top) & (below > BLINDING * top))
        blinded = cv2.dilate(mask.astype(np.uint8), _AROUND).view(np.bool_)
        seen = made[::SAMPLE_STEP, ::SAMPLE_STEP][~blinded[::SAMPLE_STEP, ::SAMPLE_STEP]]
        made[blinded] = np.median(seen) if seen.size else pedestal
    return Frame(
        pixels=frozen_pixels(made),
        pixel_format=PixelFormat.MONO16,
        bit_depth=depth,
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
        room_light=RoomLight(
            tuple(d.sequence for d in darks),
            level,
            _noise_left(level, lit.gain, sensor),
            float(pedestal),
            None if blinded is None else frozen_pixels(blinded),
        ),
    )


def _noise_left(level_counts: float, gain: float, sensor: Sensor) -> float | None:
    if sensor.electron_counts is None:
        return None
    shot = 2.0 * sensor.electron_counts * gain * level_counts
    reading = 2.0 * ((sensor.read_noise_counts or 0.0) * gain) ** 2
    return math.sqrt(shot + reading + 1.0 / 12.0)


class Subtraction:
    """Takes frames in order; gives each lit one back without room light. One thread.

    Frames are told by ``light_on``, the line's own status: never by counting, which one lost
    frame turns around.
    """

    def __init__(self, sensor: Sensor) -> None:
        self._sensor = sensor
        self._darks: tuple[Frame, ...] = ()

    def take(self, frame: Frame) -> Frame | None:
        """Take the next frame; return a lit one without room light, if a dark one is at hand.

        Raises
        ------
        ValueError
            The frame does not say whether it was lit.
        """
        if frame.light_on is None:
            raise ValueError(
                "gated light needs the line status of each frame: set nir.light_line in the rig"
            )
        self._darks = tuple(d for d in self._darks if serves(d, frame))
        if frame.light_on:
            return taken_off(frame, self._darks, self._sensor) if self._darks else None
        if not frame.settings_in_flight:
            self._darks = (*self._darks, frame)[-2:]
        return None


def serves(dark: Frame, frame: Frame) -> bool:
    """Whether a dark frame may be taken off ``frame``, which came after it."""
    behind_ns = frame.mid_exposure_ns - dark.mid_exposure_ns
    return (
        dark.pixels.shape == frame.pixels.shape
        and dark.pixel_format is frame.pixel_format
        and dark.stream_epoch == frame.stream_epoch
        and abs(dark.exposure_us - frame.exposure_us) < 0.5
        and abs(dark.gain_db - frame.gain_db) < 0.05
        and not frame.settings_in_flight
        and behind_ns <= OLDEST_DARK_NS
    )


def _motion(before: Samples, after: Samples, bit_depth: int) -> tuple[float, float]:
    """Return how far the picture moved (x, y) px from one dark frame to the next."""
    width = before.shape[1]
    x, y = room_motion(
        monochrome_small(before, bit_depth), monochrome_small(after, bit_depth), width
    )
    return (x, y) if math.hypot(x, y) <= LARGEST_MOTION_SHARE * width else (0.0, 0.0)


# -- the lamp, commanded and observed ------------------------------------------------------------


class LampWatch:
    """Holds what was commanded against the line status of each frame, and what the light did.

    A lamp that stays on is the hazard: the alarm rises at the second frame in a row that is lit
    where it should not be, or dark where it should be lit, and stays while frames disagree.

    Parameters
    ----------
    pattern
        What is commanded; the phase is found from the frames themselves.
    offset_counts
        What a frame without any light shows.
    """

    ALARM_AFTER = 2
    LEAST_FRAMES = 8
    """Of each kind, before their brightness is compared."""

    def __init__(self, pattern: Pattern, offset_counts: float = 0.0) -> None:
        self._pattern = pattern
        self._offset_counts = offset_counts
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
        alarm, unsure = self._out_of_step(lit), ""
        if alarm is None:
            alarm, unsure = self._judged(2**frame.bit_depth - 1)
        return LampState(
            self._on_us * 1e-6,
            self._lit,
            self._dark,
            self._mismatches,
            alarm,
            unsure=unsure,
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

    def _out_of_step(self, lit: bool) -> str | None:
        if self._row < self.ALARM_AFTER:
            return None
        told = "ON" if lit else "OFF"
        return f"the excitation light stays {told}, against its pattern: switch it off by hand"

    def _judged(self, top: int) -> tuple[str | None, str]:
        """Return the alarm that lit frames bring no light, and why that cannot be told."""
        if min(self._lit, self._dark) <= self.LEAST_FRAMES:
            return None, ""
        brought = self._levels[True] - self._levels[False]
        seen = max(self._levels.values()) - self._offset_counts
        if brought > CLEAR_COUNTS:
            return None, ""
        if seen < DIM_SHARE * top:  # a capped lens, a drape, nothing in the field
            return None, "too little light in the picture to judge the lamp"
        if brought > 0:
            return None, ""
        return "frames said to be lit are no brighter than dark ones: check lamp and line", ""


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
) -> ForeignLight:
    """Return what ripples or flashes in the means of dark frames.

    Frames sample the lamp far below its frequency, but their times are known: each candidate is
    fitted as a sine at those times. A rate that is whole periods apart shows no ripple, and needs
    none to be known.

    Parameters
    ----------
    times_s, levels
        Middle of each exposure; mean counts above the offset. 16 frames or more tell.
    exposure_s
        Of each: a ripple that it averages away is told at its true depth.
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
    for lamp in LAMPS_HZ:
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


def remedy(found: ForeignLight, exposure_us: float) -> str:
    """Say what was found with what to do; empty while room light is steady.

    A ripple that shows does not cancel between lit and dark frames.
    """
    if found.lamp_hz is None:
        return f"{found.text()}: shield the field from it" if found.strobes > 0 else ""
    rates = ", ".join(f"{r:.4g}" for r in rates_that_cancel(found.lamp_hz, exposure_us)[:3])
    return f"{found.text()}: set {rates} frames a second"


def _unit(times_s: NDArray[np.float64]) -> NDArray[np.float64]:
    span = float(times_s.max() - times_s.min()) or 1.0
    return np.asarray(2.0 * (times_s - times_s.min()) / span - 1.0, np.float64)
