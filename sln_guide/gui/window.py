"""`OperatorWindow`: joins the parts, pulls pictures, and hands on what the operator does."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QKeyEvent
from PySide6.QtWidgets import QApplication

from sln_guide.gui.arranging import Arranging
from sln_guide.gui.awake import Awake
from sln_guide.gui.claims.alarms import Alarms
from sln_guide.gui.claims.health_watch import HealthWatch
from sln_guide.gui.claims.layout import Layout
from sln_guide.gui.claims.readings import Tone
from sln_guide.gui.claims.showing import Draw, Showing, Shown
from sln_guide.gui.claims.verdict import is_fresh
from sln_guide.gui.closing import ClosingQuestion
from sln_guide.gui.desk import Desk
from sln_guide.gui.hands.actions import actions_of
from sln_guide.gui.hands.commands import Commands
from sln_guide.gui.hands.keyboard import Keyboard
from sln_guide.gui.keys import Action, keys_of
from sln_guide.gui.panels.overlay_controls import GloveSlider
from sln_guide.gui.picture.lasso import Points, Shape
from sln_guide.gui.picture.theatre import TheatreWindow
from sln_guide.gui.picture.video import VideoView
from sln_guide.gui.plots.plotting import Plotting
from sln_guide.gui.preferences import Place
from sln_guide.gui.telling import Telling, look_of
from sln_guide.gui.wake import Wake
from sln_guide.guidance import Mode
from sln_guide.render.figures import Figures
from sln_guide.source import PictureSource

TICK_MS = 50
"""For age and state alone: pictures wake the window themselves."""
WHITE_TICK_MS = 16
"""While white light is shown by itself nobody wakes the window."""


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
        self._alarms = Alarms()
        place = place or Place()
        keys = keys_of(place)
        self.showing = Showing(source, draw_white, draw_nir, place.unused)
        self.watch = HealthWatch(source.health)
        self.plotting = Plotting(source, lambda: self.watch.newest.health)
        look, figures = look_of(source), Figures()
        video = VideoView(self._was_painted, judge=self._judge, look=look, figures=figures)
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
        self.theatre = TheatreWindow(self, self._judge, look, figures)
        self.theatre.wanted = arranging.theatre_screen
        self.theatre_button.clicked.connect(self.toggle_theatre)
        self.theatre.changed.connect(self._theatre_changed)
        self._awake = Awake()
        self.question = ClosingQuestion(self, self._agreed_to_close)
        own = {
            Action.THEATRE: self.toggle_theatre,
            Action.LEAVE: self.leave,
            Action.SILENCE: self.silence,
            Action.NEXT_PLOT: self._next_plot,
            Action.REGION: self._draw_region,
        }
        self._keyboard = Keyboard(self.keys, actions_of(self) | own, self.record, self)
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
        self.telling = Telling(
            self,
            source,
            showing=self.showing,
            plotting=self.plotting,
            alarms=self._alarms,
            figures=figures,
            reading=lambda: self.watch.newest,
            videos=(video, self.theatre.video),
            watched=lambda: self.watched is None or self.watched(),
        )

    # -- living ----------------------------------------------------------------------------------

    def await_source(self) -> None:
        """Paint and obey while the source starts: there is nothing to follow yet."""
        self.showing.waiting = not self._begun
        self._tick.start()
        self.telling.begin()
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
        self.telling.end()
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
        self.telling.refresh()

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
        self.telling.plot_anew()

    def silence(self) -> None:
        """Take notice of the alarms that stand."""
        if self._alarms.silence():
            self._refresh_all()

    def toggle_theatre(self) -> None:
        """Open the clean display, or close it."""
        self.theatre.toggle()

    def _next_theatre_screen(self) -> None:
        self.commands.arranging.keep_theatre_screen(self.theatre.next_screen())

    def leave(self) -> None:
        """Put away what lies over the dock; else end drawing, leave a slider; else the theatre."""
        over = next((p for p in self.over_the_dock() if p.isVisible()), None)
        if over is not None:
            over.hide()
        elif self.video.put_tools_away():
            self._say("Nothing is drawn or measured now", Tone.PLAIN)
        elif isinstance(QApplication.focusWidget(), GloveSlider):
            self.setFocus()  # the arrows step again
        else:
            self.theatre.hide()

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
        self.telling.painted(shown)

    def _say(self, text: str, tone: Tone) -> None:
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
