"""Standard input, output and error of a process that others start as they like.

A launcher may start it with some of the three closed: the next files it opens, a part of a case or
a camera, would take their numbers, and whatever a library prints would be written into them. A
reader may go away (`| head -1`), a terminal be closed, a log's disk be full: no recording ends
for want of somebody who reads what it says.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Container
from typing import Any, TextIO

_NOBODY_READS = frozenset({errno.EPIPE, errno.EIO})
"""A pipe without a reader; a terminal that was closed."""
_WHATEVER = frozenset(errno.errorcode)


class _Said(io.FileIO):
    """A descriptor that takes what is said, also where certain errors say that nobody hears it."""

    def __init__(self, descriptor: int, name: str, unheard: Container[int | None]) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._name = name
        self.unheard = unheard

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno in self.unheard:
                return memoryview(data).nbytes
            raise OSError(error.errno, error.strerror, self._name) from None


def secure() -> None:
    """Have all three open, whatever the start, and nothing end because nobody reads.

    Standard output may still fail where it is a file on a full disk: what was asked for is then
    not there. What the terminal cannot show is written as its code. First of all in each process.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
            os.set_inheritable(descriptor, True)
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - for as long as the process lives
    sys.stdout = _stream(1, sys.stdout, _NOBODY_READS)
    sys.stderr = _stream(2, sys.stderr, _WHATEVER)


def _stream(descriptor: int, before: TextIO | None, unheard: Container[int | None]) -> TextIO:
    raw = _Said(descriptor, "standard output", unheard)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=None if before is None else before.encoding,
        errors="backslashreplace",  # a name that is no text must not end what names it
        line_buffering=descriptor == 2 or raw.isatty(),
        write_through=bool(getattr(before, "write_through", False)),
    )


def last_said() -> None:
    """Hand over what standard output still holds.

    Raises
    ------
    OSError
        It cannot be written; nor is that told once more when Python ends.
    """
    try:
        sys.stdout.flush()
    except OSError:
        raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
        if isinstance(raw, _Said):
            raw.unheard = _WHATEVER  # what a stream still holds it tries to write when it is gone
        sys.stdout = None
        raise
