"""`Recorder`: takes what the live threads hand over and puts it on disk, on threads of its own."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hardware.frame import Frame
from hardware.realtime import Rank, go_first
from sln_guide.guidance import Role
from sln_guide.handoff import Backlog, Closed
from sln_guide.health import RecorderHealth
from sln_guide.live.drive import Answers, Space
from sln_guide.one_line import unexpected
from sln_guide.recording.effort import Effort
from sln_guide.recording.errors import RecordingError
from sln_guide.recording.heads import HEADS, note_head
from sln_guide.recording.preroll import KeptFrame
from sln_guide.recording.tape import PASSING
from sln_guide.recording.writer import CaseSummary, CaseWriter
from sln_guide.side_thread import SideThread

BACKLOG_BYTES = min(1 << 30, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 8)
"""Most memory that frames waiting for the disk may hold: 4.5 s of two 1280x1024 streams."""
MOST_RECORDS = 16_384
WAIT_S = 0.2
GATHER_S = 0.01
"""A pause after each write, so that what comes together is written together: each write, and each
wake-up, has to wait for the interpreter."""
MOST_TOGETHER = 32
TOGETHER_BYTES = 64 << 20
"""Pixels that may be written together: what is in a batch is in memory twice, and not yet safe."""
SYNC_EVERY_S = 0.5
SYNC_JOIN_S = 5.0
END_TIMEOUT_S = 120.0
"""So long the end waits for a drive that takes nothing; as long as it does, it is waited for."""
LOOK_S = 0.2


NEARLY_FULL = (
    "the disk is nearly full: the recording was closed cleanly. Free space, then record again"
)

CANNOT_KEEP_UP = (
    "the disk cannot keep up: frames are not recorded. "
    "Record to a faster disk or lower the frame rate"
)

Writing = Callable[[CaseWriter], None]
"""What the writing thread does with one record, such as ``lambda case: case.write_event(...)``."""


def no_answer(waited_s: float, unwritten: int) -> str:
    """Say that a case could not be closed because its drive has stopped answering."""
    lost = f"{unwritten} frames were not written, and " if unwritten else ""
    return (
        f"the drive has not answered for {waited_s:.0f} s: {lost}the case is not closed. Look at "
        "the drive, and record elsewhere; what was written is read by `sln-guide recover`"
    )


@dataclass(frozen=True, slots=True)
class _Refused:
    """Frames of one role that found no room since the last that did."""

    first_sequence: int
    count: int
    epoch: int


class Recorder:
    """One recording: a bounded backlog, a writing thread, a syncing thread. Used once.

    `put` and `put_frame` never wait and may be called from any thread. A frame that finds no room
    is refused and counted, and the gap is written into the case as soon as there is room.

    Raises
    ------
    RecordingError
        The system gives no threads; nothing has begun.
    """

    def __init__(self, folder: Path, open_writer: Callable[[], CaseWriter]) -> None:
        self.folder = folder
        self.started_ns = time.monotonic_ns()
        self._open_writer = open_writer
        self._backlog: Backlog[Writing] = Backlog(MOST_RECORDS)
        self._lock = threading.Lock()
        self._waiting = _Frames()
        self._waiting_kept = 0
        self._largest = 1
        """Bytes of the largest frame so far."""
        self._refused: dict[Role, _Refused] = {}
        self._left_out = 0
        """Records that are no frames and found no room since the last that did."""
        self._write_answers, self._sync_answers = Answers(), Answers()
        self._ended = False
        self._dropped = 0
        self._frames = 0
        self._bytes = 0
        self._minutes_left: float | None = None
        self._error: str | None = None
        self._unnoted: str | None = None
        self._summary: CaseSummary | None = None
        self._writer: CaseWriter | None = None
        self._taken = _Frames()
        self._taken_kept = 0
        self._ending = threading.Event()
        self._done = threading.Event()
        self._writing = threading.Thread(target=self._write_all, name="recorder", daemon=True)
        self._syncing = SideThread(
            "recorder-sync",
            self._sync_all,
            self._done,
            without="what was recorded last would not survive a power cut",
        )
        try:
            self._syncing.start()
            self._writing.start()
        except (RuntimeError, MemoryError) as error:
            self._done.set()
            raise RecordingError(
                f"there is no room for the recorder's threads ({error}): close other programs, "
                "then record again"
            ) from None

    @property
    def recording(self) -> bool:
        """Whether the writing thread still takes records or drains them."""
        return self._writing.is_alive()

    @property
    def ended(self) -> bool:
        """Whether nothing more is taken, though what waits may still be written."""
        return self._ended

    @property
    def summary(self) -> CaseSummary | None:
        """What was written; None until the case is closed."""
        return self._summary

    def put(self, write: Writing) -> bool:
        """Hand over a record that is no frame; False when there is no room: counted, and told."""
        with self._lock:
            if self._ended:
                return False
            if self._tell_left_out() and self._backlog.put(write):
                return True
            self._left_out += 1
            self._error = self._error or CANNOT_KEEP_UP
            return False

    def put_frame(self, role: Role, frame: Frame) -> bool:
        """Hand over a frame. False: refused, counted, and kept in mind as a gap.

        After the end nothing is taken, and nothing counted.
        """
        with self._lock:
            if self._ended:
                return False
            size = frame.pixels.nbytes
            self._largest = max(self._largest, size)
            if self._waiting.bytes + size <= BACKLOG_BYTES and self._tell_refused(role):
                if self._backlog.put(lambda case: self._write_frame(case, role, frame)):
                    self._waiting.add(1, size)
                    return True
            self._dropped += 1
            self._error = self._error or CANNOT_KEEP_UP
            before = self._refused.get(role)
            self._refused[role] = (
                _Refused(frame.sequence, 1, frame.stream_epoch)
                if before is None
                else _Refused(before.first_sequence, before.count + 1, before.epoch)
            )
            return False

    def put_kept(self, kept: KeptFrame) -> None:
        """Hand over a frame of the pre-roll, before any other. It takes no other frame's room."""
        with self._lock:
            if not self._ended and self._backlog.put(lambda case: self._write_kept(case, kept)):
                self._waiting_kept += 1

    def _tell_refused(self, role: Role) -> bool:
        """Put the gap of ``role``, if there is one, ahead of its next frame."""
        gap = self._refused.get(role)
        if gap is None:
            return True
        told = self._backlog.put(
            lambda case: case.write_gap(
                role, gap.first_sequence, gap.count, gap.epoch, "recorder backlog full"
            )
        )
        if told:
            del self._refused[role]
        return told

    def _tell_left_out(self) -> bool:
        """Say how many marks, paints and the like are missing, ahead of the next."""
        count = self._left_out
        if count and self._backlog.put(lambda case: case.write_left_out(count)):
            self._left_out = 0
        return self._left_out == 0

    def stop(self) -> None:
        """Take nothing more; what waits is still written, then the case is closed. No waiting."""
        with self._lock:
            for role in tuple(self._refused):
                self._tell_refused(role)
            self._tell_left_out()
            self._ended = True
        self._backlog.close()
        self._ending.set()

    def join(self, timeout_s: float = END_TIMEOUT_S) -> bool:
        """Wait until the case is closed; False, and told, if the drive takes nothing so long."""
        waited_s, taken = 0.0, self._taken_so_far()
        while self._writing.is_alive() and waited_s < timeout_s:
            self._writing.join(LOOK_S)
            now_taken = self._taken_so_far()
            waited_s = waited_s + LOOK_S if now_taken == taken else 0.0
            taken = now_taken
        self._syncing.join(1.0)
        if not self._writing.is_alive():
            return True
        with self._lock:
            self._error = no_answer(timeout_s, self._waiting.count + self._waiting_kept)
        return False

    def _taken_so_far(self) -> tuple[int, int]:
        with self._lock:
            return self._bytes, self._waiting.count + self._waiting_kept

    def health(self) -> RecorderHealth:
        """Return what the screen should say."""
        with self._lock:
            return RecorderHealth(
                recording=self._writing.is_alive(),
                case_name=self.folder.name,
                started_ns=self.started_ns,
                frames=self._frames,
                bytes_written=self._bytes,
                unsaved=self._waiting.count + self._waiting_kept,
                dropped=self._dropped,
                minutes_left=self._minutes_left,
                error=self._error or self._unnoted or self._syncing.trouble,
                head=None if self._summary is None else self._summary.head,
                silent_s=self._write_answers.awaited_s,
                unsynced_s=self._sync_answers.awaited_s,
            )

    def _write_all(self) -> None:
        go_first(Rank.PICTURE)
        try:
            with self._write_answers.awaited():
                self._writer = writer = self._open_writer()
            # a case that goes on keeps its clock
            self.started_ns = min(self.started_ns, writer.started_ns)
            try:
                with writer:  # an error that ends it stands in the case: it is not complete then
                    try:
                        self._drain(writer)
                    finally:
                        self._done.set()
                        self._syncing.join(SYNC_JOIN_S)
            finally:
                with self._write_answers.awaited():
                    self._summary = writer.close()
                    self._note_head(self._summary)
        except RecordingError as error:
            # what ended it first says more than that it could not be closed then, if it is true
            first = self._error if self._ended and self._error != NEARLY_FULL else None
            self._give_up(first or str(error))
        except BaseException as error:
            self._give_up(f"recording failed: {unexpected(error)}")
            raise
        finally:
            self._done.set()
            with self._lock:  # what still waits will not be written
                self._dropped += self._waiting.count + self._waiting_kept
                self._waiting, self._waiting_kept = _Frames(), 0

    def _note_head(self, summary: CaseSummary) -> None:
        try:
            note_head(summary)
        except OSError as error:
            with self._lock:
                self._unnoted = (
                    f"the head of the case could not be noted in {HEADS} "
                    f"({error.strerror or error}): note it from `sln-guide verify`"
                )

    def _drain(self, writer: CaseWriter) -> None:
        """Write what comes until the end; what waits when the disk gets full is still written."""
        space = Space(self.folder)
        effort = Effort(writer.codec, BACKLOG_BYTES)
        while True:
            try:
                most = max(1, min(MOST_TOGETHER, TOGETHER_BYTES // self._largest))
                writes = self._backlog.take_some(most, WAIT_S)
            except Closed:
                return
            if writes:
                with self._write_answers.awaited():
                    compressing_s, writing_s = self._write_together(writer, writes)
                now_s, waiting = time.monotonic(), self._waiting.bytes
                writer.use_codec(*effort.choose(now_s, waiting, compressing_s, writing_s))
            waiting_bytes = self._waiting.bytes
            try:
                with self._write_answers.awaited():
                    self._minutes_left = space.minutes_left(writer.bytes_written, waiting_bytes)
            except OSError as error:
                self._minutes_left = None
                if not self._ended and error.errno not in PASSING:  # else writing will tell
                    self._give_up(
                        f"the folder of {self.folder.name} cannot be reached any more "
                        f"({error.strerror or error}): moved, renamed, deleted, or its disk "
                        "unplugged. What was written is in it, wherever that is; record again"
                    )
            if space.nearly_full and not self._ended:
                self._give_up(NEARLY_FULL)
            if len(writes) < most:
                self._ending.wait(GATHER_S)

    def _write_together(self, writer: CaseWriter, writes: list[Writing]) -> tuple[float, float]:
        """Write all of ``writes`` at once; return seconds spent compressing and writing."""
        # Frames count as waiting until they are with the kernel: only then they survive a crash.
        before = writer.frames
        taken = self._taken = _Frames()
        self._taken_kept = 0
        begin_s = packed_s = time.monotonic()
        try:
            with writer.together():
                for write in writes:
                    self._write(writer, write)
                packed_s = time.monotonic()
        finally:
            written = writer.frames - before
            with self._lock:
                self._waiting.add(-taken.count, -taken.bytes)
                self._waiting_kept -= self._taken_kept
                self._frames += written
                self._dropped += taken.count + self._taken_kept - written
                self._bytes = writer.bytes_written
                self._error = self._error or writer.refusal
        return packed_s - begin_s, time.monotonic() - packed_s

    def _write(self, case: CaseWriter, write: Writing) -> None:
        try:
            write(case)
        except RecordingError:
            raise
        except Exception as error:  # noqa: BLE001 - one record that cannot be written down must
            # not cost the frames behind it; it is told, and the guidance can be computed again
            with self._lock:
                self._error = f"a record was left out: {unexpected(error)}"

    def _write_frame(self, case: CaseWriter, role: Role, frame: Frame) -> None:
        self._taken.add(1, frame.pixels.nbytes)
        case.write_frame(role, frame)

    def _write_kept(self, case: CaseWriter, kept: KeptFrame) -> None:
        self._taken_kept += 1
        kept.write_into(case)

    def _give_up(self, message: str) -> None:
        with self._lock:
            self._error = message
            self._ended = True
        self._backlog.close()
        self._ending.set()

    def _sync_all(self) -> None:
        while not self._done.wait(SYNC_EVERY_S):
            writer = self._writer
            if writer is None:
                continue
            try:
                with self._sync_answers.awaited():
                    writer.sync()
            except RecordingError as error:
                with self._lock:
                    self._error = str(error)


@dataclass(slots=True)
class _Frames:
    """So many frames, of so many bytes of pixels."""

    count: int = 0
    bytes: int = 0

    def add(self, count: int, size: int) -> None:
        """Count more, or fewer."""
        self.count += count
        self.bytes += size
