"""`OutputFolder`: files appear in it whole, all at once, or not at all."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

PARTIAL = ".partial"

_TOO_LARGE = "no file may be that large there (on FAT32 4 GB): choose another drive"
_ADVICE = {
    errno.EFBIG: _TOO_LARGE,
    errno.EINVAL: "that drive takes no such name: choose another",
    None: f"free space; or {_TOO_LARGE}",  # numpy's, which tells no more than how much it wrote
}


class ExportError(Exception):
    """Something cannot be written. The message says what, where, and what to do."""


class OutputFolder:
    """Where a command leaves its files.

    Files are written under names ending in ``.partial``; `publish` gives them their own. Leaving
    the context without it takes them away again, so that what is there is always whole. What a
    killed run left under such names is written over; a run that is still at work is not.

    Parameters
    ----------
    folder
        Is made where it is missing.
    names
        Of the files to come. The last is published last: where it is, the others are, too.
    force
        Take a folder that holds other files: those of these names are replaced.

    Raises
    ------
    ExportError
        When the folder holds something and ``force`` is not given, or cannot be written to.
    """

    def __init__(self, folder: Path, names: Sequence[str], *, force: bool = False) -> None:
        self.folder = Path(folder)
        self._names = tuple(names)
        self._published = False
        self._lock: int | None = None
        self._made: list[Path] = []
        try:
            self._made = [p for p in (self.folder, *self.folder.parents) if not p.exists()]
            self.folder.mkdir(parents=True, exist_ok=True)
            held = sorted(p.name for p in self.folder.iterdir() if p.suffix != PARTIAL)
        except OSError as error:
            self._quietly(*[folder.rmdir for folder in self._made])
            raise self.failure("make the folder", error) from None
        if held and not force:
            raise ExportError(
                f"{self.folder} is not empty (it holds {held[0]}): choose another folder, "
                "or `process --force` to replace what an earlier run left"
            )
        if not os.access(self.folder, os.W_OK | os.X_OK):
            raise ExportError(f"{self.folder} cannot be written to: choose another folder")

    def partial(self, name: str) -> Path:
        """Return where to write the file to be called ``name``. Raises ValueError: none such."""
        if name not in self._names:
            raise ValueError(f"{name} was not announced")
        return self.folder / (name + PARTIAL)

    def publish(self) -> None:
        """Give all files their names. A file that was not written, or is empty, stays absent.

        Raises
        ------
        ExportError
            When they cannot be renamed.
        """
        try:
            # while files of two runs stand side by side, nothing says that they are whole
            (self.folder / self._names[-1]).unlink(missing_ok=True)
            for name in self._names:
                written = self.partial(name)
                if written.exists() and written.stat().st_size:
                    _sync(written)
                    written.replace(self.folder / name)
                else:
                    (self.folder / name).unlink(missing_ok=True)
                    written.unlink(missing_ok=True)
            _sync(self.folder)
        except OSError as error:
            raise self.failure("finish the files", error) from None
        self._published = True

    def failure(self, what: str, error: OSError) -> ExportError:
        """Return ``error`` as one line that says what to do."""
        why = error.strerror or str(error)
        advice = _ADVICE.get(error.errno, "free space or choose another folder")
        return ExportError(f"{self.folder}: cannot {what} ({why}): {advice}")

    def __enter__(self) -> Self:
        path = self.partial(self._names[0])
        try:
            self._lock = lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            self._quietly(*[folder.rmdir for folder in self._made])
            raise self.failure(f"write {path.name}", error) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            taken = not os.path.samestat(os.fstat(lock), path.stat())  # published meanwhile
        except (BlockingIOError, FileNotFoundError):
            taken = True
        except OSError:
            taken = False  # a network disk without locks
        if taken:
            self._unlock()
            raise ExportError(
                f"{self.folder / self._names[0]} is being written by another command: wait for it, "
                "or choose another place"
            )
        # what a run that was killed left half written is none of this one's files
        os.ftruncate(lock, 0)
        self._quietly(*[self.partial(name).unlink for name in self._names[1:]])
        return self

    def __exit__(self, *_: object) -> None:
        if not self._published:
            self._quietly(*[self.partial(name).unlink for name in self._names])
            self._quietly(*[folder.rmdir for folder in self._made])
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @staticmethod
    def _quietly(*actions: Callable[[], None]) -> None:
        """Tidy up as far as possible: the error that led here matters more."""
        for action in actions:
            try:
                action()
            except OSError:
                continue


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
