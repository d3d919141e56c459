"""`Keyboard`: what a window does with keys and pedals, pressed in any of its windows.

X11 repeats a held key as pairs of a release and a press. Qt tells such pairs from a finger only
where both had arrived when it looked; the others look like a finger that let go. They still bear
the same time stamp, which a finger's release and next press never do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PySide6.QtCore import QObject, QTimer
from PySide6.QtGui import QKeyEvent

from sln_guide.gui.keys import REPEATING, Action, KeyMap
from sln_guide.gui.panels.buttons import RecordButton

SETTLE_MS = 60
"""How long after a release the press may come that shows that the key is still held."""


class Keyboard(QObject):
    """Does what a key means; the record key is held, and let go, like its button."""

    def __init__(
        self,
        keys: KeyMap,
        actions: Mapping[Action, Callable[[], None]],
        record: RecordButton | None,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._keys = keys
        self._actions = actions
        self._record = record
        self._released: dict[int, int] = {}
        self._settling = QTimer(self, singleShot=True, interval=SETTLE_MS)
        self._settling.timeout.connect(self.let_record_go)

    def press(self, event: QKeyEvent) -> bool:
        """Take a press; False if the key means nothing now."""
        held = event.isAutoRepeat() or self._is_held(event)
        if self._settling.isActive() and self._keys.means(event) is Action.RECORD:
            if held:
                self._settling.stop()
            else:
                self.let_record_go()
        action = self._keys.action_of(event)
        if action is None:
            return False
        if not held or action in REPEATING:
            self.do(action)
        return True

    def release(self, event: QKeyEvent) -> bool:
        """Take a release; False if it means nothing."""
        if event.isAutoRepeat():
            return False
        self._released[event.key()] = event.timestamp()
        if self._keys.means(event) is not Action.RECORD:
            return False
        self._settling.start()
        return True

    def do(self, action: Action) -> None:
        """Do it; an action that has no place here does nothing."""
        doing = self._actions.get(action)
        if doing is not None:
            doing()

    def let_record_go(self) -> None:
        """End a hold of the record button."""
        self._settling.stop()
        if self._record is not None:
            self._record.let_go()

    def _is_held(self, event: QKeyEvent) -> bool:
        """Whether a press continues the hold whose release came before it."""
        stamp = event.timestamp()
        return stamp != 0 and self._released.get(event.key()) == stamp
