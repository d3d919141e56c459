"""White light as JPEG, where the rig asks for it: close, small, told, and never believed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcap.reader import make_reader
from numpy.typing import NDArray

from hardware.frame import Frame, PixelFormat
from sln_guide.core.opencv import cv2
from sln_guide.guidance import Mode, Role, Settings
from sln_guide.live.recordings import Recordings
from sln_guide.recording import (
    CaseDescription,
    CaseReader,
    CaseWriter,
    Codec,
    DamagedError,
    RecordingError,
    mosaic_jpeg,
)
from sln_guide.recording.codec import compress
from sln_guide.recording.folder import part_paths
from sln_guide.recording.index import index_path
from sln_guide.recording.packed import pack_frame, unpack_frame, unpack_frame_header
from sln_guide.recording.recovering import recover
from sln_guide.recording.verify import verify
from tests.frames import frame_of
from tests.recording.making import assert_same_frame, fill, frame, jpeg_rig, rig, white
from tests.recording.test_crash import killed_after
from tests.recording.test_verify import chunks, replace_record, topic_of

BAYER8 = [kind for kind in PixelFormat if kind.is_bayer8]
COUNT = 4


def scene(height: int, width: int, seed: int = 1) -> NDArray[np.uint8]:
    """Return a mosaic of tissue: shading, vessels a few px wide, noise, colours far apart."""
    y, x = np.mgrid[:height, :width]
    light = 1.0 + 0.3 * np.sin(x / 90 + y / 140) + 0.15 * np.sin(x / 4.0) * np.sin(y / 5.0)
    colour = np.array([[150.0, 80.0], [85.0, 40.0]])[y % 2, x % 2]
    noise = np.random.default_rng(seed).normal(0.0, 1.5, (height, width))
    return np.clip(colour * light + noise, 0, 255).astype(np.uint8)


def of(pixels: NDArray[Any], kind: PixelFormat = PixelFormat.BAYER_RG8, sequence: int = 0) -> Frame:
    one = frame(sequence)
    return frame_of(
        pixels,
        kind,
        sequence=sequence,
        host_time_ns=one.host_time_ns,
        mid_exposure_ns=one.mid_exposure_ns,
    )


def through(one: Frame, quality: int = 95) -> tuple[Frame, int]:
    """Return the frame as a case gives it back, and its bytes there."""
    packed = pack_frame(Role.WHITE, one, Codec.LZ4, quality)
    record = memoryview(packed.header + packed.payload)
    return unpack_frame(record, may_be_lossy=True), packed.payload.nbytes


def psnr_db(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> float:
    error = before.astype(np.float64) - after
    return float(10 * np.log10(255.0**2 / max(np.mean(error**2), 1e-9)))


# -- round trip -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", BAYER8)
@pytest.mark.parametrize("size", [(256, 320), (251, 317), (250, 317), (49, 16)])
def test_a_mosaic_comes_back_close_and_in_its_own_colours(
    kind: PixelFormat, size: tuple[int, int]
) -> None:
    before = of(scene(*size), kind)
    after, size_bytes = through(before)
    assert after.lossy
    assert after.pixel_format is kind
    assert after.pixels.shape == size
    assert not after.pixels.flags.writeable
    assert psnr_db(before.pixels, after.pixels) > 42.0
    for y in (0, 1):
        for x in (0, 1):
            plane, back = before.pixels[y::2, x::2], after.pixels[y::2, x::2]
            assert abs(float(plane.mean()) - float(back.mean())) < 0.3
    if min(size) > 200:
        assert size_bytes < before.pixels.nbytes / 2


def test_quality_buys_closeness_for_bytes() -> None:
    before = of(scene(256, 320))
    found = [through(before, quality) for quality in (50, 80, 95, 100)]
    closeness = [psnr_db(before.pixels, after.pixels) for after, _ in found]
    assert closeness == sorted(closeness)
    assert [size for _, size in found] == sorted(size for _, size in found)
    assert closeness[-1] > 50.0


@settings(max_examples=60, deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 40), seed=st.integers(0, 5))
def test_any_size_down_to_one_pixel(height: int, width: int, seed: int) -> None:
    """Grey, so that what is beyond the edge must not leak in from anywhere else."""
    pixels = np.full((height, width), 40 * seed, np.uint8)
    after, _ = through(of(pixels), 100)
    assert np.abs(after.pixels.astype(int) - pixels).max() <= 1


# -- what is never lossy --------------------------------------------------------------------------


def test_nir_and_what_jpeg_does_not_take_stay_bit_exact(tmp_path: Path) -> None:
    folder = tmp_path / "w.case"
    shallow = of(np.full((24, 32), 9, np.uint8))
    object.__setattr__(shallow, "bit_depth", 7)
    others = [
        frame(0, PixelFormat.BAYER_RG12),
        frame(1, PixelFormat.BAYER_GB10),
        frame(2, PixelFormat.RGB8),
        frame(3, PixelFormat.MONO8),
        shallow,
    ]
    nirs = [frame(0), frame(1, PixelFormat.MONO8), frame(2, PixelFormat.BAYER_RG8)]
    with CaseWriter(folder, CaseDescription(rig=jpeg_rig(), settings=Settings())) as case:
        for each in others:
            case.write_frame(Role.WHITE, each)
        for each in nirs:
            case.write_frame(Role.NIR, each)
        case.write_frame(Role.WHITE, white(9))
    with CaseReader(folder) as read:
        for role, written in ((Role.WHITE, others), (Role.NIR, nirs)):
            for index, each in enumerate(written):
                assert_same_frame(each, read.frame(role, index))
                assert not read.frame(role, index).lossy
        assert read.frame(Role.WHITE, len(others)).lossy
    assert verify(folder).lossy_white == 1


def test_without_being_asked_nothing_is_lossy(tmp_path: Path) -> None:
    with CaseWriter(tmp_path / "l.case", CaseDescription(rig=rig(), settings=Settings())) as case:
        fill(case, COUNT)
    with CaseReader(tmp_path / "l.case") as read:
        assert not read.white_is_lossy
        assert_same_frame(white(1), read.frame(Role.WHITE, 1))
    assert "lossy" not in verify(tmp_path / "l.case").text()
    with pytest.raises(ValueError, match=r"\[recording\]"):
        compress(white(0).pixels, Codec.JPEG)


# -- what the case says of itself -----------------------------------------------------------------


@pytest.fixture
def case(tmp_path: Path) -> Path:
    folder = tmp_path / "j.case"
    with CaseWriter(folder, CaseDescription(rig=jpeg_rig(90), settings=Settings())) as writer:
        for index in range(COUNT):
            writer.write_frame(Role.WHITE, of(scene(48, 64, index), sequence=index))
            writer.write_frame(Role.NIR, frame(index))
    return folder


def test_the_case_says_that_white_light_is_lossy(case: Path, capfd: pytest.CaptureFixture) -> None:
    checked = verify(case)
    assert checked.complete, checked.text()
    assert checked.lossy_white == COUNT
    assert "white light is stored lossy: 4 of 4 white frames as JPEG" in checked.text()
    with CaseReader(case) as read:
        assert read.white_is_lossy
        assert all(each.lossy for each in read.frames(Role.WHITE))
        assert not any(each.lossy for each in read.frames(Role.NIR))
    with part_paths(case)[0].open("rb") as file:
        summary = make_reader(file, validate_crcs=True).get_summary()
    assert summary is not None
    said = {each.topic: each.metadata for each in summary.channels.values()}
    assert said["white"] == {"codec": "jpeg-bayer-planes", "lossless": "no", "quality": "90"}
    assert said["nir"]["lossless"] == "yes"
    assert capfd.readouterr().err == ""


def test_one_flipped_bit_is_named_like_any_other_damage(case: Path) -> None:
    part = part_paths(case)[0]
    place = white_places(case)[2]
    raw = bytearray(part.read_bytes())
    raw[place.offset + place.length // 2] ^= 4
    part.write_bytes(raw)
    checked = verify(case)
    assert not checked.ok
    assert any("white 2 (sequence 2)" in str(problem) for problem in checked.problems)
    with CaseReader(case) as read, pytest.raises(DamagedError, match=r"white 2 \(sequence 2\)"):
        read.frame(Role.WHITE, 2)


def test_a_short_processor_makes_it_lossless_for_a_while(tmp_path: Path) -> None:
    folder = tmp_path / "f.case"
    with CaseWriter(folder, CaseDescription(rig=jpeg_rig(), settings=Settings())) as writer:
        for index, codec in enumerate((Codec.LZ4, Codec.FAST, Codec.LZ4)):
            writer.use_codec(codec, "as it goes")
            writer.write_frame(Role.WHITE, white(index))
    with CaseReader(folder) as read:
        assert [each.lossy for each in read.frames(Role.WHITE)] == [True, False, True]
        assert_same_frame(white(1), read.frame(Role.WHITE, 1))
        assert [event.name for event in read.events()] == ["codec", "codec"]
    assert "2 of 3 white frames as JPEG" in verify(folder).text()


def test_the_seconds_before_record_are_kept_in_the_same_way(tmp_path: Path) -> None:
    made = msgspec.structs.replace(jpeg_rig(), pre_roll_s=0.5)
    recordings = Recordings(tmp_path, made, Mode.LIVE)
    for sequence in range(10):
        recordings.put_frame(Role.NIR, frame(sequence), 0)
        recordings.put_frame(Role.WHITE, white(sequence), 0)
    folder = recordings.start(Settings())
    recordings.close()
    assert verify(folder).complete
    with CaseReader(folder) as read:
        assert [each.lossy for each in read.frames(Role.WHITE)] == [True] * 10
        for index, each in enumerate(read.frames(Role.NIR)):
            assert_same_frame(each, frame(index))


def test_kill_9_and_going_on_afterwards(tmp_path: Path) -> None:
    folder = tmp_path / "killed.case"
    told = killed_after(folder, 40, "jpeg")
    with CaseReader(folder) as read:
        before = read.count(Role.WHITE)
        assert before >= told + 1
        assert all(each.lossy for each in read.frames(Role.WHITE))
        for index, each in enumerate(read.frames(Role.NIR)):
            assert_same_frame(each, frame(index, size=(96, 128)))
    killed_after(folder, 530, "resume", "500")
    recovered = recover(folder).verification
    assert recovered.ok, recovered.text()
    assert not recovered.complete
    assert recovered.lossy_white == recovered.frames[Role.WHITE] > before, "it goes on as it began"


# -- hostile JPEG ---------------------------------------------------------------------------------


def white_places(case: Path) -> list[Any]:
    part = part_paths(case)[0]
    return [place for place in chunks(part) if topic_of(part, place)[0] == "white"]


def put(part: Path, place: Any, data: bytes) -> None:
    """Put other data into a record, its checksum right; the index, which has moved, goes."""
    replace_record(part, place, data)
    index_path(part).unlink()


def jpeg(picture: NDArray[np.uint8], *options: int) -> bytes:
    return bytes(cv2.imencode(".jpg", picture, list(options))[1])


def sized(data: bytes, height: int, width: int) -> bytes:
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + height.to_bytes(2) + width.to_bytes(2) + data[at + 4 :]


GREY = np.random.default_rng(2).integers(0, 255, (48, 64), dtype=np.uint8)
HOSTILE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "nothing": (lambda d: b"", "does not begin as one"),
    "garbage": (lambda d: np.random.default_rng(3).bytes(len(d)), "does not begin as one"),
    "garbage inside": (lambda d: d[:20] + bytes(len(d) - 22) + d[-2:], "segments are damaged"),
    "only the beginning": (lambda d: d[:2], "segments are damaged or cut short"),
    "cut in a table": (lambda d: d[:100], "cut short"),
    "cut": (lambda d: d[: len(d) // 2], "cut short"),
    "its last byte gone": (lambda d: d[:-1], "cut short"),
    "more behind it": (lambda d: d + b"x", "cut short"),
    "two of them": (lambda d: d + d, "markers stand in"),
    "a huge size": (lambda d: sized(d, 65535, 65535), "65535x65535 px, not 64x48"),
    "another size": (lambda d: sized(d, 48, 32), "32x48 px, not 64x48"),
    "another picture": (lambda d: jpeg(GREY[:32]), "64x32 px, not 64x48"),
    "three colours": (lambda d: jpeg(np.dstack([GREY] * 3)), "3 colours, not 1"),
    "progressive": (lambda d: jpeg(GREY, cv2.IMWRITE_JPEG_PROGRESSIVE, 1), "segment 0xc2"),
    "a rotation": (lambda d: d[:2] + b"\xff\xe1\x00\x04ab" + d[2:], "segment 0xe1"),
    "many segments": (lambda d: d[:2] + b"\xff\xdb\x00\x02" * 9999 + d[2:], "too many segments"),
    "no size": (
        lambda d: d[: d.index(b"\xff\xc0")] + d[d.index(b"\xff\xc4") :],
        "does not say its size",
    ),
    "two sizes": (
        lambda d: d[: (at := d.index(b"\xff\xc0")) + 13] + d[at : at + 13] + d[at + 13 :],
        "two pictures",
    ),
    "12 bits": (lambda d: d.replace(b"\xff\xc0\x00\x0b\x08", b"\xff\xc0\x00\x0b\x0c"), "12 bits"),
    "a PNG": (lambda d: bytes(cv2.imencode(".png", GREY)[1]), "does not begin as one"),
}


@pytest.mark.parametrize("how", HOSTILE)
def test_hostile_jpeg_never_reaches_libjpeg(
    case: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the frame's checksum made right, so that only the JPEG itself can tell."""
    make, what = HOSTILE[how]
    part, place = part_paths(case)[0], white_places(case)[1]
    data = topic_of(part, place)[1]
    begin = unpack_frame_header(memoryview(data))[1]
    put(part, place, data[:begin] + make(data[begin:]))
    with CaseReader(case) as read:
        good = [read.frame(Role.WHITE, index) for index in (0, 2, 3)]
        assert all(each.lossy for each in good)
        monkeypatch.setattr(cv2, "imdecode", None)
        with pytest.raises(DamagedError, match=r"white 1 \(sequence 1\)") as refused:
            read.frame(Role.WHITE, 1)
        assert what in str(refused.value)
        monkeypatch.undo()
    checked = verify(case)
    assert checked.frames == {Role.NIR: COUNT, Role.WHITE: COUNT - 1}
    assert any(
        problem.sequence == 1 and what in problem.what and problem.topic == "white"
        for problem in checked.problems
    )


@settings(max_examples=150, deadline=None)
@given(
    cut=st.integers(0, 300),
    flips=st.lists(st.tuples(st.integers(0, 4000), st.integers(1, 255)), max_size=5),
)
def test_flipped_jpegs_give_a_picture_or_are_refused(
    cut: int, flips: list[tuple[int, int]]
) -> None:
    good = bytearray(mosaic_jpeg.encode(scene(40, 50), 90))
    for position, bits in flips:
        good[position % len(good)] ^= bits
    guarded = np.full((3, 40, 50), 0xAB, np.uint8)
    with suppress(RecordingError):
        mosaic_jpeg.decode_into(memoryview(bytes(good[: len(good) - cut])), guarded[1])
    assert (guarded[0] == 0xAB).all()
    assert (guarded[2] == 0xAB).all()


def with_codec(data: bytes, **changes: object) -> bytes:
    from tests.recording.test_damage import with_header

    return with_header(data, codec="jpeg-bayer-planes", **changes)


def test_a_lossy_frame_where_none_may_be_is_damage(tmp_path: Path, case: Path) -> None:
    """NIR as JPEG, JPEG in a case that promises none, JPEG of what is never JPEG."""
    part = part_paths(case)[0]
    lossy = topic_of(part, white_places(case)[0])[1]
    nir = next(place for place in chunks(part) if topic_of(part, place)[0] == "nir")
    put(part, nir, lossy)
    with CaseReader(case) as read, pytest.raises(DamagedError, match="stored as JPEG"):
        read.frame(Role.NIR, 0)
    assert any("stored as JPEG" in problem.what for problem in verify(case).problems)
    plain = tmp_path / "plain.case"
    with CaseWriter(plain, CaseDescription(rig=rig(), settings=Settings())) as writer:
        fill(writer, 2)
    put(part_paths(plain)[0], white_places(plain)[1], lossy)
    with CaseReader(plain) as read, pytest.raises(DamagedError, match="stored as JPEG"):
        read.frame(Role.WHITE, 1)
    for changes in (
        {"pixel_format": "BayerRG12", "bit_depth": 12},
        {"pixel_format": "RGB8"},
        {"width": 2**20, "height": 1},
        {"width": 0},
        {"bit_depth": 7},
    ):
        with pytest.raises(RecordingError, match="never JPEG"):
            unpack_frame(memoryview(with_codec(lossy, **changes)), may_be_lossy=True)
