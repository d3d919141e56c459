"""MCAP's byte layout, as far as a case uses it (https://mcap.dev/spec).

Laid out here because the library's writer copies each frame four times while it holds the GIL, and
buffers what must reach the kernel (docs/decisions/0020-writing-cases.md). The library reads these
files back in the tests, all CRCs validated.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from zlib_ng.zlib_ng import crc32

MAGIC = b"\x89MCAP0\r\n"

HEADER, FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK, MESSAGE_INDEX, CHUNK_INDEX = range(1, 9)
ATTACHMENT, ATTACHMENT_INDEX, STATISTICS, METADATA, METADATA_INDEX, SUMMARY_OFFSET = range(9, 15)
DATA_END = 15

RECORD_PREFIX = struct.Struct("<BQ")
CHUNK_FIXED = struct.Struct("<QQQIIQ")
"""Start time, end time, uncompressed size, CRC, length of the compression's name (0), size."""
MESSAGE_FIXED = struct.Struct("<HIQQ")
"""Channel, sequence, log time, publish time."""
CHUNK_LEAD = RECORD_PREFIX.size + CHUNK_FIXED.size
"""Bytes of a chunk record before its first message record."""
MESSAGE_LEAD = RECORD_PREFIX.size + MESSAGE_FIXED.size
"""Bytes of a message record before its data."""

INDEX_ROW = np.dtype(
    [
        ("offset", "<u8"),
        ("time_ns", "<i8"),
        ("sequence", "<u8"),
        ("length", "<u4"),
        ("number", "<u4"),
        ("epoch", "<u4"),
        ("channel", "<u2"),
        ("spare", "<u2"),
    ]
)
"""One row a chunk: where it lies, what it holds, and when (mid-exposure for frames)."""

INDEX_ROW_STRUCT = struct.Struct("<QqQIIIHH")


def log_time(time_ns: int) -> int:
    """Return ``time_ns`` as MCAP can hold it."""
    return min(max(time_ns, 0), 2**64 - 1)


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<I", len(data)) + data


def _record(opcode: int, body: bytes) -> bytes:
    return RECORD_PREFIX.pack(opcode, len(body)) + body


def header_record(profile: str, library: str) -> bytes:
    """Return the first record of a file."""
    return _record(HEADER, _text(profile) + _text(library))


def schema_record(number: int, name: str, encoding: str, data: bytes) -> bytes:
    """Return a schema record."""
    body = struct.pack("<H", number) + _text(name) + _text(encoding)
    return _record(SCHEMA, body + struct.pack("<I", len(data)) + data)


def channel_record(
    number: int, schema: int, topic: str, encoding: str, metadata: dict[str, str]
) -> bytes:
    """Return a channel record."""
    pairs = b"".join(_text(k) + _text(v) for k, v in metadata.items())
    body = struct.pack("<HH", number, schema) + _text(topic) + _text(encoding)
    return _record(CHANNEL, body + struct.pack("<I", len(pairs)) + pairs)


def attachment_record(name: str, media_type: str, data: bytes, time_ns: int) -> bytes:
    """Return an attachment record with its CRC."""
    body = struct.pack("<QQ", log_time(time_ns), 0) + _text(name) + _text(media_type)
    body += struct.pack("<Q", len(data)) + data
    return _record(ATTACHMENT, body + struct.pack("<I", crc32(body)))


@dataclass(frozen=True, slots=True)
class ChunkFrame:
    """What surrounds the data of a one-record chunk: ``lead + data + tail`` is on disk.

    ``length`` is that of the chunk record alone; message indexes follow it in ``tail``.
    """

    lead: bytes
    tail: bytes
    length: int


def message_body_lead(channel: int, number: int, time_ns: int) -> bytes:
    """Return the fixed fields of a message; they and its data stand under the hash chain."""
    return MESSAGE_FIXED.pack(channel, number & 0xFFFFFFFF, log_time(time_ns), log_time(time_ns))


def frame_chunk(
    body_lead: bytes, pieces: Sequence[bytes | memoryview], link: bytes, link_channel: int
) -> ChunkFrame:
    """Return what to write around ``pieces`` for a chunk of one message and its chain link.

    Frees the GIL over large pieces.
    """
    channel, number, when, _ = MESSAGE_FIXED.unpack(body_lead)
    size = sum(len(piece) for piece in pieces)
    message_lead = RECORD_PREFIX.pack(MESSAGE, MESSAGE_FIXED.size + size) + body_lead
    link_message = _record(MESSAGE, MESSAGE_FIXED.pack(link_channel, number, when, when) + link)
    crc = crc32(message_lead)
    for piece in (*pieces, link_message):
        crc = crc32(piece, crc)
    records = len(message_lead) + size + len(link_message)
    body = CHUNK_FIXED.size + records
    lead = RECORD_PREFIX.pack(CHUNK, body)
    lead += CHUNK_FIXED.pack(when, when, records, crc, 0, records) + message_lead
    tail = link_message + message_indexes(channel, link_channel, when, len(message_lead) + size)
    return ChunkFrame(lead, tail, RECORD_PREFIX.size + body)


_MESSAGE_INDEX = struct.Struct("<BQHIQQ")


def message_indexes(channel: int, link_channel: int, when: int, link_offset: int) -> bytes:
    """Return the two message index records that follow a chunk."""
    return _MESSAGE_INDEX.pack(MESSAGE_INDEX, 22, channel, 16, when, 0) + _MESSAGE_INDEX.pack(
        MESSAGE_INDEX, 22, link_channel, 16, when, link_offset
    )


MESSAGE_INDEXES_BYTES = 2 * _MESSAGE_INDEX.size
_CHUNK_INDEX = np.dtype(
    [
        ("opcode", "u1"),
        ("body", "<u8"),
        ("start_time", "<u8"),
        ("end_time", "<u8"),
        ("offset", "<u8"),
        ("length", "<u8"),
        ("map_bytes", "<u4"),
        ("channel", "<u2"),
        ("index_offset", "<u8"),
        ("link_channel", "<u2"),
        ("link_index_offset", "<u8"),
        ("index_bytes", "<u8"),
        ("compression_bytes", "<u4"),
        ("compressed", "<u8"),
        ("uncompressed", "<u8"),
    ]
)


CHUNK_INDEX_BYTES = _CHUNK_INDEX.itemsize


def _chunk_indexes(
    rows: NDArray[np.void], log_times: NDArray[np.uint64], link_channel: int
) -> bytes:
    """Return the chunk index records of all rows, made at once."""
    table = np.zeros(len(rows), _CHUNK_INDEX)
    table["opcode"] = CHUNK_INDEX
    table["body"] = _CHUNK_INDEX.itemsize - RECORD_PREFIX.size
    table["start_time"] = table["end_time"] = log_times
    table["offset"], table["length"] = rows["offset"], rows["length"]
    table["map_bytes"] = 20
    table["channel"], table["link_channel"] = rows["channel"], link_channel
    table["index_offset"] = rows["offset"] + rows["length"]
    table["link_index_offset"] = table["index_offset"] + np.uint64(_MESSAGE_INDEX.size)
    table["index_bytes"] = MESSAGE_INDEXES_BYTES
    table["compressed"] = table["uncompressed"] = rows["length"] - np.uint32(CHUNK_LEAD)
    return table.tobytes()


@dataclass(frozen=True, slots=True)
class AttachmentPlace:
    """Where an attachment record lies, for the summary."""

    offset: int
    length: int
    name: str
    media_type: str
    data_size: int
    time_ns: int

    def record(self) -> bytes:
        """Return its index record."""
        body = struct.pack(
            "<QQQQQ", self.offset, self.length, log_time(self.time_ns), 0, self.data_size
        )
        return _record(ATTACHMENT_INDEX, body + _text(self.name) + _text(self.media_type))


def closing_records(
    *,
    summary_start: int,
    definitions: tuple[bytes, bytes],
    counts: tuple[int, int],
    rows: NDArray[np.void],
    log_times: NDArray[np.uint64],
    attachments: Iterable[AttachmentPlace],
    link_channel: int,
) -> bytes:
    """Return everything from the end of the data section to the closing magic.

    ``summary_start`` is where the returned bytes will begin. ``definitions`` are the schema and
    channel records as written, ``counts`` how many of each. ``log_times`` belong to ``rows``.
    """
    data_end = _record(DATA_END, struct.pack("<I", 0))
    begin = summary_start + len(data_end)
    places = tuple(attachments)
    numbers, per_channel = np.unique(rows["channel"], return_counts=True)
    totals = {int(n): int(c) for n, c in zip(numbers, per_channel, strict=True)}
    if len(rows):
        totals[link_channel] = len(rows)
    statistics = struct.pack(
        "<QHIIIIQQI",
        2 * len(rows),
        counts[0],
        counts[1],
        len(places),
        0,
        len(rows),
        int(log_times.min()) if len(rows) else 0,
        int(log_times.max()) if len(rows) else 0,
        10 * len(totals),
    ) + b"".join(struct.pack("<HQ", n, c) for n, c in sorted(totals.items()))
    groups = (
        (SCHEMA, definitions[0]),
        (CHANNEL, definitions[1]),
        (STATISTICS, _record(STATISTICS, statistics)),
        (CHUNK_INDEX, _chunk_indexes(rows, log_times, link_channel)),
        (ATTACHMENT_INDEX, b"".join(place.record() for place in places)),
    )
    offsets = b""
    position = begin
    for opcode, records in groups:
        if records:
            offsets += _record(SUMMARY_OFFSET, struct.pack("<BQQ", opcode, position, len(records)))
        position += len(records)
    summary = b"".join(records for _, records in groups) + offsets
    footer = RECORD_PREFIX.pack(FOOTER, 20) + struct.pack("<QQ", begin, position)
    crc = crc32(footer, crc32(summary))
    return data_end + summary + footer + struct.pack("<I", crc) + MAGIC
