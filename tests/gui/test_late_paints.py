"""A busy machine comes to a paint late: what is claimed is what is true when it is painted."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from PySide6.QtTest import QTest

from sln_guide.gui.claims.verdict import REMOVED_MS, Word
from sln_guide.gui.picture import video
from tests.gui import fakes

Open = Callable[..., Any]
JUDGED_NS = video.JUDGED_NS


@pytest.fixture(autouse=True)
def judged_at_the_paint(judged_when_chosen: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "JUDGED_NS", JUDGED_NS)


@pytest.fixture
def source() -> Any:
    return fakes.FakeSource()


@pytest.fixture
def window(open_window: Open, source: Any) -> Any:
    return open_window(source)


def chosen_but_not_painted(window: Any, source: Any) -> None:
    """Have an overlay chosen that is fresh enough, and too old before anybody paints it."""
    source.push(age_ms=150.0)
    window.refresh()
    assert window.video.shown.overlay
    time.sleep(0.12)


@pytest.mark.parametrize("theatre", [False, True])
def test_an_overlay_that_grew_too_old_before_its_paint_is_not_painted(
    window: Any, source: Any, theatre: bool
) -> None:
    if theatre:
        window.toggle_theatre()
        assert QTest.qWaitForWindowExposed(window.theatre)
    view = window.theatre.video if theatre else window.video
    chosen_but_not_painted(window, source)
    view.repaint()
    assert not view.shown.overlay
    assert view.shown.state.word is Word.NOT_LIVE


def test_what_is_recorded_of_such_a_paint_is_that_no_overlay_was_shown(
    window: Any, source: Any
) -> None:
    chosen_but_not_painted(window, source)
    source.painted_calls.clear()
    window.video.repaint()
    assert [call for call in source.painted_calls if call[2]] == []


def test_a_paint_that_itself_took_too_long_is_followed_by_another_at_once(
    window: Any, source: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    paint = video.Painting.paint

    def slowly(*arguments: Any, **more: Any) -> None:
        paint(*arguments, **more)
        time.sleep(0.12)

    source.push(age_ms=150.0)
    window.refresh()
    with monkeypatch.context() as patch:
        patch.setattr(video.Painting, "paint", slowly)
        window.video.repaint()
    age_ms = (time.monotonic_ns() - source.picture.guidance.pair.nir.mid_exposure_ns) / 1e6
    assert age_ms > REMOVED_MS
    assert not window.video.shown.overlay, "nobody waits for the next tick"
