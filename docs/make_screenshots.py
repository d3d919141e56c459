"""Make the pictures of README and guide: `make screenshots`.

Runs the real commands under a real X server (Xvfb), on simulated cameras, and saves what the
window shows. Look at every picture before committing it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

IMAGES = Path(__file__).resolve().parent / "images"
SIZE = "1600x900"


def shoot(name: str, seconds: float, *words: str | Path) -> None:
    """Run one command and keep its window as ``docs/images/<name>.png``."""
    command = [sys.executable, "-m", "sln_guide.cli", *(str(word) for word in words)]
    extra = ["--seconds", str(seconds), "--size", SIZE, "--screenshot", str(IMAGES / f"{name}.png")]
    subprocess.run(command + extra, check=True)


def main() -> None:
    """Make all of them."""
    IMAGES.mkdir(exist_ok=True)
    read_end, write_end = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-noreset", "-displayfd", str(write_end), "-screen", "0", "1920x1080x24"],
        pass_fds=[write_end],
    )
    os.close(write_end)
    with os.fdopen(read_end) as pipe, tempfile.TemporaryDirectory() as folder:
        os.environ["DISPLAY"] = f":{pipe.readline().strip()}"
        os.environ["QT_QPA_PLATFORM"] = "xcb"
        cases = Path(folder) / "cases"
        try:
            shoot("window", 42.0, "demo", "--record", "--cases", cases)
            (case,) = cases.glob("*.case")
            shoot("replay", 30.0, "replay", case)
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
