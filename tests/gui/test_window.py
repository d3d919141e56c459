"""The operator's window, worked by hand: every key, button and slider."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit, QMessageBox

from sln_guide.gui.claims import verdict
from sln_guide.gui.claims.layout import Layout
from sln_guide.gui.claims.layout import sides as layout_sides
from sln_guide.guidance import ColourMap, Mode, View
from sln_guide.render import figures
from tests.gui import fakes
from tests.gui.hands import LEFT, Open, Wait, click, names, start_recording

# -- views and overlay -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "view"),
    [(Qt.Key.Key_F1, View.MERGED), (Qt.Key.Key_F2, View.WHITE), (Qt.Key.Key_F3, View.NIR)],
)
def test_view_keys_and_buttons(window: Any, source: Any, key: Qt.Key, view: View) -> None:
    source.change(view=View.NIR if view is View.MERGED else View.MERGED)
    QTest.keyClick(window, key)
    assert source.settings.view is view
    assert [v for v, b in window.views.items() if b.isChecked()] == [view]
    source.change(view=View.NIR if view is View.MERGED else View.MERGED)
    click(window.views[view])
    assert source.settings.view is view


def test_thumbnails_swap_into_the_large_view_and_back(
    wait_for: Wait, window: Any, source: Any
) -> None:
    click(window.thumbnails.nir)
    assert source.settings.view is View.NIR
    assert window.thumbnails.nir.isChecked()
    source.push()
    wait_for(lambda: window.video.shown.view is View.NIR)
    click(window.thumbnails.white)
    assert source.settings.view is View.WHITE
    assert not window.thumbnails.nir.isChecked()
    click(window.thumbnails.white)
    assert source.settings.view is View.MERGED


def test_threshold_slider_says_what_it_implies(
    window: Any, source: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdict, "REMOVED_MS", 60_000.0)  # of an old picture nothing is implied
    window.refresh()
    slider = window.overlay.threshold
    window.refresh_readings()
    assert window.overlay.implied.text() == "4.5 σ · ≈ 1 false in 20 fields"
    QTest.mouseClick(slider, LEFT, pos=QPoint(round(slider.position_of(6.0)), 22))
    assert source.settings.threshold_sigma == pytest.approx(6.0, abs=0.11)
    assert "false" not in window.overlay.implied.text(), "of the old threshold it says nothing"
    before = source.settings.threshold_sigma
    slider.setFocus()
    QTest.keyClick(slider, Qt.Key.Key_Right)
    assert source.settings.threshold_sigma == pytest.approx(before + 0.1)
    QTest.keyClick(window, Qt.Key.Key_BracketLeft)
    assert source.settings.threshold_sigma == pytest.approx(before)
    QTest.keyClick(window, Qt.Key.Key_BracketRight)
    assert source.settings.threshold_sigma == pytest.approx(before + 0.1)


def test_opacity_by_drag_and_key(wait_for: Wait, window: Any, source: Any) -> None:
    slider = window.overlay.opacity
    middle = QPoint(round(slider.position_of(0.4)), 22)
    QTest.mousePress(slider, LEFT, pos=middle)
    assert source.settings.opacity == pytest.approx(0.4, abs=0.03)
    QTest.mouseMove(slider, QPoint(round(slider.position_of(0.8)), 22))
    wait_for(lambda: source.settings.opacity == pytest.approx(0.8, abs=0.03))
    QTest.mouseRelease(slider, LEFT, pos=QPoint(round(slider.position_of(0.8)), 22))
    QTest.keyClick(window, Qt.Key.Key_BraceLeft)
    assert source.settings.opacity == pytest.approx(0.75, abs=0.03)


def test_sliders_stop_at_their_ends(window: Any, source: Any) -> None:
    for _ in range(100):
        QTest.keyClick(window, Qt.Key.Key_BraceRight)
    assert source.settings.opacity == 1.0
    slider = window.overlay.threshold
    QTest.mouseClick(slider, LEFT, pos=QPoint(slider.width() - 1, 22))
    assert source.settings.threshold_sigma == 10.0


def test_colour_maps(window: Any, source: Any) -> None:
    click(window.overlay.maps[ColourMap.MAGENTA])
    assert source.settings.colour_map is ColourMap.MAGENTA
    assert window.overlay.maps[ColourMap.MAGENTA].isChecked()
    QTest.keyClick(window, Qt.Key.Key_C)
    assert source.settings.colour_map is ColourMap.GREEN


def test_styles(window: Any, source: Any) -> None:
    for style, name in (("significance", "Sigma"), ("contour", "Contour"), ("signal", "Signal")):
        QTest.keyClick(window, Qt.Key.Key_O)
        assert source.settings.overlay_style == style
        assert window.overlay.style_button.text() == name
    QTest.keyClick(window, Qt.Key.Key_F3)
    assert window.overlay.style_button.text() == "Grey"
    click(window.overlay.style_button)
    assert (source.settings.nir_style, source.settings.overlay_style) == ("map", "signal")
    assert window.overlay.style_button.text() == "Map"


def test_zoom_by_wheel_key_and_drag(wait_for: Wait, window: Any, source: Any) -> None:
    video = window.video
    assert video.zoom.fits
    QTest.keyClick(window, Qt.Key.Key_Plus)
    QTest.keyClick(window, Qt.Key.Key_Plus)
    wide = video.placement()
    assert not video.zoom.fits
    middle = video.rect().center()
    QTest.mousePress(video, LEFT, pos=middle)
    QTest.mouseMove(video, middle + QPoint(0, 40))
    wait_for(lambda: video.placement().top == pytest.approx(wide.top + 40, abs=1))
    QTest.mouseRelease(video, LEFT, pos=middle)
    QTest.keyClick(window, Qt.Key.Key_F)
    assert video.zoom.fits
    QTest.keyClick(window, Qt.Key.Key_Z)
    assert video.placement().scale * video.devicePixelRatioF() == pytest.approx(1.0)
    QTest.mouseDClick(video, LEFT)
    QTest.keyClick(window, Qt.Key.Key_Minus)
    assert video.zoom.fits
    over = video.mapTo(window, middle)
    QTest.wheelEvent(window.windowHandle(), over, QPoint(0, 240))
    wait_for(lambda: not video.zoom.fits)


def test_layouts_go_round_by_key_and_button(wait_for: Wait, window: Any, source: Any) -> None:
    seen = []
    for step in range(4):
        if step % 2:
            click(window.layout_button)
        else:
            QTest.keyClick(window, Qt.Key.Key_L)
        source.push()
        wait_for(lambda: window.video.shown.layout is window.showing.layout)
        seen.append(window.showing.layout)
        in_video = window.curves.parent() is window.video
        assert in_video == (window.showing.layout is Layout.QUAD)
        sides = {s.content for s in window.video.shown.sides}
        assert sides == set(layout_sides(window.showing.layout))
    assert seen == [Layout.TRIPTYCH, Layout.INSET, Layout.QUAD, Layout.SINGLE]
    assert window.curves.isVisible()


def test_distance_by_drag(wait_for: Wait, window: Any, source: Any) -> None:
    video = window.video
    QTest.keyClick(window, Qt.Key.Key_D)
    scale = video.placement().scale
    start = QPoint(video.width() // 2, video.height() // 2)
    QTest.mousePress(video, LEFT, pos=start)
    QTest.mouseMove(video, start + QPoint(round(30 * scale), round(40 * scale)))
    wait_for(lambda: video.ruler.length_px == pytest.approx(50, abs=1))
    QTest.mouseRelease(video, LEFT)
    assert video.zoom.fits, "the picture stayed where it was"
    QTest.keyClick(window, Qt.Key.Key_D)
    assert not video.ruler.on


def test_help_lists_the_keys_beside_the_picture(window: Any) -> None:
    QTest.keyClick(window, Qt.Key.Key_H)
    assert window.help.isVisible()
    assert not window.help.geometry().isEmpty()
    over = window.help.mapTo(window, QPoint(0, 0)).x()
    assert over >= window.video.geometry().right(), "never over the picture"
    click(window.help)
    assert not window.help.isVisible()


# -- stamping ----------------------------------------------------------------------------------


def test_phases_by_key_and_button_stamp_and_start_the_timer(
    wait_for: Wait, window: Any, source: Any
) -> None:
    QTest.keyClick(window, Qt.Key.Key_1)
    click(window.phases.buttons[3])
    assert names(source) == ["phase 1 Inject", "phase 4 Excise"]
    assert [b.isChecked() for b in window.phases.buttons] == [i == 3 for i in range(7)]
    wait_for(lambda: any(t.startswith("injection + 00:00:0") for t in window.strip.texts()))


def test_another_injection_is_stamped_by_two_presses(
    wait_for: Wait, window: Any, source: Any
) -> None:
    """One slip would set the timer back that everybody goes by."""
    for said in ("no case keeps it", "Not stamped: 1 Inject is already", "stamped at"):
        QTest.keyClick(window, Qt.Key.Key_1)
        assert said in window.confirmation.text
    assert names(source) == ["phase 1 Inject"] * 2
    start_recording(window, wait_for)
    wait_for(lambda: window.commands.recording)
    QTest.keyClick(window, Qt.Key.Key_1)
    assert names(source) == ["phase 1 Inject"] * 3, "the case that begins has none yet"
    QTest.keyClick(window, Qt.Key.Key_1)
    assert names(source) == ["phase 1 Inject"] * 3


@pytest.mark.parametrize("index", range(7))
def test_every_phase_has_its_key(window: Any, source: Any, index: int) -> None:
    QTest.keyClick(window, Qt.Key(int(Qt.Key.Key_1) + index))
    assert window.phases.buttons[index].isChecked()
    assert len(source.marks) == 1


def test_mark(window: Any, source: Any) -> None:
    QTest.keyClick(window, Qt.Key.Key_M)
    click(window.actions_row[2])
    assert names(source) == ["mark 1", "mark 2"]
    assert window.confirmation.text.startswith("Mark 2 stamped at ")


def test_a_stamp_that_no_case_keeps_says_so(window: Any, wait_for: Wait) -> None:
    for key, what in ((Qt.Key.Key_M, "Mark 1"), (Qt.Key.Key_1, "1 Inject")):
        QTest.keyClick(window, key)
        assert window.confirmation.text.startswith(f"{what} stamped at ")
        assert "no case keeps it" in window.confirmation.text
    start_recording(window, wait_for)
    wait_for(lambda: window.commands.recording)
    for key in (Qt.Key.Key_M, Qt.Key.Key_2):
        QTest.keyClick(window, key)
        assert "stamped at" in window.confirmation.text
        assert "case" not in window.confirmation.text


def test_a_held_key_stamps_once(window: Any, source: Any) -> None:
    for repeated in (False, True, True):
        event = QKeyEvent(
            QEvent.Type.KeyPress, Qt.Key.Key_M, Qt.KeyboardModifier.NoModifier, "m", repeated
        )
        QApplication.sendEvent(window, event)
    assert names(source) == ["mark 1"]


def test_no_shortcut_fires_while_typing(wait_for: Wait, window: Any, source: Any) -> None:
    field = QLineEdit(window)
    field.show()
    window.activateWindow()
    field.setFocus()
    wait_for(field.hasFocus)
    QTest.keyClicks(field, "smr1 f[]")
    QTest.keyClick(field, Qt.Key.Key_F2)
    assert field.text() == "smr1 f[]"
    assert source.marks == []
    assert source.settings.view is View.MERGED
    assert not source.now_health.recorder.recording
    field.deleteLater()


def test_chords_are_no_shortcuts(window: Any, source: Any) -> None:
    QTest.keyClick(window, Qt.Key.Key_M, Qt.KeyboardModifier.ControlModifier)
    assert source.marks == []


def test_snapshot_saves_the_view_and_what_made_it(
    wait_for: Wait, window: Any, source: Any, tmp_path: Path
) -> None:
    import json

    picture = source.push()
    window.refresh()  # the fixture's picture may be old by now
    QTest.keyClick(window, Qt.Key.Key_S)
    wait_for(lambda: window.confirmation.text.startswith("Snapshot saved: "))
    (still,) = (tmp_path / "snapshots").glob("*.png")
    facts = json.loads(still.with_suffix(".json").read_text())
    assert facts["screen"]["state"] == "LIVE"
    assert facts["screen"]["overlay_shown"] is True
    assert facts["screen"]["settings_now"]["threshold_sigma"] == 4.5
    assert facts["guidance"]["detections"][0]["sbr"] == 2.17
    assert facts["white"]["sequence"] == picture.white.sequence
    assert names(source) == [f"snapshot {still.name}"]
    assert list((tmp_path / "snapshots").iterdir()) != []
    assert not list((tmp_path / "snapshots").glob("*.part*"))


def test_snapshot_that_cannot_be_saved_says_why(
    wait_for: Wait, window: Any, tmp_path: Path, source: Any
) -> None:
    (tmp_path / "snapshots").write_text("a file is in the way")
    click(window.snapshot)
    wait_for(lambda: window.confirmation.text.startswith("Snapshot not saved: "))


# -- freezing ----------------------------------------------------------------------------------


def test_freeze_holds_the_picture_and_thumbnails_go_on(
    wait_for: Wait, window: Any, source: Any
) -> None:
    QTest.keyClick(window, Qt.Key.Key_Space)
    held = window.video.shown.image
    assert window.strip.pill.startswith("FROZEN ")
    before = window.thumbnails.white._image
    source.push()
    wait_for(lambda: window.thumbnails.white._image is not before)
    assert window.video.shown.image is held
    assert window.freeze.text() == "Release"
    source.push()
    click(window.freeze)
    assert window.video.shown.image is source.picture.rgb32
    assert window.strip.pill == "LIVE"
    assert names(source) == ["freeze", "release"]


def test_view_chosen_while_frozen_explains_itself(window: Any, source: Any) -> None:
    QTest.keyClick(window, Qt.Key.Key_Space)
    QTest.keyClick(window, Qt.Key.Key_F2)
    assert "Frozen" in window.confirmation.text


# -- closing -----------------------------------------------------------------------------------


def answer(window: Any, text: str) -> None:
    box: QMessageBox = window.question.box
    assert box is not None
    (button,) = [b for b in box.buttons() if b.text() == text]
    click(button)


def test_closing_while_recording_asks(wait_for: Wait, window: Any, source: Any) -> None:
    start_recording(window, wait_for)
    window.close()
    assert window.isVisible()
    answer(window, "Keep going")
    wait_for(lambda: window.question.box is None)
    assert window.isVisible()
    window.close()
    window.close()  # asks once
    answer(window, "Stop recording and close")
    wait_for(lambda: not window.isVisible())
    assert source.stopped == 1


def test_closing_a_live_view_asks_and_a_simulated_one_does_not(
    wait_for: Wait, open_window: Open
) -> None:
    live = open_window(fakes.FakeSource(mode=Mode.LIVE))
    live.close()
    assert live.isVisible()
    answer(live, "Close")
    wait_for(lambda: not live.isVisible())
    simulated = open_window(fakes.FakeSource(mode=Mode.SIMULATED))
    simulated.close()
    assert not simulated.isVisible()


def test_after_closing_the_source_is_let_go(window: Any, source: Any) -> None:
    window.close_now()
    assert source.wake is None
    window.close_now()


# -- time --------------------------------------------------------------------------------------


def test_many_wakes_from_another_thread_become_few_looks(
    window: Any, source: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    look = window.showing.look

    def counted(*arguments: Any) -> Any:
        nonlocal looks
        looks += 1
        return look(*arguments)

    monkeypatch.setattr(window.showing, "look", counted)
    window._tick.stop()
    window.telling._in_turn.end()
    waker = threading.Thread(target=lambda: [source.wake() for _ in range(2000)])
    waker.start()
    waker.join()
    QApplication.processEvents()
    assert looks == 1


def test_a_source_whose_health_hangs_does_not_hold_up_the_picture(
    wait_for: Wait, open_window: Open
) -> None:
    source = fakes.FakeSource()
    source.push()
    release, asked = threading.Event(), threading.Event()
    answered = source.now_health

    def hang() -> Any:
        if asked.is_set():
            release.wait(10)
        asked.set()
        return answered

    source.ask_health = hang
    window = open_window(source)
    try:
        wait_for(lambda: window.watch.newest.health is not None)
        for _ in range(5):
            number = source.push().number
            wait_for(lambda n=number: any(c[0] == n for c in source.painted_calls))
        wait_for(lambda: source.push() and any("readings" in t for t in window.strip.texts()))
    finally:
        release.set()


def test_health_that_raises_is_said(wait_for: Wait, open_window: Open) -> None:
    source = fakes.FakeSource()
    source.push()

    def fail() -> Any:
        raise RuntimeError("no idea")

    source.ask_health = fail
    window = open_window(source)
    wait_for(
        lambda: any("no idea" in b.detail for b in window.video.shown.state.banners),
    )


def test_nodes_and_curves_follow(wait_for: Wait, window: Any, source: Any) -> None:
    window.refresh_readings()
    assert window.nodes.rows[0].name == "SLN-1"
    assert window.nodes.rows[0].value == "SBR 2.17 ± 0.05"
    assert window.nodes.fact == "half of nodes called at SBR 1.22, ¾ of field"
    wait_for(lambda: source.push() and bool(window.curves._curves))
    source.push(age_ms=600)
    wait_for(lambda: window.nodes.rows == ())


def test_the_list_follows_the_tags_without_waiting_for_calm(
    wait_for: Wait, open_window: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One node with two figures on the screen: which is true?"""
    monkeypatch.setattr(figures, "STANDING_NS", 0)
    source = fakes.FakeSource()
    window = open_window(source)
    source.push(detections=(fakes.make_detection(1, sbr=2.5),))
    wait_for(lambda: [row.value[:7] for row in window.nodes.rows] == ["SBR 2.5"])
    monkeypatch.setattr(window, "refresh_readings", lambda: None)
    window.telling._in_turn.end()  # it holds on to the methods that were there
    source.push(detections=(fakes.make_detection(1, sbr=3.5),))
    wait_for(lambda: [row.value[:7] for row in window.nodes.rows] == ["SBR 3.5"])
