"""What crosses threads: nothing is lost in silence, nothing waits for ever."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sln_guide.handoff import Backlog, Closed, Latest


def test_latest_keeps_the_newest_and_counts_the_rest() -> None:
    box: Latest[int] = Latest()
    assert box.peek() is None
    assert box.take_now() is None
    for value in (1, 2, 3):
        box.put(value)
    assert box.take(0.0) == 3
    assert box.overwritten == 2
    assert box.take(0.0) is None, "a value is taken once"
    assert box.peek() == 3, "but can still be looked at"


def test_latest_wakes_a_waiting_thread() -> None:
    box: Latest[str] = Latest()
    got: list[str | None] = []
    waiter = threading.Thread(target=lambda: got.append(box.take(10.0)))
    waiter.start()
    box.put("frame")
    waiter.join(10.0)
    assert got == ["frame"]


def test_latest_closed_hands_out_what_is_left_then_says_so() -> None:
    box: Latest[int] = Latest()
    box.put(7)
    box.close()
    assert box.take(0.0) == 7
    with pytest.raises(Closed):
        box.take(0.0)


@given(st.lists(st.integers(), max_size=40), st.integers(1, 10))
def test_backlog_accepts_in_order_up_to_its_capacity(values: list[int], capacity: int) -> None:
    queue: Backlog[int] = Backlog(capacity)
    accepted = [value for value in values if queue.put(value)]
    assert accepted == values[:capacity]
    assert len(queue) == len(accepted)
    queue.close()
    assert not queue.put(0), "closed means closed"
    assert not accepted or queue.take_some(100, 0.0) == accepted
    with pytest.raises(Closed):
        queue.take_some(1, 0.0)


def test_backlog_needs_room() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Backlog(0)


def test_backlog_loses_nothing_between_two_threads() -> None:
    queue: Backlog[int] = Backlog(10_000)
    taken: list[int] = []

    def drain() -> None:
        while True:
            try:
                taken.extend(queue.take_some(7, 1.0))
            except Closed:
                return

    reader = threading.Thread(target=drain)
    reader.start()
    for value in range(5000):
        assert queue.put(value)
    queue.close()
    reader.join(10.0)
    assert taken == list(range(5000))
