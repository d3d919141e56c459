"""Damaged and hostile cases: no crash, no huge allocation, the bad named, the good readable."""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hardware.frame import PixelFormat
from sln_guide.cli import main
from sln_guide.guidance import Role, Settings
from sln_guide.recording import (
    CaseDescription,
    CaseReader,
    CaseWriter,
    Codec,
    DamagedError,
    NewerFormatError,
    RecordingError,
    mcap_format,
    records,
)
from sln_guide.recording.codec import LOSSLESS, compress, decompress_into
from sln_guide.recording.folder import MANIFEST, part_paths
from sln_guide.recording.index import index_path
from sln_guide.recording.packed import pack_frame, unpack_frame
from sln_guide.recording.scan import Found, PartFileReader
from sln_guide.recording.verify import verify
from sln_guide.replay.session import ReplaySession
from sln_guide.terminal import NOT_SOUND, OK
from tests.recording.making import assert_same_frame, fill, frame, record, rig, white

ALLOCATION_LIMIT = 24 << 20
FUZZ_EXAMPLES = int(os.environ.get("SLN_FUZZ_EXAMPLES", "50"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "a.case"
    record(folder, 5, roll_bytes=16_000)
    assert len(part_paths(folder)) == 2
    return folder


def places(part: Path) -> list[Found]:
    reader = PartFileReader(part)
    try:
        return [item for item in reader.walk() if isinstance(item, Found)]
    finally:
        reader.close()


def read_all(folder: Path) -> tuple[dict[Role, int], list[str]]:
    """Read everything there is; return the good frames, which must be true, and complaints."""
    complaints: list[str] = []
    good = dict.fromkeys(Role, 0)
    with CaseReader(folder) as case:
        for role, make in ((Role.NIR, frame), (Role.WHITE, white)):
            for each in case.frames(role, lambda _, problem: complaints.append(str(problem))):
                assert_same_frame(each, make(each.sequence))
                good[role] += 1
            case.gaps(role)
        case.guidance_log()
        list(case.paints())
        case.events()
        case.pairs()
        for name in case.attachment_names():
            case.attachment(name)
        complaints += map(str, case.problems)
    return good, complaints


@settings(
    max_examples=FUZZ_EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data(), indexed=st.booleans())
def test_any_flipped_bits_are_found_and_the_rest_stays_readable(
    whole: Path, tmp_path: Path, data: st.DataObject, indexed: bool
) -> None:
    folder = tmp_path / "flipped.case"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(whole, folder)
    part = data.draw(st.sampled_from(part_paths(folder)))
    raw = bytearray(part.read_bytes())
    flips = data.draw(
        st.lists(
            st.tuples(st.integers(0, len(raw) - 1), st.integers(1, 255)), min_size=1, max_size=4
        )
    )
    before = bytes(raw)
    for position, bits in flips:
        raw[position] ^= bits
    part.write_bytes(raw)
    if not indexed:
        index_path(part).unlink()
    if bytes(raw) == before:
        assert verify(folder).complete
        return
    tracemalloc.start()
    try:
        result = verify(folder)
        good, _ = read_all(folder)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < ALLOCATION_LIMIT
    assert not result.ok, flips
    named = [p for p in result.problems if p.file == part.name and p.byte_range is not None]
    for position, _ in flips:
        if raw[position] != before[position]:
            assert any(a <= position < max(b, a + 1) for a, b in map(_range, named)), (
                position,
                result.text(),
            )
    # One flip spoils one record; a broken length may hide the next one too.
    assert sum(good.values()) >= 10 - 2 * len(flips)
    assert result.frames == good


def _range(problem: object) -> tuple[int, int]:
    found: tuple[int, int] = problem.byte_range
    return found


@pytest.mark.parametrize("indexed", [True, False])
def test_a_damaged_frame_is_named_and_the_others_are_read(
    whole: Path, tmp_path: Path, indexed: bool
) -> None:
    folder = tmp_path / "d.case"
    shutil.copytree(whole, folder)
    part = part_paths(folder)[0]
    chunk = [item for item in places(part) if item.opcode == mcap_format.CHUNK][5]
    raw = bytearray(part.read_bytes())
    raw[chunk.offset + chunk.length - 100] ^= 4
    part.write_bytes(raw)
    if not indexed:
        index_path(part).unlink()
    with CaseReader(folder) as case:
        damaged = []
        for index in range(5):
            try:
                assert_same_frame(case.frame(Role.NIR, index), frame(index))
            except DamagedError as error:
                damaged.append(error)
        assert len(damaged) + len(list(case.frames(Role.WHITE, lambda *_: None))) in (5, 6)
    problem = verify(folder).problems[0]
    end = chunk.offset + chunk.length + mcap_format.MESSAGE_INDEXES_BYTES
    assert problem.byte_range == (chunk.offset, end)
    assert problem.topic in ("nir", "white", "guidance", "shown", "events")


def rewrite(folder: Path, change: Callable[[bytes], bytes], topic: str = "nir") -> None:
    """Change the first record of ``topic`` as an attacker would: lengths and CRCs made right."""
    part = part_paths(folder)[0]
    raw = part.read_bytes()
    reader = PartFileReader(part)
    for place in places(part):
        if place.opcode != mcap_format.CHUNK:
            continue
        found = reader.record(place)
        assert not isinstance(found, str)
        if records.TOPICS[found.channel] == topic:
            data = change(bytes(found.data))
            link = found.link
            chunk = mcap_format.frame_chunk(
                found.body_lead, (data,), link, records.CHANNELS[records.CHAIN]
            )
            end = place.offset + place.length + mcap_format.MESSAGE_INDEXES_BYTES
            part.write_bytes(raw[: place.offset] + chunk.lead + data + chunk.tail + raw[end:])
            break
    reader.close()
    index_path(part).unlink(missing_ok=True)


def with_header(data: bytes, **changes: object) -> bytes:
    """Return a frame record whose header says something else."""
    size = int.from_bytes(data[:4], "little")
    header = msgspec.msgpack.decode(data[4 : 4 + size]) | changes
    packed = msgspec.msgpack.encode(header)
    return len(packed).to_bytes(4, "little") + packed + data[4 + size :]


HOSTILE: dict[str, Callable[[bytes], bytes]] = {
    "huge picture": lambda d: with_header(d, height=2**31, width=2**31),
    "large picture": lambda d: with_header(d, height=60_000, width=60_000),
    "negative picture": lambda d: with_header(d, height=-4, width=-4),
    "another size": lambda d: with_header(d, height=25),
    "smaller size": lambda d: with_header(d, height=12),
    "another format": lambda d: with_header(d, pixel_format="Mono8"),
    "unknown format": lambda d: with_header(d, pixel_format="Mono99"),
    "unknown codec": lambda d: with_header(d, codec="exec"),
    "raw codec": lambda d: with_header(d, codec="raw"),
    "another codec": lambda d: with_header(d, codec="blosc2-bitshuffle-zstd1"),
    "absurd depth": lambda d: with_header(d, bit_depth=99),
    "huge numbers": lambda d: with_header(d, mid_exposure_ns=2**64 - 1, sequence=2**64 - 1),
    "odd packed width": lambda d: with_header(d, pixel_format="Mono12p", width=31),
    "header length": lambda d: (2**31).to_bytes(4, "little") + d[4:],
    "no header": lambda d: b"",
    "no payload": lambda d: d[: 4 + int.from_bytes(d[:4], "little")],
    "deep header": lambda d: (9000).to_bytes(4, "little") + b"\x91" * 9000,
    "zeros": lambda d: bytes(len(d)),
}


@pytest.mark.parametrize("how", HOSTILE)
def test_hostile_frames_with_right_checksums_are_refused(
    whole: Path, tmp_path: Path, how: str
) -> None:
    folder = tmp_path / "h.case"
    shutil.copytree(whole, folder)
    rewrite(folder, HOSTILE[how])
    tracemalloc.start()
    try:
        result = verify(folder)
        with CaseReader(folder) as case:
            good = sum(1 for _ in case.frames(Role.NIR, lambda *_: None))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < ALLOCATION_LIMIT
    assert not result.ok
    assert good >= 4
    assert result.frames[Role.NIR] == good


def test_every_byte_of_a_blosc_header_may_be_wrong() -> None:
    """Blosc2 trusts its header: what ours does not write must never reach it."""
    pixels = np.arange(64 * 48, dtype=np.uint16).reshape(48, 64) % 700
    for codec in (Codec.LZ4, Codec.ZSTD, Codec.FAST):
        good = bytes(compress(pixels, codec))
        for position in range(32):
            for value in (0, 1, 2, 7, 0x20, 0x7F, 0x80, 0xFF):
                bad = bytearray(good)
                bad[position] = value
                out = np.zeros_like(pixels)
                try:
                    decompress_into(memoryview(bytes(bad)), codec, out)
                except RecordingError:
                    continue
                # Only what changes nothing passes: version numbers and the like.
                assert out.nbytes == pixels.nbytes


@settings(max_examples=300, deadline=None)
@given(
    codec=st.sampled_from(LOSSLESS),
    cut=st.integers(0, 400),
    flips=st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 255)), max_size=6),
)
def test_hostile_payloads_never_write_outside_the_picture(
    codec: Codec, cut: int, flips: list[tuple[int, int]]
) -> None:
    pixels = (np.arange(40 * 50, dtype=np.uint16) * 37 % 900).reshape(40, 50)
    payload = bytearray(compress(pixels, codec))
    for position, bits in flips:
        payload[position % len(payload)] ^= bits
    guarded = np.full((3, 40, 50), 0xABCD, np.uint16)
    with suppress(RecordingError):
        decompress_into(memoryview(bytes(payload[: len(payload) - cut])), codec, guarded[1])
    assert (guarded[0] == 0xABCD).all()
    assert (guarded[2] == 0xABCD).all()


@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(raw=st.binary(max_size=600))
@example(raw=mcap_format.MAGIC)
@example(raw=mcap_format.MAGIC + struct.pack("<BQ", mcap_format.CHUNK, 2**63))
@example(raw=mcap_format.MAGIC + struct.pack("<BQ", mcap_format.ATTACHMENT, 30) + bytes(30))
@example(raw=mcap_format.MAGIC + b"\x06" + bytes(400))
def test_anything_may_stand_in_a_part(tmp_path: Path, raw: bytes) -> None:
    folder = tmp_path / "x.case"
    folder.mkdir(exist_ok=True)
    (folder / "part-000.mcap").write_bytes(raw)
    assert not verify(folder).ok
    with pytest.raises(RecordingError, match="no part has a whole header"):
        CaseReader(folder)


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_anything_may_stand_in_index_and_manifest(
    whole: Path, tmp_path: Path, data: st.DataObject
) -> None:
    folder = tmp_path / "x.case"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(whole, folder)
    target = data.draw(st.sampled_from([MANIFEST, "part-000.index", "part-001.index"]))
    raw = bytearray((folder / target).read_bytes())
    kind = data.draw(st.sampled_from(["flip", "cut", "other"]))
    if kind == "flip":
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    elif kind == "cut":
        del raw[data.draw(st.integers(0, len(raw) - 1)) :]
    else:
        raw = bytearray(data.draw(st.binary(max_size=200)))
    (folder / target).write_bytes(raw)
    try:
        result = verify(folder)
        good, _ = read_all(folder)
    except NewerFormatError:
        target = ""  # the one damage that says: not for you
        good, result = {Role.NIR: 5, Role.WHITE: 5}, None
    assert good == {Role.NIR: 5, Role.WHITE: 5}
    # Only the name of the manifest's checksum may change without a sign.
    assert target == MANIFEST or result is None or not result.ok


@pytest.mark.parametrize("what", ["bytes put in", "bytes taken out", "another part's index"])
def test_an_index_that_no_longer_fits_hides_no_frame(
    whole: Path, tmp_path: Path, what: str
) -> None:
    folder = tmp_path / "x.case"
    shutil.copytree(whole, folder)
    part = part_paths(folder)[0]
    raw = part.read_bytes()
    if what == "bytes put in":
        part.write_bytes(raw[:9000] + b"\0" + raw[9000:])
    elif what == "bytes taken out":
        part.write_bytes(raw[:9000] + raw[9007:])
    else:
        shutil.copy(index_path(part_paths(folder)[1]), index_path(part))
    result = verify(folder)
    good, _ = read_all(folder)
    assert good == dict(result.frames)
    assert sum(good.values()) >= 9
    assert not result.ok


def test_an_index_that_lies_gives_no_wrong_frame(whole: Path, tmp_path: Path) -> None:
    """Rows swapped and the checksum made right: the records themselves say what they are."""
    folder = tmp_path / "x.case"
    shutil.copytree(whole, folder)
    path = index_path(part_paths(folder)[0])
    raw = path.read_bytes()
    rows = np.frombuffer(raw[20:], mcap_format.INDEX_ROW).copy()
    rows["channel"][:-1] = 1  # a last row that lies would be noticed, and the part walked
    body = rows.tobytes()
    path.write_bytes(raw[:16] + zlib.crc32(body).to_bytes(4, "little") + body)
    with CaseReader(folder) as case:
        problems: list[str] = []
        for each in case.frames(Role.NIR, lambda _, p: problems.append(p.what)):
            assert_same_frame(each, frame(each.sequence))
    assert any("not what the index says" in what for what in problems)
    assert not verify(folder).ok


def test_a_newer_version_is_refused_by_name(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "x.case"
    shutil.copytree(whole, folder)
    manifest = msgspec.json.decode((folder / MANIFEST).read_bytes())
    (folder / MANIFEST).write_bytes(msgspec.json.encode(manifest | {"format": 4, "rig": 5}))
    for look in (CaseReader, verify):
        with pytest.raises(RecordingError, match=r"format 4 is newer.*newer sln-guide"):
            look(folder)


def test_a_newer_part_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "FORMAT_VERSION", 7)
    folder = tmp_path / "x.case"
    record(folder, 1)
    monkeypatch.undo()
    (folder / MANIFEST).unlink()
    for look in (CaseReader, verify):
        with pytest.raises(RecordingError, match="format 7 is newer"):
            look(folder)


def test_an_older_version_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Format 2 has no [recording] in its rig: all of it is lossless."""
    folder = tmp_path / "x.case"
    plain = records.to_json

    def without_recording(record: object) -> bytes:
        told = msgspec.json.decode(plain(record))
        for header in (told, told.get("header", {})):
            header.get("rig", {}).pop("recording", None)
        return msgspec.json.encode(told)

    monkeypatch.setattr(records, "FORMAT_VERSION", 2)
    for module in ("records", "part", "folder.records"):
        monkeypatch.setattr(f"sln_guide.recording.{module}.to_json", without_recording)
    record(folder, 2)
    monkeypatch.undo()
    assert b'"recording"' not in (folder / MANIFEST).read_bytes()
    with CaseReader(folder) as case:
        assert case.header.format == 2
        assert not case.white_is_lossy
        assert_same_frame(case.frame(Role.WHITE, 1), white(1))
    assert verify(folder).complete, verify(folder).text()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda p: None, "does not exist"),
        (lambda p: p.write_text("x"), "is not a folder"),
        (lambda p: p.mkdir(), "is not a case"),
        (lambda p: (p / "part-000.mcap").mkdir(parents=True), "is not a case"),
    ],
)
def test_what_is_no_case_is_said_to_be_none(
    tmp_path: Path, make: Callable[[Path], object], says: str
) -> None:
    make(tmp_path / "x.case")
    for look in (CaseReader, verify):
        with pytest.raises(RecordingError, match=says):
            look(tmp_path / "x.case")


@pytest.mark.parametrize(
    "name",
    ["", "..", "../x", "/etc/passwd", "a/b", "a\\b", "C:x", ".hidden", "x\n", "x" * 200, "a "],
)
def test_attachment_names_lead_nowhere(tmp_path: Path, name: str) -> None:
    with CaseWriter(tmp_path / "x.case", CaseDescription(rig=rig(), settings=Settings())) as case:
        with pytest.raises(RecordingError, match="plain file name"):
            case.attach(name, b"", "text/plain")
        case.attach("Straße (1).txt", b"x", "text/plain")
    with CaseReader(tmp_path / "x.case") as read:
        assert read.attachment_names() == ("Straße (1).txt",)
        with pytest.raises(RecordingError, match="no attachment"):
            read.attachment("other")


def test_a_dark_frame_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    good = (
        b"\x93NUMPY\x01\x00v\x00{'descr': '<u2', 'fortran_order': False, "
        b"'shape': (40000, 40000), }".ljust(127)
        + b"\n"
        + b"12"
    )
    for data in (good, b"", b"\x93NUMPY", b"x" * 100, good.replace(b"'<u2'", b"'|O' ")):
        folder = tmp_path / hashlib.sha256(data).hexdigest()[:8]
        with CaseWriter(folder, CaseDescription(rig=rig(), settings=Settings())) as case:
            case.attach("dark.npy", data, "application/x-npy")
        with CaseReader(folder) as read, pytest.raises(RecordingError, match=r"dark\.npy"):
            read.dark()


def test_packed_width_is_checked_before_allocation() -> None:
    odd = with_header(
        bytes(pack_frame(Role.NIR, frame(0), Codec.RAW).header) + b"",
        pixel_format=PixelFormat.MONO12P.value,
        width=31,
    )
    with pytest.raises(RecordingError, match="even width"):
        unpack_frame(memoryview(odd))


def test_a_part_that_is_gone_or_cut_is_a_problem_of_the_reader(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "x.case"
    shutil.copytree(whole, folder)
    last = part_paths(folder)[-1]
    last.write_bytes(last.read_bytes()[:-9])
    with CaseReader(folder) as case:
        assert not case.complete
        assert any("and had" in problem.what for problem in case.problems)
    last.unlink()
    with CaseReader(folder) as case:
        assert not case.complete
        assert [p.file for p in case.problems if "is missing" in p.what] == [last.name]
        assert ReplaySession(case).caveat.startswith("DAMAGED")


@pytest.mark.parametrize("name", ["part-000.mcap", "part-001.mcap"])
def test_a_part_of_another_case_is_never_shown_as_this_ones(tmp_path: Path, name: str) -> None:
    """It was played and processed as this case's, and nothing was said."""
    folder, other = tmp_path / "x.case", tmp_path / "y.case"
    for place, first in ((folder, 0), (other, 1000)):
        with CaseWriter(
            place, CaseDescription(rig=rig(), settings=Settings()), roll_bytes=20_000
        ) as case:
            fill(case, 12, first=first)
    assert len(part_paths(folder)) > 2
    added = folder / f"part-{len(part_paths(folder)):03d}.mcap"
    for place in (folder / name, added):
        shutil.copy(other / name, place)
        shutil.copy(index_path(other / name), index_path(place))
    with CaseReader(folder) as case:
        told = [p.file for p in case.problems if "belongs to another case" in p.what]
        assert told == [name, added.name]
        assert not case.complete
        assert case.count(Role.NIR) > 0
        assert all(each.sequence < 1000 for role in Role for each in case.frames(role))
        assert case.header.case_id == case.manifest.header.case_id
        assert ReplaySession(case).caveat.startswith("DAMAGED")


def test_a_part_that_was_added_is_a_problem_of_the_reader(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "x.case"
    shutil.copytree(whole, folder)
    added = folder / f"part-{len(part_paths(folder)):03d}.mcap"
    shutil.copy(part_paths(folder)[0], added)
    with CaseReader(folder) as case:
        assert [p.file for p in case.problems if "it was added" in p.what] == [added.name]
        assert not case.complete


def test_a_case_without_any_header_is_read_by_another_manifest(whole: Path, tmp_path: Path) -> None:
    folder, other = tmp_path / "x.case", tmp_path / "y.case"
    shutil.copytree(whole, folder)
    for part in part_paths(folder):
        raw = bytearray(part.read_bytes())
        raw[60:160] = bytes(100)
        part.write_bytes(raw)
    (folder / MANIFEST).unlink()
    with pytest.raises(RecordingError, match=r"put into it the manifest\.json of another case"):
        CaseReader(folder)
    with CaseWriter(other, CaseDescription(rig=rig(), settings=Settings())) as case:
        case.write_frame(Role.NIR, frame(0))
    shutil.copy(other / MANIFEST, folder / MANIFEST)
    with CaseReader(folder) as case:
        assert case.count(Role.NIR) == 5
        assert not case.complete


def test_recover_of_a_damaged_case_does_not_end_as_if_it_were_sound(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "x.case"
    shutil.copytree(whole, folder)
    assert main(["recover", str(folder)]) == OK
    raw = bytearray(part_paths(folder)[0].read_bytes())
    raw[len(raw) // 2] ^= 1
    part_paths(folder)[0].write_bytes(raw)
    assert main(["recover", str(folder)]) == NOT_SOUND
    assert "NOT SOUND" in capsys.readouterr().out
