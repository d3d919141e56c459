"""Sessions for tests, made in the engine's process: must be found there by name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from hardware.camera import CameraNotFoundError
from hardware.mock import MockCamera
from hardware.phantom import Phantom
from hardware.rig import PhantomSpec, Rig
from hardware.rig_files import load_rig
from sln_guide.guidance import Role
from sln_guide.live import recordings
from sln_guide.live.session import LiveSession
from sln_guide.recording.errors import RecordingError
from sln_guide.recording.writer import CaseWriter

FPS = 30.0
SIZE = (320, 256)


@cache
def small_rig() -> Rig:
    demo = load_rig("demo")
    return msgspec.structs.replace(
        demo,
        phantom=PhantomSpec(scene="procedure", seed=3, width=SIZE[0], height=SIZE[1]),
        optics=msgspec.structs.replace(demo.optics, mm_per_px=0.4),
    )


def frames(role: Role) -> list[Any]:
    rig = small_rig()
    assert rig.phantom is not None
    phantom = Phantom(rig.phantom, rig)
    return [phantom.frame(role, 900 + index) for index in range(20)]


def session(cases: Path) -> LiveSession:
    cameras = {
        role: MockCamera(frames(role), camera_id=str(role), pace=FPS, loop=True) for role in Role
    }
    return LiveSession(small_rig(), cameras, cases=cases)


class _Unplugged(MockCamera):
    def open(self) -> None:
        raise CameraNotFoundError("camera 0815 not found: check its cable")


def session_without_camera(cases: Path) -> LiveSession:
    cameras = {role: _Unplugged(frames(role), camera_id=str(role)) for role in Role}
    return LiveSession(small_rig(), cameras, cases=cases)


def session_if_plugged(cases: Path) -> LiveSession:
    plugged = (cases / "plugged").exists()
    return session(cases) if plugged else session_without_camera(cases)


def session_whose_drive_hangs(cases: Path) -> LiveSession:
    """Until there is a file "answers", the folder of cases cannot be looked into."""
    look = recordings.find_interrupted

    def held(*arguments: Any) -> Any:
        while not (cases / "answers").exists():
            threading.Event().wait(0.01)
        return look(*arguments)

    recordings.find_interrupted = held
    return session(cases)


def session_that_cannot_record(cases: Path) -> LiveSession:
    """Refuse to record, once."""
    made = session(cases)
    begin = made.start_recording
    refusals = ["there is no room for the recorder's threads"]

    def refused_once() -> Path:
        if refusals:
            raise RecordingError(refusals.pop())
        return begin()

    made.start_recording = refused_once  # type: ignore[method-assign]
    return made


def session_that_cannot_close_its_case(cases: Path) -> LiveSession:
    def refused(*arguments: Any) -> None:
        raise RecordingError("the case cannot be closed: Input/output error")

    CaseWriter.close = refused
    return session(cases)


def looks_for_cameras_for_long(cases: Path) -> LiveSession:
    (cases / "engine").write_text(str(os.getpid()))
    threading.Event().wait(120.0)
    raise AssertionError


def dies_while_made(cases: Path) -> LiveSession:
    del cases
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def record_until_killed(cases: Path, *words: str) -> subprocess.Popen[str]:
    """Start this module as a program: a window that records, prints its engine, and waits.

    With the word "looking" its cameras are still being looked for.
    """
    return subprocess.Popen(
        [sys.executable, "-m", "tests.engine.making", str(cases), *words],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
        start_new_session=True,
    )


def _main() -> None:
    from functools import partial

    from sln_guide.engine.remote import RemoteSession

    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # tests begun with nohup hand on that it is not
    make = looks_for_cameras_for_long if "looking" in sys.argv else session
    remote = RemoteSession(small_rig(), partial(make, Path(sys.argv[1])))
    if make is looks_for_cameras_for_long:
        signal.pause()
    remote.start()
    remote.start_recording()
    sys.stdout.write(f"{remote.pid}\n")
    sys.stdout.flush()
    signal.pause()


if __name__ == "__main__":
    _main()
