"""Any thread but the window's own may stall for two seconds: nothing freezes, nothing lies."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QApplication

from sln_guide.engine.remote import RemoteSession
from sln_guide.gui import guard, watchdog
from sln_guide.gui.alone import draw_nir, draw_white
from sln_guide.gui.claims.verdict import REMOVED_MS
from sln_guide.gui.window import OperatorWindow
from sln_guide.recording.verify import verify
from sln_guide.warm_up import warm_up
from tests.engine import making, stalling

PATIENCE_S = 60.0
TAKES_THE_OVERLAY = ("camera-nir", "camera-white", "processing", "from-engine")
OTHERS = ("recorder", "housekeeping", "edges", "status", "to-engine", "health-watch", "MainThread")
"""The engine's main thread among them: it does what the window asks."""


class Followed:
    """A window on a real session, every look at it checked."""

    def __init__(self, window: OperatorWindow, source: RemoteSession) -> None:
        self.window, self.source = window, source
        self.looks = 0
        self.without_overlay = 0
        self.old: list[float] = []
        look = window.showing.look

        def checked(now_ns: int, *arguments: Any) -> Any:
            shown = look(now_ns, *arguments)
            self.looks += 1
            self.without_overlay += not shown.overlay
            if shown.overlay and shown.picture is not None and shown.picture.guidance is not None:
                nir = shown.picture.guidance.pair.nir
                age_ms = (now_ns - nir.mid_exposure_ns) / 1e6
                if age_ms > REMOVED_MS:
                    self.old.append(age_ms)
            return shown

        window.showing.look = checked

    def until(self, condition: Callable[[], object], what: str) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while not condition():
            QApplication.processEvents()
            QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
            time.sleep(0.002)
            assert time.monotonic() < deadline_s, f"waited too long until {what}"

    @property
    def live(self) -> bool:
        shown = self.window.video.shown
        return shown is not None and shown.overlay


@pytest.fixture
def followed(qt: QApplication, tmp_path: Path) -> Iterator[Followed]:
    warm_up(making.small_rig())
    asked = tmp_path / "asked"
    asked.mkdir()
    stalling.stall_where_asked(asked)
    sys.setprofile(None)  # the window's own thread is the one that must go on
    source = RemoteSession(making.small_rig(), partial(stalling.session, tmp_path / "cases", asked))
    white = partial(draw_white, white_balance=source.rig.white_balance)
    window = OperatorWindow(source, white, draw_nir, snapshot_folder=tmp_path)
    try:
        source.start()
        window.resize(1366, 768)
        window.show()
        window.begin()
        stalling.forget_stalls()
        yield Followed(window, source)
    finally:
        stalling.forget_stalls()
        window.close_now()
        source.close()
        window.deleteLater()
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)


def gone(path: Path) -> bool:
    return not path.exists()


def test_a_thread_that_stalls_neither_freezes_the_window_nor_leaves_an_old_overlay(
    followed: Followed, tmp_path: Path
) -> None:
    followed.until(lambda: followed.live, "the overlay is live")
    case = followed.source.start_recording()
    for name in (*TAKES_THE_OVERLAY, *OTHERS):
        followed.until(lambda: followed.live, f"the overlay is live again, before {name}")
        asked = tmp_path / "asked" / f"{name}.asked"
        asked.touch()
        followed.source.mark("mark", name)  # gives threads that only wait something to do
        followed.source.change(opacity=0.6)
        followed.until(partial(gone, asked), f"{name} stalls")
        looks, without = followed.looks, followed.without_overlay
        followed.until(asked.with_suffix(".done").exists, f"{name} goes on")
        assert followed.looks - looks >= 10, f"the window stood still while {name} did"
        if name in TAKES_THE_OVERLAY:
            assert followed.without_overlay > without, f"{name} stalled and the overlay stayed"
    followed.until(lambda: followed.live, "the overlay is live again")
    assert followed.old == [], "an overlay older than it may be was let through"
    followed.source.stop_recording()
    followed.until(lambda: not followed.source.health().recorder.recording, "the case is closed")
    assert verify(case).ok


def test_a_window_that_stalls_is_covered_within_a_second() -> None:
    """The last beat may be a beat old; silence is noticed at the next look after its time."""
    latest_ms = guard.BEAT_MS + watchdog.SILENT_S * 1000 + watchdog.LOOK_EVERY_MS
    assert latest_ms < 1000 - 100  # the rest is for the X server
