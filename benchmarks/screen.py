"""What a person waits for at the screen: a start until it can be used, a stall until it is covered.

Each start is a process of its own, under a real X server where there is one, on a machine that has
compiled the core before. The stall is a real one: the window's own thread sleeps, and another
process looks at the screen. Least and median of several, beside the aims; nothing is asserted.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

from benchmarks.live_path import display
from hardware.rig_files import load_rig
from sln_guide.warm_up import warm_up

AIMS_S = {"window": 2.0, "overlay": 3.0}
COVER_AIM_S = 1.0
MOST_S = 120.0
STALL_S = 3.0

# Nothing is imported earlier than the command itself does, here or in the engine's process, which
# imports this as its main module.
STARTED = """
import sys, time
from sln_guide.cli import main

def measured():
    import json
    from sln_guide import window_commands

    began_ns = int(sys.argv[1])
    told = {}

    def tell(what):
        told.setdefault(what, (time.monotonic_ns() - began_ns) / 1e9)

    tell("imported")
    show = window_commands._show

    def watched(*arguments, **named):
        from sln_guide.gui.window import OperatorWindow

        painted = OperatorWindow._was_painted

        def was_painted(self, shown):
            painted(self, shown)
            tell("window")
            if shown.image is not None:
                tell("picture")
            if shown.overlay:
                tell("overlay")
                self.close_now()

        OperatorWindow._was_painted = was_painted
        return show(*arguments, **named)

    window_commands._show = watched
    code = main(["demo", "--cases", sys.argv[2]])
    print(json.dumps(told))
    return code

if __name__ == "__main__":
    sys.exit(measured())
"""

STALLED = """
import sys, time
from pathlib import Path
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QWidget
from sln_guide.gui.guard import Guard
from sln_guide.render import tokens
app = QApplication(["stalled"])
window = QWidget()
window.setStyleSheet("background: " + tokens.GROUND)
window.setGeometry(0, 0, 800, 600)
window.show()
guard = Guard(lambda: (window,))
def stall():
    print(time.monotonic_ns(), flush=True)
    time.sleep(float(sys.argv[1]))
    app.quit()
QTimer.singleShot(1500, stall)
app.exec()
guard.end()
"""

LOOKING = """
import sys, time
from PySide6.QtGui import QGuiApplication
from sln_guide.render import tokens
app = QGuiApplication(["looking"])
screen = app.primaryScreen()
print("looks", flush=True)
end_s = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end_s:
    pixel = screen.grabWindow(0, 20, 300, 1, 1).toImage().pixelColor(0, 0)
    if pixel.name().upper() == tokens.ALARM:
        print(time.monotonic_ns(), flush=True)
        break
"""


def measure_start() -> dict[str, float]:
    """Start the demo; return seconds from the command to each of its stages."""
    with tempfile.TemporaryDirectory() as folder:
        # as a file: the engine's process must find its way back into a main module
        program = os.path.join(folder, "started.py")
        with open(program, "w", encoding="utf-8") as file:
            file.write(STARTED)
        env = os.environ | {"PYTHONPATH": os.getcwd(), "XDG_CONFIG_HOME": folder}
        began_ns = time.monotonic_ns()
        done = subprocess.run(
            [sys.executable, program, str(began_ns), os.path.join(folder, "cases")],
            check=True,
            capture_output=True,
            text=True,
            timeout=MOST_S,
            env=env,
        )
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def measure_cover() -> float | None:
    """Stall a window; return seconds until it was covered, None where nobody could see it."""
    wait_s = str(STALL_S + 6.0)
    with (
        subprocess.Popen(
            [sys.executable, "-c", LOOKING, wait_s], stdout=subprocess.PIPE, text=True
        ) as looking,
        subprocess.Popen(
            [sys.executable, "-c", STALLED, str(STALL_S)], stdout=subprocess.PIPE, text=True
        ) as stalled,
    ):
        assert looking.stdout is not None
        assert stalled.stdout is not None
        looking.stdout.readline()
        stalled_ns, covered_ns = stalled.stdout.readline(), looking.stdout.readline()
    return (int(covered_ns) - int(stalled_ns)) / 1e9 if stalled_ns and covered_ns else None


def main(*, quick: bool = False) -> dict[str, Any]:
    """Measure both; print them beside the aims; return the figures."""
    count = 3 if quick else 5
    with display() as name:
        warm_up(load_rig("demo"))  # compiles what was never compiled
        measure_start()  # brings files into memory
        starts = [measure_start() for _ in range(count)]
        seen = name.startswith("Xvfb")
        covers = [s for _ in range(count) if seen and (s := measure_cover()) is not None]
    print(f"the screen, {name}; least and median of {count}")
    stages = (
        ("imported", "start to the program's own code"),
        ("window", "start to usable window (warm): painted, controls answer"),
        ("picture", "start to live white light in it"),
        ("overlay", "start to a live overlay"),
    )
    for stage, words in stages:
        _print(words, [start[stage] for start in starts], AIMS_S.get(stage))
    if covers:
        _print("a stalled window is covered after", covers, COVER_AIM_S)
    else:
        print("a stalled window is covered after: not seen without a screen")
    return {"starts": starts, "covers": covers}


def _print(words: str, values_s: list[float], aim_s: float | None) -> None:
    least_s, median_s = min(values_s), statistics.median(values_s)
    told = f"{words:68}{least_s:7.2f}{median_s:7.2f} s"
    if aim_s is not None:
        verdict = "met" if median_s <= aim_s else "missed"
        told += f"   aim {aim_s:g} s: {verdict} ({median_s / aim_s:.2f} of it)"
    print(told)


if __name__ == "__main__":
    main(quick="--quick" in sys.argv)
