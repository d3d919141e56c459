"""NIR auto-exposure: a control law that ignores injection site and glints, and never hunts.

The camera's own automatic exposure is refused (it follows whatever is brightest); this one looks
at the tissue alone. It changes exposure only, never gain: light lost to noise does not come back.
Measures are in counts/(ms*gain), so a change of exposure changes no figure and no colour; frames
taken while one is under way are flagged and not looked at.

`follow` is pure: state in, state out. `Exposing` keeps the state and asks the camera's stream; the
session says so in the case.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hardware.camera import CameraSettings
from hardware.rig import CameraSpec, Sensor
from sln_guide.exclusion import blocks_inside
from sln_guide.guidance import CannotJudge, Guidance, Kind
from sln_guide.live.stream import Stream

TARGET = 0.45
"""Where the bright end of the tissue should lie, as a share of the sensor's range."""
BAND = (0.25, 0.70)
"""Within it nothing is changed: far wider than one step, so that steps cannot chase each other."""
PERCENTILE = 99.0
"""Of the tissue's blocks: its bright end. A node is smaller than the hundredth that lies above."""
HOLD_S = 0.5
"""How long the tissue must lie outside the band: a passing instrument changes nothing."""
REST_S = 0.5
"""Least time between two changes."""
LARGEST_STEP = 2.0
"""Largest factor of one change."""
LEAST_BLOCKS = 32
LEAST_US = 50.0
OF_PERIOD = 0.9
"""Longest exposure as a share of the frame period: the rest is the sensor's to read out in."""
USUAL_RATE_HZ = 30.0
CLIPPED_SHARE = 0.01
"""Share of clipped blocks among the tissue's from which its bright end is unknown."""

_LEFT_OUT = (
    CannotJudge.TOO_DARK
    | CannotJudge.INSTRUMENT
    | CannotJudge.GLINT
    | CannotJudge.OUTSIDE_REGISTERED_FIELD
    | CannotJudge.BAD_DATA
    | CannotJudge.NEAR_INJECTION
)


@dataclass(frozen=True, slots=True)
class ExposureLimits:
    """What the camera and the frame period allow [us], and the sensor's range above dark [counts].

    Raises
    ------
    ValueError
        Limits that leave nothing between them.
    """

    least_us: float
    most_us: float
    range_counts: float

    def __post_init__(self) -> None:
        if not 0 < self.least_us <= self.most_us < math.inf:
            raise ValueError(f"exposure limits {self.least_us} to {self.most_us} us leave nothing")
        if not 0 < self.range_counts < math.inf:
            raise ValueError(f"range_counts must be positive, not {self.range_counts}")


@dataclass(frozen=True, slots=True)
class ExposureState:
    """What outlives a frame: since when tissue lies outside the band, and the last change.

    ``wanted_us`` is None until the first change; ``locked`` by the operator: nothing is changed.
    """

    locked: bool = False
    outside_since_ns: int | None = None
    above: bool = False
    changed_ns: int | None = None
    wanted_us: float | None = None


def follow(
    state: ExposureState, guidance: Guidance, limits: ExposureLimits
) -> tuple[ExposureState, float | None]:
    """Look at one guidance; return the next state, and an exposure [us] to set, or None.

    Parameters
    ----------
    state
        From the last call.
    guidance
        Its frame's own exposure is what it is judged by. A frame whose settings were still
        changing, or whose exposure is not yet what was asked for, is not looked at.
    limits
        Of the camera and the sensor.
    """
    nir = guidance.pair.nir
    if state.locked or nir.settings_in_flight or not nir.exposure_us:
        return state, None
    now_ns, exposure_us = nir.mid_exposure_ns, nir.exposure_us
    asked = state.wanted_us
    if (
        asked is not None
        and abs(exposure_us - asked) > 0.02 * asked
        and not _long_ago(state, now_ns)
    ):
        return state, None
    share = bright_end(guidance, limits)
    if share is None or BAND[0] <= share <= BAND[1]:
        return replace(state, outside_since_ns=None), None
    above = share > BAND[1]
    if state.outside_since_ns is None or above is not state.above:
        return replace(state, outside_since_ns=now_ns, above=above), None
    held_s = (now_ns - state.outside_since_ns) / 1e9
    if held_s < HOLD_S or not _rested(state, now_ns):
        return state, None
    factor = min(max(TARGET / share, 1.0 / LARGEST_STEP), LARGEST_STEP)
    wanted_us = min(max(exposure_us * factor, limits.least_us), limits.most_us)
    if abs(wanted_us - exposure_us) < 0.02 * exposure_us:
        return state, None  # at a limit: nothing more can be done
    after = replace(state, outside_since_ns=None, changed_ns=now_ns, wanted_us=wanted_us)
    return after, wanted_us


def bright_end(guidance: Guidance, limits: ExposureLimits) -> float | None:
    """Return the tissue's bright end as a share of the sensor's range at this exposure.

    Injection sites, glints, instruments and what was excluded by hand are left out; 1.0 where
    too much of the rest is clipped to tell. None where too little tissue is left.
    """
    nir = guidance.pair.nir
    tissue = _tissue(guidance)
    if int(tissue.sum()) < LEAST_BLOCKS:
        return None
    clipped = (guidance.cannot_judge & CannotJudge.SATURATED) != 0
    if float(clipped[tissue].mean()) > CLIPPED_SHARE:
        return 1.0
    light = (guidance.background + guidance.signal)[tissue & ~clipped]
    light = light[np.isfinite(light)]
    if light.size < LEAST_BLOCKS:
        return None
    counts = float(np.percentile(light, PERCENTILE)) * (nir.exposure_us / 1000.0) * nir.gain
    return max(counts, 0.0) / limits.range_counts


def _tissue(guidance: Guidance) -> NDArray[np.bool_]:
    """Return which blocks show tissue that exposure is to follow."""
    shape = guidance.signal.shape
    tissue: NDArray[np.bool_] = (guidance.cannot_judge & np.uint8(_LEFT_OUT)) == 0
    if len(guidance.exclusion_px) >= 3:
        tissue &= ~blocks_inside(guidance.exclusion_px, guidance.grid_px, shape)
    rows, cols = np.ogrid[: shape[0], : shape[1]]
    x, y = ((axis + 0.5) * guidance.grid_px - 0.5 for axis in (cols, rows))
    for d in guidance.detections:
        if d.kind in (Kind.INJECTION, Kind.GLINT) and math.isfinite(d.x_px + d.y_px):
            tissue &= np.hypot(x - d.x_px, y - d.y_px) > d.spot_width_px
    return tissue


def _rested(state: ExposureState, now_ns: int) -> bool:
    return state.changed_ns is None or (now_ns - state.changed_ns) / 1e9 >= REST_S


def _long_ago(state: ExposureState, now_ns: int) -> bool:
    """Whether a change should have taken effect by now: then the camera rounds, or was set anew."""
    return state.changed_ns is None or (now_ns - state.changed_ns) / 1e9 >= 2 * REST_S


class Exposing:
    """Asks the stream for another exposure when the tissue needs one. Processing thread only."""

    def __init__(self, stream: Stream, spec: CameraSpec, sensor: Sensor) -> None:
        self._stream = stream
        self._limits = limits_of(spec, sensor)
        self._state = ExposureState()

    def see(self, guidance: Guidance, *, wanted: bool) -> float | None:
        """Look at one guidance; return the exposure asked for [us], None if none was.

        Not ``wanted``: exposure stays as it is, and the next change is judged afresh.
        """
        if not wanted or self._stream.refused is not None:
            self._state = ExposureState()
            return None
        self._state, exposure_us = follow(self._state, guidance, self._limits)
        if exposure_us is not None:
            self._stream.change(CameraSettings(exposure_us=exposure_us))
        return exposure_us


def limits_of(spec: CameraSpec, sensor: Sensor) -> ExposureLimits:
    """Return what the rig's NIR camera may do."""
    period_us = 1e6 / (spec.frame_rate_hz or USUAL_RATE_HZ)
    full = 2**spec.pixel_format.bit_depth - 1
    return ExposureLimits(
        least_us=min(LEAST_US, spec.exposure_us),
        most_us=max(OF_PERIOD * period_us, spec.exposure_us),
        range_counts=max(full - sensor.dark_counts, 1.0),
    )
