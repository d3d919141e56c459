"""All that glows, stains, glints or hides in a scene, packed for the kernels, weighed per frame."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from hardware.phantom import kernels
from hardware.phantom.fields import stream
from hardware.phantom.instrument import PlacedInstrument, metal, placed
from hardware.phantom.optics import (
    Sprite,
    arc_lengths,
    glowing_channel,
    glowing_spot,
    smooth_curve,
    stained_patch,
)
from hardware.phantom.packed import Light
from hardware.phantom.scene import Channel, Node, Point, Scene
from hardware.phantom.tissue import NIR_PLANE, Tissue

EXCISION_S = 0.6
"""From the first cut to the empty bed."""

# Share of light taken off by full density: red, green, blue, NIR. Blue dye lets NIR pass;
# a fatty node is brighter and yellower than what is around it; a wound is dark to both.
BLUE_DYE = (0.72, 0.42, 0.08, 0.0)
FATTY = (-0.28, -0.30, 0.18, 0.0)
WOUND = (0.62, 0.88, 0.86, 0.55)


_WHOLE = np.array([1.1, 0.85, 0.75, 1e9], np.float32)
"""Brighter than tissue ever is in white light; see `Light`."""


@dataclass(frozen=True, slots=True, eq=False)
class Glow:
    """One glowing thing as built: its sprite and its full strength (scene level 1)."""

    sprite: Sprite
    strength: float


def moved(points: NDArray[np.float64], motion: tuple[float, ...]) -> NDArray[np.float64]:
    """Return where tissue points (N, 2) at rest lie under ``motion`` (see `Scene.motion_px`)."""
    x0, x1, y0, y1 = motion
    y = (points[:, 1] + y0) / (1.0 - y1)
    return np.stack([points[:, 0] + x0 + x1 * y, y], axis=1)


class LightSources:
    """The scene's sprites, and how strongly each shows at a time. Read-only after construction."""

    def __init__(self, scene: Scene, tissue: Tissue) -> None:
        self._scene = scene
        self._canvas = tissue.canvas
        self._sprites: list[Sprite] = []
        self._modes: list[int] = []
        self.nodes: dict[int, Glow] = {}
        self.injection: Glow | None = None
        self.channel_px: NDArray[np.float64] = np.zeros((0, 2))
        self._channel_mm: NDArray[np.float64] = np.zeros(0)
        self._weights: list[Callable[[float], NDArray[np.float64]]] = []
        self._arc_mm = np.zeros(256)
        self._beads = np.zeros(256)
        self._cuts: list[tuple[Node, NDArray[np.float64]]] = []
        self._stain()
        self._glow(tissue)
        self._pack(tissue.margin_px)
        self._throw_glints()
        self._metal = metal(scene.instrument)

    # -- construction ---------------------------------------------------------------------

    def _add(
        self,
        sprite: Sprite,
        mode: int,
        colour: tuple[float, float, float, float],
        share: Callable[[float], float],
    ) -> None:
        """Keep a sprite, its weight in each plane, and what share of that shows at a time."""
        self._sprites.append(sprite)
        self._modes.append(mode)
        full = np.array(colour)
        self._weights.append(lambda t: full * share(t))

    def _px(self, x_mm: float, y_mm: float) -> Point:
        return x_mm / self._scene.mm_per_px, y_mm / self._scene.mm_per_px

    def _stain(self) -> None:
        """Stains come first: they darken tissue, not the light added later."""
        scene, mm = self._scene, self._scene.mm_per_px
        for k, node in enumerate(scene.nodes):
            centre = self._px(node.x_mm, node.y_mm)
            shape = {"aspect": node.aspect, "angle_deg": node.angle_deg}
            if node.colour != "none":
                patch = stained_patch(
                    centre,
                    mm,
                    stream(scene.seed, 40, k),
                    diameter_mm=node.diameter_mm,
                    edge_mm=0.25 * node.diameter_mm + 0.4 * node.depth_mm,
                    ragged=0.05,
                    canvas=self._canvas,
                    **shape,
                )
                dye = BLUE_DYE if node.colour == "blue" else FATTY
                self._add(patch, kernels.MULTIPLY, dye, partial(_kept_share, node))
            if node.excised_at_s is not None:
                bed = stained_patch(
                    centre,
                    mm,
                    stream(scene.seed, 41, k),
                    diameter_mm=1.35 * node.diameter_mm,
                    edge_mm=0.9,
                    ragged=0.08,
                    canvas=self._canvas,
                    **shape,
                )
                self._add(bed, kernels.MULTIPLY, WOUND, partial(excised_share, node))
        if scene.injection is not None and scene.injection.stain > 0:
            site = scene.injection
            patch = stained_patch(
                self._px(site.x_mm, site.y_mm),
                mm,
                stream(scene.seed, 42),
                diameter_mm=1.5 * site.diameter_mm,
                edge_mm=0.4 * site.diameter_mm,
                ragged=0.12,
                canvas=self._canvas,
            )
            red, green, blue, nir = (site.stain * share for share in BLUE_DYE)
            self._add(patch, kernels.MULTIPLY, (red, green, blue, nir), self.injected_share)

    def _glow(self, tissue: Tissue) -> None:
        scene, mm = self._scene, self._scene.mm_per_px
        for node in scene.nodes:
            spot = glowing_spot(
                self._px(node.x_mm, node.y_mm),
                mm,
                diameter_mm=node.diameter_mm,
                depth_mm=node.depth_mm,
                aspect=node.aspect,
                angle_deg=node.angle_deg,
                canvas=self._canvas,
            )
            self.nodes[node.node_id] = _glow_of(spot, node.contrast, tissue)
            strength = self.nodes[node.node_id].strength
            self._add(spot, kernels.ADD, (0, 0, 0, strength), partial(self.share, node))
        if scene.injection is not None:
            site = scene.injection
            spot = glowing_spot(
                self._px(site.x_mm, site.y_mm),
                mm,
                diameter_mm=site.diameter_mm,
                depth_mm=site.depth_mm,
                floor=min(0.004, 0.02 / max(site.contrast, 1e-6)),
                canvas=self._canvas,
            )
            self.injection = _glow_of(spot, site.contrast, tissue)
            self._add(spot, kernels.ADD, (0, 0, 0, self.injection.strength), self.injected_share)
        if scene.channel is not None:
            self._lay_channel(scene.channel, tissue)

    def _lay_channel(self, channel: Channel, tissue: Tissue) -> None:
        scene, mm = self._scene, self._scene.mm_per_px
        points = np.array([self._px(*p) for p in channel.points_mm])
        self.channel_px = smooth_curve(points, max(4.0, 0.6 / mm))
        self._channel_mm = arc_lengths(self.channel_px) * mm
        level = tissue.nir_mean(self.channel_px[:, 1], self.channel_px[:, 0])
        sprite = glowing_channel(channel, self.channel_px, mm, self._canvas)
        self._add(sprite, kernels.FILL, (0, 0, 0, channel.contrast * level), lambda t: 1.0)
        # Valves every few bores make it beaded; an excision takes its piece of it along.
        self._arc_mm = np.linspace(0.0, self._channel_mm[-1], 256)
        beads = self._arc_mm / max(2.5 * channel.diameter_mm, 0.1)
        self._beads = 0.88 + 0.12 * np.sin(beads + 1.5 * np.sin(0.37 * beads))
        places = np.stack(
            [np.interp(self._arc_mm, self._channel_mm, axis) for axis in self.channel_px.T], axis=1
        )
        for node in scene.nodes:
            if node.excised_at_s is not None:
                away = np.hypot(*(places - self._px(node.x_mm, node.y_mm)).T) * mm
                near = np.clip(2.0 - away / (0.6 * node.diameter_mm), 0.0, 1.0)
                self._cuts.append((node, near))

    def _pack(self, margin_px: int) -> None:
        """Lay all sprites end to end: the kernels see one array and a table of places."""
        table = np.zeros((len(self._sprites), 8), np.int64)
        data, arcs = [np.zeros(1, np.float32)], [np.zeros(1, np.uint8)]
        spans = [np.zeros((1, 2), np.int64)]
        at, arc_at, span_at = 1, 1, 1
        for k, sprite in enumerate(self._sprites):
            height, width = sprite.values.shape
            table[k] = (
                at,
                sprite.x0_px + margin_px,
                sprite.y0_px + margin_px,
                width,
                height,
                self._modes[k],
                arc_at,
                span_at,
            )
            data.append(sprite.values.ravel())
            at += sprite.values.size
            spans.append(_row_spans(sprite.values))
            span_at += height
            if sprite.arcs is not None:
                arcs.append(sprite.arcs.ravel())
                arc_at += sprite.arcs.size
        self._table = table
        self._data = np.concatenate(data)
        self._arcs = np.concatenate(arcs)
        self._spans = np.concatenate(spans)

    def _throw_glints(self) -> None:
        scene = self._scene
        rng = stream(scene.seed, 50)
        n = scene.glints
        size_px = rng.uniform(0.12, 0.45, n) / scene.mm_per_px
        aspect = rng.uniform(0.45, 1.0, n)
        self._glint_px = rng.uniform(0, 1, (n, 2)) * (scene.width_px, scene.height_px)
        self._glint_radii = np.stack([size_px, size_px * aspect], axis=1).clip(0.7)
        self._glint_peak = rng.uniform(0.8, 5.0, n)
        self._glint_rate = rng.uniform(0.5, 3.0, (n, 2))
        self._glint_phase = rng.uniform(0, 2 * math.pi, (n, 2))

    # -- per frame ------------------------------------------------------------------------

    def at(self, scene_time_s: float, tissue: Tissue, factors: NDArray[np.float32]) -> Light:
        """Return all light at one moment of the scene's own time; ``factors`` of the lamps."""
        t = scene_time_s
        weights = np.array([weigh(t) for weigh in self._weights]).reshape(-1, 4)
        amps = self._glint_amps(t)
        lit = amps > 0.05
        places = moved(self._glint_px, self._scene.motion_px(t))
        glints = np.concatenate([places, self._glint_radii], axis=1)[lit]
        glint_amps = np.repeat(amps[lit, None], 4, axis=1)
        glint_amps[:, :NIR_PLANE] = np.minimum(1.6, 3.0 * amps[lit, None])
        tool = self.instrument(t)
        instrument = np.zeros(14) if tool is None else tool.packed()
        return Light(
            planes=tissue.planes,
            scales=tissue.scales,
            factors=factors,
            margin=tissue.margin_px,
            motion=np.array(self._scene.motion_px(t)),
            table=self._table,
            data=self._data,
            arcs=self._arcs,
            spans=self._spans,
            weights=weights.astype(np.float32),
            fill=self._fill(t),
            glints=glints,
            glint_amps=glint_amps,
            instrument=instrument,
            metal=self._metal,
            whole=_WHOLE,
        )

    def share(self, node: Node, t: float) -> float:
        """Return how much of its full signal a node shows."""
        uptake = 1.0 if node.uptake is None else node.uptake.at(t)
        return uptake * (1.0 - excised_share(node, t))

    def injected_share(self, t: float) -> float:
        """Return how much of the injection is in: it takes a second."""
        site = self._scene.injection
        if site is None:
            return 0.0
        return 1.0 if site.at_s is None else min(max(t - site.at_s, 0.0), 1.0)

    def filled_px(self, t: float) -> NDArray[np.float64]:
        """Return the points at rest of the channel that tracer has reached."""
        channel = self._scene.channel
        if channel is None:
            return np.zeros((0, 2))
        return self.channel_px[self._channel_mm <= self._front_mm(t)]

    def glint_centres(self, t: float) -> NDArray[np.float64]:
        """Return the centres (N, 2) in NIR px of lit reflections on tissue."""
        lit = self._glint_amps(t) > 0.05
        return moved(self._glint_px, self._scene.motion_px(t))[lit]

    def instrument(self, t: float) -> PlacedInstrument | None:
        """Return the instrument where it is."""
        tool = self._scene.instrument
        return None if tool is None else placed(tool, t, self._scene.mm_per_px)

    def _glint_amps(self, t: float) -> NDArray[np.float64]:
        waves = np.sin(2 * math.pi * self._glint_rate * t + self._glint_phase)
        return np.asarray(self._glint_peak * np.clip(waves.sum(axis=1) - 0.2, 0.0, 1.0))

    def _front_mm(self, t: float) -> float:
        channel = self._scene.channel
        if channel is None:
            return -1.0
        if channel.start_s is None:
            return math.inf  # filled from the beginning
        return (t - channel.start_s) * channel.speed_mm_per_s

    def _fill(self, t: float) -> NDArray[np.float32]:
        """Return how brightly each 256th of the channel glows; tracer thins out at its front."""
        filled = np.clip((self._front_mm(t) - self._arc_mm) / 4.0, 0.0, 1.0) * self._beads
        for node, near in self._cuts:
            filled = filled * (1.0 - excised_share(node, t) * near)
        return np.asarray(filled, dtype=np.float32)


def _row_spans(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return (H, 2): columns from, to (past the end) where a blend with the row below is not 0."""
    width = values.shape[1]
    lit = values > 0
    lit[:-1] |= values[1:] > 0
    lit[:, :-1] |= lit[:, 1:].copy()
    first = np.argmax(lit, axis=1)
    last = width - np.argmax(lit[:, ::-1], axis=1)
    empty = ~lit.any(axis=1)
    first[empty], last[empty] = 0, 0
    return np.stack([first, np.minimum(last, width - 1)], axis=1).astype(np.int64)


def _kept_share(node: Node, t: float) -> float:
    return 1.0 - excised_share(node, t)


def excised_share(node: Node, t: float) -> float:
    """Return how far an excision has gone: 0 before, 1 when the node is out."""
    if node.excised_at_s is None:
        return 0.0
    return min(max((t - node.excised_at_s) / EXCISION_S, 0.0), 1.0)


def _glow_of(spot: Sprite, contrast: float, tissue: Tissue) -> Glow:
    level = tissue.nir_mean(spot.half_px[:, 1], spot.half_px[:, 0])
    return Glow(spot, contrast * level)
