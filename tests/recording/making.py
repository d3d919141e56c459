"""Frames, guidance and small cases for the tests of recording."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import numpy as np

from hardware.frame import Frame, PixelFormat
from hardware.rig import RecordingSpec, Rig
from hardware.rig_files import load_rig
from sln_guide.guidance import Detection, Guidance, Interval, Kind, Pair, Role, Settings, View
from sln_guide.recording import CaseDescription, CaseSummary, CaseWriter
from tests.frames import frame_of

PERIOD_NS = 16_666_667
FRAME_FIELDS = (
    "pixel_format",
    "bit_depth",
    "sequence",
    "stream_epoch",
    "device_time_ns",
    "host_time_ns",
    "mid_exposure_ns",
    "exposure_us",
    "gain_db",
    "camera_id",
    "light_on",
    "settings_in_flight",
)


def rig() -> Rig:
    return load_rig("demo")


def jpeg_rig(quality: int | None = None) -> Rig:
    """Return the same, recording white light as JPEG."""
    kept = RecordingSpec(white="jpeg", jpeg_quality=quality)
    return msgspec.structs.replace(rig(), recording=kept)


def frame(
    sequence: int,
    kind: PixelFormat = PixelFormat.MONO12,
    *,
    size: tuple[int, int] = (24, 32),
    epoch: int = 0,
    start_ns: int = 1_000_000_000,
) -> Frame:
    """Return a frame whose pixels depend on its sequence number and format."""
    shape = kind.array_shape(*size)
    random = np.random.default_rng((sequence, epoch, len(kind.value)))
    mid = start_ns + sequence * PERIOD_NS
    return frame_of(
        random.integers(40, 90, shape),
        kind,
        sequence=sequence,
        stream_epoch=epoch,
        device_time_ns=sequence,
        host_time_ns=mid + 9_000_000,
        mid_exposure_ns=mid,
        exposure_us=8000.0,
        gain_db=6.0,
    )


def white(sequence: int, **kwargs: object) -> Frame:
    return frame(sequence, PixelFormat.BAYER_RG8, **kwargs)


def assert_same_frame(left: Frame, right: Frame) -> None:
    for name in FRAME_FIELDS:
        a, b = getattr(left, name), getattr(right, name)
        assert type(a) is type(b), name
        assert a == b or (math.isnan(a) and math.isnan(b)), name
    assert left.pixels.dtype == right.pixels.dtype
    assert left.pixels.shape == right.pixels.shape
    assert np.array_equal(left.pixels, right.pixels)
    assert not right.pixels.flags.writeable


def detection(**changes: object) -> Detection:
    values: dict[str, object] = {
        "track_id": 3,
        "kind": Kind.NODE,
        "confirmed": True,
        "coasted": False,
        "x_px": 12.25,
        "y_px": 8.5,
        "x_white_px": None,
        "y_white_px": None,
        "area_px": 40.0,
        "area_mm2": 1.5,
        "spot_width_px": 7.1,
        "spot_width_mm": None,
        "signal": 11.5,
        "sbr": 2.25,
        "sbr_interval": Interval(2.0, 2.5),
        "cnr": 6.0,
        "cnr_interval": None,
        "significance": 8.75,
        "saturated_fraction": 0.0,
        "contour_px": np.array([[1, 2], [3, 4]], np.float32),
        "flags": ("by instrument",),
    }
    return Detection(**values | changes)


def guidance(
    generation: int, nir: Frame, other: Frame | None, detections: tuple[Detection, ...] = ()
) -> Guidance:
    grid = np.zeros((3, 4), np.float32)
    return Guidance(
        generation=generation,
        pair=Pair(nir, other, 0 if other is None else other.mid_exposure_ns - nir.mid_exposure_ns),
        detections=detections,
        grid_px=8,
        signal=np.full((3, 4), generation, np.float32),
        background=grid,
        significance=grid,
        limit_contrast=grid,
        cannot_judge=np.zeros((3, 4), np.uint8),
        limit_sbr=1.2,
        false_calls_per_field=0.05,
        display_full_scale=20.0,
        colour_predicted=True,
        registration=rig().registration,
        settings=Settings(),
        stage_ms={"correct": 0.5},
        flags=("light step",),
    )


def fill(case: CaseWriter, count: int, first: int = 0) -> None:
    """Write ``count`` pairs with all that goes with them."""
    for sequence in range(first, first + count):
        nir, other = frame(sequence), white(sequence)
        case.write_frame(Role.NIR, nir)
        case.write_frame(Role.WHITE, other)
        case.write_guidance(guidance(sequence + 1, nir, other, (detection(),)))
        case.write_shown(sequence + 1, sequence, View.MERGED, nir.host_time_ns, True)
        if sequence % 5 == 0:
            case.write_event("mark", f"at {sequence}", nir.host_time_ns)


def record(folder: Path, count: int = 8, **options: object) -> CaseSummary:
    """Record a small whole case."""
    with CaseWriter(
        folder, CaseDescription(rig=rig(), settings=Settings(), title="Test"), **options
    ) as case:
        case.attach("dark.bin", b"\x00\x01" * 40, "application/octet-stream")
        fill(case, count)
        case.write_snapshot(b"state")
    return case.close()
