"""Screens that are unplugged and plugged in again, on a real X server with two of them."""

from __future__ import annotations

import ctypes
import ctypes.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.x_server import x_server

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import json, sys
from pathlib import Path
from PySide6.QtCore import QSocketNotifier
from PySide6.QtWidgets import QApplication
from sln_guide.gui.app import WindowPlan, run
from tests.gui import fakes
app = QApplication(["screens"])
def tell(*_):
    sys.stdin.readline()
    (window,) = [w for w in app.topLevelWidgets() if hasattr(w, "theatre")]
    theatre = window.theatre
    print(json.dumps([
        sorted(screen.name() for screen in app.screens()),
        window.screen().name(),
        window.screen().geometry().contains(window.geometry()),
        theatre.screen().name() if theatre.isVisible() else "",
    ]), flush=True)
asked = QSocketNotifier(0, QSocketNotifier.Type.Read)
asked.activated.connect(tell)
run(fakes.FakeSource(), WindowPlan(seconds=60, snapshot_folder=Path({folder!r}), theatre=True,
    size=(1366, 768)))
"""


class _Monitor(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_ulong),
        ("primary", ctypes.c_int),
        ("automatic", ctypes.c_int),
        ("noutput", ctypes.c_int),
        *((part, ctypes.c_int) for part in ("x", "y", "width", "height", "mwidth", "mheight")),
        ("outputs", ctypes.POINTER(ctypes.c_ulong)),
    )


class Monitors:
    """Plugs and unplugs the left and the right half of an X server's screen (RandR 1.5)."""

    def __init__(self, display: str) -> None:
        names = [ctypes.util.find_library(name) for name in ("X11", "Xrandr")]
        if None in names:
            pytest.skip("libX11 or libXrandr is not installed")
        self._x, self._randr = (ctypes.CDLL(name) for name in names)
        self._x.XOpenDisplay.restype = self._randr.XRRAllocateMonitor.restype = ctypes.c_void_p
        self._x.XDefaultRootWindow.restype = self._x.XInternAtom.restype = ctypes.c_ulong
        self._display = ctypes.c_void_p(self._x.XOpenDisplay(display.encode()))
        self._root = ctypes.c_ulong(self._x.XDefaultRootWindow(self._display))

    def _atom(self, name: str) -> ctypes.c_ulong:
        return ctypes.c_ulong(self._x.XInternAtom(self._display, name.encode(), 0))

    def plug(self, name: str, left: int, *, primary: bool) -> None:
        monitor = _Monitor(self._atom(name), primary, 0, 0, left, 0, 1400, 800, 370, 210, None)
        self._randr.XRRSetMonitor(self._display, self._root, ctypes.byref(monitor))
        self._x.XSync(self._display, 0)

    def unplug(self, name: str) -> None:
        self._randr.XRRDeleteMonitor(self._display, self._root, self._atom(name))
        self._x.XSync(self._display, 0)

    def close(self) -> None:
        self._x.XCloseDisplay(self._display)


@contextmanager
def monitors_of(display: str) -> Iterator[Monitors]:
    monitors = Monitors(display)
    try:
        yield monitors
    finally:
        monitors.close()


def test_the_operators_window_comes_first_whichever_screen_goes(tmp_path: Path) -> None:
    with x_server(2800, 800) as display, monitors_of(display) as monitors:
        monitors.plug("DESK", 0, primary=True)
        monitors.plug("WALL", 1400, primary=False)
        program = subprocess.Popen(
            [sys.executable, "-c", PROGRAM.format(folder=str(tmp_path))],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"DISPLAY": display, "QT_QPA_PLATFORM": "xcb"},
        )
        assert program.stdin is not None
        assert program.stdout is not None

        def wait_for(operator: str, theatre: str) -> None:
            """Until the operator's window is seen on one screen, the theatre's on another."""
            assert program.stdin is not None
            assert program.stdout is not None
            while True:  # the test's time limit is what bounds it
                program.stdin.write(b"\n")
                program.stdin.flush()
                seen = json.loads(program.stdout.readline())
                if seen[1:] == [operator, True, theatre]:
                    return

        try:
            wait_for("DESK", "WALL")
            monitors.unplug("WALL")
            wait_for("DESK", "")
            monitors.plug("WALL", 1400, primary=False)
            wait_for("DESK", "WALL")
            monitors.unplug("DESK")
            wait_for("WALL", "")
            monitors.plug("DESK", 0, primary=True)
            wait_for("DESK", "WALL")
        finally:
            program.terminate()
            program.communicate(timeout=10)
