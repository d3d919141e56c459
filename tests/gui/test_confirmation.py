"""What confirms something never lies over a picture: a node might be beneath it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from PySide6.QtCore import QPoint, QRect
from PySide6.QtGui import QFontMetricsF
from PySide6.QtTest import QTest

from sln_guide.gui.claims.layout import CHOICES, Content, Layout
from sln_guide.gui.claims.readings import Tone
from sln_guide.render import tokens
from sln_guide.render.text import font
from tests.gui import fakes

SAVED = (
    "Recording saved: 20260302-124107.case, 11637 frames · head 0123456789ab…, whole in heads.txt"
)


def pictures(window: Any) -> list[QRect]:
    """Return where the window shows pictures, large and small."""
    video = window.video
    corner = video.mapTo(window, QPoint(0, 0))
    panes = [p for p in video._panes() if p.content is not Content.CURVES]
    found = [QRect(p.left, p.top, p.width, p.height).translated(corner) for p in panes]
    return [*found, QRect(window.thumbnails.mapTo(window, QPoint(0, 0)), window.thumbnails.size())]


@pytest.mark.parametrize("size", [(1366, 768), (1920, 1080)], ids=str)
@pytest.mark.parametrize("layout", CHOICES)
@pytest.mark.parametrize("kind", [fakes.RecordingSource, fakes.ReplaySource])
def test_it_hides_no_tissue(
    layout: Layout, size: tuple[int, int], kind: Any, open_window: Callable[..., Any]
) -> None:
    source = kind()
    source.push()
    window = open_window(source, size)
    window.commands.choose_layout(layout)
    window.refresh()
    QTest.qWait(20)
    window._say(SAVED, Tone.PLAIN)
    QTest.qWait(20)
    box = window.confirmation.geometry()
    assert window.confirmation.isVisible()
    assert window.rect().contains(box)
    for picture in pictures(window):
        assert not picture.intersects(box), f"{box} lies over {picture}"
    metrics = QFontMetricsF(font(tokens.SMALL_PX, bold=True))
    least = metrics.horizontalAdvance(SAVED) * metrics.height()
    assert box.width() * box.height() > least, "all of its words have room"


def test_it_follows_the_window_and_lets_presses_through(open_window: Callable[..., Any]) -> None:
    source = fakes.RecordingSource()
    source.push()
    window = open_window(source, (1366, 768))
    window._say("Mark 1", Tone.PLAIN)
    window.resize(1920, 1080)
    QTest.qWait(20)
    box = window.confirmation.geometry()
    below = QRect(window.curves.mapTo(window, QPoint(0, 0)), window.curves.size())
    assert below.contains(box)
    assert window.childAt(box.center()) is not window.confirmation
    window.confirmation.say("")
    assert not window.confirmation.isVisible()
