"""A camera that does exactly what a test tells it to, one read at a time."""

from __future__ import annotations

import queue
import time
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from hardware.camera import (
    CameraCounters,
    CameraError,
    CameraSettings,
    CameraStateError,
    CameraTimeoutError,
)
from hardware.frame import Frame, PixelFormat
from tests.frames import frame_of


def make_frame(
    sequence: int,
    *,
    pixels: ArrayLike | None = None,
    epoch: int = 0,
    device_time_ns: int | None = None,
    host_time_ns: int | None = None,
    mid_exposure_ns: int | None = None,
    white: bool = False,
    size: tuple[int, int] = (64, 80),
) -> Frame:
    """Return a frame; without ``pixels`` they differ from those of any other sequence number."""
    if pixels is None:
        seeded = np.random.default_rng(sequence)
        pixels = seeded.integers(60, 200, size) if white else seeded.integers(300, 340, size)
    now_ns = time.monotonic_ns() if host_time_ns is None else host_time_ns
    return frame_of(
        pixels,
        PixelFormat.BAYER_RG8 if white else PixelFormat.MONO12,
        sequence=sequence,
        stream_epoch=epoch,
        device_time_ns=sequence * 16_666_667 if device_time_ns is None else device_time_ns,
        host_time_ns=now_ns,
        mid_exposure_ns=now_ns - 5_000_000 if mid_exposure_ns is None else mid_exposure_ns,
        camera_id="scripted",
    )


class ScriptedCamera:
    """`feed` it frames and errors; each `read` takes the next one."""

    def __init__(self, *, simulated: bool = True) -> None:
        self.script: queue.Queue[Frame | BaseException] = queue.Queue()
        self.opened = 0
        self.is_open = False
        self.open_errors: list[CameraError] = []
        self._simulated = simulated
        self._settings = CameraSettings()

    def feed(self, *items: Frame | BaseException) -> None:
        for item in items:
            self.script.put(item)

    @property
    def camera_id(self) -> str:
        return "scripted"

    @property
    def simulated(self) -> bool:
        return self._simulated

    @property
    def settings(self) -> CameraSettings:
        return self._settings

    @property
    def counters(self) -> CameraCounters:
        return CameraCounters()

    def open(self) -> None:
        if self.open_errors:
            raise self.open_errors.pop(0)
        self.opened += 1
        self.is_open = True

    def apply(self, settings: CameraSettings) -> CameraSettings:
        self._settings = settings
        return settings

    def start(self) -> None:
        pass

    def read(self, timeout_s: float) -> Frame:
        if not self.is_open:
            raise CameraStateError("read before open")
        try:
            item = self.script.get(timeout=min(timeout_s, 0.02))
        except queue.Empty:
            raise CameraTimeoutError("nothing scripted") from None
        if isinstance(item, BaseException):
            raise item
        return item

    def stop(self) -> None:
        pass

    def close(self) -> None:
        self.is_open = False

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
