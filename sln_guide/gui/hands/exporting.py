"""`CaseExport`: exports a case in a process of its own, so that neither window nor replay waits."""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sln_guide.terminal import ENDING, hear_signals, signals_wait

if TYPE_CHECKING:
    from sln_guide.export.wish import Wish
    from sln_guide.recording.reader import CaseReader

END_S = 2.0


class Told(NamedTuple):
    """What an export has come to: done of all; or ``text``, and whether that is bad news."""

    done: int
    total: int
    text: str = ""
    failed: bool = False

    @property
    def ended(self) -> bool:
        """Whether nothing more will be told."""
        return bool(self.text)


class CaseExport:
    """One export, begun at once. All methods return at once, save `give_up` (bounded).

    Parameters
    ----------
    case
        Its folder.
    wish
        What is to be made; its times count from where the replay begins. It appears whole or not
        at all.
    """

    def __init__(self, case: Path, wish: Wish) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._hears, tells = spawn.Pipe(duplex=False)
        self._process: BaseProcess = spawn.Process(
            target=_export, args=(tells, case, wish), name="sln-guide export"
        )
        with signals_wait():
            self._process.start()
        tells.close()
        self._told = Told(0, 0)

    def told(self) -> Told:
        """Return the newest that was told."""
        while not self._told.ended and self._hears.poll():
            try:
                self._told = self._hears.recv()
            except (EOFError, OSError):
                self._told = Told(0, 0, "Not exported: its process ended unexpectedly", True)
        return self._told

    def give_up(self) -> None:
        """End it: what is half made is taken away. Idempotent."""
        if self._process.is_alive():
            self._process.terminate()
            self._process.join(END_S)
            if self._process.is_alive():
                self._process.kill()
        self._process.join()
        self._hears.close()


def _export(tells: Connection, case: Path, wish: Wish) -> None:
    """Export, and tell; in the other process."""
    try:
        _answer_signals(_interrupt)
        hear_signals()
        told = Told(0, 0, *_exported(tells, case, wish))
        # who hears it ends this process, maybe amid Python's own end: nothing is left to be done
        _answer_signals(signal.SIG_DFL)
        tells.send(told)
    except (KeyboardInterrupt, OSError):
        return  # given up, or nobody listens any more


def _interrupt(*_: object) -> None:
    _answer_signals(signal.SIG_IGN)  # once is enough: what is half made is being taken away
    raise KeyboardInterrupt


def _answer_signals(how: Callable[..., None] | signal.Handlers) -> None:
    for number in (signal.SIGINT, *ENDING):
        signal.signal(number, how)


def _exported(tells: Connection, case: Path, wish: Wish) -> tuple[str, bool]:
    import os

    from sln_guide.export.folder import ExportError
    from sln_guide.export.fulfilling import fulfil
    from sln_guide.recording.errors import RecordingError
    from sln_guide.recording.reader import CaseReader

    if sys.platform == "linux":
        os.nice(10)  # the replay goes first
    try:
        with CaseReader(case) as read:
            outcome = fulfil(
                read,
                _from_nir(read, wish),
                lambda done, total: tells.send(Told(done, total)),
            )
    except (ExportError, RecordingError) as error:
        return f"Not exported: {error}", True
    unread = "" if outcome.complete else " · not all frames could be read"
    return f"Exported: {wish.out}{unread}", not outcome.complete


def _from_nir(case: CaseReader, wish: Wish) -> Wish:
    """Count the wish's times from the first NIR frame instead of from the first of any."""
    from sln_guide.export.wish import Span
    from sln_guide.guidance import Role

    times_ns = case.times_ns(Role.NIR)
    moments = tuple(case.moments())
    if len(times_ns) == 0 or not moments:
        return wish
    later_s = (int(times_ns[0]) - case.moment_ns(*moments[0])) / 1e9
    return replace(
        wish,
        span=Span(wish.span.begin_s - later_s, wish.span.end_s - later_s),
        times_s=tuple(time_s - later_s for time_s in wish.times_s),
    )
