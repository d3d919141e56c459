"""Detection on scenes whose truth is known: the core at its default beside peers at their best.

Two forward models: `benchmarks.detection_scenes` (ours, another spectrum and other shapes than
the phantom's) and the phantom's "hard" scenes. Every scene is a new field, scored as
`benchmarks.scored` says. Peers see the same NIR, dark-corrected, and get the best of several
thresholds. All thresholds together are the curves of precision and recall in `bench-output/`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.core_speed import ASSUMED, field_of
from benchmarks.detection_scenes import MM_PER_PX, Rendered, TrueNode, frame_of, render
from benchmarks.peers import PEERS, Call
from benchmarks.pictures import Curves, draw_precision_and_recall
from benchmarks.scored import CLASSES, Part, Scored, worth
from hardware.frame import Frame, PixelFormat
from hardware.rig import Registration
from sln_guide.core.analysis import Analyser
from sln_guide.guidance import Kind


@dataclass(frozen=True)
class Shot:
    nir: Frame
    white: Frame
    registration: Registration
    mm_per_px: float
    nodes: tuple[TrueNode, ...]
    light: NDArray[np.float32]
    dark_counts: float
    kind: str

    @property
    def level_counts(self) -> float:
        """How bright the tissue is in NIR."""
        return float(np.median(self.light[::4, ::4]))


def own_scenes(count: int) -> Iterator[Shot]:
    for seed in range(count):
        yield _shot_of(render(60_000 + seed))


def moving_scenes(count: int) -> Iterator[Shot]:
    for seed in range(count):
        yield _shot_of(render(61_000 + seed, "motion"))


def _shot_of(scene: Rendered) -> Shot:
    light = np.asarray(scene.nir.pixels).astype(np.float32) - np.float32(scene.dark_counts)
    return Shot(scene.nir, scene.white, ASSUMED, MM_PER_PX, scene.nodes, light, 64.0, scene.kind)


def phantom_scenes(count: int) -> Iterator[Shot]:
    from hardware.phantom import Phantom, scene_named

    for seed in range(count):
        phantom = Phantom.from_scene(scene_named("hard", 700 + seed))
        index = 30 * (seed % 8)
        truth, rig = phantom.truth(index), phantom.rig
        nir = phantom.frame("nir", index)
        nodes = tuple(
            TrueNode(n.x_px, n.y_px, n.width_px, n.contrast, n.depth_mm, n.visible_fraction)
            for n in truth.nodes
        )
        light = np.asarray(nir.pixels).astype(np.float32) - np.float32(rig.sensor.dark_counts)
        yield Shot(
            nir,
            phantom.frame("white", index),
            rig.registration,
            rig.optics.mm_per_px or 0.1,
            nodes,
            light,
            rig.sensor.dark_counts,
            "hard",
        )


THRESHOLDS = (3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 8.0, 12.0, 20.0)
TOLD = (4.0, 4.5, 5.0, 6.0)
"""Of these, those whose stated false calls are printed."""
DEFAULT = 4.5
LEVELS = ((0.0, 150.0), (150.0, 400.0), (400.0, 4096.0))
MOVED_PX = (26, -14)
DEPTHS_MM = ((0.0, 2.5), (2.5, 5.0), (5.0, 7.5), (7.5, 10.0))


def measure(name: str, shots: Iterator[Shot]) -> tuple[dict[str, Any], Curves]:
    """Print the table of one model; return its figures and its curves."""
    analyser: Analyser | None = None
    ours = {t: Scored() for t in THRESHOLDS}
    alone = {t: Scored() for t in THRESHOLDS}
    peers = {peer: {k: Scored() for k in PEERS[peer][1]} for peer in PEERS}
    stated = dict.fromkeys(THRESHOLDS, 0.0)
    for shot in shots:
        if analyser is None or not analyser.fits(shot.nir):
            analyser = Analyser(field_of(shot.nir, shot.mm_per_px, shot.dark_counts))
        of = (shot.kind, shot.level_counts)
        for t in THRESHOLDS:
            result = analyser.analyse(shot.nir, shot.white, shot.registration, t)
            stated[t] += result.false_calls_per_field
            ours[t].add(shot.nodes, worth(result.spots), *of)
            result = analyser.analyse(shot.nir, None, Registration(kind="none"), t)
            alone[t].add(shot.nodes, worth(result.spots), *of)
        for peer, (call, settings) in PEERS.items():
            for k in settings:
                found: list[Call] = call(shot.light, k)
                peers[peer][k].add(shot.nodes, [(x, y, 1.0) for x, y, _ in found], *of)
    default = ours[DEFAULT]
    print(f"{name}: {default.fields} fields")
    print(f"{'':35s}F1    {'recall >= 1 / 0.3-1 / < 0.3':34s} false  px")
    print(f"  core, default ({DEFAULT:g} sigma)      {default.line()}")
    print(f"  core, NIR alone                {alone[DEFAULT].line()}")
    best = {peer: max(scored.items(), key=lambda kv: kv[1].f1) for peer, scored in peers.items()}
    for peer, (k, scored) in best.items():
        print(f"  {peer + f' ({k:g})':30s} {scored.line()}")
    print("  threshold: stated and observed false calls a field, recall of 0.3-1")
    for t in TOLD:
        middle = ours[t].finds[CLASSES[1]]
        print(
            f"    {t:4.2f}: {stated[t] / default.fields:6.3f} "
            f"{ours[t].false / default.fields:6.3f}   "
            f"{np.mean(middle) if middle else float('nan'):.2f}"
        )
    print_parts(default)
    figures = {
        "f1": default.f1,
        "recall": {str(c): float(np.mean(v)) if v else None for c, v in default.finds.items()},
        "false_per_field": default.false / default.fields,
        "stated_false_per_field": stated[DEFAULT] / default.fields,
        "centre_error_px": float(np.median(default.errors)) if default.errors else None,
        "peers_f1": {peer: scored.f1 for peer, (_, scored) in best.items()},
    }
    curves: Curves = {
        "core": _curve(ours),
        "core, NIR alone": _curve(alone),
        **{peer: _curve(scored) for peer, scored in peers.items()},
        "core at its default": [(default.recall, default.precision)],
    }
    return figures, curves


def _curve(scored: dict[float, Scored]) -> list[tuple[float, float]]:
    return [(each.recall, each.precision) for _, each in sorted(scored.items())]


def print_parts(scored: Scored) -> None:
    """Print the same finds by kind of field, by its level, and by the nodes' depth."""
    kinds = sorted({kind for kind, _, _ in scored.false_of})
    parts = {kind: scored.among(_of_kind(kind)) for kind in kinds if len(kinds) > 1}
    for low, high in LEVELS:
        parts[f"{low:g} to {high:g} counts"] = scored.among(_of_level(low, high))
    for low, high in DEPTHS_MM:
        parts[f"{low:g} to {high:g} mm deep"] = scored.among(_of_depth(low, high))
    for name, part in parts.items():
        if part.fields or part.seen:
            false = f"{part.false / part.fields:6.2f} ({part.fields})" if part.fields else "     -"
            print(f"    {name:28s} {part.recalls():34s} {false}")


def _of_kind(wanted: str) -> Part:
    return lambda kind, _, __: kind == wanted


def _of_level(low: float, high: float) -> Part:
    return lambda _, level_counts, __: low <= level_counts < high


def _of_depth(low: float, high: float) -> Part:
    return lambda _, __, depth_mm: low <= depth_mm < high


def measure_baseline(count: int) -> dict[str, float]:
    """What a frame from before the tracer adds; every second field has moved by 3 mm since."""
    without, with_it = Scored(), Scored()
    used = 0
    for seed in range(count):
        before = render(63_000 + seed, contrast=(1e-9, 1e-9), noise_seed=12)
        now = _shot_of(render(63_000 + seed))
        dx, dy = MOVED_PX if seed % 2 else (0, 0)
        nir, white = (_moved(frame, dx, dy) for frame in (now.nir, now.white))
        nodes = tuple(replace(n, x_px=n.x_px + dx, y_px=n.y_px + dy) for n in now.nodes)
        analyser = Analyser(field_of(nir, MM_PER_PX))
        analyser.analyse(before.nir, before.white, ASSUMED, DEFAULT)
        baseline = analyser.baseline()
        without.add(nodes, worth(analyser.analyse(nir, white, ASSUMED, DEFAULT).spots))
        result = analyser.analyse(nir, white, ASSUMED, DEFAULT, baseline)
        used += result.baseline_used
        with_it.add(nodes, worth(result.spots))
    print(f"a baseline, {count} fields, every second one moved by 3 mm, used in {used}:")
    print(f"  without                          {without.line()}")
    print(f"  with                             {with_it.line()}")
    return {"f1_without": without.f1, "f1_with": with_it.f1, "used": used / count}


def _moved(frame: Frame, dx: int, dy: int) -> Frame:
    """Return ``frame`` moved by whole px, even ones for a mosaic; what comes in is mirrored."""
    pixels = np.asarray(frame.pixels)
    rows = np.pad(pixels, ((abs(dy),) * 2, (abs(dx),) * 2), mode="symmetric")
    height, width = pixels.shape
    top, left = abs(dy) - dy, abs(dx) - dx
    return frame_of(rows[top : top + height, left : left + width].copy(), frame.pixel_format)


def measure_coverage(count: int) -> dict[str, float]:
    """How often 95 % intervals hold the value the same measure has without noise.

    Without NIR's, and without either camera's: white light's moves the prediction, and with it the
    contour.
    """
    inside: dict[str, list[bool]] = {}
    analyser: Analyser | None = None
    for seed in range(count):
        scene = render(30_000 + seed)
        if not scene.nodes:
            continue
        ideal = np.clip(np.rint(scene.noiseless + scene.dark_counts), 0, 4095).astype(np.uint16)
        analyser = analyser or Analyser(field_of(scene.nir, MM_PER_PX))
        found = analyser.analyse(scene.nir, scene.white, ASSUMED, DEFAULT).spots
        nodes = [spot for spot in found if spot.kind is Kind.NODE]
        for name, white in (("nir", scene.white), ("both", scene.noiseless_white)):
            quiet = analyser.analyse(frame_of(ideal, PixelFormat.MONO12), white, ASSUMED, 4.0).spots
            for spot in nodes:
                same = [
                    q
                    for q in quiet
                    if q.kind is Kind.NODE and np.hypot(q.x_px - spot.x_px, q.y_px - spot.y_px) < 20
                ]
                if same:
                    sbr, cnr = spot.sbr_interval, spot.cnr_interval
                    inside.setdefault(f"sbr_{name}", []).append(sbr.low <= same[0].sbr <= sbr.high)
                    inside.setdefault(f"cnr_{name}", []).append(cnr.low <= same[0].cnr <= cnr.high)
    shares = {name: float(np.mean(held)) for name, held in inside.items()}
    for name, without in (("nir", "NIR's noise"), ("both", "either camera's")):
        print(
            f"95 % intervals hold the value without {without}: SBR {shares[f'sbr_{name}']:.3f}, "
            f"CNR {shares[f'cnr_{name}']:.3f} ({len(inside[f'sbr_{name}'])} nodes)"
        )
    return shares


def main(*, quick: bool = False) -> dict[str, Any]:
    """Measure and print; return the figures."""
    own, own_curves = measure("own scenes", own_scenes(20 if quick else 100))
    phantom, phantom_curves = measure("phantom, hard", phantom_scenes(8 if quick else 40))
    draw_precision_and_recall({"own scenes": own_curves, "phantom, hard": phantom_curves})
    moved = Scored()
    for shot in moving_scenes(4 if quick else 20):
        analyser = Analyser(field_of(shot.nir, shot.mm_per_px, shot.dark_counts))
        spots = analyser.analyse(shot.nir, shot.white, shot.registration, DEFAULT).spots
        moved.add(shot.nodes, worth(spots))
    print(f"in motion (white light 4 ms later): {moved.fields} fields\n{'':33s}{moved.line()}")
    return {
        "own": own,
        "phantom": phantom,
        "baseline": measure_baseline(8 if quick else 50),
        "coverage": measure_coverage(10 if quick else 80),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    main(quick=parser.parse_args().quick)
