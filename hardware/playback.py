"""`Playback`: walks through a recording, one exposure at a time, as often as it loops."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from hardware.camera import CameraEndedError, IncompleteFrameError
from hardware.frame import Frame

Recording = Iterable[Frame] | Callable[[], Iterator[Frame]]
"""Something to iterate again and again, or a function that returns a fresh iterator."""

LONGEST_PAUSE_NS = 5_000_000_000
"""A longer one between two recorded frames is a break in the recording, and is not sat out."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """One frame of the recording on its way: ``frame`` None where the file was damaged.

    ``steps`` is how far the device's counter moved, ``interval_ns`` how long that took.
    """

    frame: Frame | None
    error: str
    steps: int
    interval_ns: int


class Playback:
    """Walks through a recording, again and again if it loops; holds one frame at a time.

    Raises ValueError for an iterator that is to loop.
    """

    def __init__(self, recording: Recording, loop: bool) -> None:
        if loop and isinstance(recording, Iterator):
            raise ValueError("an iterator runs once and cannot loop: give a list, or a function")
        self._recording = recording
        self._loop = loop
        self._frames: Iterator[Frame] | None = None
        self._readable = False
        self._last: Frame | None = None
        self._damaged = 0
        self._ahead: Frame | None = None

    def first(self) -> Frame:
        """Return the next readable frame without moving on. Raises CameraEndedError."""
        while self._ahead is None:
            try:
                self._ahead = self._take()
            except IncompleteFrameError:
                continue
        return self._ahead

    def expose(self, period_ns: int) -> Exposure:
        """Move on by one frame; ``period_ns`` stands in where recorded times do not tell.

        Raises CameraEndedError at the end of a recording that does not loop.
        """
        try:
            frame, self._ahead = self._ahead or self._take(), None
        except IncompleteFrameError as error:
            self._damaged += 1
            return Exposure(None, str(error), 1, period_ns)
        last, self._last = self._last, frame
        damaged, self._damaged = self._damaged, 0
        steps, interval_ns = 1, 0
        if last is not None and frame.stream_epoch == last.stream_epoch:
            steps = max(1, frame.sequence - last.sequence - damaged)
            interval_ns = frame.mid_exposure_ns - last.mid_exposure_ns - damaged * period_ns
        if not 0 < interval_ns <= LONGEST_PAUSE_NS:
            interval_ns = steps * period_ns
        return Exposure(frame, "", steps, interval_ns)

    def _take(self) -> Frame:
        if self._frames is None:
            recording = self._recording
            self._frames = recording() if callable(recording) else iter(recording)
            self._readable = False
        try:
            frame = next(self._frames)
        except StopIteration:
            readable = self._readable
            self._frames, self._last = None, None
            if not readable:
                raise CameraEndedError("the recording holds no readable frame") from None
            if not self._loop:
                raise CameraEndedError("the recording has ended") from None
            return self._take()
        self._readable = True
        return frame
