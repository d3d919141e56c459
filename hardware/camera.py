"""The `Camera` protocol, what can be set on a camera, and every way a camera can fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, Self, runtime_checkable

from hardware.frame import Frame, PixelFormat

Trigger = Literal["free-run", "hardware"]
ConversionGain = Literal["High", "Low"]


CHECK_CABLE = "check its cable and its power"
PLUG_IN = "plug it in again"
REPLUG = f"unplug it and {PLUG_IN}"


class CameraError(Exception):
    """A camera failed. ``what`` says how, and which; ``remedy`` what to do, empty: nobody knows.

    Both are its arguments, so that it survives a pipe between processes.
    """

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what, remedy)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what}; {self.remedy}" if self.remedy else self.what


class CameraNotFoundError(CameraError):
    """No camera answers to this serial number."""


class CameraInUseError(CameraError):
    """Another process holds the camera."""


class CameraRemovedError(CameraError):
    """The camera was unplugged (or stopped answering): close it, then open again."""


class CameraTimeoutError(CameraError):
    """No frame arrived in time; the camera may still be well."""


class BadSettingError(CameraError):
    """A setting the camera refused, or read back as something else."""


class IncompleteFrameError(CameraError):
    """A buffer arrived damaged; the next may be well. Counted in `CameraCounters.failed`."""


class CameraEndedError(CameraError):
    """The recording a simulated camera plays has come to its end."""


class CameraStateError(CameraError):
    """Called out of order, for example `read` before `start`, or stopped while reading."""


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """What to set. ``None`` leaves the camera's own value; what it became is read back.

    ``roi`` is (x, y, width, height) in sensor px. ``black_level`` in counts.
    ``conversion_gain`` is the mode of a sensor that has two; None read back: it has but one.
    ``trigger`` "hardware" waits for ``trigger_line``, rising edge, one frame a pulse.
    """

    pixel_format: PixelFormat | None = None
    exposure_us: float | None = None
    gain_db: float | None = None
    frame_rate_hz: float | None = None
    roi: tuple[int, int, int, int] | None = None
    black_level: float | None = None
    trigger: Trigger | None = None
    trigger_line: str | None = None
    conversion_gain: ConversionGain | None = None


@dataclass(frozen=True, slots=True)
class CameraCounters:
    """Since `Camera.open`: frames handed out, frames the counter says were lost, bad buffers."""

    delivered: int = 0
    lost: int = 0
    failed: int = 0


@runtime_checkable
class Camera(Protocol):
    """A source of frames, used by one thread at a time. Subclass it: `with` comes for nothing.

    ``open -> apply -> start -> read... -> stop -> close``. `open`, `start`, `stop` and `close` are
    idempotent; leaving the context manager closes. After `CameraRemovedError`: `close`, then
    `open` until it succeeds, `apply`, `start`; `Frame.stream_epoch` then counts one up. It also
    does when a stream is stopped and started, wherever the device's counter begins anew.
    `stop` and `close` may come from another thread: a waiting `read` then raises
    CameraStateError.
    """

    @property
    def camera_id(self) -> str:
        """Serial number, or a name that says what simulates it."""
        ...

    @property
    def simulated(self) -> bool:
        """True for anything that is not light on a real sensor (mock, phantom, emulator)."""
        ...

    @property
    def settings(self) -> CameraSettings:
        """What the camera read back after the last `apply`; None where it has no such setting."""
        ...

    @property
    def counters(self) -> CameraCounters:
        """Deliveries and losses since `open`."""
        ...

    def temperature_c(self) -> float | None:
        """Return the device's own temperature [degrees C], while open; None: it tells none."""
        return None

    def open(self) -> None:
        """Take hold of the device. Raises CameraNotFoundError, CameraInUseError."""
        ...

    def apply(self, settings: CameraSettings) -> CameraSettings:
        """Set, read back, return what the camera really does. Raises BadSettingError."""
        ...

    def start(self) -> None:
        """Begin grabbing."""
        ...

    def read(self, timeout_s: float) -> Frame:
        """Return the next frame, in order, none skipped by us.

        Raises CameraTimeoutError, IncompleteFrameError, CameraRemovedError, CameraStateError,
        and CameraEndedError at the end of a recording.
        """
        ...

    def stop(self) -> None:
        """End grabbing; `start` may follow."""
        ...

    def close(self) -> None:
        """Let go of the device; `open` may follow. Never raises for a device already gone."""
        ...

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@runtime_checkable
class Watched(Protocol):
    """A camera whose calls may hang in a driver, as a watchdog on another thread sees it.

    No member calls into the SDK: each answers even when the camera's own thread never comes back.
    """

    @property
    def last_progress_ns(self) -> int:
        """`time.monotonic_ns` when a call into the SDK last came back."""
        ...

    def stuck(self, now_ns: int) -> str | None:
        """Name the call that should long have returned by ``now_ns``; None while all is well."""
        ...
