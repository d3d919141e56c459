"""`Gains`: what turns a white camera's raw colours into those on the screen."""

from __future__ import annotations

from typing import NamedTuple


class Gains(NamedTuple):
    """``(value - black) * gain`` of each colour; a full sample with gain 1 stays full.

    ``red``, ``green``, ``blue`` in (0, 8]; ``black`` is the camera's level without light, a share
    of full scale in [0, 1): multiplied with the rest it would tint what is dark.
    """

    red: float = 1.0
    green: float = 1.0
    blue: float = 1.0
    black: float = 0.0
