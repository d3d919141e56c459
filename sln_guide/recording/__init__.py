"""Case files: write, read, verify, recover, import. The format: ``docs/case-format.md``."""

from sln_guide.recording.chain import digest
from sln_guide.recording.codec import Codec, prepare
from sln_guide.recording.description import CaseDescription
from sln_guide.recording.errors import DamagedError, NewerFormatError, Problem, RecordingError
from sln_guide.recording.gaps import Gap
from sln_guide.recording.reader import CaseReader
from sln_guide.recording.records import (
    CaseHeader,
    DetectionRecord,
    EventRecord,
    FrameRef,
    GuidanceRecord,
    Manifest,
    ShownRecord,
)
from sln_guide.recording.writer import CaseSummary, CaseWriter

__all__ = [
    "CaseDescription",
    "CaseHeader",
    "CaseReader",
    "CaseSummary",
    "CaseWriter",
    "Codec",
    "DamagedError",
    "DetectionRecord",
    "EventRecord",
    "FrameRef",
    "Gap",
    "GuidanceRecord",
    "Manifest",
    "NewerFormatError",
    "Problem",
    "RecordingError",
    "ShownRecord",
    "digest",
    "prepare",
]
