"""The procedure's phases, one key each. They stamp events; in a replay they go to them."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QWidget

from sln_guide.gui.claims.readings import clock_text
from sln_guide.gui.panels.buttons import FlatButton
from sln_guide.render import tokens
from sln_guide.source import EventMark

PHASES = ("Inject", "Trace", "Follow", "Excise", "Back table", "Bed check", "Close")
EVENT = "phase"
LEAST_PX = 80
"""Width of a button that its longest name just fits: all seven and the dock fit 1080 px."""
INJECT = 0
"""Index of the phase that starts the timer."""


def phase_detail(index: int) -> str:
    """Return how a phase is written into the case: "1 Inject"."""
    return f"{index + 1} {PHASES[index]}"


def not_stamped(index: int) -> str:
    """Return why a replay cannot go to a phase."""
    return f"{phase_detail(index)} was not stamped in this recording"


def phase_events(events: tuple[EventMark, ...]) -> dict[int, list[float]]:
    """Return the times [s] at which each phase was stamped, oldest first."""
    found: dict[int, list[float]] = {}
    for event in events:
        for index in range(len(PHASES)):
            if event.name == EVENT and event.detail == phase_detail(index):
                found.setdefault(index, []).append(event.time_s)
    return found


def phase_at(events: tuple[EventMark, ...], time_s: float) -> int | None:
    """Return the phase stamped last at or before ``time_s``."""
    stamped = [
        (stamp_s, index)
        for index, times in phase_events(events).items()
        for stamp_s in times
        if stamp_s <= time_s
    ]
    return max(stamped)[1] if stamped else None


def injection_text(events: tuple[EventMark, ...], time_s: float) -> str:
    """Return the injection timer: since the last injection, and which one it was."""
    times = [t for t in phase_events(events).get(INJECT, []) if t <= time_s]
    if not times:
        return ""
    count = f" {len(times)}" if len(times) > 1 else ""
    return f"injection{count} + {clock_text(time_s - times[-1])}"


class PhaseRow(QWidget):
    """Seven buttons; ``pressed`` carries the phase's index."""

    pressed = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(tokens.GAP_PX)
        self.buttons = tuple(FlatButton(phase_detail(i)) for i in range(len(PHASES)))
        for index, button in enumerate(self.buttons):
            button.setMinimumSize(LEAST_PX, tokens.CONTROL_PX)
            button.clicked.connect(lambda _=False, i=index: self.pressed.emit(i))
            row.addWidget(button)

    def show_phase(self, active: int | None, enabled: set[int] | None = None) -> None:
        """Mark the phase that runs; ``enabled``: those that can be pressed (None: all)."""
        for index, button in enumerate(self.buttons):
            if index == active:
                button.setCheckable(True)
            button.setChecked(index == active)  # before it cannot be: else it is not painted anew
            button.setCheckable(index == active)
            stamped = enabled is None or index in enabled
            button.setEnabled(stamped)
            button.setToolTip("" if stamped else not_stamped(index))
