"""The index beside a part: makes opening a case quick. Derived: never needed, never trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from zlib_ng.zlib_ng import crc32

from sln_guide.recording import mcap_format as mcap
from sln_guide.recording.errors import Problem
from sln_guide.recording.scan import Found, Lost, PartFileReader
from sln_guide.whole_file import replace_file

Rows = NDArray[np.void]
"""(N,) of `mcap_format.INDEX_ROW`: one a chunk, in the order of the part."""

INDEX_MAGIC = b"SLNIDX1\n"


def index_path(part: Path) -> Path:
    """Return where the index of ``part`` lies."""
    return part.with_suffix(".index")


def write_index(path: Path, rows: bytes) -> None:
    """Write an index file, whole or not at all."""
    head = INDEX_MAGIC + len(rows).to_bytes(8, "little") + crc32(rows).to_bytes(4, "little")
    replace_file(path, head + rows)


def attachments_beside(part: PartFileReader, rows: Rows) -> list[Found]:
    """Return the attachment records of a part whose chunks are known: they lie between."""
    begins = [len(mcap.MAGIC)]
    begins += (rows["offset"] + rows["length"] + mcap.MESSAGE_INDEXES_BYTES).tolist()
    ends = [*rows["offset"].tolist(), part.size]
    found: list[Found] = []
    for begin, end in zip(begins, ends, strict=True):
        position = begin
        while position < end:
            item = part.record_at(position)
            if item is None or item.opcode == mcap.DATA_END:
                break
            if item.opcode == mcap.ATTACHMENT:
                found.append(item)
            position += item.length
    return found


def load_index(part: PartFileReader) -> Rows | None:
    """Return the index beside a part, if it is whole and fits the file; else None."""
    path = index_path(part.path)
    try:
        if path.stat().st_size > max(part.size, 1 << 16):
            return None
        data = path.read_bytes()
    except OSError:
        return None
    head = len(INDEX_MAGIC) + 12
    rows = data[head:]
    if (
        len(data) < head
        or data[: len(INDEX_MAGIC)] != INDEX_MAGIC
        or int.from_bytes(data[8:16], "little") != len(rows)
        or int.from_bytes(data[16:20], "little") != crc32(rows)
        or len(rows) % mcap.INDEX_ROW.itemsize
    ):
        return None
    table = np.frombuffer(rows, mcap.INDEX_ROW)
    ends = table["offset"] + table["length"]
    if len(table) and (np.any(ends > part.size) or np.any(np.diff(ends.astype(np.int64)) <= 0)):
        return None
    if len(table):
        # Bytes put in or taken out move all that is behind them, and an index may be another
        # part's: either shows in the last record, and walking the part then finds what is there.
        last = table[-1]
        place = Found(mcap.CHUNK, int(last["offset"]), int(last["length"]))
        if part.describe(place) != last.item():
            return None
    return table


def build_index(part: PartFileReader) -> tuple[Rows, list[Found], list[Problem]]:
    """Walk a part: its chunks as index rows, its attachments, and what could not be read."""
    rows: list[tuple[Any, ...]] = []
    attachments: list[Found] = []
    problems: list[Problem] = []
    name = part.path.name
    for item in part.walk():
        if isinstance(item, Lost):
            what = (
                "torn end: the recording stopped inside a record"
                if item.tail
                else "no record can be found here"
            )
            problems.append(Problem(name, (item.begin, item.end), "", None, None, what))
        elif item.opcode == mcap.CHUNK:
            row = part.describe(item)
            if row is None:
                where = (item.offset, item.offset + item.length)
                problems.append(Problem(name, where, "", None, None, "its header is damaged"))
            else:
                rows.append(row)
        elif item.opcode == mcap.ATTACHMENT:
            attachments.append(item)
    return np.array(rows, mcap.INDEX_ROW), attachments, problems
