"""What a case showed as pictures and film, with what must be burned into every one of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sln_guide.drawing import Drawing
from sln_guide.export.video import OverlayVideo
from sln_guide.guidance import Guidance, Mode, Picture, Role, View
from sln_guide.recording import CaseReader
from sln_guide.render.look import Look
from sln_guide.render.renderer import Renderer, rendered_size


class Layout(StrEnum):
    """Which views stand side by side."""

    OVERLAY = "overlay"
    SIDE_BY_SIDE = "side-by-side"
    TRIPTYCH = "triptych"


_VIEWS = {
    Layout.OVERLAY: (View.MERGED,),
    Layout.SIDE_BY_SIDE: (View.NIR, View.WHITE),
    Layout.TRIPTYCH: (View.WHITE, View.NIR, View.MERGED),
}


class Composer:
    """Draws guidance with its own frames into one marked picture. One thread, the main one.

    Without registration there is no merged view: NIR with its rings and white light without stand
    side by side. An NIR frame that has no white frame of its moment is shown alone, in grey:
    guidance is never drawn into white light of another time.
    """

    def __init__(self, case: CaseReader, layout: Layout = Layout.OVERLAY) -> None:
        registration = case.rig.registration
        self._views = _VIEWS[layout]
        if registration.kind == "none" and View.MERGED in self._views:
            self._views = _VIEWS[Layout.SIDE_BY_SIDE]
        self._drawing = Drawing(
            registration, white_balance=case.rig.white_balance, thumbnails=False
        )
        self._renderer = Renderer()
        self._look = Look(
            mm_per_px=case.rig.vouched_mm_per_px,
            heartbeat=False,
            simulated=case.mode is Mode.SIMULATED,
            research_note=True,
        )
        self._wall_minus_frame_ns = case.started_wall_ns - case.started_monotonic_ns

    def wall_ns(self, guidance: Guidance) -> int:
        """Return when the NIR frame was exposed, by the wall clock."""
        return guidance.pair.nir.mid_exposure_ns + self._wall_minus_frame_ns

    def compose(self, guidance: Guidance) -> tuple[Picture, NDArray[np.uint32]]:
        """Return the last view's picture, and all views marked: (H, W) uint32 0xffRRGGBB."""
        views = (View.NIR,) if guidance.pair.white is None else self._views
        if View.MERGED in views and guidance.registration.kind == "none":
            views = (View.NIR,)  # the registration was withdrawn for this moment
        pictures = [self._picture(guidance, view) for view in views]
        width, height = rendered_size(pictures[0])
        look = replace(self._look, clock=self._clock(guidance))
        panes = []
        for picture in pictures:
            rows, columns = picture.rgb32.shape
            size = (max(1, round(columns * height / rows)), height)
            if picture is pictures[0]:
                size = (width, height)
            panes.append(self._renderer.render_to_image(picture, look, size))
        return pictures[-1], panes[0] if len(panes) == 1 else np.hstack(panes)

    def _picture(self, guidance: Guidance, view: View) -> Picture:
        pair = guidance.pair
        settings = replace(guidance.settings, view=view)
        picture = self._drawing.picture(pair.nir, pair.white, guidance, settings)
        if picture is None:
            raise ValueError(f"a pair without what the {view.value} view shows")
        return picture

    def _clock(self, guidance: Guidance) -> str:
        wall = datetime.fromtimestamp(self.wall_ns(guidance) / 1e9, UTC)
        return f"{wall:%Y-%m-%d %H:%M:%S}.{wall.microsecond // 100_000} UTC"


class OverlayFilm:
    """A video of what a `Composer` makes. One thread, the main one.

    ``path`` None: films nothing.
    """

    def __init__(
        self, path: Path | None, case: CaseReader, layout: Layout = Layout.OVERLAY
    ) -> None:
        self._composer = Composer(case, layout)
        self._video = None
        if path is not None:
            self._video = OverlayVideo(path, rate_hz=_rate_hz(case.times_ns(Role.NIR)))

    @property
    def pictures(self) -> int:
        """How many were filmed."""
        return 0 if self._video is None else self._video.pictures

    def write(self, guidance: Guidance, time_s: float) -> None:
        """Film one picture, ``time_s`` from the beginning."""
        if self._video is not None:
            _, marked = self._composer.compose(guidance)
            self._video.write(marked, time_s)

    def close(self) -> None:
        """Finish the file. Idempotent."""
        if self._video is not None:
            self._video.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _rate_hz(times_ns: NDArray[np.int64]) -> float:
    steps_s = np.diff(times_ns) / 1e9
    period_s = float(np.median(steps_s)) if len(steps_s) else 0.0
    return 1.0 / period_s if period_s > 1e-3 else 1.0
