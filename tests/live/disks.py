"""Writers on disks that keep one waiting."""

from __future__ import annotations

import threading
from pathlib import Path

from hardware.frame import Frame
from hardware.rig import Rig
from sln_guide.guidance import Role, Settings
from sln_guide.recording.description import CaseDescription
from sln_guide.recording.writer import CaseWriter


def opener(folder: Path, rig: Rig) -> CaseWriter:
    return CaseWriter(folder, CaseDescription(rig=rig, settings=Settings(), title="t"))


class SlowDisk:
    """A writer whose disk stops until it is let go."""

    def __init__(self, folder: Path, rig: Rig) -> None:
        self.go = threading.Event()
        self.folder, self.rig = folder, rig

    def __call__(self) -> CaseWriter:
        writer = opener(self.folder, self.rig)
        write = writer.write_frame

        def held(role: Role, frame: Frame) -> None:
            assert self.go.wait(20.0)
            write(role, frame)

        writer.write_frame = held
        return writer
