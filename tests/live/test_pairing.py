"""Frames are paired by when they were exposed, not by when they arrived."""

from __future__ import annotations

import threading

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hardware.frame import Frame, PixelFormat
from sln_guide.guidance import Role
from sln_guide.live.pairing import Arrivals, Pairing, awaits_partner
from tests.frames import frame_of

PERIOD_NS = 16_666_667


def frame(mid_ns: int, sequence: int = 0, epoch: int = 0) -> Frame:
    return frame_of(
        np.zeros((2, 2)),
        PixelFormat.MONO8,
        sequence=sequence,
        stream_epoch=epoch,
        host_time_ns=mid_ns + 5_000_000,
        mid_exposure_ns=mid_ns,
    )


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=8), st.integers(0, 10**9))
def test_nearest_in_time_wins(white_ns: list[int], nir_ns: int) -> None:
    pairing = Pairing()
    for index, mid_ns in enumerate(white_ns):
        pairing.add_white(frame(mid_ns, index))
    pair = pairing.match(frame(nir_ns), max_skew_ns=2 * 10**9)
    assert pair.white is not None
    assert abs(pair.skew_ns) == min(abs(w - nir_ns) for w in white_ns)
    assert pair.skew_ns == pair.white.mid_exposure_ns - nir_ns


def test_too_far_apart_is_no_pair() -> None:
    pairing = Pairing()
    pairing.add_white(frame(0))
    assert pairing.match(frame(50_000_000), max_skew_ns=20_000_000).white is None


def test_the_usual_skew_of_the_last_pairs_is_told() -> None:
    pairing = Pairing()
    assert pairing.skew_ms() is None
    pairing.add_white(frame(0))
    for apart_ns in (9_000_000, 1_000_000, -2_000_000):
        pairing.match(frame(apart_ns), max_skew_ns=20_000_000)
    pairing.match(frame(50_000_000), max_skew_ns=20_000_000)
    assert pairing.skew_ms() == 2.0


def test_skew_is_steady_where_the_rates_of_the_cameras_are_multiples_of_each_other() -> None:
    """As many pairs lie 56 ms apart as 89: a median told now the one and now the other."""
    pairing, told = Pairing(), []
    for k in range(200):
        if k % 4 == 0:
            pairing.add_white(frame(k * 33_333_333 - 11_000_000))
        pairing.match(frame(k * 33_333_333), max_skew_ns=10**9)
        told.append(pairing.skew_ms())
    steady = [skew_ms for skew_ms in told[100:] if skew_ms is not None]
    assert max(steady) - min(steady) < 10.0


def test_a_few_lost_frames_do_not_change_the_skew_told() -> None:
    pairing = Pairing()
    pairing.add_white(frame(0))
    for k in range(31):
        pairing.match(frame(33_000_000 if k % 5 == 0 else 400_000), max_skew_ns=10**9)
    assert pairing.skew_ms() == 0.4


def test_a_replugged_camera_is_not_paired_with_its_old_frames() -> None:
    pairing = Pairing()
    pairing.add_white(frame(1000, epoch=0))
    pairing.add_white(frame(90_000, epoch=1))
    pair = pairing.match(frame(1000), max_skew_ns=10**9)
    assert pair.white is not None
    assert pair.white.stream_epoch == 1


def test_partner_is_awaited_only_when_it_is_due() -> None:
    assert awaits_partner(frame(PERIOD_NS), frame(0), PERIOD_NS)
    assert not awaits_partner(frame(PERIOD_NS), frame(PERIOD_NS), PERIOD_NS), "is there"
    assert not awaits_partner(frame(9 * PERIOD_NS), frame(0), PERIOD_NS), "long silent"
    assert not awaits_partner(frame(0), None, PERIOD_NS)


def test_arrivals_hand_out_both_frames_of_one_moment() -> None:
    arrivals = Arrivals([Role.NIR, Role.WHITE])
    for number in range(2):
        arrivals.put(Role.NIR, frame(number * PERIOD_NS, number), PERIOD_NS)
        arrivals.put(Role.WHITE, frame(number * PERIOD_NS, number), PERIOD_NS)
        assert all(f is not None for f in arrivals.next(1.0))
    arrivals.put(Role.NIR, frame(2 * PERIOD_NS, 2), PERIOD_NS)
    late = threading.Timer(
        0.001, lambda: arrivals.put(Role.WHITE, frame(2 * PERIOD_NS, 2), PERIOD_NS)
    )
    late.start()
    nir, white = arrivals.next(1.0)
    late.join()
    assert nir is not None
    if white is not None:  # on a busy machine the timer may miss the few ms of patience
        assert white.mid_exposure_ns == nir.mid_exposure_ns


def test_arrivals_do_not_wait_for_ever_for_a_silent_camera() -> None:
    arrivals = Arrivals([Role.NIR, Role.WHITE])
    arrivals.put(Role.NIR, frame(0), PERIOD_NS)
    nir, white = arrivals.next(1.0)
    assert nir is not None
    assert white is None
    assert arrivals.next(0.0) == (None, None)


def test_close_wakes_the_waiting_thread() -> None:
    arrivals = Arrivals([Role.NIR])
    closer = threading.Timer(0.01, arrivals.close)
    closer.start()
    assert arrivals.next(60.0) == (None, None)
    closer.join()
