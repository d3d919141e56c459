"""Dark and flat maps travel with the case: replay computes with what live computed with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sln_guide import pipeline
from sln_guide.recording.arrays import pack_array, unpack_array
from sln_guide.recording.reader import DARK, CaseReader

if TYPE_CHECKING:
    from sln_guide.recording.writer import CaseWriter

FLAT = "flat.npy"
"""Attachment: relative sensitivity, NaN where a pixel is bad."""
_MEDIA_TYPE = "application/x-npy"


def setup_of(case: CaseReader) -> pipeline.Setup:
    """Return what a recorded case was, and is again, computed with.

    Raises
    ------
    RecordingError
        A map is there and cannot be read.
    """
    flat = None
    if FLAT in case.attachment_names():
        flat = unpack_array(case.attachment(FLAT), what=f"case {case.folder}: {FLAT}")
    return pipeline.Setup.from_rig(case.rig, dark=case.dark(), flat=flat)


def attach_corrections(
    case: CaseWriter, dark: NDArray[np.float32] | None, flat: NDArray[np.float32] | None
) -> None:
    """Put the maps in use into ``case``; nothing where there are none.

    Raises
    ------
    RecordingError
        The case cannot be written.
    """
    for name, array in ((DARK, dark), (FLAT, flat)):
        if array is not None:
            case.attach(name, pack_array(array), _MEDIA_TYPE)
