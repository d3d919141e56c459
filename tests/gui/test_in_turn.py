"""Numbers, small pictures and curves take turns between the pictures."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QObject
from PySide6.QtWidgets import QApplication

from sln_guide.gui import in_turn
from sln_guide.gui.in_turn import InTurn


@pytest.fixture
def called() -> list[str]:
    return []


@pytest.fixture
def turns(qt: QApplication, called: list[str]) -> Iterator[InTurn]:
    parent = QObject()
    parts = [lambda: called.append("words"), lambda: called.append("plot")]
    one = InTurn(parts, parent)
    yield one
    one.end()
    parent.deleteLater()


def paint(turns: InTurn) -> None:
    turns.painted()
    QApplication.processEvents()


def test_one_part_after_each_picture(turns: InTurn, called: list[str]) -> None:
    paint(turns)
    turns.tick()
    assert called == [], "none waits for them while pictures come"
    paint(turns)
    assert called == ["words"]
    paint(turns)
    paint(turns)
    assert called == ["words", "plot"], "once a tick"


def test_a_tick_never_overtakes_what_is_due(turns: InTurn, called: list[str]) -> None:
    paint(turns)
    for _ in range(3):
        turns.tick()
        paint(turns)
    assert called == ["words", "plot", "words"]


def test_without_pictures_all_come_at_once(
    turns: InTurn, called: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    paint(turns)
    turns.tick()
    monkeypatch.setattr(in_turn, "FLOWING_S", 0.0)
    turns.tick()
    assert called == ["words", "plot"]
    paint(turns)
    assert called == ["words", "plot"], "nothing is due any more"
