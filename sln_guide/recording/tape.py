"""`Tape`: the parts of a case as one endless file that is only ever appended to."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from sln_guide.recording import records
from sln_guide.recording.errors import RecordingError
from sln_guide.recording.folder import failure, part_name
from sln_guide.recording.part import Entry, PartWriter
from sln_guide.recording.records import FRAME_TOPICS, CaseHeader, PartFile
from sln_guide.whole_file import sync_folder

FULL = (errno.ENOSPC, errno.EDQUOT)
PASSING = (
    errno.EIO,
    errno.EREMOTEIO,
    errno.ETIMEDOUT,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
    errno.ENETDOWN,
    errno.ENETUNREACH,
)
"""What a drive or network disk may answer for a moment, and then be well again."""
PATIENCE_S = 10.0
"""So long a drive that answers so is tried again. Memory takes frames for half of it at least."""
AGAIN_AFTER_S = 0.2
ROLL_AGAIN_S = 2.0
"""A new part that could not be begun is tried again so much later; the one in use goes on."""
ROLL_LEEWAY_BYTES = 200_000_000
"""What a part may grow beyond its size meanwhile: 4 GB and this are under 4 GiB."""
MOST_FULL = 4
"""Full parts that may wait for `Tape.sync` to finish them."""


class Tape:
    """Appends chained records, and begins a new part when one is full, old, or refused.

    One thread at a time, save `sync`, which has a thread of its own.

    Parameters
    ----------
    header
        Of the part to begin with; those after it get one like it.
    number, next_part
        Which record and part come next.
    roll_s, roll_bytes
        A new part begins after so long or so much.

    Raises
    ------
    OSError
        From the constructor, when the first part cannot be begun.
    """

    def __init__(
        self,
        folder: Path,
        header: CaseHeader,
        *,
        number: int,
        next_part: int,
        roll_s: float,
        roll_bytes: int,
    ) -> None:
        self._folder = folder
        self._header = header
        self._roll_s, self._roll_bytes = roll_s, roll_bytes
        self._next_part = next_part
        self.number = number
        self.frames = dict.fromkeys(FRAME_TOPICS, 0)
        self.codec = header.codec
        self.parts: list[PartFile] = []
        self.doubts: list[str] = []
        self.refusal: str | None = None
        """That the drive refused for a moment, and what to do; None while it never did."""
        self._roll_not_before_s = 0.0
        """When a new part may be tried again after one that could not be begun (monotonic)."""
        self._begun: Path | None = None
        """The newest part, maybe refused at its very beginning."""
        self._full: list[PartWriter] = []
        self._full_bytes = 0
        self._roll_because: str | None = None
        self._exchange = threading.Lock()
        """Guards the parts that `sync` and the writing thread share; held briefly."""
        self._syncing = threading.Lock()
        """Held for as long as a sync takes, so that `close` pulls no file from under it."""
        self._closed = False
        self._together = False
        self._waiting: list[Entry] = []
        self._part = self._open_part(header)
        self.link = self._part.first_link
        """Link of the last record: the head of the chain."""

    @property
    def size(self) -> int:
        """Bytes appended."""
        return self._full_bytes + self._part.size

    def append(self, entry: Entry) -> None:
        """Append one record; when this returns it survives the death of the process.

        Raises
        ------
        RecordingError
            It is not on the tape; what was there before still is.
        """
        self._waiting.append(entry)
        if not self._together:
            self._write_waiting()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Hand all that is appended inside to the kernel at once, when the block is left.

        Only then does it survive the death of the process.

        Raises
        ------
        RecordingError
            Not all of it is on the tape: nothing, or of a full disk as many records as it took.
            What was there before still is.
        """
        self._together = True
        try:
            yield
        finally:
            self._together = False
            self._write_waiting()

    def append_json(self, topic: str, record: object, time_ns: int | None = None) -> None:
        """Append ``record`` as JSON, at ``time_ns`` or now. Raises as `append`."""
        when = time.monotonic_ns() if time_ns is None else time_ns
        self.append(Entry(topic, when, (records.to_json(record),), when))

    def attach(self, name: str, media_type: str, data: bytes, time_ns: int) -> None:
        """Append an attachment, which the chain does not cover. Raises as `append`."""
        self._write_waiting()
        self._guarded(lambda: self._part.attach(name, media_type, data, time_ns))

    def sync(self) -> bool:
        """Wait until all that was appended is on the medium; finish full parts.

        Returns whether any part was finished. After `close` it does nothing.

        Raises
        ------
        OSError
            The medium refused. A page once refused is not tried again by the kernel, so the part
            is given up: the next record begins a new one.
        """
        with self._syncing:
            if self._closed:
                return False
            with self._exchange:
                full, self._full = self._full, []
                part = self._part
            error = self._finish(full)
            try:
                part.sync()
            except OSError as refused:
                error = refused
                self._doubt(part, refused)
                with self._exchange:
                    self._roll_because = f"sync of {part.path.name} failed: {refused.strerror}"
        if error is not None:
            raise error
        return bool(full)

    def close(self) -> None:
        """Finish every part and let go of the files. Idempotent.

        Raises
        ------
        OSError
            Some part could not be finished; what was appended to it is still readable.
        """
        with self._syncing:
            if self._closed:
                return
            self._closed = True
            self._full_bytes, full = self.size, [*self._full, self._part]
            self._full = []
            error = self._finish(full)
            self.parts.sort(key=lambda part: part.name)
            self._full_bytes = sum(part.size for part in self.parts) - self._part.size
        if error is not None:
            raise error

    # -- inside ----------------------------------------------------------------------------------

    def _write_waiting(self) -> None:
        entries, self._waiting = self._waiting, []
        if entries:
            self._guarded(lambda: self._put(entries))

    def _put(self, entries: list[Entry]) -> None:
        """Write ``entries`` and take them from the list; on a full disk as many as fit."""
        try:
            self._put_first(len(entries), entries)
        except OSError as error:
            if error.errno not in FULL or self._part.torn or len(entries) == 1:
                raise
            while entries:
                self._put_first(1, entries)

    def _put_first(self, count: int, entries: list[Entry]) -> None:
        first = entries[:count]
        self.link = self._part.append(first, self.number, self.link)
        self.number += count
        for entry in first:
            if entry.topic in self.frames:
                self.frames[entry.topic] += 1
        del entries[:count]

    def _guarded(self, write: Callable[[], None]) -> None:
        """Run ``write`` on the current part; begin another part, or wait, where that can help."""
        if self._closed:
            raise RecordingError(f"case {self._folder} is closed: start a new one")
        began_s = time.monotonic()
        refused: OSError | None = None
        while True:
            doing = "begin a new part"
            try:
                self._roll_if_due()
                doing = "record"
                write()
            except OSError as error:
                # A full disk is full for every file; a limit or a fault of one file may not be.
                full = error.errno in FULL and not self._part.torn
                another_file = doing == "record" and refused is None
                waited_s = time.monotonic() - began_s
                passing = error.errno in PASSING and waited_s < PATIENCE_S
                if full or not (another_file or passing):
                    raise failure(self._folder, doing, error) from None
                if doing == "record" or self._part.torn:
                    self._leave_part(error)
                if not another_file:
                    time.sleep(AGAIN_AFTER_S)
                refused = error
            else:
                if refused is not None and refused.errno in PASSING:
                    self.refusal = (
                        f"its drive refused to write for {time.monotonic() - began_s:.1f} s "
                        f"({refused.strerror}) and takes it again, in {self._part.path.name}: look "
                        "at the drive, or record elsewhere"
                    )
                return

    def _leave_part(self, error: OSError) -> None:
        self._part.problem = f"write failed: {error.strerror}"
        with self._exchange:
            self._roll_because = f"{self._part.path.name}: {self._part.problem}"

    def _roll_if_due(self) -> None:
        because = self._roll_because
        if because is None and not self._is_full_or_old():
            return
        try:
            fresh = self._open_part(
                msgspec.structs.replace(
                    self._header,
                    part=self._next_part,
                    codec=self.codec,
                    previous_link=self.link.hex(),
                )
            )
        except OSError as error:
            # No room for another file may be room in this one, which nothing is wrong with.
            if because is not None or self._outgrown:
                raise
            self._roll_not_before_s = time.monotonic() + ROLL_AGAIN_S
            self.refusal = (
                f"no new part could be begun ({error.strerror}): it goes on in "
                f"{self._part.path.name}; look at the drive, or record elsewhere"
            )
            return
        self.link = fresh.first_link
        with self._exchange:
            self._full.append(self._part)
            self._full_bytes += self._part.size
            self._part = fresh
            self._roll_because = None
            overdue = self._full if len(self._full) > MOST_FULL else []
            self._full = [] if overdue else self._full
        self._finish(overdue)
        if because is not None:
            now_ns = time.monotonic_ns()
            event = records.to_json(records.EventRecord("new-part", because, now_ns))
            self._put([Entry(records.EVENTS, now_ns, (event,), now_ns)])

    @property
    def _outgrown(self) -> bool:
        """Whether the part in use must not grow any more."""
        return self._part.size >= self._roll_bytes + ROLL_LEEWAY_BYTES

    def _is_full_or_old(self) -> bool:
        """Return whether the part in use has what a part may have, and the next may be tried."""
        if time.monotonic() < self._roll_not_before_s:
            return self._outgrown
        age_s = (time.monotonic_ns() - self._part_opened_ns) / 1e9
        return age_s >= self._roll_s or self._part.size >= self._roll_bytes

    def _open_part(self, header: CaseHeader) -> PartWriter:
        path = self._folder / part_name(self._next_part)
        if self._begun == path:  # and could not be taken away then
            path.unlink(missing_ok=True)
        self._begun = path
        part = PartWriter(path, header)
        try:
            sync_folder(self._folder)
        except OSError:
            part.release()
            with suppress(OSError):
                path.unlink()
            raise
        self._next_part += 1
        self._part_opened_ns = time.monotonic_ns()
        return part

    def _finish(self, parts: list[PartWriter]) -> OSError | None:
        """Finish, sync and release ``parts``; note each; return the last error."""
        failed: OSError | None = None
        for part in parts:
            try:
                part.finish()
                part.sync()
            except OSError as error:
                failed = error
                self._doubt(part, error)
            part.release()
            self.parts.append(part.as_closed())
        return failed

    def _doubt(self, part: PartWriter, error: OSError) -> None:
        part.problem = part.problem or f"not safely on the disk: {error.strerror}"
        self.doubts.append(f"{part.path.name}: not safely on the disk: {error.strerror}")
