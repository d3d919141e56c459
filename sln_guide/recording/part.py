"""`PartWriter`: one MCAP file of a case, appended to without a buffer."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sln_guide.guidance import Role
from sln_guide.recording import mcap_format
from sln_guide.recording.chain import first_link, next_link
from sln_guide.recording.codec import Codec
from sln_guide.recording.index import index_path, write_index
from sln_guide.recording.records import (
    CHAIN,
    CHANNELS,
    FRAME_TOPICS,
    PROFILE,
    SNAPSHOTS,
    CaseHeader,
    PartFile,
    to_json,
)

HEADER_ATTACHMENT = "case.json"
HEADER_MEDIA_TYPE = "application/json"
MOST_PIECES = 1024
"""What one `writev` takes (IOV_MAX)."""


def _encoding(topic: str) -> str:
    if topic in FRAME_TOPICS:
        return "sln-frame-1"
    if topic == CHAIN:
        return "blake3"
    return "sln-snapshot-1" if topic == SNAPSHOTS else "json"


def _before_header(header: CaseHeader) -> bytes:
    library = f"sln-guide {header.software.get('sln-guide', '')}".strip()
    return mcap_format.MAGIC + mcap_format.header_record(PROFILE, library)


def _header_attachment(header: CaseHeader, raw_header: bytes) -> bytes:
    return mcap_format.attachment_record(
        HEADER_ATTACHMENT, HEADER_MEDIA_TYPE, raw_header, header.started_monotonic_ns
    )


def opening(header: CaseHeader, raw_header: bytes) -> bytes:
    """Return how a part begins, up to its first record: follows from its header."""
    before, after = _before_header(header), b"".join(definitions(header))
    return before + _header_attachment(header, raw_header) + after


def header_place(header: CaseHeader, raw_header: bytes) -> mcap_format.AttachmentPlace:
    """Return where in its part the header stands, for the summary."""
    begin = len(_before_header(header))
    whole = _header_attachment(header, raw_header)
    return mcap_format.AttachmentPlace(
        begin,
        len(whole),
        HEADER_ATTACHMENT,
        HEADER_MEDIA_TYPE,
        len(raw_header),
        header.started_monotonic_ns,
    )


def definitions(header: CaseHeader) -> tuple[bytes, bytes]:
    """Return the schema records and the channel records of every part."""
    schemas, channels = b"", b""
    for topic, number in CHANNELS.items():
        json = _encoding(topic) == "json"
        if json:
            schemas += mcap_format.schema_record(
                number, f"sln_guide.{topic}", "jsonschema", b'{"type":"object"}'
            )
        metadata = _kept(topic, header) if topic in FRAME_TOPICS else {}
        channels += mcap_format.channel_record(
            number, number if json else 0, topic, _encoding(topic), metadata
        )
    return schemas, channels


def _kept(topic: str, header: CaseHeader) -> dict[str, str]:
    """Return what the channel of a stream says of its frames."""
    quality = header.rig.recording.white_jpeg_quality
    if topic == Role.WHITE and quality is not None:
        return {"codec": Codec.JPEG.value, "lossless": "no", "quality": str(quality)}
    return {"codec": header.codec.value, "lossless": "yes"}


def closing(
    header: CaseHeader,
    begin: int,
    rows: NDArray[np.void],
    log_times: NDArray[np.uint64],
    attachments: Sequence[mcap_format.AttachmentPlace],
) -> bytes:
    """Return how a part ends, from byte ``begin``: follows from what is in it."""
    return mcap_format.closing_records(
        summary_start=begin,
        definitions=definitions(header),
        counts=(sum(_encoding(topic) == "json" for topic in CHANNELS), len(CHANNELS)),
        rows=rows,
        log_times=log_times,
        attachments=attachments,
        link_channel=CHANNELS[CHAIN],
    )


@dataclass(frozen=True, slots=True)
class Entry:
    """One record to be written.

    ``pieces`` are its data. ``time_ns``, ``sequence`` and ``epoch`` go into the index: the
    mid-exposure, device counter and stream epoch of a frame.
    """

    topic: str
    log_time_ns: int
    pieces: tuple[bytes | memoryview, ...]
    time_ns: int
    sequence: int = 0
    epoch: int = 0


class PartWriter:
    """Appends whole records to one new file. One thread; only `sync` may run beside it.

    What a returned `append` covered lies in the kernel: it survives the death of the process.
    A failed write is taken back, so that the file ends with its last whole record.

    Raises
    ------
    OSError
        From every method that writes.
    """

    def __init__(self, path: Path, header: CaseHeader) -> None:
        self.path = path
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        self._size = 0
        self._rows = bytearray()
        self._log_times = bytearray()
        self._attachments: list[mcap_format.AttachmentPlace] = []
        self._header = header
        self.problem: str | None = None
        self.torn = False
        self.finished = False
        raw = to_json(header)
        self.first_link = first_link(raw)
        """Link before the first record."""
        try:
            self._write((opening(header, raw),))
        except OSError:
            os.close(self._fd)
            with suppress(OSError):
                path.unlink()
            raise
        self._attachments.append(header_place(header, raw))

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return self._size

    @property
    def records(self) -> int:
        """Records appended."""
        return len(self._rows) // mcap_format.INDEX_ROW.itemsize

    def append(self, entries: Sequence[Entry], number: int, link: bytes) -> bytes:
        """Append records, each and its link as a chunk, in one write; return the last link.

        ``number`` is that of the first of them, ``link`` that of the record before it.
        """
        pieces: list[bytes | memoryview] = []
        rows, log_times = bytearray(), bytearray()
        offset = self._size
        for entry in entries:
            channel = CHANNELS[entry.topic]
            lead = mcap_format.message_body_lead(channel, number, entry.log_time_ns)
            link = next_link(link, lead, entry.pieces)
            chunk = mcap_format.frame_chunk(lead, entry.pieces, link, CHANNELS[CHAIN])
            pieces += (chunk.lead, *entry.pieces, chunk.tail)
            rows += mcap_format.INDEX_ROW_STRUCT.pack(
                offset,
                min(max(entry.time_ns, -(2**63)), 2**63 - 1),
                entry.sequence & (2**64 - 1),
                chunk.length,
                number & 0xFFFFFFFF,
                entry.epoch & 0xFFFFFFFF,
                channel,
                0,
            )
            log_times += mcap_format.log_time(entry.log_time_ns).to_bytes(8, "little")
            offset += chunk.length + mcap_format.MESSAGE_INDEXES_BYTES
            number += 1
        self._write(pieces)
        self._rows += rows
        self._log_times += log_times
        return link

    def attach(self, name: str, media_type: str, data: bytes, time_ns: int) -> None:
        """Append an attachment."""
        record = mcap_format.attachment_record(name, media_type, data, time_ns)
        offset = self._size
        self._write((record,))
        self._attachments.append(
            mcap_format.AttachmentPlace(offset, len(record), name, media_type, len(data), time_ns)
        )

    def finish(self) -> None:
        """Append summary and footer, and write the index beside the file. Once."""
        if self.finished or self.torn:
            return
        end = closing(
            self._header,
            self._size,
            np.frombuffer(bytes(self._rows), mcap_format.INDEX_ROW),
            np.frombuffer(bytes(self._log_times), np.uint64),
            self._attachments,
        )
        self._write((end,))
        self.finished = True
        write_index(index_path(self.path), bytes(self._rows))

    def sync(self) -> None:
        """Wait until what was appended is on the medium. Any thread, not beside `release`.

        Pages that are safe are given back: the next writes then find warm ones instead of new
        ones, which cost ten times as much, and recording does not push everything else out.

        Raises
        ------
        OSError
            The medium refused, or the file was removed.
        """
        if os.fstat(self._fd).st_nlink == 0:
            raise OSError(errno.ENOENT, "the file was removed while it was being written")
        size = self._size
        os.fdatasync(self._fd)
        with suppress(OSError):  # only advice
            os.posix_fadvise(self._fd, 0, size, os.POSIX_FADV_DONTNEED)

    def release(self) -> None:
        """Let go of the file."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with suppress(OSError):  # a drive that is gone refuses this, too; `sync` told of it
                os.close(fd)

    def as_closed(self) -> PartFile:
        """Return the manifest's entry."""
        return PartFile(self.path.name, self._size, self.records, self.problem)

    def _write(self, pieces: Sequence[bytes | memoryview]) -> None:
        """Write all of ``pieces``, or nothing of them."""
        left = [memoryview(piece) for piece in pieces if len(piece)]
        try:
            while left:
                written = os.writev(self._fd, left[:MOST_PIECES])
                while left and written >= left[0].nbytes:
                    written -= left.pop(0).nbytes
                if written:
                    left[0] = left[0][written:]
        except OSError:
            # A torn record would still be told from a whole one; without it the file is clean.
            self.torn = True
            with suppress(OSError):
                os.ftruncate(self._fd, self._size)
                os.lseek(self._fd, self._size, os.SEEK_SET)
                self.torn = False
            raise
        self._size += sum(len(piece) for piece in pieces)
