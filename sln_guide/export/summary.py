"""``summary.json``: what a run looked at, with what, what it found, and what it assumed."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import Literal

import msgspec

from hardware.rig import Rig
from sln_guide.guidance import UNCALIBRATED, Detection, Guidance, Kind, Mode, Role, Settings
from sln_guide.one_line import on_one_line
from sln_guide.recording import CaseReader
from sln_guide.recording.records import to_json

SCHEMA = 1


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """The case that was processed. ``chain_head``: end of its hash chain, None if not closed."""

    name: str
    case_id: str
    chain_head: str | None
    mode: Mode
    closed_whole: bool
    why_not: tuple[str, ...]
    problems: tuple[str, ...]
    recorded_with: dict[str, str]
    white_light: Literal["lossless", "jpeg"]
    """How white frames were recorded; what is computed with JPEG differs a little from live."""


class Frames(msgspec.Struct, frozen=True, kw_only=True):
    """NIR frames: in the case, processed, unreadable, and lost before they reached the case.

    ``without_white`` of those processed had no white frame near enough, or an unreadable one.
    """

    nir: int
    processed: int
    unreadable: int
    lost: int
    without_white: int
    seconds: float
    pictures: int


class Followed(msgspec.Struct, frozen=True, kw_only=True):
    """One confirmed track. Medians over the frames in which it was measured."""

    track_id: int
    node_number: int
    """The n of SLN-n; 0 for what is no node."""
    kind: Kind
    frames: int
    first_s: float
    last_s: float
    signal: float | None
    sbr: float | None
    significance: float | None
    saturated_frames: int


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What `process_case` made. ``complete``: every frame of the case was looked at."""

    schema: int = SCHEMA
    complete: bool
    source: Source
    frames: Frames
    detections: dict[Kind, int]
    """Rows of ``detections.csv`` by kind."""
    tracks: tuple[Followed, ...]
    limit_sbr: float | None
    """Median over frames of the field's detection limit."""
    settings: Settings
    """Those that recording began with, and what was ``chosen`` for this run. Otherwise each moment
    has the operator's of then (``frames.csv``)."""
    rig: Rig
    registration: str
    assumed: tuple[str, ...]
    chosen: tuple[str, ...] = ()
    unread: tuple[str, ...]
    software: dict[str, str]
    step_ms: float | None
    """Median time of a pipeline step on this machine."""

    def to_json(self) -> bytes:
        """Return the summary as indented JSON, UTF-8."""
        return msgspec.json.format(to_json(self), indent=2) + b"\n"

    def text(self) -> str:
        """Say the most important in a few lines."""
        f = self.frames
        name = on_one_line(self.source.name)
        lines = [f"{name}: {f.processed} of {f.nir} NIR frames, {f.seconds:.1f} s"]
        if self.source.mode is Mode.SIMULATED:
            lines[0] += ", SIMULATED"
        if self.source.white_light == "jpeg":
            lines.append(
                "  white light was recorded as JPEG: figures may differ a little from live"
            )
        if f.lost:
            lines.append(f"  {f.lost} frames were lost in recording (frames.csv)")
        problems, why_not = self.source.problems, self.source.why_not
        told = [f"damaged: {what}" for what in problems]
        told += [f"recording not complete: {what}" for what in why_not if what not in problems]
        lines += [f"  {on_one_line(line)}" for line in told[:5]]
        if len(told) > 5:
            lines.append(f"  and {len(told) - 5} more (summary.json)")
        lines += [f"  not read: {what}" for what in self.unread[:5]]
        if len(self.unread) > 5:
            lines.append(f"  and {len(self.unread) - 5} more (summary.json)")
        kinds = ", ".join(f"{n} {kind.value}" for kind, n in self.detections.items())
        lines.append(f"  detections: {kinds or 'none'}")
        lines += [
            f"  SLN-{t.node_number} (track {t.track_id}): {t.first_s:.1f} to {t.last_s:.1f} s, "
            f"SBR {'>= ' if t.saturated_frames else ''}{t.sbr:.2f}"
            for t in self.tracks
            if t.kind is Kind.NODE and t.sbr is not None
        ]
        lines += [f"  assumed: {what}" for what in self.assumed]
        return "\n".join(lines)


class _TrackTally:
    def __init__(self) -> None:
        self.kinds: Counter[Kind] = Counter()
        self.times_s, self.signal, self.sbr, self.significance = (array("d") for _ in range(4))
        self.saturated = 0
        self.node_number = 0

    def add(self, time_s: float, detection: Detection) -> None:
        self.node_number = detection.node_number
        self.kinds[detection.kind] += 1
        self.times_s.append(time_s)
        self.significance.append(detection.significance)
        if detection.signal is not None and detection.sbr is not None:
            self.sbr.append(detection.sbr)
            if UNCALIBRATED not in detection.flags:
                self.signal.append(detection.signal)
        self.saturated += detection.saturated_fraction > 0

    def followed(self, track_id: int) -> Followed:
        return Followed(
            track_id=track_id,
            node_number=self.node_number,
            kind=self.kinds.most_common(1)[0][0],
            frames=len(self.times_s),
            first_s=round(self.times_s[0], 6),
            last_s=round(self.times_s[-1], 6),
            signal=_median(self.signal),
            sbr=_median(self.sbr),
            significance=_median(self.significance),
            saturated_frames=self.saturated,
        )


class Tally:
    """Counts what passes by, in little memory however long the case."""

    def __init__(self) -> None:
        self.processed = 0
        self.without_white = 0
        self.unread: list[str] = []
        self._kinds: Counter[Kind] = Counter()
        self._tracks: dict[int, _TrackTally] = {}
        self._limits = array("d")
        self._step_ms = array("d")

    def add(self, time_s: float, guidance: Guidance, found: tuple[Detection, ...]) -> None:
        """Count one processed frame and the detections measured in it."""
        self.processed += 1
        self.without_white += guidance.pair.white is None
        self._kinds.update(d.kind for d in found)
        for detection in found:
            if detection.confirmed:
                tally = self._tracks.setdefault(detection.track_id, _TrackTally())
                tally.add(time_s, detection)
        if guidance.limit_sbr is not None:
            self._limits.append(guidance.limit_sbr)
        if "step" in guidance.stage_ms:
            self._step_ms.append(guidance.stage_ms["step"])

    @property
    def detections(self) -> dict[Kind, int]:
        """How many detections were measured, by kind."""
        return {kind: self._kinds[kind] for kind in Kind if self._kinds[kind]}

    @property
    def tracks(self) -> tuple[Followed, ...]:
        """What was confirmed, by identity."""
        return tuple(self._tracks[i].followed(i) for i in sorted(self._tracks))

    @property
    def limit_sbr(self) -> float | None:
        """Median detection limit; None where it could not be told."""
        return _median(self._limits)

    @property
    def step_ms(self) -> float | None:
        """Median time of a pipeline step."""
        return _median(self._step_ms)


def source_of(case: CaseReader) -> Source:
    """Describe ``case``; nothing in it names a place on this machine."""
    manifest = case.manifest
    return Source(
        name=case.folder.absolute().name,
        case_id=case.header.case_id,
        chain_head=None if manifest is None else manifest.chain_head,
        mode=case.mode,
        closed_whole=case.complete,
        why_not=case.incomplete,
        problems=tuple(str(problem) for problem in case.problems),
        recorded_with=case.software,
        white_light=case.rig.recording.white,
    )


def assumptions(case: CaseReader, *, dark: bool) -> tuple[str, ...]:
    """Say what nobody measured, of what the figures rest on."""
    rig, events = case.rig, case.events()
    found = [event.detail for event in events if event.name == "assumed"]
    found += [f"damaged: {event.detail}" for event in events if event.name == "damaged"]
    if any(event.name == "nudge" for event in events):
        found.append("registration: NUDGED by hand at the events 'nudge': of unknown error")
    if not any(event.name == "imported" for event in events):
        if rig.registration.kind == "assumed":
            found.append("registration: never measured: ASSUMED")
        if rig.registration.kind == "none" and case.count(Role.WHITE):
            found.append("no registration: views side by side, no overlay")
        if rig.optics.mm_per_px is None:
            found.append("scale unknown: sizes in px only")
        if not dark:
            found.append(f"black level {rig.sensor.dark_counts:g} counts, without a dark frame")
    if rig.unchecked is not None:
        found.append(f"not calibrated, so no mm and no signal is told: {rig.unchecked}")
    if rig.sensor.electron_counts is None:
        found.append("camera noise: estimated from the frames, never measured")
    return tuple(found)


def _median(values: Sequence[float]) -> float | None:
    return median(values) if values else None
