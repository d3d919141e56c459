"""`verify`: looks at every byte of a case and names what is damaged, changed or missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sln_guide.guidance import Role
from sln_guide.one_line import on_one_line
from sln_guide.recording.errors import NewerFormatError, Problem, RecordingError
from sln_guide.recording.examination import Examination
from sln_guide.recording.folder import (
    MANIFEST,
    RECOVERY,
    being_recorded,
    existing_parts,
    manifest_damage,
    read_manifest,
    read_recovery,
)
from sln_guide.recording.gaps import Gap, Pause
from sln_guide.recording.records import Manifest, RecoveredPart

Progress = Callable[[int, int], None]
MOST_LINES = 10
"""Told of one kind that is no damage; damage is told in full."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found.

    Attributes
    ----------
    ok
        Nothing is damaged, changed or missing from what the case itself says it holds.
    recording
        It is being recorded at this moment: what came since was not looked at.
    complete
        ``ok``, closed by a clean stop, and nothing was lost between cameras and disk.
    problems
        Each damaged, changed or missing thing.
    incomplete
        Why the case is not complete, in plain words.
    frames
        Readable frames.
    lossy_white
        White frames among them that are stored as JPEG.
    gaps
        Frames missing by the device counter, whoever lost them.
    pauses
        Times without frames, such as those while a camera was unplugged.
    head
        Head of the hash chain as recomputed (hex); None where the last part is damaged.
        Only equality with a head noted elsewhere proves that nobody rewrote the case.
    """

    folder: Path
    ok: bool
    recording: bool
    complete: bool
    problems: tuple[Problem, ...]
    incomplete: tuple[str, ...]
    frames: Mapping[Role, int]
    lossy_white: int
    gaps: Mapping[Role, tuple[Gap, ...]]
    pauses: tuple[Pause, ...]
    records: int
    head: str | None

    def text(self) -> str:
        """Return what there is to say, a few lines for a terminal."""
        if not self.ok:
            verdict = f"NOT SOUND: {len(self.problems)} damaged, changed or missing"
        elif self.recording:
            verdict = "STILL BEING RECORDED; what is there so far is sound"
        elif not self.complete:
            verdict = "NOT COMPLETE, but all that is there is sound"
        else:
            verdict = "complete and sound"
        frames = ", ".join(f"{n} {role.value}" for role, n in self.frames.items())
        name = on_one_line(self.folder.absolute().name)  # of `.` too
        lines = [f"{name}: {verdict}", f"  {frames} frames, {self.records} records"]
        if self.lossy_white:
            lines.append(
                f"  white light is stored lossy: {self.lossy_white} of {self.frames[Role.WHITE]} "
                "white frames as JPEG, not as the camera sent them; NIR without loss"
            )
        lines += _first([f"  {reason}" for reason in self.incomplete], "reasons in manifest.json")
        lines += [f"  {problem}" for problem in self.problems]
        for role, gaps in self.gaps.items():
            told = [
                f"  gap: {role.value} epoch {g.epoch}: {g.count} from sequence "
                f"{g.first_sequence}: {g.reason}"
                for g in gaps
            ]
            missing = sum(g.count for g in gaps)
            lines += _first(told, f"gaps: {missing} {role.value} frames are missing in all")
        told = [
            f"  pause: no {p.role.value} frame for {p.length_s:.1f} s, from {p.begin_s:.1f} s on"
            for p in self.pauses
        ]
        lines += _first(told, "pauses")
        lines.append(f"  head of the hash chain: {self.head or 'cannot be told'}")
        return "\n".join(lines)


def _first(lines: list[str], rest: str) -> list[str]:
    """Return the first lines, and how many more there are of what: a terminal forgets the top."""
    if len(lines) <= MOST_LINES:
        return lines
    return [*lines[:MOST_LINES], f"  and {len(lines) - MOST_LINES} more {rest}"]


def verify(
    folder: Path,
    *,
    expected_head: str | None = None,
    progress: Progress | None = None,
    locked: bool = False,
) -> Verification:
    """Check every record, frame, link and file of a case. Nothing in it is changed.

    Parameters
    ----------
    folder
        Of the case.
    expected_head
        A head (hex) noted elsewhere when the recording stopped: also finds a case rewritten as
        a whole, which the case alone cannot show.
    progress
        Called with bytes done and bytes in all.
    locked
        The caller holds the case's lock, so that the lock does not mean a recorder at work.

    Raises
    ------
    RecordingError
        When there is no case to verify, or a newer version wrote it.
    """
    folder = Path(folder)
    paths = existing_parts(folder)
    problems: list[Problem] = []
    held = not locked and being_recorded(folder)  # before the manifest: it may be closed in between
    manifest = _manifest(folder, problems)
    recording = held and not (manifest is not None and manifest.closed)
    examination = Examination(
        paths, manifest, _recovered(folder, problems), problems, progress, recording=held
    )
    examination.run()
    head = examination.head
    if expected_head is not None and head != expected_head.strip().lower():
        what = "the head of the hash chain is not the one noted elsewhere"
        problems.append(Problem(folder.name, None, "", None, None, what))
    incomplete = list(examination.incomplete)
    if recording:
        incomplete.append("it is still being recorded")
    elif manifest is None or not manifest.closed:
        frames = " + ".join(f"{n} {role.value}" for role, n in examination.readable.items())
        incomplete.append(
            f"not closed: recording ended without a clean stop; {frames} frames readable"
        )
    if manifest is not None:
        incomplete += manifest.incomplete
    return Verification(
        folder=folder,
        ok=not problems,
        recording=recording,
        complete=not problems and not incomplete,
        problems=tuple(problems),
        incomplete=tuple(incomplete),
        frames=dict(examination.readable),
        lossy_white=examination.lossy_white,
        gaps=examination.gaps(),
        pauses=examination.pauses(),
        records=sum(examination.counts.values()),
        head=head,
    )


def _manifest(folder: Path, problems: list[Problem]) -> Manifest | None:
    try:
        manifest = read_manifest(folder)
    except NewerFormatError:
        raise
    except RecordingError as error:
        problems.append(Problem(MANIFEST, None, "", None, None, str(error)))
        return None
    if manifest is None:
        problems.append(Problem(MANIFEST, None, "", None, None, "is missing"))
    elif damage := manifest_damage(folder):
        problems.append(Problem(MANIFEST, None, "", None, None, damage))
    return manifest


def _recovered(folder: Path, problems: list[Problem]) -> tuple[RecoveredPart, ...]:
    try:
        record = read_recovery(folder)
    except NewerFormatError:
        raise
    except RecordingError as error:
        problems.append(Problem(RECOVERY, None, "", None, None, str(error)))
        return ()
    return () if record is None else record.parts
