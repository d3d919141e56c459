"""The guided flows as a person meets them: keys pressed, words read, on the simulated bench."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from hardware.bench import CAP, Plane
from hardware.bench_camera import BenchCamera
from hardware.camera import CameraNotFoundError
from hardware.rig_files import load_rig
from sln_guide import cli, window_commands
from sln_guide.calibration.board_flows import board_laid
from sln_guide.calibration.flows import Step
from sln_guide.calibration.sitting import BENCH_BOARD, EVERYTHING, Sitting
from sln_guide.calibration.stand import CHOICES, Phase
from sln_guide.calibration.watched import WatchedCamera
from sln_guide.gui import start
from sln_guide.gui.panels.buttons import FlatButton
from sln_guide.gui.sitting.window import SittingWindow
from sln_guide.render import tokens
from tests.calibration.small_bench import small_bench

Key = Qt.Key
Wait = Callable[[Callable[[], object]], None]


class ByHand(Sitting):
    """A sitting where nobody lays anything but the test."""

    def lay(self, step: Step) -> bool:
        return False

    def show(self, plane: Any) -> None:
        watched = self.cameras["nir"]
        assert isinstance(watched, WatchedCamera)
        assert isinstance(watched.inner, BenchCamera)
        watched.inner.bench.show(plane)


@pytest.fixture
def rig(tmp_path: Path) -> Path:
    return small_bench(tmp_path)


@pytest.fixture
def until(qt: QApplication) -> Wait:
    """Let the window run; `QTest.qWait` would keep the guide's thread from running."""

    def wait(condition: Callable[[], object]) -> None:
        deadline_s = time.monotonic() + 60.0
        while not condition():
            assert time.monotonic() < deadline_s, "what was waited for did not come"
            qt.processEvents()
            time.sleep(0.002)

    return wait


@pytest.fixture
def open_sitting(qt: QApplication, rig: Path, until: Wait) -> Iterator[Callable[..., Any]]:
    opened: list[SittingWindow] = []

    def open_on(kind: type[Sitting] = Sitting, name: str = str(rig)) -> SittingWindow:
        sittings: list[Sitting] = []

        def make(seen: Any) -> Sitting:
            sittings.append(kind(name, seen=seen))
            return sittings[0]

        window = SittingWindow(make)
        window.sittings = sittings
        opened.append(window)
        window.resize(1366, 768)
        window.show()
        until(lambda: window.guide.stand.standings or window.guide.stand.phase is Phase.FAILED)
        qt.processEvents()
        return window

    yield open_on
    for window in opened:
        window.close()
        until(lambda window=window: not window.guide.alive)
        window.close()
        window.deleteLater()


def arranging(window: SittingWindow) -> bool:
    """Whether a step is shown, live, with its words."""
    stand = window.guide.stand
    shown = window.step.instruction.text() == stand.instruction
    return (
        stand.phase is Phase.ARRANGING and shown and len(window.guide.pictures) == len(stand.roles)
    )


def begin(window: SittingWindow, until: Wait, key: Qt.Key = Key.Key_1) -> None:
    QTest.keyClick(window, key)
    until(lambda: arranging(window))


def test_a_step_in_plain_words_then_its_figures_and_the_report(
    open_sitting: Any, until: Wait, rig: Path
) -> None:
    window = open_sitting()
    assert "SIMULATED" in window.simulated.text()
    assert "Next: Dark map" in window.choices.told.text()
    assert window.choices.buttons["dark"].comes_next
    QTest.keyClick(window, Key.Key_Return)
    until(lambda: arranging(window))
    assert "Cap the lens" in window.step.instruction.text()
    assert window.step.count.text() == "Step 1 of 1"
    assert not window.step.views["white"].isVisible()
    QTest.keyClick(window, Key.Key_Return)
    until(lambda: window.step.progress.isVisible() and window.step.progress.share > 0)
    assert window.step.leave.text() == "Stop"
    until(window.done.isVisible)
    assert window.done.verdict.text() == "Done and kept."
    assert "read noise" in window.done.lines.text()
    assert "noted in" in window.done.kept.text()
    assert str(rig.parent / "calibration" / "nir-dark.pdf") in window.done.kept.text()
    assert window.done.pages.pages == 1
    assert "Flat map" in window.done.following.text()
    assert load_rig(rig).calibration.dark is not None
    QTest.keyClick(window, Key.Key_Enter)
    until(lambda: arranging(window))
    assert window.guide.stand.title == "Flat map"
    QTest.keyClick(window, Key.Key_Escape)
    until(window.choices.isVisible)
    assert window.choices.buttons["dark"].words == "in use: nir-dark.npz"
    assert window.choices.buttons["flat"].comes_next
    assert not window.grab().isNull()


def test_a_refusal_says_why_and_the_step_is_tried_again(open_sitting: Any, until: Wait) -> None:
    window = open_sitting(ByHand)
    window.sittings[0].show(CAP)
    begin(window, until, Key.Key_5)
    until(lambda: (seen := window.step.views["white"].seen) and seen.sight and seen.sight.good)
    QTest.keyClick(window, Key.Key_Return)
    until(lambda: window.guide.stand.step == 1 and arranging(window))
    QTest.keyClick(window, Key.Key_Return)
    until(lambda: "too dark" in window.step.problem.text())
    until(window.step.measure.isEnabled)
    assert window.step.measure.text() == "Try again"
    window.sittings[0].show(Plane())
    QTest.keyClick(window, Key.Key_Return)
    until(window.done.isVisible)


def test_without_the_board_it_says_which_camera_misses_it(open_sitting: Any, until: Wait) -> None:
    window = open_sitting(ByHand)
    begin(window, until, Key.Key_4)
    assert window.step.views["white"].isVisible()
    assert window.step.count.text() == "Step 1 of 9"
    QTest.keyClick(window, Key.Key_Return)
    until(lambda: window.step.problem.text().startswith("nir camera:"))
    assert "board" in window.step.problem.text()
    assert window.guide.stand.step == 0


def test_what_the_board_looks_like_is_told_before_measuring(open_sitting: Any, until: Wait) -> None:
    """Missing, blurred, good, the same side again: each is said before Enter is pressed."""
    window = open_sitting(ByHand)
    begin(window, until, Key.Key_4)

    def told(role: str) -> str:
        seen = window.step.views[role].seen
        return "" if seen is None or seen.sight is None else seen.sight.text

    until(lambda: told("nir").startswith("Not yet: no board to be seen"))
    laid = board_laid(BENCH_BOARD, 300.0)
    window.sittings[0].show(replace(laid, blur_px=6.0))
    until(lambda: told("nir").startswith("Not yet") and "focus" in told("nir"))
    window.sittings[0].show(laid)
    until(lambda: all(told(r).startswith("Board seen: 70 of 70") for r in ("nir", "white")))
    assert "sharp (edges" in told("white")
    QTest.keyClick(window, Key.Key_Return)
    until(lambda: window.guide.stand.step == 1 and arranging(window))
    until(lambda: "as in view 1: tilt or move it" in told("nir"))
    QTest.keyClick(window, Key.Key_Return)
    until(lambda: "lies as in view 1" in window.step.problem.text())
    assert window.guide.stand.step == 1
    window.sittings[0].show(board_laid(BENCH_BOARD, 300.0, 24.0))
    until(lambda: told("nir").startswith("Board seen"))
    assert not window.grab().isNull()


def test_cap_and_target_are_told_before_measuring(open_sitting: Any, until: Wait) -> None:
    window = open_sitting(ByHand)
    sitting = window.sittings[0]
    view = window.step.views["nir"]

    def says(words: str) -> None:
        until(lambda: view.seen and view.seen.sight and words in view.seen.sight.text)

    sitting.show(CAP)
    begin(window, until)
    says("Dark: ")
    sitting.show(Plane(outside=1.0, electrons_per_ms=(400.0, 400.0)))
    says("cap the lens")
    sitting.show(CAP)
    says("Dark: ")
    QTest.keyClick(window, Key.Key_Return)
    until(window.done.following.isVisible)
    QTest.keyClick(window, Key.Key_Return)
    until(lambda: arranging(window))
    says("0% of full scale: bring more light")
    sitting.show(Plane(outside=1.0, electrons_per_ms=(5000.0, 0.0)))
    says("too bright: dim the light")
    sitting.show(Plane(outside=1.0))
    says("Bright enough: ")


def test_what_needs_another_first_says_so_in_the_list(open_sitting: Any, until: Wait) -> None:
    window = open_sitting()
    QTest.keyClick(window, Key.Key_2)
    until(lambda: "no dark map" in window.choices.problem.text())
    assert window.choices.problem.text().startswith("Flat map:")
    QTest.keyClick(window, Key.Key_8)
    until(lambda: "names no registration" in window.choices.problem.text())


def test_what_could_not_be_kept_is_not_begun(open_sitting: Any, until: Wait, rig: Path) -> None:
    (rig.parent / "calibration").write_text("a file, where a folder belongs")
    window = open_sitting()
    QTest.keyClick(window, Key.Key_1)
    until(lambda: "nothing can be kept there" in window.choices.problem.text())
    assert window.choices.isVisible(), "no step was begun"


def test_a_camera_unplugged_says_what_to_do_and_comes_back_by_itself(
    open_sitting: Any, until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = open_sitting()
    sound = BenchCamera.open

    def gone(camera: BenchCamera) -> None:
        raise CameraNotFoundError(f"camera {camera.camera_id}: not found; check its cable")

    monkeypatch.setattr(BenchCamera, "open", gone)
    QTest.keyClick(window, Key.Key_5)
    until(lambda: "check its cable" in window.step.problem.text())
    assert window.step.views["white"].seen is None
    QTest.keyClick(window, Key.Key_Return)
    until(lambda: window.step.measure.text() == "Try again")
    monkeypatch.setattr(BenchCamera, "open", sound)
    until(lambda: window.step.views["white"].seen is not None)
    QTest.keyClick(window, Key.Key_Return)
    until(lambda: window.guide.stand.step == 1)


def test_stopping_keeps_nothing_and_closing_lets_go(
    open_sitting: Any, until: Wait, rig: Path
) -> None:
    window = open_sitting()
    begin(window, until)
    QTest.keyClick(window, Key.Key_Return)
    until(lambda: window.guide.stand.done > 0)
    QTest.keyClick(window, Key.Key_Escape)
    until(lambda: "Stopped" in window.step.problem.text())
    assert load_rig(rig).calibration.dark is None
    QTest.keyClick(window, Key.Key_Return)
    until(lambda: window.guide.stand.done > 0)
    window.close()
    until(lambda: not window.isVisible())
    assert not window.guide.alive
    assert load_rig(rig).calibration.dark is None


def test_focus_is_followed_and_begun_anew(open_sitting: Any, until: Wait) -> None:
    window = open_sitting()
    QTest.keyClick(window, Key.Key_7)
    until(lambda: all(s.focus is not None for s in window.guide.pictures.values()))
    until(lambda: len(window.guide.pictures) == 2)
    assert 0.5 < window.guide.pictures["white"].focus.share <= 1.0
    assert window.step.measure.text() == "Begin anew"
    before = window.guide.pictures["nir"]
    QTest.keyClick(window, Key.Key_Return)
    until(lambda: window.guide.pictures["nir"] is not before)
    QTest.keyClick(window, Key.Key_Escape)
    until(window.choices.isVisible)


def test_a_rig_that_cannot_be_used_says_so_and_closes(open_sitting: Any, until: Wait) -> None:
    window = open_sitting(name="nowhere.toml")
    until(lambda: "nowhere.toml" in window.choices.problem.text())
    assert window.choices.told.text() == "The rig cannot be used."
    assert not window.choices.buttons["dark"].isEnabled()
    QTest.keyClick(window, Key.Key_Escape)
    until(lambda: not window.isVisible())


def test_every_button_is_large_and_has_a_key(open_sitting: Any) -> None:
    window = open_sitting()
    buttons = window.findChildren(FlatButton)
    assert len(buttons) >= len(CHOICES) + 6
    for button in buttons:
        assert button.key, button.text()
        assert button.minimumHeight() >= tokens.CONTROL_PX
        assert button.minimumWidth() >= tokens.CONTROL_PX
    assert set(EVERYTHING) < set(window.choices.buttons)


def test_the_start_screen_leads_here_and_back(
    qt: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = start.StartWindow(tmp_path / "cases", tmp_path / "config", lambda: ())
    words: list[Any] = []
    window.chosen.connect(words.append)
    QTest.keyClick(window, Key.Key_C)
    window._thread.join(5)
    window.deleteLater()
    assert words == [("sitting", "--rig", "bench")]
    ran: list[str] = []
    answers = [words[0], ()]
    monkeypatch.setattr("sln_guide.gui.display.display_available", lambda: True)
    monkeypatch.setattr(start, "choose", lambda cases, config, said: answers.pop(0))
    monkeypatch.setattr(window_commands, "sitting", lambda options: ran.append(options.rig) or 0)
    assert cli.main([]) == 0
    assert ran == ["bench"]
