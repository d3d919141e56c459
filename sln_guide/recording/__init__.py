"""Case files: write, read, verify, recover, import. The format: ``docs/case-format.md``.

- Writing, from above: `writer`, `tape`, `part`; before it `preroll`, `effort`; beside it
  `description`, `software`, `heads`.
- The bytes: `records`, `packed`, `codec`, `mosaic_jpeg`, `mcap_format`, `chain`, `index`, `arrays`.
- Reading, from above: `reader`, `contents`, `scan`; and what is asked of a case: `excerpts`,
  `pairs`, `gaps`, `asked`, `analysed`, `corrections`.
- The folder: `folder`, `identity`, `holder`, `naming`; after a crash `interrupted`, `resuming`,
  `recovering`.
- Checking: `verify`, `examination`, `surroundings`, `errors`.
- Other people's recordings: `importing`.
"""

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
