"""Scenes known by name: the demonstration's procedure, and fields to develop and test against."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hardware.phantom.fields import stream
from hardware.phantom.optics import seen_contrast
from hardware.phantom.scene import (
    Breathing,
    Channel,
    Drift,
    Flicker,
    Injection,
    Instrument,
    InstrumentPose,
    Node,
    Scene,
    Uptake,
)

SCENE_NAMES = ("procedure", "empty", "static", "hard", "dark", "flat")

FIELD_MM = 100.0
"""Shorter side of the field the scenes were laid out for; smaller ones show the same, smaller."""


def scene_named(
    name: str,
    seed: int = 1,
    width: int = 1280,
    height: int = 1024,
    mm_per_px: float = 0.1,
) -> Scene:
    """Return a scene for an NIR image of ``width`` x ``height`` px.

    "procedure": 72 s, looping: injection, channel, two nodes and a faint third, an instrument,
    an excision. "empty": tissue, borders, glints, an instrument, nothing to find. "static": four
    plain nodes, no motion. "hard": everything at once, drawn anew for each seed. "dark", "flat":
    no light, a uniform target; for calibration.

    Raises
    ------
    ValueError
        Naming the scenes there are.
    """
    frame = _Frame(seed, width, height, mm_per_px)
    if name == "procedure":
        return _procedure(frame)
    if name == "empty":
        return frame.scene(
            glints=10,
            field_stop=True,
            breathing=Breathing(amplitude_mm=2.0 * frame.share),
            drift=Drift(0.8 * frame.share),
            flicker=Flicker(),
            instrument=_sweeping_instrument(frame),
            duration_s=72.0,
        )
    if name == "static":
        return frame.scene(nodes=_static_nodes(frame))
    if name == "hard":
        return _hard(frame)
    if name == "dark":
        return frame.scene(tissue=False, light=False)
    if name == "flat":
        return frame.scene(tissue=False)
    raise ValueError(f"no scene named {name!r}: there are {', '.join(SCENE_NAMES)}")


class _Frame:
    """Places a layout drawn in shares of the field into millimetres."""

    def __init__(self, seed: int, width: int, height: int, mm_per_px: float) -> None:
        self.seed, self.width, self.height, self.mm = seed, width, height, mm_per_px
        self.share = min(1.0, min(width, height) * mm_per_px / FIELD_MM)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return mm of a point given in shares of the shorter side, from the centre."""
        side = min(self.width, self.height)
        return (
            (0.5 * (self.width - 1) + x * side) * self.mm,
            (0.5 * (self.height - 1) + y * side) * self.mm,
        )

    def scene(self, **parts: Any) -> Scene:
        """Return a scene of this frame; texture shrinks with a small field, as all else does."""
        share = self.share
        return Scene(
            width_px=self.width,
            height_px=self.height,
            mm_per_px=self.mm,
            seed=self.seed,
            texture_mm=(3.0 * share, 15.0 * share),
            **parts,
        )


def _sweeping_instrument(frame: _Frame) -> Instrument:
    """Comes in from the right, works beside the first node, goes; comes back for the excision."""
    poses = (
        (0.0, 1.05, 0.55, 24.0),
        (30.0, 1.05, 0.55, 24.0),
        (33.0, 0.46, 0.40, 30.0),
        (35.5, 0.17, 0.25, 24.0),
        (38.0, 0.26, 0.12, 14.0),
        (41.0, 1.10, 0.10, 8.0),
        (52.0, 1.05, 0.60, 30.0),
        (55.0, 0.34, 0.36, 34.0),
        (57.5, 0.235, 0.295, 38.0),
        (59.5, 0.245, 0.30, 34.0),
        (63.0, 1.05, 0.55, 24.0),
    )
    return Instrument(
        poses=tuple(
            InstrumentPose(t, *frame.at(x, y), angle_deg=angle) for t, x, y, angle in poses
        ),
        diameter_mm=7.0 * frame.share,
    )


def _procedure(frame: _Frame) -> Scene:
    s = frame.share
    injection = frame.at(-0.34, -0.27)
    first = frame.at(0.23, 0.29)
    second = frame.at(0.46, 0.26)
    third = frame.at(0.33, -0.33)
    return frame.scene(
        nodes=(
            Node(
                1,
                *first,
                diameter_mm=7.5 * s,
                depth_mm=3.0 * s,
                contrast=seen_contrast(19.0, 7.5, 3.0),
                aspect=0.75,
                angle_deg=-25.0,
                uptake=Uptake(17.0, 5.0),
                excised_at_s=58.6,
            ),
            Node(
                2,
                *second,
                diameter_mm=6.0 * s,
                depth_mm=4.0 * s,
                contrast=seen_contrast(22.0, 6.0, 4.0),
                aspect=0.85,
                angle_deg=40.0,
                uptake=Uptake(24.0, 8.0),
                colour="blue",
            ),
            Node(
                3,
                *third,
                diameter_mm=7.0 * s,
                depth_mm=7.0 * s,
                contrast=seen_contrast(36.0, 7.0, 7.0),
                uptake=Uptake(30.0, 12.0),
            ),
        ),
        injection=Injection(
            *injection, diameter_mm=5.0 * s, depth_mm=1.5 * s, contrast=70.0, at_s=4.0
        ),
        channel=Channel(
            points_mm=(
                injection,
                frame.at(-0.22, -0.13),
                frame.at(-0.11, -0.09),
                frame.at(-0.03, 0.05),
                frame.at(0.12, 0.15),
                first,
                frame.at(0.32, 0.25),
                frame.at(0.39, 0.28),
                second,
            ),
            diameter_mm=1.2 * s,
            depth_mm=1.5 * s,
            contrast=0.65,
            start_s=6.0,
            speed_mm_per_s=5.5 * s,
        ),
        instrument=_sweeping_instrument(frame),
        breathing=Breathing(amplitude_mm=1.8 * s),
        drift=Drift(0.7 * s, period_s=36.0),
        flicker=Flicker(lamp_hz=120.0, depth=0.1, nir_share=0.1),
        glints=8,
        field_stop=True,
        duration_s=72.0,
    )


def _static_nodes(frame: _Frame) -> tuple[Node, ...]:
    s = frame.share
    places = ((-0.38, -0.22), (0.32, -0.10), (-0.22, 0.20), (0.36, 0.32))
    kinds = ((3.0, 2.0), (1.5, 4.0), (1.0, 1.0), (0.6, 6.0))
    return tuple(
        Node(k + 1, *frame.at(*place), diameter_mm=6.0 * s, depth_mm=depth * s, contrast=contrast)
        for k, (place, (contrast, depth)) in enumerate(zip(places, kinds, strict=True))
    )


def _hard(frame: _Frame) -> Scene:
    """Draw all there is from the seed: 1 to 5 nodes of contrast 0.1 to 3.5, 0 to 10 mm deep."""
    rng = stream(frame.seed, 70)
    s = frame.share
    half_x = 0.5 * frame.width / min(frame.width, frame.height) - 0.14
    places: list[tuple[float, float]] = []
    for _ in range(200):
        place = (float(rng.uniform(-half_x, half_x)), float(rng.uniform(-0.36, 0.36)))
        if all(math.dist(place, other) > 0.24 for other in places):
            places.append(place)
        if len(places) == 6:
            break
    site, rest = places[0], places[1:]
    nodes = []
    for k in range(min(int(rng.integers(1, 6)), len(rest))):
        diameter, depth = float(rng.uniform(4.0, 10.0)), float(rng.uniform(0.0, 10.0))
        contrast = float(np.exp(rng.uniform(np.log(0.1), np.log(3.5))))
        nodes.append(
            Node(
                k + 1,
                *frame.at(*rest[k]),
                diameter_mm=diameter * s,
                depth_mm=depth * s,
                contrast=contrast,
                aspect=float(rng.uniform(0.6, 1.0)),
                angle_deg=float(rng.uniform(0, 180)),
                colour=("none", "none", "blue", "fat")[int(rng.integers(4))],
            )
        )
    injection = channel = instrument = None
    if rng.uniform() < 0.6:
        injection = Injection(
            *frame.at(*site),
            diameter_mm=4.0 * s,
            depth_mm=1.5 * s,
            contrast=float(rng.uniform(20, 80)),
        )
    if nodes and rng.uniform() < 0.6:
        ends = np.array([site, rest[0]])
        bend = rng.normal(0.0, 0.04, (3, 2))
        inner = ends[0] + np.array([[0.25], [0.5], [0.75]]) * (ends[1] - ends[0]) + bend
        channel = Channel(
            points_mm=tuple(frame.at(float(x), float(y)) for x, y in [ends[0], *inner, ends[1]]),
            diameter_mm=1.0 * s,
            depth_mm=float(rng.uniform(0.5, 3.0)) * s,
            contrast=float(rng.uniform(0.3, 1.2)),
        )
    if rng.uniform() < 0.6:
        angle = float(rng.uniform(0, 360))
        turn = math.radians(angle)
        out = (1.4 * math.cos(turn), 1.4 * math.sin(turn))
        tip = rng.uniform(-0.3, 0.3, 2)
        far = frame.at(float(tip[0] + out[0]), float(tip[1] + out[1]))
        near = frame.at(float(tip[0]), float(tip[1]))
        instrument = Instrument(
            poses=(
                InstrumentPose(0.0, *near, angle_deg=angle),
                InstrumentPose(6.0, *near, angle_deg=angle + 8.0),
                InstrumentPose(9.0, *far, angle_deg=angle),
                InstrumentPose(16.0, *far, angle_deg=angle),
                InstrumentPose(20.0, *near, angle_deg=angle),
            ),
            diameter_mm=float(rng.uniform(4.0, 9.0)) * s,
            glint=float(rng.uniform(2.0, 10.0)),
        )
    return frame.scene(
        nodes=tuple(nodes),
        injection=injection,
        channel=channel,
        instrument=instrument,
        breathing=Breathing(
            amplitude_mm=float(rng.uniform(1.0, 3.0)) * s, direction_deg=float(rng.uniform(0, 180))
        ),
        drift=Drift(float(rng.uniform(0.2, 1.2)) * s),
        flicker=Flicker(lamp_hz=float(rng.choice((100.0, 120.0)))),
        glints=int(rng.integers(0, 16)),
        field_stop=bool(rng.uniform() < 0.5),
        background_counts_per_ms=float(rng.uniform(15.0, 80.0)),
        illumination_falloff=float(rng.uniform(0.3, 0.6)),
        border=bool(rng.uniform() < 0.8),
        turn_deg=float(rng.uniform(0.0, 360.0)),
        duration_s=20.0,
    )
