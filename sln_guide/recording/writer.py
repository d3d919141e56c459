"""`CaseWriter`: records a case so that nothing a returned `write_...` covered is lost."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from hardware.frame import Frame
from sln_guide.guidance import Guidance, Role
from sln_guide.health import SessionHealth
from sln_guide.recording import records
from sln_guide.recording.chain import digest
from sln_guide.recording.codec import REPACKED, Codec
from sln_guide.recording.description import CaseDescription
from sln_guide.recording.errors import RecordingError
from sln_guide.recording.folder import FolderLock, failure, write_manifest
from sln_guide.recording.index import write_index
from sln_guide.recording.naming import check_attachment_name
from sln_guide.recording.packed import PackedFrame, pack_frame
from sln_guide.recording.part import Entry
from sln_guide.recording.records import CaseHeader, Manifest, PartFile
from sln_guide.recording.resuming import LeftOver, left_over
from sln_guide.recording.software import software_versions
from sln_guide.recording.tape import Tape

ROLL_S = 300.0
ROLL_BYTES = 4_000_000_000
"""Under 4 GiB, so that a part fits on any file system a case is carried away on."""


@dataclass(frozen=True, slots=True)
class CaseSummary:
    """What was recorded. ``head`` (hex) is the end of the hash chain: write it down elsewhere."""

    folder: Path
    frames: Mapping[Role, int]
    records: int
    bytes_written: int
    parts: int
    head: str
    complete: bool
    incomplete: tuple[str, ...]


class CaseWriter:
    """Writes one case. One thread at a time, save `sync`, which has a thread of its own.

    Parameters
    ----------
    folder
        Is made; may exist if it is empty.
    description
        What the case says of itself.
    roll_s, roll_bytes
        A new part begins after so long or so much.

    Raises
    ------
    RecordingError
        When the folder holds something, another writer has it, or it cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        description: CaseDescription,
        *,
        roll_s: float = ROLL_S,
        roll_bytes: int = ROLL_BYTES,
    ) -> None:
        folder = Path(folder)
        header = description.header()
        lock = FolderLock.take_new(folder)
        self._begin(folder, lock, header, None, roll_s, roll_bytes)

    @classmethod
    def resume(cls, folder: Path, *, roll_s: float = ROLL_S, roll_bytes: int = ROLL_BYTES) -> Self:
        """Go on with a case whose recorder died, as its next part.

        What is there is not touched; the index that the last part lacks is put beside it. Quick
        (only that part is walked), so that the live picture need not wait. The case counts as
        incomplete for good.

        Raises
        ------
        RecordingError
            The case is closed, is still being recorded, cannot be read, or the machine was
            restarted since, and with it the clock of the frames: then begin a new case that
            ``continues`` this one.
        """
        folder = Path(folder)
        lock = FolderLock.take_existing(folder)
        try:
            left = left_over(folder)
        except BaseException:
            lock.release()
            raise
        writer = cls.__new__(cls)
        writer._begin(folder, lock, left.header, left, roll_s, roll_bytes)
        what = left.what
        try:
            for path, rows in left.indexes:
                write_index(path, rows)
        except OSError as error:  # it only makes opening quick, and can be made at any time
            what += f"; no index beside it: {error.strerror}"
        writer.write_event(records.RESUMED, what, time.monotonic_ns())
        return writer

    @property
    def started_ns(self) -> int:
        """When the case began, whichever part this is [`time.monotonic_ns`]."""
        return self._header.started_monotonic_ns

    def _begin(
        self,
        folder: Path,
        lock: FolderLock,
        header: CaseHeader,
        left: LeftOver | None,
        roll_s: float,
        roll_bytes: int,
    ) -> None:
        self.folder = folder
        self._lock = lock
        self._header = header
        self._incomplete: list[str] = [] if left is None else list(left.incomplete)
        self._parts_before: tuple[PartFile, ...] = () if left is None else left.parts
        self._bytes_before = sum(part.size for part in self._parts_before)
        self._frames_before = dict.fromkeys(Role, 0) if left is None else dict(left.frames)
        self._summary: CaseSummary | None = None
        self._manifest_writing = threading.Lock()
        number = 0 if left is None else left.next_part
        if left is not None:
            header = msgspec.structs.replace(
                header,
                part=number,
                previous_link=left.link.hex(),
                software=software_versions(),  # of whoever goes on: it may have been updated
            )
        try:
            lock.beat()
            lock.reserve()
            self._tape = Tape(
                folder,
                header,
                number=0 if left is None else left.next_number,
                next_part=number,
                roll_s=roll_s,
                roll_bytes=roll_bytes,
            )
            self._write_manifest(closed=False)
        except OSError as error:
            lock.release()
            with suppress(OSError):  # holds nothing where nothing could be written
                folder.rmdir()
            raise failure(folder, "start the case", error) from None
        except BaseException:
            lock.release()
            raise

    # -- what is recorded ------------------------------------------------------------------------

    def write_frame(self, role: Role, frame: Frame) -> None:
        """Record ``frame``; when this returns, it survives the death of the process.

        Raises
        ------
        RecordingError
            The frame is not in the case; what was there before still is.
        """
        quality = self._header.rig.recording.white_jpeg_quality
        self.write_packed(pack_frame(role, frame, self._tape.codec, quality))

    def write_packed(self, packed: PackedFrame) -> None:
        """Record a frame that was compressed before, as `write_frame` does."""
        self._tape.append(
            Entry(
                packed.role.value,
                packed.host_time_ns,
                (packed.header, packed.payload),
                packed.mid_exposure_ns,
                packed.sequence,
                packed.stream_epoch,
            )
        )

    @contextmanager
    def together(self) -> Iterator[None]:
        """Hand all that is written inside to the kernel at once: it survives from then on.

        Saves a system call, and a wait for the interpreter, for each record.

        Raises
        ------
        RecordingError
            On leaving: nothing of it is in the case, or as many records as a full disk took; what
            was there before still is.
        """
        with self._tape.together():
            yield

    def write_gap(
        self, role: Role, first_sequence: int, count: int, epoch: int, reason: str
    ) -> None:
        """Record that frames are missing; the case is incomplete from now on, disk full or not."""
        self._incomplete.append(
            f"{role.value}: {count} frames from sequence {first_sequence} (epoch {epoch}) "
            f"missing: {reason}"
        )
        self._tape.append_json(
            records.GAPS, records.GapRecord(role, first_sequence, count, epoch, reason)
        )

    def write_left_out(self, count: int) -> None:
        """Record that marks, paints or the like are missing; the case is incomplete from now on."""
        what = f"{count} records that are no frames"
        self._incomplete.append(f"{what} missing: recorder backlog full")
        self.write_event("left out", what, time.monotonic_ns())

    def write_guidance(self, guidance: Guidance) -> None:
        """Record one computation: its pair, settings, detections and digest."""
        self._tape.append_json(
            records.GUIDANCE,
            records.guidance_record(guidance, digest(guidance)),
            guidance.pair.nir.mid_exposure_ns,
        )

    def write_shown(
        self,
        generation: int | None,
        white_sequence: int | None,
        view: str,
        painted_ns: int,
        overlay_visible: bool,
        said: str = "",
    ) -> None:
        """Record one paint, and what the screen ``said`` over it."""
        record = records.ShownRecord(
            generation, white_sequence, str(view), painted_ns, overlay_visible, said
        )
        self._tape.append_json(records.SHOWN, record, painted_ns)

    def write_event(self, name: str, detail: str, time_ns: int) -> None:
        """Record an event, ``time_ns`` on the monotonic clock."""
        self._tape.append_json(records.EVENTS, records.EventRecord(name, detail, time_ns), time_ns)

    def write_health(self, health: SessionHealth, time_ns: int | None = None) -> None:
        """Record the health of everything around the guidance, as it was at ``time_ns`` or is."""
        self._tape.append_json(records.HEALTH, health, time_ns)

    def write_snapshot(self, state: bytes, time_ns: int | None = None) -> None:
        """Record the state of detector and tracker, from which a replay can begin.

        ``time_ns``: mid-exposure of the frame that it is taken with; None: now. What waited for the
        disk is found by the time of what it is of.
        """
        when = time.monotonic_ns() if time_ns is None else time_ns
        self._tape.append(Entry(records.SNAPSHOTS, when, (state,), when))

    def attach(self, name: str, data: bytes, media_type: str) -> None:
        """Attach a file (rig, dark frame, ...) under the hash chain.

        Raises
        ------
        RecordingError
            Also for a name that is not a plain file name.
        """
        check_attachment_name(name)
        now_ns = time.monotonic_ns()
        sha256 = hashlib.sha256(data).hexdigest()
        self._tape.attach(name, media_type, data, now_ns)
        self._tape.append_json(
            records.ATTACHED, records.AttachedRecord(name, media_type, len(data), sha256), now_ns
        )

    def use_codec(self, codec: Codec, reason: str) -> None:
        """Change the codec of frames to come, and say so in the case."""
        if codec is not self._tape.codec:
            self._tape.codec = codec
            self.write_event(REPACKED, f"{codec.value}: {reason}", time.monotonic_ns())

    # -- durability ------------------------------------------------------------------------------

    def sync(self) -> None:
        """Wait until all that was written survives power loss; finish full parts.

        Meant for a thread of its own. Once the writer is closed it does nothing.

        Raises
        ------
        RecordingError
            The medium refused. A page once refused is not tried again by the kernel, so the file
            is given up: the writer goes on in a new one, and the case counts as incomplete.
        """
        try:
            finished = self._tape.sync()
            self._lock.beat()
            if finished:
                self._write_manifest(closed=False)
        except OSError as error:
            raise failure(self.folder, "make the recording durable", error) from None

    def close(self) -> CaseSummary:
        """Close the case: last part, manifest, durable. Idempotent.

        Raises
        ------
        RecordingError
            When the case could not be closed cleanly; everything is let go of all the same, and
            what was recorded stays readable.
        """
        if self._summary is not None:
            return self._summary
        failed: OSError | None = None
        self._lock.spend_reserve()
        try:
            self._tape.close()
        except OSError as error:
            failed = error
        self._summary = CaseSummary(
            folder=self.folder,
            frames=self._frames(),
            records=self._tape.number,
            bytes_written=self.bytes_written,
            parts=len(self._parts()),
            head=self.head,
            complete=not self.incomplete,
            incomplete=self.incomplete,
        )
        try:
            self._write_manifest(closed=True)
        except OSError as error:
            failed = failed or error
        self._lock.release()
        if failed is not None:
            told = failure(self.folder, "close the case cleanly", failed)
            why = (*self._summary.incomplete, str(told))
            self._summary = replace(self._summary, complete=False, incomplete=why)
            raise told from None
        return self._summary

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
            return
        said = str(error) if isinstance(error, RecordingError) else repr(error)
        self._incomplete.append(f"ended by an error: {said}"[:300])
        with suppress(RecordingError):  # the first error is the one to be told
            self.close()

    # -- how it goes -----------------------------------------------------------------------------

    @property
    def case_id(self) -> str:
        """Identity of this case."""
        return self._header.case_id

    @property
    def codec(self) -> Codec:
        """Codec of the next frame."""
        return self._tape.codec

    @property
    def bytes_written(self) -> int:
        """Bytes in all parts."""
        return self._bytes_before + self._tape.size

    @property
    def frames(self) -> int:
        """Frames of both roles."""
        return sum(self._frames().values())

    @property
    def head(self) -> str:
        """Head of the hash chain as it stands (hex)."""
        return self._tape.link.hex()

    @property
    def refusal(self) -> str | None:
        """That the drive refused for a moment, and what to do; None while it never did."""
        return self._tape.refusal

    @property
    def incomplete(self) -> tuple[str, ...]:
        """Why this case will not count as complete; empty while it will."""
        return (*self._incomplete, *self._tape.doubts)

    # -- inside ----------------------------------------------------------------------------------

    def _frames(self) -> dict[Role, int]:
        before = self._frames_before
        return {role: before[role] + self._tape.frames[role.value] for role in Role}

    def _parts(self) -> tuple[PartFile, ...]:
        return (*self._parts_before, *sorted(self._tape.parts, key=lambda part: part.name))

    def _write_manifest(self, *, closed: bool) -> None:
        with self._manifest_writing:
            if closed or self._summary is None:  # the last word is that of `close`
                write_manifest(self.folder, self._manifest(closed))

    def _manifest(self, closed: bool) -> Manifest:
        return Manifest(
            format=records.FORMAT_VERSION,
            closed=closed,
            header=self._header,
            frames={role.value: count for role, count in self._frames().items()},
            records=self._tape.number,
            parts=self._parts(),
            chain_head=self.head if closed else None,
            incomplete=self.incomplete,
        )
