"""A film of the replayed case, made beside the replay; given up by hand and at the end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from sln_guide.gui import commands
from sln_guide.gui.exporting import FilmExport, Told
from sln_guide.guidance import Settings

Wait = Callable[[Callable[[], object]], None]


class Film:
    """A film that is as far as a test says."""

    made: ClassVar[list[Film]] = []

    def __init__(self, case: Path, path: Path, layout: str, settings: Settings) -> None:
        self.case, self.path, self.layout, self.settings = case, path, layout, settings
        self.now = Told(0, 0)
        self.given_up = False
        Film.made.append(self)

    def told(self) -> Told:
        return self.now

    def give_up(self) -> None:
        self.given_up = True


@pytest.fixture
def window(open_window: Any, fakes: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(commands, "FilmExport", Film)
    monkeypatch.setattr(Film, "made", [])
    source = fakes.Replay()
    source.push(age_ms=1e7)
    window = open_window(source)
    window.source = source
    return window


def test_a_film_is_of_what_is_seen_and_says_how_far_it_is(window: Any, tmp_path: Path) -> None:
    window.source.change(threshold_sigma=6.0)
    QTest.keyClick(window, Qt.Key.Key_E)
    (film,) = Film.made
    assert (film.case, film.layout) == (window.source.folder, "overlay")
    assert film.path.parent == tmp_path / "snapshots"
    assert film.settings.threshold_sigma == 6.0
    film.now = Told(31, 100)
    window.refresh_readings()
    assert window.film.text() == "Film 31%"
    film.now = Told(0, 0, "Film exported: x.mp4")
    window.refresh_readings()
    assert window.video.message == "Film exported: x.mp4"
    assert window.film.text() == "Export"
    assert film.given_up, "its process is let go"


def test_pressed_again_it_is_given_up_and_closing_gives_it_up_too(window: Any) -> None:
    QTest.mouseClick(window.film, Qt.MouseButton.LeftButton)
    QTest.mouseClick(window.film, Qt.MouseButton.LeftButton)
    assert Film.made[0].given_up
    assert "given up" in window.video.message
    while window.showing.layout != "triptych":
        QTest.keyClick(window, Qt.Key.Key_L)
    QTest.keyClick(window, Qt.Key.Key_E)
    assert Film.made[1].layout == "triptych"
    window.close_now()
    assert Film.made[1].given_up


def test_why_there_is_no_film_is_told(wait_for: Wait, tmp_path: Path) -> None:
    film = FilmExport(tmp_path / "none.case", tmp_path / "x.mp4", "overlay", Settings())
    try:
        wait_for(lambda: film.told().ended)
        told = film.told()
        assert told.failed
        assert told.text.startswith("Film not exported: ")
        assert "none.case" in told.text
    finally:
        film.give_up()
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_dies_is_told(wait_for: Wait, tmp_path: Path) -> None:
    film = FilmExport(tmp_path / "none.case", tmp_path / "x.mp4", "overlay", Settings())
    film._process.kill()
    wait_for(lambda: film.told().ended)
    assert film.told().failed
    film.give_up()
    film.give_up()
