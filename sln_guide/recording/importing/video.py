"""A video file as a stream of pictures, with what its decoder found damaged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sln_guide.recording.importing.picture import ImportProblem, Picture, Pixels, checked

COLOUR_KINDS = (
    *("rgb24", "bgr24", "rgb0", "bgr0", "0rgb", "0bgr", "rgba", "bgra", "argb", "abgr"),
    *("gbrp", "gbrap", "pal8"),
)
"""Formats of 8 bits a channel, which become RGB without a change of value."""


@dataclass
class Video:
    """A video file. Grey formats keep their bits; for NIR in YUV the stored luma is taken."""

    path: Path
    colour: bool
    rate_hz: float | None = field(default=None, init=False)
    notes: tuple[str, ...] = field(default=(), init=False)
    damage: tuple[str, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        import av

        try:
            with av.open(str(self.path)) as container:
                if not container.streams.video:
                    raise ImportProblem(f"{self.path}: holds no video")
                stream = container.streams.video[0]
                rate = stream.average_rate
                self.rate_hz = float(rate) if rate else None
                name = stream.format.name if stream.format is not None else "unknown"
                codec = stream.codec_context.name
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise ImportProblem(
                f"{self.path}: not a video that can be read, or cut short ({error})"
            ) from None
        if not self.colour and name in COLOUR_KINDS:
            self.notes = (f"{self.path.name} is {codec} {name}: its green channel stands for NIR",)
        elif not self.colour and not name.startswith("gray"):
            self.notes = (
                f"{self.path.name} is {codec} {name}, not a grey recording: its luma, as stored, "
                "stands for NIR counts (a lossy or gamma-coded video is not linear)",
            )

    def numbers(self) -> None:
        """Frames have time stamps instead."""
        return

    def pictures(self) -> Iterator[Picture]:
        """Decode from the start; what cannot be decoded is left out and goes into ``damage``."""
        import av

        index, last_s = 0, 0.0
        errors = DecodeErrors()
        try:
            with av.open(str(self.path)) as container:
                stream = container.streams.video[0]
                stream.thread_type = "NONE"
                stated_s = (container.duration or 0) / av.time_base
                packets = container.demux(stream)
                while (frames := errors.listen(packets, index)) is not None:
                    for frame in frames:
                        name = f"{self.path} frame {index}"
                        pixels = self._pixels(frame, name)
                        yield Picture(name, checked(name, pixels), frame.time, self._bits(frame))
                        index += 1
                        last_s = frame.time or 0.0
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise ImportProblem(
                f"{self.path} after frame {index}: cannot be decoded, or cut short ({error})"
            ) from None
        if index == 0 and errors.count:
            raise ImportProblem(f"{self.path}: no picture can be decoded ({errors.first})")
        said = [errors.text(self.path.name), self._missing(index, last_s, stated_s)]
        self.damage = tuple(filter(None, said))

    def _missing(self, count: int, last_s: float, stated_s: float) -> str:
        """Say so when the video ends long before the length it states."""
        period_s = 1.0 / self.rate_hz if self.rate_hz else 0.0
        missing_s = stated_s - last_s - period_s
        if missing_s <= max(1.5 * period_s, 0.02 * stated_s):
            return ""
        return (
            f"{self.path.name} may be cut short: it states {stated_s:.2f} s, but its {count} "
            f"frames end at {last_s + period_s:.2f} s"
        )

    @staticmethod
    def _bits(frame: Any) -> int | None:
        """Return the bits a grey format states; 16 are only what its samples can hold."""
        bits = int(frame.format.components[0].bits)
        return bits if frame.format.name.startswith("gray") and bits != 16 else None

    def _pixels(self, frame: Any, name: str) -> Pixels:
        kind = frame.format.name
        grey = kind.startswith("gray") and not kind.endswith(("be", "f32le"))
        if (self.colour and not grey) or kind in COLOUR_KINDS:
            pixels: Pixels = frame.to_ndarray(format="rgb24")
            return pixels
        luma_first = kind.startswith(("yuv", "nv12", "nv21")) and not kind.endswith("be")
        if not (grey or luma_first):
            raise ImportProblem(f"{name}: {kind} video cannot be taken for NIR: convert to grey")
        wide = frame.format.components[0].bits > 8
        plane = frame.planes[0]
        dtype = np.dtype("<u2" if wide else "u1")
        rows = np.frombuffer(plane, dtype).reshape(plane.height, plane.line_size // dtype.itemsize)
        return rows[:, : plane.width].copy()


class DecodeErrors:
    """What a decoder complained of: it raises some, and conceals others with a line in its log."""

    def __init__(self) -> None:
        self.count = 0
        self.first = ""
        self._first_frame = 0

    def listen(self, packets: Iterator[Any], index: int) -> list[Any] | None:
        """Decode the next of ``packets``, before which ``index`` frames were decoded.

        Returns the frames, None at the end.
        """
        import av

        level, skipping = av.logging.get_level(), av.logging.get_skip_repeated()
        av.logging.set_level(av.logging.ERROR)
        av.logging.set_skip_repeated(
            False
        )  # else what was said last, of whichever file, is not said
        try:
            with av.logging.Capture() as said:
                packet = next(packets, None)
                frames = None if packet is None else packet.decode()
        except av.error.FFmpegError as error:
            said.append((av.logging.ERROR, "", error.strerror or str(error)))
            frames = []
        finally:
            av.logging.set_level(level)
            av.logging.set_skip_repeated(skipping)
        for severity, _, text in said:
            if severity <= av.logging.ERROR:
                if self.count == 0:
                    self.first, self._first_frame = " ".join(text.split()), index
                self.count += 1
        return frames

    def text(self, name: str) -> str:
        """Return one line; empty if there was nothing."""
        if not self.count:
            return ""
        return (
            f"{name}: {self.count} error{'s' * (self.count > 1)} in decoding, the first after "
            f"frame {self._first_frame} ({self.first}): pictures may be wrong or missing from there"
        )
