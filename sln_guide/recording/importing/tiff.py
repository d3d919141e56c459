"""TIFF files of one page or many, by whichever program wrote them."""

from __future__ import annotations

import logging
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from sln_guide.recording.importing.picture import ImportProblem, Picture, Pixels, checked

MOST_PAGES = 10_000_000


@dataclass(frozen=True)
class TiffStack:
    """A TIFF of one page or many, read page by page; reduced copies are passed over."""

    path: Path
    rate_hz: float | None = None
    notes: tuple[str, ...] = ()

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
                pixels = np.array(stack[index]) if stack is not None else self._page(page, index)
            except (ValueError, OSError, RuntimeError, zlib.error) as error:
                raise ImportProblem(f"{name}: cannot be read, or cut short ({error})") from None
            yield Picture(name, checked(name, pixels), bits=bits)

    def _raw_stack(self, page: Any, count: int) -> Any:
        shape = (count, *page.shape)
        dtype = np.dtype(page.dtype).newbyteorder(page.parent.byteorder)
        needed = page.dataoffsets[0] + int(np.prod(shape)) * dtype.itemsize
        if needed > self.path.stat().st_size:
            raise ImportProblem(f"{self.path}: is cut short: {count} pictures were in it")
        return np.memmap(self.path, dtype, "r", page.dataoffsets[0], shape)

    def _page(self, page: Any, index: int) -> Pixels:
        ends = map(sum, zip(page.dataoffsets, page.databytecounts, strict=True))
        if max(ends, default=0) > self.path.stat().st_size:
            raise ValueError("its pixels reach beyond the end of the file")
        try:
            array: Pixels = page.asarray()
        except ValueError as error:
            if "imagecodecs" not in str(error):
                raise
            return self._by_opencv(index)
        return array

    def _by_opencv(self, index: int) -> Pixels:
        """Read a page whose compression tifffile needs a further library for."""
        from hardware.opencv import cv2

        whole, pages = cv2.imreadmulti(str(self.path), index, 1, flags=cv2.IMREAD_UNCHANGED)
        if not whole or not pages:
            raise ValueError("unknown compression")
        array: Pixels = pages[0]
        return array[..., 2::-1] if array.ndim == 3 and array.shape[2] >= 3 else array


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
