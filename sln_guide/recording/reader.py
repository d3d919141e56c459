"""`CaseReader`: any frame and any record of a case, finished or cut short, by index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hardware.frame import Frame
from hardware.rig import Rig
from hardware.working_plane import WorkingPlane
from sln_guide.guidance import Mode, NextNumbers, Role, Settings
from sln_guide.health import SessionHealth
from sln_guide.one_line import on_one_line
from sln_guide.recording import records
from sln_guide.recording.arrays import unpack_array
from sln_guide.recording.asked import Asked, InForce
from sln_guide.recording.contents import Contents
from sln_guide.recording.errors import DamagedError, Problem, RecordingError
from sln_guide.recording.excerpts import (
    Painted,
    Resumption,
    nodes_seen,
    numbers_given,
    paints,
    paired_frames,
    resumptions,
)
from sln_guide.recording.folder import existing_parts, read_header
from sln_guide.recording.gaps import Gap, find_gaps
from sln_guide.recording.identity import Identity
from sln_guide.recording.packed import unpack_frame, unpack_frame_header
from sln_guide.recording.pairs import all_moments, nearest_pairs
from sln_guide.recording.records import (
    EventRecord,
    FrameRef,
    GapRecord,
    GuidanceRecord,
    Manifest,
)

DARK = "dark.npy"
"""Attachment: the dark frame, counts."""


class CaseReader:
    """A case on disk, read lazily. Frames by index; any thread may read.

    A finished part is opened by the index beside it, an unfinished or damaged one by walking it.

    Raises
    ------
    RecordingError
        When ``folder`` is no case, was written by a newer version, or is damaged beyond reading.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self._problems: list[Problem] = []
        self._refs: dict[Role, dict[tuple[int, int, int], int]] | None = None
        self._lit: NDArray[np.bool_] | None = None
        self._in_force: InForce | None = None
        self._resumptions: tuple[Resumption, ...] | None = None
        paths = existing_parts(self.folder)
        self._identity = Identity(self.folder, self._problems)
        self._contents = Contents(paths, self._problems)
        try:
            self.header = self._identity.header(self._contents.parts)
            self._identity.hold_against(paths)
            self._contents.leave_out(self._identity.strangers)
            self._contents.index()
        except BaseException:
            self.close()
            raise

    # -- the whole --------------------------------------------------------------------------------

    @property
    def manifest(self) -> Manifest | None:
        """What was noted of the whole; None where that is missing or cannot be read."""
        return self._identity.manifest

    @property
    def title(self) -> str:
        """What the case was called."""
        return on_one_line(self.header.title)

    @property
    def rig(self) -> Rig:
        """The rig it was recorded with."""
        return self.header.rig

    @property
    def white_is_lossy(self) -> bool:
        """Whether white light was recorded as JPEG. NIR never is."""
        return self.rig.recording.white == "jpeg"

    @property
    def settings(self) -> Settings:
        """What the operator had chosen when recording began."""
        return self.header.settings

    @property
    def mode(self) -> Mode:
        """Where the pictures came from."""
        return self.header.mode

    @property
    def software(self) -> dict[str, str]:
        """What began to record it; see `recording.software`."""
        return self.header.software

    def recorders(self) -> tuple[dict[str, str], ...]:
        """Return what recorded it, one after another: an update may lie between two parts."""
        found = [self.software]
        for part in self._contents.parts:
            try:
                header = read_header(part)
            except RecordingError:
                continue  # damaged: told when the case was opened, or by `verify`
            if header is not None and header.software not in found:
                found.append(header.software)
        return tuple(found)

    @property
    def started_wall_ns(self) -> int:
        """Wall clock (ns since 1970, UTC) at `started_monotonic_ns`."""
        return self.header.started_wall_ns

    @property
    def started_monotonic_ns(self) -> int:
        """When the case began, on the clock of the frames."""
        return self.header.started_monotonic_ns

    @property
    def complete(self) -> bool:
        """Closed cleanly, nothing missing that reached the application, no damage met so far."""
        return not self.incomplete

    @property
    def being_recorded(self) -> bool:
        """Whether it was when it was opened: what came since is not in sight."""
        return self._identity.being_recorded

    @property
    def incomplete(self) -> tuple[str, ...]:
        """Why it is not complete."""
        return self._identity.incomplete

    @property
    def record_count(self) -> int:
        """How many records are listed (damaged ones included)."""
        return sum(len(self._contents.rows(topic)) for topic in records.CHANNELS)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Damage noticed while opening; `verify` looks at every byte."""
        return tuple(self._problems)

    @property
    def duration_s(self) -> float:
        """From the first exposure to the last."""
        times = [t for role in Role for t in (self.times_ns(role),) if len(t)]
        if not times:
            return 0.0
        return float(max(t.max() for t in times) - min(t.min() for t in times)) / 1e9

    # -- frames -----------------------------------------------------------------------------------

    def count(self, role: Role) -> int:
        """Return how many frames of ``role`` are listed (damaged ones included)."""
        return len(self._contents.rows(role.value))

    def times_ns(self, role: Role) -> NDArray[np.int64]:
        """Return the mid-exposures of all frames, (N,) int64, monotonic clock."""
        times: NDArray[np.int64] = self._contents.rows(role.value)["time_ns"].astype(np.int64)
        return times

    def sequences(self, role: Role) -> NDArray[np.int64]:
        """Return (N, 2) int64: stream epoch and device counter of each frame."""
        rows = self._contents.rows(role.value)
        return np.stack([rows["epoch"].astype(np.int64), rows["sequence"].astype(np.int64)], 1)

    def frame(self, role: Role, index: int) -> Frame:
        """Return frame ``index`` (from 0), bit for bit as it was recorded (but see `Frame.lossy`).

        Raises
        ------
        IndexError
            Out of range.
        DamagedError
            This frame is damaged; the message names its bytes and its sequence number.
        """
        record = self._contents.record(role.value, index)
        try:
            may_be_lossy = self.white_is_lossy and role is Role.WHITE
            return unpack_frame(record.data, may_be_lossy=may_be_lossy)
        except RecordingError as error:
            raise DamagedError(self._contents.problem(role.value, index, str(error))) from None

    def lit(self) -> NDArray[np.bool_] | None:
        """Return (N,) bool: which NIR frames were lit; None where excitation is not gated.

        By the line status in each frame's own header; one that cannot be read counts as dark.
        """
        if self.rig.light.gated is None:
            return None
        if self._lit is None:
            lit = np.zeros(self.count(Role.NIR), bool)
            for index in range(len(lit)):
                with suppress(RecordingError):
                    record = self._contents.record(Role.NIR.value, index)
                    lit[index] = unpack_frame_header(record.data)[0].light_on is True
            self._lit = lit
        return self._lit

    def frames(
        self, role: Role, on_damage: Callable[[int, Problem], None] | None = None
    ) -> Iterator[Frame]:
        """Yield all frames in order.

        ``on_damage`` is told index and problem of each frame that cannot be read, which is then
        left out; without it the first such frame raises `DamagedError`.
        """
        for index in range(self.count(role)):
            try:
                yield self.frame(role, index)
            except DamagedError as error:
                if on_damage is None:
                    raise
                on_damage(index, error.problem)

    def gaps(self, role: Role) -> tuple[Gap, ...]:
        """Return what is missing, by epoch and device counter, and why where that is known."""
        return find_gaps(
            role,
            self.sequences(role),
            [g for g in self._log(records.GAPS, GapRecord) if g.role is role],
        )

    def find(self, role: Role, ref: FrameRef) -> int | None:
        """Return the index of the frame ``ref`` refers to, None if it is not in the case."""
        return self._frame_refs()[role].get((ref.epoch, ref.sequence, ref.mid_exposure_ns))

    def pairs(self) -> list[tuple[int, int | None]]:
        """Return (NIR index, white index or None) in the order of processing.

        The logged pairs where the case has a guidance log (those whose frames are in it), behind
        those recorded before the first of them (the pre-roll). Without a log, each NIR frame with
        the white one exposed nearest to it (see `nearest_pairs`).
        """
        logged = self._logged_pairs()
        nearest = nearest_pairs(self.times_ns(Role.NIR), self.times_ns(Role.WHITE))
        first = min((nir for nir, _ in logged), default=len(nearest))
        before, lit = nearest[:first], self.lit()
        if lit is not None:
            before = [pair for pair in before if lit[pair[0]]]
        return before + logged

    def moments(self) -> list[tuple[int | None, int | None]]:
        """Return (NIR index, white index) of all there is to show, in order of time.

        The `pairs`, and what was recorded for a while without any: NIR frames that nothing was
        computed of, white frames while there was no NIR.
        """
        nir_ns, white_ns = self.times_ns(Role.NIR), self.times_ns(Role.WHITE)
        return all_moments(self.pairs(), nir_ns, white_ns, self.lit())

    def moment_ns(self, nir: int | None, white: int | None) -> int:
        """Return when a moment was exposed: its NIR frame, else its white one."""
        role, index = (Role.WHITE, white) if nir is None else (Role.NIR, nir)
        assert index is not None
        return int(self._contents.rows(role.value)["time_ns"][index])

    def partners(self) -> list[int | None]:
        """Return for each NIR frame its white one: as logged, else the one exposed nearest."""
        nearest = nearest_pairs(self.times_ns(Role.NIR), self.times_ns(Role.WHITE))
        logged = dict(self._logged_pairs())
        return [logged.get(nir, white) for nir, white in nearest]

    def _logged_pairs(self) -> list[tuple[int, int | None]]:
        logged: list[tuple[int, int | None]] = []
        for nir_ref, white_ref in paired_frames(self._contents):
            nir = self.find(Role.NIR, nir_ref)
            if nir is not None:
                white = None if white_ref is None else self.find(Role.WHITE, white_ref)
                logged.append((nir, white))
        return logged

    # -- logs -------------------------------------------------------------------------------------

    def guidance_log(self) -> list[GuidanceRecord]:
        """Return every computation, in order."""
        return self._log(records.GUIDANCE, GuidanceRecord)

    def nodes_seen(self) -> Iterator[tuple[int, dict[int, float]]]:
        """Yield for each computation, in order, mid-exposure (ns) and the nodes in sight.

        By number, with their signal [counts/(ms*gain)], NaN where there is none.
        """
        return nodes_seen(self._contents)

    def paints(self) -> Iterator[Painted]:
        """Yield every paint in order, with the age its overlay had."""
        return paints(self._contents)

    def events(self) -> list[EventRecord]:
        """Return the events, in order."""
        return self._log(records.EVENTS, EventRecord)

    def health_log(self) -> Iterator[tuple[int, SessionHealth]]:
        """Yield each record of health and when it was written (ns, monotonic), in order."""
        yield from self._timed(records.HEALTH, SessionHealth)

    def gap_log(self) -> Iterator[tuple[int, GapRecord]]:
        """Yield what did not reach the disk and when that was noted (ns, monotonic)."""
        yield from self._timed(records.GAPS, GapRecord)

    @property
    def computation_count(self) -> int:
        """How many computations are listed (damaged ones included)."""
        return len(self._contents.rows(records.GUIDANCE))

    def computations(self) -> Iterator[tuple[bytes | None, GuidanceRecord]]:
        """Yield every computation in order, with the state noted right before it, None if none."""
        numbers = self._contents.rows(records.SNAPSHOTS)["number"].astype(np.int64)
        used = 0
        for number, record in self._contents.each(records.GUIDANCE, GuidanceRecord):
            before = int(np.searchsorted(numbers, number))
            state = self._snapshot(before - 1) if before > used else None
            used = before
            yield state, record

    def settings_at(self, time_ns: int, asked: Asked) -> Settings:
        """Return what the frame of ``time_ns`` is computed with: as then, or as was chosen since.

        The registration (withdrawn, nudged, of another working distance) and the baseline are
        always those of then.
        """
        return self._settings_log().at(time_ns, asked)

    def settings_changes(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield when (ns, monotonic) which `Settings` that guidance rests on became what."""
        return self._settings_log().changes()

    def asked(self, threshold_sigma: float | None = None) -> Asked:
        """Return what to ask for to have it all as recorded, or with another threshold."""
        asked = Asked(self.settings)
        return asked if threshold_sigma is None else asked.changed(threshold_sigma=threshold_sigma)

    def planes(self) -> tuple[WorkingPlane | None, ...]:
        """Return the planes worked in, each once, in order; None: the rig's own."""
        return self._settings_log().planes()

    def _settings_log(self) -> InForce:
        if self._in_force is None:
            self._in_force = InForce(self._contents, self.settings)
        return self._in_force

    def state_before(self, time_ns: int) -> bytes | None:
        """Return the last state noted up to ``time_ns`` (monotonic), None where there is none.

        Before that, the first one: it is noted when the first frame has come. Where a recording
        cut short went on, one of before counts no more.
        """
        times_ns = self._contents.rows(records.SNAPSHOTS)["time_ns"].astype(np.int64)
        firsts = [each.first_state for each in self.resumptions() if each.begun_ns <= time_ns]
        before = max(int(np.searchsorted(times_ns, time_ns, "right")) - 1, *firsts, 0)
        return self._snapshot(min(before, len(times_ns) - 1)) if len(times_ns) else None

    def resumptions(self) -> tuple[Resumption, ...]:
        """Return where recording went on after it had been cut short, in order."""
        if self._resumptions is None:
            self._resumptions = resumptions(self._contents)
        return self._resumptions

    def numbers_given(self) -> NextNumbers:
        """Return what comes behind all identities and numbers of nodes that it has given."""
        return numbers_given(self._contents)

    def snapshots(self) -> list[tuple[int, bytes]]:
        """Return (record number, state) of each snapshot: it holds before that record."""
        found = []
        for index in range(len(self._contents.rows(records.SNAPSHOTS))):
            record = self._contents.record(records.SNAPSHOTS, index)
            found.append((record.number, bytes(record.data)))
        return found

    def _snapshot(self, index: int) -> bytes | None:
        try:
            return bytes(self._contents.record(records.SNAPSHOTS, index).data)
        except DamagedError:
            return None

    def attachment_names(self) -> tuple[str, ...]:
        """Return the names of the attachments."""
        return self._contents.attachment_names()

    def attachment(self, name: str) -> bytes:
        """Return the data of an attachment.

        Raises
        ------
        RecordingError
            When there is none of this name, or it is damaged.
        """
        data = self._contents.attachment(name)
        if data is None:
            raise RecordingError(f"case {self.folder} has no attachment {name!r}")
        return data

    def dark(self) -> NDArray[np.float32] | None:
        """Return the dark frame recorded with the case, (H, W) float32 counts; None without one.

        Raises
        ------
        RecordingError
            When it is there and cannot be read.
        """
        if DARK not in self.attachment_names():
            return None
        return unpack_array(self.attachment(DARK), what=f"case {self.folder}: {DARK}")

    # -- inside -----------------------------------------------------------------------------------

    def _log(self, topic: str, kind: type[Any]) -> list[Any]:
        return [record for _, record in self._contents.each(topic, kind)]

    def _timed(self, topic: str, kind: type[Any]) -> Iterator[tuple[int, Any]]:
        rows = self._contents.rows(topic)
        times_ns = dict(zip(rows["number"].tolist(), rows["time_ns"].tolist(), strict=True))
        for number, record in self._contents.each(topic, kind):
            yield times_ns[number], record

    def _frame_refs(self) -> dict[Role, dict[tuple[int, int, int], int]]:
        if self._refs is None:
            refs = {}
            for role in Role:
                rows = self._contents.rows(role.value)
                keys = zip(
                    *(rows[name].tolist() for name in ("epoch", "sequence", "time_ns")),
                    strict=True,
                )
                refs[role] = {key: index for index, key in enumerate(keys)}
            self._refs = refs
        return self._refs

    def close(self) -> None:
        """Let go of the files. Idempotent."""
        self._contents.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
