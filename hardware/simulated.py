"""`SimulatedCamera`: what every camera without a sensor behind it has in common."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from hardware.camera import BadSettingError, Camera, CameraSettings
from hardware.frame import PixelFormat

TEMPERATURE_C = 38.5
"""Of a camera that has run for an hour: no simulation warms up."""


class SimulatedCamera(Camera):
    """Knows its name and its settings; subclasses make the frames."""

    def __init__(self, camera_id: str, settings: CameraSettings) -> None:
        self._camera_id = camera_id
        self._settings = settings

    @property
    def camera_id(self) -> str:
        """Name that says what simulates it."""
        return self._camera_id

    @property
    def simulated(self) -> bool:
        """Always True."""
        return True

    @property
    def settings(self) -> CameraSettings:
        """What the camera does; None where it has no such setting."""
        return self._settings

    def temperature_c(self) -> float:
        """Return a warm camera's temperature."""
        return TEMPERATURE_C


def settled(
    camera_id: str,
    old: CameraSettings,
    wish: CameraSettings,
    *,
    formats: Collection[PixelFormat],
    size: tuple[int, int],
) -> CameraSettings:
    """Return ``old`` with what ``wish`` sets, as a sensor of ``size`` (width, height) does it.

    Raises
    ------
    BadSettingError
        Naming the setting, what it was and what is possible.
    """
    given = {name: getattr(wish, name) for name in CameraSettings.__dataclass_fields__}
    new = replace(old, **{name: value for name, value in given.items() if value is not None})

    def refuse(name: str, why: str) -> BadSettingError:
        return BadSettingError(f"{camera_id}: {name} = {getattr(new, name)} refused: {why}")

    layout, roi = new.pixel_format, new.roi
    if layout is None or layout not in formats:
        raise refuse("pixel_format", f"choose one of {', '.join(formats)}")
    if roi is None:
        raise refuse("roi", "name one")
    if wish.pixel_format is not None and wish.black_level is None:
        depth = (old.pixel_format or layout).bit_depth
        black_level = (old.black_level or 0.0) * 2.0 ** (layout.bit_depth - depth)
        new = replace(new, black_level=black_level)
    if new.exposure_us is None or not 10.0 <= new.exposure_us <= 1e6:
        raise refuse("exposure_us", "choose 10 to 1000000")
    if new.gain_db is None or not 0.0 <= new.gain_db <= 36.0:
        raise refuse("gain_db", "choose 0 to 36")
    if new.frame_rate_hz is None or not 0.1 <= new.frame_rate_hz <= 1000.0:
        raise refuse("frame_rate_hz", "choose 0.1 to 1000")
    top = 2**layout.bit_depth / 4
    if new.black_level is None or not 0.0 <= new.black_level <= top:
        raise refuse("black_level", f"choose 0 to {top:g}")
    x, y, w, h = roi
    if min(x, y) < 0 or min(w, h) < 1 or x + w > size[0] or y + h > size[1]:
        raise refuse("roi", f"the sensor has {size[0]} x {size[1]} px")
    if layout.is_bayer and (x % 2 or y % 2):
        raise refuse("roi", "a colour mosaic needs even offsets")
    if layout is PixelFormat.MONO12P and w % 2:
        raise refuse("roi", "Mono12p needs an even width")
    if new.conversion_gain is not None:
        raise refuse("conversion_gain", "this sensor has but one")
    if new.trigger not in ("free-run", "hardware"):
        raise refuse("trigger", "choose free-run or hardware")
    # As a real camera does, it slows down rather than cut an exposure short.
    return replace(new, frame_rate_hz=min(new.frame_rate_hz, 1e6 / new.exposure_us))
