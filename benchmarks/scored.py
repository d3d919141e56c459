"""How finds and false calls of one detector at one setting are counted.

A call is right within half the node's width (at least 15 px) of a node; an uncertain one counts as
a false call where nothing is there and as half a find where something is. Nodes hidden by more than
half do not count.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.detection_scenes import TrueNode
from sln_guide.guidance import Kind

CLASSES = ((1.0, 99.0), (0.3, 1.0), (0.05, 0.3))
Part = Callable[[str, float, float], bool]
"""Whether something belongs to a part: by kind, level_counts and depth_mm."""


def worth(spots: tuple[Any, ...]) -> list[tuple[float, float, float]]:
    value = {Kind.NODE: 1.0, Kind.UNCERTAIN: 0.5}
    return [(s.x_px, s.y_px, value[s.kind]) for s in spots if s.kind in value]


@dataclass(frozen=True)
class Seen:
    """A true node, what the call on it was worth (0: none), and the field it lay in."""

    node: TrueNode
    worth: float
    kind: str
    level_counts: float


@dataclass
class Scored:
    """Finds, false calls, and centre errors of one detector at one setting."""

    seen: list[Seen] = field(default_factory=list)
    false_of: list[tuple[str, float, int]] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)

    def add(
        self,
        nodes: tuple[TrueNode, ...],
        calls: list[tuple[float, float, float]],
        kind: str = "",
        level_counts: float = 0.0,
    ) -> None:
        """Match calls (x, y, worth) to nodes, the brightest first, the nearest each."""
        free = set(range(len(calls)))
        for node in sorted(nodes, key=lambda n: -n.contrast):
            reach = max(0.5 * node.width_px, 15.0)
            near = [
                (float(np.hypot(calls[i][0] - node.x_px, calls[i][1] - node.y_px)), i) for i in free
            ]
            hit = min((n for n in near if n[0] < reach), default=None)
            if hit is not None:
                free.discard(hit[1])
            if node.visible < 0.5 or node.contrast < CLASSES[-1][0]:
                continue
            got = calls[hit[1]][2] if hit is not None else 0.0
            self.seen.append(Seen(node, got, kind, level_counts))
            if hit is not None:
                self.errors.append(hit[0])
        self.false_of.append((kind, level_counts, len(free)))

    def among(self, wanted: Part) -> Scored:
        """Return what concerns a part. False calls have no depth: they are asked about with NaN."""
        return Scored(
            [s for s in self.seen if wanted(s.kind, s.level_counts, s.node.depth_mm)],
            [f for f in self.false_of if wanted(f[0], f[1], math.nan)],
        )

    @property
    def fields(self) -> int:
        return len(self.false_of)

    @property
    def false(self) -> int:
        return sum(n for _, _, n in self.false_of)

    @property
    def finds(self) -> dict[tuple[float, float], list[float]]:
        """What calls were worth, by contrast class."""
        return {
            (low, high): [s.worth for s in self.seen if low <= s.node.contrast < high]
            for low, high in CLASSES
        }

    @property
    def precision(self) -> float:
        """Share of all calls that lie on a node, by worth; 1 where nothing is called."""
        found = sum(s.worth for s in self.seen)
        return found / (found + self.false) if found + self.false > 0 else 1.0

    @property
    def recall(self) -> float:
        """Share of all nodes that are called, whatever their contrast."""
        return float(np.mean([s.worth for s in self.seen])) if self.seen else math.nan

    @property
    def f1(self) -> float:
        """Of all nodes, whatever their contrast."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both > 0 else 0.0

    def recalls(self) -> str:
        shares = [f"{np.mean(v):.2f} ({len(v)})" if v else "-" for v in self.finds.values()]
        return " / ".join(shares)

    def line(self) -> str:
        error = f"{np.median(self.errors):.1f}" if self.errors else "-"
        return f"{self.f1:5.2f}   {self.recalls():34s} {self.false / self.fields:6.2f}   {error}"
