"""`Commands`: what the operator can do, whichever button, key or pedal asks for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage

from sln_guide.gui.arranging import Arranging
from sln_guide.gui.claims.health_watch import HealthReading
from sln_guide.gui.claims.layout import CHOICES, Layout
from sln_guide.gui.claims.readings import Tone
from sln_guide.gui.claims.showing import Showing, Shown
from sln_guide.gui.hands.baselining import Baselining
from sln_guide.gui.hands.insisting import Insisting
from sln_guide.gui.hands.placing import Placing
from sln_guide.gui.hands.regions import Regions
from sln_guide.gui.hands.replay_export import ReplayExport
from sln_guide.gui.hands.snapshot import Snapshot, SnapshotSaver, screen_facts, taken_at
from sln_guide.gui.panels.phases import EVENT, INJECT, not_stamped, phase_detail, phase_events
from sln_guide.gui.plots.history import SignalHistory
from sln_guide.gui.plots.kinetics import write_curves
from sln_guide.gui.plots.replay_history import ReplayHistory
from sln_guide.gui.wake import Wake
from sln_guide.guidance import UNCALIBRATED, View
from sln_guide.health import SessionHealth
from sln_guide.recording.errors import RecordingError
from sln_guide.recording.heads import HEADS
from sln_guide.source import EventMark, PictureSource, Recordable, Replayable, SourceError
from sln_guide.styles import SIGNAL_UNIT

EVENT_APART_S = 0.05
"""Events nearer than this to where the replay stands are there already."""
HEAD_DIGITS = 12
"""So many of a chain's head are said; the whole is noted in `HEADS`."""

Choice = TypeVar("Choice", bound=Enum)


def begun_recording(source: Recordable) -> Path | Exception:
    """Have a case begun; return its folder, or why there is none. Any thread."""
    try:
        return source.start_recording()
    except (RecordingError, SourceError, OSError) as error:
        return error


def after(choice: Choice) -> Choice:
    """Return the next member of an enumeration, the first after the last."""
    choices = list(type(choice))
    return choices[(choices.index(choice) + 1) % len(choices)]


class Commands(QObject):
    """Passes the operator's wishes to the source and says what became of them.

    Parameters
    ----------
    source
        Told.
    showing
        Holds the frozen picture.
    health
        Returns the newest reading.
    still
        Returns what is painted now and its image, for a snapshot.
    snapshot_folder
        Where stills go; made when the first is taken.
    arranging
        Presets and mounting.

    Attributes
    ----------
    regions
        What is drawn on the picture.
    baselining
        What tissue looks like before the tracer.
    placing
        Where the overlay lies over colour.
    replay_export
        What is made of the replayed case; None where nothing is replayed.
    replay, recordable
        The source where it can be replayed, or recorded; else None.
    """

    said = Signal(str, str)
    done = Signal()

    def __init__(
        self,
        source: PictureSource,
        showing: Showing,
        health: Callable[[], HealthReading],
        still: Callable[[], tuple[Shown, QImage] | None],
        snapshot_folder: Path,
        arranging: Arranging,
    ) -> None:
        super().__init__()
        self._source = source
        self._showing = showing
        self._health = health
        self._still = still
        self._snapshot_folder = snapshot_folder
        self.arranging = arranging
        self.replay = source if isinstance(source, Replayable) else None
        self.recordable = source if isinstance(source, Recordable) else None
        self.regions = Regions(source, showing, self.change, self.say)
        self._saving = False
        self._beginning: str | None = None
        self._begun = ""
        """What was said when the last recording had its first frame."""
        self._marks = 0
        self._insisting = Insisting()
        self.baselining = Baselining(
            source,
            showing.latest_picture,
            self._events_of_case,
            self.change,
            self.say,
            self.done.emit,
        )
        self.placing = Placing(
            source, lambda: arranging.mounting, self.change, self.say, self.done.emit
        )
        self.replay_export: ReplayExport | None = None
        if self.replay is not None:
            self.replay_export = ReplayExport(
                source, self.replay, snapshot_folder, self.say, self.done.emit
            )
        self._results: list[tuple[str, Tone]] = []
        self._wake = Wake(self._say_results, self)
        self._saver = SnapshotSaver(
            lambda text: self._result(text, Tone.PLAIN),
            lambda reason: self._result(reason, Tone.ALARM),
        )

    @property
    def saving(self) -> bool:
        """Whether a stopped recording is still being written out."""
        return self._saving

    @property
    def recording(self) -> bool:
        """Whether a case is open."""
        health = self._health().health
        return health is not None and health.recorder.recording

    def end(self) -> None:
        """Finish writing snapshots, give up an export; say nothing more."""
        if self.replay_export is not None:
            self.replay_export.end()
        self._saver.end()
        self._wake.end()

    def say(self, text: str, tone: Tone = Tone.PLAIN) -> None:
        """Have a confirmation shown."""
        self.said.emit(text, str(tone))

    # -- the picture -----------------------------------------------------------------------------

    def change(self, **changes: Any) -> None:
        """Change settings, unless a locked preset holds them."""
        refusal = self.arranging.refusal(changes)
        if refusal:
            self.say(refusal, Tone.STALE)
        else:
            self._source.change(**changes)
        self.done.emit()

    def choose_view(self, view: View) -> None:
        """Show this in the large view."""
        if self._showing.frozen:
            self.say("Frozen: the view changes when you release it")
        self.change(view=view)

    def next_layout(self) -> None:
        """Divide the large view in the next way."""
        self.choose_layout(CHOICES[(CHOICES.index(self._showing.layout) + 1) % len(CHOICES)])

    def choose_layout(self, layout: Layout) -> None:
        """Divide the large view so."""
        self._showing.choose_layout(layout)
        self.say(f"Layout: {layout}")
        self.done.emit()

    def next_colours(self) -> None:
        """Take the next of the overlay's colour maps."""
        self.change(colour_map=after(self._source.settings.colour_map))

    def next_style(self) -> None:
        """Take the next style of what the large view shows: of the overlay, or of NIR."""
        settings = self._source.settings
        if settings.view is View.NIR:
            self.change(nir_style=after(settings.nir_style))
        else:
            self.change(overlay_style=after(settings.overlay_style))

    def toggle_freeze(self) -> None:
        """Hold the picture, or let it move; in a replay: pause, or play."""
        if self.replay is not None:
            if self.replay.playing:
                self.replay.pause()
            else:
                self.replay.play()
        elif self._showing.frozen:
            self._showing.release()
            self._source.mark("release")
        elif self._showing.freeze(
            time.monotonic_ns(), datetime.now().strftime("%H:%M:%S"), self._health()
        ):
            self._source.mark("freeze")
        else:
            self.say("Nothing to freeze yet")
        self.done.emit()

    def step(self, pairs: int) -> None:
        """Step through a replay."""
        if self.replay is not None:
            self.replay.step(pairs)

    def go_to_event(self, direction: int) -> None:
        """Go to the next mark of a replay (1), or the one before (-1), and say which it is."""
        if self.replay is None:
            return
        here_s, duration_s = self.replay.position_s, self.replay.duration_s
        health = self._health().health
        # one stands at the moment nearest to a mark: it may lie on either side of it
        apart_s = max(EVENT_APART_S, 0.0 if health is None else 0.75e-9 * health.nir.period_ns)
        beyond = [
            mark
            for mark in self._source.events()
            if 0 <= mark.time_s <= duration_s and (mark.time_s - here_s) * direction > apart_s
        ]
        if not beyond:
            self.say("No event after this" if direction > 0 else "No event before this")
            return
        mark = min(beyond, key=lambda mark: abs(mark.time_s - here_s))
        self.replay.seek(mark.time_s)
        self.say(" · ".join(filter(None, (mark.name, mark.detail))))
        self.done.emit()

    def take_snapshot(self) -> None:
        """Save the picture as it is shown, and what made it."""
        still = self._still()
        if still is None:
            self.say("Nothing to save yet")
            return
        shown, image = still
        if shown.picture is None:
            self.say("Nothing to save yet")
            return
        name = taken_at()
        snapshot = Snapshot(
            image=image,
            picture=shown.picture,
            screen=screen_facts(shown, self._source),
            mode=self._source.mode,
            title=self._source.title,
            taken_wall_ns=time.time_ns(),
            folder=self._snapshot_folder,
            name=name,
        )
        self._saver.save("Snapshot", snapshot.save)
        self._source.mark("snapshot", f"{name}.png")

    def save_curves(self, history: SignalHistory | ReplayHistory) -> None:
        """Save each node's signal over time, and how it rose, as tables."""
        times_s, signals = history.times_s(), history.signals()
        if not signals:
            self.say("No curve to save yet: neither node nor region")
            return
        folder, name, events = self._snapshot_folder, taken_at(), self._source.events()
        unit = SIGNAL_UNIT if self._source.rig.unchecked is None else UNCALIBRATED
        self._saver.save(
            "Curves", lambda: write_curves(folder, name, times_s, signals, events, unit)
        )

    # -- the case --------------------------------------------------------------------------------

    def stamp_mark(self) -> None:
        """Stamp a numbered mark."""
        if self.replay is not None:
            return
        self._marks += 1
        self._source.mark("mark", str(self._marks))
        self._say_stamped(f"Mark {self._marks}")
        self.done.emit()

    def _say_stamped(self, what: str) -> None:
        """Confirm a stamp; one that no case keeps is told as such."""
        said = f"{what} stamped at {datetime.now():%H:%M:%S}"
        if self.recording:
            self.say(said)
        else:
            self.say(f"{said} · No recording runs: no case keeps it", Tone.STALE)

    def press_phase(self, index: int) -> None:
        """Stamp a phase; in a replay go to where it was stamped (again: to the next time)."""
        if self.replay is None:
            self._stamp_phase(index)
        else:
            times = phase_events(self._source.events()).get(index, [])
            later = [t for t in times if t > self.replay.position_s + 1e-3]
            if times:
                self.replay.seek(min(later, default=times[0]))
            else:
                self.say(not_stamped(index))
        self.done.emit()

    def _stamp_phase(self, index: int) -> None:
        """Stamp a phase; another injection sets the timer back, which one slip must not do."""
        stamped = index == INJECT and INJECT in phase_events(self._events_of_case())
        if stamped and not self._insisting.again("inject", time.monotonic_ns()):
            self.say(
                f"Not stamped: {phase_detail(index)} is already · "
                "Again: another injection, the timer begins anew",
                Tone.STALE,
            )
            return
        self._source.mark(EVENT, phase_detail(index))
        self._say_stamped(phase_detail(index))

    def _events_of_case(self) -> tuple[EventMark, ...]:
        """Return what was stamped since the recording began; all there is where none runs.

        What was stamped before it may have been of another patient, and no case keeps it.
        """
        events, health = self._source.events(), self._health().health
        if health is None or not health.recorder.recording or health.recorder.started_ns is None:
            return events
        began_s = (health.recorder.started_ns - health.started_ns) / 1e9
        return tuple(event for event in events if event.time_s >= began_s)

    def start_recording(self) -> None:
        """Begin a case."""
        if self.recordable is not None:
            self.recording_begun(begun_recording(self.recordable))

    def recording_begun(self, outcome: Path | Exception) -> None:
        """Take in what `begun_recording` returned."""
        if isinstance(outcome, Exception):
            self.say(f"Not recording: {outcome}", Tone.ALARM)
            return
        self._beginning = outcome.name
        self.done.emit()

    def stop_recording(self) -> None:
        """End the case; what waits is still written."""
        if self.recordable is not None and self.recording:
            self._saving = True
            self.recordable.stop_recording()
            self.done.emit()

    def follow_recorder(self, health: SessionHealth | None) -> None:
        """Notice when a case has its first frame, and when a stopped one is on disk."""
        if self._beginning is not None and health is not None:
            if health.recorder.error is not None:
                self._beginning = None  # a band says it
            elif health.recorder.recording and health.recorder.frames:
                self._begun = f"Recording {self._beginning}"
                self.say(self._begun)
                self._beginning = None
        if self._saving and health is not None and not health.recorder.recording:
            self._saving = False
            recorder = health.recorder
            if recorder.error is None:
                head = "" if recorder.head is None else recorder.head[:HEAD_DIGITS]
                noted = f" · head {head}…, whole in {HEADS}" if head else ""
                self.say(f"Recording saved: {recorder.case_name}, {recorder.frames} frames{noted}")

    def untrue(self, text: str) -> bool:
        """Return whether a confirmation that still stands has been overtaken: nothing records."""
        return text == self._begun and not self.recording

    def _result(self, text: str, tone: Tone) -> None:
        """Take a snapshot's outcome from the saver's thread."""
        self._results.append((text, tone))
        self._wake()

    def _say_results(self) -> None:
        while self._results:
            self.say(*self._results.pop(0))
