"""Made-up guidance and pictures, so that what is written can be checked figure by figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest

from hardware.frame import Frame, PixelFormat
from hardware.phantom import Phantom
from hardware.rig import PhantomSpec, Registration, Rig, load_rig
from sln_guide.guidance import (
    CannotJudge,
    Detection,
    Guidance,
    Interval,
    Kind,
    Mode,
    Pair,
    Picture,
    Role,
    Settings,
    View,
)
from sln_guide.recording import CaseReader, CaseWriter
from tests.frames import frame_of

MOMENTS = range(1500, 1620, 4)
"""Frames of the phantom's procedure in which nodes light up."""


@pytest.fixture(scope="session")
def small_rig() -> Rig:
    demo = load_rig("demo")
    return msgspec.structs.replace(
        demo,
        phantom=PhantomSpec(scene="procedure", seed=3, width=320, height=256),
        optics=msgspec.structs.replace(demo.optics, mm_per_px=0.4),
    )


@pytest.fixture(scope="session")
def pairs(small_rig: Rig) -> list[tuple[Frame, Frame]]:
    assert small_rig.phantom is not None
    phantom = Phantom(small_rig.phantom, small_rig)
    return [(phantom.frame("nir", i), phantom.frame("white", i)) for i in MOMENTS]


@pytest.fixture
def make_frame() -> Callable[..., Frame]:
    def make(
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

    return make


@pytest.fixture
def make_detection() -> Callable[..., Detection]:
    def make(**changes: object) -> Detection:
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

    return make


@pytest.fixture
def make_guidance(
    make_frame: Callable[..., Frame], make_detection: Callable[..., Detection]
) -> Callable[..., Guidance]:
    def make(
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

    return make


@pytest.fixture
def make_picture(
    make_frame: Callable[..., Frame], make_guidance: Callable[..., Guidance]
) -> Callable[..., Picture]:
    def make(guidance: Guidance | None = None) -> Picture:
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
            drawn_ns=2,
        )

    return make


@pytest.fixture
def rig() -> Rig:
    """A simulated rig whose registration nobody measured."""
    shipped = load_rig("demo")
    return msgspec.structs.replace(shipped, registration=Registration(kind="assumed"))


@pytest.fixture
def make_case(tmp_path: Path, rig: Rig) -> Callable[..., Path]:
    def make(
        frames: Sequence[tuple[Role, Frame]],
        *,
        name: str = "small.case",
        mode: Mode = Mode.SIMULATED,
        **changes: object,
    ) -> Path:
        folder = tmp_path / name
        with CaseWriter(
            folder,
            rig=msgspec.structs.replace(rig, **changes),
            settings=Settings(),
            title="small",
            mode=mode,
            started_wall_ns=1_700_000_000_000_000_000,
            started_monotonic_ns=0,
        ) as writer:
            for role, frame in frames:
                writer.write_frame(role, frame)
        return folder

    return make


@pytest.fixture
def spoil() -> Callable[[Path, Role, int], None]:
    """Change a byte in the middle of a recorded frame."""

    def flip(case: Path, role: Role, index: int) -> None:
        with CaseReader(case) as reader:
            part, begin, end = reader_place(reader, role, index)
        data = bytearray(part.read_bytes())
        data[(begin + end) // 2] ^= 0x55
        part.write_bytes(data)

    return flip


def reader_place(reader: CaseReader, role: Role, index: int) -> tuple[Path, int, int]:
    problem = reader._contents.problem(role.value, index, "")
    assert problem.byte_range is not None
    return reader.folder / problem.file, *problem.byte_range
