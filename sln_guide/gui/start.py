"""`choose`: the screen that a start without a command shows: what is there, and what to do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QEventLoop, QRectF, Qt, Signal
from PySide6.QtGui import QCloseEvent, QColor, QFontMetricsF, QKeyEvent, QPainter
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from hardware.camera import CameraError
from hardware.doctor import Finding, examine
from hardware.rig import RigError
from hardware.rig_files import load_rig
from sln_guide.gui import theme
from sln_guide.gui.app import asked_to_end, ending_by_signal
from sln_guide.gui.claims.readings import Tone
from sln_guide.gui.panels.buttons import FlatButton
from sln_guide.gui.panels.panel import HEAD_PX, Panel
from sln_guide.gui.preferences import wanted_scale
from sln_guide.gui.recent import Recent
from sln_guide.gui.scale import application
from sln_guide.gui.wake import Wake
from sln_guide.one_line import unexpected
from sln_guide.render import tokens
from sln_guide.render.text import font

CHOICE_PX = 72
LOOK_S = 15.0
MORE_PX = 24.0
"""Room for a line that says how many findings there was no room for."""
SIZE_PX, TITLE_PX = (1240, 720), 32
"""Of the window, and what a window manager adds on top."""
FLOW = Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft
WORDS = {True: ("ok", Tone.LIVE), False: ("not ready", Tone.ALARM), None: ("unsure", Tone.STALE)}


@dataclass(frozen=True, slots=True)
class OwnRig:
    """The rig of this place: its file, and its name or why it cannot be used."""

    path: Path
    name: str = ""
    problem: str = ""


def own_rig(config: Path) -> OwnRig:
    """Look at the user's own rig."""
    path = config / "rig.toml"
    if not path.is_file():
        return OwnRig(path)
    try:
        return OwnRig(path, name=load_rig(path).name)
    except RigError as error:
        return OwnRig(path, problem=str(error))


def find_cameras() -> Finding:
    """Ask which cameras answer. Takes a second the first time."""
    try:
        from hardware.basler import list_cameras

        found = list_cameras()
    except (CameraError, ImportError) as error:
        return Finding("cameras", None, f"cannot be asked: {error}")
    if not found:
        return Finding("cameras", None, "none answers", "Check cable and power.")
    return Finding("cameras", True, "; ".join(camera.text() for camera in found))


class Findings(Panel):
    """What was found of this machine, with what to do.

    Attributes
    ----------
    left_out
        How many there was no room for when it was painted; the panel says so.
    """

    def __init__(self) -> None:
        super().__init__("This machine")
        self.setMinimumSize(460, 360)
        self._findings: tuple[Finding, ...] = ()
        self.left_out = 0

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is listed."""
        return self._findings

    def show_findings(self, findings: Sequence[Finding]) -> None:
        """List them, what is not ready first."""
        order = {False: 0, None: 1, True: 2}
        self._findings = tuple(sorted(findings, key=lambda f: order[f.ok]))
        bad = sum(f.ok is False for f in findings)
        self.say(f"{bad} not ready" if bad else "")
        self.update()

    def paint_body(self, painter: QPainter) -> None:
        """Paint the list."""
        top, right = float(HEAD_PX), self.width() - 14.0
        if not self._findings:
            painter.setFont(font(tokens.BODY_PX))
            painter.drawText(QRectF(14, top, right, 30), FLOW, "Looking…")
            return
        self.left_out = 0
        for place, finding in enumerate(self._findings):
            tall = self._tall(finding, right - 96)
            left = len(self._findings) - place
            below = 0.0 if left == 1 else MORE_PX
            if top + tall + below > self.height():
                painter.setPen(QColor(tokens.SECONDARY))
                painter.setFont(font(tokens.SMALL_PX))
                self.left_out = left
                words = f"and {left} more: sln-guide doctor"
                painter.drawText(QRectF(96, top, right - 96, MORE_PX), FLOW, words)
                return
            self._paint_finding(painter, finding, top, right)
            top += tall

    def _tall(self, finding: Finding, width: float) -> float:
        """Return how much height a finding takes."""
        if finding.ok is True:
            return 24.0
        small = QFontMetricsF(font(tokens.SMALL_PX))
        room = QRectF(0, 0, width, 1000)
        words = filter(None, (finding.message, finding.remedy))
        return 30.0 + sum(small.boundingRect(room, FLOW, text).height() + 2 for text in words)

    def _paint_finding(self, painter: QPainter, finding: Finding, top: float, right: float) -> None:
        """Paint what was found; what is well in one line."""
        word, tone = WORDS[finding.ok]
        bold, small = font(tokens.BODY_PX, bold=True), font(tokens.SMALL_PX)
        painter.setPen(theme.colour(tone))
        painter.setFont(font(tokens.SMALL_PX, bold=True))
        painter.drawText(QRectF(14, top + 2, 80, 20), FLOW, word)
        painter.setPen(QColor(tokens.TEXT))
        painter.setFont(bold)
        painter.drawText(QRectF(96, top, right - 96, 22), FLOW, finding.name)
        painter.setFont(small)
        if finding.ok is True:
            begin = 96 + QFontMetricsF(bold).horizontalAdvance(finding.name) + 10
            shown = QFontMetricsF(small).elidedText(
                finding.message, Qt.TextElideMode.ElideRight, right - begin
            )
            painter.setPen(QColor(tokens.SECONDARY))
            painter.drawText(QRectF(begin, top + 2, right - begin + 2, 20), FLOW, shown)
            return
        top += 22
        for text, ink in ((finding.message, tokens.SECONDARY), (finding.remedy, tokens.TEXT)):
            if text:
                painter.setPen(QColor(ink))
                room = QRectF(96, top, right - 96, 1000)
                painter.drawText(room, FLOW, text)
                top += QFontMetricsF(small).boundingRect(room, FLOW, text).height() + 2


class StartWindow(QWidget):
    """Emits the words of a command line, or none when it is closed.

    Parameters
    ----------
    cases
        Folder of recorded cases.
    config
        Folder of the user's own rig.
    look
        Returns what is found of this machine; runs on a thread of its own.
    said
        Why the last choice came to nothing; empty: it did not, or was the first.
    """

    chosen = Signal(object)

    def __init__(
        self,
        cases: Path,
        config: Path,
        look: Callable[[], Sequence[Finding]],
        *,
        said: str = "",
    ) -> None:
        super().__init__()
        self._cases = cases
        self._open = True
        self._found: Sequence[Finding] = ()
        self.setWindowTitle("sln-guide")
        self.setMinimumSize(1000, 620)
        room = self.screen().availableSize()
        self.resize(min(SIZE_PX[0], room.width()), min(SIZE_PX[1], room.height() - TITLE_PX))
        self.findings = Findings()
        self.rig = own_rig(config)
        actions = QVBoxLayout()
        actions.setSpacing(tokens.GAP_PX)
        actions.addWidget(_label("sln-guide", tokens.HUGE_PX, bold=True))
        note = _label("Research use only", tokens.BODY_PX)
        note.setStyleSheet(f"color: {tokens.STALE}")
        actions.addWidget(note)
        self.failed = _label(said, tokens.BODY_PX, bold=True)
        self.failed.setStyleSheet(f"color: {tokens.ALARM}")
        self.said = _label(self._first_words(), tokens.BODY_PX)
        for words in (self.failed, self.said):
            words.setWordWrap(True)
            actions.addWidget(words)
        actions.addSpacing(tokens.GAP_PX)
        name = f" · {self.rig.name}" if self.rig.name else ""
        self.live = self._button(f"Live guidance{name}", "L", ("live", "--cases", str(cases)))
        self.live.setEnabled(bool(self.rig.name))
        self.demo = self._button(
            "Demo: a simulated procedure", "D", ("demo", "--cases", str(cases))
        )
        own = bool(self.rig.name)
        self.sitting = self._button(
            "Calibrate and check the rig" if own else "Calibrate: try it on a simulated bench",
            "C",
            ("sitting", "--rig", str(self.rig.path) if own else "bench"),
        )
        self.open_case = self._button("Open a case …", "O", None)
        self.open_case.clicked.connect(self.ask_for_case)
        for button in (self.live, self.sitting, self.demo, self.open_case):
            button.setMinimumHeight(CHOICE_PX)
            actions.addWidget(button)
        self.recent = Recent(cases)
        self.recent.chosen.connect(lambda path: self._choose(("replay", str(path))))
        actions.addWidget(self.recent)
        actions.addStretch(1)
        row = QHBoxLayout(self)
        row.setContentsMargins(24, 24, 24, 24)
        row.setSpacing(24)
        row.addLayout(actions, 1)
        row.addWidget(self.findings, 1)
        (self.live if own else self.demo).setFocus()  # Enter does what the words advise
        self._wake = Wake(self._show_found, self)
        self._thread = threading.Thread(
            target=self._look, args=(look,), name="look-at-machine", daemon=True
        )
        self._thread.start()

    def ask_for_case(self) -> None:
        """Let a case's folder be chosen."""
        # a folder that does not answer would keep the dialog, and with it the window
        begin = str(self._cases) if self.recent.answered else str(Path.home())
        folder = QFileDialog.getExistingDirectory(self, "Open a case", begin)
        if folder:
            self._choose(("replay", folder))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """L, C, D, O choose; Escape leaves."""
        buttons = {
            Qt.Key.Key_L: self.live,
            Qt.Key.Key_C: self.sitting,
            Qt.Key.Key_D: self.demo,
            Qt.Key.Key_O: self.open_case,
        }
        button = next((b for key, b in buttons.items() if key == event.key()), None)
        if button is not None:
            button.click()
        elif event.key() == Qt.Key.Key_Escape:
            self.close()
        else:
            super().keyPressEvent(event)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Nothing was chosen."""
        self._end()
        event.accept()

    def finish_looking(self) -> None:
        """Wait until the machine was looked at: a program that ends amid it would crash."""
        self._thread.join(LOOK_S)

    def _first_words(self) -> str:
        """Say in plain words what is missing for live guidance."""
        if self.rig.problem:
            return f"Your rig cannot be used: {self.rig.problem}"
        if self.rig.name:
            return ""
        return (
            "No rig yet: nothing says which cameras this place has. Start the demo to learn the "
            f"screen without a camera; for live guidance describe your cameras in {self.rig.path} "
            "(docs/guide.md shows how)."
        )

    def _button(self, text: str, key: str, words: tuple[str, ...] | None) -> FlatButton:
        button = FlatButton(text, key)
        button.reach_by_tab()
        if words is not None:
            button.clicked.connect(lambda _=False: self._choose(words))
        return button

    def _choose(self, words: tuple[str, ...]) -> None:
        if self._open:
            self._end(words)
            self.close()

    def _end(self, words: tuple[str, ...] = ()) -> None:
        if self._open:
            self._open = False
            self._wake.end()
            self.recent.end()
            self.chosen.emit(words)

    def _look(self, look: Callable[[], Sequence[Finding]]) -> None:
        try:
            self._found = look()
        except Exception as error:  # noqa: BLE001 - said where the findings would be
            reason = unexpected(error)
            self._found = (Finding("this machine", None, f"could not be looked at: {reason}"),)
        self._wake()

    def _show_found(self) -> None:
        self.findings.show_findings(self._found)


def choose(cases: Path, config: Path, said: str = "") -> tuple[str, ...]:
    """Show the start screen; return the words of the command that was chosen, or none.

    ``said`` is why the last choice came to nothing.

    Raises
    ------
    NoFontError
        Nothing could be read: says what to install.
    """
    app = application(wanted_scale(config))
    if asked_to_end():
        return ()
    app.setQuitOnLastWindowClosed(False)
    theme.dress(app)
    found: list[tuple[str, ...]] = []
    loop = QEventLoop()
    window = StartWindow(cases, config, lambda: (find_cameras(), *examine(cases)), said=said)
    window.chosen.connect(found.append)
    window.chosen.connect(loop.quit)
    with ending_by_signal(window.close):
        window.show()
        loop.exec()
    if not found[0]:
        window.finish_looking()
    window.deleteLater()
    return found[0]


def _label(text: str, px: int, *, bold: bool = False) -> QLabel:
    label = QLabel(text)
    label.setFont(font(px, bold=bold))
    label.setVisible(bool(text))
    return label
