"""Streams of pictures other programs wrote: folders, TIFF stacks, arrays, videos. Read in order."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from hardware.camera import CameraError
from hardware.images import SUFFIXES, image_files, read_image
from sln_guide.recording.importing.picture import ImportProblem, Picture, Pixels, checked
from sln_guide.recording.importing.tiff import TiffStack

TIFF_SUFFIXES = (".tif", ".tiff")
VIDEO_SUFFIXES = (".avi", ".mp4", ".mkv", ".mov", ".m4v", ".mpg", ".mpeg", ".webm")


class Source(Protocol):
    """Pictures of one role, in order; iterate as often as needed, one picture in memory."""

    @property
    def path(self) -> Path:
        """Where they come from."""
        ...

    @property
    def rate_hz(self) -> float | None:
        """Rate the source states."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What had to be assumed in reading, in plain words."""
        ...

    def numbers(self) -> tuple[int, ...] | None:
        """Return the number in each file's name where every name has its own, else None."""
        ...

    def pictures(self) -> Iterator[Picture]:
        """Yield the pictures. Raises ImportProblem."""
        ...


def open_source(path: Path, *, colour: bool) -> Source:
    """Return the source at ``path``; ``colour``: it is for the white-light role.

    Raises
    ------
    ImportProblem
        Nothing there, or nothing that can be read.
    """
    if path.is_dir():
        try:
            files = image_files(path)
        except CameraError as error:
            raise ImportProblem(str(error)) from None
        return ImageFiles(path, files)
    if not path.exists():
        raise ImportProblem(f"{path}: does not exist")
    suffix = path.suffix.lower()
    if suffix in TIFF_SUFFIXES:
        return TiffStack(path)
    if suffix in SUFFIXES:
        return ImageFiles(path, (path,))
    if suffix == ".npy":
        return ArrayFile(path, colour=colour)
    if suffix in VIDEO_SUFFIXES:
        return Video(path, colour=colour)
    raise ImportProblem(
        f"{path}: cannot be imported: give a folder of images, one of "
        f"{', '.join((*SUFFIXES, '.npy', *VIDEO_SUFFIXES))}"
    )


def _png_problem(data: bytes) -> tuple[str | None, int | None]:
    """Walk a PNG: what is wrong with it, and the bits its sBIT chunk states (grey only)."""
    position, bits = 8, None
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        kind = data[position + 4 : position + 8]
        end = position + 12 + length
        if end > len(data):
            break
        if zlib.crc32(data[position + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            return "is damaged (a checksum does not match)", None
        if kind == b"sBIT" and length == 1:
            bits = data[position + 8]
        if kind == b"IEND":
            return None, bits
        position = end
    return "is cut short", None


def _stated_bits(path: Path) -> int | None:
    """Return the bits a PNG states, after proving it whole; None for other files.

    OpenCV would also refuse a damaged file, but only after printing its own lines about it.

    Raises
    ------
    ImportProblem
        The file is damaged or cut short.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImportProblem(f"{path}: cannot be read ({error.strerror})") from None
    if not data:
        raise ImportProblem(f"{path}: is empty")
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        problem, bits = _png_problem(data)
        if problem is not None:
            raise ImportProblem(f"{path}: {problem}: remove it or fetch it again")
        return bits
    if data[:2] == b"\xff\xd8" and b"\xff\xd9" not in data[-4096:]:
        raise ImportProblem(f"{path}: is cut short: remove it or fetch it again")
    return None


@dataclass(frozen=True)
class ImageFiles:
    """Image files in the order a person counts."""

    path: Path
    files: tuple[Path, ...]
    rate_hz: float | None = None
    notes: tuple[str, ...] = ()

    def numbers(self) -> tuple[int, ...] | None:
        """Return the last number in each file's name."""
        found = [re.findall(r"\d+", p.stem) for p in self.files]
        if len(self.files) < 2 or not all(found):
            return None
        numbers = tuple(int(f[-1]) for f in found)
        return numbers if len(set(numbers)) == len(numbers) else None

    def pictures(self) -> Iterator[Picture]:
        """Yield them."""
        for path in self.files:
            if path.suffix.lower() in TIFF_SUFFIXES:
                pages = tuple(TiffStack(path).pictures())
                if len(pages) != 1:
                    raise ImportProblem(
                        f"{path}: holds {len(pages)} pictures among single ones: "
                        "import it by itself"
                    )
                yield pages[0]
                continue
            bits = _stated_bits(path)
            try:
                pixels = read_image(path)
            except CameraError as error:
                raise ImportProblem(str(error)) from None
            yield Picture(str(path), checked(str(path), pixels), bits=bits)


@dataclass(frozen=True)
class ArrayFile:
    """A .npy file: (N, H, W), (H, W), and for colour (N, H, W, 3), (H, W, 3). Mapped, not read."""

    path: Path
    colour: bool
    rate_hz: float | None = None
    notes: tuple[str, ...] = ()

    def numbers(self) -> None:
        """Array planes have no numbers of their own."""
        return

    def pictures(self) -> Iterator[Picture]:
        """Yield the planes."""
        try:
            array: Pixels = np.load(self.path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError, SyntaxError) as error:
            raise ImportProblem(
                f"{self.path}: not an array that can be read, or cut short ({error})"
            ) from None
        single = array.ndim == 2 or (array.ndim == 3 and array.shape[-1] in (3, 4) and self.colour)
        planes = array[np.newaxis] if single else array
        if planes.ndim not in (3, 4):
            raise ImportProblem(
                f"{self.path}: an array of {array.shape} is not a stack of pictures"
            )
        for index in range(len(planes)):
            name = f"{self.path} [{index}]"
            yield Picture(name, checked(name, np.array(planes[index])))


@dataclass
class Video:
    """A video file. Grey formats keep their bits; for NIR in YUV the stored luma is taken."""

    path: Path
    colour: bool
    rate_hz: float | None = field(default=None, init=False)
    notes: tuple[str, ...] = field(default=(), init=False)

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
        if not self.colour and not name.startswith("gray"):
            self.notes = (
                f"{self.path.name} is {codec} {name}, not a grey recording: its luma, as stored, "
                "stands for NIR counts (a lossy or gamma-coded video is not linear)",
            )

    def numbers(self) -> None:
        """Frames have time stamps instead."""
        return

    def pictures(self) -> Iterator[Picture]:
        """Decode from the start."""
        import av

        index, last_s = 0, 0.0
        try:
            with av.open(str(self.path)) as container:
                stream = container.streams.video[0]
                stream.thread_type = "NONE"
                stated_s = (container.duration or 0) / av.time_base
                for frame in container.decode(stream):
                    name = f"{self.path} frame {index}"
                    pixels = self._pixels(frame, name)
                    yield Picture(name, checked(name, pixels), frame.time, self._bits(frame))
                    index += 1
                    last_s = frame.time or 0.0
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise ImportProblem(
                f"{self.path} after frame {index}: cannot be decoded, or cut short ({error})"
            ) from None
        self._note_missing(index, last_s, stated_s)

    def _note_missing(self, count: int, last_s: float, stated_s: float) -> None:
        """Say so when the video ends long before the length it states."""
        period_s = 1.0 / self.rate_hz if self.rate_hz else 0.0
        missing_s = stated_s - last_s - period_s
        note = (
            f"{self.path.name} may be cut short: it states {stated_s:.2f} s, but its {count} "
            f"frames end at {last_s + period_s:.2f} s"
        )
        if missing_s > max(1.5 * period_s, 0.02 * stated_s) and note not in self.notes:
            self.notes = (*self.notes, note)

    @staticmethod
    def _bits(frame: Any) -> int | None:
        name = frame.format.name
        return int(frame.format.components[0].bits) if name.startswith("gray") else None

    def _pixels(self, frame: Any, name: str) -> Pixels:
        kind = frame.format.name
        grey = kind.startswith("gray") and not kind.endswith(("be", "f32le"))
        if self.colour and not grey:
            pixels: Pixels = frame.to_ndarray(format="rgb24")
            return pixels
        if not (grey or kind.startswith(("yuv", "nv12", "nv21"))):
            raise ImportProblem(f"{name}: {kind} video cannot be taken for NIR: convert to grey")
        wide = frame.format.components[0].bits > 8
        plane = frame.planes[0]
        dtype = np.dtype("<u2" if wide else "u1")
        rows = np.frombuffer(plane, dtype).reshape(plane.height, plane.line_size // dtype.itemsize)
        return rows[:, : plane.width].copy()
