"""TIFF files of one page or many, by whichever program wrote them."""

from __future__ import annotations

import logging
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from sln_guide.recording.importing.heads import LOSSY, TRANSPARENT, TURN_TAG, TURNED
from sln_guide.recording.importing.picture import ImportProblem, Picture, Pixels, checked

MOST_PAGES = 10_000_000
MIN_IS_WHITE, PALETTE, YCBCR = 0, 3, 6
NOT_RGB = (5, 8, 9, 10)
"""Photometric interpretations: inks, and three kinds of Lab."""
JPEG = (6, 7)
"""Compressions whose YCbCr is turned into RGB in decoding."""
WITH_LOSS = (*JPEG, 34892)
"""JPEG: the old kind, the new one, the lossy one of DNG. Others may lose something in silence."""
ALPHA = (1, 2)
"""Extra samples that are transparency, multiplied into the colours or not."""
SEPARATE = 2
"""Planar configuration: a plane a colour."""


@dataclass(frozen=True)
class TiffStack:
    """A TIFF of one page or many, read page by page; reduced copies are passed over."""

    path: Path
    rate_hz: float | None = None
    notes: tuple[str, ...] = ()
    damage: tuple[str, ...] = ()

    def numbers(self) -> None:
        """Pages have no numbers of their own."""
        return

    def pictures(self) -> Iterator[Picture]:
        """Yield the pages."""
        import tifffile

        try:
            with self.path.open("rb") as file:
                problem = _directory_problem(file, self.path.stat().st_size)
            if problem is not None:
                raise ImportProblem(f"{self.path}: {problem}")
            with _quiet(), tifffile.TiffFile(self.path) as tiff:
                yield from self._pages(tiff)
        except ImportProblem:
            raise
        except (OSError, ValueError, IndexError, KeyError, TypeError, tifffile.TiffFileError) as e:
            raise ImportProblem(
                f"{self.path}: not a TIFF that can be read, or cut short ({e})"
            ) from None

    def _pages(self, tiff: Any) -> Iterator[Picture]:
        first = tiff.pages[0]
        mixed = _mixed_planes(tiff)
        if mixed:
            raise ImportProblem(f"{self.path}: {mixed}: save each as a stack of its own")
        stack = None
        if len(tiff.pages) == 1 and tiff.is_imagej:
            # ImageJ writes a stack as one page, followed by the raw pictures of the others.
            count = int((tiff.imagej_metadata or {}).get("images", 1))
            if count > 1 and first.is_contiguous:
                stack = self._raw_stack(first, count)
        pages = [page for page in tiff.pages if not page.is_reduced]
        if stack is not None:
            pages *= len(stack)
        tag = first.tags.get("MaxSampleValue")
        brightest = tag.value if tag is not None and isinstance(tag.value, int) else 0
        bits = brightest.bit_length() if brightest > 1 else None
        for index, page in enumerate(pages):
            name = f"{self.path} page {index + 1}" if len(pages) > 1 else str(self.path)
            try:
                _refuse_photometric(name, page)
                pixels = np.array(stack[index]) if stack is not None else self._page(page)
            except ImportProblem:
                raise
            except (ValueError, OSError, RuntimeError, zlib.error) as error:
                raise ImportProblem(f"{name}: cannot be read, or cut short ({error})") from None
            stated = bits or _odd_bits(page)
            yield Picture(name, checked(name, pixels), bits=stated, remarks=_remarks(page))

    def _raw_stack(self, page: Any, count: int) -> Any:
        shape = (count, *page.shape)
        dtype = np.dtype(page.dtype).newbyteorder(page.parent.byteorder)
        needed = page.dataoffsets[0] + int(np.prod(shape)) * dtype.itemsize
        if needed > self.path.stat().st_size:
            raise ImportProblem(f"{self.path}: is cut short: {count} pictures were in it")
        return np.memmap(self.path, dtype, "r", page.dataoffsets[0], shape)

    def _page(self, page: Any) -> Pixels:
        ends = map(sum, zip(page.dataoffsets, page.databytecounts, strict=True))
        if max(ends, default=0) > self.path.stat().st_size:
            raise ValueError("its pixels reach beyond the end of the file")
        try:
            array: Pixels = page.asarray()
        except (ValueError, NotImplementedError) as error:
            if "imagecodecs" not in str(error):
                raise
            return self._by_opencv(page)
        if page.photometric == PALETTE:
            # a page stores places in the palette; its colours are 16 bit, and as a rule times 257
            return np.moveaxis(np.asarray(page.colormap)[:, array] >> 8, 0, -1).astype(np.uint8)
        if page.planarconfig == SEPARATE and array.ndim == 3:
            array = np.moveaxis(array, 0, -1)
        return array

    def _by_opencv(self, page: Any) -> Pixels:
        """Read a page whose compression or packing tifffile needs a further library for."""
        from hardware.opencv import cv2

        whole, pages = cv2.imreadmulti(str(self.path), page.index, 1, flags=cv2.IMREAD_UNCHANGED)
        if not whole or not pages:
            raise ValueError("unknown compression")
        array: Pixels = pages[0]
        if _odd_bits(page) is not None and array.dtype == np.uint16:
            array = array >> (16 - page.bitspersample)  # OpenCV has put them at the top of 16
        return array[..., 2::-1] if array.ndim == 3 and array.shape[2] >= 3 else array


def _odd_bits(page: Any) -> int | None:
    """Return the bits of samples that are packed, such as 12; None for whole bytes."""
    bits = page.bitspersample
    return bits if isinstance(bits, int) and 8 < bits < 16 else None


def _remarks(page: Any) -> tuple[str, ...]:
    """Return what of a page its pixels do not show."""
    turn = page.tags.get(TURN_TAG)
    found = {
        TRANSPARENT: any(extra in ALPHA for extra in page.extrasamples),
        LOSSY: page.compression in WITH_LOSS,
        TURNED: turn is not None and turn.value != 1,
    }
    return tuple(what for what, so in found.items() if so)


def _refuse_photometric(name: str, page: Any) -> None:
    """Refuse pages whose numbers are no light.

    Raises
    ------
    ImportProblem
        White is zero, or the channels are not red, green and blue.
    """
    if page.photometric == MIN_IS_WHITE:
        raise ImportProblem(
            f"{name}: says that zero is white (MinIsWhite), so that light is dark: save it with "
            "zero as black"
        )
    unpacked_ycbcr = page.photometric == YCBCR and page.compression not in JPEG
    if unpacked_ycbcr or page.photometric in NOT_RGB:
        raise ImportProblem(f"{name}: its colours are {page.photometric.name}: save it as RGB")


def _mixed_planes(tiff: Any) -> str:
    """Say which planes other than moments in time take turns in a stack; empty for none.

    Many programs call a series in time one of slices, or of channels: a single one is taken for
    time, whatever its name.
    """
    sizes = {"channels": 1, "slices": 1, "frames": 1}
    if tiff.is_imagej:
        said = tiff.imagej_metadata or {}
        sizes = {kind: int(said.get(kind, 1)) for kind in sizes}
    elif tiff.is_ome:
        pixels = re.search(r"<(?:\w+:)?Pixels\b[^>]*>", tiff.ome_metadata or "")
        found = dict(re.findall(r'\bSize([CZT])="(\d+)"', pixels[0] if pixels else ""))
        sizes = {kind: int(found.get(key, 1)) for kind, key in zip(sizes, "CZT", strict=True)}
    samples = max(tiff.pages[0].samplesperpixel, 1)
    if samples > 1:
        sizes["channels"] = max(sizes["channels"] // samples, 1)
    several = [f"{count} {kind}" for kind, count in sizes.items() if count > 1]
    return " and ".join(several) + " take turns in it" if len(several) > 1 else ""


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep tifffile from printing: what it complains of either raises, or does not matter."""
    logger = logging.getLogger("tifffile")
    before = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = before


def _directory_problem(file: BinaryIO, size: int) -> str | None:
    """Follow the chain of directories to its end: a reader would just stop where it is cut."""
    head = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 8:
        return "not a TIFF that can be read, or cut short"
    version = struct.unpack(order + "H", head[2:4])[0]
    if version == 43 and len(head) == 16:
        count_format, entry, link = "Q", 20, "Q"
        offset = struct.unpack(order + "Q", head[8:16])[0]
    elif version == 42:
        count_format, entry, link = "H", 12, "I"
        offset = struct.unpack(order + "I", head[4:8])[0]
    else:
        return "not a TIFF that can be read, or cut short"
    seen: set[int] = set()
    while offset:
        if offset in seen or len(seen) > MOST_PAGES:
            return "is damaged: its pages run in a circle"
        seen.add(offset)
        count_size, link_size = struct.calcsize(count_format), struct.calcsize(link)
        file.seek(offset)
        raw = file.read(count_size)
        if len(raw) < count_size:
            return f"is cut short: page {len(seen)} is missing"
        entries = struct.unpack(order + count_format, raw)[0]
        at = offset + count_size + entries * entry
        file.seek(min(at, size))
        raw = file.read(link_size)
        if len(raw) < link_size:
            return f"is cut short: page {len(seen)} is missing"
        offset = struct.unpack(order + link, raw)[0]
    return None if seen else "is cut short: it holds no page"
