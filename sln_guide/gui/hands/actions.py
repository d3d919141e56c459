"""What each `Action` does, whichever key or pedal asks for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from sln_guide.gui.desk import Desk
from sln_guide.gui.hands.placing import DISTANCE_STEP_MM
from sln_guide.gui.keys import PHASE_ACTIONS, Action
from sln_guide.gui.picture.zoom import WHEEL_STEP
from sln_guide.guidance import View


def actions_of(desk: Desk) -> dict[Action, Callable[[], None]]:
    """Return what the desk's own actions do; those are missing that its source does not know."""
    commands, video, overlay = desk.commands, desk.video, desk.overlay
    actions: dict[Action, Callable[[], None]] = {
        Action.FREEZE: commands.toggle_freeze,
        Action.SNAPSHOT: commands.take_snapshot,
        Action.MARK: commands.stamp_mark,
        Action.MERGED: lambda: commands.choose_view(View.MERGED),
        Action.COLOUR: lambda: commands.choose_view(View.WHITE),
        Action.NIR: lambda: commands.choose_view(View.NIR),
        Action.LAYOUT: desk.layout_button.click,
        Action.FIT: video.fit,
        Action.ACTUAL_SIZE: video.actual_size,
        Action.ZOOM_IN: lambda: video.zoom_by(WHEEL_STEP),
        Action.ZOOM_OUT: lambda: video.zoom_by(1 / WHEEL_STEP),
        Action.THRESHOLD_UP: lambda: overlay.threshold.step_by(1),
        Action.THRESHOLD_DOWN: lambda: overlay.threshold.step_by(-1),
        Action.OPACITY_UP: lambda: overlay.opacity.step_by(1),
        Action.OPACITY_DOWN: lambda: overlay.opacity.step_by(-1),
        Action.NEXT_COLOURS: commands.next_colours,
        Action.NEXT_STYLE: commands.next_style,
        Action.EXCLUDE: lambda: commands.regions.exclude(video.toggle_lasso),
        Action.MEASURE: video.toggle_ruler,
        Action.HELP: desk.help.toggle,
        Action.SETTINGS: desk.settings.toggle,
        Action.STEP_ON: lambda: commands.step(1),
        Action.STEP_BACK: lambda: commands.step(-1),
        Action.NEXT_EVENT: lambda: commands.go_to_event(1),
        Action.EVENT_BEFORE: lambda: commands.go_to_event(-1),
        Action.REMOVE_REGION: commands.regions.remove,
    }
    if desk.record is not None:
        actions[Action.RECORD] = desk.record.begin
    if desk.exports is not None:
        actions[Action.EXPORT] = desk.exports.toggle
    if commands.replay is None:
        actions[Action.NEARER] = lambda: commands.placing.move_distance(-DISTANCE_STEP_MM)
        actions[Action.BASELINE] = commands.baselining.toggle
        actions[Action.FARTHER] = lambda: commands.placing.move_distance(DISTANCE_STEP_MM)
    for index, phase in enumerate(PHASE_ACTIONS):
        actions[phase] = partial(commands.press_phase, index)
    return actions
