"""The theatre display: what it shows, and where it stands."""

from __future__ import annotations

from typing import Any

import pytest
from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtTest import QTest

from sln_guide.gui.claims.layout import Content, Layout, Pane
from sln_guide.render import tokens
from sln_guide.render.renderer import Renderer
from tests.gui.hands import Wait, click, names


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


def share_of_panel(image: QImage, pane: Pane) -> float:
    """Return how much of a pane is a panel's ground."""
    ratio = image.devicePixelRatio()
    corner = QPoint(round(pane.left * ratio), round(pane.top * ratio))
    seen = image.copy(QRect(corner, QSize(round(pane.width * ratio), round(pane.height * ratio))))
    seen = seen.scaled(40, 30)
    panel = QColor(tokens.PANEL).rgb()
    return sum(seen.pixel(x, y) == panel for x in range(40) for y in range(30)) / 1200


def test_the_theatre_s_quad_and_a_snapshot_hold_the_curves(
    wait_for: Wait, window: Any, source: Any
) -> None:
    """The operator's widget lies in one window only: elsewhere its pane would stand empty."""
    window.toggle_theatre()
    window.commands.choose_layout(Layout.QUAD)
    source.push()
    theatre = window.theatre.video
    wait_for(lambda: theatre.pane(Content.CURVES) is not None)
    window.telling.plot_anew()
    shown = theatre.grab().toImage()
    assert share_of_panel(shown, theatre.pane(Content.CURVES)) > 0.3
    _, still = window.video.still()
    assert share_of_panel(still, window.video.pane(Content.CURVES)) > 0.3


@pytest.mark.parametrize(("layout", "larger"), [(Layout.SINGLE, 4 / 3), (Layout.QUAD, 1.0)])
def test_letters_in_the_theatre_are_larger_but_not_in_a_pane_of_several(
    layout: Layout,
    larger: float,
    wait_for: Wait,
    window: Any,
    source: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scales: list[float | None] = []

    def kept(*arguments: Any, scale: float | None = None, **told: Any) -> None:
        scales.append(scale)

    monkeypatch.setattr(Renderer, "paint_guidance", kept)
    window.commands.choose_layout(layout)
    window.theatre.resize(1920, 1080)
    window.theatre.show()
    source.push()
    wait_for(lambda: any(s is not None for s in scales))
    scales.clear()
    window.theatre.video.grab()
    assert scales == [pytest.approx(larger, abs=0.02)]


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
