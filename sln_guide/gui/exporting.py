"""`FilmExport`: films a case in a process of its own, so that neither window nor replay waits."""

from __future__ import annotations

import multiprocessing
import signal
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

from sln_guide.guidance import Settings

END_S = 2.0


class Told(NamedTuple):
    """What a film has come to: done of all frames; or ``text``, and whether that is bad news."""

    done: int
    total: int
    text: str = ""
    failed: bool = False

    @property
    def ended(self) -> bool:
        """Whether nothing more will be told."""
        return bool(self.text)


class FilmExport:
    """One film, begun at once. All methods return at once, save `give_up` (bounded).

    Parameters
    ----------
    case
        Its folder.
    path
        The film's file; appears whole or not at all.
    layout
        A name of `sln_guide.export.overlay.Layout`.
    settings
        What the overlay is drawn and called with.
    """

    def __init__(self, case: Path, path: Path, layout: str, settings: Settings) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._hears, tells = spawn.Pipe(duplex=False)
        self._process: BaseProcess = spawn.Process(
            target=_film, args=(tells, case, path, layout, settings), name="sln-guide film"
        )
        self._process.start()
        tells.close()
        self._told = Told(0, 0)

    def told(self) -> Told:
        """Return the newest that was told."""
        while not self._told.ended and self._hears.poll():
            try:
                self._told = self._hears.recv()
            except (EOFError, OSError):
                self._told = Told(0, 0, "Film not exported: its process ended unexpectedly", True)
        return self._told

    def give_up(self) -> None:
        """End it: a film half made is taken away. Idempotent."""
        if self._process.is_alive():
            self._process.terminate()
            self._process.join(END_S)
            if self._process.is_alive():
                self._process.kill()
        self._process.join()
        self._hears.close()


def _film(tells: Connection, case: Path, path: Path, layout: str, settings: Settings) -> None:
    """Film, and tell; in the other process."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        tells.send(Told(0, 0, *_filmed(tells, case, path, layout, settings)))
    except (KeyboardInterrupt, OSError):
        return  # given up, or nobody listens any more


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _filmed(
    tells: Connection, case: Path, path: Path, layout: str, settings: Settings
) -> tuple[str, bool]:
    import os

    from sln_guide.export.folder import ExportError
    from sln_guide.export.overlay import Layout
    from sln_guide.export.shown import export_film
    from sln_guide.recording.errors import RecordingError
    from sln_guide.recording.reader import CaseReader

    os.nice(10)  # the replay goes first
    try:
        with CaseReader(case) as read:
            film = export_film(
                read,
                path,
                Layout(layout),
                settings=settings,
                progress=lambda done, total: tells.send(Told(done, total)),
            )
    except (ExportError, RecordingError) as error:
        return f"Film not exported: {error}", True
    unread = f" · {len(film.unread)} frames could not be read" if film.unread else ""
    return f"Film exported: {film.path}{unread}", bool(film.unread)
