"""What is made of the replayed case, beside the replay; given up by hand and at the end."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import tifffile
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from sln_guide.export.wish import SPANNED, What, Wish
from sln_guide.gui.hands import replay_export
from sln_guide.gui.hands.exporting import CaseExport, Told
from sln_guide.gui.panels.buttons import FlatButton
from sln_guide.gui.panels.export_panel import MEANS, NAMES
from sln_guide.gui.window import OperatorWindow
from sln_guide.guidance import Role, Settings
from sln_guide.recording import CaseDescription, CaseWriter
from sln_guide.recording.asked import Asked
from sln_guide.recording.reader import CaseReader
from sln_guide.replay.session import ReplaySession
from sln_guide.warm_up import warm_up
from tests.gui import fakes

Wait = Callable[[Callable[[], object]], None]


class Export:
    """An export that is as far as a test says."""

    made: ClassVar[list[Export]] = []

    def __init__(self, case: Path, wish: Wish) -> None:
        self.case, self.wish = case, wish
        self.now = Told(0, 0)
        self.given_up = False
        Export.made.append(self)

    def told(self) -> Told:
        return self.now

    def give_up(self) -> None:
        self.given_up = True


@pytest.fixture
def window(open_window: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(replay_export, "CaseExport", Export)
    monkeypatch.setattr(Export, "made", [])
    source = fakes.ReplaySource()
    source.push(age_ms=1e7)
    window = open_window(source)
    window.source = source
    return window


def press(button: QWidget) -> None:
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


@pytest.mark.parametrize("what", What)
def test_everything_is_offered_and_asked_for_as_it_says(
    window: Any, what: What, tmp_path: Path
) -> None:
    window.source.change(threshold_sigma=6.0)
    window.source.seek(4.0)
    QTest.keyClick(window, Qt.Key.Key_E)
    panel = window.exports
    assert panel.isVisible()
    assert set(panel.choices) == set(NAMES) == set(MEANS) == set(What)
    press(panel.choices[what])
    assert panel.what is what
    assert panel._means.text() == MEANS[what]
    assert panel.since.isEnabled() == (what in SPANNED)
    press(panel.since)
    window.source.seek(7.0)
    press(panel.until)
    press(panel.go)
    (made,) = Export.made
    assert (made.case, made.wish.what) == (window.source.folder, what)
    assert made.wish.out.parent == tmp_path / "snapshots"
    assert made.wish.asked.settings.threshold_sigma == 6.0
    assert made.wish.asked.chosen == {"threshold_sigma"}
    assert made.wish.times_s == (7.0,)
    begin_s, end_s = made.wish.span.begin_s, made.wish.span.end_s
    assert (begin_s, end_s) == ((4.0, 7.0) if what in SPANNED else (0.0, math.inf))


def test_a_span_is_never_turned_round(window: Any) -> None:
    QTest.keyClick(window, Qt.Key.Key_E)
    panel = window.exports
    window.source.seek(6.0)
    press(panel.until)
    assert panel.span_s == (0.0, 6.0)
    window.source.seek(8.0)
    press(panel.since)
    assert panel.span_s == (8.0, math.inf)
    window.source.seek(2.0)
    press(panel.until)
    assert panel.span_s == (0.0, 2.0)
    press(panel.whole)
    assert panel.span_s == (0.0, math.inf)


def test_it_says_how_far_it_is_and_when_it_is_there(window: Any) -> None:
    QTest.keyClick(window, Qt.Key.Key_E)
    press(window.exports.go)
    (made,) = Export.made
    made.now = Told(31, 100)
    window.refresh_readings()
    assert window.export.text() == "Export 31%"
    assert window.exports.progress.text == "31%"
    QTest.keyClick(window, Qt.Key.Key_Escape)
    assert not window.exports.isVisible()
    window.refresh_readings()
    assert window.export.text() == "Export 31%", "it goes on behind a closed panel"
    made.now = Told(0, 0, "Exported: x.mp4")
    window.refresh_readings()
    assert window.confirmation.text == "Exported: x.mp4"
    assert window.export.text() == "Export"
    assert made.given_up, "its process is let go"


def test_it_is_stopped_and_closing_gives_it_up_too(window: Any) -> None:
    QTest.mouseClick(window.export, Qt.MouseButton.LeftButton)
    press(window.exports.go)
    window.refresh_readings()
    press(window.exports.go)
    assert Export.made[0].given_up
    assert "given up" in window.confirmation.text
    window.refresh_readings()
    press(window.exports.go)
    assert len(Export.made) == 2
    window.close_now()
    assert Export.made[1].given_up


def test_the_panel_has_room_on_a_small_screen(window: Any) -> None:
    QTest.keyClick(window, Qt.Key.Key_E)
    press(window.exports.choices[What.OME_TIFF])
    QApplication.processEvents()
    buttons = window.exports.findChildren(FlatButton)
    for one in buttons:
        assert one.height() >= 44
        assert window.exports.rect().contains(one.geometry())
        assert not any(one.geometry().intersects(o.geometry()) for o in buttons if o is not one)


def test_why_there_is_none_is_told(wait_for: Wait, tmp_path: Path) -> None:
    wish = Wish(What.OVERLAY, tmp_path / "x.mp4", Asked(Settings()))
    export = CaseExport(tmp_path / "none.case", wish)
    try:
        wait_for(lambda: export.told().ended)
        told = export.told()
        assert told.failed
        assert told.text.startswith("Not exported: ")
        assert "none.case" in told.text
    finally:
        export.give_up()
    assert list(tmp_path.iterdir()) == []


def test_one_that_is_done_is_let_go_without_a_word() -> None:
    """Its process may still be ending when it is let go: that was a traceback out of there."""
    program = """
import atexit, os, signal
from unittest.mock import Mock
from sln_guide.gui.hands import exporting
exporting._exported = lambda *_: ("Exported: x", False)
atexit.register(os.kill, os.getpid(), signal.SIGTERM)
exporting._export(Mock(), None, None)
"""
    root = Path(__file__).parents[2]
    ended = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, cwd=root
    )
    assert (ended.returncode, ended.stderr) == (-signal.SIGTERM, "")


def test_a_process_that_dies_is_told(wait_for: Wait, tmp_path: Path) -> None:
    export = CaseExport(tmp_path / "none.case", Wish(What.OVERLAY, tmp_path / "x.mp4"))
    export._process.kill()
    wait_for(lambda: export.told().ended)
    assert export.told().failed
    export.give_up()
    export.give_up()


def test_pressed_through_it_leaves_the_file(
    qt: QApplication,
    wait_for: Wait,
    tmp_path: Path,
    small_rig: Any,
    pairs: Any,
) -> None:
    """A real case in a real replay: NIR frames come out as they went in."""
    warm_up(small_rig)  # no wait below includes a compiler
    folder = tmp_path / "seen.case"
    with CaseWriter(folder, CaseDescription(rig=small_rig, settings=Settings())) as case:
        for nir, white in pairs[:6]:
            case.write_frame(Role.NIR, nir)
            case.write_frame(Role.WHITE, white)
    source = ReplaySession(CaseReader(folder))
    source.start()
    # a mosaic has no colours to draw: on a slow machine white light is drawn alone at first
    window = OperatorWindow(
        source, fakes.nir_pixels, fakes.nir_pixels, snapshot_folder=tmp_path / "out"
    )
    try:
        window.resize(1366, 768)
        window.show()
        window.begin()
        QTest.keyClick(window, Qt.Key.Key_E)
        assert window.exports is not None
        press(window.exports.choices[What.OME_TIFF])
        press(window.exports.go)
        wait_for(lambda: window.confirmation.text.startswith("Exported: "))
        (made,) = (tmp_path / "out").glob("*.ome.tif")
        assert made.name in window.confirmation.text
        stack = tifffile.imread(made)
        assert np.array_equal(stack, np.stack([nir.pixels for nir, _ in pairs[:6]]))
    finally:
        window.close_now()
        source.close()
        window.deleteLater()
