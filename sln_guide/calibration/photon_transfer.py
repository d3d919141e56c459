"""Photon transfer: what a count is worth in electrons, and how quiet and straight a sensor is.

After EMVA Standard 1288, release 4.0 Linear (2021), from exposures in steps under steady light.
Without a radiometer there is no quantum efficiency; all else is in electrons.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from sln_guide.calibration import container
from sln_guide.calibration.binding import Binding, Finite, Moment, NonNegative, Positive
from sln_guide.calibration.errors import CaptureError
from sln_guide.calibration.frames import Stack

KIND = "photon-transfer"
VALID_DAYS = 365.0
QUANTISATION = 1.0 / 12.0
LEAST_DARK_VARIANCE = 0.24
"""Below it quantisation rules and the estimate is not valid."""
FIT_SHARE = 0.7
LEAST_STEPS = 8


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One exposure: means [counts] and temporal variances [counts^2], lit and dark."""

    exposure_us: Positive
    mean: Finite
    variance: NonNegative
    dark_mean: Finite
    dark_variance: NonNegative

    @property
    def signal(self) -> float:
        """Mean above dark [counts]."""
        return self.mean - self.dark_mean


class PhotonTransfer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The figures of one camera at one gain, and the steps they come from."""

    binding: Binding
    made_at: Moment
    valid_days: Positive
    electron_counts: Positive
    """K, system gain [DN/e-]."""
    electron_counts_error: NonNegative
    """Standard error of K from the scatter of the fit."""
    dark_noise_counts: NonNegative
    """Temporal, at no exposure (sigma_y.dark) [DN]."""
    read_noise_electrons: NonNegative
    """The same without quantisation (sigma_d) [e-]."""
    saturation_electrons: Positive
    saturation_counts: Positive
    sensitivity_threshold_electrons: Positive
    dynamic_range: Positive
    snr_max: Positive
    linearity_error_min: Finite
    linearity_error_max: Finite
    """Relative deviations from the line within 5 to 95 % of saturation."""
    dark_current_electrons_per_ms: Finite | None
    dsnu_electrons: NonNegative | None = None
    prnu: NonNegative | None = None
    steps: tuple[Step, ...]

    @property
    def linearity_error(self) -> float:
        """Largest relative deviation from the line, either way."""
        return max(abs(self.linearity_error_min), abs(self.linearity_error_max))

    def save(self, path: Path) -> None:
        """Write it to one file. Raises CalibrationFileError."""
        container.save(path, KIND, self)

    @classmethod
    def load(cls, path: Path) -> PhotonTransfer:
        """Read it back, strictly. Raises CalibrationFileError."""
        return container.load_fields(path, KIND, cls)


@dataclass(frozen=True, slots=True)
class NonUniformity:
    """Fixed pattern: DSNU [counts], PRNU (relative to signal)."""

    dsnu_counts: float
    prnu: float


def measure_step(lit: Stack, dark: Stack) -> Step:
    """Return one step from two frames or more of the same exposure, lit and dark.

    Raises
    ------
    ValueError
        Exposures differ, or there are fewer than two frames.
    """
    if abs(lit.exposure_us - dark.exposure_us) > 1e-3 * lit.exposure_us:
        raise ValueError("lit and dark frames must have the same exposure")
    mean, variance = _temporal(lit.pixels)
    dark_mean, dark_variance = _temporal(dark.pixels)
    return Step(
        exposure_us=lit.exposure_us,
        mean=mean,
        variance=variance,
        dark_mean=dark_mean,
        dark_variance=dark_variance,
    )


def _temporal(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> tuple[float, float]:
    """Return mean and temporal variance from successive pairs.

    The square of the means' difference is taken off: light that drifts is no noise.
    """
    if len(pixels) < 2:
        raise ValueError("a variance needs two frames")
    means = [float(p.mean()) for p in pixels]
    parts = []
    for k in range(0, len(pixels) - 1, 2):
        apart = pixels[k].astype(np.float32) - pixels[k + 1]
        square = float(np.mean(np.square(apart), dtype=np.float64))
        parts.append(0.5 * square - 0.5 * (means[k] - means[k + 1]) ** 2)
    return float(np.mean(means)), max(float(np.mean(parts)), 0.0)


def non_uniformity(lit: Stack, dark: Stack) -> NonUniformity:
    """Return DSNU and PRNU from stacks at half of saturation and in the dark.

    The temporal variance that averaging leaves is taken off; so is a smooth surface of the third
    order, since a lamp and a lens are no property of the sensor.

    Raises
    ------
    ValueError
        Fewer than 8 frames.
    """
    if min(len(lit.pixels), len(dark.pixels)) < 8:
        raise ValueError("a fixed pattern needs 8 frames or more")
    lit_spread, lit_mean = _spatial(lit.pixels, shaded=True)
    dark_spread, dark_mean = _spatial(dark.pixels, shaded=False)
    signal = max(lit_mean - dark_mean, 1e-9)
    prnu = math.sqrt(max(lit_spread - dark_spread, 0.0)) / signal
    return NonUniformity(math.sqrt(max(dark_spread, 0.0)), prnu)


def _spatial(
    pixels: NDArray[np.uint8] | NDArray[np.uint16], *, shaded: bool
) -> tuple[float, float]:
    """Return the spatial variance, freed of temporal noise, and the mean."""
    count = len(pixels)
    total = np.zeros(pixels.shape[1:], np.float64)
    squares = np.zeros_like(total)
    for image in pixels:
        total += image
        squares += image.astype(np.float64) ** 2
    mean_image = total / count
    temporal = float(((squares - total * mean_image) / (count - 1)).mean())
    level = float(mean_image.mean())
    if shaded:
        surface = _surface(mean_image)
        mean_image = mean_image * (level / surface)
    measured = float(mean_image.var(ddof=1))
    return measured - temporal / count, level


def _surface(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the smooth surface of third order nearest to ``image``."""
    y, x = (np.linspace(-1, 1, n) for n in image.shape)
    powers = [(i, j) for i in range(4) for j in range(4 - i)]
    step = tuple(max(1, n // 64) for n in image.shape)
    coarse = image[:: step[0], :: step[1]]
    cy, cx = y[:: step[0]], x[:: step[1]]
    terms = np.stack([np.outer(cy**i, cx**j).ravel() for i, j in powers], axis=1)
    weights, *_ = np.linalg.lstsq(terms, coarse.ravel(), rcond=None)
    surface: NDArray[np.float64] = sum(
        (w * np.outer(y**i, x**j) for w, (i, j) in zip(weights, powers, strict=True)),
        np.zeros_like(image),
    )
    return surface


def evaluate(
    steps: Sequence[Step],
    binding: Binding,
    *,
    made_at: datetime,
    pattern: NonUniformity | None = None,
) -> PhotonTransfer:
    """Return the figures from steps of exposure, dark to saturated, in any order.

    Raises
    ------
    CaptureError
        Too few steps, no light, no saturation reached, or light that was not steady.
    """
    ordered = sorted(steps, key=lambda s: s.exposure_us)
    signal = np.array([s.signal for s in ordered])
    noise = np.array([s.variance - s.dark_variance for s in ordered])
    times = np.array([s.exposure_us * 1e-3 for s in ordered])
    last = int(np.argmax([s.variance for s in ordered]))
    fitted = np.flatnonzero(signal <= FIT_SHARE * signal[last])
    fitted = fitted[(fitted <= last) & (signal[fitted] > 0)]
    if len(ordered) < LEAST_STEPS or len(fitted) < LEAST_STEPS // 2:
        raise CaptureError(
            f"only {len(fitted)} of {len(ordered)} exposures lie below 70 % of saturation: bring "
            f"more light or step more finely ({LEAST_STEPS} steps and more), then try again"
        )
    if last == len(ordered) - 1:
        raise CaptureError(
            "the sensor did not saturate: lengthen the longest exposure or bring more light"
        )
    x, y = signal[fitted], noise[fitted]
    gain = float((x @ y) / (x @ x))  # least squares through the origin
    if not gain > 0:
        raise CaptureError(
            "noise does not grow with light: check that frames are raw and the light is steady"
        )
    left = y - gain * x
    gain_error = float(math.sqrt((left @ left) / max(len(x) - 1, 1) / (x @ x)))
    if gain_error > 0.1 * gain:
        raise CaptureError(
            f"the photon transfer curve scatters by {gain_error / gain:.0%}: the light flickers "
            "or moves; use a steady source, then try again"
        )
    dark_variance, dark_current = _dark(ordered, times, gain)
    dark_noise = math.sqrt(dark_variance)
    read = math.sqrt(max(dark_variance - QUANTISATION, 0.0)) / gain
    saturation = float(signal[last]) / gain
    threshold = dark_noise / gain + 0.5
    low, high = _linearity(times, signal, float(signal[last]))
    return PhotonTransfer(
        binding=msgspec.structs.replace(
            binding, exposure_us=(ordered[0].exposure_us, ordered[-1].exposure_us)
        ),
        made_at=made_at,
        valid_days=VALID_DAYS,
        electron_counts=gain,
        electron_counts_error=gain_error,
        dark_noise_counts=dark_noise,
        read_noise_electrons=read,
        saturation_electrons=saturation,
        saturation_counts=float(ordered[last].mean),
        sensitivity_threshold_electrons=threshold,
        dynamic_range=saturation / threshold,
        snr_max=math.sqrt(saturation),
        linearity_error_min=low,
        linearity_error_max=high,
        dark_current_electrons_per_ms=dark_current,
        dsnu_electrons=None if pattern is None else pattern.dsnu_counts / gain,
        prnu=None if pattern is None else pattern.prnu,
        steps=tuple(ordered),
    )


def _dark(steps: list[Step], times: NDArray[np.float64], gain: float) -> tuple[float, float | None]:
    """Return the dark variance at no exposure, and the dark current [e-/ms] where it can be told.

    Variances of longer exposures carry more of the dark current's shot noise, and of hot pixels.
    """
    variances = np.array([s.dark_variance for s in steps])
    if len(np.unique(times)) <= 2:
        return max(float(variances[0]), LEAST_DARK_VARIANCE), None
    _, at_zero = np.polyfit(times, variances, 1)
    slope, _ = np.polyfit(times, [s.dark_mean for s in steps], 1)
    return max(float(at_zero), LEAST_DARK_VARIANCE), float(slope) / gain


def _linearity(
    times: NDArray[np.float64], signal: NDArray[np.float64], full: float
) -> tuple[float, float]:
    """Return the least and largest relative deviation from the line.

    Each point weighs with 1 / signal^2, so that deviations count relative to the signal.
    """
    inside = (signal >= 0.05 * full) & (signal <= 0.95 * full)
    if inside.sum() < 3:
        raise CaptureError("too few exposures between 5 and 95 % of saturation: step more finely")
    x, y = times[inside], signal[inside]
    slope, offset = np.polyfit(x, y, 1, w=1.0 / y)
    line = slope * x + offset
    deviation = (y - line) / line
    return float(deviation.min()), float(deviation.max())


def exposure_steps(shortest_us: float, longest_us: float, count: int) -> tuple[float, ...]:
    """Return ``count`` evenly spaced exposures."""
    return tuple(float(e) for e in np.linspace(shortest_us, longest_us, count))
