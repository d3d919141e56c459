"""`Shortfall`: whether a camera sends as many frames as it was asked for."""

from __future__ import annotations

JUDGED_OVER_S = 5.0
"""So long a stretch is judged at once: a hiccup is not told, and what is told does not flicker."""
JUDGED_OVER_FRAMES = 20
FEWEST, ENOUGH = 0.9, 0.95
"""Parts of the rate asked for: below the first it is told, from the second on no longer."""
MOST_LOST, FEW_LOST = 0.05, 0.02
"""Parts of the frames that were lost on the way, likewise."""


class Shortfall:
    """Judges stretches of some seconds, one after the other.

    Parameters
    ----------
    asked_hz
        How many frames a second the camera was set to send; None: as many as it likes.
    """

    def __init__(self, asked_hz: float | None) -> None:
        self._asked_hz = asked_hz
        self.told = ""
        """What falls short, in words; empty: nothing does."""
        self.since_ns: int | None = None
        """Since when (monotonic); None: nothing falls short."""
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget the stretch that runs: the stream was interrupted."""
        self._began_ns: int | None = None
        self._came = self._missing = 0

    def see(self, time_ns: int, missing: int) -> None:
        """Count a frame that came at ``time_ns`` (monotonic), ``missing`` being lost before it."""
        if self._began_ns is None:
            self._began_ns = time_ns
            return
        self._came += 1
        self._missing += missing
        seconds = (time_ns - self._began_ns) / 1e9
        asked_hz = self._asked_hz or 0.0
        if seconds < JUDGED_OVER_S or max(self._came, asked_hz * seconds) < JUDGED_OVER_FRAMES:
            return
        self.told = self._judged(self._came / seconds)
        if not self.told:
            self.since_ns = None
        elif self.since_ns is None:
            self.since_ns = self._began_ns
        self._began_ns = time_ns
        self._came = self._missing = 0

    def _judged(self, rate_hz: float) -> str:
        falls_short = bool(self.told)
        lost = self._missing / (self._came + self._missing)
        if lost >= (FEW_LOST if falls_short else MOST_LOST):
            return (
                f"{self._missing} of {self._came + self._missing} frames were lost on the way: "
                "look at its cable and port, and at what else the machine does"
            )
        asked_hz = self._asked_hz
        if asked_hz is not None and rate_hz < asked_hz * (ENOUGH if falls_short else FEWEST):
            return (
                f"{rate_hz:.3g} of {asked_hz:.3g} frames a second come: its exposure is too long, "
                "its roi too large, or its link or this machine too slow"
            )
        return ""
