"""When imported frames were exposed: by a CSV, by a rate, by the numbers in their names."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np

from sln_guide.recording.importing.picture import ImportProblem
from sln_guide.recording.importing.stream import Stream

ASSUMED_FPS = 10.0


def set_times(
    streams: list[Stream], fps: float | None, timestamps: Path | None, notes: list[str]
) -> float | None:
    """Give every frame its time and sequence number; return the rate, None for one frame."""
    for stream in streams:
        stream.sequences = list(range(stream.count))
    if timestamps is not None:
        _times_from_csv(streams, timestamps)
    else:
        if fps is None:
            fps = _stated_rate(streams, notes)
        numbers = _shared_numbers(streams, notes)
        for stream in streams:
            if numbers is not None:
                stream.sequences = [n - numbers for n in stream.source.numbers() or ()]
            stream.times_s = [n / fps for n in stream.sequences]
    counts = [s.count for s in streams]
    if len(set(counts)) > 1:
        more = max(streams, key=lambda s: s.count)
        notes.append(
            f"{counts[0]} {streams[0].role.value} and {counts[1]} {streams[1].role.value} frames: "
            f"paired where both are, {more.role.value} alone elsewhere"
        )
    longest = max(streams, key=lambda s: s.count).times_s
    if len(longest) < 2 or longest[-1] <= longest[0]:
        return None
    return (len(longest) - 1) / (longest[-1] - longest[0])


def _stated_rate(streams: list[Stream], notes: list[str]) -> float:
    rates = [(s.source.rate_hz, s) for s in streams if s.source.rate_hz]
    if rates:
        rate, stream = rates[0]
        if rate is not None and math.isfinite(rate) and rate > 0:
            notes.append(f"{rate:g} frames/s, as {stream.source.path.name} states")
            return rate
    if max(s.count for s in streams) > 1:
        notes.append(f"{ASSUMED_FPS:g} frames/s (--fps)")
    return ASSUMED_FPS


def _shared_numbers(streams: list[Stream], notes: list[str]) -> int | None:
    """Return the first number when files of two folders are to be matched by their numbers."""
    numbers = [s.source.numbers() for s in streams]
    if len(numbers) < 2 or numbers[0] is None or numbers[1] is None or numbers[0] == numbers[1]:
        return None
    first, second = set(numbers[0]), set(numbers[1])
    if len(first & second) < 0.8 * min(len(first), len(second)):
        return None
    notes.append("frames are matched by the numbers in their file names, since some are missing")
    return min(first | second)


def _times_from_csv(streams: list[Stream], path: Path) -> None:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = _rows(file.read())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ImportProblem(f"{path}: cannot be read ({error})") from None
    if rows and not _is_number(rows[0][0]):
        rows = rows[1:]
    for number, stream in enumerate(streams):
        column = min(number, len(rows[0]) - 1) if rows else 0
        cells = [row[column].strip() for row in rows if column < len(row) and row[column].strip()]
        try:
            times = [float(cell) for cell in cells]
        except ValueError as error:
            raise ImportProblem(f"{path}: {error}: give seconds, a row a frame") from None
        if len(times) != stream.count:
            raise ImportProblem(
                f"{path}: {len(times)} times for {stream.count} {stream.role.value} frames"
            )
        if not all(map(math.isfinite, times)) or any(np.diff(times) <= 0):
            raise ImportProblem(f"{path}: times must grow from row to row, in seconds")
        stream.times_s = times
    origin = min(s.times_s[0] for s in streams)
    for stream in streams:
        stream.times_s = [t - origin for t in stream.times_s]


def _rows(text: str) -> list[list[str]]:
    """Split a CSV; one with semicolons has decimal commas, as some countries write it."""
    lines = [line for line in text.splitlines() if line.strip(" ;,\t")]
    if any(";" in line for line in lines):
        return [[cell.replace(",", ".") for cell in line.split(";")] for line in lines]
    return list(csv.reader(lines))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
