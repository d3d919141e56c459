"""`WatchedCamera`: a camera that shows every frame it gives to somebody who looks on."""

from __future__ import annotations

from collections.abc import Callable

from hardware.camera import Camera, CameraCounters, CameraSettings
from hardware.frame import Frame


class WatchedCamera(Camera):
    """See `hardware.camera.Camera`. ``seen(role, frame)`` runs on the thread that reads."""

    def __init__(self, camera: Camera, role: str, seen: Callable[[str, Frame], None]) -> None:
        self.inner = camera
        self._role, self._seen = role, seen

    @property
    def camera_id(self) -> str:
        """As the camera."""
        return self.inner.camera_id

    @property
    def simulated(self) -> bool:
        """As the camera."""
        return self.inner.simulated

    @property
    def settings(self) -> CameraSettings:
        """As the camera."""
        return self.inner.settings

    @property
    def counters(self) -> CameraCounters:
        """As the camera."""
        return self.inner.counters

    def temperature_c(self) -> float | None:
        """As the camera."""
        return self.inner.temperature_c()

    def open(self) -> None:
        """As the camera."""
        self.inner.open()

    def apply(self, settings: CameraSettings) -> CameraSettings:
        """As the camera."""
        return self.inner.apply(settings)

    def start(self) -> None:
        """As the camera."""
        self.inner.start()

    def read(self, timeout_s: float) -> Frame:
        """As the camera, and show it."""
        frame = self.inner.read(timeout_s)
        self._seen(self._role, frame)
        return frame

    def stop(self) -> None:
        """As the camera."""
        self.inner.stop()

    def close(self) -> None:
        """As the camera."""
        self.inner.close()
