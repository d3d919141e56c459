"""Record: a tap begins, only a hold ends; the window says what became of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from sln_guide.gui.panels.buttons import HOLD_S
from sln_guide.gui.panels.timeline import SPEEDS
from tests.gui.fakes import RecordingSource, ReplaySource
from tests.gui.hands import LEFT, Wait, click, start_recording


def test_a_tap_starts_but_does_not_stop(wait_for: Wait, window: Any, source: Any) -> None:
    start_recording(window, wait_for)
    wait_for(lambda: any(t.startswith("REC 00:00:0") for t in window.strip.texts()))
    QTest.keyClick(window, Qt.Key.Key_R)
    wait_for(lambda: window.record.held_fraction == 0.0)
    click(window.record)
    assert source.stopped == 0
    assert "Hold" in window.confirmation.text


@pytest.mark.parametrize("by_key", [True, False])
def test_holding_stops_and_shows_how_far_it_is(
    wait_for: Wait, window: Any, source: Any, by_key: bool
) -> None:
    start_recording(window, wait_for)
    began = time.monotonic()
    if by_key:
        QTest.keyPress(window, Qt.Key.Key_R)
    else:
        QTest.mousePress(window.record, LEFT)
    wait_for(lambda: 0.3 < window.record.held_fraction < 1.0)
    assert source.stopped == 0
    wait_for(lambda: source.stopped == 1)
    assert time.monotonic() - began >= HOLD_S
    if by_key:
        QTest.keyRelease(window, Qt.Key.Key_R)
    else:
        QTest.mouseRelease(window.record, LEFT)
    assert source.stopped == 1
    assert window.record.text() == "Saving"
    assert "SAVING" in window.strip.texts()
    source.finish_recording()
    saved = "Recording saved: 20260302-124107.case, 120"
    wait_for(lambda: window.confirmation.text.startswith(saved))
    assert "head 0123456789ab…, whole in heads.txt" in window.confirmation.text
    assert window.record.text() == "Record"


def test_it_is_said_that_a_recording_runs_once_it_does(
    wait_for: Wait, window: Any, source: Any
) -> None:
    def recorder(**changes: Any) -> None:
        asked = time.monotonic_ns()
        now = replace(source.now_health.recorder, **changes)
        source.now_health = replace(source.now_health, recorder=now)
        wait_for(lambda: (window.watch.newest.asked_ns or 0) > asked)
        window.refresh_readings()

    source.start_recording = lambda: Path("/cases/a.case")
    window.commands.start_recording()
    recorder(recording=True, frames=0)
    assert window.confirmation.text == ""
    recorder(frames=1)
    assert window.confirmation.text == "Recording a.case"
    recorder(recording=False, error="the disk is full")
    assert window.confirmation.text == "", "it stood for five seconds beneath the band"
    recorder(recording=False, frames=0, error=None)
    window.commands.start_recording()
    recorder(error="the disk is full")
    recorder(recording=True, frames=9, error=None)
    assert window.confirmation.text == "", "a band says what became of it"


def test_a_hold_given_up_or_lost_to_another_window_does_not_stop(
    wait_for: Wait, window: Any, source: Any
) -> None:
    start_recording(window, wait_for)
    QTest.keyPress(window, Qt.Key.Key_R)
    wait_for(lambda: window.record.held_fraction > 0.1)
    QTest.keyRelease(window, Qt.Key.Key_R)
    wait_for(lambda: window.record.held_fraction == 0.0)
    QTest.keyPress(window, Qt.Key.Key_R)
    wait_for(lambda: window.record.held_fraction > 0.1)
    window.theatre.show()
    window.theatre.activateWindow()
    wait_for(lambda: window.record.held_fraction == 0.0)
    assert source.stopped == 0


def test_a_recording_that_cannot_begin_says_why(window: Any, source: Any) -> None:
    source.refuse = "the disk is full: free space"
    click(window.record)
    assert window.confirmation.text == "Not recording: the disk is full: free space"
    assert not window.record.recording


def test_a_screen_on_its_side_shows_the_whole_window_with_its_record_button(
    open_window: Callable[..., Any],
) -> None:
    window = open_window(RecordingSource(), (1080, 1920))
    assert window.width() == 1080, "the window is wider than the screen it was made for"
    corner = window.record.mapTo(window, window.record.rect().bottomRight())
    assert window.rect().contains(corner)


def test_a_replay_on_a_screen_on_its_side_shows_every_speed(
    open_window: Callable[..., Any],
) -> None:
    """They stand in a row of their own there, and beside the position where there is room."""
    window = open_window(ReplaySource(), (1080, 1920))
    assert window.width() == 1080
    panel = window.timeline
    panel.refresh()
    QTest.qWait(50)
    fastest = panel.speeds[SPEEDS[-1]]
    corner = fastest.mapTo(panel, fastest.rect().bottomRight())
    assert panel.rect().contains(corner)
    assert fastest.y() > panel.position.y() + panel.position.height() // 2
    window.resize(1280, 800)  # the least width with all in one row, and none to spare
    QTest.qWait(50)
    assert panel.position.geometry().right() < panel.speeds[SPEEDS[0]].x()
    assert panel.speeds[SPEEDS[0]].y() == panel.play.y()
