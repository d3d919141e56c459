"""Stills: a PNG of what was on the screen, and beside it a JSON that says what it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import msgspec
import numpy as np
from numpy.typing import NDArray

from hardware.frame import Frame
from sln_guide import __version__
from sln_guide.export.folder import ExportError
from sln_guide.export.tables import DETECTION_COLUMNS, detection_row, measured
from sln_guide.guidance import Guidance, Mode, Picture
from sln_guide.whole_file import replace_file

_json = msgspec.json.Encoder(enc_hook=lambda number: number.item())
"""Also takes NumPy's numbers."""


def save_still(
    picture: Picture,
    path: Path,
    *,
    mode: Mode,
    title: str = "",
    taken_wall_ns: int | None = None,
    rgb32: NDArray[np.uint32] | None = None,
    screen: Mapping[str, Any] | None = None,
) -> tuple[Path, Path]:
    """Save ``picture`` as PNG, lossless, with a JSON sidecar; return both paths.

    Nothing is written over. May be called from any thread; takes some 50 ms for a megapixel.

    Parameters
    ----------
    picture
        What is saved, and what the sidecar speaks of.
    path
        Of the PNG, in an existing folder; the sidecar gets the same name ending in ``.json``.
    mode
        Where the picture came from.
    title
        Of the case or rig.
    taken_wall_ns
        Wall clock, ns since 1970, UTC; None: not known.
    rgb32
        The picture with its rings and tags, (H, W) uint32 0xffRRGGBB; None: as it was drawn.
    screen
        What the screen said at that moment (state, banners, age of the overlay, ...); stands in
        the sidecar under ``screen``.

    Raises
    ------
    ExportError
        When either file exists or cannot be written.
    """
    png = path if path.suffix == ".png" else path.with_name(path.name + ".png")
    sidecar = png.with_suffix(".json")
    if png.exists() or (sidecar.exists() and not _without_its_picture(sidecar)):
        there = png if png.exists() else sidecar
        raise ExportError(f"{there} exists already: choose another name")
    about = still_facts(picture, mode=mode, title=title, taken_wall_ns=taken_wall_ns)
    if screen is not None:
        about["screen"] = finite(dict(screen))
    data = png_bytes(picture.rgb32 if rgb32 is None else rgb32)
    try:
        # the sidecar first: a picture that is there can always say what it is
        replace_file(sidecar, msgspec.json.format(_json.encode(about), indent=2) + b"\n")
        try:
            replace_file(png, data)
        except BaseException:
            with suppress(OSError):
                sidecar.unlink()
            raise
    except OSError as error:
        why = error.strerror or str(error)
        raise ExportError(f"{png}: cannot be written ({why}): choose another folder") from None
    return png, sidecar


def _without_its_picture(sidecar: Path) -> bool:
    """Whether it was left by a program that was killed before it had written the picture."""
    try:
        about = msgspec.json.decode(sidecar.read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return False
    return isinstance(about, dict) and str(about.get("software", "")).startswith("sln-guide ")


def png_bytes(rgb32: NDArray[np.uint32]) -> bytes:
    """Return (H, W) uint32 0xffRRGGBB as the bytes of an RGB PNG."""
    height, width = rgb32.shape
    rgb = np.empty((height, width, 3), np.uint8)
    for channel, shift in enumerate((16, 8, 0)):
        rgb[:, :, channel] = (rgb32 >> shift) & 0xFF
    encoder = av.CodecContext.create("png", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "rgb24"
    encoder.time_base = Fraction(1, 1)
    frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
    frame.pts = 0
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    return b"".join(bytes(packet) for packet in packets)


def still_facts(
    picture: Picture, *, mode: Mode, title: str = "", taken_wall_ns: int | None = None
) -> dict[str, Any]:
    """Return what a sidecar says: what made the picture, and what was measured in it."""
    taken = None
    if taken_wall_ns is not None:
        taken = datetime.fromtimestamp(taken_wall_ns / 1e9, UTC).isoformat(timespec="milliseconds")
    return {
        "schema": 1,
        "notice": "RESEARCH USE ONLY",
        "software": f"sln-guide {__version__}",
        "title": title,
        "mode": mode,
        "taken": taken,
        "picture": picture.number,
        "view": picture.view,
        "overlay_drawn": picture.overlay_drawn,
        "white_shift_px": picture.white_shift_px,
        "nir": _frame_facts(picture.nir),
        "white": _frame_facts(picture.white),
        "guidance": None if picture.guidance is None else _guidance_facts(picture.guidance),
    }


def finite(value: Any) -> Any:
    """Return ``value`` as strict JSON knows it: a number that is none becomes null."""
    if isinstance(value, dict):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _frame_facts(frame: Frame | None) -> dict[str, Any] | None:
    if frame is None:
        return None
    return {
        "camera_id": frame.camera_id,
        "stream_epoch": frame.stream_epoch,
        "sequence": frame.sequence,
        "device_time_ns": frame.device_time_ns,
        "mid_exposure_ns": frame.mid_exposure_ns,
        "exposure_us": frame.exposure_us,
        "gain_db": frame.gain_db,
        "width_px": frame.width,
        "height_px": frame.height,
        "pixel_format": frame.pixel_format,
        "lossy": frame.lossy,
    }


def _guidance_facts(guidance: Guidance) -> dict[str, Any]:
    columns = DETECTION_COLUMNS[2:]
    return {
        "generation": guidance.generation,
        "nir": _frame_facts(guidance.pair.nir),
        "skew_ns": guidance.pair.skew_ns,
        "settings": guidance.settings,
        "registration": guidance.registration,
        "limit_sbr": guidance.limit_sbr,
        "false_calls_per_field": guidance.false_calls_per_field,
        "display_full_scale": guidance.display_full_scale,
        "colour_predicted": guidance.colour_predicted,
        "flags": guidance.flags,
        "detections": [
            dict(zip(columns, detection_row(0, 0.0, d)[2:], strict=True))
            for d in measured(guidance)
        ],
    }
