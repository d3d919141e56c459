"""Guidance is filmed over its own white light only, and the film says what it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hardware.rig import Registration
from sln_guide.export.overlay import OverlayFilm
from sln_guide.guidance import Guidance, Mode, Picture, Role, View
from sln_guide.recording import CaseReader
from sln_guide.render.look import Look
from sln_guide.render.renderer import Renderer
from tests.export.making import make_frame, make_guidance

Filmed = list[tuple[Picture, Look]]


@pytest.fixture
def filmed(monkeypatch: pytest.MonkeyPatch) -> Filmed:
    """Pictures and looks as they reach the renderer."""
    seen: Filmed = []

    def note(
        self: Renderer, picture: Picture, look: Look, size: tuple[int, int] | None = None
    ) -> NDArray[np.uint32]:
        seen.append((picture, look))
        return np.zeros((size or (64, 48))[::-1], np.uint32)

    monkeypatch.setattr(Renderer, "render_to_image", note)
    return seen


def film(case: Path, out: Path, *guidance: Guidance) -> None:
    with CaseReader(case) as reader, OverlayFilm(out, reader) as overlay:
        for index, one in enumerate(guidance):
            overlay.write(one, index / 30)
        assert overlay.pictures == len(guidance)


def test_without_a_white_frame_of_its_moment_guidance_is_shown_on_nir(
    tmp_path: Path,
    filmed: Filmed,
    make_case: Callable[..., Path],
) -> None:
    case = make_case([(Role.NIR, make_frame(0))])
    white = make_frame(1, white=True)
    film(case, tmp_path / "a.mp4", make_guidance(white=white), make_guidance())
    assert [picture.view for picture, _ in filmed] == [View.MERGED, View.NIR]
    assert [picture.overlay_drawn for picture, _ in filmed] == [True, False]


def test_without_registration_the_views_stand_side_by_side(
    tmp_path: Path,
    filmed: Filmed,
    make_case: Callable[..., Path],
) -> None:
    case = make_case([(Role.NIR, make_frame(0))], registration=Registration(kind="none"))
    film(case, tmp_path / "a.mp4", make_guidance(white=make_frame(1, white=True)))
    assert [picture.view for picture, _ in filmed] == [View.NIR, View.WHITE]
    assert not any(picture.overlay_drawn for picture, _ in filmed)


@pytest.mark.parametrize("mode", [Mode.LIVE, Mode.SIMULATED])
def test_the_clock_and_what_it_is_are_burned_in(
    tmp_path: Path,
    filmed: Filmed,
    make_case: Callable[..., Path],
    mode: Mode,
) -> None:
    nir = make_frame(0, time_ns=61_500_000_000)
    film(make_case([(Role.NIR, nir)], mode=mode), tmp_path / "a.mp4", make_guidance(nir=nir))
    ((_, look),) = filmed
    assert look.clock == "2023-11-14 22:14:21.5 UTC"
    assert look.research_note
    assert look.simulated == (mode is Mode.SIMULATED)


def test_no_path_films_nothing(filmed: Filmed, make_case: Callable[..., Path]) -> None:
    with (
        CaseReader(make_case([(Role.NIR, make_frame(0))])) as reader,
        OverlayFilm(None, reader) as overlay,
    ):
        overlay.write(make_guidance(), 0.0)
        assert overlay.pictures == 0
    assert filmed == []
