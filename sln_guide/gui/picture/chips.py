"""Words on dark grounds in the picture: what it is, what is under the pointer. On a sheet."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QPainter, QTransform

from sln_guide.gui import theme
from sln_guide.gui.claims.layout import Content, Layout, Pane
from sln_guide.gui.claims.readings import Reading
from sln_guide.gui.claims.showing import Shown
from sln_guide.gui.picture import signs
from sln_guide.gui.picture.readout import readout
from sln_guide.guidance import Picture, View
from sln_guide.render import marks, tokens
from sln_guide.render.geometry import mm_per_nir_px
from sln_guide.render.layout import Box
from sln_guide.render.look import Look
from sln_guide.render.sprites import Sheet
from sln_guide.render.wording import RESEARCH_USE

MARGIN_PX = 16.0
NAMES = {View.MERGED: "Merged", View.WHITE: "Colour", View.NIR: "NIR"}
SIDE_NAMES = {Content.WHITE: "Colour", Content.NIR: "NIR"}


def _put_chip(
    sheet: Sheet, left: float, top: float, text: str, ink: str, px: int, height: float
) -> float:
    """Put a few words on a dark ground; return their right edge."""
    width, _ = marks.chip_size(text, px, 1.0)
    marks.put_chip(sheet, Box(left, top, left + width, top + height), text, ink, px, 1.0)
    return left + width


def put_corner(
    sheet: Sheet, free: QRectF, shown: Shown, *, clean: bool, age: Reading | None
) -> QRectF:
    """Say what the strip says where there is none, and what is shown if not all of it."""
    left, top = free.left() + MARGIN_PX, free.top() + MARGIN_PX
    if clean:
        state = shown.state
        right = widest = signs.put_pill(sheet, left, top + 22, 44, state.pill, state.tone, 24)
        said, line = state.readings.age if age is None else age, top
        for text, ink, px in (
            (said.text, theme.TONES[said.tone], 18),
            (RESEARCH_USE, tokens.STALE, 13),
        ):
            beside = right + 8
            if beside + marks.chip_size(text, px, 1.0)[0] > free.right():  # of a pane of several
                beside, line = left, line + 52
            right = _put_chip(sheet, beside, line, text, ink, px, 44)
            widest = max(widest, right)
        return QRectF(left, top, widest - left, line + 44 - top)
    if shown.image is None or (shown.layout is Layout.SINGLE and shown.view is View.MERGED):
        return QRectF(left, top, 0, 0)
    text = "White light by itself" if shown.alone else NAMES[shown.view]
    if shown.layout is Layout.PAIR:
        text = NAMES[View.WHITE]
    if shown.state.video_old:
        text += " · old"
    right = _put_chip(sheet, left, top, text, tokens.TEXT, 15, 32)
    return QRectF(left, top, right - left, 32)


def put_name(sheet: Sheet, pane: Pane, corner: QRectF, shown: Shown) -> None:
    """Say what a picture beside the chosen one is, and if it is old."""
    name = SIDE_NAMES.get(pane.content)
    if name is None:
        return
    side = next((s for s in shown.sides if s.content is pane.content), None)
    if side is None:
        name += " · waiting"
    elif side.note:
        name += f" · {side.note}"
    _put_chip(sheet, corner.left() + 8, corner.top() + 8, name, tokens.TEXT, 15, 30)


def paint_readout(
    painter: QPainter,
    free: QRectF,
    picture: Picture,
    look: Look,
    placed: QTransform,
    pointer: QPointF,
) -> None:
    """Say what lies under the pointer, beside it."""
    at = placed.inverted()[0].map(pointer)
    words = readout(picture, at.x() - 0.5, at.y() - 0.5, mm_per_nir_px(picture, look))
    if words:
        lines = words.split("\n")
        sizes = [marks.chip_size(line, tokens.SMALL_PX, 1.0) for line in lines]
        width, height = max(w for w, _ in sizes), max(h for _, h in sizes)
        left = max(min(pointer.x() + 18, free.right() - width), free.left())
        top = max(min(pointer.y() + 18, free.bottom() - len(lines) * height), free.top())
        sheet = Sheet(painter.device().devicePixelRatioF())
        for line in lines:
            _put_chip(sheet, left, top, line, tokens.TEXT, tokens.SMALL_PX, height)
            top += height
        sheet.paint(painter)
