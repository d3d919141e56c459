"""`Placing`: where the overlay lies over colour, as far as the operator may move it."""

from __future__ import annotations

from collections.abc import Callable

from sln_guide.calibration.errors import CalibrationError
from sln_guide.gui.claims.readings import WITHOUT_FOLDERS, Tone, error_text
from sln_guide.gui.panels.nudge import nudge_text
from sln_guide.gui.picture.mounting import unturned
from sln_guide.gui.preferences import Mounting
from sln_guide.guidance import MOST_NUDGE_PX
from sln_guide.source import Movable, PictureSource, SourceError

DISTANCE_STEP_MM = 5.0


class Placing:
    """Another working distance, where the rig is registered for it; as a last resort, a nudge.

    Parameters
    ----------
    source
        Told.
    mounting
        Returns how the picture is turned on the screen.
    change, say, done
        Changes settings; has a confirmation shown; has the window refreshed.
    """

    def __init__(
        self,
        source: PictureSource,
        mounting: Callable[[], Mounting],
        change: Callable[..., None],
        say: Callable[..., None],
        done: Callable[[], object],
    ) -> None:
        self._source = source
        self._mounting = mounting
        self._change = change
        self._say = say
        self._done = done

    def move_distance(self, by_mm: float) -> None:
        """Have the rig work nearer (negative) or farther, where its registration holds."""
        rig = self._source.settings.worked(self._source.rig)
        if not isinstance(self._source, Movable) or rig.distances_mm is None:
            self._say(
                "No other working distance: the rig is not registered by distance", Tone.PLAIN
            )
            return
        distance_mm = float(round(rig.optics.working_distance_mm + by_mm))
        low_mm, high_mm = rig.distances_mm
        if not low_mm <= distance_mm <= high_mm:
            self._say(
                f"Registered from {low_mm:.0f} to {high_mm:.0f} mm only: not at {distance_mm:g} mm",
                Tone.STALE,
            )
            return
        try:
            settings = self._source.work_at(distance_mm)
        except (CalibrationError, SourceError) as error:
            self._say(f"Not changed: {WITHOUT_FOLDERS.sub('', str(error))}", Tone.ALARM)
            return
        found = settings.worked(rig).registration
        told = error_text(found.residual_mm or 0.0)
        self._say(f"Working distance {distance_mm:g} mm: registration {told}")
        self._done()

    def nudge(self, right_px: int, down_px: int) -> None:
        """Move the overlay by hand by px of white light, as the eye sees right and down."""
        settings, rig = self._source.settings, self._source.rig
        if settings.registered(rig.registration).kind == "none":
            self._say("Nothing to nudge: NIR and colour are not registered")
            return
        x_px, y_px = unturned(right_px, down_px, self._mounting())
        nudge_px = (settings.nudge_px[0] + x_px, settings.nudge_px[1] + y_px)
        if max(map(abs, nudge_px)) > MOST_NUDGE_PX:
            self._say("No further by hand: register the rig again", Tone.STALE)
            return
        self._nudge(nudge_px)

    def take_nudge_back(self) -> None:
        """Lay the overlay where the registration has it."""
        if self._source.settings.nudge_px != (0.0, 0.0):
            self._nudge((0.0, 0.0))

    def _nudge(self, nudge_px: tuple[float, float]) -> None:
        self._change(nudge_px=nudge_px)
        told = f"Registration nudged by {nudge_text(nudge_px)}: as good as your eye, not measured"
        if nudge_px == (0.0, 0.0):
            self._say("Registration as it was measured: nothing is nudged")
        else:
            self._say(told, Tone.STALE)
