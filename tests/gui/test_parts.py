"""The small parts by themselves."""

from __future__ import annotations

import math
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PySide6.QtCore import QEvent, QObject
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from hardware.rig import Registration
from sln_guide.gui import theme
from sln_guide.gui.claims.health_watch import HealthWatch
from sln_guide.gui.claims.layout import Content, Layout, panes
from sln_guide.gui.claims.readings import Tone, light_reading
from sln_guide.gui.display import display_available
from sln_guide.gui.keys import KEYS, PHASE_ACTIONS, Action
from sln_guide.gui.panels.nodes import node_rows
from sln_guide.gui.panels.overlay_controls import false_calls_text
from sln_guide.gui.panels.phases import PHASES, PhaseRow, injection_text, phase_at, phase_detail
from sln_guide.gui.panels.standing import Standing
from sln_guide.gui.panels.top_strip import TopStrip
from sln_guide.gui.picture.readout import readout
from sln_guide.gui.picture.ruler import Ruler
from sln_guide.gui.wake import Wake
from sln_guide.guidance import CannotJudge, Interval
from sln_guide.health import Alignment, RecorderHealth
from sln_guide.render.pixels import as_image
from sln_guide.source import EventMark
from tests.gui import fakes
from tests.gui.situations import MS, NOW, look, session

Wait = Callable[[Callable[[], object]], None]


@pytest.mark.parametrize(
    ("per_field", "text"),
    [
        (0.05, "≈ 1 false in 20 fields"),
        (0.0123, "≈ 1 false in 80 fields"),
        (0.4, "≈ 1 false in 2 fields"),
        (0.9, "≈ 1 false in 1 field"),
        (1.2, "≈ 1 false a field"),
        (7.0, "≈ 7 false a field"),
        (1e-3, "≈ 1 false in 1000 fields"),
        (1e-9, "< 1 false in 1000 fields"),
        (0.0, "< 1 false in 1000 fields"),
        (math.nan, "false calls unknown"),
        (-1.0, "false calls unknown"),
    ],
)
def test_false_calls_in_words(per_field: float, text: str) -> None:
    assert false_calls_text(per_field) == text


def test_phases_from_events() -> None:
    events = (
        EventMark(1.0, "phase", phase_detail(0)),
        EventMark(2.0, "mark", "1"),
        EventMark(5.0, "phase", phase_detail(2)),
        EventMark(9.0, "phase", phase_detail(0)),
        EventMark(9.5, "phase", "someone else's"),
    )
    assert [phase_at(events, t) for t in (0.5, 1.0, 6.0, 9.9)] == [None, 0, 2, 0]
    assert injection_text(events, 0.5) == ""
    assert injection_text(events, 61.0 - 0.0) == "injection 2 + 00:00:52"
    assert injection_text(events, 8.0) == "injection + 00:00:07"
    assert len(PHASES) == len(PHASE_ACTIONS) == 7


def test_a_phase_that_is_over_is_painted_as_over(qt: QApplication, wait_for: Wait) -> None:
    row = PhaseRow()
    row.show()
    assert QTest.qWaitForWindowExposed(row)
    row.show_phase(0)
    wait_for(lambda: QApplication.processEvents() or True)
    painted: list[QObject] = []

    class Listener(QObject):
        def eventFilter(self, watched: QObject, event: QEvent) -> bool:
            if event.type() is QEvent.Type.Paint:
                painted.append(watched)
            return False

    listener = Listener()
    row.buttons[0].installEventFilter(listener)
    row.show_phase(None)  # as a replay does that goes back
    assert not row.buttons[0].isChecked()
    wait_for(lambda: painted)
    row.close()
    row.deleteLater()


def test_every_action_has_a_key() -> None:
    assert set(KEYS.values()) == set(Action)


def test_an_image_shares_its_arrays_memory(qt: QApplication) -> None:
    pixels = np.full((4, 6), 0xFF102030, np.uint32)
    image = as_image(pixels)
    assert (image.width(), image.height()) == (6, 4)
    pixels[2, 3] = 0xFFABCDEF
    assert image.pixel(3, 2) == 0xFFABCDEF
    pixels.setflags(write=False)
    assert as_image(pixels).pixel(3, 2) == 0xFFABCDEF


def test_a_wake_after_its_end_does_nothing(qt: QApplication) -> None:
    calls = []
    wake = Wake(lambda: calls.append(1))
    wake()
    wake()
    qt.processEvents()
    assert calls == [1]
    wake()
    wake.end()
    wake()
    qt.processEvents()
    assert calls == [1]


def test_health_watch_ends_within_bounded_time_even_if_the_source_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sln_guide.gui.claims.health_watch.END_TIMEOUT_S", 0.05)
    release, asked = threading.Event(), threading.Event()

    def hang() -> Any:
        asked.set()
        release.wait(10)
        return fakes.FakeSource().now_health

    watch = HealthWatch(hang)
    watch.start()
    assert asked.wait(5)
    assert not watch.end()
    assert watch.newest.health is None
    release.set()
    watch._thread.join(5)


@pytest.mark.skipif(os.name != "posix", reason="X11 and Wayland sockets")
def test_a_display_is_there_only_if_somebody_answers(tmp_path: Path) -> None:
    assert not display_available({})
    assert not display_available({"DISPLAY": ":9876"})
    assert not display_available({"DISPLAY": "nonsense"})
    assert not display_available({"WAYLAND_DISPLAY": "wayland-7", "XDG_RUNTIME_DIR": str(tmp_path)})
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(tmp_path / "w0"))
        server.listen()
        there = {"WAYLAND_DISPLAY": "w0", "XDG_RUNTIME_DIR": str(tmp_path)}
        assert display_available(there)
        assert not display_available(there | {"QT_QPA_PLATFORM": "offscreen"})
        assert display_available(there | {"QT_QPA_PLATFORM": "wayland"})


def test_the_icon_can_be_drawn(qt: QApplication) -> None:
    drawn = theme.icon().pixmap(64, 64).toImage()
    assert drawn.pixelColor(32, 32).green() > 200, "a node glows in its middle"


def test_interval_is_shown_by_its_half_width() -> None:
    source = fakes.FakeSource()
    wide = fakes.make_detection(1, sbr_interval=Interval(1.77, 2.57))
    (row,) = node_rows(source.push(detections=(wide,)).guidance)
    assert row.value == "SBR 2.17 ± 0.40"


def test_readout_tells_signal_or_why_not() -> None:
    source = fakes.FakeSource()
    signal = np.full((16, 20), 6.0, np.float32)
    judge = np.zeros((16, 20), np.uint8)
    judge[0, 0] = int(CannotJudge.SATURATED | CannotJudge.GLINT)
    picture = source.push(signal=signal, cannot_judge=judge)
    told = readout(picture, 80.0, 64.0, 0.1)
    assert told == (
        "signal 6 counts/(ms·gain) · SBR 1.60 · 0.0 σ\n"
        "half of nodes called here at SBR 1.13 · at 8.1, 6.5 mm"
    )
    assert readout(picture, 3.0, 3.0, None) == "cannot judge: saturated, glint"
    assert readout(picture, -2.0, 3.0, None) == ""
    assert readout(picture, 160.0, 3.0, None) == ""
    assert readout(replace(picture, guidance=None), 80.0, 64.0, 0.1) == ""


def test_readout_goes_through_the_registration() -> None:
    twice = ((2.0, 0.0, 0.0), (0.0, 2.0, 0.0), (0.0, 0.0, 1.0))
    source = fakes.FakeSource(registration=Registration(kind="calibrated", white_from_nir=twice))
    signal = np.arange(320, dtype=np.float32).reshape(16, 20)
    picture = source.push(signal=signal)
    assert readout(picture, 100.0, 60.0, None).startswith("signal 66 ")  # NIR 50, 30: row 3, col 6


@pytest.mark.parametrize("layout", list(Layout))
@pytest.mark.parametrize("size", [(1400, 780), (500, 400), (800, 2000)])
def test_panes_lie_within_the_view_and_beside_each_other(
    layout: Layout, size: tuple[int, int]
) -> None:
    divided = panes(layout, *size)
    assert divided[0].content is Content.MAIN
    for pane in divided:
        assert pane.left >= 0
        assert pane.top >= 0
        assert pane.left + pane.width <= size[0]
        assert pane.top + pane.height <= size[1]
    beside = divided if layout is not Layout.INSET else divided[1:]
    for one, other in combinations(beside, 2):
        apart = (
            one.left + one.width <= other.left
            or other.left + other.width <= one.left
            or one.top + one.height <= other.top
            or other.top + other.height <= one.top
        )
        assert apart


def test_the_ruler_measures_in_mm_where_there_is_a_scale() -> None:
    ruler = Ruler()
    ruler.switch(on=True)
    ruler.begin((10.0, 10.0))
    ruler.pull((40.0, 50.0))
    assert ruler.text(0.1, assumed=False) == "5.0 mm"
    assert ruler.text(0.1, assumed=True) == "≈ 5.0 mm"
    assert ruler.text(None, assumed=False) == "50 px"
    ruler.switch(on=False)
    assert ruler.length_px == 0.0


def test_light_commanded_and_observed() -> None:
    def said(line: str | None, light_on: bool | None, gated: tuple[int, int] | None = None) -> Any:
        rig = fakes.make_rig()
        spec = msgspec.structs.replace(rig.nir, light_line=line)
        light = msgspec.structs.replace(rig.light, gated=gated)
        rig = msgspec.structs.replace(rig, nir=spec, light=light)
        return light_reading(replace(fakes.make_nir(1, 0), light_on=light_on), rig)

    assert said(None, True).text == "", "nothing tells of the light"
    assert said("Line3", True).text == "light on"
    off = said("Line3", False)
    assert (off.text, off.tone) == ("LIGHT OFF, should be on", Tone.ALARM)
    assert said("Line3", None).tone is Tone.STALE
    assert said("Line3", False, (2, 1)).text == "light gated 2:1"


@pytest.mark.parametrize(("width_px", "confirmed"), [(1280, False), (1920, True)])
def test_a_narrow_strip_leaves_out_what_reassures_before_what_was_lost(
    width_px: int, confirmed: bool, qt: QApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    painted: list[str] = []

    def kept(strip: TopStrip, painter: object, left: float, width: float, cell: Any) -> None:
        painted.extend(reading.text for reading in cell.lines)

    monkeypatch.setattr(TopStrip, "_paint_cell", kept)
    aligned = Alignment("holds", "holds", None, None, NOW, NOW)
    recorder = RecorderHealth(recording=True, started_ns=NOW, minutes_left=214.0)
    state = look(
        health=session(alignment=aligned, recorder=recorder), distance_mm=295.0, parallax_mm=2.7
    )
    strip = TopStrip()
    strip.resize(width_px, 60)
    strip.show_state(state, "Case 7F3A-02", "injection + 00:17:42")
    strip.grab()
    strip.deleteLater()
    assert "lost 0" in painted
    assert any("confirmed < 1 min ago" in text for text in painted) == confirmed
    assert any(text.startswith("registration 0.3 mm + 2.7 parallax at 295 mm") for text in painted)


def test_figures_of_the_whole_field_stand_for_a_second() -> None:
    standing = Standing()
    assert standing.figure(4.5, 1.50, 0) == 1.50
    assert standing.figure(4.5, 1.53, 900 * MS) == 1.50
    assert standing.figure(4.5, 1.54, 1000 * MS) == 1.54
    assert standing.figure(5.0, 1.70, 1100 * MS) == 1.70, "another threshold is told at once"
    assert standing.figure(5.0, 1.60, 500 * MS) == 1.60, "so is another moment of a replay"


def test_light_that_should_be_on_is_said_in_the_strip(open_window: Any) -> None:
    rig = fakes.make_rig()
    source = fakes.FakeSource(nir=msgspec.structs.replace(rig.nir, light_line="Line3"))
    picture = source.push()
    source.picture = replace(picture, nir=replace(picture.nir, light_on=False))
    window = open_window(source)
    window.refresh_readings()
    assert "LIGHT OFF, should be on" in window.strip.texts()
