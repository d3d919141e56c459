"""A real X server of a test's own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def x_server(width: int = 1920, height: int = 1080) -> Iterator[str]:
    """Run one with a screen of that size in px; yield its name for ``DISPLAY``.

    The test is skipped, visibly, where Xvfb is absent.
    """
    if shutil.which("Xvfb") is None:
        pytest.skip("no X server to test under: Xvfb is not installed")
    read, write = os.pipe()
    screen = ("-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp")
    server = subprocess.Popen(
        ["Xvfb", "-noreset", "-displayfd", str(write), *screen],
        pass_fds=(write,),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    try:
        with os.fdopen(read) as told:
            number = told.readline().strip()
        assert number, "Xvfb did not start"
        yield f":{number}"
    finally:
        server.terminate()
        server.wait(10)
