"""A baseline is taken by key before the tracer comes; what it would hide is asked about first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from sln_guide.gui.claims.readings import Tone
from sln_guide.gui.hands import baselining
from sln_guide.gui.panels.help import keys_told
from sln_guide.guidance import (
    BASELINE_ELSEWHERE,
    BASELINE_MISFIT,
    BASELINE_NONE,
    NIR_CONSTANT,
    NIR_DARK,
    NIR_SATURATED,
    TOO_MANY,
    UNJUDGED,
    Mode,
)
from tests.gui import fakes
from tests.gui.situations import guidance, look

Open = Callable[..., Any]


@pytest.fixture
def source() -> Any:
    source = fakes.RecordingSource()
    source.push(detections=())
    return source


@pytest.fixture
def window(open_window: Open, source: Any) -> Any:
    return open_window(source)


def press_b(window: Any) -> str:
    QTest.keyClick(window, Qt.Key.Key_B)
    window.refresh_readings()
    return str(window.confirmation.text)


def events(source: Any) -> list[tuple[str, str]]:
    return [(mark.name, mark.detail) for mark in source.marks]


def test_the_key_takes_a_baseline_and_gives_it_up(window: Any, source: Any) -> None:
    nir_ns = source.picture.guidance.pair.nir.mid_exposure_ns
    assert "what shines now counts as tissue" in press_b(window)
    assert source.settings.baseline_ns == nir_ns
    assert window.overlay.fact.startswith("baseline asked")
    source.push(detections=(), baseline_used=True, settings=source.settings)
    window.refresh()
    window.refresh_readings()
    assert window.overlay.fact.startswith("baseline < 1 min")
    source.push(detections=(), settings=source.settings)
    window.refresh()
    window.refresh_readings()
    assert window.overlay.fact.startswith("baseline NOT used")
    assert "given up" in press_b(window)
    assert source.settings.baseline_ns is None
    assert "baseline" not in window.overlay.fact
    assert events(source) == [("baseline", "asked for"), ("baseline", "given up")]


def test_what_shines_already_is_not_hidden_by_one_press(
    window: Any, source: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.push()
    window.refresh()
    said = press_b(window)
    assert "would count as tissue and vanish" in said
    assert "node" in said
    assert source.settings.baseline_ns is None
    assert not events(source)
    press_b(window)
    assert source.settings.baseline_ns is not None, "asked for again"
    press_b(window)
    monkeypatch.setattr(baselining, "INSIST_S", 0.0)
    press_b(window)
    press_b(window)
    assert source.settings.baseline_ns is None, "too late to be meant"


def test_none_is_taken_of_what_is_not_live(window: Any, source: Any) -> None:
    source.push(age_ms=900, detections=())
    window.refresh()
    assert "no live NIR" in press_b(window)
    assert source.settings.baseline_ns is None


def test_a_replay_takes_none(open_window: Open) -> None:
    source = fakes.ReplaySource()
    source.push(age_ms=1e7)
    window = open_window(source)
    QTest.keyClick(window, Qt.Key.Key_B)
    assert source.settings.baseline_ns is None
    assert not any("baseline" in text for _, text in keys_told(window.keys, replaying=True))
    assert any("baseline" in text for _, text in keys_told(window.keys, replaying=False))


@pytest.mark.parametrize("mode", [Mode.LIVE, Mode.REPLAY])
@pytest.mark.parametrize(
    ("flag", "said"),
    [
        (NIR_SATURATED, "NIR is saturated"),
        (NIR_DARK, "No light in NIR"),
        (NIR_CONSTANT, "one grey"),
        (UNJUDGED, "Too little of NIR"),
        (TOO_MANY, "More bright places"),
        (BASELINE_MISFIT, "does not fit the tissue"),
        (BASELINE_ELSEWHERE, "another working distance"),
        (BASELINE_NONE, "No baseline"),
    ],
)
def test_what_guidance_cannot_do_is_said_over_the_picture(flag: str, said: str, mode: Mode) -> None:
    flagged = look(flags=frozenset(("something else", flag)), mode=mode)
    (banner,) = [b for b in flagged.banners if said in b.headline]
    assert banner.slim
    assert banner.tone is Tone.STALE
    assert banner.detail
    assert banner not in look(guidance=guidance(), mode=mode).banners
    assert said in flagged.said, "and the case keeps it"
