"""`Recent`: the newest cases as buttons on the start screen, looked for beside its window."""

from __future__ import annotations

import threading
from pathlib import Path

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from sln_guide.gui.panels.buttons import FlatButton
from sln_guide.gui.wake import Wake
from sln_guide.one_line import on_one_line, unexpected
from sln_guide.render import tokens
from sln_guide.render.text import font

RECENT = 4
LATE_S = 3.0
"""A folder that has not answered for so long is told of."""


def recent_cases(folder: Path) -> list[Path]:
    """Return the newest cases, newest first; their names begin with when they were recorded."""
    try:
        found = [path for path in folder.iterdir() if path.suffix == ".case" and path.is_dir()]
    except FileNotFoundError:  # nothing was recorded yet
        return []
    return sorted(found, key=lambda path: path.name, reverse=True)[:RECENT]


class Recent(QWidget):
    """Looks for cases on a thread of its own: a drive that hangs keeps no window.

    ``chosen`` carries the folder of the case whose button was pressed.
    """

    chosen = Signal(object)

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._found: list[Path] | None = None
        self._why = ""
        self.buttons: list[FlatButton] = []
        self.words = QLabel("Looking for cases …")
        self.words.setWordWrap(True)
        self.words.setFont(font(tokens.BODY_PX))
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.addWidget(self.words)
        self._wake = Wake(self._show_found, self)
        self._late = QTimer(self)
        self._late.setSingleShot(True)
        self._late.timeout.connect(self._tell_late)
        self._late.start(round(LATE_S * 1000))
        self._thread = threading.Thread(target=self._look, name="list-cases", daemon=True)
        self._thread.start()

    @property
    def answered(self) -> bool:
        """Whether the folder's drive has said what is there."""
        return self._found is not None

    def end(self) -> None:
        """Show nothing more; a drive that answers no more is not waited for."""
        self._late.stop()
        self._wake.end()

    def _look(self) -> None:
        found: list[Path] = []
        try:
            found = recent_cases(self._folder)
        except OSError as error:
            self._why = error.strerror or str(error)
        except Exception as error:  # noqa: BLE001 - said where the cases would be
            self._why = unexpected(error)
        self._found = found
        self._wake()

    def _show_found(self) -> None:
        self._late.stop()
        for path in self._found or ():
            button = FlatButton(on_one_line(path.stem), "")
            button.reach_by_tab()
            button.setFixedHeight(tokens.CONTROL_PX)
            button.clicked.connect(lambda _=False, path=path: self.chosen.emit(path))
            self._column.addWidget(button)
            self.buttons.append(button)
        if self._why:
            self._warn(f"Cases in {on_one_line(str(self._folder))} cannot be listed: {self._why}")
            return
        self.words.setStyleSheet("")
        self.words.setFont(font(tokens.BODY_PX, bold=True))
        self.words.setText("Replay" if self._found else "")
        self.words.setVisible(bool(self._found))

    def _tell_late(self) -> None:
        self._warn(
            f"The drive of {on_one_line(str(self._folder))} does not answer: cases there cannot be "
            "listed, nor recorded. Look at the drive, or choose another with --cases"
        )

    def _warn(self, words: str) -> None:
        self.words.setStyleSheet(f"color: {tokens.STALE}")
        self.words.setText(words)
