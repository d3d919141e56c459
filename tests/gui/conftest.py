"""Tests of the window fail on what Qt says and on what it leaves behind."""

from __future__ import annotations

import gc
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QTimer, QtMsgType, qInstallMessageHandler
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from shiboken6 import isValid

from sln_guide.gui import theme
from sln_guide.gui.picture import video
from sln_guide.gui.preferences import Place
from sln_guide.gui.window import OperatorWindow
from tests.gui.fakes import (
    FakeSource,
    RecordingSource,
    nir_pixels,
    white_pixels,
)

SAID_BY_OFFSCREEN = (
    "This plugin does not support propagateSizeHints()",
    "This plugin does not support raise()",
)


# -- fixtures ----------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def qt() -> QApplication:
    app = QApplication.instance() or QApplication(["tests"])
    assert isinstance(app, QApplication)
    app.setQuitOnLastWindowClosed(False)
    theme.dress(app)
    # What the libraries hold for good need not be looked through after every test.
    gc.collect()
    gc.freeze()
    return app


@pytest.fixture(autouse=True)
def _qt_is_silent_and_tidy(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail on Qt's warnings, on errors in slots, and on windows and timers left behind."""
    if "qt" not in request.fixturenames:
        yield
        return
    request.getfixturevalue("qt")
    said: list[str] = []

    def listen(kind: QtMsgType, context: object, message: str) -> None:
        del context
        harmless = (QtMsgType.QtDebugMsg, QtMsgType.QtInfoMsg)
        if kind not in harmless and message not in SAID_BY_OFFSCREEN:
            said.append(message)

    windows = set(map(id, QApplication.topLevelWidgets()))

    def raised(kind: type[BaseException], error: BaseException, trace: TracebackType) -> None:
        at = traceback.extract_tb(trace)[-1]
        said.append(f"{kind.__name__} in a slot: {error} ({at.filename}:{at.lineno})")

    before, hook = qInstallMessageHandler(listen), sys.excepthook
    sys.excepthook = raised
    try:
        yield
        _delete_deferred()
        left = [w for w in QApplication.topLevelWidgets() if id(w) not in windows]
        timers = [o for o in gc.get_objects() if issubclass(type(o), QTimer)]  # not through proxies
        running = [repr(t.parent()) for t in timers if isValid(t) and t.isActive()]
    finally:
        qInstallMessageHandler(before)
        sys.excepthook = hook
    assert not said, f"Qt said: {said}"
    assert not left, f"{request.node.nodeid} left windows: {left}"
    assert not running, f"{request.node.nodeid} left timers running: {running}"


def _delete_deferred() -> None:
    QApplication.processEvents()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    gc.collect()


@pytest.fixture
def wait_for(qt: QApplication) -> Callable[[Callable[[], object]], None]:
    """Let the application run until a condition holds; fail if it never does."""
    del qt

    def wait(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 10.0
        while not condition():
            assert time.monotonic() < deadline, "what was waited for did not come"
            QTest.qWait(2)

    return wait


@pytest.fixture(autouse=True)
def judged_when_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have painted what a test chose, however long its machine stands still before the paint."""
    monkeypatch.setattr(video, "JUDGED_NS", 1 << 62)


@pytest.fixture
def open_window(
    qt: QApplication, tmp_path: Path
) -> Iterator[Callable[[FakeSource], OperatorWindow]]:
    """Open windows on sources, shown and following; all are closed at the end."""
    opened: list[OperatorWindow] = []

    def open_on(
        source: FakeSource, size: tuple[int, int] = (1366, 768), place: Place | None = None
    ) -> OperatorWindow:
        window = OperatorWindow(
            source, white_pixels, nir_pixels, snapshot_folder=tmp_path / "snapshots", place=place
        )
        opened.append(window)
        window.resize(*size)
        window.show()
        assert QTest.qWaitForWindowExposed(window)
        window.begin()
        return window

    yield open_on
    for window in opened:
        window.close_now()
        window.deleteLater()
    _delete_deferred()


@pytest.fixture
def source() -> FakeSource:
    """A live source that can record, with a picture."""
    source = RecordingSource()
    source.push()
    return source


@pytest.fixture
def window(
    open_window: Callable[[FakeSource], OperatorWindow], source: FakeSource
) -> OperatorWindow:
    return open_window(source)
