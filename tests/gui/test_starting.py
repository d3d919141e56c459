"""A window is open, painted and obeys while its source starts, however long that takes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from sln_guide.gui import app
from sln_guide.gui.app import WindowPlan, run
from sln_guide.gui.starting import Starting, under_way
from sln_guide.gui.window import OperatorWindow
from sln_guide.source import SourceError
from tests.gui import fakes


def the_window() -> OperatorWindow:
    (window,) = (w for w in QApplication.topLevelWidgets() if isinstance(w, OperatorWindow))
    return window


@pytest.fixture
def slow() -> Iterator[Any]:
    """A source that records, and starts when `opened` is set."""

    class Slow(fakes.RecordingSource):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.opened = threading.Event()
            self.started = False

        def start(self) -> None:
            self.opened.wait(20)
            super().start()
            self.started = True

        def start_recording(self) -> Path:
            if not self.started:
                raise SourceError("the cameras are still being opened")
            path: Path = super().start_recording()
            return path

    source = Slow()
    yield source
    source.opened.set()
    deadline_s = time.monotonic() + 5
    while under_way() and time.monotonic() < deadline_s:
        threading.Event().wait(0.01)


def test_it_can_be_used_before_a_camera_is_open(
    qt: QApplication, slow: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def act() -> None:
        window = the_window()
        shown = window.video.shown
        seen.append((window.isVisible(), shown.state.pill, shown.state.banners[0].headline))
        QTest.keyClick(window, Qt.Key.Key_L)
        seen.append(str(window.showing.layout))
        window.commands.start_recording()
        seen.append(window.confirmation.text)
        slow.opened.set()

    QTimer.singleShot(300, act)
    assert run(slow, WindowPlan(seconds=0.5, record=True, snapshot_folder=tmp_path)) == 0
    assert seen[0] == (True, "STALE", "Waiting for the cameras")
    assert seen[1] == "triptych"
    assert seen[2] == "Not recording: the cameras are still being opened"
    assert slow.now_health.recorder.recording, "as asked on the command line, once they were open"


def test_a_recording_that_was_asked_for_does_not_wait_for_what_draws(
    qt: QApplication, slow: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait_for: Any
) -> None:
    """On a machine's first start the window waits for its compiler; frames come meanwhile."""
    compiled = threading.Event()
    monkeypatch.setattr(app, "prepare_drawing", lambda rig: compiled.wait(60))
    said: list[str] = []

    def act() -> None:
        wait_for(lambda: slow.now_health.recorder.recording)
        assert the_window().video.shown.image is None
        compiled.set()
        wait_for(lambda: the_window().confirmation.text)
        said.append(the_window().confirmation.text)

    slow.opened.set()
    QTimer.singleShot(100, act)
    assert run(slow, WindowPlan(seconds=1.0, record=True, snapshot_folder=tmp_path)) == 0
    assert said == ["Recording 20260302-124107.case"]


def test_closing_it_before_asks_nothing_and_gives_up(
    qt: QApplication, slow: Any, tmp_path: Path
) -> None:
    QTimer.singleShot(200, lambda: the_window().close())
    assert run(slow, WindowPlan(snapshot_folder=tmp_path)) == 0
    assert not slow.started
    assert slow.closed


def test_a_camera_that_is_missing_is_told_before_the_compiler_is_done(
    qt: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait_for: Any
) -> None:
    compiled = threading.Event()
    monkeypatch.setattr(app, "prepare_drawing", lambda rig: compiled.wait(60))

    class Missing(fakes.FakeSource):
        def start(self) -> None:
            raise SourceError("camera 4711: not found")

    try:
        with pytest.raises(SourceError, match="4711"):
            run(Missing(), WindowPlan(tmp_path))
        assert under_way(), "the program must end without waiting for it"
    finally:
        compiled.set()
        wait_for(lambda: not under_way())


def test_nothing_is_drawn_before_what_draws_it_is_ready(
    qt: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = threading.Event()
    early: list[Any] = []
    monkeypatch.setattr(app, "prepare_drawing", lambda rig: compiled.wait(20))

    class Quick(fakes.FakeSource):
        def latest_white(self) -> Any:
            early.append("white")
            return super().latest_white()

        def latest_picture(self) -> Any:
            early.append("picture")
            return super().latest_picture()

    def look() -> None:
        the_window().refresh()
        the_window().refresh_readings()
        early.append("looked")
        compiled.set()

    QTimer.singleShot(300, look)
    assert run(Quick(), WindowPlan(tmp_path, seconds=0.3)) == 0
    assert early[0] == "looked", "a window that draws would wait for the compiler"
    assert "picture" in early


def test_an_error_in_what_was_done_beside_the_start_is_told(
    qt: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(rig: object) -> None:
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(app, "prepare_drawing", fail)
    with pytest.raises(RuntimeError, match="no such kernel"):
        run(fakes.FakeSource(), WindowPlan(tmp_path))


@pytest.mark.parametrize("fails", [False, True])
def test_starting_tells_the_gui_thread(qt: QApplication, fails: bool, wait_for: Any) -> None:
    told: list[tuple[str, bool]] = []
    main = threading.get_ident()

    def say(what: str) -> Callable[[], None]:
        return lambda: told.append((what, threading.get_ident() == main))

    def work() -> None:
        say("work")()
        if fails:
            raise ValueError("camera in use")

    starting = Starting(work, say("done"), say("failed"))
    starting.begin()
    wait_for(lambda: len(told) == 2)
    starting.end()
    assert told == [("work", False), ("failed" if fails else "done", True)]
    assert (str(starting.error) == "camera in use") is fails
    wait_for(lambda: not under_way())


def test_nobody_is_told_after_the_end(qt: QApplication, wait_for: Any) -> None:
    told: list[str] = []
    go = threading.Event()
    starting = Starting(
        lambda: go.wait(10), lambda: told.append("done"), lambda: told.append("failed")
    )
    starting.begin()
    assert under_way()
    starting.end()
    go.set()
    wait_for(lambda: not under_way())
    QApplication.processEvents()
    assert told == []
