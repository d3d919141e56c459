"""`Tape`: the parts of a case as one endless file that is only ever appended to."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from sln_guide.recording import mcap_format, records
from sln_guide.recording.chain import head_of
from sln_guide.recording.errors import RecordingError
from sln_guide.recording.folder import failure, part_name
from sln_guide.recording.part import PartWriter, sync_folder
from sln_guide.recording.records import CHANNELS, CaseHeader, PartFile

MOST_FULL = 4
"""Full parts that may wait for `Tape.sync` to finish them."""


class Tape:
    """Appends chained records, and begins a new part when one is full, old, or refused.

    One thread at a time, save `sync`, which has a thread of its own.

    Parameters
    ----------
    header
        Of the first part; those after it get one like it.
    link, number, next_part
        Where the chain stands, and which record and part come next.
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
        link: bytes,
        number: int,
        next_part: int,
        roll_s: float,
        roll_bytes: int,
    ) -> None:
        self._folder = folder
        self._header = header
        self._roll_s, self._roll_bytes = roll_s, roll_bytes
        self._next_part = next_part
        self.link = link
        self.number = number
        self.codec = header.codec
        self.parts: list[PartFile] = []
        self.doubts: list[str] = []
        self._full: list[PartWriter] = []
        self._full_bytes = 0
        self._roll_because: str | None = None
        self._exchange = threading.Lock()
        """Guards the parts that `sync` and the writing thread share; held briefly."""
        self._syncing = threading.Lock()
        """Held for as long as a sync takes, so that `close` pulls no file from under it."""
        self._closed = False
        self._part = self._open_part(None)

    @property
    def size(self) -> int:
        """Bytes appended."""
        return self._full_bytes + self._part.size

    @property
    def head(self) -> bytes:
        """Head of the case as it stands."""
        return head_of(self.link, self._part.data_sha256())

    def append(
        self,
        topic: str,
        log_time_ns: int,
        pieces: tuple[bytes | memoryview, ...],
        *,
        time_ns: int | None = None,
        sequence: int = 0,
        epoch: int = 0,
    ) -> None:
        """Append one record; when this returns it survives the death of the process.

        ``pieces`` are its data, in full but for pixels, and then the pixels of a frame.

        Raises
        ------
        RecordingError
            It is not on the tape; what was there before still is.
        """
        when = log_time_ns if time_ns is None else time_ns
        self._guarded(lambda: self._put(topic, log_time_ns, pieces, when, sequence, epoch))

    def append_json(self, topic: str, record: object, time_ns: int | None = None) -> None:
        """Append ``record`` as JSON, at ``time_ns`` or now. Raises as `append`."""
        when = time.monotonic_ns() if time_ns is None else time_ns
        self.append(topic, when, (records.to_json(record),))

    def attach(self, name: str, media_type: str, data: bytes) -> None:
        """Append an attachment, which the chain does not cover. Raises as `append`."""
        now = time.monotonic_ns()
        self._guarded(lambda: self._part.attach(name, media_type, data, now))

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

    def _put(
        self,
        topic: str,
        log_time_ns: int,
        pieces: tuple[bytes | memoryview, ...],
        time_ns: int,
        sequence: int,
        epoch: int,
    ) -> None:
        body_lead = mcap_format.message_body_lead(CHANNELS[topic], self.number, log_time_ns)
        self.link = self._part.append(
            body_lead=body_lead,
            pieces=pieces,
            link=self.link,
            time_ns=time_ns,
            sequence=sequence,
            epoch=epoch,
        )
        self.number += 1

    def _guarded(self, write: Callable[[], None]) -> None:
        """Run ``write`` on the current part; begin another part where that can help."""
        if self._closed:
            raise RecordingError(f"case {self._folder} is closed: start a new one")
        try:
            self._roll_if_due()
        except OSError as error:
            raise failure(self._folder, "begin a new part", error) from None
        try:
            write()
        except OSError as error:
            # A full disk is full for every file; a limit or a fault of one file may not be.
            if error.errno in (errno.ENOSPC, errno.EDQUOT) and not self._part.torn:
                raise failure(self._folder, "record", error) from None
            self._part.problem = f"write failed: {error.strerror}"
            with self._exchange:
                self._roll_because = f"{self._part.path.name}: {self._part.problem}"
            try:
                self._roll_if_due()
                write()
            except OSError as second:
                raise failure(self._folder, "record", second) from None

    def _roll_if_due(self) -> None:
        because = self._roll_because
        age_s = (time.monotonic_ns() - self._part_opened_ns) / 1e9
        if because is None and age_s < self._roll_s and self._part.size < self._roll_bytes:
            return
        fresh = self._open_part(self._part)
        with self._exchange:
            self._full.append(self._part)
            self._full_bytes += self._part.size
            self._part = fresh
            self._roll_because = None
            overdue = self._full if len(self._full) > MOST_FULL else []
            self._full = [] if overdue else self._full
        self._finish(overdue)
        if because is not None:
            now = time.monotonic_ns()
            event = records.to_json(records.EventRecord("new-part", because, now))
            self._put(records.EVENTS, now, (event,), now, 0, 0)

    def _open_part(self, before: PartWriter | None) -> PartWriter:
        number = self._next_part
        header = self._header
        if number:
            header = msgspec.structs.replace(
                header,
                part=number,
                codec=self.codec,
                previous_link=self.link.hex(),
                previous_sha256=None if before is None else before.data_sha256().hex(),
            )
        path = self._folder / part_name(number)
        part = PartWriter(path, header, time.monotonic_ns())
        self._next_part = number + 1
        sync_folder(self._folder)
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
