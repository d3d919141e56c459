"""`EmulatedBenchCamera`: the bench seen through the real pylon SDK, in Basler's camera emulator.

The emulator knows no light: exposure, gain and black level change no image, and it has no lines;
it plays image files in a circle. So the bench draws what its sensor would send with the settings
that the camera read back, anew at every `apply`, and again, with other noise, when all was played.
What this proves is the way of settings and frames through the SDK. What it cannot: that a real
sensor answers its settings, line status, triggers, chunk data.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import weakref
from dataclasses import replace
from pathlib import Path

from hardware.bench import Bench, RoleName
from hardware.camera import Camera, CameraCounters, CameraSettings
from hardware.emulated import EmulatedBaslerCamera
from hardware.frame import Frame
from hardware.images import write_emulator_image
from hardware.rig import CameraSpec
from hardware.simulated import TEMPERATURE_C

REELS = (6, 72)
"""Images drawn at first (most settings are looked at in two frames), and when those were played."""
OFFSET_COUNTS = 64.0
"""The emulator's black level is 0 and moves nothing; a sensor's offset must not be."""


class EmulatedBenchCamera(Camera):
    """See `hardware.camera.Camera`. After the longest reel it goes round in a circle."""

    def __init__(self, bench: Bench, role: RoleName) -> None:
        spec: CameraSpec | None = getattr(bench.rig, role)
        assert spec is not None
        assert spec.serial is not None
        self.bench = bench
        self._role, self._spec = role, spec
        self._folder = Path(tempfile.mkdtemp(prefix=f"sln-guide-emulated-{os.getpid()}-{role}-"))
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._inner = EmulatedBaslerCamera(spec.serial, linear=role == "nir", images=self._folder)
        self._lock = threading.Lock()
        self._wanted = self._as_in_the_rig()
        self._grabbing = False
        self._reel = 0
        self._left = 0
        self._drawn = 0
        self._reels = 0

    @property
    def camera_id(self) -> str:
        """Serial number in the emulator."""
        return self._inner.camera_id

    @property
    def simulated(self) -> bool:
        """Always True."""
        return True

    @property
    def settings(self) -> CameraSettings:
        """What the emulator read back; the black level is the bench's."""
        return replace(self._inner.settings, black_level=self._offset)

    @property
    def counters(self) -> CameraCounters:
        """As the SDK counts."""
        return self._inner.counters

    def temperature_c(self) -> float:
        """Return a warm camera's temperature: the emulator has none."""
        return TEMPERATURE_C

    def open(self) -> None:
        """As `BaslerCamera.open`."""
        self._wanted = self._as_in_the_rig()
        self._inner.open()

    def apply(self, settings: CameraSettings) -> CameraSettings:
        """Set, read back, draw what a sensor so set would see. Raises BadSettingError."""
        with self._lock:
            self._inner.stop()
            self._reel = 0
            applied = self._load(self._complete(settings))
            if self._grabbing:
                self._inner.start()
            return applied

    def start(self) -> None:
        """Begin grabbing."""
        with self._lock:
            self._inner.start()
            self._grabbing = True

    def read(self, timeout_s: float) -> Frame:
        """Return the next frame; draws more of them where all were played."""
        with self._lock:
            if self._grabbing and self._left == 0 and self._reel + 1 < len(REELS):
                self._inner.stop()
                self._reel += 1
                self._load(self._inner.settings)
                self._inner.start()
        frame = self._inner.read(timeout_s)
        self._left = max(0, self._left - 1)
        return frame

    def stop(self) -> None:
        """End grabbing."""
        with self._lock:
            self._grabbing = False
            self._inner.stop()

    def close(self) -> None:
        """Let go of it."""
        with self._lock:
            self._grabbing = False
            self._inner.close()

    @property
    def _offset(self) -> float:
        own = 2.0 ** (self._spec.pixel_format.bit_depth - 12)
        return (self.bench.rig.sensor.dark_counts or OFFSET_COUNTS) * own

    def _as_in_the_rig(self) -> CameraSettings:
        width, height = self.bench.size(self._role)
        settings = self._spec.camera_settings()
        return replace(settings, roi=settings.roi or (0, 0, width, height))

    def _complete(self, settings: CameraSettings) -> CameraSettings:
        """Fill in what was set last; the emulator has neither black level nor trigger to set."""
        set_now = {
            name: value
            for name in CameraSettings.__dataclass_fields__
            if (value := getattr(settings, name)) is not None
        }
        self._wanted = replace(self._wanted, **set_now)
        return replace(self._wanted, black_level=None, trigger="free-run", trigger_line=None)

    def _load(self, wanted: CameraSettings) -> CameraSettings:
        """Draw a reel with ``wanted`` and have it played; again if the camera rounded them."""
        for _ in range(2):
            self._draw(wanted)
            applied = self._inner.apply(replace(wanted, black_level=None))
            exact = (applied.exposure_us, applied.gain_db) == (wanted.exposure_us, wanted.gain_db)
            wanted = replace(applied, frame_rate_hz=wanted.frame_rate_hz)
            if exact:
                break
        return self.settings

    def _draw(self, settings: CameraSettings) -> None:
        self._reels += 1
        # a folder of its own for each reel: the emulator lists a folder when it is given
        folder = self._folder / f"{self._reels:06}"
        folder.mkdir()
        as_set = replace(settings, black_level=self._offset)
        assert as_set.pixel_format is not None
        for index in range(REELS[self._reel]):
            pixels = self.bench.exposed(self._role, self._drawn, as_set)
            self._drawn += 1
            write_emulator_image(folder / f"{index:04}.tif", pixels, as_set.pixel_format.bit_depth)
        self._inner.play(folder)
        for old in self._folder.iterdir():
            if old != folder:
                shutil.rmtree(old, ignore_errors=True)
        self._left = REELS[self._reel]
