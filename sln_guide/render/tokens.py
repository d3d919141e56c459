"""The screen's few constants: colours, type sizes, spacing. Plain values, no Qt.

Saturated colour is for the overlay, the state and what demands action; all else is neutral, so
that tissue keeps its colour.
"""

from __future__ import annotations

from typing import Final

GROUND: Final = "#0A0E11"
PANEL: Final = "#12181D"
LINE: Final = "#25303A"

TEXT: Final = "#E8EEF2"
SECONDARY: Final = "#9FB0BC"

ACTION: Final = "#4CB3FF"
LIVE: Final = "#39D98A"
STALE: Final = "#FFB020"
ALARM: Final = "#FF5A5F"
REPLAY: Final = "#B388FF"
SIMULATED: Final = "#5ED3E6"

SMALL_PX: Final = 13
BODY_PX: Final = 15
LARGE_PX: Final = 18
HUGE_PX: Final = 24

GAP_PX: Final = 8
RADIUS_PX: Final = 8
CONTROL_PX: Final = 44
ACTION_PX: Final = 90
BORDER_PX: Final = 6

FAMILIES: Final = ("Inter", "Noto Sans", "DejaVu Sans")
"""Sans families, the first found wins: their digits are all of one width."""
