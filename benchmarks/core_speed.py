"""The core's time, beside OpenCV compositions of the same steps and SEP, alternating in one run.

One thread each. A round runs every contender once on the same pair of frames, so that whatever
else the machine does falls on all alike; the least of all rounds counts. After a neighbour that
needs much memory each begins with empty caches; so the three that are compared also run by
themselves, many times in a row. Then against pixels and against spots, drawn into `bench-output/`;
and with two threads.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from typing import Any

import numpy as np

from benchmarks.detection_scenes import MM_PER_PX, frame_of, render, spot
from benchmarks.peers import OpenCvComposition
from benchmarks.pictures import Curves, draw_speed
from hardware.frame import Frame, PixelFormat
from hardware.rig import Registration
from sln_guide.core.analysis import Analyser, Field
from sln_guide.core.draw import Drawer
from sln_guide.core.opencv import cv2
from sln_guide.core.spot import Analysis
from sln_guide.guidance import Guidance, Pair, Settings, View

ASSUMED = Registration(kind="assumed")
OURS = "core: with dark and flat maps"
BARE = "core: analyse + draw"
SEP = "SEP: background + extraction"
PEERS = {
    "OpenCV, careful": "careful",
    "OpenCV, plain": "plain",
    SEP: "SEP",
}
"""The contenders whose time is told as a multiple of ours, and what they are called then."""
SIZES = {
    (height, width): height * width / 1e6
    for height, width in ((480, 640), (768, 1024), (1024, 1280), (1536, 2048), (2048, 2560))
}
"""Megapixels of frames (height, width)."""


def field_of(nir: Frame, mm_per_px: float, dark_counts: float = 64.0, **more: Any) -> Field:
    return Field(
        nir.height,
        nir.width,
        nir.pixel_format,
        nir.bit_depth,
        mm_per_px,
        3.0,
        20.0,
        dark_counts,
        None,
        None,
        **more,
    )


def guidance_of(analysis: Analysis, nir: Frame, white: Frame) -> Guidance:
    return Guidance(
        generation=1,
        pair=Pair(nir, white),
        detections=(),
        grid_px=analysis.grid_px,
        signal=analysis.signal,
        background=analysis.background,
        significance=analysis.significance,
        limit_contrast=analysis.limit_contrast,
        cannot_judge=analysis.cannot_judge,
        limit_sbr=analysis.limit_sbr,
        false_calls_per_field=analysis.false_calls_per_field,
        display_full_scale=analysis.scene_full_scale,
        colour_predicted=analysis.colour_predicted,
        registration=ASSUMED,
        settings=Settings(),
    )


def least_ms(contenders: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Return the least time of each, run in turns."""
    least = dict.fromkeys(contenders, float("inf"))
    for _ in range(rounds):
        for name, run in contenders.items():
            began = time.perf_counter_ns()
            run()
            least[name] = min(least[name], (time.perf_counter_ns() - began) / 1e6)
    return least


def job_of(nir: Frame, white: Frame, mm_per_px: float) -> Callable[[], Analysis]:
    """Return the whole job of one thread: from a raw pair to the picture."""
    analyser, drawer, settings = Analyser(field_of(nir, mm_per_px)), Drawer(), Settings()

    def job() -> Analysis:
        one = analyser.analyse(nir, white, ASSUMED, 4.5)
        drawer.draw(View.MERGED, white, nir, guidance_of(one, nir, white), settings)
        return one

    return job


def sep_extract(nir: Frame) -> None:
    """Source Extractor's mesh background, and what stands out of it."""
    import sep

    data = nir.pixels.astype(np.float32)
    background = sep.Background(data)
    sep.extract(data - background.back(), 4.0, err=background.globalrms)


def by_size(height: int, width: int, nir: Frame, white: Frame, rounds: int) -> dict[str, float]:
    """Return the least time of each for the pair scaled to ``width`` x ``height`` [ms]."""
    shot = frame_of(cv2.resize(np.asarray(nir.pixels), (width, height)), PixelFormat.MONO12)
    colour = frame_of(cv2.resize(np.asarray(white.pixels), (width, height)), PixelFormat.BAYER_RG8)
    return _each_in_a_row(shot, colour, 128.0 / width, rounds)


def by_spots(planted: int, rounds: int) -> tuple[int, dict[str, float]]:
    """Plant nodes of 5 mm in a plain field; return how many are told, and each one's time [ms]."""
    scene = render(7, "plain", contrast=(1e-9, 1e-9))
    light = np.asarray(scene.nir.pixels).astype(np.float32) - np.float32(scene.dark_counts)
    height, width = light.shape
    places = [(x, y) for y in range(90, height - 80, 138) for x in range(90, width - 80, 138)]
    added = np.ones_like(light)
    for place in np.random.default_rng(1).permutation(len(places))[:planted]:
        added += np.float32(2.0) * spot(height, width, *places[int(place)], 25.0, 12.0, 1.0, 0.0)
    raw = np.clip(np.rint(light * added + scene.dark_counts), 0, 4095)
    nir = frame_of(raw.astype(np.uint16), PixelFormat.MONO12)
    told = len(job_of(nir, scene.white, MM_PER_PX)().spots)
    return told, _each_in_a_row(nir, scene.white, MM_PER_PX, rounds)


def _each_in_a_row(nir: Frame, white: Frame, mm_per_px: float, rounds: int) -> dict[str, float]:
    careful = OpenCvComposition(nir.height, nir.width, careful=True)
    contenders: dict[str, Callable[[], Any]] = {
        "core": job_of(nir, white, mm_per_px),
        "OpenCV, careful": lambda: careful.overlay(nir.pixels, white.pixels),
        SEP: partial(sep_extract, nir),
    }
    least = {}
    for name, job in contenders.items():
        job()
        least[name] = least_ms({name: job}, rounds)[name]
    return least


def two_threads(nir: Frame, white: Frame, rounds: int) -> dict[str, float]:
    """Return how many times as fast things go with two threads. SEP has one only."""
    gains: dict[str, float] = {}
    for name, careful in (("OpenCV, careful: one pair", True), ("OpenCV, plain: one pair", False)):
        peer = OpenCvComposition(nir.height, nir.width, careful=careful)
        times = []
        for count in (1, 2):
            cv2.setNumThreads(count)
            run = partial(peer.overlay, nir.pixels, white.pixels)
            run()
            times.append(least_ms({"": run}, rounds if careful else max(rounds // 4, 2))[""])
        cv2.setNumThreads(1)
        gains[name] = times[0] / times[1]
    jobs = [job_of(nir, white, MM_PER_PX) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:

        def at_once() -> None:
            wait([pool.submit(_times, job, 20) for job in jobs])

        at_once()
        alone = least_ms({"": partial(_times, jobs[0], 20)}, rounds)[""]
        gains["core: two pairs at once (one pair: none)"] = (
            2 * alone / least_ms({"": at_once}, rounds)[""]
        )
    return gains


def _times(job: Callable[[], Any], count: int) -> None:
    for _ in range(count):
        job()


def _told(times: dict[str, float]) -> str:
    return ", ".join(f"{name} {ms:.2f}" for name, ms in times.items())


def _curves(rows: Mapping[Any, dict[str, float]]) -> Curves:
    names = next(iter(rows.values()))
    return {name: [(x, times[name]) for x, times in sorted(rows.items())] for name in names}


def main(*, quick: bool = False) -> dict[str, Any]:
    """Measure and print; return the figures."""
    cv2.setNumThreads(1)
    rounds = 8 if quick else 40
    scene = render(7, "instrument")
    nir, white = scene.nir, scene.white
    analyser, drawer, settings = Analyser(field_of(nir, MM_PER_PX)), Drawer(), Settings()
    maps = np.full((nir.height, nir.width), 64.0), np.ones((nir.height, nir.width))
    corrected = Analyser(field_of(nir, MM_PER_PX, dark=maps[0], flat=maps[1]))
    careful = OpenCvComposition(nir.height, nir.width, careful=True)
    plain = OpenCvComposition(nir.height, nir.width, careful=False)

    def core(with_maps: bool) -> None:
        one = (corrected if with_maps else analyser).analyse(nir, white, ASSUMED, 4.5)
        drawer.draw(View.MERGED, white, nir, guidance_of(one, nir, white), settings)

    def in_a_row(run: Callable[[], Any]) -> float:
        return least_ms({"": run}, rounds)[""]

    ready = analyser.analyse(nir, white, ASSUMED, 4.5)
    guidance = guidance_of(ready, nir, white)
    source = np.asarray(nir.pixels)
    target = np.empty_like(source)
    contenders: dict[str, Callable[[], Any]] = {
        BARE: lambda: core(False),
        OURS: lambda: core(True),
        "core: analyse": lambda: analyser.analyse(nir, white, ASSUMED, 4.5),
        "core: draw": lambda: drawer.draw(View.MERGED, white, nir, guidance, settings),
        "OpenCV, careful": lambda: careful.overlay(nir.pixels, white.pixels),
        "OpenCV, plain": lambda: plain.overlay(nir.pixels, white.pixels),
        SEP: partial(sep_extract, nir),
        "copy of the NIR frame": lambda: np.copyto(target, source),
    }
    for run in contenders.values():
        run()
    least = least_ms(contenders, rounds)
    total = least[OURS]
    print("1280x1024, one thread, least of", rounds, "alternating rounds")
    for name, ms in least.items():
        print(f"  {name:32s} {ms:8.2f} ms   {ms / total:6.2f} x the core with maps")
    stages = min(
        (analyser.analyse(nir, white, ASSUMED, 4.5).stage_ms for _ in range(rounds)),
        key=lambda s: sum(s.values()),
    )
    print("  stages:", ", ".join(f"{k} {v:.2f}" for k, v in stages.items()), "ms")
    read = nir.pixels.nbytes + white.pixels.nbytes
    copied = 2 * nir.pixels.nbytes / least["copy of the NIR frame"] / 1e6
    raw_ms = stages["reduce"] + stages["white"]
    print(
        f"  roofline: {read / 1e6:.1f} MB of raw pixels read once in {raw_ms:.2f} ms "
        f"= {read / raw_ms / 1e6:.1f} GB/s; a copy moves {copied:.0f} GB/s"
    )
    sizes = {megapixels: by_size(*shape, nir, white, rounds) for shape, megapixels in SIZES.items()}
    print("  by size (raw pair to picture, one thread, ms):")
    for (height, width), megapixels in SIZES.items():
        print(f"    {width}x{height}: {_told(sizes[megapixels])}")
    found: dict[int, dict[str, float]] = {}
    print("  by nodes in the field (1280x1024, one thread, ms):")
    for planted in (0, 1, 3, 6, 10, 15, 20):
        told, found[planted] = by_spots(planted, rounds)
        print(f"    {planted:3d} ({told:3d} told): {_told(found[planted])}")
    draw_speed(_curves(sizes), _curves(found))
    threads = two_threads(nir, white, rounds)
    print("  gain from a second thread:")
    for name, gain in threads.items():
        print(f"    {name:44s} {gain:.2f}")
    ratios = {f"{PEERS[name]} / core": least[name] / total for name in PEERS}
    alone = {name: in_a_row(contenders[name]) for name in (OURS, BARE, *PEERS)}
    ratios |= {f"{PEERS[name]} / core, in a row": alone[name] / alone[OURS] for name in PEERS}
    # SEP corrects nothing either
    ratios["SEP / core without maps, in a row"] = alone[SEP] / alone[BARE]
    for name, ratio in ratios.items():
        print(f"  {name}: {ratio:.1f}")
    return {
        "ms": least,
        "ratios": ratios,
        "sizes_ms": sizes,
        "spots_ms": found,
        "threads": threads,
        "stages_ms": stages,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    main(quick=parser.parse_args().quick)
