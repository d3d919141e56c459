"""Cases made of what other programs recorded, saying all that was not told but assumed."""

from sln_guide.recording.importing.case import ImportSummary, import_case
from sln_guide.recording.importing.picture import ImportProblem
from sln_guide.recording.importing.registration import load_registration
from sln_guide.recording.importing.request import ImportRequest

__all__ = ["ImportProblem", "ImportRequest", "ImportSummary", "import_case", "load_registration"]
