"""What pylon says, in our words: the cameras it finds, and its errors. Knows no SDK itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hardware.camera import (
    CHECK_CABLE,
    REPLUG,
    CameraError,
    CameraInUseError,
    CameraNotFoundError,
)

EMULATOR_CLASS = "BaslerCamEmu"


@dataclass(frozen=True, slots=True)
class CameraInfo:
    """A camera that answers. ``transport`` is pylon's device class, such as BaslerUsb."""

    serial: str
    model: str
    transport: str
    in_use: bool

    @property
    def emulated(self) -> bool:
        """Whether it exists in software only."""
        return self.transport == EMULATOR_CLASS

    def text(self) -> str:
        """Say it in one line."""
        notes = ["in use"] * self.in_use + ["emulated"] * self.emulated
        tail = f" ({', '.join(notes)})" if notes else ""
        return f"{self.serial}  {self.model}  {self.transport}{tail}"


def description(result: Any) -> str:
    """Say why a grab failed."""
    try:
        return str(result.GetErrorDescription()).rstrip(". ") or "incomplete"
    except UnicodeDecodeError:
        # some transport layers send text that is not UTF-8; the failure is no less one
        return f"error {result.GetErrorCode()}"


def plain(error: BaseException) -> str:
    """Return pylon's message in one line, without where in its sources it was raised."""
    lines = [line.split(" : ")[0].strip() for line in str(error).splitlines()]
    return "; ".join(line for line in lines if line)


def open_error(serial: str, text: str) -> CameraError:
    """Tell from pylon's words why a camera could not be opened."""
    lower = text.lower()
    if any(words in lower for words in ("exclusively", "controlled by another", "in use")):
        return CameraInUseError(
            f"camera {serial}: another program holds it ({text})",
            "close that one, which `sln-guide doctor` names",
        )
    if any(words in lower for words in ("access denied", "permission", "insufficient")):
        return CameraError(
            f"camera {serial}: this user may not open it ({text})",
            "run `sln-guide doctor` for the udev rule",
        )
    if "no device is available" in lower:
        return CameraNotFoundError(f"camera {serial}: gone while it was being opened", CHECK_CABLE)
    return CameraError(f"camera {serial}: cannot be opened: {text}", REPLUG)


def line_bit(line: str) -> int:
    """Return the bit of the line status that belongs to "Line3" and the like; else ValueError."""
    number = line.removeprefix("Line")
    if number == line or not number.isdecimal() or number == "0":
        raise ValueError(f"light_line must be Line1, Line2, ..., not {line!r}")
    return int(number) - 1
