"""Every test fails on threads it leaves behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import settings

import sln_guide.core  # noqa: F401 - before the phantom: numba takes the processor's features once
from hardware.realtime import goes_first

if TYPE_CHECKING:
    from hardware.frame import Frame
    from hardware.rig import Rig

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

# A machine with other work to do makes no example wrong.
settings.register_profile("patient", parent=settings(), deadline=None)
settings.load_profile("patient")

PROCEDURE_FRAMES = range(1500, 1620, 4)
"""Frames of the phantom's procedure in which nodes light up."""

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(autouse=True)
def _no_leaked_threads(request: pytest.FixtureRequest) -> Iterator[None]:
    """Name the threads a test began and did not end (libraries' own daemon pools aside)."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 2.0
    while True:
        leaked = [
            t
            for t in threading.enumerate()
            if t not in before and t.is_alive() and not isinstance(t, threading._DummyThread)
        ]
        if not leaked or time.monotonic() > deadline:
            break
        leaked[0].join(0.05)
    assert not leaked, f"{request.node.nodeid} left threads running: {[t.name for t in leaked]}"
    assert not goes_first(0), f"{request.node.nodeid} left its own thread before all others"


@pytest.fixture
def _hangup_is_heard() -> Iterator[None]:
    """A run that was begun with nohup ignores SIGHUP: a test that sends it would wait for ever."""
    given = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, given)


@pytest.fixture
def shared_data() -> Path:
    """Folder of real recordings; the test is skipped, visibly, where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("real recordings are absent: no ../shared/data beside the project")
    return SHARED_DATA


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return the mount point of a disk of 4 MiB."""
    point = tmp_path / "disk"
    point.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(point)]
    if shutil.which("mount") is None or subprocess.call(command, stderr=subprocess.DEVNULL):
        pytest.skip("a small disk needs the right to mount a tmpfs")
    yield point
    subprocess.run(["umount", str(point)], check=True)


@pytest.fixture(scope="session")
def small_rig() -> Rig:
    """The demo's rig, with small frames."""
    from hardware.rig import PhantomSpec
    from hardware.rig_files import load_rig

    demo = load_rig("demo")
    return msgspec.structs.replace(
        demo,
        phantom=PhantomSpec(scene="procedure", seed=3, width=320, height=256),
        optics=msgspec.structs.replace(demo.optics, mm_per_px=0.4),
    )


@pytest.fixture(scope="session")
def pairs(small_rig: Rig) -> list[tuple[Frame, Frame]]:
    """NIR and white frames of the phantom on `small_rig`, while nodes light up."""
    from hardware.phantom import Phantom

    assert small_rig.phantom is not None
    phantom = Phantom(small_rig.phantom, small_rig)
    return [(phantom.frame("nir", i), phantom.frame("white", i)) for i in PROCEDURE_FRAMES]
