"""What is really there, frame by frame: the phantom's answer sheet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hardware.phantom.lamps import field_stop
from hardware.phantom.light import LightSources, excised_share, moved
from hardware.phantom.scene import Node, Point, Scene


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


def truth_at(
    scene: Scene,
    sources: LightSources,
    *,
    index: int,
    time_s: float,
    roi: tuple[int, int, int, int],
    background_factor: float,
    lamp: NDArray[np.float32],
    counts_per_ms: float,
) -> Truth:
    """Return the truth of one NIR frame, from the very numbers its pixels are drawn with.

    ``background_factor``: what flicker makes of the background now; ``lamp`` (H, W) of the whole
    sensor; ``counts_per_ms`` of light 1 where the lamp is 1.
    """
    t = scene.clock(time_s)
    motion = scene.motion_px(t)
    x0, y0, width, height = roi
    origin, size = np.array([x0, y0], np.float64), np.array([width, height])
    middle = np.array([[0.5 * (scene.width_px - 1), 0.5 * (scene.height_px - 1)]])
    displacement = moved(middle, motion)[0] - middle[0]

    def seen(points: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which points of the full NIR image the camera gets to see, an instrument apart."""
        inside = (points >= origin - 0.5) & (points < origin + size - 0.5)
        return np.asarray(inside.all(axis=1) & (field_stop(scene, *points.T) > 0.5))

    tool = sources.instrument(t)
    glints = sources.glint_centres(t)
    outline = None
    if tool is not None:
        glints = glints[~tool.covers(glints)]
        ys, xs = np.mgrid[y0 : y0 + height : 4, x0 : x0 + width : 4]
        if tool.covers(np.stack([xs.ravel(), ys.ravel()], axis=1).astype(np.float64)).any():
            far = 2.0 * (scene.width_px + scene.height_px)
            outline = tuple((x - x0, y - y0) for x, y in tool.outline(far))
            if scene.instrument is not None and scene.instrument.glint * tool.glint_level > 0.05:
                glints = np.concatenate([glints, [tool.glint_px]])

    def node_truth(node: Node) -> NodeTruth:
        glow = sources.nodes[node.node_id]
        share = sources.share(node, t)
        x, y = moved(np.array([[node.x_mm, node.y_mm]]) / scene.mm_per_px, motion)[0]
        points = moved(glow.sprite.half_px, motion)
        visible = seen(points)
        if tool is not None:
            visible &= ~tool.covers(points)
        row = min(max(round(y), 0), lamp.shape[0] - 1)
        column = min(max(round(x), 0), lamp.shape[1] - 1)
        gone = excised_share(node, t)
        return NodeTruth(
            node_id=node.node_id,
            x_px=float(x) - x0,
            y_px=float(y) - y0,
            width_px=glow.sprite.width_px,
            contrast=node.contrast * share / background_factor,
            depth_mm=node.depth_mm,
            visible_fraction=float(np.mean(visible)),
            signal=glow.strength * share * float(lamp[row, column]) * counts_per_ms,
            visible_in_colour=node.colour != "none" and gone < 1.0,
            excised=gone >= 1.0,
        )

    site, glow = scene.injection, sources.injection
    injected = site is not None and glow is not None and sources.injected_share(t) > 0
    injection_px = None
    if injected and site is not None:
        rest = np.array([[site.x_mm, site.y_mm]]) / scene.mm_per_px
        injection_px = _points(moved(rest, motion) - origin)[0]
    return Truth(
        index=index,
        time_s=time_s,
        scene_time_s=t,
        nodes=tuple(node_truth(node) for node in scene.nodes),
        injection_px=injection_px,
        injection_radius_px=0.5 * glow.sprite.width_px if injected and glow is not None else None,
        channel_px=_points(moved(sources.filled_px(t), motion) - origin),
        instrument_px=outline,
        glints_px=_points(glints[seen(glints)] - origin),
        displacement_px=(float(displacement[0]), float(displacement[1])),
    )


def _points(array: NDArray[np.float64]) -> tuple[Point, ...]:
    return tuple((float(x), float(y)) for x, y in array)
