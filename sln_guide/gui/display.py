"""Whether there is a screen to show a window on, asked without starting Qt (it would abort)."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

OFFSCREEN = ("offscreen", "minimal", "vnc")
CONNECT_TIMEOUT_S = 2.0


class NoDisplayError(RuntimeError):
    """There is no screen, and nobody asked for a window that ends by itself."""


def display_available(environment: Mapping[str, str] | None = None) -> bool:
    """Return whether a window would be seen: a display is named and somebody answers there."""
    env = os.environ if environment is None else environment
    if env.get("QT_QPA_PLATFORM", "").partition(":")[0] in OFFSCREEN:
        return False
    if not sys.platform.startswith("linux"):
        return True
    return _wayland_answers(env) or _x11_answers(env.get("DISPLAY", ""))


def _wayland_answers(env: Mapping[str, str]) -> bool:
    name, folder = env.get("WAYLAND_DISPLAY", ""), env.get("XDG_RUNTIME_DIR", "")
    if not name:
        return False
    path = Path(name) if name.startswith("/") else Path(folder) / name
    return _connects(socket.AF_UNIX, str(path))


def _x11_answers(display: str) -> bool:
    """Try the display's socket: "[host]:number[.screen]"."""
    host, colon, rest = display.rpartition(":")
    number = rest.partition(".")[0]
    if not colon or not number.isdigit():
        return False
    if host in ("", "unix"):
        path = f"/tmp/.X11-unix/X{number}"
        return _connects(socket.AF_UNIX, path) or _connects(socket.AF_UNIX, f"\0{path}")
    return _connects(socket.AF_INET, (host, 6000 + int(number)))


def _connects(family: socket.AddressFamily, address: str | tuple[str, int]) -> bool:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.settimeout(CONNECT_TIMEOUT_S)
            probe.connect(address)
    except OSError:
        return False
    return True
