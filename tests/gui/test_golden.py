"""Golden pictures of the window's states, small and with tolerance.

Regenerated on purpose only, and then looked at:
``SLN_GUIDE_GOLDEN=write pytest tests/gui/test_golden.py``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtCore import QCoreApplication, QEvent, Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from sln_guide.gui import theme
from sln_guide.render import tokens
from tests.gui import fakes
from tests.gui.test_states import STATES, shown_state

Wait = Callable[[Callable[[], object]], None]
FOLDER = Path(__file__).parent / "golden"
SMALL = (342, 192)
"""A quarter of the window: letters become grey, so that another font's hinting does no harm."""
MEAN_TOLERANCE, PIXEL_TOLERANCE, SHARE_TOLERANCE = 2.5, 60, 0.012
SIZES = ((1366, 700), (1366, 768), (1920, 1080), (2560, 1440), (3840, 2160))


def small(widget: QWidget) -> NDArray[np.uint8]:
    """Return what a widget looks like, shrunk, (H, W, 3)."""
    # what changed its size finds its place; nothing else happens, for time would make all old
    QCoreApplication.sendPostedEvents(None, QEvent.Type.LayoutRequest.value)
    image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    shrunk = image.scaled(
        *SMALL, Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation
    )
    return as_array(shrunk)


def as_array(image: QImage) -> NDArray[np.uint8]:
    image = image.convertToFormat(QImage.Format.Format_RGB32)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.width(), 4)
    return rows[..., 2::-1].copy()


def compare(seen: NDArray[np.uint8], name: str) -> None:
    path = FOLDER / f"{name.replace(' ', '-')}.png"
    if os.environ.get("SLN_GUIDE_GOLDEN") == "write":
        FOLDER.mkdir(exist_ok=True)
        rows = np.ascontiguousarray(seen)
        height, width, _ = rows.shape
        image = QImage(rows.data, width, height, width * 3, QImage.Format.Format_RGB888)
        assert image.save(str(path))
        return
    assert path.is_file(), f"{path} is missing: write it on purpose, and look at it"
    off = np.abs(seen.astype(int) - as_array(QImage(str(path))))
    share = float((off.max(axis=2) > PIXEL_TOLERANCE).mean())
    assert off.mean() <= MEAN_TOLERANCE, f"{name}: off by {off.mean():.2f} on average"
    assert share <= SHARE_TOLERANCE, f"{name}: {share:.2%} of the picture differs plainly"


@pytest.mark.parametrize("name", STATES)
def test_a_state_looks_as_it_did(name: str, open_window: Any, wait_for: Wait) -> None:
    window, _ = shown_state(name, open_window, wait_for)
    compare(small(window), name)


@pytest.mark.parametrize("layout", ["triptych", "inset", "quad"])
def test_a_layout_looks_as_it_did(layout: str, open_window: Any, wait_for: Wait) -> None:
    window, source = shown_state("live", open_window, wait_for)
    while window.showing.layout != layout:
        QTest.keyClick(window, Qt.Key.Key_L)
    QApplication.processEvents()  # the curves find their pane
    window.confirmation.say("")
    source.push()
    window.refresh()
    compare(small(window), layout)


def test_settings_and_keys_look_as_they_did(open_window: Any, wait_for: Wait) -> None:
    window, _ = shown_state("live", open_window, wait_for)
    QTest.keyClick(window, Qt.Key.Key_P)
    window.refresh_readings()
    QApplication.processEvents()
    compare(small(window), "settings")
    QTest.keyClick(window, Qt.Key.Key_P)
    QTest.keyClick(window, Qt.Key.Key_H)
    compare(small(window), "keys")


def test_golden_pictures_tell_states_apart() -> None:
    """The tolerance is no blindfold: live and not live differ by far more."""
    live, gone = (as_array(QImage(str(FOLDER / f"{n}.png"))) for n in ("live", "not-live"))
    off = np.abs(live.astype(int) - gone)
    assert (off.max(axis=2) > PIXEL_TOLERANCE).mean() > 4 * SHARE_TOLERANCE


# -- sizes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
def test_every_screen_has_room(size: tuple[int, int], open_window: Any, wait_for: Wait) -> None:
    source = fakes.RecordingSource()
    source.push()
    window = open_window(source, size)
    window.refresh()
    window.refresh_readings()
    assert (window.width(), window.height()) == size, "it does not force itself larger"
    video = window.video
    assert video.width() * video.height() > 0.4 * size[0] * size[1]
    inside = window.rect()
    parts = [video, window.nodes, window.overlay, window.phases, window.strip, window.record]
    parts += [window.thumbnails, window.curves, *window.views.values()]
    for part in parts:
        box = part.rect().translated(part.mapTo(window, part.rect().topLeft()))
        assert inside.contains(box), f"{part} is cut off"
    for button in (*window.actions_row, *window.views.values(), *window.phases.buttons):
        assert min(button.width(), button.height()) >= tokens.CONTROL_PX
    QTest.keyClick(window, Qt.Key.Key_P)
    panel = window.settings
    window.refresh_readings()
    QApplication.processEvents()
    assert inside.contains(panel.rect().translated(panel.mapTo(window, panel.rect().topLeft())))
    for button in (*panel.preset_buttons.values(), panel.leave, panel.turn, panel.sound):
        assert panel.rect().contains(button.geometry()), f"{button.text()} is cut off"
        assert button.height() >= tokens.CONTROL_PX


def test_the_look_is_the_applications(qt: QApplication) -> None:
    assert qt.palette().window().color().name().upper() == tokens.GROUND
    assert theme.TONES
