"""`Baseline`: what this tissue looked like before the tracer came.

Texture of autofluorescence and leakage is locked to the tissue. A frame from before the injection
holds it, and where the tissue can be followed from there, it explains what colour cannot.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sln_guide.core.kernel import kernel
from sln_guide.core.motion import shift_between


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """The logarithm of one frame's blocks, and where they show tissue. Read-only.

    ``log``, ``usable`` (rows, cols) float32.
    """

    log: NDArray[np.float32]
    usable: NDArray[np.float32]


@kernel(error_model="numpy")
def _cubic(f):  # type: ignore[no-untyped-def]
    """Weights of four neighbours for a place ``f`` past the second (10.1109/TASSP.1981.1163711)."""
    a = np.float32(-0.5) * f + f * f - np.float32(0.5) * f * f * f
    b = np.float32(1) - np.float32(2.5) * f * f + np.float32(1.5) * f * f * f
    c = np.float32(0.5) * f + np.float32(2) * f * f - np.float32(1.5) * f * f * f
    return a, b, c, np.float32(1) - a - b - c


@kernel(error_model="numpy")
def move_into(out, valid, image, usable, dy, dx):  # type: ignore[no-untyped-def]
    """Write ``image`` moved by (dy, dx) cells; ``valid`` is 0 where that cannot be told."""
    rows, cols = image.shape
    y0, x0 = int(np.floor(-dy)), int(np.floor(-dx))
    wy, wx = _cubic(np.float32(-dy - y0)), _cubic(np.float32(-dx - x0))
    for r in range(rows):
        for c in range(cols):
            total = np.float32(0)
            told = r + y0 >= 1 and r + y0 + 2 < rows and c + x0 >= 1 and c + x0 + 2 < cols
            if told:
                for i in range(4):
                    y = r + y0 - 1 + i
                    line = np.float32(0)
                    for j in range(4):
                        x = c + x0 - 1 + j
                        line += wx[j] * image[y, x]
                        told &= usable[y, x] > np.float32(0.5)
                    total += wy[i] * line
            out[r, c] = total if told else np.float32(0)
            valid[r, c] = np.float32(told)


def follow_into(
    out: NDArray[np.float32],
    valid: NDArray[np.float32],
    baseline: Baseline,
    log: NDArray[np.float32],
) -> bool:
    """Write the baseline where its tissue is now, and where that can be told.

    Parameters
    ----------
    out, valid
        (rows, cols) float32, overwritten; ``valid`` is 1 or 0.
    log
        (rows, cols) float32: the logarithm of the present frame's blocks.

    Returns
    -------
    bool
        False: the tissue cannot be followed, and nothing was written.
    """
    if baseline.log.shape != log.shape:
        return False
    shift = shift_between(baseline.log, log)
    if shift is None:
        return False
    move_into(out, valid, baseline.log, baseline.usable, shift.dy, shift.dx)
    return True
