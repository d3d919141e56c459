"""The flat map: how strongly each pixel answers to a uniform target under the rig's own light.

It takes the pixels' own spread, the lens' fall-off and the lamp's with it: after correction the
same tracer reads the same anywhere in the field, at the distance it was made for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hardware.opencv import cv2
from sln_guide.calibration import container
from sln_guide.calibration.binding import Binding, MapFields, NonNegative, Positive
from sln_guide.calibration.dark import DarkMap
from sln_guide.calibration.errors import CaptureError
from sln_guide.calibration.frames import Stack, pixel_statistics

KIND = "flat"
VALID_DAYS = 90.0
LEVEL_SHARES = (0.10, 0.85)
"""Between these shares of full scale the target must read."""
SATURATED_SHARE = 0.001
DEVIANT_SHARE = 0.3
MAX_STEP = 0.12
"""A target whose light changes more than this between neighbouring blocks is not uniform."""


class FlatFields(MapFields, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a flat map is bound to and how good it is."""

    level_counts: Positive
    """Median above dark."""
    falloff: NonNegative
    """Darkest part of the field / brightest part (blocks)."""
    spread: NonNegative
    """Pixels against their neighbours (rms, relative): PRNU and what noise is left."""
    noise: NonNegative
    """Of the map itself (rms, relative): what averaging left of shot noise."""


@dataclass(frozen=True, slots=True, eq=False)
class FlatMap:
    """(H, W) read-only: ``sensitivity`` float32, mean 1 over good pixels; ``bad`` bool."""

    fields: FlatFields
    sensitivity: NDArray[np.float32]
    bad: NDArray[np.bool_]

    def save(self, path: Path) -> None:
        """Write it to one file. Raises CalibrationFileError."""
        container.save(path, KIND, self.fields, {"sensitivity": self.sensitivity, "bad": self.bad})

    @classmethod
    def load(cls, path: Path) -> FlatMap:
        """Read it back, strictly. Raises CalibrationFileError."""
        fields, arrays = container.load(path, KIND, FlatFields)
        shape = fields.binding.shape
        container.require(
            path, arrays, {"sensitivity": (np.float32, shape), "bad": (np.bool_, shape)}
        )
        return cls(fields, arrays["sensitivity"], arrays["bad"])


def make_flat(
    stack: Stack,
    dark: DarkMap,
    binding: Binding,
    *,
    made_at: datetime,
    temperature_c: float | None = None,
) -> FlatMap:
    """Return the flat map of frames of a uniform target.

    ``temperature_c`` is noted for a camera that tells none itself.

    Raises
    ------
    CaptureError
        Too few frames, too dark, saturated, or not uniform; or the dark map is another camera's.
    """
    wrong = dark.fields.binding.mismatch(binding)
    if wrong is not None:
        raise CaptureError(f"the dark map does not fit: {wrong}; make a dark map first")
    if len(stack.pixels) < 8:
        raise CaptureError("a flat map needs at least 8 good frames; take more")
    found = pixel_statistics(stack.pixels)
    light = found.mean - dark.at(stack.exposure_us)
    top = stack.saturation_counts
    full = float((found.mean >= 0.98 * top).mean())
    level = float(np.median(light))
    low, high = LEVEL_SHARES
    if full > SATURATED_SHARE or level > high * top:
        raise CaptureError(
            f"{full:.1%} of the target is saturated (median {level:.0f} of {top} counts): "
            "shorten the exposure or dim the light, then try again"
        )
    if level < low * top:
        raise CaptureError(
            f"the target reads {level:.0f} of {top} counts: lengthen the exposure or bring more "
            "light, then try again"
        )
    smooth = cv2.medianBlur(np.ascontiguousarray(light), 5)
    bad = np.asarray((np.abs(light / np.maximum(smooth, 1e-3) - 1.0) > DEVIANT_SHARE), bool)
    bad |= dark.bad
    wide = _blocks(np.where(bad, smooth, light))
    _refuse_uneven(wide)
    mean = float(light[~bad].mean())
    sensitivity = np.where(bad, smooth, light) / np.float32(mean)
    if float(sensitivity[~bad].min()) <= 0.02:
        raise CaptureError(
            "part of the field gets no light: let the target fill the whole field, then try again"
        )
    local = (light / smooth - 1.0)[~bad]
    noise = float(np.sqrt(np.median(found.variance) / len(stack.pixels))) / level
    kept: NDArray[np.float32] = np.maximum(sensitivity, 0.02).astype(np.float32)
    fields = FlatFields(
        binding=binding,
        made_at=made_at,
        valid_days=VALID_DAYS,
        frames=len(stack.pixels),
        level_counts=level,
        falloff=float(wide.min() / wide.max()),
        spread=float(np.std(local)),
        noise=noise,
        bad_pixels=int(bad.sum()),
        rejected=stack.rejected,
        temperature_c=stack.known_temperature_c(temperature_c),
    )
    kept.setflags(write=False)
    bad.setflags(write=False)
    return FlatMap(fields, kept, bad)


def _blocks(light: NDArray[np.float32]) -> NDArray[np.float32]:
    rows, cols = (max(2, n // 16) for n in light.shape)
    shrunk = cv2.resize(
        light.astype(np.float32), (min(cols, 40), min(rows, 32)), interpolation=cv2.INTER_AREA
    )
    return np.asarray(shrunk, np.float32)


def _refuse_uneven(wide: NDArray[np.float32]) -> None:
    """Refuse an edge, a shadow or a print; lamps and lenses fall off smoothly."""
    # against a smooth surface of the second order: a jump at an object's edge stays
    y, x = np.mgrid[-1 : 1 : wide.shape[0] * 1j, -1 : 1 : wide.shape[1] * 1j]
    columns = [x**i * y**j for i in range(5) for j in range(5 - i)]
    terms = np.stack([c.ravel() for c in columns], axis=1)
    weights, *_ = np.linalg.lstsq(terms, wide.ravel(), rcond=None)
    left = np.abs(wide.ravel() - terms @ weights) / float(np.median(wide))
    if float(left.max()) > MAX_STEP or wide.min() <= 0:
        raise CaptureError(
            f"the target is not uniform: one place differs by {left.max():.0%} from its "
            "surroundings; let a clean, plain target fill the field, then try again"
        )
