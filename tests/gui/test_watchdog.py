"""The watchdog covers windows whose application does not answer, and only those."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QRect
from PySide6.QtWidgets import QApplication, QWidget

from sln_guide.gui import guard as guard_module
from sln_guide.gui.guard import Guard
from sln_guide.gui.watchdog import Cover, Watchdog
from sln_guide.render import tokens
from tests.x_server import x_server

Wait = Callable[[Callable[[], object]], None]


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    yield read, write
    os.close(read)
    os.close(write)


@pytest.fixture
def watchdog(qt: QApplication, pipe: tuple[int, int]) -> Iterator[Watchdog]:
    watchdog = Watchdog(pipe[0])
    yield watchdog
    watchdog._looking.stop()
    watchdog._listening.setEnabled(False)
    for cover in watchdog._covers:
        cover.deleteLater()


def beat(pipe: tuple[int, int], *places: list[int]) -> None:
    os.write(pipe[1], json.dumps({"windows": places}).encode() + b"\n")


def covers() -> list[Cover]:
    return [w for w in QApplication.topLevelWidgets() if isinstance(w, Cover) and w.isVisible()]


def test_silence_covers_every_window_and_a_beat_uncovers(
    watchdog: Watchdog, pipe: tuple[int, int], wait_for: Wait
) -> None:
    beat(pipe, [10, 20, 640, 480], [700, 0, 320, 240])
    wait_for(lambda: watchdog._windows != [])
    assert covers() == []
    wait_for(lambda: len(covers()) == 2)
    assert {c.geometry() for c in covers()} == {
        QRect(10, 20, 640, 480),
        QRect(700, 0, 320, 240),
    }
    assert "has not answered since" in covers()[0]._words
    image = covers()[0].grab().toImage()
    assert image.pixelColor(3, image.height() // 2).name().upper() == tokens.ALARM
    beat(pipe, [10, 20, 640, 480])
    wait_for(lambda: covers() == [])


def test_beats_that_come_in_pieces_count(
    watchdog: Watchdog, pipe: tuple[int, int], wait_for: Wait
) -> None:
    line = json.dumps({"windows": [[1, 2, 30, 40]]}).encode() + b"\n"
    for part in (line[:7], line[7:20], line[20:] + line + line[:5]):
        os.write(pipe[1], part)
    wait_for(lambda: watchdog._windows == [QRect(1, 2, 30, 40)])


def test_without_windows_there_is_nothing_to_cover(
    watchdog: Watchdog, pipe: tuple[int, int], wait_for: Wait
) -> None:
    beat(pipe)
    began = watchdog._beat_s
    wait_for(lambda: watchdog._beat_s >= began)
    watchdog._beat_s -= 10.0
    watchdog._look()
    assert covers() == []


def test_a_watchdog_that_died_is_noticed_and_replaced(
    qt: QApplication, wait_for: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = QWidget()
    guard = Guard(lambda: (window,))
    assert guard.alive
    guard.beat()
    first = guard._process
    first.kill()
    wait_for(lambda: not guard.alive)
    guard.beat()
    assert guard._process is first, "not at once: one that cannot live is not started for ever"
    monkeypatch.setattr(guard_module, "AGAIN_AFTER_S", 0.0)
    wait_for(lambda: guard.alive)
    assert guard._process is not first
    guard.beat()
    guard.end()
    assert not guard.alive
    window.deleteLater()


def test_a_watchdog_that_hangs_is_replaced(
    qt: QApplication, wait_for: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard_module, "AGAIN_AFTER_S", 0.0)
    guard = Guard(lambda: ())
    first = guard._process
    first.send_signal(signal.SIGSTOP)
    while guard._process is first:
        guard.beat()
    wait_for(lambda: guard.alive)
    guard.end()
    assert not guard.alive


def test_the_watchdog_ends_with_the_application(qt: QApplication) -> None:
    guard = Guard(lambda: ())
    guard.beat()
    guard.end()
    assert guard._process.returncode == 0


ROOT = Path(__file__).resolve().parents[2]

STALLED = """
import sys
from pathlib import Path
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication
from sln_guide.gui.app import WindowPlan, run
from tests.gui import fakes
app = QApplication(["stalled"])
def stall():
    print("stalled", flush=True)
    sys.stdin.readline()
    print("answers", flush=True)
def stall_once_watched():
    watched = [w for w in app.topLevelWidgets() if getattr(w, "watched", None) is not None]
    QTimer.singleShot(*((1500, stall) if watched else (50, stall_once_watched)))
stall_once_watched()
run(fakes.FakeSource(), WindowPlan(seconds=60, snapshot_folder=Path({folder!r}), size=(1366, 768)))
"""

LOOKING = """
import sys
from PySide6.QtGui import QGuiApplication
app = QGuiApplication(["looking"])
for line in sys.stdin:
    pixel = app.primaryScreen().grabWindow(0).toImage().pixelColor(40, 384)
    print(pixel.name().upper(), flush=True)
"""


@contextmanager
def begun(program: str, display: str) -> Iterator[Any]:
    """Run a program on that display, to be talked with line by line."""
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"DISPLAY": display, "QT_QPA_PLATFORM": "xcb"},
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=10)


def test_a_stalled_window_is_covered_on_a_real_screen(tmp_path: Path) -> None:
    program = STALLED.format(folder=str(tmp_path))
    with (
        x_server(1366, 768) as display,
        begun(LOOKING, display) as looking,
        begun(program, display) as stalled,
    ):

        def look() -> str:
            looking.stdin.write("\n")
            looking.stdin.flush()
            return str(looking.stdout.readline().strip())

        assert stalled.stdout.readline() == "stalled\n"
        while look() != tokens.ALARM:
            pass  # the test's time limit is what bounds it
        stalled.stdin.write("\n")
        stalled.stdin.flush()
        assert stalled.stdout.readline() == "answers\n"
        while look() == tokens.ALARM:
            pass
