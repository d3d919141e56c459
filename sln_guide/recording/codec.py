"""How the pixels of one frame become bytes on disk, and come back."""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sln_guide.recording import mosaic_jpeg
from sln_guide.recording.errors import RecordingError

MAX_PIXEL_BYTES = 128 << 20
"""No frame may claim more: a hostile header cannot make a reader allocate without bound."""

_BLOSC_HEADER_BYTES = 32
_BLOCK_BYTES = 128 << 10
"""Measured: a fifth quicker than what Blosc2 chooses itself, in and out, and a little smaller."""


class Codec(StrEnum):
    """Payload codecs, spelled as they stand in the case.

    LZ4 is fast and the default; ZSTD is smaller and dearer; FAST (of pixels of two bytes) gives up
    ratio for time when the processor is short; RAW is the pixels as they are. JPEG alone loses
    something, and is for white Bayer frames where the rig asks for it (`mosaic_jpeg`).
    """

    LZ4 = "blosc2-bitshuffle-lz4"
    ZSTD = "blosc2-bitshuffle-zstd1"
    FAST = "blosc2-shuffle-lz4"
    RAW = "raw"
    JPEG = "jpeg-bayer-planes"

    @property
    def lossless(self) -> bool:
        """Whether pixels come back bit for bit."""
        return self is not Codec.JPEG


LOSSLESS = tuple(codec for codec in Codec if codec.lossless)
"""Those that may be asked for, for any frame."""
REPACKED = "codec"
"""Event: frames from here on are packed with another codec. No person stamped it."""


def codec_for(wanted: Codec, itemsize: int) -> Codec:
    """Return the codec to use for pixels of so many bytes where ``wanted`` was asked for.

    Shuffling bytes does nothing for pixels of one byte: 3 % smaller for as much time as bits.
    """
    return Codec.RAW if wanted is Codec.FAST and itemsize == 1 else wanted


@cache
def _blosc2() -> Any:
    """Import blosc2 (0.3 s, so not before it is needed) set up for a process of many threads."""
    import blosc2

    # Off by default, and then a compression of a millisecond stalls every other thread.
    blosc2.set_releasegil(True)
    return blosc2


@cache
def _parameters(codec: Codec, typesize: int) -> dict[str, Any]:
    blosc2 = _blosc2()
    library = blosc2.Codec.ZSTD if codec is Codec.ZSTD else blosc2.Codec.LZ4
    shuffle = blosc2.Filter.SHUFFLE if codec is Codec.FAST else blosc2.Filter.BITSHUFFLE
    return {
        "codec": library,
        "clevel": 1,
        "filters": [shuffle],
        "filters_meta": [0],
        "typesize": typesize,
        "nthreads": 1,
        "blocksize": _BLOCK_BYTES,
        "splitmode": blosc2.SplitMode.NEVER_SPLIT,
    }


def prepare() -> None:
    """Do the slow imports now, so that the first frame does not wait for them."""
    _blosc2()


def compress(pixels: NDArray[np.uint8] | NDArray[np.uint16], codec: Codec) -> memoryview:
    """Compress C-contiguous ``pixels``; the result is owned by the caller. Frees the GIL.

    Raises
    ------
    ValueError
        ``codec`` is not one of `LOSSLESS`.
    """
    if codec not in LOSSLESS:
        raise ValueError(f"{codec} is not for any frame: ask for it in the rig's [recording]")
    if codec is Codec.RAW or pixels.size == 0:
        return pixels.data.cast("B") if pixels.size else memoryview(b"")
    packed = _blosc2().compress2(pixels, **_parameters(codec, pixels.itemsize))
    return memoryview(packed)


def decompress_into(payload: memoryview, codec: Codec, out: NDArray[Any]) -> None:
    """Decompress ``payload`` into ``out`` (C-contiguous, writable). Frees the GIL.

    Nothing in ``payload`` is trusted: blosc2 writes as many bytes as the chunk's own header says,
    whatever the size of the array it was given, and would fetch plug-ins a header names. So the
    header is checked against what this module writes before blosc2 sees it.

    Raises
    ------
    RecordingError
        When the payload is not what this codec writes for an array of this size.
    """
    if codec is Codec.RAW or out.nbytes == 0:
        if payload.nbytes != out.nbytes:
            raise RecordingError(f"payload has {payload.nbytes} bytes, pixels need {out.nbytes}")
        out.data.cast("B")[:] = payload
        return
    if codec is Codec.JPEG:
        mosaic_jpeg.decode_into(payload, out)
        return
    _check_blosc_header(payload, codec, out)
    try:
        _blosc2().decompress2(payload, dst=out, nthreads=1)
    except (ValueError, RuntimeError) as error:
        raise RecordingError(f"payload cannot be decompressed ({error})") from None


def _check_blosc_header(payload: memoryview, codec: Codec, out: NDArray[Any]) -> None:
    """Refuse any Blosc2 chunk header that `compress` would not have written for ``out``.

    Layout: https://github.com/Blosc/c-blosc2/blob/main/README_CHUNK_FORMAT.rst
    """

    def refuse(what: str) -> None:
        raise RecordingError(f"payload header is not that of {codec}: {what}")

    if payload.nbytes < _BLOSC_HEADER_BYTES:
        refuse(f"only {payload.nbytes} bytes")
    head = bytes(payload[:_BLOSC_HEADER_BYTES])
    flags, typesize = head[2], head[3]
    nbytes, blocksize, cbytes = np.frombuffer(head, "<i4", 3, 4).tolist()
    zstd = codec is Codec.ZSTD
    shuffle = 1 if codec is Codec.FAST else 2
    if flags & 0b101 != 0b101:
        refuse("not an extended header")
    # Incompressible or tiny chunks are stored as they are; the codec bits then say little.
    stored = bool(flags & 0b10)
    if not stored and flags >> 5 != (4 if zstd else 1):
        refuse("another compressor")
    if typesize != out.itemsize:
        refuse(f"element size {typesize}, not {out.itemsize}")
    if nbytes != out.nbytes:
        refuse(f"{nbytes} pixel bytes, not {out.nbytes}")
    if cbytes != payload.nbytes:
        refuse(f"{cbytes} compressed bytes, not {payload.nbytes}")
    if not 0 < blocksize <= nbytes:
        refuse(f"block size {blocksize}")
    if head[16:22] != bytes((shuffle, 0, 0, 0, 0, 0)) or any(head[24:30]):
        refuse("another filter")
    if head[22] != (5 if zstd else 1) or head[23] or head[30]:
        refuse("another codec")
    if head[31] & ~0x70:
        refuse("dictionary or lazy chunk")
