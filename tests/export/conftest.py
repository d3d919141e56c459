"""Small cases of made-up frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from hardware.frame import Frame
from hardware.rig import Registration, Rig
from hardware.rig_files import load_rig
from sln_guide.guidance import Mode, Role, Settings
from sln_guide.recording import CaseDescription, CaseWriter


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
            CaseDescription(
                rig=msgspec.structs.replace(rig, **changes),
                settings=Settings(),
                title="small",
                mode=mode,
                started_wall_ns=1_700_000_000_000_000_000,
                started_monotonic_ns=0,
            ),
        ) as writer:
            for role, frame in frames:
                writer.write_frame(role, frame)
        return folder

    return make
