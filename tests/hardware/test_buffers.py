"""Numbering of buffers, and when each arrived."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.buffers import GIGE_BLOCK_IDS, NO_BLOCK_ID, ArrivalClock, BlockNumbers


def test_numbers_follow_a_usb_device_and_count_gaps() -> None:
    numbers = BlockNumbers()
    assert [numbers.take(i) for i in (0, 1, 4, 5)] == [(0, 0), (1, 0), (4, 2), (5, 0)]


def test_what_came_before_the_first_frame_is_no_loss() -> None:
    assert BlockNumbers().take(17) == (17, 0)


def test_gige_ids_begin_anew_without_a_loss() -> None:
    numbers = BlockNumbers(GIGE_BLOCK_IDS)
    numbers.take(65533)
    assert [numbers.take(i) for i in (65534, 65535, 1, 3)] == [
        (65534, 0),
        (65535, 0),
        (65536, 0),
        (65538, 1),
    ]


@pytest.mark.parametrize(("modulus", "invalid"), [(None, NO_BLOCK_ID), (GIGE_BLOCK_IDS, 0)])
def test_a_buffer_without_an_id_is_one_frame_and_no_loss(modulus: int | None, invalid: int) -> None:
    numbers = BlockNumbers(modulus)
    assert [numbers.take(i) for i in (5, invalid, 7, 9)] == [(5, 0), (6, 0), (7, 0), (9, 1)]


def test_a_repeated_id_still_makes_the_sequence_grow() -> None:
    numbers = BlockNumbers()
    assert [numbers.take(i) for i in (5, 5, 6)] == [(5, 0), (6, 0), (7, 0)]


def test_a_gige_device_that_counts_anew_has_not_lost_what_it_never_took() -> None:
    """Its IDs end at 65535: 40,000, then 3, would else be 25,537 frames lost in a moment."""
    numbers = BlockNumbers(GIGE_BLOCK_IDS)
    numbers.take(40_000)
    assert numbers.take(3, most=32) == (40_003, 2)
    assert numbers.take(4, most=32) == (40_004, 0)


def test_a_gige_device_that_may_have_counted_to_the_end_has() -> None:
    numbers = BlockNumbers(GIGE_BLOCK_IDS)
    numbers.take(65_530)
    assert numbers.take(3, most=32) == (65_538, 7)


@given(st.lists(st.integers(1, 400), min_size=1), st.integers(1, GIGE_BLOCK_IDS))
def test_every_gige_frame_is_accounted_for(steps: list[int], first: int) -> None:
    numbers = BlockNumbers(GIGE_BLOCK_IDS)
    position = first
    start, _ = numbers.take(first)
    lost = 0
    for step in steps:
        position += step
        sequence, missing = numbers.take((position - 1) % GIGE_BLOCK_IDS + 1)
        lost += missing
        assert sequence == start + position - first
    assert lost == sum(steps) - len(steps)


def test_without_a_device_clock_arrival_is_when_it_arrived() -> None:
    clock = ArrivalClock(None)
    assert clock.device_ns(12345) == 0
    assert clock.arrival_ns(0, 777) == 777


def test_ticks_become_nanoseconds() -> None:
    assert ArrivalClock(8.0).device_ns(1000) == 8000


def test_a_burst_of_late_frames_is_put_back_to_when_they_came() -> None:
    clock = ArrivalClock(1.0)
    period, lag = 16_666_667, 9_000_000
    arrivals = [(k * period, k * period + lag) for k in range(1, 10)]
    for device_ns, host_ns in arrivals:
        assert clock.arrival_ns(device_ns, host_ns) == host_ns
    # the reader was held up: three frames at once
    late_ns = 13 * period
    for k in (10, 11, 12):
        arrival = clock.arrival_ns(k * period, late_ns)
        assert arrival == pytest.approx(k * period + lag, abs=20_000)
        assert arrival <= late_ns


@given(st.lists(st.integers(0, 50_000_000), min_size=2, max_size=200), st.floats(-9e-5, 9e-5))
def test_arrival_is_never_later_than_the_host_saw_it(jitter: list[int], drift: float) -> None:
    clock = ArrivalClock(1.0)
    for k, late in enumerate(jitter, 1):
        true_ns = k * 16_666_667
        host_ns = true_ns + late
        assert clock.arrival_ns(round(true_ns * (1 + drift)), host_ns) <= host_ns


def test_a_drifting_crystal_is_followed() -> None:
    clock = ArrivalClock(1.0)
    for k in range(1, 60 * 600):
        host_ns = k * 16_666_667
        arrival = clock.arrival_ns(round(host_ns * (1 - 5e-5)), host_ns)
        assert host_ns - arrival < 10_000


def test_a_device_clock_that_was_set_is_pinned_anew() -> None:
    clock = ArrivalClock(1.0)
    clock.arrival_ns(10_000_000_000, 20_000_000_000)
    assert clock.arrival_ns(5_000_000, 20_016_000_000) == 20_016_000_000
    assert clock.arrival_ns(21_000_000, 20_032_000_000) == 20_032_000_000
