"""What goes into a case comes out of it, bit for bit; other people's readers agree."""

from __future__ import annotations

import itertools
import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from mcap.reader import make_reader
from mcap.stream_reader import StreamReader

from hardware.frame import Frame, PixelFormat, frozen_pixels
from sln_guide.guidance import Role, Settings
from sln_guide.health import SessionHealth, StreamHealth
from sln_guide.recording import CaseDescription, CaseReader, CaseWriter, Codec
from sln_guide.recording.codec import LOSSLESS
from sln_guide.recording.packed import pack_frame, unpack_frame
from sln_guide.recording.verify import verify
from tests.recording.making import assert_same_frame, fill, frame, guidance, record, rig, white

INT64 = st.integers(-(2**63), 2**63 - 1)


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    kind = draw(st.sampled_from(PixelFormat))
    height, width = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    if kind is PixelFormat.MONO12P:
        width += width % 2
    depth = draw(st.integers(1, kind.bit_depth))
    high = 255 if kind.dtype is np.uint8 else 2**depth - 1
    pixels = draw(
        npst.arrays(kind.dtype, kind.array_shape(height, width), elements=st.integers(0, high))
    )
    return Frame(
        pixels=frozen_pixels(pixels),
        pixel_format=kind,
        bit_depth=depth,
        sequence=draw(st.integers(0, 2**63 - 1)),
        stream_epoch=draw(st.integers(0, 2**31)),
        device_time_ns=draw(INT64),
        host_time_ns=draw(INT64),
        mid_exposure_ns=draw(INT64),
        exposure_us=draw(st.floats()),
        gain_db=draw(st.floats()),
        camera_id=draw(st.text(max_size=40)),
        light_on=draw(st.none() | st.booleans()),
        settings_in_flight=draw(st.booleans()),
    )


@settings(deadline=None)
@given(frame=frames(), codec=st.sampled_from(LOSSLESS))
def test_any_frame_survives_packing(frame: Frame, codec: Codec) -> None:
    packed = pack_frame(Role.NIR, frame, codec)
    assert_same_frame(frame, unpack_frame(memoryview(packed.header + packed.payload)))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(written=st.lists(frames(), max_size=8), codec=st.sampled_from(LOSSLESS))
def test_any_frames_survive_a_case(written: list[Frame], codec: Codec) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.case"
        with CaseWriter(path, CaseDescription(rig=rig(), settings=Settings(), codec=codec)) as case:
            for each in written:
                case.write_frame(Role.NIR, each)
        with CaseReader(path) as case_read:
            assert case_read.count(Role.NIR) == len(written)
            for before, after in zip(written, case_read.frames(Role.NIR), strict=True):
                assert_same_frame(before, after)
        assert verify(path).complete


@pytest.mark.parametrize("codec", LOSSLESS)
@pytest.mark.parametrize("fill_with", [0, 7, 4095])
def test_constant_pictures_survive(codec: Codec, fill_with: int) -> None:
    pixels = frozen_pixels(np.full((100, 120), fill_with, np.uint16))
    one = frame(0)
    flat = Frame(pixels, PixelFormat.MONO12, 12, 1, 0, 0, 0, 0, 1.0, 0.0, one.camera_id)
    packed = pack_frame(Role.NIR, flat, codec)
    assert_same_frame(flat, unpack_frame(memoryview(packed.header + packed.payload)))


def test_all_topics_come_back(tmp_path: Path) -> None:
    folder = tmp_path / "Straße 5 — été.case"
    health = SessionHealth(nir=StreamHealth(Role.NIR, "cam"), white=None, latency_p50_ms=7.5)
    with CaseWriter(
        folder,
        CaseDescription(
            rig=rig(),
            settings=Settings(threshold_sigma=5.5),
            title="Tïtle",
            software={"sln-guide": "9"},
            started_wall_ns=123,
            started_monotonic_ns=77,
        ),
    ) as case:
        case.attach("dark.npy", b"123", "application/x-npy")
        fill(case, 7)
        case.write_health(health)
        case.write_snapshot(b"\x00state")
        case.attach("notes.txt", "é".encode(), "text/plain")
    with CaseReader(folder) as read:
        assert (read.title, read.rig, read.settings) == (
            "Tïtle",
            rig(),
            Settings(threshold_sigma=5.5),
        )
        assert (read.started_wall_ns, read.started_monotonic_ns) == (123, 77)
        assert read.software == {"sln-guide": "9"}
        assert read.complete
        assert read.incomplete == read.problems == ()
        assert read.pairs() == [(i, i) for i in range(7)]
        assert [e.name for e in read.events()] == ["mark", "mark"]
        assert [p.shown.generation for p in read.paints()] == list(range(1, 8))
        assert [h for _, h in read.health_log()] == [health]
        assert [state for _, state in read.snapshots()] == [b"\x00state"]
        assert read.attachment("dark.npy") == b"123"
        assert set(read.attachment_names()) == {"dark.npy", "notes.txt"}
        assert read.duration_s == pytest.approx(6 / 60, rel=1e-6)
        found = read.guidance_log()[3]
        assert found.nir.sequence == 3
        assert found.detections[0].sbr == 2.25
        assert found.detections[0].sbr_interval is not None
        assert found.settings == Settings()
        assert np.array_equal(read.sequences(Role.WHITE)[:, 1], np.arange(7))


def test_other_readers_of_mcap_agree(tmp_path: Path) -> None:
    folder = tmp_path / "a.case"
    record(folder, 12, roll_bytes=30_000)
    parts = sorted(folder.glob("*.mcap"))
    assert len(parts) > 1
    messages = 0
    with CaseReader(folder) as case:
        for part in parts:
            with part.open("rb") as file:
                reader = make_reader(file, validate_crcs=True)
                summary = reader.get_summary()
                assert summary is not None
                assert summary.statistics is not None
                attachments = [a.name for a in reader.iter_attachments()]
                assert attachments[0] == "case.json"
                seen = list(reader.iter_messages(log_time_order=False))
                assert summary.statistics.message_count == len(seen)
                messages += sum(channel.topic != "chain" for _, channel, _ in seen)
                events = [m.data for _, c, m in reader.iter_messages(topics=["events"])]
                assert all(json.loads(data)["name"] == "mark" for data in events)
            with part.open("rb") as file:
                for _ in StreamReader(file, validate_crcs=True).records:
                    pass
        assert messages == case.record_count


def test_parts_roll_by_size_and_age_and_read_as_one(tmp_path: Path) -> None:
    by_size = record(tmp_path / "size.case", 10, roll_bytes=20_000)
    assert by_size.parts > 2
    by_age = record(tmp_path / "age.case", 4, roll_s=0.0)
    assert (
        by_age.parts == by_age.records + 2
    )  # the first is empty, and the attachment has one of its own
    for name in ("size", "age"):
        result = verify(tmp_path / f"{name}.case")
        assert result.complete, result.text()
        with CaseReader(tmp_path / f"{name}.case") as case:
            sequences = [f.sequence for f in case.frames(Role.NIR)]
        assert sequences == list(range(len(sequences)))


def test_codec_may_change_under_way_and_the_case_says_so(tmp_path: Path) -> None:
    with CaseWriter(tmp_path / "c.case", CaseDescription(rig=rig(), settings=Settings())) as case:
        for number, codec in enumerate(itertools.islice(itertools.cycle(LOSSLESS), 8)):
            case.use_codec(codec, "the processor is short")
            case.write_frame(Role.NIR, frame(number))
    with CaseReader(tmp_path / "c.case") as read:
        for number, each in enumerate(read.frames(Role.NIR)):
            assert_same_frame(frame(number), each)
        assert sum(e.name == "codec" for e in read.events()) == 7
    assert verify(tmp_path / "c.case").complete


def test_pairs_follow_the_log_and_only_frames_that_are_there(tmp_path: Path) -> None:
    nirs, whites = [frame(i) for i in range(4)], [white(i) for i in range(4)]
    with CaseWriter(tmp_path / "p.case", CaseDescription(rig=rig(), settings=Settings())) as case:
        for nir in nirs[1:]:
            case.write_frame(Role.NIR, nir)
        for other in whites[:3]:
            case.write_frame(Role.WHITE, other)
        for generation, (nir, other) in enumerate(
            [(nirs[0], whites[0]), (nirs[3], whites[1]), (nirs[1], whites[3]), (nirs[2], None)]
        ):
            case.write_guidance(guidance(generation, nir, other))
    with CaseReader(tmp_path / "p.case") as read:
        assert read.pairs() == [(2, 1), (0, None), (1, None)]


def test_without_a_log_pairs_are_the_nearest(tmp_path: Path) -> None:
    with CaseWriter(tmp_path / "n.case", CaseDescription(rig=rig(), settings=Settings())) as case:
        for sequence in (0, 1, 2, 3, 9):
            case.write_frame(Role.NIR, frame(sequence))
        for sequence in (0, 1, 3):
            case.write_frame(Role.WHITE, white(sequence, start_ns=1_000_300_000))
    with CaseReader(tmp_path / "n.case") as read:
        pairs = read.pairs()
    assert [white_index for _, white_index in pairs] == [0, 1, 1, 2, None]


def test_an_empty_case_is_a_case(tmp_path: Path) -> None:
    with CaseWriter(tmp_path / "e.case", CaseDescription(rig=rig(), settings=Settings())):
        pass
    result = verify(tmp_path / "e.case")
    assert result.complete
    with CaseReader(tmp_path / "e.case") as case:
        assert case.count(Role.NIR) == 0
        assert case.pairs() == []
        assert case.duration_s == 0.0
        with pytest.raises(IndexError):
            case.frame(Role.NIR, 0)
