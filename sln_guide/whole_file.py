"""A file that is there whole, and on the disk, or not at all; whatever ends the program."""

from __future__ import annotations

import errno
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LEFT_OVER_S = 600.0
"""A fresh file of such an age is a dead program's: no write takes so long."""

_FRESH = re.compile(r"\.[0-9a-f]{16}\.new")


def replace_file(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path``: a crash, or a power cut, leaves the old file or the new one.

    Of several programs that write at once one has the last word, and nothing is mixed. What a
    link points to is replaced, not the link. What programs that were killed left in this folder
    is cleared away.

    Raises OSError; the old file is untouched then.
    """
    path = Path(os.path.realpath(path))
    fresh = path.with_name(f".{secrets.token_hex(8)}.new")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(fd, left) :]
            os.fdatasync(fd)
        finally:
            os.close(fd)
        os.replace(fresh, path)
    except BaseException:
        with suppress(OSError):
            fresh.unlink()
        raise
    sync_folder(path.parent)
    _clear_away(path.parent)


@contextmanager
def empty_ones_taken_away(folder: Path) -> Iterator[None]:
    """Take ``folder`` and its parents away again where what follows makes them, and then fails.

    What holds anything stays.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        yield
    except BaseException:
        for made in missing:
            with suppress(OSError):
                made.rmdir()
        raise


def sync_folder(folder: Path) -> None:
    """Make names in ``folder`` durable, where its file system can."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        # some network file systems cannot sync a folder
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
    finally:
        os.close(fd)


def _clear_away(folder: Path) -> None:
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _FRESH.fullmatch(entry.name):
                with suppress(OSError):
                    if time.time() - entry.stat().st_mtime > LEFT_OVER_S:
                        os.unlink(entry.path)
