"""`EmulatedBaslerCamera`: a camera of Basler's own emulator, and the faults it can be given."""

from __future__ import annotations

import os
from pathlib import Path

from hardware import sfnc
from hardware.basler import BaslerCamera
from hardware.call_watch import CALL_GRACE_S
from hardware.camera import CameraSettings
from hardware.genicam import Features


def emulate(cameras: int) -> None:
    """Let Basler's emulator offer at least ``cameras`` cameras: 0815-0000, 0815-0001, ...

    pylon reads the number at every enumeration (seen with 26.9), so this works at any time.
    """
    now = os.environ.get("PYLON_CAMEMU", "0")
    if not now.isdigit() or int(now) < cameras:
        os.environ["PYLON_CAMEMU"] = str(cameras)


class EmulatedBaslerCamera(BaslerCamera):
    """As `BaslerCamera`, in the emulator; one kind is never taken for the other.

    Parameters
    ----------
    serial, linear, pfs, light_line
        As for `BaslerCamera`.
    images
        Folder of images that it plays, in name order; None: the emulator's test pattern.
    """

    def __init__(
        self,
        serial: str,
        *,
        linear: bool = False,
        pfs: Path | None = None,
        images: Path | None = None,
        light_line: str | None = None,
    ) -> None:
        super().__init__(serial, linear=linear, pfs=pfs, light_line=light_line)
        self._images = images

    @property
    def simulated(self) -> bool:
        """Always True."""
        return True

    def play(self, images: Path) -> None:
        """Play another folder from the next `apply` on."""
        self._images = images

    def force_failed_buffers(self, count: int) -> None:
        """Fail the next ``count`` buffers. Raises CameraStateError while not open."""
        _, features = self._opened()
        with self._sdk("ForceFailedBuffer", CALL_GRACE_S):
            features.set("ForceFailedBufferCount", count)
            features.execute("ForceFailedBuffer")

    def emulate_removal(self) -> None:
        """Pretend that the cable was pulled; a new `open` finds it again.

        Raises CameraStateError while not open.
        """
        _, features = self._opened()
        with self._sdk("FirePnPCallback", CALL_GRACE_S):
            features.execute("FirePnPCallback")

    def _choose_pictures(
        self, features: Features, settings: CameraSettings, fixed: tuple[str, ...]
    ) -> CameraSettings:
        """Play the folder, if there is one."""
        if self._images is None:
            return settings
        return sfnc.play_images(features, self._images, settings, choose=not self._started)
