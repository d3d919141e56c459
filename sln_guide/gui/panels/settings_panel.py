"""Presets and settings, laid over the dock: the picture stays in sight, and follows at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QLabel, QVBoxLayout, QWidget

from sln_guide.gui.arranging import Arranging, scale_text
from sln_guide.gui.panels.buttons import FlatButton
from sln_guide.gui.panels.nudge import NudgePad, nudge_text
from sln_guide.gui.panels.overlay_controls import GloveSlider, baseline_text
from sln_guide.gui.panels.panel import Panel, toggle_over_parent
from sln_guide.gui.picture.lasso import Shape
from sln_guide.gui.scale import choices, display_of
from sln_guide.guidance import LEAST_GAMMA, MOST_GAMMA, Guidance, Settings
from sln_guide.render import tokens
from sln_guide.render.text import font
from sln_guide.render.wording import signal_text

PRESETS_IN_A_ROW = 3
MOST_PRESETS = 6
GAMMA_STEP = 0.1
DISTANCE = "Working distance"
DISTANCES_MM = (-5, -1, 1, 5)
NUDGE = "Nudge the overlay by hand · last resort"
SHOWN = (
    ("show_channel", "Channels"),
    ("show_injection", "Injection"),
    ("show_uncertain", "Uncertain"),
)


class SettingsPanel(Panel):
    """Closed by its button or its key. ``changed`` carries fields of `Settings`."""

    changed = Signal(object)
    curves_wanted = Signal()
    exclusion_wanted = Signal()
    baseline_wanted = Signal()
    region_wanted = Signal(object)
    region_unwanted = Signal()
    theatre_wanted = Signal()
    distance_wanted = Signal(float)
    nudged = Signal(int, int)
    nudge_unwanted = Signal()

    def __init__(self, parent: QWidget, arranging: Arranging, *, live: bool) -> None:
        super().__init__("Presets and settings", parent)
        self.setAccessibleName("Settings")
        self.setAutoFillBackground(True)
        self._arranging = arranging
        self._settings = Settings()
        self._scale: float | None = None
        self._names: tuple[str, ...] = ()
        self._labels: list[QLabel] = []
        self._presets = QGridLayout()
        self._presets.setSpacing(tokens.GAP_PX)
        self.preset_buttons: dict[str, FlatButton] = {}
        self.body.setSpacing(6)
        self.body.addLayout(self._presets)
        self.save = self._button("Save preset", arranging.save)
        self.lock = self._button("Lock", arranging.toggle_lock, checkable=True)
        self._add_row("", self.save, self.lock)
        self.turn = self._button("Rotate 90°", arranging.turn)
        self.mirror = self._button("Mirror", arranging.mirror, checkable=True)
        self.theatre = self._button("Theatre", self.theatre_wanted.emit)
        self._add_row("Mounting · theatre's screen", self.turn, self.mirror, self.theatre)
        self.shown = {
            name: self._button(text, partial(self._toggle, name), checkable=True)
            for name, text in SHOWN
        }
        self._add_row("Show", *self.shown.values())
        self.exclude = self._button("Exclude region", self._exclude, checkable=True)
        self.baseline = self._button("Take baseline", self.baseline_wanted.emit, checkable=True)
        self._add_row(
            "Injection site" + (" · before the tracer" if live else ""), self.exclude, self.baseline
        )
        self.scale = self._button("Lock colour scale", self._toggle_scale, checkable=True)
        self.exposure = self._button("Exposure", self._toggle_exposure, checkable=True)
        self._add_row(
            "Colour scale" + (" · NIR exposure" if live else ""), self.scale, self.exposure
        )
        self.gamma = GloveSlider("Gamma", LEAST_GAMMA, MOST_GAMMA, GAMMA_STEP)
        self.gamma.moved.connect(lambda value: self.changed.emit({"gamma": value}))
        self._gamma_text = self._add_row("", self.gamma)
        self.sound = self._button("Sound", arranging.toggle_sound, checkable=True)
        self.curves = self._button("Save curves", self.curves_wanted.emit)
        self.regions = {
            shape: self._button(shape.capitalize(), partial(self._region, shape)) for shape in Shape
        }
        self.remove_region = self._button("Remove", self.region_unwanted.emit)
        self._add_row("Region with a curve", *self.regions.values(), self.remove_region)
        self.distances = {
            by_mm: self._button(f"{by_mm:+d} mm".replace("-", "−"), partial(self._move, by_mm))
            for by_mm in (DISTANCES_MM if live else ())
        }
        self._distance_text: QLabel | None = None
        if live:
            self._distance_text = self._add_row(DISTANCE, *self.distances.values())
            self._labels.remove(self._distance_text)  # a figure: it stays where headings go
        self.nudge = NudgePad(self)
        self.nudge.nudged.connect(self.nudged)
        self.nudge.taken_back.connect(self.nudge_unwanted)
        self._nudge_text = self._add_row(NUDGE, *self.nudge.buttons)
        self._labels.remove(self._nudge_text)
        self.larger = self._button("Size", self._next_scale)
        self.leave = self._button("Back", self.hide)
        told = (self.sound, self.curves, self.larger, self.leave)
        self._add_row("Alarms · tables · size from the next start", *told)
        self.exposure.setVisible(live)
        self.baseline.setVisible(live)
        self.body.addStretch(1)
        self.show_distance(None, None)
        self.show_nudge(None)
        self.hide()

    def toggle(self) -> None:
        """Show it over its parent, or put it away."""
        if toggle_over_parent(self):
            first = next(iter(self.preset_buttons.values()), self.save)
            first.setFocus(Qt.FocusReason.TabFocusReason)

    def show_settings(
        self, settings: Settings, guidance: Guidance | None, *, refused: str | None = None
    ) -> None:
        """Follow the source; ``refused``: why NIR exposure cannot follow the tissue."""
        arranging = self._arranging
        self._settings = settings
        self._scale = None if guidance is None else guidance.display_full_scale
        self._show_presets(arranging.presets()[:MOST_PRESETS] if self.isVisible() else self._names)
        for name, button in self.preset_buttons.items():
            button.setChecked(name == arranging.preset)
        locked = arranging.locked
        self.say(f"{arranging.preset} · locked" if locked else arranging.preset)
        self.save.setText("Save as new" if locked or not arranging.preset else "Save preset")
        self.lock.setChecked(locked)
        self.lock.setText("Unlock" if locked else "Lock")
        self.theatre.setText(arranging.theatre_screen or "Any other")
        self.mirror.setChecked(arranging.mounting.mirrored)
        self.turn.setText(f"Rotate · {arranging.mounting.quarter_turns * 90}°")
        for name, button in self.shown.items():
            button.setChecked(getattr(settings, name))
            button.setEnabled(not locked)
        self.exclude.setChecked(bool(settings.exclusion_px))
        self.exclude.setText("Exclude no more" if settings.exclusion_px else "Exclude region")
        self._show_baseline(settings, guidance)
        self._show_exposure(settings, guidance, refused)
        fixed = settings.display_full_scale
        self.scale.setChecked(fixed is not None)
        self.scale.setEnabled(not locked and (fixed is not None or self._scale is not None))
        self.scale.setText(
            "Scale follows" if fixed is None else f"Scale locked at {signal_text(fixed)}"
        )
        self.sound.setChecked(arranging.alarm_sound)
        self.larger.setText(f"Size {scale_text(arranging.interface_scale)}")
        self.remove_region.setEnabled(bool(settings.regions_px))
        if not self.gamma.held:
            self.gamma.set_value(settings.gamma)
        self.gamma.setEnabled(not locked)
        self._gamma_text.setText(f"Overlay gamma {settings.gamma:.1f} · {_bend(settings.gamma)}")

    def show_distance(
        self, distance_mm: float | None, range_mm: tuple[float, float] | None
    ) -> None:
        """Follow the working distance, where the rig is registered by distance; else hide it."""
        if self._distance_text is None:
            return
        for part in (self._distance_text, *self.distances.values()):
            part.setVisible(distance_mm is not None and range_mm is not None)
        if distance_mm is not None and range_mm is not None:
            low, high = range_mm
            self._distance_text.setText(
                f"{DISTANCE} {distance_mm:g} mm · {low:.0f} to {high:.0f} mm"
            )

    def show_nudge(self, nudge_px: tuple[float, float] | None) -> None:
        """Follow the nudge of the registration; None: there is nothing to nudge here."""
        for part in (self._nudge_text, *self.nudge.buttons):
            part.setVisible(nudge_px is not None)
        nudged = nudge_px is not None and nudge_px != (0.0, 0.0)
        self.nudge.back.setEnabled(nudged)
        told = NUDGE
        if nudge_px is not None and nudged:
            told = f"{NUDGE}: {nudge_text(nudge_px)}"
        self._nudge_text.setText(told)

    def _move(self, by_mm: float) -> None:
        self.distance_wanted.emit(by_mm)

    def _show_presets(self, names: tuple[str, ...]) -> None:
        if names == self._names:
            return
        self._names = names
        for button in self.preset_buttons.values():
            self._presets.removeWidget(button)
            button.deleteLater()
        self.preset_buttons = {}
        for place, name in enumerate(names):
            button = self._button(
                name.capitalize() if name != "gi" else "GI",
                partial(self._arranging.take, name),
                checkable=True,
            )
            self.preset_buttons[name] = button
            self._presets.addWidget(button, *divmod(place, PRESETS_IN_A_ROW))
            button.show()  # at once, so that it is counted
        self._fit()

    def _fit(self) -> None:
        """Leave the rows' headings out where there would be no room for the rows."""
        for label in self._labels:
            label.show()
        self.body.activate()
        if self.body.minimumSize().height() > self.height():
            for label in self._labels:
                label.hide()

    def _toggle(self, name: str) -> None:
        self.changed.emit({name: not getattr(self._settings, name)})

    def _show_baseline(self, settings: Settings, guidance: Guidance | None) -> None:
        self.baseline.setChecked(settings.baseline_ns is not None)
        told = baseline_text(settings, guidance)  # as beside *Overlay*, which this panel covers
        self.baseline.setText(told.capitalize() or "Take baseline")

    def _show_exposure(
        self, settings: Settings, guidance: Guidance | None, refused: str | None
    ) -> None:
        follows = settings.auto_exposure
        self.exposure.setChecked(follows)
        if follows and refused is not None:
            self.exposure.setText("Cannot follow")
            return
        held = "" if guidance is None else f" {guidance.pair.nir.exposure_us / 1000:.3g} ms"
        self.exposure.setText(f"Follows,{held}" if follows else f"Held,{held}" if held else "Held")

    def _toggle_exposure(self) -> None:
        self.changed.emit({"auto_exposure": not self._settings.auto_exposure})

    def _exclude(self) -> None:
        self.exclusion_wanted.emit()
        self.hide()

    def _region(self, shape: Shape) -> None:
        self.region_wanted.emit(shape)
        self.hide()

    def _toggle_scale(self) -> None:
        held = self._settings.display_full_scale
        self.changed.emit({"display_full_scale": self._scale if held is None else None})

    def _next_scale(self) -> None:
        offered = (0.0, *choices(display_of(self.screen())))
        larger = [scale for scale in offered if scale > self._arranging.interface_scale]
        self._arranging.keep_scale(min(larger, default=0.0))

    def _button(
        self, text: str, do: Callable[[], object], *, checkable: bool = False
    ) -> FlatButton:
        button = FlatButton(text)
        button.setCheckable(checkable)
        button.setFixedHeight(tokens.CONTROL_PX)
        button.reach_by_tab()
        button.clicked.connect(lambda _=False: do())
        return button

    def _add_row(self, name: str, *parts: QWidget) -> QLabel:
        row = QVBoxLayout()
        row.setSpacing(2)
        label = QLabel(name)
        label.setFont(font(tokens.SMALL_PX, bold=True))
        if name or not isinstance(parts[0], FlatButton):
            row.addWidget(label)
        if name:
            self._labels.append(label)
        beside = QGridLayout()
        beside.setSpacing(tokens.GAP_PX)
        for place, part in enumerate(parts):
            beside.addWidget(part, 0, place)
        row.addLayout(beside)
        self.body.addLayout(row)
        return label


def _bend(gamma: float) -> str:
    """Say what a gamma does; it never does anything to what is measured or called."""
    if gamma == 1.0:
        return "colours even over the scale"
    return "faint signal lifted" if gamma > 1.0 else "faint signal held back"
