"""The real-time class, asked of the real scheduler."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

import pytest

from hardware import realtime
from hardware.realtime import Rank, Turn, go_first, goes_first, may_go_first

allowed = pytest.mark.skipif(not may_go_first(), reason="the system allows no real-time class here")


T = TypeVar("T")


def on_a_thread(work: Callable[[], T]) -> T:
    told: list[T] = []
    thread = threading.Thread(target=lambda: told.append(work()))
    thread.start()
    thread.join()
    return told[0]


@allowed
def test_only_the_calling_thread_goes_first() -> None:
    def work() -> tuple[bool, bool, bool, str]:
        went = go_first(Rank.CAMERA)
        child = subprocess.run(
            [sys.executable, "-c", "import os; print(os.sched_getscheduler(0))"],
            capture_output=True,
            text=True,
            check=True,
        )
        return went, goes_first(0), on_a_thread(lambda: goes_first(0)), child.stdout.strip()

    assert on_a_thread(work) == (True, True, False, str(os.SCHED_OTHER))
    assert not goes_first(0)


@allowed
def test_a_loop_that_never_waits_leaves_the_machine_to_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else it would go before the X server, and the screen would stand still."""
    now_ns = 0
    monkeypatch.setattr(realtime.time, "monotonic_ns", lambda: now_ns)

    def rounds(turn: Turn, count: int, busy_ms: float, idle_ms: float) -> bool:
        nonlocal now_ns
        for _ in range(count):
            now_ns += int(busy_ms * 1e6)
            turn.waits()
            now_ns += int(idle_ms * 1e6)
            turn.works()
        return goes_first(0)

    def work() -> list[bool]:
        turn = Turn(Rank.PICTURE)
        return [
            goes_first(0),
            rounds(turn, 1000, 8.0, 8.0),
            rounds(turn, 30, 20.0, 0.01),  # a burst
            rounds(turn, 200, 8.0, 8.0),
            rounds(turn, 60, 20.0, 0.01),
            rounds(turn, 200, 20.0, 0.01),  # not tried again at once
            rounds(turn, 250, 20.0, 0.01),
            rounds(turn, 700, 8.0, 8.0),
        ]

    assert on_a_thread(work) == [True, True, True, True, False, False, False, True]


THEN_AN_ORDINARY_USER = """
import os
from hardware.realtime import Rank, go_first, goes_first, step_back
told = [go_first(Rank.PICTURE)]
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
step_back()
print([*told, goes_first(0)])
"""


@pytest.mark.skipif(
    not may_go_first() or os.geteuid() != 0, reason="only root may go first and drop its rights"
)
def test_an_ordinary_user_may_step_back() -> None:
    """Taking off the flag for children would ask for more rights than going first did."""
    child = subprocess.run(
        [sys.executable, "-c", THEN_AN_ORDINARY_USER], capture_output=True, text=True, check=False
    )
    assert (child.stdout.strip(), child.stderr) == ("[True, False]", "")


def test_where_it_is_not_allowed_nothing_else_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("not you")

    monkeypatch.setattr(os, "sched_setscheduler", refuse, raising=False)
    assert not on_a_thread(lambda: go_first(Rank.PICTURE))
    assert not may_go_first()


def test_elsewhere_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realtime.sys, "platform", "darwin")
    assert not go_first(Rank.PICTURE)
    assert may_go_first() is None
