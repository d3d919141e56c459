"""What a rig may not say, though each key by itself is valid."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import msgspec
import numpy as np

from hardware.frame import PixelFormat
from hardware.gating import rates_that_cancel
from hardware.rig import CameraSpec, Optics, Rig

BLACK_SHARE = 0.25
"""Of full scale: a camera without light that shows more than this sees light."""
LAMP_PERIODS_OFF = 0.01
"""So little from whole periods, and a lamp that ripples by a tenth leaves less than a hundredth."""
MOST = {
    "exposure_us": 1e8,
    "gain_db": 100.0,
    "frame_rate_hz": 1e4,
    "black_level": 65535.0,
    "mm_per_px": 100.0,
    "baseline_mm": 1e4,
    "working_distance_mm": 1e5,
    "relief_mm": 1e4,
    "node_min_mm": 1e3,
    "node_max_mm": 1e3,
    "max_tissue_motion_mm": 1e3,
    "dark_counts": 65535.0,
    "electron_counts": 65535.0,
    "read_noise_counts": 65535.0,
    "residual_mm": 1e3,
    "start_s": 1e6,
    "room_light": 1e6,
    "width": 16384,
    "height": 16384,
}
"""More than this is a slip of the pen, by the last word of the key: arithmetic would overflow."""
LARGEST_NODE_PX = 16384.0
"""Wider than any picture: a scale in m a pixel, taken for mm, makes nodes as wide as that."""
_LINE = re.compile(r"Line[1-9][0-9]?")


def scale_slip(optics: Optics) -> str | None:
    """Return why no node could ever be found at the scale of ``optics``; None: they could."""
    if optics.mm_per_px is None:
        return None
    least, most = optics.node_min_mm / optics.mm_per_px, optics.node_max_mm / optics.mm_per_px
    if least > LARGEST_NODE_PX:
        return f"a node of {optics.node_min_mm:g} mm would be {least:.2g} px wide: give mm a pixel"
    if most < 1.0:
        return f"a node of {optics.node_max_mm:g} mm would be {most:.2g} px wide: give mm a pixel"
    return None


def problems(rig: Rig) -> Iterator[tuple[str, str]]:
    """Yield each key that cannot stand so, and why."""
    for key, value in _numbers(msgspec.structs.asdict(rig), ""):
        if isinstance(value, float) and not math.isfinite(value):
            yield key, f"{value} is not a number one can use"
        elif value > (most := MOST.get(key.rpartition(".")[2], math.inf)):
            yield key, f"is beyond any camera or field: at most {most:g}"
    if not rig.name.strip():
        yield "name", "is empty"
    for key in ("unchecked", "distances_mm", "expires"):
        if getattr(rig, key) is not None:
            yield key, "is found out when the rig is used: take it out"
    for role in ("nir", "white"):
        spec: CameraSpec | None = getattr(rig, role)
        if spec is not None:
            yield from _of_camera(rig, role, spec)
    if rig.nir is not None and rig.white is not None and rig.nir.serial is not None:
        if rig.nir.serial == rig.white.serial:
            yield "white.serial", "is the NIR camera's: each role needs its own camera"
    for name in ("excitation_nm", "emission_nm"):
        band: tuple[float, float] | None = getattr(rig.light, name)
        if band is not None and not band[0] < band[1]:
            yield f"light.{name}", f"goes from {band[0]:g} to {band[1]:g} nm: shorter one first"
    if rig.light.gated is not None and (rig.nir is None or rig.nir.light_line is None):
        yield "nir.light_line", "gated light needs the line that says whether it is on"
    yield from _lamps(rig)
    yield from _of_recording(rig)
    if rig.phantom is not None and rig.phantom.room_light > 0 and rig.light.gated is None:
        yield "phantom.room_light", "room light is drawn under gated light only: give light.gated"
    if rig.optics.node_max_mm <= rig.optics.node_min_mm:
        yield "optics.node_max_mm", "must be larger than optics.node_min_mm"
    if (slip := scale_slip(rig.optics)) is not None:
        yield "optics.mm_per_px", slip
    matrix = rig.registration.matrix()
    if np.abs(matrix).max() > 1e9:
        yield "registration.white_from_nir", "holds a value beyond any image"
    if abs(float(np.linalg.det(matrix))) < 1e-9:
        yield "registration.white_from_nir", "cannot be inverted"


def _of_camera(rig: Rig, role: str, spec: CameraSpec) -> Iterator[tuple[str, str]]:
    """Yield what one camera's table may not say."""
    if spec.source == "recording":
        yield f"{role}.source", "'recording' is no camera: give 'basler' or 'phantom'"
    if spec.source == "basler" and not spec.serial:
        yield f"{role}.serial", "a Basler camera is chosen by serial number: give it"
    if spec.source == "phantom" and rig.phantom is None:
        yield "phantom", f"{role}.source is 'phantom': give a [phantom] table"
    if spec.trigger == "hardware" and spec.trigger_line is None:
        yield f"{role}.trigger_line", "a hardware trigger needs its line, such as 'Line1'"
    if spec.images is not None and not (rig.emulated and spec.source == "basler"):
        yield f"{role}.images", "only an emulated camera plays images: set emulated = true"
    if spec.pixel_format is PixelFormat.RGB8 and spec.source == "basler":
        yield f"{role}.pixel_format", "colour is taken raw: choose a Bayer format"
    if spec.pixel_format is PixelFormat.MONO12P and rig.emulated:
        yield f"{role}.pixel_format", "Basler's emulator has no Mono12p: choose Mono12"
    if spec.light_line is not None and not _LINE.fullmatch(spec.light_line):
        yield f"{role}.light_line", f"must be Line1, Line2, ..., not {spec.light_line!r}"
    if spec.roi is not None:
        x, y, width, _ = spec.roi
        if x < 0 or y < 0:
            yield f"{role}.roi", f"begins outside the sensor at {x}, {y}"
        if spec.pixel_format is PixelFormat.MONO12P and width % 2:
            yield f"{role}.roi", f"Mono12p needs an even width, not {width}"
    if spec.frame_rate_hz is not None and spec.exposure_us * spec.frame_rate_hz > 1e6:
        yield (
            f"{role}.exposure_us",
            f"{spec.exposure_us:g} us do not fit into a frame at {spec.frame_rate_hz:g} Hz",
        )
    if role == "nir" and not spec.pixel_format.is_mono:
        yield "nir.pixel_format", f"{spec.pixel_format} is not monochrome"
    for key in ("white_balance", "black_counts"):
        if role == "nir" and getattr(spec, key) is not None:
            yield f"nir.{key}", "belongs to the white camera"
    if (spec.black_counts or 0.0) > BLACK_SHARE * (2**spec.pixel_format.bit_depth - 1):
        yield f"{role}.black_counts", f"{spec.black_counts:g} counts are no black"
    if role == "white" and spec.pixel_format.is_mono:
        yield "white.pixel_format", f"{spec.pixel_format} has no colour"


def _of_recording(rig: Rig) -> Iterator[tuple[str, str]]:
    """Yield what keeps white light from being stored as the rig asks."""
    if rig.recording.white == "jpeg":
        if rig.white is None:
            yield "recording.white", "'jpeg' is for white frames: the rig has no white camera"
        elif not rig.white.pixel_format.is_bayer8:
            yield (
                "recording.white",
                f"'jpeg' takes Bayer of 8 bits, not {rig.white.pixel_format}: choose BayerRG8, "
                "or leave it 'lossless'",
            )
    elif rig.recording.jpeg_quality is not None:
        yield "recording.jpeg_quality", "is for white = 'jpeg': choose that, or take it out"


def _lamps(rig: Rig) -> Iterator[tuple[str, str]]:
    """Yield what keeps lamps on the mains from cancelling between a lit and a dark frame."""
    mains_hz = rig.light.mains_hz
    if mains_hz is None:
        return
    if rig.light.gated is None:
        yield "light.mains_hz", "is for gated light: give light.gated, or take it out"
    elif rig.nir is not None and rig.nir.frame_rate_hz is not None:
        periods = 2.0 * mains_hz / rig.nir.frame_rate_hz
        if abs(periods - round(periods)) > LAMP_PERIODS_OFF or periods < 0.5:
            rates = rates_that_cancel(2.0 * mains_hz, rig.nir.exposure_us)[:3]
            told = ", ".join(f"{rate:.4g}" for rate in rates)
            yield (
                "nir.frame_rate_hz",
                f"{rig.nir.frame_rate_hz:g} frames a second lie {periods:.2f} periods of the "
                f"room's lamps apart, so these do not cancel: choose {told}",
            )


def _numbers(value: object, key: str) -> Iterator[tuple[str, float]]:
    """Yield every number below ``value`` with its key's path."""
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.asdict(value)
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _numbers(part, f"{key}.{name}" if key else name)
    elif isinstance(value, tuple):
        for part in value:
            yield from _numbers(part, key)
    elif isinstance(value, float | int) and not isinstance(value, bool):
        yield key, value
