"""What takes long before a window can open is said, and can be given up."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from sln_guide.gui import preparing
from sln_guide.gui.preparing import GivenUp, PreparingWindow, prepared
from sln_guide.render import tokens


@pytest.fixture
def release(qt: QApplication, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """What lets the work end; windows are shown though nobody sees them."""
    monkeypatch.setattr(preparing, "OFFSCREEN", ())
    monkeypatch.setattr(preparing, "QUIET_S", 0.01)
    release = threading.Event()
    yield release
    release.set()
    for thread in threading.enumerate():
        if thread.name == "prepare":
            thread.join(5)


def words() -> list[PreparingWindow]:
    return [w for w in QApplication.topLevelWidgets() if isinstance(w, PreparingWindow)]


def test_what_is_quick_needs_no_words(qt: QApplication) -> None:
    assert prepared(lambda: 7) == 7
    assert words() == []


def test_an_error_comes_through(qt: QApplication) -> None:
    def fail() -> None:
        raise ValueError("camera in use")

    with pytest.raises(ValueError, match="camera in use"):
        prepared(fail)


def test_what_takes_long_is_said(release: threading.Event) -> None:
    seen: list[bool] = []

    def look() -> None:
        (window,) = words()
        image = window.grab().toImage()
        text = sum(
            image.pixelColor(x, y).name().upper() == tokens.TEXT
            for x in range(0, image.width(), 2)
            for y in range(20, 70)
        )
        seen.append(window.isVisible() and text > 50)
        release.set()

    QTimer.singleShot(100, look)
    assert prepared(lambda: release.wait(10)) is True
    assert seen == [True]


def test_closing_the_words_gives_up(release: threading.Event) -> None:
    def close() -> None:
        for window in words():
            window.close()

    QTimer.singleShot(100, close)
    with pytest.raises(GivenUp):
        prepared(lambda: release.wait(10))
