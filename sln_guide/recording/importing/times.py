"""When imported frames were exposed: by a CSV, by a rate, by the numbers in their names."""

from __future__ import annotations

import csv
import itertools
import math
import re
from pathlib import Path

import numpy as np

from sln_guide.recording.importing.picture import ImportProblem
from sln_guide.recording.importing.stream import Stream

ASSUMED_FPS = 10.0
SHORTEST_S = 1e-6
LONGEST_S = 30 * 86_400.0
UNEVEN = 0.1
"""Share of a period by which a video's own times may stray from an even rate (Matroska rounds)."""
TIME_WORDS = re.compile(r"time|sec|stamp|zeit|temps|_s$|_[mun]s$", re.IGNORECASE)
"""Heads of columns that hold times, beside such as frame numbers."""
UNITS = re.compile(r"(?:[_\s(\[])(ms|us|µs|ns)[)\]]?$", re.IGNORECASE)
UNIT_S = {"ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
FEW_MISSING = 10
"""Numbers in file names are a frame counter where they span at most so many times the files."""


def set_times(
    streams: list[Stream], fps: float | None, timestamps: Path | None, notes: list[str]
) -> float | None:
    """Give every frame its time and sequence number; return the rate, None for one frame.

    Raises
    ------
    ImportProblem
        Times that cannot be read, do not grow, or span what no recording does.
    """
    for stream in streams:
        stream.sequences = list(range(stream.count))
    if timestamps is not None:
        _times_from_csv(streams, timestamps, notes)
    else:
        rate_hz = _stated_rate(streams, notes) if fps is None else fps
        _number(streams, notes)
        for stream in streams:
            stored_s = None if fps is not None else _stored_times(stream, notes)
            stream.times_s = stored_s or [n / rate_hz for n in stream.sequences]
    for stream in streams:
        _refuse_span(stream)
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


def _refuse_span(stream: Stream) -> None:
    where = stream.source.path
    if len(stream.times_s) > 1 and np.diff(stream.times_s).min() < SHORTEST_S:
        raise ImportProblem(
            f"{where}: frames less than a microsecond apart: give the right --fps or --timestamps "
            "in seconds"
        )
    if stream.times_s[-1] > LONGEST_S:
        days = stream.times_s[-1] / 86_400
        raise ImportProblem(
            f"{where}: its {stream.count} frames would span {days:.0f} days: "
            "give the right --fps or --timestamps in seconds"
        )


def _stored_times(stream: Stream, notes: list[str]) -> list[float] | None:
    """Return the times a video states where its frames are not evenly spaced, else None."""
    stored_s = [t for t in stream.stored_times_s if t is not None]
    if stream.count < 2 or not stored_s:
        return None
    where = stream.source.path.name
    if len(stored_s) < stream.count or np.diff(stored_s).min() < SHORTEST_S:
        notes.append(f"{where}: its time stamps are of no use: frames are taken as evenly spaced")
        return None
    since_s = np.array(stored_s) - stored_s[0]
    rate_hz = stream.source.rate_hz
    if rate_hz:
        strayed_s = np.abs(since_s - np.arange(stream.count) / rate_hz)
        if strayed_s.max() < UNEVEN / rate_hz:
            return None
    notes.append(f"{where}: frames are not evenly spaced: exposed when the video states (--fps)")
    return [float(t) for t in since_s]


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


def _number(streams: list[Stream], notes: list[str]) -> None:
    """Take the numbers in file names for a frame counter, where they can be one."""
    numbers = [s.source.numbers() for s in streams]
    known = [n for n in numbers if n is not None]
    if len(known) < len(streams):
        return
    shared = len(set(known[0]) & set(known[-1])) >= 0.8 * min(map(len, known))
    if not shared:
        return
    union = sorted(set().union(*known))
    place = _counter(union)
    if known[0] != known[-1]:
        notes.append(
            "frames are matched by the numbers in their file names, since some are missing"
        )
    elif place is None:
        notes.append(
            "the numbers in the file names are no frame counter: frames are taken as evenly spaced "
            "(--timestamps)"
        )
    elif missing := place[union[-1]] + 1 - len(union):
        notes.append(
            f"{missing} number{'s are' if missing > 1 else ' is'} missing in the file names: taken "
            "for lost frames, and time goes on in between"
        )
    if place is None:
        place = {number: rank for rank, number in enumerate(union)}
    for stream, own in zip(streams, known, strict=True):
        stream.sequences = [place[n] for n in own]


def _counter(numbers: list[int]) -> dict[int, int] | None:
    """Return each number's place in a count by equal steps; None where they are no such count."""
    steps = [b - a for a, b in itertools.pairwise(numbers)]
    step = min(steps, default=1)
    if any(s % step for s in steps) or sum(s == step for s in steps) * 2 < len(steps):
        return None
    if numbers[-1] - numbers[0] > step * FEW_MISSING * len(numbers):
        return None
    return {n: (n - numbers[0]) // step for n in numbers}


def _times_from_csv(streams: list[Stream], path: Path, notes: list[str]) -> None:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = _rows(file.read())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ImportProblem(f"{path}: cannot be read ({error})") from None
    columns = range(len(rows[0])) if rows else range(1)
    heads = [""] * len(columns)
    if rows and not any(map(_is_number, rows[0])):
        heads, rows = [cell.strip() for cell in rows[0]], rows[1:]
        timed = [i for i in columns if TIME_WORDS.search(heads[i])]
    else:
        timed = [i for i in columns if rows and _is_number(rows[0][i])]
    timed = timed or list(columns)
    for number, stream in enumerate(streams):
        column = timed[min(number, len(timed) - 1)]
        unit = UNITS.search(heads[column])
        scale = UNIT_S[unit[1].lower()] if unit is not None else 1.0
        if heads[column]:
            notes.append(
                f"{path.name}: {stream.role.value} frames at the times of column "
                f"'{heads[column]}', in {unit[1] if unit is not None else 'seconds'}"
            )
        cells = [row[column].strip() for row in rows if column < len(row) and row[column].strip()]
        try:
            times = [float(cell) * scale for cell in cells]
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
