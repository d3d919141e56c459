"""What is missing from a stream: by the device's own counter, and by the clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sln_guide.guidance import Role
from sln_guide.recording.records import GapRecord

BEFORE_RECORDER = "lost before it reached the recorder, by the device's counter"
PAUSE_S = 1.0
PAUSE_PERIODS = 5
"""A pause is longer than both; where a camera's counter began anew, than the second."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Frames that are not in the case. ``after_index``: the frame before it (-1: none)."""

    role: Role
    epoch: int
    first_sequence: int
    count: int
    reason: str
    after_index: int


def find_gaps(
    role: Role, sequences: NDArray[np.int64], told: Sequence[GapRecord]
) -> tuple[Gap, ...]:
    """Return the gaps in ``sequences`` ((N, 2): epoch, counter), explained by ``told`` records.

    A counter that runs backwards inside an epoch (a wrap) is no gap. Recorded gaps that lie
    before the first or after the last frame of their epoch count too.
    """
    gaps: list[Gap] = []
    explained: set[tuple[int, int, int]] = set()
    steps = np.diff(sequences, axis=0)
    for after in np.flatnonzero((steps[:, 0] == 0) & (steps[:, 1] > 1)) if len(steps) else ():
        epoch = int(sequences[after, 0])
        position = int(sequences[after, 1]) + 1
        end = int(sequences[after + 1, 1])
        inside = sorted(
            (g for g in told if g.epoch == epoch and position <= g.first_sequence < end),
            key=lambda g: g.first_sequence,
        )
        for gap in inside:
            explained.add((gap.epoch, gap.first_sequence, gap.count))
            if gap.first_sequence > position:
                gaps.append(
                    Gap(
                        role,
                        epoch,
                        position,
                        gap.first_sequence - position,
                        BEFORE_RECORDER,
                        int(after),
                    )
                )
            stop = min(gap.first_sequence + gap.count, end)
            begin = max(gap.first_sequence, position)
            if stop > begin:
                gaps.append(Gap(role, epoch, begin, stop - begin, gap.reason, int(after)))
            position = max(position, stop)
        if position < end:
            gaps.append(Gap(role, epoch, position, end - position, BEFORE_RECORDER, int(after)))
    for gap in told:
        if (gap.epoch, gap.first_sequence, gap.count) not in explained:
            before = np.flatnonzero(
                (sequences[:, 0] < gap.epoch)
                | ((sequences[:, 0] == gap.epoch) & (sequences[:, 1] < gap.first_sequence))
            )
            after_index = int(before[-1]) if len(before) else -1
            gaps.append(
                Gap(role, gap.epoch, gap.first_sequence, gap.count, gap.reason, after_index)
            )
    return tuple(sorted(gaps, key=lambda g: (g.after_index, g.epoch, g.first_sequence)))


@dataclass(frozen=True, slots=True)
class Pause:
    """A time without frames of one role, which no counter shows: ``begin_s`` since the first frame.

    An unplugged camera takes no frames, so none was lost; whoever looks for them must be told.
    """

    role: Role
    begin_s: float
    length_s: float


def find_pauses(frames: Mapping[Role, NDArray[np.int64]]) -> tuple[Pause, ...]:
    """Return the pauses in ``frames`` ((N, 2) a role: epoch, mid-exposure [ns]).

    One at the beginning or the end is told by what the other role has there.
    """
    # as floats: the times of a damaged frame may lie further apart than int64 reaches
    times_ns = {role: rows[:, 1].astype(np.float64) for role, rows in frames.items()}
    filled = [times for times in times_ns.values() if len(times)]
    if not filled:
        return ()
    begin, end = min(t.min() for t in filled), max(t.max() for t in filled)
    pauses = []
    for role, rows in frames.items():
        if len(rows) == 0:
            continue
        times = times_ns[role]
        steps = np.diff(times, prepend=begin, append=end)
        period_ns = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
        long = steps > max(PAUSE_S * 1e9, PAUSE_PERIODS * period_ns)
        long[1:-1] |= (np.diff(rows[:, 0]) != 0) & (steps[1:-1] > PAUSE_PERIODS * period_ns)
        starts = np.concatenate(([begin], times))
        pauses += [
            Pause(role, float(starts[i] - begin) / 1e9, float(steps[i]) / 1e9)
            for i in np.flatnonzero(long)
        ]
    return tuple(sorted(pauses, key=lambda pause: pause.begin_s))
