"""Why a calibration cannot be made or used."""

from __future__ import annotations


class CalibrationError(Exception):
    """A calibration refused: one line that says what is wrong and what to do."""


class CalibrationFileError(CalibrationError):
    """A calibration file that is missing, damaged, of another camera, or too old."""


class CaptureError(CalibrationError):
    """What the camera saw does not serve: light where there should be none, a blurred board."""
