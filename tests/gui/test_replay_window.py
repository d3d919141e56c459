"""A recording in the window: timeline, steps, speeds; nothing is stamped into it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

from sln_guide.gui.panels.timeline import SPEEDS, precise_clock, speed_text
from sln_guide.source import EventMark
from tests.gui import fakes

Open = Callable[..., Any]
Wait = Callable[[Callable[[], object]], None]
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def source() -> Any:
    source = fakes.ReplaySource()
    source.push(age_ms=1e7)
    return source


@pytest.fixture
def window(open_window: Open, source: Any) -> Any:
    return open_window(source)


def test_space_and_buttons_play_and_pause(window: Any, source: Any) -> None:
    QTest.keyClick(window, Qt.Key.Key_Space)
    assert source.playing
    assert window.freeze.text() == "Pause"
    QTest.mouseClick(window.freeze, LEFT)
    assert not source.playing
    QTest.mouseClick(window.timeline.play, LEFT)
    assert source.playing
    assert window.timeline.play.text() == "Pause"


@pytest.mark.parametrize("hours", [False, True])
def test_it_fits_a_screen_of_1280_by_720(window: Any, source: Any, hours: bool) -> None:
    if hours:
        source.duration_s = 2 * 3600.0
        source.position_s = 3600.0
    window.timeline.refresh()
    window.layout().activate()
    least = window.minimumSizeHint()
    assert (least.width(), least.height()) <= (1280, 720)
    assert least.height() <= 700, "a title bar has room"


def test_what_is_wrong_with_the_recording_stands_there(window: Any, source: Any) -> None:
    window.timeline.refresh()
    assert window.timeline.fact.startswith("recorded ")
    source.caveat = "NOT COMPLETE"
    window.timeline.refresh()
    assert window.timeline.fact.startswith("NOT COMPLETE · recorded ")


def test_steps(window: Any, source: Any) -> None:
    QTest.mouseClick(window.timeline.on, LEFT)
    QTest.mouseClick(window.timeline.back, LEFT)
    QTest.keyClick(window, Qt.Key.Key_Right)
    QTest.keyClick(window, Qt.Key.Key_Left)
    assert source.steps == [1, -1, 1, -1]


def test_seek_by_press_and_drag(window: Any, source: Any, wait_for: Wait) -> None:
    bar = window.timeline.bar
    QTest.mousePress(bar, LEFT, pos=QPoint(round(bar.x_of(2.5)), 30))
    assert source.position_s == pytest.approx(2.5, abs=0.05)
    QTest.mouseMove(bar, QPoint(round(bar.x_of(7.5)), 30))
    wait_for(lambda: source.position_s == pytest.approx(7.5, abs=0.05))
    QTest.mouseMove(bar, QPoint(bar.width() + 300, 30))
    wait_for(lambda: source.position_s == 10.0)
    QTest.mouseRelease(bar, LEFT, pos=QPoint(bar.width() + 300, 30))
    assert source.position_s == 10.0


def marks(source: Any) -> None:
    source.marks = (
        EventMark(1.0, "record"),
        EventMark(2.0, "SLN-1", "first seen"),
        EventMark(8.0, "mark", "1"),
        EventMark(40.0, "mark", "behind the end"),
    )


def test_keys_go_from_event_to_event(window: Any, source: Any) -> None:
    marks(source)
    source.position_s = 1.5
    visited = []
    for key in (Qt.Key.Key_PageDown,) * 3 + (Qt.Key.Key_PageUp,) * 3:
        QTest.keyClick(window, key)
        visited.append(source.position_s)
        if key == Qt.Key.Key_PageDown and len(visited) == 1:
            assert window.confirmation.text == "SLN-1 · first seen"
    assert visited == [2.0, 8.0, 8.0, 2.0, 1.0, 1.0]
    assert window.confirmation.text == "No event before this"


def test_a_marks_name_goes_to_the_mark(window: Any, source: Any, wait_for: Wait) -> None:
    marks(source)
    bar = window.timeline.bar
    window.refresh_readings()
    wait_for(lambda: bar._names)
    QTest.mouseClick(bar, LEFT, pos=QPoint(round(bar.x_of(2.0)) + 12, 8))
    assert source.position_s == 2.0
    QTest.mouseClick(bar, LEFT, pos=QPoint(round(bar.x_of(2.0)) + 12, 60))
    assert source.position_s == pytest.approx(2.1, abs=0.15)
    assert source.position_s != 2.0


@pytest.mark.parametrize("speed", SPEEDS)
def test_speeds(window: Any, source: Any, speed: float) -> None:
    source.speed = 3.0
    QTest.mouseClick(window.timeline.speeds[speed], LEFT)
    assert source.speed == speed
    assert window.timeline.speeds[speed].isChecked()
    assert speed_text(speed) in window.timeline.speeds[speed].text()


def test_where_it_stands_is_said(window: Any, source: Any, wait_for: Wait) -> None:
    source.position_s = 6.5
    wait_for(lambda: window.timeline.position.text() == "00:06.5 / 00:10.0")
    assert window.timeline.fact.startswith("recorded 2026-03-02 ")
    source.marks.append(EventMark(0.0, "imported", "images"))
    window.refresh_readings()
    assert window.timeline.fact.startswith("files of 2026-03-02 "), "nobody told when it was seen"
    assert any(t == "injection + 00:00:05" for t in window.strip.texts())


def test_phases_show_where_it_stands_and_go_there(window: Any, source: Any, wait_for: Wait) -> None:
    assert [b.isEnabled() for b in window.phases.buttons] == [i in (0, 3) for i in range(7)]
    source.position_s = 7.0
    wait_for(window.phases.buttons[3].isChecked)
    QTest.keyClick(window, Qt.Key.Key_1)
    assert source.position_s == 1.0
    QTest.mouseClick(window.phases.buttons[3], LEFT)
    assert source.position_s == 6.0
    QTest.keyClick(window, Qt.Key.Key_2)
    assert source.position_s == 6.0, "never stamped: nowhere to go"
    said = "2 Trace was not stamped in this recording"
    assert window.confirmation.text == said
    assert [bool(b.toolTip()) for b in window.phases.buttons] == [i not in (0, 3) for i in range(7)]
    assert window.phases.buttons[1].toolTip() == said


def test_a_recording_is_never_stamped(window: Any, source: Any) -> None:
    before = list(source.marks)
    for key in (Qt.Key.Key_M, Qt.Key.Key_R, Qt.Key.Key_1, Qt.Key.Key_Space):
        QTest.keyClick(window, key)
    assert source.marks == before
    assert window.record is None


def test_closing_a_replay_does_not_ask(window: Any) -> None:
    window.close()
    assert not window.isVisible()


def test_clocks() -> None:
    assert precise_clock(83.45, hours=False) == "01:23.4"
    assert precise_clock(3723.0, hours=True) == "01:02:03.0"
    assert speed_text(math.inf) == "max"
    assert speed_text(0.25) == "0.25×"
