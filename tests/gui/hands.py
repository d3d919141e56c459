"""What an operator's hands do to a window, and what its fixtures are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

Open = Callable[..., Any]
Wait = Callable[[Callable[[], object]], None]
LEFT = Qt.MouseButton.LeftButton


def click(widget: QWidget) -> None:
    QTest.mouseClick(widget, LEFT)


def start_recording(window: Any, wait_for: Wait) -> None:
    QTest.keyClick(window, Qt.Key.Key_R)
    wait_for(lambda: window.record.recording)


def names(source: Any) -> list[str]:
    """Return what was stamped."""
    return [f"{m.name} {m.detail}".strip() for m in source.marks]
