"""The hash chain over a case's records, and the digest of what the core computed."""

from __future__ import annotations

import hashlib
import struct

import numpy as np

from sln_guide.guidance import Detection, Guidance

LINK_BYTES = 32


def first_link(header: bytes) -> bytes:
    """Return the link before the first record: the case's own header stands under it."""
    return hashlib.sha256(b"sln-guide case" + header).digest()


def next_link(previous: bytes, body_lead: bytes, covered: bytes | memoryview, crc: int) -> bytes:
    """Return the link of a record.

    The pixels of a frame stand under it by the CRC-32 of the record alone: to hash each of them
    here as well as in its part would take a twelfth of a core at 60 fps. `head_of` covers them.

    Parameters
    ----------
    previous
        The link of the record before.
    body_lead, covered
        Channel, number and times; the record's data but for pixels.
    crc
        CRC-32 of the whole record.
    """
    return hashlib.sha256(
        b"".join((previous, body_lead, covered, crc.to_bytes(4, "little")))
    ).digest()


def head_of(link: bytes, data_sha256: bytes) -> bytes:
    """Return the head of a case: its last link, and every byte of its last part up to there.

    The header of each part holds the SHA-256 of the part before it, so all parts are covered.
    """
    return hashlib.sha256(link + data_sha256).digest()


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
    state = hashlib.blake2b(digest_size=16)
    state.update(struct.pack("<qI", guidance.grid_px, len(guidance.detections)))
    for detection in guidance.detections:
        state.update(_pack_detection(detection))
    signal = np.ascontiguousarray(guidance.signal, dtype=np.float32)
    state.update(struct.pack("<II", *signal.shape))
    state.update(signal.data)
    return state.hexdigest()
