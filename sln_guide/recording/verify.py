"""`verify`: looks at every byte of a case and names what is damaged, changed or missing."""

from __future__ import annotations

import fcntl
import hashlib
import os
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sln_guide.guidance import Role, SessionHealth
from sln_guide.recording import chain, mcap_format, records
from sln_guide.recording.errors import Problem, RecordingError
from sln_guide.recording.gaps import Gap, find_gaps
from sln_guide.recording.part import HEADER_ATTACHMENT, definitions, index_path
from sln_guide.recording.reader import header_bytes, part_paths, read_header, read_manifest
from sln_guide.recording.records import (
    CHAIN,
    CHANNELS,
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
from sln_guide.recording.writer import LOCK, MANIFEST

Progress = Callable[[int, int], None]

_KINDS: dict[str, type] = {
    records.GUIDANCE: GuidanceRecord,
    records.SHOWN: ShownRecord,
    records.EVENTS: EventRecord,
    records.HEALTH: SessionHealth,
    records.GAPS: GapRecord,
    records.ATTACHED: AttachedRecord,
}


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found.

    Attributes
    ----------
    ok
        Nothing is damaged, changed or missing from what the case itself says it holds.
    complete
        ``ok``, closed by a clean stop, and nothing was lost between cameras and disk.
    problems
        Each damaged, changed or missing thing.
    incomplete
        Why the case is not complete, in plain words.
    frames
        Readable frames.
    gaps
        Frames missing by the device counter, whoever lost them.
    head
        End of the hash chain as recomputed (hex); None where the last record cannot be read.
        Only equality with a head noted elsewhere proves that nobody rewrote the case.
    """

    folder: Path
    ok: bool
    complete: bool
    problems: tuple[Problem, ...]
    incomplete: tuple[str, ...]
    frames: Mapping[Role, int]
    gaps: Mapping[Role, tuple[Gap, ...]]
    records: int
    head: str | None

    def text(self) -> str:
        """Return what there is to say, a few lines for a terminal."""
        if not self.ok:
            verdict = f"NOT SOUND: {len(self.problems)} damaged, changed or missing"
        elif not self.complete:
            verdict = "NOT COMPLETE, but all that is there is sound"
        else:
            verdict = "complete and sound"
        frames = ", ".join(f"{n} {role.value}" for role, n in self.frames.items())
        lines = [f"{self.folder.name}: {verdict}", f"  {frames} frames, {self.records} records"]
        lines += [f"  {reason}" for reason in self.incomplete]
        lines += [f"  {problem}" for problem in self.problems]
        for role, gaps in self.gaps.items():
            lines += [
                f"  gap: {role.value} epoch {g.epoch}: {g.count} from sequence "
                f"{g.first_sequence}: {g.reason}"
                for g in gaps
            ]
        lines.append(f"  head of the hash chain: {self.head or 'cannot be told'}")
        return "\n".join(lines)


def being_recorded(folder: Path) -> bool:
    """Return whether a recorder has this case open at this moment."""
    try:
        fd = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(fd)


def verify(
    folder: Path, *, expected_head: str | None = None, progress: Progress | None = None
) -> Verification:
    """Check every record, frame, link and file of a case.

    Parameters
    ----------
    folder
        Of the case; nothing in it is changed.
    expected_head
        A head (hex) noted elsewhere when the recording stopped: also finds a case rewritten as
        a whole, which the case alone cannot show.
    progress
        Called with bytes done and bytes in all.

    Raises
    ------
    RecordingError
        When there is no case to verify, or a newer version wrote it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise RecordingError(f"case {folder} {what}: give the folder of a case")
    paths = part_paths(folder)
    if not paths:
        raise RecordingError(f"{folder} is not a case: it holds no part-000.mcap")
    return _Examination(folder, paths, progress).run(expected_head)


@dataclass
class _Examination:
    """One run of `verify`: what is known so far."""

    folder: Path
    paths: list[Path]
    progress: Progress | None
    problems: list[Problem] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CHANNELS, 0))
    readable: dict[Role, int] = field(default_factory=lambda: dict.fromkeys(Role, 0))
    sequences: dict[Role, list[tuple[int, int]]] = field(
        default_factory=lambda: {role: [] for role in Role}
    )
    gap_records: list[GapRecord] = field(default_factory=list)
    attached: dict[str, AttachedRecord] = field(default_factory=dict)
    attachments: dict[str, str] = field(default_factory=dict)
    link: bytes | None = None
    expected: int = 0
    lost_here: int = 0
    done: int = 0
    total: int = 0

    def run(self, expected_head: str | None) -> Verification:
        manifest = self._manifest()
        self.total = 2 * sum(path.stat().st_size for path in self.paths)
        for position, path in enumerate(self.paths):
            part = PartFileReader(path)
            try:
                self._part(part, manifest, last=position == len(self.paths) - 1)
            finally:
                part.close()
        self._attachments()
        self._against_manifest(manifest)
        head = None if self.link is None else self.link.hex()
        if expected_head is not None and head != expected_head.strip().lower():
            self._problem("", None, "the end of the hash chain is not the one noted elsewhere")
        if being_recorded(self.folder):
            self.incomplete.append("it is still being recorded")
        elif manifest is None or not manifest.closed:
            frames = " + ".join(f"{n} {role.value}" for role, n in self.readable.items())
            self.incomplete.append(
                f"not closed: recording ended without a clean stop; {frames} frames readable"
            )
        if manifest is not None:
            self.incomplete += manifest.incomplete
        ok = not self.problems
        return Verification(
            folder=self.folder,
            ok=ok,
            complete=ok and not self.incomplete,
            problems=tuple(self.problems),
            incomplete=tuple(self.incomplete),
            frames=dict(self.readable),
            gaps={
                role: find_gaps(
                    role,
                    np.array(self.sequences[role], np.int64).reshape(-1, 2),
                    [g for g in self.gap_records if g.role is role],
                )
                for role in Role
            },
            records=sum(self.counts.values()),
            head=head,
        )

    def _problem(
        self,
        file: str,
        byte_range: tuple[int, int] | None,
        what: str,
        topic: str = "",
        index: int | None = None,
        sequence: int | None = None,
    ) -> None:
        self.problems.append(Problem(file, byte_range, topic, index, sequence, what))

    def _manifest(self) -> Manifest | None:
        try:
            manifest = read_manifest(self.folder)
        except RecordingError as error:
            if "newer" in str(error):
                raise
            self._problem(MANIFEST, None, str(error))
            return None
        if manifest is None:
            self._problem(MANIFEST, None, "is missing")
        return manifest

    # -- one part ---------------------------------------------------------------------------------

    def _part(self, part: PartFileReader, manifest: Manifest | None, *, last: bool) -> None:
        name = part.path.name
        before = len(self.problems)
        self._part_header(part, manifest)
        rows = []
        finished = False
        covered = len(mcap_format.MAGIC)
        for item in part.walk():
            if isinstance(item, Lost):
                unfinished = last and item.tail and not (manifest and manifest.closed)
                if unfinished:
                    self.incomplete.append(
                        f"{name}: its last {item.end - item.begin} bytes are a record cut short"
                    )
                else:
                    self._problem(name, (item.begin, item.end), "no record can be read here")
                    self.lost_here += 1
                    self.link = None
                continue
            covered = item.offset + item.length
            if item.opcode == mcap_format.CHUNK:
                row = part.describe(item)
                if row is not None:
                    rows.append(row)
                self._chunk(part, item)
            elif item.opcode == mcap_format.ATTACHMENT:
                self._attachment(part, item)
            elif item.opcode == mcap_format.FOOTER:
                finished = True
                self._closing(part, item)
            self._tick(item.length)
        self._surroundings(part)
        entry = self._entry(manifest, name)
        if entry is not None:
            self._whole_file(part, entry, named=len(self.problems) > before)
            if not finished and entry.problem is None:
                self._problem(name, (covered, part.size), "its closing records are missing")
        index = load_index(part)
        if index is None:
            if index_path(part.path).exists():
                self._problem(index_path(part.path).name, None, "is damaged (it can be remade)")
        elif len(self.problems) == before and not np.array_equal(
            index, np.array(rows, mcap_format.INDEX_ROW)
        ):
            self._problem(index_path(part.path).name, None, "does not describe its part")

    def _tick(self, size: int) -> None:
        self.done += size
        if self.progress is not None:
            self.progress(min(self.done, self.total), self.total)

    def _part_header(self, part: PartFileReader, manifest: Manifest | None) -> None:
        raw = header_bytes(part)
        header: CaseHeader | None = None
        if raw is not None:
            try:
                header = read_header(part)
            except RecordingError as error:
                if "newer" in str(error):
                    raise
        if raw is None or header is None:
            end = min(part.size, 1 << 12)
            self._problem(part.path.name, (0, end), "the header of this part is damaged")
            if part.path == self.paths[0]:
                self.link = None
            return
        if part.path == self.paths[0]:
            self.link = chain.first_link(raw)
            if manifest is not None and header.case_id != manifest.case_id:
                self._problem(MANIFEST, None, "belongs to another case")
        elif self.link is not None and header.previous_link != self.link.hex():
            self._problem(
                part.path.name, None, "does not continue the part before it: one was cut or changed"
            )
        if part.path == self.paths[0] and header.part != 0:
            self._problem(part.path.name, None, f"is part {header.part} of its case, not the first")

    def _chunk(self, part: PartFileReader, place: Found) -> None:
        where = (place.offset, place.offset + place.length)
        record = part.record(place)
        if isinstance(record, str):
            row = part.describe(place)
            topic = "" if row is None else TOPICS[row[6]]
            is_frame = topic in (Role.NIR.value, Role.WHITE.value)
            self._problem(
                part.path.name,
                where,
                record,
                topic,
                self.counts[topic] if topic else None,
                row[2] if row is not None and is_frame else None,
            )
            if topic:
                self.counts[topic] += 1
            self.lost_here += 1
            self.link = None
            return
        self._order(part, where, record)
        self._content(part, where, record)

    def _order(self, part: PartFileReader, where: tuple[int, int], record: Record) -> None:
        topic = TOPICS[record.channel]
        missing = (record.number - self.expected) & 0xFFFFFFFF
        name, index = part.path.name, self.counts[topic]
        if missing > 1 << 31:
            self._problem(name, where, f"record {record.number} is out of order", topic, index)
            self.link = None
        elif missing and not self.lost_here:
            self._problem(
                name,
                (where[0], where[0]),
                f"{missing} records are missing before this one",
                topic,
                index,
            )
            self.link = None
        elif self.link is not None and chain.next_link(self.link, record.body) != record.link:
            self._problem(name, where, "changed: it does not fit the hash chain", topic, index)
        self.lost_here = 0
        self.expected = (record.number + 1) & 0xFFFFFFFF
        self.link = record.link

    def _content(self, part: PartFileReader, where: tuple[int, int], record: Record) -> None:
        topic = TOPICS[record.channel]
        index = self.counts[topic]
        self.counts[topic] += 1
        try:
            if topic in (Role.NIR.value, Role.WHITE.value):
                frame = records.unpack_frame(record.data)
                role = Role(topic)
                self.readable[role] += 1
                self.sequences[role].append((frame.stream_epoch, frame.sequence))
            elif topic in _KINDS:
                entry = records.from_json(record.data, _KINDS[topic], what="record")
                if isinstance(entry, GapRecord):
                    self.gap_records.append(entry)
                elif isinstance(entry, AttachedRecord):
                    self.attached[entry.name] = entry
        except RecordingError as error:
            self._problem(part.path.name, where, str(error), topic, index)
        indexes = mcap_format.message_indexes(
            record.channel,
            CHANNELS[CHAIN],
            record.log_time_ns,
            mcap_format.RECORD_PREFIX.size + record.body.nbytes,
        )
        after = part.read(where[1], len(indexes))
        if after != indexes and len(after) == len(indexes):
            self._problem(
                part.path.name,
                (where[1], where[1] + len(indexes)),
                "its index was changed",
                topic,
                index,
            )

    def _attachment(self, part: PartFileReader, place: Found) -> None:
        content = part.attachment(place)
        where = (place.offset, place.offset + place.length)
        if isinstance(content, str):
            self._problem(part.path.name, where, f"attachment: {content}")
        elif content[0] != HEADER_ATTACHMENT:
            self.attachments[content[0]] = hashlib.sha256(content[2]).hexdigest()

    def _closing(self, part: PartFileReader, footer: Found) -> None:
        body = part.read(footer.offset, footer.length)
        begin = int.from_bytes(body[9:17], "little")
        crc = int.from_bytes(body[-4:], "little")
        where = (min(begin, footer.offset), footer.offset + footer.length)
        if footer.length != 29 or begin > footer.offset:
            self._problem(part.path.name, where, "its closing records are damaged")
            return
        summary = 0
        position = begin
        while position < footer.offset:
            block = part.read(position, min(1 << 20, footer.offset - position))
            summary = zlib.crc32(block, summary)
            position += len(block)
        if zlib.crc32(body[:-4], summary) != crc:
            self._problem(part.path.name, where, "its closing records are damaged")

    def _surroundings(self, part: PartFileReader) -> None:
        """Compare the definitions at the start with what every part of this codec holds."""
        try:
            header = read_header(part)
        except RecordingError:
            return
        opening = part.record_at(len(mcap_format.MAGIC))
        attachment = None if opening is None else part.record_at(opening.offset + opening.length)
        if header is None or opening is None or attachment is None:
            return
        begin = attachment.offset + attachment.length
        expected = b"".join(definitions(header.codec.value))
        found = part.read(begin, len(expected))
        if found != expected and len(found) == len(expected):
            self._problem(
                part.path.name, (begin, begin + len(expected)), "its definitions were changed"
            )

    @staticmethod
    def _entry(manifest: Manifest | None, name: str) -> PartFile | None:
        if manifest is None or not manifest.closed:
            return None
        return next((entry for entry in manifest.parts if entry.name == name), None)

    def _whole_file(self, part: PartFileReader, entry: PartFile, *, named: bool) -> None:
        state = hashlib.sha256()
        position = 0
        while position < part.size:
            block = part.read(position, 4 << 20)
            state.update(block)
            position += len(block)
            self._tick(len(block))
        if named:
            return
        if part.size != entry.size:
            self._problem(
                part.path.name,
                (min(part.size, entry.size), max(part.size, entry.size)),
                f"has {part.size} bytes, {entry.size} were written",
            )
        elif state.hexdigest() != entry.sha256:
            self._problem(part.path.name, (0, part.size), "its SHA-256 is not the manifest's")

    # -- the whole --------------------------------------------------------------------------------

    def _attachments(self) -> None:
        for name, entry in self.attached.items():
            if self.attachments.get(name) != entry.sha256:
                what = "was changed" if name in self.attachments else "is missing"
                self._problem("", None, f"attachment {name!r} {what}")
        for name in self.attachments.keys() - self.attached.keys():
            if self.expected and not self.incomplete and not self.problems:
                self._problem("", None, f"attachment {name!r} was added")

    def _against_manifest(self, manifest: Manifest | None) -> None:
        if manifest is None or not manifest.closed:
            return
        here = {path.name for path in self.paths}
        for entry in manifest.parts:
            if entry.name not in here:
                self._problem(entry.name, None, f"is missing ({entry.records} records)")
        for name in sorted(here - {entry.name for entry in manifest.parts}):
            self._problem(name, None, "is not in the manifest: it was added")
        short = manifest.records - self.expected
        if short > 0:
            self._problem(
                self.paths[-1].name, None, f"cut off: the last {short} records are missing"
            )
        if self.link is not None and self.link.hex() != manifest.chain_head and short <= 0:
            self._problem(MANIFEST, None, "the end of the hash chain is not the manifest's")
