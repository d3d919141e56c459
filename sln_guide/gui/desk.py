"""`Desk`: the operator's window's furniture, and where it stands. No life of its own."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRect, QRectF, QTimer
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from sln_guide.gui.claims.layout import Content
from sln_guide.gui.hands.commands import Commands
from sln_guide.gui.keys import Action, KeyMap
from sln_guide.gui.panels.buttons import ActionButton, FlatButton, RecordButton
from sln_guide.gui.panels.confirmation import Confirmation
from sln_guide.gui.panels.export_panel import ExportPanel
from sln_guide.gui.panels.help import HelpPanel
from sln_guide.gui.panels.nodes import NodesPanel
from sln_guide.gui.panels.overlay_controls import OverlayControls
from sln_guide.gui.panels.phases import PhaseRow
from sln_guide.gui.panels.settings_panel import SettingsPanel
from sln_guide.gui.panels.timeline import STRIP_PX, TimelinePanel
from sln_guide.gui.panels.top_strip import TopStrip
from sln_guide.gui.picture.signs import border_inside
from sln_guide.gui.picture.thumbnails import LOW_PX, Thumbnails
from sln_guide.gui.picture.video import VideoView
from sln_guide.gui.plots.curves import CurvesPanel
from sln_guide.gui.plots.plot_library import PlotLibrary
from sln_guide.guidance import View
from sln_guide.render import tokens

DOCK_FRACTION, DOCK_MIN_PX, DOCK_MAX_PX = 0.25, 404, 640
TALL_PX = 1000
"""From this height on a replay has its curves above the timeline; else in a pane of the quad."""
BELOW_PX, BELOW_LOW_PX, BOTTOM_PX, BOTTOM_LOW_PX = 132, 104, 60, 52


class Desk(QWidget):
    """Strip, video, dock, curves or timeline, phases, buttons; wired to ``commands``."""

    def __init__(
        self, video: VideoView, commands: Commands, library: PlotLibrary, keys: KeyMap
    ) -> None:
        super().__init__()
        self.video = video
        self.commands = commands
        self.keys = keys
        commands.setParent(self)
        self._make_panels(library)
        self._make_buttons()
        self._lay_out()
        self.confirmation = Confirmation(self)
        self.help = HelpPanel(self._dock, keys, replaying=commands.replay is not None)
        self.settings = SettingsPanel(self._dock, commands.arranging, live=commands.replay is None)
        self.settings.changed.connect(lambda changes: commands.change(**changes))
        self.exports: ExportPanel | None = None
        replay, making = commands.replay, commands.replay_export
        if replay is not None and making is not None and self.export is not None:
            self.exports = ExportPanel(self._dock, lambda: replay.position_s, replay.duration_s)
            self.exports.begun.connect(making.begin)
            self.exports.stopped.connect(making.stop)
            self.export.clicked.connect(self.exports.toggle)
        video.laid_out.connect(self._place_curves)

    def _make_panels(self, library: PlotLibrary) -> None:
        commands = self.commands
        self.strip = TopStrip()
        self.thumbnails = Thumbnails()
        self.thumbnails.view_wanted.connect(commands.choose_view)
        self.nodes = NodesPanel()
        self.overlay = OverlayControls()
        told = ((Action.SETTINGS, "settings"), (Action.HELP, "keys"))
        keyed = (f"{self.keys.label(a)}: {t}" for a, t in told if self.keys.label(a))
        self.overlay.keyed = tuple(keyed)
        self.overlay.style_button.key = self.keys.label(Action.NEXT_STYLE)
        self.overlay.style_wanted.connect(commands.next_style)
        self.overlay.changed.connect(lambda changes: commands.change(**changes))
        self.phases = PhaseRow()
        self.phases.pressed.connect(commands.press_phase)
        self.timeline: TimelinePanel | None = None
        self.curves = CurvesPanel(library, replaying=commands.replay is not None)
        if commands.replay is not None:
            self.timeline = TimelinePanel(commands.replay, commands.toggle_freeze)
            self.curves.sought.connect(commands.replay.seek)

    def _make_buttons(self) -> None:
        commands = self.commands
        self.freeze = ActionButton("pause", "Freeze", self.keys.label(Action.FREEZE))
        self.freeze.clicked.connect(commands.toggle_freeze)
        self.snapshot = ActionButton("camera", "Snapshot", self.keys.label(Action.SNAPSHOT))
        self.snapshot.clicked.connect(commands.take_snapshot)
        self.actions_row: list[ActionButton] = [self.freeze, self.snapshot]
        if commands.replay is None:
            mark = ActionButton("flag", "Mark", self.keys.label(Action.MARK))
            mark.clicked.connect(commands.stamp_mark)
            self.actions_row.append(mark)
        self.export: ActionButton | None = None
        if commands.replay is not None:
            self.export = ActionButton("saving", "Export", self.keys.label(Action.EXPORT))
            self.actions_row.append(self.export)
        self.record: RecordButton | None = None
        if commands.recordable is not None:
            self.record = RecordButton(self.keys.label(Action.RECORD))
            self.record.start_wanted.connect(commands.start_recording)
            self.record.stop_wanted.connect(commands.stop_recording)
            self.record.let_go_early.connect(
                lambda: commands.say("Hold the button or its key to stop recording")
            )
            self.actions_row.append(self.record)
        self.views: dict[View, FlatButton] = {}
        for view, name, action in (
            (View.MERGED, "Merged", Action.MERGED),
            (View.WHITE, "Colour", Action.COLOUR),
            (View.NIR, "NIR", Action.NIR),
        ):
            self.views[view] = FlatButton(name, self.keys.label(action))
            self.views[view].setCheckable(True)
            self.views[view].clicked.connect(lambda _=False, v=view: commands.choose_view(v))
        self.layout_button = FlatButton("Layout", self.keys.label(Action.LAYOUT))
        self.layout_button.clicked.connect(commands.next_layout)
        self.theatre_button = FlatButton("Theatre", self.keys.label(Action.THEATRE))
        self.theatre_button.setCheckable(True)

    def _lay_out(self) -> None:
        gap = tokens.GAP_PX
        below = self.timeline or self.curves
        self._below: list[QWidget] = [below, *self.actions_row]
        self._bottom: list[QWidget] = [
            self.phases,
            *self.views.values(),
            self.layout_button,
            self.theatre_button,
        ]
        actions, views = QHBoxLayout(), QHBoxLayout()
        for action in self.actions_row:
            actions.addWidget(action)
        for button in (*self.views.values(), self.layout_button, self.theatre_button):
            views.addWidget(button)
        self._dock = QWidget()
        left, right = QVBoxLayout(), QVBoxLayout(self._dock)
        self._left = left
        for row in (actions, views, left, right):
            row.setContentsMargins(0, 0, 0, 0)
            row.setSpacing(gap)
        left.addWidget(self.video, 1)
        left.addWidget(self.curves)
        if self.timeline is not None:
            left.addWidget(self.timeline)
        left.addWidget(self.phases)
        right.addWidget(self.thumbnails)
        right.addWidget(self.nodes, 1)
        right.addWidget(self.overlay)
        right.addLayout(actions)
        right.addLayout(views)
        body = QHBoxLayout()
        body.setContentsMargins(2 * gap, gap, 2 * gap, 2 * gap)
        body.setSpacing(gap)
        body.addLayout(left, 1)
        body.addWidget(self._dock)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        whole.addWidget(self.strip)
        whole.addLayout(body, 1)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Give the dock its share of the width, and the rows their heights."""
        share = round(self.width() * DOCK_FRACTION)
        self._dock.setFixedWidth(min(max(share, DOCK_MIN_PX), DOCK_MAX_PX))
        self._set_heights()
        for panel in self.over_the_dock():
            panel.hide()
        super().resizeEvent(event)
        QTimer.singleShot(0, self, self.place_confirmation)  # once everything has its place

    def place_confirmation(self) -> None:
        """Have confirmations lie near the pictures, but not over them: one might hide a node."""
        below = self.curves if self.curves.isVisibleTo(self) else self.timeline or self.curves
        self.confirmation.lie_in(QRect(below.mapTo(self, QPoint(0, 0)), below.size()))

    def over_the_dock(self) -> tuple[QWidget, ...]:
        """Return the panels that are laid over the dock when they are wanted."""
        return tuple(filter(None, (self.settings, self.help, self.exports)))

    def _set_heights(self) -> None:
        low = self.height() < LOW_PX
        self.thumbnails.updateGeometry()
        high = BELOW_PX
        if self.timeline is not None:
            column = self.width() - self._dock.minimumWidth() - 5 * tokens.GAP_PX
            high += STRIP_PX + self.timeline.break_at(column)
        for part in self._below:
            # the buttons are as high as the timeline beside them, where there is room
            part.setFixedHeight(BELOW_LOW_PX if low and part is not self.timeline else high)
        if self.timeline is not None and self.curves.parent() is not self.video:
            self.curves.setFixedHeight(BELOW_LOW_PX)
            self.curves.setVisible(self.height() >= TALL_PX)
        for part in self._bottom:
            part.setFixedHeight(BOTTOM_LOW_PX if low else BOTTOM_PX)

    def _place_curves(self) -> None:
        """Put the curves into their pane of the video, where the layout has one, or below it."""
        curves, pane = self.curves, self.video.pane(Content.CURVES)
        if pane is None:
            if curves.parent() is self.video:
                self._left.insertWidget(1, curves)
                if self.timeline is None:
                    self._below.append(curves)
                    curves.show()
                self._set_heights()
            QTimer.singleShot(0, self, self.place_confirmation)
            return
        if curves.parent() is not self.video:
            if self.timeline is None:
                self._below.remove(curves)
            self._left.removeWidget(curves)
            curves.setParent(self.video)
            curves.show()
        place = QRectF(pane.left, pane.top, pane.width, pane.height)
        if self.video.shown is not None:  # the frame round a replay or a simulation stays whole
            place &= border_inside(QRectF(self.video.rect()), self.video.shown.state)
        curves.setFixedHeight(round(place.height()))
        curves.setGeometry(place.toRect())
        self.place_confirmation()
