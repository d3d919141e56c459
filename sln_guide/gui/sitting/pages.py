"""The three pages of a sitting's window: what to do, doing it, and what came of it."""

from __future__ import annotations

import html
from functools import partial

from PySide6.QtCore import Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QHBoxLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from sln_guide.calibration.guide import Guide
from sln_guide.calibration.stand import CHOICES, Phase, Stand, title_of
from sln_guide.gui import theme
from sln_guide.gui.claims.readings import Tone
from sln_guide.gui.panels.buttons import FlatButton
from sln_guide.gui.sitting.parts import (
    CameraView,
    ChoiceButton,
    PrimaryButton,
    ProgressLine,
    ReportView,
    label,
    say,
)
from sln_guide.render import tokens
from sln_guide.render.text import font

COLUMN_PX = 460
WHAT_FOR = {
    "dark": "a lens cap: what the sensor says without light",
    "flat": "a plain glowing target: how even the field is",
    "ptc": "steady light: counts per electron, noise, linearity",
    "register": "the printed board: where NIR lies in white light",
    "balance": "a grey card: true colours on the screen",
    "check": "the reference target: is the rig good for today?",
    "focus": "fine print: turn the rings until it is sharp",
    "spot": "the board, one look: do the cameras still stand?",
}
MARKS = {"ok": Tone.LIVE, "BAD": Tone.ALARM, "?": Tone.STALE}
WORDS = {"ok": "good", "BAD": "bad", "?": "unknown"}


class ChoicePage(QWidget):
    """The list of flows and how each stands."""

    def __init__(self, guide: Guide) -> None:
        super().__init__()
        self.problem = label(tokens.LARGE_PX, Tone.STALE)
        self.told = label(tokens.LARGE_PX)
        column = QVBoxLayout(self)
        column.setSpacing(tokens.GAP_PX)
        column.addWidget(self.told)
        column.addWidget(self.problem)
        self.buttons: dict[str, ChoiceButton] = {}
        for number, choice in enumerate(CHOICES, 1):
            button = ChoiceButton(title_of(choice), str(number), WHAT_FOR[choice])
            button.clicked.connect(partial(guide.choose, choice))
            self.buttons[choice] = button
            column.addWidget(button)
        column.addStretch(1)

    def show_stand(self, stand: Stand) -> None:
        """Show how everything stands."""
        ready = stand.phase is Phase.CHOOSING
        following = stand.next_choice
        if stand.phase is Phase.OPENING:
            told = "Looking at the rig …"
        elif stand.phase is Phase.FAILED:
            told = "The rig cannot be used."
        elif following is None:
            told = "The rig is calibrated and has passed its check."
        else:
            told = f"Next: {title_of(following)}. Do them in this order, top to bottom."
        say(self.told, told)
        problem = stand.problem
        if problem and stand.title:
            problem = f"{stand.title}: {problem}"
        say(self.problem, problem)
        standings = {s.what: s for s in stand.standings}
        for choice, button in self.buttons.items():
            button.setEnabled(ready)
            standing = next((s for what, s in standings.items() if what == choice), None)
            button.show_standing(standing, comes_next=ready and choice == following)


class StepPage(QWidget):
    """One step in plain words, beside what the cameras see."""

    def __init__(self, guide: Guide) -> None:
        super().__init__()
        self.title = label(tokens.HUGE_PX, bold=True)
        self.count = label(tokens.BODY_PX, Tone.NEUTRAL)
        self.instruction = label(20)
        self.told = label(tokens.LARGE_PX, Tone.LIVE)
        self.problem = label(tokens.LARGE_PX, Tone.STALE, bold=True)
        self.doing = label(tokens.LARGE_PX)
        self.progress = ProgressLine()
        self.measure = PrimaryButton("Measure", "Enter")
        self.measure.setFixedHeight(tokens.ACTION_PX)
        self.measure.clicked.connect(lambda _=False: guide.go_on())
        self.leave = FlatButton("Back", "Esc")
        self.leave.setFixedHeight(64)
        self.leave.clicked.connect(lambda _=False: guide.back())
        holder = QWidget()
        holder.setFixedWidth(COLUMN_PX)
        column = QVBoxLayout(holder)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(14)
        for words in (self.title, self.count, self.instruction, self.told, self.problem):
            column.addWidget(words)
        column.addStretch(1)
        column.addWidget(self.doing)
        column.addWidget(self.progress)
        column.addWidget(self.measure)
        column.addWidget(self.leave)
        self.views = {role: CameraView(role) for role in ("nir", "white")}
        pictures = QVBoxLayout()
        pictures.setSpacing(tokens.GAP_PX)
        for view in self.views.values():
            pictures.addWidget(view, 1)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(24)
        row.addWidget(holder)
        row.addLayout(pictures, 1)

    def show_stand(self, stand: Stand) -> None:
        """Show the step."""
        focusing = stand.phase is Phase.FOCUSING
        measuring = stand.phase is Phase.MEASURING
        say(self.title, stand.title)
        step = min(stand.step + 1, stand.steps)
        say(self.count, "" if focusing else f"Step {step} of {stand.steps}")
        say(self.instruction, stand.instruction)
        found = f"Step {stand.step} found: {stand.told}" if stand.told else ""
        say(self.told, "" if measuring else found)
        say(self.problem, stand.problem)
        share = stand.done / stand.total if stand.total else 0.0
        if measuring:
            computing = stand.step >= stand.steps or (stand.total and stand.done >= stand.total)
            say(self.doing, "Computing …" if computing else f"Measuring … {share:.0%}")
        else:
            say(self.doing, "")
        self.progress.setVisible(measuring)
        self.progress.show_share(share)
        again = bool(stand.problem)
        self.measure.setText("Begin anew" if focusing else "Try again" if again else "Measure")
        self.measure.setEnabled(not measuring)
        self.leave.setText("Stop" if measuring else "Done" if focusing else "Back")
        for role, view in self.views.items():
            view.setVisible(role in stand.roles)


class DonePage(QWidget):
    """What came of a flow, where it was kept, and the report."""

    opened = Signal(str)

    def __init__(self, guide: Guide) -> None:
        super().__init__()
        self._guide = guide
        self._stand: Stand | None = None
        self.title = label(tokens.HUGE_PX, bold=True)
        self.verdict = label(20, bold=True)
        self.lines = QLabel()
        self.lines.setTextFormat(Qt.TextFormat.RichText)
        self.lines.setWordWrap(True)
        self.lines.setFont(font(tokens.BODY_PX))
        self.lines.setAlignment(Qt.AlignmentFlag.AlignTop)
        scroll = QScrollArea()
        scroll.setWidget(self.lines)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setStyleSheet(f"QScrollBar:vertical {{ width: {tokens.CONTROL_PX}px; }}")
        self._scroll = scroll
        self.kept = label(tokens.SMALL_PX, Tone.NEUTRAL)
        self.problem = label(tokens.BODY_PX, Tone.STALE)
        self.following = PrimaryButton("", "Enter")
        self.following.setFixedHeight(tokens.ACTION_PX)
        self.following.clicked.connect(lambda _=False: self.go_on())
        self.report = FlatButton("Report (PDF)", "R")
        self.report.clicked.connect(lambda _=False: self.open_report())
        self.leave = FlatButton("To the list", "Esc")
        self.leave.clicked.connect(lambda _=False: guide.back())
        self.again = FlatButton("Measure again", "A")
        self.again.clicked.connect(lambda _=False: self.do_again())
        holder = QWidget()
        holder.setFixedWidth(COLUMN_PX)
        column = QVBoxLayout(holder)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(12)
        column.addWidget(self.title)
        column.addWidget(self.verdict)
        column.addWidget(scroll, 1)
        column.addWidget(self.kept)
        column.addWidget(self.problem)
        column.addWidget(self.following)
        row_of_two = QHBoxLayout()
        for button in (self.report, self.again, self.leave):
            button.setFixedHeight(64)
            row_of_two.addWidget(button)
        column.addLayout(row_of_two)
        self.pages = ReportView()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(24)
        row.addWidget(holder)
        row.addWidget(self.pages, 1)

    def show_stand(self, stand: Stand) -> None:
        """Show an outcome, once."""
        outcome = stand.outcome
        if outcome is None or stand is self._stand:
            return
        self._stand = stand
        say(self.title, stand.title)
        if stand.choice == "check":
            good, bad = "The rig has passed.", "Not passed: no calibrated units. The video goes on."
        elif stand.choice == "spot":
            good, bad = "The cameras stand as registered.", "The cameras moved: register again."
        else:
            good, bad = "Done and kept.", "Not good."
        verdict = good if outcome.good else bad
        say(self.verdict, verdict, Tone.LIVE if outcome.good else Tone.ALARM)
        self.lines.setText("".join(_paragraph(line) for line in outcome.lines))
        self._scroll.verticalScrollBar().setValue(0)
        reports = [path for path in outcome.reports if path.suffix == ".pdf"]
        kept = [str(path.resolve()) for path in (*reports, outcome.path)] if stand.noted else []
        say(self.kept, "\n".join((*kept, stand.noted)).strip())
        say(self.problem, "")
        following = stand.next_choice
        self.following.setVisible(following is not None)
        self.following.setText(f"Next: {title_of(following)}")
        self.report.setVisible(bool(reports))
        self.pages.show_pages([page.svg() for page in outcome.pages])

    def move_lines(self, lines: int) -> None:
        """Move the figures up or down."""
        bar = self._scroll.verticalScrollBar()
        bar.setValue(bar.value() + 3 * lines * bar.singleStep())

    def go_on(self) -> None:
        """Begin what comes next."""
        if self._stand is not None and self._stand.next_choice is not None:
            self._guide.choose(self._stand.next_choice)

    def do_again(self) -> None:
        """Begin the same anew."""
        if self._stand is not None and self._stand.choice is not None:
            self._guide.choose(self._stand.choice)

    def open_report(self) -> None:
        """Hand the PDF to what this machine shows PDFs with."""
        if self._stand is None or self._stand.outcome is None:
            return
        for path in self._stand.outcome.reports:
            if path.suffix == ".pdf":
                if not QDesktopServices.openUrl(QUrl.fromLocalFile(str(path.resolve()))):
                    say(self.problem, "Nothing on this machine shows a PDF; the file is above.")
                return


def _paragraph(line: str) -> str:
    """Return a line of an outcome with its mark in words and colour."""
    mark, _, rest = line.partition(" ")
    if mark not in MARKS:
        return f"<p>{html.escape(line)}</p>"
    name, colon, told = rest.strip().partition(":")
    said = f"<span style='color:{theme.TONES[MARKS[mark]]}'><b>{WORDS[mark]}</b></span>"
    faint = f"<span style='color:{tokens.SECONDARY}'>{html.escape(told)}</span>"
    return f"<p>{said} {html.escape(name)}{colon}{faint}</p>"
