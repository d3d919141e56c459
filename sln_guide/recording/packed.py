"""`PackedFrame`: one frame as it stands on disk, and back. Format: ``docs/case-format.md``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from hardware.frame import Frame, PixelFormat, frozen_pixels
from sln_guide.guidance import Role
from sln_guide.recording import mosaic_jpeg
from sln_guide.recording.codec import (
    MAX_PIXEL_BYTES,
    Codec,
    codec_for,
    compress,
    decompress_into,
)
from sln_guide.recording.errors import RecordingError
from sln_guide.recording.records import Count, Epoch, Int64

Edge = Annotated[int, msgspec.Meta(ge=0, le=2**20)]


class FrameHeader(msgspec.Struct, frozen=True):
    """Everything of a `Frame` but its pixels (MessagePack, so that floats stay exact)."""

    codec: Codec
    pixel_format: PixelFormat
    bit_depth: int
    height: Edge
    width: Edge
    sequence: Count
    stream_epoch: Epoch
    device_time_ns: int
    host_time_ns: Int64
    mid_exposure_ns: Int64
    exposure_us: float
    gain_db: float
    camera_id: str
    light_on: bool | None
    settings_in_flight: bool


_frame_header_encoder = msgspec.msgpack.Encoder()
_frame_header_decoder = msgspec.msgpack.Decoder(FrameHeader)


@dataclass(frozen=True, slots=True)
class PackedFrame:
    """A frame ready for the disk: length-prefixed header, compressed pixels, index fields."""

    role: Role
    header: bytes
    payload: memoryview
    sequence: int
    stream_epoch: int
    host_time_ns: int
    mid_exposure_ns: int

    @property
    def size(self) -> int:
        """Bytes held."""
        return len(self.header) + self.payload.nbytes


def pack_frame(
    role: Role, frame: Frame, codec: Codec, white_jpeg_quality: int | None = None
) -> PackedFrame:
    """Compress ``frame``; the GIL is free meanwhile. Any thread.

    With ``white_jpeg_quality`` a white frame that JPEG takes becomes one, unless `Codec.FAST` says
    that the processor is short: JPEG is the dearest. All others are kept by ``codec``.
    """
    payload: memoryview | None = None
    if role is Role.WHITE and white_jpeg_quality is not None and codec is not Codec.FAST:
        kind, depth = frame.pixel_format, frame.bit_depth
        if mosaic_jpeg.takes(kind, depth, frame.height, frame.width):
            payload = mosaic_jpeg.encode(frame.pixels, white_jpeg_quality)
            codec = Codec.JPEG
    if payload is None:
        codec = codec_for(codec, frame.pixels.itemsize)
        payload = compress(frame.pixels, codec)
    header = _frame_header_encoder.encode(
        FrameHeader(
            codec=codec,
            pixel_format=frame.pixel_format,
            bit_depth=frame.bit_depth,
            height=frame.height,
            width=frame.width,
            sequence=frame.sequence,
            stream_epoch=frame.stream_epoch,
            device_time_ns=frame.device_time_ns,
            host_time_ns=frame.host_time_ns,
            mid_exposure_ns=frame.mid_exposure_ns,
            exposure_us=float(frame.exposure_us),
            gain_db=float(frame.gain_db),
            camera_id=frame.camera_id,
            light_on=frame.light_on,
            settings_in_flight=frame.settings_in_flight,
        )
    )
    return PackedFrame(
        role=role,
        header=len(header).to_bytes(4, "little") + header,
        payload=payload,
        sequence=frame.sequence,
        stream_epoch=frame.stream_epoch,
        host_time_ns=frame.host_time_ns,
        mid_exposure_ns=frame.mid_exposure_ns,
    )


def unpack_frame_header(data: memoryview) -> tuple[FrameHeader, int]:
    """Return the header and where the pixels begin. ``data`` may end after the header.

    Raises
    ------
    RecordingError
        When the header is damaged or claims what no frame can be.
    """
    size = int.from_bytes(data[:4], "little")
    if data.nbytes < 4 + size or size == 0:
        raise RecordingError("frame header is cut short")
    try:
        header = _frame_header_decoder.decode(data[4 : 4 + size])
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise RecordingError(f"frame header is not readable ({error})") from None
    return header, 4 + size


def unpack_frame(data: memoryview, *, may_be_lossy: bool = False) -> Frame:
    """Return the frame, bit for bit as it was written; as JPEG has it where that is `Frame.lossy`.

    Raises
    ------
    RecordingError
        When the record is damaged, or lossy where it may not be; nothing larger than the declared
        picture is allocated.
    """
    header, begin = unpack_frame_header(data)
    if not header.codec.lossless:
        if not may_be_lossy:
            raise RecordingError("stored as JPEG, where the case promises none lost")
        kind, depth = header.pixel_format, header.bit_depth
        if not mosaic_jpeg.takes(kind, depth, header.height, header.width):
            raise RecordingError(f"{kind} of {header.width}x{header.height} px is never JPEG")
    try:
        shape = header.pixel_format.array_shape(header.height, header.width)
    except ValueError as error:
        raise RecordingError(str(error)) from None
    dtype = np.dtype(header.pixel_format.dtype)
    declared = dtype.itemsize
    for edge in shape:
        declared *= edge
    if declared > MAX_PIXEL_BYTES:
        raise RecordingError(f"picture of {header.width}x{header.height} px is implausibly large")
    pixels: NDArray[Any] = np.empty(shape, dtype)
    decompress_into(data[begin:], header.codec, pixels)
    try:
        return Frame(
            pixels=frozen_pixels(pixels),
            pixel_format=header.pixel_format,
            bit_depth=header.bit_depth,
            sequence=header.sequence,
            stream_epoch=header.stream_epoch,
            device_time_ns=header.device_time_ns,
            host_time_ns=header.host_time_ns,
            mid_exposure_ns=header.mid_exposure_ns,
            exposure_us=header.exposure_us,
            gain_db=header.gain_db,
            camera_id=header.camera_id,
            light_on=header.light_on,
            settings_in_flight=header.settings_in_flight,
            lossy=not header.codec.lossless,
        )
    except ValueError as error:
        raise RecordingError(str(error)) from None
