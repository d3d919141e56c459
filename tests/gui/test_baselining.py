"""A baseline is taken by key before the tracer comes; what it would hide is asked about first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from sln_guide.gui.claims import verdict
from sln_guide.gui.claims.readings import Tone
from sln_guide.gui.hands import insisting
from sln_guide.gui.hands.baselining import ASKED, ASKED_LATE
from sln_guide.gui.panels.help import keys_told
from sln_guide.gui.panels.nodes import node_rows
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
from sln_guide.source import EventMark
from tests.gui import fakes
from tests.gui.situations import guidance, look

Open = Callable[..., Any]


@pytest.fixture(autouse=True)
def pictures_keep(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a machine takes from a picture to a key."""
    monkeypatch.setattr(verdict, "REMOVED_MS", 60_000.0)


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
    assert "no other can be taken" in press_b(window)
    assert source.settings.baseline_ns == nir_ns, "one slip does not lose it"
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
    assert events(source) == [("baseline", ASKED_LATE)]
    monkeypatch.setattr(insisting, "INSIST_S", 0.0)
    for _ in range(3):
        press_b(window)
    assert source.settings.baseline_ns is not None, "too late to be meant"
    source.change(baseline_ns=None)
    for _ in range(3):
        press_b(window)
    assert source.settings.baseline_ns is None, "nor is it taken so"


def test_after_the_injection_it_is_asked_for_twice_though_nothing_shines(
    window: Any, source: Any
) -> None:
    """Tracer that comes too faint to be called vanishes as well."""
    QTest.keyClick(window, Qt.Key.Key_1)
    assert "the injection is stamped" in press_b(window)
    assert source.settings.baseline_ns is None
    press_b(window)
    assert source.settings.baseline_ns is not None
    assert events(source)[-1] == ("baseline", ASKED_LATE)


@pytest.mark.parametrize("detail", [ASKED, ASKED_LATE])
def test_a_baseline_taken_too_late_is_told_for_as_long_as_it_is_used(
    detail: str, window: Any, source: Any
) -> None:
    source.marks.append(EventMark(0.0, "baseline", detail))

    def told() -> bool:
        window.refresh()
        window.refresh_readings()
        window.refresh()
        return any("tracer may have been" in b.headline for b in window.video.shown.state.banners)

    source.push(baseline_used=True)
    assert told() == (detail == ASKED_LATE)
    source.push(baseline_used=False)
    assert not told(), "then it hides nothing"


def test_where_there_is_none_after_all_the_key_takes_another(window: Any, source: Any) -> None:
    """As after an engine that died and took it along."""
    source.change(baseline_ns=1)
    source.push(detections=(), settings=source.settings, flags=(BASELINE_NONE,))
    window.refresh()
    press_b(window)
    assert source.settings.baseline_ns == source.picture.guidance.pair.nir.mid_exposure_ns


def test_a_light_no_brighter_than_around_it_is_said_to_be_none() -> None:
    """A baseline taken of a node calls what is left beside it, when tissue moves."""
    found = fakes.make_detection(sbr=0.84, cnr=-0.5)
    (row,) = node_rows(replace(guidance(), detections=(found,)))
    assert row.words.startswith("no brighter than around it · CNR"), "the end may be left out"


def test_none_is_taken_of_what_is_not_live(window: Any, source: Any) -> None:
    source.push(age_ms=90_000, detections=())
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
        (BASELINE_NONE, "baseline"),
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
