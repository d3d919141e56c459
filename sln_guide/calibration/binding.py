"""`Binding`: what a calibration holds for, and the reason why it does not hold for something."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal, Self

import msgspec

from hardware.camera import CameraSettings
from hardware.frame import PixelFormat

GAIN_TOLERANCE_DB = 0.05
Finite = Annotated[float, msgspec.Meta(ge=-1e12, le=1e12)]
Positive = Annotated[float, msgspec.Meta(gt=0, le=1e12)]
NonNegative = Annotated[float, msgspec.Meta(ge=0, le=1e12)]
PositiveInt = Annotated[int, msgspec.Meta(gt=0, le=2**31)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""With its time zone: without one nobody can tell how old something is."""


class Binding(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The one camera, as it was set, that a map belongs to.

    ``roi`` is (x, y, width, height) in sensor px. ``conversion_gain`` is the name of the sensor's
    mode where it has several, else None. ``exposure_us`` is the range it holds over.
    """

    camera_id: str
    role: Literal["nir", "white"]
    roi: tuple[int, int, PositiveInt, PositiveInt]
    pixel_format: PixelFormat
    gain_db: NonNegative
    black_level: NonNegative
    exposure_us: tuple[Positive, Positive]
    conversion_gain: str | None = None

    @classmethod
    def of(
        cls,
        camera_id: str,
        role: Literal["nir", "white"],
        settings: CameraSettings,
        exposure_us: tuple[float, float] | None = None,
    ) -> Self:
        """Return the binding of a camera as ``settings`` (every field set) read back.

        Raises
        ------
        ValueError
            A setting that matters is missing.
        """
        s = settings
        if s.roi is None or s.pixel_format is None or s.gain_db is None or s.exposure_us is None:
            raise ValueError("every field of the settings that a camera has must be set")
        return cls(
            camera_id=camera_id,
            role=role,
            roi=s.roi,
            pixel_format=s.pixel_format,
            gain_db=float(s.gain_db),
            black_level=float(s.black_level or 0.0),
            exposure_us=exposure_us or (float(s.exposure_us), float(s.exposure_us)),
            conversion_gain=s.conversion_gain,
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the maps."""
        return self.roi[3], self.roi[2]

    def mismatch(self, now: Binding) -> str | None:
        """Say in what ``now`` (a camera as it is set now) differs; None: it is the same."""
        if now.camera_id != self.camera_id:
            return f"made with camera {self.camera_id}, not {now.camera_id}"
        if now.role != self.role:
            return f"made for the {self.role} camera, not the {now.role} one"
        for name in ("roi", "pixel_format", "conversion_gain"):
            mine, theirs = getattr(self, name), getattr(now, name)
            if mine != theirs:
                return f"made with {name} {_plain(mine)}, not {_plain(theirs)}"
        if abs(self.gain_db - now.gain_db) > GAIN_TOLERANCE_DB:
            return f"made at {self.gain_db:g} dB gain, not {now.gain_db:g} dB"
        if abs(self.black_level - now.black_level) > 0.5:
            return f"made with black level {self.black_level:g}, not {now.black_level:g}"
        low, high = self.exposure_us
        if not low * 0.999 <= now.exposure_us[0] <= high * 1.001:
            return f"made for exposures of {low:g} to {high:g} us, not {now.exposure_us[0]:g} us"
        return None


class MapFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every map of a sensor says of itself. ``rejected``: frames left out, a line each.

    ``temperature_c``: the camera's, while the map was taken; None: nobody knows.
    """

    binding: Binding
    made_at: Moment
    valid_days: Positive
    frames: PositiveInt
    bad_pixels: int
    rejected: tuple[str, ...] = ()
    temperature_c: Finite | None = None

    @property
    def temperature_text(self) -> str:
        """How warm the camera was, in words."""
        if self.temperature_c is None:
            return "camera of unknown temperature: it tells none (--temperature-c notes one)"
        return f"camera at {self.temperature_c:.1f} degrees C"


def utc_now() -> datetime:
    """Return the time of day, UTC, whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


def expired(made_at: datetime, valid_days: float, now: datetime) -> str | None:
    """Say that a calibration is too old, or from the future; None: it is in time."""
    if now - made_at > timedelta(days=valid_days):
        return f"expired: made on {_day(made_at)}, good for {valid_days:g} days"
    if made_at - now > timedelta(days=1):
        return f"made on {_day(made_at)}, which is yet to come: set this machine's clock"
    return None


def _day(moment: datetime) -> date:
    return moment.date()


def _plain(value: object) -> str:
    return "none" if value is None else str(value)
