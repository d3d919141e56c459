"""`Exposing`: lets the NIR camera's exposure follow the tissue while the operator wants that."""

from __future__ import annotations

from hardware.camera import CameraSettings
from hardware.rig import CameraSpec, Sensor
from sln_guide.exposure import ExposureLimits, ExposureState, follow
from sln_guide.guidance import Guidance
from sln_guide.stream import Stream

LEAST_US = 50.0
OF_PERIOD = 0.9
"""Longest exposure as a share of the frame period: the rest is the sensor's to read out in."""
USUAL_RATE_HZ = 30.0


class Exposing:
    """Asks the stream for another exposure when the tissue needs one. Processing thread only."""

    def __init__(self, stream: Stream, spec: CameraSpec, sensor: Sensor) -> None:
        self._stream = stream
        self._limits = limits_of(spec, sensor)
        self._state = ExposureState()

    def see(self, guidance: Guidance, *, wanted: bool) -> float | None:
        """Look at one guidance; return the exposure asked for [us], None if none was.

        Not ``wanted``: exposure stays as it is, and the next change is judged afresh.
        """
        if not wanted or self._stream.refused is not None:
            self._state = ExposureState()
            return None
        self._state, exposure_us = follow(self._state, guidance, self._limits)
        if exposure_us is not None:
            self._stream.change(CameraSettings(exposure_us=exposure_us))
        return exposure_us


def limits_of(spec: CameraSpec, sensor: Sensor) -> ExposureLimits:
    """Return what the rig's NIR camera may do."""
    period_us = 1e6 / (spec.frame_rate_hz or USUAL_RATE_HZ)
    full = 2**spec.pixel_format.bit_depth - 1
    return ExposureLimits(
        least_us=min(LEAST_US, spec.exposure_us),
        most_us=max(OF_PERIOD * period_us, spec.exposure_us),
        range_counts=max(full - sensor.dark_counts, 1.0),
    )
