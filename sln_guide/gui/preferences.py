"""Preferences: what a place keeps from case to case, in files that people can read and edit.

``preferences.toml`` holds keys and pedals, how the camera is mounted, and whether alarms sound;
``presets/NAME.toml`` what a procedure wants of the overlay. Strict: of a file that is not
understood nothing is used, because a pedal that does something else than written is a hazard; the
window opens without it, and says so for as long as it is open. No Qt.
"""

from __future__ import annotations

import math
import os
import re
from dataclasses import replace
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec

from hardware.toml_words import plain, plain_syntax
from sln_guide.guidance import ColourMap, NirStyle, OverlayStyle, Settings
from sln_guide.whole_file import replace_file

FILE_NAME = "preferences.toml"
PRESET_FOLDER = "presets"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _-]{0,30}")


class PreferencesError(Exception):
    """A file of preferences that cannot be read, understood or written: says which key."""


class Mounting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the picture is turned for the eye: clockwise quarter turns, then mirrored sideways."""

    quarter_turns: Annotated[int, msgspec.Meta(ge=0, le=3)] = 0
    mirrored: bool = False


class Preferences(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``keys``: names of keys by action, replacing that action's own; ``preset``: at start.

    ``theatre_screen``: the name of the screen for the theatre display; empty: whichever is there.
    ``interface_scale``: 1 to 4, as far as the screen has room; 0: by the screen's size.
    """

    keys: dict[str, list[str]] = {}
    mounting: Mounting = Mounting()
    alarm_sound: bool = True
    preset: str = ""
    theatre_screen: str = ""
    interface_scale: Annotated[float, msgspec.Meta(ge=0.0, le=4.0)] = 0.0


class Preset(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a procedure wants of `Settings`; ``locked``: neither changed nor written over.

    ``display_full_scale`` 0: follows the scene.
    """

    locked: bool = False
    threshold_sigma: float = 4.5
    opacity: float = 0.7
    colour_map: ColourMap = ColourMap.GREEN
    display_full_scale: float = 0.0
    show_channel: bool = True
    show_injection: bool = True
    show_uncertain: bool = True
    overlay_style: OverlayStyle = OverlayStyle.SIGNAL
    nir_style: NirStyle = NirStyle.GREY
    gamma: float = 1.0

    def changes(self) -> dict[str, Any]:
        """Return the fields of `Settings` and their values."""
        values = {name: getattr(self, name) for name in SETTINGS_OF_PRESETS}
        values["display_full_scale"] = self.display_full_scale or None
        return values


SETTINGS_OF_PRESETS = tuple(n for n in Preset.__struct_fields__ if n != "locked")
"""What presets hold; the rest of `Settings` (view, region, baseline) is of the moment."""


def preset_of(settings: Settings, *, locked: bool = False) -> Preset:
    """Return the preset that restores ``settings``."""
    values = {name: getattr(settings, name) for name in SETTINGS_OF_PRESETS}
    values["display_full_scale"] = settings.display_full_scale or 0.0
    return Preset(locked=locked, **values)


def config_folder() -> Path:
    """Return where a user's files lie: beside the user's own rig."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "sln-guide"


def load_preferences(folder: Path) -> Preferences:
    """Return the preferences in ``folder``; the defaults where there are none.

    Raises
    ------
    PreferencesError
        The file cannot be read or understood.
    """
    path = folder / FILE_NAME
    return _read(path, Preferences) if path.is_file() else Preferences()


def wanted_scale(folder: Path) -> float:
    """Return `Preferences.interface_scale` for a screen shown before preferences count.

    A file that cannot be understood is told by the command that is chosen there.
    """
    try:
        return load_preferences(folder).interface_scale
    except PreferencesError:
        return 0.0


def save_preferences(folder: Path, preferences: Preferences) -> None:
    """Write them, whole or not at all.

    Raises
    ------
    PreferencesError
        The file cannot be written.
    """
    tables = {
        "": {
            "alarm_sound": preferences.alarm_sound,
            "preset": preferences.preset,
            "theatre_screen": preferences.theatre_screen,
            "interface_scale": preferences.interface_scale,
        },
        "mounting": msgspec.structs.asdict(preferences.mounting),
        "keys": preferences.keys,
    }
    _write(folder / FILE_NAME, tables)


class Presets:
    """The presets of a place: those that are shipped, and the folder's own over them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / PRESET_FOLDER

    def names(self) -> tuple[str, ...]:
        """Return the names, in order."""
        own = [p.stem for p in self._folder.glob("*.toml")] if self._folder.is_dir() else []
        return tuple(sorted({*_shipped(), *own}))

    def load(self, name: str) -> Preset:
        """Return a preset, checked as a whole.

        Raises
        ------
        PreferencesError
            There is none of that name, or it cannot be understood.
        """
        path = self._folder / f"{name}.toml"
        if not path.is_file():
            if name not in _shipped():
                raise PreferencesError(f"preset {name!r}: there is none of that name")
            path = Path(str(_shipped_folder() / f"{name}.toml"))
        preset = _read(path, Preset)
        try:
            replace(Settings(), **preset.changes())
        except ValueError as error:
            raise PreferencesError(f"{path}: {error}") from None
        return preset

    def save(self, name: str, preset: Preset) -> Path:
        """Write a preset of one's own; return its file.

        Raises
        ------
        PreferencesError
            The one of that name is locked, the name is none for a file, or it cannot be written.
        """
        if not _NAME.fullmatch(name):
            raise PreferencesError(f"preset {name!r}: letters, digits, blanks, - and _ only")
        if name in self.names() and self.load(name).locked:
            raise PreferencesError(f"preset {name!r} is locked: save under another name")
        path = self._folder / f"{name}.toml"
        _write(path, {"": msgspec.structs.asdict(preset)})
        return path

    def new_name(self) -> str:
        """Return a name that is free."""
        taken = self.names()
        return next(n for n in (f"own {i}" for i in range(1, 1000)) if n not in taken)


def _shipped_folder() -> Any:
    package = resources.files("sln_guide")
    folder = package / "_assets" / PRESET_FOLDER
    return folder if folder.is_dir() else Path(str(package)).parent / "assets" / PRESET_FOLDER


def _shipped() -> tuple[str, ...]:
    folder = _shipped_folder()
    if not folder.is_dir():
        return ()
    return tuple(p.name[:-5] for p in folder.iterdir() if p.name.endswith(".toml"))


_MEND = "; mend it, or take the file away to do without"

Read = TypeVar("Read", bound=msgspec.Struct)


def _read(path: Path, kind: type[Read]) -> Read:
    try:
        text = path.read_bytes().decode()
        read = msgspec.toml.decode(text.encode(), type=kind)
    except OSError as error:
        raise PreferencesError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise PreferencesError(f"{path}: holds no text{_MEND}") from None
    except msgspec.ValidationError as error:
        raise PreferencesError(f"{path}: {plain(str(error), kind)}{_MEND}") from None
    except (msgspec.DecodeError, RecursionError) as error:
        why = plain_syntax(str(error), text) or "nested too deeply"
        raise PreferencesError(f"{path}: {why}{_MEND}") from None
    for name, value in msgspec.structs.asdict(read).items():
        if isinstance(value, float) and not math.isfinite(value):
            raise PreferencesError(f"{path}: key '{name}': {value} is no number one can use{_MEND}")
    return read


def _write(path: Path, tables: dict[str, dict[str, Any]]) -> None:
    lines = []
    for table, values in tables.items():
        lines += [f"\n[{table}]"] if table else []
        lines += [f"{_key(key)} = {_value(value)}" for key, value in values.items()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, ("\n".join(lines) + "\n").encode())
    except OSError as error:
        raise PreferencesError(f"{path}: cannot be written ({error.strerror})") from None


def _key(key: str) -> str:
    return key if re.fullmatch(r"\w+", key, re.ASCII) else _value(key)


def _value(value: Any) -> str:
    """Return a value as TOML: JSON's words, lists and numbers are TOML's too."""
    return msgspec.json.encode(value).decode().replace("\x7f", "\\u007f")


class Unused(StrEnum):
    """What of a place does not hold, in words for the screen."""

    PREFERENCES = "Preferences not used: keys, pedals, mounting and preset are the program's own"
    KEYS = "Own keys and pedals not used: the program's own hold"
    PRESET = "Preset not used: settings are the program's own"


class Place:
    """A place's files, read at once; what is changed is kept at once. ``folder`` None: nowhere.

    Attributes
    ----------
    unused
        Why something that was chosen does not hold, by what that is.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self.unused: dict[Unused, str] = {}
        self.preferences = Preferences()
        if folder is not None:
            try:
                self.preferences = load_preferences(folder)
            except PreferencesError as error:  # no surgeon is kept waiting for a typing error
                self.unused[Unused.PREFERENCES] = str(error)
        self.presets = Presets(Path(os.devnull) if folder is None else folder)

    def keep(self, **changes: Any) -> None:
        """Change fields of the preferences, and write them.

        Raises
        ------
        PreferencesError
            They could not be written, or a file is there that was not understood and is left as
            it is; they hold until the window closes.
        """
        self.preferences = msgspec.structs.replace(self.preferences, **changes)
        if Unused.PREFERENCES in self.unused:
            raise PreferencesError(self.unused[Unused.PREFERENCES])
        if self._folder is not None:
            save_preferences(self._folder, self.preferences)
