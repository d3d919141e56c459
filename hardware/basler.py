"""`BaslerCamera`: Basler cameras through pylon. The only user of pypylon."""

from __future__ import annotations

import contextlib
import importlib
import math
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from hardware import sfnc, shared_memory
from hardware.call_watch import CALL_GRACE_S, CallWatch
from hardware.camera import (
    CHECK_CABLE,
    PLUG_IN,
    REPLUG,
    BadSettingError,
    Camera,
    CameraCounters,
    CameraError,
    CameraInUseError,
    CameraNotFoundError,
    CameraRemovedError,
    CameraSettings,
    CameraStateError,
    CameraTimeoutError,
)
from hardware.frame import Frame
from hardware.genicam import GLOBAL_SHUTTER, LINEAR, TEST_IMAGES, Features, read_pfs
from hardware.grabbing import Grabbing, block_ids, ns_per_tick
from hardware.pylon_words import EMULATOR_CLASS, CameraInfo, line_bit, open_error, plain

BUFFERS = 30
"""Frames the SDK holds for us while our thread is kept waiting: half a second at 60 fps."""

REMOVAL_LOOK_NS = 250_000_000
"""How often a camera that keeps sending is asked whether it is still there (1 ms a time)."""

SILENCE_S = 2.0
"""A free-running camera silent for so long (or ten periods) is gone, callback or not."""

LONGEST_TIMEOUT_MS = 2**31 - 1
OPEN_ALLOWED_S = 20.0
CLOSE_ALLOWED_S = 3.0

# One process may hold a camera once; the emulator would let it be opened any number of times.
_held: set[str] = set()
_held_lock = threading.Lock()


def list_cameras() -> tuple[CameraInfo, ...]:
    """Return every camera that answers, by serial number. Raises CameraError without pylon."""
    pylon = _pylon()
    try:
        factory = pylon.TlFactory.GetInstance()
        found = []
        for info in factory.EnumerateDevices():
            serial = info.GetSerialNumber()
            taken = serial in _held or not factory.IsDeviceAccessible(info)
            name, transport = info.GetModelName(), info.GetDeviceClass()
            found.append(CameraInfo(serial, name, transport, taken))
    except pylon.GenericException as error:
        raise CameraError(f"pylon cannot look for cameras: {plain(error)}") from None
    return tuple(sorted(found, key=lambda c: c.serial))


class BaslerCamera(Camera):
    """One Basler camera through the `hardware.camera.Camera` protocol.

    Frames are grabbed one by one (never only the latest: the recorder wants them all) and copied
    once out of the SDK. Exposure, gain and line status of each frame come with it where the
    camera can send them. ``mid_exposure_ns`` is the arrival, freed of the host's jitter where
    the device has a clock, less the sensor's readout time where it is known, less half the
    exposure; the transfer, a few ms and alike for cameras of one kind, is in it.

    Parameters
    ----------
    serial
        Serial number.
    linear
        Refuse or switch off all that makes counts other than proportional to light (for NIR).
    pfs
        Features saved by the pylon Viewer: loaded by `apply`, read back, compared with it.
    light_line
        Input line, such as "Line3", that is high while the excitation light is on.

    Raises
    ------
    ValueError
        A line there cannot be.
    """

    def __init__(
        self,
        serial: str,
        *,
        linear: bool = False,
        pfs: Path | None = None,
        light_line: str | None = None,
    ) -> None:
        self._serial = serial
        self._linear = linear
        self._pfs = pfs
        self._light_bit = None if light_line is None else line_bit(light_line)
        self._device: Any = None
        self._features: Features | None = None
        self._settings: CameraSettings | None = None
        self._watch = CallWatch()
        self._reading = threading.Lock()
        self._closing: threading.Thread | None = None
        self._started = False
        self._grabbing: Grabbing | None = None
        self._epoch = -1
        self._chunks = False
        self._readout_ns = 0
        self._looked_ns = 0

    # -- what it is ------------------------------------------------------------------------------

    @property
    def camera_id(self) -> str:
        """Serial number."""
        return self._serial

    @property
    def simulated(self) -> bool:
        """False: the emulator's are `hardware.emulated.EmulatedBaslerCamera`."""
        return False

    @property
    def settings(self) -> CameraSettings:
        """What the camera read back last. Raises CameraStateError before `open`."""
        if self._settings is None:
            raise CameraStateError(f"camera {self._serial}: not open")
        return self._settings

    @property
    def counters(self) -> CameraCounters:
        """Frames handed out, lost and failed since `open`."""
        return CameraCounters() if self._grabbing is None else self._grabbing.counters

    def temperature_c(self) -> float | None:
        """Return what the camera's own thermometer says; None where it has none."""
        _, features = self._opened()
        with self._sdk("temperature", CALL_GRACE_S):
            return sfnc.temperature_c(features)

    @property
    def last_progress_ns(self) -> int:
        """When a call into pylon last came back; see `hardware.camera.Watched`."""
        return self._watch.last_progress_ns

    def stuck(self, now_ns: int) -> str | None:
        """Name the call into pylon that hangs; see `hardware.camera.Watched`."""
        return self._watch.stuck(now_ns)

    # -- the protocol ----------------------------------------------------------------------------

    def open(self) -> None:
        """Find the camera by its serial number and take hold of it.

        Raises CameraNotFoundError naming the cameras that are there, and CameraInUseError.
        """
        if self._device is not None:
            return
        with _held_lock:
            if self._serial in _held:
                hanging = self._closing is not None and self._closing.is_alive()
                raise CameraInUseError(
                    f"camera {self._serial}: "
                    + ("pylon has not let go of it yet" if hanging else "open in this program")
                )
            _held.add(self._serial)
        try:
            with self._sdk("Open", OPEN_ALLOWED_S):
                device = self._attach()
        except BaseException:
            with _held_lock:
                _held.discard(self._serial)
            raise
        self._grabbing = None
        self._device = device
        try:
            with self._sdk("Open", OPEN_ALLOWED_S):
                self._features = Features(device.GetNodeMap(), self._serial, _refusals())
                self._settings = sfnc.read(self._features)
        except BadSettingError:
            # in a mode we do not know: `apply` will change it, or say what is wrong
            self._settings = CameraSettings()
        except BaseException:
            self.close()
            raise

    def apply(self, settings: CameraSettings) -> CameraSettings:
        """Set everything that is not None, then read everything back.

        While started, only what does not change the size or layout of frames can be set; frames
        already under way are then marked ``settings_in_flight``.

        Raises
        ------
        BadSettingError
            Naming each feature, what was wanted, what it is, what is allowed.
        """
        device, features = self._opened()
        if self._removed(device):
            raise self._unplugged()
        with self._sdk("set", OPEN_ALLOWED_S):
            try:
                fixed = self._load_pfs(features, device, settings) if not self._started else ()
                if self._linear:
                    features.neutral(LINEAR, fixed=fixed, why="NIR must stay linear, but")
                if settings.trigger == "hardware" or self._light_bit is not None:
                    why = "what is exposed together needs a global shutter, but"
                    features.neutral(GLOBAL_SHUTTER, fixed=fixed, why=why)
                settings = self._choose_pictures(features, settings, fixed)
                sfnc.write(features, settings)
                if not self._started:
                    self._chunks = sfnc.enable_chunks(features)
            except BadSettingError:
                # what was set before the refusal is set: frames must say so
                with contextlib.suppress(BadSettingError):
                    self._read_back(device, features)
                raise
            return self._read_back(device, features)

    def start(self) -> None:
        """Begin grabbing: a new epoch, whose counter begins anew.

        Raises CameraStateError before `open` and `apply`, BadSettingError where what was applied
        no longer is, CameraError from pylon.
        """
        device, features = self._opened()
        if self._started:
            return
        if self.settings.pixel_format is None:
            raise CameraStateError(f"camera {self._serial}: apply settings before start")
        with self._sdk("StartGrabbing", OPEN_ALLOWED_S):
            self._refuse_what_changed(features)
            device.MaxNumBuffer.Value = BUFFERS
            device.StartGrabbing(_pylon().GrabStrategy_OneByOne)
            transport = device.GetDeviceInfo().GetDeviceClass()
            self._epoch += 1
            self._looked_ns = time.monotonic_ns()
            self._grabbing = Grabbing(
                self._serial,
                self._epoch,
                self.counters,
                started_ns=self._looked_ns,
                block_ids=block_ids(transport, features),
                ns_per_tick=ns_per_tick(transport, features),
                chunks=self._chunks,
                light_bit=self._light_bit,
            )
        self._started = True

    def read(self, timeout_s: float) -> Frame:
        """Return the next frame, copied into memory of its own.

        Raises what `Camera.read` does.
        """
        with self._reading:
            device, _ = self._opened()
            grabbing = self._grabbing
            if not self._started or grabbing is None:
                raise CameraStateError(f"camera {self._serial}: read before start")
            with self._sdk("RetrieveResult", timeout_s):
                timeout_ms = min(max(0, math.ceil(timeout_s * 1e3)), LONGEST_TIMEOUT_MS)
                result = device.RetrieveResult(timeout_ms, _pylon().TimeoutHandling_Return)
            host_ns = time.monotonic_ns()
            if not result.IsValid():
                raise self._why_nothing(device, host_ns - grabbing.last_buffer_ns)
            try:
                # the emulator goes on sending after it was unplugged, so ask now and then
                if not result.GrabSucceeded() or host_ns - self._looked_ns > REMOVAL_LOOK_NS:
                    self._looked_ns = host_ns
                    if self._removed(device):
                        raise self._unplugged()
                return grabbing.frame(result, host_ns, self.settings, self._readout_ns)
            finally:
                result.Release()

    def stop(self) -> None:
        """End grabbing; a waiting `read` in another thread raises CameraStateError."""
        was_started, self._started = self._started, False
        device = self._device
        if device is None or not was_started:
            return
        # a camera already gone refuses, and no longer grabs either
        with contextlib.suppress(CameraError), self._sdk("StopGrabbing", 0.0):
            device.StopGrabbing()

    def close(self) -> None:
        """Stop, close and destroy the device, on a thread of its own that may hang without us.

        Returns after CLOSE_ALLOWED_S at the latest; until pylon really lets go, `open` raises
        CameraInUseError.
        """
        device, self._device = self._device, None
        self._features = self._settings = None
        self._started = False
        if device is None:
            return
        self._closing = threading.Thread(
            target=self._let_go, args=(device,), name=f"close-{self._serial}", daemon=True
        )
        del device  # its destructor may hang too: the last reference is that thread's
        self._closing.start()
        self._closing.join(CLOSE_ALLOWED_S)

    # -- parts -----------------------------------------------------------------------------------

    def _opened(self) -> tuple[Any, Features]:
        device, features = self._device, self._features
        if device is None or features is None:
            raise CameraStateError(f"camera {self._serial}: not open")
        return device, features

    def _choose_pictures(
        self, features: Features, settings: CameraSettings, fixed: tuple[str, ...]
    ) -> CameraSettings:
        """Have the camera show light; return the settings that suit it."""
        features.neutral(TEST_IMAGES, fixed=fixed, why="it must show light, but")
        return settings

    @contextlib.contextmanager
    def _sdk(self, call: str, allowed_s: float) -> Iterator[None]:
        """Watch a call into pylon, and say in our words what it raises."""
        pylon = _pylon()
        try:
            with self._watch.calling(call, allowed_s + CALL_GRACE_S):
                yield
        except pylon.GenericException as error:
            text = plain(error)
            what = f"camera {self._serial}: {call}: {text}"
            if "removed" in text:
                raise CameraRemovedError(what, CHECK_CABLE) from None
            raise CameraError(what, REPLUG) from None

    def _attach(self) -> Any:
        """Enumerate afresh, find our serial number, open it."""
        pylon = _pylon()
        try:
            factory = pylon.TlFactory.GetInstance()
            there = self._found(factory)
            info = there.get(self._serial)
            if info is None:
                others = ", ".join(sorted(there)) or "none"
                raise CameraNotFoundError(
                    f"camera {self._serial}: not found (cameras that answer: {others})",
                    "check its cable, its power and the serial number in the rig file",
                )
            if (info.GetDeviceClass() == EMULATOR_CLASS) != self.simulated:
                is_, says = ("real", "is") if self.simulated else ("emulated", "is not")
                raise CameraNotFoundError(
                    f"camera {self._serial}: is {is_}, but the rig file says it {says} emulated",
                    "correct the rig file",
                )
            device = pylon.InstantCamera(factory.CreateDevice(info))
            device.Open()
        except pylon.GenericException as error:
            raise open_error(self._serial, plain(error)) from None
        return device

    def _found(self, factory: Any) -> dict[str, Any]:
        """Enumerate afresh, by serial number; the emulator alone first, which takes no time."""
        found: dict[str, Any] = {}
        if self.simulated:
            only = _pylon().DeviceInfo()
            only.SetDeviceClass(EMULATOR_CLASS)
            found = {d.GetSerialNumber(): d for d in factory.EnumerateDevices([only])}
        if self._serial not in found:
            found = {d.GetSerialNumber(): d for d in factory.EnumerateDevices()}
        return found

    def _read_back(self, device: Any, features: Features) -> CameraSettings:
        before, after = self.settings, sfnc.read(features)
        self._settings = after
        self._readout_ns = round(sfnc.readout_us(features) * 1e3)
        if self._started and self._grabbing is not None:
            if (after.exposure_us, after.gain_db) != (before.exposure_us, before.gain_db):
                self._grabbing.settings_changed(device.NumReadyBuffers.Value)
        return after

    def _refuse_what_changed(self, features: Features) -> None:
        """Refuse to grab with what somebody else set after `apply`: frames would be mislabelled."""
        wanted, now = self.settings, sfnc.read(features)
        changed = [
            f"{name} was {getattr(wanted, name)}, is {getattr(now, name)}"
            for name in sfnc.OF_A_FRAME
            if getattr(wanted, name) != getattr(now, name)
        ]
        if changed:
            raise features.refuse(f"changed by another program: {', '.join(changed)}")

    def _load_pfs(
        self, features: Features, device: Any, settings: CameraSettings
    ) -> tuple[str, ...]:
        """Load the saved features and return their names; what differs is refused by name."""
        if self._pfs is None:
            return ()
        entries = read_pfs(self._pfs)
        pylon = _pylon()
        try:
            pylon.FeaturePersistence.Load(str(self._pfs), device.GetNodeMap(), False)
        except pylon.GenericException as error:
            raise features.refuse(f"{self._pfs}: {plain(error)}") from None
        unlike = features.differences(entries)
        unlike += sfnc.disagreements(features, settings, entries)
        if unlike:
            raise features.refuse(f"{self._pfs} disagrees: {'; '.join(unlike)}")
        return tuple(entry.name for entry in entries)

    def _removed(self, device: Any) -> bool:
        with self._sdk("IsCameraDeviceRemoved", 0.0):
            return bool(device.IsCameraDeviceRemoved())

    def _unplugged(self) -> CameraRemovedError:
        return CameraRemovedError(f"camera {self._serial}: unplugged", PLUG_IN)

    def _why_nothing(self, device: Any, silent_ns: int) -> CameraError:
        """Return why `RetrieveResult` came back with empty hands."""
        if not self._started:
            return CameraStateError(f"camera {self._serial}: stopped")
        if self._removed(device):
            return self._unplugged()
        if not device.IsGrabbing():
            what = f"camera {self._serial}: pylon ended the stream by itself"
            return CameraRemovedError(what, CHECK_CABLE)
        settings = self.settings
        if settings.trigger == "free-run" and settings.frame_rate_hz and settings.exposure_us:
            period_s = max(1.0 / settings.frame_rate_hz, settings.exposure_us * 1e-6)
            if silent_ns * 1e-9 > max(SILENCE_S, 10 * period_s):
                return CameraRemovedError(
                    f"camera {self._serial}: silent for {silent_ns * 1e-9:.1f} s although it "
                    "runs free",
                    CHECK_CABLE,
                )
        return CameraTimeoutError(f"camera {self._serial}: no frame in time")

    def _let_go(self, device: Any) -> None:
        """Stop, close, destroy; each may hang, or be refused by a device that is gone."""
        pylon = _pylon()
        with self._watch.calling("Close", CLOSE_ALLOWED_S):
            with contextlib.suppress(pylon.GenericException):
                device.StopGrabbing()
            # StopGrabbing ends a waiting `read`: the device may not vanish under it
            with self._reading:
                for step in (device.Close, device.DestroyDevice):
                    with contextlib.suppress(pylon.GenericException):
                        step()
        with _held_lock:
            _held.discard(self._serial)


def _refusals() -> tuple[type[Exception], ...]:
    """Return what a well camera raises when it is asked for what it cannot do."""
    pylon = _pylon()
    return (pylon.OutOfRangeException, pylon.InvalidArgumentException, pylon.AccessException)


def _pylon() -> ModuleType:
    """Import pypylon when it is first needed: it takes a while, and loads every transport."""
    module = sys.modules.get("pypylon.pylon")
    if module is None:
        try:
            with warnings.catch_warnings():
                # SWIG's types warn of themselves while they are made, and where warnings are
                # errors that takes the interpreter down
                warnings.simplefilter("ignore", DeprecationWarning)
                module = importlib.import_module("pypylon.pylon")
        except ImportError as error:
            raise CameraError(f"pypylon cannot be loaded ({error})", "install it again") from None
        except Exception as error:  # noqa: BLE001 - of a kind that is only there once it is loaded
            why = shared_memory.trouble()
            what_to_do = "run `sln-guide doctor`" if why is None else shared_memory.REMEDY
            raise CameraError(f"pylon cannot begin ({why or plain(error)})", what_to_do) from None
    return module
