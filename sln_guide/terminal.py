"""What every command says to a terminal: its exit code, and how far it has come."""

from __future__ import annotations

import argparse
import math
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

OK = 0
PARTIAL = 1
USAGE = 2
CAMERA = 3
RIG = 4
CASE = 5
INPUT = 6
OUTPUT = 7
NOT_SOUND = 8
DISPLAY = 9
INTERRUPTED = 130

ENDING = (signal.SIGTERM, signal.SIGHUP) if sys.platform != "win32" else (signal.SIGTERM,)
"""Asked to end, or the terminal was closed; Windows knows no such signal."""

EXIT_CODES = """exit codes: 0 done; 1 done in part; 2 wrong use; 3 camera; 4 rig file; 5 case or
recording; 6 input data; 7 output; 8 verify or doctor found something wrong; 9 no
display or no font; 130 interrupted"""


@contextmanager
def ended_as_by_hand() -> Iterator[None]:
    """Let SIGTERM and a closed terminal end a command as Ctrl-C does: nothing half made is left.

    A signal that somebody already handles or ignores (``nohup``) is left alone. In the main thread;
    elsewhere nothing is changed.
    """

    def end(number: int, frame: object) -> None:
        del number, frame
        raise KeyboardInterrupt

    taken = []
    if threading.current_thread() is threading.main_thread():
        for number in ENDING:
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, end)
                taken.append(number)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def progress_bar(word: str) -> Callable[[int, int], None]:
    """Return a function that keeps one line of progress, where somebody watches."""
    if not sys.stderr.isatty():
        return lambda done, total: None
    shown = -1

    def show(done: int, total: int) -> None:
        nonlocal shown
        percent = 100 * done // max(total, 1)
        if percent == shown:
            return
        shown = percent
        bar = "#" * (30 * percent // 100)
        end = "\n" if done >= total else ""
        print(f"\r{word} [{bar:<30}] {done}/{total}", end=end, file=sys.stderr, flush=True)

    return show


def positive(text: str) -> float:
    """Read a positive number for argparse. Raises ArgumentTypeError."""
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be positive, not {text}")
    return value
