"""Compile everything before Start: the first frame of a procedure must not wait for a compiler."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from hardware.frame import Frame, PixelFormat, frozen_pixels
from hardware.rig import CameraSpec, Registration, Rig
from sln_guide import pipeline
from sln_guide.drawing import Drawing
from sln_guide.guidance import Pair, Settings, View

SIZE = (128, 160)
"""(rows, columns): kernels are compiled for types, not for sizes."""
QUICK_S = 2.0


def warm_up(rig: Rig) -> bool:
    """Put blank pairs in the rig's formats through pipeline and drawing.

    Returns whether it was quick, which means that the machine had everything compiled already.
    """
    began_s = time.perf_counter()
    if rig.nir is None:
        return True
    nir = _blank(rig.nir.pixel_format, rig.nir)
    white = None if rig.white is None else _blank(rig.white.pixel_format, rig.white)
    # registered whatever the rig says, so that every branch that might run later has run
    setup = replace(pipeline.Setup.from_rig(rig), registration=Registration(kind="assumed"))
    state = pipeline.initial_state(setup)
    drawing = Drawing(setup.registration)
    for view in (View.MERGED, View.WHITE, View.NIR):
        settings = Settings(view=view)
        state, guidance = pipeline.step(state, Pair(nir, white), settings)
        drawing.picture(nir, white, guidance, settings)
        drawing.picture(nir, white, None, settings)
    if white is not None:
        later = replace(white, sequence=1)
        drawing.picture(None, later, guidance, Settings())
    return time.perf_counter() - began_s < QUICK_S


def _blank(pixel_format: PixelFormat, spec: CameraSpec) -> Frame:
    """Return a frame with a soft bright spot: blank ones would leave branches out."""
    rows, columns = SIZE
    y, x = np.mgrid[:rows, :columns]
    spot = np.exp(-((x - columns / 2) ** 2 + (y - rows / 2) ** 2) / 200.0)
    noise = np.random.default_rng(0).normal(0.0, 2.0, SIZE)
    level = np.clip(60.0 + 80.0 * spot + noise, 0, 255)
    shape = pixel_format.array_shape(rows, columns)
    pixels = np.zeros(shape, pixel_format.dtype)
    if pixels.shape == SIZE:
        pixels[...] = level
    elif pixels.ndim == 3:
        pixels[...] = level[..., None]
    else:
        pixels[...] = 30
    return Frame(
        pixels=frozen_pixels(pixels),
        pixel_format=pixel_format,
        bit_depth=pixel_format.bit_depth,
        sequence=0,
        stream_epoch=0,
        device_time_ns=0,
        host_time_ns=0,
        mid_exposure_ns=0,
        exposure_us=spec.exposure_us,
        gain_db=spec.gain_db,
        camera_id="warm-up",
    )
