"""The hash chain over a case's records, and the digest of what the core computed."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
from blake3 import blake3

from sln_guide.guidance import Detection, Guidance

LINK_BYTES = 32


def first_link(header: bytes) -> bytes:
    """Return the link before the first record of a part.

    The part's header stands under it, and in that the last link of the part before: one chain
    runs through all parts.
    """
    return blake3(b"sln-guide part" + header).digest()


def next_link(previous: bytes, body_lead: bytes, pieces: Sequence[bytes | memoryview]) -> bytes:
    """Return the link of a record. Frees the GIL over large pieces.

    Parameters
    ----------
    previous
        The link before.
    body_lead, pieces
        Channel, number and times of the record; all of its data.
    """
    state = blake3(previous + body_lead)
    for piece in pieces:
        state.update(piece)
    return state.digest()


def _pack_float(value: float | None) -> bytes:
    return b"\0" if value is None else b"\1" + struct.pack("<d", value)


def _pack_detection(detection: Detection) -> bytes:
    d = detection
    floats = (
        d.x_px,
        d.y_px,
        d.x_white_px,
        d.y_white_px,
        d.area_px,
        d.area_mm2,
        d.spot_width_px,
        d.spot_width_mm,
        d.signal,
        d.sbr,
        None if d.sbr_interval is None else d.sbr_interval.low,
        None if d.sbr_interval is None else d.sbr_interval.high,
        d.cnr,
        None if d.cnr_interval is None else d.cnr_interval.low,
        None if d.cnr_interval is None else d.cnr_interval.high,
        d.significance,
        d.saturated_fraction,
        d.age_s,
    )
    words = "\0".join((d.kind.value, *d.flags)).encode()
    contour = b"" if d.contour_px is None else np.ascontiguousarray(d.contour_px).tobytes()
    return b"".join(
        (
            struct.pack("<qq??I", d.track_id, d.node_number, d.confirmed, d.coasted, len(words)),
            words,
            *map(_pack_float, floats),
            struct.pack("<I", len(contour)),
            contour,
        )
    )


def digest(guidance: Guidance) -> str:
    """Return 16 bytes (hex) that change when any detection or the coarse signal changes.

    Exact: floats go in bit for bit. Times, the generation and the pair are left out, so that a
    replay of the same pair from the same state gives the same digest.
    """
    state = blake3(struct.pack("<qI", guidance.grid_px, len(guidance.detections)))
    for detection in guidance.detections:
        state.update(_pack_detection(detection))
    signal = np.ascontiguousarray(guidance.signal, dtype=np.float32)
    state.update(struct.pack("<II", *signal.shape))
    state.update(signal.reshape(-1).view(np.uint8).data)
    return state.hexdigest(length=16)
