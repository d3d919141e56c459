"""Edits, cuts and swaps that leave every checksum right are still found and named."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from sln_guide.guidance import Interval, Kind, Role, Settings
from sln_guide.recording import (
    CaseDescription,
    CaseReader,
    CaseWriter,
    DetectionRecord,
    EventRecord,
    digest,
    mcap_format,
    records,
)
from sln_guide.recording.folder import MANIFEST, part_paths, write_manifest
from sln_guide.recording.gaps import BEFORE_RECORDER, find_pauses
from sln_guide.recording.index import index_path
from sln_guide.recording.part import closing
from sln_guide.recording.scan import LINK_RECORD_BYTES, Found, PartFileReader
from sln_guide.recording.verify import verify
from tests.recording.making import (
    detection,
    fill,
    frame,
    guidance,
    record,
    rig,
    white,
)


@pytest.fixture
def case(tmp_path: Path) -> Path:
    folder = tmp_path / "a.case"
    record(folder, 6, roll_bytes=14_000)
    assert len(part_paths(folder)) >= 3
    return folder


def chunks(part: Path) -> list[Found]:
    reader = PartFileReader(part)
    try:
        return [
            item
            for item in reader.walk()
            if isinstance(item, Found) and item.opcode == mcap_format.CHUNK
        ]
    finally:
        reader.close()


def replace_record(part: Path, place: Found, data: bytes) -> None:
    """Put other data into a record, with lengths and checksum made right."""
    reader = PartFileReader(part)
    found = reader.record(place)
    reader.close()
    assert not isinstance(found, str)
    link = found.link
    chunk = mcap_format.frame_chunk(found.body_lead, (data,), link, records.CHANNELS["chain"])
    raw = part.read_bytes()
    end = place.offset + place.length + mcap_format.MESSAGE_INDEXES_BYTES
    part.write_bytes(raw[: place.offset] + chunk.lead + data + chunk.tail + raw[end:])


def topic_of(part: Path, place: Found) -> tuple[str, bytes]:
    reader = PartFileReader(part)
    found = reader.record(place)
    reader.close()
    assert not isinstance(found, str)
    return records.TOPICS[found.channel], bytes(found.data)


def test_a_rewritten_event_is_named(case: Path) -> None:
    part = part_paths(case)[0]
    place, data = next(
        (place, data)
        for place in chunks(part)
        for topic, data in [topic_of(part, place)]
        if topic == "events"
    )
    event = msgspec.json.decode(data, type=EventRecord)
    forged = msgspec.json.encode(msgspec.structs.replace(event, detail="at 7"))
    assert len(forged) == len(data)
    replace_record(part, place, forged)
    problem = verify(case).problems[0]
    assert (problem.topic, problem.index) == ("events", 0)
    assert "hash chain" in problem.what
    assert problem.byte_range == (place.offset, place.offset + place.length)


def test_a_frame_taken_out_is_noticed(case: Path) -> None:
    part = part_paths(case)[1]
    place = chunks(part)[3]
    raw = part.read_bytes()
    end = place.offset + place.length + mcap_format.MESSAGE_INDEXES_BYTES
    part.write_bytes(raw[: place.offset] + raw[end:])
    result = verify(case)
    assert any("1 records are missing before" in p.what for p in result.problems)


def test_two_records_swapped_are_noticed(case: Path) -> None:
    part = part_paths(case)[1]
    first, second = chunks(part)[2:4]
    raw = part.read_bytes()
    middle = second.offset
    end = second.offset + second.length + mcap_format.MESSAGE_INDEXES_BYTES
    part.write_bytes(raw[: first.offset] + raw[middle:end] + raw[first.offset : middle] + raw[end:])
    assert any("out of order" in p.what for p in verify(case).problems)


def test_a_part_taken_out_is_noticed(case: Path) -> None:
    middle = part_paths(case)[1]
    middle.unlink()
    text = verify(case).text()
    assert f"{middle.name}: is missing" in text
    with CaseReader(case) as read:
        for index in range(read.count(Role.NIR)):
            read.frame(Role.NIR, index)


@pytest.mark.parametrize("name", [b'"incomplete"', b'"opacity"', b'"records"'])
def test_a_flipped_bit_in_the_manifest_is_found(case: Path, name: bytes) -> None:
    manifest = case / MANIFEST
    text = manifest.read_bytes()
    at = text.index(name) + len(name) - 2
    manifest.write_bytes(text[:at] + bytes([text[at] ^ 1]) + text[at + 1 :])
    assert not verify(case).ok
    assert "manifest.json: is damaged or changed" in verify(case).text()
    with CaseReader(case) as read:
        assert not read.complete
        assert read.count(Role.NIR)


def test_a_manifest_that_states_another_header_is_named(case: Path) -> None:
    with CaseReader(case) as read:
        assert read.manifest is not None
        header = msgspec.structs.replace(read.manifest.header, started_wall_ns=1)
        write_manifest(case, msgspec.structs.replace(read.manifest, header=header))
    assert "its header is not the first part's" in verify(case).text()


def test_a_tail_cut_off_shows(case: Path) -> None:
    last = part_paths(case)[-1]
    last.unlink()
    index_path(last).unlink()
    text = verify(case).text()
    assert "cut off: the last" in text


def test_a_tail_cut_off_with_its_manifest_shows_by_the_head_noted_elsewhere(case: Path) -> None:
    with CaseReader(case) as read:
        assert read.manifest is not None
        head, manifest = read.manifest.chain_head, read.manifest
    assert head is not None
    assert verify(case, expected_head=head.upper()).complete
    last = part_paths(case)[-1]
    last.unlink()
    index_path(last).unlink()
    cut = verify(case)
    forged = msgspec.structs.replace(
        manifest, parts=manifest.parts[:-1], records=cut.records, chain_head=cut.head
    )
    (case / MANIFEST).write_bytes(msgspec.json.encode(forged))
    assert verify(case).complete  # an unkeyed chain cannot know: see docs/case-format.md
    result = verify(case, expected_head=head)
    assert not result.ok
    assert "noted elsewhere" in result.text()


def test_pixels_forged_under_their_own_checksum_are_named(case: Path) -> None:
    """CRC-32 is easily kept; the link stands for every byte."""
    part = part_paths(case)[1]
    place = next(p for p in chunks(part) if topic_of(part, p)[0] == "nir")
    raw = bytearray(part.read_bytes())
    pixels = place.offset + place.length - LINK_RECORD_BYTES - 200
    # The generator polynomial, 33 bits, added anywhere leaves a CRC-32 as it was.
    polynomial = (0x1_04C1_1DB7).to_bytes(5, "big")
    for offset, byte in enumerate(polynomial):
        raw[pixels + offset] ^= int(f"{byte:08b}"[::-1], 2)
    part.write_bytes(raw)
    (problem,) = verify(case).problems
    assert (problem.file, problem.topic) == (part.name, "nir")
    assert problem.byte_range == (place.offset, place.offset + place.length)
    assert "hash chain" in problem.what


def end_of_records(part: Path) -> int:
    reader = PartFileReader(part)
    try:
        return next(
            item.offset
            for item in reader.walk()
            if isinstance(item, Found) and item.opcode == mcap_format.DATA_END
        )
    finally:
        reader.close()


def test_a_record_slipped_in_between_is_noticed(case: Path) -> None:
    """No CRC speaks against it and no link, but nothing of the kind belongs there."""
    part = part_paths(case)[1]
    raw = part.read_bytes()
    place = chunks(part)[2]
    stray = mcap_format.schema_record(9, "x", "y", b"z")
    part.write_bytes(raw[: place.offset] + stray + raw[place.offset :])
    assert "does not belong here" in verify(case).text()


def test_a_summary_that_says_otherwise_is_noticed(case: Path) -> None:
    """Made right in itself, CRC and all, for a part with one record less."""
    part = part_paths(case)[0]
    raw, begin = part.read_bytes(), end_of_records(part)
    with CaseReader(case) as read:
        header = read.header
    empty = np.zeros(0, mcap_format.INDEX_ROW)
    forged = closing(header, begin, empty, np.zeros(0, np.uint64), ())
    part.write_bytes(raw[:begin] + forged)
    problem = verify(case).problems[0]
    assert (problem.file, problem.what) == (part.name, "its closing records are damaged")


def test_parts_of_another_case_are_noticed(case: Path, tmp_path: Path) -> None:
    other = tmp_path / "b.case"
    record(other, 6, roll_bytes=14_000)
    shutil.copy(part_paths(other)[1], part_paths(case)[1])
    shutil.copy(index_path(part_paths(other)[1]), index_path(part_paths(case)[1]))
    assert "does not continue the part before it" in verify(case).text()
    shutil.copy(other / MANIFEST, case / MANIFEST)
    assert "another case" in verify(case).text()


def test_an_added_part_is_noticed(case: Path) -> None:
    shutil.copy(part_paths(case)[0], case / "part-099.mcap")
    assert "it was added" in verify(case).text()


def test_attachments_are_under_the_chain(tmp_path: Path) -> None:
    folder = tmp_path / "x.case"
    record(folder, 1)
    part = part_paths(folder)[0]
    raw = part.read_bytes()
    old = mcap_format.attachment_record("dark.bin", "application/octet-stream", b"", 0)
    begin = raw.index(b"dark.bin") - 29
    reader = PartFileReader(part)
    place = reader.record_at(begin)
    reader.close()
    assert place is not None
    del old
    forged = mcap_format.attachment_record(
        "dark.bin", "application/octet-stream", b"\x00\x02" * 40, 5
    )
    assert len(forged) == place.length
    part.write_bytes(raw[:begin] + forged + raw[begin + place.length :])
    assert "attachment 'dark.bin' was changed" in verify(folder).text()


def test_gaps_say_where_and_why(tmp_path: Path) -> None:
    with CaseWriter(tmp_path / "g.case", CaseDescription(rig=rig(), settings=Settings())) as case:
        for sequence in (0, 1, 4):
            case.write_frame(Role.NIR, frame(sequence))
        case.write_gap(Role.NIR, 7, 2, 0, "backlog full")
        for sequence in (10, 11):
            case.write_frame(Role.NIR, frame(sequence))
        for sequence in (0, 2):
            case.write_frame(Role.NIR, frame(sequence, epoch=1))
        case.write_frame(Role.NIR, frame(1, epoch=2))
        case.write_frame(Role.NIR, frame(0, epoch=2))  # the counter wrapped: no gap
        case.write_gap(Role.NIR, 2, 5, 2, "stopped")
    with CaseReader(tmp_path / "g.case") as read:
        gaps = read.gaps(Role.NIR)
        assert read.gaps(Role.WHITE) == ()
    expected = [
        (0, 2, 2, BEFORE_RECORDER, 1),
        (0, 5, 2, BEFORE_RECORDER, 2),
        (0, 7, 2, "backlog full", 2),
        (0, 9, 1, BEFORE_RECORDER, 2),
        (1, 1, 1, BEFORE_RECORDER, 5),
        (2, 2, 5, "stopped", 8),
    ]
    assert [(g.epoch, g.first_sequence, g.count, g.reason, g.after_index) for g in gaps] == expected
    result = verify(tmp_path / "g.case")
    assert result.gaps[Role.NIR] == gaps
    assert result.ok
    assert not result.complete
    assert "gap: nir epoch 0: 2 from sequence 7: backlog full" in result.text()


def test_many_gaps_do_not_push_the_verdict_out_of_sight(tmp_path: Path) -> None:
    with CaseWriter(tmp_path / "g.case", CaseDescription(rig=rig(), settings=Settings())) as case:
        for sequence in range(0, 100, 2):
            case.write_frame(Role.NIR, frame(sequence))
    text = verify(tmp_path / "g.case").text()
    assert len(text.splitlines()) < 20
    assert "and 39 more gaps: 49 nir frames are missing in all" in text


def test_progress_of_verify_reaches_its_end(case: Path) -> None:
    told: list[tuple[int, int]] = []
    verify(case, progress=lambda *step: told.append(step))
    assert told
    assert all(done <= total for done, total in told)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1][0] >= 0.9 * told[-1][1]


# -- the digest -----------------------------------------------------------------------------------


def test_the_digest_sees_every_number_and_no_time() -> None:
    nir, other = frame(0), white(0)
    base = guidance(1, nir, other, (detection(),))
    before = digest(base)
    assert digest(replace(base, generation=9, stage_ms={}, pair=base.pair)) == before
    changes: dict[str, object] = {
        "track_id": 4,
        "kind": Kind.GLINT,
        "confirmed": False,
        "coasted": True,
        "x_px": 12.250000000000002,
        "y_px": 8.25,
        "x_white_px": 0.0,
        "y_white_px": 0.0,
        "area_px": 41.0,
        "area_mm2": None,
        "spot_width_px": 7.2,
        "spot_width_mm": 1.0,
        "signal": None,
        "sbr": -2.25,
        "sbr_interval": Interval(2.0, 2.6),
        "cnr": None,
        "cnr_interval": Interval(1.0, 2.0),
        "significance": 8.5,
        "saturated_fraction": 0.1,
        "age_s": 0.5,
        "contour_px": None,
        "flags": (),
        "node_number": 2,
    }
    assert set(changes) == set(detection().__dataclass_fields__)
    assert set(DetectionRecord.__struct_fields__) == set(changes) - {"contour_px"}
    seen = {before}
    for name, value in changes.items():
        seen.add(digest(replace(base, detections=(detection(**{name: value}),))))
    seen.add(digest(replace(base, detections=())))
    seen.add(digest(replace(base, detections=(detection(), detection()))))
    signal = base.signal.copy()
    signal[2, 3] = np.nextafter(signal[2, 3], np.float32(9))
    seen.add(digest(replace(base, signal=signal)))
    seen.add(digest(replace(base, signal=base.signal.reshape(4, 3))))
    assert len(seen) == 1 + len(changes) + 4


def test_times_without_frames_are_told_though_no_counter_shows_them(tmp_path: Path) -> None:
    folder = tmp_path / "away.case"
    with CaseWriter(folder, CaseDescription(rig=rig(), settings=Settings(), title="Test")) as case:
        for number in range(200):
            case.write_frame(Role.WHITE, white(number))
            if 40 <= number < 60:  # unplugged for 0.33 s: its counter begins anew
                continue
            if number < 100:  # then away to the end
                epoch, sequence = (0, number) if number < 40 else (1, number - 60)
                now_ns = white(number).mid_exposure_ns
                case.write_frame(
                    Role.NIR,
                    replace(
                        frame(number),
                        stream_epoch=epoch,
                        sequence=sequence,
                        mid_exposure_ns=now_ns,
                    ),
                )
    found = verify(folder)
    assert found.complete, found.text()
    assert not any(found.gaps.values())
    told = [(p.role, round(p.begin_s, 1), round(p.length_s, 1)) for p in found.pauses]
    assert told == [(Role.NIR, 0.7, 0.4), (Role.NIR, 1.7, 1.7)]
    assert "pause: no nir frame for 1.7 s, from 1.7 s on" in found.text()


def test_a_part_that_is_finished_while_it_is_looked_at_is_not_damaged(tmp_path: Path) -> None:
    folder = tmp_path / "growing.case"
    with CaseWriter(
        folder, CaseDescription(rig=rig(), settings=Settings(), title="Test"), roll_bytes=20_000
    ) as case:
        fill(case, 2)
        assert len(part_paths(folder)) == 1

        def more(done: int, total: int) -> None:
            for number in range(2, 9):
                if len(part_paths(folder)) < 2:
                    fill(case, 1, first=number)
            case.sync()  # finishes the full part

        found = verify(folder, progress=more)
    assert index_path(part_paths(folder)[0]).exists()
    assert found.ok, found.text()
    assert "it is still being recorded" in found.incomplete


def test_times_further_apart_than_an_int64_reaches_are_a_pause_not_an_error() -> None:
    """A frame whose header is damaged may say any time."""
    far = np.iinfo(np.int64).max
    times_ns = (-far, -far + 10**8, -far + 2 * 10**8, far)
    frames = {Role.NIR: np.array([[0, time_ns] for time_ns in times_ns], np.int64)}
    (pause,) = find_pauses(frames)
    assert pause.length_s == pytest.approx(2 * far / 1e9)
