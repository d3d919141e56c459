from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from hardware.bench import Bench
from hardware.rig import Rig
from hardware.rig_files import load_rig
from sln_guide import cli, terminal
from tests.calibration.small_bench import small_bench

NOW = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)


def small_rig(width: int = 160, height: int = 128) -> Rig:
    rig = load_rig("bench")
    assert rig.phantom is not None
    assert rig.white is not None
    white = msgspec.structs.replace(rig.white, roi=(0, 0, width, height))
    phantom = msgspec.structs.replace(rig.phantom, width=width, height=height)
    return msgspec.structs.replace(rig, phantom=phantom, white=white)


@pytest.fixture
def bench() -> Bench:
    return Bench(small_rig())


@pytest.fixture(scope="session")
def sitting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rig file that has been through `calibrate all`."""
    folder = tmp_path_factory.mktemp("sitting")
    rig_file = small_bench(folder)
    assert cli.main(["calibrate", "all", "--rig", str(rig_file), "--yes"]) == terminal.OK
    return rig_file


@pytest.fixture
def own(sitting: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    shutil.copytree(sitting.parent, tmp_path, dirs_exist_ok=True)
    return tmp_path / "rig.toml"
