"""The whole application for a long time: does anything grow, drift, or get lost?

The same as `benchmarks.live_path` runs (window, theatre display, curves, recording; two simulated
1280x1024 cameras), minute by minute. Parts of the case that are closed are deleted
as it goes, or it would need a hundred gigabytes. Not part of `make bench`:

    python -m benchmarks.soak --minutes 20 --fps 30
"""

from __future__ import annotations

import argparse
import functools
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil

from benchmarks.live_path import WARM_UP_S, display, played_session, with_rate
from benchmarks.recording import forget_closed_parts
from sln_guide.health import SessionHealth

HEADER = (
    "minute",
    "p50 ms",
    "p99 ms",
    "painted Hz",
    "engine MB",
    "window MB",
    "threads",
    "cores",
    "frames",
    "lost",
    "not recorded",
    "waiting at most",
)


def soak(fps: float, minutes: int, cases: Path) -> None:
    """Run for ``minutes``; print a line a minute. Raises AssertionError when something is lost."""
    from benchmarks.watched_session import WatchedSession
    from hardware.rig_files import load_rig
    from sln_guide.gui.app import WindowPlan, run
    from sln_guide.warm_up import warm_up

    rig = with_rate(load_rig("demo"), fps)
    warm_up(rig)  # the engine then starts at once
    session = WatchedSession(rig, functools.partial(played_session, fps, cases))
    processes = {"engine": psutil.Process(session.pid), "window": psutil.Process()}
    health: list[SessionHealth] = []

    def busy_s() -> float:
        times = [each.cpu_times() for each in processes.values()]
        return float(sum(each.user + each.system for each in times))

    def watch() -> None:
        print("| " + " | ".join(HEADER) + " |\n|" + " --- |" * len(HEADER), flush=True)
        while not session.paints and not session.ended.wait(0.1):
            pass
        session.ended.wait(WARM_UP_S)
        for number in range(1, minutes + 1):
            began_s, busy_before_s, most_waiting = time.monotonic(), busy_s(), 0
            session.paints = []  # else it would be the notes that grow
            while time.monotonic() - began_s < 60.0 and not session.ended.wait(1.0):
                health[:] = [session.health()]
                most_waiting = max(most_waiting, health[0].recorder.unsaved)
                for case in cases.glob("*.case"):
                    forget_closed_parts(case)
            latencies_ms = [latency / 1e6 for _, latency in session.paints]
            cores = (busy_s() - busy_before_s) / 60.0
            _tell(number, latencies_ms, most_waiting, processes, cores, health[0])

    watcher = threading.Thread(target=watch, name="watch")
    watcher.start()
    try:
        run(
            session,
            WindowPlan(
                seconds=60.0 * minutes + WARM_UP_S + 15.0,
                record=True,
                theatre=True,
                snapshot_folder=cases / "snapshots",
            ),
        )
    finally:
        session.close()
        watcher.join()
    assert health[0].recorder.dropped == 0, health[0]
    assert health[0].nir.lost == 0, health[0]


def _tell(
    number: int,
    latencies_ms: list[float],
    most_waiting: int,
    processes: dict[str, psutil.Process],
    cores: float,
    health: SessionHealth,
) -> None:
    p50, p99 = np.percentile(latencies_ms, (50, 99))
    memory = {name: each.memory_info().rss / 1e6 for name, each in processes.items()}
    threads = sum(each.num_threads() for each in processes.values())
    lost = health.nir.lost + (0 if health.white is None else health.white.lost)
    cells = (
        f"{number}",
        f"{p50:.1f}",
        f"{p99:.1f}",
        f"{len(latencies_ms) / 60:.1f}",
        f"{memory['engine']:.0f}",
        f"{memory['window']:.0f}",
        f"{threads}",
        f"{cores:.2f}",
        f"{health.recorder.frames}",
        f"{lost}",
        f"{health.recorder.dropped}",
        f"{most_waiting}",
    )
    print("| " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=20)
    parser.add_argument("--fps", type=float, default=30.0)
    options = parser.parse_args()
    with display() as name, tempfile.TemporaryDirectory() as cases:
        print(f"{options.minutes} minutes at {options.fps:g} fps, {name}")
        soak(options.fps, options.minutes, Path(cases))


if __name__ == "__main__":
    main()
