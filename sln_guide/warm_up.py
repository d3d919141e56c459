"""Compile everything before Start: the first frame of a procedure must not wait for a compiler."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardware.balance import Gains
from hardware.frame import Frame, PixelFormat, frozen_pixels
from hardware.rig import CameraSpec, Registration, Rig
from sln_guide import compiling, pipeline
from sln_guide.compiling import Part
from sln_guide.core import grid, luminance, motion, subtract
from sln_guide.core.analysis import Analyser
from sln_guide.core.draw import NEUTRAL
from sln_guide.drawing import Drawing
from sln_guide.guidance import ColourMap, Guidance, Pair, Settings, View
from sln_guide.recording.codec import prepare

STEPS = 14
"""Enough for tracks to be confirmed, and then to be lost sight of."""
STEP_NS = 50_000_000
SHAPE = (512, 640)
"""(rows, columns). Kernels are compiled for types, not sizes, but which of them run depends on
what is to be seen: the scene must be large enough for all of it."""


_MODULE = "sln_guide.warm_up"
"""This module, also where it runs as the program."""
_working = threading.Lock()


def under_way() -> bool:
    """Whether a thread of this process loads or compiles the core: it would not survive the end."""
    return _working.locked()


def compiled_before(rig: Rig) -> bool:
    """Whether `warm_up` has run to its end on this machine before: then it only loads the core.

    Nothing is compiled for the answer. A first start that was ended early leaves only a part.
    """
    return _whole(rig).exists()


def _whole(rig: Rig) -> Path:
    """Return the file that stands beside the kernels once all that such a rig needs are there."""
    formats = (str(spec.pixel_format) for spec in (rig.nir, rig.white) if spec is not None)
    return Path(grid.halve_into.stats.cache_path) / "-".join(("whole", *formats, *_maps(rig)))


def compilations() -> int:
    """Return how many kernels of the core this process compiled that the cache did not have."""
    loaded = sys.modules.copy()  # other threads import meanwhile
    core = [module for name, module in loaded.items() if name.startswith("sln_guide.core.")]
    kernels = {id(each): each for module in core for each in vars(module).values()}
    counts = (
        getattr(getattr(each, "stats", None), "cache_misses", {}) for each in kernels.values()
    )
    return sum(sum(count.values()) for count in counts)


def warm_up(rig: Rig) -> bool:
    """Put a small busy scene in the rig's formats through pipeline and drawing.

    With dark, flat and white balance where the rig names them, and without, in case they are
    refused. Returns whether all was there to be loaded: whether nothing had to be compiled, which
    processes of their own do (`compiling`). A second caller waits for the first.
    """
    if rig.nir is None:
        return True
    with _working:
        return _warm_up(rig, rig.nir)


def _warm_up(rig: Rig, spec: CameraSpec) -> bool:
    was_there = compiled_before(rig)
    if not was_there:
        compiling.compile_elsewhere(rig, _MODULE)
    before = compilations()
    with _few_collections():
        _run_all(rig, spec)
    with suppress(OSError):  # then the next start looks for kernels later, and finds them
        _whole(rig).touch()
    return was_there and compilations() == before


def _run_all(rig: Rig, spec: CameraSpec) -> None:
    """Put the scene through everything, which loads it, or else compiles it."""
    prepare()
    luminance.warm_up()
    motion.warm_up()
    if rig.light.gated is not None:
        subtract.warm_up()
    for kind in ("calibrated", "none"):
        setup, drawing = _stage(rig, kind)
        state = pipeline.initial_state(setup)
        for number in range(STEPS):
            nir = _nir(spec, number)
            white = None if rig.white is None else _white(rig.white, number)
            settings = _settings(number)
            state, guidance = pipeline.step(state, Pair(nir, white), settings)
            _draw(drawing, nir, white, guidance, settings)
            if kind == "none":
                break


def compile_all(rig: Rig) -> None:
    """Compile everything, for the process that asked; with help where nothing was compiled yet."""
    if rig.nir is None:
        return
    bare = not any(_whole(rig).parent.glob("whole*"))
    with (
        compiling.helped(rig, _MODULE, Part.LAST) if bare else nullcontext(),
        _few_collections(),
    ):
        _run_all(rig, rig.nir)


def compile_last(rig: Rig) -> None:
    """Compile what `compile_all` comes to last, the finder and the drawing, without the rest."""
    if rig.nir is None:
        return
    nir, white = _nir(rig.nir, 0), None if rig.white is None else _white(rig.white, 0)
    setup, drawing = _stage(rig, "calibrated")
    analyser = Analyser(setup.field(nir))
    with _few_collections():
        analyser.find_nothing()
        guidance = _nothing_found(analyser, Pair(nir, white), setup.registration)
        for number in range(max(len(View), len(ColourMap))):
            _draw(drawing, nir, white, guidance, _settings(number))


def _stage(rig: Rig, kind: str) -> tuple[pipeline.Setup, Drawing]:
    """Return setup and drawing: "calibrated" with what the rig names, "none" without any of it."""
    registration = _of_kind(rig.registration, kind)
    calibrated = kind == "calibrated"
    setup = replace(
        pipeline.Setup.from_rig(rig, **(_maps(rig) if calibrated else {})),
        registration=registration,
    )
    balance = _balance(rig) if calibrated else NEUTRAL
    return setup, Drawing(registration, white_balance=balance)


def _settings(number: int) -> Settings:
    views, maps = tuple(View), tuple(ColourMap)
    return Settings(view=views[number % len(views)], colour_map=maps[number % len(maps)])


def _draw(
    drawing: Drawing, nir: Frame, white: Frame | None, guidance: Guidance, settings: Settings
) -> None:
    drawing.picture(nir, white, guidance, settings)
    if white is not None:
        later = replace(white, sequence=1000 + nir.sequence)
        drawing.picture(None, later, guidance, Settings())
        drawing.picture(None, later, None, Settings())


def _nothing_found(analyser: Analyser, pair: Pair, registration: Registration) -> Guidance:
    """Return guidance with nothing in it, for the types of its arrays."""
    shape = analyser.geometry.rows, analyser.geometry.cols
    nothing, judged = np.zeros(shape, np.float32), np.zeros(shape, np.uint8)
    for each in (nothing, judged):
        each.setflags(write=False)
    return Guidance(
        generation=1,
        pair=pair,
        detections=(),
        grid_px=analyser.geometry.block_px,
        signal=nothing,
        background=nothing,
        significance=nothing,
        limit_contrast=nothing,
        cannot_judge=judged,
        limit_sbr=None,
        false_calls_per_field=0.0,
        display_full_scale=1.0,
        colour_predicted=False,
        registration=registration,
        settings=Settings(),
    )


@contextmanager
def _few_collections() -> Iterator[None]:
    """Collect garbage rarely: a tenth of a compilation's time goes there, and frees little."""
    before = gc.get_threshold()
    gc.set_threshold(100_000, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _maps(rig: Rig) -> dict[str, NDArray[np.float32]]:
    """Return maps like those that the rig names, of the scene's size."""
    maps = {}
    if rig.calibration.dark is not None:
        maps["dark"] = np.full(SHAPE, rig.sensor.dark_counts, np.float32)
    if rig.calibration.flat is not None:
        maps["flat"] = np.ones(SHAPE, np.float32)
    return maps


def _balance(rig: Rig) -> Gains:
    """Return gains like those that the rig has or names."""
    named = rig.calibration.white_balance is not None
    if rig.white is None or (rig.white_balance == NEUTRAL and not named):
        return NEUTRAL
    return rig.white_balance if rig.white_balance != NEUTRAL else Gains(1.5, 1.0, 1.5)


def _of_kind(registration: Registration, kind: str) -> Registration:
    """Return a registration of ``kind``, with the rig's own homography where it has one."""
    if kind == "none":
        return Registration(kind="none")
    return registration if registration.kind != "none" else Registration(kind="assumed")


def _scene(number: int) -> NDArray[Any]:
    """Return NIR light in [0, 1.2]: tissue, nodes, channel, injection site, instrument, glints."""
    tissue, nodes, noise = _scene_parts()
    light = tissue + nodes if number < STEPS - 3 else tissue.copy()
    light[300:330, 250 + 10 * number : 640] = 0.02
    light[200:203, 300:304] = 1.2
    return np.asarray(light + np.roll(noise, 7 * number, axis=0))


@cache
def _scene_parts() -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return tissue with channel and injection site, nodes, and noise: each (H, W) float32."""
    y = np.arange(SHAPE[0], dtype=np.float32)[:, None]
    x = np.arange(SHAPE[1], dtype=np.float32)[None, :]

    def spot(cx: float, cy: float, width: float) -> NDArray[Any]:
        across = np.exp(-((x - cx) ** 2) / (2.0 * width**2))
        return np.asarray(across * np.exp(-((y - cy) ** 2) / (2.0 * width**2)))

    tissue = 0.1 + 0.02 * np.sin(x / 37.0) * np.cos(y / 29.0)
    tissue[:, SHAPE[1] // 2 :] *= 1.4
    tissue += 2.0 * spot(120, 130, 22)
    channel = np.exp(-((y - 130 - 0.4 * (x[:, 120:480] - 120)) ** 2) / 60.0)
    tissue[:, 120:480] += 0.06 * channel
    nodes = 0.25 * spot(420, 150, 18) + 0.1 * spot(500, 380, 24) + 0.06 * spot(200, 420, 14)
    noise = np.random.default_rng(1).normal(0.0, 0.003, SHAPE)
    return tissue, nodes, noise.astype(np.float32)


def _nir(spec: CameraSpec, number: int) -> Frame:
    top = 2**spec.pixel_format.bit_depth - 1
    counts = np.clip(_scene(number) * 0.9 * top, 0, top)
    if spec.pixel_format is not PixelFormat.MONO12P:
        return _frame(spec, number, counts.astype(spec.pixel_format.dtype))
    even, odd = (counts[:, k::2].astype(np.uint16) for k in (0, 1))
    packed = np.empty((SHAPE[0], SHAPE[1] * 3 // 2), np.uint8)
    packed[:, 0::3] = even & 0xFF
    packed[:, 1::3] = (even >> 8) | ((odd & 0xF) << 4)
    packed[:, 2::3] = odd >> 4
    return _frame(spec, number, packed)


def _white(spec: CameraSpec, number: int) -> Frame:
    top = 2**spec.pixel_format.bit_depth - 1
    tissue, _, noise = _scene_parts()
    level = np.clip(0.4 + 0.3 * tissue + 3.0 * np.roll(noise, 5 * number, axis=1), 0, 1) * top
    pixels = level if spec.pixel_format is not PixelFormat.RGB8 else np.dstack([level] * 3)
    return _frame(spec, number, pixels.astype(spec.pixel_format.dtype))


def _frame(spec: CameraSpec, number: int, pixels: NDArray[Any]) -> Frame:
    return Frame(
        pixels=frozen_pixels(pixels),
        pixel_format=spec.pixel_format,
        bit_depth=spec.pixel_format.bit_depth,
        sequence=number,
        stream_epoch=0,
        device_time_ns=0,
        host_time_ns=number * STEP_NS,
        mid_exposure_ns=number * STEP_NS,
        exposure_us=spec.exposure_us,
        gain_db=spec.gain_db,
        camera_id="warm-up",
    )


if __name__ == "__main__":
    compiling.help_parent({Part.WHOLE: compile_all, Part.LAST: compile_last})
