"""`Stream`: one camera, its thread, and what is known of its health."""

from __future__ import annotations

import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from hardware.camera import (
    CHECK_CABLE,
    REPLUG,
    BadSettingError,
    Camera,
    CameraEndedError,
    CameraError,
    CameraSettings,
    CameraTimeoutError,
    IncompleteFrameError,
    Watched,
)
from hardware.frame import Frame
from hardware.realtime import Rank, go_first
from sln_guide.guidance import Role
from sln_guide.handoff import Latest
from sln_guide.health import Health, StreamHealth
from sln_guide.live.shortfall import Shortfall
from sln_guide.one_line import unexpected

READ_TIMEOUT_S = 0.25
REATTACH_EVERY_S = 0.5
LOST_AFTER_NS = 250_000_000
FROZEN_AFTER_NS = 250_000_000
DAMAGED_AFTER = 5
"""So many bad buffers in a row, where no picture comes, are told as what keeps it away."""
RATE_WINDOW = 60
PERIOD_EVERY = 16
JOIN_TIMEOUT_S = 3.0

Deliver = Callable[[Role, Frame, int], None]
"""Called in the camera thread with the role, the frame, and how many were lost before it."""

TellLost = Callable[[Role, int, int, int], None]
"""Called there with the role, a first sequence number, how many from it on are lost, and the epoch:
for frames that no later one of the same epoch shows to be missing."""


class Stream:
    """Owns one camera and the thread that reads it; re-attaches after an unplug by itself.

    ``deliver`` must not block: it is called between two reads.
    """

    def __init__(
        self,
        role: Role,
        camera: Camera,
        settings: CameraSettings,
        deliver: Deliver,
        tell_lost: TellLost,
    ) -> None:
        self._role = role
        self._camera = camera
        self._settings = settings
        self._deliver = deliver
        self._tell_lost = tell_lost
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"camera-{role}", daemon=True)
        self._lock = threading.Lock()
        self._arrivals_ns: deque[int] = deque(maxlen=RATE_WINDOW)
        self._last: Frame | None = None
        self._delivered = 0
        self._lost = 0
        self._failed = 0
        self._failed_since_last = 0
        self._error: str | None = None
        self._remedy: str | None = None
        self._ended = False
        self._since_ns: int | None = None
        self._still = _Stillness(camera.simulated)
        self._asked_hz = None if settings.trigger == "hardware" else settings.frame_rate_hz
        self._shortfall = Shortfall(self._asked_hz)
        self._period_ns = 0
        self._wanted: Latest[CameraSettings] = Latest()
        self._refused: str | None = None
        self._watched = camera if isinstance(camera, Watched) else None

    def open(self) -> None:
        """Open, set and start the camera in the caller's thread, which gets its errors."""
        try:
            self._camera.open()
            became = self._camera.apply(self._settings)
            self._camera.start()
        except CameraError:
            self._camera.close()
            raise
        # A camera forgets its region with its power: registration and scale hold for this one.
        self._settings = replace(self._settings, roi=became.roi)

    def run(self) -> None:
        """Start the thread. Call after `open`."""
        self._thread.start()

    def end(self) -> bool:
        """End the thread; return False if it is stuck in the SDK. Idempotent."""
        self._ending.set()
        if not self._thread.is_alive():
            self._camera.close()
            return True
        self._thread.join(JOIN_TIMEOUT_S)
        return not self._thread.is_alive()

    def change(self, settings: CameraSettings) -> None:
        """Have ``settings`` applied by the camera's thread, soon. Any thread; `refused` tells."""
        self._wanted.put(settings)

    @property
    def refused(self) -> str | None:
        """Why the camera last refused a change, None if it did not."""
        return self._refused

    def period_ns(self) -> int:
        """Return the measured frame period, 0 while unknown. Cheap: asked for every frame."""
        return self._period_ns

    def health(self, now_ns: int) -> StreamHealth:
        """Return what is known now. Makes no SDK call: it must answer when the SDK hangs."""
        with self._lock:
            last, period_ns = self._last, self._period_ns
            error, remedy, since_ns = self._error, self._remedy, self._since_ns
            frozen = self._still.frozen_since_ns(now_ns)
            health = Health.STALE if last is None else Health.LIVE
            quiet_ns = 0 if last is None else now_ns - last.host_time_ns
            if frozen is not None:
                health, since_ns = Health.LOST, frozen
                error = error or "it repeats one frame"
            if quiet_ns > max(LOST_AFTER_NS, 4 * period_ns) and last is not None:
                health, since_ns = Health.LOST, since_ns or last.host_time_ns
                if error is None:
                    error, remedy = "no frame comes", self._where_frames_may_be_lost()
            stuck = None if self._watched is None else self._watched.stuck(now_ns)
            if stuck is not None:
                error = f"its driver does not answer ({stuck})"
                remedy = REPLUG
                since_ns = since_ns or (None if last is None else last.host_time_ns)
            if self._error is not None or stuck is not None:
                health = Health.LOST
            if health is Health.LIVE and self._shortfall.told:
                health, error = Health.DEGRADED, self._shortfall.told
                since_ns = self._shortfall.since_ns
            return StreamHealth(
                role=self._role,
                camera_id=self._camera.camera_id,
                health=health,
                rate_hz=self._rate_hz(now_ns),
                asked_hz=self._asked_hz,
                period_ns=period_ns,
                delivered=self._delivered,
                lost=self._lost + self._failed_since_last,
                failed=self._failed,
                epoch=0 if last is None else last.stream_epoch,
                last_frame_ns=None if last is None else last.host_time_ns,
                last_mid_exposure_ns=None if last is None else last.mid_exposure_ns,
                frozen=frozen is not None,
                error=error,
                since_ns=since_ns,
                remedy=remedy,
                ended=self._ended,
            )

    def _where_frames_may_be_lost(self) -> str:
        triggered = self._settings.trigger == "hardware"
        return "check its cable, its power and its trigger" if triggered else CHECK_CABLE

    def _median_period_ns(self) -> int:
        if len(self._arrivals_ns) < 3:
            return 0
        return int(np.median(np.diff(np.fromiter(self._arrivals_ns, np.int64))))

    def _rate_hz(self, now_ns: int) -> float:
        """Frames a second over the last window, falling towards 0 when nothing comes."""
        if len(self._arrivals_ns) < 3:
            return 0.0
        span_ns = self._arrivals_ns[-1] - self._arrivals_ns[0]
        span_ns += max(0, now_ns - self._arrivals_ns[-1] - 2 * self._period_ns)
        return (len(self._arrivals_ns) - 1) * 1e9 / max(span_ns, 1)

    def _run(self) -> None:
        # one that is simulated may have to draw what it sees: it takes turns with who looks at it
        go_first(Rank.PICTURE if self._camera.simulated else Rank.CAMERA)
        attached = True
        while not self._ending.is_set():
            try:
                if not attached:
                    self.open()
                    attached = True
                self._apply_wanted()
                self._read_one()
            except CameraEndedError as error:
                self._fail(error.what, "start the program again to play it from its beginning")
                self._ended = True
                break
            except BaseException as error:  # noqa: BLE001 - the screen says that it comes back
                # Anything else, a fault of ours too: let go, then try to get it back, for ever.
                if isinstance(error, CameraError):
                    self._fail(error.what, error.remedy)
                else:
                    said = unexpected(error)
                    if said != self._error:  # printed once, not twice a second
                        traceback.print_exc()
                    self._fail(said, "if this stays, start the program again")
                self._let_go()
                attached = False
                self._end_epoch()
                self._ending.wait(REATTACH_EVERY_S)
        self._camera.close()

    def _let_go(self) -> None:
        try:
            self._camera.close()
        except Exception as error:  # noqa: BLE001 - what it was let go for is told, this as well
            self._fail(f"it cannot be let go: {unexpected(error)}", REPLUG)

    def _end_epoch(self) -> None:
        """Tell the frames that failed after the epoch's last: its counter will not show them."""
        with self._lock:
            last, count = self._last, self._failed_since_last
            self._failed_since_last = 0
            self._lost += count
        if count and last is not None:
            self._tell_lost(self._role, last.sequence + 1, count, last.stream_epoch)

    def _apply_wanted(self) -> None:
        wanted = self._wanted.take_now()
        if wanted is None:
            return
        try:
            self._camera.apply(wanted)
            self._refused = None
        except BadSettingError as error:
            self._refused = str(error)

    def _read_one(self) -> None:
        try:
            frame = self._camera.read(READ_TIMEOUT_S)
        except CameraTimeoutError:
            return
        except IncompleteFrameError as error:
            with self._lock:
                self._failed += 1
                self._failed_since_last += 1
                last, in_a_row = self._last, self._failed_since_last
            quiet_ns = LOST_AFTER_NS if last is None else time.monotonic_ns() - last.host_time_ns
            if in_a_row >= DAMAGED_AFTER and quiet_ns >= LOST_AFTER_NS:
                self._fail(f"{error}, again and again", "check its cable and its port")
            return
        self._refuse_other_size(frame)
        with self._lock:
            lost = self._count_lost(frame)
            self._lost += lost
            self._delivered += 1
            self._shortfall.see(frame.host_time_ns, lost)
            self._arrivals_ns.append(frame.host_time_ns)
            if len(self._arrivals_ns) < PERIOD_EVERY or self._delivered % PERIOD_EVERY == 0:
                self._period_ns = self._median_period_ns()
            self._still.see(frame)
            self._last = frame
            self._failed_since_last = 0
            self._error = self._remedy = self._since_ns = None
        self._deliver(self._role, frame, lost)

    def _refuse_other_size(self, frame: Frame) -> None:
        """Refuse a frame that is not of the region: registration and scale would be another's.

        Raises
        ------
        CameraError
            It is to be opened and set anew.
        """
        region = self._settings.roi
        if region is None or region[2:] == (frame.width, frame.height):
            return
        with self._lock:
            self._failed += 1
            if self._last is not None and self._last.stream_epoch == frame.stream_epoch:
                self._failed_since_last += 1
        raise CameraError(
            f"camera {self._camera.camera_id}: sends {frame.width}x{frame.height} px, but is set "
            f"to {region[2]}x{region[3]}",
            "see that no other program changes it",
        )

    def _count_lost(self, frame: Frame) -> int:
        last = self._last
        if last is None or last.stream_epoch != frame.stream_epoch:
            self._arrivals_ns.clear()
            self._shortfall.begin_anew()
            self._period_ns = 0
            return min(self._failed_since_last, frame.sequence)
        return max(0, frame.sequence - last.sequence - 1)

    def _fail(self, what: str, remedy: str) -> None:
        with self._lock:
            if self._error is None:
                self._since_ns = time.monotonic_ns()
            self._error, self._remedy = what, remedy or None


class _Stillness:
    """Notices a camera that hands out one frame again and again.

    Pixels must repeat, and so must the counter or the device's clock; without them only for a
    camera that is not simulated: a noise-free recording may repeat, a sensor has noise.
    """

    def __init__(self, simulated: bool) -> None:
        self._simulated = simulated
        self._last: Frame | None = None
        self._same_since_ns: int | None = None

    def see(self, frame: Frame) -> None:
        """Compare ``frame`` with the one before."""
        last, self._last = self._last, frame
        if last is None or not self._repeats(last, frame):
            self._same_since_ns = None
        elif self._same_since_ns is None:
            self._same_since_ns = last.host_time_ns

    def frozen_since_ns(self, now_ns: int) -> int | None:
        """Return since when the picture stands still, None if it does not (long enough)."""
        since = self._same_since_ns
        return since if since is not None and now_ns - since > FROZEN_AFTER_NS else None

    def _repeats(self, last: Frame, frame: Frame) -> bool:
        stuck = (
            frame.sequence == last.sequence
            or (frame.device_time_ns == last.device_time_ns != 0)
            or frame.mid_exposure_ns == last.mid_exposure_ns
        )
        if self._simulated and not stuck:
            return False
        if frame.pixels is last.pixels:
            return True
        # A sparse look first: noise differs almost everywhere, so this ends most comparisons.
        if not np.array_equal(frame.pixels[::64, ::64], last.pixels[::64, ::64]):
            return False
        return np.array_equal(frame.pixels, last.pixels)
