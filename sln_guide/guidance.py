"""What flows: frozen values, replaced whole, never edited, shared by reference between threads."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntFlag, StrEnum
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from hardware.frame import Frame
from hardware.rig import Registration, Rig
from hardware.working_plane import WorkingPlane


class Role(StrEnum):
    """What a camera is for."""

    NIR = "nir"
    WHITE = "white"


@dataclass(frozen=True, slots=True)
class Pair:
    """An NIR frame and the white frame exposed nearest to it (None where there is none).

    ``skew_ns`` is white minus NIR mid-exposure.
    """

    nir: Frame
    white: Frame | None
    skew_ns: int = 0


class Kind(StrEnum):
    """What a bright thing is taken for. When in doubt: UNCERTAIN."""

    NODE = "node"
    CHANNEL = "channel"
    INJECTION = "injection"
    GLINT = "glint"
    UNCERTAIN = "uncertain"


class CannotJudge(IntFlag):
    """Why a place can be called neither bright nor dark. Dark never reads as "negative"."""

    NONE = 0
    SATURATED = 1
    TOO_DARK = 2
    INSTRUMENT = 4
    GLINT = 8
    OUTSIDE_REGISTERED_FIELD = 16
    BAD_DATA = 32
    NEAR_INJECTION = 64


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % interval for the noiseless value of the same measure."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Detection:
    """One bright thing in one NIR frame.

    Coordinates are (x, y), x to the right, y down, the centre of the top-left pixel is (0, 0).

    Attributes
    ----------
    track_id
        Identity that outlives the frame; 0 where tracking is not (yet) at work.
    confirmed, coasted
        Seen often enough in time; not seen in this frame (then ``signal``, ``sbr``, ``cnr`` are
        None: a coasting node is never drawn as signal, measured or exported).
    x_px, y_px
        Centre in NIR px.
    x_white_px, y_white_px
        Centre in white px; None without registration.
    area_px, area_mm2, spot_width_mm
        Of the half-maximum contour. Light scatters: it is not the node's size. The ``mm`` ones
        are None where the scale is unknown, or nothing vouches for it (`UNCALIBRATED`).
    spot_width_px
        Diameter of the circle of the same area, NIR px.
    signal
        Peak added signal above local background [counts/(ms*gain)]; with `UNCALIBRATED` among the
        flags it may be compared within its case only.
    sbr, cnr
        See `sln_guide.core`; ``sbr`` is a lower bound when ``saturated_fraction`` > 0.
    significance
        Sigma of noise plus tissue texture.
    age_s
        Since it was last measured; 0 unless coasted.
    contour_px
        (N, 2) float32 half-maximum contour, NIR px, (x, y); None where it was not traced.
    flags
        Plain words for what is doubtful, such as "saturated", "by instrument".
    node_number
        The n of SLN-n: nodes in the order in which they were confirmed; 0 for anything else.
    """

    track_id: int
    kind: Kind
    confirmed: bool
    coasted: bool
    x_px: float
    y_px: float
    x_white_px: float | None
    y_white_px: float | None
    area_px: float
    area_mm2: float | None
    spot_width_px: float
    spot_width_mm: float | None
    signal: float | None
    sbr: float | None
    sbr_interval: Interval | None
    cnr: float | None
    cnr_interval: Interval | None
    significance: float
    saturated_fraction: float
    age_s: float = 0.0
    contour_px: NDArray[np.float32] | None = None
    flags: tuple[str, ...] = ()
    node_number: int = 0


class NextNumbers(NamedTuple):
    """The next identity, and the next number of a node, that nobody has been given."""

    next_id: int = 1
    next_node: int = 1

    def behind(self, others: Iterable[tuple[int, int]]) -> NextNumbers:
        """Return those behind these and behind all ``others``: (identity, number) each."""
        next_id, next_node = self
        for track_id, node_number in others:
            next_id, next_node = max(next_id, track_id + 1), max(next_node, node_number + 1)
        return NextNumbers(next_id, next_node)


class View(StrEnum):
    """What the large picture shows."""

    MERGED = "merged"
    WHITE = "white"
    NIR = "nir"


class ColourMap(StrEnum):
    """Overlay colours; the last two for colour-vision deficiency."""

    GREEN = "green"
    CYAN = "cyan"
    MAGENTA = "magenta"


UNCALIBRATED = "not calibrated"
"""Flag of guidance, and of each detection in it, whose figures may carry no calibrated units."""

NIR_SATURATED = "saturated image"
NIR_DARK = "no light"
NIR_CONSTANT = "constant image"
UNJUDGED = "too little of the field can be judged"
TOO_MANY = "more bright places than can be told apart"
BASELINE_MISFIT = "the baseline does not fit the tissue: not used"
BASELINE_ELSEWHERE = "baseline of another working distance: not used"
BASELINE_NONE = "no baseline: no tissue was in sight when it was asked for"
"""Flags of guidance that are said over the picture."""
NOTHING_JUDGED = frozenset({NIR_SATURATED, NIR_DARK, NIR_CONSTANT, UNJUDGED})
"""Those with which nothing was looked for: that none is called means nothing."""

MOST_POLYGON_POINTS = 64
MOST_REGIONS = 4
Polygon = tuple[tuple[float, float], ...]
"""NIR px, (x, y)."""
LEAST_GAMMA, MOST_GAMMA = 0.4, 2.5
MOST_NUDGE_PX = 100.0
NUDGED = "registration nudged by hand"
"""Flag of guidance whose place in white light is only as good as somebody's eye."""


class OverlayStyle(StrEnum):
    """How the merged view shows the signal: by signal, by significance, or as contours."""

    SIGNAL = "signal"
    SIGNIFICANCE = "significance"
    CONTOUR = "contour"


class NirStyle(StrEnum):
    """How the NIR view is drawn: the frame in grey, or the measured light in false colours."""

    GREY = "grey"
    MAP = "map"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator chose. Travels inside `Guidance`: a picture can say what made it.

    ``threshold_sigma`` [sigma] is the significance a call needs; ``opacity`` in [0, 1] of the
    overlay at full scale; ``display_full_scale`` [counts/(ms*gain)] is the signal drawn in the
    brightest colour, None: follows the scene slowly. ``exclusion_px`` is a polygon drawn round the
    injection site, NIR px (x, y) of the frame at which it was drawn; empty: none.
    ``auto_exposure``: NIR exposure follows the tissue; else it stays as it is. ``baseline_ns`` is
    when a baseline was asked for, before the tracer came (`Frame.mid_exposure_ns` of the frame then
    shown); None: none. ``registration_withdrawn`` is not the operator's: the live check of edges
    set it, because the cameras do not stand as registered; guidance is then made without it.
    ``gamma`` bends the overlay's colours over their scale (`core.colour.colour_table`): the legend
    shows the bend; measures and calls know nothing of it. ``regions_px`` are at most `MOST_REGIONS`
    polygons whose light is plotted over time, as ``exclusion_px``; they change nothing else.
    ``plane``: another working distance than the rig's, with its homography and scale.
    ``nudge_px`` moves the registration by hand, white px (x, y): a last resort, and flagged.
    """

    threshold_sigma: float = 4.5
    opacity: float = 0.7
    colour_map: ColourMap = ColourMap.GREEN
    view: View = View.MERGED
    display_full_scale: float | None = None
    show_channel: bool = True
    show_injection: bool = True
    show_uncertain: bool = True
    overlay_style: OverlayStyle = OverlayStyle.SIGNAL
    nir_style: NirStyle = NirStyle.GREY
    exclusion_px: Polygon = ()
    auto_exposure: bool = False
    baseline_ns: int | None = None
    registration_withdrawn: bool = False
    gamma: float = 1.0
    regions_px: tuple[Polygon, ...] = ()
    plane: WorkingPlane | None = None
    nudge_px: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        if not 1.0 <= self.threshold_sigma <= 20.0:
            raise ValueError(f"threshold_sigma must lie in [1, 20], not {self.threshold_sigma}")
        if not 0.0 <= self.opacity <= 1.0:
            raise ValueError(f"opacity must lie in [0, 1], not {self.opacity}")
        if not LEAST_GAMMA <= self.gamma <= MOST_GAMMA:
            raise ValueError(f"gamma must lie in [{LEAST_GAMMA}, {MOST_GAMMA}], not {self.gamma}")
        if self.exclusion_px:
            _check_polygon("exclusion_px", self.exclusion_px)
        if len(self.regions_px) > MOST_REGIONS:
            raise ValueError(f"regions_px must be at most {MOST_REGIONS}")
        for region in self.regions_px:
            _check_polygon("regions_px", region)
        if self.display_full_scale is not None and not self.display_full_scale > 0:
            raise ValueError("display_full_scale must be positive")
        if not all(abs(v) <= MOST_NUDGE_PX for v in self.nudge_px):
            raise ValueError(f"nudge_px must lie within {MOST_NUDGE_PX:g} px: register again")

    def registered(self, registration: Registration) -> Registration:
        """Return the registration in force, of a rig whose own is ``registration``."""
        found = registration if self.plane is None else self.plane.registration
        return found.nudged(*self.nudge_px)

    def worked(self, rig: Rig) -> Rig:
        """Return ``rig`` at the working distance, and with the nudge, in force."""
        worked = rig if self.plane is None else self.plane.rig(rig)
        registration = self.registered(rig.registration)
        if registration is worked.registration:
            return worked
        return msgspec.structs.replace(worked, registration=registration)


def _check_polygon(name: str, points: Polygon) -> None:
    if not 3 <= len(points) <= MOST_POLYGON_POINTS:
        raise ValueError(f"{name} must have 3 to {MOST_POLYGON_POINTS} points, or none")
    if not all(abs(v) < 1e6 for point in points for v in point):
        raise ValueError(f"{name} must be places in the picture")


@dataclass(frozen=True, slots=True, eq=False)
class Guidance:
    """What the core made of one pair. Arrays are owned, read-only.

    Attributes
    ----------
    generation
        Counts computations of one pipeline state, from 1.
    grid_px
        Edge of a grid block in NIR px; maps below are (rows, cols) = ceil(size / grid_px), and
        the centre of block (r, c) lies at NIR px ((c + 0.5) * grid_px - 0.5, likewise y).
    signal
        float32, added signal above background [counts/(ms*gain)].
    background
        float32, background [counts/(ms*gain)].
    significance
        float32, sigma of noise plus texture at node scale.
    limit_contrast
        float32, peak contrast at which half of nodes of the rig's usual size are called here, now.
    cannot_judge
        uint8, bits of `CannotJudge`.
    limit_sbr
        The same as the SBR that is measured of such a node, for most (three quarters) of the tissue
        that can be judged; None: unknown.
    false_calls_per_field
        Expected false calls in this field at this threshold.
    display_full_scale
        Signal drawn in the brightest colour [counts/(ms*gain)].
    colour_predicted
        Whether the background was predicted from the colour image (else from NIR alone).
    stage_ms
        Time per stage; not part of the digest.
    flags
        Plain words about the whole frame, such as "constant image", "light step".
    baseline_used
        Whether texture from before the tracer was taken off (see `Settings.baseline_ns`).
    white_small
        `core.luminance.luminance_small` of the pair's white frame; not part of the digest. None:
        not at hand.
    exclusion_px
        Where the region drawn by hand lies in this frame, NIR px (x, y); empty: none.
    regions_px
        Where the regions of `Settings.regions_px` lie in this frame, in their order.
    """

    generation: int
    pair: Pair
    detections: tuple[Detection, ...]
    grid_px: int
    signal: NDArray[np.float32]
    background: NDArray[np.float32]
    significance: NDArray[np.float32]
    limit_contrast: NDArray[np.float32]
    cannot_judge: NDArray[np.uint8]
    limit_sbr: float | None
    false_calls_per_field: float
    display_full_scale: float
    colour_predicted: bool
    registration: Registration
    settings: Settings
    stage_ms: dict[str, float] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    white_small: NDArray[np.float32] | None = None
    baseline_used: bool = False
    exclusion_px: Polygon = ()
    regions_px: tuple[Polygon, ...] = ()

    def limit_sbr_at(self, row: int, col: int) -> float | None:
        """Return the SBR at which half of usual nodes are called in a block; None: none is."""
        contrast = float(self.limit_contrast[row, col])
        return sbr_of_contrast(contrast) if math.isfinite(contrast) else None


def sbr_of_contrast(contrast: float) -> float:
    """Return the SBR that is measured of a spot whose peak has ``contrast``.

    Of a Gaussian: the mean inside of its half-maximum contour is 1 / (2 ln 2) of its height, and
    the annulus from 1.5 to 2.5 times that contour still holds 7 %.
    """
    return (1.0 + contrast / (2.0 * math.log(2.0))) / (1.0 + 0.071 * contrast)


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One drawn picture, ready to paint. ``rgb32`` is (H, W) uint32 0xffRRGGBB, read-only.

    ``guidance`` is the newest there was (None: none yet, or the core failed); ``overlay_drawn``
    tells whether its signal was drawn into ``rgb32``. ``white_shift_px`` is how far tissue in
    ``white`` has moved since the guidance's own white frame [white px]; NaN: unknown.
    ``handed_over_ns`` is when the oldest frame that this picture shows for the first time was
    handed over.
    """

    number: int
    rgb32: NDArray[np.uint32]
    view: View
    white: Frame | None
    nir: Frame | None
    guidance: Guidance | None
    overlay_drawn: bool
    white_shift_px: tuple[float, float]
    handed_over_ns: int
    white_thumbnail: NDArray[np.uint32] | None = None
    nir_thumbnail: NDArray[np.uint32] | None = None


class Mode(StrEnum):
    """Where pictures come from. SIMULATED runs only when asked for by name."""

    LIVE = "live"
    SIMULATED = "simulated"
    REPLAY = "replay"
