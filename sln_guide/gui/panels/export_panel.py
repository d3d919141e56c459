"""What can be made of a replayed case, laid over the dock; how far it is, and how to stop it."""

from __future__ import annotations

import math
from collections.abc import Callable

from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QButtonGroup, QGridLayout, QLabel, QWidget

from sln_guide.export.wish import SPANNED, What
from sln_guide.gui.panels.buttons import FlatButton
from sln_guide.gui.panels.panel import Panel, toggle_over_parent
from sln_guide.gui.panels.timeline import precise_clock
from sln_guide.render import tokens
from sln_guide.render.text import font

ROWS: tuple[tuple[str, tuple[What, ...]], ...] = (
    ("Film", (What.OVERLAY, What.SIDE_BY_SIDE, What.TRIPTYCH)),
    ("Picture of this moment · figures", (What.STILLS, What.CURVES, What.TABLES, What.JOURNAL)),
    ("NIR frames, bit for bit", (What.FFV1, What.OME_TIFF)),
)
NAMES = {
    What.OVERLAY: "Overlay",
    What.SIDE_BY_SIDE: "Side by side",
    What.TRIPTYCH: "Triptych",
    What.STILLS: "Still",
    What.CURVES: "Curves",
    What.TABLES: "Tables",
    What.JOURNAL: "Journal",
    What.FFV1: "FFV1",
    What.OME_TIFF: "OME-TIFF",
}
MEANS = {
    What.OVERLAY: "MP4 of the overlay with these settings, marked with clock and scale. For "
    "looking, not for measuring.",
    What.SIDE_BY_SIDE: "MP4 of colour and overlay side by side, with these settings. For looking, "
    "not for measuring.",
    What.TRIPTYCH: "MP4 of overlay, colour and NIR, with these settings. For looking, not for "
    "measuring.",
    What.STILLS: "PNG of the moment where the replay stands, and a JSON of what it shows.",
    What.CURVES: "CSV: a row a frame; signal, SBR, saturation of each node, with these settings.",
    What.TABLES: "Folder of CSV and JSON: every frame, every detection and a summary, with these "
    "settings; of the whole case.",
    What.JOURNAL: "CSV: what happened, and what the screen showed and said, in order of time, "
    "as it was recorded; of the whole case.",
    What.FFV1: "MKV of all NIR frames as the camera sent them, and a CSV of their times.",
    What.OME_TIFF: "TIFF of all NIR frames as the camera sent them, sizes and times in its XML, "
    "and a CSV of their times.",
}


class ExportPanel(Panel):
    """Closed by its button or its key; what is being made goes on.

    ``begun`` carries what, and from when to when [s]; ``stopped`` that it is to be given up.
    """

    begun = Signal(object, float, float)
    stopped = Signal()

    def __init__(self, parent: QWidget, position_s: Callable[[], float], duration_s: float) -> None:
        super().__init__("Export", parent)
        self.setAccessibleName("Export panel")
        self.setAutoFillBackground(True)
        self._position_s = position_s
        self._duration_s = duration_s
        self._span_s = (0.0, math.inf)
        self._what = What.OVERLAY
        self._share: float | None = None
        self.choices: dict[What, FlatButton] = {}
        group = QButtonGroup(self)
        self.body.setSpacing(6)
        for heading, row in ROWS:
            self._add_row(heading, [self._choice(what, group) for what in row])
        self.choices[self._what].setChecked(True)
        self.whole = self._button("Whole case", lambda: self._take_span(0.0, math.inf))
        self.since = self._button("From here", self._take_begin)
        self.until = self._button("Until here", self._take_end)
        self._span_text = self._add_row("", [self.whole, self.since, self.until])
        self._means = _label(tokens.BODY_PX)
        self._means.setWordWrap(True)
        self.body.addSpacing(tokens.GAP_PX)
        self.body.addWidget(self._means)
        self.body.addStretch(1)
        self.progress = Progress()
        self.body.addWidget(self.progress)
        self.go = self._button("Begin export", self._go)
        self.go.setFixedHeight(tokens.ACTION_PX - 30)
        self.body.addWidget(self.go)
        self.leave = self._button("Back", self.hide)
        self.body.addWidget(self.leave)
        self._show_choice()
        self.hide()

    @property
    def what(self) -> What:
        """What is chosen."""
        return self._what

    @property
    def span_s(self) -> tuple[float, float]:
        """From when to when [s]."""
        return self._span_s

    def toggle(self) -> None:
        """Show it over its parent, or put it away."""
        if toggle_over_parent(self):
            self.choices[self._what].setFocus(Qt.FocusReason.TabFocusReason)

    def show_progress(self, share: float | None) -> None:
        """Follow the export that is being made; None: none is."""
        if share != self._share:
            self._share = share
            self.progress.show_share(share)
            self.go.setText("Begin export" if share is None else "Stop: nothing of it is kept")

    def choose(self, what: What) -> None:
        """Choose what is to be made."""
        self._what = what
        self.choices[what].setChecked(True)
        self._show_choice()

    def _show_choice(self) -> None:
        part = self._what in SPANNED
        for button in (self.whole, self.since, self.until):
            button.setEnabled(part)
        begin_s, end_s = self._span_s
        hours = self._duration_s >= 3600
        clock = [precise_clock(s, hours=hours) for s in (begin_s, min(end_s, self._duration_s))]
        text = f"{clock[0]} to {clock[1]}"
        if not part:
            text = "of this moment" if self._what is What.STILLS else "of the whole case"
        self._span_text.setText(text)
        self._means.setText(MEANS[self._what])

    def _take_span(self, begin_s: float, end_s: float) -> None:
        self._span_s = (begin_s, end_s)
        self._show_choice()

    def _take_begin(self) -> None:
        here_s, end_s = self._position_s(), self._span_s[1]
        self._take_span(here_s, end_s if end_s > here_s else math.inf)

    def _take_end(self) -> None:
        here_s, begin_s = self._position_s(), self._span_s[0]
        self._take_span(begin_s if begin_s < here_s else 0.0, here_s)

    def _go(self) -> None:
        if self._share is not None:
            self.stopped.emit()
        else:
            self.begun.emit(self._what, *self._span_s)

    def _choice(self, what: What, group: QButtonGroup) -> FlatButton:
        button = self._button(NAMES[what], lambda: self.choose(what))
        button.setCheckable(True)
        group.addButton(button)
        self.choices[what] = button
        return button

    def _button(self, text: str, do: Callable[[], object]) -> FlatButton:
        button = FlatButton(text)
        button.setFixedHeight(tokens.CONTROL_PX)
        button.reach_by_tab()
        button.clicked.connect(lambda _=False: do())
        return button

    def _add_row(self, name: str, parts: list[FlatButton]) -> QLabel:
        label = _label(tokens.SMALL_PX, bold=True)
        label.setText(name)
        self.body.addWidget(label)
        row = QGridLayout()
        row.setSpacing(tokens.GAP_PX)
        for place, part in enumerate(parts):
            row.addWidget(part, 0, place)
        self.body.addLayout(row)
        return label


class Progress(QWidget):
    """A bar and its percentage; empty while nothing is made."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(tokens.CONTROL_PX)
        self._share: float | None = None

    @property
    def text(self) -> str:
        """What it says."""
        return "" if self._share is None else f"{self._share:.0%}"

    def show_share(self, share: float | None) -> None:
        """Show how much is done."""
        self._share = share
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint it."""
        if self._share is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(font(tokens.BODY_PX, bold=True))
        painter.setPen(QColor(tokens.TEXT))
        painter.drawText(QRectF(0, 0, self.width(), 24), Qt.AlignmentFlag.AlignVCenter, self.text)
        painter.setPen(Qt.PenStyle.NoPen)
        for share, ink in ((1.0, tokens.LINE), (self._share, tokens.ACTION)):
            painter.setBrush(QColor(ink))
            painter.drawRoundedRect(QRectF(0, 28, share * self.width(), 8), 4, 4)
        painter.end()


def _label(px: int, *, bold: bool = False) -> QLabel:
    label = QLabel()
    label.setFont(font(px, bold=bold))
    return label
