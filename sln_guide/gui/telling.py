"""`Telling`: brings up to date what stands beside the large picture, between its paints."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from PySide6.QtWidgets import QApplication

from sln_guide.gui.claims.alarms import Alarms
from sln_guide.gui.claims.health_watch import HealthReading
from sln_guide.gui.claims.showing import Showing, Shown
from sln_guide.gui.desk import Desk
from sln_guide.gui.hands.baselining import asked_late
from sln_guide.gui.in_turn import InTurn
from sln_guide.gui.keys import Action
from sln_guide.gui.panels.phases import injection_text, phase_at, phase_events
from sln_guide.gui.picture.video import VideoView
from sln_guide.gui.plots.plotting import Plotting
from sln_guide.health import SessionHealth
from sln_guide.render.figures import Figures
from sln_guide.render.look import Look
from sln_guide.source import EventMark, PictureSource

CURVES_EVERY = 3
"""Calm refreshes between two of the curves: a minute lies in a thousand px of them."""


def look_of(source: PictureSource) -> Look:
    """Return how pictures of the source are painted now: it may lose units, or move."""
    rig, settings = source.rig, source.settings
    return Look(
        mm_per_px=rig.vouched_mm_per_px,
        registration=settings.registered(rig.registration),
        plane=settings.plane,
    )


class Telling:
    """Numbers, lists, buttons, small pictures and curves of a desk. GUI thread only.

    Parameters
    ----------
    desk
        Has them all.
    source, showing, plotting, alarms, figures
        What they tell of.
    reading
        Returns the newest health.
    videos
        The large pictures, whose scale follows the source's.
    watched
        Whether the watchdog lives.
    """

    def __init__(
        self,
        desk: Desk,
        source: PictureSource,
        *,
        showing: Showing,
        plotting: Plotting,
        alarms: Alarms,
        figures: Figures,
        reading: Callable[[], HealthReading],
        videos: Sequence[VideoView],
        watched: Callable[[], bool],
    ) -> None:
        self._desk = desk
        self._source = source
        self._replay = desk.commands.replay
        self._showing = showing
        self._plotting = plotting
        self._alarms = alarms
        self._figures, self._figures_listed = figures, 0
        self._reading = reading
        self._videos = tuple(videos)
        self._watched = watched
        self._refreshes = 0
        parts = (self._refresh_words, self._refresh_small, self._refresh_plot)
        self._in_turn = InTurn(parts, desk)
        self._ended = False

    def begin(self) -> None:
        """Keep them up to date from now on."""
        self._in_turn.begin()

    def end(self) -> None:
        """Touch nothing any more."""
        self._ended = True
        self._in_turn.end()

    def refresh(self) -> None:
        """Bring all of them up to date at once."""
        self._in_turn.all_now()

    def painted(self, shown: Shown) -> None:
        """Take in that the large picture was painted: it is the next part's turn."""
        self._in_turn.painted()
        if self._figures.changes != self._figures_listed:
            self._list_nodes(shown)

    def plot_anew(self) -> None:
        """Bring all of them up to date at once, the curves, too."""
        self._refreshes = 0
        self.refresh()

    def _refresh_words(self) -> None:
        """Bring numbers, lists and buttons up to date."""
        desk, shown = self._desk, self._desk.video.shown
        if shown is None or self._ended:
            return
        events, now_s = self._source.events(), self._plotting.now_s()
        reading = self._reading()
        self._showing.baseline_late = asked_late(events, now_s)
        self._tell_recording(reading.health)
        self._tell_strip(shown, events, now_s)
        self._list_nodes(shown)
        self._tell_settings(shown, reading.health)
        stamped = None if self._replay is None else set(phase_events(events))
        desk.phases.show_phase(phase_at(events, now_s), stamped)
        if desk.timeline is not None:
            desk.timeline.refresh(events)
            self._tell_export()
        else:
            age_ms = shown.state.overlay_age_ms if shown.overlay and not shown.alone else None
            self._plotting.add_age(age_ms)
        self._tell_freeze()
        told = desk.confirmation
        if told.text and (told.overdue or desk.commands.untrue(told.text)):
            told.say("")

    def _tell_recording(self, health: SessionHealth | None) -> None:
        commands, record = self._desk.commands, self._desk.record
        commands.follow_recorder(health)
        if record is not None:
            record.tell(recording=commands.recording, saving=commands.saving)

    def _tell_strip(self, shown: Shown, events: tuple[EventMark, ...], now_s: float) -> None:
        commands = self._desk.commands
        note = "alarm silenced" if self._alarms.silenced else ""
        self._desk.strip.show_state(
            shown.state,
            self._source.title,
            injection_text(events, now_s),
            saving=commands.saving,
            note=note if self._watched() else "not watched",
        )
        if self._alarms.sounds(time.monotonic()) and self._replay is None:
            if commands.arranging.alarm_sound:
                QApplication.beep()

    def _list_nodes(self, shown: Shown) -> None:
        """List the nodes with the figures that their tags in the picture say."""
        guidance = None if shown.picture is None else shown.picture.guidance
        judged = shown.state.judged
        self._desk.nodes.show_guidance(guidance, judged=judged, figures=self._figures)
        self._figures_listed = self._figures.changes

    def _tell_settings(self, shown: Shown, health: SessionHealth | None) -> None:
        """Tell what is chosen, and what became of it."""
        desk, rig, settings = self._desk, self._source.rig, self._source.settings
        guidance = None if shown.picture is None else shown.picture.guidance
        desk.overlay.show_settings(settings, guidance, judged=shown.state.judged)
        refused = None if health is None else health.exposure_refused
        desk.settings.show_settings(settings, guidance, refused=refused)
        desk.settings.show_distance(settings.worked(rig).registered_distance_mm, rig.distances_mm)
        registered = self._replay is None and rig.registration.kind != "none"
        desk.settings.show_nudge(settings.nudge_px if registered else None)
        look = look_of(self._source)
        for video in self._videos:
            video.look_so(look)
        for view, button in desk.views.items():
            button.setChecked(view is settings.view)
        desk.thumbnails.show_view(settings.view)

    def _tell_export(self) -> None:
        """Tell on its button and in its panel how far an export has come."""
        desk, making = self._desk, self._desk.commands.replay_export
        if making is not None and desk.export is not None and desk.exports is not None:
            share = making.follow()
            words = "Export" if share is None else f"Export {share:.0%}"
            desk.export.say("saving", words, desk.export.key)
            desk.exports.show_progress(share)

    def _tell_freeze(self) -> None:
        """Tell what its button would do now."""
        if self._replay is not None:
            said = ("pause", "Pause") if self._replay.playing else ("play", "Play")
        else:
            said = ("play", "Release") if self._showing.frozen else ("pause", "Freeze")
        self._desk.freeze.say(*said, self._desk.keys.label(Action.FREEZE))

    def _refresh_small(self) -> None:
        """Bring the small pictures up to date."""
        if self._desk.video.shown is None or self._ended:
            return
        self._desk.thumbnails.show_picture(
            self._showing.latest_picture(),
            self._reading().health,
            time.monotonic_ns() if self._replay is None else None,
            self._showing.white_beside_an_old_picture(time.monotonic_ns()),
        )

    def _refresh_plot(self) -> None:
        """Bring the curves up to date, now and then."""
        shown = self._desk.video.shown
        if shown is None or self._ended:
            return
        self._refreshes += 1
        if self._refreshes % CURVES_EVERY == 1:
            guidance = None if shown.picture is None else shown.picture.guidance
            curves = self._desk.curves
            self._plotting.draw(curves, self._source.events(), guidance)
            in_pane = curves.parent() is self._desk.video
            for video in self._videos:
                if video is not self._desk.video and video.isVisible():
                    # it has a pane for curves, and no widget to put there
                    video.show_curves(curves if in_pane else None)
