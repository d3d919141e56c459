"""Finds the records of a part, trusting nothing in it, and reads one record back.

Works on finished and unfinished files alike. Every length is checked against the file before it
is used, and no more than one record is ever held in memory.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zlib_ng.zlib_ng import crc32

from sln_guide.recording import mcap_format as mcap
from sln_guide.recording.chain import LINK_BYTES
from sln_guide.recording.codec import MAX_PIXEL_BYTES
from sln_guide.recording.errors import RecordingError
from sln_guide.recording.packed import unpack_frame_header
from sln_guide.recording.records import (
    CHAIN,
    CHANNELS,
    FRAME_TOPICS,
    TOPICS,
)

MAX_RECORD_BYTES = MAX_PIXEL_BYTES + (1 << 20)
LINK_RECORD_BYTES = mcap.MESSAGE_LEAD + LINK_BYTES
_MIN_CHUNK = mcap.CHUNK_LEAD + mcap.MESSAGE_LEAD + LINK_RECORD_BYTES
_PEEK = 1024
_MAX_FRAME_HEADER = 1 << 20
_SEARCH = 4 << 20
_MAX_SMALL_RECORD = 1024
_FIXED_LENGTHS = {
    mcap.MESSAGE_INDEX: mcap.MESSAGE_INDEXES_BYTES // 2,
    mcap.CHUNK_INDEX: mcap.CHUNK_INDEX_BYTES,
    mcap.DATA_END: 4 + mcap.RECORD_PREFIX.size,
    mcap.FOOTER: 20 + mcap.RECORD_PREFIX.size,
    mcap.SUMMARY_OFFSET: 17 + mcap.RECORD_PREFIX.size,
}
_LAYOUTS = {
    mcap.HEADER: (0, 2),
    mcap.SCHEMA: (2, 3),
    mcap.CHANNEL: (4, 3),
    mcap.STATISTICS: (42, 1),
    mcap.ATTACHMENT_INDEX: (40, 2),
}
"""Bytes before, and number of, the fields that carry their own lengths."""
_PATTERN = re.compile(
    rb"\x06.{5}\x00{3}.{28}\x00{4}.{8}\x05|\x09.{5}\x00{3}.{16}[^\x00]\x00{3}", re.DOTALL
)
"""A chunk: opcode, length, no compression named, a message inside; or an attachment: opcode,
length, times, a short name."""


@dataclass(frozen=True, slots=True)
class Found:
    """One top-level record: where it lies and what it is. ``length`` includes its prefix."""

    opcode: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Lost:
    """Bytes in which no record could be found. ``tail``: they reach to the end of the file."""

    begin: int
    end: int
    tail: bool


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a case, its CRC checked. ``data`` is a view of what was read.

    ``body_lead`` and ``data`` are what its ``link`` must be made of, with the link before it.
    """

    channel: int
    number: int
    log_time_ns: int
    body_lead: bytes
    data: memoryview
    link: bytes


@dataclass(frozen=True, slots=True)
class Attachment:
    """One attachment, its CRC checked."""

    name: str
    media_type: str
    time_ns: int
    data: bytes


class PartFileReader:
    """Random access to one part. Any thread may read (`os.pread`); closed by its owner.

    Raises RecordingError when the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self.size = os.fstat(self._fd).st_size
        except OSError as error:
            raise RecordingError(f"{path}: cannot be read ({error.strerror})") from None

    def close(self) -> None:
        """Let go of the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def read(self, offset: int, length: int) -> bytes:
        """Return up to ``length`` bytes from ``offset``, fewer at the end of the file.

        Raises RecordingError when the medium refuses, or the case is closed.
        """
        if self._fd < 0:
            raise RecordingError(f"{self.path}: the case is closed")
        length = max(0, min(length, self.size - offset))
        try:
            data = os.pread(self._fd, length, offset)
            while len(data) < length:
                more = os.pread(self._fd, length - len(data), offset + len(data))
                if not more:
                    break
                data += more
        except OSError as error:
            raise RecordingError(
                f"{self.path} bytes {offset}-{offset + length}: cannot be read ({error.strerror})"
            ) from None
        return data

    # -- finding records --------------------------------------------------------------------------

    def walk(self) -> Iterator[Found | Lost]:
        """Yield every top-level record in order, and what lies between that is none."""
        position = len(mcap.MAGIC)
        if self.read(0, position) != mcap.MAGIC:
            position = 0
            resumed = self._search(0)
            yield Lost(0, resumed, tail=resumed == self.size)
            position = resumed
        while position < self.size:
            if self.size - position == len(mcap.MAGIC):
                if self.read(position, len(mcap.MAGIC)) == mcap.MAGIC:
                    return
            found = self.record_at(position)
            if found is None:
                resumed = self._search(position + 1)
                yield Lost(position, resumed, tail=resumed == self.size)
                position = resumed
                continue
            yield found
            position += found.length

    def record_at(self, position: int) -> Found | None:
        """Return the top-level record that begins at ``position``, None if none can."""
        prefix = self.read(position, mcap.RECORD_PREFIX.size)
        if len(prefix) < mcap.RECORD_PREFIX.size:
            return None
        opcode, body = mcap.RECORD_PREFIX.unpack(prefix)
        length = mcap.RECORD_PREFIX.size + body
        if not mcap.HEADER <= opcode <= mcap.DATA_END or position + length > self.size:
            return None
        found = Found(opcode, position, length)
        return found if self._plausible(found) else None

    def _plausible(self, found: Found) -> bool:
        """Whether the length can be believed: a wrong one would hide what follows."""
        if found.opcode == mcap.CHUNK:
            return self._plausible_chunk(found.offset, found.length)
        if found.opcode == mcap.ATTACHMENT:
            return not isinstance(self.attachment(found), str)
        if found.opcode in _FIXED_LENGTHS:
            return found.length == _FIXED_LENGTHS[found.opcode]
        if found.opcode not in _LAYOUTS or found.length > _MAX_SMALL_RECORD:
            return False
        body = self.read(found.offset, found.length)[mcap.RECORD_PREFIX.size :]
        position, fields = _LAYOUTS[found.opcode]
        for _ in range(fields):
            position += 4 + int.from_bytes(body[position : position + 4], "little")
        return position == len(body)

    def _plausible_chunk(self, offset: int, length: int) -> bool:
        if not _MIN_CHUNK <= length <= MAX_RECORD_BYTES:
            return False
        lead = self.read(offset, mcap.CHUNK_LEAD + mcap.MESSAGE_LEAD)
        fixed = mcap.CHUNK_FIXED.unpack_from(lead, mcap.RECORD_PREFIX.size)
        records = length - mcap.CHUNK_LEAD
        opcode, message = mcap.RECORD_PREFIX.unpack_from(lead, mcap.CHUNK_LEAD)
        whole = message + mcap.RECORD_PREFIX.size + LINK_RECORD_BYTES == records
        plain = fixed[2] == fixed[5] == records and fixed[4] == 0
        return bool(plain and whole and opcode == mcap.MESSAGE)

    def _search(self, begin: int) -> int:
        """Return the offset of the next whole chunk or attachment, or the file's size."""
        overlap = 64
        while begin < self.size:
            block = self.read(begin, _SEARCH)
            for match in _PATTERN.finditer(block):
                found = self.record_at(begin + match.start())
                if found is not None and self._whole(found):
                    return found.offset
            if begin + len(block) >= self.size:
                break
            begin += len(block) - overlap
        return self.size

    def _whole(self, found: Found) -> bool:
        if found.opcode == mcap.CHUNK:
            return isinstance(self.record(found), Record)
        return not isinstance(self.attachment(found), str)

    # -- reading one record -----------------------------------------------------------------------

    def record(self, place: Found) -> Record | str:
        """Return the record in the chunk at ``place``, or in plain words why it cannot be."""
        if not _MIN_CHUNK <= place.length <= MAX_RECORD_BYTES:
            return "implausible length"
        if place.offset + place.length > self.size:
            return "cut off: the file ends inside it"
        chunk = memoryview(self.read(place.offset, place.length))
        if chunk.nbytes < place.length:
            return "cut off: the file ends inside it"
        opcode, body_length = mcap.RECORD_PREFIX.unpack_from(chunk)
        start, end_time, plain, crc, named, size = mcap.CHUNK_FIXED.unpack_from(
            chunk, mcap.RECORD_PREFIX.size
        )
        inside = chunk[mcap.CHUNK_LEAD :]
        if (
            opcode != mcap.CHUNK
            or body_length + mcap.RECORD_PREFIX.size != place.length
            or named
            or not plain == size == inside.nbytes
        ):
            return "its frame of lengths is damaged"
        end = inside.nbytes - LINK_RECORD_BYTES
        if crc32(inside) != crc:
            return "its checksum does not match"
        opcode, message = mcap.RECORD_PREFIX.unpack_from(inside)
        if opcode != mcap.MESSAGE or end != mcap.RECORD_PREFIX.size + message:
            return "it does not hold one record and its link"
        if message < mcap.MESSAGE_FIXED.size:
            return "its record is too short"
        body = inside[mcap.RECORD_PREFIX.size : end]
        channel, number, log_time, _ = mcap.MESSAGE_FIXED.unpack_from(body)
        opcode, link_message = mcap.RECORD_PREFIX.unpack_from(inside, end)
        link_lead = mcap.MESSAGE_FIXED.unpack_from(inside, end + mcap.RECORD_PREFIX.size)
        if (
            opcode != mcap.MESSAGE
            or link_message != mcap.MESSAGE_FIXED.size + LINK_BYTES
            or link_lead[0] != CHANNELS[CHAIN]
            or link_lead[1:] != (number, log_time, log_time)
        ):
            return "its chain link is missing"
        if not start == end_time == log_time:
            return "its times are damaged"
        if channel not in TOPICS or channel == CHANNELS[CHAIN]:
            return f"unknown channel {channel}"
        return Record(
            channel,
            number,
            log_time,
            bytes(body[: mcap.MESSAGE_FIXED.size]),
            body[mcap.MESSAGE_FIXED.size :],
            bytes(inside[end + mcap.MESSAGE_LEAD :]),
        )

    def describe(self, place: Found) -> tuple[Any, ...] | None:
        """Return the index row of a chunk from its first bytes, unchecked; None if unreadable."""
        peek = memoryview(self.read(place.offset, min(_PEEK, place.length)))
        begin = mcap.CHUNK_LEAD + mcap.RECORD_PREFIX.size
        if peek.nbytes < begin + mcap.MESSAGE_FIXED.size:
            return None
        channel, number, log_time, _ = mcap.MESSAGE_FIXED.unpack_from(peek, begin)
        topic = TOPICS.get(channel)
        if topic is None or topic == CHAIN:
            return None
        time_ns, sequence, epoch = min(log_time, 2**63 - 1), 0, 0
        if topic in FRAME_TOPICS:
            data = peek[begin + mcap.MESSAGE_FIXED.size :]
            size = int.from_bytes(data[:4], "little") + 4
            if data.nbytes < size <= _MAX_FRAME_HEADER:
                data = memoryview(
                    self.read(
                        place.offset, min(begin + mcap.MESSAGE_FIXED.size + size, place.length)
                    )
                )
                data = data[begin + mcap.MESSAGE_FIXED.size :]
            try:
                header, _ = unpack_frame_header(data)
            except RecordingError:
                return None
            time_ns, sequence = header.mid_exposure_ns, header.sequence
            epoch = header.stream_epoch
        return (place.offset, time_ns, sequence, place.length, number, epoch, channel, 0)

    # -- attachments ------------------------------------------------------------------------------

    def attachment(self, place: Found) -> Attachment | str:
        """Return what an attachment record holds, or why it cannot be read."""
        if place.length > MAX_RECORD_BYTES:
            return "implausible length"
        body = memoryview(self.read(place.offset, place.length))[mcap.RECORD_PREFIX.size :]
        if body.nbytes < place.length - mcap.RECORD_PREFIX.size or body.nbytes < 36:
            return "cut off"
        if crc32(body[:-4]) != int.from_bytes(body[-4:], "little"):
            return "its checksum does not match"
        try:
            position = 16
            words = []
            for _ in range(2):
                size = int.from_bytes(body[position : position + 4], "little")
                position += 4
                if position + size > body.nbytes:
                    return "its name is damaged"
                words.append(str(body[position : position + size], "utf-8"))
                position += size
        except UnicodeDecodeError:
            return "its name is damaged"
        size = int.from_bytes(body[position : position + 8], "little")
        position += 8
        if position + size + 4 != body.nbytes:
            return "its length is damaged"
        time_ns = int.from_bytes(body[:8], "little")
        return Attachment(words[0], words[1], time_ns, bytes(body[position : position + size]))
