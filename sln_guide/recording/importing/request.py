"""`ImportRequest`: what to import and what is told of it; what cannot be is refused by name."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from hardware.rig import Optics
from hardware.rig_rules import scale_slip
from sln_guide.recording.importing.picture import ImportProblem

LIMITS = {
    "fps": (1e6, "frames a second"),
    "exposure_us": (1e9, "microseconds"),
    "mm_per_px": (1e3, "mm a pixel"),
}


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """Recorded pictures to make a case of, and what is told of them. None: not told.

    Attributes
    ----------
    nir, white
        A folder of images in counting order, a TIFF stack, one image, a .npy array or a video.
        Either may be None, not both.
    out
        Folder of the new case; must not hold anything.
    fps
        Frames a second; else from ``timestamps``, else from a video, else assumed.
    bit_depth
        Significant bits of NIR; else from the file, else from the brightest value.
    black_level
        NIR counts without light; else of the dark frame, else 0.
    mm_per_px
        Of the NIR image; without it areas stay in px.
    dark
        Dark frame, or several, of which the mean is kept; attached, and subtracted in processing.
    exposure_us, gain_db
        Of the NIR frames.
    registration
        "identity", "none", or a file: TOML or JSON with the rig's ``[registration]`` table, or a
        3x3 matrix as .npy, .txt or .csv.
    timestamps
        CSV: seconds of each NIR frame, and in a second column of each white frame. Where its heads
        name times, those columns alone; in ms, us or ns where the head ends so. Not with ``fps``.
    white_format
        A Bayer format, where white pictures are raw mosaics.

    Raises
    ------
    ImportProblem
        A number that cannot be, or something told of what is not given; with what to do.
    """

    nir: Path | None
    white: Path | None
    out: Path
    fps: float | None = None
    bit_depth: int | None = None
    black_level: float | None = None
    mm_per_px: float | None = None
    dark: Path | None = None
    exposure_us: float | None = None
    gain_db: float | None = None
    registration: Path | str | None = None
    timestamps: Path | None = None
    white_format: str | None = None

    def __post_init__(self) -> None:
        self._refuse_idle()
        self._refuse_impossible()

    def _refuse_idle(self) -> None:
        """Check that what is told is told of something that is given."""
        if self.nir is None and self.white is None:
            raise ImportProblem("nothing to import: give --nir, --white, or both")
        if self.nir is None and self.bit_depth is not None:
            raise ImportProblem("--bit-depth: is about NIR, and there is none: give --nir")
        if self.white is None and self.white_format is not None:
            raise ImportProblem(
                "--white-format: is about white light, and there is none: give --white"
            )
        both = self.nir is not None and self.white is not None
        if not both and self.registration is not None and str(self.registration) != "none":
            raise ImportProblem("--registration: is between two streams: give --nir and --white")
        if self.fps is not None and self.timestamps is not None:
            raise ImportProblem("--fps and --timestamps: give one of the two")

    def _refuse_impossible(self) -> None:
        """Check the numbers."""
        for name, (most, unit) in LIMITS.items():
            value = getattr(self, name)
            if value is not None and not 0 < value <= most:
                word = f"--{name.replace('_', '-')}"
                raise ImportProblem(f"{word} {value:g}: give {unit}, above 0 and up to {most:g}")
        if self.gain_db is not None and not 0 <= self.gain_db <= 100:
            raise ImportProblem(f"--gain-db {self.gain_db:g}: give 0 to 100")
        slip = scale_slip(Optics(mm_per_px=self.mm_per_px))
        if slip is not None:
            raise ImportProblem(f"--mm-per-px {self.mm_per_px:g}: {slip}")
        black = self.black_level
        if black is not None and not (math.isfinite(black) and black >= 0):
            raise ImportProblem(f"--black-level {black:g}: give counts, 0 or more")
