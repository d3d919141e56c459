"""Threads that really stall, wherever they are, when a file asks them to."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

from sln_guide.live.session import LiveSession
from tests.engine import making

STALL_S = 2.0
LOOK_EVERY_S = 0.01
OURS = ("sln_guide", "hardware", "multiprocessing.connection")


def stall_where_asked(folder: Path) -> None:
    """Have this thread and all that begin from now on stall when `ask_to_stall` is called."""
    looked: dict[int, float] = {}

    def hook(frame: FrameType, event: str, _: Any) -> None:
        now_s, me = time.monotonic(), threading.get_ident()
        if event != "call" or now_s - looked.get(me, 0.0) < LOOK_EVERY_S:
            return
        if not str(frame.f_globals.get("__name__", "")).startswith(OURS):
            return
        looked[me] = now_s
        name = threading.current_thread().name
        asked = folder / f"{name}.asked"
        if asked.exists():
            asked.rename(folder / f"{name}.stalled")
            time.sleep(STALL_S)
            (folder / f"{name}.stalled").rename(folder / f"{name}.done")

    threading.setprofile(hook)
    sys.setprofile(hook)


def forget_stalls() -> None:
    """Let threads that begin from now on alone."""
    threading.setprofile(None)
    sys.setprofile(None)


def session(cases: Path, folder: Path) -> LiveSession:
    """Return, in the engine's process, a session whose threads can be stalled."""
    stall_where_asked(folder)
    return making.session(cases)
