"""The list of tracked nodes: which, how sure, and what is the least that would be seen here."""

from __future__ import annotations

from dataclasses import dataclass, replace

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen
from PySide6.QtWidgets import QSizePolicy

from sln_guide.gui.claims.readings import elapsed_text
from sln_guide.gui.panels.panel import HEAD_PX, Panel
from sln_guide.gui.panels.standing import Standing
from sln_guide.guidance import NOTHING_JUDGED, Detection, Guidance, Kind
from sln_guide.render import tokens
from sln_guide.render.figures import Figures
from sln_guide.render.text import font
from sln_guide.render.wording import (
    NO_BRIGHTER,
    cnr_text,
    doubts,
    node_name,
    sbr_text,
    width_text,
)

ROW_PX = 46
SHORT_ROW_PX = 28

INKS = ("#39D98A", "#4CB3FF", "#F2B8FF", "#FFD479", "#8CF0E8", "#FF9E80")
"""Colours that tell nodes' curves apart; names stand beside them, so never colour alone."""


@dataclass(frozen=True, slots=True)
class NodeRow:
    """One line of the list."""

    track_id: int
    name: str
    words: str
    value: str
    ink: str
    seen: bool


def node_ink(node_number: int) -> str:
    """Return the colour of a node's dot and curve; grey for what has no number yet."""
    if node_number < 1:
        return tokens.SECONDARY
    return INKS[(node_number - 1) % len(INKS)]


def node_rows(guidance: Guidance | None, figures: Figures | None = None) -> tuple[NodeRow, ...]:
    """Word the nodes of a guidance: confirmed first, then doubtful ones, by track.

    ``figures``: those that the tags in the picture say.
    """
    if guidance is None:
        return ()
    listed = [d for d in guidance.detections if d.kind in (Kind.NODE, Kind.UNCERTAIN)]
    listed.sort(
        key=lambda d: (d.kind is Kind.UNCERTAIN, not d.confirmed, d.node_number, d.track_id)
    )
    now_ns = guidance.pair.nir.mid_exposure_ns
    if figures is not None:
        listed = [
            replace(figures.standing(d.track_id, d, now_ns), age_s=d.age_s) if d.track_id > 0 else d
            for d in listed
        ]
    return tuple(_row(d) for d in listed)


def limit_text(limit_sbr: float | None) -> str:
    """Say how faint a node may be: a chance, not a line below which none is called."""
    if limit_sbr is None:
        return "not known how faint a node would be called"
    return f"half of nodes called at SBR {limit_sbr:.2f}, ¾ of field"


def no_rows_text(*, judged: bool) -> str:
    """Say why nothing is listed: nothing was called, or nobody can tell now."""
    return "none called" if judged else "not judged now"


def fitting_words(words: str, metrics: QFontMetricsF, room: float) -> str:
    """Return as many of the words, parted by dots, as fit; the first is cut if it must be."""
    parts = words.split(" · ")
    while len(parts) > 1 and metrics.horizontalAdvance(" · ".join(parts)) > room:
        parts.pop()
    return metrics.elidedText(" · ".join(parts), Qt.TextElideMode.ElideRight, room)


def _row(detection: Detection) -> NodeRow:
    doubtful = detection.kind is Kind.UNCERTAIN
    if detection.coasted:
        words = f"not seen for {elapsed_text(round(detection.age_s * 1e9))}"
    elif doubtful:
        words = "uncertain"
    elif not detection.confirmed:
        words = "not confirmed"
    else:
        words = cnr_text(detection)
    # what is doubtful before how wide it is: where there is no room, the end is left out
    told = [words, *doubts(detection)]
    if NO_BRIGHTER in told:
        told.sort(key=lambda said: said != NO_BRIGHTER)
    width = width_text(detection) if detection.confirmed and not doubtful else ""
    measured = not detection.coasted and (doubtful or detection.node_number > 0)
    return NodeRow(
        track_id=detection.track_id,
        name=node_name(detection),
        words=" · ".join(filter(None, (*told, width))),
        value=sbr_text(detection) if measured else "",
        ink=tokens.STALE if doubtful else node_ink(detection.node_number),
        seen=not detection.coasted,
    )


class NodesPanel(Panel):
    """As many rows as fit; the rest is counted."""

    def __init__(self) -> None:
        super().__init__("Nodes")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(HEAD_PX + 3 * SHORT_ROW_PX + 4)
        self._rows: tuple[NodeRow, ...] = ()
        self._judged = False
        self._limit = Standing()

    @property
    def rows(self) -> tuple[NodeRow, ...]:
        """What is listed."""
        return self._rows

    def sizeHint(self) -> QSize:
        """Return the size for four rows."""
        return QSize(388, HEAD_PX + 4 * ROW_PX + 8)

    def show_guidance(
        self, guidance: Guidance | None, *, judged: bool, figures: Figures | None = None
    ) -> None:
        """List the guidance's nodes; none when its measures do not hold now."""
        if guidance is None or not judged or NOTHING_JUDGED & set(guidance.flags):
            rows: tuple[NodeRow, ...] = ()
            judged, fact = False, ""
        else:
            rows, limit_sbr = node_rows(guidance, figures), guidance.limit_sbr
            if limit_sbr is not None:
                nir_ns = guidance.pair.nir.mid_exposure_ns
                of = guidance.settings.threshold_sigma, guidance.baseline_used
                limit_sbr = self._limit.figure(of, limit_sbr, nir_ns)
            fact = limit_text(limit_sbr)
        self.say(fact)
        if (rows, judged) != (self._rows, self._judged):
            self._rows, self._judged = rows, judged
            self.update()

    def paint_body(self, painter: QPainter) -> None:
        """Paint the rows."""
        if not self._rows:
            painter.setPen(QColor(tokens.SECONDARY))
            painter.setFont(font(15))
            area = QRectF(14, HEAD_PX, self.width() - 28, ROW_PX)
            painter.drawText(area, Qt.AlignmentFlag.AlignVCenter, no_rows_text(judged=self._judged))
            return
        high = self.height() - HEAD_PX - 4
        tall = ROW_PX if len(self._rows) * ROW_PX <= high else SHORT_ROW_PX
        room = int(high // tall)
        shown = self._rows if len(self._rows) <= room else self._rows[: max(room - 1, 1)]
        top = float(HEAD_PX)
        for row in shown:
            self._paint_row(painter, QRectF(10, top, self.width() - 20, tall), row)
            top += tall
        hidden = len(self._rows) - len(shown)
        if hidden:
            painter.setPen(QColor(tokens.SECONDARY))
            painter.setFont(font(tokens.SMALL_PX))
            area = QRectF(44, top, self.width() - 54, tall)
            painter.drawText(area, Qt.AlignmentFlag.AlignVCenter, f"and {hidden} more")

    def _paint_row(self, painter: QPainter, area: QRectF, row: NodeRow) -> None:
        painter.setPen(QPen(QColor(tokens.LINE), 1))
        painter.drawLine(area.topLeft(), area.topRight())
        ink = QColor(row.ink)
        painter.setPen(QPen(ink, 2))
        painter.setBrush(ink if row.seen else Qt.BrushStyle.NoBrush)
        painter.drawEllipse(QPointF(area.left() + 14, area.center().y()), 6, 6)
        value_font = font(15, bold=True)
        wide = QFontMetricsF(value_font).horizontalAdvance(row.value)
        painter.setFont(value_font)
        painter.setPen(QColor(tokens.TEXT))
        painter.drawText(
            area.adjusted(0, 0, -4, 0),
            Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight,
            row.value,
        )
        words = area.adjusted(34, 3, -wide - 14, -3)
        bold, small = font(tokens.BODY_PX, bold=True), font(tokens.SMALL_PX)
        if area.height() < ROW_PX:  # name and words beside each other
            name = QRectF(words)
            said = words.adjusted(QFontMetricsF(bold).horizontalAdvance(row.name) + 10, 0, 0, 0)
        else:
            half = words.height() / 2
            name = words.adjusted(0, 0, 0, -half)
            said = words.adjusted(0, half, 0, 0)
        painter.setFont(bold)
        painter.drawText(name, Qt.AlignmentFlag.AlignVCenter, row.name)
        painter.setFont(small)
        painter.setPen(QColor(tokens.SECONDARY))
        painter.drawText(
            said,
            Qt.AlignmentFlag.AlignVCenter,
            fitting_words(row.words, QFontMetricsF(small), said.width()),
        )
