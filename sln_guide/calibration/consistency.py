"""Whether the cameras still stand as registered: edges that both streams see must coincide.

No board is needed: instruments, borders of tissue and drapes show in NIR (leakage, ambient light)
and in white. Each tile of the NIR picture is sought in the white one around where the registration
puts it; tiles that find themselves clearly vote. Few votes mean "cannot tell", never "well".
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hardware.frame import Frame
from hardware.opencv import cv2
from sln_guide.calibration.frames import unpacked

WIDTH_PX = 320
"""Both pictures are compared at this width (of the NIR field)."""
TILES = (6, 5)
LEAST_TILES = 5
LEAST_CORRELATION = 0.45
LEAST_LEAD = 0.08
"""By so much the best place must beat the best one elsewhere."""

Verdict = Literal["holds", "moved", "cannot tell"]


@dataclass(frozen=True, slots=True)
class Consistency:
    """How far apart edges lie that should coincide.

    ``shift_px``, ``error_px``: where white's edges lie from where the registration has them, in
    NIR px: median over ``tiles`` that voted, and its standard error.
    """

    verdict: Verdict
    shift_px: tuple[float, float]
    error_px: float
    tiles: int

    @property
    def distance_px(self) -> float:
        """Length of the shift [NIR px]."""
        return float(np.hypot(*self.shift_px))


def reduced(frame: Frame) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return a frame's light, about `WIDTH_PX` wide, and the (3, 3) map from its px to those.

    Cells of a mosaic are averaged by whole tiles: no colour shifts an edge.
    """
    pixels = unpacked(frame)
    step = max(1, frame.width // WIDTH_PX)
    if frame.pixel_format.is_bayer:
        step = max(2, step - step % 2)
    if pixels.ndim == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    size = frame.width // step, frame.height // step
    whole = pixels[: size[1] * step, : size[0] * step]
    small = cv2.resize(whole, size, interpolation=cv2.INTER_AREA)
    # the centre of the top-left pixel is 0, 0 in both
    offset = 0.5 / step - 0.5
    to_small = np.array([[1 / step, 0.0, offset], [0.0, 1 / step, offset], [0.0, 0.0, 1.0]])
    return np.asarray(small, np.float32), to_small


def compare(
    nir: NDArray[np.float32],
    white: NDArray[np.float32],
    white_from_nir: NDArray[np.float64],
    *,
    tolerance_px: float,
    reach_px: float = 24.0,
) -> Consistency:
    """Hold the registration against one moment of both streams.

    Parameters
    ----------
    nir, white
        Luminance (H, W) float32 in any unit; see `board.grey_of`.
    white_from_nir
        The registration in use, (3, 3).
    tolerance_px
        NIR px beyond which the cameras are taken to have moved.
    reach_px
        How far [NIR px] tiles are sought.
    """
    scale = WIDTH_PX / nir.shape[1]
    votes = _votes(nir, white, white_from_nir, scale, reach_px)
    if len(votes) < LEAST_TILES:
        return Consistency("cannot tell", (0.0, 0.0), float("inf"), len(votes))
    shifts = votes[:, 2:] / scale
    middle = np.median(shifts, axis=0)
    agree = np.hypot(*(shifts - middle).T) < max(2.0 / scale, 1.5 * tolerance_px)
    if agree.sum() < max(LEAST_TILES, 0.5 * len(shifts)):
        # tiles that each shift another way: parallax over relief, or a turned camera
        lengths = np.hypot(*shifts.T)
        turned = float(np.median(lengths)) > tolerance_px and len(shifts) >= 2 * LEAST_TILES
        verdict: Verdict = "moved" if turned else "cannot tell"
        return Consistency(verdict, _pair(middle), float(np.median(lengths)), len(votes))
    kept = shifts[agree]
    middle = np.median(kept, axis=0)
    spread = 1.4826 * np.median(np.abs(kept - middle), axis=0)
    error = float(np.hypot(*spread) * 1.25 / np.sqrt(len(kept)))
    moved = float(np.hypot(*middle)) > tolerance_px + 2.0 * error
    return Consistency("moved" if moved else "holds", _pair(middle), error, int(agree.sum()))


def _pair(values: NDArray[np.float64]) -> tuple[float, float]:
    x, y = (float(v) for v in values)
    return x, y


def _votes(
    nir: NDArray[np.float32],
    white: NDArray[np.float32],
    white_from_nir: NDArray[np.float64],
    scale: float,
    reach_px: float,
) -> NDArray[np.float64]:
    """Return (N, 4): x, y of tiles and how far off they found themselves, in small px."""
    height = round(nir.shape[0] * scale)
    small = cv2.resize(nir, (WIDTH_PX, height), interpolation=cv2.INTER_AREA)
    shrink = np.diag([scale, scale, 1.0])
    # blur white to the small grid's resolution before it is sampled there
    ratio = float(np.sqrt(abs(np.linalg.det(white_from_nir[:2, :2])))) / scale
    soft = cv2.GaussianBlur(white, (0, 0), 0.5 * ratio) if ratio > 1.2 else white
    onto = white_from_nir @ np.linalg.inv(shrink)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    seen = cv2.warpPerspective(soft, onto, (WIDTH_PX, height), flags=flags, borderValue=-1.0)
    inside = cv2.erode((seen >= 0).astype(np.uint8), np.ones((5, 5), np.uint8))
    first, second = _edges(small), _edges(np.maximum(seen, 0.0)) * inside
    reach = max(4, round(reach_px * scale))
    tile_w, tile_h = WIDTH_PX // TILES[0], height // TILES[1]
    votes = []
    for row in range(TILES[1]):
        for column in range(TILES[0]):
            x, y = column * tile_w, row * tile_h
            left, top = max(x - reach, 0), max(y - reach, 0)
            right, bottom = min(x + tile_w + reach, WIDTH_PX), min(y + tile_h + reach, height)
            if inside[y : y + tile_h, x : x + tile_w].mean() < 0.8:
                continue
            template = first[y : y + tile_h, x : x + tile_w]
            if float(template.std()) < 0.35:
                continue
            found = cv2.matchTemplate(
                second[top:bottom, left:right], template, cv2.TM_CCOEFF_NORMED
            )
            place = _peak(np.nan_to_num(found))
            if place is not None:
                votes.append(
                    (x + tile_w / 2, y + tile_h / 2, place[0] + left - x, place[1] + top - y)
                )
    return np.array(votes, np.float64).reshape(-1, 4)


def _edges(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the strength of edges, alike for any brightness: of the logarithm, and bounded."""
    floor = max(float(np.percentile(image, 50)) * 0.2, 1e-3)
    logs = np.log(np.maximum(image, 0.0) + floor)
    logs = cv2.GaussianBlur(logs.astype(np.float32), (0, 0), 1.0)
    across = cv2.Sobel(logs, cv2.CV_32F, 1, 0)
    down = cv2.Sobel(logs, cv2.CV_32F, 0, 1)
    strength = np.hypot(across, down)
    typical = float(np.percentile(strength, 80)) + 1e-6
    return np.asarray(np.minimum(strength / typical, 4.0), np.float32)


def _peak(surface: NDArray[np.float32]) -> tuple[float, float] | None:
    """Return x, y of a clear best place with a share of a pixel; None where there is none."""
    _, best, _, (x, y) = cv2.minMaxLoc(surface)
    height, width = surface.shape
    if best < LEAST_CORRELATION or not (0 < x < width - 1 and 0 < y < height - 1):
        return None
    others = surface.copy()
    others[max(y - 4, 0) : y + 5, max(x - 4, 0) : x + 5] = -1.0
    if best - float(others.max()) < LEAST_LEAD:
        return None
    return x + _vertex(surface[y, x - 1 : x + 2]), y + _vertex(surface[y - 1 : y + 2, x])


def _vertex(three: NDArray[np.float32]) -> float:
    before, middle, after = (float(v) for v in three)
    bend = before - 2.0 * middle + after
    return 0.0 if bend >= -1e-9 else float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5))


class ConsistencyWatch:
    """Turns single looks into a verdict that one strange frame cannot make: most of the last few.

    One thread. ``holds`` until told otherwise would be a claim: it begins with "cannot tell".
    ``agreeing`` of the last ``looks`` make a verdict, 1 to all of them (else ValueError).
    """

    def __init__(self, *, looks: int = 5, agreeing: int = 3) -> None:
        if not 1 <= agreeing <= looks:
            raise ValueError("agreeing looks must be 1 to looks")
        self._recent: deque[Verdict] = deque(maxlen=looks)
        self._agreeing = agreeing
        self._last: Verdict = "cannot tell"

    def add(self, look: Consistency) -> Verdict:
        """Take one look; return the verdict so far.

        "moved" stays until "holds"; "holds" until no look of the last few says so.
        """
        self._recent.append(look.verdict)
        for verdict in ("moved", "holds"):
            if self._recent.count(verdict) >= self._agreeing:
                self._last = verdict
                return self._last
        if self._last == "holds" and "holds" not in self._recent:
            self._last = "cannot tell"
        return self._last

    def forget_looks(self) -> None:
        """Judge by new looks alone: the registration is another. "moved" stays until "holds"."""
        self._recent.clear()
        if self._last == "holds":
            self._last = "cannot tell"
