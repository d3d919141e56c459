"""`Layout`: how the large view is divided. Pure geometry."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Layout(StrEnum):
    """What the large view holds beside the chosen picture."""

    SINGLE = "single"
    TRIPTYCH = "triptych"
    INSET = "inset"
    QUAD = "quad"
    PAIR = "pair"
    """Colour and NIR side by side: what an unregistered rig gets instead of a merged view."""


class Content(StrEnum):
    """What a pane shows."""

    MAIN = "main"
    WHITE = "white"
    NIR = "nir"
    CURVES = "curves"


class Pane(NamedTuple):
    """A part of the view, in px from its top-left corner."""

    content: Content
    left: int
    top: int
    width: int
    height: int

    def holds(self, x: float, y: float) -> bool:
        """Whether a point of the view lies in it."""
        return self.left <= x < self.left + self.width and self.top <= y < self.top + self.height


GAP_PX = 4
INSET_SHARE = 0.22
INSET_ASPECT = 1.25
CHOICES = (Layout.SINGLE, Layout.TRIPTYCH, Layout.INSET, Layout.QUAD)
"""What the operator goes through by key."""


def panes(layout: Layout, width: int, height: int, below: int = 0) -> tuple[Pane, ...]:
    """Divide a view of ``width`` x ``height`` px; what lies on top comes last.

    ``below``: so much of it, at its upper edge, is left free.
    """
    return tuple(
        pane._replace(top=pane.top + below) for pane in _divided(layout, width, height - below)
    )


def _divided(layout: Layout, width: int, height: int) -> tuple[Pane, ...]:
    whole = Pane(Content.MAIN, 0, 0, width, height)
    half_w, half_h = (width - GAP_PX) // 2, (height - GAP_PX) // 2
    right, low = width - half_w, height - half_h
    match layout:
        case Layout.SINGLE:
            return (whole,)
        case Layout.TRIPTYCH:
            main = (width - GAP_PX) * 2 // 3
            side = width - main - GAP_PX
            return (
                Pane(Content.MAIN, 0, 0, main, height),
                Pane(Content.WHITE, main + GAP_PX, 0, side, half_h),
                Pane(Content.NIR, main + GAP_PX, low, side, half_h),
            )
        case Layout.INSET:
            wide = round(min(width * INSET_SHARE, height * 0.4 * INSET_ASPECT))
            tall = round(wide / INSET_ASPECT)
            inset = Pane(Content.NIR, width - wide - 12, height - tall - 64, wide, tall)
            return (whole, inset)
        case Layout.QUAD:
            return (
                Pane(Content.MAIN, 0, 0, half_w, half_h),
                Pane(Content.WHITE, right, 0, half_w, half_h),
                Pane(Content.NIR, 0, low, half_w, half_h),
                Pane(Content.CURVES, right, low, half_w, half_h),
            )
        case Layout.PAIR:
            return (
                Pane(Content.MAIN, 0, 0, half_w, height),
                Pane(Content.NIR, right, 0, half_w, height),
            )


def sides(layout: Layout) -> frozenset[Content]:
    """Return which pictures a layout needs beside the chosen one."""
    wanted = {pane.content for pane in panes(layout, 100, 100)}
    return frozenset(wanted & {Content.WHITE, Content.NIR})
