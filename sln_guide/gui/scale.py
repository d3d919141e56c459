"""How large the interface is on each screen: the desktop's word, the operator's, or the screen's.

Qt scales everything by one factor a screen, but only before its application object is there: so
the screens are looked at first, with an application object of a moment.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence
from typing import NamedTuple

from PySide6.QtCore import QMessageLogContext, QtMsgType, qInstallMessageHandler
from PySide6.QtGui import QGuiApplication, QScreen
from PySide6.QtWidgets import QApplication

from sln_guide.gui.display import OFFSCREEN
from sln_guide.terminal import DISPLAY as DISPLAY_CODE

DESIGNED_PX = (1920, 1080)
"""Screen for which type and controls were drawn: on a larger one they grow with it."""
LEAST_PX = (1366, 768)
"""No scale leaves less room than this."""
DESIGNED_DPI = 96.0
"""Controls are 44 px high, which is large enough for gloves at this."""
KNOWN_DPI = (60.0, 300.0)
"""Beyond, it is no size: projectors and broken cables tell anything."""
STEP = 0.25
MOST = 4.0
FACTOR, FACTORS = "QT_SCALE_FACTOR", "QT_SCREEN_SCALE_FACTORS"
DESKTOPS = (FACTOR, FACTORS, "QT_USE_PHYSICAL_DPI", "QT_FONT_DPI")
"""Where any of these is set, somebody has already decided."""
DISPLAY_WENT = (
    "the display went away, and the window with it; a recording is closed. "
    "Start again: look at the display's cable and its server's log"
)


class Display(NamedTuple):
    """A screen: its name, its own px, dots per inch as it tells them, the desktop's scale."""

    name: str
    width_px: int
    height_px: int
    dpi: float
    desktop_scale: float


def scale_for(display: Display, wanted: float = 0.0) -> float:
    """Return the scale on a screen, in quarters, at least 1; ``wanted`` 0: by its size."""
    chosen = wanted
    if not wanted:
        chosen = min(display.width_px / DESIGNED_PX[0], display.height_px / DESIGNED_PX[1])
        if KNOWN_DPI[0] <= display.dpi <= KNOWN_DPI[1]:
            chosen = max(chosen, display.dpi / DESIGNED_DPI)
    room = min(display.width_px / LEAST_PX[0], display.height_px / LEAST_PX[1])
    return max(math.floor(min(chosen, room, MOST) / STEP + 1e-6) * STEP, 1.0)


def choices(display: Display) -> tuple[float, ...]:
    """Return the scales there is room for on a screen, smallest first."""
    most = scale_for(display, MOST)
    return tuple(1.0 + STEP * n for n in range(round((most - 1.0) / STEP) + 1))


def factors(displays: Sequence[Display], wanted: float, *, overrides: bool) -> str:
    """Return what Qt is told for these screens; empty where the desktop's word holds.

    It holds unless the window would not fit: what stops a recording would lie outside the screen.

    ``overrides``: Qt takes its factors instead of the desktop's scale (X11), not times it.
    """
    if not wanted and any(display.desktop_scale != 1.0 for display in displays):
        held = [fitting(display) for display in displays]
        if held == [display.desktop_scale for display in displays]:
            return ""
        return _told(displays, held, overrides=overrides)
    scales = [scale_for(display, wanted) for display in displays]
    return _told(displays, scales, overrides=overrides)


def fitting(display: Display) -> float:
    """Return the desktop's scale of a screen, or the largest at which the whole window fits."""
    room = min(display.width_px / LEAST_PX[0], display.height_px / LEAST_PX[1])
    if display.desktop_scale <= max(room, 1.0):
        return display.desktop_scale
    return scale_for(display, MOST)


def _told(displays: Sequence[Display], scales: Sequence[float], *, overrides: bool) -> str:
    return ";".join(
        f"{display.name}={scale if overrides else scale / display.desktop_scale:g}"
        for display, scale in zip(displays, scales, strict=True)
    )


def display_of(screen: QScreen) -> Display:
    """Look at a screen."""
    ratio, seen = screen.devicePixelRatio(), screen.geometry()
    width_px, height_px = round(seen.width() * ratio), round(seen.height() * ratio)
    across_mm = math.hypot(screen.physicalSize().width(), screen.physicalSize().height())
    dpi = 25.4 * math.hypot(width_px, height_px) / across_mm if across_mm > 0 else math.nan
    return Display(screen.name(), width_px, height_px, dpi, ratio)


def application(wanted: float = 0.0) -> QApplication:
    """Return the application object; make it, at the right scale, where there is none yet.

    ``wanted``: the operator's scale, 0: automatic. It holds from the next start of the program.
    """
    existing = QApplication.instance()
    if existing is not None:
        assert isinstance(existing, QApplication)
        return existing
    offscreen = os.environ.get("QT_QPA_PLATFORM", "").partition(":")[0] in OFFSCREEN
    qInstallMessageHandler(_no_display)
    decided = any(os.environ.get(name) for name in DESKTOPS)
    if not offscreen and (wanted or not decided or os.environ.get(FACTOR)):
        looking = QGuiApplication(["sln-guide"])
        displays = [display_of(screen) for screen in looking.screens()]
        overrides = looking.platformName() == "xcb"
        looking.shutdown()
        del looking
        told = factors(displays, wanted, overrides=overrides)
        if told and (wanted or not decided):
            os.environ[FACTORS] = told  # for the watchdog as well: it covers the same places
        elif displays and fitting(displays[0]) < displays[0].desktop_scale:
            _hold_factor(fitting(displays[0]))
    application = QApplication(["sln-guide"])
    qInstallMessageHandler(_without_what_no_screen_can if offscreen else _display_went)
    return application


def _hold_factor(scale: float) -> None:
    """Take a smaller factor than somebody asked for: the window would not fit the screen."""
    asked = os.environ.get(FACTOR)
    if asked:
        os.environ[FACTOR] = f"{scale:g}"
        sys.stderr.write(
            f"sln-guide: {FACTOR}={asked} leaves no room for the window's buttons on this screen: "
            f"{scale:g} is used\n"
        )


def _no_display(kind: QtMsgType, context: QMessageLogContext, message: str) -> None:
    """Say why Qt finds no display and end: once it has said so it would abort, core dump and all.

    A display may answer and yet refuse us, or not be the one that the environment asks for.
    """
    del context
    if kind != QtMsgType.QtFatalMsg:
        sys.stderr.write(message + "\n")
        return
    sys.stderr.write(
        f"sln-guide: no window can be shown: {' '.join(message.split())} · check DISPLAY, "
        "QT_QPA_PLATFORM, and whether this user may use that display (XAUTHORITY)\n"
    )
    sys.stderr.flush()
    os._exit(DISPLAY_CODE)


def _display_went(kind: QtMsgType, context: QMessageLogContext, message: str) -> None:
    """Print what Qt says; end where it says so because the X server has died amid a call to it.

    Qt would leave the process to Xlib, which ends it with code 1, or by a crash: its threads go on
    while what they work with is taken down. The engine closes a case whose window has gone.
    """
    del kind, context
    sys.stderr.write(message + "\n")
    if message.startswith("The X11 connection broke: "):
        sys.stderr.write(f"sln-guide: {DISPLAY_WENT}\n")
        sys.stderr.flush()
        os._exit(DISPLAY_CODE)


def _without_what_no_screen_can(kind: QtMsgType, context: QMessageLogContext, message: str) -> None:
    """Print what Qt says, save that its offscreen platform cannot do what a screen can."""
    del kind, context
    if not message.startswith("This plugin does not support"):
        sys.stderr.write(message + "\n")
