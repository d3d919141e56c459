"""`verify_as_seen`: every computation a case logged, made again and compared bit for bit."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from sln_guide.export.recomputing import Recomputed, recompute
from sln_guide.guidance import Detection, Guidance, Kind
from sln_guide.recording import CaseReader, DetectionRecord, digest
from sln_guide.recording.records import detection_record
from sln_guide.recording.software import (
    COMPUTATION,
    other_code,
    other_versions,
    software_versions,
)

POSITION_TOLERANCE_PX = 0.05
RELATIVE_TOLERANCE = 1e-3
MOST_NAMED = 10
_POSITIONS = ("x_px", "y_px", "x_white_px", "y_white_px")
_MEASURES = ("area_px", "signal", "sbr", "cnr", "significance", "saturated_fraction")


@dataclass(slots=True)
class AsSeen:
    """What came of it. ``within`` differ by less than the tolerance, as on another processor.

    Attributes
    ----------
    same, within, different
        Computations with the same digest, with the same findings within tolerance, and others.
    not_made
        Those that could not be made again, by reason.
    lossy_alike, lossy_different
        Computations that rest on white light which the case has only as JPEG, by whether they find
        as many things of the same kinds: what live computed from is gone, so neither proves
        anything, and measures always move a little.
    named
        The first differences, in plain words.
    other_software
        What recorded the case and is another version here, each with the version then.
    other_code
        Digest of the code that computed it then, where that was other code than here; None: the
        same; empty: it was recorded before cases noted that.
    """

    same: int = 0
    within: int = 0
    different: int = 0
    lossy_alike: int = 0
    lossy_different: int = 0
    not_made: Counter[str] = field(default_factory=Counter)
    named: list[str] = field(default_factory=list)
    other_software: tuple[str, ...] = ()
    other_code: str | None = None

    @property
    def lossy(self) -> int:
        """How many computations cannot be compared bit for bit: white light is there as JPEG."""
        return self.lossy_alike + self.lossy_different

    @property
    def by_other_code(self) -> bool:
        """Whether it is known that other code computed the case than computes it here."""
        return bool(self.other_code)

    @property
    def ok(self) -> bool:
        """Whether something was computed again from raw data, and all of it is as it was."""
        return self.different == 0 and self.same + self.within > 0

    def text(self) -> str:
        """Say it in a few lines."""
        total = self.same + self.within + self.different
        lines: list[str] = []
        if total or not self.lossy:
            verdict = "as seen" if self.ok else "nothing to compare"
            if self.different:
                verdict = "OTHER CODE, NOT AS SEEN" if self.by_other_code else "NOT AS SEEN"
            which = " without lossy white light" if self.lossy else ""
            lines.append(
                f"  replay: {verdict}: {self.same} of {total} computations{which} "
                "bit for bit the same"
            )
        if self.within:
            lines.append(
                f"  {self.within} within tolerance ({POSITION_TOLERANCE_PX:g} px, "
                f"{RELATIVE_TOLERANCE:g} of a measure)"
            )
        if self.different:
            lines.append(f"  {self.different} differ:")
            lines += [f"    {what}" for what in self.named]
        if self.lossy:
            lines += [
                "  replay: NOT BIT-REPLAYABLE: white light was recorded as JPEG, and what "
                "the screen was computed from is gone",
                f"  {self.lossy} computations rest on it: from the JPEG {self.lossy_alike} find as "
                f"many things of the same kinds, {self.lossy_different} do not; that is neither "
                "damage nor a proof (`what-if` tells whether any node changed)",
            ]
        lines += [f"  {n} not made again: {why}" for why, n in self.not_made.items()]
        if self.within or self.different or (self.not_made and self.by_other_code):
            lines += self._why()
        return "\n".join(lines)

    def _why(self) -> list[str]:
        """Say what may have made a difference."""
        here = f"{software_versions()[COMPUTATION]} here"
        lines: list[str] = []
        if self.by_other_code:
            lines.append(
                f"  computed by another version of the code ({COMPUTATION} {self.other_code} then, "
                f"{here}): differences are expected, and neither damage nor a proof"
            )
        elif self.other_code is not None:
            lines.append(
                f"  recorded before cases noted which code computed them ({COMPUTATION} {here}): "
                "nothing tells whether it was this"
            )
        if self.other_software:
            lines.append(f"  recorded with other software: {', '.join(self.other_software)}")
        elif self.other_code is None:
            lines.append("  computed by this very code, with the same libraries")
        return lines


def verify_as_seen(
    case: CaseReader, *, progress: Callable[[int, int], None] | None = None
) -> AsSeen:
    """Make every computation that ``case`` logged again, and compare the digests.

    The same bytes are promised with the same software on the same kind of processor; elsewhere the
    same findings within `POSITION_TOLERANCE_PX` and `RELATIVE_TOLERANCE`. Other code than computed
    it (see `recording.software`) promises nothing, and that is said. Where white light was
    recorded as JPEG neither is promised, and those computations are counted apart.

    Raises
    ------
    RecordingError
        When the case cannot be read.
    """
    recorders = case.recorders()
    result = AsSeen(other_software=other_versions(recorders), other_code=other_code(recorders))
    total = case.computation_count
    for done, made in enumerate(recompute(case), 1):
        _judge(result, made)
        if progress is not None:
            progress(done, total)
    return result


def _judge(result: AsSeen, made: Recomputed) -> None:
    if made.guidance is None:
        result.not_made[made.reason] += 1
        return
    if made.lossy:
        alike = _kinds(made.logged.detections) == _kinds(made.guidance.detections)
        result.lossy_alike += alike
        result.lossy_different += not alike
    elif digest(made.guidance) == made.logged.digest:
        result.same += 1
    else:
        difference = _difference(made.logged.detections, made.guidance)
        if difference is None:
            result.within += 1
            return
        result.different += 1
        if len(result.named) < MOST_NAMED:
            result.named.append(
                f"{made.time_s:.3f} s, NIR sequence {made.logged.nir.sequence}: {difference}"
            )


def _kinds(
    found: tuple[DetectionRecord, ...] | tuple[Detection, ...],
) -> Counter[tuple[Kind, bool, bool]]:
    return Counter((d.kind, d.confirmed, d.coasted) for d in found)


def _difference(logged: tuple[DetectionRecord, ...], guidance: Guidance) -> str | None:
    """Return the first difference beyond tolerance, None where there is none."""
    now = tuple(map(detection_record, guidance.detections))
    if len(now) != len(logged):
        return f"{len(logged)} findings then, {len(now)} now"
    for before, after in zip(logged, now, strict=True):
        for name in ("kind", "confirmed", "coasted", "track_id", "node_number"):
            if getattr(before, name) != getattr(after, name):
                return f"{name} {getattr(before, name)} then, {getattr(after, name)} now"
        for name in (*_POSITIONS, *_MEASURES):
            relative = name in _MEASURES
            if not _near(getattr(before, name), getattr(after, name), relative=relative):
                return f"{name} {getattr(before, name)} then, {getattr(after, name)} now"
    return None


def _near(before: float | None, after: float | None, *, relative: bool) -> bool:
    if before is None or after is None or not math.isfinite(after):
        # JSON has no numbers that are not finite: they stand as null in the log
        return before is None and (after is None or not math.isfinite(after))
    if relative:
        return math.isclose(before, after, rel_tol=RELATIVE_TOLERANCE, abs_tol=RELATIVE_TOLERANCE)
    return abs(before - after) <= POSITION_TOLERANCE_PX
