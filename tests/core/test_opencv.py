"""OpenCV's wheels bring a Qt of their own; ours must still find its plugins and fonts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.x_server import x_server

ROOT = Path(__file__).resolve().parents[2]
VARIABLES = ("QT_QPA_PLATFORM_PLUGIN_PATH", "QT_QPA_FONTDIR")

SHOW_A_WINDOW = """
from sln_guide.core.opencv import cv2
from PySide6.QtWidgets import QApplication, QLabel
application = QApplication([])
label = QLabel("SLN-1")
label.resize(120, 40)
label.show()
application.processEvents()
image = label.grab().toImage()
shades = {image.pixel(x, y) for x in range(image.width()) for y in range(image.height())}
print(application.platformName(), label.isVisible(), len(shades) > 3)
"""


def run(code: str, **variables: str) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("QT_")} | variables
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_qt_opens_a_window_on_a_real_x_server_after_opencv():
    with x_server(640, 480) as display:
        assert run(SHOW_A_WINDOW, DISPLAY=display, QT_QPA_PLATFORM="xcb") == "xcb True True"


def test_opencv_leaves_no_trace_in_the_environment():
    code = (
        f"import os, sln_guide.core.opencv\nprint([os.environ.get(name) for name in {VARIABLES!r}])"
    )
    assert run(code) == "[None, None]"
    kept = run(code, **dict.fromkeys(VARIABLES, "/mine"))
    assert kept == "['/mine', '/mine']"


def test_opencv_brings_no_threads_of_its_own():
    code = "from sln_guide.core.opencv import cv2; print(cv2.getNumThreads(), cv2.ocl.useOpenCL())"
    assert run(code) == "1 False"


def test_nobody_else_imports_opencv():
    sources = [*ROOT.glob("sln_guide/**/*.py"), *ROOT.glob("hardware/**/*.py")]
    importers = [
        str(path.relative_to(ROOT))
        for path in sources
        if any(
            line.strip().startswith(("import cv2", "from cv2"))
            for line in path.read_text(encoding="utf-8").splitlines()
        )
    ]
    assert importers == ["hardware/opencv.py"]
