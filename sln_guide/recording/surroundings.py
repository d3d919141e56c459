"""What surrounds the records of a part: bytes that have only one right content."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from zlib_ng.zlib_ng import crc32

from sln_guide.recording import mcap_format
from sln_guide.recording.errors import Problem
from sln_guide.recording.folder import HEADER_WITHIN, sha256_of
from sln_guide.recording.index import index_path, load_index
from sln_guide.recording.part import closing, opening
from sln_guide.recording.records import (
    CHAIN,
    CHANNELS,
    TOPICS,
    CaseHeader,
    PartFile,
    RecoveredPart,
)
from sln_guide.recording.scan import Attachment, Found, PartFileReader, Record

_FOOTER_BYTES = 29 + len(mcap_format.MAGIC)


@dataclass(slots=True)
class PartContents:
    """What a part holds, as its closing records and its index must say."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    log_times: list[int] = field(default_factory=list)
    attachments: list[mcap_format.AttachmentPlace] = field(default_factory=list)
    may_be_cut: bool = False
    """Whether its recorder may have died before its closing records were whole."""


def _problem(part: PartFileReader, where: tuple[int, int], what: str) -> Problem:
    return Problem(part.path.name, where, "", None, None, what)


def opening_problem(part: PartFileReader, header: CaseHeader, raw: bytes) -> Problem | None:
    """Check what stands before the first record of a part with that header."""
    expected = opening(header, raw)
    if part.read(0, len(expected)) == expected:
        return None
    return _problem(part, (0, len(expected)), "its first bytes were changed")


def header_problem(part: PartFileReader) -> Problem:
    """Say that nobody can tell what should stand before the first record."""
    where = (0, min(part.size, HEADER_WITHIN))
    return _problem(part, where, "the header of this part is damaged")


def message_indexes_problem(
    part: PartFileReader, begin: int, record: Record, index: int
) -> Problem | None:
    """Check the indexes behind a record, from byte ``begin`` on: they have no checksum.

    ``index`` is the record's own, in its topic.
    """
    expected = mcap_format.message_indexes(
        record.channel,
        CHANNELS[CHAIN],
        record.log_time_ns,
        mcap_format.MESSAGE_LEAD + record.data.nbytes,
    )
    found = part.read(begin, len(expected))
    if found == expected or len(found) != len(expected):
        return None
    where = (begin, begin + len(expected))
    topic = TOPICS[record.channel]
    return Problem(part.path.name, where, topic, index, None, "its index was changed")


def attachment_problem(part: PartFileReader, place: Found, found: Attachment) -> Problem | None:
    """Check that an attachment is laid down as a recorder would."""
    expected = mcap_format.attachment_record(
        found.name, found.media_type, found.data, found.time_ns
    )
    if part.read(place.offset, place.length) == expected:
        return None
    where = (place.offset, place.offset + place.length)
    return _problem(part, where, f"attachment {found.name!r} was changed")


def closing_problem(
    part: PartFileReader,
    begin: int,
    footer: int,
    header: CaseHeader | None,
    contents: PartContents,
) -> Problem | None:
    """Check how a part ends; without ``header`` (it is damaged) only by its own checksum.

    Its closing records lie from byte ``begin`` on, the last of them at ``footer``.
    """
    found = part.read(begin, part.size - begin)
    if header is not None:
        rows = np.array(contents.rows, mcap_format.INDEX_ROW)
        log_times = np.array(contents.log_times, np.uint64)
        expected = closing(header, begin, rows, log_times, contents.attachments)
        whole = found == (expected[: len(found)] if contents.may_be_cut else expected)
    else:
        end = found[footer - begin :]
        summary = int.from_bytes(end[9:17], "little") - begin
        covered = found[max(summary, 0) : footer - begin] + end[:25]
        whole = len(end) == _FOOTER_BYTES and crc32(covered) == int.from_bytes(end[25:29], "little")
    return None if whole else _problem(part, (begin, part.size), "its closing records are damaged")


def noted_problem(part: PartFileReader, entry: PartFile | RecoveredPart) -> Problem | None:
    """Check a part against what the manifest, or `recover`, noted of it."""
    if part.size != entry.size:
        where = (min(part.size, entry.size), max(part.size, entry.size))
        return _problem(part, where, f"has {part.size} bytes, {entry.size} were written")
    if isinstance(entry, RecoveredPart) and entry.sha256 != sha256_of(part.path):
        return _problem(part, (0, part.size), "its SHA-256 is not the one noted by `recover`")
    return None


def index_problem(
    part: PartFileReader, rows: list[tuple[Any, ...]], *, sound: bool
) -> Problem | None:
    """Check the index beside a part; that of a part that is not ``sound`` only for being whole."""
    path = index_path(part.path)
    index = load_index(part)
    if index is None:
        what = "is damaged: it can be remade by `recover`" if path.exists() else ""
    elif sound and not np.array_equal(index, np.array(rows, mcap_format.INDEX_ROW)):
        what = "does not describe its part: remake it by `recover`"
    else:
        what = ""
    return Problem(path.name, None, "", None, None, what) if what else None
