"""Presets, mounting and visibility as the operator sets them."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from sln_guide.gui import preferences
from sln_guide.gui.panels.buttons import FlatButton
from sln_guide.gui.picture.mounting import turned_image, turned_pixels, turned_size, turning
from sln_guide.gui.preferences import Mounting, Place
from sln_guide.gui.scale import choices, display_of
from sln_guide.gui.window import OperatorWindow
from tests.gui import fakes

Wait = Callable[[Callable[[], object]], None]
ALL = [Mounting(turns, mirrored) for turns in range(4) for mirrored in (False, True)]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "config")


@pytest.fixture
def window(qt: QApplication, place: Place, tmp_path: Path) -> Any:
    source = fakes.FakeSource()
    one = OperatorWindow(
        source, fakes.white_pixels, fakes.nir_pixels, snapshot_folder=tmp_path, place=place
    )
    one.source = source
    one.resize(1366, 768)
    one.show()
    assert QTest.qWaitForWindowExposed(one)
    source.push()
    one.begin()
    yield one
    one.close_now()
    one.deleteLater()


def press(button: QWidget) -> None:
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def test_a_preset_is_taken_stamped_and_kept(window: Any, place: Place) -> None:
    QTest.keyClick(window, Qt.Key.Key_P)
    assert window.settings.isVisible()
    window.refresh_readings()
    press(window.settings.preset_buttons["gi"])
    assert (window.source.settings.threshold_sigma, window.source.settings.opacity) == (4.0, 0.8)
    assert [(m.name, m.detail) for m in window.source.marks] == [("preset", "gi")]
    assert place.preferences.preset == "gi"
    assert window.settings.fact == "gi · locked"


def test_what_cannot_be_kept_says_so_each_time(
    window: Any, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, data: bytes) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(preferences, "replace_file", refuse)
    arranging = window.commands.arranging
    for act, done in (
        (arranging.mirror, "Picture mirrored"),
        (arranging.turn, "Picture turned by 90°"),
        (arranging.toggle_sound, "Alarms make no sound"),
        (lambda: arranging.take("gi"), "Preset: gi (locked)"),
    ):
        act()
        said = window.confirmation.text
        assert said.startswith(f"{done} · Until the window closes only: "), said
        assert "Read-only file system" in said
    assert arranging.mounting.mirrored, "for now it holds"


def test_a_locked_preset_holds_its_settings_whoever_asks(window: Any) -> None:
    window.commands.arranging.take("breast")
    before = window.source.settings
    QTest.keyClick(window, Qt.Key.Key_BracketRight)
    QTest.keyClick(window, Qt.Key.Key_C)
    QTest.keyClick(window, Qt.Key.Key_O)
    assert window.source.settings == before
    assert "locked" in window.confirmation.text
    window.refresh_readings()
    assert window.overlay.threshold.value == before.threshold_sigma
    QTest.keyClick(window, Qt.Key.Key_F3)
    assert window.source.settings.view == "nir", "the view is not the preset's"
    press(window.settings.lock)
    QTest.keyClick(window, Qt.Key.Key_F1)
    QTest.keyClick(window, Qt.Key.Key_C)
    assert window.source.settings.colour_map != before.colour_map


def test_settings_are_saved_as_a_preset_and_locked(window: Any, place: Place) -> None:
    QTest.keyClick(window, Qt.Key.Key_BracketRight)
    press(window.settings.save)
    assert place.presets.load("own 1").threshold_sigma == window.source.settings.threshold_sigma
    press(window.settings.lock)
    assert place.presets.load("own 1").locked
    assert window.settings.lock.text() == "Unlock"


def test_kinds_are_hidden_and_the_scale_locked(window: Any) -> None:
    press(window.settings.shown["show_channel"])
    assert not window.source.settings.show_channel
    press(window.settings.scale)
    assert window.source.settings.display_full_scale == 12.0
    assert "locked at 12" in window.settings.scale.text()
    press(window.settings.scale)
    assert window.source.settings.display_full_scale is None


def test_the_picture_is_turned_at_once_and_next_time(
    window: Any, place: Place, wait_for: Wait
) -> None:
    shape = window.video.shown.image.shape
    press(window.settings.turn)
    press(window.settings.mirror)
    assert place.preferences.mounting == Mounting(1, True)
    assert "90" in window.settings.turn.text()
    placement = window.video.placement()
    height, width = shape
    lies = round(width * placement.scale) <= window.video.height()
    assert lies, "what was wide is high now"
    assert window.thumbnails.white.aspect == pytest.approx(height / width)


@pytest.mark.parametrize("mounting", ALL)
def test_pixels_and_places_are_turned_alike(qt: QApplication, mounting: Mounting) -> None:
    pixels = np.zeros((6, 10), np.uint32)
    pixels[1, 7] = 0xFFFFFFFF
    to = turning((10, 6), mounting)
    there = to.map(QPointF(7.5, 1.5))
    rows = turned_pixels(pixels.view(np.uint8).reshape(6, 10, 4), mounting)
    turned = rows.copy().view(np.uint32)[..., 0]
    assert turned.shape == turned_size((10, 6), mounting)[::-1]
    assert turned[int(there.y()), int(there.x())] == 0xFFFFFFFF
    image = turned_image(QImage(pixels.data, 10, 6, 40, QImage.Format.Format_RGB32), mounting)
    assert (image.width(), image.height()) == turned_size((10, 6), mounting)
    assert image.pixel(int(there.x()), int(there.y())) == 0xFFFFFFFF


@pytest.mark.parametrize("mounting", ALL)
def test_marks_and_read_out_follow_the_mounting(window: Any, mounting: Mounting) -> None:
    window.commands.arranging._keep("turned", mounting=mounting)
    detection = fakes.make_detection(x_px=40.0, y_px=30.0, x_white_px=40.0, y_white_px=30.0)
    window.source.push(overlay=True, detections=(detection,))
    window._arranged()
    window.video.repaint()
    video = window.video
    placement = video.placement()
    to = turning((160, 128), mounting).map(QPointF(40.5, 30.5))
    x, y = placement.left + to.x() * placement.scale, placement.top + to.y() * placement.scale
    back = video._picture_point(QPointF(x, y))
    assert back == pytest.approx((40.0, 30.0), abs=1e-6)
    shot = video.grab().toImage()
    radius = 0.75 * 30.0 * placement.scale
    bright = [
        max(
            shot.pixelColor(round(x + dx * (radius + off)), round(y + dy * (radius + off))).green()
            for off in (-1, 0, 1)
        )
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1))
        if 0 < x + dx * (radius + 2) < shot.width() and 0 < y + dy * (radius + 2) < shot.height()
    ]
    assert min(bright) > 180, "the ring lies where the node does"


def test_a_baseline_is_asked_for_and_forgotten(window: Any) -> None:
    window.source.push(detections=())
    window.refresh()
    nir_ns = window.video.shown.picture.guidance.pair.nir.mid_exposure_ns
    press(window.settings.baseline)
    assert window.source.settings.baseline_ns == nir_ns
    assert window.settings.baseline.text() == "Baseline asked"
    window.source.push(baseline_used=True)
    window.refresh()
    window.refresh_readings()
    assert window.settings.baseline.text() == "Baseline < 1 min"
    press(window.settings.baseline)
    assert window.source.settings.baseline_ns == nir_ns  # one slip loses none
    press(window.settings.baseline)
    assert window.source.settings.baseline_ns is None


def test_nir_exposure_follows_or_is_held_and_says_so(window: Any, wait_for: Wait) -> None:
    assert window.settings.exposure.text() == "Held, 10 ms"
    press(window.settings.exposure)
    assert window.source.settings.auto_exposure
    assert window.settings.exposure.text() == "Follows, 10 ms"
    window.source.now_health = replace(window.source.now_health, exposure_refused="read-only")
    wait_for(lambda: window.watch.newest.health.exposure_refused)
    window.refresh_readings()
    assert window.settings.exposure.text() == "Cannot follow"


def test_settings_have_room_on_a_small_screen_whatever_presets_there_are(
    window: Any, place: Place
) -> None:
    for _ in range(4):
        place.presets.save(place.presets.new_name(), place.presets.load("research"))
    QTest.keyClick(window, Qt.Key.Key_P)
    window.refresh_readings()
    QApplication.processEvents()
    panel = window.settings
    assert len(panel.preset_buttons) > 3
    buttons = [b for b in panel.findChildren(FlatButton) if b.isVisible()]
    assert {b.height() for b in buttons} == {44}
    for one in buttons:
        assert panel.rect().contains(one.geometry())
        assert not any(one.geometry().intersects(o.geometry()) for o in buttons if o is not one)


def test_the_size_of_the_interface_is_chosen_and_kept(window: Any, place: Place) -> None:
    QTest.keyClick(window, Qt.Key.Key_P)
    window.refresh_readings()
    assert window.settings.larger.text() == "Size auto"
    press(window.settings.larger)
    assert place.preferences.interface_scale == 1.0
    assert window.confirmation.text == "Interface 100% from the next start on"
    offered = choices(display_of(window.screen()))
    for scale in (*offered[1:], 0.0):
        press(window.settings.larger)
        assert place.preferences.interface_scale == scale
