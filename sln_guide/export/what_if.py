"""`what_if`: which nodes a case would have shown more, fewer or elsewhere with other settings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import median
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from hardware.rig import Optics, Rig
from sln_guide.export.recomputing import recompute
from sln_guide.guidance import Detection, Kind, Settings
from sln_guide.recording import CaseReader, DetectionRecord, RecordingError
from sln_guide.recording.records import to_json
from sln_guide.recording.software import other_code

NEAR_PX = 12.0
"""How near two findings are the same one where the scale is unknown."""
MOVED_PX = 1.0
MATCHED_SHARE = 0.5
"""A node is the same in both where so much of its time was found in the other."""

Found = Detection | DetectionRecord


class Fate(StrEnum):
    """What became of a node."""

    KEPT = "kept"
    MOVED = "moved"
    GAINED = "gained"
    LOST = "lost"


class NodeFate(msgspec.Struct, frozen=True, kw_only=True):
    """One node: gained ones as found now, others as recorded. Medians over its frames."""

    fate: Fate
    track_id: int
    node_number: int
    first_s: float
    last_s: float
    frames: int
    matched_frames: int
    x_px: float
    y_px: float
    significance: float | None
    sbr: float | None
    moved_px: float | None
    moved_mm: float | None

    @property
    def name(self) -> str:
        """As the screen calls it; older cases know no numbers."""
        return f"SLN-{self.node_number}" if self.node_number else f"track {self.track_id}"


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What other settings change. ``not_made``: computations that could not be made again.

    ``white_light``: how it was recorded; where as JPEG, that alone may change a finding.
    ``same_code``: whether the code here computed what was recorded; None: nobody noted it.
    """

    schema: int = 1
    case_id: str
    recorded_settings: Settings
    settings: Settings
    compared: int
    white_light: Literal["lossless", "jpeg"]
    same_code: bool | None
    not_made: dict[str, int]
    nodes: tuple[NodeFate, ...]

    def of(self, fate: Fate) -> tuple[NodeFate, ...]:
        """Return the nodes of one fate."""
        return tuple(node for node in self.nodes if node.fate is fate)

    def to_json(self) -> bytes:
        """Return it as indented JSON, UTF-8."""
        return msgspec.json.format(to_json(self), indent=2) + b"\n"

    def text(self) -> str:
        """Say it in a few lines."""
        counts = ", ".join(f"{len(self.of(fate))} {fate}" for fate in Fate)
        lines = [f"{self.compared} computations made again: nodes {counts}"]
        if self.white_light == "jpeg":
            lines.append(
                "  white light was recorded as JPEG: a small change may be its doing, "
                "not that of the settings"
            )
        if not self.same_code:
            which = "other code" if self.same_code is False else "nobody noted which code"
            lines.append(
                f"  {which} computed what was recorded: a change may be its doing, "
                "not that of the settings"
            )
        lines += [
            f"  {node.fate}: {node.name} at {node.x_px:.0f}, {node.y_px:.0f} px, "
            f"{node.first_s:.1f} to {node.last_s:.1f} s"
            + ("" if node.significance is None else f", {node.significance:.1f} sigma")
            + (f", by {node.moved_px:.1f} px" if node.fate is Fate.MOVED else "")
            for node in self.nodes
            if node.fate is not Fate.KEPT
        ]
        lines += [f"  {n} not made again: {why}" for why, n in self.not_made.items()]
        return "\n".join(lines)


@dataclass(slots=True)
class _Track:
    node_number: int = 0
    times_s: list[float] = field(default_factory=list)
    x_px: list[float] = field(default_factory=list)
    y_px: list[float] = field(default_factory=list)
    significance: list[float] = field(default_factory=list)
    sbr: list[float] = field(default_factory=list)
    moved_px: list[float] = field(default_factory=list)
    moved_mm: list[float] = field(default_factory=list)

    def add(
        self, time_s: float, found: Found, moved_px: float | None, mm_per_px: float | None
    ) -> None:
        self.node_number = found.node_number
        self.times_s.append(time_s)
        self.x_px.append(found.x_px or 0.0)
        self.y_px.append(found.y_px or 0.0)
        if found.significance is not None:
            self.significance.append(found.significance)
        if found.sbr is not None:
            self.sbr.append(found.sbr)
        if moved_px is not None:
            self.moved_px.append(moved_px)
            if mm_per_px is not None:
                self.moved_mm.append(moved_px * mm_per_px)


_Tracks = dict[tuple[int, int], _Track]
"""By where tracking began anew, and track."""


def what_if(
    case: CaseReader,
    change: Callable[[Settings], Settings],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Difference:
    """Compute ``case`` again with other settings, and tell the nodes apart from those recorded.

    A node is a confirmed finding of kind node, measured (not coasting). Unchanged settings tell
    what this version finds other than the one that recorded.

    Raises
    ------
    RecordingError
        When the case has no guidance log to compare with.
    """
    total = case.computation_count
    code = other_code(case.recorders())
    if total == 0:
        raise RecordingError(
            f"case {case.folder.name} has no guidance log to compare with: it was imported, or "
            "nothing was computed. Use `process` with each setting instead"
        )
    then: _Tracks = {}
    now: _Tracks = {}
    not_made: Counter[str] = Counter()
    segment, last_generation, compared = 0, 0, 0
    for done, made in enumerate(recompute(case, change), 1):
        segment += made.logged.generation != last_generation + 1
        last_generation = made.logged.generation
        if made.guidance is None:
            not_made[made.reason] += 1
        else:
            compared += 1
            before, after = _nodes(made.logged.detections), _nodes(made.guidance.detections)
            rig = made.logged.settings.worked(case.rig)
            _add(then, now, segment, made.time_s, before, after, rig)
        if progress is not None:
            progress(done, total)
    fates = [_fate(key, track, recorded=True) for key, track in then.items()]
    fates += [_fate(key, track, recorded=False) for key, track in now.items()]
    nodes = sorted((f for f in fates if f is not None), key=lambda f: (f.first_s, f.track_id))
    return Difference(
        case_id=case.header.case_id,
        recorded_settings=case.settings,
        settings=change(case.settings),
        compared=compared,
        white_light=case.rig.recording.white,
        same_code=None if code == "" else code is None,
        not_made=dict(not_made),
        nodes=tuple(nodes),
    )


def _near_px(optics: Optics) -> float:
    return NEAR_PX if optics.mm_per_px is None else optics.node_min_mm / optics.mm_per_px


def _nodes(found: Sequence[Found]) -> list[Found]:
    return [d for d in found if d.kind is Kind.NODE and d.confirmed and not d.coasted]


def _add(
    then: _Tracks,
    now: _Tracks,
    segment: int,
    time_s: float,
    before: list[Found],
    after: list[Found],
    rig: Rig,
) -> None:
    near_px = _near_px(rig.optics)
    apart_px = np.hypot(*(_xy(before)[:, None] - _xy(after)[None]).transpose(2, 0, 1))
    pairs = zip(*linear_sum_assignment(np.minimum(apart_px, 10 * near_px)), strict=True)
    matched = {(int(i), int(j)): float(apart_px[i, j]) for i, j in pairs}
    moved = {key: px for key, px in matched.items() if px <= near_px}
    by_before = {i: px for (i, _), px in moved.items()}
    by_after = {j: px for (_, j), px in moved.items()}
    for tracks, found, by in ((then, before, by_before), (now, after, by_after)):
        for index, each in enumerate(found):
            track = tracks.setdefault((segment, each.track_id), _Track())
            track.add(time_s, each, by.get(index), rig.vouched_mm_per_px)


def _xy(found: list[Found]) -> NDArray[np.float64]:
    return np.array([(d.x_px or 0.0, d.y_px or 0.0) for d in found], np.float64).reshape(-1, 2)


def _fate(key: tuple[int, int], track: _Track, *, recorded: bool) -> NodeFate | None:
    """Return the fate of a track; None for one found now that was recorded as well."""
    moved_px = median(track.moved_px) if track.moved_px else None
    if len(track.moved_px) < MATCHED_SHARE * len(track.times_s):
        fate = Fate.LOST if recorded else Fate.GAINED
    elif not recorded:
        return None
    else:
        fate = Fate.MOVED if moved_px is not None and moved_px > MOVED_PX else Fate.KEPT
    return NodeFate(
        fate=fate,
        track_id=key[1],
        node_number=track.node_number,
        first_s=round(track.times_s[0], 6),
        last_s=round(track.times_s[-1], 6),
        frames=len(track.times_s),
        matched_frames=len(track.moved_px),
        x_px=median(track.x_px),
        y_px=median(track.y_px),
        significance=median(track.significance) if track.significance else None,
        sbr=median(track.sbr) if track.sbr else None,
        moved_px=moved_px,
        moved_mm=median(track.moved_mm) if track.moved_mm else None,
    )
