"""`Awake`: asks the desktop neither to blank the screen nor to sleep while it matters."""

from __future__ import annotations

from typing import Any

from PySide6.QtDBus import QDBus, QDBusConnection, QDBusMessage

SERVICE = "org.freedesktop.ScreenSaver"
PATHS = ("/org/freedesktop/ScreenSaver", "/ScreenSaver")
REASON = "live guidance is on the screen"
TIMEOUT_MS = 300
"""A desktop that takes longer to answer is not waited for."""


class Awake:
    """Holds the desktop awake from `hold` to `let_go`. Freedesktop's screen saver interface."""

    def __init__(self) -> None:
        self._held: tuple[str, int] | None = None

    @property
    def held(self) -> bool:
        """Whether a desktop agreed."""
        return self._held is not None

    def hold(self) -> bool:
        """Ask; False where no desktop listens (then the screen may blank)."""
        if not QDBusConnection.sessionBus().isConnected():
            return False
        for path in PATHS:
            cookie = _call(path, "Inhibit", "sln-guide", REASON)
            if cookie is not None:
                self._held = (path, int(cookie))
                return True
        return False

    def let_go(self) -> None:
        """Let the desktop do as it likes again. Idempotent."""
        held, self._held = self._held, None
        if held is not None:
            _call(held[0], "UnInhibit", held[1])


def _call(path: str, method: str, *arguments: Any) -> Any | None:
    message = QDBusMessage.createMethodCall(SERVICE, path, SERVICE, method)
    message.setArguments(list(arguments))
    answer = QDBusConnection.sessionBus().call(message, QDBus.CallMode.Block, TIMEOUT_MS)
    replied = answer.type() is QDBusMessage.MessageType.ReplyMessage
    return answer.arguments()[0] if replied and answer.arguments() else None
