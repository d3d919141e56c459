"""Small pictures with known detections for the rendering tests."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hardware.frame import Frame, PixelFormat
from hardware.rig import Registration
from sln_guide.guidance import (
    Detection,
    Guidance,
    Interval,
    Kind,
    Pair,
    Picture,
    Settings,
    View,
)
from sln_guide.render.look import Look
from sln_guide.render.renderer import Renderer
from tests.frames import frame_of

WIDTH, HEIGHT = 640, 512
CALIBRATED = Registration(kind="calibrated", residual_mm=0.2)
GREY = 0xFF605048
SIZE = (WIDTH, HEIGHT)
BARE = Look(tags=False, legend=False, scale_bar=False, heartbeat=False)


def make_frame(pixel_format: PixelFormat, height: int = HEIGHT, width: int = WIDTH) -> Frame:
    pixels = np.full(pixel_format.array_shape(height, width), 80, dtype=pixel_format.dtype)
    return frame_of(pixels, pixel_format)


NIR = make_frame(PixelFormat.MONO12)
WHITE = make_frame(PixelFormat.BAYER_RG8)


def make_detection(
    x_px: float = 200.0, y_px: float = 180.0, kind: Kind = Kind.NODE, **changes
) -> Detection:
    """A confirmed node of 60 px, unless told otherwise; white coordinates follow NIR's."""
    values = {
        "track_id": 1,
        "kind": kind,
        "confirmed": True,
        "coasted": False,
        "x_px": x_px,
        "y_px": y_px,
        "x_white_px": x_px,
        "y_white_px": y_px,
        "area_px": 2827.0,
        "area_mm2": 28.3,
        "spot_width_px": 60.0,
        "spot_width_mm": 6.0,
        "signal": 5.0,
        "sbr": 2.17,
        "sbr_interval": Interval(2.12, 2.22),
        "cnr": 7.3,
        "cnr_interval": Interval(6.9, 7.7),
        "significance": 9.0,
        "saturated_fraction": 0.0,
    }
    values |= changes
    if values["kind"] is Kind.NODE and values["confirmed"]:
        values.setdefault("node_number", values["track_id"])
    if values["coasted"]:
        values |= {"signal": None, "sbr": None, "sbr_interval": None, "cnr": None}
    return Detection(**values)


def make_guidance(*detections: Detection, **changes) -> Guidance:
    maps = np.zeros((HEIGHT // 8, WIDTH // 8), dtype=np.float32)
    values = {
        "generation": 1,
        "pair": Pair(NIR, WHITE),
        "detections": tuple(detections),
        "grid_px": 8,
        "signal": maps,
        "background": maps,
        "significance": maps,
        "limit_contrast": maps,
        "cannot_judge": maps.astype(np.uint8),
        "limit_sbr": 1.22,
        "false_calls_per_field": 0.05,
        "display_full_scale": 12.5,
        "colour_predicted": True,
        "registration": CALIBRATED,
        "settings": Settings(),
    }
    return Guidance(**(values | changes))


def make_picture(*detections: Detection, **changes) -> Picture:
    """A flat grey merged picture with these detections."""
    pixels = np.full((HEIGHT, WIDTH), GREY, dtype=np.uint32)
    pixels.setflags(write=False)
    values = {
        "number": 1,
        "rgb32": pixels,
        "view": View.MERGED,
        "white": WHITE,
        "nir": NIR,
        "guidance": make_guidance(*detections),
        "overlay_drawn": True,
        "white_shift_px": (0.0, 0.0),
        "handed_over_ns": 0,
    }
    return Picture(**(values | changes))


def with_guidance(picture: Picture, **changes) -> Picture:
    assert picture.guidance is not None
    return replace(picture, guidance=replace(picture.guidance, **changes))


def rendered(picture, look=BARE, size=SIZE):
    return Renderer().render_to_image(picture, look, size)


def as_array(image):
    return np.frombuffer(image.constBits(), np.uint32).reshape(image.height(), image.width()).copy()
