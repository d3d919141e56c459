"""`Renderer`: paints pictures with their guidance, the same for window, video and report."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QTransform

from sln_guide.guidance import Guidance, Kind, Picture, Settings, View
from sln_guide.render import geometry, margin, marks, tokens
from sln_guide.render.figures import Figures
from sln_guide.render.layout import Box, Placed, Wanted, place_tags
from sln_guide.render.look import Look, text_scale
from sln_guide.render.marking import (
    Marked,
    importance,
    is_marked,
    marked_at,
    put_mark,
    put_regions,
    tag_key,
)
from sln_guide.render.pixels import paint_pixels
from sln_guide.render.sprites import Sheet
from sln_guide.render.text import ensure_gui_application
from sln_guide.render.wording import node_name, tag_lines
from sln_guide.styles import legend_of

MOST_MARKED = 16
"""More detections than this are counted, not marked: painting must stay bounded."""
NODES = (Kind.NODE, Kind.UNCERTAIN)
"""What neither tag nor legend may hide."""
MIN_RENDERED_PX = 960
"""Smaller pictures are enlarged before words are put on them."""


class Renderer:
    """Paints. One thread.

    Remembers where it last put each tag, so that tags neither jump nor flicker; their figures
    stand still by ``figures``, which others may share.
    """

    def __init__(self, figures: Figures | None = None) -> None:
        self._figures = figures or Figures()
        self._places: dict[int, int] = {}
        self._legend_in: Box | None = None
        self._legend_place = 0
        self._laid_out: tuple[tuple[object, ...], Sheet] | None = None

    def paint(
        self,
        painter: QPainter,
        target: QRectF,
        picture: Picture,
        look: Look,
        *,
        placed: QTransform | None = None,
    ) -> None:
        """Paint the picture into ``target`` with all that belongs on it.

        Parameters
        ----------
        painter
            Active; its state is kept.
        target
            Is filled; what the picture leaves free takes the ground's colour.
        picture
            Its overlay is already in its pixels.
        look
            What to add.
        placed
            From picture to painter coordinates (see `render.geometry.placement`); None: the whole
            picture, as large as ``target`` allows.
        """
        height, width = picture.rgb32.shape
        placed = geometry.fitted(width, height, target) if placed is None else placed
        painter.save()
        painter.setClipRect(target, Qt.ClipOperation.IntersectClip)
        painter.fillRect(target, QColor(tokens.GROUND))
        paint_pixels(painter, picture.rgb32, placed)
        painter.restore()
        burned = Sheet(painter.device().devicePixelRatioF())
        inner, words = margin.put_burned(burned, target, picture.number, look)
        burned.paint(painter)
        self.paint_guidance(painter, inner, picture, look, placed, keep_clear=words)

    def paint_guidance(
        self,
        painter: QPainter,
        area: QRectF,
        picture: Picture,
        look: Look,
        placed: QTransform,
        *,
        keep_clear: tuple[QRectF, ...] = (),
        scale: float | None = None,
    ) -> None:
        """Paint rings, outlines, tags, legend and scale bar over a picture already painted.

        Rings and tags need a guidance, and in the merged view an overlay that was drawn; plain
        colour gets a scale bar only. Nothing is painted outside ``area``, no tag on
        ``keep_clear``. ``scale`` multiplies type and lines; None: `text_scale` of ``area``.
        """
        device = painter.device()
        scale = text_scale(area.height()) if scale is None else scale
        key = (
            picture.guidance,
            picture.view,
            picture.overlay_drawn,
            margin.shows_lossy_colour(picture),
            picture.rgb32.shape,
            look,
            area.getRect(),
            placed,
            [rect.getRect() for rect in keep_clear],
            scale,
            device.devicePixelRatioF(),
        )
        if self._laid_out is None or self._laid_out[0] != key:
            self._laid_out = (
                key,
                self._sheet(
                    area, picture, look, placed, keep_clear, scale, device.devicePixelRatioF()
                ),
            )
        painter.save()
        painter.setClipRect(area, Qt.ClipOperation.IntersectClip)
        self._laid_out[1].paint(painter)
        painter.restore()

    def _sheet(
        self,
        area: QRectF,
        picture: Picture,
        look: Look,
        placed: QTransform,
        keep_clear: tuple[QRectF, ...],
        scale: float,
        ratio: float,
    ) -> Sheet:
        """Lay out what belongs on the picture: once a guidance, however often it is painted."""
        sheet = Sheet(ratio)
        bounds = margin.box_of(area).grown(-margin.MARGIN_PX * scale)
        taken = [margin.box_of(rect) for rect in keep_clear]
        if look.scale_bar:
            taken += margin.put_scale_bar(sheet, bounds, picture, look, placed, scale)
        guidance = picture.guidance if _shows_guidance(picture) else None
        legend = None
        if guidance is not None:
            settings = look.settings or guidance.settings
            found = [d for d in guidance.detections if is_marked(d, settings)]
            found.sort(key=importance)
            places = (marked_at(d, picture, settings, placed, scale) for d in found[:MOST_MARKED])
            located = [m for m in places if m is not None]
            meant = legend_of(guidance, settings, picture.view)
            if look.legend and meant is not None and picture.overlay_drawn:
                nodes = [m.ring for m in located if m.detection.kind in NODES]
                if bounds != self._legend_in:
                    self._legend_in, self._legend_place = bounds, 0
                legend, self._legend_place = margin.put_legend(
                    sheet, bounds, meant, scale, taken=taken, rings=nodes, stay=self._legend_place
                )
                taken += (
                    [legend]
                    if legend is not None
                    else margin.put_no_legend(sheet, bounds, scale, taken, nodes)
                )
        above = legend if self._legend_place == 0 else None
        taken += margin.put_doubts(sheet, bounds, above, picture, guidance, scale)
        if guidance is not None:
            taken += put_regions(sheet, guidance, picture, placed, scale)
            unmarked = len(found) - MOST_MARKED
            self._put_detections(
                sheet, area, bounds, taken, located, unmarked, guidance, settings, look, scale
            )
        return sheet

    def render_to_image(
        self, picture: Picture, look: Look, size: tuple[int, int] | None = None
    ) -> NDArray[np.uint32]:
        """Return the painted picture as a new array, (H, W) uint32 0xffRRGGBB.

        Parameters
        ----------
        picture, look
            As for `paint`.
        size
            (width, height); None: `rendered_size`.

        Raises
        ------
        RuntimeError
            Without an application object, from a thread that may not make one.
        """
        ensure_gui_application()
        width, height = rendered_size(picture) if size is None else size
        image = QImage(width, height, QImage.Format.Format_RGB32)
        painter = QPainter(image)
        try:
            self.paint(painter, QRectF(0, 0, width, height), picture, look)
        finally:
            painter.end()
        # 32-bit rows are never padded
        return np.frombuffer(image.constBits(), np.uint32).reshape(height, width).copy()

    def _put_detections(
        self,
        sheet: Sheet,
        area: QRectF,
        bounds: Box,
        taken: list[Box],
        located: list[Marked],
        unmarked: int,
        guidance: Guidance,
        settings: Settings,
        look: Look,
        scale: float,
    ) -> None:
        seen = margin.box_of(area)
        marked = [m for m in located if m.ring.covers(seen)]
        unseen = [m.detection for m in located if not m.ring.covers(seen)]
        for each in marked:
            put_mark(sheet, each, settings, scale)
        if unmarked > 0:
            taken.append(margin.put_unmarked(sheet, bounds, unmarked, scale))
        if not look.tags:
            return
        names = [node_name(d) for d in unseen if d.kind is Kind.NODE and d.confirmed]
        if names:
            taken.append(margin.put_out_of_view(sheet, bounds, names, scale))
        now_ns = guidance.pair.nir.mid_exposure_ns
        by_key = {
            key: m
            for key, m in ((tag_key(m.detection, i), m) for i, m in enumerate(marked))
            if m.detection.kind is not Kind.CHANNEL  # that is told by its outline
        }
        lines_of = {
            key: tag_lines(self._figures.standing(key, m.detection, now_ns), settings)
            for key, m in by_key.items()
        }
        nodes = [m.ring for m in marked if m.detection.kind in NODES]
        tags: tuple[Placed, ...] = ()
        # where there is no room for two lines there may be for the name
        for full in (True, False):
            shown = {
                key: lines_of[key] if full else (node_name(each.detection), "")
                for key, each in by_key.items()
                if key not in {tag.key for tag in tags}
            }
            wanted = [
                Wanted(key, by_key[key].ring, *marks.tag_size(lines, scale))
                for key, lines in shown.items()
            ]
            new = place_tags(wanted, bounds, obstacles=taken, rings=nodes, previous=self._places)
            taken += [tag.box for tag in new]
            tags += new
            for tag in new:
                marks.put_leader(sheet, by_key[tag.key].ring, tag.box, scale)
                marks.put_tag(sheet, tag.box, shown[tag.key], scale)
        self._places = {tag.key: tag.place for tag in tags}


def rendered_size(picture: Picture) -> tuple[int, int]:
    """Return (width, height) to render at: the picture's, small ones enlarged a whole number."""
    height, width = picture.rgb32.shape
    factor = max(-(-MIN_RENDERED_PX // width), 1)
    return width * factor, height * factor


def _shows_guidance(picture: Picture) -> bool:
    """Whether rings and tags belong on this view: never on plain colour."""
    if picture.view is View.MERGED:
        return picture.overlay_drawn
    return picture.view is View.NIR
