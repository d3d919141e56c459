"""`CaseDescription`: what a case says of itself before anything is recorded."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from hardware.rig import Rig
from sln_guide.guidance import Mode, Settings
from sln_guide.recording import records
from sln_guide.recording.codec import Codec
from sln_guide.recording.holder import boot_id
from sln_guide.recording.records import CaseHeader
from sln_guide.recording.software import software_versions


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseDescription:
    """What a case says of itself at the head of every part, so that even an unfinished one can.

    Attributes
    ----------
    rig, settings, title, mode
        What is recorded.
    software
        Versions; of what runs here, where not told.
    codec
        Of the pixels to begin with, a lossless one; `CaseWriter.use_codec` changes it under way.
        White light is kept as JPEG where the rig's ``[recording]`` says so.
    started_wall_ns, started_monotonic_ns
        The anchor between wall clock and frame times; now, where not told (imports tell).
    continues
        The `case_id` of a case cut short whose procedure goes on here.
    """

    rig: Rig
    settings: Settings
    title: str = ""
    mode: Mode = Mode.LIVE
    software: Mapping[str, str] | None = None
    codec: Codec = Codec.LZ4
    started_wall_ns: int | None = None
    started_monotonic_ns: int | None = None
    continues: str | None = None

    def header(self) -> CaseHeader:
        """Return the header of the first part of a new case that begins now."""
        wall_ns, monotonic_ns = time.time_ns(), time.monotonic_ns()
        told_wall_ns, told_ns = self.started_wall_ns, self.started_monotonic_ns
        return CaseHeader(
            format=records.FORMAT_VERSION,
            case_id=str(uuid.uuid4()),
            part=0,
            title=self.title,
            mode=self.mode,
            rig=self.rig,
            settings=self.settings,
            codec=self.codec,
            started_wall_ns=wall_ns if told_wall_ns is None else told_wall_ns,
            started_monotonic_ns=monotonic_ns if told_ns is None else told_ns,
            software=dict(software_versions() if self.software is None else self.software),
            previous_link="",
            boot_id=boot_id(),
            continues=self.continues,
        )
