"""Calls into a driver that do not come back are named, from another thread."""

from __future__ import annotations

import threading

import pytest

from hardware.call_watch import CallWatch


def test_a_call_under_way_too_long_is_named() -> None:
    watch = CallWatch()
    assert watch.stuck(2**62) is None
    with watch.calling("RetrieveResult", 1.0):
        assert watch.stuck(watch.last_progress_ns) is None
        assert watch.stuck(2**62) == "RetrieveResult"
        with watch.calling("inner", 100.0):
            assert watch.stuck(watch.last_progress_ns) is None
            assert watch.stuck(2**62) == "inner"
        assert watch.stuck(2**62) == "RetrieveResult"
    assert watch.stuck(2**62) is None


def test_a_call_that_raises_is_over() -> None:
    watch = CallWatch()
    with pytest.raises(ZeroDivisionError), watch.calling("read", 0.0):
        raise ZeroDivisionError
    assert watch.stuck(2**62) is None


def test_a_hanging_thread_is_seen_from_another() -> None:
    watch, hanging, free = CallWatch(), threading.Event(), threading.Event()

    def hang() -> None:
        with watch.calling("Open", 0.0):
            hanging.set()
            free.wait(10)

    thread = threading.Thread(target=hang)
    thread.start()
    assert hanging.wait(10)
    assert watch.stuck(2**62) == "Open"
    free.set()
    thread.join(10)
    assert watch.stuck(2**62) is None
