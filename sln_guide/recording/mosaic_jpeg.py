"""A Bayer mosaic as JPEG: its four colour planes as the quadrants of one grey picture.

Coded as it stands, a mosaic is a chequerboard to JPEG: half as large again, for a worse picture. By
planes it stays a mosaic, so that whatever reads frames needs to know nothing of it.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardware.frame import PixelFormat
from sln_guide.recording.errors import RecordingError

_BLOCK_PX = 8
"""Quadrants are whole blocks of JPEG, so that no block mixes two colours."""
_MAX_EDGE_PX = 65_500
"""libjpeg makes none larger."""
_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"
_APP0, _DQT, _SOF0, _DHT, _SOS = 0xE0, 0xDB, 0xC0, 0xC4, 0xDA
_MOST_SEGMENTS = 16


@cache
def _cv2() -> Any:
    """Import OpenCV (0.2 s, so not where nothing is JPEG)."""
    from sln_guide.core.opencv import cv2

    return cv2


def takes(pixel_format: PixelFormat, bit_depth: int, height: int, width: int) -> bool:
    """Tell whether a picture can be stored so: a Bayer mosaic that uses 8 bits of 8."""
    if not (pixel_format.is_bayer8 and bit_depth == 8 and height and width):
        return False
    return 2 * max(_quadrant(height, width)) <= _MAX_EDGE_PX


def encode(mosaic: NDArray[Any], quality: int) -> memoryview:
    """Return ``mosaic``, (H, W) uint8, as a JPEG of libjpeg's ``quality``. Frees the GIL.

    Raises
    ------
    RecordingError
        OpenCV cannot.
    """
    cv2 = _cv2()
    rows, columns = _quadrant(*mosaic.shape)
    beyond = ((0, 2 * rows - mosaic.shape[0]), (0, 2 * columns - mosaic.shape[1]))
    if beyond != ((0, 0), (0, 0)):
        mosaic = np.pad(mosaic, beyond, mode="reflect")  # keeps every colour in its own plane
    halves = cv2.split(mosaic.reshape(2 * rows, columns, 2))
    planes = np.empty((2 * rows, 2 * columns), np.uint8)
    for x, half in enumerate(halves):
        for y in (0, 1):
            planes[y * rows : (y + 1) * rows, x * columns : (x + 1) * columns] = half[y::2]
    made, jpeg = cv2.imencode(".jpg", planes, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not made:
        raise RecordingError("OpenCV cannot code a frame as JPEG: record without loss")
    return memoryview(jpeg).cast("B")


def decode_into(payload: memoryview, out: NDArray[np.uint8]) -> None:
    """Decode what `encode` made of a mosaic into ``out`` (H, W), C-contiguous, writable.

    Nothing in ``payload`` is trusted: libjpeg allocates what its header says, and decodes kinds of
    JPEG that `encode` never writes. So both are checked before libjpeg sees it.

    Raises
    ------
    RecordingError
        When it is not what `encode` makes of a mosaic of this size.
    """
    rows, columns = _quadrant(*out.shape)
    _check(payload, 2 * rows, 2 * columns)
    cv2 = _cv2()
    try:
        planes = cv2.imdecode(np.frombuffer(payload, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        planes = None
    if planes is None or planes.shape != (2 * rows, 2 * columns) or planes.dtype != np.uint8:
        raise RecordingError("JPEG cannot be decoded")
    for y in (0, 1):
        row = planes[y * rows : (y + 1) * rows]
        mosaic = cv2.merge((row[:, :columns], row[:, columns:])).reshape(rows, 2 * columns)
        target = out[y::2]
        target[:] = mosaic[: target.shape[0], : target.shape[1]]


def _quadrant(height: int, width: int) -> tuple[int, int]:
    """Return rows and columns of a quadrant: half the mosaic, in whole blocks."""
    step = 2 * _BLOCK_PX
    return -(-height // step) * _BLOCK_PX, -(-width // step) * _BLOCK_PX


def _check(payload: memoryview, height: int, width: int) -> None:
    """Refuse any JPEG but a whole baseline one of one colour and this size (ITU-T T.81, B.1)."""

    def refuse(what: str) -> None:
        raise RecordingError(f"JPEG is not one of this recorder: {what}")

    if payload[:2] != _SOI:
        refuse("it does not begin as one")
    position, sized = 2, False
    for _ in range(_MOST_SEGMENTS):
        head = bytes(payload[position : position + 4])
        length = int.from_bytes(head[2:], "big")
        if len(head) < 4 or head[0] != 0xFF or length < 2:
            refuse("its segments are damaged or cut short")
        body = bytes(payload[position + 4 : position + 2 + length])
        if len(body) != length - 2:
            refuse("it is cut short")
        position += 2 + length
        marker = head[1]
        if marker == _SOF0:
            if sized:
                refuse("it holds two pictures")
            _check_size(body, height, width, refuse)
            sized = True
        elif marker == _SOS:
            break
        elif marker not in (_APP0, _DQT, _DHT):
            refuse(f"it holds a segment 0x{marker:02x}")
    else:
        refuse("it has too many segments")
    if not sized:
        refuse("it does not say its size")
    # Inside the picture's data a byte 0xff is followed by 0: any other one is a marker.
    scan = bytes(payload[position:])
    if not scan.endswith(_EOI):
        refuse("it is cut short")
    if scan.count(b"\xff") != scan.count(b"\xff\x00") + 1:
        refuse("markers stand in the picture's data")


def _check_size(body: bytes, height: int, width: int, refuse: Any) -> None:
    if len(body) < 6:
        refuse("its size is cut short")
    bits, components = body[0], body[5]
    rows, columns = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    if (rows, columns) != (height, width):
        refuse(f"{columns}x{rows} px, not {width}x{height}")
    if components != 1:
        refuse(f"{components} colours, not 1")
    if bits != 8:
        refuse(f"{bits} bits, not 8")
