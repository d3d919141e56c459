"""`Guard`: the application's side of the watchdog: starts it, and shows it signs of life."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from PySide6.QtCore import QObject, QPoint, QTimer
from PySide6.QtWidgets import QWidget

BEAT_MS = 100
END_TIMEOUT_S = 2.0
AGAIN_AFTER_S = 2.0
"""Least time between two starts of a watchdog: one that cannot live must not cost the window."""


class Guard(QObject):
    """Beats from the GUI thread while that lives. A watchdog that dies is replaced by another."""

    def __init__(self, windows: Callable[[], Sequence[QWidget]]) -> None:
        super().__init__()
        self._windows = windows
        self._start()
        self._beats = QTimer(self, interval=BEAT_MS)
        self._beats.timeout.connect(self.beat)
        self._beats.start()

    def _start(self) -> None:
        self._started_s = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sln_guide.gui.watchdog"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the application, which then lets it go
        )
        assert self._process.stdin is not None
        self._pipe = self._process.stdin
        os.set_blocking(self._pipe.fileno(), False)

    @property
    def alive(self) -> bool:
        """Whether somebody watches."""
        return self._process.poll() is None

    def beat(self) -> None:
        """Say that the GUI thread lives, and where its windows are."""
        if not self.alive:
            self._start_again()
        places = []
        for window in self._windows():
            if window.isVisible() and not window.isMinimized():
                corner = window.mapToGlobal(QPoint(0, 0))
                places.append([corner.x(), corner.y(), window.width(), window.height()])
        try:
            os.write(self._pipe.fileno(), json.dumps({"windows": places}).encode() + b"\n")
        except BlockingIOError:
            self._process.kill()  # it has not read for minutes, so it would not notice either
        except OSError:
            return  # it is gone, and `alive` says so

    def _start_again(self) -> None:
        if time.monotonic() - self._started_s < AGAIN_AFTER_S:
            return
        before = self._pipe
        try:
            self._start()
        except OSError:
            return  # no room for another process: `alive` says so, and it is tried again
        before.close()

    def end(self) -> None:
        """Let it go, and wait until it is gone."""
        self._beats.stop()
        try:
            self._pipe.close()
        except OSError:
            return
        finally:
            try:
                self._process.wait(END_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
