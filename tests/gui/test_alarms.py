"""Alarms can be silenced, never hidden."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from sln_guide.gui.claims.alarms import SOUND_EVERY_S, Alarms
from sln_guide.gui.claims.readings import Tone
from sln_guide.gui.claims.verdict import Banner, Word
from sln_guide.health import Health
from sln_guide.render import tokens
from tests.gui import fakes

Wait = Callable[[Callable[[], object]], None]
LOST = Banner(Tone.ALARM, "NOT LIVE: NIR camera lost", "For 3 s")
DISK = Banner(Tone.ALARM, "Recording stopped", "disk full", slim=True)
CALM = Banner(Tone.NEUTRAL, "Waiting for NIR", "")


@pytest.fixture
def state() -> Any:
    from sln_guide.gui.claims.health_watch import HealthReading
    from sln_guide.gui.claims.showing import Showing

    source = fakes.FakeSource()
    now_ns = source.push().handed_over_ns
    showing = Showing(source, fakes.white_pixels, fakes.nir_pixels)
    return showing.look(now_ns, HealthReading(source.health(), now_ns)).state


def test_an_alarm_sounds_until_somebody_takes_notice(state: Any) -> None:
    alarms = Alarms()
    alarms.follow(state)
    assert not alarms.sounds(0.0)
    alarms.follow(replace(state, banners=(CALM,)))
    assert not alarms.sounds(0.0)
    red = replace(state, banners=(LOST,))
    assert alarms.follow(red) == red
    assert [alarms.sounds(t) for t in (1.0, 2.0, 1.0 + SOUND_EVERY_S)] == [True, False, True]
    assert alarms.silence()
    assert not alarms.sounds(100.0)
    assert alarms.silenced


def test_silenced_is_small_but_says_the_same_in_red(state: Any) -> None:
    alarms = Alarms()
    alarms.follow(replace(state, banners=(LOST,)))
    alarms.silence()
    later = replace(LOST, detail="For 20 s")
    (banner,) = alarms.follow(replace(state, banners=(later,))).banners
    assert banner == replace(later, slim=True)


def test_what_is_new_sounds_and_is_large_though_another_was_silenced(state: Any) -> None:
    alarms = Alarms()
    alarms.follow(replace(state, banners=(LOST,)))
    alarms.silence()
    other = replace(LOST, headline="Overlay removed: tissue has moved")
    banners = alarms.follow(replace(state, banners=(LOST, other, DISK))).banners
    assert banners[0].headline == other.headline
    assert not banners[0].slim
    assert alarms.sounds(0.0)


def test_one_that_comes_back_is_new(state: Any) -> None:
    alarms = Alarms()
    alarms.follow(replace(state, banners=(LOST,)))
    alarms.silence()
    alarms.follow(state)
    again = replace(state, banners=(LOST,))
    assert alarms.follow(again) == again
    assert alarms.unheard


def test_nothing_to_silence(state: Any) -> None:
    alarms = Alarms()
    alarms.follow(state)
    assert not alarms.silence()


@pytest.mark.parametrize("how", ["key", "press"])
def test_the_operator_takes_notice(
    how: str, open_window: Any, wait_for: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    beeps: list[int] = []
    monkeypatch.setattr(QApplication, "beep", lambda: beeps.append(1))
    source = fakes.FakeSource()
    source.push()
    window = open_window(source)
    source.set_stream("nir", health=Health.LOST, since_ns=time.monotonic_ns())
    # on a machine that stalls, the picture is old before the camera counts as lost
    wait_for(lambda: window.video.shown.state.word is Word.LOST and window._alarms.unheard)
    window.refresh_readings()
    assert beeps
    large = red_rows(window)

    def noticed() -> bool:
        # on a machine that stalls, another alarm may come in between: it is heard, too
        if how == "key":
            QTest.keyClick(window, Qt.Key.Key_A)
        else:
            QTest.mouseClick(window.video, Qt.MouseButton.LeftButton, pos=QPoint(300, 20))
        return bool(window._alarms.silenced)

    wait_for(noticed)
    assert "alarm silenced" in window.strip.texts()
    window.video.repaint()
    assert 0 < red_rows(window) < large
    assert window.strip.pill == "LOST"
    beeps.clear()
    window.refresh_readings()
    assert not beeps


def test_without_sound_nothing_else_changes(
    open_window: Any, wait_for: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    beeps: list[int] = []
    monkeypatch.setattr(QApplication, "beep", lambda: beeps.append(1))
    source = fakes.FakeSource()
    window = open_window(source)
    window.commands.arranging.toggle_sound()
    source.set_stream("nir", health=Health.LOST)
    wait_for(lambda: window._alarms.unheard)
    window.refresh_readings()
    assert not beeps
    assert red_rows(window) > 0


def red_rows(window: Any) -> int:
    """Rows of the video that lie in a red band."""
    image = window.video.grab().toImage()
    width = image.bytesPerLine() // 4
    shown = np.frombuffer(image.constBits(), np.uint32).reshape(image.height(), width)
    red = 0xFF000000 | int(tokens.ALARM[1:], 16)
    return int(((shown[:, 4:300] == red).mean(axis=1) > 0.3).sum())
