"""Excitation that only a camera's exposure can switch on: the pattern, the wire, and its faults.

The lamp hangs on the camera's exposure-active output through a gate that passes the frames of the
pattern. Nothing in this program holds it on: when the program, the computer or the cable dies, the
camera exposes no more, the line falls, and it is dark. See docs/calibration.md for the wiring.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pattern:
    """``on`` lit frames, then ``off`` dark ones, over and over, counted by the device."""

    on: int = 1
    off: int = 1

    def __post_init__(self) -> None:
        if self.on < 1 or self.off < 1:
            raise ValueError("a pattern needs a lit and a dark frame at least")

    @property
    def cycle(self) -> int:
        """Frames until it repeats."""
        return self.on + self.off

    def lit(self, sequence: int) -> bool:
        """Whether frame ``sequence`` is commanded to be lit."""
        return sequence % self.cycle < self.on


def rates_that_cancel(lamp_hz: float, longest_exposure_us: float) -> tuple[float, ...]:
    """Return frame rates [Hz], quickest first, whose period is whole periods of the lamp."""
    quickest = 1e6 / longest_exposure_us
    return tuple(lamp_hz / n for n in range(1, 21) if lamp_hz / n <= quickest)


@dataclass(frozen=True, slots=True)
class Pulse:
    """The exposure-active line, high from ``begin_ns`` to ``end_ns`` (monotonic), for one frame."""

    sequence: int
    begin_ns: int
    end_ns: int


class LightLine:
    """Model of the wire from the camera to the lamp, as an oscilloscope on it would see it.

    Parameters
    ----------
    pattern
        What the gate passes.
    stuck
        "on" or "off": a welded relay, a torn wire. Anything else raises ValueError.
    """

    def __init__(self, pattern: Pattern, *, stuck: str | None = None) -> None:
        if stuck not in (None, "on", "off"):
            raise ValueError("stuck must be 'on', 'off' or None")
        self._pattern = pattern
        self._stuck = stuck
        self._pulse: Pulse | None = None
        self._on_ns = 0

    def expose(self, pulse: Pulse) -> bool:
        """Let the camera expose one frame; return whether it was really lit."""
        lit = self._pattern.lit(pulse.sequence)
        if self._stuck is not None:
            lit = self._stuck == "on"
        if lit:
            self._pulse = pulse
            self._on_ns += pulse.end_ns - pulse.begin_ns
        return lit

    def high(self, now_ns: int) -> bool:
        """Whether the lamp is on at ``now_ns``. Without exposures it is not."""
        if self._stuck is not None:
            return self._stuck == "on"
        pulse = self._pulse
        return pulse is not None and pulse.begin_ns <= now_ns < pulse.end_ns

    @property
    def on_time_s(self) -> float:
        """How long the lamp has been on in all."""
        return self._on_ns * 1e-9
