"""What is missing from a stream, by the device's own counter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sln_guide.guidance import Role
from sln_guide.recording.records import GapRecord

BEFORE_RECORDER = "lost before it reached the recorder, by the device's counter"


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
