"""What a window may ask of whatever makes pictures: a live session or a replayed case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from hardware.frame import Frame
from hardware.rig import Rig
from sln_guide.guidance import Mode, Picture, Settings, View
from sln_guide.health import SessionHealth

if TYPE_CHECKING:
    from sln_guide.recording.asked import Asked


@dataclass(frozen=True, slots=True)
class EventMark:
    """Something stamped on the case: ``time_s`` since the case began."""

    time_s: float
    name: str
    detail: str = ""


NodeSignals = tuple[tuple[int, dict[int, float]], ...]
"""Moments [ns since the first], and the signal of each node by number [counts/(ms*gain)]."""


@dataclass(frozen=True, slots=True)
class Paint:
    """That a picture reached the screen, without the picture itself. Times monotonic."""

    number: int
    handed_over_ns: int
    generation: int | None
    white_sequence: int | None
    view: View
    painted_ns: int
    overlay_visible: bool
    said: str
    """What the state pill said, and the headlines over the picture."""

    @classmethod
    def of(cls, picture: Picture, painted_ns: int, overlay_visible: bool, said: str) -> Paint:
        """Describe a paint of ``picture``."""
        guidance, white = picture.guidance, picture.white
        return cls(
            picture.number,
            picture.handed_over_ns,
            None if guidance is None else guidance.generation,
            None if white is None else white.sequence,
            picture.view,
            painted_ns,
            overlay_visible,
            said,
        )


class SourceError(RuntimeError):
    """The source cannot answer; the text says it in plain words, and what to do."""


class PictureSource(Protocol):
    """What makes the pictures of a window. A fault shows in `health`; nothing raises for it.

    Called from the GUI thread, except where it says so; only `start` and `close` wait. No array
    ever travels in a Qt signal: the source calls ``wake`` (from its own thread, cheap, no
    arguments), the window coalesces and pulls.
    """

    @property
    def mode(self) -> Mode:
        """LIVE, SIMULATED or REPLAY."""
        ...

    @property
    def rig(self) -> Rig:
        """The rig the pictures come from."""
        ...

    @property
    def title(self) -> str:
        """Case or rig name for the top strip."""
        ...

    @property
    def settings(self) -> Settings:
        """What the operator last chose."""
        ...

    def start(self) -> None:
        """Begin; takes as long as the cameras do. Any thread.

        Raises CameraError or SourceError before anything runs, if the cameras cannot be opened.
        """
        ...

    def close(self) -> None:
        """End every thread (bounded), close the case. Idempotent."""
        ...

    def on_picture(self, wake: Callable[[], None] | None) -> None:
        """Have ``wake`` called, from another thread, after each new picture."""
        ...

    def latest_picture(self) -> Picture | None:
        """Return the newest picture."""
        ...

    def latest_white(self) -> Frame | None:
        """Return the newest white frame, for when pictures stop."""
        ...

    def health(self) -> SessionHealth:
        """Return a fresh summary of streams, recorder, processing, latency. Any thread.

        Raises SourceError while nothing is known.
        """
        ...

    def change(self, **changes: Any) -> Settings:
        """Replace fields of `Settings`; return the new ones. Raises ValueError."""
        ...

    def painted(self, paint: Paint) -> None:
        """Report that a picture reached the window, or what was withdrawn, or said anew, of it."""
        ...

    def events(self) -> tuple[EventMark, ...]:
        """Return the marks so far, oldest first."""
        ...

    def mark(self, name: str, detail: str = "") -> None:
        """Stamp an event (phase, freeze, snapshot, injection, ...)."""
        ...


@runtime_checkable
class Recordable(Protocol):
    """A live source that can record."""

    def start_recording(self) -> Path:
        """Open a new case and return its folder.

        Raises RecordingError with what to do, or SourceError where no answer came.
        """
        ...

    def stop_recording(self) -> None:
        """End the case: what waits is still written. Returns at once; `health` says when."""
        ...


@runtime_checkable
class Movable(Protocol):
    """A live source whose cameras may come to work at another distance."""

    def work_at(self, distance_mm: float) -> Settings:
        """Take homography and scale of another distance; return the settings with them.

        Raises CalibrationError (the registration does not hold there), or SourceError.
        """
        ...


@runtime_checkable
class Replayable(Protocol):
    """A recorded case. Times in seconds since the case began."""

    @property
    def folder(self) -> Path:
        """Where the case lies."""
        ...

    @property
    def duration_s(self) -> float:
        """Length of the recording."""
        ...

    @property
    def position_s(self) -> float:
        """Where the shown pair lies."""
        ...

    @property
    def asked(self) -> Asked:
        """What is made otherwise than it was recorded."""
        ...

    def thumbnail(self, position_s: float, width_px: int) -> NDArray[np.uint32] | None:
        """Return a small picture (H, W) 0xffRRGGBB of the colour frame nearest to a time.

        Of NIR where there is no colour; None where it cannot be read. Any thread; takes a while.
        """
        ...

    @property
    def caveat(self) -> str:
        """What is wrong with the recording, in a few words; empty for nothing that is known."""
        ...

    @property
    def recorded_at_ns(self) -> int:
        """Wall clock (ns since 1970, UTC) at position 0."""
        ...

    @property
    def began_ns(self) -> int:
        """The frames' own clock at position 0."""
        ...

    def recorded_signals(self) -> NodeSignals | None:
        """Return what the recording's own guidance measured of its nodes, some times a second.

        None while that is not read yet, and where nothing was computed when it was recorded.
        """
        ...

    @property
    def playing(self) -> bool:
        """Whether time runs."""
        ...

    @property
    def speed(self) -> float:
        """Multiple of real time; `math.inf`: as fast as possible."""
        ...

    def play(self) -> None:
        """Let time run (from the start again when at the end)."""
        ...

    def pause(self) -> None:
        """Stop time."""
        ...

    def step(self, pairs: int) -> None:
        """Pause, then show the pair ``pairs`` further on (negative: back)."""
        ...

    def seek(self, position_s: float) -> None:
        """Show the pair nearest to ``position_s``."""
        ...

    def set_speed(self, speed: float) -> None:
        """Choose the speed, 0.1 to `math.inf`."""
        ...
