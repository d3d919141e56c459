"""Arrays inside attachments (.npy), read without trust."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from sln_guide.recording.errors import RecordingError


def pack_array(array: NDArray[Any]) -> bytes:
    """Return ``array`` as the bytes of a .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


def unpack_array(data: bytes, *, what: str) -> NDArray[np.float32]:
    """Return the two-dimensional array in the bytes of a .npy file as float32, read-only.

    Raises
    ------
    RecordingError
        When it is anything else, or claims more than the bytes hold.
    """
    try:
        stream = io.BytesIO(data)
        header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
        shape, _, dtype = header[npy.read_magic(stream)](stream)
        claimed = dtype.itemsize
        for edge in shape:
            claimed *= edge
        if claimed != len(data) - stream.tell() or len(shape) != 2 or dtype.kind not in "uif":
            raise RecordingError(f"{what}: not a picture ({shape} {dtype})")
        stream.seek(0)
        array: NDArray[np.float32] = np.load(stream, allow_pickle=False).astype(np.float32)
    except (ValueError, KeyError, EOFError, OSError, SyntaxError) as error:
        raise RecordingError(f"{what}: not a readable array ({error})") from None
    array = np.ascontiguousarray(array)
    array.setflags(write=False)
    return array
