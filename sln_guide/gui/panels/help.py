"""The list of keys, laid over the dock: the picture stays in sight."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from sln_guide.gui.keys import PHASE_ACTIONS, Action, KeyMap
from sln_guide.gui.panels.panel import toggle_over_parent
from sln_guide.render import tokens
from sln_guide.render.text import font

LIVE_ONLY = frozenset({Action.MARK, Action.RECORD, Action.BASELINE, Action.NEARER, Action.FARTHER})
REPLAY_ONLY = frozenset(
    {
        Action.STEP_BACK,
        Action.STEP_ON,
        Action.EVENT_BEFORE,
        Action.NEXT_EVENT,
        Action.EXPORT,
    }
)
TOLD: tuple[tuple[tuple[Action, ...], str], ...] = (
    ((Action.FREEZE,), "freeze or release (replay: play)"),
    ((Action.SNAPSHOT,), "snapshot"),
    ((Action.MARK,), "stamp a mark"),
    ((Action.RECORD,), "record; hold to stop"),
    (PHASE_ACTIONS, "phases (replay: go there)"),
    ((Action.MERGED, Action.COLOUR, Action.NIR), "merged, colour, NIR"),
    ((Action.LAYOUT,), "next layout"),
    ((Action.THEATRE,), "theatre display"),
    ((Action.LEAVE,), "put away what is open; theatre"),
    ((Action.THRESHOLD_DOWN, Action.THRESHOLD_UP), "threshold down, up"),
    ((Action.OPACITY_DOWN, Action.OPACITY_UP), "opacity down, up"),
    ((Action.NEXT_COLOURS,), "next overlay colours"),
    ((Action.NEXT_STYLE,), "next style of overlay, or of NIR"),
    ((Action.ZOOM_IN, Action.ZOOM_OUT), "zoom (wheel; drag to move)"),
    ((Action.FIT, Action.ACTUAL_SIZE), "whole picture; pixels one to one"),
    ((Action.BASELINE,), "baseline: before the tracer comes"),
    ((Action.EXCLUDE,), "exclude a region, or no more"),
    ((Action.REGION, Action.REMOVE_REGION), "region with a curve; remove it"),
    ((Action.NEARER, Action.FARTHER), "working distance ∓ 5 mm"),
    ((Action.MEASURE,), "measure a distance: drag"),
    ((Action.STEP_BACK, Action.STEP_ON), "step back, on"),
    ((Action.EVENT_BEFORE, Action.NEXT_EVENT), "event or node before, next"),
    ((Action.EXPORT,), "export: film, still, figures, NIR"),
    ((Action.NEXT_PLOT,), "next plot: signal, σ, age"),
    ((Action.SETTINGS,), "presets and settings"),
    ((Action.SILENCE,), "silence an alarm; it stays red"),
    ((Action.HELP,), "this list"),
)


def keys_told(keys: KeyMap, *, replaying: bool) -> list[tuple[str, str]]:
    """Return what is listed: keys, and what they do. Actions without a key are left out."""
    told = []
    for actions, text in TOLD:
        labels = [keys.label(action) for action in actions]
        if (LIVE_ONLY if replaying else REPLAY_ONLY) & set(actions):
            continue
        if len(labels) > 3 and all(labels):
            labels = [labels[0], "…", labels[-1]]
        if any(labels):
            told.append((" ".join(filter(None, labels)), text))
    return told


class HelpPanel(QWidget):
    """Closed by a press, or by its key."""

    def __init__(self, parent: QWidget, keys: KeyMap, *, replaying: bool) -> None:
        super().__init__(parent)
        self.setAccessibleName("Keys")
        self._told = keys_told(keys, replaying=replaying)
        self.hide()

    def toggle(self) -> None:
        """Show it over its parent, or put it away."""
        toggle_over_parent(self)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Go away."""
        self.hide()
        event.accept()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the list."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(tokens.GROUND))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(QColor(tokens.PANEL))
        painter.setPen(QPen(QColor(tokens.ACTION), 1.5))
        frame = QRectF(self.rect()).adjusted(1, 1, -1, -1)
        painter.drawRoundedRect(frame, tokens.RADIUS_PX, tokens.RADIUS_PX)
        painter.setPen(QColor(tokens.TEXT))
        painter.setFont(font(tokens.LARGE_PX, bold=True))
        painter.drawText(QRectF(16, 8, 300, 34), Qt.AlignmentFlag.AlignVCenter, "Keys")
        bold, plain = font(tokens.BODY_PX, bold=True), font(tokens.BODY_PX)
        column = max(QFontMetricsF(bold).horizontalAdvance(k) for k, _ in self._told) + 16
        tall = min((self.height() - 56) / len(self._told), 40.0)
        top = 48.0
        for key, text in self._told:
            painter.setFont(bold)
            painter.setPen(QColor(tokens.ACTION))
            painter.drawText(QRectF(16, top, column, tall), Qt.AlignmentFlag.AlignVCenter, key)
            painter.setFont(plain)
            painter.setPen(QColor(tokens.TEXT))
            room = QRectF(16 + column, top, self.width() - column - 28, tall)
            flow = Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(room, flow, text)
            top += tall
        painter.end()
