"""The small parts by themselves."""

from __future__ import annotations

import json
import math
import os
import shutil
import socket
import subprocess
import sys
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
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from hardware.rig import Registration
from sln_guide.gui import theme
from sln_guide.gui.awake import Awake
from sln_guide.gui.display import display_available
from sln_guide.gui.health_watch import HealthWatch
from sln_guide.gui.history import EVERY_S, KEPT_S, SignalHistory
from sln_guide.gui.keys import KEYS, PHASE_ACTIONS, Action
from sln_guide.gui.layout import Content, Layout, panes
from sln_guide.gui.nodes import NodesPanel, no_rows_text, node_ink, node_rows
from sln_guide.gui.overlay_controls import false_calls_text
from sln_guide.gui.phases import PHASES, PhaseRow, injection_text, phase_at, phase_detail
from sln_guide.gui.plot_data import axis_top, thinned
from sln_guide.gui.readings import Tone, light_reading
from sln_guide.gui.readout import readout
from sln_guide.gui.ruler import Ruler
from sln_guide.gui.snapshot import MOST_WAITING, Snapshot, SnapshotSaver
from sln_guide.gui.wake import Wake
from sln_guide.guidance import CannotJudge, Interval, Kind, Mode
from sln_guide.render.figures import Figures
from sln_guide.render.pixels import as_image
from sln_guide.render.wording import sbr_text
from sln_guide.source import EventMark
from tests.gui import fakes

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


def test_nodes_in_words() -> None:
    detections = (
        fakes.make_detection(7, kind=Kind.UNCERTAIN, confirmed=False, flags=("by instrument",)),
        fakes.make_detection(3, coasted=True, sbr=None, cnr=None, signal=None, age_s=3.2),
        fakes.make_detection(2, confirmed=False, node_number=0),
        fakes.make_detection(1, saturated_fraction=0.2),
        fakes.make_detection(4, flags=("partly hidden",)),
        fakes.make_detection(9, kind=Kind.CHANNEL),
        fakes.make_detection(10, kind=Kind.INJECTION),
    )
    source = fakes.FakeSource()
    guidance = source.push(detections=detections).guidance
    rows = node_rows(guidance)
    assert [(r.name, r.words, r.value) for r in rows] == [
        ("SLN-1", "CNR ≥ 7.3 · spot 3.0 mm", "SBR ≥ 2.17"),
        ("SLN-3", "not seen for 3.2 s", ""),
        ("SLN-4", "CNR 7.3 · partly hidden · spot 3.0 mm", "SBR 2.17 ± 0.05"),
        ("node", "not confirmed", ""),
        ("?", "uncertain · by instrument", "SBR 2.17 ± 0.05"),
    ]
    assert not rows[1].seen
    assert node_rows(None) == ()
    assert node_ink(1) != node_ink(2)


def test_no_node_is_not_claimed_where_nobody_can_tell(qt: QApplication) -> None:
    """Dark never reads as "negative"."""
    assert no_rows_text(judged=True) == "none called"
    assert no_rows_text(judged=False) == "not judged now"
    panel = NodesPanel()
    panel.resize(388, 240)
    none = replace(fakes.FakeSource().push().guidance, detections=(), limit_sbr=None)
    looks = set()
    for judged in (True, False):
        panel.show_guidance(none, judged=judged)
        panel.say("")
        looks.add(panel.grab().toImage().bits().tobytes())
    assert len(looks) == 2
    panel.deleteLater()


def test_the_list_says_no_figure_of_what_is_not_seen_now() -> None:
    """Neither does its tag."""
    source = fakes.FakeSource()
    unseen = fakes.make_detection(1, coasted=True)
    picture = source.push(detections=(unseen, fakes.make_detection(2)))
    rows = node_rows(picture.guidance)
    assert [row.value for row in rows] == ["", sbr_text(unseen)]


def test_the_list_says_the_figures_that_the_tags_say() -> None:
    guidance = fakes.FakeSource().push(detections=(fakes.make_detection(3, sbr=2.0),)).guidance
    figures = Figures()
    (found,) = guidance.detections
    earlier = replace(found, sbr=2.5)
    figures.standing(3, earlier, guidance.pair.nir.mid_exposure_ns - 100_000_000)
    assert [row.value for row in node_rows(guidance, figures)] == [sbr_text(earlier)]
    assert node_ink(1) == node_ink(7)


def test_history_keeps_each_nodes_signal_in_time() -> None:
    history = SignalHistory()
    source = fakes.FakeSource()

    def guidance(*detections: Any) -> Any:
        return source.push(detections=detections).guidance

    one, two = fakes.make_detection(1), fakes.make_detection(2, signal=5.0)
    assert history.add(0.0, guidance(one))
    assert not history.add(EVERY_S / 2, guidance(one)), "too near in time"
    assert not history.add(-5.0, guidance(one)), "late"
    assert history.add(1.0, guidance(one, two))
    assert history.add(2.0, guidance(replace(one, coasted=True, signal=None), two))
    assert history.add(3.0, guidance(fakes.make_detection(3, confirmed=False, node_number=0)))
    signals = history.signals()
    assert list(signals) == ["SLN-1", "SLN-2"]
    np.testing.assert_array_equal(signals["SLN-1"], [12.0, 12.0, np.nan, np.nan])
    np.testing.assert_array_equal(signals["SLN-2"], [np.nan, 5.0, 5.0, np.nan])
    assert history.add(2.0 + KEPT_S, guidance(two))
    assert history.times_s()[0] == 2.0
    assert all(len(s) == len(history.times_s()) for s in history.signals().values())


def test_history_outlives_an_engine() -> None:
    """Another one numbers behind it: what was seen before stays, and no other node goes on it."""
    history, source = SignalHistory(), fakes.FakeSource()
    history.add(0.0, replace(source.push().guidance, generation=900))
    two = fakes.make_detection(2)
    history.add(2.0, replace(source.push(detections=(two,)).guidance, generation=2))
    assert list(history.signals()) == ["SLN-1", "SLN-2"]


def test_history_forgets_tracks_that_left_long_ago() -> None:
    history = SignalHistory()
    source = fakes.FakeSource()
    with_one = source.push().guidance
    without = source.push(detections=()).guidance
    history.add(0.0, with_one)
    for step in range(60):
        history.add(KEPT_S + 1.0 + step, without)
    assert history.signals() == {}


def test_curves_are_thinned_without_inventing_values() -> None:
    times = np.arange(1000.0)
    values = np.where((times >= 300) & (times < 400), np.nan, times)
    shown_times, shown = thinned(times, values, 100)
    assert shown_times.size == shown.size == 100
    assert np.isnan(shown[30:40]).all()
    assert np.isfinite(np.delete(shown, np.s_[30:40])).all()
    np.testing.assert_allclose(shown[:30], shown_times[:30])
    few = thinned(times[:50], values[:50], 100)
    np.testing.assert_array_equal(few[1], values[:50])


@pytest.mark.parametrize(
    ("highest", "top"), [(0.0, 1.0), (0.9, 1.0), (1.0, 1.2), (97.0, 120.0), (4.9, 6.0)]
)
def test_the_curves_axis_ends_at_a_round_number(highest: float, top: float) -> None:
    assert axis_top([np.array([np.nan, highest]), np.array([np.nan])]) == pytest.approx(top)


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
    monkeypatch.setattr("sln_guide.gui.health_watch.END_TIMEOUT_S", 0.05)
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


def test_snapshots_are_whole_or_absent(tmp_path: Path, qt: QApplication) -> None:
    image = QImage(9, 8, QImage.Format.Format_RGB32)
    image.fill(0xFF00FF00)
    saved: list[str] = []
    failed: list[str] = []
    saver = SnapshotSaver(saved.append, failed.append)
    screen = {"age": math.nan, "list": (1, math.inf), "in": {"x": 2.5}}
    snapshot = Snapshot(
        image=image,
        picture=fakes.FakeSource().push(),
        screen=screen,
        mode=Mode.LIVE,
        title="case",
        taken_wall_ns=1_772_451_667_000_000_000,
        folder=tmp_path / "new" / "folder",
        name="one",
    )
    saver.save("Snapshot", snapshot.save)
    (tmp_path / "file").write_text("x")
    saver.save("Snapshot", replace(snapshot, folder=tmp_path / "file").save)
    saver.save("Snapshot", snapshot.save)
    assert saver.end()
    png = tmp_path / "new" / "folder" / "one.png"
    assert saved == [f"Snapshot saved: {png}"]
    assert [text.split(":")[0] for text in failed] == 2 * ["Snapshot not saved"]
    assert QImage(str(png)).pixel(3, 3) == 0xFF00FF00
    read = json.loads(png.with_suffix(".json").read_text())
    assert read["screen"] == {"age": None, "list": [1, None], "in": {"x": 2.5}}
    assert sorted(p.name for p in png.parent.iterdir()) == ["one.json", "one.png"]


def test_a_snapshot_that_fails_is_told_and_costs_no_other() -> None:
    saved: list[str] = []
    failed: list[str] = []
    go = threading.Event()

    def wait() -> str:
        go.wait(10)
        return "first"

    def fail() -> str:
        raise ValueError("no such codec")

    saver = SnapshotSaver(saved.append, failed.append)
    saver.save("One", wait)
    while saver._waiting.qsize():
        threading.Event().wait(0.005)
    saver.save("Two", fail)
    for number in range(MOST_WAITING - 1):
        saver.save("More", lambda number=number: str(number))
    assert failed == []
    saver.save("Too many", fail)
    assert failed == [f"Too many not saved: {MOST_WAITING} wait for the disk. Try again later"]
    go.set()
    assert saver.end()
    assert failed[1:] == ["Two not saved: ValueError: no such codec"]
    assert saved == ["first", *map(str, range(MOST_WAITING - 1))]


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


DESKTOP = """
import subprocess, sys
from PySide6.QtCore import QCoreApplication, QObject, QTimer, Slot
from PySide6.QtDBus import QDBusConnection
app = QCoreApplication(["desktop"])
class ScreenSaver(QObject):
    @Slot(str, str, result=int)
    def Inhibit(self, who, why):
        print("asked by", who, flush=True)
        return 7
desktop, bus = ScreenSaver(), QDBusConnection.sessionBus()
assert bus.registerService("org.freedesktop.ScreenSaver")
assert bus.registerObject(
    "/ScreenSaver", "org.freedesktop.ScreenSaver", desktop, QDBusConnection.ExportAllSlots
)
client = subprocess.Popen([sys.executable, "-c", '''
from PySide6.QtCore import QCoreApplication
from sln_guide.gui.awake import Awake
app = QCoreApplication(["client"])
awake = Awake()
print("held", awake.hold(), flush=True)
awake.let_go()
print("held", awake.held, flush=True)
'''])
looking = QTimer()
looking.timeout.connect(lambda: client.poll() is None or app.quit())
looking.start(20)
app.exec()
"""


@pytest.mark.skipif(shutil.which("dbus-run-session") is None, reason="no D-Bus")
def test_the_desktop_is_asked_to_stay_awake() -> None:
    done = subprocess.run(
        ["dbus-run-session", "--", sys.executable, "-c", DESKTOP],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.split("\n")[:3] == ["asked by sln-guide", "held True", "held False"], done


def test_without_a_desktop_nothing_is_held(
    qt: QApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus")
    awake = Awake()
    assert not awake.hold()
    awake.let_go()
    assert not awake.held


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


def test_light_that_should_be_on_is_said_in_the_strip(open_window: Any) -> None:
    rig = fakes.make_rig()
    source = fakes.FakeSource(nir=msgspec.structs.replace(rig.nir, light_line="Line3"))
    picture = source.push()
    source.picture = replace(picture, nir=replace(picture.nir, light_on=False))
    window = open_window(source)
    window.refresh_readings()
    assert "LIGHT OFF, should be on" in window.strip.texts()
