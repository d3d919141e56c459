"""`sln-guide` with an ear: tells a test what is on its screen. Nothing is pressed from in here.

``python watched_program.py COMMAND ...`` runs the command; each line on its input is answered with
a line of JSON: the windows, widgets and words that a person would see. A line that names a file
has the whole X screen saved there, as it is shown.
"""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

from PySide6.QtCore import QObject, QPoint, QRect, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QAbstractButton, QApplication, QLabel, QWidget


class Ear(QObject):
    """Hears on a thread of its own, answers on the GUI thread."""

    asked = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.asked.connect(self._answer)
        threading.Thread(target=self._hear, daemon=True).start()

    def _hear(self) -> None:
        # not through sys.stdin: Python aborts when its lock is held at the end
        with open(0, "rb", buffering=0, closefd=False) as questions:
            while line := questions.readline():
                self.asked.emit(line.decode().strip())

    def _answer(self, file: str) -> None:
        if file:
            assert QGuiApplication.primaryScreen().grabWindow(0).save(file)
        windows = [w for w in QApplication.topLevelWidgets() if w.isVisible()]
        active = QApplication.activeWindow()
        seen: dict[str, Any] = {
            "windows": [w.windowTitle() for w in windows],
            "active": "" if active is None else active.windowTitle(),
            "widgets": [d for w in windows for d in described(w)],
        }
        for window in windows:
            if hasattr(window, "strip"):
                seen |= {
                    "strip": window.strip.texts(),
                    "message": window.confirmation.text,
                    "banners": [b.headline for b in window.video.shown.state.banners],
                    "nodes": [row.name for row in window.nodes.rows],
                }
                if window.timeline is not None:
                    seen["position"] = window.timeline.position.text()
        sys.stdout.write(json.dumps(seen) + "\n")
        sys.stdout.flush()


def described(window: QWidget) -> list[dict[str, Any]]:
    """Say of each widget that is seen what it is called and where on the screen it lies."""
    found = []
    for widget in (window, *window.findChildren(QWidget)):
        words = widget.text() if isinstance(widget, QAbstractButton | QLabel) else ""
        name = words or widget.accessibleName() or type(widget).__name__
        if widget.isVisible():
            box = QRect(widget.mapToGlobal(QPoint(0, 0)), widget.size())
            found.append(
                {
                    "name": name,
                    "kind": type(widget).__name__,
                    "of": window.windowTitle(),
                    "enabled": widget.isEnabled(),
                    "box": box.getRect(),
                }
            )
    return found


if __name__ == "__main__":
    from sln_guide.cli import main

    application = QApplication(["sln-guide"])
    ear = Ear()
    sys.exit(main())
