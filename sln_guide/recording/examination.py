"""The work of `verify`: every record of every part, in order, against its links and files."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sln_guide.guidance import Role, SessionHealth
from sln_guide.recording import chain, mcap_format, records
from sln_guide.recording.errors import NewerFormatError, Problem, RecordingError
from sln_guide.recording.folder import MANIFEST, header_bytes, read_header
from sln_guide.recording.gaps import Gap, find_gaps
from sln_guide.recording.part import HEADER_ATTACHMENT, definitions, index_path, opening
from sln_guide.recording.records import (
    CHAIN,
    CHANNELS,
    FRAME_TOPICS,
    TOPICS,
    AttachedRecord,
    CaseHeader,
    EventRecord,
    GapRecord,
    GuidanceRecord,
    Manifest,
    PartFile,
    ShownRecord,
)
from sln_guide.recording.scan import Found, Lost, PartFileReader, Record, load_index

_KINDS: dict[str, type] = {
    records.GUIDANCE: GuidanceRecord,
    records.SHOWN: ShownRecord,
    records.EVENTS: EventRecord,
    records.HEALTH: SessionHealth,
    records.GAPS: GapRecord,
    records.ATTACHED: AttachedRecord,
}


class Examination:
    """One walk over a case. After `run`: what is readable, what is wrong, where the chain ends.

    ``problems`` is added to. ``link`` is the last link that is known, None right after damage.
    """

    def __init__(
        self,
        paths: list[Path],
        manifest: Manifest | None,
        recovered: tuple[PartFile, ...],
        problems: list[Problem],
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self._paths = paths
        self._manifest = manifest
        self._recovered = recovered
        self._problems = problems
        self._progress = progress
        self.incomplete: list[str] = []
        self.counts = dict.fromkeys(CHANNELS, 0)
        self.readable = dict.fromkeys(Role, 0)
        self.link: bytes | None = None
        self._sequences: dict[Role, list[tuple[int, int]]] = {role: [] for role in Role}
        self._gap_records: list[GapRecord] = []
        self._attached: dict[str, AttachedRecord] = {}
        self._attachments: dict[str, str] = {}
        self._expected = 0
        self._lost_here = False
        self._data_sha256 = b""
        self._damaged_before = False
        self._done = 0
        self._total = 0

    def run(self) -> None:
        """Examine everything."""
        self._total = 2 * sum(path.stat().st_size for path in self._paths)
        for path in self._paths:
            part = PartFileReader(path)
            try:
                self._part(part, last=path == self._paths[-1])
            finally:
                part.close()
        self._against_attached()
        if self._manifest is not None and self._manifest.closed:
            self._against_manifest(self._manifest)

    @property
    def head(self) -> str | None:
        """Head (hex) as recomputed; None where the last part is damaged."""
        if self.link is None or self._damaged_before:
            return None
        return chain.head_of(self.link, self._data_sha256).hex()

    def gaps(self) -> dict[Role, tuple[Gap, ...]]:
        """Return what is missing by the device counters."""
        return {
            role: find_gaps(
                role,
                np.array(self._sequences[role], np.int64).reshape(-1, 2),
                [gap for gap in self._gap_records if gap.role is role],
            )
            for role in Role
        }

    def _problem(
        self,
        file: str,
        byte_range: tuple[int, int] | None,
        what: str,
        topic: str = "",
        index: int | None = None,
        sequence: int | None = None,
    ) -> None:
        self._problems.append(Problem(file, byte_range, topic, index, sequence, what))

    def _step(self, size: int) -> None:
        self._done += size
        if self._progress is not None:
            self._progress(min(self._done, self._total), self._total)

    # -- one part --------------------------------------------------------------------------------

    def _part(self, part: PartFileReader, *, last: bool) -> None:
        name = part.path.name
        before = len(self._problems)
        entry = self._entry(name)
        header = self._header(part)
        # Only the part a recorder died over may end inside a record.
        died = (last and not self._closed) if entry is None else entry.problem is not None
        rows: list[tuple[Any, ...]] = []
        end = closing = finished = 0
        for item in part.walk():
            if isinstance(item, Lost):
                self._lost(name, item, died=died)
                continue
            closing |= item.opcode == mcap_format.DATA_END
            if not closing:
                end = item.offset + item.length
            if item.opcode == mcap_format.CHUNK:
                row = part.describe(item)
                if row is not None:
                    rows.append(row)
                self._chunk(part, item, row)
            elif item.opcode == mcap_format.ATTACHMENT:
                self._attachment(part, item)
            elif item.opcode == mcap_format.FOOTER:
                finished = 1
                self._closing(part, item)
            self._step(item.length)
        self._opening(part, header, first=rows[0][0] if rows else part.size)
        self._data_sha256, whole_sha256 = self._hashes(part, end)
        if entry is not None and entry.sha256 is not None:
            if not finished and entry.problem is None:
                self._problem(name, (end, part.size), "its closing records are missing")
            if len(self._problems) == before:
                self._whole_file(part, entry, whole_sha256)
        self._damaged_before = len(self._problems) > before
        self._index(part, rows, sound=len(self._problems) == before)

    @property
    def _closed(self) -> bool:
        return self._manifest is not None and self._manifest.closed

    def _entry(self, name: str) -> PartFile | None:
        noted = () if self._manifest is None else self._manifest.parts
        entries = [entry for entry in (*noted, *self._recovered) if entry.name == name]
        whole = [entry for entry in entries if entry.sha256 is not None]
        return next(iter((*whole, *entries)), None)

    def _lost(self, name: str, lost: Lost, *, died: bool) -> None:
        if died and lost.tail:
            self.incomplete.append(
                f"{name}: its last {lost.end - lost.begin} bytes are a record cut short"
            )
            return
        self._problem(name, (lost.begin, lost.end), "no record can be read here")
        self._lost_here = True
        self.link = None

    def _header(self, part: PartFileReader) -> CaseHeader | None:
        raw = header_bytes(part)
        header: CaseHeader | None = None
        try:
            header = read_header(part)
        except NewerFormatError:
            raise
        except RecordingError as error:
            self._problem(part.path.name, None, str(error))
        first = part.path == self._paths[0]
        if raw is None or header is None:
            self.link = None if first else self.link
            return None
        if first:
            self.link = chain.first_link(raw)
            if self._manifest is not None and header.case_id != self._manifest.header.case_id:
                self._problem(MANIFEST, None, "belongs to another case")
            if header.part != 0:
                self._problem(part.path.name, None, f"is part {header.part}, not the first")
        elif self.link is not None and header.previous_link != self.link.hex():
            what = "does not continue the part before it: one was cut, changed or removed"
            self._problem(part.path.name, None, what)
        elif not self._damaged_before and header.previous_sha256 not in (
            None,
            self._data_sha256.hex(),
        ):
            what = "was changed: it is not what the next part says of it"
            self._problem(self._paths[self._paths.index(part.path) - 1].name, None, what)
        return header

    # -- one record ------------------------------------------------------------------------------

    def _chunk(self, part: PartFileReader, place: Found, row: tuple[Any, ...] | None) -> None:
        where = (place.offset, place.offset + place.length)
        record = part.record(place)
        if isinstance(record, str):
            topic = "" if row is None else TOPICS[row[6]]
            index = self.counts[topic] if topic else None
            sequence = row[2] if row is not None and topic in FRAME_TOPICS else None
            # Without the record, what its index should be cannot be told either.
            end = min(where[1] + mcap_format.MESSAGE_INDEXES_BYTES, part.size)
            self._problem(part.path.name, (where[0], end), record, topic, index, sequence)
            if topic:
                self.counts[topic] += 1
            self._lost_here = True
            self.link = None
            return
        self._order(part, where, record)
        self._content(part, where, record)
        self.counts[TOPICS[record.channel]] += 1
        self._indexes_behind(part, where, record)

    def _order(self, part: PartFileReader, where: tuple[int, int], record: Record) -> None:
        topic = TOPICS[record.channel]
        missing = (record.number - self._expected) & 0xFFFFFFFF
        at = (part.path.name, where, topic, self.counts[topic])
        if missing > 1 << 31:
            self._misplaced(at, f"record {record.number} is out of order")
        elif missing and not self._lost_here:
            self._misplaced(at, f"{missing} records are missing before this one")
        elif self.link is not None and record.link != chain.next_link(
            self.link, record.body_lead, record.covered, record.crc
        ):
            self._misplaced(at, "changed: it does not fit the hash chain")
        self._lost_here = False
        self._expected = (record.number + 1) & 0xFFFFFFFF
        self.link = record.link

    def _misplaced(self, at: tuple[str, tuple[int, int], str, int], what: str) -> None:
        self._problem(at[0], at[1], what, at[2], at[3])

    def _content(self, part: PartFileReader, where: tuple[int, int], record: Record) -> None:
        topic = TOPICS[record.channel]
        try:
            if topic in FRAME_TOPICS:
                frame = records.unpack_frame(record.data)
                role = Role(topic)
                self.readable[role] += 1
                self._sequences[role].append((frame.stream_epoch, frame.sequence))
            elif topic in _KINDS:
                entry = records.from_json(record.data, _KINDS[topic], what="record")
                if isinstance(entry, GapRecord):
                    self._gap_records.append(entry)
                elif isinstance(entry, AttachedRecord):
                    self._attached[entry.name] = entry
        except RecordingError as error:
            self._problem(part.path.name, where, str(error), topic, self.counts[topic])

    def _indexes_behind(self, part: PartFileReader, where: tuple[int, int], record: Record) -> None:
        """Check what has no checksum, but only one right content."""
        expected = mcap_format.message_indexes(
            record.channel,
            CHANNELS[CHAIN],
            record.log_time_ns,
            mcap_format.MESSAGE_LEAD + record.data.nbytes,
        )
        found = part.read(where[1], len(expected))
        if found != expected and len(found) == len(expected):
            topic = TOPICS[record.channel]
            self._problem(
                part.path.name,
                (where[1], where[1] + len(expected)),
                "its index was changed",
                topic,
                self.counts[topic] - 1,
            )

    def _attachment(self, part: PartFileReader, place: Found) -> None:
        content = part.attachment(place)
        if not isinstance(content, str) and content[0] != HEADER_ATTACHMENT:
            self._attachments[content[0]] = hashlib.sha256(content[2]).hexdigest()

    # -- what surrounds the records --------------------------------------------------------------

    def _closing(self, part: PartFileReader, footer: Found) -> None:
        body = part.read(footer.offset, footer.length)
        begin = int.from_bytes(body[9:17], "little")
        where = (min(begin, footer.offset), footer.offset + footer.length)
        whole = footer.length == 29 and begin <= footer.offset
        if whole:
            state = 0
            position = begin
            while position < footer.offset:
                block = part.read(position, min(1 << 20, footer.offset - position))
                state = zlib.crc32(block, state)
                position += len(block)
            whole = zlib.crc32(body[:-4], state) == int.from_bytes(body[-4:], "little")
        if not whole:
            self._problem(part.path.name, where, "its closing records are damaged")

    def _opening(self, part: PartFileReader, header: CaseHeader | None, first: int) -> None:
        """Check what stands before the first record: but for the header it has no checksum."""
        name = part.path.name
        if header is None:
            self._problem(name, (0, first), "the header of this part is damaged")
            return
        before = opening(header)
        if part.read(0, len(before)) != before:
            self._problem(name, (0, len(before)), "its first bytes were changed")
        attachment = part.record_at(len(before))
        if attachment is None:
            return
        begin = attachment.offset + attachment.length
        expected = b"".join(definitions(header.codec.value))
        found = part.read(begin, len(expected))
        if found != expected[: len(found)] or (len(found) < len(expected) and self._closed):
            where = (begin, begin + len(expected))
            self._problem(name, where, "its definitions were changed")

    def _hashes(self, part: PartFileReader, data_end: int) -> tuple[bytes, str]:
        """Return SHA-256 of the bytes up to ``data_end``, and (hex) of the whole file."""
        state = hashlib.sha256()
        data_sha256 = b""
        position = 0
        for stop in (data_end, part.size):
            while position < stop:
                block = part.read(position, min(4 << 20, stop - position))
                state.update(block)
                position += len(block)
                self._step(len(block))
            data_sha256 = data_sha256 or state.digest()
        return data_sha256, state.hexdigest()

    def _whole_file(self, part: PartFileReader, entry: PartFile, sha256: str) -> None:
        if part.size != entry.size:
            where = (min(part.size, entry.size), max(part.size, entry.size))
            what = f"has {part.size} bytes, {entry.size} were written"
            self._problem(part.path.name, where, what)
        elif sha256 != entry.sha256:
            self._problem(part.path.name, (0, part.size), "its SHA-256 is not the one noted")

    def _index(self, part: PartFileReader, rows: list[tuple[Any, ...]], *, sound: bool) -> None:
        path = index_path(part.path)
        index = load_index(part)
        if index is None:
            if path.exists():
                self._problem(path.name, None, "is damaged: it can be remade by `recover`")
        elif sound and not np.array_equal(index, np.array(rows, mcap_format.INDEX_ROW)):
            self._problem(path.name, None, "does not describe its part: remake it by `recover`")

    # -- the whole -------------------------------------------------------------------------------

    def _against_attached(self) -> None:
        for name, entry in self._attached.items():
            if self._attachments.get(name) != entry.sha256:
                what = "was changed" if name in self._attachments else "is missing"
                self._problem(self._paths[0].name, None, f"attachment {name!r} {what}")
        if not self._closed or self._problems:
            return  # a recorder may have died between an attachment and its record
        for name in sorted(self._attachments.keys() - self._attached.keys()):
            self._problem(self._paths[0].name, None, f"attachment {name!r} was added")

    def _against_manifest(self, manifest: Manifest) -> None:
        here = {path.name for path in self._paths}
        for entry in manifest.parts:
            if entry.name not in here:
                self._problem(entry.name, None, f"is missing ({entry.records} records)")
        for name in sorted(here - {entry.name for entry in manifest.parts}):
            self._problem(name, None, "is not in the manifest: it was added")
        short = manifest.records - self._expected
        if short > 0:
            what = f"cut off: the last {short} records are missing"
            self._problem(self._paths[-1].name, None, what)
        elif self.head is not None and self.head != manifest.chain_head:
            self._problem(MANIFEST, None, "the head of the hash chain is not the manifest's")
