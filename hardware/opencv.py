"""OpenCV without its Qt: ``from hardware.opencv import cv2``.

OpenCV's wheels carry a Qt 5 of their own and point two variables of the environment at it on
import; PySide6 would then look for its platform plugins in there and abort the process. Both are
put back to what they were. Its own log is switched off: what it
complains of is raised or returned, and said once, in one line.
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

cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

__all__ = ["cv2"]
