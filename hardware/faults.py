"""What can go wrong with a camera, as a script for `hardware.mock.MockCamera`.

``at`` counts the frames the device exposes, from 0, over the camera's whole life: each fault
happens once, however often the recording loops or the camera is plugged in again.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Drop:
    """``count`` frames are lost on the way: the counter jumps."""

    at: int
    count: int = 1


@dataclass(frozen=True, slots=True)
class Late:
    """One frame is handed over ``seconds`` late; its exposure was when it was."""

    at: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Corrupt:
    """``count`` buffers arrive damaged: IncompleteFrameError."""

    at: int
    count: int = 1


@dataclass(frozen=True, slots=True)
class Freeze:
    """``count`` times the picture before again.

    Only the pixels repeat, counter and clocks run on; with ``whole_frame`` these stand still too.
    """

    at: int
    count: int
    whole_frame: bool = False


@dataclass(frozen=True, slots=True)
class Unplug:
    """The cable comes out; back in after ``replug_after_s``, or at `MockCamera.replug`."""

    at: int
    replug_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class SizeChange:
    """From here on frames are ``shape`` (rows, columns): cut off, or black where there was none."""

    at: int
    shape: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Stall:
    """``read`` hangs as in a driver: neither its timeout nor `stop` nor `close` ends it.

    It ends after ``seconds``, or when the cable is pulled and put back (`MockCamera.replug`).
    """

    at: int
    seconds: float


Fault = Drop | Late | Corrupt | Freeze | Unplug | SizeChange | Stall
