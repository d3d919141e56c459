"""Make the pictures of README and guide: `make screenshots`.

Runs the real commands under a real X server (Xvfb), on simulated cameras, presses keys as a person
would, and saves what the window shows. Look at every picture before committing it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import mock

IMAGES = Path(__file__).resolve().parent / "images"
SIZE = "1600x900"
PRESSED_BEFORE_S = 4.0


def shoot(name: str, seconds: float, *words: str | Path, keys: str = "") -> None:
    """Run one command, press ``keys``, and keep its window as ``docs/images/<name>.png``."""
    path = str(IMAGES / f"{name}.png")
    command = [sys.executable, __file__, keys, str(seconds), path, *map(str, words), "--size", SIZE]
    subprocess.run(command, check=True)


def press_and_run(keys: str, seconds: float, path: str, words: list[str]) -> int:
    """Run a command in this process; press keys (named as in Qt, with commas), keep its picture.

    Seconds count from the first picture that is judged: on a machine's first start the core is
    compiled before. On a busy machine the window may say NOT LIVE just then, which is not what is
    to be shown: the picture is taken at the first moment without a band that says so.
    """
    from PySide6.QtCore import Qt, QTimer
    from PySide6.QtTest import QTest

    from sln_guide.cli import main as run
    from sln_guide.gui.claims.readings import Tone
    from sln_guide.gui.window import OperatorWindow

    begin = OperatorWindow.begin

    def begin_and_wait(window: OperatorWindow) -> None:
        def press() -> None:
            for key in filter(None, keys.split(",")):
                QTest.keyClick(window, getattr(Qt.Key, f"Key_{key}"))

        def keep() -> None:
            if not good():
                return
            window.refresh_readings()
            assert window.grab().save(path)
            window.close_now()

        def good() -> bool:
            shown = window.video.shown
            if shown is None or not shown.state.judged:
                return False
            return all(b.tone is not Tone.ALARM for b in shown.state.banners)

        def count() -> None:
            if good():
                waiting.stop()
                QTimer.singleShot(round((seconds - PRESSED_BEFORE_S) * 1000), window, press)
                QTimer.singleShot(round(seconds * 1000), looking, looking.start)

        looking, waiting = QTimer(window, interval=50), QTimer(window, interval=50)
        looking.timeout.connect(keep)
        waiting.timeout.connect(count)
        begin(window)
        waiting.start()

    with mock.patch.object(OperatorWindow, "begin", begin_and_wait):
        return run(words)


def shoot_start(folder: Path) -> None:
    """Keep the start screen of a place without a rig; ``folder`` is where it looks from."""
    code = """
import sys
from pathlib import Path
from unittest import mock
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from sln_guide.gui import start, theme
app = QApplication([])
theme.dress(app)
cases, config, out = map(Path, sys.argv[1:])
look = lambda: (start.find_cameras(), *start.examine(cases))
window = start.StartWindow(cases, config, look)
window.resize(1366, 768)
window.show()
while not window.findings.findings:
    QTest.qWait(100)
QTest.qWait(500)
window.grab().save(str(out))
window.close()
"""
    words = ["sln-guide/cases", "~/.config/sln-guide", str(IMAGES / "start.png")]
    subprocess.run([sys.executable, "-c", code, *words], check=True, cwd=folder)


def main() -> None:
    """Make all of them."""
    IMAGES.mkdir(exist_ok=True)
    read_end, write_end = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-noreset", "-displayfd", str(write_end), "-screen", "0", "1920x1080x24"],
        pass_fds=[write_end],
    )
    os.close(write_end)
    with os.fdopen(read_end) as pipe, tempfile.TemporaryDirectory() as folder:
        os.environ["DISPLAY"] = f":{pipe.readline().strip()}"
        os.environ["QT_QPA_PLATFORM"] = "xcb"
        os.environ["XDG_CONFIG_HOME"] = str(Path(folder) / "config")
        cases = Path(folder) / "cases"
        try:
            shoot("window", 42.0, "demo", "--record", "--cases", cases)
            (case,) = cases.glob("*.case")
            shoot("replay", 30.0, "replay", case)
            shoot("map", 36.0, "demo", "--cases", cases, keys="F3,O,G")
            shoot("settings", 36.0, "demo", "--cases", cases, keys="O,O,P")
            shoot_start(Path(folder))
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(press_and_run(sys.argv[1], float(sys.argv[2]), sys.argv[3], sys.argv[4:]))
    main()
