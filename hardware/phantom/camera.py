"""`PhantomCamera`: the `Camera` protocol over a `Phantom`, at the rig's own pace."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import replace

from hardware.camera import (
    BadSettingError,
    CameraCounters,
    CameraSettings,
    CameraStateError,
    CameraTimeoutError,
)
from hardware.frame import Frame, half_exposure_ns
from hardware.phantom.phantom import Phantom
from hardware.simulated import SimulatedCamera

BUFFERED_FRAMES = 8
"""As many frames wait for a slow reader as a driver has buffers; older ones are lost, counted."""


class PhantomCamera(SimulatedCamera):
    """One role of a phantom as a camera. `stop` and `close` may come from another thread.

    Exposures begin on a grid of frame periods that all cameras of the phantom share, so both
    roles see the same moment; `Frame.sequence` is the phantom's frame index, so
    ``phantom.truth(frame.sequence)`` is a frame's truth while the rig's settings hold. A frame is
    drawn ahead, by the reading thread, and handed out when its exposure ends.

    Raises CameraNotFoundError where the phantom's rig has no such role.
    """

    def __init__(self, phantom: Phantom, role: str) -> None:
        self._phantom = phantom
        self._role = phantom.role(role)
        super().__init__(f"phantom-{role}", phantom.settings(role))
        self._changed = threading.Condition()
        self._open = False
        self._grabbing = False
        self._epoch = -1
        self._before: CameraSettings | None = None
        self._applied_ns = 0
        self._next = 0
        self._drawn: Frame | None = None
        self._counters = CameraCounters()

    @property
    def counters(self) -> CameraCounters:
        """Deliveries and losses since `open`."""
        return self._counters

    def open(self) -> None:
        """Take hold of the simulated device. Raises CameraInUseError."""
        with self._changed:
            if self._open:
                return
            self._phantom.hold(self._role)
            self._open = True
            self._settings = self._phantom.settings(self._role)
            self._before = None
            self._counters = CameraCounters()

    def apply(self, settings: CameraSettings) -> CameraSettings:
        """Set, read back, return what is really done. Raises BadSettingError, CameraStateError."""
        with self._changed:
            if not self._open:
                raise CameraStateError(f"{self.camera_id}: open it before setting anything")
            new = self._phantom.checked(self._role, self._settings, settings)
            if self._grabbing:
                for name in ("pixel_format", "roi", "frame_rate_hz", "trigger", "trigger_line"):
                    if getattr(new, name) != getattr(self._settings, name):
                        raise BadSettingError(
                            f"{self.camera_id}: {name} cannot change while grabbing: stop first"
                        )
                self._before, self._applied_ns = self._settings, time.monotonic_ns()
                self._drawn = None
            self._settings = new
            return new

    def start(self) -> None:
        """Begin with the next exposure of the common grid. Raises CameraStateError."""
        with self._changed:
            if not self._open:
                raise CameraStateError(f"{self.camera_id}: open it before starting")
            if self._grabbing:
                return
            since_ns = time.monotonic_ns() - self._phantom.origin_ns()
            self._next = max(0, math.ceil(since_ns / self._period_ns() - 0.5))
            self._before = None
            self._drawn = None
            # Exposures between streams were nobody's: a new epoch, so the gap is no loss.
            self._epoch += 1
            self._grabbing = True

    def read(self, timeout_s: float) -> Frame:
        """Return the next frame when its exposure has ended.

        Raises CameraTimeoutError, and CameraStateError when not started or stopped meanwhile.
        """
        deadline_ns = time.monotonic_ns() + round(max(timeout_s, 0.0) * 1e9)
        with self._changed:
            self._refuse_unless_grabbing()
            self._skip_overwritten()
            index, settings, changed = self._next, self._settings_of(self._next), False
            frame = self._drawn
        if frame is None or frame.sequence != index:
            frame = self._draw(index, settings)
        with self._changed:
            while True:
                self._refuse_unless_grabbing()
                changed = self._settings_of(index) is not settings
                if changed:
                    break
                self._drawn = frame
                due_ns = frame.host_time_ns
                now_ns = time.monotonic_ns()
                if now_ns >= due_ns:
                    return self._hand_over(frame, settings, now_ns)
                if now_ns >= deadline_ns:
                    raise CameraTimeoutError(
                        f"{self.camera_id}: no frame within {timeout_s:g} s; its next is due in "
                        f"{(due_ns - now_ns) * 1e-9:.3f} s"
                    )
                self._changed.wait((min(due_ns, deadline_ns) - now_ns) * 1e-9)
        return self.read((deadline_ns - time.monotonic_ns()) * 1e-9)

    def stop(self) -> None:
        """End grabbing; wakes a waiting `read`, which raises CameraStateError."""
        with self._changed:
            self._grabbing = False
            self._drawn = None
            self._changed.notify_all()

    def close(self) -> None:
        """Stop and let go of the device."""
        with self._changed:
            self._grabbing = False
            self._drawn = None
            if self._open:
                self._open = False
                self._phantom.let_go(self._role)
            self._changed.notify_all()

    def _period_ns(self) -> float:
        return 1e9 / (self._settings.frame_rate_hz or 1.0)

    def _refuse_unless_grabbing(self) -> None:
        if not self._open:
            raise CameraStateError(f"{self.camera_id}: is closed: open and start it, then read")
        if not self._grabbing:
            raise CameraStateError(f"{self.camera_id}: is not grabbing: start it, then read")

    def _settings_of(self, index: int) -> CameraSettings:
        """Return what frame ``index`` was exposed with: a change spares exposures already over."""
        if self._before is not None:
            begun = self._phantom.origin_ns() + round(index * self._period_ns())
            if begun + round(1e3 * (self._before.exposure_us or 0.0)) <= self._applied_ns:
                return self._before
        return self._settings

    def _skip_overwritten(self) -> None:
        """Give up what a real driver's ring of buffers would have lost to a slow reader."""
        since_ns = time.monotonic_ns() - self._phantom.origin_ns()
        newest = int((since_ns - 1e3 * (self._settings.exposure_us or 0.0)) // self._period_ns())
        oldest = newest - BUFFERED_FRAMES + 1
        if self._next < oldest:
            lost = oldest - self._next
            self._counters = replace(self._counters, lost=self._counters.lost + lost)
            self._next = oldest

    def _draw(self, index: int, settings: CameraSettings) -> Frame:
        return self._phantom.exposed(
            self._role, index, settings, origin_ns=self._phantom.origin_ns()
        )

    def _hand_over(self, frame: Frame, settings: CameraSettings, now_ns: int) -> Frame:
        self._drawn = None
        self._next = frame.sequence + 1
        self._counters = replace(self._counters, delivered=self._counters.delivered + 1)
        begun_ns = frame.mid_exposure_ns - half_exposure_ns(frame.exposure_us)
        straddles = self._before is not None and begun_ns < self._applied_ns
        return replace(
            frame,
            stream_epoch=self._epoch,
            host_time_ns=now_ns,
            settings_in_flight=straddles and settings is not self._before,
        )
