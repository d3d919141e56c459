"""Working distance and nudge in the operator's window: chosen, told, refused; the check's end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from hardware.rig import Calibration, Expiry, Optics, Registration
from hardware.working_plane import WorkingPlane
from sln_guide.calibration.binding import utc_now
from sln_guide.calibration.errors import CalibrationFileError
from sln_guide.gui.claims.readings import NOTHING, Tone, expiry_reading
from sln_guide.gui.window import OperatorWindow
from sln_guide.guidance import Settings
from tests.gui import fakes

Open = Callable[[Any], OperatorWindow]
NEAREST_MM, FARTHEST_MM = 280.0, 310.0


@pytest.fixture
def source() -> Any:
    class Registered(fakes.FakeSource):
        move_range = (NEAREST_MM, FARTHEST_MM)

        def work_at(self, distance_mm: float) -> Settings:
            low_mm, high_mm = self.move_range
            if not low_mm <= distance_mm <= high_mm:
                raise CalibrationFileError(
                    f"/rigs/registration.npz: holds not at {distance_mm:g} mm"
                )
            moved = Registration(kind="calibrated", residual_mm=distance_mm / 1000)
            plane = WorkingPlane(distance_mm=distance_mm, mm_per_px=0.2, registration=moved)
            return self.change(plane=plane)

    one = Registered(
        optics=Optics(mm_per_px=0.1, working_distance_mm=300.0),
        calibration=Calibration(registration="/rigs/registration.npz"),
        distances_mm=(NEAREST_MM, FARTHEST_MM),
    )
    one.push()
    return one


def test_the_distance_is_chosen_by_key_and_button_and_told(open_window: Open, source: Any) -> None:
    window = open_window(source)
    QTest.keyClick(window, Qt.Key.Key_P)
    window.refresh_readings()
    panel = window.settings
    assert panel._distance_text is not None
    assert panel._distance_text.text() == "Working distance 300 mm · 280 to 310 mm"
    assert "at 300 mm" in window.strip._state.readings.registration.text
    QTest.mouseClick(panel.distances[-1], Qt.MouseButton.LeftButton)
    QTest.keyClick(window, Qt.Key.Key_Comma)
    assert source.settings.plane.distance_mm == 294.0
    assert window.confirmation.text == "Working distance 294 mm: registration 0.3 mm"
    source.push()
    window.refresh()
    window.refresh_readings()
    assert "at 294 mm" in window.strip._state.readings.registration.text
    assert panel._distance_text.text().startswith("Working distance 294 mm")


def test_a_distance_out_of_reach_is_refused_by_name(open_window: Open, source: Any) -> None:
    window = open_window(source)
    for _ in range(4):
        QTest.keyClick(window, Qt.Key.Key_Period)
    assert source.settings.plane.distance_mm == 310.0
    assert window.confirmation.text == "Registered from 280 to 310 mm only: not at 315 mm"
    source.move_range = (290.0, 300.0)  # the engine has the last word
    QTest.keyClick(window, Qt.Key.Key_Comma)
    assert window.confirmation.text == "Not changed: registration.npz: holds not at 305 mm"


def test_a_rig_of_one_distance_says_so_and_shows_no_buttons(open_window: Open) -> None:
    source = fakes.FakeSource()
    source.push()
    window = open_window(source)
    QTest.keyClick(window, Qt.Key.Key_Period)
    assert "not registered by distance" in window.confirmation.text
    QTest.keyClick(window, Qt.Key.Key_P)
    window.refresh_readings()
    assert not any(button.isVisible() for button in window.settings.distances.values())


def test_a_nudge_goes_where_the_eye_says_and_is_flagged(open_window: Open, source: Any) -> None:
    window = open_window(source)
    QTest.keyClick(window, Qt.Key.Key_P)
    window.refresh_readings()
    pad = window.settings.nudge
    assert all(button.isVisible() for button in pad.buttons)
    assert not pad.back.isEnabled()
    QTest.mouseClick(pad.arrows[Qt.Key.Key_Right], Qt.MouseButton.LeftButton)
    QTest.keyClick(pad.arrows[Qt.Key.Key_Right], Qt.Key.Key_Up)
    QTest.keyClick(
        pad.arrows[Qt.Key.Key_Right], Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier
    )
    assert source.settings.nudge_px == (6.0, -1.0)
    assert "nudged by +6, −1 px" in window.confirmation.text
    source.push()
    window.refresh()
    window.refresh_readings()
    reading = window.strip._state.readings.registration
    assert (reading.text, reading.tone) == ("registration NUDGED by hand", Tone.STALE)
    assert window.settings._nudge_text.text().endswith(": +6, −1 px")
    assert source.settings.registered(source.rig.registration).kind == "nudged"
    window.settings.turn.click()  # the picture turned clockwise: up is now the camera's left
    QTest.mouseClick(pad.arrows[Qt.Key.Key_Up], Qt.MouseButton.LeftButton)
    assert source.settings.nudge_px == (5.0, -1.0)
    window.settings.mirror.click()  # right is now the camera's down... as seen in a mirror
    QTest.mouseClick(pad.arrows[Qt.Key.Key_Right], Qt.MouseButton.LeftButton)
    assert source.settings.nudge_px == (5.0, 0.0)
    QTest.mouseClick(pad.back, Qt.MouseButton.LeftButton)
    assert source.settings.nudge_px == (0.0, 0.0)
    assert "nothing is nudged" in window.confirmation.text


def test_a_nudge_has_an_end(open_window: Open, source: Any) -> None:
    window = open_window(source)
    source.change(nudge_px=(99.0, 0.0))
    window.commands.placing.nudge(5, 0)
    assert source.settings.nudge_px == (99.0, 0.0)
    assert "register the rig again" in window.confirmation.text
    with pytest.raises(ValueError, match="register again"):
        source.change(nudge_px=(float("nan"), 0.0))


def test_the_picture_s_scale_is_that_of_its_own_distance(open_window: Open, source: Any) -> None:
    window = open_window(source)
    before = source.picture
    source.work_at(290.0)
    after = source.push()
    from sln_guide.render.geometry import mm_per_picture_px

    window.refresh_readings()
    look = window.video._painting.look
    assert mm_per_picture_px(before, look) == pytest.approx(0.1)
    assert mm_per_picture_px(after, look) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("hours", "said", "tone"),
    [(3.0, "", Tone.NEUTRAL), (0.5, "check expires ", Tone.NEUTRAL), (-1.0, "expired", Tone.STALE)],
)
def test_the_end_of_the_check_is_told_before_and_after(
    open_window: Open, wait_for: Any, hours: float, said: str, tone: Tone
) -> None:
    ends = utc_now() + timedelta(hours=hours)
    source = fakes.FakeSource(expires=Expiry(what="quality check", at=ends))
    source.push()
    window = open_window(source)
    wait_for(lambda: window.watch.newest.health)
    source.push()
    window.refresh()
    window.refresh_readings()
    state = window.strip._state
    reading = state.readings.registration
    assert said in reading.text
    assert ("check" in reading.text) is bool(said)
    assert reading.tone is tone
    if said:
        assert f"{ends.astimezone():%H:%M}" in reading.text
    assert state.banners == (), "calmly: the pictures are as good as ever"
    assert state.overlay_allowed
    rig = fakes.FakeSource(expires=source.rig.expires, unchecked="it failed").rig
    assert expiry_reading(rig, utc_now()) == NOTHING, "the banner says it already"
