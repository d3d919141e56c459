"""Threshold, opacity and colours of the overlay, each saying what it implies."""

from __future__ import annotations

import math

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QKeyEvent,
    QLinearGradient,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import (
    QButtonGroup,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from sln_guide.core.colour import colour_table
from sln_guide.gui.panels.buttons import FlatButton
from sln_guide.gui.panels.panel import Panel
from sln_guide.gui.panels.standing import Standing
from sln_guide.guidance import (
    NOTHING_JUDGED,
    ColourMap,
    Guidance,
    NirStyle,
    OverlayStyle,
    Settings,
    View,
)
from sln_guide.render import tokens
from sln_guide.render.text import font

THRESHOLD_MIN, THRESHOLD_MAX, THRESHOLD_STEP = 2.0, 10.0, 0.1
STYLE_NAMES: dict[OverlayStyle | NirStyle, str] = {
    OverlayStyle.SIGNAL: "Signal",
    OverlayStyle.SIGNIFICANCE: "Sigma",
    OverlayStyle.CONTOUR: "Contour",
    NirStyle.GREY: "Grey",
    NirStyle.MAP: "Map",
}
OPACITY_MIN, OPACITY_MAX, OPACITY_STEP = 0.1, 1.0, 0.05


class GloveSlider(QWidget):
    """A slider of 44 px whose handle jumps to the finger. Steps, so that values are round."""

    moved = Signal(float)

    def __init__(self, name: str, low: float, high: float, step: float) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setFixedHeight(tokens.CONTROL_PX)
        self.setMinimumWidth(120)
        # a press takes no focus: the arrows go on stepping through a replay
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._low, self._high, self._step = low, high, step
        self._value = low
        self._held = False

    @property
    def value(self) -> float:
        """Where the handle is."""
        return self._value

    @property
    def held(self) -> bool:
        """Whether a finger is on it."""
        return self._held

    def set_value(self, value: float) -> None:
        """Put the handle somewhere without telling anybody."""
        if value != self._value:
            self._value = value
            self.update()

    def step_by(self, steps: int) -> None:
        """Move the handle by steps, and tell."""
        self._move_to(self._value + steps * self._step)

    def position_of(self, value: float) -> float:
        """Return the x of a value in widget px."""
        fraction = (min(max(value, self._low), self._high) - self._low) / (self._high - self._low)
        return self._radius + fraction * (self.width() - 2 * self._radius)

    @property
    def _radius(self) -> float:
        return 12.0

    def _move_to(self, value: float) -> None:
        steps = round((min(max(value, self._low), self._high) - self._low) / self._step)
        value = round(self._low + steps * self._step, 6)
        if value != self._value:
            self._value = value
            self.update()
            self.moved.emit(value)

    def _move_to_x(self, x: float) -> None:
        fraction = (x - self._radius) / max(self.width() - 2 * self._radius, 1.0)
        self._move_to(self._low + fraction * (self._high - self._low))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint groove and handle."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        middle, x = self.height() / 2, self.position_of(self._value)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(tokens.LINE))
        painter.drawRoundedRect(QRectF(0, middle - 3, self.width(), 6), 3, 3)
        painter.setBrush(QColor(tokens.ACTION if self.isEnabled() else tokens.LINE))
        painter.drawRoundedRect(QRectF(0, middle - 3, x, 6), 3, 3)
        painter.setBrush(QColor(tokens.TEXT if self.isEnabled() else tokens.SECONDARY))
        if self.hasFocus() or self._held:
            painter.setPen(QPen(QColor(tokens.ACTION), 3))
        painter.drawEllipse(QRectF(x - 11, middle - 11, 22, 22))
        painter.end()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Jump to the finger."""
        if event.button() is Qt.MouseButton.LeftButton:
            self._held = True
            self._move_to_x(event.position().x())
            self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Follow the finger."""
        if self._held:
            self._move_to_x(event.position().x())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Stay."""
        self._held = False
        self.update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Step with the arrow keys."""
        steps = {
            Qt.Key.Key_Left: -1,
            Qt.Key.Key_Down: -1,
            Qt.Key.Key_Right: 1,
            Qt.Key.Key_Up: 1,
        }.get(Qt.Key(event.key()))
        if steps is None:
            super().keyPressEvent(event)
        else:
            self.step_by(steps)


def false_calls_text(per_field: float) -> str:
    """Say how often a threshold calls what is not there."""
    if not per_field >= 0:
        return "false calls unknown"
    if per_field >= 0.95:
        return f"≈ {per_field:.0f} false a field"
    if per_field < 1e-3:
        return "< 1 false in 1000 fields"
    fields = round(1.0 / per_field)
    if fields > 20:
        fields = round(fields, -1)  # two digits are all that is known of it
    return f"≈ 1 false in {fields} field" + ("s" if fields > 1 else "")


def baseline_text(settings: Settings, guidance: Guidance | None) -> str:
    """Say how old the baseline is that is taken off; empty where none was asked for."""
    asked_ns = settings.baseline_ns
    if asked_ns is None:
        return ""
    if guidance is None or guidance.settings.baseline_ns != asked_ns:
        return "baseline asked"
    if not guidance.baseline_used:
        return "baseline NOT used"
    minutes = (guidance.pair.nir.mid_exposure_ns - asked_ns) // 60_000_000_000
    return f"baseline {minutes} min" if minutes else "baseline < 1 min"


class OverlayControls(Panel):
    """The panel. Emits the fields of `Settings` that the operator changed."""

    # `object`, not `dict`: Qt would make a map of its own of it, and strings of our enums.
    changed = Signal(object)
    style_wanted = Signal()

    def __init__(self) -> None:
        super().__init__("Overlay")
        self._calls = Standing()
        self.keyed: tuple[str, ...] = ()
        """Keys that open more, as they stand in the heading."""
        self.threshold = GloveSlider("Threshold", THRESHOLD_MIN, THRESHOLD_MAX, THRESHOLD_STEP)
        self.opacity = GloveSlider("Opacity", OPACITY_MIN, OPACITY_MAX, OPACITY_STEP)
        self.implied = _label(bold=True)
        self._opacity_text = _label(bold=True)
        self.maps: dict[ColourMap, FlatButton] = {}
        group = QButtonGroup(self)
        maps = QHBoxLayout()
        maps.setSpacing(tokens.GAP_PX)
        for colour_map in ColourMap:
            button = MapButton(colour_map)
            group.addButton(button)
            maps.addWidget(button)
            button.clicked.connect(
                lambda _=False, chosen=colour_map: self.changed.emit({"colour_map": chosen})
            )
            self.maps[colour_map] = button
        self.style_button = FlatButton(STYLE_NAMES[OverlayStyle.SIGNAL], "O")
        self.style_button.clicked.connect(self.style_wanted)
        maps.addWidget(self.style_button)
        inside = QVBoxLayout()
        inside.setSpacing(0)
        for name, slider, said in (
            ("Threshold", self.threshold, self.implied),
            ("Opacity", self.opacity, self._opacity_text),
        ):
            row = QGridLayout()
            row.setContentsMargins(0, 0, 0, 0)
            row.addWidget(_label(name), 0, 0)
            row.addWidget(said, 0, 1, Qt.AlignmentFlag.AlignRight)
            inside.addLayout(row)
            inside.addWidget(slider)
        inside.addLayout(maps)
        self.body.addLayout(inside)
        self.threshold.moved.connect(lambda v: self.changed.emit({"threshold_sigma": v}))
        self.opacity.moved.connect(lambda v: self.changed.emit({"opacity": v}))

    def show_settings(
        self, settings: Settings, guidance: Guidance | None, *, judged: bool = True
    ) -> None:
        """Follow the source; ``guidance`` says what its threshold implies, where it is judged."""
        if not self.threshold.held:
            self.threshold.set_value(settings.threshold_sigma)
        if not self.opacity.held:
            self.opacity.set_value(settings.opacity)
        self.say("   ".join(filter(None, (baseline_text(settings, guidance), *self.keyed))))
        implied = f"{settings.threshold_sigma:.1f} σ"
        # Only what was computed with this very threshold says something about it.
        if guidance is not None and guidance.settings.threshold_sigma == settings.threshold_sigma:
            calls = math.nan
            if judged and not NOTHING_JUDGED & set(guidance.flags):
                nir_ns = guidance.pair.nir.mid_exposure_ns
                calls = self._calls.figure(
                    settings.threshold_sigma, guidance.false_calls_per_field, nir_ns
                )
            implied += f" · {false_calls_text(calls)}"
        self.implied.setText(implied)
        self._opacity_text.setText(f"{settings.opacity * 100:.0f} %")
        in_nir = settings.view is View.NIR
        style: OverlayStyle | NirStyle = settings.nir_style if in_nir else settings.overlay_style
        self.style_button.setText(STYLE_NAMES[style])
        self.maps[settings.colour_map].setChecked(True)


class MapButton(FlatButton):
    """A choice of overlay colours, shown by the colours themselves."""

    def __init__(self, colour_map: ColourMap) -> None:
        super().__init__(colour_map.value.capitalize(), "")
        self.setCheckable(True)
        self._map = colour_map
        self.setAccessibleName(f"Overlay colours: {colour_map}")

    def sizeHint(self) -> QSize:
        """Return the least size."""
        return QSize(tokens.ACTION_PX, tokens.CONTROL_PX)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the colours' run, their name, and a frame when chosen."""
        painter = QPainter(self)
        checked = self.isChecked()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(QColor(tokens.GROUND))
        painter.setPen(QPen(QColor(tokens.ACTION if checked else tokens.LINE), 2 if checked else 1))
        frame = QRectF(self.rect()).adjusted(1, 1, -1, -1)
        painter.drawRoundedRect(frame, tokens.RADIUS_PX, tokens.RADIUS_PX)
        self._paint_run(painter, QRectF(10, 8, self.width() - 20, 8))
        painter.setPen(QColor(tokens.TEXT if checked else tokens.SECONDARY))
        painter.setFont(font(13, bold=checked))
        painter.drawText(
            QRectF(0, 18, self.width(), self.height() - 20),
            Qt.AlignmentFlag.AlignCenter,
            self.text(),
        )
        painter.end()

    def _paint_run(self, painter: QPainter, area: QRectF) -> None:
        """Paint the colour table as it lies on dark tissue, faint to full from left to right."""
        run = QLinearGradient(area.topLeft(), area.topRight())
        table = colour_table(self._map)
        for part in range(9):
            level = round(part / 8 * (len(table) - 1))
            run.setColorAt(part / 8, QColor.fromRgba(int(table[level])))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(run)
        painter.drawRoundedRect(area, 3, 3)


def _label(text: str = "", *, bold: bool = False) -> QLabel:
    label = QLabel(text)
    label.setFont(font(15, bold=bold))
    return label
