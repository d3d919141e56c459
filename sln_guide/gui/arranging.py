"""`Arranging`: presets, mounting, sound: what the operator chooses once and the place keeps."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QObject, Signal

from sln_guide.gui.claims.readings import Tone
from sln_guide.gui.preferences import (
    SETTINGS_OF_PRESETS,
    Mounting,
    Place,
    PreferencesError,
    Unused,
    preset_of,
)
from sln_guide.source import PictureSource, Replayable


def scale_text(scale: float) -> str:
    """Return how large the interface is, as its button says it."""
    return f"{scale:.0%}" if scale else "auto"


class Arranging(QObject):
    """Does it, keeps it, and says what became of it.

    ``said`` carries words and their tone; ``done`` that something changed.
    """

    said = Signal(str, str)
    done = Signal()

    def __init__(self, source: PictureSource, place: Place) -> None:
        super().__init__()
        self._source = source
        self._place = place
        self._preset = ""
        self._locked = False

    @property
    def preset(self) -> str:
        """The preset in use; empty without one."""
        return self._preset

    @property
    def locked(self) -> bool:
        """Whether its settings may not be changed one by one."""
        return self._locked

    @property
    def mounting(self) -> Mounting:
        """How pictures are turned."""
        return self._place.preferences.mounting

    @property
    def alarm_sound(self) -> bool:
        """Whether alarms sound at all."""
        return self._place.preferences.alarm_sound

    def presets(self) -> tuple[str, ...]:
        """Return the names to choose from."""
        return self._place.presets.names()

    def begin(self) -> None:
        """Take the preset that was in use last; a replay keeps the recording's own settings."""
        name = self._place.preferences.preset
        if name and not isinstance(self._source, Replayable):
            try:
                self._place.presets.load(name)
            except PreferencesError as error:
                self._place.unused[Unused.PRESET] = str(error)
            else:
                self.take(name)

    def refusal(self, changes: dict[str, Any]) -> str:
        """Say why settings may not be changed now; empty if they may."""
        if self._locked and set(changes) & set(SETTINGS_OF_PRESETS):
            return f"Preset '{self._preset}' is locked: choose another to change this"
        return ""

    def take(self, name: str) -> None:
        """Set everything as a preset says, and stamp it."""
        try:
            preset = self._place.presets.load(name)
        except PreferencesError as error:
            self._say(f"Not changed: {error}", Tone.ALARM)
            return
        self._source.change(**preset.changes())
        self._preset, self._locked = name, preset.locked
        self._place.unused.pop(Unused.PRESET, None)
        said = f"Preset: {name}" + (" (locked)" if preset.locked else "")
        if isinstance(self._source, Replayable):
            self._say(said)
        else:
            self._source.mark("preset", name)
            self._keep(said, preset=name)
        self.done.emit()

    def save(self) -> None:
        """Save the settings into the preset in use, or as a new one where it is locked."""
        presets = self._place.presets
        self._save(presets.new_name() if self._locked or not self._preset else self._preset)

    def toggle_lock(self) -> None:
        """Lock the preset in use as its settings are now, or let it be changed again."""
        presets = self._place.presets
        if not self._locked:
            self._save(self._preset or presets.new_name(), locked=True)
            return
        self._locked = False
        self._say(f"Settings can be changed; '{self._preset}' itself stays as it is")
        self.done.emit()

    def turn(self) -> None:
        """Turn the picture by a quarter, clockwise."""
        before = self.mounting
        turned = Mounting((before.quarter_turns + 1) % 4, before.mirrored)
        self._keep(f"Picture turned by {turned.quarter_turns * 90}°", mounting=turned)
        self.done.emit()

    def mirror(self) -> None:
        """Mirror the picture sideways, or not."""
        before = self.mounting
        said = "Picture as it is" if before.mirrored else "Picture mirrored"
        self._keep(said, mounting=Mounting(before.quarter_turns, not before.mirrored))
        self.done.emit()

    @property
    def theatre_screen(self) -> str:
        """The screen for the theatre display; empty: whichever is there."""
        return self._place.preferences.theatre_screen

    def keep_theatre_screen(self, name: str) -> None:
        """Have the theatre display on this screen from now on; empty: there is no other."""
        if not name:
            self._say("No other screen is connected")
            return
        self._keep(f"Theatre display: on {name}", theatre_screen=name)
        self.done.emit()

    @property
    def interface_scale(self) -> float:
        """How large the interface is to be; 0: by the screen's size."""
        return self._place.preferences.interface_scale

    def keep_scale(self, scale: float) -> None:
        """Have the interface so large from the next start on; 0: by the screen's size."""
        self._keep(f"Interface {scale_text(scale)} from the next start on", interface_scale=scale)
        self.done.emit()

    def toggle_sound(self) -> None:
        """Let alarms sound, or not."""
        sounds = not self.alarm_sound
        self._keep("Alarms sound" if sounds else "Alarms make no sound", alarm_sound=sounds)
        self.done.emit()

    def _save(self, name: str, *, locked: bool = False) -> None:
        try:
            path = self._place.presets.save(name, preset_of(self._source.settings, locked=locked))
        except PreferencesError as error:
            self._say(f"Not saved: {error}", Tone.ALARM)
            return
        self._preset, self._locked = name, locked
        self._keep(f"Preset '{name}' saved: {path}", preset=name)
        self.done.emit()

    def _keep(self, said: str, **changes: Any) -> None:
        """Keep changed preferences and confirm it with ``said``, or with why they do not last."""
        try:
            self._place.keep(**changes)
        except PreferencesError as error:
            until = "Not kept" if "interface_scale" in changes else "Until the window closes only"
            self._say(f"{said} · {until}: {error}", Tone.STALE)
        else:
            self._say(said)

    def _say(self, text: str, tone: Tone = Tone.PLAIN) -> None:
        self.said.emit(text, str(tone))
