"""How the windows look: palette, font and style sheet, all from the render tokens."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtGui import QColor, QIcon, QPalette
from PySide6.QtWidgets import QApplication, QStyleFactory

import sln_guide
from sln_guide.gui.claims.readings import Tone
from sln_guide.render import tokens
from sln_guide.render.marks import shade
from sln_guide.render.text import font

TONES: dict[Tone, str] = {
    Tone.NEUTRAL: tokens.SECONDARY,
    Tone.PLAIN: tokens.TEXT,
    Tone.LIVE: tokens.LIVE,
    Tone.STALE: tokens.STALE,
    Tone.ALARM: tokens.ALARM,
    Tone.RECORDING: tokens.ALARM,
    Tone.REPLAY: tokens.REPLAY,
    Tone.SIMULATED: tokens.SIMULATED,
}


def colour(tone: Tone, alpha: float = 1.0) -> QColor:
    """Return a tone's colour."""
    return shade(TONES[tone], alpha)


def icon() -> QIcon:
    """Return the application's icon; an empty one where its file was not installed."""
    package = Path(sln_guide.__file__).parent
    for path in (package / "_assets" / "icon.svg", package.parent / "assets" / "icon.svg"):
        if path.is_file():
            return QIcon(str(path))
    return QIcon()


def dress(app: QApplication) -> None:
    """Give the application its look.

    Raises
    ------
    NoFontError
        If Qt finds no font: says what to install.
    """
    app.setStyle(QStyleFactory.create("Fusion"))
    app.setWindowIcon(icon())
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
