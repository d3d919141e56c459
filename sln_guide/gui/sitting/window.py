"""`sit`: the guided calibrations in a window, one step at a time. The thread is the guide's."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEventLoop, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QStackedLayout, QVBoxLayout, QWidget

from hardware.frame import Frame
from sln_guide.calibration.guide import Guide
from sln_guide.calibration.sitting import Sitting
from sln_guide.calibration.stand import CHOICES, Phase
from sln_guide.gui import theme
from sln_guide.gui.app import choose_platform, ending_by_signal
from sln_guide.gui.claims.readings import Tone
from sln_guide.gui.display import NoDisplayError
from sln_guide.gui.panels.buttons import FlatButton
from sln_guide.gui.preferences import config_folder, wanted_scale
from sln_guide.gui.scale import application
from sln_guide.gui.sitting.pages import ChoicePage, DonePage, StepPage
from sln_guide.gui.sitting.parts import label, say
from sln_guide.gui.wake import Wake
from sln_guide.render import tokens

Sit = Callable[[Callable[[str, Frame], None]], Sitting]
MOST_CLOSING_MS = 8000
SIGNALS_SEEN_EVERY_MS = 200
STEPS = (Phase.ARRANGING, Phase.MEASURING, Phase.FOCUSING)


class SittingWindow(QWidget):
    """Shows where the guide stands; keys and buttons ask it to go on. Never waits.

    Parameters
    ----------
    sit
        Makes the sitting; called on the guide's thread.
    """

    closed = Signal()

    def __init__(self, sit: Sit) -> None:
        super().__init__()
        self.setWindowTitle("sln-guide: calibrate and check")
        self.setMinimumSize(1000, 700)
        self._wake = Wake(self._show_stand, self)
        self.guide = Guide(sit, self._wake)
        self._closing = False
        self._patience = QTimer(self, singleShot=True, interval=MOST_CLOSING_MS)
        self._patience.timeout.connect(self._give_up)
        self.rig = label(tokens.HUGE_PX, bold=True)
        self.rig.setWordWrap(False)
        self.simulated = label(tokens.LARGE_PX, Tone.SIMULATED, bold=True)
        self.simulated.setWordWrap(False)
        self.folder = label(tokens.SMALL_PX, Tone.NEUTRAL)
        self.leave = FlatButton("Close", "Esc")
        self.leave.setFixedSize(120, 56)
        self.leave.clicked.connect(self.close)
        head = QHBoxLayout()
        head.setSpacing(16)
        head.addWidget(self.rig)
        head.addWidget(self.simulated)
        head.addWidget(self.folder, 1)
        head.addWidget(self.leave)
        self.choices = ChoicePage(self.guide)
        self.step = StepPage(self.guide)
        self.done = DonePage(self.guide)
        self.stack = QStackedLayout()
        for page in (self.choices, self.step, self.done):
            self.stack.addWidget(page)
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 16, 24, 24)
        column.setSpacing(16)
        column.addLayout(head)
        column.addLayout(self.stack, 1)
        self._show_stand()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Digits choose, Enter goes on, Escape goes back, R and A as their buttons say."""
        key, phase = event.key(), self.guide.stand.phase
        if event.isAutoRepeat():
            return
        if key == Qt.Key.Key_Escape:
            if phase in STEPS or phase is Phase.DONE:
                self.guide.back()
            else:
                self.close()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._go_on(phase)
        elif phase is Phase.CHOOSING and Qt.Key.Key_1 <= key < Qt.Key.Key_1 + len(CHOICES):
            self.guide.choose(CHOICES[key - Qt.Key.Key_1])
        elif phase is Phase.DONE and key == Qt.Key.Key_R:
            self.done.open_report()
        elif phase is Phase.DONE and key == Qt.Key.Key_A:
            self.done.do_again()
        elif phase is Phase.DONE and key in (Qt.Key.Key_PageDown, Qt.Key.Key_PageUp):
            self.done.pages.turn(1 if key == Qt.Key.Key_PageDown else -1)
        elif phase is Phase.DONE and key in (Qt.Key.Key_Down, Qt.Key.Key_Up):
            self.done.move_lines(1 if key == Qt.Key.Key_Down else -1)
        else:
            super().keyPressEvent(event)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Let go of the cameras first, without waiting here; hang on to nothing for long."""
        if self.guide.alive:
            event.ignore()
            if not self._closing:
                self._closing = True
                self.setEnabled(False)
                say(self.simulated, "Letting go of the cameras …", Tone.STALE)
                self.guide.end()
                self._patience.start()
            return
        self._patience.stop()
        self._wake.end()
        event.accept()
        self.closed.emit()

    def _give_up(self) -> None:
        """Close although a camera's driver hangs; its thread ends with the program."""
        if self.isVisible():
            self._wake.end()
            self.hide()
            self.closed.emit()

    def _go_on(self, phase: Phase) -> None:
        if phase is Phase.DONE:
            self.done.go_on()
        elif phase is Phase.CHOOSING:
            following = self.guide.stand.next_choice
            if following is not None:
                self.guide.choose(following)
        else:
            self.guide.go_on()

    def _show_stand(self) -> None:
        stand = self.guide.stand
        if stand.phase is Phase.ENDED:
            self.guide.close(1.0)
            self.close()
            return
        if self._closing:
            return
        say(self.rig, f"Calibrate · {stand.rig}" if stand.rig else "Calibrate")
        say(self.simulated, "SIMULATED" if stand.simulated else "")
        say(self.folder, f"kept in {stand.folder}" if stand.folder else "")
        choosing = stand.phase not in (*STEPS, Phase.DONE)
        self.leave.setVisible(choosing)
        if choosing:
            self.choices.show_stand(stand)
            self.stack.setCurrentWidget(self.choices)
        elif stand.phase is Phase.DONE:
            self.done.show_stand(stand)
            self.stack.setCurrentWidget(self.done)
        else:
            self.step.show_stand(stand)
            self.stack.setCurrentWidget(self.step)
        pictures = self.guide.pictures
        for role, view in self.step.views.items():
            view.show_seen(pictures.get(role))


def sit(make: Sit) -> int:
    """Show the window until it is closed; return the exit code.

    Raises
    ------
    NoDisplayError, NoFontError
        Nothing could be seen or read: each says what to do.
    """
    try:
        choose_platform(ends_by_itself=False)
    except NoDisplayError:
        raise NoDisplayError(
            "no display answers, so no window can be shown: set DISPLAY, or run "
            "`sln-guide calibrate all` here"
        ) from None
    app = application(wanted_scale(config_folder()))
    app.setQuitOnLastWindowClosed(False)
    theme.dress(app)
    window = SittingWindow(make)
    loop = QEventLoop()
    window.closed.connect(loop.quit)
    ticks = QTimer(window, interval=SIGNALS_SEEN_EVERY_MS)
    ticks.timeout.connect(lambda: None)  # so that Python sees Ctrl-C
    ticks.start()
    with ending_by_signal(lambda: bool(window.close())):
        window.showMaximized()
        loop.exec()
    window.deleteLater()
    return 0
