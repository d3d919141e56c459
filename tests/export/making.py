"""Made-up guidance and pictures, so that what is written can be checked figure by figure."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hardware.frame import Frame, PixelFormat
from hardware.rig import Registration
from sln_guide.guidance import (
    CannotJudge,
    Detection,
    Guidance,
    Interval,
    Kind,
    Pair,
    Picture,
    Role,
    Settings,
    View,
)
from sln_guide.recording import CaseReader
from tests.frames import frame_of


def make_frame(
    sequence: int = 0,
    *,
    white: bool = False,
    shape: tuple[int, int] = (48, 64),
    time_ns: int = 10**9,
) -> Frame:
    rng = np.random.default_rng(sequence)
    fmt = PixelFormat.BAYER_RG8 if white else PixelFormat.MONO12
    return frame_of(
        rng.integers(0, 2**fmt.bit_depth, shape),
        fmt,
        sequence=sequence,
        stream_epoch=1,
        host_time_ns=time_ns + 5_000_000,
        mid_exposure_ns=time_ns,
        gain_db=6.0,
        light_on=None if white else True,
    )


def make_detection(**changes: object) -> Detection:
    values: dict[str, object] = {
        "track_id": 3,
        "kind": Kind.NODE,
        "confirmed": True,
        "coasted": False,
        "x_px": 30.25,
        "y_px": 20.5,
        "x_white_px": 31.0,
        "y_white_px": None,
        "area_px": 78.5,
        "area_mm2": 0.785,
        "spot_width_px": 10.0,
        "spot_width_mm": 1.0,
        "signal": 12.125,
        "sbr": 2.5,
        "sbr_interval": Interval(2.25, 2.75),
        "cnr": 6.0,
        "cnr_interval": Interval(5.0, 7.0),
        "significance": 15.0,
        "saturated_fraction": 0.0,
        "flags": ("saturated", 'says "by, instrument"'),
    }
    return Detection(**(values | changes))


def make_guidance(
    *detections: Detection, nir: Frame | None = None, white: Frame | None = None
) -> Guidance:
    nir = nir or make_frame(7)
    grid = (nir.height // 8, nir.width // 8)
    mask = np.zeros(grid, np.uint8)
    mask[:, : grid[1] // 2] = CannotJudge.TOO_DARK
    zeros = np.zeros(grid, np.float32)
    return Guidance(
        generation=1,
        pair=Pair(nir, white, 0 if white is None else 2_500_000),
        detections=detections or (make_detection(),),
        grid_px=8,
        signal=zeros,
        background=zeros + 1,
        significance=zeros,
        limit_contrast=zeros + 0.3,
        cannot_judge=mask,
        limit_sbr=1.25,
        false_calls_per_field=0.05,
        display_full_scale=20.0,
        colour_predicted=white is not None,
        registration=Registration(kind="assumed"),
        settings=Settings(),
        stage_ms={"step": 2.5},
        flags=("light step",),
    )


def make_picture(guidance: Guidance | None = None) -> Picture:
    guidance = guidance or make_guidance()
    rgb32 = np.random.default_rng(0).integers(0, 2**24, (48, 65), np.uint32)
    return Picture(
        number=1,
        rgb32=rgb32 | np.uint32(0xFF000000),
        view=View.MERGED,
        white=make_frame(9, white=True),
        nir=guidance.pair.nir,
        guidance=guidance,
        overlay_drawn=True,
        white_shift_px=(0.0, 0.0),
        handed_over_ns=1,
    )


def spoil(case: Path, role: Role, index: int) -> None:
    """Change a byte in the middle of a recorded frame."""
    with CaseReader(case) as reader:
        part, begin, end = reader_place(reader, role, index)
    data = bytearray(part.read_bytes())
    data[(begin + end) // 2] ^= 0x55
    part.write_bytes(data)


def reader_place(reader: CaseReader, role: Role, index: int) -> tuple[Path, int, int]:
    problem = reader._contents.problem(role.value, index, "")
    assert problem.byte_range is not None
    return reader.folder / problem.file, *problem.byte_range
