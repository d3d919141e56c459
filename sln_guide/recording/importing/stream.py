"""What a first pass finds out about the pictures of one role before anything is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardware.frame import PixelFormat
from sln_guide.guidance import Role
from sln_guide.recording.importing.picture import ImportProblem, Picture
from sln_guide.recording.importing.sources import Source

GREY_TOLERANCE = 8
"""Counts by which the channels of a grey picture stored as lossy colour may differ."""
DEPTHS = (8, 10, 12, 14, 16)
_DARKEST = 0.002
"""Share of pixels that may be dead, or so dark by noise alone."""


@dataclass
class Stream:
    """What the first pass found out about the pictures of one role."""

    role: Role
    source: Source
    count: int = 0
    height: int = 0
    width: int = 0
    dtype: Any = None
    colour: bool = False
    brightest: int = 0
    brightest_name: str = ""
    darkest: float = 0.0
    """Counts that hardly a pixel of the first picture falls below."""
    middle: float = 0.0
    """Its median counts."""
    bits_seen: int = 0
    bits_stated: int | None = None
    remarks: Counter[str] = field(default_factory=Counter)
    """In how many pictures something is passed over, by what."""
    stored_times_s: list[float | None] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)
    sequences: list[int] = field(default_factory=list)
    pixel_format: PixelFormat = PixelFormat.MONO8
    bit_depth: int = 8


def examine(stream: Stream, step: Callable[[], None]) -> None:
    """First pass: prove every picture readable and alike, and learn what the values are."""
    for picture in stream.source.pictures():
        pixels = picture.pixels
        colour = pixels.ndim == 3
        if stream.role is Role.NIR and colour:
            pixels = grey_of(picture)
            colour = False
        size = f"{pixels.shape[1]}x{pixels.shape[0]} px {pixels.dtype}"
        if stream.count == 0:
            stream.height, stream.width = pixels.shape[:2]
            stream.dtype, stream.colour = pixels.dtype, colour
            some = pixels[::4, ::4]
            stream.darkest, stream.middle = (float(v) for v in np.quantile(some, (_DARKEST, 0.5)))
        elif pixels.shape[:2] != (stream.height, stream.width) or pixels.dtype != stream.dtype:
            raise ImportProblem(
                f"{picture.name}: {size}, but those before it {stream.width}x{stream.height} px "
                f"{stream.dtype}: pictures of one stream must be alike"
            )
        elif colour != stream.colour:
            raise ImportProblem(f"{picture.name}: colour and grey pictures are mixed")
        brightest = int(pixels.max())
        if brightest > stream.brightest:
            stream.brightest, stream.brightest_name = brightest, picture.name
        if stream.bits_stated is None:
            stream.bits_stated = picture.bits
        if pixels.dtype == np.uint16:
            stream.bits_seen |= int(np.bitwise_or.reduce(pixels, axis=None))
        stream.remarks.update(picture.remarks)
        stream.stored_times_s.append(picture.time_s)
        stream.count += 1
        step()
    if stream.count == 0:
        raise ImportProblem(f"{stream.source.path}: holds no picture")


def remarks_on(stream: Stream) -> list[str]:
    """Return what was passed over in its pictures, a line a thing."""
    where = stream.source.path.name
    lines = []
    for what, count in stream.remarks.items():
        some = "" if count == stream.count else f" ({count} of {stream.count} pictures)"
        lines.append(f"{where}: {what}{some}")
    return lines


def grey_of(picture: Picture) -> NDArray[Any]:
    """Return the grey picture that was stored in colour."""
    channels = picture.pixels.astype(np.int32)
    spread = int((channels.max(axis=2) - channels.min(axis=2)).max())
    if spread > GREY_TOLERANCE:
        raise ImportProblem(
            f"{picture.name}: is a colour picture: NIR must be grey, as the camera gave it"
        )
    return np.ascontiguousarray(picture.pixels[..., 1])


def choose_nir_format(stream: Stream, told: int | None, notes: list[str]) -> None:
    """Decide what the NIR samples are; what was not ``told`` goes into ``notes``.

    Raises
    ------
    ImportProblem
        ``told`` does not fit the values.
    """
    where = stream.source.path.name
    if stream.dtype == np.uint8:
        if told is not None and told != 8:
            raise ImportProblem(
                f"{stream.source.path}: holds 8 bit pictures: --bit-depth {told} does not fit"
            )
        stream.pixel_format, stream.bit_depth = PixelFormat.MONO8, 8
        return
    unused = (stream.bits_seen & -stream.bits_seen).bit_length() - 1 if stream.bits_seen else 0
    if told is not None and stream.brightest >> told:
        if stream.bits_seen and unused >= 16 - told:
            notes.append(
                f"{where}: the {told} bits stand at the top of 16: kept as stored, full scale 65535"
            )
            told = 16
        else:
            raise ImportProblem(
                f"{stream.brightest_name}: holds {stream.brightest}, more than {told} bits can: "
                "give the right --bit-depth"
            )
    if told is not None:
        depth = told
    elif stream.bits_stated is not None and not stream.brightest >> stream.bits_stated:
        depth = stream.bits_stated
        notes.append(f"{where}: {depth} bits, as the file states")
    else:
        depth = next(d for d in DEPTHS if not stream.brightest >> d)
        step = f", in steps of {1 << unused}" if unused else ""
        notes.append(
            f"{where}: {depth} bits, since the brightest value is {stream.brightest}{step} "
            "(--bit-depth)"
        )
    exact = {10: PixelFormat.MONO10, 12: PixelFormat.MONO12}
    stream.pixel_format = exact.get(depth, PixelFormat.MONO16)
    stream.bit_depth = depth


def choose_white_format(stream: Stream, told: str | None, notes: list[str]) -> None:
    """Decide what the white-light samples are; ``told`` names a Bayer format.

    Raises
    ------
    ImportProblem
        ``told`` is no Bayer format, or does not fit; without it, anything but 8 bit.
    """
    path = stream.source.path
    if told is not None:
        try:
            mosaic = PixelFormat(told)
        except ValueError:
            mosaic = PixelFormat.MONO8
        if not mosaic.is_bayer:
            bayer = ", ".join(f.value for f in PixelFormat if f.is_bayer)
            raise ImportProblem(f"--white-format {told}: give one of {bayer}")
        if stream.colour:
            raise ImportProblem(f"{path}: holds colour pictures, not {told} mosaics")
        if stream.dtype != mosaic.dtype:
            raise ImportProblem(f"{path}: holds {stream.dtype} pictures, which is not {told}")
        if stream.brightest >> mosaic.bit_depth:
            raise ImportProblem(
                f"{stream.brightest_name}: holds {stream.brightest}, too bright for {told}"
            )
        stream.pixel_format, stream.bit_depth = mosaic, mosaic.bit_depth
        return
    if stream.dtype != np.uint8:
        raise ImportProblem(
            f"{path}: white-light pictures have {stream.dtype} pixels: give 8 bit colour, "
            "or name the mosaic with --white-format"
        )
    if not stream.colour:
        notes.append(f"{path.name}: grey pictures stand for white light (a mosaic? --white-format)")
    stream.pixel_format, stream.bit_depth = PixelFormat.RGB8, 8
