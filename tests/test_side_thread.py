"""Threads beside the way to the screen: an error is told, the work begins again, and it ends."""

from __future__ import annotations

import threading

import pytest

from sln_guide import side_thread
from sln_guide.side_thread import SideThread

WAIT_S = 10.0


@pytest.mark.parametrize("error", [ValueError("broken\npiece"), SystemExit("killed")])
def test_an_error_is_told_and_the_work_begins_again(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(side_thread, "AGAIN_AFTER_S", 0.0)
    ending, again, runs = threading.Event(), threading.Event(), []

    def work() -> None:
        runs.append(None)
        if len(runs) <= 2:
            raise error
        again.set()
        ending.wait(WAIT_S)

    thread = SideThread("side", work, ending, without="nothing is looked at")
    assert thread.trouble is None
    thread.start()
    assert again.wait(WAIT_S)
    said = str(error).splitlines()[0]
    assert thread.trouble == f"nothing is looked at ({type(error).__name__}: {said})"
    assert capsys.readouterr().err.count("Traceback") == 1, "printed once, however often"
    monkeypatch.setattr(side_thread, "TOLD_FOR_S", -1.0)
    assert thread.trouble is None, "told for a while only"
    ending.set()
    thread.join(WAIT_S)
    assert len(runs) == 3


def test_one_that_was_never_begun_can_be_joined() -> None:
    SideThread("side", lambda: None, threading.Event(), without="").join(WAIT_S)
