"""A state is found by the time of the frame it is of, however long it waited for the disk."""

from __future__ import annotations

from pathlib import Path

from sln_guide.guidance import Settings
from sln_guide.recording import CaseDescription, CaseReader, CaseWriter
from tests.recording.making import frame, rig


def test_a_state_that_waited_for_the_disk_is_found_at_its_moment(tmp_path: Path) -> None:
    times_ns = [frame(sequence).mid_exposure_ns for sequence in (0, 10, 20)]
    with CaseWriter(tmp_path / "a.case", CaseDescription(rig=rig(), settings=Settings())) as case:
        for number, time_ns in enumerate(times_ns):
            case.write_snapshot(b"%d" % number, time_ns)
    with CaseReader(tmp_path / "a.case") as read:
        assert read.state_before(times_ns[0] - 1) == b"0", "the first there is"
        assert read.state_before(times_ns[1] - 1) == b"0"
        assert read.state_before(times_ns[1]) == b"1"
        assert read.state_before(times_ns[2] + 1) == b"2"
