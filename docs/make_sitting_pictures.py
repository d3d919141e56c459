"""Make the pictures of the guided window: `python docs/make_sitting_pictures.py`.

Sits down to the simulated bench under a real X server (DISPLAY, such as Xvfb's), presses the keys a
person would, and keeps what the window shows at each stage. Look at every picture.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib import resources
from pathlib import Path

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from hardware.opencv import cv2
from sln_guide.calibration.sitting import Sitting
from sln_guide.calibration.stand import Phase
from sln_guide.gui import theme
from sln_guide.gui.sitting.window import SittingWindow

IMAGES = Path(__file__).resolve().parent / "images"
SIZE = (1366, 768)
WEBP_QUALITY = 82


def keep(window: SittingWindow, name: str, folder: Path) -> None:
    """Save the window as a small picture."""
    settle(0.3)
    image = window.grab().toImage().convertToFormat(QImage.Format.Format_BGR888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    pixels = rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3)
    cv2.imwrite(
        str(folder / f"sitting-{name}.webp"), pixels, [cv2.IMWRITE_WEBP_QUALITY, WEBP_QUALITY]
    )


def until(condition: Callable[[], object]) -> None:
    """Let the window run until something holds."""
    while not condition():
        QApplication.processEvents()
        time.sleep(0.01)  # QTest.qWait would keep the guide's thread from running


def settle(seconds: float) -> None:
    """Let the window run for a while."""
    end_s = time.monotonic() + seconds
    until(lambda: time.monotonic() > end_s)


def main(folder: Path) -> None:
    """Sit through all of it."""
    app = QApplication([])
    theme.dress(app)
    with tempfile.TemporaryDirectory(prefix="sitting-") as name:
        rig = Path(name) / "rig.toml"
        shipped = resources.files("hardware") / "rigs" / "bench.toml"
        rig.write_text(shipped.read_text(encoding="utf-8"), encoding="utf-8")
        window = SittingWindow(lambda seen: Sitting(str(rig), seen=seen))
        window.resize(*SIZE)
        window.show()
        guide = window.guide

        def at(phase: Phase) -> bool:
            return guide.stand.phase is phase

        def beyond(step: int) -> bool:
            return at(Phase.DONE) or (at(Phase.ARRANGING) and guide.stand.step > step)

        def press(key: Qt.Key) -> None:
            settle(0.1)  # a person presses what is on the screen
            QTest.keyClick(window, key)

        until(lambda: guide.stand.standings)
        while guide.stand.next_choice is not None:
            choice = guide.stand.next_choice
            press(Qt.Key.Key_Return)
            until(lambda: not at(Phase.CHOOSING) and not at(Phase.DONE))
            kept = False
            while not at(Phase.DONE):
                until(lambda: (at(Phase.ARRANGING) and guide.pictures) or at(Phase.DONE))
                if at(Phase.DONE):
                    break
                step = guide.stand.step
                if choice == "register" and step == 5:
                    until(lambda: all(s.sight and s.sight.good for s in guide.pictures.values()))
                    keep(window, "register", folder)
                press(Qt.Key.Key_Return)
                if choice == "ptc" and not kept:
                    until(lambda: guide.stand.done > 30)
                    keep(window, "measuring", folder)
                    kept = True
                until(partial(beyond, step))
            if choice == "check":
                keep(window, "check", folder)
        press(Qt.Key.Key_Escape)
        until(lambda: at(Phase.CHOOSING))
        keep(window, "list", folder)
        press(Qt.Key.Key_7)
        until(lambda: len(guide.pictures) == 2)
        keep(window, "focus", folder)
        press(Qt.Key.Key_Escape)
        until(lambda: at(Phase.CHOOSING))
        window.close()
        until(lambda: not window.isVisible())


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES)
