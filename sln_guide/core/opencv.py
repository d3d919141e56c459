"""OpenCV as the application uses it: ``from sln_guide.core.opencv import cv2``.

Without its Qt (see `hardware.opencv`), on the caller's own thread.
"""

from __future__ import annotations

from hardware.opencv import cv2 as cv2

# Our own threads already fill the cores, and a pool of OpenCV's would make the order of its sums
# (and so the last bit of its results) depend on the machine.
cv2.setNumThreads(1)
cv2.ocl.setUseOpenCL(False)

__all__ = ["cv2"]
