"""`BenchCamera`: the `Camera` protocol over a `Bench`."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from hardware.camera import (
    BadSettingError,
    Camera,
    CameraCounters,
    CameraSettings,
    CameraStateError,
    CameraTimeoutError,
)
from hardware.frame import Frame, PixelFormat, frozen_pixels
from hardware.rig import CameraSpec

if TYPE_CHECKING:
    from hardware.bench import Bench, RoleName


class BenchCamera(Camera):
    """One camera of a bench. See `hardware.camera.Camera`."""

    def __init__(self, bench: Bench, role: RoleName, *, paced: bool = False) -> None:
        self._paced = paced
        self._stopped = threading.Event()
        self._due_ns = 0
        self._bench = bench
        self._role = role
        self._open = False
        self._started = False
        self._epoch = -1
        self._sequence = 0
        self._delivered = 0
        self._fresh = False
        spec: CameraSpec | None = getattr(bench.rig, role)
        assert spec is not None
        width, height = bench.size(role)
        own = 2.0 ** (spec.pixel_format.bit_depth - 12)
        self._settings = CameraSettings(
            pixel_format=spec.pixel_format,
            exposure_us=spec.exposure_us,
            gain_db=spec.gain_db,
            frame_rate_hz=spec.frame_rate_hz or 30.0,
            roi=(0, 0, width, height),
            black_level=spec.black_level
            if spec.black_level is not None
            else (bench.rig.sensor.dark_counts or 64.0) * own,
            trigger=spec.trigger,
            trigger_line=spec.trigger_line or "none",
        )

    @property
    def bench(self) -> Bench:
        """What it looks at."""
        return self._bench

    @property
    def camera_id(self) -> str:
        """Name that says what simulates it."""
        return f"bench-{self._role}"

    @property
    def simulated(self) -> bool:
        """Always True."""
        return True

    @property
    def settings(self) -> CameraSettings:
        """What the camera does, every field set."""
        return self._settings

    @property
    def counters(self) -> CameraCounters:
        """Deliveries since `open`; none is ever lost."""
        return CameraCounters(delivered=self._delivered)

    def open(self) -> None:
        """Take hold of it."""
        if not self._open:
            self._open = True
            self._delivered = 0

    def apply(self, settings: CameraSettings) -> CameraSettings:
        """Set exposure, gain, rate and black level; the rest stays. Raises BadSettingError."""
        if not self._open:
            raise CameraStateError(f"{self.camera_id}: open it before setting anything")
        changes = {
            name: value
            for name in CameraSettings.__dataclass_fields__
            if (value := getattr(settings, name)) is not None
        }
        new = replace(self._settings, **changes)
        width, height = self._bench.size(self._role)
        x, y, w, h = new.roi or (0, 0, width, height)
        if min(x, y) < 0 or min(w, h) < 1 or x + w > width or y + h > height:
            raise BadSettingError(f"{self.camera_id}: roi {new.roi} refused: {width} x {height} px")
        if new.exposure_us is None or not 10.0 <= new.exposure_us <= 1e6:
            raise BadSettingError(
                f"{self.camera_id}: exposure_us = {new.exposure_us} refused: choose 10 to 1000000"
            )
        if new.gain_db is None or not 0.0 <= new.gain_db <= 36.0:
            raise BadSettingError(f"{self.camera_id}: gain_db refused: choose 0 to 36")
        if new.pixel_format is None or new.pixel_format is PixelFormat.MONO12P:
            raise BadSettingError(f"{self.camera_id}: pixel_format refused: choose Mono12")
        fits = new.pixel_format.is_mono if self._role == "nir" else new.pixel_format.is_bayer
        if not fits:
            raise BadSettingError(f"{self.camera_id}: pixel_format {new.pixel_format} refused")
        rate = min(new.frame_rate_hz or 30.0, 1e6 / new.exposure_us)
        self._settings = replace(new, frame_rate_hz=rate)
        return self._settings

    def start(self) -> None:
        """Begin grabbing; counters begin anew in a new epoch."""
        if not self._open:
            raise CameraStateError(f"{self.camera_id}: open it before starting")
        if not self._started:
            self._stopped.clear()
            self._started = True
            self._epoch += 1
            self._due_ns = time.monotonic_ns()

    def read(self, timeout_s: float) -> Frame:
        """Return a frame exposed now. Raises CameraTimeoutError, CameraStateError."""
        settings = self._settings
        if self._paced and self._started:
            wait_s = (self._due_ns - time.monotonic_ns()) * 1e-9
            self._stopped.wait(max(0.0, min(wait_s, timeout_s)))
            if wait_s > timeout_s and self._started:
                raise CameraTimeoutError(f"{self.camera_id}: no frame within {timeout_s:g} s")
            self._due_ns = max(self._due_ns, time.monotonic_ns() - 50_000_000) + round(
                1e9 / (settings.frame_rate_hz or 30.0)
            )
        if not self._started:
            raise CameraStateError(f"{self.camera_id}: not started, or stopped")
        pixels = self._bench.exposed(self._role, self._sequence, settings)
        now_ns = time.monotonic_ns()
        assert settings.pixel_format is not None
        assert settings.exposure_us is not None
        assert settings.gain_db is not None
        frame = Frame(
            pixels=frozen_pixels(pixels),
            pixel_format=settings.pixel_format,
            bit_depth=settings.pixel_format.bit_depth,
            sequence=self._sequence,
            stream_epoch=self._epoch,
            device_time_ns=now_ns,
            host_time_ns=now_ns,
            mid_exposure_ns=now_ns - round(500 * settings.exposure_us),
            exposure_us=settings.exposure_us,
            gain_db=settings.gain_db,
            camera_id=self.camera_id,
        )
        self._sequence += 1
        self._delivered += 1
        return frame

    def stop(self) -> None:
        """End grabbing; wakes a waiting `read`."""
        self._started = False
        self._stopped.set()

    def close(self) -> None:
        """Let go of it."""
        self.stop()
        self._open = False
