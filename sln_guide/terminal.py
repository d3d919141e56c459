"""What every command says to a terminal: its exit code, and how far it has come."""

from __future__ import annotations

import argparse
import math
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from types import FrameType
from typing import Any

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
ROOM = 10
INTERRUPTED = 130

ENDING = (signal.SIGTERM, signal.SIGHUP) if sys.platform != "win32" else (signal.SIGTERM,)
"""Asked to end, or the terminal was closed; Windows knows no such signal."""

EXIT_CODES = """exit codes: 0 done; 1 done in part; 2 wrong use; 3 camera; 4 rig file; 5 case or
recording; 6 input data; 7 output; 8 verify or doctor found something wrong; 9 no
display or no font; 10 no memory, or no room for another thread; 130 interrupted"""


_NOT_IN = ("numba", "llvmlite", "importlib._bootstrap", "sln_guide.gui")
"""Compilers, imports, and what calls Qt: an error raised in there may be lost, leave a lock held
that all later ones wait for, or crash Qt's bindings. A window looks by itself (`asked_to_end`)."""
LOOK_AGAIN_S = 0.05
_asked = threading.Event()
TOLD_AFTER_S = 2.0


@contextmanager
def ended_as_by_hand() -> Iterator[None]:
    """Let SIGTERM and a closed terminal end a command as Ctrl-C does: nothing half made is left.

    While a kernel is being compiled, that waits until it is; a second signal does not. A signal
    that somebody already handles or ignores (``nohup``) is left alone. In the main thread;
    elsewhere nothing is changed.
    """
    before: dict[int, Any] = {}
    asked = False

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        _asked.set()
        looking_again = number not in before
        if sys.platform == "win32" or not _compiles(frame):
            raise KeyboardInterrupt
        if asked and not looking_again:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        if not asked:  # not by `print`, which may be at work at this very moment
            with suppress(OSError):
                os.write(2, b"ending as soon as what is being compiled is done\n")
        asked = True
        signal.signal(signal.SIGALRM, end)
        signal.setitimer(signal.ITIMER_REAL, LOOK_AGAIN_S)

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, *ENDING):
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                before[number] = signal.signal(number, end)
    try:
        yield
    finally:
        if before:
            _asked.clear()
        if asked and sys.platform != "win32":
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
        for number, handler in before.items():
            signal.signal(number, handler)


def asked_to_end() -> bool:
    """Whether a signal has asked the command to end.

    Qt's bindings may lose the error that tells of it: a window looks here before it opens.
    """
    return _asked.is_set()


@contextmanager
def to_the_end(told: str) -> Iterator[None]:
    """Do what follows whatever signal asks for an end: it is the end, and must be whole.

    ``told`` is said once: when it takes long, or to whoever asks again. In the main thread; what
    follows must be bounded.
    """
    saying = threading.Lock()

    def say() -> None:
        if saying.acquire(blocking=False):  # never given back: once is enough
            with suppress(OSError):
                os.write(2, f"{told}\n".encode())

    def hear(number: int, frame: FrameType | None) -> None:
        del number, frame
        say()

    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, *ENDING):
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, hear)
    long = threading.Timer(TOLD_AFTER_S, say)
    long.daemon = True
    with suppress(RuntimeError):  # no room for a thread: then only who asks is told
        long.start()
    try:
        yield
    finally:
        long.cancel()
        if long.ident is not None:
            long.join()
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def signals_wait() -> Iterator[None]:
    """Begin processes in here: no signal finds them half loaded, where it ends in a traceback.

    Such a process calls `hear_signals` once it has said what they are to do. Nor does a signal to
    this one come between its beginning and who will end it: it is heard when the block is left.
    """
    if sys.platform == "win32":
        yield
        return
    heard: list[int] = []
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        looking_again = (signal.SIGALRM,) if callable(signal.getsignal(signal.SIGALRM)) else ()
        for number in (signal.SIGINT, *ENDING, *looking_again):
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, lambda each, _: heard.append(each))
    resource_tracker.ensure_running()  # beginning it would let signals through again
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, *ENDING))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in heard:
            signal.raise_signal(number)


def hear_signals() -> None:
    """Let signals through that have waited since this process began."""
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, *ENDING))


def _compiles(frame: FrameType | None) -> bool:
    """Whether what a signal interrupts was called by a compiler, or by an import."""
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if any(name == each or name.startswith(f"{each}.") for each in _NOT_IN):
            return True
        frame = frame.f_back
    return False


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
