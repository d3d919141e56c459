"""`OperatorWindow`: joins the parts, pulls pictures, and hands on what the operator does."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QKeyEvent
from PySide6.QtWidgets import QApplication

from sln_guide.gui.alarms import Alarms
from sln_guide.gui.arranging import Arranging
from sln_guide.gui.awake import Awake
from sln_guide.gui.closing import ClosingQuestion
from sln_guide.gui.commands import Commands
from sln_guide.gui.desk import Desk
from sln_guide.gui.health_watch import HealthWatch
from sln_guide.gui.in_turn import InTurn
from sln_guide.gui.keyboard import Keyboard
from sln_guide.gui.keys import PHASE_ACTIONS, Action, keys_of
from sln_guide.gui.lasso import Points, Shape
from sln_guide.gui.layout import Layout
from sln_guide.gui.phases import injection_text, phase_at, phase_events
from sln_guide.gui.placing import DISTANCE_STEP_MM
from sln_guide.gui.plotting import Plotting
from sln_guide.gui.preferences import Place
from sln_guide.gui.readings import Tone
from sln_guide.gui.showing import Draw, Showing, Shown
from sln_guide.gui.theatre import TheatreWindow
from sln_guide.gui.verdict import is_fresh
from sln_guide.gui.video import VideoView
from sln_guide.gui.wake import Wake
from sln_guide.gui.zoom import WHEEL_STEP
from sln_guide.guidance import Mode, View
from sln_guide.render.figures import Figures
from sln_guide.render.look import Look
from sln_guide.source import PictureSource

TICK_MS = 50
"""For age and state alone: pictures wake the window themselves."""
WHITE_TICK_MS = 16
"""While white light is shown by itself nobody wakes the window."""
CURVES_EVERY = 3
"""Calm refreshes between two of the curves: a minute lies in a thousand px of them."""
MESSAGE_S = 5.0


def _look_of(source: PictureSource) -> Look:
    """Return how pictures of the source are painted now: it may lose units, or move."""
    rig, settings = source.rig, source.settings
    return Look(
        mm_per_px=rig.vouched_mm_per_px,
        registration=settings.registered(rig.registration),
        plane=settings.plane,
    )


class OperatorWindow(Desk):
    """The operator's window on a source. GUI thread only.

    Parameters
    ----------
    source
        Started by the caller before `begin`, and closed by it after the window.
    draw_white, draw_nir
        Draw a frame by itself; see `Showing`.
    snapshot_folder
        Where stills go; made when the first is taken.
    place
        Preferences and presets; None: those of nowhere, kept until the window closes.

    Attributes
    ----------
    watched
        Tells whether the watchdog lives; None where there is none.
    """

    closed = Signal()

    def __init__(
        self,
        source: PictureSource,
        draw_white: Draw,
        draw_nir: Draw,
        *,
        snapshot_folder: Path,
        place: Place | None = None,
    ) -> None:
        self._source = source
        self._fault: str | None = None
        self.watched: Callable[[], bool] | None = None
        self._begun = self._ended = False
        self._refreshes = 0
        self._message_until_s = 0.0
        self._alarms = Alarms()
        place = place or Place()
        keys = keys_of(place)
        self.showing = Showing(source, draw_white, draw_nir, place.unused)
        self.watch = HealthWatch(source.health)
        self.plotting = Plotting(source, lambda: self.watch.newest.health)
        look = _look_of(source)
        self._figures, self._figures_listed = Figures(), 0
        video = VideoView(self._was_painted, judge=self._judge, look=look, figures=self._figures)
        arranging = Arranging(source, place)
        commands = Commands(
            source, self.showing, lambda: self.watch.newest, video.still, snapshot_folder, arranging
        )
        super().__init__(video, commands, self.plotting.library, keys)
        arranging.setParent(self)
        arranging.said.connect(lambda text, tone: self._say(text, Tone(tone)))
        arranging.done.connect(self._arranged)
        self.setWindowTitle("sln-guide")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._replay = commands.replay
        commands.said.connect(lambda text, tone: self._say(text, Tone(tone)))
        commands.done.connect(self._refresh_all)
        self.theatre = TheatreWindow(self, self._judge, look, self._figures)
        self.theatre.wanted = arranging.theatre_screen
        self.theatre_button.clicked.connect(self.toggle_theatre)
        self.theatre.changed.connect(self._theatre_changed)
        self._awake = Awake()
        self.question = ClosingQuestion(self, self._agreed_to_close)
        self._keyboard = Keyboard(self.keys, self._make_actions(), self.record, self)
        self._wake = Wake(self.refresh, self)
        self.settings.exclusion_wanted.connect(lambda: commands.regions.exclude(video.toggle_lasso))
        self.settings.baseline_wanted.connect(commands.baselining.toggle)
        self.settings.curves_wanted.connect(lambda: commands.save_curves(self.plotting.history))
        self.settings.theatre_wanted.connect(self._next_theatre_screen)
        self.settings.region_wanted.connect(self._draw_region)
        self.settings.region_unwanted.connect(commands.regions.remove)
        self.settings.distance_wanted.connect(commands.placing.move_distance)
        self.settings.nudged.connect(commands.placing.nudge)
        self.settings.nudge_unwanted.connect(commands.placing.take_nudge_back)
        video.drawn.connect(self._region_drawn)
        video.banner_pressed.connect(self.silence)
        self._tick = QTimer(self, interval=TICK_MS)
        self._tick.timeout.connect(self.refresh)
        parts = (self._refresh_words, self._refresh_small, self._refresh_plot)
        self._in_turn = InTurn(parts, self)

    # -- living ----------------------------------------------------------------------------------

    def await_source(self) -> None:
        """Paint and obey while the source starts: there is nothing to follow yet."""
        self.showing.waiting = not self._begun
        self._tick.start()
        self._in_turn.begin()
        self.setFocus()
        self.commands.arranging.begin()
        self._arranged()

    def begin(self) -> None:
        """Follow the source, which has started, from now on."""
        self._begun = True
        self.showing.waiting = False
        self.watch.start()
        self._source.on_picture(self._wake)
        if self._tick.isActive():
            self.refresh()  # what came while it waited
        else:
            self.await_source()
        if self._source.mode is not Mode.REPLAY:
            self._awake.hold()
        if self.timeline is not None and self._replay is not None:
            self.timeline.strip.begin(self._replay.duration_s)

    def _arranged(self) -> None:
        mounting = self.commands.arranging.mounting
        for part in (self.video, self.theatre.video, self.thumbnails):
            part.mount(mounting)
        if self.timeline is not None:
            self.timeline.bar.mount(mounting)
        self._refresh_all()

    def end(self) -> None:
        """Let go of the source and of everything that runs. Idempotent."""
        if self._ended:
            return
        self._ended = True
        self._source.on_picture(None)
        self._wake.end()
        self._tick.stop()
        self._in_turn.end()
        self._awake.let_go()
        self.watch.end()
        self.plotting.end()
        if self.timeline is not None:
            self.timeline.end()
        self.curves.end()
        self.commands.end()
        self.theatre.close()
        self.theatre.deleteLater()

    def report_fault(self, text: str) -> None:
        """Say on the screen that a part of the window failed; it stays said."""
        self._fault = text

    def refresh(self) -> None:
        """Choose what to paint and have it painted."""
        if self._ended:
            return
        shown = self._judge()
        self.video.show_now(shown)
        if self.theatre.isVisible():
            self.theatre.video.show_now(shown)
        if shown.state.pill != self.strip.pill:
            self.refresh_readings()
        wanted = WHITE_TICK_MS if shown.alone else TICK_MS
        if self._tick.interval() != wanted:
            self._tick.setInterval(wanted)
        self.plotting.take_in(self.showing.latest_picture())

    def _judge(self) -> Shown:
        last = self.video.shown
        if self._ended and last is not None:
            return last
        shown = self.showing.look(time.monotonic_ns(), self.watch.newest, self._fault)
        return replace(shown, state=self._alarms.follow(shown.state))

    def refresh_readings(self) -> None:
        """Bring numbers, lists, buttons, small pictures and curves up to date at once."""
        self._in_turn.all_now()

    def _refresh_words(self) -> None:
        """Bring numbers, lists and buttons up to date."""
        shown, reading = self.video.shown, self.watch.newest
        if shown is None or self._ended:
            return
        events, now_s, settings = (
            self._source.events(),
            self.plotting.now_s(),
            self._source.settings,
        )
        self.commands.follow_recorder(reading.health)
        if self.record is not None:
            self.record.tell(recording=self.commands.recording, saving=self.commands.saving)
        self.strip.show_state(
            shown.state,
            self._source.title,
            injection_text(events, now_s),
            saving=self.commands.saving,
            note=self._note(),
        )
        if self._alarms.sounds(time.monotonic()) and self._replay is None:
            self._sound()
        self._list_nodes(shown)
        guidance = None if shown.picture is None else shown.picture.guidance
        self.overlay.show_settings(settings, guidance)
        health = reading.health
        refused = None if health is None else health.exposure_refused
        rig = self._source.rig
        self.settings.show_settings(settings, guidance, refused=refused)
        self.settings.show_distance(settings.worked(rig).registered_distance_mm, rig.distances_mm)
        registered = self._replay is None and rig.registration.kind != "none"
        self.settings.show_nudge(settings.nudge_px if registered else None)
        look = _look_of(self._source)
        for part in (self.video, self.theatre.video):
            part.look_so(look)
        for view, button in self.views.items():
            button.setChecked(view is settings.view)
        self.thumbnails.show_view(settings.view)
        stamped = None if self._replay is None else set(phase_events(events))
        self.phases.show_phase(phase_at(events, now_s), stamped)
        key = self.keys.label(Action.FREEZE)
        if self.timeline is not None and self._replay is not None:
            self.timeline.refresh(events)
            self._show_export()
            self.freeze.say(
                *(("pause", "Pause", key) if self._replay.playing else ("play", "Play", key))
            )
        else:
            age_ms = shown.state.overlay_age_ms if shown.overlay and not shown.alone else None
            self.plotting.add_age(age_ms)
            self.freeze.say(
                *(("play", "Release", key) if self.showing.frozen else ("pause", "Freeze", key))
            )
        over = time.monotonic() > self._message_until_s
        if self.confirmation.text and (over or self.commands.untrue(self.confirmation.text)):
            self.confirmation.say("")

    def _refresh_small(self) -> None:
        """Bring the small pictures up to date."""
        if self.video.shown is None or self._ended:
            return
        self.thumbnails.show_picture(
            self.showing.latest_picture(),
            self.watch.newest.health,
            time.monotonic_ns() if self._replay is None else None,
            self.showing.white_beside_an_old_picture(time.monotonic_ns()),
        )

    def _refresh_plot(self) -> None:
        """Bring the curves up to date, now and then."""
        shown = self.video.shown
        if shown is None or self._ended:
            return
        self._refreshes += 1
        if self._refreshes % CURVES_EVERY == 1:
            guidance = None if shown.picture is None else shown.picture.guidance
            self.plotting.draw(self.curves, self._source.events(), guidance)

    def _show_export(self) -> None:
        """Tell on its button and in its panel how far an export has come."""
        making = self.commands.replay_export
        if making is not None and self.export is not None and self.exports is not None:
            share = making.follow()
            words = "Export" if share is None else f"Export {share:.0%}"
            self.export.say("saving", words, self.export.key)
            self.exports.show_progress(share)

    def _note(self) -> str:
        if self.watched is not None and not self.watched():
            return "not watched"
        return "alarm silenced" if self._alarms.silenced else ""

    def _sound(self) -> None:
        if self.commands.arranging.alarm_sound:
            QApplication.beep()

    def silence(self) -> None:
        """Take notice of the alarms that stand."""
        if self._alarms.silence():
            self._refresh_all()

    def _region_drawn(self, points: Points) -> None:
        shown = self.video.shown
        self.commands.regions.take(points, None if shown is None else shown.picture)

    def _draw_region(self, shape: Shape = Shape.FREE) -> None:
        self.commands.regions.draw(lambda: self.video.toggle_lasso(shape))

    def _next_plot(self) -> None:
        if self.curves.isVisible():
            self.curves.next_plot()
        else:  # a replay on a low screen has them in a pane alone
            self.commands.choose_layout(Layout.QUAD)
        self._refreshes = 0
        self.refresh_readings()

    def toggle_theatre(self) -> None:
        """Open the clean display, or close it."""
        self.theatre.toggle()

    def _next_theatre_screen(self) -> None:
        self.commands.arranging.keep_theatre_screen(self.theatre.next_screen())

    def leave(self) -> None:
        """Put away what lies over the dock, else the theatre display."""
        over = next((p for p in self.over_the_dock() if p.isVisible()), self.theatre)
        over.hide()

    def _theatre_changed(self, text: str) -> None:
        if self._ended:
            return
        self.theatre_button.setChecked(self.theatre.isVisible())
        if text:
            self._say(text, Tone.STALE)
        else:
            self.refresh()

    def _refresh_all(self) -> None:
        self.refresh()
        self.refresh_readings()

    def _was_painted(self, shown: Shown) -> None:
        now_ns = time.monotonic_ns()
        self.showing.painted(shown, now_ns)
        age_ms = shown.age_ms(now_ns)
        if age_ms is not None and not is_fresh(age_ms):  # the paint itself took too long
            self.refresh()
        self._in_turn.painted()
        if self._figures.changes != self._figures_listed:
            self._list_nodes(shown)

    def _list_nodes(self, shown: Shown) -> None:
        """List the nodes with the figures that their tags in the picture say."""
        guidance = None if shown.picture is None else shown.picture.guidance
        judged = shown.state.judged
        self.nodes.show_guidance(guidance, judged=judged, figures=self._figures)
        self._figures_listed = self._figures.changes

    def _say(self, text: str, tone: Tone) -> None:
        self._message_until_s = time.monotonic() + MESSAGE_S
        self.place_confirmation()
        self.confirmation.say(text, tone)

    # -- keys ------------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Do what the key means."""
        if not self._keyboard.press(event):
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """Let the record key go."""
        if not self._keyboard.release(event):
            super().keyReleaseEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        """Let go a key that is held while another window takes over."""
        if event.type() is QEvent.Type.ActivationChange and not self.isActiveWindow():
            self._keyboard.let_record_go()
        super().changeEvent(event)

    def _make_actions(self) -> dict[Action, Callable[[], None]]:
        commands, video, overlay = self.commands, self.video, self.overlay
        actions: dict[Action, Callable[[], None]] = {
            Action.FREEZE: commands.toggle_freeze,
            Action.SNAPSHOT: commands.take_snapshot,
            Action.MARK: commands.stamp_mark,
            Action.MERGED: lambda: commands.choose_view(View.MERGED),
            Action.COLOUR: lambda: commands.choose_view(View.WHITE),
            Action.NIR: lambda: commands.choose_view(View.NIR),
            Action.LAYOUT: self.layout_button.click,
            Action.THEATRE: self.toggle_theatre,
            Action.LEAVE: self.leave,
            Action.FIT: video.fit,
            Action.ACTUAL_SIZE: video.actual_size,
            Action.ZOOM_IN: lambda: video.zoom_by(WHEEL_STEP),
            Action.ZOOM_OUT: lambda: video.zoom_by(1 / WHEEL_STEP),
            Action.THRESHOLD_UP: lambda: overlay.threshold.step_by(1),
            Action.THRESHOLD_DOWN: lambda: overlay.threshold.step_by(-1),
            Action.OPACITY_UP: lambda: overlay.opacity.step_by(1),
            Action.OPACITY_DOWN: lambda: overlay.opacity.step_by(-1),
            Action.NEXT_COLOURS: commands.next_colours,
            Action.NEXT_STYLE: commands.next_style,
            Action.EXCLUDE: lambda: commands.regions.exclude(video.toggle_lasso),
            Action.MEASURE: video.toggle_ruler,
            Action.HELP: self.help.toggle,
            Action.SILENCE: self.silence,
            Action.SETTINGS: self.settings.toggle,
            Action.STEP_ON: lambda: commands.step(1),
            Action.STEP_BACK: lambda: commands.step(-1),
            Action.NEXT_EVENT: lambda: commands.go_to_event(1),
            Action.EVENT_BEFORE: lambda: commands.go_to_event(-1),
            Action.NEXT_PLOT: self._next_plot,
            Action.REGION: self._draw_region,
            Action.REMOVE_REGION: commands.regions.remove,
        }
        if self.record is not None:
            actions[Action.RECORD] = self.record.begin
        if self.exports is not None:
            actions[Action.EXPORT] = self.exports.toggle
        if self._replay is None:
            actions[Action.NEARER] = lambda: commands.placing.move_distance(-DISTANCE_STEP_MM)
            actions[Action.BASELINE] = commands.baselining.toggle
            actions[Action.FARTHER] = lambda: commands.placing.move_distance(DISTANCE_STEP_MM)
        for index, phase in enumerate(PHASE_ACTIONS):
            actions[phase] = partial(commands.press_phase, index)
        return actions

    # -- closing ---------------------------------------------------------------------------------

    def close_now(self) -> None:
        """Close without asking: whoever calls has already decided."""
        self.end()
        self.close()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Ask before a recording or a live view ends."""
        asks = self.commands.recording or (self._begun and self._source.mode is Mode.LIVE)
        if asks and not self._ended:
            event.ignore()
            self.question.ask(recording=self.commands.recording)
            return
        self.end()
        event.accept()
        self.closed.emit()

    def _agreed_to_close(self) -> None:
        self.commands.stop_recording()
        self.close_now()
