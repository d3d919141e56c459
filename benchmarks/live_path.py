"""From a frame handed over to its picture painted, beside a bare camera → paint loop.

Two simulated 1280x1024 cameras (Mono12 NIR, Bayer white light) at 60 and 30 fps play frames of the
phantom; the real session, recorder and window run, with recording on, thumbnails, curves and the
theatre display open; once more with four pictures of which one is the plots, each in turn: the
curves, the histogram, the strip of latencies. The bare loop, in the same run: the same white
camera, OpenCV's demosaic in the camera's thread, a queued wake-up, a widget that paints. Run under
a real X server (Xvfb where there is one), each part in a process of its own.
"""

from __future__ import annotations

import argparse
import functools
import gc
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

UNIQUE_FRAMES = 48
WARM_UP_S = 3.0
PLOT_S = 2.0
"""Each plot is open for so long before the next."""


def frames_of_phantom() -> dict[str, list[Any]]:
    """Render the frames both parts play."""
    from hardware.phantom import Phantom
    from hardware.rig_files import load_rig

    rig = load_rig("demo")
    assert rig.phantom is not None
    phantom = Phantom(rig.phantom, rig)  # 30 fps: frames 900 on have two nodes lit
    return {
        role: [phantom.frame(role, 900 + index) for index in range(UNIQUE_FRAMES)]
        for role in ("nir", "white")
    }


def played_session(fps: float, cases: Path) -> Any:
    """Return, in the engine's process, a session on two cameras that play the frames."""
    from hardware.mock import MockCamera
    from hardware.rig_files import load_rig
    from sln_guide.guidance import Role
    from sln_guide.live.session import LiveSession
    from sln_guide.warm_up import warm_up

    rig = load_rig("demo")
    warm_up(rig)
    frames = frames_of_phantom()
    cameras = {
        Role(role): MockCamera(frames[role], camera_id=role, pace=fps, loop=True)
        for role in ("nir", "white")
    }
    gc.collect()
    gc.freeze()  # as the engine does when its core is there: else a collection stops it for 200 ms
    return LiveSession(with_rate(rig, fps), cameras, cases=cases)


def show_plots(window: Any, drawn: dict[str, int]) -> None:
    """Open the quad and show each plot in turn; count in ``drawn`` how often each was painted."""
    from PySide6.QtCore import QEvent, QObject, QTimer
    from PySide6.QtWidgets import QGraphicsView

    from sln_guide.gui.claims.layout import Layout

    class Counter(QObject):
        def eventFilter(self, watched: QObject, event: QEvent) -> bool:
            if event.type() is QEvent.Type.Paint:
                name = window.curves.shown.name
                drawn[name] = drawn.get(name, 0) + 1
            return False

    counter = Counter(window)

    def turn() -> None:
        for canvas in window.curves.findChildren(QGraphicsView):  # there once its library is
            canvas.viewport().installEventFilter(counter)  # again, it goes on as one
        window.curves.next_plot()

    window.commands.choose_layout(Layout.QUAD)
    turns = QTimer(window, interval=round(PLOT_S * 1000))
    turns.timeout.connect(turn)
    turns.start()


def measure_session(
    fps: float, seconds: float, cases: Path, *, plots: bool = False
) -> dict[str, Any]:
    """Run the whole application; return latency, losses, CPU and memory of both processes."""
    import psutil

    from benchmarks.watched_session import WatchedSession
    from hardware.rig_files import load_rig
    from sln_guide.gui.app import WindowPlan, run
    from sln_guide.recording.verify import verify

    drawn: dict[str, int] = {}
    rig = with_rate(load_rig("demo"), fps)
    opened = functools.partial(played_session, fps, cases)
    begun = functools.partial(show_plots, drawn=drawn) if plots else None
    session = WatchedSession(rig, opened, begun)
    processes = [psutil.Process(), psutil.Process(session.pid)]
    samples: list[tuple[int, float, int]] = []  # (when, processor seconds, resident bytes)

    def watch() -> None:
        while not session.ended.wait(1.0):
            times = [each.cpu_times() for each in processes]
            busy_s = sum(each.user + each.system for each in times)
            resident = sum(each.memory_info().rss for each in processes)
            samples.append((time.monotonic_ns(), busy_s, resident))

    watcher = threading.Thread(target=watch, name="watch")
    watcher.start()
    run(
        session,
        WindowPlan(
            seconds=seconds + WARM_UP_S,
            record=True,
            theatre=True,
            snapshot_folder=cases / "snapshots",
        ),
    )
    watcher.join()
    (case,) = cases.glob("*.case")
    checked = verify(case)
    health, paints = session.last, session.paints
    assert health is not None
    assert health.white is not None
    steady_ns = paints[0][0] + int(WARM_UP_S * 1e9)
    latencies_ms = [latency / 1e6 for when, latency in paints if when > steady_ns]
    steady = [each for each in samples if each[0] > steady_ns]
    return _summary(latencies_ms) | {
        "nir_lost": health.nir.lost,
        "white_lost": health.white.lost,
        "skipped_nir": health.skipped_nir,
        "dropped": health.recorder.dropped,
        "unsaved": health.recorder.unsaved,
        "fps": fps,
        "plots_drawn": drawn,
        "painted_hz": (len(latencies_ms) - 1) / ((paints[-1][0] - steady_ns) / 1e9),
        "cores": (steady[-1][1] - steady[0][1]) / ((steady[-1][0] - steady[0][0]) / 1e9),
        "case_ok": checked.ok,
        "case_complete": checked.complete,
        "rss_mb_after_warm_up": steady[0][2] / 1e6,
        "rss_mb_end": steady[-1][2] / 1e6,
        "frames_recorded": {str(k): v for k, v in checked.frames.items()},
    }


def measure_bare(fps: float, seconds: float) -> dict[str, Any]:
    """Run a bare loop: camera thread → demosaic → queued wake-up → paint."""
    from PySide6.QtCore import QObject, QTimer, Signal
    from PySide6.QtGui import QImage, QPainter, QPaintEvent
    from PySide6.QtWidgets import QApplication, QWidget

    from hardware.mock import MockCamera
    from hardware.opencv import cv2  # before Qt: it mends the Qt paths OpenCV sets

    frames = frames_of_phantom()["white"]
    camera = MockCamera(frames, camera_id="white", pace=fps, loop=True)
    newest: list[tuple[Any, int]] = []
    latencies_ms: list[float] = []
    began_ns = time.monotonic_ns()

    class Wake(QObject):
        came = Signal()

    class View(QWidget):
        def paintEvent(self, event: QPaintEvent) -> None:
            if not newest:
                return
            pixels, handed_over_ns = newest[-1]
            image = QImage(
                pixels.data, pixels.shape[1], pixels.shape[0], QImage.Format.Format_RGB32
            )
            painter = QPainter(self)
            painter.drawImage(self.rect(), image)
            painter.end()
            now_ns = time.monotonic_ns()
            if now_ns - began_ns > WARM_UP_S * 1e9:
                latencies_ms.append((now_ns - handed_over_ns) / 1e6)

    application = QApplication([])
    view, wake, ending = View(), Wake(), threading.Event()
    view.resize(1600, 900)
    view.show()
    wake.came.connect(view.update)

    def grab() -> None:
        with camera:
            camera.start()
            while not ending.is_set():
                frame = camera.read(1.0)
                rgb = cv2.cvtColor(frame.pixels, cv2.COLOR_BayerRG2BGRA)
                newest[:] = [(rgb, frame.host_time_ns)]
                wake.came.emit()

    thread = threading.Thread(target=grab, name="bare-camera")
    thread.start()
    QTimer.singleShot(int((seconds + WARM_UP_S) * 1000), application.quit)
    application.exec()
    ending.set()
    thread.join()
    return _summary(latencies_ms) | {"fps": fps, "painted_hz": len(latencies_ms) / seconds}


def with_rate(rig: Any, fps: float) -> Any:
    """Return ``rig`` with both cameras at ``fps``."""
    import msgspec

    return msgspec.structs.replace(
        rig,
        nir=msgspec.structs.replace(rig.nir, frame_rate_hz=fps),
        white=msgspec.structs.replace(rig.white, frame_rate_hz=fps),
    )


def _summary(latencies_ms: list[float]) -> dict[str, float]:
    if not latencies_ms:
        return {"p50_ms": float("nan"), "p99_ms": float("nan"), "max_ms": float("nan")}
    p50, p99 = np.percentile(latencies_ms, (50, 99))
    return {"p50_ms": float(p50), "p99_ms": float(p99), "max_ms": float(max(latencies_ms))}


def main(*, quick: bool = False, seconds: float | None = None) -> dict[str, Any]:
    """Run both parts at 60 and 30 fps; print a table; return the figures."""
    if seconds is None:
        seconds = 10.0 if quick else 40.0
    results: dict[str, Any] = {}
    with display() as name:
        print(f"live path, {name}; {seconds:g} s each, recording, theatre display open")
        for fps in (60.0, 30.0):
            for part in ("bare", "session", "plots"):
                results[f"{part}@{fps:g}"] = _in_own_process(part, fps, seconds)
    header = f"{'':14}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}{'painted Hz':>12}"
    print(header)
    for part, row in results.items():
        print(
            f"{part:14}{row['p50_ms']:9.1f}{row['p99_ms']:9.1f}{row['max_ms']:9.1f}"
            f"{row['painted_hz']:12.1f}"
        )
    for part, row in results.items():
        kind, period_ms = part.partition("@")[0], 1000.0 / row["fps"]
        if kind == "bare":
            continue
        opened = ", ".join(f"{plot.lower()} {n} x" for plot, n in row["plots_drawn"].items())
        told = f"plots in turn ({opened})" if kind == "plots" else "curves"
        print(
            f"at {row['fps']:g} fps, {told} open: {row['painted_hz'] / row['fps']:.2f} of the "
            f"frames' rate painted, p50 = {row['p50_ms'] / period_ms:.2f} periods, "
            f"p99 = {row['p99_ms'] / period_ms:.2f} periods; "
            f"lost NIR {row['nir_lost']}, white {row['white_lost']}; "
            f"not recorded {row['dropped']}; case {'sound' if row['case_ok'] else 'DAMAGED'}, "
            f"{'complete' if row['case_complete'] else 'INCOMPLETE'}; "
            f"NIR frames overtaken by a newer one {row['skipped_nir']}; "
            f"{row['cores']:.2f} cores; memory {row['rss_mb_after_warm_up']:.0f} → "
            f"{row['rss_mb_end']:.0f} MB"
        )
    return results


@contextmanager
def display() -> Iterator[str]:
    """Have Qt use a real X server of our own where there is one, else its offscreen platform."""
    before = dict(os.environ)
    server = None
    name = "offscreen (no Xvfb)"
    if shutil.which("Xvfb") is None:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    else:
        read_end, write_end = os.pipe()
        server = subprocess.Popen(
            ["Xvfb", "-noreset", "-displayfd", str(write_end), "-screen", "0", "1920x1080x24"],
            pass_fds=[write_end],
            stderr=subprocess.DEVNULL,
        )
        os.close(write_end)
        with os.fdopen(read_end) as pipe:
            os.environ["DISPLAY"] = f":{pipe.readline().strip()}"
        os.environ["QT_QPA_PLATFORM"] = "xcb"
        name = "Xvfb 1920x1080"
    try:
        yield name
    finally:
        if server is not None:
            server.terminate()
            server.wait()
        os.environ.clear()
        os.environ.update(before)


def _in_own_process(part: str, fps: float, seconds: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "result.json"
        arguments = ["--part", part, "--fps", str(fps), "--seconds", str(seconds)]
        subprocess.run(
            [sys.executable, "-m", "benchmarks.live_path", *arguments, "--out", str(out)],
            check=True,
        )
        result: dict[str, Any] = json.loads(out.read_text())
        return result


def _part() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--part", choices=["bare", "session", "plots"])
    parser.add_argument("--fps", type=float, default=60.0)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.part is None:
        main(quick=options.quick, seconds=options.seconds)
        return
    seconds = 20.0 if options.seconds is None else options.seconds
    if options.part == "bare":
        result = measure_bare(options.fps, seconds)
    else:
        with tempfile.TemporaryDirectory() as cases:
            plots = options.part == "plots"
            result = measure_session(options.fps, seconds, Path(cases), plots=plots)
    if options.out is not None:
        options.out.write_text(json.dumps(result))
    else:
        print(json.dumps(result, indent=2))


if __name__ == "__main__":
    _part()
