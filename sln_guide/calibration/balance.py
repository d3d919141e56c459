"""`WhiteBalance`: the factors that make a grey card grey on the screen. Raw data stays raw."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from sln_guide.calibration import container
from sln_guide.calibration.binding import Binding, Moment, NonNegative, Positive

KIND = "white balance"
VALID_DAYS = 90.0
Factor = Annotated[float, msgspec.Meta(gt=0, le=8)]


class WhiteBalance(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Factors for red, green and blue of one camera under one light, above its black level."""

    binding: Binding
    made_at: Moment
    valid_days: Positive = VALID_DAYS
    factors: tuple[Factor, Factor, Factor]
    black_counts: NonNegative | None = None
    """Mean of the capped camera; None: it was not measured."""

    def save(self, path: Path) -> None:
        """Write it to one file. Raises CalibrationFileError."""
        container.save(path, KIND, self)

    @classmethod
    def load(cls, path: Path) -> WhiteBalance:
        """Read it back, strictly. Raises CalibrationFileError."""
        return container.load_fields(path, KIND, cls)
