"""The start screen: what it says of this place, and what it starts."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog

from hardware.doctor import Finding
from sln_guide import cli, window_commands
from sln_guide.gui import recent, start
from sln_guide.gui.app import ASKED_TO_END
from sln_guide.gui.recent import recent_cases
from sln_guide.gui.start import Findings, StartWindow, own_rig

Wait = Callable[[Callable[[], object]], None]
BAD = Finding("disk", False, "writes 20 MB/s", "Record to a faster disk.")
GOOD = Finding("libraries", True, "as locked")
UNSURE = Finding("cameras", None, "none answers", "Check cable and power.")


@pytest.fixture
def open_start(qt: QApplication, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    opened: list[StartWindow] = []

    def open_on(look: Any = lambda: (GOOD,)) -> StartWindow:
        window = StartWindow(tmp_path / "cases", tmp_path / "config", look)
        window.words = []
        window.chosen.connect(window.words.append)
        opened.append(window)
        window.show()
        return window

    yield open_on
    for window in opened:
        window.close()
        window._thread.join(5)
        window.recent._thread.join(5)
        window.deleteLater()


def test_the_first_start_explains_itself(open_start: Any, tmp_path: Path) -> None:
    window = open_start()
    assert "No rig yet" in window.said.text()
    assert str(tmp_path / "config" / "rig.toml") in window.said.text()
    assert not window.live.isEnabled()
    assert window.focusWidget() is window.demo, "Enter does what the words advise"
    QTest.keyClick(window, Qt.Key.Key_L)
    assert window.words == []
    QTest.keyClick(window, Qt.Key.Key_D)
    assert window.words == [("demo", "--cases", str(tmp_path / "cases"))]
    assert not window.isVisible()


def test_a_rig_of_ones_own_is_named_and_started(open_start: Any, tmp_path: Path) -> None:
    text = (Path(start.__file__).parents[2] / "hardware/rigs/demo.toml").read_text()
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "rig.toml").write_text(text)
    window = open_start()
    assert window.rig.name in window.live.text()
    assert window.focusWidget() is window.live
    QTest.mouseClick(window.live, Qt.MouseButton.LeftButton)
    assert window.words == [("live", "--cases", str(tmp_path / "cases"))]


def test_a_rig_that_cannot_be_used_says_which_key(open_start: Any, tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "rig.toml").write_text("nme = 'x'")
    window = open_start()
    assert "nme" in window.said.text() or "name" in window.said.text()
    assert not window.live.isEnabled()
    assert own_rig(tmp_path / "config").problem


def test_the_newest_cases_come_first(open_start: Any, wait_for: Wait, tmp_path: Path) -> None:
    for day in range(1, 8):
        (tmp_path / "cases" / f"2026030{day}-120000.case").mkdir(parents=True)
    (tmp_path / "cases" / "notes.case").write_text("a file, no case")
    window = open_start()
    wait_for(lambda: window.recent.answered and window.recent.buttons)
    assert window.recent.words.text() == "Replay"
    assert [b.text() for b in window.recent.buttons] == [f"2026030{d}-120000" for d in (7, 6, 5, 4)]
    QTest.mouseClick(window.recent.buttons[1], Qt.MouseButton.LeftButton)
    assert window.words == [("replay", str(tmp_path / "cases" / "20260306-120000.case"))]
    assert recent_cases(tmp_path / "nowhere") == []


def test_a_drive_that_hangs_keeps_neither_window_nor_end(
    open_start: Any, wait_for: Wait, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answer = threading.Event()
    begins: list[str] = []

    def hang(folder: Path) -> list[Path]:
        answer.wait(10)
        return [folder / "20260301-120000.case"]

    monkeypatch.setattr(recent, "recent_cases", hang)
    monkeypatch.setattr(recent, "LATE_S", 0.05)
    monkeypatch.setattr(
        QFileDialog, "getExistingDirectory", lambda *words: begins.append(words[2]) or ""
    )
    window = open_start()
    assert "Looking" in window.recent.words.text()
    assert window.grab().width() > 0
    wait_for(lambda: "does not answer" in window.recent.words.text())
    assert str(tmp_path / "cases") in window.recent.words.text()
    window.ask_for_case()
    answer.set()
    wait_for(lambda: window.recent.buttons)
    assert window.recent.words.text() == "Replay"
    window.ask_for_case()
    assert begins == [str(Path.home()), str(tmp_path / "cases")]
    answer.clear()
    hanging = open_start()
    QTest.keyClick(hanging, Qt.Key.Key_Escape)
    assert hanging.words == [()]
    answer.set()


def test_a_folder_that_cannot_be_read_is_told(
    open_start: Any, wait_for: Wait, tmp_path: Path
) -> None:
    (tmp_path / "cases").write_text("a file")
    window = open_start()
    wait_for(lambda: "cannot be listed: Not a directory" in window.recent.words.text())


def test_what_is_not_ready_is_said_first_with_what_to_do(open_start: Any, wait_for: Wait) -> None:
    window = open_start(lambda: (GOOD, UNSURE, BAD))
    wait_for(lambda: window.findings.findings)
    assert window.findings.findings == (BAD, UNSURE, GOOD)
    assert window.findings.fact == "1 not ready"
    assert not window.grab().isNull()


def test_looking_may_take_long_or_fail(open_start: Any, wait_for: Wait) -> None:
    release = threading.Event()
    slow = open_start(lambda: release.wait(10) and ())
    QTest.keyClick(slow, Qt.Key.Key_Escape)
    assert slow.words == [()]
    release.set()

    def fail() -> Any:
        raise RuntimeError("no such device")

    window = open_start(fail)
    wait_for(lambda: window.findings.findings)
    assert "no such device" in window.findings.findings[0].message


def test_a_case_is_chosen_by_hand(
    open_start: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answers = ["", str(tmp_path / "x.case")]
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: answers.pop(0))
    window = open_start()
    QTest.keyClick(window, Qt.Key.Key_O)
    assert window.words == []
    QTest.keyClick(window, Qt.Key.Key_O)
    assert window.words == [("replay", str(tmp_path / "x.case"))]


def test_without_a_command_it_asks_and_does(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[Any] = []
    monkeypatch.setattr("sln_guide.gui.display.display_available", lambda: True)
    choices: list[tuple[str, ...]] = [("demo",), ("replay", "no such case"), ()]
    said: list[str] = []

    def choose(cases: Path, config: Path, why: str) -> tuple[str, ...]:
        said.append(why)
        return choices.pop(0)

    monkeypatch.setattr(start, "choose", choose)
    monkeypatch.setattr(window_commands, "demo", lambda options: ran.append("demo") or 0)
    assert cli.main([]) == 0
    assert ran == ["demo"]
    assert said[:2] == ["", ""], "back on the start screen, nothing to complain of"
    assert "no such case" in said[2]
    monkeypatch.setattr("sln_guide.gui.display.display_available", lambda: False)
    monkeypatch.setattr(window_commands, "live", lambda options: ran.append("live") or 0)
    assert cli.main([]) == 0
    assert ran == ["demo", "live"]


def test_findings_without_room_are_counted_not_cut(qt: QApplication) -> None:
    panel = Findings()
    panel.show_findings(
        [Finding(f"check {n}", None, "cannot be told " * 12, "Look at it.") for n in range(9)]
    )
    panel.resize(560, 480)
    panel.grab()
    assert 0 < panel.left_out < 9
    panel.resize(560, 2000)
    panel.grab()
    assert panel.left_out == 0
    panel.deleteLater()


def test_control_c_ends_it_though_nothing_moves(
    qt: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "find_cameras", lambda: Finding("cameras", None, "none"))
    monkeypatch.setattr(start, "examine", lambda cases: ())
    pressing = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    pressing.start()
    assert start.choose(tmp_path, tmp_path) == ()
    pressing.join()
    qt.setProperty(ASKED_TO_END, None)
