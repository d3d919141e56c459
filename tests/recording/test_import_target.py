"""An imported case stands under its name when it is whole, not before, whatever ends the import."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sln_guide.guidance import Role
from sln_guide.recording import CaseReader, RecordingError
from sln_guide.recording.folder import FolderLock
from sln_guide.recording.importing import ImportRequest, import_case
from sln_guide.recording.verify import verify
from sln_guide.recording.writer import CaseWriter
from tests.recording.importing import pictures, write_folder

PROJECT = Path(__file__).resolve().parents[2]

KILLED = """
import os, signal, sys
from sln_guide.cli import main
from sln_guide.recording.writer import CaseWriter
write, written = CaseWriter.write_frame, []

def write_two(case, *words):
    if len(written) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    written.append(words)
    write(case, *words)

CaseWriter.write_frame = write_two
main(["import", "--nir", sys.argv[1], "--out", sys.argv[2]])
"""


def killed(nir: Path, out: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", KILLED, str(nir), str(out)], cwd=PROJECT, check=False
    )
    assert run.returncode == -signal.SIGKILL


def test_an_import_that_was_killed_is_no_case_and_can_be_done_again(tmp_path: Path) -> None:
    nir, out = write_folder(tmp_path / "n", pictures(4)), tmp_path / "x.case"
    killed(nir, out)
    assert not out.exists()
    assert (tmp_path / "x.case.partial" / "part-000.mcap").exists()
    import_case(ImportRequest(nir, None, out))
    assert verify(out).complete
    with CaseReader(out) as case:
        assert case.count(Role.NIR) == 4
    assert sorted(p.name for p in tmp_path.iterdir()) == ["n", "x.case"]


def test_nobody_elses_files_are_taken_away(tmp_path: Path) -> None:
    nir, out = write_folder(tmp_path / "n", pictures(4)), tmp_path / "x.case"
    killed(nir, out)
    (tmp_path / "x.case.partial" / "thesis.odt").write_text("years")
    with pytest.raises(RecordingError, match="already holds"):
        import_case(ImportRequest(nir, None, out))
    assert (tmp_path / "x.case.partial" / "thesis.odt").read_text() == "years"


def test_two_imports_of_one_case_at_once(tmp_path: Path) -> None:
    nir, out = write_folder(tmp_path / "n", pictures(4)), tmp_path / "x.case"
    other = FolderLock.take_new(tmp_path / "x.case.partial")
    with pytest.raises(RecordingError, match=r"x\.case: being imported by another command: wait"):
        import_case(ImportRequest(nir, None, out))
    assert (tmp_path / "x.case.partial").is_dir()
    other.release()
    import_case(ImportRequest(nir, None, out))
    assert verify(out).complete


def test_what_comes_to_stand_under_its_name_meanwhile_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nir, out = write_folder(tmp_path / "n", pictures(4)), tmp_path / "x.case"
    close = CaseWriter.close

    def closing(case: CaseWriter) -> object:
        out.mkdir(exist_ok=True)
        (out / "note.txt").write_text("here first")
        return close(case)

    monkeypatch.setattr(CaseWriter, "close", closing)
    with pytest.raises(RecordingError, match="in the way: choose another name"):
        import_case(ImportRequest(nir, None, out))
    assert (out / "note.txt").read_text() == "here first"
    assert not (tmp_path / "x.case.partial").exists()


def test_an_empty_folder_may_stand_there(tmp_path: Path) -> None:
    nir, out = write_folder(tmp_path / "n", pictures(4)), tmp_path / "x.case"
    out.mkdir()
    import_case(ImportRequest(nir, None, out))
    assert verify(out).complete
