"""Streams of pictures other programs wrote: folders, TIFF stacks, arrays, videos. In order."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from hardware.camera import CameraError
from hardware.images import SUFFIXES, image_files, read_image
from sln_guide.recording.importing.heads import head_of
from sln_guide.recording.importing.picture import ImportProblem, Picture, Pixels, checked
from sln_guide.recording.importing.tiff import TiffStack
from sln_guide.recording.importing.video import Video

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

    @property
    def damage(self) -> tuple[str, ...]:
        """What was found damaged in reading, and was read nevertheless."""
        ...

    def numbers(self) -> tuple[int, ...] | None:
        """Return the number in each file's name where they grow from file to file, else None."""
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
    try:
        if path.is_dir():
            files = image_files(path)
            for file in (path, *files):
                _refuse_no_text(file)
            _refuse_two_numberings(files)
            return ImageFiles(path, files, notes=_folder_notes(path, files))
        if not path.exists():
            raise ImportProblem(f"{path}: does not exist")
        if not path.is_file():
            raise ImportProblem(f"{path}: is neither a file nor a folder")
    except CameraError as error:
        raise ImportProblem(str(error)) from None
    except OSError as error:
        raise ImportProblem(f"{path}: cannot be read ({error.strerror})") from None
    _refuse_no_text(path)
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


def _refuse_no_text(path: Path) -> None:
    """Raise ImportProblem for a name that no case can tell, and a decoder may crash on."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise ImportProblem(f"{path}: its name is not UTF-8: rename it") from None


def _refuse_two_numberings(files: tuple[Path, ...]) -> None:
    """Raise ImportProblem for names that only leading zeros tell apart: nobody knows their order.

    ``f01`` after ``f001`` is not a later frame, and would shift all that follow against the other
    stream.
    """
    seen: dict[str, Path] = {}
    for file in files:
        name = re.sub(r"\d+", lambda digits: str(int(digits[0])), file.name)
        other = seen.setdefault(name, file)
        if other is not file:
            raise ImportProblem(
                f"{file}: has the same number as {other.name}: two recordings in one folder? "
                "Move one of them elsewhere"
            )


def _folder_notes(folder: Path, files: tuple[Path, ...]) -> tuple[str, ...]:
    """Say what of a folder is not imported, and where two files may be the same picture."""
    notes = []
    taken = set(files)
    hidden = (".DS_Store", "Thumbs.db", "desktop.ini")
    left = sorted(p.name for p in folder.iterdir() if p not in taken and p.name not in hidden)
    if left:
        more = f" and {len(left) - 3} more" if len(left) > 3 else ""
        notes.append(f"{folder.name}: passed over {', '.join(left[:3])}{more}: no images")
    suffixes = sorted({p.suffix.lower() for p in files})
    if len(suffixes) > 1 and len({p.stem for p in files}) < len(files):
        notes.append(
            f"{folder.name}: {' and '.join(suffixes)} of the same names are taken for pictures of "
            "their own, one after the other"
        )
    kinds = list(dict.fromkeys(re.sub(r"\d+", "#", p.stem) for p in files))
    if 1 < len(kinds) < len(files):
        more = f" and {len(kinds) - 3} more" if len(kinds) > 3 else ""
        notes.append(
            f"{folder.name}: names of {len(kinds)} kinds ({', '.join(kinds[:3])}{more}) are taken "
            "for one recording, in the order of their names"
        )
    return tuple(notes)


@dataclass(frozen=True)
class ImageFiles:
    """Image files in the order a person counts."""

    path: Path
    files: tuple[Path, ...]
    rate_hz: float | None = None
    notes: tuple[str, ...] = ()
    damage: tuple[str, ...] = ()

    def numbers(self) -> tuple[int, ...] | None:
        """Return the last number in each file's name, where they grow from file to file."""
        found = [re.findall(r"\d+", p.stem) for p in self.files]
        if len(self.files) < 2 or not all(found):
            return None
        numbers = tuple(int(f[-1]) for f in found)
        growing = all(a < b for a, b in itertools.pairwise(numbers))
        return numbers if growing else None

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
            head = head_of(path)
            try:
                pixels = read_image(path)
            except CameraError as error:
                raise ImportProblem(str(error)) from None
            pixels = checked(str(path), pixels)
            yield Picture(str(path), pixels, bits=head.bits, remarks=head.remarks)


@dataclass(frozen=True)
class ArrayFile:
    """A .npy file: (N, H, W), (H, W), and for colour (N, H, W, 3), (H, W, 3). Mapped, not read."""

    path: Path
    colour: bool
    rate_hz: float | None = None
    notes: tuple[str, ...] = ()
    damage: tuple[str, ...] = ()

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
