"""`Contents`: every record and attachment of a case, by topic and index."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sln_guide.recording import records
from sln_guide.recording.errors import DamagedError, Problem, RecordingError
from sln_guide.recording.index import Rows, attachments_beside, build_index, load_index
from sln_guide.recording.mcap_format import CHUNK
from sln_guide.recording.part import HEADER_ATTACHMENT
from sln_guide.recording.records import CHANNELS, FRAME_TOPICS
from sln_guide.recording.scan import Found, PartFileReader, Record


@dataclass(frozen=True, slots=True)
class _Topic:
    """Where the records of one topic lie: ``parts[i]`` and ``rows[i]`` in time order."""

    parts: NDArray[np.int32]
    rows: Rows


class Contents:
    """Finds records by the indexes beside the parts, or by walking a part that has none.

    Any thread may read. ``problems`` is added to as damage is met.

    Raises
    ------
    RecordingError
        When a part cannot be opened.
    """

    def __init__(self, paths: Sequence[Path], problems: list[Problem]) -> None:
        self.problems = problems
        self.parts: list[PartFileReader] = []
        self._attachments: dict[str, tuple[int, Found]] | None = None
        self._lock = threading.Lock()
        self._topics: dict[str, _Topic] = {}
        try:
            for path in paths:
                self.parts.append(PartFileReader(path))
        except BaseException:
            self.close()
            raise

    def leave_out(self, strangers: Sequence[Path]) -> None:
        """Have nothing of these parts. Before `index`."""
        for part in [part for part in self.parts if part.path in strangers]:
            self.parts.remove(part)
            part.close()

    def index(self) -> None:
        """Look up where everything lies. Once, before anything else is asked."""
        tables = [self._table(part) for part in self.parts]
        parts = np.repeat(np.arange(len(tables), dtype=np.int32), [len(t) for t in tables])
        rows = np.concatenate(tables)
        for topic, channel in CHANNELS.items():
            mine = np.flatnonzero(rows["channel"] == channel)
            self._topics[topic] = _Topic(parts[mine], rows[mine])

    def rows(self, topic: str) -> Rows:
        """Return the index rows of a topic."""
        return self._topics[topic].rows

    def record(self, topic: str, index: int) -> Record:
        """Read one record.

        Raises
        ------
        IndexError
            Out of range.
        DamagedError
            It is damaged.
        """
        mine = self._topics[topic]
        if not 0 <= index < len(mine.rows):
            raise IndexError(f"{topic} {index} of {len(mine.rows)}")
        row = mine.rows[index]
        part = self.parts[int(mine.parts[index])]
        record = part.record(Found(CHUNK, int(row["offset"]), int(row["length"])))
        if isinstance(record, str):
            raise DamagedError(self.problem(topic, index, record))
        if record.channel != CHANNELS[topic] or record.number != int(row["number"]):
            raise DamagedError(self.problem(topic, index, "it is not what the index says"))
        return record

    def problem(self, topic: str, index: int, what: str) -> Problem:
        """Return ``what`` is wrong with a record, and where that lies."""
        mine = self._topics[topic]
        row = mine.rows[index]
        begin = int(row["offset"])
        return Problem(
            file=self.parts[int(mine.parts[index])].path.name,
            byte_range=(begin, begin + int(row["length"])),
            topic=topic,
            index=index,
            sequence=int(row["sequence"]) if topic in FRAME_TOPICS else None,
            what=what,
        )

    def part_of(self, topic: str, number: int) -> int:
        """Return which part holds a record, by its number."""
        mine = self._topics[topic]
        return int(mine.parts[np.flatnonzero(mine.rows["number"] == number)[0]])

    def rows_of(self, topic: str, part: int) -> Rows:
        """Return the index rows of a topic in one part."""
        mine = self._topics[topic]
        rows: Rows = mine.rows[mine.parts == part]
        return rows

    def each(self, topic: str, kind: type[Any], first: int = 0) -> Iterator[tuple[int, Any]]:
        """Yield number and content of the readable records of a topic, from index ``first`` on.

        Damaged ones go to `problems`, once.
        """
        for index in range(first, len(self.rows(topic))):
            try:
                record = self.record(topic, index)
                content = records.from_json(record.data, kind, what=f"{topic} {index}")
            except RecordingError as error:
                problem = self.problem(topic, index, str(error))
                if isinstance(error, DamagedError):
                    problem = error.problem
                with self._lock:
                    if problem not in self.problems:
                        self.problems.append(problem)
            else:
                yield record.number, content

    def attachment_names(self) -> tuple[str, ...]:
        """Return the names of the attachments."""
        return tuple(self._attachment_places())

    def attachment(self, name: str) -> bytes | None:
        """Return the data of an attachment, None if there is none of this name.

        Raises
        ------
        DamagedError
            It is damaged.
        """
        place = self._attachment_places().get(name)
        if place is None:
            return None
        part, found = self.parts[place[0]], place[1]
        content = part.attachment(found)
        if isinstance(content, str):
            where = (found.offset, found.offset + found.length)
            raise DamagedError(Problem(part.path.name, where, name, None, None, content))
        return content.data

    def close(self) -> None:
        """Let go of the files. Idempotent."""
        for part in self.parts:
            part.close()

    def _table(self, part: PartFileReader) -> Rows:
        rows = load_index(part)
        if rows is None:
            rows, _, problems = build_index(part)
            self.problems += problems
        return rows

    def _attachment_places(self) -> dict[str, tuple[int, Found]]:
        if self._attachments is None:
            places: dict[str, tuple[int, Found]] = {}
            for number, part in enumerate(self.parts):
                rows = load_index(part)
                found = build_index(part)[1] if rows is None else attachments_beside(part, rows)
                for place in found:
                    content = part.attachment(place)
                    if not isinstance(content, str) and content.name != HEADER_ATTACHMENT:
                        places[content.name] = (number, place)
            self._attachments = places
        return self._attachments
