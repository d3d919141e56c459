"""`run`: from start to a clean end, whatever ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from PySide6.QtCore import QTimer
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication

from sln_guide import terminal
from sln_guide.gui import app
from sln_guide.gui.app import ASKED_TO_END, FAULT_CODE, WindowPlan, run
from sln_guide.gui.start import choose
from tests.gui import fakes
from tests.x_server import x_server

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import sys
from pathlib import Path
from sln_guide.core.opencv import cv2
from sln_guide.gui.app import WindowPlan, run
from sln_guide.gui.display import NoDisplayError
from PySide6.QtWidgets import QApplication
from tests.gui import fakes
try:
    code = run(fakes.FakeSource(), WindowPlan(snapshot_folder=Path({folder!r}), **{arguments!r}))
except NoDisplayError as error:
    print("NoDisplayError:", error)
    sys.exit(5)
print("platform:", QApplication.platformName())
sys.exit(code)
"""
KILLS_ITS_DISPLAY = """
import os, signal
start = fakes.FakeSource.start
def start_and_kill(source):
    start(source)
    os.kill({server}, signal.SIGKILL)
fakes.FakeSource.start = start_and_kill
try:"""


def run_apart(
    folder: Path, env: dict[str, str], program: str = PROGRAM, **arguments: Any
) -> tuple[int, str]:
    """Run in a process of its own, so that Qt chooses its platform anew."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("QT_", "DISPLAY", "WAYLAND"))}
    done = subprocess.run(
        [sys.executable, "-c", program.format(folder=str(folder), arguments=arguments)],
        cwd=ROOT,
        env=clean | env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_runs_for_its_time_and_leaves_a_picture(qt: QApplication, tmp_path: Path) -> None:
    source = fakes.FakeSource()
    pictures = QTimer(interval=40)  # the first may be old by the time it can be drawn
    pictures.timeout.connect(source.push)
    pictures.start()
    picture = tmp_path / "made" / "window.png"
    code = run(
        source,
        WindowPlan(
            screenshot=picture,
            seconds=0.4,
            theatre=True,
            snapshot_folder=tmp_path,
            size=(1366, 768),
        ),
    )
    pictures.stop()
    assert code == 0
    assert source.closed
    assert source.wake is None
    image = QImage(str(picture))
    assert (image.width(), image.height()) == (1366, 768)
    assert source.painted_calls


def test_records_from_the_start_and_is_closed_without_asking(
    qt: QApplication, tmp_path: Path
) -> None:
    source = fakes.RecordingSource()
    assert run(source, WindowPlan(seconds=0.3, record=True, snapshot_folder=tmp_path)) == 0
    assert source.now_health.recorder.recording
    assert source.closed


@pytest.mark.parametrize("outcome", ["prepared", "failed"])
def test_its_time_begins_when_the_core_is_ready_or_has_failed(
    qt: QApplication, tmp_path: Path, outcome: str
) -> None:
    """A demonstration on a busy machine would end before there is any guidance."""
    source = fakes.FakeSource()
    source.now_health = replace(source.now_health, preparing_since_ns=time.monotonic_ns())
    told: list[str] = []

    def tell() -> None:
        told.append(outcome)
        changed: dict[str, Any] = {"preparing_since_ns": None}
        if outcome == "failed":
            changed = {"processing_error": "OSError: no space left"}
        source.now_health = replace(source.now_health, **changed)

    QTimer.singleShot(500, tell)
    assert run(source, WindowPlan(seconds=0.1, snapshot_folder=tmp_path)) == 0
    assert told == [outcome]


def test_a_screenshot_that_cannot_be_written_is_an_error(qt: QApplication, tmp_path: Path) -> None:
    source = fakes.FakeSource()
    (tmp_path / "file").write_text("x")
    with pytest.raises(OSError, match="screenshot could not be written"):
        run(
            source,
            WindowPlan(
                screenshot=tmp_path / "file" / "w.png", seconds=0.1, snapshot_folder=tmp_path
            ),
        )
    assert source.closed


def test_a_full_disk_leaves_no_part_of_a_screenshot(
    open_window: Any, small_disk: Path, tmp_path: Path
) -> None:
    source = fakes.FakeSource()
    source.push()
    window = open_window(source)
    before, there = small_disk / "before.png", small_disk / "sub" / "w.png"
    app.save_screenshot(window, before)
    whole = before.read_bytes()
    with (small_disk / "full").open("wb", buffering=0) as full, suppress(OSError):
        while full.write(bytes(4096)):
            pass
    for path in (before, there):
        with pytest.raises(OSError, match="could not be written: No space left on device: check"):
            app.save_screenshot(window, path)
    assert before.read_bytes() == whole
    assert sorted(p.name for p in small_disk.rglob("*.*")) == ["before.png"]


def test_a_source_that_cannot_start_leaves_no_window(qt: QApplication, tmp_path: Path) -> None:
    class Broken(fakes.FakeSource):
        def start(self) -> None:
            raise RuntimeError("camera in use")

    source = Broken()
    with pytest.raises(RuntimeError, match="camera in use"):
        run(source, WindowPlan(seconds=1, snapshot_folder=tmp_path))
    assert not any(window.isVisible() for window in QApplication.topLevelWidgets())


def test_an_error_in_a_slot_is_said_and_costs_the_exit_code(
    qt: QApplication, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = fakes.FakeSource()
    banners: list[str] = []

    fails: list[bool] = []

    def fail() -> Any:
        if fails:
            raise KeyError("missing piece")
        return ()

    def look() -> None:
        for window in QApplication.topLevelWidgets():
            if hasattr(window, "strip"):
                banners.extend(b.headline for b in window.video.shown.state.banners)

    source.events = fail
    QTimer.singleShot(100, lambda: fails.append(True))  # from a slot, not from the start
    QTimer.singleShot(1200, look)
    assert run(source, WindowPlan(seconds=1.3, snapshot_folder=tmp_path)) == FAULT_CODE
    assert "A part of this window failed" in banners
    assert capsys.readouterr().err.count("Traceback") == 1, "once, not with every picture"


@pytest.fixture
def _signals_as_they_were(_hangup_is_heard: None) -> Iterator[None]:
    heard = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in heard]
    yield
    assert [signal.getsignal(number) for number in heard] == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.usefixtures("_signals_as_they_were")
def test_asked_to_terminate_it_closes_cleanly(
    qt: QApplication, tmp_path: Path, number: signal.Signals
) -> None:
    source = fakes.RecordingSource()
    QTimer.singleShot(200, lambda: os.kill(os.getpid(), number))
    assert run(source, WindowPlan(seconds=30, record=True, snapshot_folder=tmp_path)) == 0
    assert source.closed
    assert choose(tmp_path, tmp_path) == (), "not back to the start screen"
    qt.setProperty(ASKED_TO_END, None)


@pytest.mark.usefixtures("_signals_as_they_were")
def test_a_signal_that_was_lost_before_the_window_opened_closes_it(
    qt: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Qt's bindings swallow errors while they load: it was said to end, and went on."""
    monkeypatch.setattr(app, "prepare_drawing", lambda _: None)  # no compiler outlives it
    source = fakes.RecordingSource()
    with terminal.ended_as_by_hand():
        with suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        assert run(source, WindowPlan(seconds=30, record=True, snapshot_folder=tmp_path)) == 0
    assert source.closed
    assert choose(tmp_path, tmp_path) == (), "not back to the start screen"
    qt.setProperty(ASKED_TO_END, None)
    assert not terminal.asked_to_end(), "another command was not asked"


@pytest.mark.usefixtures("_signals_as_they_were")
def test_asked_to_terminate_amid_a_picture_it_is_finished_first(
    qt: QApplication, tmp_path: Path
) -> None:
    """What is at work on the window's parts must not have them taken away from under it."""
    source = fakes.FakeSource()
    still_open: list[bool] = []
    events = source.events

    def events_and_end() -> Any:
        if source.wake is not None and not still_open:
            os.kill(os.getpid(), signal.SIGTERM)
            still_open.append(source.wake is not None)
        return events()

    source.events = events_and_end  # type: ignore[method-assign]
    assert run(source, WindowPlan(seconds=30, snapshot_folder=tmp_path)) == 0
    assert still_open == [True]
    qt.setProperty(ASKED_TO_END, None)


@pytest.mark.usefixtures("_signals_as_they_were")
def test_who_asks_again_does_not_keep_the_case_from_being_closed(
    qt: QApplication, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = fakes.FakeSource()
    close, closed = source.close, []

    def slow_close() -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(os.getpid(), number)
        close()
        closed.append(True)

    source.close = slow_close  # type: ignore[method-assign]
    assert run(source, WindowPlan(seconds=0.2, snapshot_folder=tmp_path)) == 0
    assert closed
    assert capfd.readouterr().err.count("still closing") == 1


def test_a_close_that_takes_long_says_so_unasked(
    qt: QApplication,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The window is gone by then: who starts by hand sees nothing but a command that goes on."""
    monkeypatch.setattr(terminal, "TOLD_AFTER_S", 0.05)
    source = fakes.FakeSource()
    close, said = source.close, []

    def slow_close() -> None:
        deadline = time.monotonic() + 20.0
        while not said and time.monotonic() < deadline:
            said.extend(capfd.readouterr().err.splitlines())
        close()

    source.close = slow_close  # type: ignore[method-assign]
    assert run(source, WindowPlan(seconds=0.2, snapshot_folder=tmp_path)) == 0
    assert said == ["still closing: what waits for the disk is being written"]


def test_a_display_that_refuses_is_one_line_and_no_core_dump(tmp_path: Path) -> None:
    with x_server() as display:
        refusing = {"DISPLAY": display, "QT_QPA_PLATFORM": "no-such-platform"}
        code, said = run_apart(tmp_path, refusing, seconds=0.2)
    assert code == terminal.DISPLAY
    assert said.splitlines()[-1].startswith("sln-guide: no window can be shown: ")
    assert "QT_QPA_PLATFORM" in said


def test_a_display_that_goes_away_is_told(tmp_path: Path) -> None:
    """The program ended with code 0, as if somebody had closed its window.

    Or amid a call to the X server, by Xlib: with code 1, or by a crash.
    """
    with x_server() as display:
        servers = [each for each in psutil.Process().children() if each.name() == "Xvfb"]
        server = servers[-1].pid
        program = PROGRAM.replace("try:", KILLS_ITS_DISPLAY.format(server=server), 1)
        code, said = run_apart(tmp_path, {"DISPLAY": display}, program, seconds=30)
    assert code in (5, terminal.DISPLAY), said  # by our own loop's end, or amid a call
    assert "the display went away" in said


@pytest.mark.usefixtures("_signals_as_they_were")
def test_what_was_told_to_be_ignored_is(qt: QApplication, tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        source = fakes.FakeSource()
        QTimer.singleShot(100, lambda: os.kill(os.getpid(), signal.SIGHUP))
        assert run(source, WindowPlan(seconds=0.4, snapshot_folder=tmp_path)) == 0
        assert not qt.property(ASKED_TO_END)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_without_a_display_it_runs_offscreen_only_if_it_ends_by_itself(tmp_path: Path) -> None:
    code, said = run_apart(tmp_path, {})
    assert code == 5, said
    assert "no display" in said
    code, said = run_apart(tmp_path, {"DISPLAY": ":9876"}, seconds=0.2)
    assert code == 0, said
    assert "platform: offscreen" in said


def test_on_a_real_x_server_beside_opencv(tmp_path: Path) -> None:
    with x_server() as display:
        code, said = run_apart(tmp_path, {"DISPLAY": display}, seconds=0.5, theatre=True)
    assert code == 0, said
    assert "platform: xcb" in said
