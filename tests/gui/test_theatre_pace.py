"""The theatre display paints less often than the operator's window, but never keeps a claim."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication

from hardware.rig import Registration
from sln_guide.gui.claims.health_watch import HealthReading
from sln_guide.gui.claims.showing import Showing, Shown
from sln_guide.gui.picture import video
from sln_guide.gui.picture.video import AGE_S, CLEAN_EVERY_S, VideoView
from sln_guide.guidance import View
from sln_guide.render import tokens
from sln_guide.render.look import Look
from tests.gui import fakes


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    one = Clock()
    monkeypatch.setattr(video, "time", SimpleNamespace(monotonic=one.monotonic))
    return one


@pytest.fixture
def theatre(qt: QApplication, clock: Clock) -> Any:
    view = VideoView(look=Look(mm_per_px=0.1, registration=Registration()), clean=True)
    view.resize(640, 480)
    yield view
    view.close()
    view.deleteLater()


def looks(pictures: int) -> list[Shown]:
    """What the window would hand on for as many pictures, each a little later."""
    source = fakes.FakeSource()
    showing = Showing(source, fakes.white_pixels, fakes.nir_pixels)
    found = []
    for _ in range(pictures):
        picture = source.push()
        now_ns = picture.handed_over_ns
        found.append(showing.look(now_ns, HealthReading(source.health(), now_ns)))
    return found


def with_age(shown: Shown, text: str) -> Shown:
    age = replace(shown.state.readings.age, text=text)
    readings = replace(shown.state.readings, age=age)
    return replace(shown, state=replace(shown.state, readings=readings))


def test_pictures_come_thirty_times_a_second_at_most(theatre: VideoView, clock: Clock) -> None:
    first, soon, later = looks(3)
    theatre.show_now(first)
    clock.now_s += 0.6 * CLEAN_EVERY_S
    theatre.show_now(soon)
    assert theatre.shown is first
    clock.now_s += 0.6 * CLEAN_EVERY_S
    theatre.show_now(later)
    assert theatre.shown is later


@pytest.mark.parametrize(
    "change",
    [
        {"overlay": False},
        {"alone": True},
        {"view": View.NIR},
        {"image": None},
        {"state": {"pill": "NOT LIVE"}},
        {"state": {"video_old": True}},
    ],
)
def test_what_is_claimed_is_never_held_back(
    change: dict[str, Any], theatre: VideoView, clock: Clock
) -> None:
    first, second = looks(2)
    theatre.show_now(first)
    clock.now_s += 0.001
    if "state" in change:
        change = {"state": replace(second.state, **change["state"])}
    changed = replace(second, **change)
    theatre.show_now(changed)
    assert theatre.shown is changed


def test_the_operators_view_takes_every_picture(qt: QApplication, clock: Clock) -> None:
    view = VideoView()
    for shown in looks(3):
        view.show_now(shown)
        assert view.shown is shown
    view.deleteLater()


def test_the_age_stands_still_until_it_was_read_but_not_its_tone(
    theatre: VideoView, clock: Clock
) -> None:
    (shown,) = looks(1)

    def said(text: str, after_s: float, **state: Any) -> str:
        clock.now_s += after_s
        one = with_age(shown, text)
        theatre.show_now(replace(one, state=replace(one.state, **state)))
        assert theatre._age is not None
        return theatre._age[0].text

    assert said("overlay 10 ms", 0.0) == "overlay 10 ms"
    assert said("overlay 12 ms", 0.5 * AGE_S) == "overlay 10 ms"
    assert said("overlay 14 ms", 0.6 * AGE_S) == "overlay 14 ms"
    assert said("overlay 150 ms", 0.1 * AGE_S, pill="LATE") == "overlay 150 ms"


def test_signs_grow_with_a_display_that_nobody_scaled(qt: QApplication, clock: Clock) -> None:
    """A projector plugged in after the start has no scale of its own; it is seen from afar."""
    (shown,) = looks(1)
    pills = []
    for times in (1, 2):
        view = VideoView(look=Look(mm_per_px=0.1, registration=Registration()), clean=True)
        view.resize(1920 * times, 1080 * times)
        view.show_now(shown)
        image = view.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
        rows = np.frombuffer(image.constBits(), np.uint32).reshape(image.height(), -1)
        live = rows == int(tokens.LIVE[1:], 16) | 0xFF000000
        pills.append(np.ptp(np.nonzero(live[: 90 * times, : 300 * times])[0]) + 1)
        view.close()
        view.deleteLater()
    assert pills[1] == pytest.approx(2 * pills[0], abs=2)
