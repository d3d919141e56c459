"""What a recorder that died left behind, as far as its successor must know it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sln_guide.guidance import Role
from sln_guide.recording import chain
from sln_guide.recording.errors import RecordingError
from sln_guide.recording.folder import (
    existing_parts,
    header_bytes,
    read_header,
    read_manifest,
)
from sln_guide.recording.holder import boot_id
from sln_guide.recording.index import Rows, build_index, index_path, load_index
from sln_guide.recording.mcap_format import CHUNK
from sln_guide.recording.records import CHANNELS, CaseHeader, PartFile
from sln_guide.recording.scan import Found, PartFileReader, Record

CUT_SHORT = "its recorder died over it"


@dataclass(frozen=True, slots=True)
class LeftOver:
    """Where to go on, and what the case must say about the break.

    ``indexes``: (path, rows) of parts that have none.
    """

    header: CaseHeader
    parts: tuple[PartFile, ...]
    next_part: int
    next_number: int
    link: bytes
    frames: Mapping[Role, int]
    incomplete: tuple[str, ...]
    what: str
    indexes: tuple[tuple[Path, bytes], ...]


def left_over(folder: Path) -> LeftOver:
    """Look at a case cut short; nothing is changed. The caller holds its lock.

    Raises
    ------
    RecordingError
        It is closed, cannot be read, or the clock of its frames has been restarted.
    """
    paths = existing_parts(folder)
    manifest = read_manifest(folder)
    if manifest is not None and manifest.closed:
        raise RecordingError(f"case {folder} is closed: begin a new one")
    known = {} if manifest is None else {entry.name: entry for entry in manifest.parts}
    readers = [PartFileReader(path) for path in paths]
    try:
        header = next((h for h in map(read_header, readers) if h is not None), None)
        if header is None:
            raise RecordingError(f"case {folder} is damaged beyond reading: begin a new one")
        if not header.boot_id or header.boot_id != boot_id():
            raise RecordingError(
                f"case {folder}: the machine was restarted since, and the clock of its frames "
                "with it: begin a new case that continues it"
            )
        parts: list[PartFile] = []
        frames = dict.fromkeys(Role, 0)
        link = b""
        number = -1
        indexes: list[tuple[Path, bytes]] = []
        for reader in readers:
            rows = load_index(reader)
            if rows is None:
                rows, _, _ = build_index(reader)
                indexes.append((index_path(reader.path), rows.tobytes()))
            raw = header_bytes(reader)
            link = link if raw is None else chain.first_link(raw)
            for role in Role:
                frames[role] += int((rows["channel"] == CHANNELS[role.value]).sum())
            last = _last_record(reader, rows)
            if last is not None:
                number, link = last.number, last.link
            entry = known.get(reader.path.name)
            parts.append(entry or PartFile(reader.path.name, reader.size, len(rows), CUT_SHORT))
    finally:
        for reader in readers:
            reader.close()
    before = () if manifest is None else manifest.incomplete
    name = parts[-1].name
    return LeftOver(
        header=header,
        parts=tuple(parts),
        next_part=int(paths[-1].stem.removeprefix("part-")) + 1,
        next_number=number + 1,
        link=link,
        frames=frames,
        incomplete=(
            *before,
            f"interrupted: its recorder died over {name}; what waited in memory then is missing",
        ),
        what=f"after {name}, record {number}",
        indexes=tuple(indexes),
    )


def _last_record(reader: PartFileReader, rows: Rows) -> Record | None:
    """Return the last whole record of a part."""
    for row in rows[::-1]:
        record = reader.record(Found(CHUNK, int(row["offset"]), int(row["length"])))
        if isinstance(record, Record):
            return record
    return None
