"""The core's time, beside OpenCV compositions of the same steps and SEP, alternating in one run.

One thread each. A round runs every contender once on the same pair of frames, so that whatever
else the machine does falls on all alike; the least of all rounds counts. After a neighbour that
needs much memory each begins with empty caches; so the three that are compared also run by
themselves, many times in a row.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.detection_scenes import MM_PER_PX, frame_of, render
from benchmarks.peers import OpenCvComposition
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

    def sep_extract() -> None:
        import sep

        data = nir.pixels.astype(np.float32)
        background = sep.Background(data)
        sep.extract(data - background.back(), 4.0, err=background.globalrms)

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
        SEP: sep_extract,
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
    print("  by size (analyse, one thread):")
    sizes: dict[str, float] = {}
    for height, width in ((480, 640), (768, 1024), (1024, 1280), (1536, 2048), (2048, 2560)):
        shot = cv2.resize(np.asarray(nir.pixels), (width, height))
        colour = cv2.resize(np.asarray(white.pixels), (width, height))
        a = frame_of(shot, PixelFormat.MONO12)
        b = frame_of(colour, PixelFormat.BAYER_RG8)
        one = Analyser(field_of(a, 128.0 / width))
        one.analyse(a, b, ASSUMED, 4.5)
        ms = least_ms({"x": partial(one.analyse, a, b, ASSUMED, 4.5)}, rounds)["x"]
        sizes[f"{width}x{height}"] = ms
        print(f"    {width}x{height}: {ms:.2f} ms, {ms / (width * height) * 1e6:.2f} ns a pixel")
    ratios = {f"{PEERS[name]} / core": least[name] / total for name in PEERS}
    alone = {name: in_a_row(contenders[name]) for name in (OURS, BARE, *PEERS)}
    ratios |= {f"{PEERS[name]} / core, in a row": alone[name] / alone[OURS] for name in PEERS}
    # SEP corrects nothing either
    ratios["SEP / core without maps, in a row"] = alone[SEP] / alone[BARE]
    for name, ratio in ratios.items():
        print(f"  {name}: {ratio:.1f}")
    return {"ms": least, "ratios": ratios, "sizes_ms": sizes, "stages_ms": stages}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    main(quick=parser.parse_args().quick)
