"""Small pictures along a replay: read in the background, given up when the window closes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

from sln_guide.gui.panels.filmstrip import COUNT, Filmstrip, coarse_to_fine
from tests.gui import fakes

Wait = Callable[[Callable[[], object]], None]


@pytest.mark.parametrize("count", [1, 2, 7, 24, 33])
def test_every_place_once_and_the_whole_soon(count: int) -> None:
    order = coarse_to_fine(count)
    assert sorted(order) == list(range(count))
    early = sorted(order[: max(count // 3, 1)])
    assert max(np.diff([*early, count])) <= count / max(len(early) // 2, 1)


@pytest.fixture
def window(open_window: Any) -> Any:
    source = fakes.ReplaySource()
    source.push(age_ms=1e7)
    one = open_window(source)
    one.source = source
    return one


def test_they_come_and_lie_where_their_time_is(window: Any, wait_for: Wait) -> None:
    bar = window.timeline.bar
    wait_for(lambda: len(bar._strip) == COUNT)
    image = bar.grab().toImage()
    ratio = image.width() / bar.width()
    y = bar.height() - 18 - 18 - 20
    for time_s in (2.0, 5.0, 8.0):
        at = QPoint(round(bar.x_of(time_s) * ratio), round(y * ratio))
        seen = [image.pixelColor(at.x() + dx, at.y()).green() for dx in range(-30, 31)]
        assert min(abs(g - time_s / 10 * 255) for g in seen) < 8
    QTest.mouseClick(bar, Qt.MouseButton.LeftButton, pos=QPoint(round(bar.x_of(8.0)), y))
    assert window.source.position_s == pytest.approx(8.0, abs=0.1), "a press on one goes there"


def test_a_picture_that_takes_long_holds_up_neither_window_nor_closing(
    open_window: Any, wait_for: Wait
) -> None:
    source = fakes.ReplaySource()
    source.push(age_ms=1e7)
    asked, release = threading.Event(), threading.Event()
    times: list[float] = []

    def slow(position_s: float, width_px: int) -> None:
        times.append(position_s)
        asked.set()
        release.wait(10.0)

    source.thumbnail = slow
    window = open_window(source)
    wait_for(asked.is_set)
    number = source.push(age_ms=1e7).number
    wait_for(lambda: any(painted[0] == number for painted in source.painted_calls))
    threading.Timer(0.1, release.set).start()
    window.close_now()
    assert len(times) == 1, "the rest is not read"
    assert not window.timeline.strip._thread.is_alive()


def test_what_cannot_be_read_stays_empty() -> None:
    ended = threading.Event()
    seen: list[int] = []

    def read(position_s: float, width_px: int) -> Any:
        seen.append(1)
        if len(seen) == COUNT:
            ended.set()
        return None

    strip = Filmstrip(read, lambda: None)
    strip.begin(10.0)
    strip.begin(10.0)
    assert ended.wait(10.0)
    strip.end()
    assert strip.pictures() == {}
    assert len(seen) == COUNT


def test_there_is_room_for_it_on_a_small_screen(window: Any) -> None:
    assert (window.width(), window.height()) == (1366, 768), "it does not force itself larger"
    for part in (window.timeline, *window.actions_row, *window.views.values()):
        box = part.rect().translated(part.mapTo(window, QPoint(0, 0)))
        assert window.rect().contains(box)
