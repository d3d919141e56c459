"""From buffers to frames, on made grab results: what no emulator sends."""

from __future__ import annotations

import numpy as np
import pytest

from hardware.buffers import GIGE_BLOCK_IDS, NO_BLOCK_ID
from hardware.camera import (
    CameraCounters,
    CameraError,
    CameraInUseError,
    CameraNotFoundError,
    CameraSettings,
    IncompleteFrameError,
)
from hardware.frame import PixelFormat
from hardware.grabbing import Grabbing, block_ids, copied_pixels, ns_per_tick
from hardware.pylon_words import line_bit, open_error
from tests.hardware.nodes import Node, Result, features

SETTINGS = CameraSettings(
    pixel_format=PixelFormat.MONO12, exposure_us=10_000.0, gain_db=3.0, frame_rate_hz=60.0
)
PIXELS = np.arange(12, dtype=np.uint16).reshape(3, 4)


def grabbing(**changes: object) -> Grabbing:
    options = {
        "started_ns": 0,
        "block_ids": None,
        "ns_per_tick": None,
        "chunks": False,
        "light_bit": None,
    }
    return Grabbing("24000001", 2, CameraCounters(5, 1, 1), **(options | changes))


# -- pixels ------------------------------------------------------------------------------------


def test_pixels_are_copied_into_read_only_memory_of_their_own() -> None:
    result = Result(PIXELS, size=(3, 4))
    pixels = copied_pixels(result, PixelFormat.MONO12)
    np.testing.assert_array_equal(pixels, PIXELS)
    assert pixels.flags.owndata
    assert pixels.flags.c_contiguous
    assert not pixels.flags.writeable
    result._data[:] = 0
    assert pixels.any()


def test_padding_at_the_end_of_rows_is_left_out() -> None:
    padded = np.full((3, 11), 99, np.uint8)
    padded[:, :8] = PIXELS.view(np.uint8)
    pixels = copied_pixels(Result(padded, size=(3, 4), padding=3), PixelFormat.MONO12)
    np.testing.assert_array_equal(pixels, PIXELS)


def test_what_follows_the_image_in_the_buffer_is_left_out() -> None:
    data = np.concatenate([PIXELS.view(np.uint8).ravel(), np.full(64, 99, np.uint8)])
    pixels = copied_pixels(Result(data, size=(3, 4)), PixelFormat.MONO12)
    np.testing.assert_array_equal(pixels, PIXELS)


def test_packed_pixels_stay_packed() -> None:
    packed = np.arange(18, dtype=np.uint8)
    frame = grabbing().frame(
        Result(packed, size=(3, 4)),
        1,
        CameraSettings(pixel_format=PixelFormat.MONO12P, exposure_us=1.0, gain_db=0.0),
        0,
    )
    assert (frame.height, frame.width) == (3, 4)
    np.testing.assert_array_equal(frame.pixels.ravel(), packed)


def test_a_buffer_too_small_for_its_image_is_incomplete() -> None:
    grab = grabbing()
    with pytest.raises(IncompleteFrameError, match="too few for 5 x 3"):
        grab.frame(Result(PIXELS, size=(3, 5)), 1, SETTINGS, 0)
    assert grab.counters == CameraCounters(5, 1, 2)


# -- counting ----------------------------------------------------------------------------------


def test_lost_and_failed_buffers_are_counted_apart_on_top_of_what_was() -> None:
    grab = grabbing()
    ids = []
    for block_id, failure in [
        (0, None),
        (1, "incomplete"),
        (4, None),
        (NO_BLOCK_ID, "x"),
        (6, None),
    ]:
        result = Result(PIXELS, size=(3, 4), block_id=block_id, failure=failure)
        if failure:
            with pytest.raises(IncompleteFrameError, match="24000001"):
                grab.frame(result, 1, SETTINGS, 0)
        else:
            ids.append(grab.frame(result, 1, SETTINGS, 0).sequence)
    assert ids == [0, 4, 6]
    assert grab.counters == CameraCounters(delivered=8, lost=3, failed=3)


def test_an_error_text_that_is_no_text_is_told_by_its_code() -> None:
    with pytest.raises(IncompleteFrameError, match="error 3774873620"):
        grabbing().frame(Result(PIXELS, size=(3, 4), failure="mojibake"), 1, SETTINGS, 0)


def test_an_error_text_goes_on_as_part_of_a_sentence() -> None:
    result = Result(PIXELS, size=(3, 4), failure="The buffer was incompletely grabbed.")
    with pytest.raises(IncompleteFrameError, match=r"incompletely grabbed$"):
        grabbing().frame(result, 1, SETTINGS, 0)


# -- time and settings of each frame -----------------------------------------------------------


def test_the_middle_of_the_exposure_is_before_readout_and_arrival() -> None:
    frame = grabbing().frame(Result(PIXELS, size=(3, 4)), 100_000_000, SETTINGS, 9_000_000)
    assert frame.mid_exposure_ns == 100_000_000 - 9_000_000 - 5_000_000
    assert (frame.exposure_us, frame.gain_db, frame.stream_epoch) == (10_000.0, 3.0, 2)
    assert (frame.device_time_ns, frame.light_on) == (0, None)


def test_a_device_clock_takes_the_hosts_jitter_out() -> None:
    grab = grabbing(ns_per_tick=8.0)
    frames = [
        grab.frame(Result(PIXELS, size=(3, 4), block_id=k, timestamp=ticks), host_ns, SETTINGS, 0)
        for k, (ticks, host_ns) in enumerate([(1_250_000, 20_000_000), (3_333_333, 90_000_000)])
    ]
    assert frames[1].device_time_ns == 26_666_664
    assert frames[1].mid_exposure_ns - frames[0].mid_exposure_ns == pytest.approx(
        16_666_664, abs=10_000
    )


def test_frames_bring_their_own_exposure_gain_and_light() -> None:
    chunks = {"ChunkExposureTime": 2_000.0, "ChunkGain": 12.0, "ChunkLineStatusAll": 0b0100}
    result = Result(PIXELS, size=(3, 4), chunks=chunks)
    grab = grabbing(chunks=True, light_bit=line_bit("Line3"))
    grab.settings_changed(waiting=0)
    frame = grab.frame(result, 100_000_000, SETTINGS, 0)
    assert (frame.exposure_us, frame.gain_db, frame.light_on) == (2_000.0, 12.0, True)
    assert frame.mid_exposure_ns == 99_000_000
    # it says itself what it was exposed with
    assert not frame.settings_in_flight
    other = grabbing(chunks=True, light_bit=line_bit("Line1"))
    assert other.frame(result, 1, SETTINGS, 0).light_on is False
    assert grabbing(light_bit=2).frame(result, 1, SETTINGS, 0).light_on is None


def test_chunks_that_lack_a_part_leave_it_to_the_settings() -> None:
    result = Result(PIXELS, size=(3, 4), chunks={"ChunkGain": 12.0})
    frame = grabbing(chunks=True).frame(result, 1, SETTINGS, 0)
    assert (frame.exposure_us, frame.gain_db) == (10_000.0, 12.0)


def test_frames_under_way_at_a_change_are_marked() -> None:
    grab = grabbing()
    grab.settings_changed(waiting=2)
    marked = [
        grab.frame(Result(PIXELS, size=(3, 4), block_id=k), 1, SETTINGS, 0).settings_in_flight
        for k in range(8)
    ]
    assert marked == [True] * 5 + [False] * 3


@pytest.mark.parametrize(
    ("transport", "nodes", "ids", "tick"),
    [
        ("BaslerUsb", {}, None, 1.0),
        ("BaslerGigE", {"GevTimestampTickFrequency": Node(125_000_000)}, GIGE_BLOCK_IDS, 8.0),
        ("BaslerGigE", {"GevGVSPExtendedIDMode": Node("On")}, None, None),
        ("BaslerGigE", {"BslGevGVSPExtendedIDMode": Node("Off")}, GIGE_BLOCK_IDS, None),
        ("BaslerCamEmu", {}, None, None),
    ],
)
def test_each_transport_counts_and_ticks_in_its_own_way(
    transport: str, nodes: dict[str, Node], ids: int | None, tick: float | None
) -> None:
    assert block_ids(transport, features(**nodes)) == ids
    assert ns_per_tick(transport, features(**nodes)) == tick


# -- words -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("Device is exclusively opened by another client.", CameraInUseError, "close that one"),
        ("The device is controlled by another application.", CameraInUseError, "close that one"),
        ("Access denied: insufficient permissions", CameraError, "udev"),
        ("No device is available or no device contains", CameraNotFoundError, "gone"),
        ("Something else", CameraError, "Something else"),
    ],
)
def test_why_a_camera_cannot_be_opened(text: str, error: type[CameraError], words: str) -> None:
    found = open_error("24000001", text)
    assert type(found) is error
    assert words in str(found)


@pytest.mark.parametrize("line", ["Line0", "3", "Line", "LineA", ""])
def test_a_line_that_is_none_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="light_line"):
        line_bit(line)


@pytest.mark.parametrize(("hertz", "ticks"), [(None, 0), (1.0, 60_000_000)])
def test_a_gige_camera_that_counts_anew_loses_what_its_new_numbers_lack(
    hertz: float | None, ticks: int
) -> None:
    run = grabbing(block_ids=GIGE_BLOCK_IDS, ns_per_tick=hertz)
    read = [(20_000, ticks), (20_001, 2 * ticks), (3, 3 * ticks)]
    for number, (block_id, time) in enumerate(read):
        result = Result(PIXELS, size=(3, 4), block_id=block_id, timestamp=time)
        frame = run.frame(result, (number + 1) * 60_000_000, SETTINGS, 0)
    assert run.counters.lost - 1 == 2
    assert frame.sequence == 20_004
