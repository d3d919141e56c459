"""The dark map: what the sensor says without light, at any exposure it was measured for.

Counts without light are an offset and a dark current: ``dark(t) = offset + rate * t``, per pixel.
Both come from frames at two exposures or more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from sln_guide.calibration import container
from sln_guide.calibration.binding import Binding, Finite, MapFields, NonNegative, Positive
from sln_guide.calibration.errors import CalibrationFileError, CaptureError
from sln_guide.calibration.frames import Stack, drift_per_frame, pixel_statistics

KIND = "dark"
VALID_DAYS = 180.0
LIGHT_SHARE = 0.01
"""Light, if the median pixel rises by more than this share of full scale, or one part of the
field stands this far above another."""
ABOVE_BLACK_SHARE = 0.05
"""Light too, if the median pixel stands further above the black level."""
HOT_SIGMAS = 12.0
BLOCK_PX = 32


class DarkFields(MapFields, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a dark map is bound to and how good it is."""

    exposures_us: tuple[Positive, ...]
    offset_counts: Finite
    """Median over pixels, at no exposure."""
    current_counts_per_ms: Finite
    read_noise_counts: NonNegative
    """Temporal, root of the median variance, at the shortest exposure; at the binding's gain."""
    fixed_pattern_counts: NonNegative
    """Spread (robust) of the pixels' offsets."""
    drift_counts: Finite
    """How far the mean moved during the longest capture."""
    hits: int


@dataclass(frozen=True, slots=True, eq=False)
class DarkMap:
    """(H, W) read-only maps: ``offset`` [counts], ``rate`` [counts/ms] float32, ``bad`` bool."""

    fields: DarkFields
    offset: NDArray[np.float32]
    rate: NDArray[np.float32]
    bad: NDArray[np.bool_]

    def at(self, exposure_us: float) -> NDArray[np.float32]:
        """Return the dark counts (H, W) float32 of one exposure, the caller's own.

        Raises
        ------
        CalibrationFileError
            It was not measured for this exposure.
        """
        low, high = self.fields.binding.exposure_us
        if not low * 0.999 <= exposure_us <= high * 1.001:
            raise CalibrationFileError(
                f"the dark map is good for exposures of {low:g} to {high:g} us, not "
                f"{exposure_us:g} us; make one for this exposure"
            )
        return self.offset + self.rate * np.float32(exposure_us * 1e-3)

    def save(self, path: Path) -> None:
        """Write it to one file. Raises CalibrationFileError."""
        arrays = {"offset": self.offset, "rate": self.rate, "bad": self.bad}
        container.save(path, KIND, self.fields, arrays)

    @classmethod
    def load(cls, path: Path) -> DarkMap:
        """Read it back, strictly. Raises CalibrationFileError."""
        fields, arrays = container.load(path, KIND, DarkFields)
        shape = fields.binding.shape
        container.require(
            path,
            arrays,
            {"offset": (np.float32, shape), "rate": (np.float32, shape), "bad": (np.bool_, shape)},
        )
        return cls(fields, arrays["offset"], arrays["rate"], arrays["bad"])


def make_dark(
    stacks: list[Stack],
    binding: Binding,
    *,
    made_at: datetime,
    temperature_c: float | None = None,
) -> DarkMap:
    """Return the dark map of frames taken without light, at one exposure or more.

    Parameters
    ----------
    stacks
        Each of at least 8 frames; exposures differ.
    binding
        The camera; its exposure range becomes that of the stacks.
    temperature_c
        Noted for a camera that tells none itself.

    Raises
    ------
    CaptureError
        Too few frames, or light reached the sensor.
    """
    stacks = sorted(stacks, key=lambda s: s.exposure_us)
    if not stacks or min(len(s.pixels) for s in stacks) < 8:
        raise CaptureError("a dark map needs at least 8 good frames an exposure; take more")
    each = [pixel_statistics(s.pixels) for s in stacks]
    times_ms = np.array([s.exposure_us * 1e-3 for s in stacks])
    levels = np.array([float(np.median(e.mean)) for e in each])
    top = float(stacks[0].saturation_counts)
    _refuse_light(levels, [e.mean for e in each], top, binding.black_level)
    span = float(times_ms[-1] - times_ms[0])
    if span > 0:
        apart = (times_ms - times_ms.mean()).astype(np.float32)
        rate = sum(a * e.mean for a, e in zip(apart, each, strict=True)) / np.float32(
            (apart * apart).sum()
        )
    else:
        rate = np.zeros_like(each[0].mean)
    rate = np.asarray(rate, np.float32)
    mean = np.asarray(sum(e.mean for e in each) / np.float32(len(each)), np.float32)
    offset = np.asarray(mean - rate * np.float32(times_ms.mean()), np.float32)
    worst = each[-1]
    bad = _unlike(worst.mean) | _unlike(np.sqrt(worst.variance)) | _unlike(offset)
    bad |= worst.mean > 0.5 * top
    read = (
        float(np.sqrt(max(float(np.median(each[0].variance[~bad])), 0.0))) if not bad.all() else 0.0
    )
    if bad.mean() > 0.02:
        raise CaptureError(
            f"{bad.mean():.1%} of the pixels are not like the rest: cap the lens, check the "
            "camera's cooling and its settings, then try again"
        )
    last = stacks[-1].pixels
    drift = drift_per_frame(last.reshape(len(last), -1).mean(axis=1).tolist()) * len(last)
    fields = DarkFields(
        binding=msgspec.structs.replace(
            binding, exposure_us=(stacks[0].exposure_us, stacks[-1].exposure_us)
        ),
        made_at=made_at,
        valid_days=VALID_DAYS,
        frames=sum(len(s.pixels) for s in stacks),
        exposures_us=tuple(s.exposure_us for s in stacks),
        temperature_c=stacks[-1].known_temperature_c(temperature_c),
        offset_counts=float(np.median(offset)),
        current_counts_per_ms=float(np.median(rate)),
        read_noise_counts=read,
        fixed_pattern_counts=_spread(offset[~bad]),
        drift_counts=drift,
        bad_pixels=int(bad.sum()),
        hits=sum(e.hits for e in each),
        rejected=tuple(line for s in stacks for line in s.rejected),
    )
    for array in (offset, rate, bad):
        array.setflags(write=False)
    return DarkMap(fields, offset, rate, bad)


def _refuse_light(
    levels: NDArray[np.float64],
    means: list[NDArray[np.float32]],
    top: float,
    black_level: float,
) -> None:
    rise = float(levels[-1] - levels[0])
    above = float(levels.max()) - black_level
    parts = _block_medians(means[-1])
    uneven = float(parts.max() - parts.min())
    advice = "cap the lens, darken the room, switch the excitation off, then try again"
    if rise > LIGHT_SHARE * top or above > ABOVE_BLACK_SHARE * top:
        raise CaptureError(
            f"light reaches the sensor: the dark level rises by {rise:.0f} counts with exposure, "
            f"{above:.0f} above the black level; {advice}"
        )
    if uneven > LIGHT_SHARE * top:
        raise CaptureError(
            f"light reaches part of the sensor: one part of the field is {uneven:.0f} counts "
            f"above another; {advice}"
        )


def _block_medians(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return medians of blocks, (rows, cols)."""
    block = max(1, min(BLOCK_PX, *(n // 4 for n in image.shape)))
    rows, cols = (n // block for n in image.shape)
    cut = image[: rows * block, : cols * block].reshape(rows, block, cols, block)
    return np.asarray(np.median(cut, axis=(1, 3)), np.float32)


def _spread(values: NDArray[np.float32]) -> float:
    """Return the robust standard deviation (scaled median absolute deviation)."""
    if not values.size:
        return 0.0
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def _unlike(image: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return pixels that stand far from the median of all, in robust sigmas."""
    spread = max(_spread(image.ravel()), 0.05)
    return np.asarray(np.abs(image - np.median(image)) > HOT_SIGMAS * spread, bool)
