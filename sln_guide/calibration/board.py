"""The ChArUco board: printed at true scale, found again in a frame, or refused with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from hardware.frame import Frame
from hardware.opencv import cv2
from sln_guide.calibration.binding import Positive
from sln_guide.calibration.errors import CaptureError
from sln_guide.calibration.frames import unpacked
from sln_guide.calibration.paper import A4_MM, GREY, PALE, Drawing, pdf

DICTIONARY = cv2.aruco.DICT_4X4_100
FULL_SHARE = 0.2
BLURRED_PX = 2.0
BOARD_CONTRAST = 0.4
"""Of a picture in which no board is found: saturated, blurred; no board has less contrast."""
LEAST_SHARE = 0.4
"""Of the board's corners that must be seen."""
SATURATED_SHARE = 0.03
ADVICE = (
    "Print at 100 % on a laser printer: carbon toner is black at 850 nm, most inks vanish.",
    "Check the bar: it must be 100 mm long. If not, give its length: --measured-mm.",
    "Glue it to something flat and stiff: glass or aluminium. A wavy sheet measures its waves.",
    "Light it in NIR too: excitation or an 850 nm lamp, diffuse, no hot spot; take the emission",
    "filter out, or use a lamp within its band, if the board stays dark.",
)
_TO_GREY = {
    "RG": cv2.COLOR_BAYER_BG2GRAY,
    "BG": cv2.COLOR_BAYER_RG2GRAY,
    "GR": cv2.COLOR_BAYER_GB2GRAY,
    "GB": cv2.COLOR_BAYER_GR2GRAY,
}


class Board(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A chessboard with a marker in each white square. Sizes as printed, in mm."""

    columns: int = 11
    rows: int = 8
    square_mm: Positive = 15.0
    marker_mm: Positive = 11.0

    def __post_init__(self) -> None:
        if not (3 <= self.columns <= 20 and 3 <= self.rows <= 20):
            raise ValueError("a board has 3 to 20 columns and rows")
        if self.columns * self.rows // 2 > 100:
            raise ValueError("a board holds at most 100 markers: choose fewer squares")
        if not self.marker_mm < self.square_mm:
            raise ValueError("markers must be smaller than squares")

    @property
    def size_mm(self) -> tuple[float, float]:
        """Width and height."""
        return self.columns * self.square_mm, self.rows * self.square_mm

    @property
    def corners(self) -> int:
        """Inner corners."""
        return (self.columns - 1) * (self.rows - 1)

    def scaled(self, measured_mm: float) -> Board:
        """Return the board as it came out of the printer: its 100 mm bar is ``measured_mm`` long.

        Raises
        ------
        ValueError
            It is not a length that a printer makes of 100 mm.
        """
        if not 50.0 < measured_mm < 200.0:
            raise ValueError(f"the bar is 100 mm long as drawn; {measured_mm:g} mm cannot be right")
        share = measured_mm / 100.0
        return msgspec.structs.replace(
            self, square_mm=self.square_mm * share, marker_mm=self.marker_mm * share
        )

    def pattern(self) -> Any:
        """Return OpenCV's board."""
        return cv2.aruco.CharucoBoard(
            (self.columns, self.rows),
            self.square_mm,
            self.marker_mm,
            cv2.aruco.getPredefinedDictionary(DICTIONARY),
        )

    def picture(self, mm_per_px: float) -> NDArray[np.float32]:
        """Return the board's reflectance (H, W) float32, 0.04 (toner) to 0.9 (paper)."""
        width, height = (round(s / mm_per_px) for s in self.size_mm)
        drawn = self.pattern().generateImage((width, height), marginSize=0)
        return np.asarray(0.04 + 0.86 * (drawn.astype(np.float32) / 255.0), np.float32)

    def page(self) -> Drawing:
        """Return the page to print, with a bar to measure and advice."""
        width, height = self.size_mm
        across, down = max(A4_MM[1], width + 24), max(A4_MM[0], height + 60)
        drawing = Drawing(across, down)
        left, top = 0.5 * (across - width), 12.0
        pattern = self.pattern()
        for row in range(self.rows):
            for column in range(self.columns):
                if (row + column) % 2 == 0:
                    drawing.rectangle(
                        left + column * self.square_mm,
                        top + row * self.square_mm,
                        self.square_mm,
                        self.square_mm,
                    )
        dictionary = cv2.aruco.getPredefinedDictionary(DICTIONARY)
        for number, corners in zip(pattern.getIds().ravel(), pattern.getObjPoints(), strict=True):
            x, y = (float(v) for v in corners[0][:2])
            bits = dictionary.generateImageMarker(int(number), 6)
            cell = self.marker_mm / 6
            for r, c in np.argwhere(bits == 0):
                # a hair wider, so that no viewer shows seams between cells
                drawing.rectangle(
                    left + x + c * cell, top + y + r * cell, cell * 1.002, cell * 1.002
                )
        under = top + height + 7
        drawing.rectangle(left, under, 100.0, 1.2)
        for x in (left, left + 100.0):
            drawing.line([(x, under - 1.5), (x, under + 2.7)])
        name = f"{self.columns} x {self.rows} squares of {self.square_mm:g} mm"
        drawing.text(left + 104, under + 1.6, f"100 mm - sln-guide board, {name}", 3.0)
        for k, line in enumerate(ADVICE):
            drawing.text(left, under + 8 + 4.6 * k, line, 3.0, GREY)
        drawing.line([(4, 4), (across - 4, 4), (across - 4, down - 4), (4, down - 4), (4, 4)], PALE)
        return drawing

    def pdf(self) -> bytes:
        """Return the page to print as a PDF file."""
        return pdf([self.page()], "sln-guide calibration board")


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """The board as one camera saw it.

    Attributes
    ----------
    ids
        (N,) corner numbers, ascending.
    px
        (N, 2) float64, x and y of each, centre of the top-left pixel is 0, 0.
    mm
        (N, 3) float64, the same corners on the board, z = 0.
    size
        Width and height of the frame.
    blur_px
        Standard deviation of the edges' blur.
    """

    ids: NDArray[np.int64]
    px: NDArray[np.float64]
    mm: NDArray[np.float64]
    size: tuple[int, int]
    blur_px: float


def grey_of(frame: Frame) -> NDArray[np.float32]:
    """Return luminance (H, W) float32 counts of any frame, the caller's own or a read-only view."""
    pixels = unpacked(frame)
    if frame.pixel_format.is_bayer:
        code = _TO_GREY[frame.pixel_format.bayer_pattern]
        return np.asarray(cv2.cvtColor(_balanced(pixels), code), np.float32)
    if pixels.ndim == 3:
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.float32)
    return pixels.astype(np.float32)


def _balanced(
    mosaic: NDArray[np.uint8] | NDArray[np.uint16],
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Bring the mosaic's colours to one level: unequal ones shift corners by their own lattice."""
    out = mosaic.astype(np.float32)
    levels = [[float(np.median(out[i::2, j::2])) for j in (0, 1)] for i in (0, 1)]
    middle = float(np.mean(levels))
    for i in (0, 1):
        for j in (0, 1):
            out[i::2, j::2] *= middle / max(levels[i][j], 1.0)
    top = np.iinfo(mosaic.dtype).max
    clipped = np.clip(out, 0, top)
    return clipped.astype(np.uint8) if mosaic.dtype == np.uint8 else clipped.astype(np.uint16)


def find_board(frame: Frame, board: Board) -> View:
    """Return where the board's corners lie in ``frame``.

    Raises
    ------
    CaptureError
        No board, another board, too little of it, blurred or saturated.
    """
    grey = grey_of(frame)
    low, high = (float(v) for v in np.percentile(grey, (1, 99.5)))
    picture = np.clip((grey - low) * (255.0 / max(high - low, 1.0)), 0, 255).astype(np.uint8)
    marker_corners, marker_ids = _markers(picture, board)
    markers = len(marker_ids)
    found = numbers = None
    if markers:
        detector = cv2.aruco.CharucoDetector(board.pattern())
        found, numbers, _, _ = detector.detectBoard(picture, None, None, marker_corners, marker_ids)
    if found is None and markers >= 4:
        _refuse_poor(frame, grey, "the markers do not lie as they should")
        raise CaptureError(
            f"the markers do not lie as on a board of {board.columns} x {board.rows} squares: "
            "show the board that was printed for this rig, or give its --board"
        )
    if found is None or numbers is None or markers == 0:
        _refuse_poor(frame, grey, "no board to be seen")
        raise CaptureError(
            "no board to be seen: put the whole board into the field, focused, and light it "
            "(in NIR too; many inks vanish there)"
        )
    if len(numbers) < max(8, LEAST_SHARE * board.corners):
        few = f"only {len(numbers)} of {board.corners} corners seen"
        _refuse_poor(frame, grey, few)
        raise CaptureError(
            f"{few}: bring more of the board into the field, without glare or shadow on it"
        )
    region = cv2.boundingRect(np.concatenate([c.reshape(-1, 2) for c in marker_corners]))
    x, y, w, h = region
    part = unpacked(frame)[max(y, 0) : y + h, max(x, 0) : x + w]
    full = float((part >= 2**frame.bit_depth - 1).mean())
    if full > SATURATED_SHARE:
        raise CaptureError(
            f"{full:.0%} of the board is saturated: shorten the exposure or dim the light"
        )
    order = np.argsort(numbers.ravel())
    ids = numbers.ravel()[order].astype(np.int64)
    px = found.reshape(-1, 2)[order].astype(np.float32)
    square_px = _square_px(board, ids, px)
    # no further than the white rim around each corner: markers' own edges would pull
    rim = 0.5 * (board.square_mm - board.marker_mm) / board.square_mm
    reach = int(np.clip(0.9 * rim * square_px, 2, 15))
    blur = _blur_px(grey, region)
    if blur > max(0.10 * square_px, 1.2):
        raise CaptureError(
            f"the board is blurred (edges {blur:.1f} px wide, squares {square_px:.0f} px): focus, "
            "hold it still, shorten the exposure"
        )
    refined = cv2.cornerSubPix(
        grey,
        px.reshape(-1, 1, 2).copy(),
        (reach, reach),
        (-1, -1),
        (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 60, 1e-4),
    ).reshape(-1, 2)
    stray = np.hypot(*(refined - px).T) > 0.3 * square_px
    if stray.any():
        ids, refined = ids[~stray], refined[~stray]
    corners = board.pattern().getChessboardCorners()[ids].astype(np.float64)
    return View(ids, refined.astype(np.float64), corners, (frame.width, frame.height), blur)


def _refuse_poor(frame: Frame, grey: NDArray[np.float32], what: str) -> None:
    """Blame the picture, where it is too bright or too blurred for any board to be found in it.

    Raises
    ------
    CaptureError
        ``what`` was the matter, and why.
    """
    full = float((unpacked(frame) >= 2**frame.bit_depth - 1).mean())
    if full > FULL_SHARE:
        raise CaptureError(
            f"{what}: {full:.0%} of the picture is saturated: shorten the exposure or dim the light"
        )
    blur = _blur_px(grey, (0, 0, frame.width, frame.height))
    low, high = (float(v) for v in np.percentile(grey, (10, 90)))
    if blur > BLURRED_PX and high - low > BOARD_CONTRAST * high:
        raise CaptureError(
            f"{what}, the picture is blurred (edges {blur:.1f} px wide): focus, hold the board "
            "still, shorten the exposure"
        )


def _markers(
    picture: NDArray[np.uint8], board: Board
) -> tuple[list[NDArray[np.float32]], NDArray[np.int32]]:
    """Return corners and numbers (N, 1) of the board's markers in sight.

    Raises
    ------
    CaptureError
        They are those of a board with more markers than ours.
    """
    detector = cv2.aruco.ArucoDetector(cv2.aruco.getPredefinedDictionary(DICTIONARY))
    corners, ids, _ = detector.detectMarkers(picture)
    if ids is None:
        return [], np.empty((0, 1), np.int32)
    ours = ids.ravel() < board.columns * board.rows // 2
    foreign = int((~ours).sum())
    if foreign > 1 or (foreign and not ours.any()):
        raise CaptureError(
            f"this is another board: it has more markers than {board.columns} x {board.rows} "
            "squares hold; show the board that was printed for this rig, or give its --board"
        )
    return [c for c, own in zip(corners, ours, strict=True) if own], ids[ours]


def _square_px(board: Board, ids: NDArray[np.int64], px: NDArray[np.float32]) -> float:
    """Return the median distance of neighbouring corners."""
    across = board.columns - 1
    place = {int(n): p for n, p in zip(ids, px, strict=True)}
    gaps = [
        float(np.hypot(*(place[n] - place[n + 1])))
        for n in place
        if n + 1 in place and (n + 1) % across
    ]
    return float(np.median(gaps)) if gaps else 20.0


def _blur_px(grey: NDArray[np.float32], region: tuple[int, int, int, int]) -> float:
    """Return the blur of edges: a Gaussian edge's slope is contrast / (sqrt(2 pi) sigma)."""
    x, y, w, h = region
    part = grey[max(y, 0) : y + h, max(x, 0) : x + w]
    smooth = cv2.GaussianBlur(part, (0, 0), 0.8)
    across = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, ksize=3) / 8
    down = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, ksize=3) / 8
    steepest = float(np.percentile(np.hypot(across, down), 98.5))
    low, high = (float(v) for v in np.percentile(smooth, (10, 90)))
    return float((high - low) / (np.sqrt(2 * np.pi) * max(steepest, 1e-6)))
