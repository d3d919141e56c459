"""How the windows look: palette, fonts and style sheet, all from the render tokens."""

from __future__ import annotations

from PySide6.QtGui import QColor, QFont, QFontDatabase, QPalette
from PySide6.QtWidgets import QApplication, QStyleFactory

from sln_guide.gui.readings import Tone
from sln_guide.render import tokens

TONES: dict[Tone, str] = {
    Tone.NEUTRAL: tokens.SECONDARY,
    Tone.PLAIN: tokens.TEXT,
    Tone.LIVE: tokens.LIVE,
    Tone.STALE: tokens.STALE,
    Tone.ALARM: tokens.ALARM,
    Tone.REPLAY: tokens.REPLAY,
    Tone.SIMULATED: tokens.SIMULATED,
}

_family = tokens.FAMILIES[-1]


class NoFontError(RuntimeError):
    """The machine has no font at all: nothing could be read."""


def colour(tone: Tone, alpha: float = 1.0) -> QColor:
    """Return a tone's colour."""
    return shade(TONES[tone], alpha)


def shade(value: str, alpha: float = 1.0) -> QColor:
    """Return a token's colour at an opacity in [0, 1]."""
    chosen = QColor(value)
    chosen.setAlphaF(alpha)
    return chosen


def font(px: int, *, bold: bool = False) -> QFont:
    """Return the one family at a size in logical px."""
    chosen = QFont(_family)
    chosen.setPixelSize(px)
    chosen.setWeight(QFont.Weight.DemiBold if bold else QFont.Weight.Normal)
    return chosen


def dress(app: QApplication) -> None:
    """Give the application its look.

    Raises
    ------
    NoFontError
        If Qt finds no font: says what to install.
    """
    global _family
    found = set(QFontDatabase.families())
    if not found:
        raise NoFontError(
            "no font is installed, so no text could be shown: install one, such as fonts-dejavu"
        )
    general = QFontDatabase.systemFont(QFontDatabase.SystemFont.GeneralFont).family()
    _family = next((name for name in tokens.FAMILIES if name in found), general)
    app.setStyle(QStyleFactory.create("Fusion"))
    app.setFont(font(tokens.BODY_PX))
    palette = QPalette()
    for role, value in (
        (QPalette.ColorRole.Window, tokens.GROUND),
        (QPalette.ColorRole.Base, tokens.PANEL),
        (QPalette.ColorRole.AlternateBase, tokens.PANEL),
        (QPalette.ColorRole.Button, tokens.PANEL),
        (QPalette.ColorRole.ToolTipBase, tokens.PANEL),
        (QPalette.ColorRole.WindowText, tokens.TEXT),
        (QPalette.ColorRole.Text, tokens.TEXT),
        (QPalette.ColorRole.ButtonText, tokens.TEXT),
        (QPalette.ColorRole.ToolTipText, tokens.TEXT),
        (QPalette.ColorRole.BrightText, tokens.TEXT),
        (QPalette.ColorRole.PlaceholderText, tokens.SECONDARY),
        (QPalette.ColorRole.Highlight, tokens.ACTION),
        (QPalette.ColorRole.HighlightedText, tokens.GROUND),
        (QPalette.ColorRole.Link, tokens.ACTION),
    ):
        palette.setColor(role, QColor(value))
    app.setPalette(palette)
    app.setStyleSheet(
        f"QDialog, QMessageBox {{ background: {tokens.PANEL}; }}"
        f"QMessageBox QLabel {{ font-size: {tokens.LARGE_PX}px; color: {tokens.TEXT}; }}"
        f"QPushButton {{ min-height: {tokens.CONTROL_PX}px; min-width: 120px; padding: 0 20px;"
        f" font-size: {tokens.LARGE_PX}px; border: 1px solid {tokens.LINE};"
        f" border-radius: {tokens.RADIUS_PX}px;"
        f" background: {tokens.GROUND}; color: {tokens.TEXT}; }}"
        f"QPushButton:pressed, QPushButton:default {{ border-color: {tokens.ACTION}; }}"
    )
