from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from hardware.bench import Bench
from hardware.rig import Rig, load_rig

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
