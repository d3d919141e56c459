"""`MockCamera`: plays recorded frames as if a camera sent them, faults included."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from hardware.call_watch import CALL_GRACE_S, CallWatch
from hardware.camera import (
    PLUG_IN,
    BadSettingError,
    Camera,
    CameraCounters,
    CameraEndedError,
    CameraNotFoundError,
    CameraRemovedError,
    CameraSettings,
    CameraStateError,
    CameraTimeoutError,
    IncompleteFrameError,
)
from hardware.faults import Corrupt, Drop, Fault, Freeze, Late, SizeChange, Stall, Unplug
from hardware.frame import Frame, frozen_pixels, half_exposure_ns
from hardware.images import FolderFrames, Pixels, frames_from_arrays
from hardware.playback import Exposure, Playback, Recording

__all__ = ["FolderFrames", "MockCamera", "Pace", "frames_from_arrays"]

Pace = Literal["recorded", "fastest"] | float
"""As the recording was made, as fast as it is read, or at so many frames a second."""

DEFAULT_FPS = 30.0


@dataclass(frozen=True, slots=True)
class _Due:
    """What `read` gives next: a frame or an error, and not before ``hand_over_ns``."""

    outcome: Frame | Exception
    hand_over_ns: int
    stall_s: float = 0.0


class MockCamera(Camera):
    """Plays recorded frames through the `hardware.camera.Camera` protocol.

    Pixels are shared by reference, never copied; counters and clocks are stamped anew, as if the
    device exposed them now. At its own pace nothing is skipped: a late reader gets late frames.

    Parameters
    ----------
    frames
        The recording: anything that can be iterated again and again (a list, a reader, a
        folder), or a function that returns a fresh iterator. It is read as it is played. An
        iteration may raise IncompleteFrameError and go on: `read` then raises it too.
    camera_id
        A name that says what is played.
    pace
        "recorded": as far apart as exposed then. "fastest": no waiting. A number: so many frames
        a second, on whole multiples of the period of `time.monotonic_ns`, so that cameras of one
        rate expose together, as if triggered.
    loop
        Begin anew at the end; counters run on.
    faults
        See `hardware.faults`.
    """

    def __init__(
        self,
        frames: Recording,
        *,
        camera_id: str = "mock",
        pace: Pace = "recorded",
        loop: bool = False,
        faults: Iterable[Fault] = (),
    ) -> None:
        if not isinstance(pace, str) and not (math.isfinite(pace) and pace > 0):
            raise ValueError(f"pace must be 'recorded', 'fastest' or frames a second, not {pace}")
        self._camera_id = camera_id
        self._pace: Pace = pace
        self._faults = tuple(faults)
        self._playback = Playback(frames, loop)
        self._settings: CameraSettings | None = None
        self._counters = CameraCounters()
        self._watch = CallWatch()
        self._changed = threading.Condition()
        self._started = False
        self._present = True
        self._handle_dead = False
        self._replug_ns: int | None = None
        self._stall_over = threading.Event()
        self._next: _Due | None = None
        self._device_frame = 0
        self._epoch = -1
        self._sequence = -1
        self._sequence_seen: int | None = None
        self._exposed_ns = 0
        self._ended = False
        self._before: Frame | None = None
        self._shape: tuple[int, int] | None = None

    # -- what it is ------------------------------------------------------------------------------

    @property
    def camera_id(self) -> str:
        """The name it was given."""
        return self._camera_id

    @property
    def simulated(self) -> bool:
        """True: no light fell on a sensor just now."""
        return True

    @property
    def settings(self) -> CameraSettings:
        """What the recording was made with. Raises CameraStateError before `open`."""
        if self._settings is None:
            raise CameraStateError(f"camera {self._camera_id}: not open")
        return self._settings

    @property
    def counters(self) -> CameraCounters:
        """Frames handed out, lost and damaged since `open`."""
        return self._counters

    @property
    def last_progress_ns(self) -> int:
        """When `read` last came back; see `hardware.camera.Watched`."""
        return self._watch.last_progress_ns

    def stuck(self, now_ns: int) -> str | None:
        """Name the call that should long be back; see `hardware.camera.Watched`."""
        return self._watch.stuck(now_ns)

    # -- the protocol ----------------------------------------------------------------------------

    def open(self) -> None:
        """Take hold of the recording; reads its first frame.

        Raises CameraNotFoundError while unplugged, CameraEndedError for an empty recording.
        """
        with self._changed:
            if self._settings is not None:
                return
            if self._replug_ns is not None and time.monotonic_ns() >= self._replug_ns:
                self._present, self._replug_ns = True, None
            if not self._present:
                raise CameraNotFoundError(f"camera {self._camera_id}: unplugged", PLUG_IN)
            first = self._playback.first()
            rate = DEFAULT_FPS if isinstance(self._pace, str) else float(self._pace)
            self._settings = CameraSettings(
                pixel_format=first.pixel_format,
                exposure_us=first.exposure_us,
                gain_db=first.gain_db,
                frame_rate_hz=rate,
                roi=(0, 0, first.width, first.height),
                black_level=0.0,
                trigger="free-run",
            )
            self._counters = CameraCounters()
            self._handle_dead = self._ended = False

    def apply(self, settings: CameraSettings) -> CameraSettings:
        """Take what fits the recording; what was exposed once cannot be set any more.

        ``frame_rate_hz`` becomes the pace where that is a number, and else the rate assumed where
        recorded times do not tell. ``black_level`` is only noted.

        Raises
        ------
        BadSettingError
            Naming every setting the recording was not made with.
        """
        with self._changed:
            now = self.settings
            wrong = []
            if settings.pixel_format not in (None, now.pixel_format):
                wrong.append(f"pixel_format {settings.pixel_format}, is {now.pixel_format}")
            for name, tolerance in (("exposure_us", 0.5), ("gain_db", 0.05)):
                wanted, got = getattr(settings, name), getattr(now, name)
                if wanted is not None and not abs(wanted - got) <= tolerance:
                    wrong.append(f"{name} {wanted:g}, is {got:g}")
            if settings.roi is not None and now.roi is not None:
                if settings.roi[2:] != now.roi[2:]:
                    wrong.append(f"roi {settings.roi}, is {now.roi}")
            if settings.trigger not in (None, "free-run"):
                wrong.append(f"trigger {settings.trigger}, is free-run")
            rate = now.frame_rate_hz if settings.frame_rate_hz is None else settings.frame_rate_hz
            assert rate is not None
            if not (math.isfinite(rate) and rate > 0):
                wrong.append(f"frame_rate_hz {rate}, must be positive")
            if wrong:
                raise BadSettingError(
                    f"camera {self._camera_id} plays a recording, which cannot be set to "
                    + "; ".join(wrong)
                )
            if not isinstance(self._pace, str):
                self._pace = rate
            self._settings = replace(
                now,
                frame_rate_hz=rate,
                roi=now.roi if settings.roi is None else settings.roi,
                black_level=(
                    now.black_level if settings.black_level is None else settings.black_level
                ),
            )
            return self._settings

    def start(self) -> None:
        """Begin to play, from where it stopped; counters begin anew in a new epoch.

        Raises CameraStateError before `open`.
        """
        with self._changed:
            if self._settings is None:
                raise CameraStateError(f"camera {self._camera_id}: start before open")
            if self._started:
                return
            self._started = True
            self._epoch += 1
            self._sequence = -1
            self._sequence_seen = self._next = self._before = None
            self._exposed_ns = time.monotonic_ns()

    def read(self, timeout_s: float) -> Frame:
        """Return the next frame when its time has come; see `hardware.camera.Camera.read`."""
        deadline_ns = time.monotonic_ns() + round(timeout_s * 1e9)
        with self._watch.calling("read", timeout_s + CALL_GRACE_S):
            while True:
                with self._changed:
                    due = self._wait(deadline_ns)
                    if not due.stall_s:
                        return self._hand_over(due)
                    self._next = replace(due, stall_s=0.0)
                    self._stall_over.clear()
                self._stall_over.wait(due.stall_s)

    def stop(self) -> None:
        """Stop playing; a waiting `read` in another thread raises CameraStateError."""
        with self._changed:
            self._started = False
            self._changed.notify_all()

    def close(self) -> None:
        """Let go; `open` may follow."""
        with self._changed:
            self._started = False
            self._settings = None
            self._changed.notify_all()

    # -- the cable, from any thread --------------------------------------------------------------

    def unplug(self) -> None:
        """Pull the cable: `read` raises CameraRemovedError, `open` CameraNotFoundError."""
        with self._changed:
            self._pull(None)

    def replug(self) -> None:
        """Put the cable back: after `close`, `open` succeeds. Ends a `Stall`."""
        with self._changed:
            self._present, self._replug_ns = True, None
            self._stall_over.set()
            self._changed.notify_all()

    def _pull(self, replug_after_s: float | None) -> None:
        self._present, self._handle_dead = False, True
        self._replug_ns = None
        if replug_after_s is not None:
            self._replug_ns = time.monotonic_ns() + round(replug_after_s * 1e9)
        self._changed.notify_all()

    # -- how a frame comes about, with the lock held ---------------------------------------------

    def _wait(self, deadline_ns: int) -> _Due:
        """Wait until something is due."""
        while True:
            if not self._started:
                raise CameraStateError(f"camera {self._camera_id}: not started, or stopped")
            if self._handle_dead:
                raise CameraRemovedError(f"camera {self._camera_id}: unplugged", PLUG_IN)
            if self._ended:
                raise CameraEndedError(f"camera {self._camera_id}: the recording has ended")
            if self._next is None:
                try:
                    self._next = self._expose()
                except CameraEndedError:
                    self._ended = True
                    continue
            now_ns = time.monotonic_ns()
            if now_ns >= self._next.hand_over_ns:
                return self._next
            if now_ns >= deadline_ns:
                raise CameraTimeoutError(f"camera {self._camera_id}: no frame in time")
            self._changed.wait((min(self._next.hand_over_ns, deadline_ns) - now_ns) * 1e-9)

    def _hand_over(self, due: _Due) -> Frame:
        self._next = None
        counters = self._counters
        if isinstance(due.outcome, Frame):
            self._counters = replace(counters, delivered=counters.delivered + 1)
            return replace(due.outcome, host_time_ns=time.monotonic_ns())
        if isinstance(due.outcome, IncompleteFrameError):
            self._counters = replace(counters, failed=counters.failed + 1)
        raise due.outcome

    def _expose(self) -> _Due:
        """Let the device expose frames until one, or an error, is to be handed over."""
        while True:
            device_frame = self._device_frame
            active = {type(f): f for f in self._faults if _happens(f, device_frame)}
            unplug = active.get(Unplug)
            if isinstance(unplug, Unplug):
                self._device_frame += 1
                self._pull(unplug.replug_after_s)
                raise CameraRemovedError(f"camera {self._camera_id}: unplugged", PLUG_IN)
            exposure = self._playback.expose(self._period_ns())
            self._device_frame += 1
            self._advance(exposure)
            if Drop in active:
                continue
            self._count_lost()
            late, stall = active.get(Late), active.get(Stall)
            hand_over_ns = self._exposed_ns
            if isinstance(late, Late):
                hand_over_ns += round(late.seconds * 1e9)
            stall_s = stall.seconds if isinstance(stall, Stall) else 0.0
            if exposure.frame is None or Corrupt in active:
                error = exposure.error or "the buffer arrived damaged"
                outcome = IncompleteFrameError(f"camera {self._camera_id}: {error}")
                return _Due(outcome, hand_over_ns, stall_s)
            freeze, size = active.get(Freeze), active.get(SizeChange)
            if isinstance(size, SizeChange):
                self._shape = size.shape
            frame = self._stamp(exposure.frame)
            if isinstance(freeze, Freeze) and self._before is not None:
                before = self._before
                frame = before if freeze.whole_frame else replace(frame, pixels=before.pixels)
            self._before = frame
            return _Due(frame, hand_over_ns, stall_s)

    def _count_lost(self) -> None:
        """Count the gap before the exposure now arriving; before a stream's first there is none."""
        seen, self._sequence_seen = self._sequence_seen, self._sequence
        if seen is not None and self._sequence > seen + 1:
            lost = self._counters.lost + self._sequence - seen - 1
            self._counters = replace(self._counters, lost=lost)

    def _period_ns(self) -> int:
        rate = self.settings.frame_rate_hz
        assert rate is not None
        return round(1e9 / rate)

    def _advance(self, exposure: Exposure) -> None:
        """Move the device's counter and clock on by one exposure."""
        self._sequence += exposure.steps if self._sequence >= 0 else 1
        if self._pace == "fastest":
            self._exposed_ns = time.monotonic_ns()
        elif self._pace == "recorded":
            self._exposed_ns += exposure.interval_ns
        else:
            period_ns = self._period_ns()
            self._exposed_ns += exposure.steps * period_ns
            self._exposed_ns -= self._exposed_ns % period_ns

    def _stamp(self, recorded: Frame) -> Frame:
        """Return the recorded frame as exposed now, in this camera's name."""
        pixels = recorded.pixels
        if self._shape is not None:
            pixels = _resized(recorded, self._shape)
        return replace(
            recorded,
            pixels=pixels,
            camera_id=self._camera_id,
            sequence=self._sequence,
            stream_epoch=self._epoch,
            device_time_ns=self._exposed_ns if recorded.device_time_ns else 0,
            host_time_ns=self._exposed_ns,
            mid_exposure_ns=self._exposed_ns - half_exposure_ns(recorded.exposure_us),
        )


def _happens(fault: Fault, device_frame: int) -> bool:
    count = fault.count if isinstance(fault, Drop | Corrupt | Freeze) else 1
    return fault.at <= device_frame < fault.at + count


def _resized(frame: Frame, shape: tuple[int, int]) -> Pixels:
    """Cut a frame to (rows, columns), or fill it up with black."""
    rows, columns = shape
    resized: Pixels = np.zeros(frame.pixel_format.array_shape(rows, columns), frame.pixels.dtype)
    common = tuple(slice(min(a, b)) for a, b in zip(resized.shape, frame.pixels.shape, strict=True))
    resized[common] = frame.pixels[common]
    return frozen_pixels(resized)
