"""`Guard`: the application's side of the watchdog: starts it, and shows it signs of life."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence

from PySide6.QtCore import QObject, QPoint, QTimer
from PySide6.QtWidgets import QWidget

BEAT_MS = 100
END_TIMEOUT_S = 2.0


class Guard(QObject):
    """Beats from the GUI thread while that lives. One watchdog; not started again if it dies."""

    def __init__(self, windows: Callable[[], Sequence[QWidget]]) -> None:
        super().__init__()
        self._windows = windows
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sln_guide.gui.watchdog"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the application, which then lets it go
        )
        assert self._process.stdin is not None
        self._pipe = self._process.stdin
        os.set_blocking(self._pipe.fileno(), False)
        self._beats = QTimer(self, interval=BEAT_MS)
        self._beats.timeout.connect(self.beat)
        self._beats.start()

    @property
    def alive(self) -> bool:
        """Whether somebody watches."""
        return self._process.poll() is None

    def beat(self) -> None:
        """Say that the GUI thread lives, and where its windows are."""
        places = []
        for window in self._windows():
            if window.isVisible() and not window.isMinimized():
                corner = window.mapToGlobal(QPoint(0, 0))
                places.append([corner.x(), corner.y(), window.width(), window.height()])
        try:
            os.write(self._pipe.fileno(), json.dumps({"windows": places}).encode() + b"\n")
        except BlockingIOError:
            return  # it is slow to read: what it has not read yet says the same
        except OSError:
            self._beats.stop()  # it is gone, and `alive` says so

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
