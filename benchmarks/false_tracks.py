"""Distinct confirmed false tracks a new field of view: a second of frames of each, all in motion.

Half of the fields are our own scenes (`benchmarks.detection_scenes`) seen through a window that
breathes, noise drawn anew in each frame; half are the phantom's "hard" ones, in which tissue,
instrument and glints move each in its own way. Every field begins with tracking that knows
nothing. A track is false if it never lies on a node (any node, however faint or hidden), confirmed
as a node or as uncertain. Beside it, so that silence does not win: how many nodes are confirmed,
by contrast, of those that were half in sight.
Run: ``python -m benchmarks.false_tracks [--quick]``.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from benchmarks.detection_scenes import MM_PER_PX, Rendered, TrueNode, frame_of, render
from benchmarks.scored import CLASSES
from hardware.frame import Frame, PixelFormat
from hardware.phantom import Phantom, scene_named
from hardware.rig import Optics, Registration, Sensor
from sln_guide.guidance import Detection, Kind, Pair, Settings
from sln_guide.pipeline import Setup, initial_state, step

RATE_HZ = 10.0
FRAMES = 12
BREATHING_PX = 16
PERIOD_S = 4.0
HEIGHT, WIDTH = 1024, 1280


@dataclass(frozen=True)
class Moment:
    """One frame of a field, and the nodes in it."""

    pair: Pair
    nodes: tuple[TrueNode, ...]


Told = list[tuple[tuple[TrueNode, ...], tuple[Detection, ...]]]
"""Of each frame the nodes in it, and what was told of it."""


@dataclass
class Count:
    """What was confirmed in how many fields."""

    fields: int = 0
    false_nodes: int = 0
    false_uncertain: int = 0
    frames: int = 0
    false_calls: int = 0
    found: dict[tuple[float, float], list[bool]] = field(
        default_factory=lambda: {c: [] for c in CLASSES}
    )

    def add(self, seen: Told) -> None:
        """Count a field."""
        kinds: dict[int, set[Kind]] = defaultdict(set)
        on_node: set[int] = set()
        confirmed_at: set[int] = set()
        contrast: dict[int, float] = {}
        for nodes, detections in seen:
            self.frames += 1
            for index, node in enumerate(nodes):
                if node.visible >= 0.5:
                    contrast[index] = node.contrast
            for d in detections:
                if d.coasted or d.kind not in (Kind.NODE, Kind.UNCERTAIN):
                    continue
                on = {
                    index
                    for index, n in enumerate(nodes)
                    if math.hypot(d.x_px - n.x_px, d.y_px - n.y_px) < max(n.width_px / 2, 15.0)
                }
                self.false_calls += not on
                if d.confirmed:
                    kinds[d.track_id].add(d.kind)
                    if on:
                        on_node.add(d.track_id)
                        confirmed_at |= on
        for track_id, taken_for in kinds.items():
            if track_id not in on_node:
                self.false_nodes += Kind.NODE in taken_for
                self.false_uncertain += Kind.NODE not in taken_for
        for index, value in contrast.items():
            for low, high in CLASSES:
                if low <= value < high:
                    self.found[low, high].append(index in confirmed_at)
        self.fields += 1

    def line(self) -> str:
        """Return the figures as a line of the table."""
        shares = [f"{np.mean(v):.2f} ({len(v)})" if v else "-" for v in self.found.values()]
        tracks = (self.false_nodes + self.false_uncertain) / max(self.fields, 1)
        return (
            f"{self.fields:6d} {tracks:8.3f} {self.false_nodes:6d} {self.false_uncertain:10d} "
            f"{self.false_calls / max(self.frames, 1):8.2f}   {' / '.join(shares)}"
        )


def own_field(seed: int) -> tuple[Setup, Iterator[Moment]]:
    """Return the rig and the frames of one of our own scenes, seen by a window that breathes."""
    edge = 2 * BREATHING_PX
    scene = render(seed, height=HEIGHT + edge, width=WIDTH + edge)
    setup = Setup(
        Optics(mm_per_px=MM_PER_PX),
        Sensor(dark_counts=scene.dark_counts),
        Registration(kind="assumed"),
    )
    return setup, _through_a_window(scene, np.random.default_rng((seed, 13)))


def _through_a_window(scene: Rendered, rng: np.random.Generator) -> Iterator[Moment]:
    turn = rng.uniform(0.0, 2.0 * math.pi)
    hot = rng.integers(0, HEIGHT * WIDTH, 30)  # pixels of the sensor: tissue moves under them
    excess = rng.uniform(200, 3000, hot.size).astype(np.float32)
    for index in range(FRAMES):
        phase = turn + 2.0 * math.pi * index / (RATE_HZ * PERIOD_S)
        # by an even number of px, or the Bayer pattern would change
        left = BREATHING_PX + 2 * round(0.5 * 0.6 * BREATHING_PX * math.cos(phase))
        top = BREATHING_PX + 2 * round(0.5 * BREATHING_PX * math.sin(phase))
        window = (slice(top, top + HEIGHT), slice(left, left + WIDTH))
        light = scene.noiseless[window]
        z = rng.standard_normal(light.shape, dtype=np.float32)
        variance = scene.read_noise_counts**2 + np.float32(scene.electron_counts) * light
        raw = light + np.float32(scene.dark_counts) + z * np.sqrt(variance)
        raw.ravel()[hot] += excess
        counts = np.clip(np.rint(raw), 0, 4095).astype(np.uint16)
        mosaic = np.ascontiguousarray(np.asarray(scene.white.pixels)[window])
        nodes = tuple(
            replace(node, x_px=node.x_px - left, y_px=node.y_px - top) for node in scene.nodes
        )
        yield Moment(
            _pair(
                frame_of(counts, PixelFormat.MONO12, index),
                frame_of(mosaic, PixelFormat.BAYER_RG8, index),
                index,
            ),
            nodes,
        )


def _pair(nir: Frame, white: Frame, index: int) -> Pair:
    at_ns = 10**12 + round(index * 1e9 / RATE_HZ)
    return Pair(replace(nir, mid_exposure_ns=at_ns), replace(white, mid_exposure_ns=at_ns), 0)


def phantom_field(seed: int) -> tuple[Setup, Iterator[Moment]]:
    """Return the rig and the frames of one of the phantom's "hard" scenes, from a moment of it."""
    phantom = Phantom.from_scene(scene_named("hard", seed), frame_rate_hz=RATE_HZ)
    return Setup.from_rig(phantom.rig), _of_phantom(phantom, first=30 * (seed % 6))


def _of_phantom(phantom: Phantom, first: int) -> Iterator[Moment]:
    for index in range(first, first + FRAMES):
        nodes = tuple(
            TrueNode(n.x_px, n.y_px, n.width_px, n.contrast, n.depth_mm, n.visible_fraction)
            for n in phantom.truth(index).nodes
        )
        pair = _pair(phantom.frame("nir", index), phantom.frame("white", index), index - first)
        yield Moment(pair, nodes)


def watch(setup: Setup, moments: Iterator[Moment]) -> Told:
    """Return what the pipeline, at its default settings, tells of each frame of a new field."""
    state = initial_state(setup)
    told = []
    for moment in moments:
        state, guidance = step(state, moment.pair, Settings())
        told.append((moment.nodes, guidance.detections))
    return told


def main(*, quick: bool = False, fields: int = 110) -> dict[str, float]:
    """Measure ``fields`` of each model (3 if ``quick``) and print; return false tracks a field."""
    count = 3 if quick else fields
    print(f"{'':14}{'fields':>6} {'false tracks':>12} {'nodes':>6} {'uncertain':>10} {'calls':>8}")
    shares = {}
    for name, of, first in (("own", own_field, 80_000), ("phantom, hard", phantom_field, 9_000)):
        total = Count()
        for seed in range(first, first + count):
            total.add(watch(*of(seed)))
        print(f"{name:14}{total.line()}", flush=True)
        shares[name] = (total.false_nodes + total.false_uncertain) / total.fields
    return shares


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--fields", type=int, default=110)
    asked = parser.parse_args()
    main(quick=asked.quick, fields=asked.fields)
