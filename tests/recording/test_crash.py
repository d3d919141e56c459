"""A recorder that dies: every frame whose write returned is there, and the case goes on."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from sln_guide.guidance import Role, Settings
from sln_guide.recording import CaseDescription, CaseReader, CaseWriter, RecordingError
from sln_guide.recording.folder import MANIFEST, RECOVERY, part_paths
from sln_guide.recording.index import index_path
from sln_guide.recording.mcap_format import DATA_END
from sln_guide.recording.recovering import recover
from sln_guide.recording.scan import Found, PartFileReader
from sln_guide.recording.verify import verify
from tests.recording.making import assert_same_frame, fill, frame, record, rig

PROJECT = Path(__file__).resolve().parents[2]


def killed_after(folder: Path, frames: int, *arguments: str) -> int:
    """Record in another process, kill -9 it after so many frames; return how many were taken."""
    command = [sys.executable, "-m", "tests.recording.dying_writer", str(folder), *arguments]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = next(line for line in process.stdout if int(line) >= frames)
        process.kill()
        return int([told, *process.stdout][-1])


@pytest.mark.parametrize("seed", range(int(os.environ.get("SLN_KILLS", "3"))))
def test_kill_9_loses_nothing_that_was_written(tmp_path: Path, seed: int) -> None:
    folder = tmp_path / "killed.case"
    told = killed_after(folder, random.Random(seed).randrange(20, 120))
    with CaseReader(folder) as case:
        assert not case.complete
        assert case.count(Role.NIR) >= told + 1
        for index, each in enumerate(case.frames(Role.NIR)):
            assert_same_frame(each, frame(index, size=(96, 128)))
        assert len(case.pairs()) >= told + 1
    result = verify(folder)
    assert result.ok, result.text()
    assert not result.complete
    assert any("not closed" in reason for reason in result.incomplete)
    recovered = recover(folder).verification
    assert recovered.ok, recovered.text()
    assert recovered.frames == result.frames
    assert not recovered.complete


def test_killed_while_a_full_part_was_being_finished(tmp_path: Path) -> None:
    """The sync thread finishes a full part while records already go into the next."""
    folder = tmp_path / "rolled.case"
    case = CaseWriter(folder, CaseDescription(rig=rig(), settings=Settings()), roll_bytes=14_000)
    fill(case, 6)
    case.sync()  # finishes all parts but the last
    case._tape._part.release()
    case._lock.release()
    manifest = msgspec.json.decode((folder / MANIFEST).read_bytes())
    del manifest["crc32"]
    torn = part_paths(folder)[1]
    manifest["parts"] = [part for part in manifest["parts"] if part["name"] != torn.name]
    (folder / MANIFEST).write_bytes(msgspec.json.encode(manifest))
    index_path(torn).unlink()
    reader = PartFileReader(torn)
    end = next(i for i in reader.walk() if isinstance(i, Found) and i.opcode == DATA_END).offset
    reader.close()
    whole = torn.read_bytes()
    for cut in (len(whole) - 3, end + 40, end + 13, end):
        torn.write_bytes(whole[:cut])
        result = verify(folder)
        assert result.ok, result.text()
        assert result.frames == {Role.NIR: 6, Role.WHITE: 6}
        assert not result.complete
    torn.write_bytes(whole[: end - 200])  # but a record that was there and is not any more shows
    assert not verify(folder).ok


def test_killed_then_resumed_then_killed_then_recovered(tmp_path: Path) -> None:
    folder = tmp_path / "twice.case"
    killed_after(folder, 30)
    torn = part_paths(folder)[-1]
    before = torn.read_bytes()
    with CaseReader(folder) as case:
        frames = case.count(Role.NIR)
    killed_after(folder, 530, "resume", "500")
    assert torn.read_bytes() == before
    recovery = recover(folder)
    assert recovery.verification.ok, recovery.text()
    assert not recovery.verification.complete
    assert torn.read_bytes() == before
    assert all(index_path(part).exists() for part in part_paths(folder))
    with CaseReader(folder) as case:
        assert case.count(Role.NIR) > frames + 30
        assert [e.name for e in case.events()] == ["resumed"]
        assert case.sequences(Role.NIR)[frames, 1] == 500
        gap = case.gaps(Role.NIR)[0]
        assert gap.first_sequence + gap.count == 500


def test_resumed_and_closed_is_sound_but_never_complete(tmp_path: Path) -> None:
    folder = tmp_path / "r.case"
    abandon(folder)
    with CaseWriter.resume(folder) as case:
        fill(case, 3, first=6)
    summary = case.close()
    assert not summary.complete
    result = verify(folder)
    assert result.ok, result.text()
    assert not result.complete
    assert "interrupted" in result.incomplete[0]
    assert result.frames == {Role.NIR: 9, Role.WHITE: 9}
    with CaseReader(folder) as read:
        assert not read.complete
        assert read.pairs() == [(i, i) for i in range(9)]


def abandon(
    folder: Path, count: int = 6, cut: int = 0, software: dict[str, str] | None = None
) -> None:
    """Leave a case as a dead recorder would, ``cut`` bytes short of its last record's end."""
    case = CaseWriter(folder, CaseDescription(rig=rig(), settings=Settings(), software=software))
    fill(case, count)
    case._tape._part.release()
    case._lock.release()
    if cut:
        path = part_paths(folder)[-1]
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size - cut)


def test_resume_refuses_what_is_closed_or_at_work(tmp_path: Path) -> None:
    record(tmp_path / "closed.case", 2)
    with pytest.raises(RecordingError, match="is closed"):
        CaseWriter.resume(tmp_path / "closed.case")
    with CaseWriter(tmp_path / "busy.case", CaseDescription(rig=rig(), settings=Settings())):
        with pytest.raises(RecordingError, match="still being recorded"):
            CaseWriter.resume(tmp_path / "busy.case")
        with pytest.raises(RecordingError, match="still being recorded"):
            recover(tmp_path / "busy.case")
        assert "still being recorded" in verify(tmp_path / "busy.case").text()
    with pytest.raises(RecordingError, match="does not exist"):
        recover(tmp_path / "none.case")


def test_resume_after_a_restart_asks_for_a_new_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "r.case"
    abandon(folder)
    monkeypatch.setattr("sln_guide.recording.resuming.boot_id", lambda: "another")
    with pytest.raises(RecordingError, match="restarted"):
        CaseWriter.resume(folder)
    before = CaseReader(folder).header.case_id
    with CaseWriter(
        tmp_path / "2.case", CaseDescription(rig=rig(), settings=Settings(), continues=before)
    ):
        pass
    with CaseReader(tmp_path / "2.case") as case:
        assert case.header.continues == before


def test_recover_notes_what_is_there_and_later_damage_shows(tmp_path: Path) -> None:
    folder = tmp_path / "cut.case"
    abandon(folder, cut=100)
    part = part_paths(folder)[0]
    first = recover(folder)
    assert first.indexes == (index_path(part).name,)
    assert first.verification.ok
    assert (folder / RECOVERY).exists()
    assert recover(folder).indexes == ()
    data = bytearray(part.read_bytes())
    data[25] ^= 1  # in the file's header record, which has no checksum of its own
    part.write_bytes(data)
    result = verify(folder)
    assert not result.ok
    assert "first bytes were changed" in result.text()
    (folder / RECOVERY).write_bytes((folder / RECOVERY).read_bytes().replace(b'"sha', b'"aha'))
    assert f"{RECOVERY}: " in verify(folder).text()


def test_recover_remakes_an_index_of_a_closed_case(tmp_path: Path) -> None:
    folder = tmp_path / "c.case"
    record(folder, 4)
    index = index_path(part_paths(folder)[0])
    whole = index.read_bytes()
    index.write_bytes(whole[:-3])
    assert "remade" in verify(folder).text()
    with CaseReader(folder) as case:
        assert case.count(Role.NIR) == 4
    recover(folder)
    assert index.read_bytes() == whole
    assert verify(folder).complete


def test_cut_anywhere_the_rest_is_readable(tmp_path: Path) -> None:
    """Truncate at every kind of record: inside each, and at each boundary."""
    folder = tmp_path / "whole.case"
    record(folder, 3)
    part = part_paths(folder)[0]
    reader = PartFileReader(part)
    places = [item for item in reader.walk() if hasattr(item, "opcode")]
    reader.close()
    cuts = {cut for item in places for cut in (item.offset, item.offset + 5, item.offset + 60)}
    cuts |= {places[-1].offset + places[-1].length - 1, 1, 8, 9, 20}
    whole = part.read_bytes()
    for cut in sorted(c for c in cuts if c < len(whole)):
        damaged = tmp_path / "cut.case"
        shutil.rmtree(damaged, ignore_errors=True)
        shutil.copytree(folder, damaged)
        index_path(damaged / part.name).unlink()
        (damaged / part.name).write_bytes(whole[:cut])
        result = verify(damaged)
        assert not result.ok, cut
        readable = sum(item.opcode == 6 and item.offset + item.length <= cut for item in places)
        assert result.records == readable, cut
        with CaseReader(damaged) as case:
            assert case.rig == rig()
            assert case.record_count == readable
            for role in Role:
                for index, each in enumerate(case.frames(role)):
                    assert each.sequence == index


def test_a_cut_case_without_manifest_still_reads(tmp_path: Path) -> None:
    folder = tmp_path / "m.case"
    record(folder, 3)
    (folder / MANIFEST).unlink()
    with CaseReader(folder) as case:
        assert case.count(Role.NIR) == 3
        assert not case.complete
    result = verify(folder)
    assert not result.ok
    assert "is missing" in result.text()
