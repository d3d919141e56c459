"""Which key does what. One name an action, so that a foot pedal can be given any of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLineEdit,
    QPlainTextEdit,
    QTextEdit,
)

from sln_guide.gui.preferences import Place, PreferencesError, Unused


class Action(StrEnum):
    """What the operator can do by key."""

    FREEZE = "freeze"
    SNAPSHOT = "snapshot"
    MARK = "mark"
    RECORD = "record"
    MERGED = "merged"
    COLOUR = "colour"
    NIR = "nir"
    LAYOUT = "layout"
    THEATRE = "theatre"
    LEAVE = "leave"
    FIT = "fit"
    ACTUAL_SIZE = "actual size"
    ZOOM_IN = "zoom in"
    ZOOM_OUT = "zoom out"
    THRESHOLD_UP = "threshold up"
    THRESHOLD_DOWN = "threshold down"
    OPACITY_UP = "opacity up"
    OPACITY_DOWN = "opacity down"
    NEXT_COLOURS = "next colours"
    NEXT_STYLE = "next style"
    MEASURE = "measure"
    HELP = "help"
    NEXT_PLOT = "next plot"
    EXCLUDE = "exclude"
    BASELINE = "baseline"
    SETTINGS = "settings"
    SILENCE = "silence"
    STEP_ON = "step on"
    STEP_BACK = "step back"
    NEXT_EVENT = "next event"
    EVENT_BEFORE = "event before"
    EXPORT = "export"
    REGION = "region"
    REMOVE_REGION = "remove region"
    NEARER = "nearer"
    FARTHER = "farther"
    PHASE_1 = "phase 1"
    PHASE_2 = "phase 2"
    PHASE_3 = "phase 3"
    PHASE_4 = "phase 4"
    PHASE_5 = "phase 5"
    PHASE_6 = "phase 6"
    PHASE_7 = "phase 7"


PHASE_ACTIONS = tuple(a for a in Action if a.name.startswith("PHASE"))

KEYS: dict[Qt.Key, Action] = {
    Qt.Key.Key_Space: Action.FREEZE,
    Qt.Key.Key_S: Action.SNAPSHOT,
    Qt.Key.Key_M: Action.MARK,
    Qt.Key.Key_R: Action.RECORD,
    Qt.Key.Key_F1: Action.MERGED,
    Qt.Key.Key_F2: Action.COLOUR,
    Qt.Key.Key_F3: Action.NIR,
    Qt.Key.Key_L: Action.LAYOUT,
    Qt.Key.Key_F11: Action.THEATRE,
    Qt.Key.Key_Escape: Action.LEAVE,
    Qt.Key.Key_F: Action.FIT,
    Qt.Key.Key_Z: Action.ACTUAL_SIZE,
    Qt.Key.Key_Plus: Action.ZOOM_IN,
    Qt.Key.Key_Equal: Action.ZOOM_IN,
    Qt.Key.Key_Minus: Action.ZOOM_OUT,
    Qt.Key.Key_BracketRight: Action.THRESHOLD_UP,
    Qt.Key.Key_BracketLeft: Action.THRESHOLD_DOWN,
    Qt.Key.Key_BraceRight: Action.OPACITY_UP,
    Qt.Key.Key_BraceLeft: Action.OPACITY_DOWN,
    Qt.Key.Key_C: Action.NEXT_COLOURS,
    Qt.Key.Key_O: Action.NEXT_STYLE,
    Qt.Key.Key_D: Action.MEASURE,
    Qt.Key.Key_H: Action.HELP,
    Qt.Key.Key_G: Action.NEXT_PLOT,
    Qt.Key.Key_X: Action.EXCLUDE,
    Qt.Key.Key_B: Action.BASELINE,
    Qt.Key.Key_P: Action.SETTINGS,
    Qt.Key.Key_A: Action.SILENCE,
    Qt.Key.Key_Right: Action.STEP_ON,
    Qt.Key.Key_Left: Action.STEP_BACK,
    Qt.Key.Key_PageDown: Action.NEXT_EVENT,
    Qt.Key.Key_PageUp: Action.EVENT_BEFORE,
    Qt.Key.Key_E: Action.EXPORT,
    Qt.Key.Key_I: Action.REGION,
    Qt.Key.Key_Backspace: Action.REMOVE_REGION,
    Qt.Key.Key_Comma: Action.NEARER,
    Qt.Key.Key_Period: Action.FARTHER,
    Qt.Key.Key_1: Action.PHASE_1,
    Qt.Key.Key_2: Action.PHASE_2,
    Qt.Key.Key_3: Action.PHASE_3,
    Qt.Key.Key_4: Action.PHASE_4,
    Qt.Key.Key_5: Action.PHASE_5,
    Qt.Key.Key_6: Action.PHASE_6,
    Qt.Key.Key_7: Action.PHASE_7,
}

REPEATING = frozenset(
    {
        Action.ZOOM_IN,
        Action.ZOOM_OUT,
        Action.THRESHOLD_UP,
        Action.THRESHOLD_DOWN,
        Action.OPACITY_UP,
        Action.OPACITY_DOWN,
        Action.STEP_ON,
        Action.STEP_BACK,
    }
)
"""Actions that a held key repeats."""


class KeyMap:
    """The keys in use: those above, save for the actions that ``chosen`` gives keys of its own.

    Parameters
    ----------
    chosen
        Names of keys (as in ``Qt.Key_Name``: "Space", "F13", "PageDown") by action.

    Raises
    ------
    PreferencesError
        An action or a key that does not exist, or one key given to two actions.
    """

    def __init__(self, chosen: Mapping[str, Sequence[str]] | None = None) -> None:
        own = {
            _action(name): [_key(k, name) for k in keys] for name, keys in (chosen or {}).items()
        }
        self._actions: dict[Qt.Key, Action] = {}
        for action, keys in own.items():
            for key in keys:
                before = self._actions.setdefault(key, action)
                if before is not action:
                    raise PreferencesError(
                        f"key 'keys.{action}': {_label(key)} is already given to '{before}'"
                    )
        for key, action in KEYS.items():
            if action not in own:
                self._actions.setdefault(key, action)

    def means(self, event: QKeyEvent) -> Action | None:
        """Return the action of an event's key, whatever the circumstances."""
        try:
            return self._actions.get(Qt.Key(event.key()))
        except ValueError:  # a key that this Qt has no name for
            return None

    def action_of(self, event: QKeyEvent) -> Action | None:
        """Return what a key event asks for: nothing while typing, nor with Ctrl, Alt or Meta."""
        chords = (
            Qt.KeyboardModifier.ControlModifier
            | Qt.KeyboardModifier.AltModifier
            | Qt.KeyboardModifier.MetaModifier
        )
        if event.modifiers() & chords or typing():
            return None
        return self.means(event)

    def label(self, action: Action) -> str:
        """Return an action's first key as it is written on a keyboard; empty without one."""
        found = next((key for key, does in self._actions.items() if does is action), None)
        return "" if found is None else _label(found)


def _label(key: Qt.Key) -> str:
    return {Qt.Key.Key_Left: "←", Qt.Key.Key_Right: "→", Qt.Key.Key_Minus: "−"}.get(
        key, QKeySequence(key).toString()
    )


def _action(name: str) -> Action:
    try:
        return Action(name)
    except ValueError:
        known = ", ".join(Action)
        raise PreferencesError(f"key 'keys.{name}': no such action; there are {known}") from None


def _key(name: str, action: str) -> Qt.Key:
    found = getattr(Qt.Key, f"Key_{name}", None)
    if not isinstance(found, Qt.Key):
        raise PreferencesError(
            f"key 'keys.{action}': no key is named {name!r}; such as Space, F13, PageDown, A"
        )
    return found


def keys_of(place: Place) -> KeyMap:
    """Return the keys a place wants; those of the program, and noted there, if it cannot be."""
    try:
        return KeyMap(place.preferences.keys)
    except PreferencesError as error:
        place.unused[Unused.KEYS] = str(error)
        return KeyMap()


def typing() -> bool:
    """Whether the keyboard belongs to a field of text."""
    focus = QApplication.focusWidget()
    if isinstance(focus, QComboBox):
        return focus.isEditable()
    return isinstance(focus, QLineEdit | QTextEdit | QPlainTextEdit | QAbstractSpinBox)
