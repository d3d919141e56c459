"""The work of `verify`: every record of every part, in order, against its links and files."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sln_guide.guidance import Role
from sln_guide.health import SessionHealth
from sln_guide.recording import chain, mcap_format, records
from sln_guide.recording.errors import NewerFormatError, Problem, RecordingError
from sln_guide.recording.folder import (
    MANIFEST,
    header_bytes,
    read_header,
)
from sln_guide.recording.gaps import Gap, Pause, find_gaps, find_pauses
from sln_guide.recording.packed import unpack_frame
from sln_guide.recording.part import (
    HEADER_ATTACHMENT,
    header_place,
    opening,
)
from sln_guide.recording.records import (
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
    RecoveredPart,
    ShownRecord,
)
from sln_guide.recording.scan import Attachment, Found, Lost, PartFileReader, Record
from sln_guide.recording.surroundings import (
    PartContents,
    attachment_problem,
    closing_problem,
    header_problem,
    index_problem,
    message_indexes_problem,
    noted_problem,
    opening_problem,
)

_KINDS: dict[str, type] = {
    records.GUIDANCE: GuidanceRecord,
    records.SHOWN: ShownRecord,
    records.EVENTS: EventRecord,
    records.HEALTH: SessionHealth,
    records.GAPS: GapRecord,
    records.ATTACHED: AttachedRecord,
}


def _lossy_white(header: CaseHeader) -> bool:
    return header.rig.recording.white == "jpeg"


class Examination:
    """One walk over a case. After `run`: what is readable, what is wrong, where the chain ends.

    ``problems`` is added to. ``recording``: it is being recorded meanwhile. ``link`` is the last
    link that is known, None right after damage.
    """

    def __init__(
        self,
        paths: list[Path],
        manifest: Manifest | None,
        recovered: tuple[RecoveredPart, ...],
        problems: list[Problem],
        progress: Callable[[int, int], None] | None,
        *,
        recording: bool,
    ) -> None:
        self._paths = paths
        self._manifest = manifest
        self._recovered = {entry.name: entry for entry in recovered}
        self._problems = problems
        self._progress = progress
        self._recording = recording
        self.incomplete: list[str] = []
        self.counts = dict.fromkeys(CHANNELS, 0)
        self.readable = dict.fromkeys(Role, 0)
        self.lossy_white = 0
        self._may_be_lossy = manifest is None or _lossy_white(manifest.header)
        self.link: bytes | None = None
        self._frames: dict[Role, list[tuple[int, int, int]]] = {role: [] for role in Role}
        """Epoch, counter and mid-exposure [ns] of each."""
        self._gap_records: list[GapRecord] = []
        self._attached: dict[str, tuple[AttachedRecord, int]] = {}
        self._attachments: dict[str, Attachment] = {}
        self._expected = 0
        self._lost_here = False
        self._done = 0
        self._total = 0

    def run(self) -> None:
        """Examine everything."""
        self._total = sum(path.stat().st_size for path in self._paths)
        for path in self._paths:
            part = PartFileReader(path)
            try:
                self._part(part)
            finally:
                part.close()
        self._against_attached()
        if self._manifest is not None and self._manifest.closed:
            self._against_manifest(self._manifest)

    @property
    def head(self) -> str | None:
        """Head (hex) as recomputed; None where the last part is damaged."""
        return None if self.link is None else self.link.hex()

    def gaps(self) -> dict[Role, tuple[Gap, ...]]:
        """Return what is missing by the device counters."""
        return {
            role: find_gaps(
                role, frames[:, :2], [gap for gap in self._gap_records if gap.role is role]
            )
            for role, frames in self._arrays().items()
        }

    def pauses(self) -> tuple[Pause, ...]:
        """Return the times without frames."""
        return find_pauses({role: frames[:, ::2] for role, frames in self._arrays().items()})

    def _arrays(self) -> dict[Role, NDArray[np.int64]]:
        return {
            role: np.array(frames, np.int64).reshape(-1, 3) for role, frames in self._frames.items()
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
        self._add(Problem(file, byte_range, topic, index, sequence, what))

    def _add(self, problem: Problem | None) -> None:
        if problem is not None:
            self._problems.append(problem)

    def _step(self, size: int) -> None:
        self._done += size
        if self._progress is not None:
            self._progress(min(self._done, self._total), self._total)

    # -- one part --------------------------------------------------------------------------------

    def _part(self, part: PartFileReader) -> None:
        name = part.path.name
        before = len(self._problems)
        entry, recovered = self._entry(name), self._recovered.get(name)
        # A recorder may have died over any part that it had not noted as finished: over the last
        # record of the last one, over the closing records of one before. Records that are missing
        # in that one show by the chain, which the next goes on with.
        cut_short = recovered is not None or not self._closed
        died = cut_short if entry is None else entry.problem is not None
        if died and part.size == 0:
            self.incomplete.append(f"{name}: is empty: its recorder died as it began")
            return
        raw = header_bytes(part)
        header = self._header(part, raw)
        begin = self._opening(part, header, raw)
        contents = PartContents()
        if header is not None and raw is not None:
            contents.attachments.append(header_place(header, raw))
        end = finished = indexes_until = 0
        for item in part.walk():
            if isinstance(item, Lost):
                self._lost(name, item, died=died)
                continue
            if item.opcode == mcap_format.DATA_END:
                end = end or item.offset
            elif item.opcode == mcap_format.CHUNK:
                indexes_until = item.offset + item.length + mcap_format.MESSAGE_INDEXES_BYTES
                self._chunk(part, item, contents)
            elif item.opcode == mcap_format.ATTACHMENT:
                self._attachment(part, item, contents)
            elif item.opcode == mcap_format.FOOTER:
                finished = item.offset
            elif not end and item.offset >= max(indexes_until, begin):
                where = (item.offset, item.offset + item.length)
                self._problem(name, where, "a record that does not belong here")
            self._step(item.length)
        if finished:
            sound = header is not None and len(self._problems) == before
            contents.may_be_cut = died
            told = header if sound else None
            self._add(closing_problem(part, end, finished, told, contents))
        elif entry is not None and not died:
            self._problem(name, (part.size, part.size), "its closing records are missing")
        for noted in (entry, recovered):
            if noted is not None and len(self._problems) == before:
                self._add(noted_problem(part, noted))
        if self._recording and entry is None:
            return  # its index, if there is one by now, is of more records than were seen here
        sound = len(self._problems) == before
        self._add(index_problem(part, contents.rows, sound=sound))

    @property
    def _closed(self) -> bool:
        return self._manifest is not None and self._manifest.closed

    def _entry(self, name: str) -> PartFile | None:
        noted = () if self._manifest is None else self._manifest.parts
        return next((entry for entry in noted if entry.name == name), None)

    def _lost(self, name: str, lost: Lost, *, died: bool) -> None:
        if died and lost.tail:
            self.incomplete.append(
                f"{name}: its last {lost.end - lost.begin} bytes are a record cut short"
            )
            return
        self._problem(name, (lost.begin, lost.end), "no record can be read here")
        self._lost_here = True
        self.link = None

    def _header(self, part: PartFileReader, raw: bytes | None) -> CaseHeader | None:
        name = part.path.name
        header: CaseHeader | None = None
        try:
            header = read_header(part)
        except NewerFormatError:
            raise
        except RecordingError as error:
            self._problem(name, None, str(error))
        if raw is None or header is None:
            self.link = None
            return None
        if part.path == self._paths[0]:
            if self._manifest is not None and header.case_id != self._manifest.header.case_id:
                self._problem(MANIFEST, None, "belongs to another case")
            elif (
                self._manifest is not None
                and header.part == self._manifest.header.part
                and header != self._manifest.header
            ):
                what = "its header is not the first part's: it was changed"
                self._problem(MANIFEST, None, what)
            if header.part != 0:
                self._problem(name, None, f"is part {header.part}, not the first")
        elif self.link is not None and header.previous_link != self.link.hex():
            what = "does not continue the part before it: one was cut, changed or removed"
            self._problem(name, None, what)
        self.link = chain.first_link(raw)
        self._may_be_lossy = _lossy_white(header)
        return header

    def _opening(self, part: PartFileReader, header: CaseHeader | None, raw: bytes | None) -> int:
        """Check what stands before the first record; return where that begins, 0 if unknown."""
        if header is None or raw is None:
            self._add(header_problem(part))
            return 0
        self._add(opening_problem(part, header, raw))
        return len(opening(header, raw))

    # -- one record ------------------------------------------------------------------------------

    def _chunk(self, part: PartFileReader, place: Found, contents: PartContents) -> None:
        where = (place.offset, place.offset + place.length)
        row = part.describe(place)
        topic, sequence = "", None
        if row is not None:
            contents.rows.append(row)
            topic = TOPICS[row[6]]
            sequence = row[2] if topic in FRAME_TOPICS else None
        record = part.record(place)
        if isinstance(record, str):
            index = self.counts[topic] if topic else None
            # Without the record, what its index should be cannot be told either.
            end = min(where[1] + mcap_format.MESSAGE_INDEXES_BYTES, part.size)
            self._problem(part.path.name, (where[0], end), record, topic, index, sequence)
            if topic:
                self.counts[topic] += 1
            self._lost_here = True
            self.link = None
            return
        contents.log_times.append(record.log_time_ns)
        self._order(part, where, record)
        self._content(part, where, record, sequence)
        self.counts[TOPICS[record.channel]] += 1
        index = self.counts[TOPICS[record.channel]] - 1
        self._add(message_indexes_problem(part, where[1], record, index))

    def _order(self, part: PartFileReader, where: tuple[int, int], record: Record) -> None:
        topic = TOPICS[record.channel]
        missing = (record.number - self._expected) & 0xFFFFFFFF
        at = (part.path.name, where, topic, self.counts[topic])
        if missing > 1 << 31:
            self._misplaced(at, f"record {record.number} is out of order")
        elif missing and not self._lost_here:
            self._misplaced(at, f"{missing} records are missing before this one")
        elif self.link is not None and record.link != chain.next_link(
            self.link, record.body_lead, (record.data,)
        ):
            self._misplaced(at, "changed: it does not fit the hash chain")
        self._lost_here = False
        self._expected = (record.number + 1) & 0xFFFFFFFF
        self.link = record.link

    def _misplaced(self, at: tuple[str, tuple[int, int], str, int], what: str) -> None:
        self._problem(at[0], at[1], what, at[2], at[3])

    def _content(
        self, part: PartFileReader, where: tuple[int, int], record: Record, sequence: int | None
    ) -> None:
        topic = TOPICS[record.channel]
        try:
            if topic in FRAME_TOPICS:
                role = Role(topic)
                may_be_lossy = self._may_be_lossy and role is Role.WHITE
                frame = unpack_frame(record.data, may_be_lossy=may_be_lossy)
                self.readable[role] += 1
                self.lossy_white += frame.lossy
                times = (frame.stream_epoch, frame.sequence, frame.mid_exposure_ns)
                self._frames[role].append(times)
            elif topic in _KINDS:
                entry = records.from_json(record.data, _KINDS[topic], what="record")
                if isinstance(entry, GapRecord):
                    self._gap_records.append(entry)
                elif isinstance(entry, AttachedRecord):
                    self._attached[entry.name] = (entry, record.log_time_ns)
        except RecordingError as error:
            self._problem(part.path.name, where, str(error), topic, self.counts[topic], sequence)

    def _attachment(self, part: PartFileReader, place: Found, contents: PartContents) -> None:
        found = part.attachment(place)
        if isinstance(found, str) or found.name == HEADER_ATTACHMENT:
            return
        self._attachments[found.name] = found
        self._add(attachment_problem(part, place, found))
        contents.attachments.append(
            mcap_format.AttachmentPlace(
                place.offset,
                place.length,
                found.name,
                found.media_type,
                len(found.data),
                found.time_ns,
            )
        )

    # -- the whole -------------------------------------------------------------------------------

    def _against_attached(self) -> None:
        for name, (entry, time_ns) in self._attached.items():
            found = self._attachments.get(name)
            if found is None:
                self._problem(self._paths[0].name, None, f"attachment {name!r} is missing")
            elif (found.media_type, found.time_ns, sha256(found.data).hexdigest()) != (
                entry.media_type,
                mcap_format.log_time(time_ns),
                entry.sha256,
            ):
                self._problem(self._paths[0].name, None, f"attachment {name!r} was changed")
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
