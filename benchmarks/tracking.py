"""Tracking on synthetic truths: IDF1, identity switches, false tracks, and time.

The spots are drawn from stated distributions, not found in pictures, so that tracking is measured
by itself; the last lines have the whole pipeline follow the phantom's procedure (instrument,
breathing, drift, an excision) over six seeds. Run: ``python -m benchmarks.tracking [--quick]``.
"""

from __future__ import annotations

import math
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np
from scipy.optimize import linear_sum_assignment

from hardware.phantom import NodeTruth
from hardware.rig import Registration
from hardware.rig_files import load_rig
from sln_guide.core.spot import Spot
from sln_guide.guidance import CannotJudge, Detection, Interval, Kind, Pair, Settings
from sln_guide.tracking import TrackField, TrackState, track

WIDTH, HEIGHT, GRID_PX = 1280, 1024, 8


@dataclass(frozen=True)
class Node:
    """One true node: where it rests, relative speed to the tissue, how it looks."""

    x_px: float
    y_px: float
    width_px: float
    signal: float
    significance: float
    vx_px_s: float = 0.0
    vy_px_s: float = 0.0


@dataclass(frozen=True)
class Scene:
    """What happens. Times in seconds; ``hidden`` and ``instrument`` are (from, to)."""

    nodes: tuple[Node, ...]
    seconds: float = 20.0
    step_s: float = 1 / 30
    steps_vary: bool = False
    breathing_px: float = 0.0
    drift_px_s: tuple[float, float] = (0.0, 0.0)
    excursion_px: float = 0.0
    """The field moves away to the right by this much and comes back, over the whole scene."""
    motion_known: bool = True
    miss_share: float = 0.05
    false_calls: float = 0.1
    unsure_share: float = 0.1
    merging: bool = False
    """Two nodes that overlap are found as one."""
    hidden: tuple[float, float] | None = None
    """No node is seen, and nothing says why (a hand, gauze)."""
    instrument: tuple[float, float] | None = None
    """The core sees that it cannot judge the middle half of the field."""


@dataclass(frozen=True)
class Moment:
    """One frame: the nodes found in it (index -> true centre, width), and what the core says."""

    time_ns: int
    motion_px: tuple[float, float]
    truth: dict[int, tuple[float, float, float]]
    spots: tuple[Spot, ...]
    field: TrackField


def spot_at(
    x_px: float,
    y_px: float,
    *,
    width_px: float = 60.0,
    signal: float = 10.0,
    significance: float = 12.0,
    kind: Kind = Kind.NODE,
) -> Spot:
    """Make a spot whose other measures do not matter here."""
    return Spot(
        kind=kind,
        x_px=x_px,
        y_px=y_px,
        area_px=math.pi * width_px**2 / 4,
        spot_width_px=width_px,
        signal=signal,
        sbr=2.0,
        sbr_interval=Interval(1.8, 2.2),
        cnr=5.0,
        cnr_interval=Interval(4.0, 6.0),
        significance=significance,
        saturated_fraction=0.0,
    )


def play(scene: Scene, seed: int) -> Iterator[Moment]:
    """Play ``scene``; the same seed gives the same moments."""
    rng = np.random.default_rng(seed)
    wander = np.zeros((len(scene.nodes), 2))
    now_s, before = 0.0, (0.0, 0.0)
    while now_s < scene.seconds:
        swing = scene.breathing_px * math.sin(2 * math.pi * 0.25 * now_s) ** 3
        away = scene.excursion_px * math.sin(math.pi * now_s / scene.seconds) ** 2
        offset = (
            0.4 * swing + scene.drift_px_s[0] * now_s + away,
            swing + scene.drift_px_s[1] * now_s,
        )
        motion = (offset[0] - before[0], offset[1] - before[1])
        before = offset
        told = (0.0, 0.0)
        if scene.motion_known:
            told = (motion[0] + rng.normal(0, 0.2), motion[1] + rng.normal(0, 0.2))
        mask = np.zeros((HEIGHT // GRID_PX, WIDTH // GRID_PX), np.uint8)
        behind = scene.instrument is not None and (
            scene.instrument[0] <= now_s < scene.instrument[1]
        )
        if behind:
            mask[:, mask.shape[1] // 4 : 3 * mask.shape[1] // 4] = CannotJudge.INSTRUMENT
        out_of_sight = scene.hidden is not None and scene.hidden[0] <= now_s < scene.hidden[1]
        truth: dict[int, tuple[float, float, float]] = {}
        spots: list[Spot] = []
        wander *= 0.9
        for index, node in enumerate(scene.nodes):
            # the contour of a faint spot wanders, and does so slowly
            wander[index] += rng.normal(0, 0.2 * node.width_px / node.significance, 2)
            x = node.x_px + offset[0] + node.vx_px_s * (now_s - scene.seconds / 2)
            y = node.y_px + offset[1] + node.vy_px_s * (now_s - scene.seconds / 2)
            inside = 0 <= x < WIDTH and 0 <= y < HEIGHT
            covered = behind and WIDTH / 4 <= x < 3 * WIDTH / 4
            if not inside or covered or out_of_sight:
                continue
            if rng.random() < scene.miss_share:
                continue  # what the core missed is no fault of tracking's
            truth[index] = (x, y, node.width_px)
            kind = Kind.UNCERTAIN if rng.random() < scene.unsure_share else Kind.NODE
            error = rng.normal(0, 0.1 * node.width_px / node.significance + 0.3, 2)
            spots.append(
                spot_at(
                    x + wander[index, 0] + error[0],
                    y + wander[index, 1] + error[1],
                    width_px=node.width_px * math.exp(rng.normal(0, 0.08)),
                    signal=node.signal * math.exp(rng.normal(0, 0.1)),
                    significance=max(4.5, node.significance * math.exp(rng.normal(0, 0.1))),
                    kind=kind,
                )
            )
        if scene.merging:
            _merge(truth, spots)
        spots += [
            spot_at(
                rng.uniform(0, WIDTH),
                rng.uniform(0, HEIGHT),
                width_px=rng.uniform(15, 60),
                signal=math.exp(rng.normal(1.0, 0.5)),
                significance=rng.uniform(4.5, 6.0),
            )
            for _ in range(rng.poisson(scene.false_calls))
        ]
        yield Moment(
            time_ns=10**12 + round(now_s * 1e9),
            motion_px=told,
            truth=truth,
            spots=tuple(spots[i] for i in rng.permutation(len(spots))),
            field=TrackField(WIDTH, HEIGHT, 0.1, 200.0, mask, GRID_PX),
        )
        now_s += scene.step_s * (float(rng.integers(1, 5)) if scene.steps_vary else 1.0)


def _merge(truth: dict[int, tuple[float, float, float]], spots: list[Spot]) -> None:
    """Make one spot of two nodes that overlap by more than half: the fainter is lost in it."""
    near = [
        (a, b)
        for a in truth
        for b in truth
        if a < b and math.dist(truth[a][:2], truth[b][:2]) < 0.5 * min(truth[a][2], truth[b][2])
    ]
    order = sorted(truth)
    for a, b in near:
        one, other = spots[order.index(a)], spots[order.index(b)]
        fainter = a if one.signal < other.signal else b
        share = other.signal / (one.signal + other.signal)
        spots[order.index(b if fainter == a else a)] = replace(
            max(one, other, key=lambda s: s.signal),
            x_px=one.x_px + share * (other.x_px - one.x_px),
            y_px=one.y_px + share * (other.y_px - one.y_px),
        )
        del spots[order.index(fainter)], truth[fainter]
        return


@dataclass
class Score:
    """Identity scores, summed over frames (Ristani 2016, doi:10.1007/978-3-319-48881-3_2)."""

    together: Counter[tuple[int, int]] = field(default_factory=Counter)
    of_truth: Counter[int] = field(default_factory=Counter)
    of_tracks: Counter[int] = field(default_factory=Counter)
    identities: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))

    def add(self, truth: dict[int, tuple[float, float, float]], found: list[Detection]) -> None:
        """Count one frame: ``found`` is what was confirmed and measured in it."""
        self.of_truth.update(truth.keys())
        self.of_tracks.update(d.track_id for d in found)
        for index, (x, y, width) in truth.items():
            near = [
                (math.hypot(d.x_px - x, d.y_px - y), d.track_id)
                for d in found
                if math.hypot(d.x_px - x, d.y_px - y) <= width / 2
            ]
            self.together.update((index, track_id) for _, track_id in near)
            if near and self.identities[index][-1:] != [min(near)[1]]:
                self.identities[index].append(min(near)[1])

    @property
    def idf1(self) -> float:
        """2 IDTP / (truth + found), truth and tracks matched one to one over the whole time."""
        rows, columns = sorted(self.of_truth), sorted(self.of_tracks)
        total = sum(self.of_truth.values()) + sum(self.of_tracks.values())
        if not total:
            return 1.0
        table = np.array([[self.together[r, c] for c in columns] for r in rows])
        if table.size == 0:
            return 0.0
        return 2.0 * float(table[linear_sum_assignment(-table)].sum()) / total

    @property
    def switches(self) -> int:
        """How often a true node's identity changed."""
        return sum(len(ids) - 1 for ids in self.identities.values())

    @property
    def false_tracks(self) -> int:
        """Confirmed identities that never lay on a node."""
        return len(set(self.of_tracks) - {track_id for _, track_id in self.together})


def follow(scene: Scene, seed: int, score: Score | None = None) -> Score:
    """Track ``scene`` and score it."""
    score = Score() if score is None else score
    state = TrackState()
    for moment in play(scene, seed):
        state, detections = track(
            state,
            moment.spots,
            time_ns=moment.time_ns,
            motion_px=moment.motion_px,
            field=moment.field,
            registration=Registration(kind="assumed"),
        )
        score.add(moment.truth, [d for d in detections if d.confirmed and not d.coasted])
    return score


PHANTOM_RATE_HZ = 10.0
PROCEDURE_S = 72.0
BASELINE_S = 1.0
"""When the baseline is asked for: before the tracer comes (at 4 s)."""
LEAST_VISIBLE = 0.5


@dataclass
class ProcedureScores:
    """One procedure scored for nodes of at least some contrast; what is fainter is neutral."""

    of_contrast: dict[float, Score] = field(default_factory=lambda: {0.3: Score(), 1.0: Score()})

    def add(self, nodes: Iterable[NodeTruth], detections: Iterable[Detection]) -> None:
        """Count one frame by the rule of `follow_phantom`."""
        found = [d for d in detections if d.confirmed and not d.coasted and d.kind is Kind.NODE]
        for least, score in self.of_contrast.items():
            truth, neutral = {}, []
            for node in nodes:
                place = (node.x_px, node.y_px, node.width_px)
                if node.contrast >= least and node.visible_fraction >= LEAST_VISIBLE:
                    truth[node.node_id] = place
                elif node.contrast > 0:
                    neutral.append(place)
            score.add(truth, [d for d in found if _on(d, truth.values()) or not _on(d, neutral)])


def _on(detection: Detection, places: Iterable[tuple[float, float, float]]) -> bool:
    """Whether a detection lies within half the width of one of ``places``."""
    return any(
        math.hypot(detection.x_px - x, detection.y_px - y) <= width / 2 for x, y, width in places
    )


def follow_phantom(seed: int, seconds: float, *, baseline: bool) -> ProcedureScores:
    """Score the confirmed nodes of the whole pipeline on one of the phantom's procedures.

    The rule: a true node counts in the frames in which its contrast is at least the class's and
    half of its half-maximum area is in sight. In other frames in which it gives light it is
    neutral: found is no mistake, not found is no miss. All else that is confirmed as a node is
    false: tissue, channel, injection, instrument, glint, the place of an excised node.
    """
    from hardware.phantom import Phantom
    from sln_guide import pipeline

    shipped = load_rig("demo")
    assert shipped.nir is not None
    assert shipped.white is not None
    assert shipped.phantom is not None
    rig = msgspec.structs.replace(
        shipped,
        nir=msgspec.structs.replace(shipped.nir, frame_rate_hz=PHANTOM_RATE_HZ),
        white=msgspec.structs.replace(shipped.white, frame_rate_hz=PHANTOM_RATE_HZ),
    )
    phantom = Phantom(msgspec.structs.replace(shipped.phantom, seed=seed), rig)
    scores = ProcedureScores()
    settings = Settings()
    state = pipeline.initial_state(pipeline.Setup.from_rig(rig))
    for index in range(int(seconds * PHANTOM_RATE_HZ)):
        nir, white = phantom.frame("nir", index), phantom.frame("white", index)
        if baseline and index == int(BASELINE_S * PHANTOM_RATE_HZ):
            settings = replace(settings, baseline_ns=nir.mid_exposure_ns)
        pair = Pair(nir, white, white.mid_exposure_ns - nir.mid_exposure_ns)
        state, guidance = pipeline.step(state, pair, settings)
        scores.add(phantom.truth(index).nodes, guidance.detections)
    return scores


def print_procedures(*, quick: bool) -> None:
    """Print a line for procedures without and with a baseline, and for each contrast class."""
    for baseline in (False, True):
        seeds = range(1, 2 if quick else 7)
        followed = [
            follow_phantom(seed, 40.0 if quick else PROCEDURE_S, baseline=baseline)
            for seed in seeds
        ]
        for least in (0.3, 1.0):
            scores = [each.of_contrast[least] for each in followed]
            idf1 = [score.idf1 for score in scores]
            name = f"procedures, contrast >= {least:g}, " + (
                "baseline" if baseline else "no baseline"
            )
            print(
                f"{name:44} {np.mean(idf1):6.3f} {min(idf1):6.3f} "
                f"{sum(s.switches for s in scores):9d} {sum(s.false_tracks for s in scores):13d}"
            )


THREE = (
    Node(500, 400, 60, 12, 14),
    Node(700, 600, 90, 6, 9),
    Node(820, 420, 45, 30, 40),
)
SCENES = {
    "still": Scene(THREE),
    "breathing, motion known": Scene(THREE, breathing_px=30, drift_px_s=(2, 1)),
    "breathing, motion unknown": Scene(
        THREE, breathing_px=30, drift_px_s=(2, 1), motion_known=False
    ),
    "steps vary (30 to 7.5 a second)": Scene(THREE, breathing_px=30, steps_vary=True),
    "a fifth missing, a false call a frame": Scene(
        THREE, breathing_px=20, miss_share=0.2, false_calls=1.0
    ),
    "10 s out of sight, motion known": Scene(THREE, breathing_px=30, hidden=(6, 16), seconds=30),
    "10 s out of sight, motion unknown": Scene(
        THREE, breathing_px=30, hidden=(6, 16), seconds=30, motion_known=False
    ),
    "behind an instrument for 20 s": Scene(THREE, breathing_px=30, instrument=(5, 25), seconds=40),
    "crossing": Scene(
        (
            Node(640, 500, 60, 12, 14, vx_px_s=25),
            Node(640, 540, 45, 25, 30, vx_px_s=-25),
            Node(200, 200, 60, 12, 14),
        )
    ),
    "crossing, found as one meanwhile": Scene(
        (
            Node(640, 510, 60, 12, 14, vx_px_s=25),
            Node(640, 520, 45, 25, 30, vx_px_s=-25),
            Node(200, 200, 60, 12, 14),
        ),
        merging=True,
    ),
    "out of the field and back, motion known": Scene(THREE, excursion_px=900, breathing_px=10),
    "out of the field and back, motion unknown": Scene(
        THREE, excursion_px=900, breathing_px=10, motion_known=False
    ),
    "everything at once": Scene(
        THREE,
        seconds=40,
        steps_vary=True,
        breathing_px=25,
        drift_px_s=(1.5, 1),
        miss_share=0.15,
        false_calls=0.3,
        unsure_share=0.2,
        instrument=(10, 16),
        hidden=(24, 32),
    ),
}


def main(*, quick: bool = False) -> None:
    """Print a line a scene, then what a step costs against the number of spots."""
    seeds = range(2 if quick else 8)
    print(f"{'scene':44} {'IDF1':>6} {'least':>6} {'switches':>9} {'false tracks':>13}")
    for name, scene in SCENES.items():
        scores = [follow(scene, seed) for seed in seeds]
        idf1 = [s.idf1 for s in scores]
        print(
            f"{name:44} {np.mean(idf1):6.3f} {min(idf1):6.3f} "
            f"{sum(s.switches for s in scores):9d} {sum(s.false_tracks for s in scores):13d}"
        )
    print_procedures(quick=quick)
    rng = np.random.default_rng(0)
    for count in (0, 3, 10, 30, 100, 300, 3_000, 100_000):
        nodes = tuple(
            spot_at(float(rng.uniform(0, WIDTH)), float(rng.uniform(0, HEIGHT)), width_px=20.0)
            for _ in range(count)
        )
        moment = replace(next(play(Scene(THREE), 0)), spots=nodes)
        state, took = TrackState(), []
        for index in range(4 if count > 1000 else 20):
            began = time.perf_counter_ns()
            state, _ = track(
                state,
                moment.spots,
                time_ns=index * 33_000_000,
                motion_px=(0.0, 0.0),
                field=moment.field,
                registration=Registration(kind="assumed"),
            )
            took.append(time.perf_counter_ns() - began)
        print(f"{count:7d} spots: {min(took[2:]) / 1e6:8.2f} ms a frame")


if __name__ == "__main__":
    main(quick="--quick" in sys.argv[1:])
