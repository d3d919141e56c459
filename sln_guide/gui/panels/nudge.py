"""`NudgePad`: moves the registration by hand, by buttons or arrow keys. The last resort."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent

from sln_guide.gui.panels.buttons import FlatButton
from sln_guide.render import tokens

STEP_PX, LONG_STEP_PX = 1, 5
"""Of white light; the longer with Shift."""
ARROWS = {
    Qt.Key.Key_Left: ("←", "Nudge left", (-1, 0)),
    Qt.Key.Key_Up: ("↑", "Nudge up", (0, -1)),
    Qt.Key.Key_Down: ("↓", "Nudge down", (0, 1)),
    Qt.Key.Key_Right: ("→", "Nudge right", (1, 0)),
}


def nudge_text(nudge_px: tuple[float, float]) -> str:
    """Word a nudge, in px of the white picture as the camera has it: "+3, −2 px"."""
    x, y = nudge_px
    return f"{x:+g}, {y:+g} px".replace("-", "−")


class NudgePad(QObject):
    """Four arrows and the way back. While one of them has the focus, arrow keys nudge too."""

    nudged = Signal(int, int)
    taken_back = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.arrows: dict[Qt.Key, FlatButton] = {}
        for key, (text, name, _) in ARROWS.items():
            button = self.arrows[key] = FlatButton(text)
            button.setAccessibleName(name)
            button.clicked.connect(partial(self._press, key))
        self.back = FlatButton("Undo")
        self.back.setAccessibleName("Take the nudge back")
        self.back.clicked.connect(lambda _=False: self.taken_back.emit())
        for button in self.buttons:
            button.setFixedHeight(tokens.CONTROL_PX)
            button.reach_by_tab()
            button.installEventFilter(self)

    @property
    def buttons(self) -> tuple[FlatButton, ...]:
        """All of them, left to right."""
        return *self.arrows.values(), self.back

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Take arrow keys as nudges: elsewhere they would go from button to button."""
        if isinstance(event, QKeyEvent) and event.type() is QEvent.Type.KeyPress:
            key = Qt.Key(event.key())
            if key in ARROWS:
                if not event.isAutoRepeat():
                    long = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
                    self._nudge(key, LONG_STEP_PX if long else STEP_PX)
                return True
        return super().eventFilter(watched, event)

    def _press(self, key: Qt.Key) -> None:
        self.arrows[key].setFocus(Qt.FocusReason.MouseFocusReason)  # arrow keys go on from here
        self._nudge(key, STEP_PX)

    def _nudge(self, key: Qt.Key, step_px: int) -> None:
        right, down = ARROWS[key][2]
        self.nudged.emit(right * step_px, down * step_px)
