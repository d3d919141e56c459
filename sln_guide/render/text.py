"""Fonts, and the application object that Qt wants before it draws text."""

from __future__ import annotations

import threading
from functools import cache, lru_cache

from PySide6.QtGui import QFont, QFontDatabase, QFontInfo, QGuiApplication
from PySide6.QtWidgets import QApplication

from sln_guide.render import tokens

_application: QGuiApplication | None = None


class NoFontError(RuntimeError):
    """The machine has no font at all: nothing could be read."""


def ensure_gui_application() -> QGuiApplication:
    """Return Qt's application object; without one, make one that needs no display.

    Must be called from the main thread the first time; after that, pictures may be rendered from
    any thread. What it makes is a `QApplication`: Qt allows one application object a process, and
    a window may be wanted later.

    Raises
    ------
    RuntimeError
        Called for the first time from another thread.
    NoFontError
        If Qt finds no font: says what to install.
    """
    global _application
    existing = QGuiApplication.instance()
    if isinstance(existing, QGuiApplication):
        return existing
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("call ensure_gui_application() from the main thread before rendering")
    _application = QApplication(["sln-guide", "-platform", "offscreen"])
    family()
    return _application


@cache
def family() -> str:
    """Return the one sans family in use: the first of ours that is installed, else the system's.

    Raises
    ------
    NoFontError
        If Qt finds no font: says what to install.
    """
    found = set(QFontDatabase.families())
    general = QFontDatabase.systemFont(QFontDatabase.SystemFont.GeneralFont).family()
    chosen = next((name for name in tokens.FAMILIES if name in found), general)
    # where there is none, fontconfig still names "Sans Serif", and Qt draws a box for each letter
    if not found or not QFontInfo(QFont(chosen)).family():
        raise NoFontError(
            "no font is installed, so no text could be shown: install one, such as fonts-dejavu"
        )
    return chosen


def font(px: float, *, bold: bool = False) -> QFont:
    """Return the one family at a size in px. Shared: do not change it."""
    return _font(max(round(px), 1), bold)


@lru_cache(maxsize=64)
def _font(px: int, bold: bool) -> QFont:
    # one object a size: Qt keeps what it looked up for a font with the font
    chosen = QFont(family())
    chosen.setPixelSize(px)
    chosen.setWeight(QFont.Weight.DemiBold if bold else QFont.Weight.Normal)
    return chosen
