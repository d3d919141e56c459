"""What the engine's process begins with. Imports nothing yet of what works in there.

The window's process imports this as well, and must not wait for the core to be imported.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from hardware.rig import Rig
from sln_guide import standard_streams
from sln_guide.terminal import ENDING, hear_signals

if TYPE_CHECKING:
    from sln_guide.live.session import LiveSession

Make = Callable[[], "LiveSession"]
"""Makes the session, in the engine's process: finds the cameras. Must be picklable."""


def serve(make: Make, connection: Connection) -> None:
    """Make a session and serve it until the window closes it, or is gone."""
    standard_streams.secure()
    # Ctrl-C, and a terminal that is closed, reach every process of it; the window decides what
    # they mean.
    for number in (signal.SIGINT, *ENDING):
        signal.signal(number, signal.SIG_IGN)
    hear_signals()
    begun = threading.Event()
    watch = threading.Thread(
        target=_end_with_window, args=(connection.fileno(), begun), name="watch-window", daemon=True
    )
    watch.start()
    from sln_guide.engine.serving import Engine
    from sln_guide.warm_up import under_way

    Engine(make, connection, begun).run()
    if under_way():  # a compiler at work on its thread would not survive what ends Python
        sys.stderr.flush()
        os._exit(0)


def _end_with_window(pipe: int, begun: threading.Event) -> None:
    """Thread: end the process when its window is gone before a session has ``begun``.

    Nobody will ask for pictures, and nothing is recorded yet: what is being loaded, compiled or
    looked for would only hold cameras that the next start wants.
    """
    looking = select.poll()
    looking.register(pipe, 0)  # only that the other end is gone
    looking.poll()
    if not begun.is_set():
        os._exit(0)


def live_session(rig: Rig, cases: Path) -> LiveSession:
    """Return a session on the rig's cameras; nothing is opened, or compiled, yet."""
    from sln_guide.engine.serving import session_on

    return session_on(rig, cases)
