"""Pictures in files of many kinds, and cases imported from them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import tifffile
from numpy.typing import NDArray

from hardware.opencv import cv2
from sln_guide.guidance import Role
from sln_guide.recording import CaseReader
from sln_guide.recording.importing import ImportRequest, ImportSummary, import_case
from sln_guide.recording.verify import verify

Pixels = NDArray[np.uint8] | NDArray[np.uint16]


def pictures(
    count: int, *, dtype: type = np.uint16, high: int = 4096, colour: bool = False, seed: int = 1
) -> Pixels:
    shape = (count, 20, 30, 3) if colour else (count, 20, 30)
    array: Pixels = np.random.default_rng(seed).integers(0, high, shape).astype(dtype)
    array[0].reshape(-1)[0] = high - 1
    return array


def write_folder(folder: Path, stack: Pixels, suffix: str = ".png", first: int = 0) -> Path:
    folder.mkdir(parents=True)
    for number, picture in enumerate(stack, first):
        bgr = picture[..., ::-1] if picture.ndim == 3 else picture
        assert cv2.imwrite(str(folder / f"im{number}{suffix}"), bgr)
    return folder


def stored(folder: Path, role: Role) -> Pixels:
    with CaseReader(folder) as case:
        return np.stack([f.pixels for f in case.frames(role)])


def bring(tmp_path: Path, nir: Path | None, white: Path | None = None, **told: object) -> Path:
    return bring_summary(tmp_path, nir, white, **told).folder


def bring_summary(
    tmp_path: Path, nir: Path | None, white: Path | None = None, **told: object
) -> ImportSummary:
    summary = import_case(ImportRequest(nir, white, tmp_path / "out.case", **told))
    result = verify(summary.folder)
    assert result.complete, result.text()
    return summary


def save_pages(path: Path, stack: Pixels) -> None:
    with tifffile.TiffWriter(path) as tiff:
        for page in stack:
            tiff.write(page, photometric="minisblack")


STACKS: dict[str, Callable[[Path, Pixels], None]] = {
    "pages": save_pages,
    "series": lambda p, s: tifffile.imwrite(p, s, photometric="minisblack"),
    "imagej": lambda p, s: tifffile.imwrite(p, s, imagej=True),
    "ome": lambda p, s: tifffile.imwrite(p, s, ome=True, metadata={"axes": "TYX"}),
    "deflate": lambda p, s: tifffile.imwrite(p, s, compression="zlib", photometric="minisblack"),
    "lzw": lambda p, s: cv2.imwritemulti(str(p), list(s)) and None,
    "bigtiff": lambda p, s: tifffile.imwrite(p, s, bigtiff=True, photometric="minisblack"),
}


def write_video(path: Path, stack: Pixels, codec: str, pixel_format: str) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height = stack.shape[2], stack.shape[1]
        stream.pix_fmt = pixel_format
        for picture in stack:
            kind = "rgb24" if picture.ndim == 3 else pixel_format
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format=kind)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
