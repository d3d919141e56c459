"""`Recordings`: the cases of one session, one after another, and the seconds before each."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from hardware.frame import Frame
from hardware.rig import Rig
from sln_guide.guidance import Mode, NextNumbers, Role, Settings
from sln_guide.health import RecorderHealth
from sln_guide.live.recorder import Recorder, Writing
from sln_guide.recording.description import CaseDescription
from sln_guide.recording.errors import RecordingError
from sln_guide.recording.interrupted import Interrupted, find_interrupted
from sln_guide.recording.preroll import PreRoll
from sln_guide.recording.reader import CaseReader
from sln_guide.recording.recovering import index_missing
from sln_guide.recording.writer import CaseWriter

PRE_ROLL_BYTES = 1 << 30


class Recordings:
    """Takes frames and records; keeps the last seconds while nothing is being recorded.

    All methods may be called from any thread. A frame goes either into the running case or into
    the pre-roll: none falls between them when a recording begins, and no camera waits meanwhile for
    the disk.
    """

    def __init__(self, cases: Path, rig: Rig, mode: Mode) -> None:
        self._cases = cases
        self._rig = rig
        self._mode = mode
        self._beginning = threading.Lock()
        """Held while a case begins, or ends: one cut short is looked for on the disk meanwhile."""
        self._lock = threading.Lock()
        """Held while frames change over to another recorder: camera threads wait for it."""
        self._recorder: Recorder | None = None
        self._own: set[Path] = set()
        """Cases that this session began, or went on with."""
        self.numbering = False
        """Whether the running case is another session's, of which it is not yet known how it
        numbered its nodes."""
        self.numbers: NextNumbers | None = None
        """What comes behind its numbers, once that is known."""
        self._pre_roll: PreRoll | None = None
        if rig.pre_roll_s > 0:
            quality = rig.recording.white_jpeg_quality
            self._pre_roll = PreRoll(rig.pre_roll_s, PRE_ROLL_BYTES, quality)

    def use(self, rig: Rig) -> None:
        """Write another rig into the cases that begin from now on."""
        with self._beginning:
            self._rig = rig

    @property
    def recording(self) -> bool:
        """Whether a case is being written."""
        recorder = self._recorder
        return recorder is not None and recorder.recording

    @property
    def title(self) -> str | None:
        """Name of the running case."""
        recorder = self._recorder
        return recorder.folder.stem if recorder is not None and recorder.recording else None

    def put_frame(self, role: Role, frame: Frame, lost: int) -> None:
        """Take ``frame``, before which the camera lost so many."""
        with self._lock:
            recorder = self._recorder
            if recorder is None or recorder.ended:
                if self._pre_roll is not None:
                    self._pre_roll.put_frame(role, frame)
                return
            if lost:
                recorder.put(_gap(role, frame.sequence - lost, lost, frame.stream_epoch))
            recorder.put_frame(role, frame)

    def put_lost(self, role: Role, first_sequence: int, count: int, epoch: int) -> None:
        """Take note of frames that the camera lost after its last; for the running case only."""
        self.put(_gap(role, first_sequence, count, epoch))

    def put(self, write: Writing) -> None:
        """Take a record that is no frame; it is for the running case only."""
        recorder = self._recorder
        if recorder is not None:
            recorder.put(write)

    def start(self, settings: Settings, first: Iterable[Writing] = ()) -> Path:
        """Begin a case, or go on with one cut short a moment ago; return its folder at once.

        ``first`` are records that come before the kept frames. Faults show in `health`.

        Raises
        ------
        RecordingError
            While a case is running.
        """
        with self._beginning:
            if self._recorder is not None and self._recorder.recording:
                raise RecordingError("already recording: stop the running case first")
            return self._start(settings, first, find_interrupted(self._cases, self._rig))

    def continue_interrupted(
        self, settings: Settings, first: Iterable[Writing] = ()
    ) -> Path | None:
        """Go on recording if a recorder died a moment ago; return the case, None if none did."""
        with self._beginning:
            if self._recorder is not None:
                return None
            interrupted = find_interrupted(self._cases, self._rig)
            return None if interrupted is None else self._start(settings, first, interrupted)

    def stop(self) -> None:
        """End the case; what waits is still written. Returns at once: `health` says when."""
        with self._beginning, self._lock:
            if self._recorder is not None:
                self._recorder.stop()

    def close(self) -> None:
        """Stop, wait until the case is closed, and keep nothing more. Idempotent."""
        self.stop()
        if self._recorder is not None:
            self._recorder.join()
        if self._pre_roll is not None:
            self._pre_roll.close()

    def health(self) -> RecorderHealth:
        """Return what the screen should say."""
        recorder = self._recorder
        return RecorderHealth() if recorder is None else recorder.health()

    def _start(
        self, settings: Settings, first: Iterable[Writing], interrupted: Interrupted | None
    ) -> Path:
        self.numbering, self.numbers = False, None
        if interrupted is not None:
            self.numbering = interrupted.folder not in self._own
        folder, open_writer = self._opener(settings, interrupted)
        try:
            recorder = Recorder(folder, open_writer)
        except RecordingError:
            with suppress(OSError):  # one that goes on holds something
                folder.rmdir()
            raise
        self._own.add(folder)
        for write in first:
            recorder.put(write)
        with self._lock:
            if self._pre_roll is not None:
                for kept in self._pre_roll.hand_over():
                    recorder.put_kept(kept)
            self._recorder = recorder
        return folder

    def _opener(
        self, settings: Settings, interrupted: Interrupted | None
    ) -> tuple[Path, Callable[[], CaseWriter]]:
        if interrupted is not None and interrupted.same_boot:
            before = interrupted.folder

            def resume() -> CaseWriter:
                case = CaseWriter.resume(before)
                self._look_up_numbers(before)
                return case

            return before, resume
        folder = self._new_folder()

        def begin() -> CaseWriter:  # in the recorder's thread: behind the live picture
            case = CaseWriter(
                folder,
                CaseDescription(
                    rig=self._rig,
                    settings=settings,
                    title=folder.stem,
                    mode=self._mode,
                    continues=None if interrupted is None else interrupted.case_id,
                ),
            )
            if interrupted is not None:
                try:
                    index_missing(interrupted.folder)
                except RecordingError as error:
                    case.write_event("not indexed", str(error), time.monotonic_ns())
                self._look_up_numbers(interrupted.folder)
            return case

        return folder, begin

    def _look_up_numbers(self, folder: Path) -> None:
        """Look up how nodes were numbered; in the recorder's thread, behind the live picture."""
        if not self.numbering:
            return
        try:
            with CaseReader(folder) as case:
                self.numbers = case.numbers_given()
        except (RecordingError, OSError):  # what cannot be read is told by whoever opens the case
            self.numbers = NextNumbers()

    def _new_folder(self) -> Path:
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
        folder, number = self._cases / f"{stamp}.case", 2
        while True:
            try:
                folder.mkdir(parents=True)  # whoever records beside us takes another name
            except FileExistsError:
                if not os.path.lexists(folder):  # it is the folder of cases that is no folder
                    return folder
                folder = self._cases / f"{stamp}-{number}.case"
                number += 1
            except OSError:
                return folder  # whoever opens the case says what is wrong
            else:
                return folder


def _gap(role: Role, first_sequence: int, count: int, epoch: int) -> Writing:
    return lambda case: case.write_gap(role, first_sequence, count, epoch, "lost by the camera")
