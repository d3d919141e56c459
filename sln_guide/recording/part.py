"""`PartWriter`: one MCAP file of a case, appended to without a buffer."""

from __future__ import annotations

import errno
import hashlib
import os
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from sln_guide.recording import mcap_format
from sln_guide.recording.chain import next_link
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

INDEX_MAGIC = b"SLNIDX1\n"
HEADER_ATTACHMENT = "case.json"


def _encoding(topic: str) -> str:
    if topic in FRAME_TOPICS:
        return "sln-frame-1"
    if topic == CHAIN:
        return "sha256"
    return "sln-snapshot-1" if topic == SNAPSHOTS else "json"


def opening(header: CaseHeader) -> bytes:
    """Return how every part of this case begins, up to its header attachment."""
    library = f"sln-guide {header.software.get('sln-guide', '')}".strip()
    return mcap_format.MAGIC + mcap_format.header_record(PROFILE, library)


def definitions(codec: str) -> tuple[bytes, bytes]:
    """Return the schema records and the channel records of every part."""
    schemas, channels = b"", b""
    for topic, number in CHANNELS.items():
        json = _encoding(topic) == "json"
        if json:
            schemas += mcap_format.schema_record(
                number, f"sln_guide.{topic}", "jsonschema", b'{"type":"object"}'
            )
        metadata = {"codec": codec, "lossless": "yes"} if topic in FRAME_TOPICS else {}
        channels += mcap_format.channel_record(
            number, number if json else 0, topic, _encoding(topic), metadata
        )
    return schemas, channels


class PartWriter:
    """Appends whole records to one new file. One thread; only `sync` may run beside it.

    What a returned `append` covered lies in the kernel: it survives the death of the process.
    A failed write is taken back, so that the file ends with its last whole record.

    Raises
    ------
    OSError
        From every method that writes.
    """

    def __init__(self, path: Path, header: CaseHeader, time_ns: int) -> None:
        self.path = path
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        self._size = 0
        self._sha256 = hashlib.sha256()
        self._rows = bytearray()
        self._log_times = bytearray()
        self._attachments: list[mcap_format.AttachmentPlace] = []
        self._definitions = definitions(header.codec.value)
        self.problem: str | None = None
        self.torn = False
        self.finished = False
        try:
            self._write((opening(header),))
            self.attach(HEADER_ATTACHMENT, "application/json", to_json(header), time_ns)
            self._write(self._definitions)
        except OSError:
            os.close(self._fd)
            with suppress(OSError):
                path.unlink()
            raise

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return self._size

    @property
    def records(self) -> int:
        """Records appended."""
        return len(self._rows) // mcap_format.INDEX_ROW.itemsize

    def data_sha256(self) -> bytes:
        """Return SHA-256 of all that was written so far."""
        return self._sha256.digest()

    def append(
        self,
        *,
        body_lead: bytes,
        pieces: Sequence[bytes | memoryview],
        link: bytes,
        time_ns: int,
        sequence: int = 0,
        epoch: int = 0,
    ) -> bytes:
        """Append one record and its link as one chunk, in one write; return that link.

        ``link`` is that of the record before. All ``pieces`` but the first are pixels.
        """
        chunk = mcap_format.frame_chunk(
            body_lead,
            pieces,
            lambda crc: next_link(link, body_lead, pieces[0], crc),
            CHANNELS[CHAIN],
        )
        offset = self._size
        self._write((chunk.lead, *pieces, chunk.tail))
        channel, number, log_time, _ = mcap_format.MESSAGE_FIXED.unpack(body_lead)
        self._rows += mcap_format.INDEX_ROW_STRUCT.pack(
            offset,
            min(max(time_ns, -(2**63)), 2**63 - 1),
            sequence & (2**64 - 1),
            chunk.length,
            number,
            epoch & 0xFFFFFFFF,
            channel,
            0,
        )
        self._log_times += log_time.to_bytes(8, "little")
        return chunk.link

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
        rows = np.frombuffer(bytes(self._rows), mcap_format.INDEX_ROW)
        closing = mcap_format.closing_records(
            summary_start=self._size,
            definitions=self._definitions,
            counts=(self._definitions_count(), len(CHANNELS)),
            rows=rows,
            log_times=np.frombuffer(bytes(self._log_times), np.uint64),
            attachments=self._attachments,
            link_channel=CHANNELS[CHAIN],
        )
        self._write((closing,))
        self.finished = True
        write_index(index_path(self.path), bytes(self._rows))

    @staticmethod
    def _definitions_count() -> int:
        return sum(_encoding(topic) == "json" for topic in CHANNELS)

    def sync(self) -> None:
        """Wait until what was appended is on the medium. Any thread, not beside `release`.

        Pages that are safe are given back: the next writes then find warm ones instead of new
        ones, which cost ten times as much, and recording does not push everything else out.
        """
        if os.fstat(self._fd).st_nlink == 0:
            raise OSError(errno.ENOENT, "the file was removed while it was being written")
        size = self._size
        os.fdatasync(self._fd)
        with suppress(OSError):  # only advice
            os.posix_fadvise(self._fd, 0, size, os.POSIX_FADV_DONTNEED)

    def release(self) -> None:
        """Let go of the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def as_closed(self) -> PartFile:
        """Return the manifest's entry."""
        return PartFile(
            self.path.name, self._size, self._sha256.hexdigest(), self.records, self.problem
        )

    def _write(self, pieces: Sequence[bytes | memoryview]) -> None:
        """Write all of ``pieces``, or nothing of them."""
        left = [memoryview(piece) for piece in pieces if len(piece)]
        try:
            while left:
                written = os.writev(self._fd, left)
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
        for piece in pieces:
            self._sha256.update(piece)
            self._size += len(piece)


def index_path(part: Path) -> Path:
    """Return where the index of ``part`` lies."""
    return part.with_suffix(".index")


def write_index(path: Path, rows: bytes) -> None:
    """Write an index file, whole or not at all."""
    head = INDEX_MAGIC + len(rows).to_bytes(8, "little") + zlib.crc32(rows).to_bytes(4, "little")
    replace_file(path, head + rows)


def replace_file(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` so that a crash leaves the old file or the new one, never half."""
    fresh = path.with_name(path.name + ".new")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(fd, left) :]
        os.fdatasync(fd)
    except OSError:
        os.close(fd)
        with suppress(OSError):
            fresh.unlink()
        raise
    os.close(fd)
    os.replace(fresh, path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make names in ``folder`` durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
