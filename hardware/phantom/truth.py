"""What is really there, frame by frame: the phantom's answer sheet."""

from __future__ import annotations

from dataclasses import dataclass

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class NodeTruth:
    """One node in one NIR frame. (x, y) in NIR px; the top-left pixel's centre is (0, 0).

    Attributes
    ----------
    x_px, y_px
        Where its light peaks.
    width_px
        Diameter of the circle with the area of its half-maximum contour (the FWHM of a round
        one) as light leaves the surface.
    contrast
        Peak added signal / local background now: 0 before uptake and after excision.
    depth_mm
        Tissue above it.
    visible_fraction
        Share of the half-maximum area inside the image and the field stop and under no
        instrument.
    signal
        Peak added signal now [counts/(ms*gain)], illumination included, an instrument not.
    visible_in_colour
        Whether white light shows it too.
    excised
        Taken out.
    """

    node_id: int
    x_px: float
    y_px: float
    width_px: float
    contrast: float
    depth_mm: float
    visible_fraction: float
    signal: float
    visible_in_colour: bool
    excised: bool


@dataclass(frozen=True, slots=True)
class Truth:
    """One NIR frame's truth. All points are (x, y) in NIR px.

    Attributes
    ----------
    index, time_s, scene_time_s
        Frame number from the origin, its mid-exposure, and the scene's own (looping) time.
    injection_px, injection_radius_px
        Centre, and radius of the half-maximum contour; None before the injection.
    channel_px
        The filled part of the lymphatic channel, beginning at the injection; empty: none yet.
    instrument_px
        Outline of the instrument (may reach beyond the image); None where there is none in view.
    glints_px
        Centres of specular reflections that are lit in this frame, the instrument's included.
    displacement_px
        Of the tissue at the image's centre.
    """

    index: int
    time_s: float
    scene_time_s: float
    nodes: tuple[NodeTruth, ...]
    injection_px: Point | None
    injection_radius_px: float | None
    channel_px: tuple[Point, ...]
    instrument_px: tuple[Point, ...] | None
    glints_px: tuple[Point, ...]
    displacement_px: Point
