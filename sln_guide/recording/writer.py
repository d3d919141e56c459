"""`CaseWriter`: records a case so that nothing a returned `write_...` covered is lost."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import platform
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Self

from hardware.frame import Frame
from hardware.rig import Rig
from sln_guide.guidance import Guidance, Mode, Role, SessionHealth, Settings
from sln_guide.recording import chain, mcap_format, records
from sln_guide.recording.chain import digest, next_link
from sln_guide.recording.codec import Codec
from sln_guide.recording.errors import RecordingError
from sln_guide.recording.naming import check_attachment_name
from sln_guide.recording.part import PartWriter, replace_file, sync_folder
from sln_guide.recording.records import CHANNELS, CaseHeader, Manifest, PartFile

MANIFEST = "manifest.json"
LOCK = "lock"
RESERVE = "reserve"
RESERVE_BYTES = 1 << 20
"""Set aside at the start, so that a full disk cannot keep a case from being closed."""

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


def software_versions() -> dict[str, str]:
    """Return what a case says made it."""
    names = ("sln-guide", "numpy", "blosc2", "numba", "opencv-python")
    found = {name: version(name) for name in names}
    return found | {"python": platform.python_version(), "machine": platform.machine()}


class CaseWriter:
    """Writes one case. One thread at a time, save `sync`, which has a thread of its own.

    Parameters
    ----------
    folder
        Is made; may exist if it is empty.
    rig, settings, title, mode, software
        Stand at the head of every part, so that even an unfinished case explains itself.
    codec
        Of the pixels, lossless all; `use_codec` changes it under way.
    roll_s, roll_bytes
        A new part begins after so long or so much.
    started_wall_ns, started_monotonic_ns
        The anchor between wall clock and frame times; now, where not told (imports tell).
    continues
        The `case_id` of a case cut short whose procedure goes on here.

    Raises
    ------
    RecordingError
        When the folder holds something, another writer has it, or it cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        *,
        rig: Rig,
        settings: Settings,
        title: str = "",
        mode: Mode = Mode.LIVE,
        software: Mapping[str, str] | None = None,
        codec: Codec = Codec.LZ4,
        roll_s: float = ROLL_S,
        roll_bytes: int = ROLL_BYTES,
        started_wall_ns: int | None = None,
        started_monotonic_ns: int | None = None,
        continues: str | None = None,
    ) -> None:
        self.folder = Path(folder)
        self._roll_s = roll_s
        self._roll_bytes = roll_bytes
        self._codec = codec
        self._case_id = str(uuid.uuid4())
        self._header = CaseHeader(
            format=records.FORMAT_VERSION,
            case_id=self._case_id,
            part=0,
            title=title,
            mode=mode,
            rig=rig,
            settings=settings,
            codec=codec,
            started_wall_ns=time.time_ns() if started_wall_ns is None else started_wall_ns,
            started_monotonic_ns=(
                time.monotonic_ns() if started_monotonic_ns is None else started_monotonic_ns
            ),
            software=dict(software_versions() if software is None else software),
            previous_link="",
            continues=continues,
        )
        self._incomplete: list[str] = []
        self._closed_parts: list[PartFile] = []
        self._closed_bytes = 0
        self._parts_begun = 0
        self._frames = dict.fromkeys(Role, 0)
        self._number = 0
        self._roll_because: str | None = None
        self._sync_lock = threading.Lock()
        self._retired: list[PartWriter] = []
        self._summary: CaseSummary | None = None
        self._opened_ns = time.monotonic_ns()
        self._lock_fd = self._take_folder()
        try:
            self._reserve()
            self._write_manifest(closed=False)
            self._link = chain.first_link(records.to_json(self._header))
            self._part = self._open_part()
        except OSError as error:
            self._leave_folder()
            raise self._failure("start the case", error) from None
        except BaseException:
            self._leave_folder()
            raise

    # -- what is recorded -------------------------------------------------------------------------

    def write_frame(self, role: Role, frame: Frame) -> None:
        """Record ``frame``; when this returns, it survives the death of the process.

        Raises
        ------
        RecordingError
            The frame is not in the case; what was there before still is.
        """
        header, payload = records.pack_frame(frame, self._codec)
        self._append(
            role.value,
            frame.host_time_ns,
            (header, payload),
            time_ns=frame.mid_exposure_ns,
            sequence=frame.sequence,
            epoch=frame.stream_epoch,
        )
        self._frames[role] += 1

    def write_gap(
        self, role: Role, first_sequence: int, count: int, epoch: int, reason: str
    ) -> None:
        """Record that frames are missing; the case is incomplete from now on, disk full or not."""
        self._incomplete.append(
            f"{role.value}: {count} frames from sequence {first_sequence} (epoch {epoch}) "
            f"missing: {reason}"
        )
        self._append_json(
            records.GAPS, records.GapRecord(role, first_sequence, count, epoch, reason)
        )

    def write_guidance(self, guidance: Guidance) -> None:
        """Record one computation: its pair, settings, detections and digest."""
        self._append_json(
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
    ) -> None:
        """Record one paint."""
        record = records.ShownRecord(
            generation, white_sequence, str(view), painted_ns, overlay_visible
        )
        self._append_json(records.SHOWN, record, painted_ns)

    def write_event(self, name: str, detail: str, time_ns: int) -> None:
        """Record an event, ``time_ns`` on the monotonic clock."""
        self._append_json(records.EVENTS, records.EventRecord(name, detail, time_ns), time_ns)

    def write_health(self, health: SessionHealth) -> None:
        """Record the health of everything around the guidance."""
        self._append_json(records.HEALTH, health)

    def write_snapshot(self, state: bytes) -> None:
        """Record the state of detector and tracker, from which a replay can begin."""
        self._append(records.SNAPSHOTS, time.monotonic_ns(), (state,))

    def attach(self, name: str, data: bytes, media_type: str) -> None:
        """Attach a file (rig, dark frame, ...) under the hash chain.

        Raises
        ------
        RecordingError
            Also for a name that is not a plain file name.
        """
        check_attachment_name(name)
        now = time.monotonic_ns()
        self._guarded(lambda: self._part.attach(name, media_type, data, now))
        self._append_json(
            records.ATTACHED,
            records.AttachedRecord(name, media_type, len(data), hashlib.sha256(data).hexdigest()),
            now,
        )

    def use_codec(self, codec: Codec, reason: str) -> None:
        """Change the codec of frames to come, and say so in the case."""
        if codec is not self._codec:
            self._codec = codec
            self.write_event("codec", f"{codec.value}: {reason}", time.monotonic_ns())

    # -- durability -------------------------------------------------------------------------------

    def sync(self) -> None:
        """Wait until all that was written survives power loss. Meant for a thread of its own.

        Raises
        ------
        RecordingError
            The medium refused. A page once refused is not tried again by the kernel, so the file
            is given up: the writer goes on in a new one, and the case counts as incomplete.
        """
        with self._sync_lock:
            retired, self._retired = self._retired, []
            part = self._part
            if self._summary is not None:
                return
            failure: OSError | None = None
            for old in retired:
                try:
                    old.sync()
                except OSError as error:
                    failure = error
                    self._lost_durability(old, error)
                finally:
                    old.release()
            try:
                part.sync()
            except OSError as error:
                failure = error
                self._lost_durability(part, error)
                self._roll_because = f"sync of {part.path.name} failed"
        if failure is not None:
            raise self._failure("make the recording durable", failure) from None

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
        failures: list[OSError] = []

        def attempt(action: Callable[[], object]) -> None:
            try:
                action()
            except OSError as error:
                failures.append(error)

        with self._sync_lock:
            with suppress(OSError):
                (self.folder / RESERVE).unlink()
            attempt(self._part.finish)
            for part in (*self._retired, self._part):
                attempt(part.sync)
                part.release()
            self._retired.clear()
            self._closed_parts.append(self._part.as_closed())
            if failures:
                self._incomplete.append(f"not closed cleanly: {failures[0].strerror}")
            self._summary = CaseSummary(
                folder=self.folder,
                frames=dict(self._frames),
                records=self._number,
                bytes_written=self.bytes_written,
                parts=len(self._closed_parts),
                head=self._link.hex(),
                complete=not self._incomplete,
                incomplete=tuple(self._incomplete),
            )
            attempt(lambda: self._write_manifest(closed=True))
            self._leave_folder()
        if failures:
            raise self._failure("close the case cleanly", failures[0]) from None
        return self._summary

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._incomplete.append(f"ended by an error: {error!r}"[:300])
            with suppress(RecordingError):  # the first error is the one to be told
                self.close()
        else:
            self.close()

    # -- how it goes ------------------------------------------------------------------------------

    @property
    def case_id(self) -> str:
        """Identity of this case."""
        return self._case_id

    @property
    def codec(self) -> Codec:
        """Codec of the next frame."""
        return self._codec

    @property
    def bytes_written(self) -> int:
        """Bytes in all parts."""
        return self._closed_bytes + self._part.size

    @property
    def frames(self) -> int:
        """Frames of both roles."""
        return sum(self._frames.values())

    @property
    def head(self) -> str:
        """The hash chain so far (hex)."""
        return self._link.hex()

    @property
    def incomplete(self) -> tuple[str, ...]:
        """Why this case will not count as complete; empty while it will."""
        return tuple(self._incomplete)

    def minutes_left(self, bytes_per_s: float | None = None) -> float | None:
        """Return how long the disk lasts at ``bytes_per_s``, or at the mean rate so far.

        None before anything was written.
        """
        elapsed_s = (time.monotonic_ns() - self._opened_ns) / 1e9
        rate = self.bytes_written / max(elapsed_s, 1e-9) if bytes_per_s is None else bytes_per_s
        if rate <= 0:
            return None
        try:
            disk = os.statvfs(self.folder)
        except OSError:
            return 0.0
        return disk.f_bavail * disk.f_frsize / rate / 60

    # -- inside -----------------------------------------------------------------------------------

    def _append_json(self, topic: str, record: object, time_ns: int | None = None) -> None:
        when = time.monotonic_ns() if time_ns is None else time_ns
        self._append(topic, when, (records.to_json(record),))

    def _append(
        self,
        topic: str,
        log_time_ns: int,
        pieces: tuple[bytes | memoryview, ...],
        *,
        time_ns: int | None = None,
        sequence: int = 0,
        epoch: int = 0,
    ) -> None:
        def put() -> None:
            number = self._number
            body_lead = mcap_format.message_body_lead(CHANNELS[topic], number, log_time_ns)
            link = next_link(self._link, body_lead, *pieces)
            self._part.append(
                body_lead=body_lead,
                pieces=pieces,
                link=link,
                time_ns=log_time_ns if time_ns is None else time_ns,
                sequence=sequence,
                epoch=epoch,
            )
            self._link = link
            self._number = number + 1

        self._guarded(put)

    def _guarded(self, write: Callable[[], None]) -> None:
        """Run ``write`` on the current part; begin another part where that can help."""
        if self._summary is not None:
            raise RecordingError(f"case {self.folder} is closed: start a new one")
        try:
            self._roll_if_due()
        except OSError as error:
            raise self._failure("begin a new part", error) from None
        try:
            write()
        except OSError as error:
            # A full disk is full for every file; a limit or a fault of one file may not be.
            if error.errno in (errno.ENOSPC, errno.EDQUOT) and not self._part.torn:
                raise self._failure("record", error) from None
            self._part.problem = f"write failed: {error.strerror}"
            self._roll_because = self._part.problem
            try:
                self._roll_if_due()
                write()
            except OSError as second:
                raise self._failure("record", second) from None

    def _roll_if_due(self) -> None:
        because = self._roll_because
        age_s = (time.monotonic_ns() - self._part_opened_ns) / 1e9
        if because is None and age_s < self._roll_s and self._part.size < self._roll_bytes:
            return
        old = self._part
        fresh = self._open_part()
        with suppress(OSError):  # only the index at its end is missing then: it can be remade
            old.finish()
        with self._sync_lock:
            self._closed_bytes += old.size
            self._closed_parts.append(old.as_closed())
            self._retired.append(old)
            self._part = fresh
            self._roll_because = None
        if because is not None:
            self.write_event("new-part", because, time.monotonic_ns())

    def _open_part(self) -> PartWriter:
        number = self._parts_begun
        header = records.to_json(
            self._header
            if number == 0
            else _with(self._header, number, self._codec, self._link.hex())
        )
        part = PartWriter(
            self.folder / part_name(number),
            header,
            self._codec.value,
            f"sln-guide {self._header.software.get('sln-guide', '')}".strip(),
            time.monotonic_ns(),
        )
        self._parts_begun = number + 1
        sync_folder(self.folder)
        self._part_opened_ns = time.monotonic_ns()
        return part

    def _lost_durability(self, part: PartWriter, error: OSError) -> None:
        part.problem = f"sync failed: {error.strerror}"
        self._incomplete.append(f"{part.path.name}: not safely on the disk: {error.strerror}")

    def _take_folder(self) -> int:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            inside = [p.name for p in self.folder.iterdir() if p.name != LOCK]
            if inside:
                raise RecordingError(
                    f"case {self.folder} already holds {sorted(inside)[0]}: choose another name"
                )
            fd = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise self._failure("make the case folder", error) from None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            raise RecordingError(
                f"case {self.folder} is being written by another recorder: choose another name"
            ) from None
        if any(p.name != LOCK for p in self.folder.iterdir()):
            os.close(fd)
            raise RecordingError(f"case {self.folder} is taken: choose another name")
        return fd

    def _leave_folder(self) -> None:
        with suppress(OSError):
            (self.folder / RESERVE).unlink()
        with suppress(OSError):
            (self.folder / LOCK).unlink()
        os.close(self._lock_fd)

    def _reserve(self) -> None:
        fd = os.open(self.folder / RESERVE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.posix_fallocate(fd, 0, RESERVE_BYTES)
        finally:
            os.close(fd)

    def _write_manifest(self, *, closed: bool) -> None:
        header = self._header
        manifest = Manifest(
            format=records.FORMAT_VERSION,
            case_id=self._case_id,
            title=header.title,
            mode=header.mode,
            closed=closed,
            started_wall_ns=header.started_wall_ns,
            started_monotonic_ns=header.started_monotonic_ns,
            software=header.software,
            continues=header.continues,
            frames={role.value: count for role, count in self._frames.items()},
            records=self._number,
            parts=tuple(self._closed_parts),
            chain_head=self._link.hex() if closed else None,
            incomplete=tuple(self._incomplete),
        )
        replace_file(self.folder / MANIFEST, records.to_json(manifest))

    def _failure(self, what: str, error: OSError) -> RecordingError:
        advice = {
            errno.ENOSPC: "the disk is full: free space or record elsewhere",
            errno.EDQUOT: "the disk quota is used up: free space or record elsewhere",
            errno.EFBIG: "the file size limit is reached: raise it or record elsewhere",
            errno.EROFS: "the disk is read-only: record elsewhere",
            errno.EACCES: "no permission to write there: choose another folder",
            errno.ENOENT: "the folder is gone: record elsewhere",
            errno.ENOTDIR: "part of the path is a file: choose another folder",
            errno.EEXIST: "a file of that name is in the way: choose another name",
        }.get(error.errno or 0, f"{error.strerror}: check the disk, or record elsewhere")
        return RecordingError(f"case {self.folder}: cannot {what}: {advice}")


def part_name(number: int) -> str:
    """Return the file name of part ``number``."""
    return f"part-{number:03d}.mcap"


def _with(header: CaseHeader, part: int, codec: Codec, link: str) -> CaseHeader:
    fields = {name: getattr(header, name) for name in header.__struct_fields__}
    return CaseHeader(**fields | {"part": part, "codec": codec, "previous_link": link})
