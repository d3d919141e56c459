"""After a fault of the core nothing it finds is shown until it has proved itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hardware.rig_files import load_rig
from sln_guide import pipeline
from sln_guide.guidance import Settings
from sln_guide.live import guiding as guiding_module
from sln_guide.live.guiding import STEPS_TO_TRUST_AGAIN, Guiding
from tests.scripted import make_frame


class NoLog:
    """A log of a session that records nothing."""

    def numbers(self) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


def test_what_it_finds_after_a_fault_is_shown_after_ten_good_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guiding_module, "RETRY_AFTER_FAULT_S", 0.0)
    setup = pipeline.Setup.from_rig(load_rig("demo"))
    guiding = Guiding(setup, NoLog(), lambda guidance: None)
    faults = [True] + [False] * 6 + [True] + [False] * STEPS_TO_TRUST_AGAIN

    def step(state: Any, pair: Any, settings: Settings) -> tuple[Any, object]:
        if faults.pop(0):
            raise ArithmeticError("a fault of the core")
        return replace(state, generation=state.generation + 1), object()

    monkeypatch.setattr(pipeline, "step", step)
    shown = []
    for number in range(len(faults)):
        guiding.take(make_frame(number), Settings(), apart_ns=0)
        shown.append(guiding.guidance is not None)
    assert shown == [False] * (len(shown) - 1) + [True], "six good ones before a fault do not count"
