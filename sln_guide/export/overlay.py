"""`OverlayFilm`: the overlay video of a case, with what must be burned into every picture."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sln_guide.drawing import Drawing
from sln_guide.export.video import OverlayVideo
from sln_guide.guidance import Guidance, Mode, Picture, Role, View
from sln_guide.recording import CaseReader
from sln_guide.render.look import Look
from sln_guide.render.renderer import Renderer, rendered_size


class OverlayFilm:
    """Draws guidance into its own white frame, marks it, and films it. One thread, the main one.

    Without registration the views stand side by side: NIR with its rings, white light without.
    An NIR frame that has no white frame of its moment is shown alone, in grey: guidance is never
    drawn into white light of another time.

    ``path`` None: films nothing.
    """

    def __init__(self, path: Path | None, case: CaseReader) -> None:
        self._registration = case.rig.registration
        self._drawing = Drawing(self._registration, thumbnails=False)
        self._renderer = Renderer()
        self._look = Look(
            mm_per_px=case.rig.optics.mm_per_px,
            heartbeat=False,
            simulated=case.mode is Mode.SIMULATED,
            research_note=True,
        )
        self._wall_minus_frame_ns = case.started_wall_ns - case.started_monotonic_ns
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
            self._video.write(self._marked(guidance), time_s)

    def close(self) -> None:
        """Finish the file. Idempotent."""
        if self._video is not None:
            self._video.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _marked(self, guidance: Guidance) -> NDArray[np.uint32]:
        if guidance.pair.white is None:
            return self._render(self._picture(guidance, View.NIR), guidance)
        if self._registration.kind != "none":
            return self._render(self._picture(guidance, View.MERGED), guidance)
        left = self._picture(guidance, View.NIR)
        right = self._picture(guidance, View.WHITE)
        width, height = rendered_size(left)
        rows, columns = right.rgb32.shape
        right_size = (max(1, round(columns * height / rows)), height)
        return np.hstack(
            [
                self._render(left, guidance, (width, height)),
                self._render(right, guidance, right_size),
            ]
        )

    def _picture(self, guidance: Guidance, view: View) -> Picture:
        pair = guidance.pair
        settings = replace(guidance.settings, view=view)
        picture = self._drawing.picture(pair.nir, pair.white, guidance, settings)
        if picture is None:
            raise ValueError(f"a pair without what the {view.value} view shows")
        return picture

    def _render(
        self, picture: Picture, guidance: Guidance, size: tuple[int, int] | None = None
    ) -> NDArray[np.uint32]:
        look = replace(self._look, clock=self._clock(guidance.pair.nir.mid_exposure_ns))
        return self._renderer.render_to_image(picture, look, size)

    def _clock(self, time_ns: int) -> str:
        wall = datetime.fromtimestamp((time_ns + self._wall_minus_frame_ns) / 1e9, UTC)
        return f"{wall:%Y-%m-%d %H:%M:%S}.{wall.microsecond // 100_000} UTC"


def _rate_hz(times_ns: NDArray[np.int64]) -> float:
    steps_s = np.diff(times_ns) / 1e9
    period_s = float(np.median(steps_s)) if len(steps_s) else 0.0
    return 1.0 / period_s if period_s > 1e-3 else 1.0
