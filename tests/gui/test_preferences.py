"""Preferences and presets: files that people write, refused by name when not understood."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtTest import QTest

from sln_guide.gui.claims.readings import Tone
from sln_guide.gui.keys import KEYS, Action, KeyMap
from sln_guide.gui.panels.help import keys_told
from sln_guide.gui.preferences import (
    FILE_NAME,
    Mounting,
    Place,
    Preferences,
    PreferencesError,
    Preset,
    Presets,
    Unused,
    load_preferences,
    preset_of,
    save_preferences,
)
from sln_guide.guidance import ColourMap, OverlayStyle, Settings, View
from tests.gui import fakes


def test_without_a_file_there_are_the_defaults(tmp_path: Path) -> None:
    assert load_preferences(tmp_path) == Preferences()


def test_what_is_kept_is_read_again(tmp_path: Path) -> None:
    place = Place(tmp_path / "config")
    place.keep(mounting=Mounting(3, True), alarm_sound=False, keys={"leave": ["F4", "F5"]})
    again = Place(tmp_path / "config").preferences
    assert again == place.preferences
    assert again.mounting == Mounting(3, True)


@given(st.text(max_size=20), st.lists(st.text(max_size=8), max_size=3))
def test_any_words_survive_the_file(tmp_path_factory: pytest.TempPathFactory, name, keys) -> None:
    folder = tmp_path_factory.mktemp("words")
    written = Preferences(keys={name: keys}, preset=name)
    save_preferences(folder, written)
    assert load_preferences(folder) == written


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mounting.quarter_turns = 4", "mounting.quarter_turns"),
        ('alarm_sound = "yes"', "alarm_sound"),
        ("[mounting]\nmirored = true", "mounting.mirored"),
        ("colour = 1", "'colour': no such key: there are keys, mounting"),
        ("keys.freeze = 'Space'", "keys"),
        ("= nonsense", FILE_NAME),
    ],
)
def test_a_mistake_is_said_by_its_key_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / FILE_NAME).write_text(text, encoding="utf-8")
    with pytest.raises(PreferencesError, match=said.replace("[", r"\[")) as error:
        load_preferences(tmp_path)
    assert "\n" not in str(error.value)
    assert Place(tmp_path).unused == {Unused.PREFERENCES: str(error.value)}


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PreferencesError):
        load_preferences(tmp_path)


def test_a_file_that_was_not_understood_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    path.write_text("[mounting]\nmirored = true", encoding="utf-8")
    place = Place(tmp_path)
    with pytest.raises(PreferencesError, match="mirored"):
        place.keep(alarm_sound=False)
    assert not place.preferences.alarm_sound, "it holds until the window closes"
    assert path.read_text(encoding="utf-8") == "[mounting]\nmirored = true"


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        (FILE_NAME, "mounting = 3", (Unused.PREFERENCES, "preferences.toml: key 'mounting'")),
        (FILE_NAME, "keys.freze = ['F13']", (Unused.KEYS, "key 'keys.freze': no such action")),
        (FILE_NAME, "preset = 'gone'", (Unused.PRESET, "preset 'gone': there is none")),
        ("presets/breast.toml", "opacity = 7", (Unused.PRESET, "breast.toml")),
    ],
)
def test_no_surgeon_is_kept_waiting_for_a_typing_error(
    qt, open_window, tmp_path: Path, file: str, text: str, said: tuple[str, str]
) -> None:
    """The window opens, guides, obeys the program's own keys, and says what does not hold."""
    (tmp_path / "presets").mkdir()
    if file != FILE_NAME:
        (tmp_path / FILE_NAME).write_text("preset = 'breast'", encoding="utf-8")
    (tmp_path / file).write_text(text, encoding="utf-8")
    source = fakes.FakeSource()
    window = open_window(source, place=Place(tmp_path))
    source.push()
    window.refresh()
    state = window.video.shown.state
    assert state.overlay_allowed
    (banner,) = state.banners
    assert banner.slim
    assert banner.tone is Tone.STALE
    assert banner.headline == said[0]
    assert said[1] in banner.detail
    assert str(tmp_path) not in banner.detail, "what of a path is read in a hurry?"
    QTest.keyClick(window, Qt.Key.Key_F3)
    assert source.settings.view is View.NIR
    window.commands.arranging.take("gi")
    window.refresh()
    assert not any(b.headline == Unused.PRESET for b in window.video.shown.state.banners)


# -- presets -----------------------------------------------------------------------------------


def test_the_shipped_presets_can_be_used() -> None:
    presets = Place().presets
    assert {"breast", "gi", "research"} <= set(presets.names())
    for name in presets.names():
        assert replace(Settings(), **presets.load(name).changes())
    assert presets.load("breast").locked


def test_a_preset_restores_the_settings_it_was_made_of(tmp_path: Path) -> None:
    settings = Settings(
        threshold_sigma=6.0,
        colour_map=ColourMap.CYAN,
        overlay_style=OverlayStyle.CONTOUR,
        display_full_scale=12.5,
        show_channel=False,
    )
    presets = Presets(tmp_path)
    presets.save("own 1", preset_of(settings))
    assert replace(Settings(), **presets.load("own 1").changes()) == settings
    assert presets.new_name() == "own 2"


def test_a_locked_preset_is_never_written_over(tmp_path: Path) -> None:
    presets = Presets(tmp_path)
    presets.save("mine", Preset(threshold_sigma=5.0, locked=True))
    for name in ("mine", "breast"):
        with pytest.raises(PreferencesError, match="locked"):
            presets.save(name, Preset(threshold_sigma=2.0))
    assert presets.load("mine").threshold_sigma == 5.0


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "x" * 40])
def test_a_preset_stays_in_its_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(PreferencesError):
        Presets(tmp_path).save(name, Preset())
    assert not list(tmp_path.rglob("*.toml"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("threshold_sigma = 0.1", "threshold_sigma"),
        ("opacity = nan", "opacity"),
        ('colour_map = "red"', "colour_map"),
        ("view = 'nir'", "view"),
        ("display_full_scale = -3.0", "display_full_scale"),
    ],
)
def test_a_preset_is_checked_as_a_whole(tmp_path: Path, text: str, said: str) -> None:
    folder = tmp_path / "presets"
    folder.mkdir()
    (folder / "bad.toml").write_text(text, encoding="utf-8")
    with pytest.raises(PreferencesError, match=said):
        Presets(tmp_path).load("bad")


# -- keys --------------------------------------------------------------------------------------


def event(key: Qt.Key) -> QKeyEvent:
    return QKeyEvent(QEvent.Type.KeyPress, key, Qt.KeyboardModifier.NoModifier)


def test_keys_without_preferences(qt) -> None:
    keys = KeyMap()
    assert all(keys.action_of(event(key)) is action for key, action in KEYS.items())
    assert keys.label(Action.FREEZE) == "Space"
    assert keys.label(Action.STEP_BACK) == "←"


def test_a_pedal_takes_over_an_action_and_another_keys_place(qt) -> None:
    keys = KeyMap({"freeze": ["F13", "S"], "snapshot": ["PageDown"]})
    assert keys.action_of(event(Qt.Key.Key_F13)) is Action.FREEZE
    assert keys.action_of(event(Qt.Key.Key_S)) is Action.FREEZE
    assert keys.action_of(event(Qt.Key.Key_PageDown)) is Action.SNAPSHOT
    assert keys.action_of(event(Qt.Key.Key_Space)) is None
    assert {t: k for k, t in keys_told(keys, replaying=False)}["snapshot"] == "PgDown"


def test_an_action_may_be_without_a_key(qt) -> None:
    keys = KeyMap({"record": []})
    assert keys.action_of(event(Qt.Key.Key_R)) is None
    assert not any("record" in text for _, text in keys_told(keys, replaying=False))


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"freze": ["F13"]}, "keys.freze.*no such action"),
        ({"freeze": ["Spaec"]}, "keys.freeze.*Spaec"),
        ({"freeze": ["F13"], "mark": ["F13"]}, "F13 is already given to 'freeze'"),
        ({"freeze": [""]}, "keys.freeze"),
    ],
)
def test_keys_that_cannot_be_meant_are_refused(qt, chosen, said: str) -> None:
    with pytest.raises(PreferencesError, match=said):
        KeyMap(chosen)
