"""The question before a recording or a live view ends. The picture goes on behind it."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtGui import QFontMetrics
from PySide6.QtWidgets import QMessageBox, QWidget

from sln_guide.render import tokens
from sln_guide.render.text import font


class ClosingQuestion:
    """Asked once at a time; ``agreed`` is called if the answer is yes."""

    def __init__(self, window: QWidget, agreed: Callable[[], None]) -> None:
        self._window = window
        self._agreed = agreed
        self._box: QMessageBox | None = None

    @property
    def box(self) -> QMessageBox | None:
        """The question on show."""
        return self._box

    def ask(self, *, recording: bool) -> None:
        """Ask, without waiting for the answer."""
        if self._box is not None:
            return
        box = QMessageBox(self._window)
        box.setWindowTitle("Close?")
        if recording:
            box.setText("A recording is running. Stop it and close?")
            yes = "Stop recording and close"
        else:
            box.setText("The live view will end. Close?")
            yes = "Close"
        accept = box.addButton(yes, QMessageBox.ButtonRole.DestructiveRole)
        keep = box.addButton("Keep going", QMessageBox.ButtonRole.RejectRole)
        for button in (accept, keep):  # the box would cut off words wider than its own
            button.setMinimumWidth(
                QFontMetrics(font(tokens.LARGE_PX)).horizontalAdvance(button.text()) + 56
            )
        box.setDefaultButton(keep)
        box.setEscapeButton(keep)
        box.finished.connect(lambda _: self._answered(yes=box.clickedButton() is accept))
        self._box = box
        box.open()

    def _answered(self, *, yes: bool) -> None:
        box, self._box = self._box, None
        if box is not None:
            box.deleteLater()
        if yes:
            self._agreed()
