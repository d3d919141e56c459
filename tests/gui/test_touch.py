"""A finger on the glass does what a mouse does; a tap stops no recording."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from PySide6.QtCore import QPoint
from PySide6.QtGui import QPointingDevice
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from sln_guide.gui.claims.layout import Layout
from sln_guide.gui.picture.zoom import Zoom

Wait = Callable[[Callable[[], object]], None]


class Finger:
    """One finger on a touch screen."""

    def __init__(self, window: QWidget) -> None:
        self._window = window
        self._screen: Any = QTest.createTouchDevice()
        assert isinstance(self._screen, QPointingDevice)

    def press(self, widget: QWidget, at: QPoint | None = None) -> None:
        """Put it down in the middle of a widget, or at a point of it."""
        self._act("press", widget, at)

    def move(self, widget: QWidget, at: QPoint) -> None:
        """Draw it to a point."""
        self._act("move", widget, at)

    def lift(self, widget: QWidget, at: QPoint | None = None) -> None:
        """Take it away."""
        self._act("release", widget, at)

    def _act(self, how: str, widget: QWidget, at: QPoint | None) -> None:
        point = widget.mapTo(self._window, widget.rect().center() if at is None else at)
        sequence = QTest.touchEvent(self._window, self._screen, False)
        getattr(sequence, how)(0, point, self._window)
        sequence.commit(True)


@pytest.fixture
def finger(window: Any) -> Finger:
    return Finger(window)


def test_a_tap_starts_a_recording_and_only_a_hold_stops_it(
    window: Any, source: Any, finger: Finger, wait_for: Wait
) -> None:
    finger.press(window.record)
    finger.lift(window.record)
    wait_for(lambda: window.record.recording)
    wait_for(lambda: "REC 00:00:00" in " ".join(window.strip.texts()))
    finger.press(window.record)
    wait_for(lambda: window.record.held_fraction > 0.1)
    finger.lift(window.record)
    wait_for(lambda: window.record.held_fraction == 0.0)
    assert source.stopped == 0
    assert "Hold" in window.confirmation.text
    finger.press(window.record)
    wait_for(lambda: source.stopped == 1)
    finger.lift(window.record)


def test_a_hold_whose_finger_slips_off_does_not_stop(
    window: Any, source: Any, finger: Finger, wait_for: Wait
) -> None:
    finger.press(window.record)
    finger.lift(window.record)
    wait_for(lambda: window.record.recording)
    wait_for(lambda: "REC 00:00:00" in " ".join(window.strip.texts()))
    finger.press(window.record)
    wait_for(lambda: window.record.held_fraction > 0.1)
    finger.move(window.record, QPoint(-300, -300))
    wait_for(lambda: window.record.held_fraction == 0.0)
    QTest.qWait(1000)
    assert source.stopped == 0
    finger.lift(window.record, QPoint(-300, -300))


def test_a_finger_moves_the_threshold_and_stamps_phases(
    window: Any, source: Any, finger: Finger
) -> None:
    slider = window.overlay.threshold
    before = source.settings.threshold_sigma
    finger.press(slider, QPoint(slider.width() // 4, 22))
    finger.move(slider, QPoint(slider.width() * 3 // 4, 22))
    finger.lift(slider, QPoint(slider.width() * 3 // 4, 22))
    assert source.settings.threshold_sigma > before
    finger.press(window.phases.buttons[0])
    finger.lift(window.phases.buttons[0])
    assert source.marks[-1].name == "phase"
    finger.press(window.layout_button)
    finger.lift(window.layout_button)
    assert window.showing.layout is Layout.TRIPTYCH


def test_a_finger_drags_the_picture_and_draws_what_is_excluded(
    window: Any, source: Any, finger: Finger, wait_for: Wait
) -> None:
    video = window.video
    video.zoom_by(4.0)
    before = video.placement()
    finger.press(video, QPoint(300, 200))
    finger.move(video, QPoint(360, 240))
    finger.lift(video, QPoint(360, 240))
    after = video.placement()
    assert (after.left - before.left, after.top - before.top) == pytest.approx((60.0, 40.0), abs=1)
    video._set_zoom(Zoom())
    window.settings.exclusion_wanted.emit()
    finger.press(video, QPoint(300, 200))
    for x, y in ((500, 200), (500, 350), (300, 350)):
        finger.move(video, QPoint(x, y))
    finger.lift(video, QPoint(300, 350))
    wait_for(lambda: source.settings.exclusion_px)
