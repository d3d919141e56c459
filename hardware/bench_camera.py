"""`BenchCamera`: the `Camera` protocol over a `Bench`."""

from __future__ import annotations

import threading
import time

from hardware.bench import Bench, RoleName
from hardware.camera import (
    CameraCounters,
    CameraNotFoundError,
    CameraSettings,
    CameraStateError,
    CameraTimeoutError,
)
from hardware.frame import Frame, PixelFormat, frozen_pixels, half_exposure_ns
from hardware.rig import CameraSpec
from hardware.simulated import SimulatedCamera, settled

NIR_FORMATS = (PixelFormat.MONO8, PixelFormat.MONO10, PixelFormat.MONO12)
BAYER_FORMATS = tuple(layout for layout in PixelFormat if layout.is_bayer)


class BenchCamera(SimulatedCamera):
    """One camera of a bench. See `hardware.camera.Camera`.

    ``paced``: at its frame rate, not as fast as it is read. Raises CameraNotFoundError where the
    bench's rig has no such role.
    """

    def __init__(self, bench: Bench, role: RoleName, *, paced: bool = False) -> None:
        spec: CameraSpec | None = getattr(bench.rig, role)
        if spec is None:
            raise CameraNotFoundError(f"the bench of rig {bench.rig.name!r} has no {role!r} camera")
        width, height = bench.size(role)
        own = 2.0 ** (spec.pixel_format.bit_depth - 12)
        settings = CameraSettings(
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
        super().__init__(f"bench-{role}", settings)
        self._bench = bench
        self._role: RoleName = role
        self._paced = paced
        self._stopped = threading.Event()
        self._due_ns = 0
        self._open = False
        self._started = False
        self._epoch = -1
        self._sequence = 0
        self._delivered = 0

    @property
    def bench(self) -> Bench:
        """What it looks at."""
        return self._bench

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
        """Set, read back, return what is really done. Raises BadSettingError, CameraStateError."""
        if not self._open:
            raise CameraStateError(f"{self.camera_id}: open it before setting anything")
        self._settings = settled(
            self.camera_id,
            self._settings,
            settings,
            formats=NIR_FORMATS if self._role == "nir" else BAYER_FORMATS,
            size=self._bench.size(self._role),
        )
        return self._settings

    def start(self) -> None:
        """Begin grabbing; counters begin anew in a new epoch. Raises CameraStateError."""
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
            mid_exposure_ns=now_ns - half_exposure_ns(settings.exposure_us),
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
