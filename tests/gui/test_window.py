"""The operator's window, worked by hand: every key, button and slider."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit, QMessageBox, QWidget

from sln_guide.gui.buttons import HOLD_S
from sln_guide.gui.layout import Layout
from sln_guide.gui.layout import sides as layout_sides
from sln_guide.guidance import ColourMap, Mode, View
from sln_guide.render import figures
from tests.gui import fakes

Open = Callable[..., Any]
Wait = Callable[[Callable[[], object]], None]
LEFT = Qt.MouseButton.LeftButton


def click(widget: QWidget) -> None:
    QTest.mouseClick(widget, LEFT)


def names(source: Any) -> list[str]:
    return [f"{m.name} {m.detail}".strip() for m in source.marks]


@pytest.fixture
def source() -> Any:
    source = fakes.RecordingSource()
    source.push()
    return source


@pytest.fixture
def window(open_window: Open, source: Any) -> Any:
    return open_window(source)


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


def test_threshold_slider_says_what_it_implies(window: Any, source: Any) -> None:
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
    start(window, wait_for)
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


# -- recording ---------------------------------------------------------------------------------


def start(window: Any, wait_for: Wait) -> None:
    QTest.keyClick(window, Qt.Key.Key_R)
    wait_for(lambda: window.record.recording)


def test_a_tap_starts_but_does_not_stop(wait_for: Wait, window: Any, source: Any) -> None:
    start(window, wait_for)
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
    start(window, wait_for)
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
    start(window, wait_for)
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


# -- theatre -----------------------------------------------------------------------------------


def test_theatre_shows_the_same_and_hands_keys_on(wait_for: Wait, window: Any, source: Any) -> None:
    QTest.keyClick(window, Qt.Key.Key_F11)
    assert window.theatre.isVisible()
    source.push()
    wait_for(lambda: window.theatre.video.shown.image is source.picture.rgb32)
    QTest.keyClick(window.theatre, Qt.Key.Key_M)
    assert names(source) == ["mark 1"]
    QTest.keyClick(window.theatre, Qt.Key.Key_Escape)
    assert not window.theatre.isVisible()
    click(window.theatre_button)
    assert window.theatre.isVisible()
    QTest.keyClick(window.theatre, Qt.Key.Key_F11)
    assert not window.theatre.isVisible()
    assert not window.theatre_button.isChecked()


# -- closing -----------------------------------------------------------------------------------


def answer(window: Any, text: str) -> None:
    box: QMessageBox = window.question.box
    assert box is not None
    (button,) = [b for b in box.buttons() if b.text() == text]
    click(button)


def test_closing_while_recording_asks(wait_for: Wait, window: Any, source: Any) -> None:
    start(window, wait_for)
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


class FakeScreen:
    """A projector."""

    def __init__(self, name: str) -> None:
        self._name = name

    def name(self) -> str:
        return self._name


def test_an_unplugged_projector_does_not_drop_its_window_on_the_operator(
    wait_for: Wait, window: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def open_on(screen: Any) -> None:
        window.theatre._screen_name = screen.name()
        opened.append(screen.name())
        window.theatre.show()

    projector = FakeScreen("HDMI-1")
    monkeypatch.setattr(window.theatre, "_other_screen", lambda: projector)
    monkeypatch.setattr(window.theatre, "_open_on", open_on)
    window.toggle_theatre()
    assert window.theatre_button.isChecked()
    window.theatre.screen_gone("DP-3")
    assert window.theatre.isVisible(), "somebody else's screen"
    window.theatre.screen_gone("HDMI-1")
    assert not window.theatre.isVisible()
    assert not window.theatre_button.isChecked()
    assert "unplugged" in window.confirmation.text
    window.theatre.screen_came(FakeScreen("DP-4"))
    assert not window.theatre.isVisible()
    window.theatre.screen_came(projector)
    assert window.theatre.isVisible()
    assert opened == ["HDMI-1", "HDMI-1"]
    window.toggle_theatre()
    window.theatre.screen_came(projector)
    assert not window.theatre.isVisible(), "put away on purpose"


@pytest.mark.parametrize("free", [True, False])
def test_the_theatre_makes_way_for_the_operators_window(
    window: Any, monkeypatch: pytest.MonkeyPatch, free: bool
) -> None:
    """Dragged onto the projector, or put there by the desktop, it would lie beneath."""
    theatre, opened = window.theatre, []
    monkeypatch.setattr(theatre, "_other_screen", lambda: FakeScreen("DP-2") if free else None)
    monkeypatch.setattr(theatre, "_open_on", lambda screen: opened.append(screen.name()))
    theatre.show()
    theatre._screen_name = "HDMI-1"
    theatre.operator_came(FakeScreen("DP-3"))
    assert theatre.isVisible()
    assert opened == []
    theatre.operator_came(FakeScreen("HDMI-1"))
    assert opened == (["DP-2"] if free else [])
    assert theatre.isVisible() is free
    assert "your window is on its screen" in window.confirmation.text


def test_the_theatres_screen_is_chosen_and_kept(
    window: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    screens = [FakeScreen("HDMI-1"), FakeScreen("DP-2")]
    monkeypatch.setattr(window.theatre, "_others", lambda: screens)
    arranging = window.commands.arranging
    for name in ("HDMI-1", "DP-2", "HDMI-1"):
        click_text = window.settings.theatre.text()
        window.settings.theatre.click()
        window.refresh_readings()
        assert window.settings.theatre.text() == name != click_text
        assert arranging.theatre_screen == name
    assert window.theatre._other_screen() is screens[0]
    screens.pop(0)
    assert window.theatre._other_screen() is screens[0], "another, where the chosen one is not"
    screens.pop()
    window.settings.theatre.click()
    assert window.confirmation.text == "No other screen is connected"
    assert arranging.theatre_screen == "HDMI-1", "it may be plugged in again"


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
