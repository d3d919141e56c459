"""What this machine needs for live guidance, checked: `examine`. Changes nothing."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from hardware import disk_trial, shared_memory
from hardware.realtime import REMEDY, may_go_first
from hardware.rig import Rig

BASLER_VENDOR = "2676"
USBFS_MEMORY_MB = 1000
SUPERSPEED_MBIT = 5000
CONTROLLER_MB_PER_S = 380.0
"""What one USB 3 host controller carries in practice."""

PACKED = 1.5
"""Lossless packing makes NIR frames at least so much smaller before they reach the disk."""

DEFAULT_PIXELS = 1280 * 1024
DEFAULT_RATE_HZ = 60.0
MINUTES_WANTED = 10.0

_UDEV = ("/etc/udev/rules.d", "/run/udev/rules.d", "/usr/lib/udev/rules.d", "/lib/udev/rules.d")
_SYS = Path("/sys")
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. ``ok`` None: could not be told, or matters to nothing plugged in."""

    name: str
    ok: bool | None
    message: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class UsbCamera:
    """A Basler camera as the kernel sees it.

    ``controller`` is its host controller's address, ``node`` the file that a program opens to use
    it.
    """

    name: str
    serial: str
    speed_mbit: int
    controller: str
    node: str = ""


def examine(folder: Path, rig: Rig | None = None) -> tuple[Finding, ...]:
    """Look at everything.

    Parameters
    ----------
    folder
        Where cases are recorded; it need not exist yet.
    rig
        Tells how much data its cameras send; without one two of 1280 x 1024 at 60 Hz are assumed.
    """
    cameras = usb_cameras(_SYS / "bus/usb/devices")
    need = sum(stream_rates_mb_per_s(rig))
    return (
        check_libraries(),
        check_processors(os.cpu_count()),
        check_governor(_SYS / "devices/system/cpu"),
        check_scheduling(may_go_first()),
        check_shared_memory(shared_memory.trouble()),
        check_udev([Path(p) for p in _UDEV], plugged_in=bool(cameras)),
        check_usbfs_memory(
            _SYS / "module/usbcore/parameters/usbfs_memory_mb", plugged_in=bool(cameras)
        ),
        *check_links(cameras, need),
        *check_holders(cameras, _PROC),
        *check_disk(folder, need / PACKED),
    )


def stream_rates_mb_per_s(rig: Rig | None) -> tuple[float, ...]:
    """Return what each camera of ``rig`` sends [MB/s]; what it leaves open is assumed."""
    if rig is None:
        return (DEFAULT_PIXELS * 2 * DEFAULT_RATE_HZ / 1e6, DEFAULT_PIXELS * DEFAULT_RATE_HZ / 1e6)
    rates = []
    for spec in (rig.nir, rig.white):
        if spec is None:
            continue
        pixels = DEFAULT_PIXELS if spec.roi is None else spec.roi[2] * spec.roi[3]
        deep = spec.pixel_format.bit_depth > 8
        samples = 1.5 if spec.pixel_format.value.endswith("p") else 2.0 if deep else 1.0
        rates.append(pixels * samples * (spec.frame_rate_hz or DEFAULT_RATE_HZ) / 1e6)
    return tuple(rates)


def check_libraries(distribution: str = "sln-guide") -> Finding:
    """Name the libraries installed and those missing."""
    try:
        wanted = metadata.requires(distribution) or []
    except metadata.PackageNotFoundError:
        return Finding("libraries", None, f"{distribution} itself is not installed as a package")
    names = [re.split(r"[\s<>=!~\[;(]", w, maxsplit=1)[0] for w in wanted if "extra ==" not in w]
    found, missing = [], []
    for name in names:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding(
            "libraries", False, f"missing: {', '.join(missing)}", "install the project again"
        )
    return Finding("libraries", True, ", ".join(found))


def check_processors(count: int | None) -> Finding:
    """Two cores are what the live path was measured on."""
    if count is None:
        return Finding("processors", None, "their number cannot be told")
    remedy = "" if count >= 2 else "live guidance at 60 Hz wants two cores"
    return Finding("processors", count >= 2, f"{count} cores", remedy)


def check_governor(cpus: Path) -> Finding:
    """Read each core's frequency governor below ``cpus`` (sysfs)."""
    files = sorted(cpus.glob("cpu[0-9]*/cpufreq/scaling_governor"))
    names = {text for file in files if (text := _read(file)) is not None}
    if not names:
        return Finding("cpu governor", None, "not told by the kernel (a virtual machine?)")
    if names == {"performance"}:
        return Finding("cpu governor", True, "performance")
    return Finding(
        "cpu governor",
        False,
        f"{', '.join(sorted(names))}: cores slow down between frames",
        "sudo cpupower frequency-set -g performance",
    )


def check_scheduling(allowed: bool | None) -> Finding:
    """Tell whether the threads between camera and screen go before other programs' (`realtime`)."""
    if allowed is None:
        return Finding("scheduling", None, "this system has no real-time class for us")
    if allowed:
        return Finding("scheduling", True, "cameras, core and window go before other programs")
    # no fault: nothing is lost without it, and on an idle machine nothing gained
    waits = "not allowed to go before other programs: the overlay waits for those that are busy"
    return Finding("scheduling", None, waits, REMEDY)


def check_shared_memory(why_not: str | None) -> Finding:
    """Check that pylon can be loaded; ``why_not`` as `shared_memory.trouble` told it."""
    if why_not is None:
        return Finding("shared memory", True, "there is room for pylon's")
    return Finding(
        "shared memory", False, f"{why_not}: no Basler camera can be used", shared_memory.REMEDY
    )


def check_udev(folders: Iterable[Path], *, plugged_in: bool) -> Finding:
    """Look for a rule that lets users open Basler's USB cameras."""
    for folder in folders:
        for file in sorted(folder.glob("*.rules")) if folder.is_dir() else ():
            if BASLER_VENDOR in (_read(file) or ""):
                return Finding("udev rule", True, str(file))
    return Finding(
        "udev rule",
        False if plugged_in else None,
        "none for Basler's USB cameras: only root may open them",
        'echo \'SUBSYSTEM=="usb", ATTRS{idVendor}=="2676", MODE="0666", TAG+="uaccess"\' | '
        "sudo tee /etc/udev/rules.d/69-basler-cameras.rules && sudo udevadm control --reload "
        "(then plug the cameras in again)",
    )


def check_usbfs_memory(file: Path, *, plugged_in: bool) -> Finding:
    """Compare the kernel's memory for USB transfers with what two cameras need."""
    text = _read(file)
    if text is None or not text.isdecimal():
        return Finding("usbfs memory", None, "the kernel does not tell (no USB here?)")
    # 0 means without a limit
    if int(text) == 0 or int(text) >= USBFS_MEMORY_MB:
        return Finding("usbfs memory", True, f"{text} MB")
    return Finding(
        "usbfs memory",
        False if plugged_in else None,
        f"{text} MB: too little for two cameras, frames get lost",
        f"echo {USBFS_MEMORY_MB} | sudo tee {file} (and usbcore.usbfs_memory_mb="
        f"{USBFS_MEMORY_MB} on the kernel's command line, to keep it)",
    )


def usb_cameras(devices: Path) -> tuple[UsbCamera, ...]:
    """Find Basler cameras below ``devices`` (sysfs)."""
    cameras = []
    for device in sorted(devices.glob("*")) if devices.is_dir() else ():
        if _read(device / "idVendor") != BASLER_VENDOR:
            continue
        speed = _read(device / "speed") or ""
        # .../0000:00:14.0/usb2/2-1: whatever stands before the root hub is the controller
        parts = device.resolve().parts
        hub = next((i for i, p in enumerate(parts) if re.fullmatch(r"usb\d+", p)), None)
        cameras.append(
            UsbCamera(
                _read(device / "product") or "Basler camera",
                _read(device / "serial") or "?",
                int(speed) if speed.isdecimal() else 0,
                parts[hub - 1] if hub else "unknown",
                _node(_read(device / "busnum"), _read(device / "devnum")),
            )
        )
    return tuple(cameras)


def _node(bus: str | None, device: str | None) -> str:
    if not (bus and device and bus.isdecimal() and device.isdecimal()):
        return ""
    return f"/dev/bus/usb/{int(bus):03}/{int(device):03}"


def check_holders(cameras: Iterable[UsbCamera], proc: Path) -> tuple[Finding, ...]:
    """Name the programs that have a camera open: only one may.

    Those of other users cannot be looked at, save by root. ``proc`` is procfs.
    """
    nodes = {camera.node: camera for camera in cameras if camera.node}
    held: dict[str, set[str]] = defaultdict(set)
    for process in proc.glob("[0-9]*") if nodes else ():
        if process.name == str(os.getpid()):
            continue
        try:
            opened = [os.readlink(file) for file in (process / "fd").iterdir()]
        except OSError:  # another user's, or it has ended
            continue
        for node in nodes.keys() & opened:
            held[node].add(f"{_read(process / 'comm') or 'a program'} (process {process.name})")
    return tuple(
        Finding(
            f"use of {nodes[node].serial}",
            False,
            f"{nodes[node].name} is held by {', '.join(sorted(programs))}",
            "close that program; only one can use a camera",
        )
        for node, programs in sorted(held.items())
    )


def check_links(cameras: Iterable[UsbCamera], need_mb_per_s: float) -> tuple[Finding, ...]:
    """Judge the speed of each camera's link and who shares a controller.

    ``need_mb_per_s`` is what all cameras of the rig send together.
    """
    cameras = tuple(cameras)
    if not cameras:
        return (Finding("USB cameras", None, "none is plugged in"),)
    findings = []
    sharing: dict[str, list[UsbCamera]] = defaultdict(list)
    for camera in cameras:
        sharing[camera.controller].append(camera)
        findings.append(
            Finding(
                f"link of {camera.serial}",
                camera.speed_mbit >= SUPERSPEED_MBIT,
                f"{camera.name} at {camera.speed_mbit} Mbit/s",
                "" if camera.speed_mbit >= SUPERSPEED_MBIT else "use a USB 3 port and cable",
            )
        )
    for controller, group in sharing.items():
        share = need_mb_per_s * len(group) / len(cameras)
        fits = len(group) == 1 or share <= 0.5 * CONTROLLER_MB_PER_S
        serials = ", ".join(camera.serial for camera in group)
        findings.append(
            Finding(
                f"controller {controller}",
                fits,
                f"carries {serials}, about {share:.0f} of {CONTROLLER_MB_PER_S:.0f} MB/s",
                "" if fits else "plug one camera into a port of another host controller",
            )
        )
    return tuple(findings)


def check_disk(folder: Path, need_mb_per_s: float, *, size_mb: int = 256) -> tuple[Finding, ...]:
    """Write a temporary file where cases go, sync it, remove it; judge rate and space."""
    try:
        trial = disk_trial.have_tried(folder, size_mb)
    except OSError as error:
        reason = error.strerror or str(error)
        place = error.filename or folder
        return (Finding("disk", False, f"{place}: {reason}", "choose another folder with --cases"),)
    place, rate, free_mb = trial.place, trial.rate_mb_per_s, trial.free_mb
    minutes = free_mb / need_mb_per_s / 60.0 if need_mb_per_s else float("inf")
    fast, roomy = rate >= need_mb_per_s, minutes >= MINUTES_WANTED
    return (
        Finding(
            "disk rate",
            fast,
            f"{rate:.0f} MB/s, recording needs about {need_mb_per_s:.0f}: at {place}",
            "" if fast else "record to a faster disk, or lower the frame rate",
        ),
        Finding(
            "disk space",
            roomy,
            f"about {minutes:.0f} minutes of recording: {free_mb / 1e3:.0f} GB free at {place}",
            "" if roomy else "make room, or record to another disk with --cases",
        ),
    )


def _read(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
