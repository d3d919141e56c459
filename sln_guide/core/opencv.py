"""The one place that imports OpenCV: ``from sln_guide.core.opencv import cv2``.

OpenCV's wheels carry a Qt 5 of their own and point ``QT_QPA_PLATFORM_PLUGIN_PATH`` and
``QT_QPA_FONTDIR`` at it on import. PySide6 would then look for its platform plugins in there and
abort the process. Both variables are put back to what they were.
"""

from __future__ import annotations

import os

_HIJACKED = ("QT_QPA_PLATFORM_PLUGIN_PATH", "QT_QPA_FONTDIR")
_before = {name: os.environ.get(name) for name in _HIJACKED}

import cv2 as cv2  # noqa: E402

for _name, _value in _before.items():
    if _value is None:
        os.environ.pop(_name, None)
    else:
        os.environ[_name] = _value

# Our own threads already fill the cores, and a pool of OpenCV's would make the order of its sums
# (and so the last bit of its results) depend on the machine.
cv2.setNumThreads(1)
cv2.ocl.setUseOpenCL(False)

__all__ = ["cv2"]
