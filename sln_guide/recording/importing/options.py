"""The options of an import, refused by name where they cannot be true or would do nothing."""

from __future__ import annotations

import math
from pathlib import Path

from sln_guide.recording.importing.picture import ImportProblem

LIMITS = {
    "--fps": (1e6, "frames a second"),
    "--exposure-us": (1e9, "microseconds"),
    "--mm-per-px": (1e3, "mm a pixel"),
}


def refuse_impossible(
    *,
    fps: float | None,
    exposure_us: float | None,
    mm_per_px: float | None,
    gain_db: float | None,
    black_level: float | None,
) -> None:
    """Check the numbers.

    Raises
    ------
    ImportProblem
        One that cannot be, with what to give instead.
    """
    for (word, (most, unit)), value in zip(
        LIMITS.items(), (fps, exposure_us, mm_per_px), strict=True
    ):
        if value is not None and not 0 < value <= most:
            raise ImportProblem(f"{word} {value:g}: give {unit}, above 0 and up to {most:g}")
    if gain_db is not None and not 0 <= gain_db <= 100:
        raise ImportProblem(f"--gain-db {gain_db:g}: give 0 to 100")
    if black_level is not None and not (math.isfinite(black_level) and black_level >= 0):
        raise ImportProblem(f"--black-level {black_level:g}: give counts, 0 or more")


def refuse_idle(
    nir: Path | None,
    white: Path | None,
    *,
    bit_depth: int | None,
    white_format: str | None,
    registration: Path | str | None,
) -> None:
    """Check that what is told is told of something that is given.

    Raises
    ------
    ImportProblem
        Naming what is missing.
    """
    if nir is None and white is None:
        raise ImportProblem("nothing to import: give --nir, --white, or both")
    if nir is None and bit_depth is not None:
        raise ImportProblem("--bit-depth: is about NIR, and there is none: give --nir")
    if white is None and white_format is not None:
        raise ImportProblem("--white-format: is about white light, and there is none: give --white")
    if (nir is None or white is None) and registration is not None and str(registration) != "none":
        raise ImportProblem("--registration: is between two streams: give --nir and --white")
