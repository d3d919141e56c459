"""Held keys as X11 repeats them, and that every key and every button does something."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from sln_guide.gui.keys import KEYS, Action
from sln_guide.gui.panels.buttons import FlatButton
from tests.gui import fakes

Open = Callable[..., Any]
Wait = Callable[[Callable[[], object]], None]


def send(window: Any, kind: QEvent.Type, key: Qt.Key, stamp: int, *, repeat: bool = False) -> None:
    event = QKeyEvent(kind, key, Qt.KeyboardModifier.NoModifier, "", repeat)
    event.setTimestamp(stamp)
    QApplication.sendEvent(window, event)


def repeats(window: Any, key: Qt.Key, stamps: range) -> None:
    """Repeat a held key as X11 does where Qt does not see it: releases and presses in pairs."""
    for stamp in stamps:
        send(window, QEvent.Type.KeyRelease, key, stamp)
        send(window, QEvent.Type.KeyPress, key, stamp)


def test_a_held_key_stamps_once_however_it_is_repeated(window: Any, source: Any) -> None:
    send(window, QEvent.Type.KeyPress, Qt.Key.Key_M, 1000)
    repeats(window, Qt.Key.Key_M, range(1660, 1900, 40))
    assert [m.detail for m in source.marks] == ["1"]
    send(window, QEvent.Type.KeyRelease, Qt.Key.Key_M, 1900)
    send(window, QEvent.Type.KeyPress, Qt.Key.Key_M, 1960)
    assert [m.detail for m in source.marks] == ["1", "2"], "a finger's next press is its own"


def test_a_held_key_zooms_on(window: Any) -> None:
    send(window, QEvent.Type.KeyPress, Qt.Key.Key_Plus, 1000)
    once = window.video.placement().scale
    repeats(window, Qt.Key.Key_Plus, range(1660, 1900, 40))
    assert window.video.placement().scale > 2 * once


def test_the_repeats_of_the_record_key_neither_end_its_hold_nor_begin_one(
    wait_for: Wait, window: Any, source: Any
) -> None:
    send(window, QEvent.Type.KeyPress, Qt.Key.Key_R, 1000)
    wait_for(lambda: window.record.recording)
    repeats(window, Qt.Key.Key_R, range(1660, 1900, 40))
    assert window.record.held_fraction == 0.0, "the press that started it does not stop it"
    send(window, QEvent.Type.KeyRelease, Qt.Key.Key_R, 1900)
    send(window, QEvent.Type.KeyPress, Qt.Key.Key_R, 3000)
    stamps = iter(range(3660, 100_000, 40))

    def held_on() -> bool:
        repeats(window, Qt.Key.Key_R, range(stamp := next(stamps), stamp + 1))
        return bool(source.stopped == 1)

    wait_for(held_on)
    repeats(window, Qt.Key.Key_R, range(200_000, 200_200, 40))
    source.finish_recording()
    wait_for(lambda: not window.record.recording)
    repeats(window, Qt.Key.Key_R, range(300_000, 300_200, 40))
    assert not source.now_health.recorder.recording, "nor does it begin the next recording"


def test_a_key_let_go_gives_the_hold_up(wait_for: Wait, window: Any, source: Any) -> None:
    send(window, QEvent.Type.KeyPress, Qt.Key.Key_R, 1000)
    wait_for(lambda: window.record.recording)
    send(window, QEvent.Type.KeyRelease, Qt.Key.Key_R, 1100)
    send(window, QEvent.Type.KeyPress, Qt.Key.Key_R, 2000)
    wait_for(lambda: window.record.held_fraction > 0.1)
    send(window, QEvent.Type.KeyRelease, Qt.Key.Key_R, 2200)
    wait_for(lambda: window.record.held_fraction == 0.0)
    assert source.stopped == 0


# -- every key ---------------------------------------------------------------------------------

LIVE_ONLY = {Action.RECORD, Action.BASELINE, Action.NEARER, Action.FARTHER}


@pytest.mark.parametrize("kind", ["live", "replay"])
def test_every_action_has_a_key_and_every_key_does_something(kind: str, open_window: Open) -> None:
    source = fakes.RecordingSource() if kind == "live" else fakes.ReplaySource()
    source.push()
    window = open_window(source)
    assert set(KEYS.values()) == set(Action)
    known = set(window._keyboard._actions)
    assert known == set(Action) - (LIVE_ONLY if kind == "replay" else {Action.EXPORT})


def test_arrows_step_though_a_slider_was_pressed(open_window: Open) -> None:
    source = fakes.ReplaySource()
    source.push(age_ms=1e7)
    window = open_window(source)
    QTest.mouseClick(window.overlay.threshold, Qt.MouseButton.LeftButton)
    assert not window.overlay.threshold.hasFocus()
    QTest.keyClick(QApplication.focusWidget() or window, Qt.Key.Key_Right)
    assert source.steps == [1]


# -- without a pointer -------------------------------------------------------------------------


def test_settings_are_reached_and_left_by_keyboard(
    wait_for: Wait, window: Any, source: Any
) -> None:
    window.activateWindow()
    QTest.keyClick(window, Qt.Key.Key_P)
    window.refresh_readings()
    panel = window.settings
    wait_for(panel.isActiveWindow)
    reached = []
    for _ in range(40):
        focus = QApplication.focusWidget()
        if isinstance(focus, FlatButton):
            reached.append(focus)
        QTest.keyClick(focus or window, Qt.Key.Key_Tab)
    buttons = [b for b in panel.findChildren(FlatButton) if b.isVisible() and b.isEnabled()]
    assert set(buttons) <= set(reached)
    panel.shown["show_channel"].setFocus()
    QTest.keyClick(panel.shown["show_channel"], Qt.Key.Key_Return)
    assert not source.settings.show_channel
    QTest.keyClick(panel.shown["show_channel"], Qt.Key.Key_Space)
    assert source.settings.show_channel
    assert not window.showing.frozen, "the button has the key now"
    QTest.keyClick(panel.shown["show_channel"], Qt.Key.Key_M)
    assert [m.name for m in source.marks] == ["mark"], "other keys go through"
    QTest.keyClick(panel.shown["show_channel"], Qt.Key.Key_Escape)
    assert not panel.isVisible()
    QTest.keyClick(QApplication.focusWidget() or window, Qt.Key.Key_Space)
    assert window.showing.frozen, "and now it freezes again"


def test_escape_puts_away_the_keys_then_the_theatre(window: Any) -> None:
    window.toggle_theatre()
    QTest.keyClick(window, Qt.Key.Key_H)
    QTest.keyClick(window, Qt.Key.Key_Escape)
    assert not window.help.isVisible()
    assert window.theatre.isVisible()
    QTest.keyClick(window, Qt.Key.Key_Escape)
    assert not window.theatre.isVisible()


def test_escape_ends_drawing_and_leaves_a_slider_before_it_puts_the_theatre_away(
    window: Any,
) -> None:
    window.toggle_theatre()
    QTest.keyClick(window, Qt.Key.Key_D)
    assert window.video.ruler.on
    QTest.keyClick(window, Qt.Key.Key_Escape)
    assert not window.video.ruler.on
    assert window.theatre.isVisible()
    window.activateWindow()
    slider = window.overlay.threshold
    slider.setFocus(Qt.FocusReason.TabFocusReason)
    QTest.keyClick(slider, Qt.Key.Key_Escape)
    assert not slider.hasFocus()
    assert window.theatre.isVisible()
    QTest.keyClick(window, Qt.Key.Key_Escape)
    assert not window.theatre.isVisible()
