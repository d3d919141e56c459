"""The seconds before Record was pressed: saved, in order, in bounded memory."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from hardware.frame import Frame
from sln_guide.guidance import Role, Settings
from sln_guide.recording import CaseDescription, CaseReader, CaseWriter
from sln_guide.recording import preroll as preroll_module
from sln_guide.recording.packed import PackedFrame
from sln_guide.recording.preroll import PreRoll
from sln_guide.recording.verify import verify
from tests.recording.making import assert_same_frame, fill, frame, rig, white


def put_pairs(roll: PreRoll, count: int) -> None:
    for sequence in range(count):
        roll.put_frame(Role.NIR, frame(sequence))
        roll.put_frame(Role.WHITE, white(sequence))


def test_the_last_seconds_before_record_are_saved(tmp_path: Path) -> None:
    with PreRoll(seconds=0.5, max_bytes=10 << 20) as roll:
        put_pairs(roll, 100)
        kept = roll.hand_over()
        assert (len(kept), roll.size, roll.hand_over()) == (60, 0, [])
        with CaseWriter(
            tmp_path / "p.case", CaseDescription(rig=rig(), settings=Settings())
        ) as case:
            for each in kept:
                each.write_into(case)
            fill(case, 2, first=100)
    with CaseReader(tmp_path / "p.case") as read:
        assert [f.sequence for f in read.frames(Role.NIR)] == list(range(70, 102))
        assert_same_frame(read.frame(Role.WHITE, 0), white(70))
        assert read.pairs() == [(i, i) for i in range(32)], "those before the log come first"
        assert read.partners() == list(range(32))
    assert verify(tmp_path / "p.case").complete


def test_memory_is_bounded_and_compressed(monkeypatch: pytest.MonkeyPatch) -> None:
    packed, go = threading.Event(), threading.Event()
    pack = preroll_module.pack_frame

    def packing(*arguments: object) -> PackedFrame:
        assert go.wait(20.0)
        packed.set()
        return pack(*arguments)

    monkeypatch.setattr(preroll_module, "pack_frame", packing)
    with PreRoll(seconds=1e6, max_bytes=20_000) as roll:
        for sequence in range(200):
            roll.put_frame(Role.NIR, frame(sequence, size=(48, 64)))
            assert roll.size <= 20_000
        assert roll.size > 12_000
        raw = roll.size
        go.set()
        assert packed.wait(20.0)
        while roll.size == raw:
            threading.Event().wait(0.005)
        assert roll.size < raw
    assert roll.size == 0
    roll.put_frame(Role.NIR, frame(1))
    assert roll.size == 0, "closed: nothing is kept any more"


def test_a_frame_that_cannot_be_packed_stays_as_it_is_and_ends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else the thread were gone, and what it should pack would fill the memory."""
    pack = preroll_module.pack_frame

    def packing(role: Role, content: Frame, *arguments: object) -> PackedFrame:
        if content.sequence == 1:
            raise MemoryError("no room at this moment")
        return pack(role, content, *arguments)

    monkeypatch.setattr(preroll_module, "pack_frame", packing)
    with PreRoll(seconds=1e6, max_bytes=10 << 20) as roll:
        for sequence in range(3):
            roll.put_frame(Role.NIR, frame(sequence))
        deadline = time.monotonic() + 10.0
        while isinstance(roll._kept[2].content, Frame) and time.monotonic() < deadline:
            threading.Event().wait(0.005)
        kept = [each.content for each in roll.hand_over()]
    assert [type(each) is PackedFrame for each in kept] == [True, False, True]
    assert [each.sequence for each in kept] == [0, 1, 2]
